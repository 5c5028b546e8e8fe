// HealthPorts: the health check node ports of Services with externalTrafficPolicy Local: outside load balancers ask each node
// whether it has endpoints of its own (upstream: pkg/proxy/healthcheck/service_health.go, with its answers and headers). Owner's loop
// thread. Nothing survives a restart.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/http/server.h"
#include "core/proxy/service_ports.h"

namespace bramble {

class HealthPorts {
 public:
  // failed: a port could not be listened on.
  using Failed = std::function<void(const ObjectKey& service, uint16_t port, const Error& why)>;
  explicit HealthPorts(Failed failed) : failed_(std::move(failed)) {}
  // What is asked of a Service from now on; a port of 0 ends it.
  void set(const ObjectKey& service, const ServiceHealth& health);
  void clear() { ports_.clear(); }
  size_t size() const { return ports_.size(); }

 private:
  struct Port {
    ServiceHealth health;
    std::unique_ptr<HttpServer> server;  // null: taken by somebody else
  };
  Task<void> answer(ObjectKey service, std::shared_ptr<Responder> responder);

  Failed failed_;
  std::map<ObjectKey, Port> ports_;
};

}  // namespace bramble
