// Archives of images as `docker save` and OCI layouts have them: taken in whole, or refused with nothing left.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/base/folder.h"
#include "images/local_store.h"

using namespace bramble;

namespace {

struct Store {
  std::string root;
  std::unique_ptr<LocalImageStore> images;
  Store() {
    char name[] = "/dev/shm/archive-fuzz-XXXXXX";
    CHECK(mkdtemp(name) != nullptr, "mkdtemp");
    root = name;
    auto opened = LocalImageStore::open(root + "/store");
    CHECK(opened.ok(), opened.error().message());
    images = std::move(*opened);
  }
  ~Store() {
    images.reset();
    CHECK(remove_tree(root).ok(), root);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Store store;
  std::string path = store.root + "/archive.tar";
  CHECK(replace_file(path, std::string_view(reinterpret_cast<const char*>(data), size), 0600).ok(), path);
  auto imported = store.images->import_archive(path, nullptr);
  if (!imported.ok()) {
    CHECK(!imported.error().message().empty(), "an error without words");
    CHECK(store.images->list().empty(), "an image of an archive that was refused");
    return 0;
  }
  for (const ImageInfo& i : *imported) {
    CHECK(store.images->find(i.id).has_value(), i.id);
    for (const std::string& n : i.names) CHECK(store.images->find(n).has_value(), n);
  }
  for (const ImageInfo& i : store.images->list()) {
    Status removed = store.images->remove(i.id);
    CHECK(removed.ok(), removed.error().message());
  }
  auto layers = LayerDirs::open(store.root + "/store/layers");
  CHECK(layers.ok() && layers->list().empty(), "a layer that no image has");
  return 0;
}
