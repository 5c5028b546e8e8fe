// NftWatch: tells when somebody else changes a table (nftables' own notifications, nfnetlink group NFNLGRP_NFTABLES), for
// example by `nft flush ruleset`. Of the network namespace of the thread that opened it. One owner; no call waits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cni/nft/batch.h"
#include "core/base/result.h"

struct mnl_socket;

namespace bramble {

class NftWatch {
 public:
  // An IPv4 table, there or not. What happens from here on is told.
  static Result<NftWatch> open(std::string table);
  // All tables of all families but those whose names begin so.
  static Result<NftWatch> open_others(std::string own_prefix);
  NftWatch(NftWatch&&) = default;  // before it has joined another
  ~NftWatch();

  // Readable when there may be something to tell.
  int fd() const;
  // Whether somebody else has changed the table since the last call; also true when that cannot be known, because more
  // happened than the socket holds, or in the very moment of a commit.
  bool changed();
  // The other table is ours as well: what either commits is told to neither. Ends with either of them.
  void join(NftWatch* other);
  // Commits a batch of one's own for the table: it is not told.
  Status commit(NftBatch* batch);

 private:
  explicit NftWatch(mnl_socket* socket, std::string table);
  void listen(bool on);
  void read_all();
  void read_message(const void* message);
  std::unique_ptr<mnl_socket, int (*)(mnl_socket*)> socket_;
  std::string table_;
  bool others_ = false;      // table_ is a prefix of what is not watched
  std::vector<NftWatch*> joined_;
  uint32_t generation_ = 0;  // of the rule set: what was told up to here was seen
  bool changed_ = false;
};

}  // namespace bramble
