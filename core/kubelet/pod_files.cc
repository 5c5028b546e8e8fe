#include "core/kubelet/pod_files.h"

#include <algorithm>

#include "core/resources/pod_view.h"

namespace bramble {

namespace {

// What resolvers take. (Kubernetes: "DNS for Services and Pods", limits.)
constexpr size_t kServersMax = 3, kSearchesMax = 32, kSearchCharactersMax = 2048, kSearchNameMax = 253, kKernelNameMax = 64;

std::vector<std::string> searches_that_fit(std::vector<std::string> searches, std::vector<std::string>& warnings) {
  bool cut = searches.size() > kSearchesMax;
  if (cut) searches.resize(kSearchesMax);
  cut = std::erase_if(searches, [](const std::string& s) { return s.size() > kSearchNameMax; }) > 0 || cut;  // at which some resolvers abort
  while (join(searches, " ").size() > kSearchCharactersMax) {
    searches.pop_back();
    cut = true;
  }
  if (cut) warnings.push_back(cat("Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ", join(searches, " ")));
  return searches;
}

std::vector<std::string> servers_that_fit(std::vector<std::string> servers, std::vector<std::string>& warnings) {
  if (servers.size() <= kServersMax) return servers;
  servers.resize(kServersMax);
  warnings.push_back(cat("Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ", join(servers, " ")));
  return servers;
}

}  // namespace

std::string pod_hostname(Value pod) {
  if (std::string_view given = pod["spec"]["hostnameOverride"].str(); !given.empty()) return std::string(given);
  std::string name = pod["spec"]["hostname"].text();
  if (name.empty()) name = meta(pod, "name");
  if (name.size() > 63) name.resize(63);
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name;
}

std::string pod_fqdn(Value pod, const std::string& domain) {
  std::string_view subdomain = pod["spec"]["subdomain"].str();
  if (subdomain.empty() || !pod["spec"]["hostnameOverride"].str().empty()) return {};
  return cat(pod_hostname(pod), ".", subdomain, ".", meta(pod, "namespace"), ".svc.", domain);
}

Result<std::string> pod_kernel_name(Value pod, const std::string& domain, const std::string& node_name) {
  if (pod["spec"]["hostNetwork"].boolean()) return node_name;
  std::string fqdn = pod["spec"]["setHostnameAsFQDN"].boolean() ? pod_fqdn(pod, domain) : std::string();
  if (fqdn.empty()) return pod_hostname(pod);
  if (fqdn.size() <= kKernelNameMax) return fqdn;
  return Error(Code::kInvalidArgument, cat("failed to construct FQDN from pod hostname and cluster domain, FQDN ", fqdn, " is too long (", kKernelNameMax, " characters is the max, ", fqdn.size(),
                                           " characters requested)"));
}

std::string hosts_text(Value pod, const std::vector<std::string>& pod_ips, const std::string& domain, const std::string& node_hosts) {
  std::string out;
  if (pod["spec"]["hostNetwork"].boolean()) {
    out = cat("# Kubernetes-managed hosts file (host network).\n", node_hosts);
  } else {
    out =
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";
    std::string host = pod_hostname(pod), fqdn = pod_fqdn(pod, domain);
    for (const auto& ip : pod_ips) out += fqdn.empty() ? cat(ip, "\t", host, "\n") : cat(ip, "\t", fqdn, "\t", host, "\n");
  }
  Value aliases = pod["spec"]["hostAliases"];
  if (aliases.size() > 0) {
    out += "\n# Entries added by HostAliases.\n";
    for (Value a : aliases.items()) {
      out += a["ip"].text();
      for (Value h : a["hostnames"].items()) out += cat("\t", h.str());
      out += "\n";
    }
  }
  return out;
}

ResolvConf resolv_conf(Value pod, const std::string& cluster_dns, const std::string& domain, const std::string& node_text) {
  std::vector<std::string> servers, searches, options;
  auto read_node = [&](bool with_servers) {
    for (auto line : split(node_text, '\n')) {
      std::vector<std::string_view> words;
      std::string clean(line.substr(0, line.find_first_of("#;")));
      std::replace(clean.begin(), clean.end(), '\t', ' ');
      for (auto w : split(clean, ' '))
        if (!w.empty()) words.push_back(w);
      if (words.size() < 2) continue;
      if (words[0] == "nameserver" && with_servers) servers.emplace_back(words[1]);
      if (words[0] == "search") searches.clear();
      for (size_t i = 1; i < words.size(); ++i) {
        if (words[0] == "search" && words[i] != ".") searches.emplace_back(words[i]);
        if (words[0] == "options" && with_servers) options.emplace_back(words[i]);
      }
    }
  };
  std::string_view policy = pod["spec"]["dnsPolicy"].str("ClusterFirst");
  bool host_network = pod["spec"]["hostNetwork"].boolean();
  if (policy == "ClusterFirst" && host_network) policy = "Default";
  if (policy == "ClusterFirst" || policy == "ClusterFirstWithHostNet") {
    read_node(false);
    std::string_view ns = meta(pod, "namespace");
    std::vector<std::string> cluster = {cat(ns, ".svc.", domain), cat("svc.", domain), domain};
    cluster.insert(cluster.end(), searches.begin(), searches.end());
    searches = std::move(cluster);
    servers = {cluster_dns};
    options = {"ndots:5"};
  } else if (policy == "Default") {
    read_node(true);
  }
  Value config = pod["spec"]["dnsConfig"];
  for (Value v : config["nameservers"].items()) servers.push_back(v.text());
  for (Value v : config["searches"].items()) searches.push_back(v.text());
  for (Value o : config["options"].items()) {
    std::string name = o["name"].text();
    std::erase_if(options, [&](const std::string& have) { return have == name || have.starts_with(name + ":"); });
    options.push_back(o["value"].str().empty() ? name : cat(name, ":", o["value"].str()));
  }
  auto once = [](std::vector<std::string>& list) {
    std::vector<std::string> out;
    for (auto& item : list)
      if (std::find(out.begin(), out.end(), item) == out.end()) out.push_back(std::move(item));
    list = std::move(out);
  };
  once(servers);
  once(searches);
  ResolvConf out;
  servers = servers_that_fit(std::move(servers), out.warnings);
  searches = searches_that_fit(std::move(searches), out.warnings);
  if (!searches.empty()) out.text += cat("search ", join(searches, " "), "\n");
  for (const auto& s : servers) out.text += cat("nameserver ", s, "\n");
  if (!options.empty()) out.text += cat("options ", join(options, " "), "\n");
  return out;
}

}  // namespace bramble
