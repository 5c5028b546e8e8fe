#include "core/schema/protobuf.h"

#include <gtest/gtest.h>

#include "core/schema/engine.h"

namespace bramble {
namespace {

std::string field(int number, std::string_view bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  out.push_back(static_cast<char>(bytes.size()));
  return out + std::string(bytes);
}

std::string number(int n, int value) { return {static_cast<char>(n << 3), static_cast<char>(value)}; }

std::string envelope(std::string_view version, std::string_view kind, const std::string& message) {
  return std::string("k8s\0", 4) + field(1, field(1, version) + field(2, kind)) + field(2, message) + field(3, "") + field(4, "");
}

std::string json_of(std::string_view type, const std::string& body) {
  auto opened = open_protobuf_envelope(body);
  if (!opened.ok()) return opened.error().message();
  auto read = protobuf_to_json(*Type::find(type), *opened);
  return read.ok() ? read->root().dump() : read.error().message();
}

TEST(Protobuf, reads_strings_maps_and_nested_messages) {
  std::string meta = field(1, "c") + field(3, "default") + field(8, "") + field(11, field(1, "app") + field(2, "web"));
  std::string body = envelope("v1", "ConfigMap", field(1, meta) + field(2, field(1, "a") + field(2, "1")) + field(3, field(1, "b") + field(2, "\x01\x02")));
  EXPECT_EQ(json_of("core.v1.ConfigMap", body),
            R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c","namespace":"default","creationTimestamp":null,"labels":{"app":"web"}},)"
            R"("data":{"a":"1"},"binaryData":{"b":"AQI="}})");
}

TEST(Protobuf, reads_embedded_structs_from_the_messages_of_their_own) {
  // Volume.volumeSource = 2, VolumeSource.configMap = 19, ConfigMapVolumeSource.localObjectReference = 1, its name = 1.
  std::string source = std::string("\x9a\x01", 2) + std::string(1, 5) + field(1, field(1, "c"));
  EXPECT_EQ(json_of("core.v1.Volume", envelope("", "", field(1, "v") + field(2, source))), R"({"name":"v","configMap":{"name":"c"}})");
}

TEST(Protobuf, reads_int_or_string_quantity_and_time) {
  std::string port = field(4, number(1, 1) + number(2, 0) + field(3, "http")) + number(3, 80);
  EXPECT_EQ(json_of("core.v1.ServicePort", envelope("", "", port)), R"({"targetPort":"http","port":80})");
  std::string limits = field(1, field(1, "cpu") + field(2, field(1, "100m")));
  EXPECT_EQ(json_of("core.v1.ResourceRequirements", envelope("", "", limits)), R"({"limits":{"cpu":"100m"}})");
  EXPECT_EQ(json_of("core.v1.ContainerStateRunning", envelope("", "", field(1, number(1, 60)))), R"({"startedAt":"1970-01-01T00:01:00Z"})");
}

TEST(Protobuf, refuses_what_is_cut_short_or_of_another_wire_type) {
  struct {
    const char* name;
    std::string body, message;
  } rows[] = {
      {"nothing", "", "empty data"},
      {"the magic alone", std::string("k8s\0", 4), "empty body"},
      {"no magic", "{}", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"},
      {"cut in the message", envelope("v1", "ConfigMap", field(1, "c").substr(0, 2)), "unexpected EOF"},
      {"number for a message", envelope("v1", "ConfigMap", number(1, 5)), "proto: wrong wireType = 0 for field metadata"},
      {"field number 0", envelope("v1", "ConfigMap", std::string(1, 0)), "proto: illegal tag 0 (wire type 0)"},
  };
  for (const auto& row : rows) EXPECT_EQ(json_of("core.v1.ConfigMap", row.body), row.message) << row.name;
}

TEST(Protobuf, refuses_what_json_cannot_hold) {
  // JSONSchemaProps.maximum = 9, a double that is no number.
  ProtobufEnvelope bare;
  std::string nan("\x49\0\0\0\0\0\0\xf8\x7f", 9);
  bare.message = nan;
  auto read = protobuf_to_json(*Type::find("apiextensions.v1.JSONSchemaProps"), bare);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().message(), "proto: field maximum is no number that JSON has");
  // ControllerRevision.data = 2 with raw JSON as deep as is allowed, one level deeper by standing in an object.
  std::string raw = std::string(256, '[') + std::string(256, ']');
  std::string deep = std::string("\x12\x83\x04\x0a\x80\x04", 6) + raw;
  bare.message = deep;
  read = protobuf_to_json(*Type::find("apps.v1.ControllerRevision"), bare);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), Code::kTooLarge);
}

TEST(Protobuf, drops_unknown_numbers) {
  EXPECT_EQ(json_of("core.v1.ConfigMap", envelope("v1", "ConfigMap", field(15, "what"))), R"({"kind":"ConfigMap","apiVersion":"v1"})");
}

}  // namespace
}  // namespace bramble
