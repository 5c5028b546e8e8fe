// The flags of `bramble server`, as k3s's server has them where both have the thing.
#pragma once

#include <span>

#include "core/app/flags.h"

namespace bramble {

std::span<const FlagSpec> server_flags();

// Where the cluster's state and its backups are.
std::string store_dir(const Flags& flags);
std::string backup_dir(const Flags& flags);

}  // namespace bramble
