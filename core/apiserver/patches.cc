// The three kinds of patch on an object: JSON patch (RFC 6902), merge patch (RFC 7396), strategic merge patch (Kubernetes
// "sig-api-machinery/strategic-merge-patch"), with upstream's Status for each failure.
#include <unordered_map>
#include <unordered_set>

#include "core/apiserver/verbs.h"
#include "core/base/limits.h"
#include "core/base/strings.h"
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

Error wrong_patch(Value found, std::string_view prefix, std::string_view wanted) {
  return api_bad_request(cat(prefix, "json: cannot unmarshal ", found.type_name(), " into Go ", wanted));
}

// What the patch itself has too much, as upstream's strict decoder notes it; a copy in which of repeated keys the last counts.
class StrictReading {
 public:
  std::vector<std::string> errors;

  // Keys that stand twice, anywhere.
  Document without_repeated(const Document& patch) {
    visit(patch.root());
    if (errors.empty()) return patch;
    Builder b(patch.root());
    drop_repeated(b.root());
    return b.finish();
  }

  // The operations of a JSON patch, which upstream reads into a struct.
  Status operations(Value patch) {
    constexpr std::string_view kPrefix = "error decoding patch: ";
    if (!patch.is_array()) return wrong_patch(patch, kPrefix, "value of type []handlers.jsonPatchOp");
    size_t index = 0;
    for (Value op : patch.items()) {
      if (!op.is_object() && !op.is_null()) return wrong_patch(op, kPrefix, "value of type handlers.jsonPatchOp");
      std::unordered_set<std::string_view> seen;
      for (auto [key, value] : op.members()) {
        bool text = key == "op" || key == "path" || key == "from";
        if (text && !value.is_string() && !value.is_null()) {
          return wrong_patch(value, kPrefix, cat("struct field jsonPatchOp.", key, " of type string"));
        }
        if (!text && key != "value") note(cat("json patch unknown field \"[", index, "].", key, "\""));
        else if (!seen.insert(key).second) note(cat("json patch duplicate field \"[", index, "].", key, "\""));
      }
      ++index;
    }
    return ok();
  }

 private:
  void note(std::string text) {
    if (errors.size() < limits::kStrictErrorsMax) errors.push_back(std::move(text));
  }
  void visit(Value v) {
    const size_t above = path_.size();
    if (v.is_object()) {
      std::unordered_set<std::string_view> seen;
      for (auto [key, value] : v.members()) {
        path_ += above == 0 ? std::string(key) : cat(".", key);
        if (!seen.insert(key).second) note(cat("duplicate field \"", path_, "\""));
        visit(value);
        path_.resize(above);
      }
    } else if (v.is_array()) {
      size_t index = 0;
      for (Value item : v.items()) {
        path_ += cat("[", index++, "]");
        visit(item);
        path_.resize(above);
      }
    }
  }
  static void drop_repeated(Mut v) {
    if (v.is_array()) {
      for (Mut item : v.items()) drop_repeated(item);
    } else if (v.is_object()) {
      std::unordered_map<std::string_view, Mut> last;
      auto members = v.members();
      for (const auto& [key, value] : members) last[key] = value;
      if (last.size() < members.size()) {
        Builder kept;
        for (const auto& [key, value] : members) {
          if (last[key].raw() == value.raw()) kept.root().set(key, value);
        }
        Document whole = kept.finish();
        v.assign(whole.root());
      }
      for (const auto& [key, value] : v.members()) drop_repeated(value);
    }
  }
  std::string path_;
};

// The codes of upstream's interpretStrategicMergePatchError.
Error merge_failed(const Error& error) {
  if (!error.status_json().empty()) return error;
  switch (error.code()) {
    case Code::kInvalidArgument: return api_bad_request(error.message());
    case Code::kInvalidObject: return rejected();
    default: return api_plain(error.message());
  }
}

Error operations_failed(const Error& error) {
  switch (error.code()) {
    case Code::kInvalidObject: return rejected();
    case Code::kTooLarge: return status_failure(Code::kTooLarge, cat("Request entity is too large: ", error.message()));
    default: return api_bad_request(error.message());
  }
}

}  // namespace

Result<Document> apply_patch(const ExpectedType& expected, PatchType type, Value current, const Document& patch,
                             FieldValidation validation, std::vector<std::string>* warnings) {
  const bool strict = validation != FieldValidation::kIgnore;
  StrictReading reading;
  Builder patched;
  Document read = patch;
  switch (type) {
    case PatchType::kJson: {
      if (strict) TRY(reading.operations(patch.root()));
      auto result = json_patch(current, patch.root());
      if (!result.ok()) return operations_failed(result.error());
      patched = std::move(*result);
      break;
    }
    case PatchType::kMerge:
    case PatchType::kStrategic: {
      const bool merge = type == PatchType::kMerge;
      if (patch.root().is_null()) {  // Go reads null as an empty map, but its merge patch library refuses it
        if (merge) return api_bad_request("Invalid JSON Patch");
        read = Builder().finish();
      } else if (!patch.root().is_object()) {
        return wrong_patch(patch.root(), merge ? "error decoding patch: " : "", "value of type map[string]interface {}");
      } else {
        read = reading.without_repeated(patch);
      }
      if (merge) {
        patched = merge_patch(current, read.root());
        break;
      }
      auto result = strategic_merge(expected.type, current, read.root());
      if (!result.ok()) return merge_failed(result.error());
      patched = std::move(*result);
      break;
    }
    case PatchType::kApply:
      return api_unsupported_media({"application/json-patch+json", "application/merge-patch+json",
                                    "application/strategic-merge-patch+json"});
  }
  Document before = patched.finish();
  const bool unstructured = type == PatchType::kStrategic;
  auto shown = [&] { return unstructured ? go_print(read.root()) : before.root().dump(); };
  auto decoded = decode_noting(expected, before.root(), strict, unstructured ? DecodeFrom::kUnstructured : DecodeFrom::kJson);
  if (!decoded.ok()) return decoded.error().status_json().empty() ? invalid_patch(shown(), decoded.error().message()) : decoded.error();
  std::vector<std::string> found = std::move(reading.errors);
  found.insert(found.end(), decoded->strict_errors.begin(), decoded->strict_errors.end());
  if (validation == FieldValidation::kStrict && !found.empty()) {
    return invalid_patch(shown(), cat("strict decoding error: ", join(found, ", ")));
  }
  if (strict && warnings != nullptr) warnings->insert(warnings->end(), found.begin(), found.end());
  return decoded->object.finish();
}

}  // namespace bramble
