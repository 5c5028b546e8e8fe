// A VFS over the system's one whose fsync fails at a chosen time, in the manner of the kernel: what was written since the last
// good fsync is dropped, and every later fsync says that all is well. A store that goes on after the failure loses data. It can
// also have a page that cannot be read, or no room.
#pragma once

#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include <string>
#include <vector>

namespace bramble::crash {

struct LyingFile {
  sqlite3_file base;
  struct State {
    struct Undo {
      sqlite3_int64 at;
      std::string before;
    };
    std::vector<Undo> undo;
    sqlite3_int64 synced_size = 0;
  };
  State* state;
  sqlite3_file* real;
  ino_t inode;
};

inline int g_syncs_until_failure = 0;  // counted down; the one that reaches 0 fails

struct UnreadablePage {
  ino_t inode = 0;  // of the file
  int page = 0;
  int times = 0;    // that a read of it still fails
};
inline UnreadablePage g_unreadable;
inline bool g_full = false;  // writes find no room

inline LyingFile* lying(sqlite3_file* f) { return reinterpret_cast<LyingFile*>(f); }

inline int lying_sync(sqlite3_file* f, int flags) {
  LyingFile* l = lying(f);
  auto* io = l->real->pMethods;
  if (--g_syncs_until_failure != 0) {
    int rc = io->xSync(l->real, flags);
    l->state->undo.clear();
    io->xFileSize(l->real, &l->state->synced_size);
    return rc;
  }
  for (auto u = l->state->undo.rbegin(); u != l->state->undo.rend(); ++u)
    io->xWrite(l->real, u->before.data(), static_cast<int>(u->before.size()), u->at);
  io->xTruncate(l->real, l->state->synced_size);
  io->xSync(l->real, flags);
  return SQLITE_IOERR_FSYNC;
}

inline int lying_write(sqlite3_file* f, const void* bytes, int n, sqlite3_int64 at) {
  LyingFile* l = lying(f);
  if (g_full) return SQLITE_FULL;
  std::string before(static_cast<size_t>(n), '\0');
  l->real->pMethods->xRead(l->real, before.data(), n, at);
  l->state->undo.push_back({at, std::move(before)});
  return l->real->pMethods->xWrite(l->real, bytes, n, at);
}

inline const sqlite3_io_methods* lying_methods() {
  static sqlite3_io_methods m = [] {
    sqlite3_io_methods x{};
    x.iVersion = 1;
    x.xClose = [](sqlite3_file* f) {
      int rc = lying(f)->real->pMethods->xClose(lying(f)->real);
      delete lying(f)->state;
      return rc;
    };
    x.xRead = [](sqlite3_file* f, void* b, int n, sqlite3_int64 at) {
      sqlite3_int64 bad = (g_unreadable.page - 1) * 4096;
      bool hit = lying(f)->inode == g_unreadable.inode && at < bad + 4096 && bad < at + n && g_unreadable.times > 0;
      if (hit) return g_unreadable.times--, SQLITE_IOERR_CORRUPTFS;  // what the unix VFS makes of EIO
      return lying(f)->real->pMethods->xRead(lying(f)->real, b, n, at);
    };
    x.xWrite = lying_write;
    x.xTruncate = [](sqlite3_file* f, sqlite3_int64 n) { return lying(f)->real->pMethods->xTruncate(lying(f)->real, n); };
    x.xSync = lying_sync;
    x.xFileSize = [](sqlite3_file* f, sqlite3_int64* n) { return lying(f)->real->pMethods->xFileSize(lying(f)->real, n); };
    x.xLock = [](sqlite3_file* f, int n) { return lying(f)->real->pMethods->xLock(lying(f)->real, n); };
    x.xUnlock = [](sqlite3_file* f, int n) { return lying(f)->real->pMethods->xUnlock(lying(f)->real, n); };
    x.xCheckReservedLock = [](sqlite3_file* f, int* r) { return lying(f)->real->pMethods->xCheckReservedLock(lying(f)->real, r); };
    x.xFileControl = [](sqlite3_file* f, int op, void* a) { return lying(f)->real->pMethods->xFileControl(lying(f)->real, op, a); };
    x.xSectorSize = [](sqlite3_file* f) { return lying(f)->real->pMethods->xSectorSize(lying(f)->real); };
    x.xDeviceCharacteristics = [](sqlite3_file* f) { return lying(f)->real->pMethods->xDeviceCharacteristics(lying(f)->real); };
    return x;
  }();
  return &m;
}

inline int lying_open(sqlite3_vfs* vfs, const char* name, sqlite3_file* f, int flags, int* out_flags) {
  auto* real_vfs = static_cast<sqlite3_vfs*>(vfs->pAppData);
  LyingFile* l = lying(f);
  l->base.pMethods = nullptr;
  l->real = reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(f) + sizeof(LyingFile));
  int rc = real_vfs->xOpen(real_vfs, name, l->real, flags, out_flags);
  if (rc != SQLITE_OK) return rc;
  l->state = new LyingFile::State;
  struct stat st {};
  l->inode = name && stat(name, &st) == 0 ? st.st_ino : 0;
  l->real->pMethods->xFileSize(l->real, &l->state->synced_size);
  l->base.pMethods = lying_methods();
  return SQLITE_OK;
}

// Registers the VFS "lying", whose n-th fsync from now on fails.
inline const char* use_lying_vfs(int n) {
  static sqlite3_vfs vfs;
  g_syncs_until_failure = n;
  if (!vfs.zName) {
    sqlite3_vfs* real = sqlite3_vfs_find(nullptr);
    vfs = *real;
    vfs.zName = "lying";
    vfs.pNext = nullptr;
    vfs.pAppData = real;
    vfs.szOsFile = static_cast<int>(sizeof(LyingFile)) + real->szOsFile;
    vfs.xOpen = lying_open;
    sqlite3_vfs_register(&vfs, 0);
  }
  return "lying";
}

}  // namespace bramble::crash
