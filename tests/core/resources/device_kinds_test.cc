// What ResourceSlices, the status of ResourceClaims and DeviceClasses refuse, forget and warn of.
#include <gtest/gtest.h>

#include "tests/core/resources/kind_cases.h"

namespace bramble {
namespace {

const char* kSlice = R"({"metadata":{"name":"s"},"spec":{"driver":"gpu.acme.io","pool":{"name":"n/a","resourceSliceCount":1},"nodeName":"n"}})";

std::string slice_of(std::string_view devices, std::string_view more = "") {
  return cat(R"({"spec":{"driver":"d","pool":{"name":"p","resourceSliceCount":1},"nodeName":"n","devices":)", devices, more, "}}");
}
std::string repeated(std::string_view item, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += cat(out.empty() ? "" : ",", replace_all(item, "#", cat(i)));
  return out;
}
std::string with_capacity(std::string_view policy) {
  return slice_of(cat(R"([{"name":"a","allowMultipleAllocations":true,"capacity":{"c":{"value":"10","requestPolicy":)", policy, "}}}]"));
}

TEST(ResourceSlice, rules_of_the_slice) {
  constexpr std::string_view kOne = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
  expect_create(v1("resource.k8s.io", "resourceslices"), {
      {"fine", kSlice, ""},
      {"empty", R"({"spec":{}})",
       cat("Required spec.driver: Required value | Required spec.pool.name: Required value | Invalid spec.pool.resourceSliceCount: Invalid "
           "value: 0: must be greater than zero | Required spec: Required value: ", kOne)},
      {"pool", with_text(kSlice, {"spec", "pool"}, R"({"name":"a//b","generation":-1,"resourceSliceCount":-1})"),
       "Invalid spec.pool.name: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
       "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*') | Invalid spec.pool.resourceSliceCount: Invalid value: -1: must be "
       "greater than zero | Invalid spec.pool.generation: Invalid value: -1: must be greater than or equal to zero"},
      {"places that say no", R"({"spec":{"driver":"d","pool":{"name":"p","resourceSliceCount":1},"nodeName":"","allNodes":false,"perDeviceNodeSelection":false}})",
       cat("Invalid spec.nodeName: Invalid value: \"\": must be either unset or set to a non-empty string | Invalid spec.allNodes: Invalid "
           "value: false: must be either unset or set to true | Invalid spec.perDeviceNodeSelection: Invalid value: false: must be either unset "
           "or set to true | Required spec: Required value: ", kOne)},
      {"two places", with_text(kSlice, {"spec", "allNodes"}, "true"),
       cat("Invalid spec: Invalid value: \"{`nodeName`, `allNodes`}\": ", kOne, ", but multiple fields are set")},
      {"two terms", R"({"spec":{"driver":"d","pool":{"name":"p","resourceSliceCount":1},"nodeSelector":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"a","operator":"Exists"}]},{}]}}})",
       "Invalid spec.nodeSelector.nodeSelectorTerms: Invalid value: "
       "[{\"MatchExpressions\":[{\"Key\":\"a\",\"Operator\":\"Exists\",\"Values\":null}],\"MatchFields\":null},{\"MatchExpressions\":null,"
       "\"MatchFields\":null}]: must have exactly one node selector term"},
      {"counters and devices", slice_of(R"([{"name":"a"}])", R"(,"sharedCounters":[{"name":"","counters":{"A":{"value":"1"}}},{"name":"c"}])"),
       "Invalid spec: Invalid value: \"\": only one of `sharedCounters` or `devices` is allowed | Required spec.sharedCounters[0].name: Required "
       "value | Invalid spec.sharedCounters[0].counters: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case "
       "alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
       "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?') | Required spec.sharedCounters[1].counters: Required value"},
      {"more than 128 devices", slice_of(cat("[", repeated(R"({"name":"d#"})", 129), "]")),
       "TooMany spec.devices: Too many: 129: must have at most 128 items"},
      {"more than 64 with a taint", slice_of(cat("[", repeated(R"({"name":"d#","taints":[{"key":"k","effect":"None"}]})", 65), "]")),
       "TooMany spec.devices: Too many: 65: must have at most 64 items"},
      {"two of a name", slice_of(R"([{"name":"a"},{"name":"a"}])"), "Duplicate spec.devices[1]: Duplicate value: \"a\""},
  });
}

TEST(ResourceSlice, rules_of_a_device) {
  constexpr std::string_view kIdentifier =
      "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. "
      "'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";
  const std::string place = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
                            "in the ResourceSlice spec";
  const std::string by_device = R"({"spec":{"driver":"d","pool":{"name":"p","resourceSliceCount":1},"perDeviceNodeSelection":true,"devices":)";
  expect_create(v1("resource.k8s.io", "resourceslices"), {
      {"attributes", slice_of(R"([{"name":"a","attributes":{"acme.io/ok":{"version":"1.2.3-a.1+b"},"1x":{"int":1},"/x":{"bool":true},"a":{},"b":{"int":1,"bool":true},"c":{"version":"1.02.3"}}}])"),
       cat("Invalid spec.devices[0].attributes: Invalid value: \"\": the domain must not be empty | Invalid spec.devices[0].attributes: "
           "Invalid value: \"1x\": ", kIdentifier, " | Invalid spec.devices[0].attributes[a]: "
           "Invalid value: \"\": exactly one value must be specified | Invalid spec.devices[0].attributes[b]: Invalid value: "
           "{\"IntValue\":1,\"BoolValue\":true,\"StringValue\":null,\"VersionValue\":null,\"IntValues\":null,\"BoolValues\":null,"
           "\"StringValues\":null,\"VersionValues\":null}: exactly one value must be specified | Invalid "
           "spec.devices[0].attributes[c].version: Invalid value: \"1.02.3\": must be a string compatible with semver.org spec 2.0.0")},
      {"a list, which 1.36 forgets by default", slice_of(R"([{"name":"a","attributes":{"l":{"ints":[1]}}}])"),
       "Invalid spec.devices[0].attributes[l]: Invalid value: \"\": exactly one value must be specified"},
      {"too many properties", slice_of(cat(R"([{"name":"a","attributes":{)", repeated(R"("k#":{"int":1})", 33), "}}]")),
       "Invalid spec.devices[0]: Invalid value: 33: the total number of attributes and capacities must not exceed 32"},
      {"a policy for one owner", slice_of(R"([{"name":"a","capacity":{"c":{"value":"1","requestPolicy":{"default":"1"}}}}])"),
       "Forbidden spec.devices[0].capacity[c].requestPolicy: Forbidden: allowMultipleAllocations must be true"},
      {"two policies", with_capacity(R"({"default":"1","validValues":["1"],"validRange":{"min":"1"}})"),
       "Forbidden spec.devices[0].capacity[c].requestPolicy: Forbidden: exactly one policy can be specified, cannot specify \"validValues\" and "
       "\"validRange\" at the same time"},
      {"values", with_capacity(R"({"default":"3","validValues":["2","1","11"]})"),
       "Invalid spec.devices[0].capacity[c].requestPolicy.validValues[1]: Invalid value: \"1\": values must be sorted in ascending order | "
       "Invalid spec.devices[0].capacity[c].requestPolicy.validValues[2]: Invalid value: \"11\": option is larger than capacity value: 10 | "
       "Invalid spec.devices[0].capacity[c].requestPolicy.validValues: Invalid value: \"3\": default value is not valid according to the "
       "requestPolicy"},
      {"values without default", with_capacity(R"({"validValues":["2"]})"),
       "Required spec.devices[0].capacity[c].requestPolicy.default: Required value: required when validValues is defined"},
      {"a range", with_capacity(R"({"default":"4","validRange":{"min":"1","max":"3","step":"2"}})"),
       "Invalid spec.devices[0].capacity[c].requestPolicy.validRange.max: Invalid value: \"4\": default is more than max: 3 | Invalid "
       "spec.devices[0].capacity[c].requestPolicy.validRange.step: Invalid value: \"4\": value is not a multiple of a given step (2) from (1)"},
      {"a range beyond", with_capacity(R"({"default":"1","validRange":{"min":"11"}})"),
       "Invalid spec.devices[0].capacity[c].requestPolicy.validRange.min: Invalid value: \"11\": min is larger than capacity value: 10 | Invalid "
       "spec.devices[0].capacity[c].requestPolicy.validRange.min: Invalid value: \"1\": default is less than min: 11"},
      {"taint", slice_of(R"([{"name":"a","taints":[{"key":"","effect":""},{"key":"k","value":"-","effect":"Never"}]}])"),
       "Invalid spec.devices[0].taints[0].key: Invalid value: \"\": name part must be non-empty | Invalid spec.devices[0].taints[0].key: Invalid "
       "value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
       "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') | Required "
       "spec.devices[0].taints[0].effect: Required value | Invalid spec.devices[0].taints[1].value: Invalid value: \"-\": a valid label must be "
       "an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
       "'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?') | NotSupported "
       "spec.devices[0].taints[1].effect: Unsupported value: \"Never\": supported values: \"NoExecute\", \"NoSchedule\", \"None\""},
      {"consumes", slice_of(R"([{"name":"a","consumesCounters":[{"counterSet":"s","counters":{"c":{"value":"1"}}},{"counterSet":"s"}]}])"),
       "Required spec.devices[0].consumesCounters[1].counters: Required value | Duplicate spec.devices[0].consumesCounters[1]: Duplicate value: "
       "\"s\""},
      {"a place of its own", slice_of(R"([{"name":"a","nodeName":"n"}])"),
       "Invalid spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is "
       "set to true in the ResourceSlice spec"},
      {"places by device", cat(by_device, R"([{"name":"a"},{"name":"b","nodeName":"n","allNodes":true},{"name":"c","nodeName":"n"}]}})"),
       cat("Required spec.devices[0]: Required value: ", place, " | Invalid spec.devices[1]: Invalid value: \"{`nodeName`, `allNodes`}\": ", place)},
      {"conditions", slice_of(R"([{"name":"a","bindingConditions":["x","x"],"bindingFailureConditions":["x"]},{"name":"b","bindingConditions":["x"]}])"),
       "Duplicate spec.devices[0].bindingConditions[1]: Duplicate value: \"x\" | Invalid spec.devices[0].bindingFailureConditions[0]: Invalid "
       "value: \"x\": bindingFailureConditions must not overlap with bindingConditions | Invalid spec.devices[1].bindingFailureConditions: Invalid "
       "value: null: bindingFailureConditions are required to use bindingConditions"},
  });
}

TEST(ResourceSlice, keeps_its_driver_pool_and_node_and_old_taints) {
  const Kind& kind = v1("resource.k8s.io", "resourceslices");
  const std::string tainted = slice_of(R"([{"name":"a","taints":[{"key":"k","effect":"Never"}]}])");
  expect_update(kind, {
      {"the same", kSlice, kSlice, ""},
      {"all others", kSlice, R"({"metadata":{"name":"s"},"spec":{"driver":"e","pool":{"name":"p","resourceSliceCount":2},"nodeName":"m"}})",
       "Invalid spec.pool.name: Invalid value: \"p\": field is immutable | Invalid spec.driver: Invalid value: \"e\": field is immutable | "
       "Invalid spec.nodeName: Invalid value: \"m\": field is immutable"},
      {"taints that were there", tainted, tainted, ""},
  });
  EXPECT_EQ(warnings_of(kind, with_text(kSlice, {"spec", "driver"}, "\"GPU.acme.io\"")),
            "spec.driver: driver names should be lowercase; \"GPU.acme.io\" contains uppercase characters");
}

const char* kClaim = R"({"metadata":{"name":"c"},"spec":{"devices":{"requests":[{"name":"r","exactly":{"deviceClassName":"c"}},{"name":"f","firstAvailable":[{"name":"s","deviceClassName":"c"}]}]}}})";
const char* kGot = R"("allocation":{"devices":{"results":[{"request":"r","driver":"d","pool":"p","device":"a"}]}})";

TEST(ResourceClaim, rules_of_the_status) {
  const Kind& kind = v1("resource.k8s.io", "resourceclaims");
  auto status = [](std::string_view more) { return cat("{", kGot, more, "}"); };
  expect_status(kind, {
      {"allocated", kClaim, status(R"(,"reservedFor":[{"resource":"pods","name":"p","uid":"u"}],"devices":[{"driver":"d","pool":"p","device":"a"}])"), ""},
      {"reserved before", kClaim, R"({"reservedFor":[{"resource":"pods","name":"p","uid":"u"},{"resource":"","name":"","uid":"u"}]})",
       "Required status.reservedFor[1].resource: Required value | Required status.reservedFor[1].name: Required value | Duplicate "
       "status.reservedFor[1]: Duplicate value: \"u\" | Forbidden status.reservedFor: Forbidden: may not be specified when `allocated` is not "
       "set"},
      {"an alternative", kClaim, R"({"allocation":{"devices":{"results":[{"request":"f/s","driver":"d","pool":"p","device":"a","shareID":"11111111-2222-3333-4444-555555555555"}]}}})", ""},
      {"results", kClaim, R"({"allocation":{"devices":{"results":[{"request":"f/x","driver":"","pool":"","device":"A","shareID":"x"}],"config":[{"source":"Mine","requests":["x"]}]},"nodeSelector":{"nodeSelectorTerms":[]}}})",
       "Invalid status.allocation.devices.results[0].request: Invalid value: \"f/x\": must be the name of a request in the claim or the name of a "
       "request and a subrequest separated by '/' | Required status.allocation.devices.results[0].driver: Required value | Required "
       "status.allocation.devices.results[0].pool: Required value | Invalid status.allocation.devices.results[0].device: Invalid value: \"A\": a "
       "lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric "
       "character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?') | Invalid "
       "status.allocation.devices.results[0].shareID: Invalid value: \"x\": error validating uid: invalid UUID length: 1 | NotSupported "
       "status.allocation.devices.config[0].source: Unsupported value: \"Mine\": supported values: \"FromClaim\", \"FromClass\" | Invalid "
       "status.allocation.devices.config[0].requests[0]: Invalid value: \"x\": must be the name of a request in the claim or the name of a "
       "request and a subrequest separated by '/' | Required status.allocation.devices.config[0].opaque: Required value | Required "
       "status.allocation.nodeSelector.nodeSelectorTerms: Required value: must have at least one node selector term"},
      {"devices", kClaim, status(R"(,"devices":[{"driver":"d","pool":"p","device":"b","data":[],"networkData":{"ips":["10.0.0.1","10.0.0.01/24","10.0.0.1/24"]}},{"driver":"d","pool":"p","device":"a"},{"driver":"d","pool":"p","device":"a","data":{"k":1}}])"),
       "Invalid status.devices[0]: Invalid value: {\"Driver\":\"d\",\"Pool\":\"p\",\"Device\":\"b\",\"ShareID\":\"\"}: must be an allocated device "
       "in the claim | Invalid status.devices[0].data: Invalid value: \"<value omitted>\": must be a valid JSON object | Invalid "
       "status.devices[0].networkData.ips[0]: Invalid value: \"10.0.0.1\": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or "
       "2001:db8::1/64) | Invalid status.devices[0].networkData.ips[1]: Invalid value: \"10.0.0.01/24\": must be in canonical form "
       "(\"10.0.0.1/24\") | Duplicate status.devices[2]: Duplicate value: "
       "{\"Driver\":\"d\",\"Pool\":\"p\",\"Device\":\"a\",\"ShareID\":\"\"}"},
  });
}

TEST(ResourceClaim, status_changes) {
  const Kind& kind = v1("resource.k8s.io", "resourceclaims");
  const Document none = created(kind, json(kClaim));
  const Document got = with(none, {"status"}, cat("{", kGot, R"(,"reservedFor":[{"resource":"pods","name":"p","uid":"u"}],"devices":[{"driver":"d","pool":"p","device":"a"}]})"));
  const Document going = with(got, {"metadata", "deletionTimestamp"}, R"("2026-01-01T00:00:00Z")");
  const char* other = R"({"devices":{"results":[{"request":"r","driver":"d","pool":"p","device":"b"}]}})";
  const char* reserved = R"([{"resource":"pods","name":"p","uid":"u"},{"resource":"pods","name":"q","uid":"v"}])";
  EXPECT_EQ(status_errors(kind, with(with(got, {"status", "allocation"}, other), {"status", "devices"}, ""), got),
            "Invalid status.allocation: Invalid value: "
            "{\"Devices\":{\"Results\":[{\"Request\":\"r\",\"Driver\":\"d\",\"Pool\":\"p\",\"Device\":\"b\",\"AdminAccess\":null,\"Tolerations\":"
            "null,\"BindingConditions\":null,\"BindingFailureConditions\":null,\"ShareID\":null,\"ConsumedCapacity\":null}],\"Config\":null},"
            "\"NodeSelector\":null,\"AllocationTimestamp\":null}: field is immutable");
  EXPECT_EQ(status_errors(kind, with(got, {"status", "reservedFor"}, reserved), got), "");
  EXPECT_EQ(status_errors(kind, with(going, {"status", "reservedFor"}, reserved), going),
            "Forbidden status.reservedFor: Forbidden: new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set");
  EXPECT_EQ(status_errors(kind, with(going, {"status", "reservedFor"}, ""), going), "");
  // What was said of devices goes with them.
  Builder b(with(with(got, {"status", "allocation"}, ""), {"status", "reservedFor"}, "").root());
  kind.prepare_status_update(b.root(), got.root());
  EXPECT_EQ(b["status"].dump(), "{}");
}

TEST(DeviceClass, name_of_an_extended_resource_and_old_parameters) {
  const Kind& kind = v1("resource.k8s.io", "deviceclasses");
  const std::string large = cat(R"({"spec":{"config":[{"opaque":{"driver":"d","parameters":{"k":")", std::string(10 * 1024, 'x'), R"("}}}]}})");
  expect_create(kind, {
      {"a name", R"({"spec":{"extendedResourceName":"acme.io/gpu"}})", ""},
      {"a core name", R"({"spec":{"extendedResourceName":"cpu"}})",
       "Invalid spec.extendedResourceName: Invalid value: \"cpu\": must be a valid extended resource name"},
      {"empty", R"({"spec":{"extendedResourceName":""}})",
       "Invalid spec.extendedResourceName: Invalid value: \"\": must be a valid extended resource name"},
      {"large parameters", large, "TooLong spec.config[0].opaque.parameters: Too long: may not be more than 10240 bytes"},
  });
  expect_update(kind, {{"large parameters that were there", large, large, ""}});
}

}  // namespace
}  // namespace bramble
