// The mapped file of Quarantine, and what a dying process writes into it. Within this room only.
#pragma once

#include "core/base/limits.h"
#include "core/quarantine/quarantine.h"

namespace bramble {

// A step that is under way.
struct Quarantine::Slot {
  uint64_t number;  // 0: free
  char room[36];
  char key[216];
};

// An object that somebody died of.
struct Quarantine::Record {
  uint32_t aborts;  // 0: free
  uint32_t marked;  // mark is known
  uint64_t mark;
  int64_t last_us;  // CLOCK_BOOTTIME
  int32_t signal;
  char room[36];
  char key[216];
};

struct Quarantine::File {
  static constexpr uint64_t kMagic = 0x32656e69'74736975;  // of this layout
  uint64_t magic;
  uint64_t blamed;  // the number of a slot; written by the handler of a fatal signal
  int32_t signal;
  Record records[limits::kQuarantineRecordsMax];
  Slot slots[limits::kStepsNotedMax];
  std::vector<Entry> set_aside() const;
  void blame(uint64_t number, int signal_number);  // async-signal-safe
};

std::string signal_name(int number);
void forget_crashes_of(const void* file);

}  // namespace bramble
