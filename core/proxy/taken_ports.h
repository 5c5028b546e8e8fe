// TakenPorts: tells the cluster, by an annotation of this Node, which ports of LoadBalancer Services a process of this host listens on, so
// that none is taken away from it (service_lb_controller reads it). Looks when such a Service comes, changes or goes, in offload();
// never by a timer. Owner's loop thread. The annotation stays when bramble ends; the next start looks again.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "core/client/client.h"
#include "core/loop/task.h"

namespace bramble {

// "TCP/80" of each line of /proc/net/{tcp,tcp6} that listens and of {udp,udp6} that is bound, but for what only loopback or an address
// of service_range reaches.
std::set<std::string> listening_ports(std::string_view proc_net, std::string_view protocol, std::string_view service_range);

class TakenPorts {
 public:
  static constexpr const char* kAnnotation = "svccontroller.bramble.cattle.io/taken-ports";
  struct Options {
    std::string node_name, service_range;
  };
  // client: of the node, which may patch its Node; outlives this.
  TakenPorts(Options options, Client& client) : options_(std::move(options)), client_(client) {}
  void start();

 private:
  void look();
  Task<void> follow();
  std::set<std::string> asked_ports() const;  // of LoadBalancer Services
  Options options_;
  Client& client_;
  bool running_ = false, again_ = false;
  std::unique_ptr<Subscription> subscription_;
  TaskGroup tasks_;
};

}  // namespace bramble
