#include "images/layers/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "core/base/folder.h"
#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/crypto/hash.h"
#include "images/import/archive_stream.h"

namespace bramble {
namespace {

Error bad(std::string_view entry, std::string_view why, Code code = Code::kInvalidArgument) {
  return Error(code, cat("entry ", go_quote(entry.substr(0, 256)), ": ", why));
}

// "./a//b/" -> "a/b". Refuses ".." and names with NUL or over PATH_MAX.
Result<std::string> clean_path(std::string_view raw) {
  if (raw.size() >= 4096) return bad(raw, "the name is too long", Code::kTooLarge);
  std::string out;
  for (auto part : split(raw, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return bad(raw, "climbs out of the layer by \"..\"");
    if (!out.empty()) out.push_back('/');
    out.append(part);
  }
  return out;
}

}  // namespace

constexpr int kLinksMax = 255;  // on the way to one entry, as containerd follows them

Result<std::string> resolve_in_layer(const std::string& root, const std::string& path, std::set<std::string>* made) {
  std::vector<std::string> way;  // still to go, the next part last
  auto push = [&way](std::string_view parts) {
    auto list = split(parts, '/');
    for (size_t i = list.size(); i-- > 0;)
      if (!list[i].empty() && list[i] != ".") way.emplace_back(list[i]);
  };
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return path;
  push(std::string_view(path).substr(0, slash));
  std::string at;
  for (int links = 0; !way.empty();) {
    std::string part = std::move(way.back());
    way.pop_back();
    if (part == "..") {
      if (at.empty()) return bad(path, "climbs out of the layer through a link");
      at.resize(at.rfind('/') == std::string::npos ? 0 : at.rfind('/'));
      continue;
    }
    std::string next = at.empty() ? part : cat(at, "/", part), full = cat(root, "/", next);
    struct stat st {};
    if (lstat(full.c_str(), &st) != 0) {
      if (errno != ENOENT || !made || mkdir(full.c_str(), 0755) != 0 || chmod(full.c_str(), 0755) != 0) return Error::from_errno(errno, path);
      made->insert(next);
      at = std::move(next);
    } else if (S_ISDIR(st.st_mode)) {
      at = std::move(next);
    } else if (S_ISLNK(st.st_mode)) {
      char target[4096];
      ssize_t n = readlink(full.c_str(), target, sizeof target);
      if (n < 0) return Error::from_errno(errno, path);
      if (++links > kLinksMax) return bad(path, "lies behind too many links");
      if (n > 0 && target[0] == '/') at.clear();
      push(std::string_view(target, static_cast<size_t>(n)));
    } else {
      return bad(path, "lies under something that is no folder");
    }
  }
  return at.empty() ? path.substr(slash + 1) : cat(at, path.substr(slash));
}

namespace {

class LayerWriter {
 public:
  explicit LayerWriter(const std::string& root) : root_(root), disk_(new_writer()) {}
  ~LayerWriter() { archive_write_free(disk_); }
  LayerWriter(const LayerWriter&) = delete;

  Status write(archive* tar, archive_entry* entry) {
    const char* raw = archive_entry_pathname(entry);
    if (!raw) return bad("?", "has no readable name");
    TRY_ASSIGN(std::string path, clean_path(raw));
    if (++entries_ > limits::kLayerEntriesMax) return bad(path, cat("more than ", limits::kLayerEntriesMax, " entries"), Code::kTooLarge);
    if (path.empty()) return set_root_mode(entry);
    TRY_ASSIGN(path, resolve_in_layer(root_, path, &implied_));
    TRY_ASSIGN(bool whiteout, place_whiteout(path));
    if (whiteout) return ok();
    implied_.erase(path);
    TRY(check_size(path, entry));
    std::string full = cat(root_, "/", path);
    if (const char* link = archive_entry_hardlink(entry)) {
      TRY_ASSIGN(std::string target, clean_path(link));
      TRY_ASSIGN(target, resolve_in_layer(root_, target, &implied_));
      archive_entry_set_hardlink(entry, cat(root_, "/", target).c_str());
    }
    archive_entry_set_pathname(entry, full.c_str());
    // A folder of an earlier entry that a link or file replaces, or the other way round, goes first.
    struct stat st {};
    if (lstat(full.c_str(), &st) == 0 && S_ISDIR(st.st_mode) != (archive_entry_filetype(entry) == AE_IFDIR)) TRY(clear(path));
    if (archive_write_header(disk_, entry) < ARCHIVE_WARN) return failed(path);
    if (archive_entry_hardlink(entry) == nullptr && archive_entry_size(entry) > 0) TRY(copy_data(tar, path));
    if (archive_write_finish_entry(disk_) < ARCHIVE_WARN) return failed(path);
    return set_xattrs(entry, full, path);
  }
  Status finish() {
    if (archive_write_close(disk_) < ARCHIVE_WARN) return failed("");
    return ok();
  }
  int64_t bytes() const { return bytes_; }
  std::vector<std::string> implied() const { return {implied_.begin(), implied_.end()}; }

 private:
  static archive* new_writer() {
    archive* disk = archive_write_disk_new();
    archive_write_disk_set_options(disk, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_UNLINK);
    return disk;
  }
  // Removes what an earlier entry put there. The writer sets the modes and times of folders when it is closed, by their paths: it is
  // closed before a link may stand in the place of one of them and lead those paths out of the layer.
  Status clear(const std::string& path) {
    const std::string full = cat(root_, "/", path), below = path + "/";
    struct stat st {};
    if (lstat(full.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) {
      TRY(finish());
      archive_write_free(disk_);
      disk_ = new_writer();
      std::erase_if(implied_, [&](const std::string& folder) { return folder == path || folder.starts_with(below); });
    }
    return remove_tree(full);
  }
  // Whiteouts (image-spec layer.md, "Whiteouts") as overlayfs reads them. True when the entry was one.
  Result<bool> place_whiteout(const std::string& path) {
    size_t slash = path.rfind('/');
    std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    std::string_view name = std::string_view(path).substr(folder.size());
    if (!name.starts_with(".wh.")) return false;
    if (name == ".wh..wh..opq") {
      if (setxattr(cat(root_, "/", folder).c_str(), "trusted.overlay.opaque", "y", 1, 0) != 0) return Error::from_errno(errno, cat("entry ", path));
      return true;
    }
    if (name.starts_with(".wh..wh.")) return true;  // AUFS's own housekeeping
    name.remove_prefix(4);
    if (name.empty() || name == "." || name == "..") return bad(path, "hides nothing that could lie below");
    std::string hidden = cat(folder, name);
    TRY(clear(hidden));
    if (mknod(cat(root_, "/", hidden).c_str(), S_IFCHR, makedev(0, 0)) != 0) return Error::from_errno(errno, cat("entry ", path));
    return true;
  }
  Error failed(std::string_view path) {
    int err = archive_errno(disk_);
    const char* text = archive_error_string(disk_);
    return Error(err == ENOSPC ? Code::kNoSpace : Code::kIo, cat("entry ", go_quote(path), ": ", text ? text : "cannot be written"));
  }
  Status set_root_mode(archive_entry* entry) {
    if (chmod(root_.c_str(), archive_entry_perm(entry)) != 0) return Error::from_errno(errno, root_);
    if (chown(root_.c_str(), static_cast<uid_t>(archive_entry_uid(entry)), static_cast<gid_t>(archive_entry_gid(entry))) != 0)
      return Error::from_errno(errno, root_);
    return ok();
  }
  // What an entry claims is checked before a byte of it is written.
  Status check_size(const std::string& path, archive_entry* entry) {
    int64_t size = archive_entry_size(entry);
    if (size < 0 || bytes_ + size > limits::kLayerBytesMax)
      return bad(path, cat("claims ", size, " bytes; a layer may have ", limits::kLayerBytesMax), Code::kTooLarge);
    struct statvfs fs {};
    if (size > 1024 * 1024 && statvfs(root_.c_str(), &fs) == 0) {
      auto free_bytes = static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize;
      if (static_cast<uint64_t>(size) > free_bytes)
        return bad(path, cat("claims ", size, " bytes; the disk has ", free_bytes, " free"), Code::kNoSpace);
    }
    return ok();
  }
  Status copy_data(archive* tar, const std::string& path) {
    const void* block;
    size_t size;
    la_int64_t offset;
    for (;;) {
      int r = archive_read_data_block(tar, &block, &size, &offset);
      if (r == ARCHIVE_EOF) return ok();
      if (r < ARCHIVE_WARN) return stream_error(tar).prefixed(cat("entry ", go_quote(path)));
      bytes_ += static_cast<int64_t>(size);
      if (bytes_ > limits::kLayerBytesMax) return bad(path, "the layer is too large", Code::kTooLarge);
      if (archive_write_data_block(disk_, block, size, offset) < ARCHIVE_WARN) return failed(path);
    }
  }
  // File capabilities and the like; overlayfs's own names would forge its bookkeeping.
  Status set_xattrs(archive_entry* entry, const std::string& full, const std::string& path) {
    archive_entry_xattr_reset(entry);
    const char* name;
    const void* value;
    size_t size;
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
      if (std::string_view(name).starts_with("trusted.overlay.")) continue;
      if (lsetxattr(full.c_str(), name, value, size, 0) != 0 && errno != ENOTSUP)
        return Error::from_errno(errno, cat("entry ", go_quote(path), ": xattr ", name));
    }
    return ok();
  }

  std::string root_;
  archive* disk_;
  int64_t bytes_ = 0;
  size_t entries_ = 0;
  std::set<std::string> implied_;  // a folder comes before what lies in it
};

}  // namespace

// Its files, and for each entry a head with long names.
constexpr int64_t kPlainBytesMax = limits::kLayerBytesMax + static_cast<int64_t>(limits::kLayerEntriesMax) * 4096;

Result<UnpackedLayer> unpack_layer(const ByteSource& source, const std::string& folder) {
  // Two readers in a row: the first undoes compression, so that the digest of the plain tar is taken between them.
  DecompressedStream plain(source);
  TRY(plain.open());
  Sha256 hash;
  int64_t plain_bytes = 0;
  ByteSource hashed = [&](char* out, size_t max) -> Result<size_t> {
    TRY_ASSIGN(size_t n, plain.read(out, max));
    hash.update(std::string_view(out, n));
    plain_bytes += static_cast<int64_t>(n);
    if (plain_bytes > kPlainBytesMax) return Error(Code::kTooLarge, cat("the layer has more than ", kPlainBytesMax, " bytes when it is decompressed"));
    return n;
  };
  TarReader tar(hashed);
  TRY(tar.open());
  LayerWriter writer(folder);
  for (;;) {
    TRY_ASSIGN(archive_entry * entry, tar.next());
    if (!entry) break;
    TRY(writer.write(tar.raw(), entry));
  }
  TRY(writer.finish());
  TRY(tar.drain());
  return UnpackedLayer{cat("sha256:", hash.finish_hex()), writer.bytes(), writer.implied()};
}

}  // namespace bramble
