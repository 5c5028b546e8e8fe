// What autoscalers, budgets, Ingresses, policies of networks and volumes, roles, priorities, quotas and admission kinds refuse,
// allow, warn of and show.
#include <gtest/gtest.h>

#include "core/crypto/x509.h"
#include "core/resources/address_warnings.h"
#include "core/resources/spec_warnings.h"
#include "core/resources/subresource_rules.h"
#include "tests/core/resources/kind_cases.h"

namespace bramble {
namespace {

std::string hpa(std::string_view more) {
  return cat(R"({"spec":{"maxReplicas":3,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"d"})", more, "}}");
}

TEST(HorizontalPodAutoscaler, rules) {
  const Kind& kind = *find_kind("autoscaling", "v2", "horizontalpodautoscalers");
  expect_create(kind, {
      {"fine", hpa(""), ""},
      {"no most", R"({"spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"d"}}})",
       "Required spec.maxReplicas: Required value: must be set and greater than 0 | Invalid spec.maxReplicas: Invalid value: 0: must be "
       "greater than or equal to `minReplicas`"},
      {"zero at least", hpa(R"(,"minReplicas":0)"),
       "Invalid spec.minReplicas: Invalid value: 0: must be greater than or equal to 1 | Forbidden spec.metrics: Forbidden: must specify at "
       "least one Object or External metric to support scaling to zero replicas"},
      {"target without group", R"({"spec":{"maxReplicas":1,"scaleTargetRef":{"apiVersion":"v1","kind":"Pod","name":"a/b"}}})",
       "Invalid spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/' | Invalid spec.scaleTargetRef.apiVersion: Invalid value: "
       "\"v1\": apiVersion must specify API group"},
      {"share and amount", hpa(R"(,"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":0,"averageValue":"1"}}}])"),
       "Invalid spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0 | Forbidden "
       "spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization"},
      {"pods without average", hpa(R"(,"metrics":[{"type":"Pods","pods":{"metric":{"name":"m"},"target":{"type":"Value","value":"0"}}}])"),
       "Invalid spec.metrics[0].pods.target.value: Invalid value: \"0\": must be positive | Required spec.metrics[0].pods.target.averageValue: "
       "Required value: must specify a positive target averageValue"},
      {"behavior", hpa(R"(,"behavior":{"scaleDown":{"stabilizationWindowSeconds":3601,"selectPolicy":"Most","policies":[{"type":"Cores","value":0,"periodSeconds":1801}]}})"),
       "Invalid spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600 | NotSupported "
       "spec.behavior.scaleDown.selectPolicy: Unsupported value: \"Most\": supported values: \"Disabled\", \"Max\", \"Min\" | NotSupported "
       "spec.behavior.scaleDown.policies[0].type: Unsupported value: \"Cores\": supported values: \"Percent\", \"Pods\" | Invalid "
       "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero | Invalid "
       "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800"},
  });
  expect_update(kind, {
      {"a target that was accepted", R"({"spec":{"maxReplicas":1,"scaleTargetRef":{"apiVersion":"v1","kind":"Pod","name":"p"}}})",
       R"({"spec":{"maxReplicas":2,"scaleTargetRef":{"apiVersion":"v1","kind":"Pod","name":"p"}}})", ""},
  });
  expect_status(kind, {{"negative", hpa(""), R"({"currentReplicas":-1,"desiredReplicas":0})",
                        "Invalid status.currentReplicas: Invalid value: -1: must be greater than or equal to 0"}});
  const Document pods = with(created(kind, json(hpa(R"(,"metrics":[{"type":"Pods","pods":{"metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"5"}}},{"type":"External","external":{"metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"7"}}},{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}])"))),
                            {"status", "currentMetrics"}, R"([{"type":"Pods","pods":{"metric":{"name":"m"},"current":{"averageValue":"3"}}}])");
  EXPECT_EQ(cells_of(kind, pods, 0), R"(["","Deployment/d","3/5, <unknown>/7 (avg) + 1 more...","1",3,0,"<unknown>"])");
}

TEST(PodDisruptionBudget, rules) {
  const Kind& kind = v1("policy", "poddisruptionbudgets");
  expect_create(kind, {
      {"fine", R"({"spec":{"minAvailable":"50%"}})", ""},
      {"both", R"({"spec":{"minAvailable":1,"maxUnavailable":"101%"}})",
       "Invalid spec: Invalid value: "
       "{\"MinAvailable\":1,\"Selector\":null,\"MaxUnavailable\":\"101%\",\"UnhealthyPodEvictionPolicy\":null}: minAvailable and "
       "maxUnavailable cannot be both set | Invalid spec.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"},
  });
  expect_status(kind, {
      {"fine", R"({"spec":{}})", R"({"disruptionsAllowed":1,"currentHealthy":1,"desiredHealthy":0,"expectedPods":1})", ""},
      {"bad", R"({"spec":{}})", R"({"disruptionsAllowed":-1,"conditions":[{"type":"A","status":"Yes"}]})",
       "NotSupported status.conditions[0].status: Unsupported value: \"Yes\": supported values: \"False\", \"True\", \"Unknown\" | Required "
       "status.conditions[0].lastTransitionTime: Required value | Required status.conditions[0].reason: Required value | Invalid "
       "status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0"},
  });
}

std::string ingress(std::string_view spec) { return cat(R"({"metadata":{"name":"i"},"spec":)", spec, "}"); }
std::string paths(std::string_view path) { return ingress(cat(R"({"rules":[{"http":{"paths":[)", path, "]}}]}")); }

TEST(Ingress, rules) {
  const Kind& kind = v1("networking.k8s.io", "ingresses");
  const std::string good = R"("backend":{"service":{"name":"s","port":{"number":80}}})";
  expect_create(kind, {
      {"fine", paths(cat(R"({"path":"/","pathType":"Prefix",)", good, "}")), ""},
      {"nothing", ingress("{}"), "Invalid spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"},
      {"backend of nothing", ingress(R"({"defaultBackend":{}})"),
       "Invalid spec.defaultBackend: Invalid value: \"\": resource or service backend is required"},
      {"resource", ingress(R"({"defaultBackend":{"resource":{"apiGroup":"A","kind":"","name":"a/b"}}})"),
       "Invalid spec.defaultBackend.resource.apiGroup: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case "
       "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
       "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*') | Required spec.defaultBackend.resource.kind: "
       "Required value | Invalid spec.defaultBackend.resource.name: Invalid value: \"a/b\": may not contain '/'"},
      {"port by name and number", ingress(R"({"defaultBackend":{"service":{"name":"s","port":{"name":"a","number":1}}}})"),
       "Invalid spec.defaultBackend: Invalid value: \"\": cannot set both port name & port number"},
      {"no type", paths(cat("{", good, "}")), "Required spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"},
      {"path", paths(cat(R"({"path":"a//b/..","pathType":"Exact",)", good, "}")),
       "Invalid spec.rules[0].http.paths[0].path: Invalid value: \"a//b/..\": must be an absolute path | Invalid "
       "spec.rules[0].http.paths[0].path: Invalid value: \"a//b/..\": must not contain '//' | Invalid spec.rules[0].http.paths[0].path: "
       "Invalid value: \"a//b/..\": cannot end with '/..'"},
      {"address as host", ingress(R"({"rules":[{"host":"10.0.0.1"}]})"),
       "Invalid spec.rules[0].host: Invalid value: \"10.0.0.1\": must be a DNS name, not an IP address"},
      {"class twice", R"({"metadata":{"annotations":{"kubernetes.io/ingress.class":"a"}},"spec":{"ingressClassName":"b","defaultBackend":{"service":{"name":"s","port":{"number":80}}}}})",
       "Invalid annotations.kubernetes.io/ingress.class: Invalid value: \"a\": must match `ingressClassName` when both are specified"},
  });
  expect_status(kind, {{"name for an address", ingress("{}"), R"({"loadBalancer":{"ingress":[{"hostname":"10.0.0.1"}]}})",
                        "Invalid status.loadBalancer.ingress[0].hostname: Invalid value: \"10.0.0.1\": must be a DNS name, not an IP address"}});
  EXPECT_EQ(warnings_of(kind, R"({"metadata":{"annotations":{"kubernetes.io/ingress.class":"a"}},"spec":{}})"),
            "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead");
  const Document hosts = with(created(kind, json(ingress(R"({"tls":[{}],"rules":[{"host":"a"},{"host":"b"},{"host":"c"},{"host":"d"},{"host":"e"}]})"))),
                             {"status"}, R"({"loadBalancer":{"ingress":[{"hostname":"b.example.com"},{"ip":"10.0.0.1"}]}})");
  EXPECT_EQ(cells_of(kind, hosts, 0), R"(["i","<none>","a,b,c + 2 more...","10.0.0.1,b.ex...","80, 443","<unknown>"])");
}

TEST(IngressClass, rules) {
  const Kind& kind = v1("networking.k8s.io", "ingressclasses");
  expect_create(kind, {
      {"fine", R"({"spec":{"controller":"example.com/c"}})", ""},
      {"no controller", R"({"spec":{}})", "Required spec.controller: Required value"},
      {"parameters", R"({"spec":{"controller":"example.com/c","parameters":{"scope":"Namespace"}}})",
       "Required spec.parameters.kind: Required value | Required spec.parameters.name: Required value | Required spec.parameters.namespace: "
       "Required value: `parameters.scope` is set to 'Namespace'"},
  });
  EXPECT_EQ(cells_of(kind, json(R"({"metadata":{"name":"i","annotations":{"ingressclass.kubernetes.io/is-default-class":"true"}},"spec":{"controller":"a/b"}})"), 0),
            R"-(["i (default)","a/b","<none>","<unknown>"])-");
}

TEST(NetworkPolicy, rules) {
  const Kind& kind = v1("networking.k8s.io", "networkpolicies");
  auto from = [](std::string_view peer) { return cat(R"({"spec":{"podSelector":{},"ingress":[{"from":[)", peer, "]}]}}"); };
  const std::string loose = from(R"({"ipBlock":{"cidr":"010.0.0.0/8"}})");
  expect_create(kind, {
      {"fine", from(R"({"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}})"), ""},
      {"no peer", from("{}"), "Required spec.ingress[0].from[0]: Required value: must specify a peer"},
      {"two sorts", from(R"({"podSelector":{},"ipBlock":{"cidr":"10.0.0.0/8"}})"),
       "Forbidden spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer"},
      {"outside", from(R"({"ipBlock":{"cidr":"10.0.0.0/8","except":["11.0.0.0/16"]}})"),
       "Invalid spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`"},
      {"protocol", R"({"spec":{"podSelector":{},"egress":[{"ports":[{"protocol":"ICMP","endPort":3}]}]}})",
       "NotSupported spec.egress[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"TCP\", \"UDP\", \"SCTP\" | Invalid "
       "spec.egress[0].ports[0].endPort: Invalid value: 3: may not be specified when `port` is not specified"},
      {"type", R"({"spec":{"podSelector":{},"policyTypes":["Both"]}})",
       "NotSupported spec.policyTypes[0]: Unsupported value: \"Both\": supported values: \"Ingress\", \"Egress\""},
  });
  expect_update(kind, {{"a range that was there", loose, loose, ""}});
  EXPECT_EQ(warnings_of(kind, from(R"({"ipBlock":{"cidr":"10.0.0.1/8"}})")),
            "spec.ingress[0].from[0].ipBlock.cidr: CIDR value \"10.0.0.1/8\" is ambiguous in this context (should be \"10.0.0.0/8\" or "
            "\"10.0.0.1/32\"?)");
}

TEST(AddressWarnings, name_the_usual_text) {
  auto of = [](std::string_view text) {
    std::vector<std::string> out;
    address_warnings(text, Path("f"), out);
    return join(out, " | ");
  };
  EXPECT_EQ(of("10.0.0.1"), "");
  EXPECT_EQ(of("2001:db8::1"), "");
  EXPECT_EQ(of("010.0.0.1"), "f: non-standard IP address \"010.0.0.1\" is invalid: use \"10.0.0.1\"");
  EXPECT_EQ(of("::ffff:10.0.0.1"), "f: non-standard IP address \"::ffff:10.0.0.1\" is invalid: use \"10.0.0.1\"");
  EXPECT_EQ(of("2001:DB8:0:0:1:0:0:0"), "f: IPv6 address \"2001:DB8:0:0:1:0:0:0\" should be in RFC 5952 canonical format (\"2001:db8:0:0:1::\")");
}

TEST(ServiceCIDR, rules) {
  const Kind& kind = v1("networking.k8s.io", "servicecidrs");
  expect_create(kind, {
      {"fine", R"({"spec":{"cidrs":["10.0.0.0/16","2001:db8::/108"]}})", ""},
      {"none", R"({"spec":{}})", "Required spec.cidrs: Required value: at least one CIDR required"},
      {"one family", R"({"spec":{"cidrs":["10.0.0.0/16","10.1.0.0/16"]}})",
       "Invalid spec.cidrs: Invalid value: [\"10.0.0.0/16\",\"10.1.0.0/16\"]: may specify no more than one IP for each IP family, i.e "
       "192.168.0.0/24 and 2001:db8::/64"},
  });
  expect_update(kind, {
      {"a second family", R"({"spec":{"cidrs":["10.0.0.0/16"]}})", R"({"spec":{"cidrs":["10.0.0.0/16","2001:db8::/108"]}})", ""},
      {"another range", R"({"spec":{"cidrs":["10.0.0.0/16"]}})", R"({"spec":{"cidrs":["10.1.0.0/16"]}})",
       "Invalid spec.cidrs[0]: Invalid value: \"10.1.0.0/16\": field is immutable"},
  });
}

TEST(IPAddress, rules) {
  const Kind& kind = v1("networking.k8s.io", "ipaddresses");
  const std::string good = R"({"spec":{"parentRef":{"resource":"services","namespace":"n","name":"s"}}})";
  expect_create(kind, {
      {"fine", good, ""},
      {"no parent", R"({"spec":{}})", "Required spec.parentRef: Required value"},
      {"parent of nothing", R"({"spec":{"parentRef":{}}})",
       "Required spec.parentRef.resource: Required value | Required spec.parentRef.name: Required value"},
  });
  expect_update(kind, {{"parent", good, R"({"spec":{"parentRef":{"resource":"services","namespace":"n","name":"t"}}})",
                        "Invalid spec.parentRef: Invalid value: {\"Group\":\"\",\"Resource\":\"services\",\"Namespace\":\"n\",\"Name\":\"t\"}: "
                        "field is immutable"}});
  EXPECT_EQ(cells_of(kind, json(good), 0), R"(["","services/n/s"])");
}

TEST(Rbac, rules) {
  expect_create(v1("rbac.authorization.k8s.io", "clusterroles"), {
      {"fine", R"({"rules":[{"verbs":["get"],"nonResourceURLs":["/healthz"]}]})", ""},
      {"aggregation", R"({"aggregationRule":{"clusterRoleSelectors":[{"matchExpressions":[{"key":"a","operator":"Near"}]}]}})",
       "Invalid aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: Invalid value: \"Near\": not a valid selector operator | "
       "Invalid aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector."},
      {"aggregation of nothing", R"({"aggregationRule":{}})",
       "Required aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil"},
  });
  expect_create(v1("rbac.authorization.k8s.io", "roles"), {
      {"urls", R"({"rules":[{"verbs":["get"],"apiGroups":[""],"nonResourceURLs":["/x"]}]})",
       "Invalid rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs | Invalid "
       "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: rules cannot apply to both regular resources and non-resource URLs"},
      {"nothing", R"({"rules":[{}]})",
       "Required rules[0].verbs: Required value: verbs must contain at least one value | Required rules[0].apiGroups: Required value: resource "
       "rules must supply at least one api group | Required rules[0].resources: Required value: resource rules must supply at least one resource"},
  });
  expect_create(v1("rbac.authorization.k8s.io", "rolebindings"), {
      {"fine", R"({"roleRef":{"kind":"Role","name":"r"},"subjects":[{"kind":"User","name":"u"}]})", ""},
      {"subjects", R"({"roleRef":{"kind":"Thing","name":"r"},"subjects":[{"kind":"Robot"},{"kind":"ServiceAccount","name":"A_"}]})",
       "NotSupported roleRef.kind: Unsupported value: \"Thing\": supported values: \"Role\", \"ClusterRole\" | Required subjects[0].name: "
       "Required value | NotSupported subjects[0].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\" "
       "| Invalid subjects[1].name: Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
       "'-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
  });
}

TEST(PriorityClass, rules) {
  const Kind& kind = v1("scheduling.k8s.io", "priorityclasses");
  const std::string reserved = "Forbidden metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: ";
  expect_create(kind, {
      {"fine", R"({"metadata":{"name":"p"},"value":1000})", ""},
      {"system", R"({"metadata":{"name":"system-node-critical"},"value":2000001000})", ""},
      {"system for all", R"({"metadata":{"name":"system-node-critical"},"value":2000001000,"globalDefault":true})",
       cat(reserved, "globalDefault of system-node-critical PriorityClass must be false")},
      {"unknown", R"({"metadata":{"name":"system-x"},"preemptionPolicy":"Maybe"})",
       cat(reserved, "system-x is not a known system priority class | NotSupported preemptionPolicy: Unsupported value: \"Maybe\": supported "
                     "values: \"PreemptLowerPriority\", \"Never\"")},
      {"too high", R"({"metadata":{"name":"p"},"value":1000000001})",
       "Forbidden value: Forbidden: maximum allowed value of a user defined priority is 1000000000"},
  });
  expect_update(kind, {{"value", R"({"value":1})", R"({"value":2})", "Forbidden value: Forbidden: may not be changed in an update."}});
}

TEST(RuntimeClass, rules) {
  const Kind& kind = v1("node.k8s.io", "runtimeclasses");
  expect_create(kind, {
      {"fine", R"({"handler":"h","overhead":{"podFixed":{"cpu":"1"}}})", ""},
      {"no handler", "{}", "Required handler: Required value"},
      {"the same toleration", R"({"handler":"h","scheduling":{"tolerations":[{"key":"a","operator":"Exists"},{"key":"a","operator":"Exists"}]}})",
       "Duplicate scheduling.tolerations[1]: Duplicate value: "
       "{\"Key\":\"a\",\"Operator\":\"Exists\",\"Value\":\"\",\"Effect\":\"\",\"TolerationSeconds\":null}"},
  });
  expect_update(kind, {{"handler", R"({"handler":"a"})", R"({"handler":"b"})", "Invalid handler: Invalid value: \"b\": field is immutable"}});
  EXPECT_EQ(warnings_of(kind, R"({"handler":"h","scheduling":{"nodeSelector":{"beta.kubernetes.io/os":"linux"}}})"),
            "scheduling.nodeSelector: deprecated since v1.14; use \"kubernetes.io/os\" instead");
}

TEST(LimitRange, rules) {
  auto limits = [](std::string_view item) { return cat(R"({"spec":{"limits":[)", item, "]}}"); };
  expect_create(v1("", "limitranges"), {
      {"fine", limits(R"({"type":"Container","max":{"cpu":"2"},"min":{"cpu":"1"}})"), ""},
      {"unknown type", limits(R"({"type":"Node"})"), "Invalid spec.limits[0].type: Invalid value: \"Node\": must be a standard limit type or fully qualified"},
      {"resource of no container", limits(R"({"type":"Pod","max":{"pods":"2"}})"),
       "Invalid spec.limits[0].max[pods]: Invalid value: \"pods\": must be a standard resource for containers"},
      {"default of pods", limits(R"({"type":"Pod","default":{"cpu":"2"}})"),
       "Forbidden spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"},
      {"ratio", limits(R"({"type":"Pod","max":{"cpu":"3"},"min":{"cpu":"2"},"maxLimitRequestRatio":{"cpu":"2"}})"),
       "Invalid spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"2\": ratio 2 is greater than max/min = 1.500000"},
      {"no bounds of storage", limits(R"({"type":"PersistentVolumeClaim"})"),
       "Required spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided"},
  });
}

TEST(ResourceQuota, rules) {
  const Kind& kind = v1("", "resourcequotas");
  expect_create(kind, {
      {"fine", R"({"spec":{"hard":{"pods":"1"}}})", ""},
      {"unknown", R"({"spec":{"hard":{"doors":"1"}}})",
       "Invalid spec.hard[doors]: Invalid value: \"doors\": must be a standard resource type or fully qualified | Invalid spec.hard[doors]: "
       "Invalid value: \"doors\": must be a standard resource for quota"},
      {"conflict", R"({"spec":{"scopes":["BestEffort","NotBestEffort"]}})",
       "Invalid spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: conflicting scopes"},
  });
  expect_update(kind, {
      {"scopes in another order", R"({"spec":{"scopes":["Terminating","BestEffort"]}})", R"({"spec":{"scopes":["BestEffort","Terminating"]}})", ""},
      {"other scopes", R"({"spec":{"scopes":["BestEffort"]}})", R"({"spec":{"scopes":["Terminating"]}})",
       "Invalid spec.scopes: Invalid value: [\"Terminating\"]: field is immutable"},
  });
}

TEST(CertificateSigningRequest, rules) {
  const Kind& kind = v1("certificates.k8s.io", "certificatesigningrequests");
  auto request = [](std::string_view pem, std::string_view more) {
    return cat(R"({"spec":{"request":")", base64_encode(pem), "\"", more, "}}");
  };
  const std::string good = make_certificate_request(CertificateSubject(), PrivateKey::generate_p256().value()).value();
  auto csr = [&](std::string_view more) { return request(good, more); };
  const std::string rest = R"(,"signerName":"example.com/s","usages":["client auth"])";
  auto bad = [](std::string_view pem, std::string_view why) {
    return cat("Invalid spec.request: Invalid value: \"", base64_encode(pem), "\": ", why);
  };
  const std::string other = replace_all(good, "CERTIFICATE REQUEST", "CERTIFICATE");
  const std::string text = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
  expect_create(kind, {
      {"fine", csr(R"(,"signerName":"example.com/s","usages":["client auth"])"), ""},
      {"old signer", csr(R"(,"signerName":"kubernetes.io/legacy-unknown","usages":["client auth"])"),
       "Invalid spec.signerName: Invalid value: \"kubernetes.io/legacy-unknown\": the legacy signerName is not allowed via this API version"},
      {"no usages", csr(R"(,"signerName":"example.com/s","expirationSeconds":10)"),
       "Required spec.usages: Required value | Invalid spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 600 "
       "seconds (10 minutes)"},
      {"nothing asked for", cat(R"({"spec":{)", rest.substr(1), "}}"),
       "Invalid spec.request: Invalid value: null: PEM block type must be CERTIFICATE REQUEST"},
      {"a certificate", request(other, rest), bad(other, "PEM block type must be CERTIFICATE REQUEST")},
      {"no request inside", request(text, rest),
       bad(text, "asn1: structure error: tags don't match (16 vs {class:0 tag:0 length:0 isCompound:false}) {optional:false explicit:false "
                 "application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false omitEmpty:false} "
                 "certificateRequest @2")},
      {"usages", csr(R"(,"signerName":"example.com/s","usages":["client auth","client auth","walk"])"),
       "NotSupported spec.usages[2]: Unsupported value: \"walk\": supported values: \"any\", \"cert sign\", \"client auth\", \"code "
       "signing\", \"content commitment\", \"crl sign\", \"data encipherment\", \"decipher only\", \"digital signature\", \"email "
       "protection\", \"encipher only\", \"ipsec end system\", \"ipsec tunnel\", \"ipsec user\", \"key agreement\", \"key encipherment\", "
       "\"microsoft sgc\", \"netscape sgc\", \"ocsp signing\", \"s/mime\", \"server auth\", \"signing\", \"timestamping\" | Duplicate "
       "spec.usages[1]: Duplicate value: \"client auth\""},
      {"signer", csr(R"(,"signerName":"example/Mine","usages":["any"])"),
       "Invalid spec.signerName: Invalid value: \"example\": should be a domain with at least two segments separated by dots | Invalid "
       "spec.signerName: Invalid value: \"Mine\": validating label \"Mine\": a lowercase RFC 1123 subdomain must consist of lower case "
       "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
       "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
  });
}

TEST(CertificateSigningRequest, decisions_stay_and_each_endpoint_has_its_part) {
  const Kind& kind = v1("certificates.k8s.io", "certificatesigningrequests");
  const std::string pem = make_certificate_request(CertificateSubject(), PrivateKey::generate_p256().value()).value();
  const Document made = created(kind, json(cat(R"({"spec":{"signerName":"example.com/s","usages":["any"],"request":")", base64_encode(pem), "\"}}")));
  auto decided = [&](const Document& d, std::string_view conditions) { return with(d, {"status", "conditions"}, conditions); };
  const char* approved = R"([{"type":"Approved","status":"True"}])";
  auto approval_errors = [](const Document& now, const Document& old) {
    FieldErrors errors;
    kApprovalRules.validate(now.root(), old.root(), errors);
    return texts(errors);
  };
  const Document yes = decided(made, approved);
  const std::string authority = CertificateAuthority::create("ca", 4102444800).value().certificate_pem();
  auto signed_with = [&](const Document& d, std::string_view text) { return with(d, {"status", "certificate"}, cat("\"", base64_encode(text), "\"")); };
  const Document done = signed_with(yes, authority);
  EXPECT_EQ(approval_errors(yes, made), "");
  EXPECT_EQ(approval_errors(decided(made, R"([{"type":"Approved","status":"False"},{"type":"Denied","status":"True"},{"type":"","status":""},{"type":"Mine","status":"Maybe"}])"), made),
            "NotSupported status.conditions[0].status: Unsupported value: \"False\": supported values: \"True\" | Invalid status.conditions: "
            "Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive | Required status.conditions[2].type: Required "
            "value | Required status.conditions[2].status: Required value | NotSupported status.conditions[3].status: Unsupported value: "
            "\"Maybe\": supported values: \"False\", \"True\", \"Unknown\"");
  EXPECT_EQ(approval_errors(decided(yes, "[]"), yes), "Forbidden status.conditions: Forbidden: updates may not remove a condition of type \"Approved\"");
  EXPECT_EQ(approval_errors(done, yes), "Forbidden status.certificate: Forbidden: updates may not set certificate content");
  EXPECT_EQ(status_errors(kind, yes, made), "Forbidden status.conditions: Forbidden: updates may not add a condition of type \"Approved\"");
  EXPECT_EQ(status_errors(kind, done, yes), "");
  EXPECT_EQ(status_errors(kind, signed_with(done, cat(authority, authority)), done),
            "Forbidden status.certificate: Forbidden: updates may not modify existing certificate content");
  const struct {
    const char *name;
    std::string certificate, want;
  } cases[] = {
      {"text", "x", "must contain at least one CERTIFICATE PEM block"},
      {"a key", "-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n", "only CERTIFICATE PEM blocks are allowed, found \"KEY\""},
      {"headers", "-----BEGIN CERTIFICATE-----\na: b\n\nAAAA\n-----END CERTIFICATE-----\n", "no PEM block headers are permitted"},
      {"nothing inside", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "found CERTIFICATE PEM block containing 0 certificates"},
      {"no certificate inside", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x509: malformed certificate"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(status_errors(kind, signed_with(yes, c.certificate), yes),
              cat("Invalid status.certificate: Invalid value: \"<certificate data>\": ", c.want)) << c.name;
}

TEST(Webhooks, rules) {
  const Kind& kind = v1("admissionregistration.k8s.io", "validatingwebhookconfigurations");
  auto hook = [](std::string_view more) {
    return cat(R"({"webhooks":[{"name":"a.b.c","sideEffects":"None","admissionReviewVersions":["v1"])", more, "}]}");
  };
  const std::string url = R"(,"clientConfig":{"url":"https://h/p"})";
  expect_create(kind, {
      {"fine", hook(url), ""},
      {"url", hook(R"(,"clientConfig":{"url":"http://u@/p?q#f"})"),
       "Invalid webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: "
       "https://host[/path] | Invalid webhooks[0].clientConfig.url: Invalid value: \"\": host must be specified; desired format: "
       "https://host[/path] | Invalid webhooks[0].clientConfig.url: Invalid value: \"u\": user information is not permitted in the URL | "
       "Invalid webhooks[0].clientConfig.url: Invalid value: \"f\": fragments are not permitted in the URL | Invalid "
       "webhooks[0].clientConfig.url: Invalid value: \"q\": query parameters are not permitted in the URL"},
      {"service", hook(R"(,"clientConfig":{"service":{"name":"s","port":70000,"path":"a//b"}})"),
       "Required webhooks[0].clientConfig.service.name: Required value | Invalid webhooks[0].clientConfig.service.port: Invalid value: 70000: "
       "port is not valid: must be between 1 and 65535, inclusive | Invalid webhooks[0].clientConfig.service.path: Invalid value: \"a//b\": "
       "must start with a '/' | Invalid webhooks[0].clientConfig.service.path: Invalid value: \"a//b\": segment[0] may not be empty | Invalid "
       "webhooks[0].clientConfig.service.path: Invalid value: \"a//b\": segment[1] may not be empty"},
      {"wildcards", hook(cat(url, R"(,"rules":[{"operations":["*","CREATE"],"apiGroups":["*",""],"apiVersions":["v1"],"resources":["*","pods"]}])")),
       "Invalid webhooks[0].rules[0].operations: Invalid value: [\"*\",\"CREATE\"]: if '*' is present, must not specify other operations | "
       "Invalid webhooks[0].rules[0].apiGroups: Invalid value: [\"*\",\"\"]: if '*' is present, must not specify other API groups | Invalid "
       "webhooks[0].rules[0].resources: Invalid value: [\"*\",\"pods\"]: if '*' is present, must not specify other resources without "
       "subresources"},
      {"conditions", hook(cat(url, R"(,"matchConditions":[{"name":"a","expression":" "},{"name":"a","expression":"true"}])")),
       "Required webhooks[0].matchConditions[0].expression: Required value | Duplicate webhooks[0].matchConditions[1].name: Duplicate value: "
       "\"a\""},
      {"versions", with_text(hook(url), {"webhooks", "0", "admissionReviewVersions"}, R"(["v2","v2"])"),
       "Invalid webhooks[0].admissionReviewVersions[1]: Invalid value: \"v2\": duplicate version | Invalid "
       "webhooks[0].admissionReviewVersions: Invalid value: [\"v2\",\"v2\"]: must include at least one of v1, v1beta1"},
  });
  const std::string some = with_text(hook(url), {"webhooks", "0", "sideEffects"}, "\"Some\"");
  expect_update(kind, {{"effects that were accepted", some, some, ""}});
}

TEST(AdmissionPolicies, rules) {
  const std::string match =
      R"("failurePolicy":"Fail","matchConstraints":{"resourceRules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["pods"]}]})";
  auto policy = [&match](std::string_view more) { return cat(R"({"metadata":{"name":"p"},"spec":{)", match, more, "}}"); };
  expect_create(v1("admissionregistration.k8s.io", "validatingadmissionpolicies"), {
      {"fine", policy(R"(,"validations":[{"expression":"true"}])"), ""},
      {"nothing", policy(""),
       "Required spec.validations: Required value: validations or auditAnnotations must contain at least one item | Required "
       "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item"},
      {"kind of parameters", policy(R"(,"paramKind":{"apiVersion":"a/b/c"},"validations":[{"expression":"true","message":" "}])"),
       "Invalid spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c | Required spec.paramKind.kind: "
       "Required value | Invalid spec.validations[0].message: Invalid value: \" \": must be non-empty if specified"},
      {"variables", policy(R"(,"variables":[{"name":"1a","expression":""}],"validations":[{"expression":"true"}])"),
       "Invalid spec.variables[0].name: Invalid value: \"1a\": must be a valid CEL identifier | Required spec.variables[0].expression: Required "
       "value: expression is not specified"},
  });
  expect_create(v1("admissionregistration.k8s.io", "validatingadmissionpolicybindings"), {
      {"fine", R"({"spec":{"policyName":"p","validationActions":["Deny"]}})", ""},
      {"both", R"({"spec":{"policyName":"p","validationActions":["Deny","Warn"],"paramRef":{}}})",
       "Required spec.paramRef: Required value: one of name or selector must be specified | Required spec.paramRef.parameterNotFoundAction: "
       "Required value | Invalid spec.validationActions: Invalid value: [\"Deny\",\"Warn\"]: must not contain both Deny and Warn (repeating the "
       "same validation failure information in the API response and headers serves no purpose)"},
      {"nothing", R"({"spec":{}})",
       "Required spec.policyName: Required value | Required spec.validationActions: Required value: at least one validation action is required"},
  });
  expect_create(v1("admissionregistration.k8s.io", "mutatingadmissionpolicies"), {
      {"fine", policy(R"(,"reinvocationPolicy":"Never","mutations":[{"patchType":"JSONPatch","jsonPatch":{"expression":"[]"}}])"), ""},
      {"nothing", policy(""), "Required spec.mutations: Required value: mutations must contain at least one item | Required spec.reinvocationPolicy: Required value"},
      {"the other patch", policy(R"(,"reinvocationPolicy":"Never","mutations":[{"patchType":"JSONPatch","applyConfiguration":{"expression":"x"}}])"),
       "Required spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch | Invalid "
       "spec.mutations[0].applyConfiguration: Invalid value: \"{applyConfiguration}\": must not be specified when patchType is JSONPatch"},
  });
}

TEST(APIService, rules) {
  const Kind& kind = v1("apiregistration.k8s.io", "apiservices");
  expect_create(kind, {
      {"fine", R"({"metadata":{"name":"v1.g.com"},"spec":{"group":"g.com","version":"v1","groupPriorityMinimum":1,"versionPriority":1}})", ""},
      {"local with a service's settings",
       R"({"metadata":{"name":"v1.g.com"},"spec":{"group":"g.com","version":"v1","groupPriorityMinimum":1,"versionPriority":1,"insecureSkipTLSVerify":true,"caBundle":"YQ=="}})",
       "Invalid spec.caBundle: Invalid value: \"1 bytes\": local APIServices may not have a caBundle | Invalid spec.insecureSkipTLSVerify: "
       "Invalid value: true: local APIServices may not have insecureSkipTLSVerify"},
      {"legacy group", R"({"metadata":{"name":"v2."},"spec":{"version":"v2","groupPriorityMinimum":1,"versionPriority":1,"service":{"name":"s","namespace":"n","port":443}}})",
       "Required spec.group: Required value: only v1 may have an empty group and it better be legacy kube"},
  });
}

TEST(DeviceKinds, rules) {
  auto claim = [](std::string_view devices) { return cat(R"({"spec":{"devices":)", devices, "}}"); };
  const std::string good = claim(R"({"requests":[{"name":"r","exactly":{"deviceClassName":"c"}}]})");
  const Kind& kind = v1("resource.k8s.io", "resourceclaims");
  expect_create(kind, {
      {"fine", good, ""},
      {"request of nothing", claim(R"({"requests":[{"name":"r"},{"name":"r","exactly":{"deviceClassName":"","allocationMode":"All","count":1}}]})"),
       "Required spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required | Required "
       "spec.devices.requests[1].exactly.deviceClassName: Required value | Invalid spec.devices.requests[1].exactly.count: Invalid value: 1: "
       "must not be specified when allocationMode is 'All' | Duplicate spec.devices.requests[1]: Duplicate value: \"r\""},
      {"constraint and configuration", claim(R"({"requests":[{"name":"r","exactly":{"deviceClassName":"c"}}],"constraints":[{"requests":["x"],"matchAttribute":"a"}],"config":[{}]})"),
       "Invalid spec.devices.constraints[0].requests[0]: Invalid value: \"x\": must be the name of a request in the claim or the name of a "
       "request and a subrequest separated by '/' | Invalid spec.devices.constraints[0].matchAttribute: Invalid value: \"a\": a fully qualified "
       "name must be a domain and a name separated by a slash | Required spec.devices.config[0].opaque: Required value"},
  });
  expect_update(kind, {{"nothing changes", good, good, ""}});
  expect_create(v1("resource.k8s.io", "deviceclasses"), {
      {"fine", R"({"spec":{"selectors":[{"cel":{"expression":"true"}}]}})", ""},
      {"selector of nothing", R"({"spec":{"selectors":[{}]}})", "Required spec.selectors[0].cel: Required value"},
  });
}

TEST(CustomResourceDefinition, rules) {
  const Kind& kind = v1("apiextensions.k8s.io", "customresourcedefinitions");
  const std::string good =
      R"({"metadata":{"name":"as.g.com"},"spec":{"group":"g.com","scope":"Cluster","names":{"plural":"as","kind":"A"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}})";
  expect_create(kind, {
      {"fine", good, ""},
      {"names", with_text(good, {"spec", "names"}, R"({"plural":"as","singular":"a","kind":"A_","listKind":"A_","shortNames":["B"]})"),
       "Invalid spec.names.kind: Invalid value: \"A_\": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower "
       "case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
       "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?') | Invalid spec.names.listKind: Invalid value: \"A_\": may have "
       "mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
       "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
       "'[a-z]([-a-z0-9]*[a-z0-9])?') | Invalid spec.names.shortNames[0]: Invalid value: \"B\": a DNS-1035 label must consist of lower case "
       "alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
       "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?') | Invalid spec.names.listKind: Invalid value: \"A_\": kind and "
       "listKind may not be the same"},
      {"no schema", with_text(good, {"spec", "versions"}, R"([{"name":"v1","served":true,"storage":true}])"),
       "Required spec.versions[0].schema.openAPIV3Schema: Required value"},
      {"conversion", with_text(good, {"spec", "conversion"}, R"({"strategy":"Webhook"})"),
       "Required spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook | Required "
       "spec.conversion.conversionReviewVersions: Required value"},
  });
}

}  // namespace
}  // namespace bramble
