// Answers in application/vnd.kubernetes.protobuf, read back by the reader of request bodies.
#include "core/base/limits.h"
#include "core/schema/openapi.h"
#include "core/schema/protobuf.h"
#include "core/schema/protobuf_write.h"
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

class ProtobufAnswers : public ApiTest {
 protected:
  static std::vector<Header> accept(std::string_view parameters = {}) {
    return {{"accept", cat("application/vnd.kubernetes.protobuf", parameters)}};
  }
  static constexpr std::string_view kPartial = ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

  // "v1 ConfigMap" and what it says in canonical JSON, without its kind.
  struct Read {
    std::string kind;
    Document object;
  };
  static Read read(std::string_view body) {
    auto opened = open_protobuf_envelope(body);
    EXPECT_TRUE(opened.ok()) << body;
    if (!opened.ok()) return {};
    // The list of v1beta1 has other numbers: told apart where it matters.
    std::string version = opened->api_version == "meta.k8s.io/v1beta1" ? "meta.k8s.io/v1" : opened->api_version;
    const Type* type = protobuf_type(version, opened->kind);
    EXPECT_NE(type, nullptr) << opened->kind;
    auto json = protobuf_to_json(*type, *opened);
    EXPECT_TRUE(json.ok());
    auto canonical = canonicalize(*type, json->root(), nullptr);
    EXPECT_TRUE(canonical.ok());
    Builder b = std::move(*canonical);
    b.root().remove("kind");
    b.root().remove("apiVersion");
    return {cat(opened->api_version, " ", opened->kind), b.finish()};
  }
  // Whether it says what the JSON says but for its kind; members may stand in another order.
  static testing::AssertionResult says(const Document& got, const Document& json) {
    Builder b(json.root());
    b.root().remove("kind");
    b.root().remove("apiVersion");
    Document bare = b.finish();
    if (equal(got.root(), bare.root())) return testing::AssertionSuccess();
    return testing::AssertionFailure() << got.root().dump() << "\n" << bare.root().dump();
  }
};

TEST_F(ProtobufAnswers, an_object_a_list_and_a_write_say_what_json_says) {
  auto made = call("POST", std::string(kMaps), config_map("a"), accept());
  EXPECT_EQ(made->status, 201);
  EXPECT_EQ(made->header("content-type"), "application/vnd.kubernetes.protobuf");
  EXPECT_EQ(read(made->body).kind, "v1 ConfigMap");
  std::string path = cat(kMaps, "/a");
  EXPECT_TRUE(says(read(made->body).object, call("GET", path)->json()));
  auto got = call("GET", path, "", accept());
  EXPECT_EQ(got->body, made->body);
  auto list = call("GET", std::string(kMaps), "", accept());
  EXPECT_EQ(read(list->body).kind, "v1 ConfigMapList");
  EXPECT_TRUE(says(read(list->body).object, call("GET", std::string(kMaps))->json()));
  auto patched = call("PATCH", path, R"({"data":{"a":null,"x":"1"}})", {{"accept", std::string(kProtobufType)}, {"content-type", "application/merge-patch+json"}});
  EXPECT_EQ(read(patched->body).object["data"].dump(), R"({"x":"1"})");
  auto back = call("PUT", path, patched->body, {{"content-type", std::string(kProtobufType)}});
  EXPECT_EQ(back->status, 200);
  EXPECT_EQ(version_of(back->json()), version_of(read(patched->body).object)) << "what was read may be written back: no change";
  auto gone = call("DELETE", path, "", accept());
  EXPECT_EQ(read(gone->body).kind, "v1 Status");
  EXPECT_EQ(read(gone->body).object["details"]["kind"].str(), "configmaps");
}

TEST_F(ProtobufAnswers, pages_of_a_list_go_on_by_their_token) {
  for (const char* name : {"a", "b", "c"}) call("POST", std::string(kMaps), config_map(name));
  Document first = read(call("GET", cat(kMaps, "?limit=2"), "", accept())->body).object;
  EXPECT_EQ(first["items"].size(), 2u);
  EXPECT_EQ(first["metadata"]["remainingItemCount"].integer(), 1);
  Document rest = read(call("GET", cat(kMaps, "?limit=2&continue=", first["metadata"]["continue"].str()), "", accept())->body).object;
  EXPECT_EQ(rest["items"].size(), 1u);
}

// The network's end of a request whose answer comes from another thread.
class AwaitedAnswer final : public KeptAnswer {
 public:
  void send(int s, std::vector<Header> h, Buffer b) override {
    KeptAnswer::send(s, std::move(h), std::move(b));
    Loop::current().stop();
  }
};

TEST_F(ProtobufAnswers, a_large_list_is_written_elsewhere) {
  const std::string data = cat(R"({"d":")", std::string(60000, 'x'), "\"}");
  for (const char* name : {"a", "b", "c"}) call("POST", std::string(kMaps), config_map(name, data));
  auto answer = start("GET", std::string(kMaps), "", accept(), std::make_shared<AwaitedAnswer>());
  EXPECT_FALSE(answer->ended);
  loop.run();
  EXPECT_EQ(answer->status, 200);
  EXPECT_TRUE(says(read(answer->body).object, call("GET", std::string(kMaps))->json()));
}

TEST_F(ProtobufAnswers, metadata_alone_but_no_table) {
  call("POST", std::string(kMaps), config_map("a"));
  auto one = call("GET", cat(kMaps, "/a"), "", accept(kPartial));
  EXPECT_EQ(one->header("content-type"), "application/vnd.kubernetes.protobuf");
  EXPECT_EQ(read(one->body).kind, "meta.k8s.io/v1 PartialObjectMetadata");
  EXPECT_EQ(meta(read(one->body).object.root(), "name"), "a");
  EXPECT_FALSE(read(one->body).object.root().has("data"));
  auto list = call("GET", std::string(kMaps), "", accept(";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"));
  EXPECT_EQ(read(list->body).kind, "meta.k8s.io/v1 PartialObjectMetadataList");
  EXPECT_EQ(read(list->body).object["items"].size(), 1u);
  EXPECT_EQ(read(list->body).object["metadata"]["resourceVersion"].text(), cat(cache.revision()));
  // v1beta1 has items = 1 and metadata = 2.
  auto early = call("GET", std::string(kMaps), "", accept(";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1beta1"));
  auto opened = open_protobuf_envelope(early->body);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->message.substr(0, 1), "\x0a");
  EXPECT_EQ(opened->message[opened->message.size() - 10 - cat(cache.revision()).size() + 2], '\x12') << hex(opened->message);
  auto table = call("GET", std::string(kMaps), "", accept(";as=Table;g=meta.k8s.io;v=v1"));
  EXPECT_EQ(table->status, 406);
  EXPECT_EQ(table->header("content-type"), "application/json");
  auto instead = call("GET", std::string(kMaps), "", {{"accept", "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1,application/json;as=Table;g=meta.k8s.io;v=v1"}});
  EXPECT_EQ(instead->json()["kind"].str(), "Table");
}

TEST_F(ProtobufAnswers, errors_are_a_status) {
  auto missing = call("GET", cat(kMaps, "/none"), "", accept());
  EXPECT_EQ(missing->status, 404);
  EXPECT_EQ(missing->header("content-type"), "application/vnd.kubernetes.protobuf");
  EXPECT_EQ(read(missing->body).kind, "v1 Status");
  EXPECT_EQ(read(missing->body).object["message"].str(), "configmaps \"none\" not found");
  EXPECT_EQ(read(missing->body).object["code"].integer(), 404);
  auto unknown = call("GET", "/apis/apps/v1/nothings", "", accept());
  EXPECT_EQ(read(unknown->body).object["code"].integer(), 404) << "errors before a kind is found, too";
  auto partial = call("GET", cat(kMaps, "/none"), "", accept(kPartial));
  EXPECT_EQ(partial->header("content-type"), "application/json") << "a Status has no other shape, and nothing else was asked for";
  EXPECT_EQ(partial->status, 404);
  user = "nobody", groups = {"system:authenticated"};
  auto refused = call("GET", std::string(kMaps), "", accept());
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(read(refused->body).object["reason"].str(), "Forbidden");
}

TEST_F(ProtobufAnswers, bodies_that_are_none_are_refused_as_upstream) {
  struct {
    const char* name;
    std::string body, message;
  } rows[] = {
      {"no magic", "nope",
       "the object provided is unrecognized (must be of type ConfigMap): provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (6e6f7065)"},
      {"nothing", "", "the object provided is unrecognized (must be of type ConfigMap): empty data (<empty>)"},
      {"another kind", protobuf_object({"v1", "Pod", Type::find("core.v1.Pod")}, Document::parse(pod("p"))->root()),
       "Pod in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion"},
      {"cut short", std::string("k8s\0\x0a\x0f\x0a\x02v1\x12\x09" "ConfigMap\x12\x02\x0a\x05", 25),
       "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: unexpected EOF"},
  };
  for (const auto& row : rows) {
    auto answer = call("POST", std::string(kMaps), row.body, {{"content-type", std::string(kProtobufType)}});
    EXPECT_EQ(answer->status, 400) << row.name;
    EXPECT_EQ(answer->json()["message"].str(), row.message) << row.name;
  }
}

TEST_F(ProtobufAnswers, subresources_and_reviews) {
  struct {
    std::string_view method, path, body, kind;
  } rows[] = {
      {"POST", "/apis/apps/v1/namespaces/default/deployments",
       R"({"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"x"}]}}}})",
       "apps/v1 Deployment"},
      {"GET", "/apis/apps/v1/namespaces/default/deployments/d/scale", "", "autoscaling/v1 Scale"},
      {"POST", "/api/v1/namespaces/default/serviceaccounts/default/token", R"({"spec":{}})", "authentication.k8s.io/v1 TokenRequest"},
      {"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", R"({"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}})",
       "authorization.k8s.io/v1 SelfSubjectAccessReview"},
      {"POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}", "authentication.k8s.io/v1 SelfSubjectReview"},
      {"GET", "/api", "", "v1 APIVersions"},
      {"GET", "/apis", "", "v1 APIGroupList"},
      {"GET", "/apis/apps", "", "v1 APIGroup"},
      {"GET", "/apis/apps/v1", "", "v1 APIResourceList"},
  };
  for (const auto& row : rows) {
    auto answer = call(std::string(row.method), std::string(row.path), std::string(row.body), accept());
    EXPECT_LT(answer->status, 300) << row.path << " " << answer->body;
    EXPECT_EQ(answer->header("content-type"), "application/vnd.kubernetes.protobuf") << row.path;
    EXPECT_EQ(read(answer->body).kind, row.kind) << row.path;
  }
  auto aggregated = call("GET", "/apis", "", accept(";as=APIGroupDiscoveryList;g=apidiscovery.k8s.io;v=v2"));
  EXPECT_EQ(aggregated->header("content-type"), "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  EXPECT_EQ(read(aggregated->body).kind, "apidiscovery.k8s.io/v2 APIGroupDiscoveryList");
  auto json = call("GET", "/apis", "", {{"accept", "application/json;as=APIGroupDiscoveryList;g=apidiscovery.k8s.io;v=v2"}});
  EXPECT_EQ(read(aggregated->body).object["items"].dump(), json->json()["items"].dump());
}

// A frame of a watch: what happened, to what.
struct Frame {
  std::string type, kind;
  Document object;
};

TEST_F(ProtobufAnswers, watches_are_frames_of_a_length_and_an_event) {
  auto frames = [](std::string_view body) {
    std::vector<Frame> out;
    while (!body.empty()) {
      EXPECT_GE(body.size(), 4u);
      size_t length = 0;
      for (size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<uint8_t>(body[i]);
      EXPECT_LE(length, body.size() - 4);
      if (length > body.size() - 4) break;
      // An envelope around the event lets the common reader read it; the object stands in it as raw bytes.
      std::string_view event = body.substr(4, length);
      body.remove_prefix(4 + length);
      auto type_bytes = static_cast<size_t>(event[1]);
      size_t magic = event.find(std::string_view("k8s\0", 4));
      EXPECT_NE(magic, std::string_view::npos);
      Read read_object = read(event.substr(magic));
      out.push_back({std::string(event.substr(2, type_bytes)), read_object.kind, read_object.object});
    }
    return out;
  };
  call("POST", std::string(kMaps), config_map("old"));
  auto w = start("GET", cat(kMaps, "?watch=1&resourceVersion=", cache.revision()), "", accept(";stream=watch"));
  auto same = start("GET", cat(kMaps, "?watch=1&resourceVersion=", cache.revision()), "", accept());
  auto names = start("GET", cat(kMaps, "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"), "", accept(kPartial));
  call("POST", std::string(kMaps), config_map("a"));
  patch(cat(kMaps, "/a"), R"({"data":{"x":"1"}})");
  Document shown = call("GET", cat(kMaps, "/a"))->json();
  call("DELETE", cat(kMaps, "/a"));
  settle();
  EXPECT_EQ(w->header("content-type"), "application/vnd.kubernetes.protobuf;stream=watch");
  std::vector<Frame> seen = frames(w->body);
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].type, "ADDED");
  EXPECT_EQ(seen[1].type, "MODIFIED");
  EXPECT_TRUE(says(seen[1].object, shown));
  EXPECT_EQ(seen[2].type, "DELETED");
  EXPECT_EQ(seen[2].kind, "v1 ConfigMap");
  EXPECT_EQ(version_of(seen[2].object), cat(cache.revision())) << "a deleted object carries the deletion's version";
  EXPECT_EQ(same->body, w->body);
  std::vector<Frame> partial = frames(names->body);
  ASSERT_EQ(partial.size(), 5u);
  EXPECT_EQ(partial[0].kind, "meta.k8s.io/v1 PartialObjectMetadata");
  EXPECT_EQ(partial[1].type, "BOOKMARK");
  EXPECT_EQ(partial[1].object["metadata"]["annotations"]["k8s.io/initial-events-end"].str(), "true");
  auto json = start("GET", cat(kMaps, "?watch=1"), "", {{"accept", "application/json;stream=watch"}});
  EXPECT_EQ(json->header("content-type"), "application/json");
  auto yaml = call("GET", cat(kMaps, "?watch=1"), "", {{"accept", "application/yaml"}});
  EXPECT_EQ(yaml->status, 406);
  EXPECT_NE(yaml->body.find("application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"), std::string::npos);
}

TEST_F(ProtobufAnswers, too_old_a_watch_ends_with_a_status) {
  call("POST", std::string(kMaps), config_map("a"));
  std::string old = cat(cache.revision());
  for (int i = 0; i < 8; ++i) {
    call("POST", std::string(kMaps), config_map(cat("m", i)));
    clock.advance_us(limits::kRingAgeUsMax / 4);
  }
  call("POST", std::string(kMaps), config_map("z"));
  auto w = start("GET", cat(kMaps, "?watch=1&resourceVersion=", old), "", accept());
  settle();
  EXPECT_TRUE(w->ended);
  size_t magic = w->body.find(std::string_view("k8s\0", 4));
  ASSERT_NE(magic, std::string::npos);
  EXPECT_EQ(w->body.substr(4, 7), "\x0a\x05" "ERROR");
  EXPECT_EQ(read(std::string_view(w->body).substr(magic)).object["code"].integer(), 410);
}

TEST_F(ProtobufAnswers, open_api_v2_has_two_forms_and_a_tag) {
  auto json = call("GET", "/openapi/v2");
  EXPECT_EQ(json->header("content-type"), "application/json");
  EXPECT_EQ(json->json()["swagger"].str(), "2.0");
  std::string tag(json->header("etag"));
  for (const char* name : {"application/com.github.proto-openapi.spec.v2@v1.0+protobuf", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"}) {
    auto answer = call("GET", "/openapi/v2", "", {{"accept", name}});
    EXPECT_EQ(answer->header("content-type"), "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    EXPECT_EQ(answer->body, openapi_bytes(openapi_v2(OpenApiForm::kProtobuf)).value());
  }
  auto packed = call("GET", "/openapi/v2", "", {{"accept-encoding", "gzip"}});
  EXPECT_EQ(packed->header("content-encoding"), "gzip");
  EXPECT_LT(packed->body.size(), json->body.size() / 10);
  EXPECT_EQ(call("GET", "/openapi/v2", "", {{"if-none-match", tag}})->status, 304);
  EXPECT_EQ(call("GET", "/openapi/v2", "", {{"accept", "text/html"}})->status, 406);
  EXPECT_EQ(call("GET", "/openapi/v2", "", {{"accept", "text/html, */*;q=0.1"}})->status, 200);
}

}  // namespace
}  // namespace bramble
