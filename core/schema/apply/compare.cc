// compare_values, field_set_of: what changes between two values, and what a value mentions.
#include <algorithm>
#include <optional>
#include <unordered_map>

#include "core/schema/apply/pairs.h"
#include "core/schema/apply/typed.h"

namespace bramble {

namespace {

bool empty_container(Value v) { return v.size() == 0; }
Value as_map(Value v) { return v.is_object() ? v : Value(); }
Value as_list(Value v) { return v.is_array() ? v : Value(); }

// What the walk finds out of one place, beside what it finds below it.
struct Marks {
  bool removed = false, modified = false, added = false;
};

class Comparer {
 public:
  Status outcome() const { return failed_ ? Status(*failed_) : ok(); }

  // One place. What is below it goes into `out`; `except` is what is not looked at there, or null.
  Marks place(const MergeShape& shape, Value l, Value r, Comparison& out, const FieldSet* except = nullptr) {
    Marks marks;
    const unsigned of_l = shape.sort_of(l), of_r = shape.sort_of(r);
    bool leaf = false;
    if (!r) {
      leaf = visit(shape, of_l, l, r, out, marks, except);
    } else if (!l || of_l == of_r) {
      leaf = visit(shape, of_r, l, r, out, marks, except);
    } else {
      visit(shape, of_l, l, r, out, marks, except);
      leaf = visit(shape, of_r, l, r, out, marks, except);
    }
    if (!leaf) {
      marks.added = marks.added || !l;
      marks.removed = marks.removed || (l && !r);
    }
    return marks;
  }

 private:
  // Whether the place is a leaf.
  bool visit(const MergeShape& shape, unsigned sort, Value l, Value r, Comparison& out, Marks& marks, const FieldSet* except) {
    if (sort & MergeShape::kMap) {
      Value a = as_map(l), b = as_map(r);
      if (shape.map_atomic() || (empty_container(a) && empty_container(b))) return leaf(l, r, marks);
      members(shape, a, b, out, except);
      return false;
    }
    if (sort & MergeShape::kScalar) return leaf(l, r, marks);
    Value a = as_list(l), b = as_list(r);
    if (shape.list_atomic() || (empty_container(a) && empty_container(b))) return leaf(l, r, marks);
    items(shape, a, b, out);
    return false;
  }

  static bool leaf(Value l, Value r, Marks& marks) {
    if (!l) marks.added = true;
    else if (!r) marks.removed = true;
    else if (!equal(l, r)) marks.modified = true;
    return true;
  }

  // `element` makes the step's text: most places have not changed and need none.
  template <class Element>
  static void attach(Element element, Marks marks, Comparison below, Comparison& out) {
    if (marks.removed || !below.removed.empty()) out.removed.append(element(), marks.removed, std::move(below.removed));
    if (marks.modified || !below.modified.empty()) out.modified.append(element(), marks.modified, std::move(below.modified));
    if (marks.added || !below.added.empty()) out.added.append(element(), marks.added, std::move(below.added));
  }

  static void sort(Comparison& c) {
    c.removed.sort();
    c.modified.sort();
    c.added.sort();
  }

  void members(const MergeShape& shape, Value l, Value r, Comparison& out, const FieldSet* except) {
    size_t hint = 0;
    each_member_pair(l, r, [&](std::string_view key, Value a, Value b) {
      if (a && b && !a.is_object() && !a.is_array() && equal(a, b)) return;  // most members
      const MergeShape inner = shape.member(key, &hint);
      const FieldSet::Node* skip = except != nullptr ? except->find(member_element(key)) : nullptr;
      if (inner.tells_of_owners() || (skip != nullptr && skip->member)) return;
      Comparison below;
      Marks marks = place(inner, a, b, below, skip != nullptr ? &skip->below : nullptr);
      attach([key] { return member_element(key); }, marks, std::move(below), out);
    });
    sort(out);
  }

  // Items by their keys. Several items of one key, on a side, are compared as one.
  struct Group {
    std::string element;
    std::vector<Value> left, right;
  };
  void group(const MergeShape& shape, Value list, bool left, std::vector<Group>& groups, std::unordered_map<std::string, size_t>& index) {
    for (Value item : list.items()) {
      auto element = shape.item_element(item);
      if (!element.ok()) {
        failed_ = element.error();
        continue;
      }
      auto [at, fresh] = index.try_emplace(*element, groups.size());
      if (fresh) groups.push_back({*element, {}, {}});
      Group& g = groups[at->second];
      (left ? g.left : g.right).push_back(item);
    }
  }

  void items(const MergeShape& shape, Value l, Value r, Comparison& out) {
    std::vector<Group> groups;
    std::unordered_map<std::string, size_t> index;
    group(shape, l, true, groups, index);
    group(shape, r, false, groups, index);
    const MergeShape inner = shape.items();
    for (const Group& g : groups) {
      Comparison below;
      Marks marks;
      if (g.left.size() <= 1 && g.right.size() <= 1) {
        marks = place(inner, g.left.empty() ? Value() : g.left[0], g.right.empty() ? Value() : g.right[0], below);
      } else if (g.left.size() >= 2 && g.right.size() >= 2) {
        marks.modified = !std::equal(g.left.begin(), g.left.end(), g.right.begin(), g.right.end(), [](Value a, Value b) { return equal(a, b); });
      } else if (g.left.size() >= 2) {
        if (!g.right.empty()) marks = place(inner, Value(), g.right[0], below);
        marks.removed = true;
      } else {
        if (!g.left.empty()) marks = place(inner, g.left[0], Value(), below);
        marks.added = true;
      }
      attach([&g] { return g.element; }, marks, std::move(below), out);
    }
    sort(out);
  }

  std::optional<Error> failed_;
};

// field_set_of: whether the place itself is a member.
bool mention(const MergeShape& shape, Value v, FieldSet& out);

void mention_members(const MergeShape& shape, Value map, FieldSet& out) {
  size_t hint = 0;
  for (auto [key, value] : map.members()) {
    FieldSet below;
    bool member = mention(shape.member(key, &hint), value, below);
    member = member || value.is_null() || (value.is_object() && value.size() == 0) || !shape.has_field(key);
    out.append(member_element(key), member, std::move(below));
  }
  out.sort();
}

void mention_items(const MergeShape& shape, Value list, FieldSet& out) {
  std::unordered_map<std::string, int> seen;
  std::vector<std::string> elements;
  for (Value item : list.items()) {
    auto element = shape.item_element(item);
    elements.push_back(element.ok() ? std::move(*element) : std::string());
    seen[elements.back()]++;
  }
  const MergeShape inner = shape.items();
  size_t i = 0;
  for (Value item : list.items()) {
    const std::string& element = elements[i++];
    if (element.empty()) continue;
    FieldSet below;
    if (seen[element] == 1) mention(inner, item, below);  // of several only that they are there
    out.append(element, true, std::move(below));
  }
  out.sort();
}

bool mention(const MergeShape& shape, Value v, FieldSet& out) {
  const unsigned sort = shape.sort_of(v);
  if (sort & MergeShape::kMap) {
    if (shape.map_atomic()) return true;
    mention_members(shape, as_map(v), out);
    return false;
  }
  if (sort & MergeShape::kScalar) return true;
  if (shape.list_atomic()) return true;
  mention_items(shape, as_list(v), out);
  return false;
}

}  // namespace

Result<Comparison> compare_values(const MergeShape& shape, Value before, Value after, const FieldSet& except) {
  Comparison out;
  Comparer comparer;
  comparer.place(shape, before, after, out, except.empty() ? nullptr : &except);
  TRY(comparer.outcome());
  return out;
}

FieldSet field_set_of(const MergeShape& shape, Value value) {
  FieldSet out;
  mention(shape, value, out);
  return out;
}

}  // namespace bramble
