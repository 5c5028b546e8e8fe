// Table columns and texts that many kinds share: names, ages, containers and images, selectors. Texts as upstream's printers
// write them. Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/resources/kind.h"

namespace bramble {

Column name_column();                                  // "Name"
Column age_column();                                   // "Age", of metadata.creationTimestamp
const std::vector<Column>& columns_of(const Kind& kind);  // Name and Created At for a kind without columns of its own

std::string age_text(std::string_view rfc3339, int64_t now_us);  // "5m"; "<unknown>" when there is no time
std::string containers_text(Value pod_spec);                     // their names
std::string images_text(Value pod_spec);
std::string selector_text(Value label_selector);                       // "a=b,c in (d)"; "<none>"
std::string map_text(Value labels, std::string_view none = "<none>");  // "a=b,c=d"
inline int64_t count_of(Value list) { return static_cast<int64_t>(list.size()); }

}  // namespace bramble
