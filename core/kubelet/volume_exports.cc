// Exports of NFS servers, mounted by mount(8), which knows versions and names of hosts. A server that does not answer holds up one
// process, not a thread of ours.
#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/kubelet/pod_worker.h"
#include "core/kubelet/volumes.h"
#include "core/loop/loop.h"
#include "core/runtime/pod_namespaces.h"

namespace bramble {

Task<Status> PodWorker::mount_exports(Document pod) {
  for (Value volume : pod["spec"]["volumes"].items()) {
    Value nfs = volume["nfs"];
    std::string path = volume_path(parts_.pod_root(uid_), volume);
    if (!nfs || is_mount_point(path)) continue;
    std::vector<std::string> options;
    if (nfs["readOnly"].boolean() || volume["readOnly"].boolean()) options.push_back("ro");
    for (Value o : volume["mountOptions"].items()) options.push_back(o.text());
    std::string_view server = nfs["server"].str();
    if (server.starts_with('-')) co_return Error(Code::kInvalidArgument, cat("MountVolume.SetUp failed for volume \"", volume["specName"].str(volume["name"].str()), "\" : ", go_quote(server), " is no server"));
    std::string source = cat(server.find(':') == server.npos ? std::string(server) : cat("[", server, "]"), ":", nfs["path"].str());
    ProcessSpec spec;
    spec.argv = {"mount", "-t", "nfs"};
    if (!options.empty()) spec.argv.insert(spec.argv.end(), {"-o", join(options, ",")});
    std::vector<std::string> arguments(spec.argv.begin() + 1, spec.argv.end());
    arguments.insert(arguments.end(), {source, path});
    spec.argv.insert(spec.argv.end(), {"--", source, path});  // what the pod's author wrote is no option
    spec.timeout_ms = limits::kRuntimeCommandMs;
    auto result = co_await run_process(std::move(spec));
    if (result.ok() && result->exit_code == 0) continue;
    std::string hint = path_exists("/sbin/mount.nfs") ? "" : "; this node has no NFS client: install the package nfs-common";
    std::string why = result.ok() ? cat("exit status ", result->exit_code, "\nMounting command: mount\nMounting arguments: ", join(arguments, " "), "\nOutput: ", trim(cat(result->out, result->err)))
                                  : result.error().message();
    co_return Error(Code::kUnavailable, cat("MountVolume.SetUp failed for volume \"", volume["specName"].str(volume["name"].str()), "\" : mount failed: ", why, hint));
  }
  co_return ok();
}

}  // namespace bramble
