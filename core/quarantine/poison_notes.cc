#include "core/quarantine/poison_notes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/limits.h"

namespace bramble {

namespace {
constexpr uint64_t kMagic = 0x31736574'6f6e7070;  // of this layout
enum State : uint32_t { kFree = 0, kKnown = 1, kInside = 2 };
}  // namespace

struct PoisonNotes::Slot {
  uint32_t state;
  uint32_t aborts;
  uint64_t revision;
  char room[40];
  char key[200];
  bool is(std::string_view r, std::string_view k) const {
    return state != kFree && std::string_view(room) == r.substr(0, sizeof(room) - 1) && std::string_view(key) == k.substr(0, sizeof(key) - 1);
  }
};

struct PoisonNotes::File {
  uint64_t magic;
  Slot slots[limits::kPoisonSlots];
};

namespace {
void write_text(char* to, size_t size, std::string_view text) {
  size_t n = std::min(text.size(), size - 1);
  std::memcpy(to, text.data(), n);
  to[n] = 0;
}
}  // namespace

Result<std::unique_ptr<PoisonNotes>> PoisonNotes::open(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Error::from_errno(errno, cat("open ", path));
  if (ftruncate(fd, sizeof(File)) != 0) {
    int err = errno;
    close(fd);
    return Error::from_errno(err, cat("size ", path));
  }
  void* mapped = mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  int err = errno;
  close(fd);
  if (mapped == MAP_FAILED) return Error::from_errno(err, cat("map ", path));
  auto* file = static_cast<File*>(mapped);
  if (file->magic != kMagic) {
    std::memset(mapped, 0, sizeof(File));
    file->magic = kMagic;
  }
  for (Slot& slot : file->slots) {
    slot.room[sizeof(slot.room) - 1] = 0;
    slot.key[sizeof(slot.key) - 1] = 0;
    if (slot.state > kInside) slot.state = kFree;
    if (slot.state != kInside) continue;
    ++slot.aborts;
    slot.state = kKnown;
  }
  return std::unique_ptr<PoisonNotes>(new PoisonNotes(file));
}

std::unique_ptr<PoisonNotes> PoisonNotes::none() { return std::unique_ptr<PoisonNotes>(new PoisonNotes(nullptr)); }

PoisonNotes::~PoisonNotes() {
  if (file_ != nullptr) munmap(file_, sizeof(File));
}

PoisonNotes::Slot* PoisonNotes::find(std::string_view room, std::string_view key) const {
  if (file_ == nullptr) return nullptr;
  for (Slot& slot : file_->slots) {
    if (slot.is(room, key)) return &slot;
  }
  return nullptr;
}

bool PoisonNotes::quarantined(std::string_view room, std::string_view key, uint64_t revision) const {
  const Slot* slot = find(room, key);
  return slot != nullptr && slot->aborts >= limits::kPoisonAborts && slot->revision == revision;
}

std::vector<PoisonNotes::Entry> PoisonNotes::all_quarantined() const {
  std::vector<Entry> out;
  if (file_ == nullptr) return out;
  for (const Slot& slot : file_->slots) {
    if (slot.state != kFree && slot.aborts >= limits::kPoisonAborts) out.push_back({slot.room, slot.key, slot.revision, slot.aborts});
  }
  return out;
}

bool PoisonNotes::clear(std::string_view room, std::string_view key) {
  Slot* slot = find(room, key);
  if (slot == nullptr) return false;
  std::memset(slot, 0, sizeof(Slot));
  return true;
}

// The slot noted in, -1 when the object is quarantined, -2 when no note could be made (none(), or all slots are in use).
int PoisonNotes::enter(std::string_view room, std::string_view key, uint64_t revision) {
  if (file_ == nullptr) return -2;
  Slot* slot = find(room, key);
  if (slot != nullptr) {
    if (slot->revision != revision) slot->aborts = 0;  // it changed: it gets its chances anew
    if (slot->aborts >= limits::kPoisonAborts) return -1;
    if (slot->state == kInside) return -2;  // a step within a step on the same object
  }
  for (Slot& s : file_->slots) {
    if (slot == nullptr && s.state == kFree) slot = &s;
  }
  if (slot == nullptr) return -2;
  write_text(slot->room, sizeof(slot->room), room);
  write_text(slot->key, sizeof(slot->key), key);
  slot->revision = revision;
  slot->state = kInside;
  return static_cast<int>(slot - file_->slots);
}

void PoisonNotes::leave(int index) {
  Slot& slot = file_->slots[index];
  // A step that came to its end clears what earlier processes died of.
  std::memset(&slot, 0, sizeof(Slot));
}

bool PoisonNotes::note(std::string_view room, std::string_view key, uint64_t now, const std::function<uint64_t()>& newest) {
  Slot* slot = find(room, key);
  if (slot != nullptr && slot->aborts >= limits::kPoisonAborts) {
    if (newest() <= slot->revision) return false;
    slot->aborts = 0;
  }
  uint32_t aborts = slot != nullptr ? slot->aborts : 0;
  int index = enter(room, key, now);
  if (index < 0) return true;
  file_->slots[index].aborts = aborts;
  unsettled_.push_back(index);
  return true;
}

void PoisonNotes::settle() {
  for (int slot : unsettled_) leave(slot);
  unsettled_.clear();
}

PoisonNotes::Step::Step(PoisonNotes& notes, std::string_view room, std::string_view key, uint64_t revision)
    : notes_(notes), slot_(notes.enter(room, key, revision)), allowed_(slot_ != -1) {}

PoisonNotes::Step::~Step() {
  if (slot_ >= 0) notes_.leave(slot_);
}

}  // namespace bramble
