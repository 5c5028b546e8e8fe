// What one container sees of its pod's volumes: bind mounts, parts of volumes, propagation.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "core/base/files.h"
#include "core/base/folder.h"
#include "core/base/log.h"
#include "core/kubelet/expansion.h"
#include "core/kubelet/payloads.h"
#include "core/kubelet/volumes.h"
#include "core/resources/pod_view.h"
#include "core/runtime/pod_namespaces.h"

namespace bramble {

namespace {

// An empty file to mount on.
Status touch(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640));
  return fd.valid() ? ok() : Status(Error::from_errno(errno, path));
}

// Opens sub below dir without leaving it; links of the volume lead to what is in the volume. Folders that are missing are made
// with the mode of dir, if `make`. An O_PATH descriptor.
Result<UniqueFd> open_sub_path(const std::string& dir, const std::string& sub, bool make) {
  UniqueFd root(open(dir.c_str(), O_PATH | O_CLOEXEC));
  struct stat s;
  if (!root.valid() || fstat(root.get(), &s) != 0) return Error::from_errno(errno, dir);
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  auto open_it = [&](const std::string& path) { return UniqueFd(static_cast<int>(syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how))); };
  UniqueFd found = open_it(sub);
  if (found.valid() || errno != ENOENT || !make) return found.valid() ? Result<UniqueFd>(std::move(found)) : Result<UniqueFd>(Error::from_errno(errno, cat(dir, "/", sub)));
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

Result<std::string> bind_sub_path(const std::string& pod_root, std::string_view volume, std::string_view container, size_t index, const std::string& base, const std::string& sub, bool make) {
  std::string target = cat(pod_root, "/volume-subpaths/", volume, "/", container, "/", index);
  if (is_mount_point(target)) {
    if (umount2(target.c_str(), MNT_DETACH) != 0) return Error::from_errno(errno, target);
  }
  TRY_ASSIGN(UniqueFd fd, open_sub_path(base, sub, make));
  struct stat s;
  if (fstat(fd.get(), &s) != 0) return Error::from_errno(errno, sub);
  TRY(make_folders(S_ISDIR(s.st_mode) ? target : folder_of(target), 0750));
  if (!S_ISDIR(s.st_mode)) TRY(touch(target));
  if (mount(cat("/proc/self/fd/", fd.get()).c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) return Error::from_errno(errno, cat("mount ", target));
  return target;
}


// The part of the volume that is asked for. kInvalidArgument with upstream's words.
Result<std::string> sub_path_of(Value m, const Environment& env) {
  std::string sub = m["subPath"].text();
  if (std::string_view expression = m["subPathExpr"].str(); !expression.empty()) {
    std::set<std::string> missing;
    auto known = [&](std::string_view name) -> std::optional<std::string> {
      auto it = env.find(name);
      if (it != env.end() && !it->second.empty()) return it->second;
      missing.emplace(name);
      return std::nullopt;
    };
    sub = expand_references(expression, known);
    if (!missing.empty()) return Error(Code::kInvalidArgument, cat("missing value for ", join(std::vector<std::string>(missing.begin(), missing.end()), ", ")));
  }
  if (sub.starts_with('/')) return Error(Code::kInvalidArgument, cat("error SubPath `", sub, "` must not be an absolute path"));
  for (auto part : split(sub, '/'))
    if (part == "..") return Error(Code::kInvalidArgument, cat("unable to provision SubPath `", sub, "`: must not contain '..'"));
  return sub;
}

// Whether all that is mounted below is to be read-only too.
Result<bool> all_read_only(Value m, bool runtime_can) {
  std::string_view mode = m["recursiveReadOnly"].str("Disabled");
  if (mode == "Disabled") return false;
  auto refuse = [&](std::string_view why) { return Error(Code::kInvalidArgument, cat("failed to resolve recursive read-only mode: volume ", go_quote(m["name"].str()), " requested recursive read-only mode, but it is not ", why)); };
  if (!m["readOnly"].boolean()) return refuse("read-only");
  if (std::string_view p = m["mountPropagation"].str("None"); p != "None") return refuse(cat("compatible with propagation ", go_quote(p)));
  if (mode == "Enabled" && !runtime_can) return refuse("supported by the runtime");
  return runtime_can;
}

// What passes mounts on must be a mount that does.
Status check_propagation(const std::string& source, std::string_view propagation) {
  if (propagation != "Bidirectional" && propagation != "HostToContainer") return ok();
  MountedAt mount = mount_holding(source);
  if (mount.shared || (mount.slave && propagation == "HostToContainer")) return ok();
  return Error(Code::kUnavailable, cat("failed to generate container spec: failed to generate spec: path ", go_quote(source), " is mounted on ", go_quote(mount.path), " but it is not a shared",
                                       propagation == "Bidirectional" ? " mount" : " or slave mount"));
}

Value volume_named(Value pod, std::string_view name) {
  for (Value v : pod["spec"]["volumes"].items())
    if (v["name"].str() == name) return v;
  return {};
}

}  // namespace

Result<std::vector<OciMount>> container_mounts(const MountWork& work) {
  std::vector<OciMount> out;
  Value container = work.container.root();
  size_t index = 0;
  for (Value m : container["volumeMounts"].items()) {
    std::string name = m["name"].text();
    Value volume = volume_named(work.pod.root(), name);
    auto image = work.image_paths.find(name);
    std::string source = image != work.image_paths.end() ? image->second : volume_path(work.pod_root, volume);
    if (source.empty()) return Error(Code::kInvalidArgument, cat("cannot find volume ", go_quote(name), " to mount into container ", go_quote(container["name"].str())));
    if (volume.has("hostPath") && !path_exists(source)) TRY(make_folders(source));
    TRY_ASSIGN(std::string sub, sub_path_of(m, work.env));
    TRY_ASSIGN(bool recursive, all_read_only(m, work.recursive_read_only));
    if (!sub.empty()) {
      auto bound = bind_sub_path(work.pod_root, name, container["name"].str(), index, source, sub, !volume.has("image"));
      if (!bound.ok()) {
        log_warning("container ", container["name"].str(), ": subPath ", sub, ": ", bound.error().message());
        return Error(Code::kInvalidArgument, cat("failed to prepare subPath for volumeMount ", go_quote(name), " of container ", go_quote(container["name"].str())));
      }
      source = *bound;
    }
    std::string_view propagation = m["mountPropagation"].str();
    TRY(check_propagation(source, propagation));
    // has_payload: nobody else writes where the kubelet goes on writing.
    bool read_only = m["readOnly"].boolean() || has_payload(volume) || volume.has("image") || volume["readOnly"].boolean() || volume["nfs"]["readOnly"].boolean();
    OciMount mount_entry{m["mountPath"].text(), "bind", source, {"rbind", !read_only ? "rw" : recursive ? "rro" : "ro"}};
    if (!mount_entry.destination.starts_with('/')) mount_entry.destination.insert(0, "/");
    if (volume.has("image")) mount_entry.options.push_back("noexec");  // (Kubernetes API: ImageVolumeSource)
    mount_entry.options.push_back(propagation == "Bidirectional" ? "rshared" : propagation == "HostToContainer" ? "rslave" : "rprivate");
    out.push_back(std::move(mount_entry));
    ++index;
  }
  auto depth = [](const std::string& p) { return std::count(p.begin(), p.end(), '/') - (p.ends_with('/') ? 1 : 0); };
  std::stable_sort(out.begin(), out.end(), [&](const OciMount& a, const OciMount& b) { return depth(a.destination) < depth(b.destination); });
  return out;
}

}  // namespace bramble
