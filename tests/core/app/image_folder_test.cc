#include "core/app/image_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/unique_fd.h"
#include "core/loop/loop.h"

namespace bramble {
namespace {

class NoSource final : public ImageSource {
 public:
  Task<Result<PullOutcome>> pull(PullRequest) override { co_return Error(Code::kUnavailable, "no registry"); }
};

// What it remembers is on a disk that does not answer: the loop goes on.
TEST(ImageFolder, a_slow_disk_holds_up_nobody) {
  char name[] = "/tmp/image-folder-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  const std::string dir = name, state = dir + "/store/folder.json";
  auto images = LocalImageStore::open(dir + "/store");
  ASSERT_TRUE(images.ok()) << images.error().message();
  ASSERT_EQ(mkfifo(state.c_str(), 0600), 0);  // who opens it waits until somebody writes
  Loop loop;
  NoSource source;
  {
    ImageFolder folder(dir + "/images", **images, source, [] {}, nullptr);
    TaskGroup tasks;
    auto test = [&]() -> Task<void> {
      co_await sleep_ms(50);
      EXPECT_FALSE(std::filesystem::exists(dir + "/images")) << "it is still waiting for the disk";
      UniqueFd writer(open(state.c_str(), O_WRONLY | O_CLOEXEC));
      writer.reset();
      for (int i = 0; i < 500 && !std::filesystem::exists(dir + "/images"); ++i) co_await sleep_ms(10);
      co_await sleep_ms(50);
      loop.stop();
    };
    tasks.start(test());
    loop.run();
  }
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace bramble
