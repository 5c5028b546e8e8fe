#include "core/client/api_transport.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/limits_client.h"
#include "core/base/log.h"
#include "core/loop/race.h"

namespace bramble {

namespace {

Task<void> wait_changed(std::shared_ptr<Event> changed) { co_await changed->wait(); }

}  // namespace

ApiTransport::ApiTransport(Options options, Random& random) : options_(std::move(options)), random_(random) {}
ApiTransport::~ApiTransport() = default;

bool ApiTransport::connected() const {
  return std::any_of(connections_.begin(), connections_.end(), [](const auto& c) { return c->usable(); });
}

// The first with room, so that few stay open.
std::shared_ptr<Http2Client> ApiTransport::find() {
  auto over = [](const std::shared_ptr<Http2Client>& c) { return !c->usable() && c->exchanges() == 0; };
  auto left = [](const std::shared_ptr<Http2Client>& c) { return c->exchanges() == 0; };
  std::erase_if(connections_, over);
  std::erase_if(leaving_, left);
  for (const auto& c : connections_)
    if (c->usable() && c->exchanges() < limits::kApiStreamsMax) return c;
  return nullptr;
}

Task<Result<std::shared_ptr<Http2Client>>> ApiTransport::acquire() {
  for (;;) {
    if (auto found = find()) co_return found;
    if (!connecting_) {
      if (Loop::current().now_us() < not_before_us_) co_return last_error_;
      connecting_ = true;
      tasks_.start(connect());
      if (!connecting_) continue;
    }
    std::shared_ptr<Event> changed = changed_;
    co_await changed->wait();
    if (auto found = find()) co_return found;
    if (!connecting_) co_return last_error_;
  }
}

Task<void> ApiTransport::connect() {
  auto made = co_await connect_to_any();
  connecting_ = false;
  if (made.ok()) {
    if (options_.connected_log && std::exchange(lost_, false)) log_info("server: connected");
    connections_.push_back(std::move(*made));
    backoff_ms_ = 0;
    not_before_us_ = 0;
  } else {
    if (options_.connected_log && (!std::exchange(lost_, true) || backoff_ms_ == 0)) log_warning("server: ", made.error().message(), "; tried again until it is there");
    last_error_ = made.error();
    backoff_ms_ = std::min(limits::kApiConnectMsMax, std::max(limits::kApiConnectMsMin, backoff_ms_ * 2));
    int64_t wait_ms = backoff_ms_ / 2 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(backoff_ms_)));
    not_before_us_ = Loop::current().now_us() + wait_ms * 1000;
  }
  settled();
}

// Whoever waits may drop the transport: never within the task that it owns.
void ApiTransport::settled() {
  std::shared_ptr<Event> changed = changed_;
  Loop::current().post([changed] { changed->pulse(); });
}

Task<Result<std::unique_ptr<Http2Client>>> ApiTransport::connect_to_any() {
  Error why(Code::kUnavailable, "no server is known");
  std::vector<Url> servers = options_.servers();
  for (const Url& server : servers) {
    auto addresses = co_await resolve_host(server.host, options_.names);
    if (!addresses.ok()) {
      why = addresses.error();
      continue;
    }
    for (const std::string& address : *addresses) {
      HttpClientTarget target;
      target.address = address;
      target.port = server.port_or_default();
      target.server_name = server.host;
      target.tls = options_.tls;
      auto made = co_await Http2Client::open(std::move(target));
      if (made.ok()) co_return made;
      why = made.error();
    }
  }
  co_return why;
}

Task<Result<std::unique_ptr<Http2Exchange>>> ApiTransport::start(HttpClientRequest request) {
  auto connection = co_await acquire();
  CO_TRY(connection);
  request.headers.push_back({"user-agent", options_.user_agent});
  co_return (*connection)->send(std::move(request));
}

Task<Result<HttpResponse>> ApiTransport::request(HttpClientRequest request, size_t body_bytes_max, int64_t timeout_ms) {
  auto connection = co_await acquire();
  CO_TRY(connection);
  request.headers.push_back({"user-agent", options_.user_agent});
  std::shared_ptr<Http2Client> held = *connection;
  auto answer = co_await held->request(std::move(request), body_bytes_max, timeout_ms);
  co_return answer;
}

Task<void> ApiTransport::until_connected(int64_t ms) {
  if (connected()) {
    co_await sleep_ms(ms);
    co_return;
  }
  std::shared_ptr<Event> changed = changed_;
  Race race;
  race.add(wait_changed(changed));
  race.within_ms(ms);
  co_await race.first().wait();
}

void ApiTransport::use_tls(std::shared_ptr<TlsClientContext> tls) {
  options_.tls = std::move(tls);
  for (auto& c : std::exchange(connections_, {})) leaving_.push_back(std::move(c));
}

void ApiTransport::reset(const std::string& why) {
  for (auto* list : {&connections_, &leaving_})
    for (auto& c : std::exchange(*list, {})) c->close(Error(Code::kUnavailable, why));
  backoff_ms_ = 0;
  not_before_us_ = 0;
  settled();
}

}  // namespace bramble
