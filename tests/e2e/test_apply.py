"""Server-side apply with the real kubectl, and managedFields of what the parts of the server write."""
import json

from cluster import IMAGE

OLD_WAY = "kubectl.kubernetes.io/last-applied-configuration"


def managers(obj):
    return {(e["manager"], e["operation"], e.get("subresource", "")) for e in obj["metadata"].get("managedFields", [])}


def fields(obj, manager, operation="Apply"):
    return [e["fieldsV1"] for e in obj["metadata"]["managedFields"] if (e["manager"], e["operation"]) == (manager, operation)]


def manifest(replicas=1, image=IMAGE, **more):
    container = {"name": "web", "image": image, "args": ["sleep", "1000"], **more}
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
                       "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
                                "template": {"metadata": {"labels": {"app": "web"}},
                                             "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}}})


def config(name, **data):
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def test_server_side_apply(cluster):
    ns = cluster.namespace("apply")
    path = f"/apis/apps/v1/namespaces/{ns}/deployments/web"
    said = cluster.kubectl("apply", "--server-side", "-f", "-", ns=ns, input=manifest()).stdout
    assert said == "deployment.apps/web serverside-applied\n", said
    cluster.wait_deployment(ns, "web", 1)
    before = cluster.get(path)
    assert ("kubectl", "Apply", "") in managers(before), managers(before)
    assert ("kube-controller-manager", "Update", "status") in managers(before), managers(before)
    owned = fields(before, "kubectl")[0]["f:spec"]
    assert "f:replicas" in owned and 'k:{"name":"web"}' in owned["f:template"]["f:spec"]["f:containers"], owned
    assert OLD_WAY not in before["metadata"].get("annotations", {}), before["metadata"]
    cluster.kubectl("apply", "--server-side", "-f", "-", ns=ns, input=manifest())
    assert cluster.get(path)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]

    cluster.kubectl("scale", "deployment", "web", "--replicas=2", ns=ns)
    cluster.wait_deployment(ns, "web", 2)
    refused = cluster.kubectl("apply", "--server-side", "-f", "-", ns=ns, input=manifest(), check=False)
    assert refused.returncode == 1, refused
    assert 'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas' in refused.stderr, refused.stderr
    other = cluster.kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", ns=ns, input=manifest(replicas=2, image="nowhere"), check=False)
    assert '.spec.template.spec.containers[name="web"].image' in other.stderr, other.stderr
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", ns=ns, input=manifest())
    cluster.wait_deployment(ns, "web", 1)
    assert ("kubectl", "Update", "scale") not in managers(cluster.get(path))

    pod = cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"][0]
    assert {("kube-controller-manager", "Update", ""), ("kubelet", "Update", "status")} <= managers(pod), managers(pod)


def test_show_managed_fields(cluster):
    ns = cluster.namespace("shown")
    cluster.kubectl("apply", "--server-side", "-f", "-", ns=ns, input=config("c", a="1"))
    assert "managedFields" not in cluster.kubectl_json("get", "configmap", "c", ns=ns)["metadata"]
    shown = cluster.kubectl_json("get", "configmap", "c", "--show-managed-fields", ns=ns)
    entry = shown["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"], entry["fieldsV1"]) == ("kubectl", "Apply", {"f:data": {"f:a": {}}}), entry


def test_apply_removes_what_nobody_else_owns(cluster):
    ns = cluster.namespace("owned")
    path = f"/api/v1/namespaces/{ns}/configmaps/c"
    cluster.kubectl("apply", "--server-side", "-f", "-", ns=ns, input=config("c", a="1", b="1"))
    cluster.kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", ns=ns, input=config("c", b="1", c="1"))
    cluster.kubectl("apply", "--server-side", "-f", "-", ns=ns, input=config("c", d="1"))
    assert cluster.get(path)["data"] == {"b": "1", "c": "1", "d": "1"}


def test_apply_dry_run_and_diff(cluster):
    ns = cluster.namespace("diff")
    path = f"/api/v1/namespaces/{ns}/configmaps/c"
    shown = cluster.kubectl("apply", "--server-side", "--dry-run=server", "-o", "json", "-f", "-", ns=ns, input=config("c", a="1"))
    assert json.loads(shown.stdout)["data"] == {"a": "1"}
    assert cluster.refused("GET", path)["code"] == 404
    cluster.kubectl("apply", "--server-side", "-f", "-", ns=ns, input=config("c", a="1"))
    same = cluster.kubectl("diff", "--server-side", "-f", "-", ns=ns, input=config("c", a="1"), check=False)
    assert same.returncode == 0, same.stdout + same.stderr
    changed = cluster.kubectl("diff", "--server-side", "-f", "-", ns=ns, input=config("c", a="2"), check=False)
    assert changed.returncode == 1 and "-  a: \"1\"" in changed.stdout and "+  a: \"2\"" in changed.stdout, changed.stdout + changed.stderr
    assert cluster.get(path)["data"] == {"a": "1"}


def test_apply_migrates_from_client_side(cluster):
    ns = cluster.namespace("migrate")
    path = f"/api/v1/namespaces/{ns}/configmaps/c"
    cluster.kubectl("apply", "-f", "-", ns=ns, input=config("c", a="1", b="1"))
    before = cluster.get(path)
    assert ("kubectl-client-side-apply", "Update", "") in managers(before) and OLD_WAY in before["metadata"]["annotations"], before["metadata"]
    # kubectl hands its old fields over to its new manager: what is left out now goes.
    cluster.kubectl("apply", "--server-side", "-f", "-", ns=ns, input=config("c", a="2"))
    after = cluster.get(path)
    assert after["data"] == {"a": "2"}, after
    assert ("kubectl-client-side-apply", "Update", "") not in managers(after), managers(after)
    # And back: the old way works on.
    assert json.loads(after["metadata"]["annotations"][OLD_WAY])["data"] == {"a": "2"}, after["metadata"]
    cluster.kubectl("apply", "-f", "-", ns=ns, input=config("c", a="3"))
    assert cluster.get(path)["data"] == {"a": "3"}
