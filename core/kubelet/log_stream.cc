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

class LogStream final : public DuplexStream {
 public:
  LogStream(std::string path, LogOptions options, std::optional<int64_t> since_us, std::function<bool()> ended, std::shared_ptr<LogFollowers> followers)
      : path_(std::move(path)), options_(std::move(options)), since_us_(since_us), ended_(std::move(ended)), followers_(std::move(followers)), left_bytes_(options_.limit_bytes) {
    followers_->add(&changed_);
  }
  ~LogStream() override { followers_->remove(&changed_); }

  Status open_file() {
    fd_ = UniqueFd(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd_.valid()) return Error::from_errno(errno, path_);
    if (options_.tail_lines) at_ = tail_offset(fd_.get(), *options_.tail_lines);
    if (!options_.follow) return ok();
    inotify_ = UniqueFd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    std::string folder = std::filesystem::path(path_).parent_path().string();
    if (!inotify_.valid() || inotify_add_watch(inotify_.get(), folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0) return Error::from_errno(errno, cat("inotify ", folder));
    auto ready = [this](int) {
      char buffer[4096];
      while (::read(inotify_.get(), buffer, sizeof buffer) > 0) {
      }
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
      std::string out = read_more();
      if (!out.empty()) co_return out;
      if (at_end_ && next_file()) continue;
      if (!at_end_) continue;
      if (no_more) {
        finished_ = true;
        co_return std::nullopt;
      }
      co_await changed_.wait();
    }
  }
  Task<bool> write(std::string) override { co_return false; }
  void close_write() override {}

 private:
  // The next part of the file as output text; at_end_ tells whether the file has more.
  std::string read_more() {
    std::string block(limits::kLogReadBytes, '\0');
    ssize_t n = pread(fd_.get(), block.data(), block.size(), at_);
    at_end_ = n <= 0;
    if (n <= 0) return {};
    at_ += n;
    pending_.append(block, 0, static_cast<size_t>(n));
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

  // After a rotation: the file of that name is another one.
  bool next_file() {
    if (!options_.follow) return false;
    struct stat ours, there;
    if (fstat(fd_.get(), &ours) != 0 || stat(path_.c_str(), &there) != 0 || ours.st_ino == there.st_ino) return false;
    UniqueFd fresh(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fresh.valid()) return false;
    char one;
    if (pread(fd_.get(), &one, 1, at_) > 0) return true;  // written before the rename: read it first
    fd_ = std::move(fresh);
    at_ = 0;
    return true;
  }

  std::string path_;
  LogOptions options_;
  std::optional<int64_t> since_us_;
  std::function<bool()> ended_;
  std::shared_ptr<LogFollowers> followers_;
  std::optional<int64_t> left_bytes_;
  UniqueFd fd_, inotify_;
  int64_t at_ = 0;
  bool at_end_ = false, finished_ = false, continues_ = false;
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

Result<std::unique_ptr<DuplexStream>> open_log_stream(std::string path, LogOptions options, int64_t now_us, std::function<bool()> ended,
                                                      std::shared_ptr<LogFollowers> followers) {
  std::optional<int64_t> since_us = options.since_time_us;
  if (options.since_seconds) since_us = now_us - *options.since_seconds * 1000000;
  auto stream = std::make_unique<LogStream>(std::move(path), std::move(options), since_us, std::move(ended), std::move(followers));
  TRY(stream->open_file());
  return std::unique_ptr<DuplexStream>(std::move(stream));
}

}  // namespace bramble
