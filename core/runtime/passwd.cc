#include "core/runtime/passwd.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/base/unique_fd.h"

namespace bramble {

namespace {

struct Entry {
  std::string_view name;
  uint32_t id = 0, gid = 0;
  std::string_view home, members;
};

// One line of passwd (name:x:uid:gid:gecos:home:shell) or group (name:x:gid:members).
std::optional<Entry> parse_line(std::string_view line, bool is_group) {
  auto f = split(trim(line), ':');
  if (f.size() < (is_group ? 3u : 4u) || f[0].empty()) return std::nullopt;
  auto id = parse_uint64(f[2]);
  if (!id) return std::nullopt;
  Entry e{f[0], static_cast<uint32_t>(*id), 0, {}, {}};
  if (is_group) {
    if (f.size() > 3) e.members = f[3];
  } else {
    e.gid = static_cast<uint32_t>(parse_uint64(f[3]).value_or(0));
    if (f.size() > 5) e.home = f[5];
  }
  return e;
}

template <class Match>
std::optional<Entry> find_entry(std::string_view file, bool is_group, Match match) {
  for (std::string_view line : split(file, '\n')) {
    auto e = parse_line(line, is_group);
    if (e && match(*e)) return e;
  }
  return std::nullopt;
}

}  // namespace

std::string read_below_root(const std::string& root, const std::string& path) {
  UniqueFd folder(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return {};
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(static_cast<int>(syscall(SYS_openat2, folder.get(), path.c_str(), &how, sizeof how)));
  struct stat s;
  if (!fd.valid() || fstat(fd.get(), &s) != 0 || !S_ISREG(s.st_mode)) return {};
  auto text = read_rest(fd.get(), path);
  return text.ok() ? std::move(*text) : std::string();
}

Result<ResolvedUser> resolve_user(std::string_view user, std::string_view passwd, std::string_view group) {
  ResolvedUser out;
  std::string_view user_part = user, group_part;
  if (auto parts = cut(user, ":")) {
    user_part = parts->first;
    group_part = parts->second;
  }
  if (user_part.empty()) user_part = "0";
  auto number = parse_uint64(user_part);
  auto entry = find_entry(passwd, false, [&](const Entry& e) { return e.name == user_part || (number && e.id == *number); });
  if (entry) {
    out.user.uid = entry->id;
    out.user.gid = entry->gid;
    out.name = std::string(entry->name);
    if (!entry->home.empty()) out.home = std::string(entry->home);
  } else if (number && *number <= 0x7fffffff) {
    out.user.uid = static_cast<uint32_t>(*number);
  } else {
    return Error(Code::kInvalidArgument, cat("unable to find user ", user_part, ": no matching entries in passwd file"));
  }
  if (!group_part.empty()) {
    auto group_number = parse_uint64(group_part);
    auto g = find_entry(group, true, [&](const Entry& e) { return e.name == group_part || (group_number && e.id == *group_number); });
    if (g) out.user.gid = g->id;
    else if (group_number && *group_number <= 0x7fffffff) out.user.gid = static_cast<uint32_t>(*group_number);
    else return Error(Code::kInvalidArgument, cat("unable to find group ", group_part, ": no matching entries in group file"));
  }
  if (!out.name.empty()) {
    for (std::string_view line : split(group, '\n')) {
      auto e = parse_line(line, true);
      if (!e || e->id == out.user.gid) continue;
      for (std::string_view member : split(e->members, ','))
        if (member == out.name) out.user.additional_gids.push_back(e->id);
    }
  }
  return out;
}

}  // namespace bramble
