// KeyLocks: one write at a time per key, so that read-change-write of an object never meets itself and needs no retry.
// Waiters go in order of asking. One loop's thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/loop/task.h"

namespace bramble {

class KeyLocks {
  struct Entry {
    bool held = false;
    size_t users = 0;  // the holder and those who wait
    Event freed;
  };
  using Table = std::map<std::string, std::unique_ptr<Entry>, std::less<>>;

 public:
  // Releases its key when it goes.
  class Held {
   public:
    Held() = default;
    Held(std::shared_ptr<Table> table, std::string key) : table_(std::move(table)), key_(std::move(key)) {}
    Held(Held&& o) noexcept : table_(std::move(o.table_)), key_(std::move(o.key_)) {}
    Held& operator=(Held&& o) noexcept {
      release();
      table_ = std::move(o.table_);
      key_ = std::move(o.key_);
      return *this;
    }
    Held(const Held&) = delete;
    ~Held() { release(); }

   private:
    void release() {
      auto table = std::move(table_);
      if (!table) return;
      Entry& entry = *table->find(key_)->second;
      entry.held = false;
      leave(*table, key_);
      auto it = table->find(key_);
      if (it != table->end()) it->second->freed.pulse();
    }
    std::shared_ptr<Table> table_;
    std::string key_;
  };

  Task<Held> lock(std::string key) {
    auto table = table_;
    auto& slot = (*table)[key];
    if (!slot) slot = std::make_unique<Entry>();
    Entry* entry = slot.get();
    Membership membership(table, key);
    while (entry->held) co_await entry->freed.wait();
    entry->held = true;
    membership.keep();
    co_return Held(table, key);
  }

 private:
  // Counts a waiter that may be dropped where it waits.
  class Membership {
   public:
    Membership(std::shared_ptr<Table> table, std::string key) : table_(std::move(table)), key_(std::move(key)) {
      ++table_->find(key_)->second->users;
    }
    Membership(const Membership&) = delete;
    ~Membership() {
      if (!kept_) leave(*table_, key_);
    }
    void keep() { kept_ = true; }

   private:
    std::shared_ptr<Table> table_;
    std::string key_;
    bool kept_ = false;
  };
  static void leave(Table& table, const std::string& key) {
    auto it = table.find(key);
    if (--it->second->users == 0) table.erase(it);
  }
  std::shared_ptr<Table> table_ = std::make_shared<Table>();
};

}  // namespace bramble
