#include "core/registry/cache_tree.h"

#include <algorithm>
#include <vector>

#include "core/base/check.h"

namespace bramble {

// Nodes hold up to kMax items and merge with a neighbour when both fit into kMergeMax. An inner node keeps no separators:
// the first key below a child is found by descending, so nothing stale can hold a deleted document.
struct CacheTree::Node {
  static constexpr size_t kMax = 32;
  static constexpr size_t kMin = 8;
  static constexpr size_t kMergeMax = 24;

  uint32_t refs = 1;
  bool leaf = true;
  size_t total = 0;               // entries below
  std::vector<EntryRef> entries;  // of a leaf
  std::vector<Node*> children;    // of an inner node

  size_t fill() const { return leaf ? entries.size() : children.size(); }
  void recount() {
    total = entries.size();
    for (Node* c : children) total += c->total;
  }
};

namespace {

using Node = CacheTree::Node;

Node* share(Node* n) {
  if (n) n->refs++;
  return n;
}

void release(Node* n) {
  if (!n || --n->refs > 0) return;
  for (Node* c : n->children) release(c);
  delete n;
}

// The node itself when nobody else sees it, else a copy in its place.
Node* own(Node* n) {
  if (n->refs == 1) return n;
  Node* copy = new Node;
  copy->leaf = n->leaf;
  copy->total = n->total;
  copy->entries.reserve(n->leaf ? Node::kMax : 0);
  copy->entries = n->entries;
  copy->children = n->children;
  for (Node* c : copy->children) share(c);
  release(n);
  return copy;
}

std::string_view first_key(const Node* n) {
  while (!n->leaf) n = n->children.front();
  return n->entries.front()->key;
}

// Index of the child that may hold the key: the last whose first key is not greater.
size_t child_for(const Node* n, std::string_view key) {
  auto after = std::upper_bound(n->children.begin() + 1, n->children.end(), key,
                                [](std::string_view k, const Node* c) { return k < first_key(c); });
  return static_cast<size_t>(after - n->children.begin()) - 1;
}

size_t lower_index(const Node* leaf, std::string_view key) {
  auto at = std::lower_bound(leaf->entries.begin(), leaf->entries.end(), key,
                             [](const EntryRef& e, std::string_view k) { return std::string_view(e->key) < k; });
  return static_cast<size_t>(at - leaf->entries.begin());
}

// Moves the upper half into a new right neighbour.
Node* split(Node* n) {
  Node* right = new Node;
  right->leaf = n->leaf;
  size_t half = n->fill() / 2;
  if (n->leaf) {
    right->entries.assign(n->entries.begin() + half, n->entries.end());
    n->entries.resize(half);
  } else {
    right->children.assign(n->children.begin() + half, n->children.end());
    n->children.resize(half);
  }
  n->recount();
  right->recount();
  return right;
}

// Adds or replaces below n, which must be owned. Gives a new right neighbour when n had to split.
Node* insert(Node* n, EntryRef entry) {
  if (n->leaf) {
    size_t i = lower_index(n, entry->key);
    if (i < n->entries.size() && n->entries[i]->key == entry->key) {
      n->entries[i] = std::move(entry);
      return nullptr;
    }
    n->entries.insert(n->entries.begin() + i, std::move(entry));
  } else {
    size_t i = child_for(n, entry->key);
    n->children[i] = own(n->children[i]);
    Node* right = insert(n->children[i], std::move(entry));
    if (right) n->children.insert(n->children.begin() + i + 1, right);
  }
  n->recount();
  return n->fill() > Node::kMax ? split(n) : nullptr;
}

// Joins child i+1 into child i when both fit into one node.
bool merge_next(Node* n, size_t i) {
  if (i + 1 >= n->children.size()) return false;
  if (n->children[i]->fill() + n->children[i + 1]->fill() > Node::kMergeMax) return false;
  Node* left = n->children[i] = own(n->children[i]);
  Node* right = n->children[i + 1];
  left->entries.insert(left->entries.end(), right->entries.begin(), right->entries.end());
  for (Node* c : right->children) left->children.push_back(share(c));
  left->recount();
  release(right);
  n->children.erase(n->children.begin() + i + 1);
  return true;
}

// Removes a key that is there from below n, which must be owned. n may be left empty.
void erase_below(Node* n, std::string_view key) {
  if (n->leaf) {
    n->entries.erase(n->entries.begin() + lower_index(n, key));
  } else {
    size_t i = child_for(n, key);
    Node* child = n->children[i] = own(n->children[i]);
    erase_below(child, key);
    if (child->fill() == 0) {
      release(child);
      n->children.erase(n->children.begin() + i);
    } else if (child->fill() < Node::kMin && !merge_next(n, i) && i > 0) {
      merge_next(n, i - 1);
    }
  }
  n->recount();
}

// Entries with a key less than the given one.
size_t rank(const Node* n, std::string_view key) {
  size_t below = 0;
  while (n && !n->leaf) {
    size_t i = child_for(n, key);
    for (size_t k = 0; k < i; k++) below += n->children[k]->total;
    n = n->children[i];
  }
  return n ? below + lower_index(n, key) : 0;
}

// The first key after all that have the prefix; nothing when there is no such key.
std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

// The least key that is greater than start_after and not less than prefix.
std::string first_wanted(std::string_view prefix, std::string_view start_after) {
  if (start_after < prefix) return std::string(prefix);
  std::string next(start_after);
  next.push_back('\0');
  return next;
}

struct Walk {
  std::string from;
  std::string_view prefix;
  size_t limit;
  const std::function<bool(const EntryRef&)>& fn;
  size_t shown = 0;
  bool more = false;

  // False: stop.
  bool visit(const Node* n, bool on_edge) {
    if (n->leaf) {
      for (size_t i = on_edge ? lower_index(n, from) : 0; i < n->entries.size(); i++) {
        const EntryRef& e = n->entries[i];
        if (!std::string_view(e->key).starts_with(prefix)) return false;
        if (stopped || (limit && shown == limit)) {
          more = true;
          return false;
        }
        shown++;
        if (!fn(e)) stopped = true;  // one step further tells whether there is more
      }
      return true;
    }
    for (size_t i = on_edge ? child_for(n, from) : 0; i < n->children.size(); i++) {
      if (!visit(n->children[i], on_edge)) return false;
      on_edge = false;
    }
    return true;
  }
  bool stopped = false;
};

size_t check_node(const Node* n, bool root) {
  CHECK(n->refs > 0 && n->fill() > 0 && n->fill() <= Node::kMax, n->refs, " ", n->fill());
  CHECK(n->leaf ? n->children.empty() : n->entries.empty(), "mixed node");
  CHECK(n->leaf || !root || n->children.size() > 1, "root with one child");
  size_t total = n->entries.size();
  for (Node* c : n->children) total += check_node(c, false);
  CHECK(total == n->total, total, " ", n->total);
  return total;
}

}  // namespace

CacheTree::CacheTree(const CacheTree& o) : root_(share(o.root_)) {}
CacheTree::~CacheTree() { release(root_); }

size_t CacheTree::size() const { return root_ ? root_->total : 0; }

EntryRef CacheTree::get(std::string_view key) const {
  const Node* n = root_;
  while (n && !n->leaf) n = n->children[child_for(n, key)];
  if (!n) return nullptr;
  size_t i = lower_index(n, key);
  return i < n->entries.size() && n->entries[i]->key == key ? n->entries[i] : nullptr;
}

void CacheTree::put(EntryRef entry) {
  if (!root_) root_ = new Node;
  root_ = own(root_);
  Node* right = insert(root_, std::move(entry));
  if (!right) return;
  Node* top = new Node;
  top->leaf = false;
  top->children = {root_, right};
  top->recount();
  root_ = top;
}

bool CacheTree::erase(std::string_view key) {
  if (!get(key)) return false;  // before a path is copied for nothing
  root_ = own(root_);
  erase_below(root_, key);
  while (root_ && !root_->leaf && root_->children.size() == 1) {
    Node* only = share(root_->children[0]);
    release(root_);
    root_ = only;
  }
  if (root_->fill() == 0) {
    release(root_);
    root_ = nullptr;
  }
  return true;
}

bool CacheTree::range(std::string_view prefix, std::string_view start_after, size_t limit,
                      const std::function<bool(const EntryRef&)>& fn) const {
  if (!root_) return false;
  CacheTree pinned(*this);  // fn may change this tree
  Walk walk{first_wanted(prefix, start_after), prefix, limit, fn};
  walk.visit(pinned.root_, true);
  return walk.more;
}

size_t CacheTree::count(std::string_view prefix, std::string_view start_after) const {
  if (!root_) return 0;
  size_t from = rank(root_, first_wanted(prefix, start_after));
  std::string end = prefix_end(prefix);
  size_t to = end.empty() ? root_->total : rank(root_, end);
  return to > from ? to - from : 0;
}

void CacheTree::check() const {
  if (!root_) return;
  check_node(root_, true);
  std::string last;
  size_t seen = 0;
  range("", "", 0, [&](const EntryRef& e) {
    CHECK(seen == 0 || last < e->key, last, " ", e->key);
    last = e->key;
    seen++;
    return true;
  });
  CHECK(seen == root_->total, seen, " ", root_->total);
}

}  // namespace bramble
