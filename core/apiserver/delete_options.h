// DeleteOptions (meta/v1), as the body of a delete and within an Eviction. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/apiserver/verbs.h"

namespace bramble {

struct SentDeleteOptions {
  Removal removal;
  std::vector<std::string> dry_run;  // as sent
};

// Out of an object's fields; nothing is checked but their types.
SentDeleteOptions delete_options_of(Value options);

// kInvalid with upstream's causes. `dry_run` becomes true when the options ask for it.
Status check_delete_options(const SentDeleteOptions& options, bool& dry_run);

// dryRun of any options; `options_kind` is named in the error.
Status check_dry_run(const std::vector<std::string>& values, std::string_view options_kind, bool& dry_run);

}  // namespace bramble
