#include "provision/join/join.h"

#include <algorithm>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/crypto/hash.h"
#include "core/crypto/issuing_time.h"
#include "provision/join/server_link.h"

namespace bramble {
namespace {

constexpr uint16_t kDefaultPort = 6443;
constexpr std::string_view kAuthorityPath = "/cacerts", kClientAuthorityPath = "/v1-bramble/client-ca.crt";
constexpr const char* kKubeletSigner = "kubernetes.io/kube-apiserver-client-kubelet";
constexpr const char* kServingSigner = "kubernetes.io/kubelet-serving";
constexpr const char* kClientSigner = "kubernetes.io/kube-apiserver-client";

Result<Url> server_of(const std::string& text) {
  auto wrong = [&](std::string_view why) { return Error(Code::kInvalidArgument, cat("--server ", go_quote(text), ": ", why, "; it is like https://HOST:6443")); };
  if (text.empty()) return wrong("is empty");
  auto url = parse_url(text);
  if (!url.ok()) return wrong(url.error().message());
  if (url->scheme != "https") return wrong("must begin with https://");
  if ((!url->path.empty() && url->path != "/") || !url->query.empty()) return wrong("must have no path");
  if (url->port == 0) url->port = kDefaultPort;
  url->path.clear();
  return std::move(*url);
}

// What an attempt knows.
struct Attempt {
  JoinOptions options;
  Url url;
  std::string machine_clock;
  std::string server_ca_pem;
};

ServerLink::Options link_options(const Attempt& a, std::shared_ptr<TlsClientContext> tls, std::string bearer) {
  ServerLink::Options out;
  out.url = a.url;
  out.tls = std::move(tls);
  out.bearer = std::move(bearer);
  out.resolv_conf = a.options.resolv_conf;
  out.machine_clock = a.machine_clock;
  return out;
}

Result<std::shared_ptr<TlsClientContext>> tls_under(const std::string& ca_pem, const CertifiedKey* own) {
  TlsClientContext::Options options;
  options.roots_pem = ca_pem;
  options.verify = !ca_pem.empty();
  options.alpn = {"http/1.1"};
  if (own) options.certificate_pem = own->certificate_pem, options.key_pem = own->key_pem;
  return TlsClientContext::create(std::move(options));
}

// What was trusted at a first attempt by a short token is not given up for another.
Status check_authority(const Attempt& a, const JoinToken& token, const std::string& pem) {
  auto info = parse_certificate(pem);
  std::string where = a.url.authority();
  if (!info.ok() || !info->is_ca) return Error(Code::kInvalidArgument, cat(where, ": what it gives as its authority is no certificate of one: it is no bramble server; check the address and port of --server"));
  std::string hash = sha256_hex(pem);
  if (!token.ca_sha256_hex.empty()) {
    if (constant_time_equal(hash, token.ca_sha256_hex)) return ok();
    return Error(Code::kUnauthenticated,
                 cat(where, ": its authority has the hash ", hash, ", the token expects ", token.ca_sha256_hex,
                     ": the token is of another cluster, or somebody in between answers in the server's place. Nothing was sent; compare with the token of the server"));
  }
  std::string path = a.options.data_dir + "/agent/server-ca.crt";
  auto known = read_file(path);
  if (known.ok() && *known != pem) {
    return Error(Code::kUnauthenticated, cat(where, ": its authority is another than the one in ", path, ", which was trusted before; if the cluster was made anew, remove that file"));
  }
  if (!known.ok()) {
    log_warning("join: the token has no hash of the cluster's authority (K10...): ", where, " is trusted as it answers now, with the authority ", hash,
                "; take the full token where others may answer in its place");
  }
  return ok();
}

// The key on disk, or a new one, which is on disk before anybody is asked to certify it.
Result<std::string> own_key(const std::string& data_dir, std::string_view name) {
  std::string path = agent_key_path(data_dir, name);
  auto there = read_file(path);
  if (there.ok() && PrivateKey::from_pem(*there).ok()) return there;
  TRY_ASSIGN(PrivateKey key, PrivateKey::generate_p256());
  TRY(make_folders(folder_of(path), 0700));
  TRY(replace_file_durably(path, key.pem(), 0600));
  return key.pem();
}

struct Keys {
  std::string kubelet, serving, proxy, dns, controller;
};

Result<Keys> own_keys(const std::string& data_dir) {
  Keys out;
  TRY_ASSIGN(out.kubelet, own_key(data_dir, "client-kubelet"));
  TRY_ASSIGN(out.serving, own_key(data_dir, "serving-kubelet"));
  TRY_ASSIGN(out.proxy, own_key(data_dir, "client-kube-proxy"));
  TRY_ASSIGN(out.dns, own_key(data_dir, "client-dns"));
  TRY_ASSIGN(out.controller, own_key(data_dir, "client-bramble-controller"));
  return out;
}

Task<Result<std::string>> certified(ServerLink* link, CertificateWish wish) {
  Task<Result<std::string>> asking = link->certify(wish);
  auto pem = co_await asking;
  if (!pem.ok()) co_return pem.error();
  auto info = parse_certificate(*pem);
  auto key = PrivateKey::from_pem(wish.key_pem);
  if (!info.ok() || !key.ok() || info->public_key_pem != key->public_key().pem() || info->subject.common_name != wish.subject.common_name) {
    co_return Error(Code::kInvalidArgument, cat("the server gave another certificate than was asked for (", wish.subject.common_name, "); it is no bramble server, or a faulty one"));
  }
  co_return std::move(*pem);
}

CertificateWish node_wish(const JoinOptions& o, const std::string& key) {
  return {kKubeletSigner, {cat("system:node:", o.node_name), {"system:nodes"}, {}, {}, false}, false, key};
}

// With the node's own certificate: all the others.
Task<Result<NodeCredentials>> gather(Attempt a, CertifiedKey kubelet, Keys keys) {
  NodeCredentials out;
  out.server_ca_pem = a.server_ca_pem;
  out.kubelet = kubelet;
  auto tls = tls_under(a.server_ca_pem, &kubelet);
  if (!tls.ok()) co_return tls.error();
  ServerLink link(link_options(a, *tls, ""));
  Task<Result<std::string>> fetching = link.get(std::string(kClientAuthorityPath));
  auto client_ca = co_await fetching;
  if (!client_ca.ok()) co_return client_ca.error();
  out.client_ca_pem = std::move(*client_ca);
  std::string node = cat("system:node:", a.options.node_name);
  CertificateWish serving{kServingSigner, {node, {"system:nodes"}, {a.options.node_name}, a.options.node_addresses, false}, true, keys.serving};
  CertificateWish proxy{kClientSigner, {"system:kube-proxy", {}, {}, {}, false}, false, keys.proxy};
  CertificateWish dns{kClientSigner, {"system:serviceaccount:kube-system:kube-dns", {"system:serviceaccounts", "system:serviceaccounts:kube-system"}, {}, {}, false}, false, keys.dns};
  CertificateWish controller{kClientSigner, {"system:bramble-controller", {}, {}, {}, false}, false, keys.controller};
  struct Part {
    CertificateWish* wish;
    CertifiedKey* into;
  };
  Part parts[] = {{&serving, &out.kubelet_serving}, {&proxy, &out.kube_proxy}, {&dns, &out.dns}, {&controller, &out.controller}};
  for (Part& part : parts) {
    Task<Result<std::string>> asking = certified(&link, *part.wish);
    auto pem = co_await asking;
    if (!pem.ok()) co_return pem.error();
    *part.into = CertifiedKey{std::move(*pem), part.wish->key_pem};
  }
  out.renew_at_s = node_renewal_at_s(out);
  co_return std::move(out);
}

Task<Result<NodeCredentials>> store(std::string data_dir, NodeCredentials credentials) {
  std::function<Status()> write = [data_dir, credentials] { return store_node_credentials(data_dir, credentials); };
  Task<Status> writing = offload(std::move(write));
  Status written = co_await writing;
  if (!written.ok()) co_return written.error();
  co_return std::move(credentials);
}

std::string shown_clock(const Clock& clock) { return clock.now_rfc3339(); }

Task<Result<NodeCredentials>> first_join(Attempt a) {
  auto token = parse_join_token(a.options.token);
  if (!token.ok()) co_return token.error();

  // Nothing is shown to a server that nobody has verified.
  auto any = tls_under("", nullptr);
  if (!any.ok()) co_return any.error();
  {
    ServerLink unverified(link_options(a, *any, ""));
    Task<Result<std::string>> fetching = unverified.get(std::string(kAuthorityPath));
    auto pem = co_await fetching;
    if (!pem.ok()) co_return pem.error();
    Status trusted = check_authority(a, *token, *pem);
    if (!trusted.ok()) co_return trusted.error();
    a.server_ca_pem = std::move(*pem);
  }

  std::string data_dir = a.options.data_dir;
  std::string ca_pem = a.server_ca_pem;
  std::function<Result<Keys>()> make = [data_dir, ca_pem]() -> Result<Keys> {
    TRY(make_folders(data_dir + "/agent", 0700));
    TRY(replace_file_durably(data_dir + "/agent/server-ca.crt", ca_pem, 0600));
    return own_keys(data_dir);
  };
  Task<Result<Keys>> making = offload(std::move(make));
  auto keys = co_await making;
  if (!keys.ok()) co_return keys.error();

  auto verified = tls_under(a.server_ca_pem, nullptr);
  if (!verified.ok()) co_return verified.error();
  CertifiedKey kubelet;
  kubelet.key_pem = keys->kubelet;
  {
    ServerLink link(link_options(a, *verified, token->bearer()));
    Task<Result<std::string>> asking = certified(&link, node_wish(a.options, keys->kubelet));
    auto pem = co_await asking;
    if (!pem.ok()) co_return pem.error();
    kubelet.certificate_pem = std::move(*pem);
  }
  Keys own = std::move(*keys);
  Task<Result<NodeCredentials>> gathering = gather(a, kubelet, own);
  auto credentials = co_await gathering;
  if (!credentials.ok()) co_return credentials.error();
  Task<Result<NodeCredentials>> storing = store(data_dir, std::move(*credentials));
  auto stored = co_await storing;
  co_return stored;
}

// With the node's own certificate and the same keys.
Task<Result<NodeCredentials>> renew(Attempt a, NodeCredentials old) {
  a.server_ca_pem = old.server_ca_pem;
  auto tls = tls_under(old.server_ca_pem, &old.kubelet);
  if (!tls.ok()) co_return tls.error();
  CertifiedKey kubelet;
  kubelet.key_pem = old.kubelet.key_pem;
  {
    ServerLink link(link_options(a, *tls, ""));
    Task<Result<std::string>> asking = certified(&link, node_wish(a.options, old.kubelet.key_pem));
    auto pem = co_await asking;
    if (!pem.ok()) co_return pem.error();
    kubelet.certificate_pem = std::move(*pem);
  }
  const std::string data_dir = a.options.data_dir;
  std::function<Result<Keys>()> make = [data_dir] { return own_keys(data_dir); };
  Task<Result<Keys>> making = offload(std::move(make));
  auto present = co_await making;
  if (!present.ok()) co_return present.error();
  Keys keys = std::move(*present);
  Task<Result<NodeCredentials>> gathering = gather(a, kubelet, keys);
  auto credentials = co_await gathering;
  if (!credentials.ok()) co_return credentials.error();
  Task<Result<NodeCredentials>> storing = store(a.options.data_dir, std::move(*credentials));
  auto stored = co_await storing;
  co_return stored;
}

bool serves_as(const NodeCredentials& c, std::vector<std::string> addresses) {
  auto info = parse_certificate(c.kubelet_serving.certificate_pem);
  if (!info.ok()) return false;
  std::vector<std::string> now = info->subject.ip_addresses;
  std::sort(now.begin(), now.end());
  std::sort(addresses.begin(), addresses.end());
  return now == addresses;
}

bool has_ended(const NodeCredentials& c, int64_t now_s) {
  auto info = parse_certificate(c.kubelet.certificate_pem);
  return !info.ok() || info->not_after_s <= now_s;
}

}  // namespace

Task<Result<NodeCredentials>> join(JoinOptions options, const Clock& clock) {
  Attempt a;
  auto url = server_of(options.server_url);
  if (!url.ok()) co_return url.error();
  a.url = std::move(*url);
  a.machine_clock = shown_clock(clock);
  a.options = std::move(options);
  std::string data_dir = a.options.data_dir;
  std::function<Result<std::optional<NodeCredentials>>()> load = [data_dir] { return load_node_credentials(data_dir); };
  Task<Result<std::optional<NodeCredentials>>> loading = offload(std::move(load));
  auto present = co_await loading;
  if (!present.ok()) co_return present.error();
  int64_t now_s = issuing_time_s(clock, a.options.time_floor_s);
  bool ours = *present && node_of(**present) == a.options.node_name && !has_ended(**present, now_s);
  if (!ours) {
    if (a.options.token.empty()) {
      co_return Error(Code::kInvalidArgument, cat(*present ? "this machine's certificates have ended or are of another node name" : "this machine has not joined yet",
                                                  "; give --token (from <data-dir>/server/node-token of a server, or from: bramble token create)"));
    }
    Task<Result<NodeCredentials>> joining = first_join(a);
    auto joined = co_await joining;
    co_return joined;
  }
  co_return std::move(**present);
}

Task<Result<NodeCredentials>> renew_certificates(JoinOptions options, NodeCredentials old, const Clock& clock) {
  Attempt a;
  auto url = server_of(options.server_url);
  if (!url.ok()) co_return url.error();
  a.url = std::move(*url);
  a.machine_clock = shown_clock(clock);
  a.options = std::move(options);
  Task<Result<NodeCredentials>> renewing = renew(a, old);
  auto renewed = co_await renewing;
  co_return renewed;
}

NodeRenewal::NodeRenewal(NodeCredentials now, JoinOptions options, const Clock& clock, Use use)
    : now_(std::move(now)), options_(std::move(options)), clock_(clock), use_(std::move(use)), alarm_([this] { begin(); }) {
  options_.token.clear();
  arm(now_.renew_at_s);
  if (!serves_as(now_, options_.node_addresses)) begin();
}

void NodeRenewal::arm(int64_t renew_at_s) {
  alarm_.set_at_s(std::max(renew_at_s, clock_.wall_us() / 1000000 + limits::kRenewRetryS));
}

void NodeRenewal::use_addresses(std::vector<std::string> addresses) {
  options_.node_addresses = std::move(addresses);
  if (!serves_as(now_, options_.node_addresses)) begin();
}

void NodeRenewal::begin() {
  if (tasks_.size() == 0) tasks_.start(look());
}

Task<void> NodeRenewal::look() {
  Task<Result<NodeCredentials>> renewing = renew_certificates(options_, now_, clock_);
  auto renewed = co_await renewing;
  Status used = renewed.ok() ? ok() : Status(renewed.error());
  if (renewed.ok() && renewed->kubelet.certificate_pem != now_.kubelet.certificate_pem) {
    used = use_(*renewed);
    if (used.ok()) {
      now_ = std::move(*renewed);
      log_info("certificates: renewed; the next time is ", format_rfc3339(now_.renew_at_s * 1000000));
    }
  }
  if (!used.ok()) log_error("certificates: ", used.error().message());
  arm(used.ok() ? now_.renew_at_s : 0);
}

}  // namespace bramble
