#include "core/resources/volume_source_rules.h"

#include <algorithm>

#include "core/base/strings.h"
#include "core/resources/field_rules.h"
#include "core/resources/names.h"

namespace bramble {
namespace {

struct Place {
  std::string_view type, owner;  // owner: of a PersistentVolume
  const Path& at;
  FieldErrors& errors;
  bool persistent() const { return !owner.empty(); }
};

void require(Value s, std::initializer_list<const char*> fields, const Place& p) {
  for (const char* f : fields)
    if (s[f].is_array() ? s[f].size() == 0 : s[f].str().empty()) p.errors.required(p.at.at(f));
}

void validate_range(Value number, int64_t low, int64_t high, int64_t shown_low, const Path& at, FieldErrors& errors) {
  if (number.integer() < low || number.integer() > high)
    errors.invalid(at, number.integer(), cat("must be between ", shown_low, " and ", high, ", inclusive"));
}

void validate_secret(Value ref, bool with_namespace, const Path& at, FieldErrors& errors) {
  if (!ref.is_object()) return;
  if (ref["name"].str().empty()) errors.required(at.at("name"));
  if (with_namespace && ref["namespace"].str().empty()) errors.required(at.at("namespace"));
}

void validate_host_path(Value s, const Place& p) {
  const std::string_view path = s["path"].str(), type = s["type"].str();
  if (path.empty()) return p.errors.required(p.at.at("path"));
  validate_no_backsteps(path, p.at.at("path"), p.errors);
  static const std::vector<std::string_view> kTypes = {"", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"};
  if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) p.errors.not_supported(p.at.at("type"), type, kTypes);
}

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// iqn.2001-04.com.example:storage.disk1, eui.02004567A425678D, naa.52004567BA64678D...
bool is_iscsi_name(std::string_view name) {
  const std::string_view prefix = name.substr(0, 3), rest = name.size() > 4 ? name.substr(4) : std::string_view();
  if (prefix == "eui" || prefix == "naa")
    return rest.size() == (prefix == "eui" ? 16u : 32u) && std::all_of(rest.begin(), rest.end(), is_letter_or_digit);
  if (prefix != "iqn" || name.substr(3, 1) != "." || rest.size() < 9) return false;
  for (size_t i = 0; i < 7; ++i)
    if (i == 4 ? rest[i] != '-' : rest[i] < '0' || rest[i] > '9') return false;
  const auto parts = cut(rest.substr(8), ":");
  if (rest[7] != '.' || !parts || parts->first.empty() || parts->second.empty()) return false;
  for (char c : parts->first)
    if (!is_letter_or_digit(c) && c != '-' && c != '.') return false;
  return parts->second.find_first_of(",;*&$| \t\r\n") == std::string_view::npos;
}

void validate_iscsi_name(std::string_view name, const Path& at, FieldErrors& errors) {
  const bool begins = name.starts_with("iqn") || name.starts_with("eui") || name.starts_with("naa");
  if (!is_iscsi_name(name)) errors.invalid(at, name, begins ? "must be valid format" : "must be valid format starting with iqn, eui, or naa");
}

void validate_iscsi(Value s, const Place& p) {
  const std::string_view portal = s["targetPortal"].str(), iqn = s["iqn"].str();
  require(s, {"targetPortal"}, p);
  const std::string owner(p.owner);
  if (p.persistent() && s.has("initiatorName") && cat(owner, ":", portal).size() > 64)
    p.errors.invalid(p.at.at("targetportal"), portal,
                     "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.");
  if (iqn.empty())
    p.errors.required(p.at.at("iqn"));
  else
    validate_iscsi_name(iqn, p.at.at("iqn"), p.errors);
  validate_range(s["lun"], 0, 255, 0, p.at.at("lun"), p.errors);
  const bool chap = s["chapAuthDiscovery"].boolean() || s["chapAuthSession"].boolean();
  if (chap && !s["secretRef"].is_object()) p.errors.required(p.at.at("secretRef"));
  if (p.persistent()) validate_secret(s["secretRef"], false, p.at.at("secretRef"), p.errors);
  if (s.has("initiatorName")) validate_iscsi_name(s["initiatorName"].str(), p.at.at("initiatorname"), p.errors);
}

void validate_fc(Value s, const Place& p) {
  const Path names_at = p.at.at("targetWWNs");
  const size_t names = s["targetWWNs"].size(), ids = s["wwids"].size();
  if (names == 0 && ids == 0) p.errors.required(names_at, "must specify either targetWWNs or wwids, but not both");
  if (names > 0 && ids > 0) p.errors.invalid(names_at, s["targetWWNs"], "targetWWNs and wwids can not be specified simultaneously");
  if (names == 0) return;
  if (s.has("lun"))
    validate_range(s["lun"], 0, 255, 0, p.at.at("lun"), p.errors);
  else
    p.errors.required(p.at.at("lun"), "lun is required if targetWWNs is specified");
}

void validate_flocker(Value s, const Place& p) {
  const std::string_view name = s["datasetName"].str(), uuid = s["datasetUUID"].str();
  if (name.empty() && uuid.empty()) p.errors.required(p.at, "one of datasetName and datasetUUID is required");
  if (!name.empty() && !uuid.empty()) p.errors.invalid(p.at, "resource", "datasetName and datasetUUID can not be specified simultaneously");
  if (name.find('/') != std::string_view::npos) p.errors.invalid(p.at.at("datasetName"), name, "must not contain '/'");
}

void validate_quobyte(Value s, const Place& p) {
  constexpr std::string_view kPairs = "must be a host:port pair or multiple pairs separated by commas";
  const std::string_view registry = s["registry"].str();
  if (registry.empty()) {
    p.errors.required(p.at.at("registry"), kPairs);
  } else if (s["tenant"].str().size() >= 65) {
    p.errors.required(p.at.at("tenant"), "must be a UUID and may not exceed a length of 64 characters");
  } else {
    for (std::string_view pair : split(registry, ','))
      if (pair.rfind(':') == std::string_view::npos) p.errors.invalid(p.at.at("registry"), registry, kPairs);
  }
  require(s, {"volume"}, p);
}

void validate_flex(Value s, const Place& p) {
  require(s, {"driver"}, p);
  for (auto [key, value] : s["options"].members()) {
    const std::string space = cat(".", lower(std::string(key.substr(0, key.find('/')))));
    for (std::string_view reserved : {".kubernetes.io", ".k8s.io"})
      if (space.size() >= reserved.size() && std::string_view(space).substr(space.size() - reserved.size()) == reserved)
        p.errors.invalid(p.at.at("options").key(key), key, "kubernetes.io and k8s.io namespaces are reserved");
  }
}

void validate_azure_disk(Value s, const Place& p) {
  require(s, {"diskName", "diskURI"}, p);
  validate_one_of(s["cachingMode"].str(), {"None", "ReadOnly", "ReadWrite"}, p.at.at("cachingMode"), false, p.errors);
  validate_one_of(s["kind"].str(), {"Dedicated", "Managed", "Shared"}, p.at.at("kind"), false, p.errors);
  const std::string_view uri = s["diskURI"].str(), kind = s["kind"].str();
  if (kind == "Managed" && uri.find("/subscriptions/") != 0)
    p.errors.not_supported(p.at.at("diskURI"), uri,
                           {"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"});
  if (s.has("kind") && kind != "Managed" && uri.find("https://") != 0)
    p.errors.not_supported(p.at.at("diskURI"), uri, {"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"});
}

void validate_storageos(Value s, const Place& p) {
  const std::string_view name = s["volumeName"].str(), ns = s["volumeNamespace"].str();
  if (name.empty())
    p.errors.required(p.at.at("volumeName"));
  else
    add_invalid(p.at.at("volumeName"), name, check_dns1123_label(name), p.errors);
  if (!ns.empty()) add_invalid(p.at.at("volumeNamespace"), ns, check_dns1123_label(ns), p.errors);
  validate_secret(s["secretRef"], p.persistent(), p.at.at("secretRef"), p.errors);
}

void validate_csi(Value s, const Place& p) {
  validate_driver_name(s["driver"].str(), p.at.at("driver"), p.errors);
  if (!p.persistent()) {
    const Value ref = s["nodePublishSecretRef"];
    const Path at = p.at.at("nodePublishSecretRef");
    if (ref.is_object() && ref["name"].str().empty()) p.errors.required(at.at("name"));
    return;
  }
  require(s, {"volumeHandle"}, p);
  for (const char* f : {"controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef"}) {
    if (!s[f].is_object()) continue;
    const std::string_view name = s[f]["name"].str(), ns = s[f]["namespace"].str();
    if (name.empty())
      p.errors.required(p.at.at(f).at("name"));
    else
      add_invalid(p.at.at(f).at("name"), name, check_dns1123_subdomain(name), p.errors);
    if (ns.empty())
      p.errors.required(p.at.at(f).at("namespace"));
    else
      add_invalid(p.at.at(f).at("namespace"), ns, check_dns1123_label(ns), p.errors);
  }
}

void validate_glusterfs(Value s, const Place& p) {
  require(s, {"endpoints", "path"}, p);
  if (!p.persistent() || !s.has("endpointsNamespace")) return;
  const std::string_view ns = s["endpointsNamespace"].str();
  const Path at = p.at.at("endpointsNamespace");
  if (ns.empty())
    p.errors.invalid(at, ns, "if the endpointnamespace is set, it must be a valid namespace name");
  else
    add_invalid(at, ns, check_dns1123_label(ns), p.errors);
}

using Rule = void (*)(Value source, const Place& place);

struct SourceRule {
  std::string_view type;
  Rule rule;
};

constexpr SourceRule kRules[] = {
    {"hostPath", validate_host_path},
    {"gcePersistentDisk", [](Value s, const Place& p) {
       require(s, {"pdName"}, p);
       validate_range(s["partition"], 0, 255, 1, p.at.at("partition"), p.errors);
     }},
    {"awsElasticBlockStore", [](Value s, const Place& p) {
       require(s, {"volumeID"}, p);
       validate_range(s["partition"], 0, 255, 1, p.at.at("partition"), p.errors);
     }},
    {"glusterfs", validate_glusterfs},
    {"flocker", validate_flocker},
    {"nfs", [](Value s, const Place& p) {
       require(s, {"server", "path"}, p);
       if (s["path"].str().substr(0, 1) != "/") p.errors.invalid(p.at.at("path"), s["path"].str(), "must be an absolute path");
     }},
    {"rbd", [](Value s, const Place& p) { require(s, {"monitors", "image"}, p); }},
    {"quobyte", validate_quobyte},
    {"cephfs", [](Value s, const Place& p) { require(s, {"monitors"}, p); }},
    {"iscsi", validate_iscsi},
    {"cinder", [](Value s, const Place& p) {
       require(s, {"volumeID"}, p);
       validate_secret(s["secretRef"], p.persistent(), p.at.at("secretRef"), p.errors);
     }},
    {"fc", validate_fc},
    {"flexVolume", validate_flex},
    {"azureFile", [](Value s, const Place& p) {
       require(s, {"secretName", "shareName"}, p);
       if (s.has("secretNamespace") && s["secretNamespace"].str().empty()) p.errors.required(p.at.at("secretNamespace"));
     }},
    {"vsphereVolume", [](Value s, const Place& p) { require(s, {"volumePath"}, p); }},
    {"photonPersistentDisk", [](Value s, const Place& p) { require(s, {"pdID"}, p); }},
    {"portworxVolume", [](Value s, const Place& p) { require(s, {"volumeID"}, p); }},
    {"azureDisk", validate_azure_disk},
    {"scaleIO", [](Value s, const Place& p) { require(s, {"gateway", "system", "volumeName"}, p); }},
    {"local", [](Value s, const Place& p) {
       require(s, {"path"}, p);
       validate_no_backsteps(s["path"].str(), p.at.at("path"), p.errors);
     }},
    {"storageos", validate_storageos},
    {"csi", validate_csi},
};

}  // namespace

void validate_no_backsteps(std::string_view path, const Path& at, FieldErrors& errors) {
  for (std::string_view part : split(path, '/'))
    if (part == "..") return errors.invalid(at, path, "must not contain '..'");
}

void validate_driver_name(std::string_view name, const Path& at, FieldErrors& errors) {
  if (name.empty()) return errors.required(at);
  if (name.size() > 63) errors.too_long(at, 63);
  add_invalid(at, name, check_dns1123_subdomain(lower(std::string(name))), errors);
}

void validate_volume_source(std::string_view type, Value source, std::string_view owner, const Path& at, FieldErrors& errors) {
  for (const SourceRule& r : kRules)
    if (r.type == type) return r.rule(source, {type, owner, at, errors});
}

}  // namespace bramble
