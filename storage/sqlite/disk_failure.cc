#include "storage/sqlite/disk_failure.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "storage/sqlite/lock_owner.h"

namespace bramble {

namespace {

enum class Kind { kUnsynced, kDamaged, kUnreadable, kFull, kReadOnly, kInUse, kNotAllowed, kOther };

Kind kind_of(int code, int system_errno) {
  switch (code) {
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC: return Kind::kUnsynced;
    case SQLITE_IOERR_READ:
    case SQLITE_IOERR_CORRUPTFS: return Kind::kUnreadable;
    case SQLITE_IOERR_SHORT_READ: return Kind::kDamaged;
  }
  const int primary = code & 0xff;
  if (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) {
    if (system_errno == EROFS) return Kind::kReadOnly;
    if (system_errno == ENOSPC || system_errno == EDQUOT) return Kind::kFull;
  }
  switch (primary) {
    case SQLITE_FULL: return Kind::kFull;
    case SQLITE_READONLY: return Kind::kReadOnly;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Kind::kInUse;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Kind::kDamaged;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH: return Kind::kNotAllowed;
  }
  return Kind::kOther;
}

[[noreturn]] void end_process(const std::string& why) {
  log_error("store: ", why);
  _exit(74);
}

}  // namespace

Error disk_failure(int code, int system_errno, DiskStage stage, const std::string& path, std::string_view doing) {
  const bool serving = stage == DiskStage::kServing;
  const std::string reason = system_errno ? cat(" (", strerror(system_errno), ")") : std::string();
  const std::string text = cat(path, ": cannot ", doing, ": ", sqlite3_errstr(code), reason);
  switch (kind_of(code, system_errno)) {
    case Kind::kUnsynced:
      if (stage == DiskStage::kCopying) return Error(Code::kIo, cat(path, ": fsync failed", reason, "; check the disk"));
      end_process(cat(path, ": fsync failed", reason,
                      "; what the disk holds is unknown, so this process ends and the next one reads it again; check the disk"));
    case Kind::kDamaged:
      if (serving) {
        ::close(::open(must_check_mark(path).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        end_process(cat(text, "; this process ends, and the next one checks the file and repairs it"));
      }
      return Error(Code::kCorrupt, text);
    case Kind::kUnreadable:
      if (serving) end_process(cat(text, "; this process ends, and the next one reads the file again; check the disk"));
      return Error(Code::kIo, cat(text, "; check the disk"));
    case Kind::kFull:
      return Error(Code::kNoSpace, cat(path, ": no space left on the disk; free some or move the data directory"));
    case Kind::kReadOnly:
      return Error(Code::kNoSpace, cat(path, ": the file or its file system is read-only; remount it read-write (mount -o remount,rw) and check the disk"));
    case Kind::kInUse:
      return Error(Code::kUnavailable, cat(path, ": in use by ", lock_owner(path), "; stop it first, only one server may own a data directory"));
    case Kind::kNotAllowed:
      return Error(Code::kPermissionDenied, cat(text, "; check owner and permissions of the data directory"));
    case Kind::kOther: break;
  }
  return Error(Code::kIo, text);
}

Error directory_failure(int system_errno, const std::string& path, std::string_view doing) {
  Error plain = Error::from_errno(system_errno, cat(path, ": cannot ", doing));
  const char* advice = system_errno == EROFS    ? "; mount the file system read-write or give another data directory"
                       : system_errno == ENOSPC ? "; free some space or give another data directory"
                                                : "; check the path and its permissions";
  return Error(plain.code(), plain.message() + advice);
}

std::string must_check_mark(const std::string& path) { return path + ".must-check"; }

}  // namespace bramble
