// Warnings about pod specs: what is accepted but surely not meant (podutil.GetWarningsForPod and GetWarningsForPodTemplate).
#include <map>
#include <set>

#include "core/resources/address_warnings.h"
#include "core/resources/label_warnings.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/spec_warnings.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

using Warnings = std::vector<std::string>;

struct PlacedContainer {
  Value container;
  Path at;
};

std::vector<PlacedContainer> all_containers(Value spec, const Path& at) {
  std::vector<PlacedContainer> out;
  for (const char* list : {"initContainers", "containers", "ephemeralContainers"})
    for (size_t i = 0; i < spec[list].size(); ++i) out.push_back({spec[list].item(i), at.at(list).at(i)});
  return out;
}

void term_warnings(Value term, bool values_too, const Path& at, Warnings& out) {
  for (size_t i = 0; i < term["matchExpressions"].size(); ++i) {
    const Value e = term["matchExpressions"].item(i);
    const Path here = at.at("matchExpressions").at(i);
    const std::string_view key = e["key"].str();
    if (const std::string_view text = deprecated_label(key); !text.empty())
      out.push_back(cat(here.at("key").text(), ": ", key, " is ", text));
    if (!values_too) continue;
    for (size_t j = 0; j < e["values"].size(); ++j)
      for (const std::string& m : check_label_value(e["values"].item(j).str()))
        out.push_back(cat(here.at("values").at(j).text(), ": ", e["values"].item(j).str(), " is invalid, ", m));
  }
}

void placement_warnings(Value spec, const Path& at, Warnings& out) {
  for (auto [key, value] : spec["nodeSelector"].members())
    if (const std::string_view text = deprecated_label(key); !text.empty())
      out.push_back(cat(at.at("nodeSelector").key(key).text(), ": ", text));
  const Value node = spec["affinity"]["nodeAffinity"];
  const Path node_at = at.at("affinity").at("nodeAffinity");
  const char *required = "requiredDuringSchedulingIgnoredDuringExecution", *preferred = "preferredDuringSchedulingIgnoredDuringExecution";
  const Value terms = node[required]["nodeSelectorTerms"];
  for (size_t i = 0; i < terms.size(); ++i)
    term_warnings(terms.item(i), false, node_at.at(required).at("nodeSelectorTerms").at(i), out);
  for (size_t i = 0; i < node[preferred].size(); ++i)
    term_warnings(node[preferred].item(i)["preference"], true, node_at.at(preferred).at(i).at("preference"), out);
  for (size_t i = 0; i < spec["topologySpreadConstraints"].size(); ++i) {
    const Value spread = spec["topologySpreadConstraints"].item(i);
    const Path here = at.at("topologySpreadConstraints").at(i);
    const std::string_view key = spread["topologyKey"].str();
    if (const std::string_view text = deprecated_label(key); !text.empty())
      out.push_back(cat(here.at("topologyKey").text(), ": ", key, " is ", text));
    if (!spread["labelSelector"].is_object())
      out.push_back(cat(here.at("labelSelector").text(), ": a null labelSelector results in matching no pod"));
  }
}

void annotation_warnings(Value annotations, const Path& at, Warnings& out) {
  static constexpr std::pair<std::string_view, std::string_view> kDeprecated[] = {
      {"scheduler.alpha.kubernetes.io/critical-pod", "priorityClassName\" field instead"},
      {"security.alpha.kubernetes.io/sysctls", "sysctls\" field instead"},
      {"security.alpha.kubernetes.io/unsafe-sysctls", "sysctls\" field instead"}};
  for (const auto& [key, instead] : kDeprecated)
    if (annotations.has(key))
      out.push_back(cat(at.key(key).text(), ": non-functional in ", key.substr(0, 9) == "scheduler" ? "v1.16+" : "v1.11+", "; use the \"", instead));
}

// Paths of one volume, where they come from, and those before that they lie in or that lie in them.
class VolumePaths {
 public:
  VolumePaths(std::string_view volume, std::string about, Warnings& out) : volume_(volume), about_(std::move(about)), out_(out) {}
  void add(std::string_view path, std::string_view source) {
    while (!path.empty() && path.back() == '/') path.remove_suffix(1);
    const std::string mine = path.empty() ? "" : cat(path, "/");
    for (const auto& [other, from] : seen_) {
      if (mine.empty() || other.empty()) continue;
      if (other.substr(0, mine.size()) != mine && mine.substr(0, other.size()) != other) continue;
      out_.push_back(cat("volume ", go_quote(volume_), " (", about_, "): overlapping paths: ", text(mine, source), " with ", text(other, from)));
    }
    seen_.push_back({mine, std::string(source)});
  }
  void add_items(Value items, std::string_view source) {
    for (Value i : items.items()) add(i["path"].str(), source);
  }

 private:
  static std::string text(std::string_view path, std::string_view source) {
    const std::string quoted = go_quote(path.substr(0, path.size() - 1));
    return source.empty() ? quoted : cat(quoted, " (", source, ")");
  }
  std::string_view volume_;
  std::string about_;
  Warnings& out_;
  std::vector<std::pair<std::string, std::string>> seen_;
};

void projected_paths(Value volume, Warnings& out) {
  VolumePaths paths(volume["name"].str(), "Projected", out);
  for (Value s : volume["projected"]["sources"].items()) {
    if (s.size() == 0) {
      out.push_back(cat("volume ", go_quote(volume["name"].str()), " (Projected) has no sources provided"));
      continue;
    }
    if (s["configMap"]["items"].is_array())
      paths.add_items(s["configMap"]["items"], cat("ConfigMap ", go_quote(s["configMap"]["name"].str())));
    else if (s["secret"]["items"].is_array())
      paths.add_items(s["secret"]["items"], cat("Secret ", go_quote(s["secret"]["name"].str())));
    else if (s["downwardAPI"]["items"].is_array())
      paths.add_items(s["downwardAPI"]["items"], "DownwardAPI");
    else if (s["serviceAccountToken"].is_object())
      paths.add(s["serviceAccountToken"]["path"].str(), "ServiceAccountToken");
  }
}

void overlap_warnings(Value volumes, Warnings& out) {
  for (Value v : volumes.items()) {
    const std::string_view name = v["name"].str();
    VolumePaths(name, cat("ConfigMap ", go_quote(v["configMap"]["name"].str())), out).add_items(v["configMap"]["items"], "");
    VolumePaths(name, cat("Secret ", go_quote(v["secret"]["secretName"].str())), out).add_items(v["secret"]["items"], "");
    VolumePaths(name, "DownwardAPI", out).add_items(v["downwardAPI"]["items"], "");
    projected_paths(v, out);
  }
}

void volume_warnings(Value volumes, const Path& at, Warnings& out) {
  constexpr std::string_view kTo25 = "deprecated in v1.22, non-functional in v1.25+", kTo31 = "deprecated in v1.28, non-functional in v1.31+";
  struct Gone {
    const char *field, *shown;
    std::string_view text;
  };
  static constexpr Gone kBefore[] = {{"photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"},
                                     {"gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"},
                                     {"scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
                                     {"flocker", "flocker", kTo25},
                                     {"storageos", "storageOS", kTo25},
                                     {"quobyte", "quobyte", kTo25},
                                     {"glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"}};
  static constexpr Gone kAfter[] = {{"cephfs", "cephfs", kTo31}, {"rbd", "rbd", kTo31}};
  for (size_t i = 0; i < volumes.size(); ++i) {
    const Value v = volumes.item(i);
    const Path here = at.at(i);
    for (const Gone& g : kBefore)
      if (v.has(g.field)) out.push_back(cat(here.at(g.shown).text(), ": ", g.text));
    claim_spec_warnings(v["ephemeral"]["volumeClaimTemplate"]["spec"], here.at("ephemeral").at("volumeClaimTemplate").at("spec"), out);
    for (const Gone& g : kAfter)
      if (v.has(g.field)) out.push_back(cat(here.at(g.shown).text(), ": ", g.text));
  }
  overlap_warnings(volumes, out);
}

// Addresses and secrets named twice.
void list_warnings(Value spec, const Path& at, Warnings& out) {
  std::set<std::string, std::less<>> ips, secrets;
  for (size_t i = 0; i < spec["hostAliases"].size(); ++i)
    if (const std::string_view ip = spec["hostAliases"].item(i)["ip"].str(); !ips.insert(std::string(ip)).second)
      out.push_back(cat(at.at("hostAliases").at(i).at("ip").text(), ": duplicate ip ", go_quote(ip)));
  const Value pull = spec["imagePullSecrets"];
  for (size_t i = 0; i < pull.size(); ++i)
    if (const std::string_view name = pull.item(i)["name"].str(); !secrets.insert(std::string(name)).second)
      out.push_back(cat(at.at("imagePullSecrets").at(i).at("name").text(), ": duplicate name ", go_quote(name)));
  for (size_t i = 0; i < pull.size(); ++i)
    if (pull.item(i)["name"].str().empty()) out.push_back(cat(at.at("imagePullSecrets").at(i).at("name").text(), ": invalid empty name \"\""));
}

void env_warnings(Value env, const Path& at, Warnings& out) {
  std::set<std::string, std::less<>> names;
  for (size_t i = 0; i < env.size(); ++i) {
    const std::string_view name = env.item(i)["name"].str(), value = env.item(i)["value"].str();
    if (names.insert(std::string(name)).second) continue;
    // A later value that uses the former one is meant.
    const std::string reference = cat("$(", name, ")");
    if (env.item(i).has("valueFrom") || value == reference || value.find(reference) == std::string_view::npos)
      out.push_back(cat(at.at(i).text(), ": hides previous definition of ", go_quote(name), ", which may be dropped when using apply"));
  }
}

// The AppArmor profile that an annotation stands for, as the field would have it.
std::pair<std::string_view, std::string_view> apparmor_of(std::string_view annotation) {
  if (annotation == "unconfined") return {"Unconfined", ""};
  if (annotation == "runtime/default") return {"RuntimeDefault", ""};
  if (annotation.substr(0, 10) == "localhost/" && annotation.size() > 10) return {"Localhost", annotation.substr(10)};
  return {"", ""};
}

void profile_warnings(Value spec, Value container, Value annotations, bool is_template, const Path& at, Warnings& out) {
  const std::string name = container["name"].text();
  const std::string seccomp = cat("container.seccomp.security.alpha.kubernetes.io/", name),
                    apparmor = cat("container.apparmor.security.beta.kubernetes.io/", name);
  if (!container["securityContext"]["seccompProfile"].exists() && annotations.has(seccomp))
    out.push_back(cat(at.key(seccomp).text(), ": non-functional in v1.27+; use the \"seccompProfile\" field instead"));
  if (!is_template || container["securityContext"]["appArmorProfile"].exists() || !annotations.has(apparmor)) return;
  const Value of_pod = spec["securityContext"]["appArmorProfile"];
  const auto [type, file] = apparmor_of(annotations[apparmor].str());
  if (!of_pod.is_object() || type.empty() || of_pod["type"].str() != type || of_pod["localhostProfile"].str() != file)
    out.push_back(cat(at.key(apparmor).text(), ": deprecated since v1.30; use the \"appArmorProfile\" field instead"));
}

void amount_warnings(Value resources, const Path& at, Warnings& out) {
  for (const char* resource : {"memory", "ephemeral-storage"})
    for (const char* list : {"limits", "requests"}) fraction_warning(resources[list], resource, at.at(list), out);
}

// As Go prints the struct.
std::string go_port(Value p) {
  return cat("{Name:", p["name"].str(), " HostPort:", p["hostPort"].integer(), " ContainerPort:", p["containerPort"].integer(),
             " Protocol:", p["protocol"].str(), " HostIP:", p["hostIP"].str(), "}");
}

void port_warnings(const std::vector<PlacedContainer>& containers, Warnings& out) {
  struct Seen {
    std::string at;
    std::string_view host_ip;
    int64_t host_port;
  };
  std::map<std::string, std::vector<Seen>> ports;
  std::map<std::string, std::string, std::less<>> names;
  for (const auto& [c, at] : containers)
    for (size_t i = 0; i < c["ports"].size(); ++i) {
      const Value p = c["ports"].item(i);
      const std::string here = at.at("ports").at(i).text();
      const Seen mine{here, p["hostIP"].str(), p["hostPort"].integer()};
      if (!mine.host_ip.empty() && mine.host_port == 0) out.push_back(cat(here, ": hostIP set without hostPort: ", go_port(p)));
      std::vector<Seen>& others = ports[cat(p["containerPort"].integer(), "/", p["protocol"].str())];
      for (const Seen& o : others) {
        if (mine.host_ip == o.host_ip && mine.host_port == o.host_port)
          out.push_back(cat(here, ": duplicate port definition with ", o.at));
        else if (mine.host_port == 0 || o.host_port == 0)
          out.push_back(cat(here, ": overlapping port definition with ", o.at));
        else if (mine.host_port == o.host_port && mine.host_ip.empty() != o.host_ip.empty())
          out.push_back(cat(here, ": dangerously ambiguous port definition with ", o.at));
      }
      others.push_back(mine);
    }
  for (const auto& [c, at] : containers)
    for (size_t i = 0; i < c["ports"].size(); ++i) {
      const std::string_view name = c["ports"].item(i)["name"].str();
      if (name.empty()) continue;
      const auto [first, fresh] = names.emplace(std::string(name), at.at("ports").at(i).text());
      if (!fresh)
        out.push_back(cat(at.at("ports").at(i).text(), ": duplicate port name ", go_quote(name), " with ", first->second,
                          ", services and probes that select ports by name will use ", first->second));
    }
}

void affinity_warnings(Value affinity, const Path& at, Warnings& out) {
  for (const char* sort : {"podAffinity", "podAntiAffinity"}) {
    const char *required = "requiredDuringSchedulingIgnoredDuringExecution", *preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    auto check = [&](Value term, const Path& here) {
      if (!term["labelSelector"].is_object())
        out.push_back(cat(here.at("labelSelector").text(), ": a null labelSelector results in matching no pod"));
    };
    for (size_t i = 0; i < affinity[sort][required].size(); ++i) check(affinity[sort][required].item(i), at.at(sort).at(required).at(i));
    for (size_t i = 0; i < affinity[sort][preferred].size(); ++i)
      check(affinity[sort][preferred].item(i)["podAffinityTerm"], at.at(sort).at(preferred).at(i).at("podAffinityTerm"));
  }
}

}  // namespace

void pod_spec_warnings(Value spec, Value metadata, const Path& at, bool is_template, Warnings& out) {
  // The metadata stands beside the spec.
  const std::string_view before = std::string_view(at.text()).substr(0, at.text().size() - std::string_view("spec").size());
  const Path notes_at = Path(cat(before, "metadata")).at("annotations");
  const Value annotations = metadata["annotations"];
  const std::vector<PlacedContainer> containers = all_containers(spec, at);
  placement_warnings(spec, at, out);
  annotation_warnings(annotations, notes_at, out);
  volume_warnings(spec["volumes"], at.at("volumes"), out);
  list_warnings(spec, at, out);
  for (const char* resource : {"memory", "ephemeral-storage"}) fraction_warning(spec["overhead"], resource, at.at("overhead"), out);
  constexpr std::string_view kSeccomp = "seccomp.security.alpha.kubernetes.io/pod";
  if (!spec["securityContext"]["seccompProfile"].exists() && annotations.has(kSeccomp))
    out.push_back(cat(notes_at.key(kSeccomp).text(), ": non-functional in v1.27+; use the \"seccompProfile\" field instead"));
  for (const auto& [c, here] : containers) {
    profile_warnings(spec, c, annotations, is_template, notes_at, out);
    amount_warnings(c["resources"], here.at("resources"), out);
    env_warnings(c["env"], here.at("env"), out);
  }
  port_warnings(containers, out);
  if (spec["terminationGracePeriodSeconds"].integer(0) < 0)
    out.push_back(cat(at.at("terminationGracePeriodSeconds").text(), ": must be >= 0; negative values are invalid and will be treated as 1"));
  affinity_warnings(spec["affinity"], at.at("affinity"), out);
  const Value servers = spec["dnsConfig"]["nameservers"], aliases = spec["hostAliases"];
  for (size_t i = 0; i < servers.size(); ++i) address_warnings(servers.item(i).str(), at.at("dnsConfig").at("nameservers").at(i), out);
  for (size_t i = 0; i < aliases.size(); ++i) address_warnings(aliases.item(i)["ip"].str(), at.at("hostAliases").at(i).at("ip"), out);
}

}  // namespace bramble
