// LayerDirs: unpacked layers of this node, one folder each by the digest of its uncompressed tar (OCI image-spec, diff_id). A
// folder has the first digits of it for a name, and a file beside it, .NAME.id, has all: layers whose digests only begin alike are
// not taken for each other.
// A layer appears by rename after all of it is on disk (synced), so a crash or a power cut leaves only temporary folders,
// removed at open: a layer that is there is whole.
// Blocking. Unpacking may go on in several threads; one caller at a time keeps or removes. has() and path() may be asked meanwhile.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace bramble {

// Bytes of a (maybe compressed) layer: fills up to `max` bytes, gives the count, 0 at the end.
using ByteSource = std::function<Result<size_t>(char* out, size_t max)>;

class LayerDirs {
 public:
  static Result<LayerDirs> open(std::string directory);

  bool has(std::string_view diff_id) const;
  std::string path(std::string_view diff_id) const;
  static std::string folder_name(std::string_view diff_id);  // the last part of path()
  // Where a layer is unpacked: of those who unpack the same one at once, each has a folder of its own by `who` ("" is the import).
  std::string staged_path(std::string_view diff_id, std::string_view who = {}) const;
  // Reads a tar (plain, gzip, zstd by content) to its end, unpacks it and checks that its uncompressed digest is diff_id.
  // Refused by name: "..", links that lead out, sizes beyond the limits or the free space. Nothing stays on error.
  // Gives the unpacked bytes, and the folders that no entry described. The layer is there only when it was kept.
  Result<int64_t> unpack(const ByteSource& source, std::string_view diff_id, std::vector<std::string>* implied, std::string_view who = {});
  // Such folders of an unpacked layer get owner, mode, times and xattrs of those that they lie upon (as by containerd's mkparent):
  // the first of the layers below, the uppermost first, that has one. All by path: places or staged ones.
  Status inherit(const std::string& staged, const std::vector<std::string>& implied, const std::vector<std::string>& below) const;
  // kAlreadyExists: the digest of another one that is there begins alike.
  // Puts unpacked layers in their places, once all of them are on the disk. One that somebody else has put there meanwhile stays.
  struct Staged {
    std::string diff_id, who;
  };
  Status keep(const std::vector<Staged>& layers);
  Status discard(std::string_view diff_id, std::string_view who = {});  // an unpacked one
  // The bytes of regular files in a layer, as unpack() counts them.
  Result<int64_t> measure(std::string_view diff_id) const;
  Status remove(std::string_view diff_id);
  std::vector<std::string> list() const;  // folder names of layers that are there
  Status sync() const;                    // all of it on disk

 private:
  explicit LayerDirs(std::string directory) : directory_(std::move(directory)) {}
  std::string id_path(std::string_view diff_id) const;
  std::string directory_;
};

// Names of the folders that overlays of this mount namespace have as their lower ones.
Result<std::set<std::string>> mounted_lower_folders();

}  // namespace bramble
