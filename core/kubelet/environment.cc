#include "core/kubelet/environment.h"

#include "core/kubelet/env_file.h"
#include "core/kubelet/expansion.h"

namespace bramble {

namespace {

using namespace resource_ids;

std::string variable_name(std::string_view name) {
  std::string out;
  for (char c : name) out += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return out;
}

void add_service(Environment& env, Value service) {
  std::string_view ip = service["spec"]["clusterIP"].str();
  Value ports = service["spec"]["ports"];
  if (ip.empty() || ip == "None" || ports.size() == 0) return;
  std::string name = variable_name(meta(service, "name"));
  env[name + "_SERVICE_HOST"] = ip;
  env[name + "_SERVICE_PORT"] = cat(ports.item(0)["port"].integer());
  std::string host = ip.find(':') != ip.npos ? cat("[", ip, "]") : std::string(ip);
  bool first = true;
  for (Value p : ports.items()) {
    std::string port = cat(p["port"].integer());
    if (!p["name"].str().empty()) env[cat(name, "_SERVICE_PORT_", variable_name(p["name"].str()))] = port;
    std::string protocol = p["protocol"].text("TCP"), small = lower(protocol);
    std::string url = cat(small, "://", host, ":", port);
    if (first) env[name + "_PORT"] = url;
    first = false;
    std::string prefix = cat(name, "_PORT_", port, "_", protocol);
    env[prefix] = url;
    env[prefix + "_PROTO"] = small;
    env[prefix + "_PORT"] = port;
    env[prefix + "_ADDR"] = ip;
  }
}

// The text of one key of a Secret (base64) or ConfigMap.
std::optional<std::string> data_text(Value object, std::string_view key, bool secret) {
  Value v = object["data"][key];
  if (!v) return std::nullopt;
  if (secret) return base64_decode(v.str());
  return v.text();
}

// What is not shown, but may be there, is not absent. Upstream's words for a cache that has not heard of the object in time.
Status known(const Snapshot& snapshot, bool secret, std::string_view ns, std::string_view name) {
  if (!snapshot.may_be_lost(secret ? kSecrets : kConfigMaps, ns, name)) return ok();
  return Error(Code::kUnavailable, cat("failed to sync ", secret ? "secret" : "configmap", " cache: timed out waiting for the condition"));
}

Status add_from_source(Environment& env, const Snapshot& snapshot, std::string_view ns, Value source) {
  std::string_view prefix = source["prefix"].str();
  bool secret = source.has("secretRef");
  Value ref = source[secret ? "secretRef" : "configMapRef"];
  std::string_view name = ref["name"].str();
  Document d = snapshot.get(secret ? kSecrets : kConfigMaps, ns, name);
  if (!d) {
    TRY(known(snapshot, secret, ns, name));
    if (ref["optional"].boolean()) return ok();
    return Error(Code::kNotFound, cat(secret ? "secret" : "configmap", " \"", name, "\" not found"));
  }
  for (auto [key, value] : d["data"].members()) {
    auto text = data_text(d.root(), key, secret);
    if (text) env[cat(prefix, key)] = *text;
  }
  return ok();
}

Result<std::optional<std::string>> value_from_file(const DownwardContext& context, Value ref, const EnvFiles& files) {
  bool known = false, optional = ref["optional"].boolean();
  std::string volume = ref["volumeName"].text(), path = ref["path"].text(), key = ref["key"].text();
  for (Value v : context.pod["spec"]["volumes"].items()) known = known || (v["name"].str() == volume && v.has("emptyDir"));
  if (!known) return Error(Code::kInvalidArgument, cat("cannot find the volume ", go_quote(volume), " referenced by FileKeyRef"));
  auto file = files.find({volume, path});
  if (file == files.end()) return optional ? Result<std::optional<std::string>>(std::nullopt) : Error(Code::kNotFound, cat("environment variable file ", go_quote(path), " not found in volume ", go_quote(volume)));
  auto value = env_file_value(file->second, key);
  if (!value.ok()) return value.error().prefixed(cat("couldn't parse env file ", go_quote(path)));
  if (!*value && !optional) return Error(Code::kNotFound, cat("environment variable key ", go_quote(key), " not found in file ", go_quote(path)));
  return value;
}

// Nothing: an optional source that is not there.
Result<std::optional<std::string>> value_from(const Snapshot& snapshot, const DownwardContext& context, Value container, Value from, const EnvFiles& files) {
  if (Value f = from["fileKeyRef"]) return value_from_file(context, f, files);
  std::string_view ns = meta(context.pod, "namespace");
  if (Value f = from["fieldRef"]) {
    TRY_ASSIGN(std::string text, field_text(context, f["fieldPath"].str()));
    return std::optional<std::string>(std::move(text));
  }
  if (Value r = from["resourceFieldRef"]) {
    TRY_ASSIGN(std::string text, resource_text(context, container, r));
    return std::optional<std::string>(std::move(text));
  }
  bool secret = from.has("secretKeyRef");
  Value ref = from[secret ? "secretKeyRef" : "configMapKeyRef"];
  if (!ref) return Error(Code::kInvalidArgument, "unsupported valueFrom");
  std::string_view name = ref["name"].str(), key = ref["key"].str();
  bool optional = ref["optional"].boolean();
  Document d = snapshot.get(secret ? kSecrets : kConfigMaps, ns, name);
  if (!d) {
    TRY(known(snapshot, secret, ns, name));
    if (optional) return std::optional<std::string>();
    return Error(Code::kNotFound, cat(secret ? "secret" : "configmap", " \"", name, "\" not found"));
  }
  auto text = data_text(d.root(), key, secret);
  if (!text && !optional) return Error(Code::kNotFound, cat("couldn't find key ", key, " in ", secret ? "Secret " : "ConfigMap ", ns, "/", name));
  return text;
}

}  // namespace

Environment service_environment(const Snapshot& snapshot, std::string_view ns, bool enable_links) {
  Environment env;
  Document kubernetes = snapshot.get(kServices, "default", "kubernetes");
  if (kubernetes) add_service(env, kubernetes.root());
  if (!enable_links) return env;
  auto each = [&](const Document& d) {
    add_service(env, d.root());
    return true;
  };
  snapshot.each(kServices, ns, each);
  return env;
}

Result<Environment> container_environment(const Snapshot& snapshot, const DownwardContext& context, Value container, const EnvFiles& files) {
  std::string_view ns = meta(context.pod, "namespace");
  Environment services = service_environment(snapshot, ns, context.pod["spec"]["enableServiceLinks"].boolean(true));
  Environment env;
  for (Value source : container["envFrom"].items()) TRY(add_from_source(env, snapshot, ns, source));
  for (Value e : container["env"].items()) {
    std::string name = e["name"].text();
    if (Value from = e["valueFrom"]) {
      TRY_ASSIGN(std::optional<std::string> text, value_from(snapshot, context, container, from, files));
      if (text) env[name] = *text;
      continue;
    }
    auto known = [&](std::string_view ref) -> std::optional<std::string> {
      if (auto it = env.find(ref); it != env.end()) return it->second;
      if (auto it = services.find(ref); it != services.end()) return it->second;
      return std::nullopt;
    };
    env[name] = expand_references(e["value"].str(), known);
  }
  env.merge(services);  // what the container says itself stands
  return env;
}

std::vector<std::string> merge_environment(const std::vector<std::string>& image_env, const Environment& env) {
  std::vector<std::string> out;
  bool path = env.contains("PATH");
  for (const auto& line : image_env) {
    auto parts = cut(line, "=");
    std::string_view name = parts ? parts->first : std::string_view(line);
    path = path || name == "PATH";
    if (!env.contains(name)) out.push_back(line);
  }
  if (!path) out.push_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  for (const auto& [name, value] : env) out.push_back(cat(name, "=", value));
  return out;
}

}  // namespace bramble
