#include "core/apiserver/audit_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

constexpr int64_t kMegabyte = 1024 * 1024;
constexpr int64_t kDayUs = 24 * 3600 * 1000000LL;

struct NameParts {
  std::string directory, stem, extension;  // "/var/log", "audit", ".log"
};

NameParts parts_of(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  size_t dot = name.rfind('.');
  if (dot == std::string::npos) return {directory, name, ""};
  return {directory, name.substr(0, dot), name.substr(dot)};
}

// 2026-01-02T03-04-05.678, which sorts as time does.
std::string mark_of(int64_t us) {
  std::string text = format_rfc3339_micro(us).substr(0, 23);
  std::replace(text.begin(), text.end(), ':', '-');
  return text;
}

bool is_mark(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00-00-00.000";
  if (text.size() != kShape.size()) return false;
  for (size_t i = 0; i < text.size(); i++) {
    bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !digit : text[i] != kShape[i]) return false;
  }
  return true;
}

// Of one file: the marks of those that were rotated away, oldest first.
std::vector<std::string> marks_in(const NameParts& parts) {
  std::vector<std::string> out;
  DIR* dir = opendir(parts.directory.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = readdir(dir)) {
    std::string_view name = entry->d_name;
    if (!name.starts_with(parts.stem + "-") || !name.ends_with(parts.extension)) continue;
    name.remove_prefix(parts.stem.size() + 1);
    if (name.size() < parts.extension.size()) continue;
    name.remove_suffix(parts.extension.size());
    if (is_mark(name)) out.emplace_back(name);
  }
  closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

std::string path_of(const NameParts& parts, std::string_view mark) { return cat(parts.directory, "/", parts.stem, "-", mark, parts.extension); }

void make_directory(const std::string& path) {
  for (size_t at = 1; at <= path.size(); at++) {
    if (at == path.size() || path[at] == '/') mkdir(path.substr(0, at).c_str(), 0700);
  }
}

}  // namespace

Status AuditFile::open() {
  make_directory(parts_of(options_.path).directory);
  UniqueFd fd(::open(options_.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  struct stat st {};
  if (fd.get() < 0 || fstat(fd.get(), &st) != 0) return Error::from_errno(errno, cat("audit log ", options_.path));
  file_ = std::move(fd);
  size_ = st.st_size;
  return ok();
}

// A name that is taken already, because the clock went back or stands still, is not written over.
Status AuditFile::rotate(int64_t now_us) {
  const NameParts parts = parts_of(options_.path);
  for (size_t tries = 0; tries < limits::kAuditRotateNamesMax; tries++, now_us += 1000) {
    const std::string name = path_of(parts, mark_of(now_us));
    if (link(options_.path.c_str(), name.c_str()) == 0) {
      unlink(options_.path.c_str());
      file_ = UniqueFd();
      forget_old(now_us);
      return open();
    }
    if (errno == EEXIST) continue;
    // A file system without hard links.
    if (rename(options_.path.c_str(), name.c_str()) != 0) return Error::from_errno(errno, cat("audit log ", options_.path, ": rotate"));
    file_ = UniqueFd();
    forget_old(now_us);
    return open();
  }
  return Error(Code::kAlreadyExists, cat("audit log ", options_.path, ": no name is free to rotate to"));
}

void AuditFile::forget_old(int64_t now_us) const {
  const NameParts parts = parts_of(options_.path);
  std::vector<std::string> marks = marks_in(parts);
  const std::string oldest = options_.max_age_days > 0 ? mark_of(now_us - options_.max_age_days * kDayUs) : std::string();
  size_t surplus = options_.max_backups > 0 && marks.size() > static_cast<size_t>(options_.max_backups)
                       ? marks.size() - static_cast<size_t>(options_.max_backups)
                       : 0;
  for (size_t i = 0; i < marks.size(); i++) {
    if (i < surplus || marks[i] < oldest) unlink(path_of(parts, marks[i]).c_str());
  }
}

Status AuditFile::write(const std::string& lines, int64_t now_us) {
  int fd = STDOUT_FILENO;
  if (options_.path != "-") {
    if (file_.get() < 0) TRY(open());
    bool full = options_.max_megabytes > 0 && size_ > 0 && size_ + static_cast<int64_t>(lines.size()) > options_.max_megabytes * kMegabyte;
    if (full) TRY(rotate(now_us));
    fd = file_.get();
  }
  for (size_t done = 0; done < lines.size();) {
    ssize_t n = ::write(fd, lines.data() + done, lines.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      Error failed = Error::from_errno(errno, cat("audit log ", options_.path));
      // What stands of a line is taken back, so that the next one begins its own.
      if (fd != STDOUT_FILENO && ftruncate(fd, size_) == 0) file_ = UniqueFd();
      return failed;
    }
    done += static_cast<size_t>(n);
  }
  size_ += static_cast<int64_t>(lines.size());
  return ok();
}

AuditLog::AuditLog(AuditLogOptions options, const Clock& clock)
    : clock_(clock), legacy_(options.legacy), file_(std::make_shared<AuditFile>(std::move(options))) {
  idle_.set();
}

AuditLog::~AuditLog() { tasks_.cancel_all(); }

void AuditLog::write(std::string_view line) {
  if (waiting_.size() + line.size() > limits::kAuditQueueBytesMax) {
    if (dropped_++ == 0) log_error("audit log: the disk does not keep up; events are dropped (apiserver_audit_error_total)");
    return;
  }
  waiting_ += line;
  lines_++;
  if (writing_) return;
  writing_ = true;
  idle_.reset();
  tasks_.start(run());
}

Task<void> AuditLog::run() {
  while (!waiting_.empty()) {
    auto batch = std::make_shared<std::string>(std::move(waiting_));
    size_t lines = lines_;
    waiting_.clear();
    lines_ = 0;
    std::shared_ptr<AuditFile> file = file_;
    int64_t now_us = clock_.wall_us();
    auto job = [file, batch, now_us]() -> Status { return file->write(*batch, now_us); };
    Task<Status> writing = offload(job);
    Status written = co_await writing;
    if (!written.ok()) dropped_ += lines;
    if (!written.ok() && !failing_) log_error(written.error().message(), "; events are lost");
    failing_ = !written.ok();
  }
  writing_ = false;
  idle_.set();
}

Task<void> AuditLog::flush() { co_await idle_.wait(); }

void AuditLog::finish() {
  tasks_.cancel_all();
  if (waiting_.empty()) return;
  Status written = file_->write(std::exchange(waiting_, {}), clock_.wall_us());
  if (!written.ok()) log_error(written.error().message(), "; events are lost");
}

}  // namespace bramble
