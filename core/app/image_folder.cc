#include "core/app/image_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/unique_fd.h"
#include "core/crypto/hash.h"
#include "core/json/builder.h"

namespace bramble {
namespace {

bool is_archive(std::string_view name) {
  for (std::string_view end : {".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd"})
    if (name.ends_with(end)) return true;
  return false;
}

}  // namespace

// What is to be taken, by name.
std::vector<ImageFolder::Entry> ImageFolder::entries_of(const std::string& folder) {
  std::vector<Entry> out;
  DIR* d = opendir(folder.c_str());
  if (!d) return out;
  while (dirent* e = readdir(d)) {
    std::string_view name = e->d_name;
    struct stat st {};
    if (name.starts_with(".") || (!is_archive(name) && !name.ends_with(".txt"))) continue;
    if (stat(cat(folder, "/", name).c_str(), &st) != 0 || !S_ISREG(st.st_mode)) continue;
    out.push_back({std::string(name), st.st_size, st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec});
  }
  closedir(d);
  std::sort(out.begin(), out.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return out;
}

namespace {

Result<std::string> sha256_of_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Error::from_errno(errno, path);
  Sha256 hash;
  auto buffer = std::make_unique<char[]>(limits::kExportReadBytes);
  for (;;) {
    ssize_t n = ::read(fd.get(), buffer.get(), limits::kExportReadBytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, path);
    if (n == 0) return hash.finish_hex();
    hash.update(std::string_view(buffer.get(), static_cast<size_t>(n)));
  }
}

}  // namespace

ImageFolder::ImageFolder(std::string folder, LocalImageStore& images, ImageSource& source, std::function<void()> changed, Quarantine* quarantine)
    : folder_(std::move(folder)), state_(images.directory() + "/folder.json"), images_(images), source_(source), changed_(std::move(changed)), quarantine_(quarantine), settle_([this] {
        wanted_ = true;
        look_.pulse();
      }) {
  tasks_.start(follow());
}

ImageFolder::Known ImageFolder::read_known(const std::string& state) {
  Known out;
  auto text = read_file(state, kNoLimit);
  auto parsed = text.ok() ? Document::parse(*text) : Result<Document>(text.error());
  if (!parsed.ok()) return out;
  for (auto [name, file] : parsed->root().members()) {
    File f;
    f.bytes = file["bytes"].integer();
    f.time_ns = file["time"].integer();
    f.sha256 = file["sha256"].text();
    for (Value id : file["images"].items()) f.images.push_back(id.text());
    out[std::string(name)] = std::move(f);
  }
  return out;
}

ImageFolder::~ImageFolder() = default;

void ImageFolder::watch() {
  auto started = FileWatch::start(folder_, [this](const std::string&) { settle_.arm_ms(limits::kImagesFolderSettleMs); });
  if (started.ok()) watch_ = std::move(*started);
  else log_warning("images: ", folder_, ": ", started.error().message(), "; what comes there is seen at the next start");
}

Task<void> ImageFolder::follow() {
  // A folder that is made later is seen at the next start; the folder is ours, so it is made here.
  std::function<std::pair<Status, Known>()> begin = [folder = folder_, state = state_] {
    Known known = read_known(state);
    return std::make_pair(make_folders(folder, 0700), std::move(known));
  };
  Task<std::pair<Status, Known>> beginning = offload(std::move(begin));
  auto begun = co_await beginning;
  known_ = std::move(begun.second);
  if (begun.first.ok()) watch();
  else log_warning("images: ", begun.first.error().message());
  for (;;) {
    while (!wanted_) co_await look_.wait();
    wanted_ = false;
    co_await take_all();
  }
}

Task<void> ImageFolder::take_all() {
  std::string folder = folder_;
  std::function<std::vector<Entry>()> list = [folder] { return entries_of(folder); };
  Task<std::vector<Entry>> listing = offload(std::move(list));
  std::vector<Entry> entries = co_await listing;
  int64_t now_ns = RealClock().wall_us() * 1000;
  for (const Entry& e : entries) {
    // A file that is still being written: its end is told by another event.
    bool fresh = now_ns - e.time_ns >= 0 && now_ns - e.time_ns < limits::kImagesFolderSettleMs * 1000000;
    if (fresh) {
      settle_.arm_ms(limits::kImagesFolderSettleMs);
      continue;
    }
    auto failed = failed_.find(e.name);
    if (failed != failed_.end() && failed->second == e.mark()) continue;
    auto known = known_.find(e.name);
    bool same = known != known_.end() && known->second.bytes == e.bytes && known->second.time_ns == e.time_ns;
    if (same && std::all_of(known->second.images.begin(), known->second.images.end(), [this](const std::string& id) { return images_.find(id).has_value(); })) continue;
    failed_[e.name] = e.mark();
    if (is_archive(e.name)) co_await import_file(e);
    else co_await pull_list(e.name);
    if (auto now = known_.find(e.name); now != known_.end() && now->second.bytes == e.bytes && now->second.time_ns == e.time_ns) failed_.erase(e.name);
  }
}

Task<void> ImageFolder::import_file(Entry entry) {
  std::string name = entry.name, path = cat(folder_, "/", name);
  struct Taken {
    Result<File> file = File{};
    bool anew = false;
  };
  std::string mark = entry.mark();
  auto about = [&mark] { return Quarantine::About{content_mark(mark), {}}; };
  Quarantine::Step step(quarantine_, "images", cat("archive ", path), about);
  if (!step.allowed()) co_return log_error("images: ", path, ": it is quarantined: importing it ended bramble twice; make it anew, or see bramble check-config");
  LocalImageStore* images = &images_;
  Known known = known_;
  std::function<Taken()> work = [images, path, known] {
    Taken t;
    struct stat st {};
    if (stat(path.c_str(), &st) != 0) {
      t.file = Error::from_errno(errno, path);
      return t;
    }
    auto sum = sha256_of_file(path);
    if (!sum.ok()) {
      t.file = sum.error();
      return t;
    }
    File f{st.st_size, st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec, *sum, {}};
    // The same content under another name, or with another time.
    for (const auto& [other, k] : known) {
      bool all_there = k.sha256 == *sum && std::all_of(k.images.begin(), k.images.end(), [&](const std::string& id) { return images->find(id).has_value(); });
      if (!all_there) continue;
      f.images = k.images;
      t.file = std::move(f);
      return t;
    }
    auto imported = images->import_archive(path, nullptr);
    if (!imported.ok()) {
      t.file = imported.error();
      return t;
    }
    for (const ImageInfo& i : *imported) f.images.push_back(i.id);
    t.file = std::move(f);
    t.anew = true;
    return t;
  };
  Task<Taken> working = offload(std::move(work), OffloadLane::kLong);
  Taken taken = co_await working;
  if (!taken.file.ok()) co_return log_error("images: ", taken.file.error().message());
  if (taken.anew) log_info("images: ", path, ": ", taken.file->images.size(), " images imported");
  known_[name] = std::move(*taken.file);
  co_await save();
  if (taken.anew) changed_();
}

// Names, one a line; what follows # is a note. Each is tried once; the pods that want one pull it themselves.
Task<void> ImageFolder::pull_list(std::string name) {
  std::string path = cat(folder_, "/", name);
  struct Read {
    struct stat st {};
    Result<std::string> text = std::string();
  };
  std::function<Read()> read = [path] {
    Read r;
    r.text = stat(path.c_str(), &r.st) == 0 ? read_file(path) : Result<std::string>(Error::from_errno(errno, path));
    return r;
  };
  Task<Read> reading = offload(std::move(read));
  Read found = co_await reading;
  const auto& [st, text] = found;
  if (!text.ok()) co_return log_error("images: ", text.error().message());
  File f{st.st_size, st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec, sha256_hex(*text), {}};
  std::vector<std::string> wanted;
  for (std::string_view line : split(*text, '\n')) {
    line = trim(line.substr(0, line.find('#')));
    if (!line.empty() && wanted.size() < limits::kImageListNamesMax) wanted.emplace_back(line);
  }
  bool all = true;
  for (const std::string& image : wanted) {
    if (auto there = images_.find(image)) {
      f.images.push_back(there->id);
      continue;
    }
    PullRequest request;
    request.image = image;
    auto pulled = co_await source_.pull(std::move(request));
    if (pulled.ok()) f.images.push_back(pulled->image.id);
    else all = false;
    if (!pulled.ok()) log_error("images: ", path, ": ", pulled.error().message());
    else changed_();
  }
  if (!all) co_return;
  known_[name] = std::move(f);
  co_await save();
}

Task<void> ImageFolder::save() {
  Builder b;
  for (const auto& [name, file] : known_) {
    Mut one = b.root().object(name);
    one.set("bytes", file.bytes);
    one.set("time", file.time_ns);
    one.set("sha256", file.sha256);
    Mut ids = one.array("images");
    for (const std::string& id : file.images) ids.append(id);
  }
  std::function<Status()> write = [state = state_, text = b.dump()] { return replace_file(state, text, 0600); };
  Task<Status> writing = offload(std::move(write));
  Status saved = co_await writing;
  if (!saved.ok()) log_warning("images: ", saved.error().message());
}

}  // namespace bramble
