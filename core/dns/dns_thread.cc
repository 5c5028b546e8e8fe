#include "core/dns/dns_thread.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/dns/answer_cache.h"
#include "core/loop/loop.h"
#include "core/loop/race.h"
#include "core/loop/socket.h"

namespace bramble {
namespace {

// Everything that lives on the thread.
class Service {
 public:
  Service(std::unique_ptr<UdpSocket> udp, std::unique_ptr<Listener> tcp, std::vector<SocketAddress> upstreams)
      : udp_(std::move(udp)), tcp_(std::move(tcp)), upstreams_(std::move(upstreams)), zone_(std::make_shared<const Zone>("cluster.local")) {
    tasks_.start(serve_udp());
    tasks_.start(serve_tcp());
  }
  void use(std::shared_ptr<const Zone> zone) { zone_ = std::move(zone); }
  void forward_to(std::vector<SocketAddress> upstreams) {
    upstreams_ = std::move(upstreams);
    cache_ = AnswerCache();  // others may know other names
  }

 private:
  // An answer that goes on outside of the cluster; without a name to chase: the whole question is somebody else's.
  struct Beyond {
    DnsAnswer answer;
    DnsQuery query;
    size_t bytes_max = 0;
  };

  Task<void> serve_udp() {
    for (;;) {
      auto datagram = co_await udp_->receive();
      if (!datagram.ok()) {
        if (datagram.error().code() == Code::kCancelled) co_return;
        continue;  // an ICMP error of an earlier answer
      }
      Beyond beyond;
      std::optional<std::string> reply = answer_now(datagram->bytes, true, &beyond);
      if (reply) {
        Status sent = udp_->send_to(*reply, datagram->peer);
        (void)sent;  // a lost datagram: the client asks again
      } else {
        tasks_.start(forward_udp(std::move(datagram->bytes), datagram->peer, std::move(beyond)));
      }
    }
  }

  Task<void> serve_tcp() {
    for (;;) {
      auto fd = co_await tcp_->accept();
      if (!fd.ok()) co_return;
      if (tcp_open_ >= limits::kDnsTcpConnectionsMax) continue;  // closed at once
      tasks_.start(serve_connection(std::make_unique<Stream>(std::move(*fd))));
    }
  }

  Task<void> forward_udp(std::string query, SocketAddress peer, Beyond beyond) {
    auto reply = co_await resolve(std::move(query), std::move(beyond), talk_by_udp);
    Status sent = udp_->send_to(reply, peer);
    (void)sent;
  }

  // RFC 1035 section 4.2.2: two bytes of length before each message.
  Task<void> serve_connection(std::unique_ptr<Stream> stream) {
    Counted count(&tcp_open_);
    TaskGroup watchdog;
    std::string buffer;
    for (;;) {
      auto idle = [](Stream* s) -> Task<void> {
        co_await sleep_ms(limits::kDnsTcpIdleMs);
        // Seen by the reader as the end of the stream, on a later turn: close() would resume it inside of this very task.
        ::shutdown(s->fd(), SHUT_RDWR);
      };
      watchdog.start(idle(stream.get()));
      auto query = co_await read_message(stream.get(), &buffer);
      if (!query) co_return;
      watchdog.cancel_all();
      Beyond beyond;
      std::optional<std::string> reply = answer_now(*query, false, &beyond);
      if (!reply) {
        auto forwarded = co_await resolve(std::move(*query), std::move(beyond), talk_by_tcp);
        reply = std::move(forwarded);
      }
      std::string bytes = framed(*reply);
      auto written = co_await stream->write_all(std::move(bytes));
      if (!written.ok()) co_return;
    }
  }

  static size_t length_of(const std::string& b) { return static_cast<size_t>(static_cast<unsigned char>(b[0]) << 8 | static_cast<unsigned char>(b[1])); }

  // The next message of a stream; what came behind it stays in the buffer. Nothing when the stream ends before.
  static Task<std::optional<std::string>> read_message(Stream* stream, std::string* buffer) {
    while (buffer->size() < 2 || buffer->size() < 2 + length_of(*buffer)) {
      auto more = co_await stream->read_some(4096);
      if (!more.ok() || more->empty()) co_return std::nullopt;
      *buffer += *more;
    }
    std::string message = buffer->substr(2, length_of(*buffer));
    buffer->erase(0, 2 + message.size());
    co_return message;
  }

  static std::string framed(const std::string& message) {
    std::string out;
    out.push_back(static_cast<char>(message.size() >> 8));
    out.push_back(static_cast<char>(message.size()));
    return out + message;
  }

  // From the zone or the cache, or an error; nothing when somebody else must be asked, for what `beyond` says.
  std::optional<std::string> answer_now(const std::string& bytes, bool udp, Beyond* beyond) {
    auto query = parse_dns_query(bytes);
    if (!query.ok()) {
      if (bytes.size() < 12) return bytes.size() < 2 ? std::string() : build_dns_error(id_of(bytes), dns_rcode::kFormatError);
      return build_dns_error(id_of(bytes), dns_rcode::kFormatError);
    }
    size_t bytes_max = udp ? std::min<size_t>(query->udp_bytes_max, limits::kDatagramBytesMax) : 65535;
    DnsAnswer refusal;
    refusal.authoritative = false;
    if (query->opcode != 0 || query->klass != 1) {
      refusal.rcode = dns_rcode::kNotImplemented;
      return build_dns_answer(*query, refusal, bytes_max);
    }
    if (auto answer = zone_->answer(*query)) {
      if (answer->chase.empty() || upstreams_.empty() || forwarding_ >= limits::kDnsForwardsMax) return build_dns_answer(*query, *answer, bytes_max);
      *beyond = {std::move(*answer), std::move(*query), bytes_max};
      return std::nullopt;
    }
    if (auto known = cache_.find(bytes, bytes_max, Loop::current().now_us())) return known;
    if (!upstreams_.empty() && forwarding_ < limits::kDnsForwardsMax) return std::nullopt;
    refusal.rcode = upstreams_.empty() ? dns_rcode::kRefused : dns_rcode::kServerFailure;
    return build_dns_answer(*query, refusal, bytes_max);
  }

  static uint16_t id_of(const std::string& bytes) { return static_cast<uint16_t>(static_cast<unsigned char>(bytes[0]) << 8 | static_cast<unsigned char>(bytes[1])); }

  // Writes what the server answers, if it does.
  using Talk = Task<void> (*)(SocketAddress server, std::string query, std::optional<std::string>* reply);

  // Asks the upstream servers in turn, each with a socket (and so a port) of its own, in the way in which we were asked: who
  // comes by TCP may have been told that the answer is too large for a datagram. The message goes through as it is.
  Task<std::string> forward(std::string query, Talk talk) {
    Counted count(&forwarding_);
    for (int round = 0; round < limits::kDnsForwardRounds; round++) {
      std::vector<SocketAddress> servers = upstreams_;
      for (const SocketAddress& server : servers) {
        auto reply = co_await ask(talk, server, query);
        if (reply) co_return std::move(*reply);
      }
    }
    co_return build_dns_error(id_of(query), dns_rcode::kServerFailure);
  }

  Task<std::string> resolve(std::string query, Beyond beyond, Talk talk) {
    if (beyond.answer.chase.empty()) {
      std::string asked = query;
      auto reply = co_await forward(std::move(query), talk);
      cache_.put(asked, reply, Loop::current().now_us());
      co_return reply;
    }
    // The same question of the name outside; its addresses come behind our CNAMEs.
    std::string ours = build_dns_query(beyond.query.id, beyond.answer.chase, beyond.query.type);
    auto known = cache_.find(ours, limits::kDatagramBytesMax, Loop::current().now_us());
    if (!known) {
      std::string asked = ours;
      auto fresh = co_await forward(std::move(asked), talk);
      cache_.put(ours, fresh, Loop::current().now_us());
      known = std::move(fresh);
    }
    auto parsed = parse_dns_reply(*known);
    DnsAnswer answer = std::move(beyond.answer);
    answer.rcode = parsed ? parsed->rcode : dns_rcode::kServerFailure;
    if (parsed)
      for (DnsRecord& r : parsed->answers) answer.answers.push_back(std::move(r));
    co_return build_dns_answer(beyond.query, answer, beyond.bytes_max);
  }

  static bool answers(const std::string& reply, const std::string& query) { return reply.size() >= 12 && reply.compare(0, 2, query, 0, 2) == 0; }

  // One server's answer, if it comes in time.
  static Task<std::optional<std::string>> ask(Talk talk, SocketAddress server, std::string query) {
    std::optional<std::string> reply;
    {
      Race race;
      race.within_ms(limits::kDnsForwardMs);
      race.add(talk(server, std::move(query), &reply));
      co_await race.first().wait();
    }
    co_return reply;
  }

  static Task<void> talk_by_tcp(SocketAddress server, std::string query, std::optional<std::string>* reply) {
    auto stream = co_await Stream::connect(server, limits::kDnsForwardMs);
    if (!stream.ok()) co_return;
    std::string bytes = framed(query);
    auto written = co_await (*stream)->write_all(std::move(bytes));
    if (!written.ok()) co_return;
    std::string buffer;
    auto whole = co_await read_message(stream->get(), &buffer);
    if (whole && answers(*whole, query)) *reply = std::move(*whole);
  }

  static Task<void> talk_by_udp(SocketAddress server, std::string query, std::optional<std::string>* reply) {
    auto socket = UdpSocket::connect(server);
    if (!socket.ok() || !(*socket)->send(query).ok()) co_return;
    for (;;) {
      auto datagram = co_await (*socket)->receive();
      if (!datagram.ok()) co_return;
      if (!answers(datagram->bytes, query)) continue;
      *reply = std::move(datagram->bytes);
      co_return;
    }
  }

  struct Counted {
    explicit Counted(size_t* n_) : n(n_) { ++*n; }
    ~Counted() { --*n; }
    Counted(const Counted&) = delete;
    size_t* n;
  };

  std::unique_ptr<UdpSocket> udp_;
  std::unique_ptr<Listener> tcp_;
  std::vector<SocketAddress> upstreams_;
  std::shared_ptr<const Zone> zone_;
  AnswerCache cache_;
  size_t forwarding_ = 0, tcp_open_ = 0;
  TaskGroup tasks_;
};

// How binding went, from the thread to its starter (std::future is missing on ARMv6).
class Outcome {
 public:
  void set(Status s) {
    std::lock_guard lock(mutex_);
    status_ = std::move(s);
    there_.notify_one();  // under the lock: the waiter destroys this
  }
  Status get() {
    std::unique_lock lock(mutex_);
    there_.wait(lock, [this] { return status_.has_value(); });
    return *status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable there_;
  std::optional<Status> status_;
};

class RunningThread final : public DnsThread {
 public:
  Status begin(const std::string& address, uint16_t port, std::vector<SocketAddress> upstreams) {
    TRY_ASSIGN(SocketAddress at, SocketAddress::ip(address, port));
    Outcome bound;
    thread_ = std::thread([this, at, &bound, upstreams = std::move(upstreams)]() mutable { run(at, std::move(upstreams), bound); });
    return bound.get();
  }
  ~RunningThread() override {
    if (loop_) loop_->post([this] { loop_->stop(); });
    if (thread_.joinable()) thread_.join();
  }
  void use(std::shared_ptr<const Zone> zone) override {
    loop_->post([this, zone = std::move(zone)] {
      if (service_) service_->use(zone);
    });
  }
  void forward_to(std::vector<SocketAddress> upstreams) override {
    loop_->post([this, upstreams = std::move(upstreams)] {
      if (service_) service_->forward_to(upstreams);
    });
  }

 private:
  void run(SocketAddress at, std::vector<SocketAddress> upstreams, Outcome& bound) {
    Loop loop;
    auto udp = UdpSocket::bind(at);
    auto tcp = Listener::listen(at);
    if (!udp.ok() || !tcp.ok()) {
      bound.set(udp.ok() ? tcp.error() : udp.error());
      return;
    }
    service_ = std::make_unique<Service>(std::move(*udp), std::move(*tcp), std::move(upstreams));
    loop_ = &loop;
    bound.set(ok());
    loop.run();
    service_.reset();
  }

  Loop* loop_ = nullptr;  // set before begin() answers, valid until the join
  std::unique_ptr<Service> service_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<DnsThread>> DnsThread::start(const std::string& address, uint16_t port, std::vector<SocketAddress> upstreams) {
  auto thread = std::make_unique<RunningThread>();
  Status begun = thread->begin(address, port, std::move(upstreams));
  if (!begun.ok()) return begun.error().prefixed(cat("dns ", address, ":", port));
  return std::unique_ptr<DnsThread>(std::move(thread));
}

}  // namespace bramble
