// The local store's part in pulls: layers that are unpacked one by one, then an image of them.
#include <algorithm>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "images/local_store.h"

namespace bramble {
namespace {

class LocalStagedLayer final : public StagedLayer {
 public:
  LocalStagedLayer(const LayerDirs& dirs, LayerDirs::Staged staged) : dirs_(dirs), staged_(std::move(staged)) {}
  ~LocalStagedLayer() override {
    if (kept) return;
    Status gone = dirs_.discard(staged_.diff_id, staged_.who);
    (void)gone;  // what stays goes at the next open
  }
  const std::string& diff_id() const override { return staged_.diff_id; }
  const LayerDirs::Staged& staged() const { return staged_; }
  std::string folder() const { return dirs_.staged_path(staged_.diff_id, staged_.who); }

  int64_t bytes = 0;
  std::vector<std::string> implied;
  bool kept = false;

 private:
  LayerDirs dirs_;
  LayerDirs::Staged staged_;
};

LocalStagedLayer* local(const std::shared_ptr<StagedLayer>& layer) { return static_cast<LocalStagedLayer*>(layer.get()); }

LocalStagedLayer* find_staged(const std::vector<std::shared_ptr<StagedLayer>>& staged, const std::string& diff_id) {
  for (const auto& s : staged)
    if (s->diff_id() == diff_id && !local(s)->kept) return local(s);
  return nullptr;
}

}  // namespace

bool LocalImageStore::has_layer(const std::string& diff_id) { return layers_.has(diff_id); }

std::shared_ptr<void> LocalImageStore::hold_layers(std::vector<std::string> diff_ids) {
  std::vector<std::string> folders;
  for (const std::string& d : diff_ids) folders.push_back(LayerDirs::folder_name(d));
  std::lock_guard lock(mutex_);
  for (const std::string& f : folders) mounting_.insert(f);
  return std::shared_ptr<void>(nullptr, [this, folders](void*) {
    std::lock_guard again(mutex_);
    for (const std::string& f : folders) mounting_.erase(mounting_.find(f));
  });
}

Result<std::shared_ptr<StagedLayer>> LocalImageStore::unpack_layer(const ByteSource& source, const std::string& diff_id) {
  std::string who = cat("p", ++stage_number_);
  std::vector<std::string> implied;
  TRY_ASSIGN(int64_t bytes, layers_.unpack(source, diff_id, &implied, who));
  auto out = std::make_shared<LocalStagedLayer>(layers_, LayerDirs::Staged{diff_id, who});
  out->bytes = bytes;
  out->implied = std::move(implied);
  return std::shared_ptr<StagedLayer>(std::move(out));
}

Result<ImageInfo> LocalImageStore::enter(const PulledImage& pulled, std::vector<std::shared_ptr<StagedLayer>> staged) {
  ArchiveImage image;
  image.names = {pulled.name};
  image.manifest_digest = pulled.manifest_digest;
  image.config_digest = pulled.id;
  image.config = pulled.config;
  image.pinned = false;
  for (const std::string& d : pulled.diff_ids) image.layers.push_back({d, ""});

  std::lock_guard changing(change_mutex_);
  std::vector<std::string> below;  // the uppermost first
  std::vector<LayerDirs::Staged> keep;
  std::set<std::string> taken;
  for (const std::string& d : pulled.diff_ids) {
    if (!taken.insert(d).second) continue;  // listed twice
    LocalStagedLayer* own = layers_.has(d) ? nullptr : find_staged(staged, d);
    if (!own && !layers_.has(d)) return Error(Code::kNotFound, cat("layer ", d, ": is gone"));
    if (own) {
      TRY(layers_.inherit(own->folder(), own->implied, below));
      keep.push_back(own->staged());
    }
    below.insert(below.begin(), own ? own->folder() : layers_.path(d));
  }
  TRY(layers_.keep(keep));
  std::vector<int64_t> layer_bytes;
  std::map<std::string, int64_t> fresh;
  for (const auto& s : staged)
    for (const auto& k : keep)
      if (k.who == local(s)->staged().who) local(s)->kept = true, fresh[k.diff_id] = local(s)->bytes;
  TRY(write_config(pulled.id, pulled.config.bytes() ? std::string_view(*pulled.config.bytes()) : std::string_view()));
  for (const std::string& d : pulled.diff_ids) {
    auto known = fresh.find(d);
    auto bytes = known != fresh.end() ? Result<int64_t>(known->second) : layer_bytes_of(d);
    TRY(bytes);
    layer_bytes.push_back(*bytes);
  }
  Records next = records_;
  adopt(next, image, std::move(layer_bytes));
  Record* r = find_record(next, pulled.id);
  if (!r) return Error(Code::kInternal, cat("image ", pulled.id, ": was not taken in"));
  ImageInfo out = r->info;
  for (const std::string& d : pulled.diff_ids) left_.erase(LayerDirs::folder_name(d));
  TRY(replace_records(std::move(next)));
  return out;
}

Status LocalImageStore::keep_layers(const std::vector<std::string>& diff_ids, std::vector<std::shared_ptr<StagedLayer>> staged) {
  std::lock_guard changing(change_mutex_);
  std::vector<std::string> below;
  std::vector<LayerDirs::Staged> keep;
  std::vector<LocalStagedLayer*> kept;
  bool whole = true;  // all of the layers below are known
  for (const std::string& d : diff_ids) {
    LocalStagedLayer* own = layers_.has(d) ? nullptr : find_staged(staged, d);
    bool there = own || layers_.has(d);
    if (own && (whole || own->implied.empty()) && std::find(kept.begin(), kept.end(), own) == kept.end()) {
      TRY(layers_.inherit(own->folder(), own->implied, below));
      keep.push_back(own->staged());
      kept.push_back(own);
    }
    whole = whole && there;
    if (there) below.insert(below.begin(), own ? own->folder() : layers_.path(d));
  }
  if (keep.empty()) return ok();
  TRY(layers_.keep(keep));
  int64_t now = RealClock().wall_us();
  for (LocalStagedLayer* l : kept) {
    l->kept = true;
    left_[LayerDirs::folder_name(l->diff_id())] = now;
  }
  Records same = records_;
  return replace_records(std::move(same));
}

Status LocalImageStore::drop_leftovers(bool all) {
  std::lock_guard changing(change_mutex_);
  int64_t oldest = RealClock().wall_us() - limits::kLeftLayerUs;
  if (std::erase_if(left_, [&](const auto& l) { return all || l.second <= oldest; }) == 0) return ok();
  Records same = records_;
  TRY(replace_records(std::move(same)));
  return drop_unused_layers();
}

}  // namespace bramble
