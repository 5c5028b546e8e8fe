#include "core/proxy/health_ports.h"

namespace bramble {

void HealthPorts::set(const ObjectKey& service, const ServiceHealth& health) {
  auto there = ports_.find(service);
  if (there != ports_.end() && there->second.health.port == health.port) {
    there->second.health = health;
    return;
  }
  if (there != ports_.end()) ports_.erase(there);
  if (health.port == 0) return;
  Port& port = ports_[service];
  port.health = health;
  HttpServer::Options http;
  http.port = health.port;
  http.connection_threads = 0;
  http.body_bytes_max = limits::kNodeRequestBytesMax;
  auto listening = HttpServer::listen(std::move(http), [this, service](auto, auto responder) { return answer(service, std::move(responder)); });
  if (listening.ok()) port.server = std::move(*listening);
  else failed_(service, health.port, listening.error());
}

Task<void> HealthPorts::answer(ObjectKey service, std::shared_ptr<Responder> responder) {
  auto it = ports_.find(service);
  size_t n = it == ports_.end() ? 0 : it->second.health.local_endpoints;
  std::string body = cat("{\n\t\"service\": {\n\t\t\"namespace\": \"", service.ns, "\",\n\t\t\"name\": \"", service.name,
                         "\"\n\t},\n\t\"localEndpoints\": ", n, ",\n\t\"serviceProxyHealthy\": true\n}");
  std::vector<Header> headers{{"content-type", "application/json"}, {"x-content-type-options", "nosniff"}, {"x-load-balancing-endpoint-weight", cat(n)}};
  responder->send(n > 0 ? 200 : 503, std::move(headers), make_buffer(std::move(body)));
  co_return;
}

}  // namespace bramble
