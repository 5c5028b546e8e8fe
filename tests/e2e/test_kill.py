"""kill -9 of the server in the middle of things: what it had begun is finished by the next one, with nothing lost and nothing left.
Each kill waits for a sight on the node, not for a time."""
import glob
import http.client
import os
import threading
import time

from cluster import NODE_ADDRESS, PATIENCE, ApiError, dig, run, start_time, until

PODS = 15
# When: so many paths of this form under <run dir>/pods.
WHILE_THEY_START = [("*", 1), ("*/shim.sock", 2), ("*/ns/net", 4), ("*/containers/*", 1), ("*/containers/*/pid", 3), ("*/containers/*", 9), ("*/containers/*/pid", 12)]
WHILE_THEY_END = [("*/containers/*/exit", 1), ("*/containers/*/exit", 6), ("*/containers/*/exit", 11)]


def seen(cluster, form):
    return glob.glob(f"{cluster.state}/run/pods/{form}")


def await_sight(cluster, form, count, over=lambda: False):
    end = time.monotonic() + PATIENCE
    while len(seen(cluster, form)) < count and not over() and time.monotonic() < end:
        time.sleep(0.002)


def containers(cluster):
    """The containers that there are: id to (PID, when that process began)."""
    found = {}
    for path in seen(cluster, "*/containers/*/pid"):
        try:
            with open(path) as f:
                pid = int(f.read())
            found[path.split("/")[-2]] = pid, start_time(pid)
        except (OSError, ValueError):
            pass  # it ended
    return found


class Creator(threading.Thread):
    """Creates pods until all are there, or nobody answers. made: the acknowledged ones."""

    def __init__(self, cluster, ns):
        super().__init__()
        self.cluster, self.ns, self.made = cluster, ns, []

    def run(self):
        for n in range(PODS):
            try:
                name = f"p{n}"
                script = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
                self.cluster.pod(self.ns, name, "sh", "-c", script, running=False, restartPolicy="Never" if n % 2 else "Always")
                self.made.append(name)
            except (OSError, http.client.HTTPException, ApiError, ValueError):
                return


def shims(cluster):
    out = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                first = f.read().split(b"\0")[0].decode()
        except OSError:
            continue
        if first.startswith(f"{cluster.state}/data/") and "/shim-" in first:
            out.append(path)
    return out


def left(cluster, uids):
    """What is left on the node of these pods."""
    with open("/proc/self/mountinfo") as f:
        things = [line.split()[4] for line in f if line.split()[4].startswith(cluster.state) and any(u in line for u in uids)]
    for root in ("run/pods", "kubelet/pods", "data/agent/pods"):
        things += [f"{root}/{u}" for u in uids if os.path.exists(f"{cluster.state}/{root}/{u}")]
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        things += [f"{root}/{d}" for d in folders if d.startswith("pod") and d[3:] in uids]
    return things


def veths():
    return [line.split(":")[1].strip() for line in run(["ip", "-o", "link", "show", "type", "veth"]).stdout.splitlines()]


def quiet(cluster):
    """Nothing of earlier tests is on its way out."""
    cluster.wait_all("/api/v1/pods", lambda pods: not pods)
    until("nothing is left of earlier pods", lambda: not seen(cluster, "*") and not shims(cluster))


def check_running(cluster, ns, names, before):
    for name in names:
        pod = cluster.wait_running(ns, name)
        status = pod["status"]["containerStatuses"][0]
        assert status["restartCount"] == 0 and not dig(status, "lastState"), (name, status)
        container = status["containerID"].partition("://")[2]
        pids = cluster.pod_pids(pod)
        assert pids and len(seen(cluster, f"{pod['metadata']['uid']}/containers/*")) == 1, f"pod {name} has several containers"
        if container in before:
            pid, since = before.pop(container)
            assert pid in pids and start_time(pid) == since, f"another process runs in {name}"
    assert not before, f"containers that were made run no longer: {before}"


def test_pods_started_and_ended_through_kills(cluster):
    """Seven kills while fifteen pods start: each runs with its first PID, never restarted. Three while they end: nothing is left."""
    quiet(cluster)
    links = len(veths())
    for n, (form, count) in enumerate(WHILE_THEY_START):
        ns = cluster.namespace(f"kill{n}")
        creator = Creator(cluster, ns)
        creator.start()
        await_sight(cluster, form, count)
        cluster.server.kill()
        creator.join()
        before = containers(cluster)
        cluster.server.start()
        cluster.wait_node_ready()
        pods = cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"]
        names = [p["metadata"]["name"] for p in pods]
        assert set(creator.made) <= set(names), "an acknowledged pod is gone"
        check_running(cluster, ns, names, before)
        uids = [p["metadata"]["uid"] for p in pods]
        cluster.delete(f"/api/v1/namespaces/{ns}/pods?gracePeriodSeconds=1")
        if n < len(WHILE_THEY_END):
            form, count = WHILE_THEY_END[n]
            await_sight(cluster, form, min(count, len(pods)), over=lambda: len(seen(cluster, "*")) < len(pods))
            cluster.server.kill()
            cluster.server.start()
            cluster.wait_node_ready()
        cluster.wait_all(f"/api/v1/namespaces/{ns}/pods", lambda items: not items)
        try:
            until("all is given back", lambda: not left(cluster, uids) and not shims(cluster) and len(veths()) == links)
        except AssertionError:
            raise AssertionError(f"left: {left(cluster, uids)} {shims(cluster)} {veths()}") from None


def test_open_files(cluster):
    """The server opens as many files as its hard limit allows; the shims, and with them what the runtime passes on, have its first soft limit."""
    def soft_and_hard(folder):
        with open(f"{folder}/limits") as f:
            return next(line.split()[3:5] for line in f if line.startswith("Max open files"))
    quiet(cluster)
    assert cluster.server.stop() == 0
    cluster.server.prefix = ["sh", "-c", 'ulimit -Sn 1000; exec "$@"', "sh"]
    try:
        cluster.server.start()
        soft, hard = soft_and_hard(f"/proc/{cluster.server.process.pid}")
        assert soft == hard != "1000", (soft, hard)
        ns = cluster.namespace("files")
        cluster.pod(ns, "sleeper", "sleep", "3600")
        assert [soft_and_hard(os.path.dirname(s)) for s in shims(cluster)] == [["1000", hard]]
        cluster.move_node(NODE_ADDRESS, "192.0.2.77")  # it begins anew, with what it had
        try:
            cluster.pod(ns, "another", "sleep", "3600")
            assert [soft_and_hard(os.path.dirname(s)) for s in shims(cluster)] == [["1000", hard]] * 2
        finally:
            cluster.move_node("192.0.2.77", NODE_ADDRESS)
    finally:
        cluster.server.prefix = []
        cluster.server.stop()
        cluster.server.start()
        cluster.wait_node_ready()
