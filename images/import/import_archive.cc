// Import: an archive file to unpacked layers and an index entry, all or nothing. Two passes over the file: the first learns
// what is in it, the second streams each new layer straight into its folder, so nothing is written to the card twice.
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/crypto/hash.h"
#include "images/import/archive_stream.h"
#include "images/local_store.h"

namespace bramble {
namespace {

// The archive's bytes from its start, counted for the progress bar.
class FileSource {
 public:
  explicit FileSource(int fd) : fd_(fd) {}
  ~FileSource() { close(fd_); }
  FileSource(const FileSource&) = delete;
  Status rewind() {
    if (lseek(fd_, 0, SEEK_SET) != 0) return Error::from_errno(errno, "rewind");
    return ok();
  }
  Result<size_t> read(char* out, size_t max) {
    for (;;) {
      ssize_t n = ::read(fd_, out, max);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Error::from_errno(errno, "read");
      done_ += n;
      return static_cast<size_t>(n);
    }
  }
  int64_t done() const { return done_; }

 private:
  int fd_;
  int64_t done_ = 0;
};

// The stored bytes of one layer entry, hashed on the way when the format gives them a digest.
class LayerEntry {
 public:
  LayerEntry(TarReader& tar, const ArchiveLayer& layer) : tar_(tar), layer_(layer) {}
  ByteSource source() {
    return [this](char* out, size_t max) { return read(out, max); };
  }
  // After what read the layer: to its end.
  Status check_digest() {
    char rest[4096];
    while (!at_end_) TRY(read(rest, sizeof rest));
    if (layer_.blob_digest.empty() || layer_.blob_digest == cat("sha256:", hash_.finish_hex())) return ok();
    return Error(Code::kCorrupt, cat("its content does not have the digest ", layer_.blob_digest));
  }

 private:
  Result<size_t> read(char* out, size_t max) {
    TRY_ASSIGN(size_t n, tar_.read(out, max));
    hash_.update(std::string_view(out, n));
    at_end_ = n == 0;
    return n;
  }
  TarReader& tar_;
  const ArchiveLayer& layer_;
  Sha256 hash_;
  bool at_end_ = false;
};

Result<int64_t> unpack_entry(TarReader& tar, const ArchiveLayer& layer, LayerDirs& layers, std::vector<std::string>* implied) {
  LayerEntry entry(tar, layer);
  TRY_ASSIGN(int64_t unpacked, layers.unpack(entry.source(), layer.diff_id, implied));
  Status whole = entry.check_digest();
  if (whole.ok()) return unpacked;
  TRY(layers.discard(layer.diff_id));
  return whole.error();
}

// A layer that is there already: the archive is judged all the same.
Status check_entry(TarReader& tar, const ArchiveLayer& layer) {
  LayerEntry entry(tar, layer);
  DecompressedStream plain(entry.source());
  TRY(plain.open());
  Sha256 hash;
  char bytes[16 * 1024];
  for (size_t n = 1; n > 0;) {
    TRY_ASSIGN(n, plain.read(bytes, sizeof bytes));
    hash.update(std::string_view(bytes, n));
  }
  std::string diff_id = cat("sha256:", hash.finish_hex());
  TRY(entry.check_digest());
  if (diff_id != layer.diff_id) return Error(Code::kCorrupt, cat("digest of the unpacked layer is ", diff_id, ", not ", layer.diff_id));
  return ok();
}

}  // namespace

Result<std::vector<ImageInfo>> LocalImageStore::import_archive(std::string path, std::function<void(int64_t, int64_t)> progress) {
  std::lock_guard importing(import_mutex_);
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error::from_errno(errno, path);
  FileSource file(fd);
  struct stat st {};
  if (fstat(fd, &st) != 0) return Error::from_errno(errno, path);
  if (!S_ISREG(st.st_mode)) return Error(Code::kInvalidArgument, cat(path, ": not a regular file"));
  ByteSource source = [&](char* out, size_t max) -> Result<size_t> {
    auto n = file.read(out, max);
    if (progress) progress(file.done(), 2 * st.st_size);
    return n;
  };

  auto index = index_archive(source, node_architecture());
  if (!index.ok()) return index.error().prefixed(path);
  for (const ArchiveImage& image : index->images) {
    std::string arch = image.config["architecture"].text();
    if (!arch.empty() && arch != node_architecture())
      return Error(Code::kInvalidArgument, cat(path, ": image ", image.names.empty() ? image.config_digest : image.names[0],
                                               " is for ", arch, ", this machine is ", node_architecture()));
  }

  // What is there stays there while this lasts.
  std::vector<std::string> needed;
  for (const ArchiveImage& image : index->images)
    for (const ArchiveLayer& l : image.layers) needed.push_back(l.diff_id);
  std::shared_ptr<void> held = hold_layers(needed);
  // Layers unpacked by this import go again if it fails.
  std::map<std::string, int64_t> fresh;  // and their sizes
  std::map<std::string, std::vector<std::string>> implied;  // of them
  auto has = [&](const std::string& diff_id) { return fresh.contains(diff_id) || layers_.has(diff_id); };
  auto unpack_all = [&]() -> Status {
    TRY(file.rewind());
    DecompressedStream plain(source);
    TRY(plain.open());
    TarReader tar([&](char* out, size_t max) { return plain.read(out, max); });
    TRY(tar.open());
    for (;;) {
      TRY_ASSIGN(archive_entry * entry, tar.next());
      if (!entry) return ok();
      std::string_view name = archive_entry_pathname(entry) ? archive_entry_pathname(entry) : "";
      while (name.starts_with("./")) name.remove_prefix(2);
      auto layer = index->layer_entries.find(std::string(name));
      if (layer == index->layer_entries.end() || archive_entry_filetype(entry) != AE_IFREG) continue;
      if (has(layer->second.diff_id)) {
        Status good = check_entry(tar, layer->second);
        if (!good.ok()) return good.error().prefixed(cat("layer ", go_quote(name)));
        continue;
      }
      auto bytes = unpack_entry(tar, layer->second, layers_, &implied[layer->second.diff_id]);
      if (!bytes.ok()) return bytes.error().prefixed(cat("layer ", go_quote(name)));
      fresh[layer->second.diff_id] = *bytes;
    }
  };
  Status unpacked = unpack_all();
  for (const auto& [name, layer] : index->layer_entries)
    if (unpacked.ok() && !has(layer.diff_id))
      unpacked = Error(Code::kInvalidArgument, cat("layer ", go_quote(name), ": is missing from the archive"));

  std::vector<ImageInfo> out;
  std::unique_lock changing(change_mutex_);
  auto enter_all = [&]() -> Status {
    std::vector<LayerDirs::Staged> staged;
    for (const auto& [diff_id, bytes] : fresh) staged.push_back({diff_id, ""});
    for (const ArchiveImage& image : index->images) {
      std::vector<std::string> below;  // the uppermost first
      for (const ArchiveLayer& l : image.layers) {
        // A layer that several images have is as the first of them wants it.
        if (auto own = implied.extract(l.diff_id); !own.empty()) TRY(layers_.inherit(layers_.staged_path(l.diff_id), own.mapped(), below));
        below.insert(below.begin(), fresh.contains(l.diff_id) ? layers_.staged_path(l.diff_id) : layers_.path(l.diff_id));
      }
    }
    TRY(layers_.keep(staged));
    for (const ArchiveImage& image : index->images) TRY(write_config(image.config_digest, image.config.root().dump()));
    Records next = records_;
    for (const ArchiveImage& image : index->images) {
      std::vector<int64_t> layer_bytes;
      for (const ArchiveLayer& l : image.layers) {
        auto known = fresh.find(l.diff_id);
        auto bytes = known != fresh.end() ? Result<int64_t>(known->second) : layer_bytes_of(l.diff_id);
        TRY(bytes);
        layer_bytes.push_back(*bytes);
      }
      adopt(next, image, std::move(layer_bytes));
    }
    for (const ArchiveImage& image : index->images)
      if (Record* r = find_record(next, image.config_digest)) out.push_back(r->info);
    return replace_records(std::move(next));
  };
  Status entered = unpacked.ok() ? enter_all() : unpacked;
  held.reset();
  if (!entered.ok()) {
    std::set<std::string> names;
    for (const auto& [diff_id, bytes] : fresh) {
      Status removed = layers_.discard(diff_id);
      (void)removed;  // what stays goes at the next open
      names.insert(LayerDirs::folder_name(diff_id));
    }
    Status dropped = drop_unused_layers(&names);
    if (!dropped.ok()) log_warning("images: ", dropped.error().message());
    return entered.error().prefixed(path);
  }
  if (held_layers_) {
    Status dropped = drop_unused_layers();
    if (!dropped.ok()) log_warning("images: ", dropped.error().message());
  }
  return out;
}

}  // namespace bramble
