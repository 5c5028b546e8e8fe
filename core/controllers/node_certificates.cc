// Node certificates: approves what nodes ask for, and nothing else. A kubelet's client certificate as upstream's approver does,
// for whom RBAC lets "create certificatesigningrequests/nodeclient" or, for one's own name, "/selfnodeclient"; but only with the key
// that the name belongs to (core/resources/node_key.h): the first key keeps it, another is denied with the reason. A node's
// serving certificate, for its own name and addresses that are not somebody else's. And a node's parts: certificates of
// system:kube-proxy, of the cluster DNS and of system:bramble-controller (network policies), for whoever is a node already.
// Watches: certificatesigningrequests, nodes, clusterrolebindings. Writes: their approval, node key Secrets of kube-system.
// Never: signs (csr_signing.cc). Upstream: pkg/controller/certificates/approver.
#include <algorithm>

#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/csr_rules.h"
#include "core/controllers/object_writes.h"
#include "core/resources/node_key.h"

namespace bramble {

namespace {

using resource_ids::kNodes;
using resource_ids::kSecrets;

const ResourceId kClusterRoleBindings{"rbac.authorization.k8s.io", "v1", "clusterrolebindings"};

constexpr const char* kDnsUser = "system:serviceaccount:kube-system:kube-dns";

Document with_decision(const Document& request, const char* type, const char* reason, std::string_view message) {
  Builder b(request.root());
  Mut c = b.root().object("status").array("conditions").append_object();
  c.set("type", type);
  c.set("status", "True");
  c.set("reason", reason);
  c.set("message", message);
  return b.finish();
}

Write approval(const Document& request, std::string_view message) {
  return update_write(kCertificateRequests, with_decision(request, "Approved", "AutoApproved", message), "approval");
}

Write denial(const Document& request, const char* reason, std::string_view message) {
  return update_write(kCertificateRequests, with_decision(request, "Denied", reason, message), "approval");
}

// Another writer of the same name's key must not be overlooked: then the plan fails and begins anew.
Write key_write(const NodeKey& key, const Document& there) {
  Document secret = node_key_secret(key, there);
  Write w = there ? update_write(kSecrets, std::move(secret)) : create_write(kSecrets, std::move(secret));
  w.tolerate.clear();
  return w;
}

std::string node_of(const Identity& asker) {
  bool node = std::find(asker.groups.begin(), asker.groups.end(), "system:nodes") != asker.groups.end();
  return node && asker.user.starts_with(kNodeUserPrefix) ? asker.user.substr(kNodeUserPrefix.size()) : std::string();
}

// A name's key is kept by the first machine; whoever speaks as the node already may change it.
Plan decide_on_client(const Snapshot& snapshot, const Document& request, const AskedCertificate& asked, const Identity& asker, const MayFn& may) {
  Plan plan;
  if (!kubelet_client_fault(asked).empty()) return plan;
  const bool self = asker.user == asked.subject.common_name && may(asker, "selfnodeclient");
  if (!self && !may(asker, "nodeclient")) return plan;
  NodeKey wanted{asked.subject.common_name.substr(kNodeUserPrefix.size()), asked.key_sha256_hex, ""};
  const std::string secret_name = node_key_name(wanted.node);
  if (secret_name.empty()) {
    plan.writes.push_back(denial(request, "NodeNameTooLong", cat("node name ", wanted.node, " is empty or too long")));
    return plan;
  }
  if (snapshot.may_be_lost(kSecrets, kNodeKeyNamespace, secret_name)) {
    plan.requeue_after_ms = limits::kJoinDoubtMs;  // the name's key may have been lost: nobody new is let in by that
    return plan;
  }
  Document there = snapshot.get(kSecrets, kNodeKeyNamespace, secret_name);
  auto known = node_key_of(there);
  if (known && !known->key.empty() && known->key != wanted.key && !self) {
    if (known->refused != wanted.key) {
      NodeKey refused = *known;
      refused.refused = wanted.key;
      plan.writes.push_back(key_write(refused, there));
    }
    plan.writes.push_back(denial(request, "NodeNameTaken",
                                 cat("the node name ", wanted.node, " belongs to another machine (this one's key is ", wanted.key.substr(0, 16),
                                     "): take another with --node-name, or, if this machine takes its place, run on a server: bramble node approve ", wanted.node)));
    return plan;
  }
  if (!known || known->key != wanted.key) plan.writes.push_back(key_write(wanted, there));
  plan.writes.push_back(approval(request, self ? "Auto approving self kubelet client certificate after SubjectAccessReview."
                                               : "Auto approving kubelet client certificate after SubjectAccessReview."));
  return plan;
}

bool has_address(const Document& node, std::string_view address) {
  for (Value a : node["status"]["addresses"].items())
    if (a["address"].str() == address) return true;
  return false;
}

enum class Verdict { kGood, kNotYet, kNever };

// A server's certificate proves who answers under a name or address: it must be the node's own.
Verdict judge_names(const Snapshot& snapshot, const CertificateSubject& s, const std::string& name, const std::vector<std::string>& servers) {
  Document node = snapshot.get(kNodes, "", name);
  auto is_servers = [&](const std::string& n) { return std::find(servers.begin(), servers.end(), n) != servers.end(); };
  bool reported = true;
  for (const std::string& dns : s.dns_names) {
    const bool services = dns.ends_with(".svc") || dns.find(".svc.") != std::string::npos;
    if (dns != name || is_servers(dns) || services) return Verdict::kNever;
  }
  for (const std::string& ip : s.ip_addresses) {
    if (is_servers(ip) || ip.starts_with("127.") || ip == "::1" || ip == "0.0.0.0" || ip == "::") return Verdict::kNever;
    bool others = false;
    snapshot.each(kNodes, "", [&](const Document& other) {
      others = name_of(other) != name && has_address(other, ip);
      return !others;
    });
    if (others) return Verdict::kNever;
    // A node that is there has told its addresses; one that joins makes its Node afterwards.
    if (node && !has_address(node, ip)) reported = false;
  }
  return reported ? Verdict::kGood : Verdict::kNotYet;
}

Plan decide_on_serving(const Snapshot& snapshot, const Document& request, const AskedCertificate& asked, const Identity& asker, const std::vector<std::string>& servers) {
  Plan plan;
  const std::string node = node_of(asker);
  if (node.empty() || !kubelet_serving_fault(asked).empty() || asked.subject.common_name != asker.user) return plan;
  Verdict verdict = judge_names(snapshot, asked.subject, node, servers);
  if (verdict == Verdict::kGood) plan.writes.push_back(approval(request, "Auto approving kubelet serving certificate: its names and addresses are the node's."));
  if (verdict == Verdict::kNever) {
    plan.writes.push_back(denial(request, "NotTheNodesAddress", cat("a serving certificate of node ", node, " may have its own name and addresses only, and none of the server's, of another node's or of loopback")));
  }
  return plan;
}

Plan decide_on_part(const Document& request, const AskedCertificate& asked, const Identity& asker) {
  Plan plan;
  const CertificateSubject& s = asked.subject;
  if (node_of(asker).empty() || !api_client_fault(asked).empty()) return plan;
  if (!s.dns_names.empty() || !s.ip_addresses.empty() || s.other_names) return plan;
  std::vector<std::string> groups = s.organizations;
  std::sort(groups.begin(), groups.end());
  const bool proxy = s.common_name == "system:kube-proxy" && groups.empty();
  const bool dns = s.common_name == kDnsUser && groups == std::vector<std::string>{"system:serviceaccounts", "system:serviceaccounts:kube-system"};
  const bool controller = s.common_name == "system:bramble-controller" && groups.empty();
  if (proxy || dns || controller) plan.writes.push_back(approval(request, cat("Auto approving ", s.common_name, " certificate of a node.")));
  return plan;
}

Plan decide(const Snapshot& snapshot, const ObjectKey& key, const NodeCertificateOptions& options) {
  Document request = snapshot.get(kCertificateRequests, "", key.name);
  if (!request || state_of(request) != CsrState::kPending || !request["status"]["certificate"].str().empty()) return {};
  std::string_view signer = request["spec"]["signerName"].str();
  if (signer != kKubeletClientSigner && signer != kKubeletServingSigner && signer != kApiClientSigner) return {};
  auto asked = asked_of(request);
  if (!asked) return {};
  Identity asker = asker_of(request);
  if (signer == kKubeletClientSigner) return decide_on_client(snapshot, request, *asked, asker, options.may);
  if (signer == kKubeletServingSigner) return decide_on_serving(snapshot, request, *asked, asker, options.server_names);
  return decide_on_part(request, *asked, asker);
}

bool is_pending(const Document& request) { return state_of(request) == CsrState::kPending; }

void keys(const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  if (change.resource == kCertificateRequests) {
    if (change.after && is_pending(change.after)) sink(key_of(change.after));
    return;
  }
  // Who may be approved is told by RBAC, which at the first start comes after the first who ask.
  if (change.resource == kClusterRoleBindings) {
    if (change.after && change.before) return;
    snapshot.each(kCertificateRequests, "", [&](const Document& request) {
      if (is_pending(request) && request["spec"]["signerName"].str() == kKubeletClientSigner) sink(key_of(request));
      return true;
    });
    return;
  }
  // A node tells new addresses: its request for a serving certificate may wait for that.
  if (!change.after || (change.before && equal(change.before["status"]["addresses"], change.after["status"]["addresses"]))) return;
  const std::string user = cat(kNodeUserPrefix, name_of(change.after));
  snapshot.each(kCertificateRequests, "", [&](const Document& request) {
    if (is_pending(request) && request["spec"]["username"].str() == user) sink(key_of(request));
    return true;
  });
}

}  // namespace

Controller node_certificates_controller(NodeCertificateOptions options) {
  auto reconcile = [o = std::move(options)](const Snapshot& snapshot, const ObjectKey& key, const Moment&) { return decide(snapshot, key, o); };
  return {"node-certificates", "node-certificates-controller", "node-certificates", {kCertificateRequests, kNodes, kClusterRoleBindings}, {}, keys, reconcile, {}};
}

}  // namespace bramble
