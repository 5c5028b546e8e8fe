"""kubectl drain against a PodDisruptionBudget."""
import subprocess

from cluster import PATIENCE, until


def test_drain_waits_for_the_budget(cluster):
    ns = cluster.namespace("drain")
    cluster.deployment(ns, "guarded", replicas=2)
    budgets = f"/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets"
    cluster.kubectl("create", "poddisruptionbudget", "guard", "--selector=app=guarded", "--min-available=2", ns=ns)
    cluster.wait(budgets, "guard", lambda b: b and b.get("status", {}).get("currentHealthy") == 2)
    budget = cluster.get(f"{budgets}/guard")
    assert budget["status"]["disruptionsAllowed"] == 0 and budget["status"]["expectedPods"] == 2, budget["status"]
    assert [(c["type"], c["status"], c["reason"]) for c in budget["status"]["conditions"]] == [("DisruptionAllowed", "False", "InsufficientPods")], budget["status"]
    before = {p["metadata"]["uid"] for p in cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"]}
    node = cluster.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
    drain = cluster.spawn("drain", node, "--pod-selector=app=guarded", "--ignore-daemonsets", f"--timeout={int(PATIENCE)}s",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        said = until("drain is refused", lambda: next((line for line in drain.stderr if "error when evicting" in line), None))
        assert "Cannot evict pod as it would violate the pod's disruption budget." in said, said
        assert before == {p["metadata"]["uid"] for p in cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"] if "deletionTimestamp" not in p["metadata"]}
        cluster.kubectl("delete", "poddisruptionbudget", "guard", ns=ns)
        out, err = drain.communicate(timeout=PATIENCE)
        assert drain.returncode == 0, (out, err)
        assert out.count("evicted") == 2, out
        assert not before & {p["metadata"]["uid"] for p in cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"]}
    finally:
        drain.kill()
        drain.communicate()
        cluster.kubectl("uncordon", node)
    cluster.wait_deployment(ns, "guarded", 2)
