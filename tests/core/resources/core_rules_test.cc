// The core kinds with few rules, each in full: what a create refuses, what fields must agree, what an update may change.
#include "tests/core/resources/rule_case.h"

namespace bramble {
namespace {

const Kind& kind_of(std::string_view group, std::string_view resource) { return *find_kind(group, "v1", resource); }

struct CreateCase {
  const char *name, *object, *want;
};
struct UpdateCase {
  const char *name, *old, *now, *want;
};

void check_creates(const Kind& kind, std::initializer_list<CreateCase> cases) {
  for (const CreateCase& c : cases) EXPECT_EQ(create_errors(kind, json(c.object)), c.want) << kind.resource << ": " << c.name;
}
void check_updates(const Kind& kind, std::initializer_list<UpdateCase> cases) {
  for (const UpdateCase& c : cases) {
    EXPECT_EQ(update_errors(kind, json(c.now), created(kind, json(c.old))), c.want) << kind.resource << ": " << c.name;
  }
}

std::string meta_errors(const Kind& kind, std::string_view metadata) {
  FieldErrors errors;
  validate_object_meta(json(cat(R"({"metadata":)", metadata, "}")).root(), kind, errors);
  return texts(errors);
}

constexpr const char* kKeyRule =
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', "
    "regex used for validation is '[-._a-zA-Z0-9]+')";

TEST(ConfigMap, rules) {
  const Kind& kind = kind_of("", "configmaps");
  const std::string bad_key = cat("Invalid data[a b]: Invalid value: \"a b\": ", kKeyRule);
  const std::string bad_binary = cat("Invalid binaryData[a b]: Invalid value: \"a b\": ", kKeyRule);
  check_creates(kind, {{"fine", R"({"data":{"a":"b"},"binaryData":{"c":"eA=="}})", ""},
                       {"key", R"({"data":{"a b":"x"}})", bad_key.c_str()},
                       {"dots", R"({"data":{"..":"x"}})", "Invalid data[..]: Invalid value: \"..\": must not be '..'"},
                       {"binary key", R"({"binaryData":{"a b":"eA=="}})", bad_binary.c_str()},
                       {"one key in both", R"({"data":{"a":"x"},"binaryData":{"a":"eA=="}})",
                        "Invalid data[a]: Invalid value: \"a\": duplicate of key present in binaryData"}});
  const std::string most(1024 * 1024, 'x');
  EXPECT_EQ(create_errors(kind, json(cat(R"({"data":{"a":")", most, R"("}})"))), "");
  EXPECT_EQ(create_errors(kind, json(cat(R"({"data":{"a":")", most, R"("},"binaryData":{"b":"eA=="}})"))),
            "TooLong : Too long: may not be more than 1048576 bytes");
  constexpr const char* kFixed = R"({"immutable":true,"data":{"a":"b"},"binaryData":{"c":"eA=="}})";
  check_updates(kind, {{"nothing", kFixed, kFixed, ""},
                       {"becomes immutable", R"({"data":{"a":"b"}})", R"({"immutable":true,"data":{"a":"b"}})", ""},
                       {"mutable again", kFixed, R"({"immutable":false,"data":{"a":"b"},"binaryData":{"c":"eA=="}})",
                        "Forbidden immutable: Forbidden: field is immutable when `immutable` is set"},
                       {"data", kFixed, R"({"immutable":true,"data":{"a":"c"},"binaryData":{"c":"eA=="}})",
                        "Forbidden data: Forbidden: field is immutable when `immutable` is set"},
                       {"binary data", kFixed, R"({"immutable":true,"data":{"a":"b"}})",
                        "Forbidden binaryData: Forbidden: field is immutable when `immutable` is set"},
                       {"a bad key", R"({"data":{"a":"b"}})", R"({"data":{"a b":"x"}})", bad_key.c_str()}});
}

TEST(Secret, rules) {
  const Kind& kind = kind_of("", "secrets");
  check_creates(
      kind,
      {{"fine", R"({"data":{"a":"eA=="}})", ""},
       {"key", R"({"data":{"..":"eA=="}})", "Invalid data[..]: Invalid value: \"..\": must not be '..'"},
       {"token of no account", R"({"type":"kubernetes.io/service-account-token"})",
        "Required metadata.annotations[kubernetes.io/service-account.name]: Required value"},
       {"docker without file", R"({"type":"kubernetes.io/dockercfg"})", "Required data[.dockercfg]: Required value"},
       {"docker that is no JSON", R"({"type":"kubernetes.io/dockercfg","data":{".dockercfg":"eA=="}})",
        "Invalid data[.dockercfg]: Invalid value: \"<secret contents redacted>\": invalid character 'x' looking for beginning of value"},
       {"docker that is cut", R"({"type":"kubernetes.io/dockercfg","data":{".dockercfg":"eyJhIjo="}})",
        "Invalid data[.dockercfg]: Invalid value: \"<secret contents redacted>\": unexpected end of JSON input"},
       {"docker that is a list", R"({"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"W10="}})",
        "Invalid data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": json: cannot unmarshal array into Go value of "
        "type map[string]interface {}"},
       {"docker that is an object", R"({"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"e30="}})", ""},
       {"basic authentication", R"({"type":"kubernetes.io/basic-auth"})",
        "Required data[username]: Required value | Required data[password]: Required value"},
       {"basic authentication by a password", R"({"type":"kubernetes.io/basic-auth","data":{"password":""}})", ""},
       {"ssh", R"({"type":"kubernetes.io/ssh-auth","data":{"ssh-privatekey":""}})", "Required data[ssh-privatekey]: Required value"},
       {"tls", R"({"type":"kubernetes.io/tls","data":{"tls.crt":""}})", "Required data[tls.key]: Required value"}});
  const std::string most = base64_encode(std::string(1024 * 1024, 'x'));
  EXPECT_EQ(create_errors(kind, json(cat(R"({"data":{"a":")", most, R"("}})"))), "");
  EXPECT_EQ(create_errors(kind, json(cat(R"({"data":{"a":")", most, R"(","b":"eA=="}})"))),
            "TooLong data: Too long: may not be more than 1048576 bytes");
  constexpr const char* kFixed = R"({"immutable":true,"data":{"a":"eA=="}})";
  check_updates(kind, {{"type", R"({"type":"a"})", R"({"type":"b"})", "Invalid type: Invalid value: \"b\": field is immutable"},
                       {"mutable again", kFixed, R"({"data":{"a":"eA=="}})",
                        "Forbidden immutable: Forbidden: field is immutable when `immutable` is set"},
                       {"data", kFixed, R"({"immutable":true})", "Forbidden data: Forbidden: field is immutable when `immutable` is set"},
                       {"data by text", kFixed, R"({"immutable":true,"data":{"a":"eA=="},"stringData":{"a":"y"}})",
                        "Forbidden data: Forbidden: field is immutable when `immutable` is set"},
                       {"what its type needs", R"({"type":"kubernetes.io/ssh-auth","data":{"ssh-privatekey":"eA=="}})",
                        R"({"type":"kubernetes.io/ssh-auth"})", "Required data[ssh-privatekey]: Required value"}});
}

TEST(ServiceAccount, rules) {
  const Kind& kind = kind_of("", "serviceaccounts");
  EXPECT_EQ(meta_errors(kind, R"({"name":"a.b","namespace":"n"})"), "");
  EXPECT_EQ(meta_errors(kind, R"({"name":"a/b","namespace":"n"})"),
            "Invalid metadata.name: Invalid value: \"a/b\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
            "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
  EXPECT_EQ(meta_errors(kind, R"({"namespace":"n"})"), "Required metadata.name: Required value: name or generateName is required");
  EXPECT_EQ(meta_errors(kind, R"({"name":"a"})"), "Required metadata.namespace: Required value");
  const Document account = json(R"({"metadata":{"name":"a"},"secrets":[{"name":"s","namespace":"x","kind":"Secret"}]})");
  EXPECT_EQ(created(kind, account)["secrets"].dump(), R"([{"name":"s"}])");
  std::vector<std::string> warnings;
  kind.warnings(json(R"({"metadata":{"annotations":{"kubernetes.io/enforce-mountable-secrets":"true"}}})").root(), warnings);
  EXPECT_EQ(join(warnings, "|"),
            "metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+; prefer separate namespaces to isolate "
            "access to mounted secrets");
}

TEST(Namespace, rules) {
  const Kind& kind = kind_of("", "namespaces");
  const Document plain = created(kind, json(R"({"metadata":{"name":"n"}})"));
  check_creates(kind, {{"standard finalizers", R"({"spec":{"finalizers":["kubernetes","orphan","foregroundDeletion"]}})", ""},
                       {"a finalizer of a domain", R"({"spec":{"finalizers":["example.com/x"]}})", ""},
                       {"a bare finalizer", R"({"spec":{"finalizers":["x"]}})",
                        "Invalid spec.finalizers: Invalid value: \"x\": name is neither a standard finalizer name nor is it fully "
                        "qualified"}});
  EXPECT_EQ(meta_errors(kind, R"({"name":"a.b"})"), "Invalid metadata.name: Invalid value: \"a.b\": must not contain dots");
  EXPECT_EQ(meta_errors(kind, R"({"name":"a","namespace":"n"})"), "Forbidden metadata.namespace: Forbidden: not allowed on this type");
  FieldErrors errors;
  kind.validate_finalize(with(plain, {"spec", "finalizers"}, R"(["kubernetes","x"])").root(), errors);
  EXPECT_EQ(texts(errors),
            "Invalid spec.finalizers[1]: Invalid value: \"x\": name is neither a standard finalizer name nor is it fully qualified");
  const Document ending = with(with(plain, {"metadata", "deletionTimestamp"}, "\"2026-01-01T00:00:00Z\""), {"status", "phase"}, "\"Terminating\"");
  EXPECT_EQ(status_errors(kind, ending, ending), "");
  EXPECT_EQ(status_errors(kind, with(ending, {"status", "phase"}, "\"Active\""), ending),
            "Invalid status.Phase: Invalid value: \"Active\": may only be 'Terminating' if `deletionTimestamp` is not empty");
  EXPECT_EQ(status_errors(kind, with(plain, {"status", "phase"}, "\"Terminating\""), plain),
            "Invalid status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty");
}

TEST(Node, rules) {
  const Kind& kind = kind_of("", "nodes");
  check_creates(
      kind,
      {{"fine", R"({"spec":{"podCIDRs":["10.0.0.0/24","fd00::/64"],"taints":[{"key":"a","effect":"NoSchedule"},{"key":"a","effect":"NoExecute"}]}})", ""},
       {"taint effect", R"({"spec":{"taints":[{"key":"a","effect":"Never"}]}})",
        "NotSupported metadata.taints[0].effect: Unsupported value: \"Never\": supported values: \"NoSchedule\", \"PreferNoSchedule\", "
        "\"NoExecute\""},
       {"no taint effect", R"({"spec":{"taints":[{"key":"a"}]}})", "Required metadata.taints[0].effect: Required value"},
       {"taint twice", R"({"spec":{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"a","value":"b","effect":"NoSchedule"}]}})",
        "Duplicate metadata.taints[1]: Duplicate value: {\"Key\":\"a\",\"Value\":\"b\",\"Effect\":\"NoSchedule\",\"TimeAdded\":null}: "
        "taints must be unique by key and effect pair"},
       {"range", R"({"spec":{"podCIDR":"10.0.0.0"}})",
        "Invalid spec.podCIDRs[0]: Invalid value: \"10.0.0.0\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"},
       {"two ranges of one family", R"({"spec":{"podCIDRs":["10.0.0.0/24","10.0.1.0/24"]}})",
        "Invalid spec.podCIDRs: Invalid value: [\"10.0.0.0/24\",\"10.0.1.0/24\"]: may specify no more than one CIDR for each IP family"},
       {"negative capacity", R"({"status":{"capacity":{"cpu":"-1"},"allocatable":{"cpu":"1"}}})",
        "Invalid status.capacity.cpu: Invalid value: \"-1\": must be greater than or equal to 0"},
       {"half a pod", R"({"status":{"capacity":{"cpu":"1"},"allocatable":{"pods":"500m"}}})",
        "Invalid status.allocatable.pods: Invalid value: \"500m\": must be an integer"}});
  check_updates(
      kind,
      {{"first range", "{}", R"({"spec":{"podCIDR":"10.2.0.0/24"}})", ""},
       {"another range", R"({"spec":{"podCIDR":"10.1.0.0/24"}})", R"({"spec":{"podCIDR":"10.2.0.0/24"}})",
        "Forbidden spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"},
       {"another range in one of the two fields", R"({"spec":{"podCIDR":"10.1.0.0/24"}})",
        R"({"spec":{"podCIDR":"10.2.0.0/24","podCIDRs":["10.1.0.0/24"]}})",
        "Forbidden spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"},
       {"no range", R"({"spec":{"podCIDR":"10.1.0.0/24"}})", "{}",
        "Forbidden spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"},
       {"provider", R"({"spec":{"providerID":"a"}})", R"({"spec":{"providerID":"b"}})",
        "Forbidden spec.providerID: Forbidden: node updates may not change providerID except from \"\" to valid"},
       {"first provider", "{}", R"({"spec":{"providerID":"b"}})", ""},
       {"external name", "{}", R"({"spec":{"externalID":"b"}})", "Forbidden spec.externalID: Forbidden: may not be updated"},
       {"cordon and taints", "{}", R"({"spec":{"unschedulable":true,"taints":[{"key":"a","effect":"NoSchedule"}]}})", ""},
       {"a bad taint", "{}", R"({"spec":{"taints":[{"key":"a","effect":"Never"}]}})",
        "NotSupported metadata.taints[0].effect: Unsupported value: \"Never\": supported values: \"NoSchedule\", \"PreferNoSchedule\", "
        "\"NoExecute\""}});
  const Document old = created(kind, json("{}"));
  EXPECT_EQ(status_errors(kind, with(old, {"status", "addresses"}, R"([{"type":"InternalIP","address":"1.2.3.4"},{"type":"InternalIP","address":"1.2.3.4"}])"), old),
            "Duplicate status.addresses[1]: Duplicate value: {\"Type\":\"InternalIP\",\"Address\":\"1.2.3.4\"}");
}

TEST(Endpoints, rules) {
  const Kind& kind = kind_of("", "endpoints");
  const CreateCase cases[] = {
      {"fine", R"({"subsets":[{"addresses":[{"ip":"10.0.0.1","hostname":"h","nodeName":"n"}],"ports":[{"port":80}]}]})", ""},
      {"no address", R"({"subsets":[{"ports":[{"port":80}]}]})",
       "Required subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"},
      {"no IP", R"({"subsets":[{"addresses":[{"ip":"x"}]}]})",
       "Invalid subsets[0].addresses[0].ip: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff) | Invalid "
       "subsets[0].addresses[0].ip: Invalid value: \"x\": must be a valid IP address"},
      {"zeroes before", R"({"subsets":[{"addresses":[{"ip":"010.0.0.1"}]}]})",
       "Invalid subsets[0].addresses[0].ip: Invalid value: \"010.0.0.1\": must not have leading 0s"},
      {"unspecified", R"({"subsets":[{"addresses":[{"ip":"0.0.0.0"}]}]})",
       "Invalid subsets[0].addresses[0].ip: Invalid value: \"0.0.0.0\": may not be unspecified (0.0.0.0)"},
      {"loopback", R"({"subsets":[{"notReadyAddresses":[{"ip":"::1"}]}]})",
       "Invalid subsets[0].notReadyAddresses[0].ip: Invalid value: \"::1\": may not be in the loopback range (127.0.0.0/8, ::1/128)"},
      {"link-local", R"({"subsets":[{"addresses":[{"ip":"169.254.1.1"}]}]})",
       "Invalid subsets[0].addresses[0].ip: Invalid value: \"169.254.1.1\": may not be in the link-local range (169.254.0.0/16, fe80::/10)"},
      {"multicast", R"({"subsets":[{"addresses":[{"ip":"224.0.0.1"}]}]})",
       "Invalid subsets[0].addresses[0].ip: Invalid value: \"224.0.0.1\": may not be in the link-local multicast range (224.0.0.0/24, "
       "ff02::/10)"},
      {"port", R"({"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":66000}]}]})",
       "Invalid subsets[0].ports[0].port: Invalid value: 66000: must be between 1 and 65535, inclusive"},
      {"two ports without names", R"({"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":1},{"port":2}]}]})",
       "Required subsets[0].ports[0].name: Required value | Required subsets[0].ports[1].name: Required value"},
      {"protocol", R"({"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":1,"protocol":"ICMP"}]}]})",
       "NotSupported subsets[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\""},
  };
  for (const CreateCase& c : cases) {
    EXPECT_EQ(create_errors(kind, json(c.object)), c.want) << c.name;
    EXPECT_EQ(update_errors(kind, json(c.object), created(kind, json("{}"))), c.want) << c.name;
    EXPECT_EQ(update_errors(kind, json(c.object), created(kind, json(c.object))), "") << "what was there stays: " << c.name;
  }
}

TEST(EndpointSlice, rules) {
  const Kind& kind = kind_of("discovery.k8s.io", "endpointslices");
  std::string many_hints = "[", many_labels = "{";
  for (int i = 0; i < 9; ++i) many_hints += cat(i ? "," : "", R"({"name":"z)", i, "\"}");
  for (int i = 0; i < 17; ++i) many_labels += cat(i ? "," : "", "\"l", i, "\":\"\"");
  many_hints += "]", many_labels += "}";
  const std::string hints = cat(R"({"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"hints":{"forZones":)", many_hints, "}}]}");
  const std::string labels = cat(R"({"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"deprecatedTopology":)", many_labels, "}]}");
  check_creates(
      kind,
      {{"fine", R"({"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"hints":{"forZones":[{"name":"a"}]}}],"ports":[{"port":80}]})", ""},
       {"no type", "{}", "Required addressType: Required value"},
       {"type", R"({"addressType":"IPv5"})",
        "NotSupported addressType: Unsupported value: \"IPv5\": supported values: \"FQDN\", \"IPv4\", \"IPv6\""},
       {"no address", R"({"addressType":"IPv4","endpoints":[{"addresses":[]}]})",
        "Required endpoints[0].addresses: Required value: must contain at least 1 address"},
       {"address of another family", R"({"addressType":"IPv4","endpoints":[{"addresses":["fd00::1"]}]})",
        "Invalid endpoints[0].addresses: Invalid value: \"fd00::1\": must be an IPv4 address"},
       {"no address but a text", R"({"addressType":"IPv6","endpoints":[{"addresses":["x"]}]})",
        "Invalid endpoints[0].addresses: Invalid value: \"x\": must be an IPv6 address | Invalid endpoints[0].addresses[0]: Invalid value: "
        "\"x\": must be a valid IP address"},
       {"loopback", R"({"addressType":"IPv4","endpoints":[{"addresses":["127.0.0.1"]}]})",
        "Invalid endpoints[0].addresses[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)"},
       {"a name of one part", R"({"addressType":"FQDN","endpoints":[{"addresses":["host"]}]})",
        "Invalid endpoints[0].addresses[0]: Invalid value: \"host\": should be a domain with at least two segments separated by dots"},
       {"a name", R"({"addressType":"FQDN","endpoints":[{"addresses":["a.example.com."]}]})", ""},
       {"zone hints twice", R"({"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"hints":{"forZones":[{"name":"a"},{"name":"a"}]}}]})",
        "Duplicate endpoints[0].hints.forZones[1].name: Duplicate value: \"a\""},
       {"too many zone hints", hints.c_str(), "TooMany endpoints[0].hints.forZones: Too many: 9: must have at most 8 items"},
       {"too much topology", labels.c_str(), "TooMany endpoints[0].deprecatedTopology: Too many: 17: must have at most 16 items"},
       {"a port's name twice", R"({"addressType":"IPv4","ports":[{"name":"a","port":1},{"name":"a","port":2}]})",
        "Duplicate ports[1].name: Duplicate value: \"a\""},
       {"protocol", R"({"addressType":"IPv4","ports":[{"port":1,"protocol":"ICMP"}]})",
        "NotSupported ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\""}});
  check_updates(kind, {{"endpoints", R"({"addressType":"IPv4"})", R"({"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"]}]})", ""},
                       {"bad endpoints", R"({"addressType":"IPv4"})", R"({"addressType":"IPv4","endpoints":[{"addresses":[]}]})",
                        "Required endpoints[0].addresses: Required value: must contain at least 1 address"},
                       {"type", R"({"addressType":"IPv4"})", R"({"addressType":"IPv6"})",
                        "Invalid addressType: Invalid value: \"IPv6\": field is immutable"}});
}

TEST(Lease, rules) {
  const Kind& kind = kind_of("coordination.k8s.io", "leases");
  const CreateCase cases[] = {
      {"fine", R"({"spec":{"holderIdentity":"a","leaseDurationSeconds":1,"leaseTransitions":0}})", ""},
      {"duration", R"({"spec":{"leaseDurationSeconds":0}})", "Invalid spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"},
      {"transitions", R"({"spec":{"leaseTransitions":-1}})",
       "Invalid spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0"},
      {"strategy", R"({"spec":{"strategy":"Newest"}})",
       "NotSupported spec.strategy.strategy: Unsupported value: \"Newest\": supported values: \"OldestEmulationVersion\""},
      {"strategy of a domain", R"({"spec":{"strategy":"example.com/x","preferredHolder":"a"}})", ""},
      {"preferred holder alone", R"({"spec":{"preferredHolder":"a"}})",
       "Forbidden spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined"},
  };
  for (const CreateCase& c : cases) {
    EXPECT_EQ(create_errors(kind, json(c.object)), c.want) << c.name;
    EXPECT_EQ(update_errors(kind, json(c.object), created(kind, json("{}"))), c.want) << c.name;
  }
}

}  // namespace
}  // namespace bramble
