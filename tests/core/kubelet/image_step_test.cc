// The image before a container: what is asked of registries, and what pods and their events say of it.
#include "core/base/limits.h"
#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

// Answers as it is told; a pull that is not answered waits.
class ToldSource final : public ImageSource {
 public:
  Task<Result<PullOutcome>> pull(PullRequest request) override {
    struct Under {
      explicit Under(int* n) : count(n) { ++*count; }
      ~Under() { --*count; }
      Under(const Under&) = delete;
      int* count;
    } under(&under_way);
    asked.push_back(request);
    changed.pulse();
    while (answers.empty()) co_await changed.wait();
    Result<PullOutcome> answer = answers.front();
    answers.erase(answers.begin());
    co_return answer;
  }
  void answer(Result<PullOutcome> with) {
    answers.push_back(std::move(with));
    changed.pulse();
  }
  int under_way = 0;
  std::vector<PullRequest> asked;
  std::vector<Result<PullOutcome>> answers;
  Event changed;
};

class ImageStep : public KubeletTest {
 protected:
  void SetUp() override {
    KubeletTest::SetUp();
    image_source_ = &source_;
  }
  static PullOutcome outcome() {
    PullOutcome o;
    o.image.id = "sha256:x";
    o.image.size_bytes = 1234;
    o.pull_us = 1500999;
    return o;
  }
  static bool waits(const Document& d, std::string_view reason) { return d["status"]["containerStatuses"].item(0)["state"]["waiting"]["reason"].str() == reason; }
  ToldSource source_;
};

TEST_F(ImageStep, asks_the_registry_with_the_secrets_that_fit_and_tells_how_long_it_took) {
  std::string config = base64_encode(R"({"auths":{"docker.io":{"username":"me","password":"p"},"other.io":{"username":"no","password":"p"}}})");
  client_.put_json(resource_ids::kSecrets, cat(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"default"},"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":")", config, R"("}})"));
  source_.answer(outcome());
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Always","imagePullSecrets":[{"name":"s"},{"name":"lost"}],"containers":[{"name":"c","image":"busybox:1","imagePullPolicy":"Always","command":["sleep","100"]}])");
  RUN({
    co_await until_phase("p", "Running");
    co_await until_event("p", "Pulling: Pulling image \"busybox:1\"");
    bool told = false;
    for (const std::string& e : client_.events("p"))
      told = told || (e.starts_with("Pulled: Successfully pulled image \"busybox:1\" in 1.5s (") && e.ends_with(" including waiting). Image size: 1234 bytes."));
    EXPECT_TRUE(told) << join(client_.events("p"), "\n");
    co_await until_event("p", "FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (lost); attempting to pull the image may not succeed.");
    EXPECT_EQ(source_.asked.size(), 1u);
    EXPECT_EQ(source_.asked[0].image, "busybox:1");
    EXPECT_EQ(source_.asked[0].credentials.size(), 1u);
    EXPECT_EQ(source_.asked[0].credentials.empty() ? "" : source_.asked[0].credentials[0].username, "me");
    co_await remove_pod("p", 0);
  });
}

TEST_F(ImageStep, backs_off_names_the_cause_and_tries_again) {
  source_.answer(Error(Code::kNotFound, "failed to pull and unpack image \"docker.io/library/busybox:1\": not found"));
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Always","containers":[{"name":"c","image":"busybox:1","imagePullPolicy":"Always","command":["sleep","100"]}])");
  RUN({
    std::function<bool(const Document&)> backs_off = [](const Document& d) { return waits(d, "ImagePullBackOff"); };
    Task<Document> waiting = until("p", backs_off);
    Document d = co_await waiting;
    EXPECT_EQ(d["status"]["containerStatuses"].item(0)["state"]["waiting"]["message"].str(),
              "Back-off pulling image \"busybox:1\": ErrImagePull: failed to pull and unpack image \"docker.io/library/busybox:1\": not found");
    co_await until_event("p", "Failed: Failed to pull image \"busybox:1\": failed to pull and unpack image \"docker.io/library/busybox:1\": not found");
    co_await until_event("p", "Failed: Error: ErrImagePull");
    co_await until_event("p", "BackOff: Back-off pulling image \"busybox:1\"");
    co_await until_event("p", "Failed: Error: ImagePullBackOff");
    EXPECT_EQ(source_.asked.size(), 1u);
    source_.answer(outcome());
    clock_.pass_us(limits::kImageRetryFirstMs * 1000);
    co_await until_phase("p", "Running");
    EXPECT_EQ(source_.asked.size(), 2u);
    co_await remove_pod("p", 0);
  });
}

TEST_F(ImageStep, gives_a_pull_up_when_its_pod_goes) {
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Always","containers":[{"name":"c","image":"busybox:1","imagePullPolicy":"Always"}])");
  RUN({
    while (source_.asked.empty()) co_await source_.changed.wait();
    co_await sleep_ms(0);
    EXPECT_EQ(source_.under_way, 1);
    co_await remove_pod("p", 1);
    std::function<bool(const Document&)> gone = [](const Document& d) { return !d; };
    Task<Document> going = until("p", gone);
    co_await going;
    for (int i = 0; i < 1000 && source_.under_way > 0; ++i) co_await sleep_ms(10);
    EXPECT_EQ(source_.under_way, 0);
  });
}

}  // namespace
}  // namespace bramble
