#include "images/import/archive_index.h"

#include "core/base/limits.h"
#include "core/crypto/hash.h"
#include "images/image_store.h"
#include "images/import/archive_stream.h"

namespace bramble {
namespace {

Error bad(std::string_view what, std::string_view why) { return Error(Code::kInvalidArgument, cat(what, ": ", why)); }

// The small entries of an archive and the sizes of all, by cleaned name.
struct Entries {
  std::map<std::string, std::string, std::less<>> json;
  std::map<std::string, std::string, std::less<>> links;  // old Docker archives link equal layers
  std::map<std::string, int64_t, std::less<>> sizes;
};

std::string without_dot(std::string_view name) {
  while (name.starts_with("./")) name.remove_prefix(2);
  return std::string(name);
}

// "a/../b/layer.tar" as a link's target seen from the folder of `from`.
std::string resolve_link(std::string_view from, std::string_view target) {
  std::vector<std::string> parts;
  size_t slash = from.rfind('/');
  std::string whole = slash == std::string_view::npos ? std::string(target) : cat(from.substr(0, slash), "/", target);
  for (auto part : split(whole, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (parts.empty()) return {};
      parts.pop_back();
    } else {
      parts.emplace_back(part);
    }
  }
  return join(parts, "/");
}

bool may_be_json(std::string_view name, int64_t size) {
  if (size <= 0 || size > static_cast<int64_t>(limits::kImageJsonBytesMax)) return false;
  return name.ends_with(".json") || name == "oci-layout" || name.starts_with("blobs/");
}

Result<Entries> read_entries(const ByteSource& source) {
  DecompressedStream plain(source);
  TRY(plain.open());
  TarReader tar([&](char* out, size_t max) { return plain.read(out, max); });
  TRY(tar.open());
  Entries out;
  size_t total = 0;
  for (;;) {
    TRY_ASSIGN(archive_entry * entry, tar.next());
    if (!entry) break;
    const char* raw = archive_entry_pathname(entry);
    if (!raw) return bad("archive", "an entry has no readable name");
    std::string name = without_dot(raw);
    if (out.sizes.size() + out.links.size() > limits::kLayerEntriesMax) return bad("archive", "has too many entries");
    const char* link = archive_entry_symlink(entry);
    if (!link) link = archive_entry_hardlink(entry);
    if (link) {
      out.links[name] = archive_entry_symlink(entry) ? resolve_link(name, link) : without_dot(link);
      continue;
    }
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    int64_t size = archive_entry_size(entry);
    if (size < 0 || size > limits::kLayerBytesMax) return bad(cat("entry ", go_quote(name)), cat("claims ", size, " bytes"));
    out.sizes[name] = size;
    if (!may_be_json(name, size)) continue;
    std::string text(static_cast<size_t>(size), '\0');
    size_t have = 0;
    while (have < text.size()) {
      TRY_ASSIGN(size_t n, tar.read(text.data() + have, text.size() - have));
      if (n == 0) return bad(cat("entry ", go_quote(name)), "ends early");
      have += n;
      if (have > 0 && text[0] != '{' && text[0] != '[') break;  // a small layer, not JSON
    }
    if (text[0] != '{' && text[0] != '[') continue;
    total += text.size();
    if (total > limits::kArchiveJsonBytesMax) return bad("archive", "holds too much JSON");
    out.json[name] = std::move(text);
  }
  return out;
}

Result<Document> parse_entry(const Entries& entries, const std::string& name, std::string_view digest) {
  auto it = entries.json.find(name);
  if (it == entries.json.end()) return bad(cat("entry ", go_quote(name)), "is missing");
  if (!digest.empty() && digest != cat("sha256:", sha256_hex(it->second)))
    return Error(Code::kCorrupt, cat("entry ", go_quote(name), ": its content does not have the digest ", digest));
  auto parsed = Document::parse(it->second);
  if (!parsed.ok()) return parsed.error().prefixed(cat("entry ", go_quote(name)));
  return parsed;
}

// What a descriptor says of the size of its content (image-spec descriptor.md; old files leave it out).
Status check_size(std::string_view what, Value descriptor, int64_t bytes) {
  if (!descriptor.has("size") || descriptor["size"].integer(-1) == bytes) return ok();
  return Error(Code::kCorrupt, cat(what, ": has ", bytes, " bytes, its descriptor says ", descriptor["size"].integer(-1)));
}

Result<std::string> blob_path(std::string_view digest) {
  if (!digest.starts_with("sha256:") || digest.size() != 71 || digest.find('/') != std::string_view::npos)
    return bad(cat("digest ", go_quote(digest)), "must be sha256");
  return cat("blobs/sha256/", digest.substr(7));
}

// Layers of one image from its config's diff_ids and the entries that hold them, one to one.
Status add_layers(const Entries& entries, Value diff_ids, const std::vector<std::string>& names,
                  const std::vector<std::string>& digests, ArchiveImage* image, ArchiveIndex* index) {
  if (diff_ids.size() != names.size())
    return bad("config", cat("names ", diff_ids.size(), " layers, the manifest ", names.size()));
  if (names.size() > limits::kLayersPerImageMax) return bad("config", cat("has more than ", limits::kLayersPerImageMax, " layers"));
  for (size_t i = 0; i < names.size(); i++) {
    std::string diff_id = diff_ids.item(i).text();
    TRY(blob_path(diff_id));
    std::string entry = names[i];
    for (int hops = 0; hops < 8; hops++) {
      auto link = entries.links.find(entry);
      if (link == entries.links.end()) break;
      entry = link->second;
    }
    if (!entries.sizes.contains(entry)) return bad(cat("layer ", go_quote(names[i])), "is missing from the archive");
    ArchiveLayer layer{diff_id, digests.empty() ? std::string() : digests[i]};
    image->layers.push_back(layer);
    index->layer_entries[entry] = layer;
  }
  return ok();
}

Status add_docker_image(const Entries& entries, Value manifest, ArchiveIndex* index) {
  ArchiveImage image;
  std::string config_name = without_dot(manifest["Config"].str());
  TRY_ASSIGN(image.config, parse_entry(entries, config_name, ""));
  image.config_digest = cat("sha256:", sha256_hex(*image.config.bytes()));
  // The file's name is its digest, in both forms that Docker writes.
  std::string_view stem = config_name;
  if (size_t slash = stem.rfind('/'); slash != std::string_view::npos) stem.remove_prefix(slash + 1);
  if (stem.ends_with(".json")) stem.remove_suffix(5);
  if (stem.size() == 64 && unhex(stem) && image.config_digest != cat("sha256:", stem))
    return Error(Code::kCorrupt, cat("entry ", go_quote(config_name), ": its content does not have the digest in its name"));
  for (Value tag : manifest["RepoTags"].items()) {
    TRY_ASSIGN(std::string name, normalize_image_name(tag.str()));
    image.names.push_back(std::move(name));
  }
  std::vector<std::string> names;
  for (Value layer : manifest["Layers"].items()) names.push_back(without_dot(layer.str()));
  TRY(add_layers(entries, image.config["rootfs"]["diff_ids"], names, {}, &image, index));
  index->images.push_back(std::move(image));
  return ok();
}

std::string_view annotated_name(Value descriptor) {
  Value notes = descriptor["annotations"];
  if (notes.has("io.containerd.image.name")) return notes["io.containerd.image.name"].str();
  return notes["org.opencontainers.image.ref.name"].str();
}

// Follows a descriptor: an index picks this node's platform, a manifest becomes an image.
Status add_oci_descriptor(const Entries& entries, Value descriptor, std::string name, std::string_view architecture, int depth,
                          ArchiveIndex* index) {
  if (depth > 4) return bad("index.json", "indexes are nested too deep");
  std::string digest = descriptor["digest"].text();
  TRY_ASSIGN(std::string path, blob_path(digest));
  TRY_ASSIGN(Document manifest, parse_entry(entries, path, digest));
  TRY(check_size(cat("entry ", go_quote(path)), descriptor, static_cast<int64_t>(entries.json.find(path)->second.size())));
  if (name.empty()) name = std::string(annotated_name(descriptor));
  if (manifest["manifests"].is_array()) {
    bool found = false;
    for (Value child : manifest["manifests"].items()) {
      std::string_view arch = child["platform"]["architecture"].str();
      if (child.has("platform") && (arch != architecture || child["platform"]["os"].str("linux") != "linux")) continue;
      auto child_path = blob_path(child["digest"].str());
      if (!child_path.ok() || !entries.json.contains(*child_path)) continue;
      TRY(add_oci_descriptor(entries, child, name, architecture, depth + 1, index));
      found = true;
      break;
    }
    if (!found) return bad(cat("image ", go_quote(name)), cat("the archive has no manifest for linux/", architecture));
    return ok();
  }
  ArchiveImage image;
  image.manifest_digest = digest;
  image.config_digest = manifest["config"]["digest"].text();
  TRY_ASSIGN(std::string config_path, blob_path(image.config_digest));
  TRY_ASSIGN(image.config, parse_entry(entries, config_path, image.config_digest));
  TRY(check_size(cat("entry ", go_quote(config_path)), manifest["config"], static_cast<int64_t>(entries.json.find(config_path)->second.size())));
  if (!name.empty()) {
    // A bare tag ("latest"), as umoci and skopeo write it, names no repository.
    bool bare = name.find_first_of("/:") == std::string::npos;
    TRY_ASSIGN(std::string full, normalize_image_name(bare ? cat("localhost/imported:", name) : name));
    image.names.push_back(std::move(full));
  }
  std::vector<std::string> names, digests;
  for (Value layer : manifest["layers"].items()) {
    TRY_ASSIGN(std::string layer_path, blob_path(layer["digest"].str()));
    if (auto size = entries.sizes.find(layer_path); size != entries.sizes.end()) TRY(check_size(cat("layer ", go_quote(layer_path)), layer, size->second));
    names.push_back(std::move(layer_path));
    digests.push_back(layer["digest"].text());
  }
  TRY(add_layers(entries, image.config["rootfs"]["diff_ids"], names, digests, &image, index));
  index->images.push_back(std::move(image));
  return ok();
}

}  // namespace

Result<ArchiveIndex> index_archive(const ByteSource& source, std::string_view architecture) {
  TRY_ASSIGN(Entries entries, read_entries(source));
  ArchiveIndex index;
  if (entries.json.contains("manifest.json")) {
    TRY_ASSIGN(Document manifests, parse_entry(entries, "manifest.json", ""));
    if (!manifests.root().is_array()) return bad("entry \"manifest.json\"", "must be a list of images");
    if (manifests.root().size() > limits::kImagesPerArchiveMax) return bad("entry \"manifest.json\"", "lists too many images");
    for (Value m : manifests.root().items()) TRY(add_docker_image(entries, m, &index));
  } else if (entries.json.contains("index.json")) {
    TRY_ASSIGN(Document top, parse_entry(entries, "index.json", ""));
    if (top["manifests"].size() > limits::kImagesPerArchiveMax) return bad("entry \"index.json\"", "lists too many images");
    for (Value d : top["manifests"].items()) TRY(add_oci_descriptor(entries, d, "", architecture, 0, &index));
  } else {
    return bad("archive", "is neither a Docker archive (no manifest.json) nor an OCI layout (no index.json)");
  }
  if (index.images.empty()) return bad("archive", "holds no image");
  return index;
}

}  // namespace bramble
