// Archives made in memory, and an image store in a folder of the test's own. Needs root (ownership, device nodes for
// whiteouts, overlayfs).
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/strings.h"
#include "core/crypto/hash.h"
#include "images/image_store.h"
#include "images/local_store.h"

namespace bramble {
namespace {

struct File {
  std::string name, content;
  unsigned type = AE_IFREG;
  std::string link = "";  // of AE_IFLNK; a hard link's target when type is 0
  int64_t claimed = -1;
  unsigned mode = 0;   // 0: as usual
  int64_t owner = 0;
};

enum class Packing { kPlain, kGzip, kZstd };

inline std::string pack(const std::vector<File>& files, Packing packing = Packing::kPlain) {
  archive* a = archive_write_new();
  archive_write_set_format_gnutar(a);
  if (packing == Packing::kGzip) archive_write_add_filter_gzip(a);
  if (packing == Packing::kZstd) archive_write_add_filter_zstd(a);
  std::string out(4 << 20, '\0');
  size_t used = 0;
  archive_write_open_memory(a, out.data(), out.size(), &used);
  for (const File& f : files) {
    archive_entry* e = archive_entry_new();
    archive_entry_set_pathname(e, f.name.c_str());
    if (f.type != 0) archive_entry_set_filetype(e, f.type);
    else archive_entry_set_hardlink(e, f.link.c_str());
    if (f.type == AE_IFLNK) archive_entry_set_symlink(e, f.link.c_str());
    archive_entry_set_perm(e, f.mode ? f.mode : f.type == AE_IFDIR ? 0755 : 0644);
    archive_entry_set_uid(e, f.owner);
    archive_entry_set_mtime(e, 1000000000, 0);
    archive_entry_set_size(e, f.claimed >= 0 ? f.claimed : static_cast<int64_t>(f.content.size()));
    archive_write_header(a, e);
    if (!f.content.empty()) archive_write_data(a, f.content.data(), f.content.size());
    archive_entry_free(e);
  }
  archive_write_close(a);
  archive_write_free(a);
  out.resize(used);
  return out;
}

inline std::string digest(std::string_view bytes) { return cat("sha256:", sha256_hex(bytes)); }

inline std::string config_of(const std::vector<std::string>& plain_layers, std::string_view arch = node_architecture()) {
  std::string ids;
  for (const auto& l : plain_layers) ids += cat(ids.empty() ? "" : ",", "\"", digest(l), "\"");
  return cat("{\"architecture\":\"", arch, "\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"/bin/sh\"],\"Env\":[\"A=b\"],\"User\":\"web\"},",
             "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[", ids, "]}}");
}

inline std::vector<File> docker_files(const std::string& layer, const std::string& tag = "web:1") {
  std::string config = config_of({layer});
  std::string name = sha256_hex(config) + ".json";
  return {{name, config}, {"layer.tar", layer}, {"manifest.json", cat("[{\"Config\":\"", name, "\",\"RepoTags\":[\"", tag, "\"],\"Layers\":[\"layer.tar\"]}]")}};
}

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/var/tmp/bramble-images-XXXXXX";  // not a tmpfs: overlayfs uppers live here
    ASSERT_NE(mkdtemp(folder), nullptr);
    dir_ = folder;
    reopen();
  }
  void TearDown() override {
    store_.reset();
    std::string command = "rm -rf " + dir_;
    EXPECT_EQ(system(command.c_str()), 0);
  }
  void reopen() {
    store_.reset();
    auto opened = ImageStore::open(dir_ + "/store");
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    store_ = std::move(*opened);
  }
  Result<std::vector<ImageInfo>> import(const std::string& bytes) {
    std::string path = dir_ + "/archive.tar";
    FILE* f = fopen(path.c_str(), "w");
    fwrite(bytes.data(), 1, bytes.size(), f);
    fclose(f);
    return store_->import_archive(path, nullptr);
  }
  size_t layers_on_disk() {
    auto dirs = LayerDirs::open(dir_ + "/store/layers");
    return dirs.ok() ? dirs->list().size() : 999;
  }
  std::string folder_of_only_layer() {
    auto dirs = LayerDirs::open(dir_ + "/store/layers");
    return dirs.ok() && dirs->list().size() == 1 ? dirs->list()[0] : "";
  }
  std::string dir_;
  std::unique_ptr<ImageStore> store_;
};

}  // namespace
}  // namespace bramble
