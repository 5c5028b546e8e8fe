#include "core/kubelet/http_get.h"

#include "core/http/message.h"
#include "core/loop/resolve.h"

namespace bramble {

namespace {

// One for all: it holds no secret, and making it anew for each probe costs more than the handshake's bookkeeping.
Result<std::shared_ptr<TlsClientContext>> unchecked_tls() {
  static std::shared_ptr<TlsClientContext> context;
  if (context) return context;
  TlsClientContext::Options options;
  options.verify = false;
  TRY_ASSIGN(context, TlsClientContext::create(options));
  return context;
}

}  // namespace

std::string host_and_port(const std::string& host, uint16_t port) {
  return host.find(':') == host.npos ? cat(host, ":", static_cast<int>(port)) : cat("[", host, "]:", static_cast<int>(port));
}

Task<Result<std::vector<SocketAddress>>> look_up(std::string host, uint16_t port) {
  std::vector<SocketAddress> out;
  auto numeric = SocketAddress::ip(host, port);
  if (numeric.ok()) {
    out.push_back(*numeric);
    co_return out;
  }
  auto found = co_await resolve_host(host);
  if (!found.ok()) co_return found.error();
  for (const std::string& text : *found)
    if (auto address = SocketAddress::ip(text, port); address.ok()) out.push_back(*address);
  if (out.empty()) co_return Error(Code::kNotFound, cat("lookup ", host, ": no such host"));
  co_return out;
}

Result<uint16_t> container_port(Value port, Value container) {
  int64_t number = port.is_string() ? parse_int64(port.str()).value_or(0) : port.integer();
  for (Value p : container["ports"].items())
    if (number == 0 && p["name"].str() == port.str()) number = p["containerPort"].integer();
  if (number < 1 || number > 65535) {
    if (port.is_string() && number == 0) return Error(Code::kInvalidArgument, cat("couldn't find port: ", port.dump(), " in ", container["ports"].dump()));
    return Error(Code::kInvalidArgument, cat("invalid port number: ", number));
  }
  return static_cast<uint16_t>(number);
}

Result<HttpGet> http_get(Value action, Value container, const std::string& pod_ip, std::string_view purpose) {
  HttpGet out;
  TRY_ASSIGN(out.target.port, container_port(action["port"], container));
  out.target.address = action["host"].text();
  if (out.target.address.empty()) out.target.address = pod_ip;
  bool https = equals_ignore_case(action["scheme"].str("HTTP"), "HTTPS");
  if (https) {
    TRY_ASSIGN(out.target.tls, unchecked_tls());
  }
  std::string path = action["path"].text("/");
  if (!path.starts_with('/')) path = "/" + path;
  out.request.target = path;
  for (char& c : out.request.target)
    if (static_cast<unsigned char>(c) <= ' ' || c == 127) c = '+';
  out.url = cat(https ? "https://" : "http://", host_and_port(out.target.address, out.target.port), path);
  bool agent = false, accept = false;
  for (Value h : action["httpHeaders"].items()) {
    std::string name = lower(h["name"].str());
    if (!valid_header_name(name)) continue;
    agent = agent || name == "user-agent";
    accept = accept || name == "accept";
    if (name == "accept" && h["value"].str().empty()) continue;  // so that none is sent
    out.request.headers.push_back({name, h["value"].text()});
  }
  if (!agent) out.request.headers.push_back({"user-agent", cat("kube-", purpose, "/1.36")});
  if (!accept) out.request.headers.push_back({"accept", "*/*"});
  out.request.headers.push_back({"connection", "close"});
  return out;
}

}  // namespace bramble
