"""The containers outlive the process that started them. These tests stop the server, so they come last."""
import json
import os

from cluster import Api, dig, run, start_time, until

COUNTER = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done"


def counter_has_no_gap(text):
    numbers = [int(line) for line in text.split()]
    assert numbers == list(range(len(numbers))), f"{len(numbers)} lines, the first wrong one is {next(i for i, n in enumerate(numbers) if i != n)}"
    return len(numbers)


def snapshot(cluster, ns):
    pod = cluster.wait_running(ns, "counter")
    pid = cluster.main_pid(pod)
    return pod, pid, start_time(pid)


def check_adopted(cluster, ns, before):
    pod, pid, since = before
    now = cluster.wait_running(ns, "counter")
    assert cluster.main_pid(now) == pid and start_time(pid) == since, "another process runs in the container"
    old, new = pod["status"]["containerStatuses"][0], now["status"]["containerStatuses"][0]
    assert new["containerID"] == old["containerID"] and new["restartCount"] == 0 and new["state"] == old["state"], (old, new)
    count = counter_has_no_gap(cluster.log(ns, "counter"))
    until("the log goes on", lambda: counter_has_no_gap(cluster.log(ns, "counter")) > count + 5)
    assert cluster.exec(ns, "counter", "echo", "alive").stdout == "alive\n"


def test_adoption_after_kill(cluster):
    """The same PID and a log without gap after kill -9 of the server, three times, also while a pod starts."""
    ns = cluster.namespace("adopt")
    cluster.pod(ns, "counter", "sh", "-c", COUNTER)
    before = snapshot(cluster, ns)
    for n in range(3):
        cluster.pod(ns, f"starting-{n}", "sleep", "3600", running=False)
        cluster.server.kill()
        written = len(open_log(cluster, before[0]))
        until("the container writes on without a server", lambda: len(open_log(cluster, before[0])) > written)
        cluster.server.start()
        cluster.wait_node_ready()
        check_adopted(cluster, ns, before)
        started = cluster.wait_running(ns, f"starting-{n}")
        assert len({p for p in cluster.pod_pids(started)}) == 1, "the pod runs twice"


def test_server_in_a_chroot(cluster):
    """Commands run in the container, not at the root of the mount namespace that the chroot stands in; the next server goes on with it."""
    inner = os.path.join(cluster.state, "chroot")
    os.mkdir(inner)
    cluster.wait_all("/api/v1/pods", lambda pods: not pods)  # those of earlier tests: their mounts are in the way
    until("nothing is left of earlier pods", lambda: not os.listdir(f"{cluster.state}/run/pods"))
    assert cluster.server.stop() == 0
    run(["mount", "--rbind", "/", inner])
    cluster.server.prefix = ["chroot", inner]
    try:
        cluster.server.start()
        ns = cluster.namespace("chroot")
        cluster.pod(ns, "counter", "sh", "-c", COUNTER)
        before = snapshot(cluster, ns)
        assert cluster.exec(ns, "counter", "readlink", "/bin/sh").stdout == "busybox\n", "not the container's files"
        cluster.server.kill()
        cluster.server.start()
        check_adopted(cluster, ns, before)
        cluster.kubectl("delete", "pod", "counter", "--now", ns=ns)
        cluster.wait(f"/api/v1/namespaces/{ns}/pods", "counter", lambda p: p is None)
        assert cluster.server.stop() == 0
    finally:
        cluster.server.prefix = []
        if cluster.server.process.poll() is None:
            cluster.server.stop()
        run(["umount", "--recursive", "--lazy", inner])
        os.rmdir(inner)
        cluster.server.start()
        cluster.wait_node_ready()


def open_log(cluster, pod):
    name = f"{pod['metadata']['namespace']}_{pod['metadata']['name']}_{pod['metadata']['uid']}"
    with open(f"{cluster.state}/log/pods/{name}/main/0.log", "rb") as f:
        return f.read()


def test_restart_keeps_everything(cluster):
    ns = cluster.namespace("restart")
    cluster.pod(ns, "counter", "sh", "-c", COUNTER)
    cluster.deployment(ns, replicas=1)
    before = snapshot(cluster, ns)
    version = int(cluster.get(f"/api/v1/namespaces/{ns}")["metadata"]["resourceVersion"])
    uids = {p["metadata"]["uid"] for p in cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"]}
    assert cluster.server.stop() == 0
    cluster.server.start()
    cluster.wait_node_ready()
    check_adopted(cluster, ns, before)
    assert {p["metadata"]["uid"] for p in cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"]} == uids
    made = cluster.create(f"/api/v1/namespaces/{ns}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "after"}})
    connection, answer = cluster.api.open("GET", "/api/v1/configmaps?watch=1&resourceVersion=1")
    event = json.loads(answer.readline()) if answer.status == 200 else {"type": "ERROR", "object": json.loads(answer.read())}
    connection.close()
    assert event["type"] == "ERROR" and event["object"]["code"] == 410 and event["object"]["reason"] == "Expired", event
    assert int(made["metadata"]["resourceVersion"]) > version, "revisions went back"


def test_container_that_ends_while_the_server_is_away(cluster):
    ns = cluster.namespace("away")
    cluster.pod(ns, "brief", "sh", "-c", "echo up; while [ ! -e /tmp/end ]; do sleep 0.05; done; exit 6", restartPolicy="Never")
    cluster.exec(ns, "brief", "sh", "-c", "(sleep 1; touch /tmp/end) >/dev/null 2>&1 &")
    pod = cluster.get(f"/api/v1/namespaces/{ns}/pods/brief")
    cluster.server.kill()
    until("it has ended", lambda: not cluster.pod_pids(pod))
    cluster.server.start()
    ended = cluster.wait_pod(ns, "brief", lambda p: dig(p, "status", "phase") == "Failed")
    assert ended["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 6, ended["status"]


def test_deleted_pod_is_cleaned_after_a_kill(cluster):
    ns = cluster.namespace("cleaned")
    pod = cluster.pod(ns, "slow", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", terminationGracePeriodSeconds=3)
    cluster.delete(f"/api/v1/namespaces/{ns}/pods/slow")
    cluster.server.kill()
    cluster.server.start()
    cluster.wait_pod(ns, "slow", lambda p: p is None)
    assert not cluster.pod_pids(pod)


def test_acknowledged_writes_survive_a_kill(cluster):
    ns = cluster.namespace("durable")
    path = f"/api/v1/namespaces/{ns}/configmaps"
    for n in range(3):
        names = [cluster.create(path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{n}-{i}"}})["metadata"]["name"] for i in range(20)]
        cluster.server.kill()
        cluster.server.start()
        have = {i["metadata"]["name"] for i in cluster.get(path)["items"]}
        assert set(names) <= have, set(names) - have
