#include "core/app/host_facts.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "cni/netlink/rtnetlink.h"
#include "core/base/files.h"
#include "core/base/strings.h"
#include "core/base/unique_fd.h"

namespace bramble {
namespace {

// The inode of the listening socket on `port` in /proc/net/tcp or tcp6 (proc(5)): state 0A is LISTEN.
std::string listening_inode(const std::string& table, uint16_t port) {
  char wanted[8];
  std::snprintf(wanted, sizeof wanted, ":%04X", port);
  for (auto line : split(table, '\n')) {
    std::vector<std::string_view> words;
    for (auto w : split(line, ' '))
      if (!w.empty()) words.push_back(w);
    if (words.size() > 9 && words[1].ends_with(wanted) && words[3] == "0A") return std::string(words[9]);
  }
  return {};
}

// The process that has a socket open, by its descriptors' links "socket:[inode]".
std::string holder_of(const std::string& inode) {
  std::string wanted = cat("socket:[", inode, "]");
  DIR* proc = opendir("/proc");
  std::string out = "another process";
  while (proc) {
    dirent* process = readdir(proc);
    if (!process) break;
    if (!parse_uint64(process->d_name)) continue;
    std::string folder = cat("/proc/", process->d_name, "/fd");
    DIR* fds = opendir(folder.c_str());
    bool found = false;
    while (fds && !found) {
      dirent* fd = readdir(fds);
      if (!fd) break;
      char target[64];
      ssize_t n = readlink(cat(folder, "/", fd->d_name).c_str(), target, sizeof target);
      found = n > 0 && std::string_view(target, static_cast<size_t>(n)) == wanted;
    }
    if (fds) closedir(fds);
    if (found) {
      out = cat(trim(read_file_start(cat("/proc/", process->d_name, "/comm"))), " (pid ", process->d_name, ")");
      break;
    }
  }
  if (proc) closedir(proc);
  return out;
}

}  // namespace

Result<std::string> host_name() {
  char buf[256];
  if (gethostname(buf, sizeof buf) != 0) return Error::from_errno(errno, "host name");
  buf[sizeof buf - 1] = 0;
  std::string name = lower(trim(buf));
  if (name.empty() || name == "(none)" || name == "localhost")
    return Error(Code::kInvalidArgument, cat("host name ", go_quote(name), ": not a name for a node; set one (hostnamectl) or give --node-name"));
  return name;
}

Result<std::string> host_address() {
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY_ASSIGN(auto route, rt.default_route());
  TRY_ASSIGN(auto links, rt.links());
  TRY_ASSIGN(auto addresses, rt.addresses());
  if (route && route->source) return route->source->address_text();
  auto usable = [&](int index) {
    for (const Link& l : links)
      if (l.index == index) return l.up && l.name != "lo" && l.kind != "veth" && l.name != "cni0" && l.name != "docker0";
    return false;
  };
  for (const auto& [index, address] : addresses)
    if (!address.v6 && route && index == route->index) return address.address_text();
  for (const auto& [index, address] : addresses)
    if (!address.v6 && usable(index)) return address.address_text();
  return Error(Code::kNotFound, "node address: no link has an IPv4 address; connect the network or give --node-ip");
}

std::string port_owner(uint16_t port) {
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::string inode = listening_inode(read_file_start(table, kNoLimit), port);
    if (!inode.empty()) return holder_of(inode);
  }
  return {};
}

void notify_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (!path || !*path) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  size_t n = std::strlen(path);
  if (n >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, n);
  if (address.sun_path[0] == '@') address.sun_path[0] = 0;  // the abstract name space
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return;
  auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + n);
  ssize_t sent = sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), bytes);
  (void)sent;  // a service manager that does not listen is not our failure
}

}  // namespace bramble
