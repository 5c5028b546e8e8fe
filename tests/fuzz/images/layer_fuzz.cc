// A layer's tar, unpacked: it is refused or it stays below its folder, whatever it says of names, links, owners and sizes.
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/base/files.h"
#include "core/base/folder.h"
#include "images/layers/unpack.h"

using namespace bramble;

namespace {

// <root>/layer is unpacked to; <root>/outside and its file are not to change.
struct Place {
  std::string root;
  struct stat before {};
  Place() {
    char name[] = "/dev/shm/layer-fuzz-XXXXXX";
    CHECK(mkdtemp(name) != nullptr, "mkdtemp");
    root = name;
    CHECK(mkdir((root + "/outside").c_str(), 0700) == 0 && replace_file(root + "/outside/file", "safe", 0600).ok(), root);
    CHECK(lstat((root + "/outside/file").c_str(), &before) == 0, root);
  }
  ~Place() { CHECK(remove_tree(root).ok(), root); }
  void check() const {
    struct stat now {};
    CHECK(lstat((root + "/outside/file").c_str(), &now) == 0, "the file outside is gone");
    CHECK(now.st_mode == before.st_mode && now.st_uid == before.st_uid && now.st_size == before.st_size && now.st_nlink == 1 && now.st_mtim.tv_nsec == before.st_mtim.tv_nsec, "outside");
    int entries = 0;
    for (const char* folder : {"", "/outside"}) {
      DIR* d = opendir((root + folder).c_str());
      while (dirent* e = readdir(d)) entries += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 ? 1 : 0;
      closedir(d);
    }
    CHECK(entries == 3, "something was made outside of the layer", entries);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Place place;
  std::string layer = place.root + "/layer";
  CHECK(mkdir(layer.c_str(), 0755) == 0, layer);
  size_t at = 0;
  ByteSource source = [&](char* out, size_t max) -> Result<size_t> {
    size_t n = std::min({max, size - at, size_t{4096}});
    memcpy(out, data + at, n);
    at += n;
    return n;
  };
  auto unpacked = unpack_layer(source, layer);
  if (unpacked.ok()) CHECK(unpacked->diff_id.starts_with("sha256:") && unpacked->bytes >= 0, unpacked->diff_id);
  place.check();
  CHECK(remove_tree(layer).ok(), layer);
  return 0;
}
