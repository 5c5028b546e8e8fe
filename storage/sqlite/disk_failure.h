// What each failure of the disk means for the store (DESIGN section 4), in one place. Any thread.
//
//                    while starting            while serving                            in a copy
//   fsync failed     the process ends          the process ends                         the copy fails
//   damage           kCorrupt: repaired        the process ends, the next one checks    the copy fails
//   read error       kIo: no start             the process ends                         the copy fails
//   full, read-only  kNoSpace: no start        kNoSpace: these writes fail, no more     the copy fails
//   write error      kIo: no start             kIo: these writes fail, no more          the copy fails
//   in use           kUnavailable: no start
//   not allowed      kPermissionDenied: no start
//
// A process that ends does so with exit code 74 (EX_IOERR) and without answering anybody: after a failed fsync a second one
// lies, and what was read since cannot be trusted. It is no abort: no object is to blame. The next process reads what the
// disk really holds. A read error is not damage, though SQLite may call it so: see SqliteStore::load().
#pragma once

#include <string>

#include "core/base/result.h"

namespace bramble {

enum class DiskStage { kStarting, kServing, kCopying };

// The Error of a failed SQLite call, by its extended result code and errno (0: unknown). Does not come back where the table
// above ends the process.
Error disk_failure(int sqlite_code, int system_errno, DiskStage stage, const std::string& path, std::string_view doing);

// The Error of a failed call on the store's directory or on a file beside the database, with what to do.
Error directory_failure(int system_errno, const std::string& path, std::string_view doing);

// A file beside the database: damage was met by writing, and the next start checks all of the structure.
std::string must_check_mark(const std::string& path);

}  // namespace bramble
