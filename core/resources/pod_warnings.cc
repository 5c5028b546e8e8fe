// Warnings about pod specs: what is accepted but surely not meant (pod.GetWarningsForPod).
#include <map>
#include <set>

#include "core/resources/pod_spec.h"

namespace bramble {
namespace {

// What to write instead of a label that is going away; empty for all others.
std::string_view deprecated_label(std::string_view key) {
  static constexpr std::pair<std::string_view, std::string_view> kDeprecated[] = {
      {"beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"},
      {"beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"},
      {"failure-domain.beta.kubernetes.io/region",
       "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"},
      {"failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"},
      {"beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"}};
  for (const auto& [label, text] : kDeprecated)
    if (label == key) return text;
  return {};
}

void label_warnings(Value labels, const Path& at, std::vector<std::string>& out) {
  for (auto [key, value] : labels.members())
    if (const std::string_view text = deprecated_label(key); !text.empty())
      out.push_back(cat(at.key(key).text(), ": ", text));
}

void term_warnings(Value term, const Path& at, std::vector<std::string>& out) {
  for (size_t i = 0; i < term["matchExpressions"].size(); ++i) {
    const std::string_view key = term["matchExpressions"].item(i)["key"].str();
    if (const std::string_view text = deprecated_label(key); !text.empty())
      out.push_back(cat(at.at("matchExpressions").at(i).at("key").text(), ": ", key, " is ", text));
  }
}

void env_warnings(Value env, const Path& at, std::vector<std::string>& out) {
  std::set<std::string, std::less<>> names;
  for (size_t i = 0; i < env.size(); ++i) {
    const std::string_view name = env.item(i)["name"].str();
    if (names.insert(std::string(name)).second) continue;
    // A later value that uses the former one is meant.
    if (env.item(i)["value"].str().find(cat("$(", name, ")")) != std::string_view::npos) continue;
    out.push_back(cat(at.at(i).text(), ": hides previous definition of ", go_quote(name),
                      ", which may be dropped when using apply"));
  }
}

void port_warnings(Value spec, const Path& at, std::vector<std::string>& out) {
  for (size_t i = 0; i < spec["containers"].size(); ++i) {
    const Value ports = spec["containers"].item(i)["ports"];
    std::map<std::string, std::string> seen;  // port -> where it was first
    for (size_t j = 0; j < ports.size(); ++j) {
      const Value p = ports.item(j);
      const std::string key = cat(p["protocol"].str("TCP"), "/", p["containerPort"].integer(), "/", p["hostIP"].str(),
                                  "/", p["hostPort"].integer());
      const Path here = at.at("containers").at(i).at("ports").at(j);
      const auto [first, fresh] = seen.emplace(key, here.text());
      if (!fresh) out.push_back(cat(here.text(), ": duplicate port definition with ", first->second));
    }
  }
}

void empty_reference_warnings(Value spec, const Path& at, std::vector<std::string>& out) {
  for (size_t i = 0; i < spec["imagePullSecrets"].size(); ++i)
    if (spec["imagePullSecrets"].item(i)["name"].str().empty())
      out.push_back(cat(at.at("imagePullSecrets").at(i).text(), ": invalid empty name \"\""));
  std::set<std::string, std::less<>> secrets;
  for (size_t i = 0; i < spec["imagePullSecrets"].size(); ++i) {
    const std::string_view name = spec["imagePullSecrets"].item(i)["name"].str();
    if (!name.empty() && !secrets.insert(std::string(name)).second)
      out.push_back(cat(at.at("imagePullSecrets").at(i).text(), ": duplicate name ", go_quote(name)));
  }
}

void volume_warnings(Value spec, const Path& at, std::vector<std::string>& out) {
  static constexpr std::pair<const char*, const char*> kDeprecated[] = {
      {"gitRepo", "gitRepo volumes are deprecated and disabled by default"},
      {"glusterfs", "glusterfs volumes are no longer supported"},
      {"rbd", "rbd volumes are no longer supported"},
      {"cephfs", "cephfs volumes are no longer supported"},
      {"storageos", "storageos volumes are no longer supported"},
      {"flocker", "flocker volumes are no longer supported"},
      {"photonPersistentDisk", "photonPersistentDisk volumes are no longer supported"},
      {"quobyte", "quobyte volumes are no longer supported"},
      {"scaleIO", "scaleIO volumes are no longer supported"}};
  for (size_t i = 0; i < spec["volumes"].size(); ++i)
    for (const auto& [field, text] : kDeprecated)
      if (spec["volumes"].item(i).has(field)) {
        const bool old_text = std::string_view(field) == "gitRepo";
        out.push_back(cat(at.at("volumes").at(i).at(field).text(), ": ",
                          old_text ? "deprecated in v1.11, and disabled by default in v1.33+" : text));
      }
}

void container_warnings(Value spec, const Path& at, std::vector<std::string>& out) {
  for (const char* list : {"initContainers", "containers", "ephemeralContainers"})
    for (size_t i = 0; i < spec[list].size(); ++i) {
      const Value c = spec[list].item(i);
      const Path here = at.at(list).at(i);
      for (const char* kind : {"limits", "requests"}) {
        // A thousandth of a byte is never meant.
        for (const char* resource : {"memory", "ephemeral-storage"}) {
          const std::string_view amount = c["resources"][kind][resource].str();
          if (!amount.empty() && amount.back() == 'm')
            out.push_back(cat(here.at("resources").at(kind).key(resource).text(), ": fractional byte value ",
                              go_quote(amount), " is invalid, must be an integer"));
        }
      }
      env_warnings(c["env"], here.at("env"), out);
    }
}

}  // namespace

void pod_spec_warnings(Value spec, Value metadata, const Path& at, bool is_template, std::vector<std::string>& out) {
  (void)metadata;
  (void)is_template;
  label_warnings(spec["nodeSelector"], at.at("nodeSelector"), out);
  const Value node = spec["affinity"]["nodeAffinity"];
  const Path node_at = at.at("affinity").at("nodeAffinity");
  const Value terms = node["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
  for (size_t i = 0; i < terms.size(); ++i)
    term_warnings(terms.item(i),
                  node_at.at("requiredDuringSchedulingIgnoredDuringExecution").at("nodeSelectorTerms").at(i), out);
  const Value preferred = node["preferredDuringSchedulingIgnoredDuringExecution"];
  for (size_t i = 0; i < preferred.size(); ++i)
    term_warnings(preferred.item(i)["preference"],
                  node_at.at("preferredDuringSchedulingIgnoredDuringExecution").at(i).at("preference"), out);
  std::set<std::string, std::less<>> ips;
  volume_warnings(spec, at, out);
  for (size_t i = 0; i < spec["hostAliases"].size(); ++i) {
    const std::string_view ip = spec["hostAliases"].item(i)["ip"].str();
    if (!ips.insert(std::string(ip)).second)
      out.push_back(cat(at.at("hostAliases").at(i).at("ip").text(), ": duplicate ip ", go_quote(ip)));
  }
  empty_reference_warnings(spec, at, out);
  container_warnings(spec, at, out);
  port_warnings(spec, at, out);
  const int64_t grace = spec["terminationGracePeriodSeconds"].integer(30);
  if (grace < 0)
    out.push_back(cat(at.at("terminationGracePeriodSeconds").text(),
                      ": must be >= 0; negative values are invalid and will be treated as 1"));
}

}  // namespace bramble
