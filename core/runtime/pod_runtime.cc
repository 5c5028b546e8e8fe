#include "core/runtime/pod_runtime.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/crypto/hash.h"
#include "core/loop/loop.h"
#include "core/runtime/pod_namespaces.h"
#include "core/runtime/shim_binary.h"

namespace bramble {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> folder_names(const std::string& path) {
  std::vector<std::string> out;
  std::error_code ec;
  for (fs::directory_iterator it(path, ec), end; !ec && it != end; it.increment(ec))
    if (it->is_directory(ec)) out.push_back(it->path().filename().string());
  return out;
}

std::string text_body(std::initializer_list<std::string_view> texts) {
  std::string out;
  for (auto t : texts) {
    out += t;
    out += '\0';
  }
  return out;
}

}  // namespace

bool may_lower_oom_score() {
  std::string text = read_file_start("/proc/self/status");
  auto at = text.find("CapEff:\t");
  if (at == text.npos) return false;
  uint64_t caps = strtoull(text.substr(at + 8, 16).c_str(), nullptr, 16);
  return caps >> 24 & 1;
}

Result<std::string> find_runtime(const std::string& name) {
  if (name.find('/') != name.npos) {
    if (access(name.c_str(), X_OK) == 0) return name;
    return Error(Code::kNotFound, cat("runtime ", name, ": not an executable file; give its path with --runtime"));
  }
  const char* path = getenv("PATH");
  std::string folders = cat(path ? path : "", ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  for (auto folder : split(folders, ':')) {
    if (folder.empty()) continue;
    std::string candidate = cat(folder, "/", name);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return Error(Code::kNotFound, cat("runtime ", name, ": not found in PATH; install the package runc, or give a path with --runtime"));
}

Result<std::unique_ptr<PodRuntime>> PodRuntime::open(Options options, const Cgroups& cgroups) {
  std::unique_ptr<PodRuntime> r(new PodRuntime(std::move(options), cgroups));
  TRY_ASSIGN(r->runtime_path_, find_runtime(r->options_.runtime));
  std::string bin = cat(r->options_.data_dir, "/bin");
  TRY(make_folders(bin));
  TRY(make_folders(cat(r->options_.run_dir, "/pods")));
  r->shim_path_ = cat(bin, "/shim-", sha256_hex(shim_binary()).substr(0, 16));
  // Shims of earlier versions keep running from their own files, so an old file is left alone.
  TRY(replace_file_durably(r->shim_path_, shim_binary(), 0755));
  return r;
}

std::vector<std::string> PodRuntime::pod_uids() const { return folder_names(cat(options_.run_dir, "/pods")); }
std::vector<std::string> PodRuntime::container_ids(const std::string& uid) const { return folder_names(cat(pod_dir(uid), "/containers")); }

Task<RuntimeFeatures> PodRuntime::features() {
  if (features_) co_return *features_;
  ProcessSpec spec;
  spec.argv = {runtime_path_, "features"};
  spec.timeout_ms = options_.command_ms;
  auto result = co_await run_process(std::move(spec));
  RuntimeFeatures found;
  if (result.ok() && result->exit_code == 0) found = parse_runtime_features(result->out);
  found.name = runtime_path_.substr(runtime_path_.rfind('/') + 1);
  if (result.ok()) features_ = found;
  co_return found;
}

Result<std::string> PodRuntime::runtime_of_handler(const std::string& handler) const {
  if (handler.empty()) return std::string();
  if (handler == runtime_path_.substr(runtime_path_.rfind('/') + 1)) return runtime_path_;
  auto found = handler == "runc" || handler == "crun" ? find_runtime(handler) : Result<std::string>(Error(Code::kNotFound, "unknown"));
  if (!found.ok()) return Error(Code::kNotFound, cat("failed to get sandbox runtime: no runtime for ", go_quote(handler), " is configured"));
  return found;
}

// Runtimes do not read each other's state.
PodRuntime::Chosen PodRuntime::runtime_of_pod(const std::string& uid) const {
  std::string path = read_file_start(cat(pod_dir(uid), "/runtime"));
  if (path.empty()) return {runtime_path_, cat(options_.run_dir, "/runc")};
  return {path, cat(options_.run_dir, "/runtimes/", path.substr(path.rfind('/') + 1))};
}

PodRuntime::Shim PodRuntime::find_shim(const std::string& uid) const {
  auto address = SocketAddress::unix_path(socket_path(uid));
  if (!address.ok()) return Shim::kNone;  // nor could one listen there
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Shim::kUnsure;
  if (::connect(fd.get(), address->raw(), address->raw_bytes()) == 0) return Shim::kThere;
  return errno == ENOENT || errno == ECONNREFUSED ? Shim::kNone : Shim::kUnsure;
}

Task<Status> PodRuntime::ensure_pod(std::string uid, std::string hostname, std::string runtime) {
  std::string dir = pod_dir(uid);
  auto prepare = [dir, hostname, runtime]() -> Status {
    TRY(make_folders(cat(dir, "/ns")));
    if (!runtime.empty()) TRY(replace_file(cat(dir, "/runtime"), runtime, 0600));
    TRY(make_folders(cat(dir, "/containers")));
    TRY(make_pod_namespaces(cat(dir, "/ns"), hostname));
    return mount_shm(cat(dir, "/shm"));
  };
  Task<Status> preparing = offload(std::move(prepare));
  auto prepared = co_await preparing;
  if (!prepared.ok()) co_return prepared;
  Shim shim = find_shim(uid);
  if (shim == Shim::kUnsure) co_return shim_unsure(uid);
  if (shim == Shim::kThere) co_return ok();
  ProcessSpec spec;
  Chosen chosen = runtime_of_pod(uid);
  spec.argv = {shim_path_, dir, chosen.path, chosen.root, cat(options_.command_ms), cat(options_.open_files)};
  for (const auto& file : cgroups_.shim_procs_files()) spec.argv.push_back(file);
  spec.timeout_ms = options_.command_ms;
  auto result = co_await run_process(std::move(spec));
  if (!result.ok()) co_return result.error().prefixed("start shim");
  if (result->exit_code != 0 && find_shim(uid) == Shim::kThere) co_return ok();  // another was just being started
  if (!result->err.empty()) log_warning("shim of pod ", uid, ": ", trim(result->err));
  if (result->exit_code != 0) co_return Error(Code::kInternal, cat("start shim: ", trim(result->err)));
  co_return ok();
}

Task<Status> PodRuntime::share_processes(std::string uid) {
  std::string dir = pod_dir(uid);
  Task<bool> looking = offload([dir] { return first_process_lives(cat(dir, "/ns")); });
  bool lives = co_await looking;
  if (lives) co_return ok();
  ProcessSpec spec;
  spec.argv = {shim_path_, "--first-process", dir};
  for (const auto& file : cgroups_.shim_procs_files()) spec.argv.push_back(file);
  spec.timeout_ms = options_.command_ms;
  auto result = co_await run_process(std::move(spec));
  if (!result.ok()) co_return result.error().prefixed("share processes");
  if (result->exit_code != 0) co_return Error(Code::kInternal, cat("share processes: ", trim(result->err)));
  co_return ok();
}

Task<Result<std::string>> PodRuntime::call(std::string uid, uint8_t type, std::string body) {
  auto connection = co_await ShimConnection::connect(socket_path(uid));
  if (!connection.ok()) co_return Error(Code::kUnavailable, cat("shim of pod ", uid, ": ", connection.error().message()));
  auto answer = co_await (*connection)->call(type, std::move(body), call_ms());
  co_return answer;
}

Task<Result<int>> PodRuntime::create(std::string uid, std::string id, Document config, std::string log_path, ContainerStreams streams) {
  auto prepare = [dir = container_dir(uid, id), log_path, config]() -> Status {
    TRY(make_folders(dir));
    TRY(make_folders(folder_of(log_path)));
    return replace_file(cat(dir, "/config.json"), *config.bytes(), 0600);
  };
  Task<Status> preparing = offload(std::move(prepare));
  auto prepared = co_await preparing;
  if (!prepared.ok()) co_return prepared.error();
  int flags = (streams.tty ? shim::kTty : 0) | (streams.stdin_on ? shim::kStdin : 0) | (streams.stdin_once ? shim::kStdinOnce : 0);
  std::string body(1, static_cast<char>(flags));
  body += text_body({id, log_path});
  auto answer = co_await call(uid, shim::kCreate, std::move(body));
  if (!answer.ok()) co_return answer.error();
  if (answer->size() < 4) co_return Error(Code::kInternal, "shim: malformed answer");
  co_return static_cast<int>(shim::get_u32(reinterpret_cast<const uint8_t*>(answer->data())));
}

Task<Status> PodRuntime::start(std::string uid, std::string id) {
  std::string body = text_body({id});
  auto answer = co_await call(uid, shim::kStart, std::move(body));
  if (!answer.ok()) co_return answer.error();
  co_return ok();
}

Task<Status> PodRuntime::kill(std::string uid, std::string id, int signal) {
  uint8_t number[4];
  shim::put_u32(number, static_cast<uint32_t>(signal));
  std::string body(reinterpret_cast<char*>(number), sizeof number);
  body += text_body({id});
  auto answer = co_await call(uid, shim::kKill, std::move(body));
  if (!answer.ok()) co_return answer.error();
  co_return ok();
}

Task<Result<ContainerState>> PodRuntime::settled(std::string uid, std::string id) {
  std::string body = text_body({id});
  auto answer = co_await call(uid, shim::kSettle, std::move(body));
  if (!answer.ok()) co_return answer.error();
  auto state = decode_container_state(*answer);
  if (!state) co_return Error(Code::kInternal, "shim: malformed answer");
  co_return std::move(*state);
}

Task<Status> PodRuntime::remove(std::string uid, std::string id) {
  Shim shim = find_shim(uid);
  if (shim == Shim::kUnsure) co_return shim_unsure(uid);
  if (shim == Shim::kThere) {
    std::string body = text_body({id});
    auto answer = co_await call(uid, shim::kDelete, std::move(body));
    if (!answer.ok()) co_return answer.error();
  } else {
    ProcessSpec spec;
    Chosen chosen = runtime_of_pod(uid);
    spec.argv = {chosen.path, "--root", chosen.root, "delete", "--force", id};
    spec.timeout_ms = options_.command_ms;
    auto result = co_await run_process(std::move(spec));
    if (!result.ok()) co_return result.error();
    if (result->exit_code != 0) co_return Error(Code::kInternal, std::string(trim(result->err)));
  }
  std::error_code ec;
  fs::remove_all(container_dir(uid, id), ec);
  co_return ok();
}

Task<Status> PodRuntime::remove_pod(std::string uid) {
  Shim shim = find_shim(uid);
  if (shim == Shim::kUnsure) co_return shim_unsure(uid);
  if (shim == Shim::kThere) {
    auto answer = co_await call(uid, shim::kShutdown, std::string());
    if (!answer.ok()) co_return answer.error();
  }
  std::string dir = pod_dir(uid);
  auto remove_all = [dir] {
    end_first_process(cat(dir, "/ns"));
    return unmount_and_remove(dir);
  };
  Task<Status> removing = offload(std::move(remove_all));
  auto removed = co_await removing;
  co_return removed;
}

Task<Result<std::unique_ptr<ExecSession>>> PodRuntime::open_session(std::string uid, uint8_t type, std::string body) {
  auto connection = co_await ShimConnection::connect(socket_path(uid));
  if (!connection.ok()) co_return Error(Code::kUnavailable, cat("shim of pod ", uid, ": ", connection.error().message()));
  auto answer = co_await (*connection)->call(type, std::move(body), call_ms());
  if (!answer.ok()) co_return answer.error();
  co_return make_shim_session(std::move(*connection));
}

Task<Result<std::unique_ptr<ExecSession>>> PodRuntime::exec(std::string uid, std::string id, OciProcess process, bool stdin_on) {
  std::string path = cat(container_dir(uid, id), "/exec-", ++exec_count_, ".json");
  Document document = oci_process(process);
  CO_TRY(replace_file(path, *document.bytes(), 0600));
  std::string body(1, static_cast<char>((process.terminal ? shim::kTty : 0) | (stdin_on ? shim::kStdin : 0)));
  body += text_body({id, path});
  struct Removed {  // also when nobody waits for the command any more
    const std::string& path;
    ~Removed() { unlink(path.c_str()); }
  } removed{path};
  auto session = co_await open_session(uid, shim::kExec, std::move(body));
  co_return session;
}

Task<Result<std::unique_ptr<ExecSession>>> PodRuntime::attach(std::string uid, std::string id, bool stdin_on) {
  std::string body(1, static_cast<char>(stdin_on ? shim::kStdin : 0));
  body += text_body({id});
  auto session = co_await open_session(uid, shim::kAttach, std::move(body));
  co_return session;
}

Task<Status> PodRuntime::watch(std::string uid, std::function<void(ContainerState)> state, std::function<void()> synced) {
  auto connection = co_await ShimConnection::connect(socket_path(uid));
  if (!connection.ok()) co_return connection.error();
  auto sent = co_await (*connection)->send(shim::kSubscribe, std::string());
  if (!sent.ok()) co_return sent;
  for (;;) {
    auto frame = co_await (*connection)->receive();
    if (!frame) co_return Error(Code::kUnavailable, cat("shim of pod ", uid, " went away"));
    if (frame->type == shim::kSynced) synced();
    if (frame->type != shim::kState) continue;
    auto decoded = decode_container_state(frame->body);
    if (decoded) state(std::move(*decoded));
  }
}

std::vector<ContainerState> PodRuntime::read_states(const std::string& uid) const {
  std::vector<ContainerState> out;
  for (const auto& id : container_ids(uid)) {
    ContainerState s;
    s.id = id;
    s.phase = ContainerState::kExited;
    s.exit_code = 137;
    s.signal = 9;
    s.pid = static_cast<int>(parse_int64(trim(read_file_start(cat(container_dir(uid, id), "/pid")))).value_or(0));
    std::string text = read_file_start(cat(container_dir(uid, id), "/exit"));
    auto fields = split(trim(text), ' ');
    if (fields.size() == 3) {
      s.exit_code = static_cast<int>(parse_int64(fields[0]).value_or(137));
      s.signal = static_cast<int>(parse_int64(fields[1]).value_or(0));
      s.finished_us = parse_int64(fields[2]).value_or(0) / 1000;
    }
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace bramble
