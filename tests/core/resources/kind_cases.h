// Tables of objects and what a kind says of them, for the tests of many kinds.
#pragma once

#include <string>
#include <vector>

#include "tests/core/resources/rule_case.h"

namespace bramble {

inline const Kind& v1(std::string_view group, std::string_view resource) { return *find_kind(group, "v1", resource); }

inline std::string with_text(const std::string& object, std::initializer_list<const char*> path, std::string_view value) {
  return with(json(object), path, value).root().dump();
}

struct CreateCase {
  const char* name;
  std::string object;
  std::string want;  // errors
};
inline void expect_create(const Kind& kind, const std::vector<CreateCase>& cases) {
  for (const CreateCase& c : cases) EXPECT_EQ(create_errors(kind, json(c.object)), c.want) << kind.resource << ": " << c.name;
}

struct UpdateCase {
  const char* name;
  std::string old, now;
  std::string want;
};
inline void expect_update(const Kind& kind, const std::vector<UpdateCase>& cases) {
  for (const UpdateCase& c : cases)
    EXPECT_EQ(update_errors(kind, json(c.now), created(kind, json(c.old))), c.want) << kind.resource << ": " << c.name;
}

struct StatusCase {
  const char* name;
  std::string object, status;
  std::string want;
};
inline void expect_status(const Kind& kind, const std::vector<StatusCase>& cases) {
  for (const StatusCase& c : cases) {
    const Document old = created(kind, json(c.object));
    EXPECT_EQ(status_errors(kind, with(old, {"status"}, c.status), old), c.want) << kind.resource << ": " << c.name;
  }
}

// The warnings of creating it, joined.
inline std::string warnings_of(const Kind& kind, const std::string& object) {
  std::vector<std::string> out;
  const Document d = created(kind, json(object));
  if (kind.warnings) kind.warnings(d.root(), out);
  return join(out, " | ");
}

}  // namespace bramble
