#include "core/quarantine/quarantine.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/unique_fd.h"
#include "core/base/working_on.h"
#include "core/json/builder.h"
#include "core/quarantine/quarantine_file.h"

namespace bramble {

namespace {

int64_t since_boot_us() {
  timespec t{};
  clock_gettime(CLOCK_BOOTTIME, &t);
  return static_cast<int64_t>(t.tv_sec) * 1000000 + t.tv_nsec / 1000;
}

std::string hex(uint64_t v) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(v));
  return text;
}

// A text that does not fit ends in the mark of the whole.
template <size_t N>
void write_text(char (&to)[N], std::string_view text) {
  size_t n = std::min(text.size(), N - 1);
  std::memcpy(to, text.data(), n);
  to[n] = 0;
  if (text.size() > n) std::memcpy(to + n - 17, cat("#", hex(content_mark(text))).data(), 17);
}

template <size_t N>
bool same_text(const char (&stored)[N], std::string_view text) {
  if (text.size() < N) return std::string_view(stored) == text;
  char cut[N];
  write_text(cut, text);
  return std::memcmp(stored, cut, N) == 0;
}

}  // namespace

uint64_t content_mark(std::string_view bytes) {
  constexpr uint64_t kPrime = 0x9e3779b97f4a7c15;
  uint64_t mark = bytes.size() * kPrime;
  while (!bytes.empty()) {
    uint64_t word = 0;
    size_t n = std::min<size_t>(bytes.size(), sizeof word);
    std::memcpy(&word, bytes.data(), n);
    mark = (mark ^ word) * kPrime;
    mark ^= mark >> 29;
    bytes.remove_prefix(n);
  }
  return mark;
}

Quarantine::About Quarantine::about(const Document& object) {
  About a;
  a.object = object;
  if (object) {
    Builder b(object.root());
    b.root().remove("status");
    if (Mut metadata = b["metadata"]) {
      metadata.remove("resourceVersion");
      metadata.remove("managedFields");
    }
    a.mark = content_mark(b.dump());
  }
  return a;
}

std::string Quarantine::key_of(std::string_view resource, std::string_view ns, std::string_view name) {
  return ns.empty() ? cat(resource, " ", name) : cat(resource, " ", ns, "/", name);
}

std::string Quarantine::text_of(const Entry& e) {
  return cat(e.room, ": ", e.key, " ended bramble ", e.aborts, " times (", e.signal, "); it is left alone until it changes");
}

// ---- the file

Quarantine::Quarantine(File* file) : file_(file) {
  for (int i = static_cast<int>(limits::kStepsNotedMax) - 1; i >= 0; i--) free_slots_.push_back(i);
}

Result<std::unique_ptr<Quarantine>> Quarantine::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return Error::from_errno(errno, cat("open ", path));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error(Code::kAlreadyExists, cat(path, ": in use by another bramble; stop it, or give --run-dir"));
  }
  if (ftruncate(fd.get(), sizeof(File)) != 0) return Error::from_errno(errno, cat("size ", path));
  void* mapped = mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) return Error::from_errno(errno, cat("map ", path));
  auto* file = static_cast<File*>(mapped);
  if (file->magic != File::kMagic) {
    std::memset(mapped, 0, sizeof(File));
    file->magic = File::kMagic;
  }
  std::unique_ptr<Quarantine> q(new Quarantine(file));
  q->fd_ = fd.release();
  q->count_blame();
  return q;
}

Quarantine::~Quarantine() {
  forget_crashes_of(file_);
  munmap(file_, sizeof(File));
  close(fd_);
}

void Quarantine::count_blame() {
  uint64_t blamed = file_->blamed;
  int64_t now_us = since_boot_us();
  for (Slot& s : file_->slots) s.room[sizeof s.room - 1] = s.key[sizeof s.key - 1] = 0;
  for (Record& r : file_->records) r.room[sizeof r.room - 1] = r.key[sizeof r.key - 1] = 0;
  for (Slot& s : file_->slots) {
    if (blamed == 0 || s.number != blamed) continue;
    Record* r = find(s.room, s.key);
    if (r == nullptr) {
      // The place of one that is not set aside, else of the oldest.
      r = std::min_element(std::begin(file_->records), std::end(file_->records), [](const Record& a, const Record& b) {
        return std::pair(a.aborts >= limits::kQuarantineAborts, a.last_us) < std::pair(b.aborts >= limits::kQuarantineAborts, b.last_us);
      });
      std::memset(r, 0, sizeof(Record));
      std::memcpy(r->room, s.room, sizeof r->room);
      std::memcpy(r->key, s.key, sizeof r->key);
    }
    if (r->aborts < limits::kQuarantineAborts && now_us - r->last_us > limits::kQuarantineMemoryUs) r->aborts = 0;
    r->aborts++;
    r->signal = file_->signal;
    r->last_us = now_us;
    r->marked = 0;  // of which content is seen at the next step
  }
  file_->blamed = 0;
  std::memset(file_->slots, 0, sizeof file_->slots);
  for (const Record& r : file_->records) any_record_ = any_record_ || r.aborts > 0;
}

std::vector<Quarantine::Entry> Quarantine::File::set_aside() const {
  std::vector<Entry> out;
  for (const Record& r : records) {
    if (r.aborts < limits::kQuarantineAborts) continue;
    std::string room(r.room, strnlen(r.room, sizeof r.room)), key(r.key, strnlen(r.key, sizeof r.key));
    out.push_back({std::move(room), std::move(key), r.aborts, signal_name(r.signal)});
  }
  return out;
}

std::vector<Quarantine::Entry> Quarantine::set_aside() const { return file_->set_aside(); }

template <class F>
static Status with_file(const std::string& path, int open_flags, int protection, size_t size, const F& fn) {
  UniqueFd fd(::open(path.c_str(), open_flags | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) return ok();
  if (!fd.valid()) return Error::from_errno(errno, cat("open ", path));
  struct stat st {};
  if (fstat(fd.get(), &st) != 0) return Error::from_errno(errno, path);
  if (static_cast<size_t>(st.st_size) != size) return ok();  // of another form
  void* mapped = mmap(nullptr, size, protection, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) return Error::from_errno(errno, cat("map ", path));
  fn(mapped);
  munmap(mapped, size);
  return ok();
}

Result<std::vector<Quarantine::Entry>> Quarantine::read(const std::string& path) {
  std::vector<Entry> out;
  TRY(with_file(path, O_RDONLY, PROT_READ, sizeof(File), [&out](void* mapped) {
    auto* file = static_cast<const File*>(mapped);
    if (file->magic == File::kMagic) out = file->set_aside();
  }));
  return out;
}

Result<size_t> Quarantine::clear(const std::string& path) {
  size_t n = 0;
  TRY(with_file(path, O_RDWR, PROT_READ | PROT_WRITE, sizeof(File), [&n](void* mapped) {
    auto* file = static_cast<File*>(mapped);
    if (file->magic != File::kMagic) return;
    for (Record& r : file->records) {
      if (r.aborts < limits::kQuarantineAborts) continue;
      r.aborts = 0;
      n++;
    }
  }));
  return n;
}

// ---- steps

Quarantine::Record* Quarantine::find(std::string_view room, std::string_view key) const {
  for (Record& r : file_->records) {
    if (r.aborts > 0 && same_text(r.key, key) && same_text(r.room, room)) return &r;
  }
  return nullptr;
}

bool Quarantine::may_go_on(std::string_view room, std::string_view key, AskAbout ask, void* context) {
  Record* r = any_record_ ? find(room, key) : nullptr;
  if (r == nullptr) return true;
  About about = ask(context);
  bool changed = r->marked && r->mark != about.mark;
  r->mark = about.mark;
  r->marked = 1;
  if (r->aborts < limits::kQuarantineAborts) return true;
  if (changed) {
    r->aborts = limits::kQuarantineAborts - 1;
    log_info("quarantine: ", room, ": ", key, " has changed; it gets another try");
    return true;
  }
  if (told_.insert(cat(room, " ", key, " ", about.mark)).second) {
    Skip skip{{std::string(room), std::string(key), r->aborts, signal_name(r->signal)}, about.object};
    if (tell_) tell_(skip.entry, skip.object);
    else untold_.push_back(std::move(skip));
  }
  return false;
}

void Quarantine::on_skip(std::function<void(const Entry&, const Document&)> tell) {
  tell_ = std::move(tell);
  if (!tell_) return;
  for (const Skip& skip : std::exchange(untold_, {})) tell_(skip.entry, skip.object);
}

int Quarantine::enter(std::string_view room, std::string_view key) {
  if (free_slots_.empty()) return -1;
  int at = free_slots_.back();
  free_slots_.pop_back();
  Slot& slot = file_->slots[at];
  write_text(slot.room, room);
  write_text(slot.key, key);
  slot.number = ++last_number_;
  return at;
}

void Quarantine::leave(int slot) {
  file_->slots[slot].number = 0;
  free_slots_.push_back(slot);
}

Quarantine::Step::Step(Quarantine* quarantine, std::string_view room, std::string_view key, AskAbout ask, void* context)
    : quarantine_(quarantine), outer_(WorkingOn::now()) {
  if (quarantine_ == nullptr) return;
  slot_ = quarantine_->enter(room, key);
  if (slot_ >= 0) {
    number_ = quarantine_->last_number_;
    WorkingOn::set(number_);
  }
  allowed_ = quarantine_->may_go_on(room, key, ask, context);  // looks at the object: after it is noted
}

Quarantine::Step::~Step() {
  if (slot_ < 0) return;
  // A coroutine that is dropped while it waits ends here too, inside somebody else's step.
  if (WorkingOn::now() == number_) WorkingOn::set(outer_);
  quarantine_->leave(slot_);
}

}  // namespace bramble
