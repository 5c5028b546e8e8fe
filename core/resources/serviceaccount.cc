// ServiceAccount: the identity of pods.
#include "core/resources/cells.h"
#include "core/resources/kinds.h"

namespace bramble {
namespace {

void cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  append_age(o, now_us, out);
}

}  // namespace

void serviceaccount_rules(Kind& k) {
  k.columns = columns_of("Name:name, Age");
  k.cells = cells;
}

}  // namespace bramble
