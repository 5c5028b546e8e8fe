#include "core/resources/internal_form.h"

#include <algorithm>
#include <vector>

#include "core/base/strings.h"
#include "core/json/builder.h"
#include "core/schema/type.h"

namespace bramble {
namespace {

struct GoName {
  std::string_view type;  // "" for every type
  std::string_view json, go;
};

// Names that are not the JSON name with a capital.
constexpr GoName kGoNames[] = {
    {"GlusterfsVolumeSource", "endpoints", "EndpointsName"},
    {"GlusterfsPersistentVolumeSource", "endpoints", "EndpointsName"},
    {"RBDVolumeSource", "monitors", "CephMonitors"},
    {"RBDVolumeSource", "image", "RBDImage"},
    {"RBDVolumeSource", "pool", "RBDPool"},
    {"RBDVolumeSource", "user", "RadosUser"},
    {"RBDPersistentVolumeSource", "monitors", "CephMonitors"},
    {"RBDPersistentVolumeSource", "image", "RBDImage"},
    {"RBDPersistentVolumeSource", "pool", "RBDPool"},
    {"RBDPersistentVolumeSource", "user", "RadosUser"},
    {"AzureDiskVolumeSource", "diskURI", "DataDiskURI"},
    {"DeviceAttribute", "int", "IntValue"},
    {"DeviceAttribute", "bool", "BoolValue"},
    {"DeviceAttribute", "string", "StringValue"},
    {"DeviceAttribute", "version", "VersionValue"},
    {"DeviceAttribute", "ints", "IntValues"},
    {"DeviceAttribute", "bools", "BoolValues"},
    {"DeviceAttribute", "strings", "StringValues"},
    {"DeviceAttribute", "versions", "VersionValues"},
    {"", "apiGroup", "APIGroup"},
    {"", "apiGroups", "APIGroups"},
    {"", "apiVersion", "APIVersion"},
    {"", "apiVersions", "APIVersions"},
    {"", "awsElasticBlockStore", "AWSElasticBlockStore"},
    {"", "caBundle", "CABundle"},
    {"", "cel", "CEL"},
    {"", "cephfs", "CephFS"},
    {"", "chapAuthDiscovery", "DiscoveryCHAPAuth"},
    {"", "chapAuthSession", "SessionCHAPAuth"},
    {"", "cidr", "CIDR"},
    {"", "cidrs", "CIDRs"},
    {"", "csi", "CSI"},
    {"", "dnsConfig", "DNSConfig"},
    {"", "dnsPolicy", "DNSPolicy"},
    {"", "fc", "FC"},
    {"", "fsGroup", "FSGroup"},
    {"", "fsGroupChangePolicy", "FSGroupChangePolicy"},
    {"", "fsGroupPolicy", "FSGroupPolicy"},
    {"", "fsType", "FSType"},
    {"", "gcePersistentDisk", "GCEPersistentDisk"},
    {"", "gid", "GID"},
    {"", "gmsaCredentialSpec", "GMSACredentialSpec"},
    {"", "gmsaCredentialSpecName", "GMSACredentialSpecName"},
    {"", "grpc", "GRPC"},
    {"", "http", "HTTP"},
    {"", "httpGet", "HTTPGet"},
    {"", "httpHeaders", "HTTPHeaders"},
    {"", "ip", "IP"},
    {"", "ipBlock", "IPBlock"},
    {"", "ipMode", "IPMode"},
    {"", "ips", "IPs"},
    {"", "iqn", "IQN"},
    {"", "iscsi", "ISCSI"},
    {"", "iscsiInterface", "ISCSIInterface"},
    {"", "jsonPatch", "JSONPatch"},
    {"", "nfs", "NFS"},
    {"", "os", "OS"},
    {"", "pdName", "PDName"},
    {"", "rbd", "RBD"},
    {"", "seLinuxChangePolicy", "SELinuxChangePolicy"},
    {"", "seLinuxMount", "SELinuxMount"},
    {"", "seLinuxOptions", "SELinuxOptions"},
    {"", "sslEnabled", "SSLEnabled"},
    {"", "storageos", "StorageOS"},
    {"", "tcpSocket", "TCPSocket"},
    {"", "tls", "TLS"},
    {"", "ttlSecondsAfterFinished", "TTLSecondsAfterFinished"},
    {"", "tty", "TTY"},
    {"", "uid", "UID"},
    {"", "url", "URL"},
    {"", "wwids", "WWIDs"},
};

// Where the internal struct has another order: `field` stands right after `after`.
struct Move {
  std::string_view type, field, after;
};
constexpr Move kMoves[] = {
    {"Volume", "quobyte", "rbd"},
    {"PersistentVolumeSpec", "quobyte", "rbd"},
    {"PersistentVolumeSpec", "flexVolume", "iscsi"},
    {"PersistentVolumeSource", "quobyte", "rbd"},
    {"PersistentVolumeSource", "flexVolume", "iscsi"},
    {"PodSpec", "setHostnameAsFQDN", "subdomain"},
    {"PodSpec", "preemptionPolicy", "priority"},
    {"PodSpec", "overhead", "runtimeClassName"},
    {"PodSecurityContext", "fsGroupChangePolicy", "fsGroup"},
    {"JobSpec", "podFailurePolicy", "completions"},
    {"JobSpec", "successPolicy", "podFailurePolicy"},
    {"CSIDriverSpec", "fsGroupPolicy", "attachRequired"},
    {"ContainerResourceMetricSource", "container", "name"},
    {"ValidatingAdmissionPolicySpec", "matchConditions", "validations"},
};

// Pod-wide settings that the internal struct keeps in the security context, which it always has.
constexpr std::string_view kHostFields[] = {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"};

// Plain values inside, pointers outside.
constexpr Move kPlain[] = {{"RollingUpdateStatefulSetStrategy", "partition", ""}, {"StatefulSetSpec", "replicas", ""},
                           {"DeploymentSpec", "replicas", ""},                    {"ReplicaSetSpec", "replicas", ""},
                           {"RollingUpdateDeployment", "maxUnavailable", ""},     {"RollingUpdateDeployment", "maxSurge", ""},
                           {"RollingUpdateDaemonSet", "maxUnavailable", ""},      {"RollingUpdateDaemonSet", "maxSurge", ""}};

std::string go_name(std::string_view type, std::string_view json) {
  for (const GoName& n : kGoNames)
    if (n.json == json && (n.type.empty() || n.type == type)) return std::string(n.go);
  std::string out(json);
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

bool is_pointer(const Type& type, const Field& f) {
  for (const Move& p : kPlain)
    if (p.type == type.short_name() && p.field == f.name()) return false;
  return f.pointer();
}

std::vector<const Field*> in_internal_order(const Type& type) {
  std::vector<const Field*> out;
  for (const Field& f : type.fields()) out.push_back(&f);
  auto find = [&out](std::string_view name) {
    return std::find_if(out.begin(), out.end(), [name](const Field* f) { return f->name() == name; });
  };
  for (const Move& m : kMoves) {
    if (m.type != type.short_name()) continue;
    const auto at = find(m.field);
    if (at == out.end()) continue;
    const Field* moved = *at;
    out.erase(at);
    const auto after = find(m.after);
    out.insert(after == out.end() ? after : after + 1, moved);
  }
  return out;
}

bool is_meta(const Type* type) { return type && type->name().substr(0, 8) == "meta.v1."; }

void put_message(Mut to, Value v, const Type& type, Value pod_spec);

void put_zero(Mut to, const std::string& name, const Field& f) {
  switch (f.kind()) {
    case FieldKind::kString:
      to.set(name, "");
      break;
    case FieldKind::kBool:
      to.set(name, false);
      break;
    case FieldKind::kQuantity:
      to.set(name, "0");
      break;
    case FieldKind::kInt32:
    case FieldKind::kInt64:
    case FieldKind::kDouble:
    case FieldKind::kIntOrString:
      to.set(name, 0);
      break;
    case FieldKind::kMessage:
      if (is_meta(f.type()))
        to.object(name);
      else
        put_message(to.object(name), Value(), *f.type(), Value());
      break;
    default:
      to.set_null(name);
  }
}

void put_list(Mut to, Value items, const Type& type) {
  for (Value item : items.items()) put_message(to.append_object(), item, type, Value());
}

void put_field(Mut to, Value v, const Type& type, const Field& f, Value pod_spec) {
  const std::string name = go_name(type.short_name(), f.name());
  const bool security = type.short_name() == "PodSpec" && f.name() == "securityContext";
  const bool message = f.kind() == FieldKind::kMessage && !is_meta(f.type());
  if (security) return put_message(to.object(name), v, *f.type(), pod_spec);
  if (!v.exists() || v.is_null()) {
    if (f.container() == Container::kOne && !is_pointer(type, f)) return put_zero(to, name, f);
    return to.set_null(name);
  }
  if (!message) return to.set(name, v);
  if (f.container() == Container::kOne) return put_message(to.object(name), v, *f.type(), Value());
  if (f.container() == Container::kList) return put_list(to.array(name), v, *f.type());
  Mut map = to.object(name);
  for (auto [key, value] : v.members()) put_message(map.object(key), value, *f.type(), Value());
}

void put_message(Mut to, Value v, const Type& type, Value pod_spec) {
  const bool spec = type.name() == "core.v1.PodSpec";
  auto moved = [spec](std::string_view name) {
    return spec && (name == "serviceAccount" || std::find(std::begin(kHostFields), std::end(kHostFields), name) != std::end(kHostFields));
  };
  if (type.name() == "core.v1.PodSecurityContext")
    for (std::string_view f : kHostFields) {
      const std::string name = go_name("PodSpec", f);
      const bool pointer = f == "shareProcessNamespace" || f == "hostUsers";
      if (pod_spec.has(f) || !pointer)
        to.set(name, pod_spec[f].boolean());
      else
        to.set_null(name);
    }
  for (const Field* f : in_internal_order(type)) {
    if (moved(f->name()) || (type.is_kind() && (f->name() == "kind" || f->name() == "apiVersion"))) continue;
    // An embedded struct whose fields have names in JSON.
    if (f->kind() == FieldKind::kMessage && f->type()->name() == "meta.v1.ObjectMeta") {
      for (auto [key, value] : v[f->name()].members()) to.set(key, value);
      continue;
    }
    put_field(to, v[f->name()], type, *f, spec ? v : Value());
  }
}

Document null_document() { return std::move(Document::parse("null")).value(); }

}  // namespace

Document internal_form(Value v, std::string_view type) {
  const Type* t = Type::find(type);
  if (!v.is_object() || !t) return null_document();
  Builder b;
  put_message(b.root(), v, *t, Value());
  return b.finish();
}

Document internal_list(Value v, std::string_view type) {
  const Type* t = Type::find(type);
  if (!v.is_array() || !t) return null_document();
  Builder b;
  b.set_root_array();
  put_list(b.root(), v, *t);
  return b.finish();
}

}  // namespace bramble
