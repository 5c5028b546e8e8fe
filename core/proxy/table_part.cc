#include "core/proxy/table_part.h"

#include "core/base/strings.h"

namespace bramble {
namespace {

// Elements of `of` that `other` has not, or has with another value.
std::vector<NftElement> missing(const TablePart::Map& of, const TablePart::Map* other) {
  std::vector<NftElement> out;
  for (const auto& [key, data] : of.elements) {
    if (other) {
      auto it = other->elements.find(key);
      if (it != other->elements.end() && it->second == data) continue;
    }
    out.push_back({key, data, ""});
  }
  return out;
}

void change_maps(const TablePart& before, const TablePart& after, NftBatch* batch) {
  for (const auto& [name, next] : after.maps) {
    auto it = before.maps.find(name);
    const TablePart::Map* old = it == before.maps.end() ? nullptr : &it->second;
    if (!old) {
      batch->add_map(next.map);
      batch->add_elements(next.map, next.intervals);
    } else {
      batch->delete_elements(next.map, missing(*old, &next));
    }
    batch->add_elements(next.map, missing(next, old));
  }
}

}  // namespace

void TablePart::merge(TablePart other) {
  chains.merge(other.chains);
  maps.merge(other.maps);
}

void change_part(const TablePart& before, const TablePart& after, NftBatch* batch) {
  change_maps(before, after, batch);
  std::vector<std::string> write;
  for (const auto& [name, next] : after.chains) {
    auto old = before.chains.find(name);
    if (old == before.chains.end()) batch->add_chain(name);
    else if (old->second.text == next.text) continue;
    else batch->flush_chain(name);
    write.push_back(name);
  }
  for (const auto& [name, old] : before.chains)
    if (!after.chains.contains(name)) batch->flush_chain(name);
  for (const std::string& name : write) {
    std::vector<NftRule> rules;
    after.chains.find(name)->second.make(name, &rules);
    for (NftRule& r : rules) batch->add_rule(std::move(r));
  }
  for (const auto& [name, old] : before.chains)
    if (!after.chains.contains(name)) batch->delete_chain(name);
  for (const auto& [name, old] : before.maps)
    if (!after.maps.contains(name)) batch->delete_map(name);
}

std::string short_name(std::string_view key) {
  uint64_t h = 14695981039346656037ull;  // FNV-1a, 64 bits
  for (char c : key) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  std::string raw;
  for (int i = 56; i >= 0; i -= 8) raw.push_back(static_cast<char>(h >> i));
  return hex(raw);
}

}  // namespace bramble
