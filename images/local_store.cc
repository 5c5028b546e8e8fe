#include "images/local_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/unique_fd.h"
#include "core/json/builder.h"

namespace bramble {
namespace {

void read_texts(Value list, std::vector<std::string>* out) {
  for (Value v : list.items()) out->push_back(v.text());
}

ImageConfig read_config(Value config) {
  ImageConfig out;
  Value c = config["config"];
  read_texts(c["Entrypoint"], &out.entrypoint);
  read_texts(c["Cmd"], &out.cmd);
  read_texts(c["Env"], &out.env);
  out.working_dir = c["WorkingDir"].text();
  out.user = c["User"].text();
  out.stop_signal = c["StopSignal"].text();
  out.architecture = config["architecture"].text();
  out.os = config["os"].text();
  return out;
}

void write_texts(Mut object, std::string_view key, const std::vector<std::string>& texts) {
  Mut list = object.array(key);
  for (const std::string& t : texts) list.append(t);
}

std::string repository_of(std::string_view name) {
  size_t slash = name.rfind('/');
  size_t end = name.find_first_of(":@", slash == std::string_view::npos ? 0 : slash);
  return std::string(name.substr(0, end));
}

int64_t wall_us() { return RealClock().wall_us(); }

// Each layer once, though an image may list one several times.
int64_t total_bytes(const std::vector<std::string>& diff_ids, const std::vector<int64_t>& layer_bytes) {
  std::set<std::string> counted;
  int64_t out = 0;
  for (size_t i = 0; i < diff_ids.size(); i++)
    if (counted.insert(diff_ids[i]).second) out += layer_bytes[i];
  return out;
}

}  // namespace

std::string_view node_architecture() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#elif defined(__arm__)
  return "arm";
#else
#error "name this architecture as Go does"
#endif
}

Result<std::unique_ptr<ImageStore>> ImageStore::open(std::string directory) {
  TRY_ASSIGN(std::unique_ptr<LocalImageStore> store, LocalImageStore::open(std::move(directory)));
  return std::unique_ptr<ImageStore>(std::move(store));
}

Result<std::unique_ptr<LocalImageStore>> LocalImageStore::open(std::string directory) {
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return Error::from_errno(errno, directory);
  std::string lock = directory + "/lock";
  int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Error::from_errno(errno, lock);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return Error(Code::kAlreadyExists, cat("images ", directory, ": another bramble has this folder open; stop it first"));
  }
  auto layers = LayerDirs::open(directory + "/layers");
  if (!layers.ok()) {
    close(fd);
    return layers.error();
  }
  auto store = std::make_unique<LocalImageStore>(std::move(directory), fd, std::move(*layers));
  TRY(store->load());
  return store;
}

LocalImageStore::LocalImageStore(std::string directory, int lock_fd, LayerDirs layers)
    : directory_(std::move(directory)), lock_fd_(lock_fd), layers_(std::move(layers)) {}

LocalImageStore::~LocalImageStore() { close(lock_fd_); }

Status LocalImageStore::load() {
  std::string path = directory_ + "/index.json";
  auto text = read_file(path, kNoLimit);
  // Without an index nothing says what a layer is for, so none is dropped: there is one again after the next import.
  if (!text.ok()) return text.error().code() == Code::kNotFound ? ok() : Status(text.error());
  auto parsed = Document::parse(*text);
  if (!parsed.ok() || !(*parsed)["images"].is_array()) {
    // Kept for inspection; an empty store is better than no node.
    if (rename(path.c_str(), (path + ".damaged").c_str()) != 0) return Error::from_errno(errno, path);
    log_error("images ", path, ": damaged (", parsed.ok() ? std::string("not an index") : parsed.error().message(), "), kept as index.json.damaged; import the images again");
    return ok();
  }
  for (Value v : (*parsed)["images"].items()) {
    Record r;
    r.info.id = v["id"].text();
    read_texts(v["names"], &r.info.names);
    read_texts(v["digests"], &r.info.digests);
    r.info.size_bytes = v["sizeBytes"].integer();
    r.info.pinned = v["pinned"].boolean();
    r.imported_us = v["importedMicroseconds"].integer();
    r.info.added_us = r.imported_us;
    r.info.config = read_config(v["config"]);
    read_texts(v["layers"], &r.diff_ids);
    for (Value n : v["layerBytes"].items()) r.layer_bytes.push_back(n.integer());
    r.layer_bytes.resize(r.diff_ids.size(), -1);
    bool whole = true;
    for (const std::string& d : r.diff_ids) whole = whole && layers_.has(d);
    if (whole) records_.push_back(std::move(r));
    else log_error("images: a layer of ", r.info.names.empty() ? r.info.id : r.info.names[0], " is missing; import it again");
  }
  for (auto [folder, when] : (*parsed)["left"].members())
    if (when.integer() > wall_us() - limits::kLeftLayerUs && path_exists(layers_.path(folder))) left_[std::string(folder)] = when.integer();
  return drop_unused_layers();
}

std::string LocalImageStore::config_path(const std::string& image_id) const {
  return cat(directory_, "/configs/", image_id.starts_with("sha256:") ? image_id.substr(7) : image_id, ".json");
}

Status LocalImageStore::write_config(const std::string& image_id, std::string_view json) const {
  TRY(make_folders(directory_ + "/configs", 0700));
  return replace_file_durably(config_path(image_id), json, 0600);
}

Status LocalImageStore::replace_records(Records next) {
  Builder b;
  Mut images = b.root().array("images");
  for (const Record& r : next) {
    Mut image = images.append_object();
    image.set("id", r.info.id);
    write_texts(image, "names", r.info.names);
    write_texts(image, "digests", r.info.digests);
    image.set("sizeBytes", r.info.size_bytes);
    image.set("pinned", r.info.pinned);
    image.set("importedMicroseconds", r.imported_us);
    write_texts(image, "layers", r.diff_ids);
    Mut bytes = image.array("layerBytes");
    for (int64_t n : r.layer_bytes) bytes.append(n);
    Mut config = image.object("config");
    config.set("architecture", r.info.config.architecture);
    config.set("os", r.info.config.os);
    Mut run = config.object("config");
    write_texts(run, "Entrypoint", r.info.config.entrypoint);
    write_texts(run, "Cmd", r.info.config.cmd);
    write_texts(run, "Env", r.info.config.env);
    run.set("WorkingDir", r.info.config.working_dir);
    run.set("User", r.info.config.user);
    run.set("StopSignal", r.info.config.stop_signal);
  }
  if (!left_.empty()) {
    Mut left = b.root().object("left");
    for (const auto& [folder, when] : left_) left.set(folder, when);
  }
  TRY(layers_.sync());
  TRY(replace_file_durably(directory_ + "/index.json", b.dump(), 0600));
  TRY(layers_.sync());
  std::lock_guard lock(mutex_);
  records_ = std::move(next);
  return ok();
}

Status LocalImageStore::drop_unused_layers(const std::set<std::string>* only) {
  std::set<std::string> used;
  {
    std::lock_guard lock(mutex_);
    used.insert(mounting_.begin(), mounting_.end());
    for (const Record& r : records_)
      for (const std::string& d : r.diff_ids) used.insert(LayerDirs::folder_name(d));
  }
  for (const auto& [folder, when] : left_) used.insert(folder);
  // Read after mounting_: a mount is in one of the two, or its image in records_.
  TRY_ASSIGN(std::set<std::string> mounted, mounted_lower_folders());
  bool held = false;
  for (const std::string& name : layers_.list()) {
    if (used.contains(name) || (only && !only->contains(name))) continue;
    if (mounted.contains(name)) held = true;
    else TRY(layers_.remove(name));
  }
  held_layers_ = held || (only && held_layers_);
  return ok();
}

LocalImageStore::Record* LocalImageStore::find_record(Records& records, std::string_view name) {
  for (Record& r : records)
    if (r.info.id == name || (r.info.id.size() > 7 && std::string_view(r.info.id).substr(7) == name)) return &r;
  auto full = normalize_image_name(name);
  if (!full.ok()) return nullptr;
  // With a digest the tag says nothing.
  if (auto parts = cut(*full, "@")) full = cat(repository_of(parts->first), "@", parts->second);
  for (Record& r : records) {
    auto has = [&](const std::vector<std::string>& list) { return std::find(list.begin(), list.end(), *full) != list.end(); };
    if (has(r.info.names) || has(r.info.digests)) return &r;
  }
  return nullptr;
}

std::optional<ImageInfo> LocalImageStore::find(std::string_view name_or_id) {
  std::lock_guard lock(mutex_);
  Record* r = find_record(records_, name_or_id);
  if (!r) return std::nullopt;
  return r->info;
}

std::vector<ImageInfo> LocalImageStore::list() {
  std::lock_guard lock(mutex_);
  std::vector<ImageInfo> out;
  for (const Record& r : records_) out.push_back(r.info);
  return out;
}

Result<int64_t> LocalImageStore::layer_bytes_of(const std::string& diff_id) const {
  for (const Record& r : records_)
    for (size_t i = 0; i < r.diff_ids.size(); i++)
      if (r.diff_ids[i] == diff_id && r.layer_bytes[i] >= 0) return r.layer_bytes[i];
  return layers_.measure(diff_id);
}

// Enters an image whose layers are all unpacked. Its names leave any other image.
void LocalImageStore::adopt(Records& records, const ArchiveImage& image, std::vector<int64_t> layer_bytes) {
  for (Record& r : records)
    std::erase_if(r.info.names, [&](const std::string& n) {
      return r.info.id != image.config_digest && std::find(image.names.begin(), image.names.end(), n) != image.names.end();
    });
  Record* r = nullptr;
  for (Record& known : records)
    if (known.info.id == image.config_digest) r = &known;
  if (!r) {
    records.emplace_back();
    r = &records.back();
    r->info.id = image.config_digest;
    r->info.added_us = r->imported_us = wall_us();
    r->info.config = read_config(image.config.root());
    for (const ArchiveLayer& l : image.layers) r->diff_ids.push_back(l.diff_id);
  }
  r->layer_bytes = std::move(layer_bytes);
  r->info.size_bytes = total_bytes(r->diff_ids, r->layer_bytes);
  r->info.pinned = r->info.pinned || image.pinned;
  for (const std::string& name : image.names) {
    bool by_digest = name.find('@') != std::string::npos;
    if (!by_digest && std::find(r->info.names.begin(), r->info.names.end(), name) == r->info.names.end()) r->info.names.push_back(name);
    if (image.manifest_digest.empty()) continue;
    std::string digest = cat(repository_of(name), "@", image.manifest_digest);
    if (std::find(r->info.digests.begin(), r->info.digests.end(), digest) == r->info.digests.end()) r->info.digests.push_back(digest);
  }
}

Status LocalImageStore::remove(std::string_view name_or_id) {
  std::lock_guard changing(change_mutex_);
  Records next = records_;
  Record* r = find_record(next, name_or_id);
  if (!r) return Error(Code::kNotFound, cat("image ", go_quote(name_or_id), ": not found; see bramble images list"));
  auto full = normalize_image_name(name_or_id);
  bool by_id = name_or_id == r->info.id || cat("sha256:", name_or_id) == r->info.id;
  std::string gone;
  // Removing one of several names only unnames; the image goes with its last name or by its id.
  if (!by_id && full.ok() && r->info.names.size() > 1) {
    std::erase(r->info.names, *full);
  } else {
    gone = r->info.id;
    std::erase_if(next, [&](const Record& x) { return x.info.id == gone; });
  }
  TRY(replace_records(std::move(next)));
  if (!gone.empty()) unlink(config_path(gone).c_str());
  return drop_unused_layers();
}

}  // namespace bramble
