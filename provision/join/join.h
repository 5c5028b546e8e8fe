// join: gets a machine its node's certificates. Order matters: the authority is fetched without showing anything, its hash is
// compared with the token's, the server is then spoken to only under that authority; now the token is shown, once, with a
// request for the kubelet's client certificate; everything else is asked for with that certificate. Keys are made on this
// machine and never leave it. The key of the first join stays the node's key (core/apiserver/node_keys.h).
// On the loop of its thread; files in offload(). A crash in the middle leaves what the next join begins with.
// Specification: Kubernetes "TLS bootstrapping", "Certificate Signing Requests"; k3s, agent join.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/loop/task.h"
#include "core/loop/wall_alarm.h"
#include "provision/join/join_token.h"
#include "provision/join/node_credentials.h"

namespace bramble {

struct JoinOptions {
  std::string server_url;  // https://HOST[:PORT]; 6443 without a port
  std::string token;       // not looked at when the machine has joined already
  std::string node_name;
  std::vector<std::string> node_addresses;  // IP addresses of the kubelet's certificate
  std::string data_dir;                     // files go to <data-dir>/agent
  int64_t time_floor_s = 0;                 // no date is judged as of an earlier time (core/crypto/issuing_time.h)
  std::string resolv_conf = "/etc/resolv.conf";
};

// The credentials on disk when they are of this node name and their end has not come: then nobody is asked, and the server may be
// away. Else a new join, which writes them. What is due is renewed while the agent runs (NodeRenewal).
// Errors are one line that says what to do. kUnavailable and kTimeout: the server does not answer (yet), try again;
// kTooManyRequests: too many join at once, try again; others do not go away by themselves: kInvalidArgument (URL or token
// malformed, the answer is no cluster's), kUnauthenticated (the authority is not the token's; token wrong or expired),
// kPermissionDenied (the name belongs to another machine, the request was denied).
Task<Result<NodeCredentials>> join(JoinOptions options, const Clock& clock);

// New certificates for the same keys, asked for with the node's own certificate, and written. Waits until a new address of the node
// is known to the API. Errors as above.
Task<Result<NodeCredentials>> renew_certificates(JoinOptions options, NodeCredentials old, const Clock& clock);

// While the agent runs: certificates are asked for again, with the node's own certificate and the same keys, when two thirds of
// their lives are over, and handed to who uses them. No polling: a WallAlarm. A failure is logged and tried again.
class NodeRenewal {
 public:
  using Use = std::function<Status(const NodeCredentials&)>;
  // server: where the API is reached at the time (the agent's load balancer). clock must outlive it.
  NodeRenewal(NodeCredentials now, JoinOptions options, const Clock& clock, Use use);
  // Addresses of the node have changed: the serving certificate is asked for again at once.
  void use_addresses(std::vector<std::string> addresses);

 private:
  void arm(int64_t renew_at_s);
  void begin();
  Task<void> look();

  NodeCredentials now_;
  JoinOptions options_;
  const Clock& clock_;
  Use use_;
  WallAlarm alarm_;
  TaskGroup tasks_;
};

}  // namespace bramble
