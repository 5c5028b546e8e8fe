#include "core/schema/apply/field_set.h"

#include <algorithm>
#include <utility>

#include "core/base/strings.h"
#include "core/json/stored.h"

namespace bramble {

namespace {

using Node = FieldSet::Node;

bool before(const Node& n, std::string_view element) { return compare_elements(n.element, element) < 0; }

Result<FieldSet> parse_level(Value fields, bool* self) {
  FieldSet out;
  if (!fields.is_object()) return Error(Code::kInvalidArgument, cat("fieldsV1: an object is wanted, not ", fields.type_name()));
  for (auto [key, value] : fields.members()) {
    if (key == ".") {
      *self = true;
      continue;
    }
    TRY_ASSIGN(std::string element, parse_element(key));
    if (element.empty()) continue;
    bool member = false;
    FieldSet below;
    if (value.is_object() && value.size() == 0) {
      member = true;
    } else {
      TRY_ASSIGN(below, parse_level(value, &member));
      member = member || below.empty();
    }
    const bool in_order = out.empty() || compare_elements(out.nodes().back().element, element) < 0;
    if (in_order) out.append(std::move(element), member, std::move(below));
    else out.put(std::move(element), member, std::move(below));
  }
  return out;
}

// Walks two levels side by side. take(x, y) with null where one has no such node.
template <class Take>
void zip(const FieldSet& a, const FieldSet& b, Take take) {
  auto i = a.nodes().begin(), j = b.nodes().begin();
  while (i != a.nodes().end() || j != b.nodes().end()) {
    const int c = i == a.nodes().end() ? 1 : j == b.nodes().end() ? -1 : compare_elements(i->element, j->element);
    take(c <= 0 ? &*i : nullptr, c >= 0 ? &*j : nullptr);
    if (c <= 0) ++i;
    if (c >= 0) ++j;
  }
}

void walk(const FieldSet& set, FieldPath& path, const std::function<void(const FieldPath&)>& fn) {
  for (const Node& n : set.nodes()) {
    if (!n.member) continue;
    path.push_back(n.element);
    fn(path);
    path.pop_back();
  }
  for (const Node& n : set.nodes()) {
    if (n.below.empty()) continue;
    path.push_back(n.element);
    walk(n.below, path, fn);
    path.pop_back();
  }
}

}  // namespace

FieldSet::FieldSet() = default;
FieldSet::~FieldSet() = default;
FieldSet::FieldSet(const FieldSet& o) = default;
FieldSet::FieldSet(FieldSet&& o) noexcept = default;
FieldSet& FieldSet::operator=(const FieldSet& o) = default;
FieldSet& FieldSet::operator=(FieldSet&& o) noexcept = default;

Result<FieldSet> FieldSet::parse(Value fields_v1) {
  bool self = false;
  if (!folded_text(fields_v1).empty()) {
    Document open = unfolded(fields_v1);
    return parse_level(open.root(), &self);
  }
  return parse_level(fields_v1, &self);
}

void FieldSet::write(Mut object) const {
  for (const Node& n : nodes_) {
    Mut inner = object.add_object(n.element);
    if (n.below.empty()) continue;
    if (n.member) inner.add_object(".");
    n.below.write(inner);
  }
}

std::string FieldSet::text() const {
  Builder b;
  write(b.root());
  return b.dump();
}

FieldSet FieldSet::of(std::initializer_list<std::string_view> dotted) {
  FieldSet out;
  for (std::string_view path : dotted) {
    FieldPath steps;
    for (std::string_view name : split(path, '.')) steps.push_back(member_element(name));
    out.insert(steps);
  }
  return out;
}

size_t FieldSet::size() const {
  size_t n = 0;
  for (const Node& node : nodes_) n += (node.member ? 1 : 0) + node.below.size();
  return n;
}

const Node* FieldSet::find(std::string_view element) const {
  auto at = std::lower_bound(nodes_.begin(), nodes_.end(), element, before);
  return at != nodes_.end() && at->element == element ? &*at : nullptr;
}

const FieldSet* FieldSet::below(std::string_view element) const {
  const Node* n = find(element);
  return n != nullptr && !n->below.empty() ? &n->below : nullptr;
}

bool FieldSet::has_member(std::string_view element) const {
  const Node* n = find(element);
  return n != nullptr && n->member;
}

bool FieldSet::has(const FieldPath& path) const {
  const FieldSet* at = this;
  for (size_t i = 0; i + 1 < path.size(); i++) {
    at = at->below(path[i]);
    if (at == nullptr) return false;
  }
  return !path.empty() && at->has_member(path.back());
}

bool FieldSet::operator==(const FieldSet& o) const {
  return std::equal(nodes_.begin(), nodes_.end(), o.nodes_.begin(), o.nodes_.end(), [](const Node& a, const Node& b) {
    return a.element == b.element && a.member == b.member && a.below == b.below;
  });
}

void FieldSet::insert(const FieldPath& path) {
  if (path.empty()) return;
  FieldSet below;
  bool member = true;
  for (size_t i = path.size(); i-- > 1; member = false) {
    FieldSet level;
    level.append(path[i], member, std::move(below));
    below = std::move(level);
  }
  put(path.front(), member, std::move(below));
}

void FieldSet::each(const std::function<void(const FieldPath&)>& fn) const {
  FieldPath path;
  walk(*this, path, fn);
}

void FieldSet::put(std::string element, bool member, FieldSet below) {
  if (!member && below.empty()) return;
  auto at = std::lower_bound(nodes_.begin(), nodes_.end(), std::string_view(element), before);
  if (at == nodes_.end() || at->element != element) {
    nodes_.insert(at, Node{std::move(element), member, std::move(below)});
    return;
  }
  at->member = at->member || member;
  at->below = unite(std::move(at->below), std::move(below));
}

void FieldSet::append(std::string element, bool member, FieldSet below) {
  if (member || !below.empty()) nodes_.push_back(Node{std::move(element), member, std::move(below)});
}

void FieldSet::sort() {
  auto less = [](const Node& a, const Node& b) { return compare_elements(a.element, b.element) < 0; };
  if (!std::is_sorted(nodes_.begin(), nodes_.end(), less)) std::stable_sort(nodes_.begin(), nodes_.end(), less);
  // Two of one name become one.
  size_t kept = 0;
  for (size_t i = 1; i < nodes_.size(); i++) {
    if (nodes_[kept].element != nodes_[i].element) {
      if (++kept != i) nodes_[kept] = std::move(nodes_[i]);
      continue;
    }
    nodes_[kept].member = nodes_[kept].member || nodes_[i].member;
    nodes_[kept].below = unite(std::move(nodes_[kept].below), std::move(nodes_[i].below));
  }
  if (!nodes_.empty()) nodes_.resize(kept + 1);
}

FieldSet unite(FieldSet a, FieldSet b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  FieldSet out;
  out.nodes_.reserve(a.nodes_.size() + b.nodes_.size());
  auto i = a.nodes_.begin(), j = b.nodes_.begin();
  while (i != a.nodes_.end() || j != b.nodes_.end()) {
    const int c = i == a.nodes_.end() ? 1 : j == b.nodes_.end() ? -1 : compare_elements(i->element, j->element);
    if (c == 0) {
      i->member = i->member || j->member;
      i->below = unite(std::move(i->below), std::move(j->below));
      ++j;
    }
    out.nodes_.push_back(std::move(c <= 0 ? *i++ : *j++));
  }
  return out;
}

FieldSet intersect(const FieldSet& a, const FieldSet& b) {
  FieldSet out;
  if (a.empty() || b.empty()) return out;
  zip(a, b, [&](const Node* x, const Node* y) {
    if (x != nullptr && y != nullptr) out.append(x->element, x->member && y->member, intersect(x->below, y->below));
  });
  return out;
}

namespace {

// Goes through the nodes of `a` that `b` has too: take(node of a, node of b), then drops what became empty.
template <class Take>
void thin(std::vector<Node>& a, const std::vector<Node>& b, Take take) {
  auto j = b.begin();
  size_t kept = 0;
  for (size_t i = 0; i < a.size(); i++) {
    while (j != b.end() && compare_elements(j->element, a[i].element) < 0) ++j;
    if (j != b.end() && j->element == a[i].element) take(a[i], *j);
    if (!a[i].member && a[i].below.empty()) continue;
    if (kept != i) a[kept] = std::move(a[i]);
    kept++;
  }
  a.resize(kept);
}

}  // namespace

FieldSet subtract(FieldSet a, const FieldSet& b) {
  if (b.empty()) return a;
  thin(a.nodes_, b.nodes_, [](Node& x, const Node& y) {
    x.member = x.member && !y.member;
    x.below = subtract(std::move(x.below), y.below);
  });
  return a;
}

FieldSet subtract_whole(FieldSet a, const FieldSet& b) {
  if (b.empty()) return a;
  thin(a.nodes_, b.nodes_, [](Node& x, const Node& y) {
    x.member = x.member && !y.member;
    x.below = y.member ? FieldSet() : subtract_whole(std::move(x.below), y.below);
  });
  return a;
}

}  // namespace bramble
