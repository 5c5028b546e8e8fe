// The three kinds of patch on an object: JSON patch (RFC 6902), merge patch (RFC 7396), strategic merge patch (Kubernetes
// "sig-api-machinery/strategic-merge-patch"), with upstream's Status for each failure.
#include "core/apiserver/verbs.h"
#include "core/json/go_print.h"
#include "core/json/patch.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

Error rejected() {
  StatusDetails details;
  details.present = true;
  return status_failure(Code::kInvalidObject, "the server rejected our request due to an error in our request", details);
}

Error invalid_patch(std::string_view shown, std::string_view why) {
  FieldErrors errors;
  errors.invalid(Path("patch"), shown, why);
  return errors.to_error("", "", "");
}

// The patched text did not decode: upstream shows what it tried to read.
Error undecodable(PatchType type, Value patched, Value patch, const Error& error) {
  std::string_view why = error.message();
  constexpr std::string_view kMark = "cannot be handled as a ";
  size_t at = why.find(kMark);
  if (at != std::string_view::npos) {
    why.remove_prefix(at + kMark.size());
    size_t colon = why.find(": ");
    if (colon != std::string_view::npos) why.remove_prefix(colon + 2);
  }
  if (why.substr(0, 22) == "strict decoding error:") {
    return invalid_patch(type == PatchType::kStrategic ? go_print(patch) : patched.dump(), why);
  }
  if (type == PatchType::kStrategic) {
    // The converter from unstructured names the Go type it wanted.
    constexpr std::string_view kType = " of type ";
    size_t wanted = why.rfind(kType);
    std::string text = wanted == std::string_view::npos ? std::string(why) : cat("unrecognized type: ", why.substr(wanted + kType.size()));
    return invalid_patch(go_print(patch), text);
  }
  return invalid_patch(patched.dump(), why);
}

}  // namespace

Result<Document> apply_patch(const ExpectedType& expected, PatchType type, Value current, Value patch,
                             FieldValidation validation, std::vector<std::string>* warnings) {
  Builder patched;
  switch (type) {
    case PatchType::kJson: {
      auto result = json_patch(current, patch);
      if (!result.ok()) return result.error().code() == Code::kInvalidObject ? rejected() : api_bad_request(result.error().message());
      patched = std::move(*result);
      break;
    }
    case PatchType::kMerge:
      if (!patch.is_object()) {
        return api_bad_request(cat("json: cannot unmarshal ", patch.type_name(), " into Go value of type map[string]interface {}"));
      }
      patched = merge_patch(current, patch);
      break;
    case PatchType::kStrategic: {
      if (!patch.is_object()) {
        return api_bad_request(cat("json: cannot unmarshal ", patch.type_name(), " into Go value of type map[string]interface {}"));
      }
      auto result = strategic_merge(expected.type, current, patch);
      if (!result.ok()) return result.error().status_json().empty() ? api_plain(result.error().message()) : result.error();
      patched = std::move(*result);
      break;
    }
    case PatchType::kApply:
      return api_unsupported_media({"application/json-patch+json", "application/merge-patch+json",
                                    "application/strategic-merge-patch+json"});
  }
  Document before = patched.finish();
  auto decoded = decode_object(expected, before.root(), validation, warnings);
  if (!decoded.ok()) return undecodable(type, before.root(), patch, decoded.error());
  return decoded->finish();
}

}  // namespace bramble
