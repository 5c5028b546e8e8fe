// Projected volumes: files of several sources in one folder (core/v1 validateProjectionSources).
#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"

namespace bramble {
namespace {

constexpr std::string_view kModeRange = "must be a number between 0 and 0777 (octal), both inclusive";

// Upstream tells a bad path of a token as one of the volume.
void validate_token_source(Value token, const Path& volume, const Path& at, FieldErrors& errors) {
  const int64_t seconds = token["expirationSeconds"].integer(3600);
  if (seconds < 600)
    errors.invalid(at.at("expirationSeconds"), seconds, "may not specify a duration less than 10 minutes");
  if (seconds > (int64_t{1} << 32))
    errors.invalid(at.at("expirationSeconds"), seconds, "may not specify a duration larger than 2^32 seconds");
  if (token["path"].str().empty())
    errors.required(volume.at("path"));
  else
    validate_projected_path(token["path"].str(), volume.at("path"), errors);
}

}  // namespace

void validate_mode(Value mode, const Path& at, FieldErrors& errors) {
  if (mode.exists() && (mode.integer() < 0 || mode.integer() > 0777)) errors.invalid(at, mode.integer(), kModeRange);
}

// A path inside a volume that no projection of ours takes ("..data").
void validate_projected_path(std::string_view path, const Path& at, FieldErrors& errors) {
  validate_relative_path(path, at, errors);
  if (path.substr(0, 2) == ".." && path.substr(0, 3) != "../") errors.invalid(at, path, "must not start with '..'");
}

void validate_items(Value items, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < items.size(); ++i) {
    const Value item = items.item(i);
    const Path here = at.at("items").at(i);
    if (item["key"].str().empty()) errors.required(here.at("key"));
    if (item["path"].str().empty())
      errors.required(here.at("path"));
    else
      validate_projected_path(item["path"].str(), here.at("path"), errors);
    validate_mode(item["mode"], here.at("mode"), errors);
  }
}

// Upstream does not say which item it is.
void validate_downward_items(Value items, const Path& at, FieldErrors& errors) {
  for (Value item : items.items()) {
    if (item["path"].str().empty())
      errors.required(at.at("path"));
    else
      validate_projected_path(item["path"].str(), at.at("path"), errors);
    if (item.has("fieldRef")) {
      validate_field_ref(item["fieldRef"], at.at("fieldRef"), false, errors);
      if (item.has("resourceFieldRef"))
        errors.invalid(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
    } else if (item.has("resourceFieldRef")) {
      validate_resource_field_ref(item["resourceFieldRef"], at.at("resourceFieldRef"), true, errors);
    } else {
      errors.required(at, "one of fieldRef and resourceFieldRef is required");
    }
    validate_mode(item["mode"], at.at("mode"), errors);
  }
}

void validate_projected(Value projected, const Path& at, FieldErrors& errors) {
  validate_mode(projected["defaultMode"], at.at("defaultMode"), errors);
  std::set<std::string, std::less<>> paths;
  auto take = [&](std::string_view path, std::string_view told) {
    if (!path.empty() && !paths.insert(std::string(path)).second) errors.invalid(at, told, "conflicting duplicate paths");
  };
  const Value sources = projected["sources"];
  for (size_t i = 0; i < sources.size(); ++i) {
    const Value source = sources.item(i);
    const Path here = at.at("sources").at(i);
    for (const char* name : {"secret", "configMap"}) {
      const Value s = source[name];
      if (!s.is_object()) continue;
      if (s["name"].str().empty()) errors.required(here.at(name).at("name"));
      validate_items(s["items"], here.at(name), errors);
      for (Value item : s["items"].items()) take(item["path"].str(), s["name"].str());
    }
    validate_downward_items(source["downwardAPI"]["items"], here.at("downwardAPI"), errors);
    for (Value item : source["downwardAPI"]["items"].items()) take(item["path"].str(), item["path"].str());
    if (source.has("serviceAccountToken"))
      validate_token_source(source["serviceAccountToken"], at, here.at("serviceAccountToken"), errors);
    if (const Value bundle = source["clusterTrustBundle"]; bundle.is_object()) {
      if (bundle["path"].str().empty()) errors.required(here.at("clusterTrustBundle").at("path"));
      take(bundle["path"].str(), bundle["path"].str());
    }
    if (source.has("podCertificate") && source["podCertificate"]["signerName"].str().empty())
      errors.required(here.at("podCertificate").at("signerName"));
    if (source.size() > 1) errors.forbidden(here, "may not specify more than 1 volume type per source");
  }
}

}  // namespace bramble
