#include <gtest/gtest.h>

#include "core/resources/pod_cells.h"
#include "tests/core/resources/rule_case.h"

namespace bramble {
namespace {

const Kind& pods() { return *find_kind("", "v1", "pods"); }

std::string pod_with(std::string_view spec) {
  return cat(R"({"metadata":{"name":"p","namespace":"n"},"spec":)", spec, "}");
}
std::string container_with(std::string_view fields) {
  return pod_with(cat(R"({"volumes":[{"name":"v"}],"containers":[{"name":"c","image":"i",)", fields, "}]}"));
}

TEST(Pod, refuses_bad_specs_with_upstreams_texts) {
  const struct {
    const char* name;
    std::string pod;
    const char* want;
  } cases[] = {
      {"fine", container_with(R"("ports":[{"containerPort":80}])"), ""},
      {"no image", pod_with(R"({"containers":[{"name":"c"}]})"), "Required spec.containers[0].image: Required value"},
      {"image with a space", pod_with(R"({"containers":[{"name":"c","image":" i"}]})"),
       "Invalid spec.containers[0].image: Invalid value: \" i\": must not have leading or trailing whitespace"},
      {"port out of range", container_with(R"("ports":[{"containerPort":70000}])"),
       "Invalid spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, "
       "inclusive"},
      {"no port", container_with(R"("ports":[{}])"),
       "Required spec.containers[0].ports[0].containerPort: Required value"},
      {"protocol", container_with(R"("ports":[{"containerPort":1,"protocol":"ICMP"}])"),
       "NotSupported spec.containers[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", "
       "\"TCP\", \"UDP\""},
      {"mount twice", container_with(R"("volumeMounts":[{"name":"v","mountPath":"/a"},{"name":"v","mountPath":"/a"}])"),
       "Invalid spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique"},
      {"mount climbing out", container_with(R"("volumeMounts":[{"name":"v","mountPath":"/a","subPath":"../b"}])"),
       "Invalid spec.containers[0].volumeMounts[0].subPath: Invalid value: \"../b\": must not contain '..'"},
      {"probe without handler", container_with(R"("livenessProbe":{})"),
       "Required spec.containers[0].livenessProbe: Required value: must specify a handler type"},
      {"liveness that must succeed twice",
       container_with(R"("livenessProbe":{"tcpSocket":{"port":1},"successThreshold":2})"),
       "Invalid spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"},
      {"negative delay", container_with(R"("readinessProbe":{"tcpSocket":{"port":1},"initialDelaySeconds":-1})"),
       "Invalid spec.containers[0].readinessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or "
       "equal to 0"},
      {"probe port name", container_with(R"("livenessProbe":{"httpGet":{"port":"A"}})"),
       "Invalid spec.containers[0].livenessProbe.httpGet.port: Invalid value: \"A\": must contain only alpha-numeric "
       "characters (a-z, 0-9), and "
       "hyphens (-) | Invalid spec.containers[0].livenessProbe.httpGet.port: Invalid value: \"A\": must contain at "
       "least one letter (a-z)"},
      {"env of two sources",
       container_with(
           R"("env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"a","key":"k"},"secretKeyRef":{"name":"a","key":"k"}}}])"),
       "Invalid spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not have more than one field specified "
       "at a time"},
      {"env of no source", container_with(R"("env":[{"name":"A","valueFrom":{}}])"),
       "Invalid spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, "
       "`resourceFieldRef`, `configMapKeyRef`, "
       "`secretKeyRef` or `fileKeyRef`"},
      {"unknown resource", container_with(R"("resources":{"requests":{"gold":"1"}})"),
       "Invalid spec.containers[0].resources.requests[gold]: Invalid value: \"gold\": must be a standard resource type "
       "or fully qualified | "
       "Invalid spec.containers[0].resources.requests[gold]: Invalid value: \"gold\": must be a standard resource for "
       "containers"},
      {"negative request", container_with(R"("resources":{"requests":{"cpu":"-1"}})"),
       "Invalid spec.containers[0].resources.requests[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"},
      {"half a device", container_with(R"("resources":{"limits":{"x.io/gpu":"500m"}})"),
       "Invalid spec.containers[0].resources.limits[x.io/gpu]: Invalid value: \"500m\": must be an integer | "
       "Invalid spec.containers[0].resources.requests[x.io/gpu]: Invalid value: \"500m\": must be an integer"},
      {"huge pages alone", container_with(R"("resources":{"limits":{"hugepages-2Mi":"2Mi"}})"),
       "Forbidden spec.containers[0].resources: Forbidden: HugePages require cpu or memory"},
      {"user id", container_with(R"("securityContext":{"runAsUser":-1})"),
       "Invalid spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, "
       "inclusive"},
      {"seccomp without profile", container_with(R"("securityContext":{"seccompProfile":{"type":"Localhost"}})"),
       "Required spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when "
       "seccomp type is Localhost"},
      {"bidirectional without privilege",
       container_with(R"("volumeMounts":[{"name":"v","mountPath":"/a","mountPropagation":"Bidirectional"}])"),
       "Forbidden spec.containers[0].volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount propagation is "
       "available only to privileged "
       "containers"},
      {"init container with a probe",
       pod_with(
           R"({"containers":[{"name":"c","image":"i"}],"initContainers":[{"name":"c","image":"i","livenessProbe":{"tcpSocket":{"port":1}}}]})"),
       "Duplicate spec.initContainers[0].name: Duplicate value: \"c\" | Forbidden "
       "spec.initContainers[0].livenessProbe: Forbidden: may not be set for "
       "init containers without restartPolicy=Always"},
      {"sidecar with a probe",
       pod_with(
           R"({"containers":[{"name":"c","image":"i"}],"initContainers":[{"name":"d","image":"i","restartPolicy":"Always","livenessProbe":{"tcpSocket":{"port":1}}}]})"),
       ""},
      {"host path type",
       pod_with(
           R"({"containers":[{"name":"c","image":"i"}],"volumes":[{"name":"v","hostPath":{"path":"/a/../b","type":"Maybe"}}]})"),
       "Invalid spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..' | NotSupported "
       "spec.volumes[0].hostPath.type: "
       "Unsupported value: \"Maybe\": supported values: \"\", \"BlockDevice\", \"CharDevice\", \"Directory\", "
       "\"DirectoryOrCreate\", \"File\", "
       "\"FileOrCreate\", \"Socket\""},
      {"secret mode",
       pod_with(
           R"({"containers":[{"name":"c","image":"i"}],"volumes":[{"name":"v","secret":{"secretName":"s","defaultMode":512}}]})"),
       "Invalid spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), "
       "both inclusive"},
      {"token for five minutes",
       pod_with(
           R"({"serviceAccountName":"a","containers":[{"name":"c","image":"i"}],"volumes":[{"name":"v","projected":{"sources":[{"serviceAccountToken":{"path":"t","expirationSeconds":300}}]}}]})"),
       "Invalid spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 300: may "
       "not specify a duration less "
       "than 10 minutes"},
      {"token of nobody",
       pod_with(
           R"({"containers":[{"name":"c","image":"i"}],"volumes":[{"name":"v","projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]}}]})"),
       "Forbidden spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when "
       "serviceAccountName is not set"},
      {"two volumes of one name",
       pod_with(R"({"containers":[{"name":"c","image":"i"}],"volumes":[{"name":"v"},{"name":"v"}]})"),
       "Duplicate spec.volumes[1].name: Duplicate value: \"v\""},
      {"dns policy", pod_with(R"({"containers":[{"name":"c","image":"i"}],"dnsPolicy":"None"})"),
       "Required spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"},
      {"deadline", pod_with(R"({"containers":[{"name":"c","image":"i"}],"activeDeadlineSeconds":0})"),
       "Invalid spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"},
      {"host alias",
       pod_with(R"({"containers":[{"name":"c","image":"i"}],"hostAliases":[{"ip":"x","hostnames":["A"]}]})"),
       "Invalid spec.hostAliases[0].ip: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or "
       "2001:db8::ffff) | Invalid "
       "spec.hostAliases[0].hostnames[0]: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case "
       "alphanumeric characters, '-' or "
       "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
      {"toleration of everything without Exists",
       pod_with(R"({"containers":[{"name":"c","image":"i"}],"tolerations":[{}]})"),
       "Invalid spec.tolerations[0].operator: Invalid value: \"\": operator must be Exists when `key` is empty, which "
       "means \"match all values and all "
       "keys\""},
      {"gate and node",
       pod_with(R"({"containers":[{"name":"c","image":"i"}],"nodeName":"n","schedulingGates":[{"name":"g"}]})"),
       "Forbidden spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"},
      {"spread",
       pod_with(
           R"({"containers":[{"name":"c","image":"i"}],"topologySpreadConstraints":[{"maxSkew":0,"topologyKey":"","whenUnsatisfiable":"X"}]})"),
       "Invalid spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero | Required "
       "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty | NotSupported "
       "spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"X\": supported values: "
       "\"DoNotSchedule\", \"ScheduleAnyway\""},
      {"sysctl",
       pod_with(
           R"({"containers":[{"name":"c","image":"i"}],"securityContext":{"sysctls":[{"name":"a..b","value":"1"}]}})"),
       "Invalid spec.securityContext.sysctls[0].name: Invalid value: \"a..b\": must have at most 253 characters and "
       "match regex "
       "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"},
      {"sysctl of the host's IPC namespace",
       pod_with(
           R"({"containers":[{"name":"c","image":"i"}],"hostIPC":true,"securityContext":{"sysctls":[{"name":"kernel.shm_rmid_forced","value":"1"}]}})"),
       "Invalid spec.securityContext.sysctls[0].name: Invalid value: \"kernel.shm_rmid_forced\": may not be specified when "
       "'hostIPC' is true"},
      {"sysctl of the host's network, with slashes",
       pod_with(
           R"({"containers":[{"name":"c","image":"i"}],"hostNetwork":true,"securityContext":{"sysctls":[{"name":"net/core/somaxconn","value":"1"}]}})"),
       "Invalid spec.securityContext.sysctls[0].name: Invalid value: \"net/core/somaxconn\": may not be specified when "
       "'hostNetwork' is true"},
      {"options of Windows on Linux",
       pod_with(
           R"({"containers":[{"name":"c","image":"i","securityContext":{"windowsOptions":{}}}],"os":{"name":"linux"},"securityContext":{"windowsOptions":{"runAsUserName":"x"}}})"),
       "Forbidden spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod | Forbidden "
       "spec.containers[0].securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"},
  };
  for (const auto& c : cases) EXPECT_EQ(create_errors(pods(), json(c.pod)), c.want) << c.name;
}

// Rules that speak of several parts of a pod.
TEST(Pod, refuses_parts_that_do_not_fit_each_other) {
  auto pod = [](std::string_view fields) { return pod_with(cat(R"({"containers":[{"name":"c","image":"i"}],)", fields, "}")); };
  const struct {
    const char* name;
    std::string pod;
    const char* want;
  } cases[] = {
      {"iscsi name", pod(R"("volumes":[{"name":"v","iscsi":{"targetPortal":"1.2.3.4","iqn":"foo","lun":0}}])"),
       "Invalid spec.volumes[0].iscsi.iqn: Invalid value: \"foo\": must be valid format starting with iqn, eui, or naa"},
      {"block device of no claim", container_with(R"("volumeDevices":[{"name":"v","devicePath":"/d"}])"),
       "Invalid spec.containers[0].volumeDevices[0].name: Invalid value: \"v\": can only use volume source type of PersistentVolumeClaim or "
       "Ephemeral for block mode"},
      {"block device that is mounted, with steps back",
       pod_with(
           R"({"containers":[{"name":"c","image":"i","volumeMounts":[{"name":"v","mountPath":"/d"}],"volumeDevices":[{"name":"v","devicePath":"/a/../d"}]}],"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"x"}}]})"),
       "Invalid spec.containers[0].volumeMounts[0].name: Invalid value: \"v\": must not already exist in volumeDevices | Invalid "
       "spec.containers[0].volumeDevices[0].devicePath: Invalid value: \"/a/../d\": can not contain backsteps ('..') | Invalid "
       "spec.containers[0].volumeDevices[0].name: Invalid value: \"v\": must not already exist in volumeMounts"},
      {"resize of what never restarts",
       pod_with(R"({"restartPolicy":"Never","containers":[{"name":"c","image":"i","resizePolicy":[{"resourceName":"cpu","restartPolicy":"RestartContainer"}]}]})"),
       "Invalid spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when pod `restartPolicy` is 'Never'"},
      {"resize of an init container",
       pod(R"("initContainers":[{"name":"d","image":"i","resizePolicy":[{"resourceName":"cpu","restartPolicy":"RestartContainer"}]}])"),
       "Invalid spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: \"RestartContainer\": must not be set to 'RestartContainer' for "
       "non-sidecar initContainers"},
      {"user namespace and the host's", pod(R"("hostUsers":false,"hostNetwork":true,"hostPID":true,"hostIPC":true)"),
       "Forbidden spec.hostNetwork: Forbidden: when `hostUsers` is false | Forbidden spec.HostPID: Forbidden: when `hostUsers` is false | "
       "Forbidden spec.HostIPC: Forbidden: when `hostUsers` is false"},
      {"variable out of a file of a config map",
       pod_with(
           R"({"containers":[{"name":"c","image":"i","env":[{"name":"A","valueFrom":{"fileKeyRef":{"volumeName":"v","path":"a/../b","key":"B="}}},{"name":"B","valueFrom":{"fileKeyRef":{"volumeName":"w","path":"a","key":"B"}}}]}],"volumes":[{"name":"v","configMap":{"name":"x"}}]})"),
       "Invalid spec.containers[0].env[0].valueFrom.fileKeyRef.key: Invalid value: \"B=\": a valid environment variable name must consist only of "
       "printable ASCII characters other than '=' | Invalid spec.containers[0].env[0].valueFrom.fileKeyRef.path: Invalid value: \"a/../b\": must not "
       "contain '..' | Invalid spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Invalid value: \"v\": referenced volume must be of type "
       "emptyDir | NotFound spec.containers[0].env[1].valueFrom.fileKeyRef.volumeName: Not found: \"w\""},
      {"host name of the host", pod(R"("hostNetwork":true,"setHostnameAsFQDN":true,"hostnameOverride":"a")"),
       "Forbidden spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true | Forbidden spec.hostnameOverride: "
       "Forbidden: may not be specified when hostNetwork is true"},
      {"host port that is another", pod_with(R"({"hostNetwork":true,"containers":[{"name":"c","image":"i","ports":[{"containerPort":80,"hostPort":81}]}]})"),
       "Invalid spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"},
      {"resources of a pod for Windows", pod(R"("os":{"name":"windows"},"resources":{"limits":{"cpu":"1"}})"),
       "Forbidden spec.resources: Forbidden: may not be set for a windows pod"},
      {"less than the containers ask for",
       pod_with(
           R"({"resources":{"requests":{"cpu":"1"},"limits":{"cpu":"1"}},"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"2"},"limits":{"cpu":"3"}}}]})"),
       "Invalid spec.resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to aggregate container requests of 2 | Invalid "
       "spec.resources.containers[0][cpu].limits: Invalid value: \"3\": must be less than or equal to pod limits of 1"},
      {"what Windows lacks", pod(R"("os":{"name":"windows"},"hostPID":true,"securityContext":{"runAsUser":1,"seLinuxOptions":{}})"),
       "Forbidden spec.securityContext.seLinuxOptions: Forbidden: cannot be set for a windows pod | Forbidden spec.hostPID: Forbidden: cannot be set "
       "for a windows pod | Forbidden spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod"},
      {"system", pod(R"("os":{"name":"plan9"})"), "NotSupported spec.os: Unsupported value: \"plan9\": supported values: \"linux\", \"windows\""},
      {"user of Windows", pod(R"("securityContext":{"windowsOptions":{"runAsUserName":"a\\b\\c","gmsaCredentialSpec":""}})"),
       "Invalid spec.securityContext.windowsOptions.gmsaCredentialSpec: Invalid value: \"\": gmsaCredentialSpec cannot be an empty string | Invalid "
       "spec.securityContext.windowsOptions.runAsUserName: Invalid value: \"a\\\\b\\\\c\": runAsUserName cannot contain more than one backslash"},
      {"a process of the host without its network", container_with(R"("securityContext":{"windowsOptions":{"hostProcess":true}})"),
       "Invalid spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers"},
      {"AppArmor profile with a space", container_with(R"("securityContext":{"appArmorProfile":{"type":"Localhost","localhostProfile":" x"}})"),
       "Invalid spec.containers[0].securityContext.appArmorProfile.localhostProfile: Invalid value: \" x\": must not be padded with whitespace"},
      {"claim that is not there, half a page", container_with(R"("resources":{"claims":[{"name":"x"}],"limits":{"cpu":"1","hugepages-2Mi":"3Mi"}})"),
       "Invalid spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer multiple of hugepages-2Mi | "
       "Invalid spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer multiple of hugepages-2Mi | "
       "NotFound spec.containers[0].resources.claims[0]: Not found: \"x\": must be one of the names in pod.spec.resourceClaims which is empty"},
      {"claim twice", pod(R"("resourceClaims":[{"name":"a","resourceClaimName":"x"},{"name":"a","resourceClaimName":"x","resourceClaimTemplateName":"y"}])"),
       "Duplicate spec.resourceClaims[1].name: Duplicate value: \"a\" | Invalid spec.resourceClaims[1]: Invalid value: "
       "{\"Name\":\"a\",\"ResourceClaimName\":\"x\",\"ResourceClaimTemplateName\":\"y\"}: at most one of `resourceClaimName` or "
       "`resourceClaimTemplateName` may be specified"},
      {"label keys without a selector", pod(R"("topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"z","whenUnsatisfiable":"DoNotSchedule","matchLabelKeys":["a"]}])"),
       "Forbidden spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set"},
      {"label keys for and against",
       pod(R"("affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"z","labelSelector":{},"matchLabelKeys":["a"],"mismatchLabelKeys":["a"]}]}})"),
       "Invalid spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys[0]: Invalid value: \"a\": exists in both "
       "matchLabelKeys and mismatchLabelKeys"},
      {"greater than", pod(R"("tolerations":[{"key":"a","operator":"Gt","value":"1"}])"),
       "NotSupported spec.tolerations[0].operator: Unsupported value: \"Gt\": supported values: \"Equal\", \"Exists\", \"Lt\", \"Gt\""},
      {"two sources at one path of a volume",
       pod(R"("volumes":[{"name":"v","projected":{"sources":[{"configMap":{"name":"a","items":[{"key":"k","path":"p"}]}},{"secret":{"name":"s","items":[{"key":"k","path":"p"}]},"downwardAPI":{}}]}}])"),
       "Invalid spec.volumes[0].projected: Invalid value: \"s\": conflicting duplicate paths | Forbidden spec.volumes[0].projected.sources[1]: "
       "Forbidden: may not specify more than 1 volume type per source"},
  };
  for (const auto& c : cases) EXPECT_EQ(create_errors(pods(), json(c.pod)), c.want) << c.name;
}

TEST(Pod, profiles_in_annotations_are_those_of_the_fields) {
  auto pod = [](std::string_view annotations, std::string_view security) {
    return json(cat(R"({"metadata":{"name":"p","namespace":"n","annotations":{)", annotations,
                    R"(}},"spec":{"containers":[{"name":"c","image":"i"}],"securityContext":)", security, "}}"));
  };
  EXPECT_EQ(create_errors(pods(), pod(R"("container.apparmor.security.beta.kubernetes.io/c":"runtime/default")", R"({"appArmorProfile":{"type":"Unconfined"}})")),
            "Forbidden spec.containers[0].securityContext.appArmorProfile.type: Forbidden: apparmor type in annotation and field must match");
  EXPECT_EQ(create_errors(pods(), pod(R"("container.apparmor.security.beta.kubernetes.io/c":"localhost/a")",
                                      R"({"appArmorProfile":{"type":"Localhost","localhostProfile":"b"}})")),
            "Forbidden spec.containers[0].securityContext.appArmorProfile.localhostProfile: Forbidden: apparmor profile in annotation and field must match");
  EXPECT_EQ(create_errors(pods(), pod(R"("seccomp.security.alpha.kubernetes.io/pod":"unconfined")", R"({"seccompProfile":{"type":"RuntimeDefault"}})")),
            "Forbidden spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match");
  EXPECT_EQ(create_errors(pods(), pod(R"("seccomp.security.alpha.kubernetes.io/pod":"runtime/default")", R"({"seccompProfile":{"type":"RuntimeDefault"}})")), "");
}

// matchLabelKeys: the pod's own value of the label, in the selector from then on.
TEST(Pod, label_keys_become_part_of_the_selector) {
  const Document pod = created(pods(), json(R"({"metadata":{"name":"p","namespace":"n","labels":{"h":"1"}},"spec":{"containers":[{"name":"c","image":"i"}],
    "topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"z","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"a":"b"}},"matchLabelKeys":["h","none"]}],
    "affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"z","labelSelector":{},"mismatchLabelKeys":["h"]}]}}}})"));
  EXPECT_EQ(pod["spec"]["topologySpreadConstraints"].item(0)["labelSelector"].dump(),
            R"({"matchLabels":{"a":"b"},"matchExpressions":[{"key":"h","operator":"In","values":["1"]}]})");
  EXPECT_EQ(pod["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"].item(0)["labelSelector"].dump(),
            R"({"matchExpressions":[{"key":"h","operator":"NotIn","values":["1"]}]})");
}

TEST(Pod, allows_only_some_changes) {
  const Document body = json(pod_with(
      R"({"containers":[{"name":"c","image":"i"}],"activeDeadlineSeconds":10,"tolerations":[{"key":"a","operator":"Exists","effect":"NoExecute","tolerationSeconds":1}]})"));
  const Document old = created(pods(), body);
  const struct {
    const char* name;
    Document now;
    const char* want;  // how it begins
  } cases[] = {
      {"nothing", body, ""},
      {"image", with(body, {"spec", "containers", "0", "image"}, "\"j\""), ""},
      {"no image", with(body, {"spec", "containers", "0", "image"}, "\"\""), "Required spec.containers[0].image"},
      {"shorter deadline", with(body, {"spec", "activeDeadlineSeconds"}, "5"), ""},
      {"longer deadline", with(body, {"spec", "activeDeadlineSeconds"}, "20"),
       "Invalid spec.activeDeadlineSeconds: Invalid value: 20: must be less than or equal to previous value"},
      {"no deadline", with(body, {"spec", "activeDeadlineSeconds"}, ""),
       "Invalid spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"},
      {"another toleration",
       with(
           body, {"spec", "tolerations"},
           R"([{"key":"a","operator":"Exists","effect":"NoExecute","tolerationSeconds":9},{"key":"b","operator":"Exists"}])"),
       ""},
      {"no toleration", with(body, {"spec", "tolerations"}, "[]"),
       "Forbidden spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"},
      {"one more container",
       with(body, {"spec", "containers"}, R"([{"name":"c","image":"i"},{"name":"d","image":"i"}])"),
       "Forbidden spec.containers: Forbidden: pod updates may not add or remove containers"},
      {"node", with(body, {"spec", "nodeName"}, "\"n\""),
       "Forbidden spec: Forbidden: pod updates may not change fields other than "
       "`spec.containers[*].image`,`spec.initContainers[*].image`,"
       "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
       "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be "
       "set to 1 if it was previously negative)\n@@ "},
      {"labels", with(body, {"metadata", "labels"}, R"({"a":"b"})"), ""},
  };
  for (const auto& c : cases) {
    const std::string got = update_errors(pods(), c.now, old);
    if (std::string_view(c.want).empty())
      EXPECT_EQ(got, "") << c.name;
    else
      EXPECT_EQ(got.substr(0, std::string_view(c.want).size()), c.want) << c.name << "\n" << got;
  }
}

TEST(Pod, annotations_with_a_meaning_are_checked) {
  auto annotated = [](std::string_view key, std::string_view value) {
    return with(json(pod_with(R"({"containers":[{"name":"c","image":"i"}]})")), {"metadata", "annotations"},
                cat("{\"", key, "\":\"", value, "\"}"));
  };
  const struct {
    const char *name, *key, *value, *want;
  } cases[] = {
      {"mirror of no node", "kubernetes.io/config.mirror", "x",
       "Invalid metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must set spec.nodeName if mirror pod "
       "annotation is set"},
      {"deletion cost", "controller.kubernetes.io/pod-deletion-cost", "-100", ""},
      {"deletion cost with a plus", "controller.kubernetes.io/pod-deletion-cost", "+1",
       "Invalid metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"+1\": must be a 32bit integer"},
      {"deletion cost too large", "controller.kubernetes.io/pod-deletion-cost", "3000000000",
       "Invalid metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"3000000000\": must be a 32bit "
       "integer"},
      {"seccomp", "seccomp.security.alpha.kubernetes.io/pod", "runtime/default", ""},
      {"unknown seccomp", "seccomp.security.alpha.kubernetes.io/pod", "x",
       "Invalid metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: \"x\": must be a valid seccomp profile"},
      {"seccomp of a container that climbs out", "container.seccomp.security.alpha.kubernetes.io/c", "localhost/../x",
       "Invalid metadata.annotations.container.seccomp.security.alpha.kubernetes.io/c: Invalid value: \"../x\": must not contain '..'"},
      {"AppArmor", "container.apparmor.security.beta.kubernetes.io/c", "localhost/x", ""},
      {"AppArmor of no container", "container.apparmor.security.beta.kubernetes.io/d", "unconfined",
       "Invalid metadata.annotations[container.apparmor.security.beta.kubernetes.io/d]: Invalid value: \"d\": container not found"},
      {"unknown AppArmor", "container.apparmor.security.beta.kubernetes.io/c", "x",
       "Invalid metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: Invalid value: \"x\": invalid AppArmor "
       "profile name: \"x\""},
  };
  for (const auto& c : cases) EXPECT_EQ(create_errors(pods(), annotated(c.key, c.value)), c.want) << c.name;

  const Document plain = json(pod_with(R"({"nodeName":"n","containers":[{"name":"c","image":"i"}]})"));
  const Document mirror = with(plain, {"metadata", "annotations"}, R"({"kubernetes.io/config.mirror":"x"})");
  const Document armored = with(plain, {"metadata", "annotations"}, R"({"container.apparmor.security.beta.kubernetes.io/c":"unconfined"})");
  constexpr const char* kForbidden = "Forbidden metadata.annotations[";
  EXPECT_EQ(update_errors(pods(), mirror, created(pods(), plain)),
            cat(kForbidden, "kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation"));
  EXPECT_EQ(update_errors(pods(), plain, created(pods(), mirror)),
            cat(kForbidden, "kubernetes.io/config.mirror]: Forbidden: may not remove or update mirror pod annotation"));
  EXPECT_EQ(update_errors(pods(), armored, created(pods(), plain)),
            cat(kForbidden, "container.apparmor.security.beta.kubernetes.io/c]: Forbidden: may not add AppArmor annotations"));
  EXPECT_EQ(update_errors(pods(), plain, created(pods(), armored)),
            cat(kForbidden, "container.apparmor.security.beta.kubernetes.io/c]: Forbidden: may not remove or update AppArmor annotations"));
}

TEST(Pod, keeps_gated_pods_off_nodes_until_gates_are_removed) {
  const Document body = json(pod_with(R"({"containers":[{"name":"c","image":"i"}],"schedulingGates":[{"name":"g"}]})"));
  const Document old = created(pods(), body);
  EXPECT_EQ(old["status"]["conditions"].item(0)["reason"].str(), "SchedulingGated");
  EXPECT_EQ(update_errors(pods(), with(body, {"spec", "schedulingGates"}, ""), old), "");
  EXPECT_EQ(update_errors(pods(), with(body, {"spec", "nodeSelector"}, R"({"a":"b"})"), old), "");
  EXPECT_EQ(
      update_errors(pods(), with(body, {"spec", "schedulingGates"}, R"([{"name":"g"},{"name":"h"}])"), old),
      "Forbidden spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'");
}

TEST(Pod, a_gated_pod_may_only_be_narrowed) {
  auto terms = [](std::string_view list) { return cat(R"({"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":)", list, "}}}"); };
  constexpr const char* kA = R"({"key":"a","operator":"Exists"})";
  constexpr const char* kB = R"({"key":"b","operator":"Exists"})";
  const Document free = json(pod_with(R"({"containers":[{"name":"c","image":"i"}],"schedulingGates":[{"name":"g"}]})"));
  const Document bound = with(with(free, {"spec", "nodeSelector"}, R"({"x":"y"})"), {"spec", "affinity"},
                              terms(cat(R"([{"matchExpressions":[)", kA, "]}]")));
  const std::string at = "Invalid spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
  const struct {
    const char* name;
    Document now, old;
    std::string want;
  } cases[] = {
      {"any affinity where there was none", with(free, {"spec", "affinity"}, terms(cat(R"([{"matchExpressions":[)", kA, "]}]"))), free, ""},
      {"one more key", with(bound, {"spec", "nodeSelector"}, R"({"x":"y","a":"b"})"), bound, ""},
      {"another value", with(bound, {"spec", "nodeSelector"}, R"({"x":"z"})"), bound,
       R"(Invalid spec.nodeSelector: Invalid value: {"x":"z"}: only additions to spec.nodeSelector are allowed (no mutations or deletions))"},
      {"no key", with(bound, {"spec", "nodeSelector"}, ""), bound,
       "Invalid spec.nodeSelector: Invalid value: null: only additions to spec.nodeSelector are allowed (no mutations or deletions)"},
      {"one more expression", with(bound, {"spec", "affinity"}, terms(cat(R"([{"matchExpressions":[)", kA, ",", kB, "]}]"))), bound, ""},
      {"another expression", with(bound, {"spec", "affinity"}, terms(cat(R"([{"matchExpressions":[)", kB, "]}]"))), bound,
       cat(at, R"([0]: Invalid value: {"matchExpressions":[{"key":"b","operator":"Exists"}]}: only additions are allowed (no mutations or deletions))")},
      {"one more term", with(bound, {"spec", "affinity"}, terms(cat(R"([{"matchExpressions":[)", kA, R"(]},{"matchExpressions":[)", kB, "]}]"))), bound,
       cat(at, R"(: Invalid value: [{"matchExpressions":[{"key":"a","operator":"Exists"}]},{"matchExpressions":[{"key":"b","operator":"Exists"}]}]: no additions/deletions to non-empty NodeSelectorTerms list are allowed)")},
  };
  for (const auto& c : cases) EXPECT_EQ(update_errors(pods(), c.now, created(pods(), c.old)), c.want) << c.name;
}

TEST(Pod, status_updates_are_checked) {
  const Document body = json(pod_with(R"({"nodeName":"n","containers":[{"name":"c","image":"i"}],"initContainers":[{"name":"i","image":"i"},{"name":"s","image":"i","restartPolicy":"Always"}],"restartPolicy":"OnFailure"})"));
  const Document old = with(created(pods(), body), {"status", "initContainerStatuses"},
                            R"([{"name":"i","state":{"terminated":{"exitCode":0}}},{"name":"s","state":{"terminated":{"exitCode":0}}}])");
  const struct {
    const char *name, *field, *value, *want;
  } cases[] = {
      {"a condition of our own", "conditions", R"([{"type":"example.com/x","status":"True"}])", ""},
      {"a condition of no name", "conditions", R"([{"type":"a b","status":"True"}])",
       "Invalid status.conditions[0].Type: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', "
       "and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation "
       "is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"},
      {"a generation below zero of a condition", "conditions", R"([{"type":"Ready","status":"True","observedGeneration":-1}])",
       "Invalid status.conditions[0].observedGeneration: Invalid value: -1: must be a non-negative integer"},
      {"a generation below zero", "observedGeneration", "-1",
       "Invalid status.observedGeneration: Invalid value: -1: must be a non-negative integer"},
      {"a nomination of a pod that has its node", "nominatedNodeName", "\"m\"",
       "Forbidden status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node"},
      {"a quality of service", "qosClass", "\"Guaranteed\"", "Invalid status.qosClass: Invalid value: \"Guaranteed\": field is immutable"},
      {"an init container that starts again", "initContainerStatuses", R"([{"name":"i","state":{"running":{}}}])",
       "Forbidden status.initContainerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"},
      {"a sidecar that starts again", "initContainerStatuses", R"([{"name":"s","state":{"running":{}}}])", ""},
      {"no address", "hostIPs", R"([{"ip":"x"}])",
       "Invalid status.hostIPs[0].ip: Invalid value: \"x\": must be equal to `hostIP` | Invalid status.hostIPs[0]: Invalid value: "
       "\"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"},
      {"two addresses of one family", "podIPs", R"([{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}])",
       "Invalid status.podIPs: Invalid value: [{\"IP\":\"10.0.0.1\"},{\"IP\":\"10.0.0.2\"}]: may specify no more than one IP for "
       "each IP family | Invalid status.podIPs[0]: Invalid value: \"10.0.0.1\": must be equal to `podIP`"},
  };
  for (const auto& c : cases) EXPECT_EQ(status_errors(pods(), with(old, {"status", c.field}, c.value), old), c.want) << c.name;
}

TEST(Pod, status_updates_leave_the_spec_and_finished_containers_alone) {
  const Document body = json(pod_with(R"({"containers":[{"name":"c","image":"i"}],"restartPolicy":"Never"})"));
  const Document fresh = created(pods(), body);
  const Document old =
      with(fresh, {"status", "containerStatuses"}, R"([{"name":"c","state":{"terminated":{"exitCode":0}}}])");
  Builder b(with(old, {"spec", "nodeName"}, "\"other\"").root());
  pods().prepare_status_update(b.root(), old.root());
  EXPECT_FALSE(b["spec"].has("nodeName"));
  EXPECT_EQ(status_errors(pods(),
                          with(old, {"status", "containerStatuses"}, R"([{"name":"c","state":{"running":{}}}])"), old),
            "Forbidden status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state");
  EXPECT_EQ(status_errors(pods(), with(old, {"status", "podIPs"}, R"([{"ip":"10.0.0.1"}])"), old),
            "Invalid status.podIPs[0]: Invalid value: \"10.0.0.1\": must be equal to `podIP`");
}

TEST(Pod, defaults_the_old_name_of_the_service_account) {
  const Document pod = defaulted(pods(), json(pod_with(R"({"containers":[],"serviceAccount":"x"})")));
  EXPECT_EQ(pod["spec"]["serviceAccountName"].str(), "x");
}

TEST(Pod, warns_of_what_is_surely_not_meant) {
  const Document pod = created(
      pods(),
      json(pod_with(
          R"({"nodeSelector":{"beta.kubernetes.io/os":"linux"},"containers":[{"name":"c","image":"i","ports":[{"containerPort":80},{"containerPort":80}],"env":[{"name":"A","value":"1"},{"name":"A","value":"2"}],"resources":{"limits":{"memory":"1500m"}}}]})")));
  std::vector<std::string> out;
  pods().warnings(pod.root(), out);
  const std::vector<std::string> want = {
      "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
      "spec.containers[0].resources.limits[memory]: fractional byte value \"1500m\" is invalid, must be an integer",
      "spec.containers[0].resources.requests[memory]: fractional byte value \"1500m\" is invalid, must be an integer",
      "spec.containers[0].env[1]: hides previous definition of \"A\", which may be dropped when using apply",
      "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"};
  EXPECT_EQ(out, want);
}

TEST(PodCells, show_what_upstream_shows) {
  constexpr int64_t kNow = 1767323105000000;  // 2026-01-02T03:05:05Z
  const struct {
    const char* name;
    const char* pod;
    const char* want;  // ready, status, restarts
  } cases[] = {
      {"pending", R"({"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Pending"}})", R"("0/1","Pending","0")"},
      {"running",
       R"({"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Running","containerStatuses":[{"name":"c","ready":true,"state":{"running":{}}}]}})",
       R"("1/1","Running","0")"},
      {"restarted",
       R"({"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Running","containerStatuses":[{"name":"c","ready":true,"restartCount":2,"state":{"running":{}},"lastState":{"terminated":{"finishedAt":"2026-01-02T03:04:05Z"}}}]}})",
       R"x("1/1","Running","2 (60s ago)")x"},
      {"crash loop",
       R"({"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Running","containerStatuses":[{"name":"c","restartCount":1,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})",
       R"("0/1","CrashLoopBackOff","1")"},
      {"exit code",
       R"({"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Failed","containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":3}}}]}})",
       R"("0/1","ExitCode:3","0")"},
      {"completed beside one that runs",
       R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"False"}],"containerStatuses":[{"name":"a","state":{"terminated":{"reason":"Completed","exitCode":0}}},{"name":"b","ready":true,"state":{"running":{}}}]}})",
       R"("1/2","NotReady","0")"},
      {"first of two init containers",
       R"({"spec":{"containers":[{"name":"c"}],"initContainers":[{"name":"i"},{"name":"j"}]},"status":{"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"running":{}}},{"name":"j","state":{"waiting":{"reason":"PodInitializing"}}}],"containerStatuses":[{"name":"c","state":{"waiting":{"reason":"PodInitializing"}}}]}})",
       R"("0/1","Init:0/2","0")"},
      {"failed init container",
       R"({"spec":{"containers":[{"name":"c"}],"initContainers":[{"name":"i"}]},"status":{"phase":"Pending","initContainerStatuses":[{"name":"i","restartCount":3,"state":{"terminated":{"exitCode":1,"reason":"Error"}}}]}})",
       R"("0/1","Init:Error","3")"},
      {"sidecar",
       R"({"spec":{"containers":[{"name":"c"}],"initContainers":[{"name":"s","restartPolicy":"Always"}]},"status":{"phase":"Running","initContainerStatuses":[{"name":"s","started":true,"ready":true,"state":{"running":{}}}],"containerStatuses":[{"name":"c","ready":true,"state":{"running":{}}}]}})",
       R"("2/2","Running","0")"},
      {"deleting",
       R"({"metadata":{"deletionTimestamp":"2026-01-02T03:04:05Z"},"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Running"}})",
       R"("0/1","Terminating","0")"},
      {"deleted after its end",
       R"({"metadata":{"deletionTimestamp":"2026-01-02T03:04:05Z"},"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Succeeded","containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":0,"reason":"Completed"}}}]}})",
       R"("0/1","Completed","0")"},
      {"evicted", R"({"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Failed","reason":"Evicted"}})",
       R"("0/1","Evicted","0")"},
  };
  for (const auto& c : cases) {
    const std::string cells = cells_of(pods(), json(c.pod), kNow);
    EXPECT_EQ(cells.substr(0, std::string_view(c.want).size() + 4), cat("[\"\",", c.want)) << c.name << "\n" << cells;
  }
}

}  // namespace
}  // namespace bramble
