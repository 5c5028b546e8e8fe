#include "core/apiserver/tokens.h"

#include <algorithm>

#include "core/apiserver/verbs.h"
#include "core/base/limits.h"
#include "core/crypto/hash.h"
#include "core/crypto/issuing_time.h"
#include "core/registry/api_status.h"
#include "core/resources/bootstrap_token.h"

namespace bramble {

namespace {

using namespace limits;

Error invalid_expiration(int64_t value, std::string_view detail) {
  FieldErrors errors;
  errors.invalid(Path("spec").at("expirationSeconds"), value, detail);
  return errors.to_error("authentication.k8s.io", "TokenRequest", "");
}

// What a request names must be the account of the URL.
Error invalid_name(const char* field, std::string_view value, std::string_view account) {
  FieldErrors errors;
  errors.invalid(Path("metadata").at(field), value, cat("must match the service account ", field, " if specified"));
  return errors.to_error("authentication.k8s.io", "TokenRequest", account);
}

Error invalid_token(std::string_view why = {}) {
  return Error(Code::kUnauthenticated, why.empty() ? std::string("invalid bearer token") : cat("[invalid bearer token, ", why, "]"));
}

std::string quoted_list(const std::vector<std::string>& list) {
  std::string out = "[";
  for (const std::string& s : list) out += cat(out.size() > 1 ? " " : "", go_quote(s));
  return out + "]";
}

struct Bound {
  std::string claim;  // "pod", "secret", "node"
  Document object;
};

Result<Bound> find_bound(const Registry& registry, const Call& call, Value ref) {
  std::string_view kind = ref["kind"].str(), version = ref["apiVersion"].str();
  std::string_view resource, claim;
  bool namespaced = true;
  if (version == "v1" && kind == "Pod") resource = "pods", claim = "pod";
  if (version == "v1" && kind == "Secret") resource = "secrets", claim = "secret";
  if (version == "v1" && kind == "Node") resource = "nodes", claim = "node", namespaced = false;
  if (resource.empty()) {
    auto parts = cut(version, "/");
    std::string gvk = parts ? cat(parts->first, "/", parts->second) : cat("/", version);
    return api_bad_request(cat("cannot bind token to object of type ", gvk, ", Kind=", kind));
  }
  const Kind* found = find_kind("", "v1", resource);
  Document object = found == nullptr ? Document() : registry.get(*found, namespaced ? call.ns : "", ref["name"].str());
  if (!object) return api_not_found({"", resource}, ref["name"].str());
  std::string_view uid = ref["uid"].str();
  if (!uid.empty() && uid != uid_of(object)) {
    return api_conflict({"", resource}, ref["name"].str(),
                        cat("the UID in the bound object reference (", uid,
                            ") does not match the UID in record. The object might have been deleted and then recreated"));
  }
  return Bound{std::string(claim), object};
}

void write_ref(Mut out, const Document& object) {
  out.set("name", name_of(object));
  out.set("uid", uid_of(object));
}

}  // namespace

int64_t TokenIssuer::now_s() const { return issuing_time_s(registry_.clock(), keys_.time_floor_s); }

Result<Reply> TokenIssuer::request(const Call& call, const Document& token_request) const {
  Value spec = token_request["spec"];
  std::string_view name = name_of(token_request), ns = namespace_of(token_request);
  if (!name.empty() && name != call.name) return invalid_name("name", name, call.name);
  if (!ns.empty() && ns != call.ns) return invalid_name("namespace", ns, call.name);
  Document account = registry_.get(*call.kind, call.ns, call.name);
  if (!account) return api_not_found({"", "serviceaccounts"}, call.name);
  int64_t seconds = spec["expirationSeconds"].integer(kTokenSeconds);
  if (seconds < kTokenSecondsMin) return invalid_expiration(seconds, "may not specify a duration less than 10 minutes");
  if (seconds > kTokenSecondsMax) return invalid_expiration(seconds, "may not specify a duration larger than 2^32 seconds");
  std::vector<std::string> audiences;
  for (Value a : spec["audiences"].items()) audiences.push_back(a.text());
  bool own_audience = audiences.empty() || audiences == keys_.audiences;
  if (audiences.empty()) audiences = keys_.audiences;

  Builder claims;
  Mut c = claims.root();
  int64_t issued_s = now_s(), shown_expiry_s = issued_s + seconds, expiry_s = shown_expiry_s;
  bool extended = seconds == kTokenPodSeconds && own_audience && spec["boundObjectRef"]["kind"].str() == "Pod";
  if (extended) expiry_s = issued_s + kTokenPodExtendedSeconds;
  Mut aud = c.array("aud");
  for (const std::string& a : audiences) aud.append(a);
  c.set("exp", expiry_s);
  c.set("iat", issued_s);
  c.set("iss", keys_.issuer);
  c.set("jti", registry_.random().uuid());
  Mut k = c.object("kubernetes.io");
  k.set("namespace", call.ns);
  Value ref = spec["boundObjectRef"];
  if (ref.is_object()) {
    TRY_ASSIGN(Bound bound, find_bound(registry_, call, ref));
    write_ref(k.object(bound.claim), bound.object);
    std::string_view node = bound.object["spec"]["nodeName"].str();
    if (bound.claim == "pod" && !node.empty()) {
      const Kind* nodes = find_kind("", "v1", "nodes");
      Document found = nodes == nullptr ? Document() : registry_.get(*nodes, "", node);
      Mut n = k.object("node");
      n.set("name", node);
      if (found) n.set("uid", uid_of(found));
    }
  }
  write_ref(k.object("serviceaccount"), account);
  if (extended) k.set("warnafter", shown_expiry_s);
  c.set("nbf", keys_.time_floor_s > 0 ? keys_.time_floor_s : issued_s);  // a clock that falls back makes no token invalid
  c.set("sub", cat("system:serviceaccount:", call.ns, ":", call.name));
  if (!keys_.sign) return api_internal("no key to sign service account tokens with");
  TRY_ASSIGN(std::string token, sign_jwt(*keys_.sign, claims.dump()));

  Builder b(token_request.root());
  Mut out = b.root();
  Mut m = out.object("metadata");
  m.set("name", call.name);
  m.set("namespace", call.ns);
  m.set("uid", uid_of(account));
  m.set("creationTimestamp", registry_.clock().now_rfc3339());
  Mut s = out.object("spec");
  s.remove("audiences");
  for (const std::string& a : audiences) s.array("audiences").append(a);
  s.set("expirationSeconds", seconds);
  if (!ref.is_object()) s.set_null("boundObjectRef");
  Mut status = out.object("status");
  status.set("token", token);
  status.set("expirationTimestamp", format_rfc3339(shown_expiry_s * 1000000));
  return Reply{201, b.finish()};
}

Result<Document> TokenIssuer::signed_claims(std::string_view token) const {
  int64_t now_us = registry_.clock().monotonic_us();
  while (!known_oldest_first_.empty()) {
    auto oldest = known_.find(known_oldest_first_.front());
    if (oldest->second.until_us > now_us && known_.size() < kTokenCacheMax) break;
    known_.erase(oldest);
    known_oldest_first_.pop_front();
  }
  std::string hash = sha256_hex(token);
  if (auto known = known_.find(hash); known != known_.end()) return known->second.claims;
  signatures_checked_++;
  TRY_ASSIGN(std::string text, verify_jwt(token, keys_.verify));
  TRY_ASSIGN(Document claims, Document::parse(std::string_view(text)));
  known_oldest_first_.push_back(hash);
  known_.emplace(std::move(hash), Known{claims, now_us + kTokenCacheUs});
  return claims;
}

void TokenIssuer::use_node_token(std::string_view password) {
  node_token_ = StaticTokens();
  if (!password.empty()) node_token_.add(password, {"system:bootstrap:node", "", {std::string(kBootstrappers), std::string(kNodeJoiners)}, {}});
}

// Kubernetes says nothing of why a bootstrap token is not good.
std::optional<Identity> TokenIssuer::bootstrapper(std::string_view token) const {
  auto parts = cut(token, ".");
  constexpr size_t kIdBytes = 6, kSecretBytes = 16;
  if (!parts || parts->first.size() != kIdBytes || parts->second.size() != kSecretBytes) return std::nullopt;
  const Kind* secrets = find_kind("", "v1", "secrets");
  Document secret = secrets == nullptr ? Document() : registry_.get(*secrets, "kube-system", cat(kBootstrapTokenPrefix, parts->first));
  if (!secret || secret["metadata"]["deletionTimestamp"]) return std::nullopt;
  auto known = bootstrap_token_of(secret);
  bool good = known && known->id == parts->first && constant_time_equal(known->secret, parts->second) && known->authenticates && known->groups_valid;
  if (!good || known->ended(now_s() * 1000000)) return std::nullopt;
  return Identity{cat("system:bootstrap:", known->id), "", known->groups, {}};
}

Result<TokenIssuer::Checked> TokenIssuer::check(std::string_view token, const std::vector<std::string>& wanted) const {
  const std::vector<std::string>& target = wanted.empty() ? keys_.audiences : wanted;
  const Identity* listed = keys_.listed.find(token);
  if (!listed) listed = node_token_.find(token);
  std::optional<Identity> bootstrap;
  if (!listed && (bootstrap = bootstrapper(token))) listed = &*bootstrap;
  if (!listed && keys_.others) {
    auto other = keys_.others(token);
    if (other && !other->ok()) return invalid_token(other->error().message());
    if (other) bootstrap = std::move(**other), listed = &*bootstrap;
  }
  if (listed) {  // good for the API server alone
    Checked out{*listed, {}};
    for (const std::string& a : target) {
      if (std::find(keys_.audiences.begin(), keys_.audiences.end(), a) != keys_.audiences.end()) out.audiences.push_back(a);
    }
    if (out.audiences.empty()) return invalid_token();
    return out;
  }
  auto signed_by_us = signed_claims(token);
  if (!signed_by_us.ok()) return invalid_token();
  Value claims = signed_by_us->root();
  if (claims["iss"].str() != keys_.issuer) return invalid_token();
  int64_t checked_s = now_s();
  if (claims["exp"].integer() < checked_s) return invalid_token("service account token has expired");
  if (claims["nbf"].integer() > checked_s + kTokenLeewaySeconds) return invalid_token("service account token is not valid yet");

  std::vector<std::string> has;
  for (Value a : claims["aud"].items()) has.push_back(a.text());
  Checked out;
  for (const std::string& a : target) {
    if (std::find(has.begin(), has.end(), a) != has.end()) out.audiences.push_back(a);
  }
  if (out.audiences.empty()) {
    return invalid_token(cat("token audiences ", quoted_list(has), " is invalid for the target audiences ", quoted_list(target)));
  }

  Value k = claims["kubernetes.io"];
  std::string ns = k["namespace"].text(), name = k["serviceaccount"]["name"].text();
  const Kind* accounts = find_kind("", "v1", "serviceaccounts");
  Document account = accounts == nullptr ? Document() : registry_.get(*accounts, ns, name);
  if (!account || uid_of(account) != k["serviceaccount"]["uid"].str()) {
    return invalid_token("service account token has been invalidated");
  }
  for (const auto& [claim, resource] : {std::pair<const char*, const char*>{"pod", "pods"}, {"secret", "secrets"}}) {
    if (!k[claim]) continue;
    const Kind* kind = find_kind("", "v1", resource);
    Document bound = kind == nullptr ? Document() : registry_.get(*kind, ns, k[claim]["name"].str());
    if (!bound || uid_of(bound) != k[claim]["uid"].str()) return invalid_token("service account token has been invalidated");
    auto deleted = parse_rfc3339(bound["metadata"]["deletionTimestamp"].str());
    if (deleted && *deleted + kTokenDeletedPodUs < registry_.clock().wall_us()) {
      return invalid_token("service account token has been invalidated");
    }
  }
  out.user.user = claims["sub"].text();
  out.user.uid = uid_of(account);
  out.user.groups = {"system:serviceaccounts", cat("system:serviceaccounts:", ns)};
  out.user.extra.push_back({"authentication.kubernetes.io/credential-id", {cat("JTI=", claims["jti"].str())}});
  for (const char* claim : {"node", "pod"}) {
    if (!k[claim]) continue;
    out.user.extra.push_back({cat("authentication.kubernetes.io/", claim, "-name"), {k[claim]["name"].text()}});
    if (k[claim]["uid"]) out.user.extra.push_back({cat("authentication.kubernetes.io/", claim, "-uid"), {k[claim]["uid"].text()}});
  }
  return out;
}

Document TokenIssuer::review(const Document& token_review) const {
  std::vector<std::string> audiences;
  for (Value a : token_review["spec"]["audiences"].items()) audiences.push_back(a.text());
  auto checked = check(token_review["spec"]["token"].str(), audiences);
  Builder b(token_review.root());
  b.root().object("metadata");
  Mut status = b.root().object("status");
  status.clear();
  Mut user = status.object("user");
  if (!checked.ok()) {
    status.set("error", checked.error().message());
    return b.finish();
  }
  status.set("authenticated", true);
  user.set("username", checked->user.user);
  if (!checked->user.uid.empty()) user.set("uid", checked->user.uid);
  for (const std::string& g : checked->user.groups) user.array("groups").append(g);
  user.array("groups").append("system:authenticated");
  for (const auto& [key, values] : checked->user.extra) {
    Mut list = user.object("extra").array(key);
    for (const std::string& v : values) list.append(v);
  }
  for (const std::string& a : checked->audiences) status.array("audiences").append(a);
  return b.finish();
}

}  // namespace bramble
