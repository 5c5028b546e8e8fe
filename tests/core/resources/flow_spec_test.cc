// FlowSchema and PriorityLevelConfiguration: what is refused, with upstream's paths and texts, and what admins may change of the
// mandatory ones.
#include <gtest/gtest.h>

#include "core/resources/flow_spec.h"
#include "tests/core/resources/rule_case.h"

namespace bramble {
namespace {

const Kind& kind_of(std::string_view resource) { return *find_kind("flowcontrol.apiserver.k8s.io", "v1", resource); }

constexpr std::string_view kLabelFault =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character "
    "(e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kSubdomainFault =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

std::string with_faults(std::string text) {
  for (auto [word, fault] : {std::pair("LABEL", kLabelFault), std::pair("SUBDOMAIN", kSubdomainFault)}) {
    if (size_t at = text.find(word); at != std::string::npos) text.replace(at, std::string_view(word).size(), fault);
  }
  return text;
}

std::string schema_errors(std::string_view name, std::string_view spec) {
  return create_errors(kind_of("flowschemas"), json(cat(R"({"metadata":{"name":")", name, R"("},"spec":)", spec, "}")));
}
// Of a schema with this one rule.
std::string rule_errors(std::string_view rule) {
  return schema_errors("s", cat(R"({"matchingPrecedence":50,"priorityLevelConfiguration":{"name":"bar"},"rules":[)", rule, "]}"));
}
std::string level_errors(std::string_view name, std::string_view spec) {
  return create_errors(kind_of("prioritylevelconfigurations"), json(cat(R"({"metadata":{"name":")", name, R"("},"spec":)", spec, "}")));
}

TEST(FlowSchema, is_refused_with_upstreams_texts) {
  const struct {
    const char* name;
    const char* schema;
    const char* spec;
    const char* want;
  } cases[] = {
      {"nothing but a level", "s", R"({"priorityLevelConfiguration":{"name":"bar"}})", ""},
      {"no level", "s", "{}", "Required spec.priorityLevelConfiguration.name: Required value: must reference a priority level"},
      {"level's name", "s", R"({"priorityLevelConfiguration":{"name":"system+++$$"}})",
       "Invalid spec.priorityLevelConfiguration.name: Invalid value: \"system+++$$\": SUBDOMAIN"},
      {"negative precedence", "s", R"({"matchingPrecedence":-1,"priorityLevelConfiguration":{"name":"bar"}})",
       "Invalid spec.matchingPrecedence: Invalid value: -1: must be a positive value"},
      {"high precedence", "s", R"({"matchingPrecedence":10001,"priorityLevelConfiguration":{"name":"bar"}})",
       "Invalid spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000"},
      {"precedence of exempt", "fred", R"({"matchingPrecedence":1,"priorityLevelConfiguration":{"name":"exempt"}})",
       "Invalid spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"},
      {"distinguisher", "s", R"({"priorityLevelConfiguration":{"name":"bar"},"distinguisherMethod":{"type":"ByMood"}})",
       "NotSupported spec.distinguisherMethod.type: Unsupported value: {\"Type\":\"ByMood\"}: supported values: \"ByNamespace\", \"ByUser\""},
      {"exempt of another spec", "exempt", R"({"matchingPrecedence":1,"priorityLevelConfiguration":{"name":"exempt"}})",
       "Invalid spec: Invalid value: {\"PriorityLevelConfiguration\":{\"Name\":\"exempt\"},\"MatchingPrecedence\":1,\"DistinguisherMethod\":null,"
       "\"Rules\":null}: spec of 'exempt' must equal the fixed value"},
      {"catch-all of another spec", "catch-all",
       R"({"matchingPrecedence":10000,"priorityLevelConfiguration":{"name":"catch-all"},"distinguisherMethod":{"type":"ByUser"},"rules":[{"subjects":)"
       R"([{"kind":"Group","group":{"name":"system:authenticated"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],)"
       R"("clusterScope":true}]}]})",
       "Invalid spec: Invalid value: {\"PriorityLevelConfiguration\":{\"Name\":\"catch-all\"},\"MatchingPrecedence\":10000,\"DistinguisherMethod\":"
       "{\"Type\":\"ByUser\"},\"Rules\":[{\"Subjects\":[{\"Kind\":\"Group\",\"User\":null,\"Group\":{\"Name\":\"system:authenticated\"},"
       "\"ServiceAccount\":null}],\"ResourceRules\":[{\"Verbs\":[\"*\"],\"APIGroups\":[\"*\"],\"Resources\":[\"*\"],\"ClusterScope\":true,"
       "\"Namespaces\":null}],\"NonResourceRules\":null}]}: spec of 'catch-all' must equal the fixed value"},
  };
  for (const auto& c : cases) EXPECT_EQ(schema_errors(c.schema, c.spec), with_faults(c.want)) << c.name;
  for (const char* name : {"exempt", "catch-all"}) EXPECT_EQ(schema_errors(name, mandatory_flow_spec(name).root().dump()), "") << name;
}

TEST(FlowSchema, rules_are_refused_with_upstreams_texts) {
#define USER R"("subjects":[{"kind":"User","user":{"name":"noxu"}}],)"
#define PATHS R"("nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}])"
  const struct {
    const char* name;
    const char* rule;
    const char* want;
  } cases[] = {
      {"paths and resources",
       "{" USER PATHS R"(,"resourceRules":[{"verbs":["get","proxy"],"apiGroups":[""],"resources":["pods"],"namespaces":["a"]}]})", ""},
      {"nothing", "{}",
       "Required spec.rules[0].subjects: Required value: subjects must contain at least one value | "
       "Required spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty"},
      {"account that is none", R"({"subjects":[{"kind":"ServiceAccount","user":{"name":"f"},"group":{"name":"f"}}],)" PATHS "}",
       "Required spec.rules[0].subjects[0].serviceAccount: Required value: serviceAccount is required when subject kind is 'ServiceAccount' | "
       "Forbidden spec.rules[0].subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User' | "
       "Forbidden spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'"},
      {"user that is none", R"({"subjects":[{"kind":"User","group":{"name":"f"},"serviceAccount":{"namespace":"s","name":"n"}}],)" PATHS "}",
       "Required spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User' | "
       "Forbidden spec.rules[0].subjects[0].serviceAccount: Forbidden: serviceAccount is forbidden when subject kind is not 'ServiceAccount' | "
       "Forbidden spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'"},
      {"group that is none", R"({"subjects":[{"kind":"Group","user":{"name":"f"}}],)" PATHS "}",
       "Required spec.rules[0].subjects[0].group: Required value: group is required when subject kind is 'Group' | "
       "Forbidden spec.rules[0].subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'"},
      {"another kind", R"({"subjects":[{"kind":"Crowd"}],)" PATHS "}",
       "NotSupported spec.rules[0].subjects[0].kind: Unsupported value: \"Crowd\": supported values: \"Group\", \"ServiceAccount\", \"User\""},
      {"no names", R"({"subjects":[{"kind":"User","user":{"name":""}},{"kind":"ServiceAccount","serviceAccount":{"namespace":"","name":""}}],)" PATHS "}",
       "Required spec.rules[0].subjects[0].user.name: Required value | Required spec.rules[0].subjects[1].serviceAccount.name: Required value | "
       "Required spec.rules[0].subjects[1].serviceAccount.namespace: Required value: must specify namespace for service account"},
      {"all accounts", R"({"subjects":[{"kind":"ServiceAccount","serviceAccount":{"namespace":"a","name":"*"}}],)" PATHS "}", ""},
      {"namespace of an account", R"({"subjects":[{"kind":"ServiceAccount","serviceAccount":{"namespace":"-a","name":"n"}}],)" PATHS "}",
       "Invalid spec.rules[0].subjects[0].serviceAccount.namespace: Invalid value: \"-a\": LABEL"},
      {"all among others",
       "{" USER R"("resourceRules":[{"verbs":["*","create"],"apiGroups":["*","tak"],"resources":["*","tok"],"namespaces":["foo","*"]}]})",
       "Invalid spec.rules[0].resourceRules[0].verbs: Invalid value: [\"*\",\"create\"]: if '*' is present, must not specify other verbs | "
       "Invalid spec.rules[0].resourceRules[0].apiGroups: Invalid value: [\"*\",\"tak\"]: if '*' is present, must not specify other api groups | "
       "Invalid spec.rules[0].resourceRules[0].resources: Invalid value: [\"*\",\"tok\"]: if '*' is present, must not specify other resources | "
       "Invalid spec.rules[0].resourceRules[0].namespaces: Invalid value: [\"foo\",\"*\"]: if '*' is present, must not specify other namespaces"},
      {"empty resource rule", "{" USER R"("resourceRules":[{}]})",
       "Required spec.rules[0].resourceRules[0].verbs: Required value: verbs must contain at least one value | "
       "Required spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules must supply at least one api group | "
       "Required spec.rules[0].resourceRules[0].resources: Required value: resource rules must supply at least one resource | "
       "Required spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace"},
      {"unknown verb", "{" USER R"("resourceRules":[{"verbs":["get","feed"],"apiGroups":["*"],"resources":["*"],"clusterScope":true}]})",
       "NotSupported spec.rules[0].resourceRules[0].verbs: Unsupported value: [\"get\",\"feed\"]: supported values: \"create\", \"delete\", "
       "\"deletecollection\", \"get\", \"list\", \"patch\", \"proxy\", \"update\", \"watch\""},
      {"namespace", "{" USER R"("resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"namespaces":["-foo"]}]})",
       "Invalid spec.rules[0].resourceRules[0].namespaces[0]: Invalid value: \"-foo\": each member of this list must be '*' or a DNS-1123 label; LABEL"},
      {"empty path rule", "{" USER R"("nonResourceRules":[{}]})",
       "Required spec.rules[0].nonResourceRules[0].verbs: Required value: verbs must contain at least one value | "
       "Required spec.rules[0].nonResourceRules[0].nonResourceURLs: Required value: nonResourceURLs must contain at least one value"},
      {"all paths among others", "{" USER R"("nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*","tik"]}]})",
       "Invalid spec.rules[0].nonResourceRules[0].nonResourceURLs: Invalid value: [\"*\",\"tik\"]: if '*' is present, must not specify other "
       "non-resource URLs"},
      {"good paths", "{" USER R"("nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["/","/foo","/apis/","/healthz/*"]}]})", ""},
      {"bad paths",
       "{" USER R"("nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["","foo","//","/a b","/healthz/*/foo","/health*","/*/*"]}]})",
       "Invalid spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"\": must not be empty | "
       "Invalid spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: \"foo\": must start with slash | "
       "Invalid spec.rules[0].nonResourceRules[0].nonResourceURLs[2]: Invalid value: \"//\": must not contain double slash | "
       "Invalid spec.rules[0].nonResourceRules[0].nonResourceURLs[3]: Invalid value: \"/a b\": must not contain white-space | "
       "Invalid spec.rules[0].nonResourceRules[0].nonResourceURLs[4]: Invalid value: \"/healthz/*/foo\": wildcard can only do suffix matching | "
       "Invalid spec.rules[0].nonResourceRules[0].nonResourceURLs[5]: Invalid value: \"/health*\": wildcard can only do suffix matching | "
       "Invalid spec.rules[0].nonResourceRules[0].nonResourceURLs[6]: Invalid value: \"/*/*\": wildcard can only do suffix matching"},
  };
#undef USER
#undef PATHS
  for (const auto& c : cases) EXPECT_EQ(rule_errors(c.rule), with_faults(c.want)) << c.name;
}

TEST(PriorityLevelConfiguration, is_refused_with_upstreams_texts) {
  const struct {
    const char* name;
    const char* level;
    const char* spec;
    const char* want;
  } cases[] = {
      {"reject", "l", R"({"type":"Limited","limited":{"nominalConcurrencyShares":42,"limitResponse":{"type":"Reject"}}})", ""},
      {"no shares, a jail", "l", R"({"type":"Limited","limited":{"nominalConcurrencyShares":0,"limitResponse":{"type":"Reject"}}})", ""},
      {"queues by default", "l", R"({"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{"handSize":6}}}})", ""},
      {"type", "l", R"({"type":"X"})", "NotSupported spec.type: Unsupported value: \"X\": supported values: \"Exempt\", \"Limited\""},
      {"exempt of another name", "l", R"({"type":"Exempt"})",
       "Invalid spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'"},
      {"limited without details", "l", R"({"type":"Limited","exempt":{}})",
       "Forbidden spec.exempt: Forbidden: must be nil if the type is Limited | Required spec.limited: Required value: must not be empty when type is Limited"},
      {"shares and percents", "l",
       R"({"type":"Limited","limited":{"nominalConcurrencyShares":-1,"lendablePercent":101,"borrowingLimitPercent":-1,"limitResponse":{"type":"Reject"}}})",
       "Invalid spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer | "
       "Invalid spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive | "
       "Invalid spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer"},
      {"response", "l", R"({"type":"Limited","limited":{"limitResponse":{"type":"Wait"}}})",
       "NotSupported spec.limited.limitResponse.type: Unsupported value: \"Wait\": supported values: \"Queue\", \"Reject\""},
      {"queues when rejecting", "l", R"({"type":"Limited","limited":{"limitResponse":{"type":"Reject","queuing":{}}}})",
       "Forbidden spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited"},
      {"no queues", "l", R"({"type":"Limited","limited":{"limitResponse":{"type":"Queue"}}})",
       "Required spec.limited.limitResponse.queuing: Required value: must not be empty if limited.limitResponse.type is Limited"},
      {"negative queues", "l", R"({"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{"queues":-1,"handSize":-1,"queueLengthLimit":-1}}}})",
       "Invalid spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be positive | "
       "Invalid spec.limited.limitResponse.queuing.queues: Invalid value: -1: must be positive | "
       "Invalid spec.limited.limitResponse.queuing.handSize: Invalid value: -1: must be positive"},
      {"too many queues", "l", R"({"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{"queues":2147483647,"handSize":3}}}})",
       "Invalid spec.limited.limitResponse.queuing.queues: Invalid value: 2147483647: must not be greater than 10000000 | "
       "Invalid spec.limited.limitResponse.queuing.handSize: Invalid value: 3: required entropy bits of deckSize 2147483647 and handSize 3 should not be "
       "greater than 60"},
      {"entropy", "l", R"({"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{"queues":512,"handSize":8}}}})",
       "Invalid spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of deckSize 512 and handSize 8 should not be greater than 60"},
      {"most queues", "l", R"({"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{"queues":10000000,"handSize":2}}}})", ""},
      {"hand over queues", "l", R"({"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{"queues":7,"handSize":8}}}})",
       "Invalid spec.limited.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (7)"},
      {"what exempt lends", "exempt", R"({"type":"Exempt","exempt":{"nominalConcurrencyShares":10,"lendablePercent":10}})", ""},
      {"what exempt cannot lend", "exempt", R"({"type":"Exempt","exempt":{"nominalConcurrencyShares":-1,"lendablePercent":101}})",
       "Invalid spec.exempt.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer | "
       "Invalid spec.exempt.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive"},
      {"exempt made limited", "exempt", R"({"type":"Limited","limited":{"nominalConcurrencyShares":42,"limitResponse":{"type":"Reject"}}})",
       "Invalid spec.type: Invalid value: \"Limited\": type must be 'Exempt' if and only if name is 'exempt' | "
       "Invalid spec: Invalid value: {\"Type\":\"Limited\",\"Limited\":{\"NominalConcurrencyShares\":42,\"LimitResponse\":{\"Type\":\"Reject\",\"Queuing\":null},"
       "\"LendablePercent\":0,\"BorrowingLimitPercent\":null},\"Exempt\":null}: spec of 'exempt' except the 'spec.exempt' field must equal the fixed value"},
      {"another catch-all", "catch-all", R"({"type":"Limited","limited":{"nominalConcurrencyShares":42,"limitResponse":{"type":"Reject"}}})",
       "Invalid spec: Invalid value: {\"Type\":\"Limited\",\"Limited\":{\"NominalConcurrencyShares\":42,\"LimitResponse\":{\"Type\":\"Reject\",\"Queuing\":null},"
       "\"LendablePercent\":0,\"BorrowingLimitPercent\":null},\"Exempt\":null}: spec of 'catch-all' must equal the fixed value"},
  };
  for (const auto& c : cases) EXPECT_EQ(level_errors(c.level, c.spec), c.want) << c.name;
  for (const char* name : {"exempt", "catch-all"}) EXPECT_EQ(level_errors(name, mandatory_level_spec(name).root().dump()), "") << name;
  Document annotated = json(R"({"metadata":{"name":"l","annotations":{"flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares":""}},)"
                            R"("spec":{"type":"Limited","limited":{"limitResponse":{"type":"Reject"}}}})");
  EXPECT_EQ(create_errors(kind_of("prioritylevelconfigurations"), annotated),
            "Forbidden metadata.annotations: Forbidden: annotation 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares' is forbidden");
}

TEST(FlowStatus, has_conditions_of_different_types) {
  for (const char* resource : {"flowschemas", "prioritylevelconfigurations"}) {
    Document old = json(R"({"metadata":{"name":"x"},"spec":{}})");
    Document twice = json(R"({"metadata":{"name":"x"},"status":{"conditions":[{"type":"1"},{"type":"1"},{"type":""}]}})");
    EXPECT_EQ(status_errors(kind_of(resource), twice, old),
              "Duplicate status.conditions[1].type: Duplicate value: \"1\" | Required status.conditions[2].type: Required value: must not be empty")
        << resource;
  }
}

}  // namespace
}  // namespace bramble
