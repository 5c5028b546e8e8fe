"""The node and what everybody may read."""
import json
import os
import stat

from cluster import NODE, NODE_ADDRESS, Api, condition, dig, until


def test_node_ready(cluster):
    node = cluster.wait_node_ready()
    assert condition(node, "Ready")["reason"] == "KubeletReady", node["status"]["conditions"]
    addresses = {a["type"]: a["address"] for a in node["status"]["addresses"]}
    assert addresses == {"InternalIP": NODE_ADDRESS, "Hostname": NODE}, addresses
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.36."), node["status"]["nodeInfo"]
    assert node["status"]["nodeInfo"]["operatingSystem"] == "linux"
    assert node["spec"]["podCIDR"] == "10.42.0.0/24", node["spec"]
    assert int(node["status"]["allocatable"]["pods"]) == 110
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == NODE


def test_node_is_not_written_while_nothing_happens(cluster):
    """The kubelet answers what others write into its Node; it must not answer itself."""
    cluster.wait_node_ready()
    listed = cluster.get("/api/v1/nodes")
    events = [e for e in cluster.api.watch("/api/v1/nodes", listed["metadata"]["resourceVersion"], 4) if e["type"] != "BOOKMARK"]
    assert len(events) <= 1, events  # the last of its beginning, maybe


def test_node_lease_is_held(cluster):
    def owned():
        # The first renewal may come before its namespace or before the Node that owns it; the next ones mend that.
        leases = cluster.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")["items"]
        return next((x for x in leases if x["metadata"]["name"] == NODE and dig(x, "metadata", "ownerReferences", 0, "kind") == "Node"), None)

    lease = until("the node's Lease belongs to it", owned)
    assert lease["spec"]["holderIdentity"] == NODE and lease["spec"]["leaseDurationSeconds"] == 40, lease["spec"]


def test_kubeconfig_is_private(cluster):
    assert stat.S_IMODE(os.stat(cluster.server.kubeconfig).st_mode) == 0o600


def test_system_namespaces(cluster):
    cluster.wait_all("/api/v1/namespaces", lambda items: {"default", "kube-system", "kube-public", "kube-node-lease"} <= {i["metadata"]["name"] for i in items})
    service = cluster.get("/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIP"] == "10.43.0.1" and service["spec"]["ports"][0]["port"] == 443, service["spec"]
    cluster.wait("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", "kubernetes",
                 lambda s: s and s["endpoints"][0]["addresses"] == [NODE_ADDRESS])


def test_anonymous_reads_only_health_and_version(cluster):
    anonymous = Api(cluster.server.kubeconfig, cluster.server.port, anonymous=True)
    for path in ("/healthz", "/livez", "/readyz"):
        assert anonymous.get(path, parse=False) == (200, "ok"), path
    code, version = anonymous.get("/version")
    assert code == 200 and version["major"] == "1" and version["minor"] == "36", version
    code, status = anonymous.get("/api/v1/pods")
    assert code == 403 and status["reason"] == "Forbidden", status
    assert status["message"] == 'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at the cluster scope', status
    code, status = anonymous.get("/api/v1/namespaces/default/secrets/x")
    assert code == 403 and status["details"] == {"name": "x", "kind": "secrets"}, status
    code, status = anonymous.get("/metrics", parse=False)
    assert code == 403, (code, status)


def test_health_names_its_checks(cluster):
    # Upstream's /readyz asks the storage by a check of another name.
    for root, last in (("healthz", None), ("livez", None), ("readyz", "informer-sync")):
        storage = "poststarthook/storage-readiness" if root == "readyz" else "etcd"
        code, text = cluster.api.call("GET", f"/{root}?verbose", parse=False)
        lines = text.splitlines()
        assert code == 200 and lines[0] == "[+]ping ok" and f"[+]{storage} ok" in lines and lines[-1] == f"{root} check passed", (code, text)
        assert all(line.startswith("[+]") for line in lines[:-1]), text
        assert cluster.api.call("GET", f"/{root}/{storage}", parse=False) == (200, "ok")
        if last:
            assert f"[+]{last} ok" in lines, text
        code, text = cluster.api.call("GET", f"/{root}?verbose&exclude={storage}&exclude=nonsense", parse=False)
        assert code == 200 and f"[+]{storage} excluded: ok" in text.splitlines(), (code, text)
        assert 'warn: some health checks cannot be excluded: no matches for "nonsense"' in text.splitlines(), text


def test_wrong_token_is_unauthorized(cluster):
    code, status = Api(cluster.server.kubeconfig, cluster.server.port, token="no.such.token").get("/api")
    assert code == 401 and status["reason"] == "Unauthorized" and status["message"] == "Unauthorized", status


def test_whoami(cluster):
    review = cluster.kubectl_json("auth", "whoami")
    assert review["status"]["userInfo"]["groups"][-1] == "system:authenticated" and "system:masters" in review["status"]["userInfo"]["groups"], json.dumps(review)
