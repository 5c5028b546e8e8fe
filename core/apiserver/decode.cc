#include "core/apiserver/decode.h"

#include "core/apiserver/go_json.h"
#include "core/apiserver/negotiation.h"
#include "core/base/limits.h"
#include "core/json/yaml.h"
#include "core/registry/api_status.h"
#include "core/registry/object_meta.h"

namespace bramble {

namespace {

constexpr std::string_view kScheme = "k136/pkg/api/legacyscheme/scheme.go:30";
constexpr std::string_view kTypeMetaText =
    R"(struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" })";

std::string version_text(std::string_view group, std::string_view version) {
  return group.empty() ? std::string(version) : cat(group, "/", version);
}

// "apps" of "apps", "core" of "", "networking" of "networking.k8s.io": Go package names of the API groups.
std::string package_of(std::string_view group) {
  if (group.empty()) return "core";
  std::string_view first = group.substr(0, group.find('.'));
  return std::string(first == "rbac" ? "rbac" : first);
}

Error cannot_be_handled(const std::string& kind, const std::string& version, const ExpectedType& expected, std::string_view why) {
  return api_bad_request(cat(kind, " in version ", go_quote(version), " cannot be handled as a ", expected.kind, ": ", why));
}

// Whether the object's own apiVersion and kind are the expected ones: upstream's text if not, and what it is shown as.
struct OwnType {
  std::string kind, version, error;
  bool readable = false;  // it could be read, it is only in another version
};

// Whether this version shows the same objects as the expected one.
bool same_objects(const ExpectedType& expected, std::string_view group, std::string_view version) {
  if (Type::find_kind(group, version, expected.kind) == nullptr) return false;
  if (expected.kind == "Scale") return true;
  const Kind *is = find_kind_by_name(group, version, expected.kind), *wanted = find_kind_by_name(expected.group, expected.version, expected.kind);
  return is != nullptr && wanted != nullptr && &stored_kind(*is) == &stored_kind(*wanted);
}

OwnType own_type(const ExpectedType& expected, Value in) {
  std::string want_version = version_text(expected.group, expected.version);
  OwnType own;
  own.kind = in["kind"].text();
  std::string version = in["apiVersion"].text();
  if (own.kind.empty()) own.kind = expected.kind;
  if (version.empty()) version = want_version;
  std::string_view group, only_version = version;
  if (auto parts = cut(version, "/")) {
    group = parts->first;
    only_version = parts->second;
  }
  own.version = only_version;
  if (own.kind == expected.kind && version == want_version) return own;
  if (own.kind == expected.kind && same_objects(expected, group, only_version)) {
    own.error = cat("the API version in the data (", version, ") does not match the expected API version (", want_version, ")");
    own.readable = true;
    return own;
  }
  if (find_kind_by_name(group, only_version, own.kind) == nullptr) {
    own.error = cat("no kind ", go_quote(own.kind), " is registered for version ", go_quote(version), " in scheme ", go_quote(kScheme));
  } else {
    own.error = cat("converting (", only_version, ".", own.kind, ") to (", package_of(expected.group), ".", expected.kind,
                    "): unknown conversion");
  }
  return own;
}

// Objects within `in`, counted up to one more than may be. Managed fields have no defaults, and an object for each field.
size_t count_objects(Value in) {
  size_t n = 0;
  if (in.is_object()) {
    ++n;
    for (auto [key, value] : in.members())
      if (n <= limits::kObjectsInObjectMax && key != "managedFields") n += count_objects(value);
  } else if (in.is_array()) {
    for (Value item : in.items())
      if (n <= limits::kObjectsInObjectMax) n += count_objects(item);
  }
  return n;
}

}  // namespace

ExpectedType ExpectedType::of(const Kind& kind) {
  ExpectedType e;
  e.kind = kind.kind, e.group = kind.group, e.version = kind.version;
  e.type = kind.type;
  e.set_defaults = kind.set_defaults;
  return e;
}

Result<Document> parse_body(std::string_view body, std::string_view media_type) {
  const bool yaml = media_type == "application/yaml";
  auto parsed = yaml ? parse_yaml(body) : Document::parse(body);
  if (parsed.ok()) {
    Value root = parsed->root();
    if (root.is_object() || root.is_null()) return parsed;
    return api_bad_request(cat("couldn't get version/kind; json parse error: json: cannot unmarshal ", root.type_name(),
                               " into Go value of type ", kTypeMetaText));
  }
  if (yaml) return api_bad_request(parsed.error().message());
  std::string go = go_json_error(body);
  return api_bad_request(cat("couldn't get version/kind; json parse error: ", go.empty() ? parsed.error().message() : go));
}

Result<Document> parse_protobuf(const Type& type, std::string_view body) {
  auto envelope = open_protobuf_envelope(body);
  if (!envelope.ok()) return api_bad_request(envelope.error().message());
  auto message = protobuf_to_json(type, *envelope);
  if (!message.ok()) return api_bad_request(message.error().message());
  return message;
}

Result<Decoded> decode_noting(const ExpectedType& expected, Value in, bool note, DecodeFrom from) {
  if (from == DecodeFrom::kJson) {
    OwnType own = own_type(expected, in);
    if (!own.error.empty()) return Error(Code::kInvalidArgument, own.error);
  }
  if (count_objects(in) > limits::kObjectsInObjectMax)
    return status_failure(Code::kTooLarge, cat("Request entity is too large: it holds more than ", limits::kObjectsInObjectMax, " objects"));
  if (expected.type == nullptr) return api_internal(cat("no schema of ", expected.kind));
  DecodeNotes notes;
  TRY_ASSIGN(Builder canonical, canonicalize(*expected.type, in, note ? &notes : nullptr, from));
  Mut root = canonical.root();
  root.set("kind", expected.kind);
  root.set("apiVersion", version_text(expected.group, expected.version));
  // An empty list says something (managed_fields.h), which the canonical form would lose.
  Value managed = in["metadata"]["managedFields"];
  if (managed.is_array() && managed.size() == 0) root.object("metadata").array("managedFields");
  if (expected.set_defaults) expected.set_defaults(root);
  return Decoded{std::move(canonical), std::move(notes.all)};
}

Result<Builder> decode_object(const ExpectedType& expected, Value in, FieldValidation validation,
                              std::vector<std::string>* warnings) {
  auto decoded = decode_noting(expected, in, validation != FieldValidation::kIgnore);
  if (!decoded.ok()) {
    OwnType own = own_type(expected, in);
    if (own.readable) return api_bad_request(own.error);
    return decoded.error().status_json().empty() ? cannot_be_handled(own.kind, own.version, expected, decoded.error().message())
                                                 : decoded.error();
  }
  std::vector<std::string>& found = decoded->strict_errors;
  if (validation == FieldValidation::kStrict && !found.empty()) {
    return cannot_be_handled(expected.kind, expected.version, expected, cat("strict decoding error: ", join(found, ", ")));
  }
  if (warnings != nullptr) warnings->insert(warnings->end(), found.begin(), found.end());
  return std::move(decoded->object);
}

Result<Builder> decode_body(const ExpectedType& expected, std::string_view body, std::string_view media_type,
                            FieldValidation validation, std::vector<std::string>* warnings) {
  if (media_type == kProtobufType && expected.type != nullptr) {
    auto envelope = open_protobuf_envelope(body);
    if (!envelope.ok()) {
      return api_bad_request(cat("the object provided is unrecognized (must be of type ", expected.kind, "): ",
                                 envelope.error().message(), " (", summarize_body(body), ")"));
    }
    // What says that it is something else is refused for that, whatever its message holds.
    Builder about;
    if (!envelope->kind.empty()) about.root().set("kind", envelope->kind);
    if (!envelope->api_version.empty()) about.root().set("apiVersion", envelope->api_version);
    Document said = about.finish();
    if (!own_type(expected, said.root()).error.empty()) return decode_object(expected, said.root(), validation, warnings);
    auto message = protobuf_to_json(*expected.type, *envelope);
    if (!message.ok()) {
      std::string version = envelope->api_version.empty() ? expected.version : envelope->api_version.substr(envelope->api_version.find('/') + 1);
      return cannot_be_handled(envelope->kind.empty() ? expected.kind : envelope->kind, version, expected, message.error().message());
    }
    return decode_object(expected, message->root(), validation, warnings);
  }
  if (media_type != "application/json" && media_type != "application/yaml") {
    return api_unsupported_media({"application/json", "application/yaml", "application/vnd.kubernetes.protobuf"});
  }
  auto parsed = parse_body(body, media_type);
  if (!parsed.ok()) {
    return api_bad_request(cat("the object provided is unrecognized (must be of type ", expected.kind, "): ",
                               parsed.error().message(), " (", summarize_body(body), ")"));
  }
  return decode_object(expected, parsed->root(), validation, warnings);
}

}  // namespace bramble
