#include <algorithm>

#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/json/patch.h"

namespace bramble {

namespace {

Error does_not_apply(std::string_view what, std::string_view path) {
  return Error(Code::kInvalidObject, cat(what, ": ", path));
}

// An array index; negative ones count from `size`. "-" is size itself, allowed where `append` is.
Result<size_t> read_index(std::string_view token, size_t size, bool append) {
  if (token == "-" && append) return size;
  auto n = parse_int64(token);
  if (!n) return does_not_apply("array index is not a number", token);
  auto limit = static_cast<int64_t>(append ? size + 1 : size);
  if (*n < 0) *n += limit;
  if (*n < 0 || *n >= limit) return does_not_apply("array index out of range", token);
  return static_cast<size_t>(*n);
}

size_t depth_of(Mut v) {
  size_t deepest = 0;
  if (v.is_object()) {
    for (auto [key, member] : v.members()) deepest = std::max(deepest, depth_of(member));
  } else if (v.is_array()) {
    for (Mut item : v.items()) deepest = std::max(deepest, depth_of(item));
  } else {
    return 0;
  }
  return deepest + 1;
}

// Copies and moves must not build what the parser would refuse.
Status check_depth(std::string_view pointer, Mut value) {
  auto above = static_cast<size_t>(std::count(pointer.begin(), pointer.end(), '/'));
  if (above + depth_of(value) <= limits::kJsonDepthMax) return ok();
  return Error(Code::kTooLarge, cat("json: nested deeper than ", limits::kJsonDepthMax, " levels"));
}

class Patcher {
 public:
  explicit Patcher(Value original) : doc_(original) {}

  Status apply(Value op) {
    std::string_view name = op["op"].str(), path = op["path"].str();
    if (!op["path"].is_string()) return does_not_apply("operation has no path", name);
    if (name == "remove") return remove(path);
    if (name == "move" || name == "copy") return take(name == "move", op["from"].str(), path);
    if (name != "add" && name != "replace" && name != "test") return does_not_apply("unexpected kind of operation", name);
    Value value = op["value"];
    if (name == "test") return test(path, value);
    if (!value) return does_not_apply("operation has no value", path);
    Builder v;
    v.set_root(value);
    return name == "add" ? add(path, v.root()) : replace(path, v.root());
  }

  Builder result() && { return std::move(doc_); }

 private:
  struct Place {
    Mut parent;
    std::string token;
  };

  // The object or array that holds what the pointer names. Not for the empty pointer.
  Result<Place> locate(std::string_view pointer) {
    TRY_ASSIGN(std::vector<std::string> tokens, parse_pointer(pointer));
    Mut at = doc_.root();
    for (size_t i = 0; i + 1 < tokens.size(); i++) {
      TRY(spend(at.size()));
      if (at.is_array()) {
        TRY_ASSIGN(size_t index, read_index(tokens[i], at.size(), false));
        at = at.item(index);
      } else {
        at = at[tokens[i]];
      }
      if (!at.is_object() && !at.is_array()) return does_not_apply("document is missing path", pointer);
    }
    if (!at.is_object() && !at.is_array()) return does_not_apply("document is missing path", pointer);
    TRY(spend(at.size()));
    return Place{at, tokens.back()};
  }

  // Finding a member walks its object: many operations on a huge object must not hold the caller's thread.
  Status spend(size_t members) {
    walked_ += members;
    if (walked_ <= limits::kJsonPatchWalkMax) return ok();
    return Error(Code::kTooLarge, "json patch: too many operations for an object of this size");
  }

  Result<Mut> get(std::string_view pointer) {
    if (pointer.empty()) return doc_.root();
    TRY_ASSIGN(Place p, locate(pointer));
    if (p.parent.is_object()) return p.parent[p.token];
    TRY_ASSIGN(size_t index, read_index(p.token, p.parent.size(), false));
    return p.parent.item(index);
  }

  Status add(std::string_view pointer, Mut value) {
    TRY(check_depth(pointer, value));
    if (pointer.empty()) return set_root(value);
    TRY_ASSIGN(Place p, locate(pointer));
    if (p.parent.is_object()) {
      p.parent.set(p.token, value);
      return ok();
    }
    TRY_ASSIGN(size_t index, read_index(p.token, p.parent.size(), true));
    p.parent.insert(index, value);
    return ok();
  }

  Status replace(std::string_view pointer, Mut value) {
    TRY(check_depth(pointer, value));
    if (pointer.empty()) return set_root(value);
    TRY_ASSIGN(Mut old, get(pointer));
    if (!old) return does_not_apply("replace: no such key", pointer);
    TRY_ASSIGN(Place p, locate(pointer));
    if (p.parent.is_object()) {
      p.parent.set(p.token, value);
      return ok();
    }
    TRY_ASSIGN(size_t index, read_index(p.token, p.parent.size(), false));
    p.parent.replace_item(index, value);
    return ok();
  }

  Status remove(std::string_view pointer) {
    if (pointer.empty()) return does_not_apply("remove: the whole document", pointer);
    TRY_ASSIGN(Place p, locate(pointer));
    if (p.parent.is_object()) return p.parent.remove(p.token) ? ok() : Status(does_not_apply("remove: no such key", pointer));
    TRY_ASSIGN(size_t index, read_index(p.token, p.parent.size(), false));
    p.parent.remove_item(index);
    return ok();
  }

  Status take(bool move, std::string_view from, std::string_view to) {
    TRY_ASSIGN(Mut source, get(from));
    if (!source) return does_not_apply("no such key", from);
    Builder value;
    value.set_root(source);
    if (move) {
      TRY(remove(from));
    } else {
      copied_bytes_ += value.dump().size();
      if (copied_bytes_ > limits::kJsonPatchCopiedBytesMax) {
        return does_not_apply("accumulated size of copies is over the limit", to);
      }
    }
    return add(to, value.root());
  }

  Status test(std::string_view pointer, Value wanted) {
    TRY_ASSIGN(Mut found, get(pointer));
    bool none = !found || found.is_null();
    if (!wanted || wanted.is_null() ? none : !none && equal(found, wanted)) return ok();
    return does_not_apply("testing value failed", pointer);
  }

  Status set_root(Mut value) {
    Builder next;
    next.set_root(value);
    doc_ = std::move(next);
    return ok();
  }

  Builder doc_;
  size_t copied_bytes_ = 0;
  size_t walked_ = 0;
};

}  // namespace

Result<Builder> json_patch(Value original, Value patch) {
  if (!patch.is_array()) {
    return Error(Code::kInvalidArgument, cat("json: cannot unmarshal ", patch.type_name(), " into Go value of type jsonpatch.Patch"));
  }
  if (patch.size() > limits::kJsonPatchOperationsMax) {
    return Error(Code::kTooLarge, cat("The allowed maximum operations in a JSON patch is ", limits::kJsonPatchOperationsMax, ", got ", patch.size()));
  }
  // A path may lead into what is folded (stored.h).
  Document open;
  if (original["metadata"].has("managedFields")) open = Document::of(original);
  Patcher patcher(open ? open.root() : original);
  for (Value op : patch.items()) {
    if (!op.is_object()) {
      return Error(Code::kInvalidArgument, cat("json: cannot unmarshal ", op.type_name(), " into Go value of type jsonpatch.Operation"));
    }
    TRY(patcher.apply(op));
  }
  return std::move(patcher).result();
}

}  // namespace bramble
