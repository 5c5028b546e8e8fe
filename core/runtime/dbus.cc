#include "core/runtime/dbus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/shutdown_limits.h"
#include "core/base/strings.h"
#include "core/loop/race.h"
#include "core/loop/socket.h"

namespace bramble {

std::string DbusConnection::system_bus() {
  const char* said = getenv("DBUS_SYSTEM_BUS_ADDRESS");
  for (std::string_view part : split(said ? said : "", ',')) {
    constexpr std::string_view kPath = "unix:path=";
    if (part.starts_with(kPath)) return std::string(part.substr(kPath.size()));
  }
  return "/run/dbus/system_bus_socket";
}

DbusConnection::DbusConnection(UniqueFd fd) : fd_(std::move(fd)) {
  watch_ = std::make_unique<FdWatch>(fd_.get(), FdWatch::kReadable, [this](int) { drain(); });
}

DbusConnection::~DbusConnection() = default;

Task<Result<std::unique_ptr<DbusConnection>>> DbusConnection::open(std::string path) {
  auto address = SocketAddress::unix_path(path);
  if (!address.ok()) co_return address.error();
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) co_return Error::from_errno(errno, path);
  if (connect(fd.get(), address->raw(), address->raw_bytes()) != 0) co_return Error(Code::kUnavailable, cat(path, ": ", strerror(errno)));
  std::unique_ptr<DbusConnection> bus(new DbusConnection(std::move(fd)));
  Task<Status> authenticating = bus->authenticate();
  Status known = co_await authenticating;
  if (!known.ok()) co_return known.error().prefixed(path);
  DbusMessage hello;
  hello.destination = hello.interface = "org.freedesktop.DBus";
  hello.path = "/org/freedesktop/DBus";
  hello.member = "Hello";
  Task<Result<std::unique_ptr<Answer>>> greeting = bus->call(hello);
  auto greeted = co_await greeting;
  if (!greeted.ok()) co_return greeted.error().prefixed(path);
  co_return bus;
}

// Who we are the kernel has told; that descriptors may come is agreed on.
Task<Status> DbusConnection::authenticate() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string uid = cat(geteuid()), hex;
  for (char c : uid) hex += {kDigits[static_cast<unsigned char>(c) >> 4], kDigits[c & 15]};
  struct Step {
    std::string say;
    std::string_view expect;
  };
  const std::vector<Step> steps = {{cat(std::string_view("\0", 1), "AUTH EXTERNAL ", hex, "\r\n"), "OK "}, {"NEGOTIATE_UNIX_FD\r\n", "AGREE_UNIX_FD"}};
  for (const Step& step : steps) {
    Status sent = send(step.say);
    if (!sent.ok()) co_return sent;
    size_t end = in_.find("\r\n");
    while (end == std::string::npos && why_lost_.empty()) {
      Race race;
      race.until(&line_there_);
      race.within_ms(limits::kDbusAnswerMs);
      co_await race.first().wait();
      if (end = in_.find("\r\n"); end == std::string::npos && why_lost_.empty()) co_return Error(Code::kTimeout, "D-Bus: no answer");
    }
    if (!why_lost_.empty()) co_return Error(Code::kUnavailable, why_lost_);
    if (!std::string_view(in_).starts_with(step.expect)) co_return Error(Code::kPermissionDenied, cat("D-Bus: ", std::string_view(in_).substr(0, end)));
    in_.erase(0, end + 2);
  }
  begun_ = true;
  co_return send("BEGIN\r\n");
}

// Messages are small and few: the socket has room for them.
Status DbusConnection::send(std::string_view bytes) {
  if (!why_lost_.empty()) return Error(Code::kUnavailable, why_lost_);
  const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(bytes.size())) return Error(Code::kUnavailable, cat("D-Bus: send: ", sent < 0 ? strerror(errno) : "no room"));
  return ok();
}

Task<Result<std::unique_ptr<DbusConnection::Answer>>> DbusConnection::call(DbusMessage message) {
  message.type = DbusMessage::kCall;
  message.serial = ++serial_;
  Pending pending;
  struct Entry {
    std::map<uint32_t, Pending*>& all;
    uint32_t serial;
    ~Entry() { all.erase(serial); }
  } entry{pending_, message.serial};
  pending_[message.serial] = &pending;
  Status sent = send(message.bytes());
  if (!sent.ok()) co_return sent.error();
  Race race;
  race.until(&pending.there);
  race.within_ms(limits::kDbusAnswerMs);
  co_await race.first().wait();
  if (!pending.answer) co_return Error(why_lost_.empty() ? Code::kTimeout : Code::kUnavailable, why_lost_.empty() ? cat("D-Bus: ", message.member, ": no answer") : why_lost_);
  const DbusMessage& said = pending.answer->message;
  if (said.type == DbusMessage::kError) {
    DbusReader reader(said.body);
    auto text = said.signature.starts_with('s') ? reader.text() : std::nullopt;
    co_return Error(Code::kUnavailable, cat("D-Bus: ", message.member, ": ", said.error, text ? ": " : "", text.value_or("")));
  }
  co_return std::move(pending.answer);
}

// Whether there may be more.
bool DbusConnection::receive() {
  char bytes[4096];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * limits::kDbusDescriptorsMax)];
  iovec part{bytes, sizeof bytes};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC);
  if (n < 0 && errno == EINTR) return true;
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
  if (n <= 0) {
    lose(n < 0 ? cat("D-Bus: ", strerror(errno)) : "D-Bus: the bus closed the connection");
    return false;
  }
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      descriptors_.emplace_back(fd);
    }
  }
  in_.append(bytes, static_cast<size_t>(n));
  if (descriptors_.size() > limits::kDbusDescriptorsMax) {
    lose("D-Bus: descriptors without their message");
    return false;
  }
  return true;
}

void DbusConnection::drain() {
  while (receive()) {
    if (begun_) {
      while (why_lost_.empty()) {
        auto bytes = DbusMessage::size(in_);
        if (!bytes.ok()) return lose(bytes.error().message());
        if (!*bytes || in_.size() < **bytes) break;
        auto message = DbusMessage::parse(std::string_view(in_).substr(0, **bytes));
        if (!message.ok()) return lose(message.error().message());
        in_.erase(0, **bytes);
        take(std::move(*message));
      }
    } else if (in_.size() > limits::kDbusMessageBytesMax) {
      return lose("D-Bus: no end of line");
    }
  }
  line_there_.pulse();
}

void DbusConnection::take(DbusMessage message) {
  auto answer = std::make_unique<Answer>();
  for (uint32_t i = 0; i < message.descriptors && !descriptors_.empty(); ++i) {
    answer->descriptors.push_back(std::move(descriptors_.front()));
    descriptors_.pop_front();
  }
  if (message.type == DbusMessage::kSignal) {
    if (signal_) signal_(message);
    return;
  }
  auto waiting = pending_.find(message.reply_to);
  if ((message.type != DbusMessage::kReply && message.type != DbusMessage::kError) || waiting == pending_.end()) return;
  answer->message = std::move(message);
  waiting->second->answer = std::move(answer);
  waiting->second->there.set();
}

void DbusConnection::lose(std::string why) {
  if (!why_lost_.empty()) return;
  why_lost_ = std::move(why);
  watch_.reset();
  std::vector<Event*> waiting;
  for (auto& [serial, pending] : pending_) waiting.push_back(&pending->there);
  for (Event* there : waiting) there->set();
  line_there_.pulse();
  lost_.set();
}

}  // namespace bramble
