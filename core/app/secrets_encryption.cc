#include "core/app/secrets_encryption.h"

#include <algorithm>

#include "core/base/files.h"
#include "core/base/log.h"
#include "core/crypto/aead.h"
#include "core/loop/loop.h"

namespace bramble {
namespace {

std::string path_of(const std::string& data_dir) { return data_dir + "/server/cred/encryption-config.json"; }

SealKey new_key(Random& random, const Clock& clock, const SealKeys& beside) {
  SealKey out;
  out.name = cat("aesgcmkey-", clock.wall_us() / 1000000);
  for (const SealKey& k : beside.keys)
    if (k.name == out.name) out.name += cat("-", random.suffix(5));
  out.bytes.resize(kSealKeyBytes);
  random.fill(out.bytes.data(), out.bytes.size());
  return out;
}

std::string config_text(const SealKeys& keys) {
  Builder b;
  Mut root = b.root();
  root.set("kind", "EncryptionConfiguration");
  root.set("apiVersion", "apiserver.config.k8s.io/v1");
  Mut resource = root.array("resources").append_object();
  resource.array("resources").append("secrets");
  Mut providers = resource.array("providers");
  auto identity = [&] { providers.append_object().object("identity"); };
  if (!keys.seals) identity();
  if (!keys.keys.empty()) {
    Mut list = providers.append_object().object("aesgcm").array("keys");
    for (const SealKey& k : keys.keys) {
      Mut o = list.append_object();
      o.set("name", k.name);
      o.set("secret", base64_encode(k.bytes));
    }
  }
  if (keys.seals) identity();
  return b.dump();
}

Result<SealKeys> parse_config(const std::string& path, const std::string& text) {
  auto wrong = [&](std::string_view why) { return Error(Code::kCorrupt, cat(path, ": ", why, "; restore it from a backup: without its keys Secrets cannot be read")); };
  auto parsed = Document::parse(std::string_view(text));
  if (!parsed.ok()) return wrong(parsed.error().message());
  SealKeys out;
  bool first = true;
  for (Value provider : (*parsed)["resources"].item(0)["providers"].items()) {
    Value keys = provider["aesgcm"]["keys"];
    if (!keys && !provider["identity"]) return wrong("has a provider other than aesgcm and identity");
    if (keys && first) out.seals = true;
    first = false;
    for (Value k : keys.items()) {
      auto bytes = base64_decode(k["secret"].str());
      std::string name = k["name"].text();
      if (!bytes || bytes->size() != kSealKeyBytes || name.empty() || name.find(':') != std::string::npos) return wrong("has a key that is none");
      out.keys.push_back({name, std::move(*bytes)});
    }
  }
  if (first) return wrong("has no providers");
  return out;
}

struct InProgress {
  bool& flag;
  explicit InProgress(bool& f) : flag(f) { flag = true; }
  ~InProgress() { flag = false; }
};

}  // namespace

Status store_seal_keys(const std::string& data_dir, const SealKeys& keys) {
  std::string path = path_of(data_dir);
  TRY(make_folders(folder_of(path), 0700));
  return replace_file_durably(path, config_text(keys), 0600);
}

Result<SealKeys> load_seal_keys(const std::string& data_dir, bool enable, Random& random, const Clock& clock) {
  std::string path = path_of(data_dir);
  if (path_exists(path)) {
    TRY_ASSIGN(std::string text, read_file(path));
    return parse_config(path, text);
  }
  SealKeys out;
  if (!enable) return out;
  out.seals = true;
  out.keys.push_back(new_key(random, clock, out));
  TRY(store_seal_keys(data_dir, out));
  return out;
}

SecretsEncryption::SecretsEncryption(EncryptedStore& store, const WatchCache& cache, std::string prefix, std::string data_dir, Random& random, const Clock& clock)
    : store_(store), cache_(cache), prefix_(std::move(prefix)), data_dir_(std::move(data_dir)), random_(random), clock_(clock) {}

Document SecretsEncryption::status() const {
  const SealKeys& keys = store_.keys();
  Builder b;
  b.root().set("enabled", keys.seals);
  if (keys.seals) b.root().set("key", keys.keys.front().name);
  Mut names = b.root().array("keys");
  for (const SealKey& k : keys.keys) names.append(k.name);
  Mut forms = b.root().array("forms");
  for (const auto& [name, count] : store_.forms()) {
    Mut f = forms.append_object();
    f.set("key", name);
    f.set("count", static_cast<int64_t>(count));
  }
  return b.finish();
}

// The file first: nothing is sealed with a key that a crash could lose.
Task<Status> SecretsEncryption::use(SealKeys keys) {
  std::string data_dir = data_dir_;
  std::function<Status()> write = [data_dir, keys] { return store_seal_keys(data_dir, keys); };
  Task<Status> writing = offload(std::move(write));
  Status written = co_await writing;
  if (!written.ok()) co_return written;
  store_.use(std::move(keys));
  co_return ok();
}

Task<Status> SecretsEncryption::rewrite() {
  for (;;) {
    const std::string wanted = store_.keys().seals ? store_.keys().keys.front().name : std::string();
    std::vector<EntryRef> old;
    cache_.view().range(prefix_, "", 0, [&](const EntryRef& entry) {
      if (store_.form_of(entry->key) != wanted) old.push_back(entry);
      return true;
    });
    if (old.empty()) co_return ok();
    for (const EntryRef& entry : old) {
      Document secret = entry->document;
      std::function<Buffer(uint64_t)> make = [secret](uint64_t revision) { return secret.with_text(secret["metadata"]["resourceVersion"], cat(revision)).bytes(); };
      Task<Result<uint64_t>> putting = store_.put(entry->key, entry->revision, Durability::kDurable, std::move(make));
      auto put = co_await putting;
      if (!put.ok() && put.error().code() != Code::kConflict) co_return put.error();  // somebody wrote it meanwhile, in its new form
    }
  }
}

Task<Status> SecretsEncryption::change(std::string action) {
  if (changing_) co_return Error(Code::kUnavailable, "it is being changed already; try again later");
  InProgress in_progress(changing_);
  SealKeys keys = store_.keys();
  if (action == "enable") {
    keys.seals = true;
    if (keys.keys.empty()) keys.keys.push_back(new_key(random_, clock_, keys));
  } else if (action == "disable") {
    keys.seals = false;
  } else if (!keys.seals) {
    co_return Error(Code::kInvalidArgument, "secrets are not encrypted; see: bramble secrets-encrypt enable");
  } else if (action == "rotate-keys") {
    keys.keys.insert(keys.keys.begin(), new_key(random_, clock_, keys));
  }
  Task<Status> using_new = use(keys);
  Status used = co_await using_new;
  if (!used.ok()) co_return used;
  Task<Status> rewriting = rewrite();
  Status rewritten = co_await rewriting;
  if (!rewritten.ok()) co_return rewritten;
  // Writes that waited with the old key have their place before these.
  Task<Status> flushing = store_.flush();
  Status flushed = co_await flushing;
  if (!flushed.ok()) co_return flushed;
  Task<Status> rewriting_rest = rewrite();
  Status rest = co_await rewriting_rest;
  if (!rest.ok()) co_return rest;
  // A value that could not be opened keeps its key.
  const std::string first = keys.seals ? keys.keys.front().name : std::string();
  auto unused = [&](const SealKey& k) { return k.name != first && store_.forms().count(k.name) == 0; };
  keys.keys.erase(std::remove_if(keys.keys.begin(), keys.keys.end(), unused), keys.keys.end());
  Task<Status> using_less = use(keys);
  Status done = co_await using_less;
  if (done.ok()) log_info("secrets: ", action, ": ", keys.seals ? cat("sealed with ", keys.keys.front().name) : std::string("not sealed"));
  co_return done;
}

Task<void> SecretsEncryption::handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder) {
  constexpr std::string_view kPrefix = "/v1/encryption/";
  Status done = ok();
  const std::string action = request->path.starts_with(kPrefix) ? request->path.substr(kPrefix.size()) : std::string();
  const bool known = action == "enable" || action == "disable" || action == "rotate-keys" || action == "reencrypt";
  if (request->method == "POST" && known) {
    Task<Status> changing = change(action);
    done = co_await changing;
  } else if (request->method != "GET" || !action.empty()) {
    done = Error(Code::kNotFound, cat("no such path ", request->path));
  }
  Builder failure;
  if (!done.ok()) failure.root().set("error", done.error().message());
  Document body = done.ok() ? status() : failure.finish();
  responder->send(done.ok() ? 200 : 400, {{"content-type", "application/json"}}, make_buffer(*body.bytes()));
}

}  // namespace bramble
