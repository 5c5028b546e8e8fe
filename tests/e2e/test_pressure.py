"""A node that is short of something, that keeps something for itself, or that goes down; pods that hold more than they may."""
import contextlib
import os
import subprocess
import time

from cluster import CGROUP, NODE, ROOT, condition, dig, until

SHUT_DOWN = "Pod was terminated in response to imminent node shutdown."


@contextlib.contextmanager
def node_with(cluster, *arguments, env=None):
    """The same server with arguments of the kubelet; afterwards as it was."""
    before = cluster.server.extra, cluster.server.env

    def again(extra, env):
        cluster.server.stop()
        cluster.server.extra, cluster.server.env = extra, env
        cluster.start()
        cluster.wait_node_ready()
    try:
        again(before[0] + [word for a in arguments for word in ("--kubelet-arg", a)], {**(before[1] or {}), **(env or {})})
        yield
    finally:
        again(*before)


def node(cluster):
    return cluster.get(f"/api/v1/nodes/{NODE}")


def events(cluster, ns, name):
    listed = cluster.get(f"/api/v1/namespaces/{ns}/events?fieldSelector=involvedObject.name%3D{name}")["items"]
    return [(e["type"], e["reason"], e["message"]) for e in listed]


def taints(obj):
    return [(t["key"], t["effect"]) for t in dig(obj, "spec", "taints") or []]


def sleeper(cluster, ns, name, running=True, **spec):
    return cluster.pod(ns, name, "sleep", "3600", running=running, **{"terminationGracePeriodSeconds": 30, **spec})


def test_eviction_by_memory(cluster):
    ns = cluster.namespace("memory")
    sleeper(cluster, ns, "victim")
    sleeper(cluster, ns, "critical", priorityClassName="system-node-critical")
    # A pod of another test that is still going would be evicted as well.
    until("other pods have gone", lambda: all(p["metadata"]["namespace"] == ns for p in cluster.get("/api/v1/pods")["items"]))
    with node_with(cluster, "eviction-hard=memory.available<900Ti"):
        pod = cluster.wait_pod(ns, "victim", lambda p: p["status"]["phase"] == "Failed")
        assert pod["status"]["reason"] == "Evicted", pod["status"]
        assert pod["status"]["message"].startswith("The node was low on resource: memory. Threshold quantity: 900Ti, available: "), pod["status"]
        assert "Container main was using " in pod["status"]["message"] and pod["status"]["message"].endswith(", request is 0, has larger consumption of memory. "), pod["status"]
        target = condition(pod, "DisruptionTarget")
        assert (target["status"], target["reason"], target["message"]) == ("True", "TerminationByKubelet", pod["status"]["message"]), target
        until("the pod's event", lambda: ("Warning", "Evicted", pod["status"]["message"]) in events(cluster, ns, "victim"))
        until("the node's event", lambda: ("Warning", "EvictionThresholdMet", "Attempting to reclaim memory") in events(cluster, "default", NODE))
        assert ("Normal", "NodeHasInsufficientMemory", f"Node {NODE} status is now: NodeHasInsufficientMemory") in events(cluster, "default", NODE)
        shown = cluster.wait("/api/v1/nodes", NODE, lambda n: ("node.kubernetes.io/memory-pressure", "NoSchedule") in taints(n))
        pressure = condition(shown, "MemoryPressure")
        assert (pressure["status"], pressure["reason"], pressure["message"]) == ("True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"), pressure
        assert not cluster.pod_pids(pod)
        sleeper(cluster, ns, "late", running=False, nodeName=NODE)
        late = cluster.wait_pod(ns, "late", lambda p: p["status"]["phase"] == "Failed")
        assert (late["status"]["reason"], late["status"]["message"]) == ("Evicted", "Pod was rejected: The node had condition: [MemoryPressure]. "), late["status"]
        assert cluster.get(f"/api/v1/namespaces/{ns}/pods/critical")["status"]["phase"] == "Running"
        assert 'kubelet_evictions{eviction_signal="memory.available"} 1' in cluster.kubectl("get", "--raw", f"/api/v1/nodes/{NODE}/proxy/metrics").stdout
    cluster.wait("/api/v1/nodes", NODE, lambda n: condition(n, "MemoryPressure")["status"] == "False" and not taints(n))


def test_eviction_by_disk_after_its_grace(cluster):
    ns = cluster.namespace("disk")
    stubborn = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
    cluster.pod(ns, "victim", container={"command": stubborn}, terminationGracePeriodSeconds=600)
    began = time.monotonic()
    with node_with(cluster, "eviction-hard=", "eviction-soft=nodefs.available<900Pi", "eviction-soft-grace-period=nodefs.available=15s", "eviction-max-pod-grace-period=2"):
        cluster.wait("/api/v1/nodes", NODE, lambda n: condition(n, "DiskPressure")["status"] == "True")
        pod = cluster.wait_pod(ns, "victim", lambda p: p["status"]["phase"] == "Failed")
        assert time.monotonic() - began >= 15, "a soft threshold waits"
        assert pod["status"]["message"].startswith("The node was low on resource: ephemeral-storage. Threshold quantity: 900Pi, available: "), pod["status"]
        ended = dig(pod, "status", "containerStatuses", 0, "state", "terminated")
        assert ended["exitCode"] == 137, ended


def test_storage_limits(cluster):
    ns = cluster.namespace("storage")
    fill = lambda where: ["sh", "-c", f"dd if=/dev/zero of={where}/file bs=1M count=20; sleep 3600"]
    volumes = [{"name": "v", "emptyDir": {"sizeLimit": "10Mi"}}]
    limited = {"limits": {"ephemeral-storage": "10Mi"}}
    cluster.pod(ns, "volume", container={"command": fill("/v"), "volumeMounts": [{"name": "v", "mountPath": "/v"}]}, volumes=volumes)
    cluster.pod(ns, "layer", container={"command": fill("/tmp"), "resources": limited})
    cluster.pod(ns, "log", container={"command": ["sh", "-c", "yes 0123456789012345678901234567890123456789 | head -c 20000000; sleep 3600"], "resources": {"limits": {"ephemeral-storage": "5Mi"}}})
    cluster.pod(ns, "within", container={"command": fill("/v"), "resources": {"limits": {"ephemeral-storage": "1Gi"}}, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}, volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}])
    said = {"volume": 'Usage of EmptyDir volume "v" exceeds the limit "10Mi". ', "layer": "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
            "log": "Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. "}
    for name, message in said.items():
        pod = cluster.wait_pod(ns, name, lambda p: p["status"]["phase"] == "Failed", seconds=150)
        assert (pod["status"]["reason"], pod["status"]["message"]) == ("Evicted", message), pod["status"]
        assert not condition(pod, "DisruptionTarget"), pod["status"]
        until("the pod's event", lambda: ("Warning", "Evicted", message) in events(cluster, ns, name))
    assert cluster.get(f"/api/v1/namespaces/{ns}/pods/within")["status"]["phase"] == "Running"


def kib(text):
    units = {"Ki": 1, "Mi": 1024, "Gi": 1024 * 1024}
    return int(text[:-2]) * units[text[-2:]] if text[-2:] in units else int(text) // 1024


def test_reserves(cluster):
    with node_with(cluster, "system-reserved=memory=256Mi,cpu=100m", "kube-reserved=memory=64Mi", "eviction-hard=memory.available<128Mi"):
        shown = node(cluster)["status"]
        assert kib(shown["capacity"]["memory"]) - kib(shown["allocatable"]["memory"]) == 448 * 1024, shown
        assert shown["allocatable"]["cpu"] == f"{int(shown['capacity']['cpu']) * 1000 - 100}m", shown
        top = "/sys/fs/cgroup/memory" if os.path.isdir("/sys/fs/cgroup/memory") else "/sys/fs/cgroup"
        with open(f"{top}/{CGROUP}/kubepods/" + ("memory.limit_in_bytes" if top.endswith("memory") else "memory.max")) as f:
            assert int(f.read()) // 1024 == kib(shown["capacity"]["memory"]) - 320 * 1024
        ns = cluster.namespace("reserves")
        cluster.pod(ns, "fits", running=False, nodeName=NODE, container={"resources": {"requests": {"memory": shown["capacity"]["memory"]}}})
        pod = cluster.wait_pod(ns, "fits", lambda p: p["status"]["phase"] == "Failed")
        assert pod["status"]["reason"] == "OutOfmemory", pod["status"]
        assert ("Warning", "OutOfmemory", pod["status"]["message"].removeprefix("Pod was rejected: ")) in until("its event", lambda: events(cluster, ns, "fits"))


def test_swap_limits(cluster):
    """Where the kernel counts swap by cgroup: none for a pod that is guaranteed its memory."""
    ns = cluster.namespace("swap")
    amounts = {"memory": "64Mi", "cpu": "10m"}
    pod = cluster.pod(ns, "guaranteed", "sleep", "3600", container={"resources": {"requests": amounts, "limits": amounts}})
    folder = cluster.cgroup_folders(pod, "memory")[-1]  # the container's
    both = f"{folder}/memory.memsw.limit_in_bytes"
    if os.path.exists(f"{folder}/memory.swap.max"):
        with open(f"{folder}/memory.swap.max") as f:
            assert f.read() == "0\n"
    elif os.path.exists(both):
        with open(both) as f:
            assert int(f.read()) == 64 << 20
    else:
        assert not os.path.exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")


@contextlib.contextmanager
def logind(cluster):
    """A message bus and a logind on it, for the server alone."""
    folder = f"{cluster.state}/logind"
    os.makedirs(folder, exist_ok=True)
    if not os.path.exists(f"{folder}/say"):
        os.mkfifo(f"{folder}/say")
    with open(f"{folder}/bus.conf", "w") as f:
        f.write(f'<busconfig><listen>unix:path={folder}/bus</listen><policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>'
                '<allow send_type="signal"/><allow send_type="method_return"/><allow send_type="error"/><allow receive_type="signal"/><allow receive_type="method_call"/>'
                '<allow receive_type="method_return"/><allow receive_type="error"/></policy></busconfig>')
    bus = subprocess.Popen(["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--nopidfile"])
    try:
        until("the bus", lambda: os.path.exists(f"{folder}/bus"))
        fake = subprocess.Popen(["/usr/bin/python3", f"{ROOT}/tests/e2e/logind.py", folder])
        try:
            yield folder
        finally:
            fake.terminate()
            fake.wait()
    finally:
        bus.terminate()
        bus.wait()


def said(folder):
    with contextlib.suppress(OSError), open(f"{folder}/log") as f:
        return f.read().splitlines()
    return []


def say(folder, word):
    with open(f"{folder}/say", "w") as f:
        f.write(word + "\n")


def test_graceful_node_shutdown(cluster):
    inhibit = "inhibit shutdown | kubelet | Kubelet needs time to handle node shutdown | delay"
    ns = cluster.namespace("shutdown")
    with logind(cluster) as folder, node_with(cluster, "shutdown-grace-period=40s", "shutdown-grace-period-critical-pods=20s", env={"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder}/bus"}):
        until("the lock", lambda: inhibit in said(folder))
        leave = ["sh", "-c", "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done"]
        cluster.pod(ns, "plain", container={"command": leave}, terminationGracePeriodSeconds=600)
        cluster.pod(ns, "critical", container={"command": leave}, terminationGracePeriodSeconds=600, priorityClassName="system-node-critical")
        say(folder, "shutdown")
        shown = cluster.wait("/api/v1/nodes", NODE, lambda n: condition(n, "Ready")["status"] == "False")
        assert (condition(shown, "Ready")["reason"], condition(shown, "Ready")["message"]) == ("KubeletNotReady", "node is shutting down"), shown["status"]["conditions"]
        ended = {}
        for name in ("plain", "critical"):
            pod = cluster.wait_pod(ns, name, lambda p: p["status"]["phase"] in ("Failed", "Succeeded"))
            assert (pod["status"]["phase"], pod["status"]["reason"], pod["status"]["message"]) == ("Failed", "Terminated", SHUT_DOWN), pod["status"]
            target = condition(pod, "DisruptionTarget")
            assert (target["status"], target["reason"], target["message"]) == ("True", "TerminationByKubelet", SHUT_DOWN), target
            container = dig(pod, "status", "containerStatuses", 0, "state", "terminated")
            assert container["exitCode"] == 0, container
            ended[name] = container
        assert ended["critical"]["finishedAt"] >= ended["plain"]["finishedAt"], ended
        until("the lock is given back", lambda: said(folder)[-1] == "released")
        assert ("Normal", "Shutdown", "Shutdown manager detected shutdown event") in until("the node's event", lambda: events(cluster, "default", NODE))
        sleeper(cluster, ns, "late", running=False, nodeName=NODE)
        late = cluster.wait_pod(ns, "late", lambda p: p["status"]["phase"] == "Failed")
        assert (late["status"]["reason"], late["status"]["message"]) == ("NodeShutdown", "Pod was rejected: Pod was rejected as the node is shutting down."), late["status"]
        say(folder, "cancel")
        cluster.wait_node_ready()
        until("the lock again", lambda: said(folder)[-1] == inhibit)
        sleeper(cluster, ns, "after")
