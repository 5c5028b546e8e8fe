// Layers under running containers, and an index that cannot be read.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <future>


#include "tests/images/store_fixture.h"

namespace bramble {
namespace {

class LayerUse : public StoreTest {
 protected:
  void TearDown() override {
    umount2(root_.c_str(), MNT_DETACH);
    StoreTest::TearDown();
  }
  void SetUp() override {
    StoreTest::SetUp();
    work_ = dir_ + "/work", root_ = dir_ + "/root", index_ = dir_ + "/store/index.json";
    auto imported = import(pack(docker_files(pack({{"a", "1"}}))));
    ASSERT_TRUE(imported.ok()) << imported.error().message();
    id_ = imported->front().id;
  }
  // A container's root file system.
  void mount_root() {
    Status mounted = store_->mount_rootfs(id_, work_, root_);
    ASSERT_TRUE(mounted.ok()) << mounted.error().message();
  }
  bool root_is_whole() { return access((root_ + "/a").c_str(), R_OK) == 0; }
  void overwrite_index(const std::string& text) {
    FILE* f = fopen(index_.c_str(), "w");
    fwrite(text.data(), 1, text.size(), f);
    fclose(f);
  }
  std::string work_, root_, index_, id_;
};

TEST_F(LayerUse, removing_an_image_leaves_the_layers_of_its_containers_until_they_end) {
  mount_root();
  ASSERT_TRUE(store_->remove("web:1").ok());
  EXPECT_FALSE(store_->find("web:1").has_value());
  EXPECT_EQ(layers_on_disk(), 1u);
  EXPECT_TRUE(root_is_whole());
  reopen();
  EXPECT_EQ(layers_on_disk(), 1u);
  EXPECT_TRUE(root_is_whole());
  ASSERT_TRUE(store_->unmount_rootfs(work_, root_).ok());
  EXPECT_EQ(layers_on_disk(), 0u);
}

TEST_F(LayerUse, a_damaged_index_costs_no_layer_until_there_is_a_new_one) {
  overwrite_index("{\"images\":[{");
  for (int start = 0; start < 4; start++) {
    if (start == 3) overwrite_index("{}");
    reopen();
    EXPECT_TRUE(store_->list().empty());
    EXPECT_EQ(layers_on_disk(), 1u) << "start " << start;
  }
  EXPECT_EQ(access((index_ + ".damaged").c_str(), F_OK), 0);
  ASSERT_TRUE(import(pack(docker_files(pack({{"b", "2"}}), "other:1"))).ok());
  reopen();
  EXPECT_EQ(layers_on_disk(), 1u);  // that of the new image: what the old index named has no name any more
}

TEST_F(LayerUse, a_damaged_index_costs_no_layer_of_a_container_ever) {
  mount_root();
  overwrite_index("");
  reopen();
  ASSERT_TRUE(import(pack(docker_files(pack({{"b", "2"}}), "other:1"))).ok());
  reopen();
  EXPECT_EQ(layers_on_disk(), 2u);
  EXPECT_TRUE(root_is_whole());
}

// Whoever asks what images there are (the loop thread does) must not wait for the disk of an import.
TEST_F(LayerUse, images_are_found_while_the_index_is_being_written) {
  // The new index goes into a pipe with a slow reader: an import stays in the middle of its write. It fails at the end,
  // because a pipe cannot be synced.
  std::string pipe_path = index_ + ".new";
  ASSERT_EQ(mkfifo(pipe_path.c_str(), 0600), 0);
  auto files = docker_files(pack({{"b", "2"}}), "other:1");
  std::string config = replace_all(files[0].content, "\"A=b\"", cat("\"A=", std::string(200 * 1024, 'x'), "\""));
  files[2].content = replace_all(files[2].content, files[0].name, sha256_hex(config) + ".json");
  files[0] = {sha256_hex(config) + ".json", config};
  std::string bytes = pack(files);
  auto importing = std::async(std::launch::async, [&] { return import(bytes).ok(); });
  int reader = open(pipe_path.c_str(), O_RDONLY | O_CLOEXEC);  // returns when the import is there
  ASSERT_GE(reader, 0);
  auto asking = std::async(std::launch::async, [&] { return store_->find("web:1").has_value() && store_->list().size() == 1; });
  bool answered = asking.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  EXPECT_TRUE(answered);
  char buffer[64 * 1024];
  while (read(reader, buffer, sizeof buffer) > 0) {
  }
  close(reader);
  EXPECT_TRUE(asking.get());
  EXPECT_FALSE(importing.get());
  EXPECT_EQ(store_->list().size(), 1u);
  EXPECT_EQ(layers_on_disk(), 1u);
}

TEST_F(LayerUse, an_image_that_lost_a_layer_costs_no_layer_of_a_container) {
  std::string lower = pack({{"b", "2"}}), upper = pack({{"a", "3"}});
  std::string config = config_of({lower, upper}), name = sha256_hex(config) + ".json";
  auto two = import(pack({{name, config}, {"1.tar", lower}, {"2.tar", upper},
                          {"manifest.json", cat("[{\"Config\":\"", name, "\",\"RepoTags\":[\"two:1\"],\"Layers\":[\"1.tar\",\"2.tar\"]}]")}}));
  ASSERT_TRUE(two.ok());
  id_ = two->front().id;
  mount_root();
  auto dirs = LayerDirs::open(dir_ + "/store/layers");
  ASSERT_TRUE(dirs.ok());
  ASSERT_TRUE(dirs->remove(digest(lower)).ok());
  reopen();
  EXPECT_FALSE(store_->find("two:1").has_value());
  EXPECT_TRUE(root_is_whole());
}

TEST_F(LayerUse, an_index_that_cannot_be_read_is_an_error_not_an_empty_store) {
  store_.reset();
  ASSERT_EQ(unlink(index_.c_str()), 0);
  ASSERT_EQ(mkdir(index_.c_str(), 0700), 0);  // opens, and refuses to be read
  auto opened = ImageStore::open(dir_ + "/store");
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().message().find("index.json"), std::string::npos) << opened.error().message();
  EXPECT_EQ(layers_on_disk(), 1u);
}

// A folder is named by the first digits of a digest, and a digest that begins alike can be found by who wants to.
TEST_F(LayerUse, a_layer_is_not_taken_for_another_whose_digest_begins_alike) {
  auto layers = LayerDirs::open(dir_ + "/alike");
  ASSERT_TRUE(layers.ok());
  const std::string tar = pack({{"a", "1"}}), good = digest(tar), bad = good.substr(0, 40) + std::string(31, '0');
  auto source_of = [&tar](size_t* at) -> ByteSource {
    return [&tar, at](char* out, size_t max) -> Result<size_t> {
      size_t n = std::min(max, tar.size() - *at);
      memcpy(out, tar.data() + *at, n);
      *at += n;
      return n;
    };
  };
  size_t at = 0;
  std::vector<std::string> implied;
  auto unpacked = layers->unpack(source_of(&at), good, &implied);
  ASSERT_TRUE(unpacked.ok()) << unpacked.error().message();
  ASSERT_TRUE(layers->keep({{good, ""}}).ok());
  EXPECT_TRUE(layers->has(good));
  EXPECT_EQ(layers->path(bad), layers->path(good));
  EXPECT_FALSE(layers->has(bad));
  mkdir(layers->staged_path(bad, "p1").c_str(), 0755);
  Status kept = layers->keep({{bad, "p1"}});
  ASSERT_FALSE(kept.ok());
  EXPECT_EQ(kept.error().code(), Code::kAlreadyExists);
  EXPECT_TRUE(layers->has(good));
  EXPECT_EQ(layers->list(), std::vector<std::string>{LayerDirs::folder_name(good)});
  // One that an older bramble unpacked has no such file.
  unlink(cat(dir_, "/alike/.", LayerDirs::folder_name(good), ".id").c_str());
  EXPECT_TRUE(layers->has(good));
  ASSERT_TRUE(layers->remove(good).ok());
  EXPECT_FALSE(layers->has(good));
}

}  // namespace
}  // namespace bramble
