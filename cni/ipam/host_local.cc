#include "cni/ipam/host_local.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "core/base/files.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr std::string_view kLastFile = "last_reserved_ip.0", kLockFile = "lock";

uint64_t hosts_of(const IpPrefix& range) {
  int bits = (range.v6 ? 128 : 32) - range.length;
  return bits >= 24 ? uint64_t{1} << 24 : uint64_t{1} << bits;  // a node never has more pods than that
}

}  // namespace

Result<HostLocal> HostLocal::open(std::string directory, const IpPrefix& range) {
  if (hosts_of(range) < 4) return Error(Code::kInvalidArgument, cat("address range ", range.text(), ": too small; give at least /30"));
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return Error::from_errno(errno, directory);
  return HostLocal(std::move(directory), range.network());
}

Result<UniqueFd> HostLocal::lock() const {
  std::string path = cat(directory_, "/", kLockFile);
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return Error::from_errno(errno, path);
  while (flock(fd.get(), LOCK_EX) != 0)
    if (errno != EINTR) return Error::from_errno(errno, path);
  return fd;
}

Result<std::vector<HostLocal::Lease>> HostLocal::leases() const {
  std::vector<Lease> out;
  DIR* d = opendir(directory_.c_str());
  if (!d) return Error::from_errno(errno, directory_);
  while (dirent* e = readdir(d))
    if (IpPrefix::parse(e->d_name)) out.push_back({e->d_name, ""});
  closedir(d);
  for (Lease& l : out) {
    TRY_ASSIGN(std::string text, read_file(cat(directory_, "/", l.file)));  // one that cannot be read is not free
    l.container_id = trim(text);
  }
  return out;
}

Result<std::vector<std::string>> HostLocal::containers() const {
  TRY_ASSIGN(UniqueFd held, lock());
  TRY_ASSIGN(auto all, leases());
  std::vector<std::string> out;
  for (Lease& l : all) out.push_back(std::move(l.container_id));
  return out;
}

Result<std::optional<IpPrefix>> HostLocal::find(const std::string& container_id) const {
  TRY_ASSIGN(UniqueFd held, lock());
  TRY_ASSIGN(auto all, leases());
  for (const Lease& l : all) {
    auto address = IpPrefix::parse(l.file);
    if (l.container_id != container_id || !range_.contains(*address)) continue;
    address->length = range_.length;
    return address;
  }
  return std::optional<IpPrefix>();
}

Result<IpPrefix> HostLocal::add(const std::string& container_id) {
  TRY_ASSIGN(UniqueFd held, lock());
  TRY_ASSIGN(auto all, leases());
  std::set<std::string> used;
  for (const Lease& l : all) {
    auto address = IpPrefix::parse(l.file);
    // An empty lease is what a power cut left of one that nobody was told of: it is free again.
    if (l.container_id.empty()) unlink(cat(directory_, "/", l.file).c_str());
    else used.insert(l.file);
    if (l.container_id == container_id && range_.contains(*address)) {
      address->length = range_.length;
      return *address;
    }
  }
  uint64_t hosts = hosts_of(range_), last = 1;
  std::string last_file = cat(directory_, "/", kLastFile), last_text = read_file_start(last_file);
  for (uint64_t n = 2; n + 1 < hosts; n++)
    if (range_.host(n).address_text() == trim(last_text)) last = n;
  for (uint64_t step = 1; step < hosts; step++) {
    uint64_t n = (last + step) % hosts;
    if (n < 2 || (n + 1 == hosts && !range_.v6)) continue;
    IpPrefix candidate = range_.host(n);
    std::string text = candidate.address_text();
    if (used.contains(text)) continue;
    TRY(replace_file(cat(directory_, "/", text), container_id, 0600));
    TRY(replace_file(last_file, text, 0600));
    candidate.length = range_.length;
    return candidate;
  }
  return Error(Code::kExhausted, cat("no IP addresses available in range set: ", range_.host(2).address_text(), "-",
                                     range_.host(hosts - 2).address_text()));
}

Status HostLocal::del(const std::string& container_id) {
  TRY_ASSIGN(UniqueFd held, lock());
  TRY_ASSIGN(auto all, leases());
  for (const Lease& l : all)
    if (l.container_id == container_id && unlink(cat(directory_, "/", l.file).c_str()) != 0 && errno != ENOENT)
      return Error::from_errno(errno, l.file);
  return ok();
}

}  // namespace bramble
