// What volumes, claims, classes and the kinds of CSI refuse, allow, warn of and show.
#include <gtest/gtest.h>

#include "tests/core/resources/kind_cases.h"

namespace bramble {
namespace {

std::string volume(std::string_view more) {
  return cat(R"({"metadata":{"name":"v"},"spec":{"accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"})", more, "}}");
}
std::string claim(std::string_view more) {
  return cat(R"({"metadata":{"name":"c"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}})", more, "}}");
}

TEST(PersistentVolume, rules) {
  const Kind& kind = v1("", "persistentvolumes");
  expect_create(kind, {
      {"fine", volume(R"(,"hostPath":{"path":"/a"})"), ""},
      {"no source", volume(""), "Required spec: Required value: must specify a volume type"},
      {"two sources", volume(R"(,"hostPath":{"path":"/a"},"nfs":{"server":"s","path":"/"})"),
       "Forbidden spec.nfs: Forbidden: may not specify more than 1 volume type"},
      {"more than storage", with_text(volume(R"(,"hostPath":{"path":"/a"})"), {"spec", "capacity"}, R"({"storage":"1","cpu":"1"})"),
       "NotSupported spec.capacity: Unsupported value: {\"cpu\":\"1\",\"storage\":\"1\"}: supported values: \"storage\""},
      {"path", volume(R"(,"hostPath":{"path":"/a/../b","type":"Door"})"),
       "Invalid spec.hostPath.path: Invalid value: \"/a/../b\": must not contain '..' | NotSupported spec.hostPath.type: Unsupported value: "
       "\"Door\": supported values: \"\", \"BlockDevice\", \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", "
       "\"Socket\""},
      {"recycling the root", volume(R"(,"hostPath":{"path":"//"},"persistentVolumeReclaimPolicy":"Recycle")"),
       "Forbidden spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"},
      {"nfs", volume(R"(,"nfs":{"server":"s","path":"a"})"), "Invalid spec.nfs.path: Invalid value: \"a\": must be an absolute path"},
      {"local without a place", volume(R"(,"local":{"path":"/a"})"),
       "Required spec.nodeAffinity: Required value: Local volume requires node affinity"},
      {"csi", volume(R"(,"csi":{"driver":"D_","volumeHandle":"","nodePublishSecretRef":{"name":"s"}})"),
       "Invalid spec.csi.driver: Invalid value: \"D_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
       "or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*') | Required spec.csi.volumeHandle: Required value | Required "
       "spec.csi.nodePublishSecretRef.namespace: Required value"},
      {"iscsi", volume(R"(,"iscsi":{"targetPortal":"p","iqn":"iqn.2001-04:x","lun":256,"chapAuthSession":true})"),
       "Invalid spec.iscsi.iqn: Invalid value: \"iqn.2001-04:x\": must be valid format | Invalid spec.iscsi.lun: Invalid value: 256: must be "
       "between 0 and 255, inclusive | Required spec.iscsi.secretRef: Required value"},
      {"fibre channel", volume(R"(,"fc":{"targetWWNs":["a"]})"), "Required spec.fc.lun: Required value: lun is required if targetWWNs is specified"},
      {"attributes of a volume that is not CSI's", volume(R"(,"hostPath":{"path":"/a"},"volumeAttributesClassName":"a")"),
       "Required spec.csi: Required value: has to be specified when using volumeAttributesClassName"},
      {"options", with_text(volume(R"(,"hostPath":{"path":"/a"})"), {"metadata", "annotations"}, R"({"volume.beta.kubernetes.io/mount-options":"ro"})"),
       "Forbidden metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for this volume type"},
  });
  const std::string affinity = R"(,"hostPath":{"path":"/a"},"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"KEY","operator":"Exists"}]}]}})";
  auto at = [&affinity](std::string_view key) {
    std::string text = volume(affinity);
    return text.replace(text.find("KEY"), 3, key);
  };
  expect_update(kind, {
      {"a label's new name", at("failure-domain.beta.kubernetes.io/zone"), at("topology.kubernetes.io/zone"), ""},
      {"another label", at("a"), at("b"),
       "Invalid nodeAffinity: Invalid value: "
       "{\"Required\":{\"NodeSelectorTerms\":[{\"MatchExpressions\":[{\"Key\":\"b\",\"Operator\":\"Exists\",\"Values\":null}],\"MatchFields\":"
       "null}]}}: field is immutable, except for updating from beta label to GA"},
      {"a secret to grow it", volume(R"(,"csi":{"driver":"d","volumeHandle":"h"})"),
       volume(R"(,"csi":{"driver":"d","volumeHandle":"h","controllerExpandSecretRef":{"name":"s","namespace":"n"}})"), ""},
  });
  const std::string moved = update_errors(kind, json(volume(R"(,"hostPath":{"path":"/b"})")), created(kind, json(volume(R"(,"hostPath":{"path":"/a"})"))));
  EXPECT_EQ(moved.substr(0, 100), "Forbidden spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after cre");
  EXPECT_NE(moved.find("-  \"Path\": \"/a\",\n+  \"Path\": \"/b\","), std::string::npos) << moved;
  EXPECT_EQ(warnings_of(kind, volume(R"(,"rbd":{"monitors":["m"],"image":"i"})")), "spec.rbd: deprecated in v1.28, non-functional in v1.31+");
  EXPECT_EQ(cells_of(kind, created(kind, json(volume(R"(,"claimRef":{"namespace":"n","name":"c"})"))), 0),
            R"(["v","1Gi","RWO","Retain","Pending","n/c","","<unset>","","<unknown>","Filesystem"])");
}

TEST(PersistentVolumeClaim, rules) {
  const Kind& kind = v1("", "persistentvolumeclaims");
  expect_create(kind, {
      {"fine", claim(""), ""},
      {"modes", with_text(claim(""), {"spec", "accessModes"}, R"(["ReadWriteOncePod","ReadOnlyMany","Some"])"),
       "NotSupported spec.accessModes: Unsupported value: \"Some\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", "
       "\"ReadWriteOncePod\" | Forbidden spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"},
      {"source", claim(R"(,"dataSourceRef":{"kind":"Thing","name":""})"),
       "Required spec.dataSource.name: Required value | Invalid spec.dataSource: Invalid value: \"Thing\": must be 'PersistentVolumeClaim' when "
       "referencing the default apiGroup | Required spec.dataSourceRef.name: Required value | Invalid spec.dataSourceRef: Invalid value: "
       "\"Thing\": must be 'PersistentVolumeClaim' when referencing the default apiGroup"},
      {"two sources", claim(R"(,"dataSource":{"kind":"PersistentVolumeClaim","name":"a"},"dataSourceRef":{"kind":"PersistentVolumeClaim","name":"b"})"),
       "Invalid spec: Invalid value: {}: must match dataSourceRef"},
  });
  EXPECT_FALSE(created(kind, json(claim(R"(,"dataSource":{"apiGroup":"x.y","kind":"Thing","name":"a"})")))["spec"].has("dataSource"));
  const Document old = created(kind, json(claim("")));
  const Document bound = with(with(with(old, {"spec", "volumeName"}, "\"v\""), {"status", "phase"}, "\"Bound\""), {"status", "capacity"}, R"({"storage":"1Gi"})");
  auto sized = [&bound](const char* amount) { return with(bound, {"spec", "resources", "requests", "storage"}, amount); };
  EXPECT_EQ(update_errors(kind, with(old, {"spec", "volumeName"}, "\"v\""), old), "");
  EXPECT_EQ(update_errors(kind, with(old, {"spec", "storageClassName"}, "\"s\""), old), "");  // of a claim that had none
  EXPECT_EQ(update_errors(kind, sized("\"2Gi\""), bound), "");
  EXPECT_EQ(update_errors(kind, sized("\"1Mi\""), bound),
            "Forbidden spec.resources.requests.storage: Forbidden: field can not be less than status.capacity");
  EXPECT_EQ(update_errors(kind, with(bound, {"spec", "volumeName"}, "\"w\""), bound).substr(0, 60),
            "Forbidden spec: Forbidden: spec is immutable after creation ");
  EXPECT_EQ(status_errors(kind, with(bound, {"status", "allocatedResourceStatuses"}, R"({"storage":"Growing","cpu":"NodeResizePending"})"), bound),
            "NotSupported status.allocatedResourceStatuses: Unsupported value: \"cpu\": supported values: \"storage\" | NotSupported "
            "status.allocatedResourceStatuses: Unsupported value: \"storage\": supported values: \"ControllerResizeInProgress\", "
            "\"ControllerResizeInfeasible\", \"NodeResizeInProgress\", \"NodeResizeInfeasible\", \"NodeResizePending\"");
  EXPECT_EQ(cells_of(kind, old, 0), R"(["c","Pending","","","","","<unset>","<unknown>","Filesystem"])");
  EXPECT_EQ(cells_of(kind, with(bound, {"status", "accessModes"}, R"(["ReadWriteOnce"])"), 0),
            R"(["c","Bound","v","1Gi","RWO","","<unset>","<unknown>","Filesystem"])");
}

TEST(StorageClass, rules) {
  const Kind& kind = v1("storage.k8s.io", "storageclasses");
  expect_create(kind, {
      {"fine", R"({"provisioner":"Example.com/P"})", ""},
      {"nothing", R"({"parameters":{"":"a"}})",
       "Required provisioner: Required value | Invalid parameters: Invalid value: \"\": field can not be empty."},
      {"policy", R"({"provisioner":"p","reclaimPolicy":"Recycle","volumeBindingMode":"Never"})",
       "NotSupported reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", \"Retain\" | NotSupported volumeBindingMode: "
       "Unsupported value: \"Never\": supported values: \"Immediate\", \"WaitForFirstConsumer\""},
      {"topologies", R"({"provisioner":"p","allowedTopologies":[{"matchLabelExpressions":[{"key":"a","values":["1","1"]},{"key":"a","values":[]}]}]})",
       "Duplicate allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: \"1\" | Required "
       "allowedTopologies[0].matchLabelExpressions[1].values: Required value | Duplicate allowedTopologies[0].matchLabelExpressions[1].key: "
       "Duplicate value: \"a\""},
  });
  expect_update(kind, {{"provisioner", R"({"provisioner":"a"})", R"({"provisioner":"b"})", "Invalid provisioner: Invalid value: \"b\": field is immutable"}});
  EXPECT_EQ(warnings_of(kind, R"({"provisioner":"p","allowedTopologies":[{"matchLabelExpressions":[{"key":"failure-domain.beta.kubernetes.io/zone","values":["a"]}]}]})"),
            "allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead");
  EXPECT_EQ(cells_of(kind, json(R"({"metadata":{"name":"s","annotations":{"storageclass.kubernetes.io/is-default-class":"true"}},"provisioner":"p"})"), 0),
            R"-(["s (default)","p","Delete","Immediate",false,"<unknown>"])-");
}

TEST(CSIDriver, rules) {
  const Kind& kind = v1("storage.k8s.io", "csidrivers");
  expect_create(kind, {
      {"fine", R"({"spec":{}})", ""},
      {"bad", R"({"spec":{"fsGroupPolicy":"All","volumeLifecycleModes":["Long"],"tokenRequests":[{"audience":"a","expirationSeconds":1},{"audience":"a"}],"nodeAllocatableUpdatePeriodSeconds":1}})",
       "NotSupported spec.fsGroupPolicy: Unsupported value: \"All\": supported values: \"File\", \"None\", \"ReadWriteOnceWithFSType\" | Invalid "
       "spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes | Duplicate "
       "spec.tokenRequests[1].audience: Duplicate value: \"a\" | NotSupported spec.volumeLifecycleModes: Unsupported value: \"Long\": supported "
       "values: \"Persistent\", \"Ephemeral\" | Invalid spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 1: must be greater than or "
       "equal to 10 seconds"},
      {"tokens that nobody asks for", R"({"spec":{"serviceAccountTokenInSecrets":true}})",
       "Invalid spec.serviceAccountTokenInSecrets: Invalid value: true: serviceAccountTokenInSecrets is set but no tokenRequests are specified"},
  });
  expect_update(kind, {{"attaching", R"({"spec":{}})", R"({"spec":{"attachRequired":false}})",
                        "Invalid spec.attachedRequired: Invalid value: false: field is immutable"}});
}

TEST(CSINode, rules) {
  const Kind& kind = v1("storage.k8s.io", "csinodes");
  const std::string good = R"({"spec":{"drivers":[{"name":"d","nodeID":"n","topologyKeys":["k"]}]}})";
  expect_create(kind, {
      {"fine", good, ""},
      {"bad", R"({"spec":{"drivers":[{"name":"d","nodeID":"","allocatable":{"count":-1}},{"name":"d","nodeID":"n","topologyKeys":["k","k"]}]}})",
       "Required spec.drivers[0].nodeID: Required value | Invalid spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or "
       "equal to 0 | Duplicate spec.drivers[1].name: Duplicate value: \"d\" | Duplicate spec.drivers[1]: Duplicate value: \"k\""},
  });
  expect_update(kind, {
      {"how many volumes", good, with_text(good, {"spec", "drivers", "0", "allocatable"}, R"({"count":3})"), ""},
      {"node", good, with_text(good, {"spec", "drivers", "0", "nodeID"}, "\"m\""),
       "Invalid spec.drivers: Invalid value: {\"Name\":\"d\",\"NodeID\":\"m\",\"TopologyKeys\":[\"k\"],\"Allocatable\":null}: field is immutable"},
  });
}

TEST(CSIStorageCapacity, rules) {
  const Kind& kind = v1("storage.k8s.io", "csistoragecapacities");
  expect_create(kind, {
      {"fine", R"({"storageClassName":"s","capacity":"1Gi"})", ""},
      {"negative", R"({"storageClassName":"s","capacity":"-1"})", "Invalid capacity: Invalid value: \"-1\": must be greater than or equal to 0"},
  });
  expect_update(kind, {{"class", R"({"storageClassName":"s"})", R"({"storageClassName":"t"})", "Invalid storageClassName: Invalid value: \"t\": field is immutable"}});
  EXPECT_EQ(cells_of(kind, json(R"({"metadata":{"name":"c"},"storageClassName":"s"})"), 0), R"(["c","s","<unset>"])");
}

TEST(VolumeAttachment, rules) {
  const Kind& kind = v1("storage.k8s.io", "volumeattachments");
  const std::string good = R"({"spec":{"attacher":"a","nodeName":"n","source":{"persistentVolumeName":"v"}}})";
  expect_create(kind, {
      {"fine", good, ""},
      {"no source", R"({"spec":{"attacher":"a","nodeName":"n","source":{}}})",
       "Required spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"},
      {"in place", R"({"spec":{"attacher":"a","nodeName":"n","source":{"inlineVolumeSpec":{"capacity":{"storage":"1"},"accessModes":["ReadWriteOnce"]}}}})",
       "Forbidden spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes | Required "
       "spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes | Required "
       "spec.source.inlineVolumeSpec: Required value: must specify a volume type"},
  });
  expect_update(kind, {{"node", good, with_text(good, {"spec", "nodeName"}, "\"m\""),
                        "Invalid spec: Invalid value: "
                        "{\"Attacher\":\"a\",\"Source\":{\"PersistentVolumeName\":\"v\",\"InlineVolumeSpec\":null},\"NodeName\":\"m\"}: field is "
                        "immutable"}});
}

TEST(VolumeAttributesClass, rules) {
  const Kind& kind = v1("storage.k8s.io", "volumeattributesclasses");
  expect_create(kind, {
      {"fine", R"({"driverName":"d","parameters":{"a":"b"}})", ""},
      {"nothing", "{}", "Required driverName: Required value | Required parameters: Required value: must contain at least one key/value pair"},
  });
  expect_update(kind, {{"driver", R"({"driverName":"d","parameters":{"a":"b"}})", R"({"driverName":"e","parameters":{"a":"b"}})",
                        "Forbidden driverName: Forbidden: updates to driverName are forbidden."}});
}

TEST(PodWarnings, of_volumes_ports_and_placement) {
  const Kind& kind = v1("", "pods");
  EXPECT_EQ(warnings_of(kind, R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":80,"name":"w"},{"containerPort":80,"hostPort":80,"hostIP":"1.2.3.4","name":"w"}]}],"volumes":[{"name":"v","gitRepo":{"repository":"r"}},{"name":"w","configMap":{"name":"m","items":[{"key":"a","path":"x"},{"key":"b","path":"x/y"}]}}],"imagePullSecrets":[{"name":"s"},{"name":"s"}],"topologySpreadConstraints":[{"topologyKey":"a","maxSkew":1,"whenUnsatisfiable":"DoNotSchedule"}]}})"),
            "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod | spec.volumes[0].gitRepo: "
            "deprecated in v1.11, and disabled by default in v1.33+ | volume \"w\" (ConfigMap \"m\"): overlapping paths: \"x/y\" with \"x\" | "
            "spec.imagePullSecrets[1].name: duplicate name \"s\" | spec.containers[0].ports[1]: overlapping port definition with "
            "spec.containers[0].ports[0] | spec.containers[0].ports[1]: duplicate port name \"w\" with spec.containers[0].ports[0], services and "
            "probes that select ports by name will use spec.containers[0].ports[0]");
}

}  // namespace
}  // namespace bramble
