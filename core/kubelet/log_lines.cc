#include "core/kubelet/log_lines.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/limits.h"
#include "core/base/unique_fd.h"
#include "core/kubelet/node_files.h"

namespace bramble {

namespace fs = std::filesystem;

std::optional<LogLine> parse_log_line(std::string_view line) {
  auto stamp = cut(line, " ");
  if (!stamp) return std::nullopt;
  auto stream = cut(stamp->second, " ");
  if (!stream || (stream->first != "stdout" && stream->first != "stderr")) return std::nullopt;
  auto tag = cut(stream->second, " ");
  if (!tag) return std::nullopt;
  return LogLine{stamp->first, stream->first, tag->second, tag->first.starts_with('P')};
}

int64_t tail_offset(int fd, int64_t lines) {
  struct stat s;
  if (fstat(fd, &s) != 0) return 0;
  if (lines <= 0) return s.st_size;
  std::string block(limits::kLogReadBytes, '\0');
  int64_t at = s.st_size, seen = 0;
  while (at > 0) {
    int64_t from = std::max<int64_t>(0, at - static_cast<int64_t>(block.size()));
    ssize_t n = pread(fd, block.data(), static_cast<size_t>(at - from), from);
    if (n <= 0) return 0;
    for (ssize_t i = n - 1; i >= 0; --i) {
      if (block[static_cast<size_t>(i)] != '\n' || from + i == s.st_size - 1) continue;
      if (++seen == lines) return from + i + 1;
    }
    at = from;
  }
  return 0;
}

std::string last_log_text(const std::string& path, int64_t lines, size_t bytes_max) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return {};
  int64_t at = tail_offset(fd.get(), lines);
  std::string raw, out;
  std::string block(limits::kLogReadBytes, '\0');
  for (ssize_t n; (n = pread(fd.get(), block.data(), block.size(), at)) > 0; at += n) raw.append(block, 0, static_cast<size_t>(n));
  for (auto line : split(raw, '\n')) {
    auto l = parse_log_line(line);
    if (!l) continue;
    out += l->text;
    if (!l->partial) out += '\n';
  }
  return out.size() > bytes_max ? out.substr(out.size() - bytes_max) : out;
}

std::string log_link(const std::string& folder, std::string_view pod, std::string_view ns, std::string_view container, std::string_view id) {
  return folder.empty() ? std::string() : cat(folder, "/", pod, "_", ns, "_", container, "-", id, ".log");
}

Status make_log_link(const std::string& log_path, const std::string& link) {
  if (link.empty()) return ok();
  TRY(make_node_dirs(fs::path(link).parent_path().string()));
  if (symlink(log_path.c_str(), link.c_str()) != 0 && errno != EEXIST) return Error::from_errno(errno, link);
  return ok();
}

void remove_log(const std::string& log_path, const std::string& link) {
  std::error_code ec;
  std::string base = fs::path(log_path).filename().string();
  for (fs::directory_iterator it(fs::path(log_path).parent_path(), ec), end; !ec && it != end; it.increment(ec)) {
    std::string name = it->path().filename().string();
    if (name == base || name.starts_with(base + ".")) unlink(it->path().c_str());
  }
  if (!link.empty()) unlink(link.c_str());
}

Result<OciProcess> container_process(const std::string& container_dir) {
  auto config = Document::parse(read_node_file(cat(container_dir, "/config.json")));
  if (!config.ok()) return Error(Code::kNotFound, cat(container_dir, ": no bundle"));
  Value p = (*config)["process"];
  OciProcess out;
  for (Value v : p["env"].items()) out.env.push_back(v.text());
  out.cwd = p["cwd"].text();
  out.user.uid = static_cast<uint32_t>(p["user"]["uid"].integer());
  out.user.gid = static_cast<uint32_t>(p["user"]["gid"].integer());
  for (Value v : p["user"]["additionalGids"].items()) out.user.additional_gids.push_back(static_cast<uint32_t>(v.integer()));
  for (Value v : p["capabilities"]["bounding"].items()) out.capabilities.push_back(v.text());
  out.no_new_privileges = p["noNewPrivileges"].boolean();
  out.apparmor_profile = p["apparmorProfile"].text();
  out.selinux_label = p["selinuxLabel"].text();
  if (Value v = p["oomScoreAdj"]) out.oom_score_adj = static_cast<int>(v.integer());
  return out;
}

}  // namespace bramble
