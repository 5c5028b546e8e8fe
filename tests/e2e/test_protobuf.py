"""A client of its own that speaks protobuf alone: every kind is written, read, listed, watched, and compared with its JSON."""
import base64
import contextlib
import http.client
import json
import re
import ssl

import kube_protobuf as protobuf
from cluster import PATIENCE, ROOT, Server, dig, parse_kubeconfig, run, until

QUIET = ["--disable-agent", "--disable-scheduler", "--disable-controller-manager"]
# What the recordings have no example of.
MORE = {
    "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies": {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": "m"},
        "spec": {"matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]},
                 "reinvocationPolicy": "Never",
                 "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: \"remove\", path: \"/metadata/labels/x\"}]"}}]}},
    "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings": {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": "m"}, "spec": {"policyName": "m"}},
    "/apis/autoscaling/v1/namespaces/{ns}/horizontalpodautoscalers": {
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "one"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "targetCPUUtilizationPercentage": 50}},
    "/apis/events.k8s.io/v1/namespaces/{ns}/events": {
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "eventTime": "2026-01-02T03:04:05.678900Z", "type": "Normal",
        "reason": "Tried", "action": "Trying", "reportingController": "example.com/x", "reportingInstance": "x-1", "note": "a note",
        "regarding": {"kind": "Pod", "namespace": "{ns}", "name": "p"}, "series": {"count": 2, "lastObservedTime": "2026-01-02T03:04:06.000001Z"}},
    "/apis/networking.k8s.io/v1/ipaddresses": {
        "apiVersion": "networking.k8s.io/v1", "kind": "IPAddress", "metadata": {"name": "10.43.77.77"},
        "spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "x"}}},
    "/apis/resource.k8s.io/v1/namespaces/{ns}/resourceclaims": {
        "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "r"},
        "spec": {"devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "c", "count": 2,
                                                                    "selectors": [{"cel": {"expression": "device.driver == \"x\""}}]}}],
                             "config": [{"requests": ["a"], "opaque": {"driver": "x.example.com", "parameters": {"kind": "P", "apiVersion": "x/v1", "n": [1, {}]}}}]}}},
    "/apis/resource.k8s.io/v1/resourceslices": {
        "apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "s"},
        "spec": {"driver": "x.example.com", "pool": {"name": "p", "generation": 0, "resourceSliceCount": 1}, "nodeName": "n",
                 "devices": [{"name": "d", "attributes": {"i": {"int": 0}, "b": {"bool": False}, "s": {"string": "x"}, "v": {"version": "1.0.0"}},
                              "capacity": {"memory": {"value": "1Gi"}}}]}},
    "/apis/storage.k8s.io/v1/namespaces/{ns}/csistoragecapacities": {
        "apiVersion": "storage.k8s.io/v1", "kind": "CSIStorageCapacity", "metadata": {"name": "c"}, "storageClassName": "s", "capacity": "10Gi",
        "nodeTopology": {"matchLabels": {"a": "b"}}},
    "/apis/storage.k8s.io/v1/volumeattachments": {
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "v"},
        "spec": {"attacher": "x.example.com", "nodeName": "n", "source": {"inlineVolumeSpec": {
            "accessModes": ["ReadWriteOnce"], "csi": {"driver": "x.example.com", "volumeHandle": "h"}}}}},
}
# Workloads of old versions, by the fields that they had then.
OLD = {"extensions/v1beta1": ["DaemonSet", "Deployment", "ReplicaSet"], "apps/v1beta1": ["ControllerRevision", "Deployment", "StatefulSet"],
       "apps/v1beta2": ["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]}
OLD_SPEC = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}
OLD_FIELDS = {"extensions/v1beta1 DaemonSet": {"templateGeneration": 3}, "extensions/v1beta1 Deployment": {"rollbackTo": {"revision": 2}},
              "apps/v1beta1 Deployment": {"rollbackTo": {}}}
for version, kinds in OLD.items():
    for kind in kinds:
        obj = {"apiVersion": version, "kind": kind, "metadata": {"name": "old"}}
        obj |= {"revision": 7, "data": {"spec": {"a": [1, 2.5, "x"]}}} if kind == "ControllerRevision" else {"spec": OLD_SPEC | OLD_FIELDS.get(f"{version} {kind}", {})}
        MORE[f"/apis/{version}/namespaces/{{ns}}/{kind.lower()}s"] = obj
# The server chooses these, so that two creates differ.
CHOSEN = {"uid", "resourceVersion", "creationTimestamp", "time", "clusterIP", "clusterIPs", "nodePort", "healthCheckNodePort"}


class Client:
    """Bytes in and out, one connection."""

    def __init__(self, kubeconfig, port):
        config = parse_kubeconfig(kubeconfig)
        self.tls = ssl.create_default_context(cadata=config["ca"])
        pair = kubeconfig + ".protobuf.pem"
        with open(pair, "w") as f:
            f.write(config["certificate"] + config["key"])
        self.tls.load_cert_chain(pair)
        self.port = port
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, context=self.tls, timeout=PATIENCE)

    def call(self, method, path, obj=None, shape="", content_type=protobuf.MEDIA_TYPE):
        headers = {"Accept": protobuf.MEDIA_TYPE + shape}
        if obj is not None:
            headers["Content-Type"] = content_type
            obj = protobuf.encode(obj) if content_type == protobuf.MEDIA_TYPE else json.dumps(obj)
        self.connection.request(method, path, body=obj, headers=headers)
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.headers["Content-Type"] == protobuf.MEDIA_TYPE, (path, answer.headers["Content-Type"], body[:300])
        return answer.status, protobuf.decode(body)

    def json(self, method, path, obj=None):
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        self.connection.request(method, path, body=json.dumps(obj) if obj is not None else None, headers=headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    @contextlib.contextmanager
    def watch(self, path):
        """Gives a function that takes the next event."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Accept": protobuf.MEDIA_TYPE + ";stream=watch"})
            answer = connection.getresponse()
            assert answer.headers["Content-Type"] == protobuf.MEDIA_TYPE + ";stream=watch", answer.headers["Content-Type"]
            yield lambda: protobuf.decode_frame(answer.read(int.from_bytes(answer.read(4), "big")))


def without_nulls(value):
    """Protobuf knows no difference between null, an empty list, and none."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None and v != []}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def masked(value):
    if isinstance(value, dict):
        return {k: masked(v) for k, v in value.items() if v is not None and v != [] and k not in CHOSEN}
    if isinstance(value, str):
        return re.sub(r"^kube-api-access-[a-z0-9]{5}$|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "...", value)
    return [masked(v) for v in value] if isinstance(value, list) else value


def fits(body):
    """Not those whose point is a field that there is not, or a kind left out."""
    try:
        return bool(protobuf.encode(body))
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError):
        return False


def examples():
    """(path with {ns}, object) of every kind that is created in the recordings or above, in their order."""
    for area in ("defaults", "protobuf", "writes", "validation"):
        with open(f"{ROOT}/tests/golden/open/{area}.json") as f:
            for scenario in json.load(f)["scenarios"]:
                for step in scenario["steps"]:
                    path, body = step["path"].partition("?")[0], step.get("body")
                    collection = re.fullmatch(r"/(api/v1|apis/[^/]+/[^/]+)(/namespaces/\{ns\})?/[a-z]+", path)
                    placeholders = set(re.findall(r"\{([a-zA-Z]+)\}", json.dumps(body))) - {"ns"}
                    if step.get("method") == "POST" and collection and isinstance(body, dict) and step["expected"]["code"] == 201 and not placeholders and fits(body):
                        yield scenario["name"], path, body
    for path, body in MORE.items():
        yield "more", path, body
    request = run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=x"]).stdout
    yield "more", "/apis/certificates.k8s.io/v1/certificatesigningrequests", {
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "c"},
        "spec": {"request": base64.b64encode(request.encode()).decode(), "signerName": "example.com/x", "usages": ["client auth"]}}


def fill(value, ns):
    return json.loads(json.dumps(value).replace("{ns}", ns))


def start(cluster, word):
    server = Server(f"{cluster.state}/{word}", 7444, QUIET)
    server.start()
    return server


def test_protobuf_every_kind(cluster):
    server = start(cluster, "protobuf")
    try:
        client = Client(server.kubeconfig, server.port)
        done, scenario_before, space, number = set(), None, None, 0
        for scenario, path, body in examples():
            if scenario != scenario_before or scenario == "more":
                number += 1
                scenario_before, space = scenario, f"pb-{number}"
                code, made = client.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
                assert code == 201, made
                code, made = client.call("POST", f"/api/v1/namespaces/{space}/serviceaccounts",
                                         {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
                assert code == 201, made
            round_trip(client, path.replace("{ns}", space), fill(body, space), done)
        _, groups = client.json("GET", "/apis")
        for group in ["v1"] + [v["groupVersion"] for g in groups["groups"] for v in g["versions"]]:
            root = f"/api/{group}" if group == "v1" else f"/apis/{group}"
            for resource in client.json("GET", root)[1]["resources"]:
                name = f"{root}/{resource['name']}"
                stored = "/" not in resource["name"] and {"create", "list"} <= set(resource["verbs"])
                assert not stored or name in done, f"{name} was not tried"
        assert len(done) > 50, sorted(done)
    finally:
        server.stop()


def round_trip(client, path, body, done):
    resource = re.sub(r"/namespaces/[^/]+/", "/", path)
    kind = {"apiVersion": body.get("apiVersion"), "kind": body.get("kind")}
    code, expected = client.json("POST", path + "?dryRun=All", body)
    if code == 409 and resource in done:
        return  # another recording made one of this name
    assert code == 201, (path, expected)
    code, made = client.call("POST", path, body)
    assert code == 201, (path, made)
    if "generateName" in body.get("metadata", {}):
        expected["metadata"]["name"] = made["metadata"]["name"]
    if "[]" in json.dumps(body):  # owned as an empty list, which protobuf does not have
        expected["metadata"].pop("managedFields", None)
        made["metadata"].pop("managedFields", None)
    assert masked(made) == masked(expected), f"{path}\n{masked(made)}\n{masked(expected)}"
    if "uid" not in made["metadata"]:
        done.add(resource)  # a review: answered, not kept
        return
    one = f"{path}/{made['metadata']['name']}"
    if resource.endswith("/flowschemas"):  # the server itself writes their status
        until(f"the status of {one}", lambda: client.json("GET", one)[1]["status"].get("conditions"))
    _, as_json = client.json("GET", one)
    _, as_protobuf = client.call("GET", one)
    assert without_nulls(as_protobuf) == without_nulls(as_json), f"{one}\n{as_protobuf}\n{as_json}"
    code, again = client.call("PUT", one, as_json)
    assert code == 200, (one, again)
    assert masked(again) == masked(as_json) and again["metadata"]["resourceVersion"] == as_json["metadata"]["resourceVersion"], f"{one}\n{again}\n{as_json}"
    if resource not in done:
        lists(client, path, made, kind)
    done.add(resource)


def lists(client, path, made, kind):
    _, as_json = client.json("GET", path)
    _, as_protobuf = client.call("GET", path)
    assert without_nulls(as_protobuf) == without_nulls(as_json) and as_protobuf["items"], f"{path}\n{as_protobuf}\n{as_json}"
    item = next(i for i in as_json["items"] if i["metadata"]["uid"] == made["metadata"]["uid"])
    _, names = client.call("GET", path, shape=";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
    assert [i["metadata"] for i in names["items"]] == [i["metadata"] for i in as_json["items"]], path
    with client.watch(f"{path}?watch=1&fieldSelector=metadata.name%3D{made['metadata']['name']}") as next_event:
        happened, obj = next_event()
        assert happened == "ADDED" and without_nulls(obj) == {**kind, **without_nulls(item)}, f"{path} {happened} {obj}"


def test_protobuf_subresources(cluster):
    """What no collection has: scale, eviction, binding, tokens, reviews, options of a delete, errors."""
    server = start(cluster, "protosub")
    try:
        client = Client(server.kubeconfig, server.port)
        ns = "/api/v1/namespaces/default"
        for path, obj in ((f"{ns}/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}),
                          ("/apis/apps/v1/namespaces/default/deployments",
                           {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
                            "spec": {"selector": {"matchLabels": {"a": "b"}},
                                     "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
                          (f"{ns}/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                                          "spec": {"serviceAccountName": "robot", "containers": [{"name": "c", "image": "i"}]}})):
            code, made = client.call("POST", path, obj)
            assert code == 201, made
        scale = "/apis/apps/v1/namespaces/default/deployments/d/scale"
        _, now = client.call("GET", scale)
        assert now["kind"] == "Scale" and now["spec"] == {"replicas": 1} and now["status"]["selector"] == "a=b", now
        now["spec"]["replicas"] = 3
        code, now = client.call("PUT", scale, now)
        assert code == 200 and now["spec"] == {"replicas": 3}, now
        _, now = client.call("PATCH", scale, {"spec": {"replicas": 2}}, content_type="application/merge-patch+json")
        assert now["spec"] == {"replicas": 2}, now
        code, token = client.call("POST", f"{ns}/serviceaccounts/robot/token",
                                  {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [], "expirationSeconds": 700}})
        assert code == 201 and token["status"]["token"].count(".") == 2 and token["spec"]["expirationSeconds"] == 700, token
        code, review = client.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews",
                                   {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token["status"]["token"]}})
        assert code == 201 and dig(review, "status", "user", "username") == "system:serviceaccount:default:robot", review
        assert "authentication.kubernetes.io/credential-id" in dig(review, "status", "user", "extra"), review
        access = {"apiVersion": "authorization.k8s.io/v1", "spec": {"user": "robot", "extra": {"k": ["a", "b"]},
                                                                    "resourceAttributes": {"namespace": "default", "verb": "get", "resource": "pods"}}}
        for kind, path in (("SubjectAccessReview", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
                           ("LocalSubjectAccessReview", "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews")):
            code, review = client.call("POST", path, {**access, "kind": kind})
            assert code == 201 and review["kind"] == kind and review["status"]["allowed"] is False and review["spec"] == access["spec"], review
        code, rules = client.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
                                  {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}})
        assert code == 201 and {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]} in rules["status"]["resourceRules"], rules
        code, bound = client.call("POST", f"{ns}/pods/p/binding", {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"},
                                                                   "target": {"apiVersion": "v1", "kind": "Node", "name": "n"}})
        assert code == 201 and bound["kind"] == "Status" and bound["status"] == "Success", bound
        code, status = client.call("POST", f"{ns}/pods/none/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "none"}})
        assert code == 404 and status["kind"] == "Status" and status["reason"] == "NotFound", status
        code, status = client.call("POST", f"{ns}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "No Name"}})
        assert code == 422 and dig(status, "details", "causes", 0, "field") == "metadata.name", status
        code, status = client.call("DELETE", f"{ns}/pods/p", {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": "x"}})
        assert code == 409, status
        code, gone = client.call("DELETE", f"{ns}/pods/p", {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0})
        assert code == 200 and gone["kind"] == "Pod", gone
        _, kinds = client.call("GET", "/apis/apps/v1")
        assert kinds["kind"] == "APIResourceList" and "deployments" in [r["name"] for r in kinds["resources"]], kinds
    finally:
        server.stop()
