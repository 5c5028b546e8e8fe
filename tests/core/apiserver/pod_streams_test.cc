// exec, attach, logs and port-forward: from a client's WebSocket messages to the node's streams and back.
#include "core/client/remote_command.h"
#include "core/http/spdy.h"
#include "core/loop/channel.h"
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

// The client's end of a WebSocket.
struct Wire {
  std::string protocol;
  Channel<std::string> to_server{100};
  std::vector<std::string> to_client;
  int close_code = 0;
};

class WireSocket final : public WebSocket {
 public:
  explicit WireSocket(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  const std::string& protocol() const override { return wire_->protocol; }
  Task<std::optional<std::string>> receive() override {
    auto message = co_await wire_->to_server.receive();
    co_return message;
  }
  Task<bool> send(std::string message) override {
    wire_->to_client.push_back(std::move(message));
    co_return wire_->close_code == 0;
  }
  void close(int code, std::string) override { wire_->close_code = code; }

 private:
  std::shared_ptr<Wire> wire_;
};

struct Remote {
  std::string stdin_text;
  bool stdin_closed = false, ended = false;
  int columns = 0, rows = 0;
  Channel<ExecSession::Output> output{100};
  Channel<std::string> from_pod{100};
  std::string to_pod;
  bool to_pod_closed = false;
  ExecOptions exec;
  LogOptions log;
  uint16_t port = 0;
};

class RemoteSession final : public ExecSession {
 public:
  explicit RemoteSession(Remote* r) : r_(r) {}
  ~RemoteSession() override { r_->ended = true; }
  Task<bool> write_stdin(std::string bytes) override {
    r_->stdin_text += bytes;
    co_return true;
  }
  void close_stdin() override { r_->stdin_closed = true; }
  void resize(int columns, int rows) override { r_->columns = columns, r_->rows = rows; }
  Task<std::optional<Output>> next() override {
    auto output = co_await r_->output.receive();
    co_return output;
  }

 private:
  Remote* r_;
};

class RemoteStream final : public DuplexStream {
 public:
  explicit RemoteStream(Remote* r) : r_(r) {}
  ~RemoteStream() override { r_->ended = true; }
  Task<std::optional<std::string>> read() override {
    auto bytes = co_await r_->from_pod.receive();
    co_return bytes;
  }
  Task<bool> write(std::string bytes) override {
    r_->to_pod += bytes;
    co_return true;
  }
  void close_write() override { r_->to_pod_closed = true; }

 private:
  Remote* r_;
};

class RemoteNode final : public NodeStreams {
 public:
  explicit RemoteNode(Remote* r) : r_(r) {}
  Task<Result<std::unique_ptr<DuplexStream>>> logs(ObjectKey, LogOptions options) override {
    r_->log = options;
    co_return std::unique_ptr<DuplexStream>(new RemoteStream(r_));
  }
  Task<Result<std::unique_ptr<ExecSession>>> exec(ObjectKey, ExecOptions options) override {
    if (options.container == "waiting") {
      co_return Error(Code::kInvalidArgument, "container \"waiting\" in pod \"p\" is waiting to start: ContainerCreating");
    }
    r_->exec = options;
    if (options.command == std::vector<std::string>{"absent"}) co_return Error(Code::kInternal, "error executing command in container: no absent");
    co_return std::unique_ptr<ExecSession>(new RemoteSession(r_));
  }
  Task<Result<std::unique_ptr<DuplexStream>>> port_forward(ObjectKey, uint16_t port) override {
    r_->port = port;
    if (port == 9) co_return Error(Code::kUnavailable, "connection refused");
    co_return std::unique_ptr<DuplexStream>(new RemoteStream(r_));
  }

 private:
  Remote* r_;
};

class PodStreams : public ApiTest {
 protected:
  Remote remote;
  RemoteNode remote_node{&remote};
  std::shared_ptr<Wire> wire = std::make_shared<Wire>();

  void SetUp() override {
    ApiTest::SetUp();
    node = &remote_node;
    ASSERT_EQ(call("POST", std::string(kPods),
                   R"({"metadata":{"name":"p"},"spec":{"nodeName":"n","containers":[{"name":"a","image":"x"},{"name":"waiting","image":"x"}]}})")
                  ->status,
              201);
  }
  std::shared_ptr<KeptAnswer> upgrade(std::string path, std::string protocol) {
    wire->protocol = protocol;
    auto answer = std::make_shared<KeptAnswer>();
    answer->socket = std::make_unique<WireSocket>(wire);
    start("GET", std::move(path), "", {{"upgrade", "websocket"}, {"connection", "upgrade"}, {"sec-websocket-protocol", protocol}}, answer);
    settle();
    return answer;
  }
  void send(std::string message) {
    EXPECT_TRUE(wire->to_server.try_send(std::move(message)));
    settle();
  }
};

TEST_F(PodStreams, exec_copies_both_ways_resizes_and_returns_the_exit_code) {
  upgrade(cat(kPods, "/p/exec?container=a&command=sh&command=-c&stdin=true&stdout=true&tty=true"), "v5.channel.k8s.io");
  EXPECT_EQ(remote.exec.command, (std::vector<std::string>{"sh", "-c"}));
  EXPECT_TRUE(remote.exec.tty);
  ASSERT_EQ(wire->to_client.size(), 1u);
  EXPECT_EQ(wire->to_client[0], std::string(1, '\1')) << "an empty message: the session stands";
  send(std::string("\0hello", 6));
  EXPECT_EQ(remote.stdin_text, "hello");
  send(std::string("\4{\"Width\":132,\"Height\":43}"));
  EXPECT_EQ(remote.columns, 132);
  EXPECT_EQ(remote.rows, 43);
  send(std::string("\xff\0", 2));
  EXPECT_TRUE(remote.stdin_closed);
  EXPECT_FALSE(remote.ended) << "half-closed, still running";
  ExecSession::Output text;
  text.bytes = "out";
  remote.output.try_send(text);
  settle();
  EXPECT_EQ(wire->to_client.back(), "\1out");
  ExecSession::Output exit;
  exit.kind = ExecSession::Output::kExit;
  exit.exit_code = 42;
  remote.output.try_send(exit);
  settle();
  auto status = Document::parse(std::string_view(wire->to_client.back()).substr(1));
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(wire->to_client.back()[0], '\3');
  EXPECT_EQ((*status)["reason"].str(), "NonZeroExitCode");
  EXPECT_EQ((*status)["details"]["causes"].item(0)["message"].str(), "42");
  EXPECT_EQ(wire->close_code, 1000);
  EXPECT_TRUE(remote.ended);
}

TEST_F(PodStreams, exec_over_spdy_has_a_stream_for_each_channel) {
  wire->protocol = "v4.channel.k8s.io";
  auto answer = std::make_shared<KeptAnswer>();
  answer->socket = std::make_unique<WireSocket>(wire);
  start("POST", cat(kPods, "/p/exec?container=a&command=sh&stdin=true&stdout=true&stderr=true"), "", {{"upgrade", "SPDY/3.1"}, {"connection", "Upgrade"}},
        answer);
  settle();
  SpdyCodec client;
  uint32_t stream = 1;
  for (const char* type : {"error", "stdin", "stdout", "stderr", "resize"}) {
    send(client.syn_stream(stream, {{"streamtype", type}}, false));
    stream += 2;
  }
  send(SpdyCodec::data(3, "typed", true));
  EXPECT_EQ(remote.stdin_text, "typed");
  EXPECT_TRUE(remote.stdin_closed);
  ExecSession::Output text;
  text.bytes = "out";
  remote.output.try_send(text);
  text.kind = ExecSession::Output::kStderr;
  text.bytes = "err";
  remote.output.try_send(text);
  ExecSession::Output exit;
  exit.kind = ExecSession::Output::kExit;
  remote.output.try_send(exit);
  settle();
  std::string all;
  for (const std::string& m : wire->to_client) all += m;
  auto frames = client.feed(all);
  ASSERT_TRUE(frames.ok());
  std::vector<std::string> shape;
  for (const SpdyFrame& f : *frames) {
    const char* type = f.type == SpdyFrame::Type::kSynReply ? "reply" : f.type == SpdyFrame::Type::kRstStream ? "refused" : "data";
    shape.push_back(cat(type, " ", f.stream, " ", f.data, f.fin ? " fin" : ""));
  }
  // No terminal, so no resize.
  EXPECT_EQ(shape, (std::vector<std::string>{"reply 1 ", "reply 3 ", "reply 5 ", "reply 7 ", "refused 9 ", "data 5 out", "data 7 err", "data 5  fin", "data 7  fin",
                                             "data 1 {\"metadata\":{},\"status\":\"Success\"} fin"}));
  EXPECT_EQ(wire->close_code, 1000);
  EXPECT_TRUE(remote.ended);
}

TEST_F(PodStreams, a_client_that_goes_ends_the_process) {
  upgrade(cat(kPods, "/p/exec?container=a&command=sh&stdin=true&stdout=true"), "v5.channel.k8s.io");
  wire->to_server.close();
  settle();
  EXPECT_TRUE(remote.ended);
  EXPECT_EQ(tasks.size(), 0u);
}

TEST_F(PodStreams, what_cannot_start_is_an_ordinary_answer) {
  struct Row {
    const char* name;
    const char* target;
    int status;
    const char* message;
  };
  for (const Row& row : {
           Row{"no container named", "/p/exec?command=x&stdout=1", 400, "a container name must be specified for pod p, choose one of: [a waiting]"},
           Row{"unknown container", "/p/exec?container=z&command=x&stdout=1", 400, "container z is not valid for pod p"},
           Row{"no command", "/p/exec?container=a&stdout=1", 400, "you must specify at least 1 command for the container"},
           Row{"not started", "/p/exec?container=waiting&command=x&stdout=1", 400,
               "container \"waiting\" in pod \"p\" is waiting to start: ContainerCreating"},
           Row{"no pod", "/q/exec?command=x&stdout=1", 404, "pods \"q\" not found"},
       }) {
    auto a = upgrade(cat(kPods, row.target), "v5.channel.k8s.io");
    EXPECT_EQ(a->status, row.status) << row.name;
    EXPECT_EQ(a->json()["message"].str(), row.message) << row.name;
  }
  auto plain = call("GET", cat(kPods, "/p/exec?container=a&command=x&stdout=1"));
  EXPECT_EQ(plain->status, 400);
  EXPECT_EQ(plain->json()["message"].str(), "Upgrade request required");
}

TEST_F(PodStreams, what_the_runtime_refuses_is_told_inside_the_session) {
  auto a = upgrade(cat(kPods, "/p/exec?container=a&command=absent&stdout=1"), "v5.channel.k8s.io");
  EXPECT_EQ(a->status, 101);
  ASSERT_EQ(wire->to_client.size(), 2u);
  EXPECT_EQ(wire->to_client[1][0], '\3');
  auto status = Document::parse(std::string_view(wire->to_client[1]).substr(1));
  ASSERT_TRUE(status.ok());
  EXPECT_EQ((*status)["status"].str(), "Failure");
  EXPECT_EQ((*status)["reason"].str(), "InternalError");
  EXPECT_EQ((*status)["message"].str(), "Internal error occurred: error executing command in container: no absent");
  EXPECT_EQ((*status)["details"]["causes"].item(0)["message"].str(), "error executing command in container: no absent");
  EXPECT_EQ(wire->close_code, 1000);
}

TEST_F(PodStreams, logs_are_streamed_until_the_end) {
  auto a = start("GET", cat(kPods, "/p/log?container=a&follow=true&tailLines=5&timestamps=true"));
  EXPECT_TRUE(remote.log.follow);
  EXPECT_EQ(remote.log.tail_lines, 5);
  remote.from_pod.try_send("one\n");
  settle();
  EXPECT_EQ(a->body, "one\n");
  EXPECT_FALSE(a->ended);
  remote.from_pod.close();
  settle();
  EXPECT_TRUE(a->ended);
  EXPECT_EQ(call("GET", cat(kPods, "/p/log?container=a&tailLines=-1"))->status, 422);
}

TEST_F(PodStreams, a_log_reader_that_goes_is_let_go) {
  auto a = start("GET", cat(kPods, "/p/log?container=a&follow=true"));
  a->gone_event.set();
  settle();
  EXPECT_TRUE(remote.ended);
  EXPECT_EQ(tasks.size(), 0u);
}

TEST_F(PodStreams, output_that_was_not_asked_for_is_not_sent) {
  upgrade(cat(kPods, "/p/attach?container=a&stdin=true&stdout=false&stderr=true"), "v4.channel.k8s.io");
  size_t before = wire->to_client.size();
  remote.output.try_send({ExecSession::Output::kStdout, "out", 0, ""});
  remote.output.try_send({ExecSession::Output::kStderr, "err", 0, ""});
  settle();
  ASSERT_EQ(wire->to_client.size(), before + 1);
  EXPECT_EQ(wire->to_client.back(), std::string("\2err"));
}

TEST_F(PodStreams, port_forward_joins_stream_pairs_to_the_pod) {
  upgrade(cat(kPods, "/p/portforward"), "SPDY/3.1+portforward.k8s.io");
  SpdyCodec client;
  send(client.syn_stream(1, {{"streamtype", "error"}, {"port", "80"}, {"requestid", "0"}}, false) + SpdyCodec::data(1, "", true));
  send(client.syn_stream(3, {{"streamtype", "data"}, {"port", "80"}, {"requestid", "0"}}, false));
  EXPECT_EQ(remote.port, 80);
  send(SpdyCodec::data(3, "GET /", false));
  EXPECT_EQ(remote.to_pod, "GET /");
  send(SpdyCodec::data(3, "", true));
  EXPECT_TRUE(remote.to_pod_closed);
  remote.from_pod.try_send("200 OK");
  settle();
  remote.from_pod.close();
  settle();
  std::string all;
  for (const std::string& m : wire->to_client) all += m;
  auto frames = client.feed(all);
  ASSERT_TRUE(frames.ok());
  std::vector<std::string> shape;
  for (const SpdyFrame& f : *frames) {
    shape.push_back(cat(f.type == SpdyFrame::Type::kSynReply ? "reply " : "data ", f.stream, " ", f.data, f.fin ? " fin" : ""));
  }
  EXPECT_EQ(shape, (std::vector<std::string>{"reply 1 ", "reply 3 ", "data 3 200 OK", "data 3  fin", "data 1  fin"}));
}

TEST_F(PodStreams, a_refused_port_is_told_on_the_error_stream) {
  upgrade(cat(kPods, "/p/portforward"), "SPDY/3.1+portforward.k8s.io");
  SpdyCodec client;
  send(client.syn_stream(1, {{"streamtype", "error"}, {"port", "9"}, {"requestid", "0"}}, false));
  send(client.syn_stream(3, {{"streamtype", "data"}, {"port", "9"}, {"requestid", "0"}}, false));
  send(SpdyCodec::ping(7));
  std::string all;
  for (const std::string& m : wire->to_client) all += m;
  auto frames = client.feed(all);
  ASSERT_TRUE(frames.ok());
  bool told = false, pong = false;
  for (const SpdyFrame& f : *frames) {
    told = told || (f.stream == 1 && f.data.find("connection refused") != std::string::npos);
    pong = pong || (f.type == SpdyFrame::Type::kPing && f.number == 7);
  }
  EXPECT_TRUE(told);
  EXPECT_TRUE(pong);
}

TEST_F(PodStreams, port_forward_by_channels_opens_the_ports_of_the_url) {
  upgrade(cat(kPods, "/p/portforward?ports=80"), "v4.channel.k8s.io");
  EXPECT_EQ(remote.port, 80);
  send(std::string("\0GET /", 6));
  EXPECT_EQ(remote.to_pod, "GET /");
  remote.from_pod.try_send("200 OK");
  settle();
  remote.from_pod.close();
  settle();
  EXPECT_EQ(wire->to_client, (std::vector<std::string>{std::string("\0P\0", 3), std::string("\1P\0", 3), std::string("\0" "200 OK", 7)}));
  EXPECT_EQ(tasks.size(), 0u);
}

TEST_F(PodStreams, port_forward_by_channels_tells_a_refused_port_on_its_own_channel) {
  upgrade(cat(kPods, "/p/portforward?ports=80,9"), "v4.channel.k8s.io");
  ASSERT_EQ(wire->to_client.size(), 5u);
  EXPECT_EQ(wire->to_client[3], std::string("\3\11\0", 3));
  EXPECT_EQ(wire->to_client[4], "\3error forwarding port 9 to pod p, uid : connection refused");
}

TEST_F(PodStreams, port_forward_by_channels_wants_ports) {
  struct Case { const char* name; const char* query; const char* message; };
  const Case cases[] = {{"none", "", "query parameter \"port\" is required"},
                        {"zero", "?ports=0", "port \"0\" must be > 0"},
                        {"a word", "?ports=http", "cannot convert to []int32: strconv.ParseUint: parsing \"http\": invalid syntax"},
                        {"too large", "?ports=65536", "cannot convert to []int32: strconv.ParseUint: parsing \"65536\": value out of range"}};
  for (const Case& c : cases) {
    auto answer = upgrade(cat(kPods, "/p/portforward", c.query), "v4.channel.k8s.io");
    EXPECT_EQ(answer->status, 400) << c.name;
    EXPECT_EQ(answer->json()["message"].str(), c.message) << c.name;
  }
}

}  // namespace
}  // namespace bramble
