#include "images/pull/pull_engine.h"

#include <algorithm>
#include <set>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/crypto/hash.h"

namespace bramble {
namespace {

bool goes_on_elsewhere(const Error& error) { return error.code() != Code::kCancelled; }

// Of a download: whether the same registry is asked again, from where it stopped.
bool may_resume(Code code) { return code == Code::kUnavailable || code == Code::kTimeout || code == Code::kIo; }

// Reads from the pipe on the unpacking thread, and judges what came by the manifest's words.
class JudgedSource {
 public:
  JudgedSource(std::shared_ptr<BytePipe> pipe, Descriptor layer) : pipe_(std::move(pipe)), layer_(std::move(layer)) {}
  ~JudgedSource() { pipe_->reader_gone(); }
  JudgedSource(const JudgedSource&) = delete;
  Result<size_t> read(char* out, size_t max) {
    TRY_ASSIGN(size_t n, pipe_->read(out, max));
    hash_.update(std::string_view(out, n));
    bytes_ += static_cast<int64_t>(n);
    at_end_ = n == 0;
    if (bytes_ > layer_.size) return Error(Code::kCorrupt, cat("layer ", layer_.digest, ": has more than the ", layer_.size, " bytes that the manifest says"));
    return n;
  }
  // Behind what unpacking needed there may be more.
  Status finish() {
    char rest[4096];
    while (!at_end_) TRY(read(rest, sizeof rest));
    std::string digest = cat("sha256:", hash_.finish_hex());
    if (bytes_ != layer_.size) return Error(Code::kCorrupt, cat("layer ", layer_.digest, ": has ", bytes_, " bytes, the manifest says ", layer_.size));
    if (digest != layer_.digest) return Error(Code::kCorrupt, cat("layer ", layer_.digest, ": what came has the digest ", digest));
    return ok();
  }

 private:
  std::shared_ptr<BytePipe> pipe_;
  Descriptor layer_;
  Sha256 hash_;
  int64_t bytes_ = 0;
  bool at_end_ = false;
};

Result<std::shared_ptr<StagedLayer>> unpack(PullStore* store, std::shared_ptr<BytePipe> pipe, const Descriptor& layer, const std::string& diff_id) {
  JudgedSource judged(std::move(pipe), layer);
  ByteSource source = [&judged](char* out, size_t max) { return judged.read(out, max); };
  auto staged = store->unpack_layer(source, diff_id);
  // A wrong blob explains whatever unpacking stumbled over.
  if (!staged.ok() && staged.error().code() != Code::kCorrupt && staged.error().code() != Code::kInvalidArgument) return staged;
  Status whole = judged.finish();
  if (!whole.ok()) return whole.error();
  return staged;
}

Status check_digest(std::string_view what, std::string_view body, std::string_view digest) {
  std::string own = cat("sha256:", sha256_hex(body));
  return own == digest ? ok() : Status(Error(Code::kCorrupt, cat(what, " ", digest, ": what came has the digest ", own)));
}

}  // namespace

Task<Result<ImageInfo>> PullEngine::pull(PullRequest request, std::shared_ptr<const Registries> registries) {
  auto reference = parse_reference(request.image);
  CO_TRY(reference);
  std::vector<RegistryCredential> credentials = request.credentials;
  if (credentials.empty()) credentials.emplace_back();
  if (credentials.size() > limits::kPullCredentialsMax) credentials.resize(limits::kPullCredentialsMax);
  std::vector<std::string> errors;
  Code code = Code::kUnavailable;
  for (const RegistryCredential& credential : credentials) {
    bool came_far = false;
    auto pulled = co_await pull_as(*reference, credential, registries, request.progress, &came_far);
    if (pulled.ok()) co_return pulled;
    code = pulled.error().code();
    if (std::find(errors.begin(), errors.end(), pulled.error().message()) == errors.end()) errors.push_back(pulled.error().message());
    if (came_far) break;  // other credentials mend nothing
  }
  // As utilerrors.NewAggregate joins them.
  std::string text = errors.size() == 1 ? errors[0] : cat("[", join(errors, ", "), "]");
  co_return Error(code, text);
}

Task<Result<ImageInfo>> PullEngine::pull_as(ImageReference reference, RegistryCredential credential, std::shared_ptr<const Registries> registries,
                                            std::shared_ptr<PullProgress> progress, bool* came_far) {
  std::string name = reference.text(), failed = cat("failed to pull and unpack image ", go_quote(name));
  auto found = co_await find(reference, std::move(credential), registries);
  if (!found.ok()) co_return found.error().prefixed(cat(failed, ": failed to resolve reference ", go_quote(name)));
  *came_far = true;
  if (found->known) co_return *found->known;
  auto config_text = co_await small_blob(found->sessions, found->manifest.config);
  if (!config_text.ok()) co_return config_text.error().prefixed(cat(failed, ": failed to fetch the image's config"));
  auto config = Document::parse(*config_text);
  if (!config.ok()) co_return config.error().prefixed(cat(failed, ": config"));
  auto diff_ids = diff_ids_of(*config);
  if (!diff_ids.ok()) co_return diff_ids.error().prefixed(failed);
  if (diff_ids->size() != found->manifest.layers.size())
    co_return Error(Code::kInvalidArgument, cat(failed, ": the manifest has ", found->manifest.layers.size(), " layers, the config ", diff_ids->size()));

  std::shared_ptr<void> held = store_.hold_layers(*diff_ids);
  auto staged = std::make_shared<std::vector<std::shared_ptr<StagedLayer>>>();
  std::vector<std::shared_ptr<LayerFetch>> coming;  // others may want them until they are in the store
  Status brought = co_await bring_layers(found->sessions, found->manifest.layers, *diff_ids, progress, &coming, staged.get());
  PullStore* store = &store_;
  std::vector<std::string> layers = *diff_ids;
  if (!brought.ok()) {
    coming.clear();  // what still comes is given up
    std::function<Status()> keep = [store, layers, staged] { return store->keep_layers(layers, std::move(*staged)); };
    Task<Status> keeping = offload(std::move(keep), OffloadLane::kLayer);
    Status kept = co_await keeping;
    if (!kept.ok()) log_warning("images: ", kept.error().message());
    co_return brought.error().prefixed(cat(failed, ": failed to copy"));
  }
  PulledImage image;
  image.name = reference.digest.empty() ? name : cat(reference.name(), "@", reference.digest);
  image.manifest_digest = found->digest;
  image.id = found->manifest.config.digest;
  image.config = *config;
  image.diff_ids = *diff_ids;
  std::function<Result<ImageInfo>()> enter = [store, image, staged] { return store->enter(image, std::move(*staged)); };
  Task<Result<ImageInfo>> entering = offload(std::move(enter), OffloadLane::kLayer);
  auto entered = co_await entering;
  if (!entered.ok()) co_return entered.error().prefixed(failed);
  co_return entered;
}

Task<Result<PullEngine::Found>> PullEngine::find(ImageReference reference, RegistryCredential credential, std::shared_ptr<const Registries> registries) {
  auto endpoints = registries->endpoints(reference.host, options_.use_default_endpoint);
  CO_TRY(endpoints);
  Sessions sessions;
  for (RegistryEndpoint& e : *endpoints)
    sessions.push_back(std::make_shared<RegistrySession>(std::move(e), reference.host, reference.repository, credential, options_.surroundings));
  std::string texts;
  Code code = Code::kNotFound;
  for (size_t i = 0; i < sessions.size(); i++) {
    auto found = co_await find_at(sessions[i], reference);
    if (found.ok()) {
      // The others may have blobs that this one turns out to lack.
      found->sessions = {sessions[i]};
      for (size_t j = 0; j < sessions.size(); j++)
        if (j != i) found->sessions.push_back(sessions[j]);
      co_return found;
    }
    code = found.error().code();
    std::string text = code == Code::kNotFound && sessions.size() == 1 ? cat(reference.text(), ": not found: ", found.error().message()) : found.error().message();
    texts += cat(texts.empty() ? "" : "; ", sessions.size() > 1 ? cat(sessions[i]->where(), ": ") : "", text);
    if (!goes_on_elsewhere(found.error())) break;
  }
  co_return Error(code, texts);
}

std::optional<ImageInfo> PullEngine::known_image(const ImageReference& reference, const std::string& digest) const {
  if (digest.empty()) return std::nullopt;
  auto image = store_.find_image(cat(reference.name(), "@", digest));
  if (!image || !reference.digest.empty()) return image;
  bool named = std::find(image->names.begin(), image->names.end(), reference.text()) != image->names.end();
  return named ? image : std::nullopt;
}

// The manifest of this node's platform. HEAD first: it tells the digest, and costs nothing of a registry's allowance of pulls; of
// an image that is here it is all that is asked.
Task<Result<PullEngine::Found>> PullEngine::find_at(std::shared_ptr<RegistrySession> session, ImageReference reference) {
  Found out;
  std::string wanted = reference.wanted(), digest = reference.digest;
  if (digest.empty() || known_image(reference, digest)) {
    auto head = co_await session->manifest(wanted, true);
    if (!head.ok() && head.error().code() != Code::kMethodNotAllowed) co_return head.error();
    if (head.ok() && digest.empty()) digest = head->digest;
    if (head.ok()) out.known = known_image(reference, digest);
    if (out.known) co_return out;
  }
  auto got = co_await session->manifest(digest.empty() ? wanted : digest, false);
  CO_TRY(got);
  if (digest.empty()) digest = cat("sha256:", sha256_hex(got->body));
  CO_TRY(check_digest("manifest", got->body, digest));
  out.digest = digest;
  auto manifest = parse_manifest(got->body, got->media_type);
  CO_TRY(manifest);
  for (int depth = 0; manifest->is_index; depth++) {
    if (depth >= 4) co_return Error(Code::kInvalidArgument, "manifest: indexes are nested too deep");
    auto chosen = choose_platform(*manifest, options_.platform);
    CO_TRY(chosen);
    auto child = co_await session->manifest(chosen->digest, false);
    CO_TRY(child);
    CO_TRY(check_digest("manifest", child->body, chosen->digest));
    manifest = parse_manifest(child->body, chosen->media_type);
    CO_TRY(manifest);
  }
  out.manifest = std::move(*manifest);
  co_return out;
}

Task<Result<std::string>> PullEngine::small_blob(Sessions sessions, Descriptor what) {
  Error last(Code::kUnavailable, "no registry");
  for (const auto& session : sessions) {
    int64_t wait_ms = options_.surroundings.patience.retry_first_ms;
    for (int attempt = 1; attempt <= limits::kPullAttempts; attempt++) {
      auto body = co_await session->blob(what.digest, what.size, 0);
      if (!body.ok()) {
        last = body.error();
        if (!may_resume(last.code())) break;
      } else {
        std::string text;
        std::optional<Error> cut_off;
        for (;;) {
          auto piece = co_await (*body)->read();
          if (!piece.ok()) cut_off = piece.error();
          if (!piece.ok() || !*piece) break;
          text += **piece;
          if (static_cast<int64_t>(text.size()) > what.size) break;
        }
        if (!cut_off) {
          Status whole = static_cast<int64_t>(text.size()) == what.size
                             ? check_digest("blob", text, what.digest)
                             : Status(Error(Code::kCorrupt, cat("blob ", what.digest, ": does not have the ", what.size, " bytes that the manifest says")));
          if (whole.ok()) co_return text;
          last = whole.error();
          break;
        }
        last = *cut_off;
      }
      co_await sleep_ms(wait_ms);
      wait_ms = std::min(wait_ms * 2, options_.surroundings.patience.retry_max_ms);
    }
  }
  co_return last;
}

Task<Status> PullEngine::bring_layers(Sessions sessions, std::vector<Descriptor> layers, std::vector<std::string> diff_ids, std::shared_ptr<PullProgress> progress,
                                      std::vector<std::shared_ptr<LayerFetch>>* coming, std::vector<std::shared_ptr<StagedLayer>>* staged) {
  std::set<std::string> wanted;
  for (size_t i = 0; i < layers.size(); i++) {
    if (!wanted.insert(diff_ids[i]).second || store_.has_layer(diff_ids[i])) continue;
    if (progress) progress->total += layers[i].size;
    auto fetch = fetch_of(sessions, layers[i], diff_ids[i]);
    if (progress) fetch->listeners.push_back(progress);
    coming->push_back(std::move(fetch));
  }
  Status out = ok();
  for (auto& fetch : *coming) {
    while (!fetch->result) co_await fetch->done.wait();
    // Whoever set it may be inside the fetch's own task: that ends before the fetch may go.
    co_await sleep_ms(0);
    if (fetch->result->ok()) staged->push_back(**fetch->result);
    else if (out.ok()) out = fetch->result->error();
    // A layer that is wrong makes the rest pointless; one that could not be had yet does not: the next try has the others.
    if (!out.ok() && !may_resume(out.error().code())) break;
  }
  co_return out;
}

std::shared_ptr<PullEngine::LayerFetch> PullEngine::fetch_of(const Sessions& sessions, const Descriptor& layer, const std::string& diff_id) {
  std::erase_if(fetches_, [](const auto& f) { return f.second.expired(); });
  // What another registry delivers for the same layer is judged by its own words, and may fail.
  std::string key = cat(diff_id, " ", layer.digest, " ", sessions[0]->where());
  if (auto there = fetches_[key].lock(); there && (!there->result || there->result->ok())) return there;
  auto fetch = std::make_shared<LayerFetch>();
  fetch->diff_id = diff_id;
  fetches_[key] = fetch;
  fetch->tasks.start(fetch_layer(fetch.get(), sessions, layer));
  return fetch;
}

Task<void> PullEngine::fetch_layer(LayerFetch* fetch, Sessions sessions, Descriptor layer) {
  Turn turn(this);
  while (layers_running_ >= limits::kPullLayersMax) co_await turns_.wait();
  layers_running_++;
  turn.taken = true;
  for (size_t first = 0; first < sessions.size(); first++) {
    auto pipe = std::make_shared<BytePipe>();
    fetch->pipe = pipe;
    std::optional<Result<std::shared_ptr<StagedLayer>>> unpacked;
    Event over;
    TaskGroup unpacking;
    auto run = [](PullStore* store, std::shared_ptr<BytePipe> from, Descriptor what, std::string diff_id, std::optional<Result<std::shared_ptr<StagedLayer>>>* out,
                  Event* done) -> Task<void> {
      std::function<Result<std::shared_ptr<StagedLayer>>()> work = [store, from, what, diff_id] { return unpack(store, from, what, diff_id); };
      Task<Result<std::shared_ptr<StagedLayer>>> working = offload(std::move(work), OffloadLane::kLayer);
      auto result = co_await working;
      out->emplace(std::move(result));
      done->set();
    };
    unpacking.start(run(&store_, pipe, layer, fetch->diff_id, &unpacked, &over));
    Status downloaded = co_await download(fetch, sessions, first, layer, pipe);
    if (downloaded.ok()) pipe->finish();
    else pipe->fail(downloaded.error());
    co_await over.wait();
    co_await sleep_ms(0);  // set() resumed us inside of `run`
    fetch->pipe.reset();
    // What one registry has wrong another may have right.
    if (!unpacked->ok() && unpacked->error().code() == Code::kCorrupt && first + 1 < sessions.size()) continue;
    fetch->result.emplace(std::move(*unpacked));
    break;
  }
  fetch->done.set();
}

// All of the layer's bytes into the pipe, whoever has them, going on where a connection was cut. An end that comes early or late
// is left to the reader to judge.
Task<Status> PullEngine::download(LayerFetch* fetch, Sessions sessions, size_t first, Descriptor layer, std::shared_ptr<BytePipe> pipe) {
  const PullPatience& patience = options_.surroundings.patience;
  int64_t offset = 0;
  Error last(Code::kUnavailable, cat("layer ", layer.digest, ": no registry has it"));
  for (size_t i = first; i < sessions.size(); i++) {
    int64_t wait_ms = patience.retry_first_ms;
    for (int attempt = 1; attempt <= limits::kPullAttempts; attempt++) {
      size_t since_cut = 0;
      auto body = co_await sessions[i]->blob(layer.digest, layer.size, offset);
      if (!body.ok()) {
        last = body.error().prefixed(cat("layer ", layer.digest));
        if (!may_resume(body.error().code())) break;
      } else {
        for (;;) {
          auto piece = co_await (*body)->read();
          if (!piece.ok()) {
            last = piece.error().prefixed(cat("layer ", layer.digest));
            break;
          }
          if (!*piece) {
            if (offset >= layer.size) co_return ok();
            last = Error(Code::kUnavailable, cat("layer ", layer.digest, ": ", sessions[i]->where(), " ended after ", offset, " of ", layer.size, " bytes"));
            break;
          }
          int64_t bytes = static_cast<int64_t>((*piece)->size());
          offset += bytes;
          for (const auto& p : fetch->listeners) p->done += bytes;
          bool taken = co_await pipe->write(std::move(**piece));
          if (!taken) co_return ok();  // the reader has its reason, and tells it
          if (offset > layer.size) co_return ok();
          since_cut += static_cast<size_t>(bytes);
          if (since_cut < patience.progress_bytes) continue;
          attempt = 0;  // it goes forward
          wait_ms = patience.retry_first_ms;
        }
      }
      if (attempt >= limits::kPullAttempts) break;
      co_await sleep_ms(wait_ms);
      wait_ms = std::min(wait_ms * 2, patience.retry_max_ms);
    }
  }
  co_return last;
}

}  // namespace bramble
