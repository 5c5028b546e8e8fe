// Volumes of a pod (core/v1 ValidateVolumes): exactly one source each, and the rules of the sources.
#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/volume_access.h"
#include "core/resources/volume_source_rules.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

constexpr std::string_view kModeRange = "must be a number between 0 and 0777 (octal), both inclusive";

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

void validate_downward_items(Value items, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < items.size(); ++i) {
    const Value item = items.item(i);
    const Path here = at.at("items").at(i);
    if (item["path"].str().empty())
      errors.required(here.at("path"));
    else
      validate_projected_path(item["path"].str(), here.at("path"), errors);
    if (item.has("fieldRef")) {
      validate_field_ref(item["fieldRef"], here.at("fieldRef"), false, errors);
      if (item.has("resourceFieldRef"))
        errors.invalid(here, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
    } else if (item.has("resourceFieldRef")) {
      validate_resource_field_ref(item["resourceFieldRef"], here.at("resourceFieldRef"), true, errors);
    } else {
      errors.required(here, "one of fieldRef and resourceFieldRef is required");
    }
    validate_mode(item["mode"], here.at("mode"), errors);
  }
}

void validate_token_source(Value token, const Path& at, FieldErrors& errors) {
  const int64_t seconds = token["expirationSeconds"].integer(3600);
  if (seconds < 600)
    errors.invalid(at.at("expirationSeconds"), seconds, "may not specify a duration less than 10 minutes");
  if (seconds > (int64_t{1} << 32))
    errors.invalid(at.at("expirationSeconds"), seconds, "may not specify a duration larger than 2^32 seconds");
  if (token["path"].str().empty())
    errors.required(at.at("path"));
  else
    validate_projected_path(token["path"].str(), at.at("path"), errors);
}

void validate_projected(Value projected, const Path& at, FieldErrors& errors) {
  validate_mode(projected["defaultMode"], at.at("defaultMode"), errors);
  std::set<std::string> paths;
  const Value sources = projected["sources"];
  for (size_t i = 0; i < sources.size(); ++i) {
    const Value source = sources.item(i);
    const Path here = at.at("sources").at(i);
    int count = 0;
    auto first = [&](const char* name) {
      if (!source.has(name)) return false;
      if (count++ == 0) return true;
      errors.forbidden(here.at(name), "may not specify more than 1 volume type per source");
      return false;
    };
    auto take = [&](std::string_view path, std::string_view bad, const Path& where) {
      if (!path.empty() && !paths.insert(std::string(path)).second)
        errors.invalid(where, bad, "conflicting duplicate paths");
    };
    for (const char* name : {"secret", "configMap"}) {
      if (!first(name)) continue;
      const Value s = source[name];
      if (s["name"].str().empty()) errors.required(here.at(name).at("name"));
      validate_items(s["items"], here.at(name), errors);
      for (Value item : s["items"].items()) take(item["path"].str(), s["name"].str(), here.at(name));
    }
    if (first("downwardAPI")) {
      validate_downward_items(source["downwardAPI"]["items"], here.at("downwardAPI"), errors);
      for (Value item : source["downwardAPI"]["items"].items())
        take(item["path"].str(), item["path"].str(), here.at("downwardAPI"));
    }
    if (first("serviceAccountToken")) {
      validate_token_source(source["serviceAccountToken"], here.at("serviceAccountToken"), errors);
      take(source["serviceAccountToken"]["path"].str(), source["serviceAccountToken"]["path"].str(),
           here.at("serviceAccountToken"));
    }
    if (first("clusterTrustBundle")) {
      const Value bundle = source["clusterTrustBundle"];
      if (bundle["path"].str().empty()) errors.required(here.at("clusterTrustBundle").at("path"));
      take(bundle["path"].str(), bundle["path"].str(), here.at("clusterTrustBundle"));
    }
    if (first("podCertificate")) {
      const Value certificate = source["podCertificate"];
      if (certificate["signerName"].str().empty()) errors.required(here.at("podCertificate").at("signerName"));
    }
    if (count == 0)
      errors.required(here,
                      "must specify exactly one of: secret, configMap, downwardAPI, serviceAccountToken, "
                      "clusterTrustBundle, podCertificate");
  }
}

void validate_required(Value source, std::initializer_list<const char*> fields, const Path& at, FieldErrors& errors) {
  for (const char* f : fields)
    if (source[f].is_array() ? source[f].size() == 0 : source[f].str().empty()) errors.required(at.at(f));
}

void validate_source(std::string_view type, Value s, const Path& at, FieldErrors& errors) {
  if (type == "emptyDir") {
    const Value limit = s["sizeLimit"];
    const auto q = Quantity::parse(limit.is_string() ? limit.str() : std::string_view("0"));
    if (q.ok() && q->negative())
      errors.forbidden(at.at("sizeLimit"), "SizeLimit field must be a valid resource quantity");
  } else if (type == "secret") {
    validate_required(s, {"secretName"}, at, errors);
    validate_mode(s["defaultMode"], at.at("defaultMode"), errors);
    validate_items(s["items"], at, errors);
  } else if (type == "configMap") {
    validate_required(s, {"name"}, at, errors);
    validate_mode(s["defaultMode"], at.at("defaultMode"), errors);
    validate_items(s["items"], at, errors);
  } else if (type == "downwardAPI") {
    validate_mode(s["defaultMode"], at.at("defaultMode"), errors);
    validate_downward_items(s["items"], at, errors);
  } else if (type == "projected") {
    validate_projected(s, at, errors);
  } else if (type == "persistentVolumeClaim") {
    validate_required(s, {"claimName"}, at, errors);
  } else if (type == "image") {
    validate_required(s, {"reference"}, at, errors);
  } else if (type == "gitRepo") {
    validate_required(s, {"repository"}, at, errors);
  } else if (type == "ephemeral") {
    const Value claim = s["volumeClaimTemplate"];
    const Path claim_at = at.at("volumeClaimTemplate");
    if (!claim.is_object()) return errors.required(claim_at);
    validate_labels(claim["metadata"]["labels"], claim_at.at("metadata").at("labels"), errors);
    validate_annotations(claim["metadata"]["annotations"], claim_at.at("metadata").at("annotations"), errors);
    validate_claim_spec(claim["spec"], claim_at.at("spec"), errors);
  } else {
    validate_volume_source(type, s, "", at, errors);
  }
}

// The order in which upstream looks at them decides which of two is called the surplus one.
constexpr const char* kSources[] = {"emptyDir",
                                    "hostPath",
                                    "gitRepo",
                                    "gcePersistentDisk",
                                    "awsElasticBlockStore",
                                    "secret",
                                    "nfs",
                                    "iscsi",
                                    "glusterfs",
                                    "flexVolume",
                                    "persistentVolumeClaim",
                                    "rbd",
                                    "cinder",
                                    "cephfs",
                                    "flocker",
                                    "downwardAPI",
                                    "fc",
                                    "azureFile",
                                    "configMap",
                                    "vsphereVolume",
                                    "quobyte",
                                    "azureDisk",
                                    "photonPersistentDisk",
                                    "portworxVolume",
                                    "storageos",
                                    "projected",
                                    "scaleIO",
                                    "csi",
                                    "ephemeral",
                                    "image"};

}  // namespace

void validate_relative_path(std::string_view path, const Path& at, FieldErrors& errors) {
  if (!path.empty() && path[0] == '/') errors.invalid(at, path, "must be a relative path");
  validate_no_backsteps(path, at, errors);
}

void validate_volumes(Value volumes, const Path& at, PodSpecContext& context, FieldErrors& errors) {
  for (size_t i = 0; i < volumes.size(); ++i) {
    const Value v = volumes.item(i);
    const Path here = at.at(i);
    const std::string_view name = v["name"].str();
    FieldErrors found;
    int count = 0;
    for (const char* source : kSources) {
      if (!v.has(source)) continue;
      if (count++ > 0)
        found.forbidden(here.at(source), "may not specify more than 1 volume type");
      else
        validate_source(source, v[source], here.at(source), found);
    }
    if (count == 0) found.required(here, "must specify a volume type");
    if (name.empty())
      found.required(here.at("name"));
    else
      add_invalid(here.at("name"), name, check_dns1123_label(name), found);
    if (context.volumes.count(name)) found.duplicate(here.at("name"), name);
    if (found.empty()) context.volumes.insert(std::string(name));
    for (const FieldError& e : found.list()) errors.add(e);
  }
}

}  // namespace bramble
