#include "core/app/access_api.h"

#include <algorithm>

#include "core/apiserver/query.h"
#include "core/app/join_tokens.h"
#include "core/base/limits.h"
#include "core/loop/loop.h"
#include "core/resources/bootstrap_token.h"
#include "core/resources/node_key.h"

namespace bramble {
namespace {

using resource_ids::kSecrets;

const std::string kSystem = "kube-system";
constexpr std::string_view kTokenLetters = "abcdefghijklmnopqrstuvwxyz0123456789";

std::string random_letters(Random& random, size_t count) {
  std::string out;
  while (out.size() < count) out += kTokenLetters[random.below(kTokenLetters.size())];
  return out;
}

Document one(const char* key, std::string_view value) {
  Builder b;
  b.root().set(key, value);
  return b.finish();
}

Error refused(std::string_view why) { return Error(Code::kInvalidArgument, std::string(why)); }

}  // namespace

std::string new_bootstrap_token(Random& random) {
  constexpr size_t kIdBytes = 6, kSecretBytes = 16;
  std::string id = random_letters(random, kIdBytes);
  return cat(id, ".", random_letters(random, kSecretBytes));
}

AccessApi::AccessApi(std::unique_ptr<Client> client, const Clock& clock, Random& random, Options options)
    : client_(std::move(client)), clock_(clock), random_(random), options_(std::move(options)) {}

Task<Result<Document>> AccessApi::create_token(Asked request) {
  Query query = Query::parse(request->query);
  std::string text(query.get("token"));
  if (text.empty()) text = new_bootstrap_token(random_);
  if (!is_bootstrap_token(text)) co_return refused("a token is like abcdef.0123456789abcdef: [a-z0-9]{6}.[a-z0-9]{16}");
  auto ttl_s = parse_int64(query.has("ttl_s") ? query.get("ttl_s") : std::string_view(cat(limits::kJoinBootstrapTtlS)));
  if (!ttl_s || *ttl_s < 0) co_return refused("a token's time to live is no negative number");
  BootstrapToken token;
  auto parts = cut(text, ".");
  token.id = parts->first, token.secret = parts->second;
  token.description = query.get("description");
  if (*ttl_s > 0) token.expires_us = clock_.wall_us() + *ttl_s * 1000000;
  std::string usages(query.has("usages") ? query.get("usages") : "signing,authentication");
  for (std::string_view usage : split(usages, ',')) {
    if (usage == "authentication") token.authenticates = true;
    else if (usage == "signing") token.signs = true;
    else co_return refused(cat("usage ", go_quote(usage), " is neither \"signing\" nor \"authentication\""));
  }
  token.groups = {std::string(kBootstrappers)};
  std::string groups(query.has("groups") ? query.get("groups") : kNodeJoiners);
  for (std::string_view group : split(groups, ',')) token.groups.emplace_back(group);
  Document secret = bootstrap_token_secret(token);
  auto judged = bootstrap_token_of(secret);
  if (!judged || !judged->groups_valid) co_return refused("a group is like system:bootstrappers:NAME of small letters, digits, ':' and '-'");
  Task<Result<Document>> creating = client_->create(kSecrets, kSystem, secret);
  auto created = co_await creating;
  if (!created.ok()) co_return created.error().code() == Code::kAlreadyExists ? refused(cat("there is a token with the id ", token.id)) : created.error();
  auto full = full_token(options_.data_dir, text);
  if (!full.ok()) co_return full.error();
  co_return one("token", *full);
}

Document AccessApi::list_tokens() const {
  Builder b;
  Mut list = b.root().array("tokens");
  client_->snapshot().each(kSecrets, kSystem, [&](const Document& secret) {
    auto token = bootstrap_token_of(secret);
    if (!token) return true;
    Mut t = list.append_object();
    t.set("id", token->id);
    t.set("description", token->description);
    if (token->expires_us && *token->expires_us > 0) t.set("expires", format_rfc3339(*token->expires_us));
    if (token->ended(clock_.wall_us())) t.set("ended", true);
    Mut usages = t.array("usages");
    if (token->authenticates) usages.append("authentication");
    if (token->signs) usages.append("signing");
    Mut groups = t.array("groups");
    for (const std::string& g : token->groups)
      if (g != kBootstrappers) groups.append(g);
    return true;
  });
  return b.finish();
}

Task<Result<Document>> AccessApi::delete_token(std::string id) {
  std::string name = cat(kBootstrapTokenPrefix, id.substr(0, id.find('.')));
  if (!bootstrap_token_of(client_->snapshot().get(kSecrets, kSystem, name))) co_return refused(cat("there is no token with the id ", id));
  ObjectKey key{kSystem, name};
  Task<Result<Document>> removing = client_->remove(kSecrets, key);
  auto removed = co_await removing;
  if (!removed.ok()) co_return removed.error();
  co_return Builder().finish();
}

Task<Result<Document>> AccessApi::rotate_token(std::string password) {
  if (!password.empty()) {
    auto given = parse_join_token(password);
    if (!given.ok() || is_bootstrap_token(given->password)) co_return refused("the new token must be a password without spaces, or a full token");
    password = given->password;
  }
  std::string data_dir = options_.data_dir;
  Random* random = &random_;
  std::function<Result<JoinToken>()> replace = [data_dir, password, random] { return replace_node_token(data_dir, password, *random); };
  Task<Result<JoinToken>> replacing = offload(std::move(replace));
  auto token = co_await replacing;
  if (!token.ok()) co_return token.error();
  options_.use_node_token(token->password);
  co_return one("token", token->text());
}

Document AccessApi::list_nodes() const {
  Builder b;
  Mut list = b.root().array("nodes");
  client_->snapshot().each(kSecrets, std::string(kNodeKeyNamespace), [&](const Document& secret) {
    auto known = node_key_of(secret);
    if (!known) return true;
    Mut n = list.append_object();
    n.set("name", known->node);
    n.set("key", known->key);
    if (!known->refused.empty()) n.set("refused", known->refused);
    return true;
  });
  return b.finish();
}

Task<Result<Document>> AccessApi::approve_node(std::string name) {
  const std::string ns(kNodeKeyNamespace), secret_name = node_key_name(name);
  Document there = secret_name.empty() ? Document() : client_->snapshot().get(kSecrets, ns, secret_name);
  auto known = node_key_of(there);
  if (!known) co_return refused(cat("the name ", name, " belongs to no machine: whichever joins first under it keeps it"));
  if (known->key == kServersOwnKey) co_return refused(cat("the name ", name, " is the one of a server's own node"));
  NodeKey next{name, known->refused, ""};
  ObjectKey key{ns, secret_name};
  Document secret = node_key_secret(next, there);
  Task<Result<Document>> writing = client_->update(kSecrets, key, secret);
  auto written = co_await writing;
  if (!written.ok()) co_return written.error();
  co_return one("key", next.key);
}

Task<Result<Document>> AccessApi::answer(Asked request) {
  Query query = Query::parse(request->query);
  const std::string &method = request->method, &path = request->path;
  Result<Document> out = Error(Code::kNotFound, cat("no such path ", path));
  if (path == "/v1/tokens" && method == "GET") co_return list_tokens();
  if (path == "/v1/nodes" && method == "GET") co_return list_nodes();
  if (path == "/v1/tokens" && method == "POST") {
    Task<Result<Document>> doing = create_token(request);
    out = co_await doing;
  } else if (path == "/v1/tokens" && method == "DELETE") {
    Task<Result<Document>> doing = delete_token(std::string(query.get("id")));
    out = co_await doing;
  } else if (path == "/v1/tokens/rotate" && method == "POST") {
    Task<Result<Document>> doing = rotate_token(std::string(query.get("password")));
    out = co_await doing;
  } else if (path == "/v1/nodes/approve" && method == "POST") {
    Task<Result<Document>> doing = approve_node(std::string(query.get("name")));
    out = co_await doing;
  }
  co_return out;
}

Task<void> AccessApi::handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder) {
  Task<Result<Document>> answering = answer(request);
  auto done = co_await answering;
  Document body = done.ok() ? *done : one("error", done.error().message());
  int status = done.ok() ? 200 : done.error().code() == Code::kNotFound ? 404 : 400;
  responder->send(status, {{"content-type", "application/json"}}, make_buffer(*body.bytes()));
}

}  // namespace bramble
