#include "core/app/https_fetch.h"

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/http/client.h"
#include "core/http/url.h"
#include "core/loop/race.h"
#include "core/loop/resolve.h"

namespace bramble {
namespace {

constexpr const char* kRootFiles[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

Result<std::string> authorities(const std::string& ca_file) {
  if (!ca_file.empty()) return read_file(ca_file);
  for (const char* path : kRootFiles)
    if (path_exists(path)) return read_file(path);
  return Error(Code::kUnauthenticated, "no certificate authorities on this machine; install ca-certificates, or name a file");
}

Task<Result<std::string>> get(Url url, std::string ca_file) {
  auto roots = authorities(ca_file);
  if (!roots.ok()) co_return roots.error();
  TlsClientContext::Options tls;
  tls.roots_pem = std::move(*roots);
  tls.alpn = {"http/1.1"};
  auto context = TlsClientContext::create(std::move(tls));
  if (!context.ok()) co_return context.error();
  ResolveFiles files;
  auto addresses = co_await resolve_host(url.host, files);
  if (!addresses.ok()) co_return addresses.error();
  Error last(Code::kUnavailable, cat(url.host, ": has no address"));
  for (const std::string& address : *addresses) {
    HttpClientTarget target;
    target.address = address, target.port = url.port_or_default(), target.tls = *context, target.server_name = url.host;
    auto connection = co_await HttpClientConnection::open(target);
    if (!connection.ok()) {
      last = connection.error();
      continue;
    }
    HttpClientRequest request;
    request.target = url.target();
    request.headers = {{"accept", "application/json"}, {"connection", "close"}};
    auto answer = co_await (*connection)->request(std::move(request), limits::kOidcAnswerBytesMax);
    if (!answer.ok()) co_return answer.error();
    if (answer->status != 200) co_return Error(Code::kUnavailable, cat(url.text(), ": answered ", answer->status));
    co_return std::move(answer->body);
  }
  co_return last;
}

Task<void> keep(Task<Result<std::string>> getting, std::shared_ptr<std::optional<Result<std::string>>> out) {
  auto got = co_await getting;
  out->emplace(std::move(got));
}

}  // namespace

Task<Result<std::string>> fetch_https(std::string url, std::string ca_file) {
  auto parsed = parse_url(url);
  if (!parsed.ok()) co_return parsed.error();
  if (parsed->scheme != "https") co_return Error(Code::kInvalidArgument, cat(url, ": must begin with https://"));
  auto out = std::make_shared<std::optional<Result<std::string>>>();
  Race race;
  race.add(keep(get(*parsed, ca_file), out));
  race.within_ms(limits::kOidcAnswerMs);
  co_await race.first().wait();
  if (!*out) co_return Error(Code::kTimeout, cat(url, ": took too long"));
  co_return std::move(**out);
}

}  // namespace bramble
