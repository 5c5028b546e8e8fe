#include "core/kubelet/log_stream.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/unique_fd.h"
#include "core/kubelet/log_lines.h"
#include "core/loop/loop.h"

namespace bramble {

namespace {

using File = std::shared_ptr<const UniqueFd>;  // shared with reads under way

struct OpenedLog {
  File file;
  int64_t at = 0;
};

Result<OpenedLog> open_log(const std::string& path, std::optional<int64_t> tail_lines) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Error::from_errno(errno, path);
  int64_t at = tail_lines ? tail_offset(fd.get(), *tail_lines) : 0;
  return OpenedLog{std::make_shared<const UniqueFd>(std::move(fd)), at};
}

// What a look at the file gave: bytes; or the file that took its name in a rotation; or neither, at the end.
struct Piece {
  std::string bytes;
  File next;
};

Piece read_piece(const File& file, int64_t at, const std::string& path, bool follow) {
  Piece piece;
  auto read_at = [&] {
    piece.bytes.resize(limits::kLogReadBytes);
    ssize_t n = pread(file->get(), piece.bytes.data(), piece.bytes.size(), at);
    piece.bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return n > 0;
  };
  if (read_at() || !follow) return piece;
  struct stat ours, there;
  if (fstat(file->get(), &ours) != 0 || stat(path.c_str(), &there) != 0 || ours.st_ino == there.st_ino) return piece;
  auto fresh = open_log(path, std::nullopt);
  if (!fresh.ok() || read_at()) return piece;  // written before the rename: that first
  piece.next = std::move(fresh->file);
  return piece;
}

class LogStream final : public DuplexStream {
 public:
  LogStream(std::string path, OpenedLog log, LogOptions options, std::optional<int64_t> since_us, std::function<bool()> ended, std::shared_ptr<LogFollowers> followers)
      : path_(std::move(path)), options_(std::move(options)), since_us_(since_us), ended_(std::move(ended)), followers_(std::move(followers)), left_bytes_(options_.limit_bytes),
        file_(std::move(log.file)), at_(log.at) {
    followers_->add(&changed_);
  }
  ~LogStream() override { followers_->remove(&changed_); }

  Status follow() {
    if (!options_.follow) return ok();
    inotify_ = UniqueFd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    std::string folder = std::filesystem::path(path_).parent_path().string();
    if (!inotify_.valid() || inotify_add_watch(inotify_.get(), folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0) return Error::from_errno(errno, cat("inotify ", folder));
    auto ready = [this](int) {
      char buffer[4096];
      while (::read(inotify_.get(), buffer, sizeof buffer) > 0) {
      }
      dirty_ = true;
      changed_.pulse();
    };
    watch_ = std::make_unique<FdWatch>(inotify_.get(), FdWatch::kReadable, ready);
    return ok();
  }

  Task<std::optional<std::string>> read() override {
    for (;;) {
      if (finished_) co_return std::nullopt;
      // Asked before the last look at the file, so that nothing written before the end is missed.
      bool no_more = !options_.follow || ended_();
      dirty_ = false;
      Task<Piece> reading = offload([file = file_, at = at_, path = path_, follows = options_.follow] { return read_piece(file, at, path, follows); });
      Piece piece = co_await reading;
      if (piece.next) {
        file_ = std::move(piece.next);
        at_ = 0;
        continue;
      }
      if (!piece.bytes.empty()) {
        std::string out = take(piece.bytes);
        if (!out.empty()) co_return out;
        continue;
      }
      if (no_more) {
        finished_ = true;
        co_return std::nullopt;
      }
      // What happened while the file was looked at is looked at again.
      if (!dirty_ && !ended_()) co_await changed_.wait();
    }
  }
  Task<bool> write(std::string) override { co_return false; }
  void close_write() override {}

 private:
  // More of the file as output text; a line without its end waits for the rest.
  std::string take(const std::string& bytes) {
    at_ += static_cast<int64_t>(bytes.size());
    pending_ += bytes;
    std::string out;
    size_t from = 0;
    for (size_t end; (end = pending_.find('\n', from)) != std::string::npos; from = end + 1) add_line(std::string_view(pending_).substr(from, end - from), out);
    pending_.erase(0, from);
    return out;
  }

  void add_line(std::string_view line, std::string& out) {
    auto l = parse_log_line(line);
    if (!l || finished_) return;
    if (options_.stream == "Stdout" && l->stream != "stdout") return;
    if (options_.stream == "Stderr" && l->stream != "stderr") return;
    if (since_us_) {
      auto at = parse_rfc3339(l->stamp);
      if (at && *at < *since_us_) return;
    }
    size_t before = out.size();
    if (options_.timestamps && !continues_) out += cat(l->stamp, " ");
    out += l->text;
    if (!l->partial) out += '\n';
    continues_ = l->partial;
    if (!left_bytes_) return;
    auto added = static_cast<int64_t>(out.size() - before);
    if (added > *left_bytes_) out.resize(before + static_cast<size_t>(*left_bytes_));
    *left_bytes_ -= added;
    if (*left_bytes_ <= 0) finished_ = true;
  }

  std::string path_;
  LogOptions options_;
  std::optional<int64_t> since_us_;
  std::function<bool()> ended_;
  std::shared_ptr<LogFollowers> followers_;
  std::optional<int64_t> left_bytes_;
  File file_;
  int64_t at_ = 0;
  UniqueFd inotify_;
  bool dirty_ = false, finished_ = false, continues_ = false;
  std::string pending_;
  Event changed_;
  std::unique_ptr<FdWatch> watch_;
};

}  // namespace

void LogFollowers::wake() {
  auto now = waiting_;  // a follower may go away while another is woken
  for (Event* e : now)
    if (waiting_.contains(e)) e->pulse();
}

Task<Result<std::unique_ptr<DuplexStream>>> open_log_stream(std::string path, LogOptions options, int64_t now_us, std::function<bool()> ended,
                                                            std::shared_ptr<LogFollowers> followers) {
  std::optional<int64_t> since_us = options.since_time_us;
  if (options.since_seconds) since_us = now_us - *options.since_seconds * 1000000;
  Task<Result<OpenedLog>> opening = offload([path, lines = options.tail_lines] { return open_log(path, lines); });
  auto log = co_await opening;
  if (!log.ok()) co_return log.error();
  auto stream = std::make_unique<LogStream>(std::move(path), std::move(*log), std::move(options), since_us, std::move(ended), std::move(followers));
  CO_TRY(stream->follow());
  co_return std::unique_ptr<DuplexStream>(std::move(stream));
}

}  // namespace bramble
