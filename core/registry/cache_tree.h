// CacheTree: an ordered map from key to entry as a copy-on-write B+ tree. Copying a tree costs one reference and pins that
// state; changing one copies the path to the leaf only where a copy shares it. Each node knows how many entries are below,
// so counting a prefix does not walk it. Owner thread only (the counts of references are not atomic for nodes).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/json/value.h"

namespace bramble {

// An object as stored: immutable, shared between the tree, views and events.
struct CacheEntry {
  std::string key;
  Document document;
  uint64_t revision = 0;  // at which this document was written
};
using EntryRef = std::shared_ptr<const CacheEntry>;

class CacheTree {
 public:
  CacheTree() = default;
  CacheTree(const CacheTree& o);
  CacheTree(CacheTree&& o) noexcept : root_(o.root_) { o.root_ = nullptr; }
  CacheTree& operator=(CacheTree o) noexcept {
    std::swap(root_, o.root_);
    return *this;
  }
  ~CacheTree();

  size_t size() const;
  EntryRef get(std::string_view key) const;  // null: none
  void put(EntryRef entry);                  // adds or replaces by its key
  bool erase(std::string_view key);          // whether it was there
  // See CacheView::range and count in cache.h.
  bool range(std::string_view prefix, std::string_view start_after, size_t limit,
             const std::function<bool(const EntryRef&)>& fn) const;
  size_t count(std::string_view prefix, std::string_view start_after = {}) const;
  // For tests: CHECKs order, sizes and fill of every node.
  void check() const;

  struct Node;

 private:
  Node* root_ = nullptr;
};

}  // namespace bramble
