// Archives to images on a real disk: Docker and OCI layouts, compression, hostile and broken input.
#include <sys/stat.h>

#include <filesystem>

#include "tests/core/base/dies_at.h"
#include "tests/images/store_fixture.h"

namespace bramble {
namespace {

using Import = StoreTest;

TEST_F(Import, reads_docker_archives_plain_gzip_and_zstd) {
  std::string layer = pack({{"etc", "", AE_IFDIR, ""}, {"etc/motd", "hello"}});
  for (Packing p : {Packing::kPlain, Packing::kGzip, Packing::kZstd}) {
    auto r = import(pack(docker_files(layer), p));
    ASSERT_TRUE(r.ok()) << r.error().message();
    ASSERT_EQ(r->size(), 1u);
    EXPECT_EQ(r->front().names, std::vector<std::string>{"docker.io/library/web:1"});
    EXPECT_EQ(r->front().config.cmd, std::vector<std::string>{"/bin/sh"});
    EXPECT_EQ(r->front().config.user, "web");
  }
  reopen();
  ASSERT_TRUE(store_->find("web:1").has_value());
  EXPECT_EQ(layers_on_disk(), 1u);
}

TEST_F(Import, reads_oci_layouts_with_compressed_layers) {
  std::string layer = pack({{"a", "1"}}), packed = pack({{"a", "1"}}, Packing::kGzip), config = config_of({layer});
  std::string manifest = cat("{\"schemaVersion\":2,\"config\":{\"digest\":\"", digest(config), "\"},\"layers\":[{\"digest\":\"", digest(packed), "\"}]}");
  std::string index = cat("{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"", digest(manifest),
                          "\",\"annotations\":{\"org.opencontainers.image.ref.name\":\"registry.local/team/web:2\"}}]}");
  auto blob = [](const std::string& b) { return File{"blobs/sha256/" + sha256_hex(b), b}; };
  auto r = import(pack({{"oci-layout", "{}"}, {"index.json", index}, blob(manifest), blob(config), blob(packed)}));
  ASSERT_TRUE(r.ok()) << r.error().message();
  EXPECT_EQ(r->front().names, std::vector<std::string>{"registry.local/team/web:2"});
  EXPECT_EQ(r->front().digests, std::vector<std::string>{"registry.local/team/web@" + digest(manifest)});
}

TEST_F(Import, mounts_layers_with_whiteouts) {
  std::string lower = pack({{"keep", "k"}, {"gone", "g"}, {"dir", "", AE_IFDIR, ""}, {"dir/old", "o"}});
  std::string upper = pack({{".wh.gone", ""}, {"dir", "", AE_IFDIR, ""}, {"dir/.wh..wh..opq", ""}, {"dir/new", "n"}});
  std::string config = config_of({lower, upper}), name = sha256_hex(config) + ".json";
  auto r = import(pack({{name, config}, {"1.tar", lower}, {"2.tar", upper},
                        {"manifest.json", cat("[{\"Config\":\"", name, "\",\"RepoTags\":[\"two:1\"],\"Layers\":[\"1.tar\",\"2.tar\"]}]")}}));
  ASSERT_TRUE(r.ok()) << r.error().message();
  std::string work = dir_ + "/work", root = dir_ + "/root";
  Status m = store_->mount_rootfs(r->front().id, work, root);
  ASSERT_TRUE(m.ok()) << m.error().message();
  EXPECT_EQ(access((root + "/keep").c_str(), F_OK), 0);
  EXPECT_NE(access((root + "/gone").c_str(), F_OK), 0);
  EXPECT_NE(access((root + "/dir/old").c_str(), F_OK), 0);
  EXPECT_EQ(access((root + "/dir/new").c_str(), F_OK), 0);
  ASSERT_TRUE(store_->unmount_rootfs(work, root).ok());
  EXPECT_NE(access(work.c_str(), F_OK), 0);
}

// What a power cut leaves of files that were not synced: names, and no bytes.
TEST_F(Import, a_layer_is_trusted_only_when_all_of_it_reached_the_disk) {
  std::string archive = pack(docker_files(pack({{"a", "content"}})));
  EXPECT_TRUE(dies_at({SYS_syncfs}, [&] {
    auto cut_off = import(archive);
    (void)cut_off.ok();
  }));
  for (const auto& e : std::filesystem::recursive_directory_iterator(dir_ + "/store/layers"))
    if (e.is_regular_file()) std::filesystem::resize_file(e.path(), 0);
  reopen();
  EXPECT_EQ(layers_on_disk(), 0u);
  auto again = import(archive);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(std::filesystem::file_size(dir_ + "/store/layers/" + folder_of_only_layer() + "/a"), 7u);
}

TEST_F(Import, an_image_counts_the_layers_that_other_images_have_as_well) {
  auto archive = [](const std::vector<std::string>& layers, const char* tag) {
    std::string config = config_of(layers), name = sha256_hex(config) + ".json", list;
    std::vector<File> files = {{name, config}};
    for (size_t i = 0; i < layers.size(); i++) {
      files.push_back({cat(i, ".tar"), layers[i]});
      list += cat(i ? "," : "", "\"", i, ".tar\"");
    }
    files.push_back({"manifest.json", cat("[{\"Config\":\"", name, "\",\"RepoTags\":[\"", tag, "\"],\"Layers\":[", list, "]}]")});
    return pack(files);
  };
  std::string base = pack({{"base", std::string(1000, 'b')}}), top = pack({{"top", std::string(10, 't')}});
  auto first = import(archive({base}, "base:1"));
  auto second = import(archive({base, top, base}, "top:1"));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->front().size_bytes, 1000);
  EXPECT_EQ(second->front().size_bytes, 1010);
  reopen();
  auto third = import(archive({top, base}, "other:1"));
  ASSERT_TRUE(third.ok());
  EXPECT_EQ(third->front().size_bytes, 1010) << "known from the index";
  ASSERT_TRUE(store_->remove("other:1").ok() && store_->remove("base:1").ok());
  // Layers that are there and that no index speaks of are measured.
  store_.reset();
  std::filesystem::resize_file(dir_ + "/store/index.json", 1);
  reopen();
  auto fourth = import(archive({base, top, base}, "top:1"));
  ASSERT_TRUE(fourth.ok());
  EXPECT_EQ(fourth->front().size_bytes, 1010);
}

TEST_F(Import, layers_and_roots_have_their_modes_whatever_mask_the_server_was_started_with) {
  mode_t before = umask(077);
  auto imported = import(pack(docker_files(pack({{"implied/file", "x"}}))));
  std::string work = dir_ + "/work", root = dir_ + "/root";
  ASSERT_TRUE(imported.ok()) << imported.error().message();
  Status mounted = store_->mount_rootfs(imported->front().id, work, root);
  umask(before);
  ASSERT_TRUE(mounted.ok()) << mounted.error().message();
  struct Row {
    std::string path;
    unsigned mode;
  } rows[] = {{root, 0755}, {root + "/implied", 0755}, {root + "/implied/file", 0644}, {work, 0700}};
  for (const auto& row : rows) EXPECT_EQ(std::filesystem::status(row.path).permissions(), std::filesystem::perms(row.mode)) << row.path;
  ASSERT_TRUE(store_->unmount_rootfs(work, root).ok());
}

TEST_F(Import, refuses_hostile_and_broken_archives_by_name_and_keeps_nothing) {
  std::string good = pack({{"a", "1"}});
  auto with_layer = [](const std::string& l) { return pack(docker_files(l)); };
  auto wrong_digest = docker_files(good);
  wrong_digest[1].content = pack({{"a", "2"}});
  auto wrong_config = docker_files(good);
  wrong_config[0].content += " ";
  auto no_layer = docker_files(good);
  no_layer.erase(no_layer.begin() + 1);
  std::string whole = with_layer(pack({{"a", std::string(100000, 'x')}}));
  std::string other_arch = config_of({good}, "s390x"), other_name = sha256_hex(other_arch) + ".json";
  struct Case {
    const char* name;
    std::string bytes;
    const char* says;
  } cases[] = {
      {"dotdot", with_layer(pack({{"../../etc/passwd", "x"}})), "climbs out of the layer"},
      {"through a link", with_layer(pack({{"out", "", AE_IFLNK, "../../etc"}, {"out/passwd", "x"}})), "climbs out of the layer through a link"},
      {"through two links", with_layer(pack({{"a", "", AE_IFDIR, ""}, {"a/up", "", AE_IFLNK, ".."}, {"out", "", AE_IFLNK, "a/up/.."}, {"out/x", "x"}})), "through a link"},
      {"links in a ring", with_layer(pack({{"a", "", AE_IFLNK, "b"}, {"b", "", AE_IFLNK, "a"}, {"a/x", "x"}})), "too many links"},
      {"under a file", with_layer(pack({{"a", "1"}, {"a/x", "x"}})), "no folder"},
      {"hard link out", with_layer(pack({{"h", "", 0, "../../../etc/shadow"}})), "climbs out"},
      {"wrong layer digest", pack(wrong_digest), "digest of the unpacked layer"},
      {"wrong config digest", pack(wrong_config), "does not have the digest in its name"},
      {"missing layer", pack(no_layer), "is missing from the archive"},
      {"truncated", whole.substr(0, whole.size() / 2), "archive.tar"},
      {"truncated gzip", pack(docker_files(good), Packing::kGzip).substr(0, 100), "archive.tar"},
      {"not an archive", std::string(5000, 'z'), "archive.tar"},
      {"empty", "", "neither a Docker archive"},
      {"no manifest", pack({{"a", "1"}}), "neither a Docker archive"},
      {"bad name", pack(docker_files(good, "team/Web:1")), "couldn't parse image name"},
      {"other machine", pack({{other_name, other_arch}, {"layer.tar", good},
                              {"manifest.json", cat("[{\"Config\":\"", other_name, "\",\"RepoTags\":[],\"Layers\":[\"layer.tar\"]}]")}}), "is for s390x"},
      {"broken json", pack({{"manifest.json", "[{"}}), "line 1"},
  };
  for (const Case& c : cases) {
    auto r = import(c.bytes);
    ASSERT_FALSE(r.ok()) << c.name;
    EXPECT_NE(r.error().message().find(c.says), std::string::npos) << c.name << ": " << r.error().message();
    EXPECT_TRUE(store_->list().empty()) << c.name;
    EXPECT_EQ(layers_on_disk(), 0u) << c.name;
  }
  EXPECT_NE(access("/etc/passwd", F_OK), -1);
}

TEST_F(Import, follows_links_within_the_layer_as_containerd_does) {
  std::string layer = pack({{"usr/lib", "", AE_IFDIR, ""},
                            {"lib", "", AE_IFLNK, "usr/lib"},
                            {"lib/a", "a"},
                            {"var/lib", "", AE_IFLNK, "/usr/lib"},
                            {"var/lib/deep/b", "b"},
                            {"late", "", AE_IFLNK, "made/later"},
                            {"late/c", "c"},
                            {"var/lib/.wh.gone", ""},
                            {"h", "", 0, "lib/a"},
                            {"root", "", AE_IFLNK, "/"},
                            {"root/d", "d"}});
  auto r = import(pack(docker_files(layer)));
  ASSERT_TRUE(r.ok()) << r.error().message();
  std::string work = dir_ + "/work", root = dir_ + "/root";
  Status m = store_->mount_rootfs(r->front().id, work, root);
  ASSERT_TRUE(m.ok()) << m.error().message();
  auto kind = [&](const char* path) {
    struct stat st {};
    return lstat(cat(root, "/", path).c_str(), &st) != 0 ? 0u : st.st_mode & S_IFMT;
  };
  for (const char* link : {"lib", "var/lib", "late", "root"}) EXPECT_EQ(kind(link), static_cast<unsigned>(S_IFLNK)) << link;
  for (const char* file : {"usr/lib/a", "usr/lib/deep/b", "made/later/c", "h", "d"}) EXPECT_EQ(kind(file), static_cast<unsigned>(S_IFREG)) << file;
  EXPECT_EQ(kind("usr/lib/gone"), 0u);
  ASSERT_TRUE(store_->unmount_rootfs(work, root).ok());
}

// Neither containerd's overlay snapshotter nor Docker's overlay2 looks into lower layers while it unpacks one: the same layer is
// the same files over any other.
TEST_F(Import, a_layer_is_unpacked_alike_whatever_lies_below) {
  std::string lower = pack({{"usr/lib", "", AE_IFDIR, ""}, {"usr/lib/a", "a"}, {"lib", "", AE_IFLNK, "usr/lib"}}), upper = pack({{"lib/x", "x"}});
  std::string config = config_of({lower, upper}), name = sha256_hex(config) + ".json";
  auto r = import(pack({{name, config}, {"1.tar", lower}, {"2.tar", upper},
                        {"manifest.json", cat("[{\"Config\":\"", name, "\",\"RepoTags\":[\"two:1\"],\"Layers\":[\"1.tar\",\"2.tar\"]}]")}}));
  ASSERT_TRUE(r.ok()) << r.error().message();
  std::string work = dir_ + "/work", root = dir_ + "/root";
  Status m = store_->mount_rootfs(r->front().id, work, root);
  ASSERT_TRUE(m.ok()) << m.error().message();
  struct stat st {};
  EXPECT_EQ(lstat((root + "/lib").c_str(), &st), 0);
  EXPECT_TRUE(S_ISDIR(st.st_mode));
  EXPECT_EQ(access((root + "/lib/x").c_str(), F_OK), 0);
  EXPECT_EQ(access((root + "/usr/lib/a").c_str(), F_OK), 0);
  ASSERT_TRUE(store_->unmount_rootfs(work, root).ok());
}

// Layers made by hand often describe no folder that is there below: it stays as it is.
TEST_F(Import, folders_that_a_layer_does_not_describe_keep_what_they_have_below) {
  std::string lower = pack({{"tmp", "", AE_IFDIR, "", -1, 01777}, {"home", "", AE_IFDIR, "", -1, 0711, 5}, {"home/me", "", AE_IFDIR, "", -1, 0700, 7},
                            {"usr/lib", "", AE_IFDIR, "", -1, 0751, 6}, {"lib", "", AE_IFLNK, "usr/lib"}, {"thing", "a file"}});
  std::string between = pack({{"home/.wh.gone", ""}, {"b", "b"}});
  std::string upper = pack({{"tmp/x", "x"}, {"home/me/deep/x", "x"}, {"lib/x", "x"}, {"thing/x", "x"}, {"own/x", "x"}, {"own", "", AE_IFDIR, "", -1, 0701, 8}});
  std::string config = config_of({lower, between, upper}), name = sha256_hex(config) + ".json";
  // Uppermost first, as docker save may have them.
  auto r = import(pack({{name, config}, {"3.tar", upper}, {"2.tar", between}, {"1.tar", lower},
                        {"manifest.json", cat("[{\"Config\":\"", name, "\",\"RepoTags\":[\"three:1\"],\"Layers\":[\"1.tar\",\"2.tar\",\"3.tar\"]}]")}}));
  ASSERT_TRUE(r.ok()) << r.error().message();
  std::string work = dir_ + "/work", root = dir_ + "/root";
  Status m = store_->mount_rootfs(r->front().id, work, root);
  ASSERT_TRUE(m.ok()) << m.error().message();
  struct Row {
    const char* folder;
    unsigned mode;
    uid_t owner;
  };
  for (const Row& row : {Row{"tmp", 01777, 0}, Row{"home", 0711, 5}, Row{"home/me", 0700, 7}, Row{"home/me/deep", 0755, 0}, Row{"lib", 0751, 6}, Row{"thing", 0755, 0},
                         Row{"own", 0701, 8}}) {
    struct stat st {};
    EXPECT_EQ(lstat(cat(root, "/", row.folder).c_str(), &st), 0) << row.folder;
    EXPECT_TRUE(S_ISDIR(st.st_mode)) << row.folder;
    EXPECT_EQ(st.st_mode & 07777, row.mode) << row.folder;
    EXPECT_EQ(st.st_uid, row.owner) << row.folder;
  }
  ASSERT_TRUE(store_->unmount_rootfs(work, root).ok());
}

// A folder's mode, owner and attributes are set when all entries are there: by then its path may lead elsewhere.
TEST_F(Import, links_that_replace_folders_lead_nobody_out) {
  const std::string outside = dir_ + "/outside";
  struct Row {
    const char* name;
    std::vector<std::string> layers;
  };
  const File folder{"a", "", AE_IFDIR}, open_to_all{"a/in", "", AE_IFDIR, "", -1, 0777, 7}, link{"a", "", AE_IFLNK, outside};
  const std::vector<Row> rows = {
      {"replaced", {pack({folder, open_to_all, link})}},
      {"by a whiteout", {pack({folder, open_to_all, {".wh.a", ""}, link})}},
      {"two layers", {pack({folder, open_to_all}), pack({{"a/in/x", "x"}, link})}},
      {"two layers, by a whiteout", {pack({folder, open_to_all}), pack({{"a/in/x", "x"}, {".wh.a", ""}, link})}},
      {"deep", {pack({folder, {"a/in", "", AE_IFDIR, "", -1, 0755}, {"a/in/in", "", AE_IFDIR, "", -1, 0777, 7}, {"a/in", "", AE_IFLNK, outside}})}},
  };
  for (const Row& row : rows) {
    ASSERT_EQ(system(cat("rm -rf ", outside, "; mkdir -p ", outside, "/in; chmod 0700 ", outside, "/in").c_str()), 0);
    std::string config = config_of(row.layers), name = sha256_hex(config) + ".json", list;
    std::vector<File> files = {{name, config}};
    for (size_t i = 0; i < row.layers.size(); i++) {
      files.push_back({cat(i, ".tar"), row.layers[i]});
      list += cat(i ? "," : "", "\"", i, ".tar\"");
    }
    files.push_back({"manifest.json", cat("[{\"Config\":\"", name, "\",\"RepoTags\":[\"x:1\"],\"Layers\":[", list, "]}]")});
    auto imported = import(pack(files));
    EXPECT_TRUE(imported.ok()) << row.name << ": " << imported.error().message();
    struct stat st {};
    EXPECT_EQ(stat((outside + "/in").c_str(), &st), 0) << row.name;
    EXPECT_EQ(st.st_mode & 07777, 0700u) << row.name;
    EXPECT_EQ(st.st_uid, 0u) << row.name;
    EXPECT_NE(st.st_mtim.tv_sec, 1000000000) << row.name;
  }
}

TEST_F(Import, whiteouts_hide_what_lies_beside_them_and_nothing_else) {
  for (const char* name : {".wh.", ".wh..", ".wh...", "a/.wh..."}) {
    auto imported = import(pack(docker_files(pack({{name, ""}}))));
    EXPECT_FALSE(imported.ok()) << name;
    EXPECT_EQ(layers_on_disk(), 0u) << name;
  }
}

TEST_F(Import, judges_an_archive_by_all_of_its_bytes_also_where_the_layer_is_known) {
  std::string layer = pack({{"a", "1"}}), packed = pack({{"a", "1"}}, Packing::kGzip), config = config_of({layer});
  ASSERT_TRUE(import(pack(docker_files(layer))).ok());
  auto oci = [&](const std::string& blob, const std::string& stored, int64_t layer_size, int64_t config_size, int64_t manifest_size) {
    auto size = [](int64_t bytes, size_t real) { return cat("\"size\":", bytes < 0 ? static_cast<int64_t>(real) : bytes); };
    std::string manifest = cat("{\"schemaVersion\":2,\"config\":{\"digest\":\"", digest(config), "\",", size(config_size, config.size()),
                               "},\"layers\":[{\"digest\":\"", digest(blob), "\",", size(layer_size, stored.size()), "}]}");
    std::string index = cat("{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"", digest(manifest), "\",", size(manifest_size, manifest.size()),
                            ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"registry.local/team/web:2\"}}]}");
    return pack({{"oci-layout", "{}"}, {"index.json", index}, {"blobs/sha256/" + sha256_hex(manifest), manifest},
                 {"blobs/sha256/" + sha256_hex(config), config}, {"blobs/sha256/" + sha256_hex(blob), stored}});
  };
  auto docker = docker_files(layer);
  docker[1].content = std::string(100, '\x7f');
  std::string changed = packed, other = pack({{"a", "2"}}, Packing::kGzip);
  changed[changed.size() - 1] ^= 1;
  struct Case {
    const char* name;
    std::string bytes;
    const char* says;
  } cases[] = {
      {"docker, garbage", pack(docker), "digest of the unpacked layer"},
      {"oci, cut", oci(packed, packed.substr(0, packed.size() / 2), -1, -1, -1), "layer"},
      {"oci, garbage", oci(packed, std::string(100, 'z'), -1, -1, -1), "does not have the digest"},
      {"oci, its last byte", oci(packed, changed, -1, -1, -1), "layer"},
      {"oci, another layer under its own digest", oci(other, other, -1, -1, -1), "digest of the unpacked layer"},
      {"size of the layer", oci(packed, packed, 5, -1, -1), "its descriptor says 5"},
      {"size of the config", oci(packed, packed, -1, 6, -1), "its descriptor says 6"},
      {"size of the manifest", oci(packed, packed, -1, -1, 7), "its descriptor says 7"},
  };
  for (const Case& c : cases) {
    auto r = import(c.bytes);
    ASSERT_FALSE(r.ok()) << c.name;
    EXPECT_NE(r.error().message().find(c.says), std::string::npos) << c.name << ": " << r.error().message();
    EXPECT_EQ(store_->list().size(), 1u) << c.name;
    EXPECT_EQ(layers_on_disk(), 1u) << c.name;
  }
  auto whole = import(oci(packed, packed, -1, -1, -1));
  EXPECT_TRUE(whole.ok()) << whole.error().message();
}

TEST_F(Import, a_claimed_size_is_refused_before_it_is_written) {
  std::string layer = pack({{"huge", "", AE_IFREG, "", int64_t{1} << 45}});
  auto r = import(pack(docker_files(layer)));
  ASSERT_FALSE(r.ok());
  EXPECT_NE(r.error().message().find("claims"), std::string::npos) << r.error().message();
}

TEST_F(Import, a_name_moves_to_the_newest_image_and_removal_drops_layers) {
  ASSERT_TRUE(import(pack(docker_files(pack({{"a", "1"}})))).ok());
  ASSERT_TRUE(import(pack(docker_files(pack({{"a", "2"}})))).ok());
  EXPECT_EQ(store_->list().size(), 2u);
  EXPECT_EQ(layers_on_disk(), 2u);
  ASSERT_TRUE(store_->remove("web:1").ok());
  EXPECT_FALSE(store_->find("web:1").has_value());
  EXPECT_EQ(layers_on_disk(), 1u);
  EXPECT_FALSE(store_->remove("web:1").ok());
}

TEST_F(Import, a_second_process_is_told_that_the_folder_is_in_use) {
  auto second = ImageStore::open(dir_ + "/store");
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message().find("another bramble"), std::string::npos);
}

TEST(ImageName, normalizes_as_docker_does) {
  struct Case {
    const char* name;
    const char* full;  // null: refused
  } cases[] = {
      {"nginx", "docker.io/library/nginx:latest"},
      {"nginx:1.25", "docker.io/library/nginx:1.25"},
      {"team/web", "docker.io/team/web:latest"},
      {"localhost:5000/web", "localhost:5000/web:latest"},
      {"registry.local/a/b:c", "registry.local/a/b:c"},
      {"index.docker.io/library/x", "docker.io/library/x:latest"},
      {"Nginx", nullptr}, {"", nullptr}, {"a b", nullptr}, {"x:", nullptr}, {"x@sha256:12", nullptr}, {"-x", nullptr},
  };
  for (const Case& c : cases) {
    auto r = normalize_image_name(c.name);
    EXPECT_EQ(r.ok(), c.full != nullptr) << c.name;
    if (r.ok() && c.full) {
      EXPECT_EQ(*r, c.full) << c.name;
    }
  }
}

}  // namespace
}  // namespace bramble
