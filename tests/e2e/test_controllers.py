"""What goes by itself when something else went."""
from cluster import dig


def test_replicaset_replaces_a_deleted_pod(cluster):
    ns = cluster.namespace("replace")
    cluster.deployment(ns, replicas=2)
    pods = cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"]
    cluster.delete(f"/api/v1/namespaces/{ns}/pods/{pods[0]['metadata']['name']}")
    def replaced(items):
        ready = [i for i in items if any(c["type"] == "Ready" and c["status"] == "True" for c in i["status"].get("conditions", []))]
        return len(items) == 2 == len(ready) and pods[0]["metadata"]["uid"] not in {i["metadata"]["uid"] for i in items}
    cluster.wait_all(f"/api/v1/namespaces/{ns}/pods", replaced)


def test_garbage_collection_by_owner(cluster):
    ns = cluster.namespace("owner")
    path = f"/api/v1/namespaces/{ns}/configmaps"
    owner = cluster.create(path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    cluster.create(path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "child", "ownerReferences": [reference]}})
    cluster.create(path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stray", "ownerReferences": [dict(reference, uid="00000000-0000-0000-0000-000000000000")]}})
    cluster.wait(path, "stray", lambda c: c is None)
    assert cluster.get(f"{path}/child")["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
    cluster.delete(f"{path}/owner")
    cluster.wait(path, "child", lambda c: c is None)


def test_foreground_and_orphan_deletion(cluster):
    ns = cluster.namespace("cascade")
    sets = f"/apis/apps/v1/namespaces/{ns}/replicasets"
    cluster.deployment(ns, "kept", replicas=1)
    kept = cluster.get(sets)["items"][0]["metadata"]
    cluster.kubectl("delete", "deployment", "kept", "--cascade=orphan", ns=ns)
    cluster.wait(sets, kept["name"], lambda s: s and not s["metadata"].get("ownerReferences"))
    cluster.deployment(ns, "gone", replicas=1)
    cluster.kubectl("delete", "deployment", "gone", "--cascade=foreground", ns=ns)
    left = cluster.get(sets)["items"]
    assert [s["metadata"]["uid"] for s in left] == [kept["uid"]], [s["metadata"]["name"] for s in left]


def test_namespace_deletion_removes_content(cluster):
    ns = cluster.namespace("doomed")
    cluster.deployment(ns, replicas=1)
    cluster.create(f"/api/v1/namespaces/{ns}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
    cluster.kubectl("delete", "namespace", ns)
    assert cluster.refused("GET", f"/api/v1/namespaces/{ns}")["reason"] == "NotFound"
    for path in (f"/api/v1/namespaces/{ns}/pods", f"/api/v1/namespaces/{ns}/configmaps", f"/apis/apps/v1/namespaces/{ns}/deployments",
                 f"/apis/apps/v1/namespaces/{ns}/replicasets"):
        assert cluster.get(path)["items"] == [], path
    status = cluster.refused("POST", f"/api/v1/namespaces/{ns}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
    assert status["reason"] == "NotFound" and status["message"] == f'namespaces "{ns}" not found', status


def test_finalizer_holds_an_object(cluster):
    ns = cluster.namespace("finalizer")
    path = f"/api/v1/namespaces/{ns}/configmaps"
    cluster.create(path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "finalizers": ["example.com/hold"]}})
    assert "deletionTimestamp" in cluster.delete(f"{path}/c")["metadata"]
    cluster.merge(f"{path}/c", {"metadata": {"finalizers": None}})
    assert cluster.refused("GET", f"{path}/c")["code"] == 404


def test_service_account_and_root_ca_in_each_namespace(cluster):
    ns = cluster.namespace("accounts")
    cluster.wait(f"/api/v1/namespaces/{ns}/configmaps", "kube-root-ca.crt", lambda c: c and "BEGIN CERTIFICATE" in dig(c, "data", "ca.crt"))
    cluster.delete(f"/api/v1/namespaces/{ns}/serviceaccounts/default")
    cluster.wait(f"/api/v1/namespaces/{ns}/serviceaccounts", "default", bool)
