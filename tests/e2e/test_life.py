"""A pod's life: probes and what Services make of them, sidecars beside work that ends, static pods, containers for debugging."""
import json
import os

from cluster import IMAGE, NODE, PAGE, condition, dig, fetch_until, until


def endpoints(cluster, ns, name, holds):
    def ready_of(slices):
        found = {}
        for s in slices:
            if s["metadata"].get("labels", {}).get("kubernetes.io/service-name") == name:
                for e in s.get("endpoints") or []:
                    found[e["targetRef"]["name"]] = (e["conditions"]["ready"], e["conditions"]["serving"])
        return found
    return cluster.wait_all(f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices", lambda items: holds(ready_of(items)))


def restarts(pod):
    return dig(pod, "status", "containerStatuses", 0, "restartCount") or 0


def test_a_service_sends_only_to_pods_whose_probes_say_ready(cluster):
    ns = cluster.namespace("probes")
    probes = {"ports": [{"name": "http", "containerPort": 80}],
              "startupProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1, "failureThreshold": 60},
              "readinessProbe": {"httpGet": {"port": "http", "path": "/"}, "periodSeconds": 1, "failureThreshold": 1},
              "livenessProbe": {"exec": {"command": ["sh", "-c", "! test -e /tmp/dead"]}, "periodSeconds": 1, "failureThreshold": 1}}
    for name in ("one", "two"):
        cluster.pod(ns, name, labels={"app": "web"}, container=probes)
    made = cluster.create(f"/api/v1/namespaces/{ns}/services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                                                                "spec": {"selector": {"app": "web"}, "ports": [{"port": 8080, "targetPort": "http"}]}})
    endpoints(cluster, ns, "web", lambda e: e == {"one": (True, True), "two": (True, True)})
    page = f"http://{made['spec']['clusterIP']}:8080/"
    assert fetch_until(page).strip() == PAGE
    # One that is not ready gets nothing more, and is not restarted for that.
    cluster.exec(ns, "two", "mv", "/www/index.html", "/www/away.html")
    unready = cluster.wait_pod(ns, "two", lambda p: condition(p, "Ready").get("status") == "False")
    assert condition(unready, "Ready")["reason"] == "ContainersNotReady" and condition(unready, "Ready")["message"] == "containers with unready status: [main]", unready["status"]
    endpoints(cluster, ns, "web", lambda e: e == {"one": (True, True), "two": (False, False)})
    assert all(fetch_until(page).strip() == PAGE for _ in range(5))
    assert restarts(unready) == 0, unready["status"]
    cluster.exec(ns, "two", "mv", "/www/away.html", "/www/index.html")
    endpoints(cluster, ns, "web", lambda e: e == {"one": (True, True), "two": (True, True)})
    # One that is not alive is restarted, and comes back.
    cluster.exec(ns, "one", "sh", "-c", "touch /tmp/dead", check=False)
    cluster.wait_pod(ns, "one", lambda p: restarts(p) == 1 and condition(p, "Ready").get("status") == "True")
    events = cluster.wait_all(f"/api/v1/namespaces/{ns}/events", lambda items: any(e["reason"] == "Killing" and e["involvedObject"]["name"] == "one" for e in items))
    killing = next(e for e in events if e["reason"] == "Killing" and e["involvedObject"]["name"] == "one")
    assert killing["message"] == "Container main failed liveness probe, will be restarted" and killing["involvedObject"]["fieldPath"] == "spec.containers{main}", killing


def test_work_ends_though_its_sidecar_would_run_for_ever(cluster):
    ns = cluster.namespace("sidecar")
    sidecar = {"name": "helper", "image": IMAGE, "restartPolicy": "Always", "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 1; touch /shared/up; while :; do sleep 0.2; done"],
               "startupProbe": {"exec": {"command": ["test", "-e", "/shared/up"]}, "periodSeconds": 1, "failureThreshold": 60}, "volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    work = {"name": "work", "image": IMAGE, "command": ["sh", "-c", "test -e /shared/up && echo the sidecar was first"], "volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    cluster.create(f"/api/v1/namespaces/{ns}/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "job"},
                                                     "spec": {"restartPolicy": "Never", "initContainers": [sidecar], "containers": [work], "volumes": [{"name": "shared", "emptyDir": {}}]}})
    ended = cluster.wait_pod(ns, "job", lambda p: dig(p, "status", "phase") == "Succeeded")
    helper = ended["status"]["initContainerStatuses"][0]
    assert helper["state"]["terminated"]["exitCode"] == 0 and helper["restartCount"] == 0, helper
    assert cluster.log(ns, ended["metadata"]["name"], "?container=work").strip() == "the sidecar was first"


def test_a_static_pod_lives_with_its_manifest(cluster):
    folder = f"{cluster.server.state}/data/agent/pod-manifests"
    until("the folder of manifests", lambda: os.path.isdir(folder))
    ns = cluster.namespace("static")
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "local", "namespace": ns},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": IMAGE, "command": ["sleep", "3600"]}]}}
    with open(f"{folder}/.local.json", "w") as f:
        json.dump(manifest, f)
    os.rename(f"{folder}/.local.json", f"{folder}/local.json")
    name = f"local-{NODE}"
    try:
        shown = cluster.wait_running(ns, name)
        notes = shown["metadata"]["annotations"]
        assert notes["kubernetes.io/config.source"] == "file" and notes["kubernetes.io/config.mirror"] == notes["kubernetes.io/config.hash"], notes
        owner = shown["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["name"], owner["controller"]) == ("Node", NODE, True), owner
        container = shown["status"]["containerStatuses"][0]["containerID"]
        assert cluster.exec(ns, name, "echo", "here").stdout.strip() == "here"
        # Deleting what shows it does nothing to it.
        cluster.kubectl("delete", "pod", name, "--wait=false", ns=ns)
        again = cluster.wait_pod(ns, name, lambda p: p and p["metadata"]["uid"] != shown["metadata"]["uid"] and condition(p, "Ready").get("status") == "True")
        assert again["status"]["containerStatuses"][0]["containerID"] == container, again["status"]
    finally:
        os.unlink(f"{folder}/local.json")
    cluster.wait_pod(ns, name, lambda p: not p)


def test_kubectl_debug_starts_a_container_beside_another(cluster):
    ns = cluster.namespace("debug")
    cluster.pod(ns, "one", "sleep", "4321")
    cluster.kubectl("debug", "one", f"--image={IMAGE}", "--target=main", "--container=look", "--", "sh", "-c", "tr '\\0' ' ' </proc/1/cmdline", ns=ns)
    over = cluster.wait_pod(ns, "one", lambda p: dig(p, "status", "ephemeralContainerStatuses", 0, "state", "terminated"))
    assert over["status"]["ephemeralContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0, over["status"]
    assert cluster.log(ns, "one", "?container=look").strip() == "sleep 4321"
    assert restarts(over) == 0 and condition(over, "Ready")["status"] == "True", over["status"]


def test_a_pod_is_resized_in_place_and_goes_on(cluster):
    ns = cluster.namespace("resize")

    def amounts(cpu, memory):
        return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}

    cluster.create(f"/api/v1/namespaces/{ns}/pods", {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": IMAGE, "command": ["sleep", "3600"], "resources": amounts("100m", "32Mi")}]}})
    before = cluster.wait_running(ns, "web")
    patch = {"spec": {"containers": [{"name": "main", "resources": amounts("200m", "64Mi")}]}}
    cluster.kubectl("patch", "pod", "web", "--subresource", "resize", "-p", json.dumps(patch), ns=ns)
    done = cluster.wait_pod(ns, "web", lambda p: dig(p, "status", "containerStatuses", 0, "resources", "limits", "memory") == "64Mi" and not condition(p, "PodResizeInProgress"))
    status = done["status"]["containerStatuses"][0]
    assert status["resources"] == amounts("200m", "64Mi") and status["allocatedResources"] == amounts("200m", "64Mi")["requests"], status
    assert status["containerID"] == before["status"]["containerStatuses"][0]["containerID"] and restarts(done) == 0, status
    assert done["status"]["resources"] == amounts("200m", "64Mi") and done["status"]["observedGeneration"] == done["metadata"]["generation"] == 2, done["status"]
    said = cluster.exec(ns, "web", "sh", "-c", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max")
    assert str(said if isinstance(said, str) else said.stdout).strip() == str(64 << 20), said
    # What the node never has is refused at once.
    patch["spec"]["containers"][0]["resources"] = amounts("9000", "64Mi")
    refused = cluster.kubectl("patch", "pod", "web", "--subresource", "resize", "-p", json.dumps(patch), ns=ns, check=False)
    assert "node didn't have enough allocatable resources: cpu, requested: 9000000, allocatable: " in refused.stderr, refused
    events = cluster.wait_all(f"/api/v1/namespaces/{ns}/events", lambda items: {"ResizeStarted", "ResizeCompleted"} <= {e["reason"] for e in items})
    started = next(e for e in events if e["reason"] == "ResizeStarted")
    assert started["message"].startswith('Pod resize started: {"containers":[{"name":"main","resources":{"limits":{"cpu":"200m"'), started
