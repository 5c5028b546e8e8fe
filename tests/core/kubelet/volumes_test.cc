// Volumes on a real disk, with real mounts, without containers: what mode and owner they have, what a crash leaves, and what a
// container that may write to its volume can do to the kubelet. Needs root.
#include "core/kubelet/volumes.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "core/base/strings.h"
#include "core/runtime/pod_namespaces.h"
#include "tests/core/base/dies_at.h"

namespace bramble {
namespace {

namespace fs = std::filesystem;

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

// "0777 100": mode and group.
std::string access_of(const std::string& path) {
  struct stat s {};
  if (lstat(path.c_str(), &s) != 0) return "missing";
  char out[64];
  snprintf(out, sizeof out, "%04o %u", s.st_mode & 07777, s.st_gid);
  return out;
}

class Volumes : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(geteuid(), 0u) << "mounts and owners need root";
    char name[] = "/tmp/bvt-XXXXXX";
    base_ = mkdtemp(name);
    volume_ = base_ + "/volume";
    elsewhere_ = base_ + "/elsewhere";
    fs::create_directories(volume_);
    fs::create_directories(elsewhere_);
  }
  void TearDown() override {
    umask(022);
    Status removed = unmount_and_remove(base_);
    EXPECT_TRUE(removed.ok()) << removed.error().message();
  }
  static Document parse(const std::string& json) {
    auto d = Document::parse(json);
    EXPECT_TRUE(d.ok()) << json;
    return *d;
  }
  static Document pod(const std::string& volume, const std::string& security = "{}") {
    return parse(cat(R"({"metadata":{"name":"p"},"spec":{"securityContext":)", security, R"(,"volumes":[)", volume, "]}}"));
  }
  Status set_up(const Document& pod, std::map<std::string, Payload> payloads = {}) { return set_up_volumes({base_ + "/pod", pod, std::move(payloads), "one"}); }
  Result<std::vector<OciMount>> mounts(const Document& pod, const std::string& volume_mount) {
    Document container = parse(cat(R"({"name":"c","volumeMounts":[)", volume_mount, "]}"));
    MountWork work{base_ + "/pod", pod, container, env_, {}, recursive_read_only_};
    return container_mounts(work);
  }
  // What is below a folder, links not followed.
  static std::vector<std::string> names_below(const std::string& path) {
    std::vector<std::string> out;
    for (const auto& e : fs::recursive_directory_iterator(path)) out.push_back(fs::relative(e.path(), path).string());
    return out;
  }
  std::string base_, volume_, elsewhere_;
  Environment env_;
  bool recursive_read_only_ = true;
};

TEST_F(Volumes, of_the_api_are_read_only_in_the_container_whatever_the_pod_asks) {
  struct Row {
    const char* name;
    const char* volume;
    const char* mount;
    const char* option;
  } rows[] = {
      {"configMap", R"({"name":"v","configMap":{"name":"x"}})", R"({"name":"v","mountPath":"/v"})", "ro"},
      {"configMap, readOnly false", R"({"name":"v","configMap":{"name":"x"}})", R"({"name":"v","mountPath":"/v","readOnly":false})", "ro"},
      {"secret", R"({"name":"v","secret":{"secretName":"x"}})", R"({"name":"v","mountPath":"/v"})", "ro"},
      {"projected", R"({"name":"v","projected":{"sources":[]}})", R"({"name":"v","mountPath":"/v"})", "ro"},
      {"downwardAPI", R"({"name":"v","downwardAPI":{"items":[]}})", R"({"name":"v","mountPath":"/v"})", "ro"},
      {"emptyDir", R"({"name":"v","emptyDir":{}})", R"({"name":"v","mountPath":"/v"})", "rw"},
      {"emptyDir, readOnly", R"({"name":"v","emptyDir":{}})", R"({"name":"v","mountPath":"/v","readOnly":true})", "ro"},
      {"hostPath", R"({"name":"v","hostPath":{"path":"/tmp"}})", R"({"name":"v","mountPath":"/v"})", "rw"},
  };
  for (const auto& row : rows) {
    Document d = pod(row.volume);
    auto made = mounts(d, row.mount);
    ASSERT_TRUE(made.ok()) << row.name << ": " << made.error().message();
    EXPECT_EQ((*made)[0].options[1], row.option) << row.name;
  }
}

TEST_F(Volumes, a_sub_path_that_is_made_takes_the_mode_of_the_volume) {
  struct Row {
    const char* name;
    const char* security;
    const char* expected;
  } rows[] = {{"for everybody", "{}", "0777 0"}, {"of a group", R"({"fsGroup":2000})", "2777 2000"}};
  for (const auto& row : rows) {
    Document d = pod(R"({"name":"v","emptyDir":{}})", row.security);
    Status done = set_up(d);
    ASSERT_TRUE(done.ok()) << done.error().message();
    umask(077);
    auto made = mounts(d, R"({"name":"v","mountPath":"/v","subPath":"a/b"})");
    ASSERT_TRUE(made.ok()) << row.name << ": " << made.error().message();
    std::string volume = base_ + "/pod/volumes/kubernetes.io~empty-dir/v";
    EXPECT_EQ(access_of(volume + "/a"), row.expected) << row.name;
    EXPECT_EQ(access_of(volume + "/a/b"), row.expected) << row.name;
    EXPECT_EQ(access_of((*made)[0].source), row.expected) << row.name;
    ASSERT_TRUE(unmount_and_remove(base_ + "/pod").ok());
  }
}

TEST_F(Volumes, a_sub_path_does_not_leave_the_volume_through_a_link) {
  Document d = pod(R"({"name":"v","emptyDir":{}})");
  ASSERT_TRUE(set_up(d).ok());
  fs::create_symlink(elsewhere_, base_ + "/pod/volumes/kubernetes.io~empty-dir/v/out");
  auto made = mounts(d, R"({"name":"v","mountPath":"/v","subPath":"out/x"})");
  EXPECT_FALSE(made.ok());
  EXPECT_EQ(names_below(elsewhere_), std::vector<std::string>());
}

TEST_F(Volumes, an_empty_dir_has_its_mode_and_group_after_a_crash_while_it_was_made) {
  struct Row {
    const char* name;
    const char* volume;
    const char* security;
    const char* expected;
  } rows[] = {{"disk", R"({"name":"v","emptyDir":{}})", "{}", "0777 0"},
              {"disk, of a group", R"({"name":"v","emptyDir":{}})", R"({"fsGroup":2000})", "2777 2000"},
              {"memory", R"({"name":"v","emptyDir":{"medium":"Memory"}})", "{}", "0777 0"},
              {"memory, of a group", R"({"name":"v","emptyDir":{"medium":"Memory"}})", R"({"fsGroup":2000})", "2777 2000"}};
  for (const auto& row : rows) {
    Document d = pod(row.volume, row.security);
    std::string volume = base_ + "/pod/volumes/kubernetes.io~empty-dir/v";
    fs::create_directories(base_ + "/pod/volumes/kubernetes.io~empty-dir");  // so that the first mode that is set is the volume's
    chmod((base_ + "/pod").c_str(), 0750);
    for (std::vector<long> calls : {chmod_calls(), chown_calls()}) {
      dies_at(calls, [&] { (void)set_up(d).ok(); });
      Status again = set_up(d);
      ASSERT_TRUE(again.ok()) << row.name << ": " << again.error().message();
      EXPECT_EQ(access_of(volume), row.expected) << row.name;
      // What is in it is not touched when the kubelet starts again.
      std::ofstream(volume + "/mine") << "x";
      chmod((volume + "/mine").c_str(), 0600);
      ASSERT_TRUE(set_up(d).ok());
      EXPECT_EQ(access_of(volume + "/mine").substr(0, 4), "0600") << row.name;
      ASSERT_TRUE(unmount_and_remove(base_ + "/pod/volumes/kubernetes.io~empty-dir/v").ok());
    }
    ASSERT_TRUE(unmount_and_remove(base_ + "/pod").ok());
  }
}

TEST_F(Volumes, have_the_same_modes_whatever_mask_the_server_was_started_with) {
  umask(077);
  Document d = pod(R"({"name":"e","emptyDir":{}},{"name":"c","configMap":{"name":"x"}},{"name":"s","secret":{"secretName":"x"}},)"
                   R"({"name":"h","hostPath":{"path":")" + base_ + R"(/made/host","type":"DirectoryOrCreate"}},)"
                   R"({"name":"f","hostPath":{"path":")" + base_ + R"(/made/file","type":"FileOrCreate"}})");
  Payload files = {{"a/b/c", {"1", 0644}}};
  Status done = set_up(d, {{"c", files}, {"s", files}});
  ASSERT_TRUE(done.ok()) << done.error().message();
  std::string volumes = base_ + "/pod/volumes/kubernetes.io~";
  struct Row {
    std::string path;
    const char* expected;
  } rows[] = {{volumes + "empty-dir/e", "0777 0"},          {volumes + "configmap/c", "0755 0"},        {volumes + "configmap/c/..one", "0755 0"},
              {volumes + "configmap/c/..one/a", "0755 0"},  {volumes + "configmap/c/..one/a/b", "0755 0"}, {volumes + "configmap/c/..one/a/b/c", "0644 0"},
              {volumes + "secret/s/..one/a/b", "0755 0"},   {base_ + "/made/host", "0755 0"},           {base_ + "/made/file", "0644 0"}};
  for (const auto& row : rows) EXPECT_EQ(access_of(row.path), row.expected) << row.path;
}

TEST_F(Volumes, a_file_of_the_host_is_made_also_behind_a_link_and_no_folder_above_it) {
  auto file = [&](const std::string& path) { return pod(cat(R"({"name":"f","hostPath":{"type":"FileOrCreate","path":")", path, "\"}}")); };
  fs::create_symlink(elsewhere_ + "/target", base_ + "/link");
  for (int i = 0; i < 2; i++) EXPECT_TRUE(set_up(file(base_ + "/link")).ok());
  EXPECT_EQ(access_of(elsewhere_ + "/target"), "0644 0");
  EXPECT_FALSE(set_up(file(elsewhere_ + "/no/folder")).ok());
  EXPECT_FALSE(fs::exists(elsewhere_ + "/no"));
}

using AtomicWriter = Volumes;

TEST_F(AtomicWriter, swaps_the_whole_set_and_refuses_to_climb) {
  auto first = write_payload(volume_, {{"a", {"1", 0644}}, {"d/e", {"2", 0600}}}, std::nullopt, "one");
  ASSERT_TRUE(first.ok()) << first.error().message();
  EXPECT_TRUE(*first);
  EXPECT_EQ(text_of(volume_ + "/a"), "1");
  EXPECT_EQ(text_of(volume_ + "/d/e"), "2");
  EXPECT_FALSE(*write_payload(volume_, {{"a", {"1", 0644}}, {"d/e", {"2", 0600}}}, std::nullopt, "two"));
  EXPECT_TRUE(*write_payload(volume_, {{"a", {"3", 0644}}}, std::nullopt, "three"));
  EXPECT_EQ(text_of(volume_ + "/a"), "3");
  EXPECT_FALSE(fs::exists(volume_ + "/d"));
  EXPECT_FALSE(fs::exists(volume_ + "/..one"));
  for (const char* bad : {"../x", "/x", "a/../../x", "..data", ""}) EXPECT_FALSE(write_payload(volume_, {{bad, {"1", 0644}}}, std::nullopt, "four").ok()) << bad;
}

TEST_F(AtomicWriter, gives_files_to_the_group_and_sees_that_they_have_it) {
  Payload files = {{"a", {"1", 0600}}, {"d/e", {"2", 0400}}};
  ASSERT_TRUE(*write_payload(volume_, files, 2000, "one"));
  EXPECT_EQ(access_of(volume_ + "/..one/a"), "0640 2000");
  EXPECT_EQ(access_of(volume_ + "/..one/d/e"), "0440 2000");
  EXPECT_FALSE(*write_payload(volume_, files, 2000, "two"));
}

// Root in the container may have put anything there while the volume could be written.
TEST_F(AtomicWriter, is_not_led_out_of_the_volume_by_links) {
  Payload files = {{"a", {"1", 0644}}, {"d/e", {"2", 0644}}};
  struct Row {
    const char* name;
    std::function<void()> spoil;
  } rows[] = {
      {"the set is elsewhere, and the same",
       [&] {
         ASSERT_TRUE(*write_payload(elsewhere_, files, std::nullopt, "theirs"));
         fs::create_symlink(elsewhere_ + "/..theirs", volume_ + "/..data");
       }},
      {"a folder of the set is elsewhere",
       [&] {
         ASSERT_TRUE(*write_payload(volume_, files, std::nullopt, "zero"));
         fs::rename(volume_ + "/..zero/d", elsewhere_ + "/d");
         fs::create_symlink(elsewhere_ + "/d", volume_ + "/..zero/d");
       }},
      {"the new set is there already, as a link", [&] { fs::create_directory_symlink(elsewhere_, volume_ + "/..one"); }},
      {"an old set is a link", [&] { fs::create_directory_symlink(elsewhere_, volume_ + "/..old"); }},
      {"the link to be renamed is a folder", [&] { fs::create_directories(volume_ + "/..data_tmp/x"); }},
      {"..data is a folder", [&] { fs::create_directories(volume_ + "/..data/x"); }},
      {"a name is a folder", [&] { fs::create_directories(volume_ + "/gone/x"); }},
  };
  for (const auto& row : rows) {
    row.spoil();
    auto before = names_below(elsewhere_);
    auto written = write_payload(volume_, files, std::nullopt, "one");
    ASSERT_TRUE(written.ok()) << row.name << ": " << written.error().message();
    EXPECT_TRUE(*written) << row.name;
    EXPECT_EQ(fs::read_symlink(volume_ + "/..data").string(), "..one") << row.name;
    EXPECT_EQ(text_of(volume_ + "/d/e"), "2") << row.name;
    EXPECT_EQ(names_below(elsewhere_), before) << row.name;
    for (const auto& path : {volume_, elsewhere_}) {
      fs::remove_all(path);
      fs::create_directories(path);
    }
  }
}

// Somebody who swaps the new set for a link, over and over, while it is written.
TEST_F(AtomicWriter, writes_nothing_elsewhere_while_its_folder_is_swapped_for_a_link) {
  std::atomic<bool> over = false;
  std::string set = volume_ + "/..x", aside = volume_ + "/aside";
  std::thread other([&] {
    while (!over) {
      std::error_code ec;
      fs::remove_all(aside, ec);
      if (rename(set.c_str(), aside.c_str()) == 0 && symlink(elsewhere_.c_str(), set.c_str()) != 0) continue;
    }
  });
  for (int round = 0; round < 300 && names_below(elsewhere_).empty(); ++round) {
    Payload files;
    for (int i = 0; i < 20; ++i) files[cat("d", i, "/f")] = {cat("secret ", round), 0644};
    (void)write_payload(volume_, files, std::nullopt, "x").ok();
  }
  over = true;
  other.join();
  EXPECT_EQ(names_below(elsewhere_), std::vector<std::string>());
}

// The set is in place, and then: names that are new, names that went, the old set.
TEST_F(AtomicWriter, completes_what_a_crash_cut_off) {
  Payload files = {{"a", {"2", 0644}}, {"new", {"2", 0644}}};
  ASSERT_TRUE(*write_payload(volume_, files, std::nullopt, "two"));
  fs::remove(volume_ + "/new");
  fs::create_symlink("..data/old", volume_ + "/old");
  fs::create_directories(volume_ + "/..one/d");
  auto again = write_payload(volume_, files, std::nullopt, "three");
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(text_of(volume_ + "/new"), "2");
  std::set<std::string> names;
  for (const auto& e : fs::directory_iterator(volume_)) names.insert(e.path().filename().string());
  EXPECT_EQ(names, (std::set<std::string>{"..data", "..two", "a", "new"}));
}

TEST(VolumesOfPods, what_may_take_long_does_not_hold_up_the_rest) {
  struct Row {
    const char* name;
    const char* spec;
    OffloadLane expected;
  };
  const Row rows[] = {
      {"nothing", R"({})", OffloadLane::kShort},
      {"a group, of what is made anew", R"({"securityContext":{"fsGroup":1},"volumes":[{"name":"v","emptyDir":{}}]})", OffloadLane::kShort},
      {"a local volume as it is", R"({"volumes":[{"name":"v","local":{"path":"/x"}}]})", OffloadLane::kShort},
      {"a local volume that is given to a group", R"({"securityContext":{"fsGroup":1},"volumes":[{"name":"e","emptyDir":{}},{"name":"v","local":{"path":"/x"}}]})", OffloadLane::kLong},
      {"a server", R"({"volumes":[{"name":"v","nfs":{"server":"s","path":"/x"}}]})", OffloadLane::kLong},
  };
  for (const auto& row : rows) {
    auto pod = Document::parse(cat(R"({"spec":)", row.spec, "}"));
    ASSERT_TRUE(pod.ok());
    EXPECT_EQ(lane_of_volumes(*pod), row.expected) << row.name;
  }
}

TEST(VolumesOfPods, nothing_of_an_image_volume_is_executed) {
  char folder[] = "/tmp/image-volume-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  auto pod = Document::parse(R"({"spec":{"volumes":[{"name":"v","image":{"reference":"x"}},{"name":"e","emptyDir":{}}]}})");
  auto container = Document::parse(R"({"name":"c","volumeMounts":[{"name":"v","mountPath":"/v"},{"name":"e","mountPath":"/e"}]})");
  ASSERT_TRUE(pod.ok() && container.ok());
  MountWork work{folder, *pod, *container, {}, {{"v", folder}}, false};
  auto mounts = container_mounts(work);
  ASSERT_TRUE(mounts.ok()) << mounts.error().message();
  EXPECT_EQ(join((*mounts)[0].options, " "), "rbind ro noexec rprivate");
  EXPECT_EQ(join((*mounts)[1].options, " "), "rbind rw rprivate");
  rmdir(folder);
}

}  // namespace
}  // namespace bramble
