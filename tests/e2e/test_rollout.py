"""Deployments: new revisions, back again, paused, scaled."""
from cluster import IMAGE, IMAGE2, NODE_ADDRESS, PAGE, PAGE2, condition, dig, fetch, until

REVISION = "deployment.kubernetes.io/revision"


def sets_of(cluster, ns):
    items = cluster.get(f"/apis/apps/v1/namespaces/{ns}/replicasets")["items"]
    return {s["metadata"]["annotations"][REVISION]: s for s in items}


def image_of(template_owner):
    return template_owner["spec"]["template"]["spec"]["containers"][0]["image"]


def test_rollout_set_image_status_history_undo(cluster):
    ns = cluster.namespace("rollout")
    cluster.deployment(ns)
    cluster.kubectl("expose", "deployment", "web", "--type=NodePort", ns=ns)
    port = cluster.get(f"/api/v1/namespaces/{ns}/services/web")["spec"]["ports"][0]["nodePort"]
    url = f"http://{NODE_ADDRESS}:{port}/"
    until("page one", lambda: (fetch(url) or "").strip() == PAGE)
    cluster.kubectl("set", "image", "deployment/web", f"web={IMAGE2}", ns=ns)
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s", ns=ns)
    deployment = cluster.wait_deployment(ns, "web", 2, IMAGE2)
    assert condition(deployment, "Progressing")["reason"] == "NewReplicaSetAvailable", deployment["status"]
    until("page two", lambda: (fetch(url) or "").strip() == PAGE2)
    sets = sets_of(cluster, ns)
    assert {r: (image_of(s), s["spec"]["replicas"]) for r, s in sets.items()} == {"1": (IMAGE, 0), "2": (IMAGE2, 2)}
    history = cluster.kubectl("rollout", "history", "deployment/web", ns=ns).stdout.split()
    assert [w for w in history if w.isdigit()] == ["1", "2"], history
    cluster.kubectl("rollout", "undo", "deployment/web", ns=ns)
    cluster.wait_deployment(ns, "web", 2, IMAGE)
    assert set(sets_of(cluster, ns)) == {"2", "3"}, list(sets_of(cluster, ns))
    until("page one again", lambda: (fetch(url) or "").strip() == PAGE)


def test_rollout_pause_resume(cluster):
    ns = cluster.namespace("pause")
    cluster.deployment(ns, replicas=1)
    cluster.kubectl("rollout", "pause", "deployment/web", ns=ns)
    cluster.kubectl("set", "image", "deployment/web", f"web={IMAGE2}", ns=ns)
    def seen(d):
        return d["status"].get("observedGeneration") == d["metadata"]["generation"] and condition(d, "Progressing").get("reason") == "DeploymentPaused"
    cluster.wait(f"/apis/apps/v1/namespaces/{ns}/deployments", "web", seen)
    assert set(sets_of(cluster, ns)) == {"1"}
    cluster.kubectl("rollout", "resume", "deployment/web", ns=ns)
    cluster.wait_deployment(ns, "web", 1, IMAGE2)


def test_rollout_restart(cluster):
    ns = cluster.namespace("again")
    cluster.deployment(ns, replicas=1)
    before = cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"][0]["metadata"]["uid"]
    cluster.kubectl("rollout", "restart", "deployment/web", ns=ns)
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s", ns=ns)
    cluster.wait_all(f"/api/v1/namespaces/{ns}/pods", lambda items: len(items) == 1 and items[0]["metadata"]["uid"] != before)


def test_failed_rollout_exceeds_its_deadline(cluster):
    ns = cluster.namespace("deadline")
    cluster.deployment(ns, replicas=1)
    cluster.merge(f"/apis/apps/v1/namespaces/{ns}/deployments/web", {"spec": {"progressDeadlineSeconds": 2, "minReadySeconds": 0}})
    cluster.kubectl("set", "image", "deployment/web", "web=bramble.local/absent:1", ns=ns)
    late = cluster.wait(f"/apis/apps/v1/namespaces/{ns}/deployments", "web", lambda d: condition(d, "Progressing").get("reason") == "ProgressDeadlineExceeded")
    assert condition(late, "Progressing")["status"] == "False" and condition(late, "Available")["status"] == "True", late["status"]
    assert cluster.kubectl("rollout", "status", "deployment/web", ns=ns, check=False).returncode == 1


def test_scale(cluster):
    ns = cluster.namespace("scale")
    cluster.deployment(ns, replicas=1)
    cluster.kubectl("scale", "deployment", "web", "--replicas=4", ns=ns)
    cluster.wait_deployment(ns, "web", 4)
    scale = cluster.get(f"/apis/apps/v1/namespaces/{ns}/deployments/web/scale")
    assert scale["kind"] == "Scale" and scale["spec"]["replicas"] == 4 and scale["status"]["selector"] == "app=web", scale
    cluster.kubectl("scale", "deployment", "web", "--replicas=0", ns=ns)
    cluster.wait_all(f"/api/v1/namespaces/{ns}/pods", lambda items: not items)
    wrong = cluster.kubectl("scale", "deployment", "web", "--current-replicas=3", "--replicas=1", ns=ns, check=False)
    assert wrong.returncode == 1, wrong.stderr
