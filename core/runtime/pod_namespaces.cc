#include "core/runtime/pod_namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>
#include <vector>

#include "core/base/files.h"
#include "core/base/unique_fd.h"

namespace bramble {

namespace {

std::string unescape(std::string_view mount_point) { return replace_all(replace_all(std::string(mount_point), "\\040", " "), "\\134", "\\"); }

// Mount points at or below path, in mountinfo's order (later ones on top).
std::vector<std::string> mounts_below(const std::string& path) {
  std::vector<std::string> out;
  std::string text = read_file_start("/proc/self/mountinfo", kNoLimit);
  for (auto line : split(text, '\n')) {
    auto fields = split(line, ' ');
    if (fields.size() < 5) continue;
    std::string at = unescape(fields[4]);
    if (at == path || at.starts_with(path + "/")) out.push_back(at);
  }
  return out;
}

Status touch(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0444));
  return fd.valid() ? ok() : Status(Error::from_errno(errno, path));
}

}  // namespace

bool is_mount_point(const std::string& path) {
  for (const auto& at : mounts_below(path))
    if (at == path) return true;
  return false;
}

MountedAt mount_holding(const std::string& path) {
  std::error_code ec;
  std::string real = std::filesystem::canonical(path, ec).string();
  if (ec) real = path;
  MountedAt out;
  std::string text = read_file_start("/proc/self/mountinfo", kNoLimit);
  for (auto line : split(text, '\n')) {
    auto fields = split(line, ' ');
    if (fields.size() < 7) continue;
    std::string at = unescape(fields[4]);
    bool holds = at == "/" || real == at || real.starts_with(at + "/");
    if (!holds || at.size() < out.path.size()) continue;  // of the same place the last one is on top
    out = {at};
    for (size_t i = 6; i < fields.size() && fields[i] != "-"; ++i) {
      out.shared = out.shared || fields[i].starts_with("shared:");
      out.slave = out.slave || fields[i].starts_with("master:");
    }
  }
  return out;
}

Status make_pod_namespaces(const std::string& dir, const std::string& hostname) {
  std::string ipc = cat(dir, "/ipc"), uts = cat(dir, "/uts");
  if (is_mount_point(ipc) && is_mount_point(uts)) return ok();
  // One of them may be there, if the process that made them was killed: its file can neither be opened nor used without the other.
  for (const std::string& half : {ipc, uts})
    while (umount2(half.c_str(), MNT_DETACH) == 0) {
    }
  TRY(touch(ipc));
  TRY(touch(uts));
  Status status = ok();
  // A thread of its own: it is the only one that changes its namespaces, and it ends here.
  std::thread worker([&] {
    if (unshare(CLONE_NEWIPC | CLONE_NEWUTS) != 0) {
      status = Error::from_errno(errno, "unshare ipc and uts");
      return;
    }
    if (sethostname(hostname.data(), hostname.size()) != 0) {
      status = Error::from_errno(errno, cat("sethostname ", hostname));
      return;
    }
    std::string self = cat("/proc/", getpid(), "/task/", static_cast<long>(syscall(SYS_gettid)), "/ns/");
    if (mount(cat(self, "ipc").c_str(), ipc.c_str(), nullptr, MS_BIND, nullptr) != 0) status = Error::from_errno(errno, cat("mount ", ipc));
    else if (mount(cat(self, "uts").c_str(), uts.c_str(), nullptr, MS_BIND, nullptr) != 0) status = Error::from_errno(errno, cat("mount ", uts));
  });
  worker.join();
  return status;
}

// Its number, if it is still that process: a namespace of that inode exists once.
static int first_process(const std::string& dir) {
  int pid = static_cast<int>(parse_int64(trim(read_file_start(cat(dir, "/first")))).value_or(0));
  struct stat kept, its;
  if (pid <= 1 || stat(cat(dir, "/pid").c_str(), &kept) != 0 || stat(cat("/proc/", pid, "/ns/pid").c_str(), &its) != 0) return 0;
  return kept.st_dev == its.st_dev && kept.st_ino == its.st_ino ? pid : 0;
}

// One that was killed takes all in its namespace along, and for as long as that takes nothing can be started there.
static bool is_exiting(int pid) {
  constexpr uint64_t kExiting = 4;  // PF_EXITING, of the flags in proc(5)'s stat
  std::string text = read_file_start(cat("/proc/", pid, "/stat"));
  auto name_end = text.rfind(") ");
  if (name_end == text.npos) return true;
  auto fields = split(std::string_view(text).substr(name_end + 2), ' ');
  return fields.size() < 7 || parse_uint64(fields[6]).value_or(kExiting) & kExiting;
}

bool first_process_lives(const std::string& dir) {
  int pid = first_process(dir);
  if (pid && !is_exiting(pid)) return true;
  while (umount2(cat(dir, "/pid").c_str(), MNT_DETACH) == 0) {
  }
  return false;
}

void end_first_process(const std::string& dir) {
  if (int pid = first_process(dir)) kill(pid, SIGKILL);
}

Status mount_shm(const std::string& path) {
  if (is_mount_point(path)) return ok();
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Error::from_errno(errno, path);
  if (mount("shm", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=65536k") != 0) return Error::from_errno(errno, cat("mount ", path));
  return ok();
}

Status unmount_and_remove(const std::string& path) {
  auto mounts = mounts_below(path);
  std::reverse(mounts.begin(), mounts.end());
  for (const auto& at : mounts)
    if (umount2(at.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT) return Error::from_errno(errno, cat("umount ", at));
  // Never remove through a mount that came back: that would delete somebody's files.
  if (!mounts_below(path).empty()) return Error(Code::kUnavailable, cat(path, ": still mounted"));
  std::error_code ec;
  std::filesystem::remove_all(path, ec);
  if (ec && ec.value() != ENOENT) return Error::from_errno(ec.value(), cat("remove ", path));
  return ok();
}

}  // namespace bramble
