#include "cni/plugin/plugin_network.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>

#include "cni/netlink/netns.h"
#include "cni/netlink/rtnetlink.h"
#include "cni/plugin/network_list.h"
#include "cni/plugin/plugin_exec.h"
#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/limits_network.h"
#include "core/base/log.h"
#include "core/json/builder.h"

namespace bramble {
namespace {

constexpr const char* kInterface = "eth0";

struct ConfFile {
  std::string text;
  bool single = false;
};

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> out;
  DIR* d = opendir(folder.c_str());
  if (!d) return out;
  while (dirent* e = readdir(d))
    if (e->d_name[0] != '.') out.push_back(e->d_name);
  closedir(d);
  std::sort(out.begin(), out.end());
  return out;
}

// One that cannot be read, or says nonsense, is told rather than passed over: the user has meant it.
Result<ConfFile> first_conf(const std::string& folder) {
  for (const std::string& name : names_in(folder)) {
    bool list = name.ends_with(".conflist");
    if (!list && !name.ends_with(".conf") && !name.ends_with(".json")) continue;
    std::string path = cat(folder, "/", name);
    TRY_ASSIGN(std::string text, read_file(path, limits::kCniConfigBytesMax));
    auto parsed = parse_network_list(text, !list);
    if (!parsed.ok()) return parsed.error().prefixed(path);
    return ConfFile{std::move(text), !list};
  }
  return Error(Code::kUnavailable, cat("Network plugin returns error: cni plugin not initialized; ", folder, " has no configuration"));
}

// What is written down of an attachment.
struct Record {
  ConfFile conf;
  std::string netns, arguments, result;  // result: empty until ADD has ended well
  Document ports;                        // "portMappings"

  std::string text() const {
    Builder b;
    b.root().set("conf", conf.text);
    b.root().set("single", conf.single);
    b.root().set("netns", netns);
    b.root().set("arguments", arguments);
    b.root().set("result", result);
    if (ports) b.root().set("ports", ports.root());
    return b.dump();
  }
  static std::optional<Record> parse(const std::string& text) {
    auto d = Document::parse(text);
    if (!d.ok() || (*d)["conf"].str().empty()) return std::nullopt;
    Record r;
    r.conf = {(*d)["conf"].text(), (*d)["single"].boolean()};
    r.netns = (*d)["netns"].text();
    r.arguments = (*d)["arguments"].text();
    r.result = (*d)["result"].text();
    if ((*d)["ports"].exists()) r.ports = *Document::parse((*d)["ports"].dump());
    return r;
  }
};

Document ports_of(const PodNetworkRequest& request) {
  Builder b;
  Mut list = b.root().array("portMappings");
  for (const PortMapping& p : request.host_ports) {
    Mut one = list.append_object();
    one.set("hostPort", static_cast<int64_t>(p.host_port));
    one.set("containerPort", static_cast<int64_t>(p.container_port));
    one.set("protocol", p.protocol);
    if (!p.host_ip.empty()) one.set("hostIP", p.host_ip);
  }
  return b.finish();
}

class PluginNetwork final : public PodNetwork {
 public:
  explicit PluginNetwork(PluginNetworkOptions options) : options_(std::move(options)) {}

  Result<PodNetworkResult> add(const PodNetworkRequest& request) override {
    std::lock_guard own_turn(turn_of(request.container_id));
    if (auto before = read_record(request.container_id)) {
      auto known = still_attached(*before, request);
      if (known) return *known;
      TRY(detach(request.container_id, *before));  // half done, or of a namespace that is gone
    }
    Record record;
    TRY_ASSIGN(record.conf, first_conf(options_.conf_dir));
    record.netns = request.netns_path;
    record.arguments = cat("IgnoreUnknown=1;K8S_POD_NAMESPACE=", request.pod_namespace, ";K8S_POD_NAME=", request.pod_name, ";K8S_POD_INFRA_CONTAINER_ID=", request.container_id,
                           ";K8S_POD_UID=", request.pod_uid);
    if (!request.host_ports.empty()) record.ports = ports_of(request);
    TRY(write_record(request.container_id, record));
    auto attached = attach(request.container_id, &record);
    if (attached.ok()) return attached;
    Status undone = detach(request.container_id, record);
    if (!undone.ok()) log_warning("network: ", request.container_id, ": ", undone.error().message());
    return attached.error();
  }

  Status del(const PodNetworkRequest& request) override {
    std::lock_guard own_turn(turn_of(request.container_id));
    auto record = read_record(request.container_id);
    return record ? detach(request.container_id, *record) : ok();
  }

  // What fails stays written down, for the next time.
  Status collect(const std::vector<std::string>& live) override {
    TRY(collect_attachments(live));
    return collect_garbage(live);
  }

  bool has(const std::string& id) const { return read_record(id).has_value(); }

  Status collect_attachments(const std::vector<std::string>& live) {
    for (const std::string& id : names_in(options_.state_dir)) {
      if (std::find(live.begin(), live.end(), id) != live.end() || id.ends_with(".new")) continue;
      std::lock_guard own_turn(turn_of(id));
      auto record = read_record(id);
      Status gone = record ? detach(id, *record) : ok();
      if (!gone.ok()) log_warning("network: ", id, ": ", gone.error().message());
    }
    return ok();
  }

  Status down() override { return collect({}); }

 private:
  // ADD and DEL of one container come one after another; different ones beside each other.
  std::mutex& turn_of(const std::string& id) { return turns_[std::hash<std::string>()(id) % std::size(turns_)]; }
  std::string path_of(const std::string& id) const { return cat(options_.state_dir, "/", id); }

  std::optional<Record> read_record(const std::string& id) const {
    auto text = read_file(path_of(id), limits::kCniRecordBytesMax);
    return text.ok() ? Record::parse(*text) : std::nullopt;
  }
  Status write_record(const std::string& id, const Record& record) const { return replace_file_durably(path_of(id), record.text(), 0600); }

  static Result<PodNetworkResult> answer_of(const Record& record) {
    auto result = Document::parse(record.result);
    if (!result.ok()) return Error(Code::kIo, cat("CNI result: ", result.error().message()));
    TRY_ASSIGN(auto addresses, addresses_of_result(*result, kInterface));
    if (addresses.empty()) return Error(Code::kIo, "CNI result: it has no address");
    return PodNetworkResult{std::move(addresses)};
  }

  static std::optional<PodNetworkResult> still_attached(const Record& record, const PodNetworkRequest& request) {
    if (record.result.empty() || record.netns != request.netns_path) return std::nullopt;
    bool there = false;
    Status looked = in_netns(request.netns_path, [&]() -> Status {
      TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
      TRY_ASSIGN(auto link, rt.find_link(kInterface));
      there = link.has_value();
      return ok();
    });
    auto answer = answer_of(record);
    return looked.ok() && there && answer.ok() ? std::optional(std::move(*answer)) : std::nullopt;
  }

  static std::string config_of(const NetworkList& list, const Document& plugin, const Record& record, const std::string& previous) {
    Builder b(plugin.root());
    b.root().set("name", list.name);
    b.root().set("cniVersion", list.version);
    auto result = Document::parse(previous);
    if (!previous.empty() && result.ok()) b.root().set("prevResult", result->root());
    if (plugin["capabilities"]["portMappings"].boolean() && record.ports) b.root().object("runtimeConfig").set("portMappings", record.ports["portMappings"]);
    return b.dump();
  }

  PluginCall call_of(const char* command, const std::string& id, const Record& record, const Document& plugin, std::string config) const {
    return {command, plugin["type"].text(), options_.plugin_dirs, id, record.netns, kInterface, record.arguments, std::move(config)};
  }

  Result<PodNetworkResult> attach(const std::string& id, Record* record) {
    TRY_ASSIGN(NetworkList list, parse_network_list(record->conf.text, record->conf.single));
    std::string result;
    for (const Document& plugin : list.plugins) {
      TRY_ASSIGN(result, run_plugin(call_of("ADD", id, *record, plugin, config_of(list, plugin, *record, result))));
      auto parsed = Document::parse(result);
      if (!parsed.ok()) return Error(Code::kIo, cat("plugin type=", go_quote(plugin["type"].str()), " failed (add): its result is no JSON: ", parsed.error().message()));
    }
    record->result = std::move(result);
    TRY_ASSIGN(PodNetworkResult answer, answer_of(*record));
    TRY(write_record(id, *record));
    return answer;
  }

  Status detach(const std::string& id, const Record& record) {
    TRY_ASSIGN(NetworkList list, parse_network_list(record.conf.text, record.conf.single));
    Record there = record;
    if (access(there.netns.c_str(), F_OK) != 0) there.netns.clear();  // the specification: a DEL without one does what it still can
    for (auto plugin = list.plugins.rbegin(); plugin != list.plugins.rend(); ++plugin) {
      auto said = run_plugin(call_of("DEL", id, there, *plugin, config_of(list, *plugin, there, there.result)));
      if (!said.ok()) return said.error();
    }
    if (unlink(path_of(id).c_str()) != 0 && errno != ENOENT) return Error::from_errno(errno, path_of(id));
    return ok();
  }

  // GC of CNI 1.1: plugins drop what belongs to none of these. Others know it by DEL alone.
  Status collect_garbage(const std::vector<std::string>& live) {
    auto conf = first_conf(options_.conf_dir);
    if (!conf.ok()) return ok();
    TRY_ASSIGN(NetworkList list, parse_network_list(conf->text, conf->single));
    if (list.no_gc || !cni_version_is_at_least(list.version, "1.1.0")) return ok();
    for (const Document& plugin : list.plugins) {
      Builder b(plugin.root());
      b.root().set("name", list.name);
      b.root().set("cniVersion", list.version);
      Mut attachments = b.root().array("cni.dev/valid-attachments");
      for (const std::string& id : live) {
        Mut one = attachments.append_object();
        one.set("containerID", id);
        one.set("ifname", kInterface);
      }
      auto said = run_plugin({"GC", plugin["type"].text(), options_.plugin_dirs, "", "", "", "", b.dump()});
      if (!said.ok()) log_warning("network: ", said.error().message());
    }
    return ok();
  }

  PluginNetworkOptions options_;
  std::mutex turns_[16];
};

class WithAttachments final : public PodNetwork {
 public:
  WithAttachments(std::unique_ptr<PodNetwork> network, PluginNetworkOptions options) : network_(std::move(network)), plugins_(std::move(options)) {}
  Status ready() override { return network_->ready(); }
  Result<PodNetworkResult> add(const PodNetworkRequest& request) override {
    return plugins_.has(request.container_id) ? plugins_.add(request) : network_->add(request);
  }
  Status del(const PodNetworkRequest& request) override {
    TRY(plugins_.del(request));
    return network_->del(request);
  }
  Status collect(const std::vector<std::string>& live) override {
    TRY(plugins_.collect_attachments(live));
    return network_->collect(live);
  }
  Status down() override { return network_->down(); }

 private:
  std::unique_ptr<PodNetwork> network_;
  PluginNetwork plugins_;
};

// A plugin of CNI 1.1 may say that it cannot take pods yet.
Status status_of(const PluginNetworkOptions& options) {
  TRY_ASSIGN(ConfFile conf, first_conf(options.conf_dir));
  TRY_ASSIGN(NetworkList list, parse_network_list(conf.text, conf.single));
  if (!cni_version_is_at_least(list.version, "1.1.0")) return ok();
  for (const Document& plugin : list.plugins) {
    Builder b(plugin.root());
    b.root().set("name", list.name);
    b.root().set("cniVersion", list.version);
    auto said = run_plugin({"STATUS", plugin["type"].text(), options.plugin_dirs, "", "", "", "", b.dump()});
    if (!said.ok()) return Error(Code::kUnavailable, cat("Network plugin returns error: ", said.error().message()));
  }
  return ok();
}

}  // namespace

Result<std::unique_ptr<PodNetwork>> open_plugin_network(PluginNetworkOptions options) {
  TRY(make_folders(options.state_dir, 0700));
  TRY(status_of(options));
  return std::unique_ptr<PodNetwork>(std::make_unique<PluginNetwork>(std::move(options)));
}

std::unique_ptr<PodNetwork> with_attachments(std::unique_ptr<PodNetwork> network, PluginNetworkOptions options) {
  if (names_in(options.state_dir).empty()) return network;
  return std::make_unique<WithAttachments>(std::move(network), std::move(options));
}

Status link_own_plugins(const std::string& folder, const std::string& program) {
  TRY(make_folders(folder, 0755));
  for (const char* name : {"bridge", "host-local", "portmap", "loopback"}) {
    std::string path = cat(folder, "/", name), fresh = cat(path, ".new");
    unlink(fresh.c_str());
    if (symlink(program.c_str(), fresh.c_str()) != 0 || rename(fresh.c_str(), path.c_str()) != 0) return Error::from_errno(errno, path);
  }
  return ok();
}

}  // namespace bramble
