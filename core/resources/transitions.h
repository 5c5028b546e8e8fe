// What an update may not touch through the endpoint it came by: whole members kept from the stored object. Pure.
#pragma once

#include <string_view>

#include "core/json/builder.h"

namespace bramble {

// object[key] becomes what old[key] is (removed when absent).
inline void keep(Mut object, Value old, std::string_view key) { object.set(key, old[key]); }
inline void keep_status(Mut object, Value old) { keep(object, old, "status"); }
inline void keep_spec(Mut object, Value old) { keep(object, old, "spec"); }
inline void keep_meta(Mut object, Value old, std::string_view key) {
  object.object("metadata").set(key, old["metadata"][key]);
}
// The status of a new object is empty, whatever the client sent.
inline void clear_status(Mut object) { object.object("status").clear(); }

}  // namespace bramble
