// FieldSet: a set of paths into an object, as managedFields record them, with the algebra that apply needs. A tree: each
// node is one step (path_element.h); it is a member of the set itself, or has members below, or both. Nodes of a level stand
// in order of compare_elements. A value: copied, moved, compared.
// Follows sigs.k8s.io/structured-merge-diff, fieldpath.Set. Pure; any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/builder.h"
#include "core/schema/apply/path_element.h"

namespace bramble {

class FieldSet {
 public:
  struct Node;

  FieldSet();
  ~FieldSet();
  FieldSet(const FieldSet& o);
  FieldSet(FieldSet&& o) noexcept;
  FieldSet& operator=(const FieldSet& o);
  FieldSet& operator=(FieldSet&& o) noexcept;

  // FieldsV1: {"f:spec":{"f:replicas":{},".":{}}}. Steps of an unknown sort are left out. kInvalidArgument: no object, or a
  // step that cannot be read. Nesting is bounded by limits::kJsonDepthMax, which the JSON parser enforces.
  static Result<FieldSet> parse(Value fields_v1);
  void write(Mut object) const;  // into an empty object
  std::string text() const;      // the same as text

  // Every path of names: {"spec.replicas", "metadata.labels"}. For tables in code.
  static FieldSet of(std::initializer_list<std::string_view> dotted);

  bool empty() const { return nodes_.empty(); }
  size_t size() const;  // members
  bool has(const FieldPath& path) const;
  bool operator==(const FieldSet& o) const;
  void insert(const FieldPath& path);
  // Members in preorder: a level's members, then those below its nodes.
  void each(const std::function<void(const FieldPath&)>& fn) const;

  // One level.
  const std::vector<Node>& nodes() const { return nodes_; }
  const Node* find(std::string_view element) const;
  const FieldSet* below(std::string_view element) const;  // null: nothing
  bool has_member(std::string_view element) const;
  // Adds a node at its place, or merges it into the one there is. A node with neither membership nor anything below is dropped.
  void put(std::string element, bool member, FieldSet below);
  // As put, by who walks a level in any order and calls sort() at its end.
  void append(std::string element, bool member, FieldSet below);
  void sort();

 private:
  friend FieldSet unite(FieldSet a, FieldSet b);
  friend FieldSet subtract(FieldSet a, const FieldSet& b);
  friend FieldSet subtract_whole(FieldSet a, const FieldSet& b);
  std::vector<Node> nodes_;
};

struct FieldSet::Node {
  std::string element;
  bool member = false;
  FieldSet below;
};

// Sets given away are reused.
FieldSet unite(FieldSet a, FieldSet b);
FieldSet intersect(const FieldSet& a, const FieldSet& b);
// Members of a that are not members of b; a member below one of b stays.
FieldSet subtract(FieldSet a, const FieldSet& b);
// The same, and nothing below a member of b stays.
FieldSet subtract_whole(FieldSet a, const FieldSet& b);

}  // namespace bramble
