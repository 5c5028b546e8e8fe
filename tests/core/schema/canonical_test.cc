#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/schema/engine.h"

namespace bramble {
namespace {

Document parse(std::string_view text) {
  auto d = Document::parse(text);
  EXPECT_TRUE(d.ok()) << text << (d.ok() ? "" : d.error().message());
  return d.ok() ? *d : Document();
}

std::string canonical(const char* type, std::string_view text) {
  Document in = parse(text);
  auto b = canonicalize(*Type::find(type), in.root(), nullptr);
  return b.ok() ? b->dump() : cat("error: ", b.error().message());
}

TEST(Canonicalize, writes_what_upstream_would_write) {
  static constexpr struct {
    const char *name, *type, *in, *out;
  } kRows[] = {
      {"kind first, unknown and null dropped", "core.v1.ConfigMap", R"({"x":1,"data":null,"metadata":{"name":"a","labels":null},"apiVersion":"v1","kind":"ConfigMap"})",
       R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}})"},
      {"creationTimestamp is left out", "core.v1.ConfigMap", R"({"metadata":{"creationTimestamp":null}})", R"({"metadata":{}})"},
      {"map keys sorted", "core.v1.ConfigMap", R"({"data":{"b":"1","a":"2","b":"3"}})", R"({"metadata":{},"data":{"a":"2","b":"3"}})"},
      {"structs are written, lists that must be are null", "core.v1.Pod", R"({"spec":{}})", R"({"metadata":{},"spec":{"containers":null},"status":{}})"},
      {"zeroes", "core.v1.Container", R"({"name":"","image":"","stdin":false,"ports":[{"containerPort":0,"hostPort":0}]})",
       R"({"name":"","ports":[{"containerPort":0}],"resources":{}})"},
      {"pointers keep their zero", "core.v1.PodSpec", R"({"containers":[],"terminationGracePeriodSeconds":0,"enableServiceLinks":false,"securityContext":{}})",
       R"({"containers":[],"terminationGracePeriodSeconds":0,"securityContext":{},"enableServiceLinks":false})"},
      {"quantities", "core.v1.ResourceRequirements", R"({"limits":{"memory":0.5,"cpu":"1000m"}})", R"({"limits":{"cpu":"1","memory":"500m"}})"},
      {"times", "meta.v1.ObjectMeta", R"({"creationTimestamp":"2026-01-02T05:04:05.6+02:00"})", R"({"creationTimestamp":"2026-01-02T03:04:05Z"})"},
      {"micro times", "coordination.v1.LeaseSpec", R"({"renewTime":"2026-01-02T03:04:05.123456+00:00"})", R"({"renewTime":"2026-01-02T03:04:05.123456Z"})"},
      {"zero times are null", "core.v1.PodCondition", R"({"type":"Ready","status":"True"})", R"({"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":null})"},
      {"int or string", "core.v1.ServicePort", R"({"port":80,"targetPort":"http"})", R"({"port":80,"targetPort":"http"})"},
      {"int or string absent", "core.v1.ServicePort", R"({"port":80})", R"({"port":80,"targetPort":0})"},
      {"null in a map", "core.v1.ConfigMap", R"({"data":{"a":null}})", R"({"metadata":{},"data":{"a":""}})"},
      {"bytes", "core.v1.Secret", R"({"data":{"a":"eA==\n"}})", R"({"metadata":{},"data":{"a":"eA=="}})"},
      {"divisor", "core.v1.ResourceFieldSelector", R"({"resource":"limits.cpu"})", R"({"resource":"limits.cpu","divisor":"0"})"},
      {"extra of users", "authentication.v1.UserInfo", R"({"extra":{"k":["b","a"]}})", R"({"extra":{"k":["b","a"]}})"},
      {"json schema", "apiextensions.v1.JSONSchemaProps", R"({"additionalProperties":true,"items":{"type":"string"},"default":{"a":null},"enum":[null,1],"maximum":3})",
       R"({"default":{"a":null},"maximum":3,"enum":[null,1],"items":{"type":"string"},"additionalProperties":true})"},
      {"managed fields stay", "meta.v1.ManagedFieldsEntry", R"({"fieldsV1":{"f:b":{},"f:a":{".":{}}}})", R"({"fieldsV1":{"f:b":{},"f:a":{".":{}}}})"},
      {"null is an empty object", "core.v1.ConfigMap", "null", R"({"metadata":{}})"},
  };
  for (const auto& row : kRows) EXPECT_EQ(canonical(row.type, row.in), row.out) << row.name;
}

TEST(Canonicalize, empty_lists_are_none_once_they_are_stored) {
  Builder pod = canonicalize(*Type::find("core.v1.Pod"), Document::parse(std::string_view(R"({"spec":{"containers":[],"volumes":[]}})"))->root(), nullptr).value();
  EXPECT_EQ(pod.dump(), R"({"metadata":{},"spec":{"containers":[]},"status":{}})");
  forget_empty_lists(*Type::find("core.v1.Pod"), pod.root());
  EXPECT_EQ(pod.dump(), R"({"metadata":{},"spec":{"containers":null},"status":{}})");
}

TEST(Canonicalize, refuses_types_with_gos_words) {
  static constexpr struct {
    const char *type, *in, *text;
  } kRows[] = {
      {"core.v1.Pod", R"({"spec":{"containers":{"a":"b"}}})", "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"},
      {"apps.v1.Deployment", R"({"spec":{"replicas":"x"}})", "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"},
      {"core.v1.ServiceAccount", R"({"secrets":"x"})", "json: cannot unmarshal string into Go struct field ServiceAccount.secrets of type []v1.ObjectReference"},
      {"core.v1.ConfigMap", R"({"metadata":{"labels":{"a":1}}})", "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"},
      {"core.v1.ConfigMap", R"([])", "json: cannot unmarshal array into Go value of type v1.ConfigMap"},
      {"apps.v1.Deployment", R"({"spec":{"replicas":1.5}})", "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"},
      {"apps.v1.Deployment", R"({"spec":{"replicas":3000000000}})", "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32"},
      {"core.v1.Pod", R"({"spec":{"containers":[{"args":[1]}]}})", "json: cannot unmarshal number into Go struct field Container.spec.containers.args of type string"},
      {"core.v1.Pod", R"({"spec":{"containers":[{"resources":{"limits":{"cpu":"abc"}}}]}})",
       "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
      {"coordination.v1.Lease", R"({"spec":{"acquireTime":"2020-01-02T03:04:05Z"}})",
       "parsing time \"2020-01-02T03:04:05Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"Z\" as \".000000\""},
      {"meta.v1.ObjectMeta", R"({"creationTimestamp":"x"})", "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\""},
      {"meta.v1.ObjectMeta", R"({"creationTimestamp":"2026-13-01T00:00:00Z"})", "parsing time \"2026-13-01T00:00:00Z\": month out of range"},
      {"meta.v1.ObjectMeta", R"({"creationTimestamp":"2026-02-30T00:00:00Z"})", "parsing time \"2026-02-30T00:00:00Z\": day out of range"},
      {"core.v1.Secret", R"({"data":{"a":"!"}})", "illegal base64 data at input byte 0"},
      {"core.v1.Secret", R"({"data":{"a":"eA="}})", "illegal base64 data at input byte 3"},
      {"core.v1.Secret", R"({"data":{"a":"eA=x"}})", "illegal base64 data at input byte 2"},
      {"core.v1.Secret", R"({"data":{"a":"eA==eA=="}})", "illegal base64 data at input byte 4"},
      {"core.v1.Secret", R"({"data":{"a":"YWJ"}})", "illegal base64 data at input byte 0"},
      {"core.v1.Secret", R"({"data":{"a":"YWJjYW"}})", "illegal base64 data at input byte 4"},
      {"core.v1.Secret", R"({"data":{"a":"Y==="}})", "illegal base64 data at input byte 1"},
      {"core.v1.ServicePort", R"({"targetPort":true})", "json: cannot unmarshal bool into Go struct field ServicePort.targetPort of type int32"},
      {"apiextensions.v1.JSONSchemaProps", R"({"additionalProperties":1})", "boolean or JSON schema expected"},
  };
  for (const auto& row : kRows) EXPECT_EQ(canonical(row.type, row.in), cat("error: ", row.text));
}

TEST(Canonicalize, refuses_an_object_that_no_list_could_hold) {
  auto revision = [](size_t depth) { return cat("{\"data\":", std::string(depth, '['), std::string(depth, ']'), "}"); };
  EXPECT_EQ(canonical("apps.v1.ControllerRevision", revision(limits::kObjectDepthMax)), "error: exceeded max depth");
  EXPECT_NE(canonical("apps.v1.ControllerRevision", revision(limits::kObjectDepthMax - 1)), "error: exceeded max depth");
}

TEST(Canonicalize, words_a_patched_object_as_the_converter) {
  struct Row {
    const char *type, *in, *text;
  };
  const Row kRows[] = {
      {"apps.v1.Deployment", R"({"spec":{"replicas":"x"}})", "unrecognized type: int32"},
      {"apps.v1.Deployment", R"({"spec":{"replicas":2.5}})", "cannot convert float64 to int32"},
      {"apps.v1.Deployment", R"({"spec":{"paused":1}})", "unrecognized type: bool"},
      {"core.v1.ConfigMap", R"({"data":{"a":1}})", "cannot convert int64 to string"},
      {"core.v1.ConfigMap", R"({"data":{"a":1.5}})", "unrecognized type: string"},
      {"core.v1.ConfigMap", R"({"data":"x"})", "cannot restore map from string"},
      {"core.v1.ConfigMap", R"({"metadata":"x"})", "cannot restore struct from: string"},
      {"core.v1.ServiceAccount", R"({"secrets":{}})", "cannot restore slice from map"},
      {"core.v1.Secret", R"({"data":{"a":1}})", "cannot restore slice from int64"},
      {"core.v1.Secret", R"({"data":{"a":"!"}})", "error decoding from json: illegal base64 data at input byte 0"},
      {"core.v1.ServicePort", R"({"targetPort":true})", "json: cannot unmarshal bool into Go value of type int32"},
      {"meta.v1.ObjectMeta", R"({"creationTimestamp":1})", "json: cannot unmarshal number into Go value of type string"},
      // The first error is that of the first field of the type, wherever it stands.
      {"apps.v1.Deployment", R"({"spec":{"template":"x","replicas":"x"}})", "unrecognized type: int32"},
  };
  for (const Row& row : kRows) {
    Document in = parse(row.in);
    auto b = canonicalize(*Type::find(row.type), in.root(), nullptr, DecodeFrom::kUnstructured);
    ASSERT_FALSE(b.ok()) << row.in;
    EXPECT_EQ(b.error().message(), row.text) << row.in;
  }
  Document whole = parse(R"({"spec":{"replicas":3.0}})");
  auto b = canonicalize(*Type::find("apps.v1.Deployment"), whole.root(), nullptr, DecodeFrom::kUnstructured);
  ASSERT_TRUE(b.ok());
  EXPECT_EQ((*b)["spec"]["replicas"].dump(), "3");
}

TEST(Canonicalize, sorts_what_the_converter_does_not_know) {
  Document in = parse(R"({"zz":1,"spec":{"foo":1},"aa":2})");
  DecodeNotes notes;
  ASSERT_TRUE(canonicalize(*Type::find("apps.v1.Deployment"), in.root(), &notes, DecodeFrom::kUnstructured).ok());
  EXPECT_THAT(notes.all, testing::ElementsAre("unknown field \"aa\"", "unknown field \"spec.foo\"", "unknown field \"zz\""));
}

TEST(Canonicalize, notes_unknown_and_duplicate_fields_in_order) {
  Document in = parse(R"({"kind":"ConfigMap","metadata":{"name":"d","name":"d"},"data":{"a":"1","a":"2"},"zz":1,"yy":2,"zz":3})");
  DecodeNotes notes;
  auto b = canonicalize(*Type::find("core.v1.ConfigMap"), in.root(), &notes);
  ASSERT_TRUE(b.ok());
  EXPECT_THAT(notes.all, testing::ElementsAre("duplicate field \"metadata.name\"", "duplicate field \"data.a\"", "unknown field \"zz\"",
                                              "unknown field \"yy\""));
}

TEST(Canonicalize, names_list_positions_in_notes) {
  Document in = parse(R"({"spec":{"ports":[{"port":80},{"port":80,"nope":1}]}})");
  DecodeNotes notes;
  ASSERT_TRUE(canonicalize(*Type::find("core.v1.Service"), in.root(), &notes).ok());
  EXPECT_THAT(notes.unknown, testing::ElementsAre("unknown field \"spec.ports[1].nope\""));
}

}  // namespace
}  // namespace bramble
