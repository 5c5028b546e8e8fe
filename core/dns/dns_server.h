// DnsServer: the cluster's DNS on this node. Listens on the cluster address (UDP and TCP, port 53) on a thread of its own with
// its own loop, answers from an immutable Zone that the owner's thread hands over, forwards the rest to the
// servers of resolv.conf, whose changes it follows. It goes on answering
// from the last Zone when the API is away. Nothing survives a restart; the next Zone comes from the snapshot.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <thread>

#include "core/client/client.h"
#include "core/dns/upstream_watch.h"
#include "core/dns/zone.h"
#include "core/loop/loop.h"
#include "core/quarantine/quarantine.h"

namespace bramble {

class DnsThread;

class DnsServer {
 public:
  struct Options {
    std::string address;                   // "10.43.0.10", already an address of this host
    uint16_t port = 53;
    std::string domain;
    std::string resolv_conf = "/etc/resolv.conf";
    Quarantine* quarantine = nullptr;      // outlives the server
    std::function<bool()> known = {};      // false: the API, elsewhere, has not told of its Services yet; empty: it has
  };
  // client outlives the server. Owner's loop thread.
  DnsServer(Options options, Client& client);
  ~DnsServer();  // ends the thread
  // kAlreadyExists when something else listens there.
  Status start();

 private:
  void refresh(const std::set<ObjectKey>& services);
  void refresh_one(const ObjectKey& key, Zone* zone) const;

  Options options_;
  Client& client_;
  std::shared_ptr<const Zone> zone_;
  std::set<ObjectKey> dirty_;
  Timer timer_;  // gathers the changes of one turn
  std::unique_ptr<Subscription> subscription_;
  std::unique_ptr<DnsThread> thread_;
  std::unique_ptr<UpstreamWatch> watch_;
};

}  // namespace bramble
