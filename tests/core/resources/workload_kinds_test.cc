// What StatefulSets, DaemonSets, ControllerRevisions, ReplicationControllers, PodTemplates, Jobs and CronJobs refuse, allow,
// warn of and show.
#include <gtest/gtest.h>

#include "tests/core/resources/kind_cases.h"

namespace bramble {
namespace {

constexpr const char* kTemplate =
    R"("template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}})";
constexpr const char* kOnce = R"("template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}})";

std::string owner(std::string_view more) {
  return cat(R"({"metadata":{"name":"d","namespace":"n"},"spec":{"selector":{"matchLabels":{"a":"b"}},)", kTemplate, more, "}}");
}
std::string job(std::string_view more) {
  return cat(R"({"metadata":{"name":"j","namespace":"n","uid":"u"},"spec":{)", kOnce, more, "}}");
}
std::string cron(std::string_view more) {
  return cat(R"({"metadata":{"name":"c"},"spec":{"schedule":"0 0 * * *","jobTemplate":{"spec":{)", kOnce, "}}", more, "}}");
}

TEST(StatefulSet, rules) {
  const Kind& kind = v1("apps", "statefulsets");
  const std::string claim =
      R"(,"volumeClaimTemplates":[{"metadata":{"name":"v"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}])";
  expect_create(kind, {
      {"fine", owner(claim), ""},
      {"order of pods", owner(R"(,"podManagementPolicy":"Any")"),
       "Invalid spec.podManagementPolicy: Invalid value: \"Any\": must be 'OrderedReady' or 'Parallel'"},
      {"settings of another strategy", owner(R"(,"updateStrategy":{"type":"OnDelete","rollingUpdate":{"partition":2}})"),
       "Invalid spec.updateStrategy.rollingUpdate: Invalid value: {\"Partition\":2,\"MaxUnavailable\":null}: only allowed for "
       "updateStrategy 'RollingUpdate'"},
      {"unknown strategy", owner(R"(,"updateStrategy":{"type":"Fast"})"),
       "Invalid spec.updateStrategy: Invalid value: {\"Type\":\"Fast\",\"RollingUpdate\":null}: must be 'RollingUpdate' or 'OnDelete'"},
      {"negative partition", owner(R"(,"updateStrategy":{"rollingUpdate":{"partition":-1}})"),
       "Invalid spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0"},
      {"retention", owner(R"(,"persistentVolumeClaimRetentionPolicy":{"whenScaled":"Keep"})"),
       "NotSupported spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: \"Keep\": supported values: \"Retain\", "
       "\"Delete\""},
      {"claim without modes", owner(R"(,"volumeClaimTemplates":[{"metadata":{"name":"v"},"spec":{"resources":{"requests":{"storage":"1"}}}}])"),
       "Required spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required"},
      {"ordinals", owner(R"(,"ordinals":{"start":-1})"), "Invalid spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0"},
      {"service", owner(R"(,"serviceName":"a.b")"),
       "Invalid spec.serviceName: Invalid value: \"a.b\": must not contain dots"},
      {"deadline", with_text(owner(""), {"spec", "template", "spec", "activeDeadlineSeconds"}, "1"),
       "Forbidden spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported"},
      {"mounts of claims are volumes",
       with_text(owner(claim), {"spec", "template", "spec", "containers"},
                 R"([{"name":"c","image":"i","volumeMounts":[{"name":"v","mountPath":"/v"}]}])"),
       ""},
      {"the hostname is the controller's", with_text(owner(""), {"spec", "template", "spec", "hostname"}, "\"A_B\""), ""},
  });
  const char* forbidden =
      "Forbidden spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
      "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
  expect_update(kind, {
      {"what may change", owner(R"(,"serviceName":"s")"), owner(R"(,"serviceName":"s","replicas":3,"minReadySeconds":1,"revisionHistoryLimit":2)"), ""},
      {"service", owner(R"(,"serviceName":"s")"), owner(R"(,"serviceName":"t")"), forbidden},
      {"claims", owner(""), owner(claim), forbidden},
  });
  expect_status(kind, {
      {"counts", owner(""), R"({"replicas":1,"readyReplicas":2,"availableReplicas":3})",
       "Invalid status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas | Invalid status.availableReplicas: Invalid "
       "value: 3: cannot be greater than status.replicas | Invalid status.availableReplicas: Invalid value: 3: cannot be greater than "
       "status.readyReplicas"},
  });
  EXPECT_FALSE(created(kind, json(owner(R"(,"updateStrategy":{"type":"RollingUpdate"})")))["spec"]["updateStrategy"].has("rollingUpdate"));
  EXPECT_EQ(warnings_of(kind, owner(R"(,"revisionHistoryLimit":-1)")),
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended");
}

TEST(DaemonSet, rules) {
  const Kind& kind = v1("apps", "daemonsets");
  expect_create(kind, {
      {"fine", owner(""), ""},
      {"no selector", with_text(owner(""), {"spec", "selector"}, ""),
       "Invalid spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"},
      {"empty selector", with_text(owner(""), {"spec", "selector"}, "{}"),
       "Invalid spec.selector: Invalid value: {}: empty selector is invalid for daemonset"},
      {"unknown strategy", owner(R"(,"updateStrategy":{"type":"Fast"})"),
       "NotSupported spec.updateStrategy: Unsupported value: {\"Type\":\"Fast\",\"RollingUpdate\":null}: supported values: "
       "\"RollingUpdate\", \"OnDelete\""},
      {"both", owner(R"(,"updateStrategy":{"rollingUpdate":{"maxSurge":1}})"),
       "Invalid spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"},
      {"neither", owner(R"(,"updateStrategy":{"rollingUpdate":{"maxUnavailable":0}})"),
       "Required spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"},
      {"deadline", with_text(owner(""), {"spec", "template", "spec", "activeDeadlineSeconds"}, "1"),
       "Forbidden spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported"},
  });
  expect_status(kind, {
      {"fine", owner(""), R"({"numberReady":1,"collisionCount":1})", ""},
      {"negative", owner(""), R"({"numberReady":-1})", "Invalid status.numberReady: Invalid value: -1: must be greater than or equal to 0"},
  });
}

TEST(ControllerRevision, rules) {
  const Kind& kind = v1("apps", "controllerrevisions");
  expect_create(kind, {
      {"fine", R"({"data":{"a":1},"revision":1})", ""},
      {"no data", R"({"revision":1})", "Required data: Required value: data is mandatory"},
      {"data of another shape", R"({"data":[1],"revision":-1})",
       "Invalid revision: Invalid value: -1: must be greater than or equal to 0 | Required data: Required value: data must be a valid JSON "
       "object"},
  });
  expect_update(kind, {
      {"data", R"({"data":{"a":1}})", R"({"data":{"a":2}})", "Invalid data: Invalid value: {\"a\":2}: field is immutable"},
      {"revision", R"({"data":{"a":1},"revision":1})", R"({"data":{"a":1},"revision":2})", ""},
  });
}

TEST(ReplicationController, rules) {
  const Kind& kind = v1("", "replicationcontrollers");
  auto rc = [](std::string_view more) { return cat(R"({"metadata":{"name":"r"},"spec":{)", kTemplate, more, "}}"); };
  expect_create(kind, {
      {"selector from the template", rc(""), ""},
      {"other labels", rc(R"(,"selector":{"x":"y"})"),
       "Invalid spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"},
      {"nothing", R"({"spec":{}})", "Required spec.selector: Required value | Required spec.template: Required value"},
      {"deadline", with_text(rc(""), {"spec", "template", "spec", "activeDeadlineSeconds"}, "1"),
       "Forbidden spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported"},
  });
  EXPECT_EQ(warnings_of(kind, with_text(rc(""), {"metadata", "name"}, "\"a.b\"")),
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: "
            "[must not contain dots]");
}

TEST(PodTemplate, rules) {
  const Kind& kind = v1("", "podtemplates");
  expect_create(kind, {
      {"fine", R"({"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}})", ""},
      {"no containers", R"({"template":{"spec":{}}})", "Required template.spec.containers: Required value"},
  });
}

TEST(Job, rules) {
  const Kind& kind = v1("batch", "jobs");
  const std::string indexed = R"(,"completionMode":"Indexed","completions":3,"parallelism":3)";
  expect_create(kind, {
      {"fine", job(indexed), ""},
      {"restart policy", R"({"metadata":{"name":"j","uid":"u"},"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}}})",
       "Required spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""},
      {"label of another",
       R"({"metadata":{"name":"j","uid":"u"},"spec":{"template":{"metadata":{"labels":{"job-name":"x"}},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})",
       "Invalid spec.template.metadata.labels[job-name]: Invalid value: "
       "{\"job-name\":\"x\",\"batch.kubernetes.io/controller-uid\":\"u\",\"batch.kubernetes.io/job-name\":\"j\",\"controller-uid\":\"u\"}: "
       "must be 'j'"},
      {"selector of another", job(R"(,"selector":{"matchLabels":{"x":"y"}})"),
       "Invalid spec.selector: Invalid value: {\"matchLabels\":{\"x\":\"y\",\"batch.kubernetes.io/controller-uid\":\"u\"}}: `selector` not "
       "auto-generated | Invalid spec.template.metadata.labels: Invalid value: "
       "{\"batch.kubernetes.io/controller-uid\":\"u\",\"batch.kubernetes.io/job-name\":\"j\",\"controller-uid\":\"u\",\"job-name\":\"j\"}: "
       "`selector` does not match template `labels`"},
      {"mode", job(R"(,"completionMode":"Odd")"),
       "NotSupported spec.completionMode: Unsupported value: \"Odd\": supported values: \"NonIndexed\", \"Indexed\""},
      {"indexes without a number of them", job(R"(,"completionMode":"Indexed","parallelism":1)"),
       "Required spec.completions: Required value: when completion mode is Indexed"},
      {"limits of indexes alone", job(R"(,"maxFailedIndexes":1)"),
       "Required spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified | Invalid spec.maxFailedIndexes: Invalid "
       "value: 1: requires indexed completion mode"},
      {"more failures than indexes", job(cat(indexed, R"(,"backoffLimitPerIndex":1,"maxFailedIndexes":4)")),
       "Invalid spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions"},
      {"managed by", job(R"(,"managedBy":"me")"),
       "Invalid spec.managedBy: Invalid value: \"me\": must be a domain-prefixed path (such as \"acme.io/foo\")"},
      {"replacement", job(R"(,"podReplacementPolicy":"Never")"),
       "NotSupported spec.podReplacementPolicy: Unsupported value: \"Never\": supported values: \"Failed\", \"TerminatingOrFailed\""},
      {"exit codes", job(R"(,"podFailurePolicy":{"rules":[{"action":"Ignore","onExitCodes":{"containerName":"x","operator":"In","values":[2,1,1,0]}}]})"),
       "Invalid spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: \"x\": must be one of the container or initContainer "
       "names in the pod template | Duplicate spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 1 | Invalid "
       "spec.podFailurePolicy.rules[0].onExitCodes.values[3]: Invalid value: 0: must not be 0 for the In operator | Invalid "
       "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,1,1,0]: must be ordered"},
      {"an action and nothing to act on", job(R"(,"podFailurePolicy":{"rules":[{}]})"),
       "Required spec.podFailurePolicy.rules[0].action: Required value: valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"] | "
       "Invalid spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"},
      {"success policy without indexes", job(R"(,"successPolicy":{"rules":[{"succeededCount":1}]})"),
       "Invalid spec.successPolicy: Invalid value: {\"Rules\":[{\"SucceededIndexes\":null,\"SucceededCount\":1}]}: requires indexed "
       "completion mode"},
      {"success policy", job(cat(indexed, R"(,"successPolicy":{"rules":[{"succeededIndexes":"0,2","succeededCount":4},{"succeededIndexes":"1-5"}]})")),
       "Invalid spec.successPolicy.rules[0].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of specified "
       "completions) | Invalid spec.successPolicy.rules[0].succeededCount: Invalid value: 4: must be less than or equal to 2 (the number of "
       "indexes in the specified succeededIndexes field) | Invalid spec.successPolicy.rules[1].succeededIndexes: Invalid value: \"1-5\": "
       "error parsing succeededIndexes: too large index: \"5\""},
  });
}

TEST(Job, updates) {
  const Kind& kind = v1("batch", "jobs");
  const Document old = created(kind, json(job("")));
  const Document indexed = created(kind, json(job(R"(,"completionMode":"Indexed","completions":3,"parallelism":3)")));
  const Document image = with(old, {"spec", "template", "spec", "containers", "0", "image"}, "\"j\"");
  EXPECT_EQ(update_errors(kind, with(old, {"spec", "parallelism"}, "3"), old), "");
  EXPECT_EQ(update_errors(kind, with(old, {"spec", "completions"}, "3"), old), "Invalid spec.completions: Invalid value: 3: field is immutable");
  EXPECT_EQ(update_errors(kind, with(with(indexed, {"spec", "completions"}, "4"), {"spec", "parallelism"}, "4"), indexed), "");
  EXPECT_EQ(update_errors(kind, with(indexed, {"spec", "completions"}, "4"), indexed),
            "Invalid spec.completions: Invalid value: 4: can only be modified in tandem with spec.parallelism");
  const std::string refused = update_errors(kind, image, old);
  EXPECT_EQ(refused.substr(0, refused.find(",\"Spec\"")),
            "Invalid spec.template: Invalid value: {\"labels\":{\"batch.kubernetes.io/controller-uid\":\"u\",\"batch.kubernetes.io/job-name\":"
            "\"j\",\"controller-uid\":\"u\",\"job-name\":\"j\"}");
  EXPECT_NE(refused.find("\"Spec\":{\"Volumes\":null,\"InitContainers\":null,\"Containers\":[{\"Name\":\"c\",\"Image\":\"j\",\"Command\":null"),
            std::string::npos) << refused;
  EXPECT_EQ(refused.substr(refused.size() - 21), "}: field is immutable");
  // Suspended, it may still be told where to run and how much to take.
  const Document suspended = with(old, {"spec", "suspend"}, "true");
  EXPECT_EQ(update_errors(kind, with(suspended, {"spec", "template", "spec", "nodeSelector"}, R"({"a":"b"})"), suspended), "");
  EXPECT_EQ(update_errors(kind, with(suspended, {"spec", "template", "spec", "containers", "0", "resources"}, R"({"limits":{"cpu":"1"}})"), suspended),
            "");
  EXPECT_EQ(update_errors(kind, with(suspended, {"spec", "template", "spec", "containers", "0", "image"}, "\"j\""), suspended).substr(0, 27),
            "Invalid spec.template.spec:");
}

TEST(Job, status) {
  const Kind& kind = v1("batch", "jobs");
  const std::string times = R"("startTime":"2026-01-01T00:00:00Z","completionTime":"2026-01-01T00:01:00Z")";
  auto conditions = [](std::initializer_list<const char*> types) {
    std::string out;
    for (const char* t : types) out += cat(out.empty() ? "" : ",", R"({"type":")", t, R"(","status":"True"})");
    return cat("\"conditions\":[", out, "]");
  };
  expect_status(kind, {
      {"complete", job(""), cat("{", times, ",", conditions({"SuccessCriteriaMet", "Complete"}), R"(,"succeeded":1})"), ""},
      {"complete without criteria", job(""), cat("{", times, ",", conditions({"Complete"}), "}"),
       "Invalid status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition"},
      {"failed without a target", job(""), cat(R"({"startTime":"2026-01-01T00:00:00Z",)", conditions({"Failed"}), "}"),
       "Invalid status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition"},
      {"a time without completion", job(""), cat("{", times, "}"),
       "Invalid status.completionTime: Invalid value: \"2026-01-01T00:01:00Z\": cannot set completionTime when there is no Complete=True "
       "condition"},
      {"more ready than active", job(""), R"({"active":1,"ready":2})", "Invalid status.ready: Invalid value: 2: cannot set more ready pods than active"},
      {"indexes of a Job without", job(""), R"({"completedIndexes":"0"})",
       "Invalid status.completedIndexes: Invalid value: \"0\": cannot set non-empty completedIndexes when non-indexed completion mode"},
      {"uncounted twice", job(""), R"({"uncountedTerminatedPods":{"succeeded":["a"],"failed":["a",""]}})",
       "Duplicate status.uncountedTerminatedPods.failed[0]: Duplicate value: \"a\" | Invalid status.uncountedTerminatedPods.failed[1]: Invalid "
       "value: \"\": must not be empty"},
  });
  const Document was = with(created(kind, json(job(""))), {"status"}, R"({"failed":2,"succeeded":1})");
  EXPECT_EQ(status_errors(kind, with(was, {"status"}, R"({"failed":1,"succeeded":0})"), was),
            "Invalid status.failed: Invalid value: 1: cannot decrease the failed counter | Invalid status.succeeded: Invalid value: 0: cannot "
            "decrease the succeeded counter");
}

TEST(Job, labels_come_from_its_pods) {
  const Kind& kind = v1("batch", "jobs");
  EXPECT_EQ(created(kind, json(job("")))["metadata"]["labels"]["job-name"].str(), "j");
  const std::string labelled = with_text(job(""), {"metadata", "labels"}, R"({"x":"y"})");
  EXPECT_EQ(created(kind, json(labelled))["metadata"]["labels"].dump(), R"({"x":"y"})");
}

TEST(CronJob, rules) {
  const Kind& kind = v1("batch", "cronjobs");
  expect_create(kind, {
      {"fine", cron(R"(,"timeZone":"Europe/Berlin")"), ""},
      {"zone in the schedule", with_text(cron(""), {"spec", "schedule"}, "\"TZ=UTC 0 0 * * *\""),
       "Invalid spec.schedule: Invalid value: \"TZ=UTC 0 0 * * *\": cannot use TZ or CRON_TZ in schedule, use timeZone field instead"},
      {"zone", cron(R"(,"timeZone":"Mars/Olympus Mons")"), "Invalid spec.timeZone: Invalid value: \"Mars/Olympus Mons\": unknown time zone Mars/Olympus Mons"},
      {"no such place", cron(R"(,"timeZone":"Europe/Atlantis")"), "Invalid spec.timeZone: Invalid value: \"Europe/Atlantis\": unknown time zone Europe/Atlantis"},
      {"an area", cron(R"(,"timeZone":"Europe")"), "Invalid spec.timeZone: Invalid value: \"Europe\": unknown time zone Europe"},
      {"an old name", cron(R"(,"timeZone":"GB-Eire")"), ""},
      {"deep", cron(R"(,"timeZone":"America/Argentina/ComodRivadavia")"), ""},
      {"empty zone", cron(R"(,"timeZone":"")"), "Invalid spec.timeZone: Invalid value: \"\": timeZone must be nil or non-empty string"},
      {"the machine's zone", cron(R"(,"timeZone":"local")"),
       "Invalid spec.timeZone: Invalid value: \"local\": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones | "
       "Invalid spec.timeZone: Invalid value: \"local\": unknown time zone local"},
      {"dots", cron(R"(,"timeZone":"a..b")"), "Invalid spec.timeZone: Invalid value: \"a..b\": time: invalid location name"},
      {"every", with_text(cron(""), {"spec", "schedule"}, "\"@every soon\""),
       "Invalid spec.schedule: Invalid value: \"@every soon\": failed to parse duration @every soon: time: invalid duration \"soon\""},
      {"a zone alone in the schedule", with_text(cron(""), {"spec", "schedule"}, "\"TZ=UTC\""),
       "Invalid spec.schedule: Invalid value: \"TZ=UTC\": invalid schedule format: runtime error: slice bounds out of range [:-1] | Invalid "
       "spec.schedule: Invalid value: \"TZ=UTC\": cannot use TZ or CRON_TZ in schedule, use timeZone field instead"},
      {"no such zone in the schedule", with_text(cron(""), {"spec", "schedule"}, "\"CRON_TZ=Mars 0 0 * * *\""),
       "Invalid spec.schedule: Invalid value: \"CRON_TZ=Mars 0 0 * * *\": provided bad location Mars: unknown time zone Mars | Invalid "
       "spec.schedule: Invalid value: \"CRON_TZ=Mars 0 0 * * *\": cannot use TZ or CRON_TZ in schedule, use timeZone field instead"},
      {"concurrency", cron(R"(,"concurrencyPolicy":"Some")"),
       "NotSupported spec.concurrencyPolicy: Unsupported value: \"Some\": supported values: \"Allow\", \"Forbid\", \"Replace\""},
      {"own selector", with_text(cron(""), {"spec", "jobTemplate", "spec", "manualSelector"}, "true"),
       "NotSupported spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: \"nil\", \"false\""},
      {"history", cron(R"(,"failedJobsHistoryLimit":-1)"),
       "Invalid spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0"},
      {"long name", with_text(cron(""), {"metadata", "name"}, "\"a123456789b123456789c123456789d123456789e123456789123\""),
       "Invalid metadata.name: Invalid value: \"a123456789b123456789c123456789d123456789e123456789123\": must be no more than 52 characters"},
  });
  expect_update(kind, {
      {"a zone that was there", cron(R"(,"timeZone":"Nowhere")"), cron(R"(,"timeZone":"Nowhere","suspend":true)"), ""},
      {"a zone in the schedule that was there", with_text(cron(""), {"spec", "schedule"}, "\"TZ=UTC 0 0 * * *\""),
       with_text(cron(""), {"spec", "schedule"}, "\"TZ=UTC 1 0 * * *\""), ""},
      {"and one beside it", with_text(cron(""), {"spec", "schedule"}, "\"TZ=UTC 0 0 * * *\""),
       with_text(cron(R"(,"timeZone":"UTC")"), {"spec", "schedule"}, "\"TZ=UTC 0 0 * * *\""),
       "Invalid spec.schedule: Invalid value: \"TZ=UTC 0 0 * * *\": cannot use both timeZone field and TZ or CRON_TZ in schedule"},
  });
}

TEST(WorkloadKinds, cells) {
  constexpr int64_t kNow = 1767225720000000;  // 2026-01-01T00:02:00Z
  auto cells = [&](std::string_view group, std::string_view resource, const std::string& body, std::string_view status) {
    const Kind& kind = v1(group, resource);
    return cells_of(kind, with(created(kind, json(body)), {"status"}, status), kNow);
  };
  EXPECT_EQ(cells("apps", "statefulsets", owner(R"(,"replicas":3)"), R"({"readyReplicas":2})"), R"(["d","2/3","<unknown>","c","i"])");
  EXPECT_EQ(cells("apps", "daemonsets", owner(""), R"({"desiredNumberScheduled":3,"currentNumberScheduled":2,"numberReady":1})"),
            R"(["d",3,2,1,0,0,"<none>","<unknown>","c","i","a=b"])");
  EXPECT_EQ(cells("batch", "jobs", job(""), R"({"startTime":"2026-01-01T00:00:00Z","conditions":[{"type":"Failed","status":"True"}]})"),
            R"(["j","Failed","0/1","2m","<unknown>","c","i","batch.kubernetes.io/controller-uid=u"])");
  EXPECT_EQ(cells("batch", "cronjobs", cron(""), R"({"lastScheduleTime":"2026-01-01T00:00:00Z","active":[{}]})"),
            R"(["c","0 0 * * *","<none>","False",1,"2m","<unknown>","c","i","<none>"])");
}

}  // namespace
}  // namespace bramble
