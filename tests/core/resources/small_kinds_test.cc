// The kinds with few rules: what they refuse, what an update may change, what they show.
#include <gtest/gtest.h>

#include "core/resources/event_versions.h"
#include "tests/core/resources/rule_case.h"

namespace bramble {
namespace {

const Kind& kind_of(std::string_view group, std::string_view resource) { return *find_kind(group, "v1", resource); }

TEST(SmallKinds, refuse_bad_objects_with_upstreams_texts) {
  const struct {
    const char* name;
    const char* group;
    const char* resource;
    const char* object;
    const char* want;
  } cases[] = {
      {"config map key", "", "configmaps", R"({"data":{"..":"x"}})",
       "Invalid data[..]: Invalid value: \"..\": must not be '..'"},
      {"secret of an account without name", "", "secrets", R"({"type":"kubernetes.io/service-account-token"})",
       "Required metadata.annotations[kubernetes.io/service-account.name]: Required value"},
      {"ssh secret", "", "secrets", R"({"type":"kubernetes.io/ssh-auth","data":{}})",
       "Required data[ssh-privatekey]: Required value"},
      {"docker config that is no JSON", "", "secrets",
       R"({"type":"kubernetes.io/dockercfg","data":{".dockercfg":"eA=="}})",
       "Invalid data[.dockercfg]: Invalid value: \"<secret contents redacted>\": invalid character 'x' looking for "
       "beginning of value"},
      {"empty subset", "", "endpoints", R"({"subsets":[{"ports":[{"port":80}]}]})",
       "Required subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"},
      {"endpoint on loopback", "", "endpoints",
       R"({"subsets":[{"addresses":[{"ip":"127.0.0.1"}],"ports":[{"port":0}]}]})",
       "Invalid subsets[0].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be in the loopback range "
       "(127.0.0.0/8, ::1/128) | "
       "Invalid subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"},
      {"slice without address", "discovery.k8s.io", "endpointslices",
       R"({"addressType":"IPv4","endpoints":[{"addresses":[]}]})",
       "Required endpoints[0].addresses: Required value: must contain at least 1 address"},
      {"slice of an unnamed type", "discovery.k8s.io", "endpointslices", R"({"endpoints":[]})",
       "Required addressType: Required value"},
      {"lease of no seconds", "coordination.k8s.io", "leases", R"({"spec":{"leaseDurationSeconds":0}})",
       "Invalid spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"},
      {"taint twice", "", "nodes",
       R"({"spec":{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"a","effect":"NoSchedule"}]}})",
       "Duplicate metadata.taints[1]: Duplicate value: "
       "{\"Key\":\"a\",\"Value\":\"\",\"Effect\":\"NoSchedule\",\"TimeAdded\":null}: taints must be unique by "
       "key and effect pair"},
      {"namespace finalizer", "", "namespaces", R"({"metadata":{"name":"n"},"spec":{"finalizers":["x"]}})",
       "Invalid spec.finalizers: Invalid value: \"x\": name is neither a standard finalizer name nor is it fully "
       "qualified"},
  };
  for (const auto& c : cases) EXPECT_EQ(create_errors(kind_of(c.group, c.resource), json(c.object)), c.want) << c.name;
}

TEST(SmallKinds, allow_only_some_changes) {
  const struct {
    const char* name;
    const char* group;
    const char* resource;
    const char* old;
    const char* now;
    const char* want;
  } cases[] = {
      {"secret's type", "", "secrets", R"({"type":"a"})", R"({"type":"b"})",
       "Invalid type: Invalid value: \"b\": field is immutable"},
      {"secret's type left out", "", "secrets", R"({"type":"Opaque"})", "{}", ""},
      {"immutable secret", "", "secrets", R"({"immutable":true,"data":{"a":"YQ=="}})",
       R"({"immutable":true,"data":{"a":"Yg=="}})",
       "Forbidden data: Forbidden: field is immutable when `immutable` is set"},
      {"immutable config map", "", "configmaps", R"({"immutable":true})", R"({"data":{"a":"b"}})",
       "Forbidden immutable: Forbidden: field is immutable when `immutable` is set | Forbidden data: Forbidden: field "
       "is immutable when `immutable` is set"},
      {"slice's type", "discovery.k8s.io", "endpointslices", R"({"addressType":"IPv4"})", R"({"addressType":"IPv6"})",
       "Invalid addressType: Invalid value: \"IPv6\": field is immutable"},
      {"node's pod range", "", "nodes", R"({"spec":{"podCIDR":"10.1.0.0/24"}})",
       R"({"spec":{"podCIDR":"10.2.0.0/24"}})",
       "Forbidden spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"},
      {"node's first pod range", "", "nodes", "{}", R"({"spec":{"podCIDR":"10.2.0.0/24"}})", ""},
      {"node's provider", "", "nodes", R"({"spec":{"providerID":"a"}})", R"({"spec":{"providerID":"b"}})",
       "Forbidden spec.providerID: Forbidden: node updates may not change providerID except from \"\" to valid"},
      {"binding's role", "rbac.authorization.k8s.io", "rolebindings", R"({"roleRef":{"kind":"Role","name":"a"}})",
       R"({"roleRef":{"kind":"Role","name":"b"}})",
       "Invalid roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"Role\",\"Name\":\"b\"}: "
       "cannot change roleRef"},
  };
  for (const auto& c : cases) {
    const Kind& kind = kind_of(c.group, c.resource);
    EXPECT_EQ(update_errors(kind, json(c.now), created(kind, json(c.old))), c.want) << c.name;
  }
}

TEST(Amounts, are_rounded_up_to_thousandths_wherever_they_stand) {
  const struct {
    const char* name;
    const char* group;
    const char* resource;
    const char* object;
    std::vector<const char*> path;
    const char* want;
  } cases[] = {
      {"pod limit", "", "pods", R"({"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"1.5m"}}}]}})",
       {"spec", "containers", "0", "resources", "limits", "cpu"}, "2m"},
      {"request from the limit", "", "pods", R"({"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"100u"}}}]}})",
       {"spec", "containers", "0", "resources", "requests", "cpu"}, "1m"},
      {"init container", "", "pods", R"({"spec":{"initContainers":[{"name":"c","resources":{"requests":{"cpu":"1n"}}}]}})",
       {"spec", "initContainers", "0", "resources", "requests", "cpu"}, "1m"},
      {"overhead", "", "pods", R"({"spec":{"overhead":{"cpu":"0.0001"}}})", {"spec", "overhead", "cpu"}, "1m"},
      {"fine enough, but written with more digits", "", "pods", R"({"spec":{"overhead":{"cpu":"1000u"}}})", {"spec", "overhead", "cpu"}, "1m"},
      {"no finer than thousandths: as written", "", "pods", R"({"spec":{"overhead":{"memory":"128Mi"}}})", {"spec", "overhead", "memory"}, "128Mi"},
      {"exponent", "", "pods", R"({"spec":{"overhead":{"cpu":"1e-4"}}})", {"spec", "overhead", "cpu"}, "1e-3"},
      {"template", "apps", "deployments",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"1.0001"}}}]}}}})",
       {"spec", "template", "spec", "containers", "0", "resources", "requests", "cpu"}, "1001m"},
      {"node", "", "nodes", R"({"status":{"allocatable":{"cpu":"1.9999"}}})", {"status", "allocatable", "cpu"}, "2"},
      {"claim", "", "persistentvolumeclaims", R"({"spec":{"resources":{"requests":{"storage":"0.0005"}}}})",
       {"spec", "resources", "requests", "storage"}, "1m"},
      {"volume", "", "persistentvolumes", R"({"spec":{"capacity":{"storage":"5u"}}})", {"spec", "capacity", "storage"}, "1m"},
      {"quota", "", "resourcequotas", R"({"spec":{"hard":{"cpu":"5u"}}})", {"spec", "hard", "cpu"}, "1m"},
      {"limit range", "", "limitranges", R"({"spec":{"limits":[{"type":"Container","max":{"cpu":"5u"}}]}})",
       {"spec", "limits", "0", "default", "cpu"}, "1m"},
      {"runtime class", "node.k8s.io", "runtimeclasses", R"({"overhead":{"podFixed":{"cpu":"5u"}}})", {"overhead", "podFixed", "cpu"}, "1m"},
  };
  for (const auto& c : cases) {
    const Document d = defaulted(kind_of(c.group, c.resource), json(c.object));
    Value at = d.root();
    for (const char* step : c.path) at = at.is_array() ? at.item(0) : at[step];
    EXPECT_EQ(at.str(), c.want) << c.name;
  }
}

TEST(PersistentVolume, tells_when_its_phase_changed) {
  const Kind& kind = kind_of("", "persistentvolumes");
  const Document old = json(R"({"status":{"phase":"Pending","lastPhaseTransitionTime":"2026-01-01T00:00:00Z"}})");
  const struct {
    const char *name, *now, *want;
  } cases[] = {
      {"no change", R"({"status":{"phase":"Pending"}})", "2026-01-01T00:00:00Z"},
      {"no change, a time given", R"({"status":{"phase":"Pending","lastPhaseTransitionTime":"2026-01-03T00:00:00Z"}})", "2026-01-03T00:00:00Z"},
      {"change", R"({"status":{"phase":"Bound"}})", "2026-01-02T00:00:00Z"},
      {"change, the old time given", R"({"status":{"phase":"Bound","lastPhaseTransitionTime":"2026-01-01T00:00:00Z"}})", "2026-01-02T00:00:00Z"},
      {"change, a time given", R"({"status":{"phase":"Bound","lastPhaseTransitionTime":"2026-01-03T00:00:00Z"}})", "2026-01-03T00:00:00Z"},
  };
  for (const auto& c : cases) {
    const Document now = json(c.now);
    Builder b(now.root());
    kind.stamp_status(b.root(), old.root(), "2026-01-02T00:00:00Z");
    EXPECT_EQ(b["status"]["lastPhaseTransitionTime"].str(), c.want) << c.name;
  }
}

TEST(Namespace, phase_follows_the_deletion_timestamp) {
  const Kind& kind = kind_of("", "namespaces");
  const Document old = created(kind, json(R"({"metadata":{"name":"n"}})"));
  EXPECT_EQ(old["status"]["phase"].str(), "Active");
  EXPECT_EQ(old["metadata"]["labels"]["kubernetes.io/metadata.name"].str(), "n");
  EXPECT_EQ(old["spec"]["finalizers"].dump(), "[\"kubernetes\"]");
  EXPECT_EQ(
      status_errors(kind, with(old, {"status", "phase"}, "\"Terminating\""), old),
      "Invalid status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty");
  Builder b(with(old, {"spec", "finalizers"}, "[]").root());
  kind.prepare_update(b.root(), old.root());
  EXPECT_EQ(b["spec"]["finalizers"].size(), 1u);
}

TEST(Node, shows_roles_and_whether_it_takes_pods) {
  const Kind& kind = kind_of("", "nodes");
  const Document node = json(
      R"({"metadata":{"name":"n","labels":{"node-role.kubernetes.io/control-plane":"","node-role.kubernetes.io/a":""},"creationTimestamp":"2026-01-02T03:04:05Z"},"spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"Unknown"}],"addresses":[{"type":"InternalIP","address":"10.0.0.1"}],"nodeInfo":{"kubeletVersion":"v1.36.0","osImage":"Debian"}}})");
  EXPECT_EQ(
      cells_of(kind, node, 1767323105000000),
      R"(["n","NotReady,SchedulingDisabled","a,control-plane","60s","v1.36.0","10.0.0.1","<none>","Debian","<unknown>","<unknown>"])");
}

TEST(Secret, takes_text_and_stores_bytes) {
  const Document s = created(kind_of("", "secrets"), json(R"({"data":{"a":"eA=="},"stringData":{"a":"y","b":"z"}})"));
  EXPECT_EQ(s["data"]["a"].str(), "eQ==");
  EXPECT_EQ(s["data"]["b"].str(), "eg==");
  EXPECT_FALSE(s.root().has("stringData"));
}

TEST(Event, shows_how_often_and_since_when) {
  const Kind& kind = kind_of("", "events");
  const Document e = json(
      R"({"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"p","fieldPath":"spec"},"reason":"Pulled","message":" m\n","source":{"component":"kubelet","host":"h"},"firstTimestamp":"2026-01-02T03:04:05Z","lastTimestamp":"2026-01-02T03:05:00Z","count":4,"type":"Normal"})");
  EXPECT_EQ(cells_of(kind, e, 1767323105000000),
            R"(["5s","Normal","Pulled","pod/p","spec","kubelet, h","m","60s",4,"e"])");
}

constexpr const char* kOldEvent =
    R"({"apiVersion":"v1","kind":"Event","metadata":{"name":"e","namespace":"n"},"involvedObject":{"kind":"Pod","name":"p","namespace":"n"},"reason":"R","type":"Normal"})";
constexpr const char* kNewEvent =
    R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"e","namespace":"n"},"regarding":{"kind":"Pod","name":"p","namespace":"n"},"reason":"R","note":"m","action":"A","reportingController":"c","reportingInstance":"i","type":"Normal","eventTime":"2026-01-02T03:04:05.000000Z"})";

TEST(Event, create_rules_are_stricter_in_the_newer_group) {
  const Document old_style = json(kOldEvent), strict = json(kNewEvent);
  const Document core_with_time = event_as_core(strict.root());
  const std::string word(129, 'a'), text(1025, 'a');
  const struct {
    const char* name;
    const char* group;
    Document object;
    std::string want;
  } cases[] = {
      {"fine, core", "", old_style, ""},
      {"fine, events", "events.k8s.io", strict, ""},
      {"fine, core with eventTime", "", core_with_time, ""},
      {"object elsewhere", "", with(old_style, {"involvedObject", "namespace"}, "\"m\""),
       "Invalid involvedObject.namespace: Invalid value: \"m\": does not match event.namespace"},
      {"object of the cluster", "", with(old_style, {"involvedObject", "namespace"}, ""),
       "Invalid involvedObject.namespace: Invalid value: \"\": does not match event.namespace"},
      {"object of the cluster, in default", "",
       with(with(old_style, {"involvedObject", "namespace"}, ""), {"metadata", "namespace"}, "\"default\""), ""},
      {"object of the cluster, new style", "events.k8s.io", with(strict, {"regarding", "namespace"}, ""),
       "Invalid involvedObject.namespace: Invalid value: \"\": does not match event.namespace"},
      {"object of the cluster, new style in kube-system", "events.k8s.io",
       with(with(strict, {"regarding", "namespace"}, ""), {"metadata", "namespace"}, "\"kube-system\""), ""},
      {"object elsewhere, new style", "events.k8s.io", with(strict, {"regarding", "namespace"}, "\"m\""), ""},
      {"eventTime asks for more in core too", "", with(with(core_with_time, {"action"}, ""), {"reason"}, ""),
       "Required action: Required value | Required reason: Required value"},
      {"no controller", "events.k8s.io", with(strict, {"reportingController"}, ""),
       "Required reportingController: Required value | Invalid reportingController: Invalid value: \"\": name part must be non-empty | "
       "Invalid reportingController: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must "
       "start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
       "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"},
      {"no instance", "events.k8s.io", with(strict, {"reportingInstance"}, ""), "Required reportingInstance: Required value"},
      {"long instance", "events.k8s.io", with(strict, {"reportingInstance"}, cat("\"", word, "\"")),
       "Invalid reportingInstance: Invalid value: \"\": can have at most 128 characters"},
      {"no action", "events.k8s.io", with(strict, {"action"}, ""), "Required action: Required value"},
      {"long action", "events.k8s.io", with(strict, {"action"}, cat("\"", word, "\"")),
       "Invalid action: Invalid value: \"\": can have at most 128 characters"},
      {"no reason", "events.k8s.io", with(strict, {"reason"}, ""), "Required reason: Required value"},
      {"long reason", "events.k8s.io", with(strict, {"reason"}, cat("\"", word, "\"")),
       "Invalid reason: Invalid value: \"\": can have at most 128 characters"},
      {"long note", "events.k8s.io", with(strict, {"note"}, cat("\"", text, "\"")),
       "Invalid message: Invalid value: \"\": can have at most 1024 characters"},
      {"unknown type", "events.k8s.io", with(strict, {"type"}, "\"Odd\""), "Invalid type: Invalid value: \"\": has invalid value: Odd"},
      {"no time", "events.k8s.io", with(strict, {"eventTime"}, ""), "Required eventTime: Required value"},
      {"fields of the old style", "events.k8s.io",
       with(with(strict, {"deprecatedCount"}, "1"), {"deprecatedSource", "component"}, "\"c\""),
       "Invalid count: Invalid value: \"\": needs to be unset | Invalid source: Invalid value: \"\": needs to be unset"},
      {"a series of one", "events.k8s.io", with(strict, {"series", "count"}, "1"),
       "Invalid series.count: Invalid value: \"\": should be at least 2 | Required series.lastObservedTime: Required value"},
  };
  for (const auto& c : cases) EXPECT_EQ(create_errors(kind_of(c.group, "events"), c.object), c.want) << c.name;
}

TEST(Event, an_update_by_the_newer_group_changes_the_series_alone) {
  const Kind& kind = kind_of("events.k8s.io", "events");
  const Document strict = json(kNewEvent), old = created(kind, strict);
  const struct {
    const char* name;
    Document now;
    const char* want;
  } cases[] = {
      {"nothing", strict, ""},
      {"the series", with(strict, {"series"}, R"({"count":2,"lastObservedTime":"2026-01-02T03:04:05.000000Z"})"), ""},
      {"a wrong series", with(strict, {"series"}, R"({"count":1,"lastObservedTime":"2026-01-02T03:04:05.000000Z"})"),
       "Invalid series.count: Invalid value: \"\": should be at least 2"},
      {"the note", with(strict, {"note"}, "\"x\""), "Invalid message: Invalid value: \"x\": field is immutable"},
      {"the reason", with(strict, {"reason"}, "\"x\""),
       "Invalid reason: Invalid value: \"x\": field is immutable | Invalid reason: Invalid value: \"x\": field is immutable"},
      {"the type", with(strict, {"type"}, "\"Warning\""), "Invalid type: Invalid value: \"Warning\": field is immutable"},
      {"the action", with(strict, {"action"}, "\"x\""), "Invalid action: Invalid value: \"x\": field is immutable"},
      {"the controller", with(strict, {"reportingController"}, "\"x\""),
       "Invalid reportingController: Invalid value: \"x\": field is immutable"},
      {"the instance", with(strict, {"reportingInstance"}, "\"x\""),
       "Invalid reportingInstance: Invalid value: \"x\": field is immutable"},
  };
  for (const auto& c : cases) EXPECT_EQ(update_errors(kind, c.now, old), c.want) << c.name;
  EXPECT_EQ(update_errors(kind_of("", "events"), event_as_core(with(strict, {"note"}, "\"x\"").root()), old), "") << "core allows it";
}

TEST(Event, has_the_same_content_in_both_versions) {
  const Document e = json(
      R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"e","namespace":"n"},"regarding":{"kind":"Pod","name":"p"},"reason":"R","note":"hello","reportingController":"c","reportingInstance":"i","deprecatedCount":2,"type":"Normal","eventTime":"2026-01-02T03:04:05.000000Z"})");
  const Document core = event_as_core(e.root());
  EXPECT_EQ(core["apiVersion"].str(), "v1");
  EXPECT_EQ(core["involvedObject"]["name"].str(), "p");
  EXPECT_EQ(core["message"].str(), "hello");
  EXPECT_EQ(core["reportingComponent"].str(), "c");
  EXPECT_EQ(core["count"].integer(), 2);
  const Document back = event_as_events(core.root());
  EXPECT_EQ(back["note"].str(), "hello");
  EXPECT_EQ(back["regarding"]["name"].str(), "p");
  EXPECT_FALSE(back.root().has("message"));
}

TEST(Cron, schedules_are_checked) {
  const Kind& kind = kind_of("batch", "cronjobs");
  auto cron = [&](const char* schedule) {
    return create_errors(
        kind,
        json(cat(
            R"({"metadata":{"name":"c"},"spec":{"schedule":")", schedule,
            R"(","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}}})")));
  };
  for (const char* fine : {"*/5 0-6,22 1 jan mon", "@hourly", "0 0 * * *", "? * * * 0"})
    EXPECT_EQ(cron(fine), "") << fine;
  EXPECT_EQ(cron("* * * *"),
            "Invalid spec.schedule: Invalid value: \"* * * *\": expected exactly 5 fields, found 4: [* * * *]");
  EXPECT_EQ(cron("*/0 * * * *"),
            "Invalid spec.schedule: Invalid value: \"*/0 * * * *\": step of range should be a positive number: */0");
  EXPECT_EQ(
      cron("5-1 * * * *"),
      "Invalid spec.schedule: Invalid value: \"5-1 * * * *\": beginning of range (5) beyond end of range (1): 5-1");
}

}  // namespace
}  // namespace bramble
