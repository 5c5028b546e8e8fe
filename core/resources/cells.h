// Table cells that many kinds share: ages, containers and images, selectors. Texts as upstream's printers write them.
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/resources/kind.h"

namespace bramble {

// "Name:name, Ready, Desired:integer, IP:wide" -> columns. The text must live for ever (a literal).
std::vector<Column> columns_of(std::string_view text);

std::string age_text(std::string_view rfc3339, int64_t now_us);        // "5m"; "<unknown>" when there is no time
void append_age(Value object, int64_t now_us, Mut cells);              // of metadata.creationTimestamp
std::string created_at(Value object);                                  // for kinds without columns of their own
void append_containers_and_images(Value pod_spec, Mut cells);          // two cells
std::string selector_text(Value label_selector);                       // "a=b,c in (d)"; "<none>"
std::string map_text(Value labels, std::string_view none = "<none>");  // "a=b,c=d"
std::string first_name(Value object);                                  // metadata.name

}  // namespace bramble
