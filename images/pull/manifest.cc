#include "images/pull/manifest.h"

#include <set>

#include "core/base/limits.h"
#include "core/base/strings.h"
#include "images/local_store.h"
#include "images/pull/reference.h"

namespace bramble {
namespace {

constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";

Error bad(std::string_view why) { return Error(Code::kInvalidArgument, cat("manifest: ", why)); }

Result<Descriptor> read_descriptor(Value v, std::string_view what) {
  Descriptor out;
  out.media_type = v["mediaType"].text();
  out.digest = v["digest"].text();
  out.size = v["size"].integer(-1);
  if (!valid_digest(out.digest)) return bad(cat(what, " has the digest ", go_quote(out.digest.substr(0, 100)), ", which is not sha256"));
  if (out.size < 0 || out.size > limits::kLayerBytesMax) return bad(cat(what, " claims ", out.size, " bytes"));
  Value p = v["platform"];
  out.platform = {p["architecture"].text(), p["os"].text(), p["variant"].text(), p.is_object()};
  return out;
}

bool is_schema_1(std::string_view media_type, Value root) {
  return media_type.starts_with("application/vnd.docker.distribution.manifest.v1") || (root["schemaVersion"].integer(2) == 1 && root["fsLayers"].exists());
}

bool is_layer(std::string_view type) {
  for (std::string_view known : {"application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."})
    if (type.starts_with(known)) return true;
  return type.empty();
}

Result<Manifest> read_index(Value root) {
  Manifest out;
  out.is_index = true;
  if (root["manifests"].size() > limits::kIndexEntriesMax) return Error(Code::kTooLarge, cat("manifest: an index of more than ", limits::kIndexEntriesMax, " entries"));
  for (Value v : root["manifests"].items()) {
    TRY_ASSIGN(Descriptor d, read_descriptor(v, "an entry of the index"));
    out.manifests.push_back(std::move(d));
  }
  return out;
}

Result<Manifest> read_image(Value root) {
  Manifest out;
  if (!root["config"].is_object() || !root["layers"].is_array()) return bad("is neither an image nor an index");
  TRY_ASSIGN(out.config, read_descriptor(root["config"], "the config"));
  const std::string& type = out.config.media_type;
  if (type != "application/vnd.oci.image.config.v1+json" && type != "application/vnd.docker.container.image.v1+json" && type != "application/octet-stream" && !type.empty())
    return Error(Code::kUnsupportedMedia, cat("manifest: is no container image: its config is ", go_quote(type.substr(0, 100))));
  if (out.config.size > static_cast<int64_t>(limits::kImageJsonBytesMax)) return Error(Code::kTooLarge, cat("manifest: the config claims ", out.config.size, " bytes"));
  if (root["layers"].size() > limits::kLayersPerImageMax)
    return Error(Code::kTooLarge, cat("manifest: ", root["layers"].size(), " layers; an image may have ", limits::kLayersPerImageMax));
  for (Value v : root["layers"].items()) {
    TRY_ASSIGN(Descriptor d, read_descriptor(v, "a layer"));
    if (d.media_type.ends_with("+encrypted")) return Error(Code::kUnsupportedMedia, "manifest: a layer is encrypted; such images cannot be run");
    if (!is_layer(d.media_type)) return Error(Code::kUnsupportedMedia, cat("manifest: a layer of the type ", go_quote(d.media_type.substr(0, 100)), " is none of a container image"));
    out.layers.push_back(std::move(d));
  }
  return out;
}

// What runs on `own`, best first.
std::vector<Platform> candidates(const Platform& own) {
  std::vector<Platform> out;
  auto arms = [&](char from) {
    for (char v = from; v >= '5'; v--) out.push_back({"arm", "linux", {'v', v}, true});
  };
  if (own.architecture == "arm") {
    arms(own.variant.size() == 2 ? own.variant[1] : '7');
  } else if (own.architecture == "arm64") {
    out.push_back({"arm64", "linux", "v8", true});
    arms('8');
  } else if (own.architecture == "amd64") {
    out.push_back({"amd64", "linux", "", true});
    out.push_back({"386", "linux", "", true});
  } else {
    out.push_back(own);
  }
  return out;
}

// The words that mean the same in one form (containerd platforms, normalizeArch).
Platform normal(Platform p) {
  p.architecture = lower(p.architecture);
  p.variant = lower(p.variant);
  if (p.architecture == "x86_64" || p.architecture == "x86-64") p.architecture = "amd64";
  if (p.architecture == "aarch64") p.architecture = "arm64";
  if (p.architecture == "armhf") p.architecture = "arm", p.variant = "v7";
  if (p.architecture == "armel") p.architecture = "arm", p.variant = "v6";
  if (p.architecture == "i386") p.architecture = "386";
  if (p.variant.size() == 1) p.variant = "v" + p.variant;
  if (p.architecture == "arm" && p.variant.empty()) p.variant = "v7";
  if (p.architecture == "arm64" && p.variant.empty()) p.variant = "v8";
  if (p.architecture == "amd64" && p.variant == "v1") p.variant.clear();
  if (p.os.empty()) p.os = "linux";
  return p;
}

std::string text_of(const Platform& p) { return cat(p.os, "/", p.architecture, p.variant.empty() ? "" : "/", p.variant); }

}  // namespace

std::vector<std::string> manifest_media_types() {
  return {std::string(kOciIndex), std::string(kDockerList), std::string(kOciManifest), std::string(kDockerManifest), "*/*"};
}

Result<Manifest> parse_manifest(std::string_view body, std::string_view content_type) {
  if (body.size() > limits::kImageJsonBytesMax) return Error(Code::kTooLarge, cat("manifest: more than ", limits::kImageJsonBytesMax, " bytes"));
  auto parsed = Document::parse(body);
  if (!parsed.ok()) return parsed.error().prefixed("manifest");
  Value root = parsed->root();
  if (!root.is_object()) return bad("is no JSON object");
  std::string type = root["mediaType"].text();
  if (type.empty()) type = lower(trim(content_type.substr(0, content_type.find(';'))));
  if (is_schema_1(type, root))
    return Error(Code::kUnsupportedMedia, "manifest: the image has the old manifest schema 1, which is not supported; push it again with a current tool");
  // A document that is both could be read differently by others (CVE-2021-41190).
  if (root["manifests"].exists() && (root["layers"].exists() || root["config"].exists())) return bad("is an image and an index at once");
  bool index = root["manifests"].is_array() || type == kOciIndex || type == kDockerList;
  return index ? read_index(root) : read_image(root);
}

Platform node_platform() {
  Platform p{std::string(node_architecture()), "linux", "", true};
#if defined(__arm__)
  p.variant = cat("v", __ARM_ARCH);
#elif defined(__aarch64__)
  p.variant = "v8";
#endif
  return p;
}

Result<Descriptor> choose_platform(const Manifest& index, const Platform& own) {
  const Descriptor* untold = nullptr;
  for (const Platform& want : candidates(own)) {
    for (const Descriptor& d : index.manifests) {
      if (!d.platform.told) {
        if (!untold) untold = &d;
        continue;
      }
      Platform p = normal(d.platform);
      if (p.os == want.os && p.architecture == want.architecture && p.variant == want.variant) return d;
    }
  }
  if (untold) return *untold;
  std::set<std::string> there;
  for (const Descriptor& d : index.manifests)
    if (d.platform.os != "unknown" && there.size() < 16) there.insert(text_of(normal(d.platform)).substr(0, 64));
  return Error(Code::kNotFound, cat("no match for platform in manifest: this node is ", text_of(normal(own)), ", the image is for ",
                                    there.empty() ? std::string("nothing") : join({there.begin(), there.end()}, ", ")));
}

Result<std::vector<std::string>> diff_ids_of(const Document& config) {
  std::vector<std::string> out;
  if (!config.root().is_object()) return Error(Code::kInvalidArgument, "config: is no JSON object");
  std::string os = config["os"].text("linux");
  if (os != "linux") return Error(Code::kUnsupportedMedia, cat("config: the image is for ", go_quote(os.substr(0, 40)), ", this node is linux"));
  for (Value v : config["rootfs"]["diff_ids"].items()) {
    if (out.size() >= limits::kLayersPerImageMax) return Error(Code::kTooLarge, "config: too many layers");
    if (!valid_digest(v.str())) return Error(Code::kInvalidArgument, cat("config: diff_id ", go_quote(v.str().substr(0, 100)), " is not sha256"));
    out.push_back(v.text());
  }
  return out;
}

}  // namespace bramble
