// An exported image is the image: what a container sees of it, and its config.
#include <sys/stat.h>
#include <sys/xattr.h>

#include <filesystem>

#include "core/base/files.h"
#include "tests/images/store_fixture.h"

namespace bramble {
namespace {

using Export = StoreTest;

// What a container sees: kind, mode, owner, time, content or target of each file.
std::string seen(const std::string& root) {
  std::vector<std::string> lines;
  for (const auto& e : std::filesystem::recursive_directory_iterator(root)) {
    struct stat st {};
    if (lstat(e.path().c_str(), &st) != 0) continue;
    std::string path = e.path().string().substr(root.size()), extra;
    if (S_ISLNK(st.st_mode)) extra = std::filesystem::read_symlink(e.path()).string();
    if (S_ISREG(st.st_mode)) extra = cat(read_file_start(e.path().string()), " x", st.st_nlink);
    char value[64];
    ssize_t n = lgetxattr(e.path().c_str(), "user.note", value, sizeof value);
    if (n > 0) extra += cat(" ", std::string_view(value, static_cast<size_t>(n)));
    lines.push_back(cat(path, " ", static_cast<unsigned>(st.st_mode), " ", st.st_uid, " ", S_ISDIR(st.st_mode) ? 0 : static_cast<long>(st.st_mtim.tv_sec), " ", extra));
  }
  std::sort(lines.begin(), lines.end());
  return join(lines, "\n");
}

TEST_F(Export, gives_what_a_container_sees_and_the_config_back) {
  std::string lower = pack({{"keep", "k", AE_IFREG, "", -1, 04755, 7}, {"gone", "g"}, {"dir", "", AE_IFDIR, "", -1, 0711, 5}, {"dir/old", "o"}, {"dir2/implied", "i"}});
  std::string upper = pack({{".wh.gone", ""}, {"dir", "", AE_IFDIR, ""}, {"dir/.wh..wh..opq", ""}, {"dir/new", "n"}, {"dir/twin", "", 0, "dir/new"}, {"link", "", AE_IFLNK, "../keep"}, {"fifo", "", AE_IFIFO}});
  std::string config = config_of({lower, upper}), name = sha256_hex(config) + ".json";
  auto first = import(pack({{name, config}, {"1.tar", lower}, {"2.tar", upper}, {"manifest.json", cat("[{\"Config\":\"", name, "\",\"RepoTags\":[\"two:1\"],\"Layers\":[\"1.tar\",\"2.tar\"]}]")}}));
  ASSERT_TRUE(first.ok()) << first.error().message();
  std::string work = dir_ + "/work", root = dir_ + "/root";
  ASSERT_TRUE(store_->mount_rootfs(first->front().id, work, root).ok());
  std::string before = seen(root);
  ASSERT_TRUE(store_->unmount_rootfs(work, root).ok());

  int64_t done = 0, total = -1;
  std::string file = dir_ + "/out.tar";
  Status out = static_cast<LocalImageStore&>(*store_).export_archive({"two:1"}, file, [&](int64_t d, int64_t t) { done = d, total = t; });
  ASSERT_TRUE(out.ok()) << out.error().message();
  EXPECT_EQ(done, total);
  ASSERT_TRUE(store_->remove("two:1").ok());
  EXPECT_EQ(layers_on_disk(), 0u);
  auto again = store_->import_archive(file, nullptr);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(again->front().names, std::vector<std::string>{"docker.io/library/two:1"});
  EXPECT_EQ(again->front().config.user, "web");
  ASSERT_TRUE(store_->mount_rootfs(again->front().id, work, root).ok());
  EXPECT_EQ(seen(root), before);
  ASSERT_TRUE(store_->unmount_rootfs(work, root).ok());
}

TEST_F(Export, that_fails_leaves_the_old_file) {
  std::string file = dir_ + "/out.tar";
  ASSERT_TRUE(replace_file(file, "old", 0644).ok());
  auto& store = static_cast<LocalImageStore&>(*store_);
  Status absent = store.export_archive({"none:1"}, file, nullptr);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), Code::kNotFound);
  EXPECT_FALSE(store.export_archive({"none:1"}, dir_ + "/no/such/folder.tar", nullptr).ok());
  EXPECT_EQ(read_file_start(file), "old");
  EXPECT_FALSE(path_exists(file + ".part"));
}

}  // namespace
}  // namespace bramble
