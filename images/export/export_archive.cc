// Export: images of the store as an OCI layout in a tar (image-spec image-layout.md 1.0.0). A layer is packed anew from the folder
// that it was unpacked to: two passes over its files, one for size and digest, one for the bytes, so that nothing is kept in
// memory or on the disk between.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/unique_fd.h"
#include "core/crypto/hash.h"
#include "core/json/builder.h"
#include "images/import/archive_stream.h"
#include "images/local_store.h"

namespace bramble {
namespace {

using ByteSink = std::function<Status(std::string_view bytes)>;

// A tar that is written to a sink.
class TarWriter {
 public:
  explicit TarWriter(ByteSink sink) : sink_(std::move(sink)), tar_(archive_write_new()) {
    archive_write_set_format_pax_restricted(tar_);
    archive_write_set_bytes_per_block(tar_, 10240);
    archive_write_set_bytes_in_last_block(tar_, 1);
    archive_write_open2(tar_, this, nullptr, put, nullptr, nullptr);
  }
  ~TarWriter() { archive_write_free(tar_); }
  TarWriter(const TarWriter&) = delete;

  Status header(archive_entry* entry) { return archive_write_header(tar_, entry) < ARCHIVE_WARN ? failed() : ok(); }
  Status data(std::string_view bytes) { return archive_write_data(tar_, bytes.data(), bytes.size()) < 0 ? failed() : ok(); }
  Status finish() { return archive_write_close(tar_) < ARCHIVE_WARN ? failed() : ok(); }

 private:
  static la_ssize_t put(archive* a, void* self, const void* bytes, size_t count) {
    auto* me = static_cast<TarWriter*>(self);
    Status done = me->sink_(std::string_view(static_cast<const char*>(bytes), count));
    if (done.ok()) return static_cast<la_ssize_t>(count);
    me->error_ = done.error();
    archive_set_error(a, EIO, "%s", done.error().message().c_str());
    return -1;
  }
  Status failed() const {
    if (error_) return *error_;
    const char* text = archive_error_string(tar_);
    return Error(Code::kIo, text ? text : "cannot be written");
  }
  ByteSink sink_;
  archive* tar_;
  std::optional<Error> error_;
};

struct EntryDeleter {
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};
using Entry = std::unique_ptr<archive_entry, EntryDeleter>;

// One layer's folder as the tar that it came from, but for the order of its entries: whiteouts in the layer's form again.
class LayerTar {
 public:
  LayerTar(std::string root, TarWriter& tar) : root_(std::move(root)), tar_(tar) {}
  Status write() {
    TRY(folder(""));
    return tar_.finish();
  }

 private:
  Status folder(const std::string& path) {
    std::string full = path.empty() ? root_ : cat(root_, "/", path);
    char opaque[2] = {};
    if (!path.empty() && getxattr(full.c_str(), "trusted.overlay.opaque", opaque, sizeof opaque) == 1 && opaque[0] == 'y') TRY(whiteout(cat(path, "/.wh..wh..opq")));
    std::vector<std::string> names;
    DIR* d = opendir(full.c_str());
    if (!d) return Error::from_errno(errno, full);
    while (dirent* e = readdir(d))
      if (std::string_view(e->d_name) != "." && std::string_view(e->d_name) != "..") names.emplace_back(e->d_name);
    closedir(d);
    std::sort(names.begin(), names.end());  // both passes alike
    for (const std::string& name : names) TRY(entry(path.empty() ? name : cat(path, "/", name), path, name));
    return ok();
  }
  Status whiteout(const std::string& path) {
    Entry e(archive_entry_new());
    archive_entry_set_pathname(e.get(), path.c_str());
    archive_entry_set_filetype(e.get(), AE_IFREG);
    archive_entry_set_perm(e.get(), 0600);
    archive_entry_set_size(e.get(), 0);
    return tar_.header(e.get());
  }
  Status entry(const std::string& path, const std::string& parent, const std::string& name) {
    std::string full = cat(root_, "/", path);
    struct stat st {};
    if (lstat(full.c_str(), &st) != 0) return Error::from_errno(errno, full);
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)) return whiteout(parent.empty() ? cat(".wh.", name) : cat(parent, "/.wh.", name));
    if (S_ISSOCK(st.st_mode)) return ok();  // no tar has those
    Entry e(archive_entry_new());
    archive_entry_copy_stat(e.get(), &st);
    archive_entry_set_pathname(e.get(), S_ISDIR(st.st_mode) ? (path + "/").c_str() : path.c_str());
    archive_entry_unset_atime(e.get());
    archive_entry_unset_ctime(e.get());
    archive_entry_unset_birthtime(e.get());
    if (S_ISLNK(st.st_mode)) {
      char target[4096];
      ssize_t n = readlink(full.c_str(), target, sizeof target - 1);
      if (n < 0) return Error::from_errno(errno, full);
      target[n] = '\0';
      archive_entry_set_symlink(e.get(), target);
      archive_entry_set_size(e.get(), 0);
    }
    if (S_ISREG(st.st_mode) && st.st_nlink > 1) {
      auto [known, first] = linked_.emplace(st.st_ino, path);
      if (!first) {
        archive_entry_set_hardlink(e.get(), known->second.c_str());
        archive_entry_unset_size(e.get());
        return tar_.header(e.get());
      }
    }
    archive_entry_set_nlink(e.get(), 1);
    TRY(copy_xattrs(full, e.get()));
    TRY(tar_.header(e.get()));
    if (S_ISREG(st.st_mode)) return content(full, st.st_size);
    return S_ISDIR(st.st_mode) ? folder(path) : ok();
  }
  static Status copy_xattrs(const std::string& full, archive_entry* e) {
    std::string names(4096, 0), value(4096, 0);
    ssize_t n = llistxattr(full.c_str(), names.data(), names.size());
    for (auto name : split(std::string_view(names).substr(0, n > 0 ? static_cast<size_t>(n) : 0), '\0')) {
      std::string key(name);
      if (key.empty() || key.starts_with("trusted.overlay.")) continue;
      ssize_t bytes = lgetxattr(full.c_str(), key.c_str(), value.data(), value.size());
      if (bytes >= 0) archive_entry_xattr_add_entry(e, key.c_str(), value.data(), static_cast<size_t>(bytes));
    }
    return ok();
  }
  Status content(const std::string& full, int64_t size) {
    UniqueFd fd(::open(full.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.valid()) return Error::from_errno(errno, full);
    if (!buffer_) buffer_ = std::make_unique<char[]>(limits::kExportReadBytes);
    while (size > 0) {
      ssize_t n = ::read(fd.get(), buffer_.get(), std::min<size_t>(limits::kExportReadBytes, static_cast<size_t>(size)));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return Error(Code::kCorrupt, cat(full, ": is shorter than it was"));
      TRY(tar_.data(std::string_view(buffer_.get(), static_cast<size_t>(n))));
      size -= n;
    }
    return ok();
  }
  std::string root_;
  TarWriter& tar_;
  std::map<ino_t, std::string> linked_;
  std::unique_ptr<char[]> buffer_;
};

struct PackedLayer {
  std::string folder, digest;
  int64_t bytes = 0;
};

Status add_file(TarWriter& tar, const std::string& name, std::string_view content) {
  Entry e(archive_entry_new());
  archive_entry_set_pathname(e.get(), name.c_str());
  archive_entry_set_filetype(e.get(), AE_IFREG);
  archive_entry_set_perm(e.get(), 0644);
  archive_entry_set_size(e.get(), static_cast<int64_t>(content.size()));
  TRY(tar.header(e.get()));
  return tar.data(content);
}

std::string blob_name(const std::string& digest) { return cat("blobs/sha256/", digest.substr(7)); }

}  // namespace

Status LocalImageStore::export_archive(const std::vector<std::string>& names, const std::string& path, std::function<void(int64_t, int64_t)> progress) {
  struct Chosen {
    Record record;
    std::vector<std::string> names;
  };
  std::vector<Chosen> chosen;
  std::vector<std::string> needed;
  {
    std::lock_guard lock(mutex_);
    for (const std::string& name : names) {
      Record* r = find_record(records_, name);
      if (!r) return Error(Code::kNotFound, cat("image ", go_quote(name), ": not found; see bramble images list"));
      auto full = normalize_image_name(name);
      bool named = full.ok() && std::find(r->info.names.begin(), r->info.names.end(), *full) != r->info.names.end();
      chosen.push_back({*r, named ? std::vector<std::string>{*full} : r->info.names});
      needed.insert(needed.end(), r->diff_ids.begin(), r->diff_ids.end());
    }
  }
  std::shared_ptr<void> held = hold_layers(needed);

  int64_t done = 0, total = 0;
  for (const Chosen& c : chosen) total += 2 * c.record.info.size_bytes;
  auto count = [&](size_t bytes) {
    done += static_cast<int64_t>(bytes);
    if (progress) progress(std::min(done, total), total);
  };
  // First pass: what each layer's tar will be.
  std::map<std::string, PackedLayer> layers;  // by the diff_id that it has here
  for (const std::string& d : needed) {
    if (layers.contains(d)) continue;
    if (!layers_.has(d)) return Error(Code::kCorrupt, cat("layer ", d, ": is missing; import its image again"));
    Sha256 hash;
    PackedLayer packed{layers_.path(d), "", 0};
    TarWriter tar([&](std::string_view bytes) {
      hash.update(bytes);
      packed.bytes += static_cast<int64_t>(bytes.size());
      count(bytes.size());
      return ok();
    });
    TRY(LayerTar(packed.folder, tar).write());
    packed.digest = cat("sha256:", hash.finish_hex());
    layers[d] = std::move(packed);
  }

  // Where the archive is to be there is nothing, or the old file, until the new one is whole.
  std::string part = path + ".part";
  UniqueFd out(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!out.valid()) return Error::from_errno(errno, part);
  auto write_whole = [&]() -> Status {
    TarWriter tar([&](std::string_view bytes) { return write_all(out.get(), bytes, part); });
    TRY(add_file(tar, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}"));
    std::set<std::string> written;
    for (const auto& [diff_id, layer] : layers) {
      if (!written.insert(layer.digest).second) continue;
      Entry e(archive_entry_new());
      archive_entry_set_pathname(e.get(), blob_name(layer.digest).c_str());
      archive_entry_set_filetype(e.get(), AE_IFREG);
      archive_entry_set_perm(e.get(), 0644);
      archive_entry_set_size(e.get(), layer.bytes);
      TRY(tar.header(e.get()));
      TarWriter inner([&](std::string_view bytes) {
        count(bytes.size());
        return tar.data(bytes);
      });
      TRY(LayerTar(layer.folder, inner).write());
    }
    Builder index;
    index.root().set("schemaVersion", 2);
    index.root().set("mediaType", "application/vnd.oci.image.index.v1+json");
    Mut manifests = index.root().array("manifests");
    for (const Chosen& c : chosen) {
      auto text = read_file(config_path(c.record.info.id), limits::kImageJsonBytesMax);
      auto known = text.ok() ? Document::parse(*text) : Result<Document>(text.error());
      Builder config = known.ok() ? Builder(known->root()) : Builder();
      const ImageConfig& run = c.record.info.config;
      if (!known.ok()) {  // imported by an older bramble, which kept but what it needs to run
        config.root().set("architecture", run.architecture.empty() ? std::string(node_architecture()) : run.architecture);
        config.root().set("os", run.os.empty() ? "linux" : run.os.c_str());
        Mut settings = config.root().object("config");
        auto texts = [&settings](std::string_view key, const std::vector<std::string>& list) {
          if (list.empty()) return;
          Mut array = settings.array(key);
          for (const std::string& t : list) array.append(t);
        };
        texts("Entrypoint", run.entrypoint);
        texts("Cmd", run.cmd);
        texts("Env", run.env);
        if (!run.working_dir.empty()) settings.set("WorkingDir", run.working_dir);
        if (!run.user.empty()) settings.set("User", run.user);
        if (!run.stop_signal.empty()) settings.set("StopSignal", run.stop_signal);
      }
      Mut root = config.root().object("rootfs");
      root.set("type", "layers");
      root.remove("diff_ids");
      Mut ids = root.array("diff_ids");
      Builder manifest;
      manifest.root().set("schemaVersion", 2);
      manifest.root().set("mediaType", "application/vnd.oci.image.manifest.v1+json");
      Mut of_config = manifest.root().object("config");
      Mut list = manifest.root().array("layers");
      for (const std::string& d : c.record.diff_ids) {
        const PackedLayer& layer = layers.find(d)->second;
        ids.append(layer.digest);
        Mut one = list.append_object();
        one.set("mediaType", "application/vnd.oci.image.layer.v1.tar");
        one.set("digest", layer.digest);
        one.set("size", layer.bytes);
      }
      std::string config_json = config.dump(), config_digest = cat("sha256:", sha256_hex(config_json));
      of_config.set("mediaType", "application/vnd.oci.image.config.v1+json");
      of_config.set("digest", config_digest);
      of_config.set("size", static_cast<int64_t>(config_json.size()));
      std::string manifest_json = manifest.dump(), manifest_digest = cat("sha256:", sha256_hex(manifest_json));
      if (written.insert(config_digest).second) TRY(add_file(tar, blob_name(config_digest), config_json));
      if (written.insert(manifest_digest).second) TRY(add_file(tar, blob_name(manifest_digest), manifest_json));
      std::vector<std::string> tags = c.names;
      if (tags.empty()) tags.emplace_back();
      for (const std::string& name : tags) {
        Mut d = manifests.append_object();
        d.set("mediaType", "application/vnd.oci.image.manifest.v1+json");
        d.set("digest", manifest_digest);
        d.set("size", static_cast<int64_t>(manifest_json.size()));
        Mut platform = d.object("platform");
        platform.set("architecture", config.root()["architecture"].text(node_architecture()));
        platform.set("os", "linux");
        if (name.empty()) continue;
        Mut notes = d.object("annotations");
        notes.set("io.containerd.image.name", name);
        notes.set("org.opencontainers.image.ref.name", name.substr(name.rfind(':') + 1));
      }
    }
    TRY(add_file(tar, "index.json", index.dump()));
    TRY(tar.finish());
    if (fsync(out.get()) != 0) return Error::from_errno(errno, part);
    if (rename(part.c_str(), path.c_str()) != 0) return Error::from_errno(errno, path);
    return ok();
  };
  Status whole = write_whole();
  if (!whole.ok()) unlink(part.c_str());
  return whole;
}

}  // namespace bramble
