// Secret: bytes for pods and pulls, typed; stringData is only for writing.
#include "core/json/go_error.h"
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"

namespace bramble {
namespace {

constexpr size_t kBytesMax = 1024 * 1024;
constexpr std::string_view kAccountAnnotation = "kubernetes.io/service-account.name";

void set_defaults(Mut o) {
  default_text(o, "type", "Opaque");
  if (o["stringData"].size() > 0) {
    Mut data = o.object("data");
    for (auto [key, value] : o["stringData"].members()) data.set(key, base64_encode(value.str()));
  }
  o.remove("stringData");
}

void require_key(Value o, std::string_view key, FieldErrors& errors) {
  if (!o["data"].has(key)) errors.required(Path("data").key(key));
}

void require_json(Value o, std::string_view key, FieldErrors& errors) {
  if (!o["data"].has(key)) return require_key(o, key, errors);
  const std::string bytes = base64_decode(o["data"][key].str()).value_or("");
  std::string wrong = go_json_message(bytes);
  if (wrong.empty()) {
    const auto parsed = Document::parse(std::string_view(bytes));
    if (!parsed.ok() || parsed->root().is_object() || parsed->root().is_null()) return;
    wrong = cat("json: cannot unmarshal ", parsed->root().type_name(), " into Go value of type map[string]interface {}");
  }
  errors.invalid(Path("data").key(key), "<secret contents redacted>", wrong);
}

void validate(Value o, FieldErrors& errors) {
  size_t bytes = 0;
  for (auto [key, value] : o["data"].members()) {
    add_invalid(Path("data").key(key), key, check_config_key(key), errors);
    bytes += base64_bytes(value.str());
  }
  if (bytes > kBytesMax) errors.too_long(Path("data"), kBytesMax);
  const std::string_view type = o["type"].str();
  if (type == "kubernetes.io/service-account-token") {
    if (o["metadata"]["annotations"][kAccountAnnotation].str().empty())
      errors.required(Path("metadata").at("annotations").key(kAccountAnnotation));
  } else if (type == "kubernetes.io/dockercfg") {
    require_json(o, ".dockercfg", errors);
  } else if (type == "kubernetes.io/dockerconfigjson") {
    require_json(o, ".dockerconfigjson", errors);
  } else if (type == "kubernetes.io/basic-auth") {
    if (!o["data"].has("username") && !o["data"].has("password")) {
      require_key(o, "username", errors);
      require_key(o, "password", errors);
    }
  } else if (type == "kubernetes.io/ssh-auth") {
    if (o["data"]["ssh-privatekey"].str().empty()) errors.required(Path("data").key("ssh-privatekey"));
  } else if (type == "kubernetes.io/tls") {
    require_key(o, "tls.crt", errors);
    require_key(o, "tls.key", errors);
  }
}

void prepare_update(Mut o, Value old) {
  if (o["type"].str().empty()) o.set("type", old["type"]);
}

void validate_update(Value o, Value old, FieldErrors& errors) {
  validate_immutable(o["type"], old["type"], Path("type"), errors);
  if (old["immutable"].boolean()) {
    constexpr std::string_view kText = "field is immutable when `immutable` is set";
    if (!o["immutable"].boolean()) errors.forbidden(Path("immutable"), kText);
    if (!equal(o["data"], old["data"])) errors.forbidden(Path("data"), kText);
  }
  validate(o, errors);
}

void warnings(Value o, std::vector<std::string>& out) {
  if (o["type"].str() != "kubernetes.io/tls") return;
  const auto certificate = base64_decode(o["data"]["tls.crt"].str()), key = base64_decode(o["data"]["tls.key"].str());
  if (certificate && certificate->find("-----BEGIN") == std::string::npos)
    out.push_back("tls: failed to find any PEM data in certificate input");
  else if (key && key->find("-----BEGIN") == std::string::npos)
    out.push_back("tls: failed to find any PEM data in key input");
}

}  // namespace

void secret_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.set_defaults = set_defaults;
  k.prepare_update = prepare_update;
  k.validate = validate;
  k.validate_update = validate_update;
  k.warnings = warnings;
  k.columns = {
      name_column(),
      {"Type", kText, [](Value o) { return o["type"].str(); }},
      {"Data", kText, [](Value o) { return count_of(o["data"]); }},
      age_column(),
  };
  k.selectable = {{"type", [](Value o) { return o["type"].text(); }}};
}

}  // namespace bramble
