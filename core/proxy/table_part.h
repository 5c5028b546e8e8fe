// TablePart: chains and maps of an nftables table that belong together, as a value, and the changes that bring one state of them to
// another within a transaction. What both states have in common is not touched, so maps that rules fill keep what they hold.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cni/nft/batch.h"

namespace bramble {

struct TablePart {
  // A chain as text that tells whether it changes, and the making of its rules.
  struct Chain {
    std::string text;
    std::function<void(const std::string& name, std::vector<NftRule>*)> make;
  };
  struct Map {
    NftMap map;
    std::map<std::string, std::string> elements;  // key -> data, raw
    // Of a map with intervals in place of elements, in order; it never changes: another content has another name.
    std::vector<NftElement> intervals;
  };
  std::map<std::string, Chain> chains;
  std::map<std::string, Map> maps;

  void merge(TablePart other);
};

// Nothing outside of `before` may refer to what is only there, and nothing in `after` to what comes later in the batch.
void change_part(const TablePart& before, const TablePart& after, NftBatch* batch);

// Names in nftables are short: 16 hex digits that stand for a key.
std::string short_name(std::string_view key);

}  // namespace bramble
