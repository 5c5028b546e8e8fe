// AuditLog: where audit events go: a file that is rotated by size, or standard output. Lines are handed over on the owner's loop
// thread and written in their order off it, one batch at a time. At most limits::kAuditQueueBytesMax wait for the disk; what
// comes beyond is dropped, counted and told in the log. A line is whole in the file or not there at all, but for a crash in the
// middle of a write. Files of an earlier run are continued.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "core/base/clock.h"
#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/loop/loop.h"

namespace bramble {

struct AuditLogOptions {
  std::string path;              // "-": standard output
  int64_t max_age_days = 366, max_backups = 100, max_megabytes = 100;  // upstream's; 0: without a limit; megabytes 0: never rotated
  bool legacy = false;           // a line of text instead of JSON
};

// The file itself, with its rotation: audit.log becomes audit-2026-01-02T03-04-05.678.log. Blocking; one thread at a time.
class AuditFile {
 public:
  explicit AuditFile(AuditLogOptions options) : options_(std::move(options)) {}
  // Whole lines. Opens the file when needed; after an error the next write tries again.
  Status write(const std::string& lines, int64_t now_us);

 private:
  Status open();
  Status rotate(int64_t now_us);
  void forget_old(int64_t now_us) const;

  AuditLogOptions options_;
  UniqueFd file_;
  int64_t size_ = 0;
};

class AuditLog {
 public:
  AuditLog(AuditLogOptions options, const Clock& clock);
  ~AuditLog();
  void write(std::string_view line);
  // Until all that was handed over is written.
  Task<void> flush();
  // At a stop, when nothing is offloaded any more: writes what waits here and now.
  void finish();
  bool legacy() const { return legacy_; }
  uint64_t dropped() const { return dropped_; }

 private:
  Task<void> run();

  const Clock& clock_;
  const bool legacy_;
  std::shared_ptr<AuditFile> file_;  // of the worker that writes
  std::string waiting_;
  size_t lines_ = 0;   // in waiting_
  bool writing_ = false;
  bool failing_ = false;
  uint64_t dropped_ = 0;
  Event idle_;
  TaskGroup tasks_;
};

}  // namespace bramble
