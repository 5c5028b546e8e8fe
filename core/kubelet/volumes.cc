#include "core/kubelet/volumes.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "core/base/files.h"
#include "core/base/folder.h"
#include "core/kubelet/fs_group.h"
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
  if (volume.has("local")) return "local-volume";
  if (volume.has("nfs")) return "nfs";
  return {};
}

// What is meant to stay in memory is not swapped out, where the kernel knows how (6.4).
Status mount_tmpfs(const std::string& path, const std::string& options) {
  if (mount("tmpfs", path.c_str(), "tmpfs", 0, cat(options, ",noswap").c_str()) == 0) return ok();
  if (errno == EINVAL && mount("tmpfs", path.c_str(), "tmpfs", 0, options.c_str()) == 0) return ok();
  return Error::from_errno(errno, cat("mount tmpfs on ", path));
}

// The page size of medium "HugePages-<size>" or, for "HugePages", of the one size that the pod asks for; in bytes.
Result<std::string> huge_page_of(Value pod, std::string_view medium) {
  std::set<std::string> asked;
  for (const char* list : {"initContainers", "containers"})
    for (Value c : pod["spec"][list].items())
      for (const char* part : {"requests", "limits"})
        for (auto [name, amount] : c["resources"][part].members())
          if (name.starts_with("hugepages-")) asked.emplace(name.substr(10));
  if (asked.empty()) return Error(Code::kInvalidArgument, "hugePages storage requested, but there is no resource request for huge pages.");
  std::string size(medium.starts_with("HugePages-") ? medium.substr(10) : std::string_view(*asked.begin()));
  if (medium == "HugePages" && asked.size() > 1) return Error(Code::kInvalidArgument, "medium HugePages cannot be used: containers ask for huge pages of several sizes");
  if (!asked.contains(size)) return Error(Code::kInvalidArgument, cat("medium ", medium, ": no container asks for huge pages of that size"));
  auto bytes = Quantity::parse(size);
  if (!bytes.ok()) return bytes.error();
  return cat(bytes->value());
}

// It gets its name when it has its mode and its group, so one that is there is whole, and what pods did in it stays theirs.
Status set_up_empty_dir(const std::string& path, Value empty_dir, std::optional<uint32_t> fs_group, int64_t memory_bytes, Value pod) {
  std::string_view medium = empty_dir["medium"].str();
  bool memory = medium == "Memory";
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
  if (medium.starts_with("HugePages") && !is_mount_point(path)) {
    TRY_ASSIGN(std::string size, huge_page_of(pod, medium));
    std::string options = cat("pagesize=", size);
    if (mount("nodev", path.c_str(), "hugetlbfs", 0, options.c_str()) != 0) return Error::from_errno(errno, cat("mount hugetlbfs on ", path));
    if (fs_group && chown(path.c_str(), static_cast<uid_t>(-1), *fs_group) != 0) return Error::from_errno(errno, path);
    if (chmod(path.c_str(), mode) != 0) return Error::from_errno(errno, path);
  }
  if (!memory || is_mount_point(path)) return ok();
  char octal[8];
  snprintf(octal, sizeof octal, "%04o", mode);
  std::string options = cat("mode=", octal);
  if (fs_group) options += cat(",gid=", *fs_group);
  if (auto size = Quantity::parse(empty_dir["sizeLimit"].str()); size.ok() && size->value() > 0 && (memory_bytes == 0 || size->value() < memory_bytes)) memory_bytes = size->value();
  if (memory_bytes > 0) options += cat(",size=", memory_bytes);
  return mount_tmpfs(path, options);
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
  if ((volume.has("secret") || volume.has("projected")) && !is_mount_point(path)) TRY(mount_tmpfs(path, "mode=0755"));
  TRY_ASSIGN(UniqueFd fd, open_folder_to_change(path));
  if (fs_group && fchown(fd.get(), 0, *fs_group) != 0) return Error::from_errno(errno, path);
  if (fchmod(fd.get(), fs_group ? 02775 : 0755) != 0) return Error::from_errno(errno, path);
  auto written = write_payload(path, payload, fs_group, stamp);
  return written.ok() ? ok() : Status(written.error());
}

// The folder of a PersistentVolume of kind local, seen where the pod's volumes are.
Status set_up_local(const std::string& path, Value volume, std::optional<uint32_t> fs_group, bool only_on_mismatch) {
  std::string source = volume["local"]["path"].text();
  if (!path_exists(source)) return Error(Code::kNotFound, cat("path ", go_quote(source), " does not exist"));
  if (!is_mount_point(path)) {
    TRY(make_folders(path, 0750));
    if (mount(source.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) return Error::from_errno(errno, cat("mount ", source, " on ", path));
  }
  if (!fs_group || volume["readOnly"].boolean()) return ok();
  return give_to_group(path, *fs_group, only_on_mismatch, false).ok() ? ok() : Status(Error(Code::kIo, cat("applyFSGroup failed for vol ", volume["specName"].str())));
}

}  // namespace

OffloadLane lane_of_volumes(const Document& pod) {
  bool group = pod["spec"]["securityContext"].has("fsGroup");
  for (Value v : pod["spec"]["volumes"].items())
    if (v.has("nfs") || (group && v.has("local"))) return OffloadLane::kLong;
  return OffloadLane::kShort;
}

std::string volume_path(const std::string& pod_root, Value volume) {
  if (volume.has("hostPath")) return volume["hostPath"]["path"].text();
  std::string_view plugin = plugin_of(volume);
  return plugin.empty() ? std::string() : cat(pod_root, "/volumes/kubernetes.io~", plugin, "/", volume["specName"].str(volume["name"].str()));
}

Status set_up_volumes(const VolumeWork& work) {
  std::optional<uint32_t> fs_group;
  Value security = work.pod["spec"]["securityContext"];
  if (Value g = security["fsGroup"]) fs_group = static_cast<uint32_t>(g.integer());
  const bool only_on_mismatch = security["fsGroupChangePolicy"].str() == "OnRootMismatch";
  TRY(make_folders(folder_of(work.pod_root)));
  TRY(make_folders(work.pod_root, 0750));
  for (Value volume : work.pod["spec"]["volumes"].items()) {
    std::string name = volume["name"].text(), path = volume_path(work.pod_root, volume);
    Status done = ok();
    const char* stage = "SetUp";
    if (volume.has("image") || (work.payloads_only && !work.payloads.contains(name))) continue;  // images: each container's own
    if (volume.has("hostPath")) done = set_up_host_path(volume["hostPath"]);
    else if (volume.has("emptyDir")) done = set_up_empty_dir(path, volume["emptyDir"], fs_group, work.memory_bytes, work.pod.root());
    else if (volume.has("nfs")) done = make_folders(path, 0750);  // mounted by a program, see volume_nfs.cc
    else if (volume.has("local")) {
      done = set_up_local(path, volume, fs_group, only_on_mismatch);
      if (!done.ok() && done.error().code() == Code::kNotFound) stage = "NewMounter initialization";
    }
    else if (auto it = work.payloads.find(name); it != work.payloads.end()) done = set_up_payload(path, volume, it->second, fs_group, work.stamp);
    else done = Error(Code::kInvalidArgument, "this kind of volume is not supported on this node");
    if (!done.ok()) return done.error().prefixed(cat("MountVolume.", stage, " failed for volume \"", volume["specName"].str(name), "\" "));
  }
  return ok();
}

Status remove_volumes(const std::string& pod_root) { return unmount_and_remove(pod_root); }

}  // namespace bramble
