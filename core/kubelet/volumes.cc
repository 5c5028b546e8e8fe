#include "core/kubelet/volumes.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/base/files.h"
#include "core/base/folder.h"
#include "core/kubelet/payloads.h"
#include "core/resources/pod_view.h"
#include "core/runtime/pod_namespaces.h"

namespace bramble {

namespace {

// A folder of the kubelet's own.
Result<UniqueFd> open_folder_to_change(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return Error::from_errno(errno, path);
  return fd;
}

std::string_view plugin_of(Value volume) {
  if (volume.has("emptyDir")) return "empty-dir";
  if (volume.has("configMap")) return "configmap";
  if (volume.has("secret")) return "secret";
  if (volume.has("projected")) return "projected";
  if (volume.has("downwardAPI")) return "downward-api";
  return {};
}

// It gets its name when it has its mode and its group, so one that is there is whole, and what pods did in it stays theirs.
Status set_up_empty_dir(const std::string& path, Value empty_dir, std::optional<uint32_t> fs_group) {
  bool memory = empty_dir["medium"].str() == "Memory";
  uint32_t mode = fs_group ? 02777 : 0777;
  if (!path_exists(path)) {
    std::string fresh = path + ".new";
    TRY(make_folders(folder_of(path), 0750));
    TRY(remove_tree(fresh));
    if (mkdir(fresh.c_str(), 0700) != 0) return Error::from_errno(errno, fresh);
    TRY_ASSIGN(UniqueFd fd, open_folder_to_change(fresh));
    if (fs_group && fchown(fd.get(), static_cast<uid_t>(-1), *fs_group) != 0) return Error::from_errno(errno, fresh);
    if (fchmod(fd.get(), mode) != 0) return Error::from_errno(errno, fresh);
    if (rename(fresh.c_str(), path.c_str()) != 0) return Error::from_errno(errno, path);
  }
  if (!memory || is_mount_point(path)) return ok();
  char octal[8];
  snprintf(octal, sizeof octal, "%04o", mode);
  std::string options = cat("mode=", octal);
  if (fs_group) options += cat(",gid=", *fs_group);
  if (auto size = Quantity::parse(empty_dir["sizeLimit"].str()); size.ok() && size->value() > 0) options += cat(",size=", size->value());
  if (mount("tmpfs", path.c_str(), "tmpfs", 0, options.c_str()) != 0) return Error::from_errno(errno, cat("mount tmpfs on ", path));
  return ok();
}

// An empty file, unless one is there.
Status touch(const std::string& path, mode_t mode) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (fd.valid() && fchmod(fd.get(), mode) != 0) return Error::from_errno(errno, path);
  if (!fd.valid() && errno == EEXIST) fd.reset(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, mode));  // also behind a link
  return fd.valid() ? ok() : Status(Error::from_errno(errno, path));
}

Status set_up_host_path(Value host_path) {
  std::string path = host_path["path"].text();
  std::string_view type = host_path["type"].str();
  if (type.empty()) return ok();
  struct stat s;
  bool there = stat(path.c_str(), &s) == 0;
  if (type == "DirectoryOrCreate" && !there) return make_folders(path);
  if (type == "FileOrCreate" && !there) return touch(path, 0644);  // not the folders above it
  struct Check {
    std::string_view type;
    mode_t format;
    const char* what;
  };
  constexpr Check kChecks[] = {{"Directory", S_IFDIR, "a directory"},        {"DirectoryOrCreate", S_IFDIR, "a directory"}, {"File", S_IFREG, "a file"},
                               {"FileOrCreate", S_IFREG, "a file"},          {"Socket", S_IFSOCK, "a socket file"},         {"CharDevice", S_IFCHR, "a character device"},
                               {"BlockDevice", S_IFBLK, "a block device"}};
  for (const auto& c : kChecks)
    if (c.type == type && (!there || (s.st_mode & S_IFMT) != c.format)) return Error(Code::kInvalidArgument, cat("hostPath type check failed: ", path, " is not ", c.what));
  return ok();
}

Status set_up_payload(const std::string& path, Value volume, const Payload& payload, std::optional<uint32_t> fs_group, const std::string& stamp) {
  TRY(make_folders(path, 0750));
  // Secrets and tokens never touch the disk.
  if ((volume.has("secret") || volume.has("projected")) && !is_mount_point(path)) {
    if (mount("tmpfs", path.c_str(), "tmpfs", 0, "mode=0755") != 0) return Error::from_errno(errno, cat("mount tmpfs on ", path));
  }
  TRY_ASSIGN(UniqueFd fd, open_folder_to_change(path));
  if (fs_group && fchown(fd.get(), 0, *fs_group) != 0) return Error::from_errno(errno, path);
  if (fchmod(fd.get(), fs_group ? 02775 : 0755) != 0) return Error::from_errno(errno, path);
  auto written = write_payload(path, payload, fs_group, stamp);
  return written.ok() ? ok() : Status(written.error());
}

// Opens sub below dir without leaving it; links of the volume lead to what is in the volume. Folders that are missing are made
// with the mode of dir. An O_PATH descriptor.
Result<UniqueFd> open_sub_path(const std::string& dir, const std::string& sub) {
  UniqueFd root(open(dir.c_str(), O_PATH | O_CLOEXEC));
  struct stat s;
  if (!root.valid() || fstat(root.get(), &s) != 0) return Error::from_errno(errno, dir);
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  auto open_it = [&](const std::string& path) { return UniqueFd(static_cast<int>(syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how))); };
  UniqueFd found = open_it(sub);
  if (found.valid() || errno != ENOENT) return found.valid() ? Result<UniqueFd>(std::move(found)) : Result<UniqueFd>(Error::from_errno(errno, cat(dir, "/", sub)));
  std::string so_far;
  UniqueFd parent = open_it(".");
  for (auto part : split(sub, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return Error(Code::kInvalidArgument, cat("subPath ", sub, " must not contain '..'"));
    so_far += cat("/", part);
    UniqueFd next = open_it(so_far);
    if (!next.valid() && errno == ENOENT) {
      auto made = make_folder_beneath(parent.get(), std::string(part), s.st_mode & 07777);
      if (!made.ok()) return made.error().prefixed(cat(dir, so_far));
      next = std::move(*made);
    }
    if (!next.valid()) return Error::from_errno(errno, cat(dir, so_far));
    parent = std::move(next);
  }
  return parent;
}

Result<std::string> bind_sub_path(const std::string& pod_root, std::string_view volume, std::string_view container, size_t index, const std::string& base, const std::string& sub) {
  std::string target = cat(pod_root, "/volume-subpaths/", volume, "/", container, "/", index);
  if (is_mount_point(target)) {
    if (umount2(target.c_str(), MNT_DETACH) != 0) return Error::from_errno(errno, target);
  }
  TRY_ASSIGN(UniqueFd fd, open_sub_path(base, sub));
  struct stat s;
  if (fstat(fd.get(), &s) != 0) return Error::from_errno(errno, sub);
  TRY(make_folders(S_ISDIR(s.st_mode) ? target : folder_of(target), 0750));
  if (!S_ISDIR(s.st_mode)) TRY(touch(target, 0640));
  if (mount(cat("/proc/self/fd/", fd.get()).c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) return Error::from_errno(errno, cat("mount ", target));
  return target;
}

}  // namespace

std::string volume_path(const std::string& pod_root, Value volume) {
  if (volume.has("hostPath")) return volume["hostPath"]["path"].text();
  std::string_view plugin = plugin_of(volume);
  return plugin.empty() ? std::string() : cat(pod_root, "/volumes/kubernetes.io~", plugin, "/", volume["name"].str());
}

Status set_up_volumes(const VolumeWork& work) {
  std::optional<uint32_t> fs_group;
  if (Value g = work.pod["spec"]["securityContext"]["fsGroup"]) fs_group = static_cast<uint32_t>(g.integer());
  TRY(make_folders(folder_of(work.pod_root)));
  TRY(make_folders(work.pod_root, 0750));
  for (Value volume : work.pod["spec"]["volumes"].items()) {
    std::string name = volume["name"].text(), path = volume_path(work.pod_root, volume);
    Status done = ok();
    if (volume.has("hostPath")) done = set_up_host_path(volume["hostPath"]);
    else if (volume.has("emptyDir")) done = set_up_empty_dir(path, volume["emptyDir"], fs_group);
    else if (auto it = work.payloads.find(name); it != work.payloads.end()) done = set_up_payload(path, volume, it->second, fs_group, work.stamp);
    else done = Error(Code::kInvalidArgument, "this kind of volume is not supported on this node");
    if (!done.ok()) return done.error().prefixed(cat("MountVolume.SetUp failed for volume \"", name, "\" "));
  }
  return ok();
}

Result<std::vector<OciMount>> container_mounts(const std::string& pod_root, Value pod, Value container, const std::function<std::string(std::string_view)>& expand) {
  std::vector<OciMount> out;
  size_t index = 0;
  for (Value m : container["volumeMounts"].items()) {
    Value volume;
    for (Value v : pod["spec"]["volumes"].items())
      if (v["name"].str() == m["name"].str()) volume = v;
    std::string source = volume_path(pod_root, volume);
    if (source.empty()) return Error(Code::kInvalidArgument, cat("volume \"", m["name"].str(), "\" not found"));
    if (volume.has("hostPath") && volume["hostPath"]["type"].str().empty() && !path_exists(source)) TRY(make_folders(source));
    std::string sub = m["subPath"].text();
    if (Value e = m["subPathExpr"]) sub = expand(e.str());
    if (!sub.empty()) {
      auto bound = bind_sub_path(pod_root, m["name"].str(), container["name"].str(), index, source, sub);
      if (!bound.ok()) return bound.error().prefixed(cat("failed to prepare subPath for volumeMount \"", m["name"].str(), "\" of container \"", container["name"].str(), "\""));
      source = *bound;
    }
    std::string_view propagation = m["mountPropagation"].str();
    bool read_only = m["readOnly"].boolean() || has_payload(volume);  // nobody else writes where the kubelet goes on writing
    OciMount mount_entry{m["mountPath"].text(), "bind", source, {"rbind", read_only ? "ro" : "rw"}};
    mount_entry.options.push_back(propagation == "Bidirectional" ? "rshared" : propagation == "HostToContainer" ? "rslave" : "rprivate");
    out.push_back(std::move(mount_entry));
    ++index;
  }
  auto depth = [](const std::string& p) { return std::count(p.begin(), p.end(), '/') - (p.ends_with('/') ? 1 : 0); };
  std::stable_sort(out.begin(), out.end(), [&](const OciMount& a, const OciMount& b) { return depth(a.destination) < depth(b.destination); });
  return out;
}

Status remove_volumes(const std::string& pod_root) { return unmount_and_remove(pod_root); }

}  // namespace bramble
