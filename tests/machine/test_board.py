"""What only a real kernel shows: cgroups of version 2, nftables with nothing loaded before, a power cut, a clock of 1970."""
import contextlib
import http.client
import json
import re
import threading
import time

from board import EPOCH, NODE
from cluster import Api, IMAGE2, PAGE, PAGE2, ROOT, condition, dig, fetch_until, page_from_pod, until

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
CONFIGMAPS = "/api/v1/namespaces/durable/configmaps"
COUNTER = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done"
WRITERS = 4
WRITES = 120  # acknowledged before the power is cut


def resources(cpu, memory, cpu_limit, memory_limit):
    out = {"requests": {"cpu": cpu, "memory": memory}}
    if cpu_limit:
        out["limits"] = {"cpu": cpu_limit, "memory": memory_limit}
    return out


def test_limits_in_cgroups_of_version_2(board):
    board.up()
    assert "memory" in board.shell("cat /sys/fs/cgroup/cgroup.controllers").split(), "this is not version 2"
    ns = board.namespace("limits")
    cases = [  # name, resources, QoS class, folder, cpu.max, cpu.weight, memory.max
        ("guaranteed", resources("500m", "64Mi", "500m", "64Mi"), "Guaranteed", "", "50000 100000", "20", str(64 << 20)),
        ("limited", resources("250m", "32Mi", "500m", "48Mi"), "Burstable", "/burstable", "50000 100000", "10", str(48 << 20)),
        ("requesting", resources("100m", "32Mi", None, None), "Burstable", "/burstable", "max 100000", "4", "max"),
        ("modest", {}, "BestEffort", "/besteffort", "max 100000", "1", "max"),
    ]
    for name, wanted, *_ in cases:
        board.pod(ns, name, "sleep", "3600", running=False, container={"resources": wanted})
    for name, _, qos, folder, cpu_max, weight, memory in cases:
        pod = board.wait_running(ns, name)
        assert pod["status"]["qosClass"] == qos, (name, pod["status"])
        uid, container = pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
        path = f"/kubepods{folder}/pod{uid}"
        for cgroup in (path, f"{path}/{container}"):
            files = {f: board.shell(f"cat /sys/fs/cgroup{cgroup}/{f}").strip() for f in ("cpu.max", "cpu.weight", "memory.max", "pids.max")}
            assert files == {"cpu.max": cpu_max, "cpu.weight": weight, "memory.max": memory, "pids.max": "max"}, (name, cgroup, files)
        pid = board.pids(pod)[0][0]
        assert board.shell(f"cat /proc/{pid}/cgroup").strip() == f"0::{path}/{container}", name
    board.delete(f"/api/v1/namespaces/{ns}/pods/limited?gracePeriodSeconds=1")
    board.wait_pod(ns, "limited", lambda p: p is None)
    names = board.shell("find /sys/fs/cgroup -type d -name 'pod*'").split()
    assert len(names) == len(cases) - 1, names
    tree = {f: board.shell(f"cat /sys/fs/cgroup/kubepods/{f}").strip() for f in ("cpu.weight", "burstable/cpu.weight", "besteffort/cpu.weight")}
    assert tree == {"cpu.weight": "79", "burstable/cpu.weight": "4", "besteffort/cpu.weight": "1"}, tree
    own = board.shell(f"cat /proc/{board.bramble_pid()}/cgroup").strip()
    assert own == "0::/system.slice/bramble.service", own


def test_memory_limit_kills_in_version_2(board):
    board.up()
    ns = board.namespace("oom")
    board.pod(ns, "eater", "sh", "-c", "tail /dev/zero", running=False, restartPolicy="Never", container={"resources": {"limits": {"memory": "16Mi"}}})
    pod = board.wait_pod(ns, "eater", lambda p: dig(p, "status", "phase") == "Failed")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["reason"] == "OOMKilled" and ended["exitCode"] == 137, ended


def test_service_through_nftables(board):
    board.up()
    board.kubectl("apply", "-f", f"{ROOT}/provision/sample/web.yaml")
    board.wait_deployment("default", "web", 2)
    assert fetch_until(f"http://127.0.0.1:{board.port + 2}/").strip() == PAGE  # through qemu to the node's port
    address = board.get("/api/v1/namespaces/default/services/web")["spec"]["clusterIP"]
    assert board.shell(f"wget -q -O - http://{address}/").strip() == PAGE
    board.pod("default", "client", "sleep", "3600")
    # Several times: to an endpoint on the same bridge, whichever it is, the answer takes the way back.
    for _ in range(4):
        assert page_from_pod(board, "default", "client", address, 80).strip() == PAGE
    answer = board.exec("default", "client", "nslookup", "web.default.svc.cluster.local").stdout
    assert f"Address: {address}" in [line.strip() for line in answer.splitlines()], answer


def test_logs_and_exec(board):
    board.up()
    ns = board.namespace("talk")
    board.pod(ns, "talker", "sh", "-c", "echo one; echo two >&2; exec sleep 3600")
    assert board.kubectl("logs", "talker", ns=ns).stdout == "one\ntwo\n"
    done = board.exec(ns, "talker", "sh", "-c", "cat; uname -m; exit 42", input="in and out\n", check=False, flags=["-i"])
    assert (done.returncode, done.stdout) == (42, "in and out\naarch64\n"), done
    node = board.get(f"/api/v1/nodes/{NODE}")
    assert node["metadata"]["labels"]["kubernetes.io/arch"] == "arm64" and node["status"]["nodeInfo"]["architecture"] == "arm64", node["status"]["nodeInfo"]


def test_adoption_after_kill(board):
    board.up()
    ns = board.namespace("adopt")
    before = board.pod(ns, "counter", "sh", "-c", COUNTER)
    processes, killed = board.pids(before), board.bramble_pid()
    board.shell(f"kill -9 {killed}")
    until("another bramble", lambda: board.shell("pidof bramble || true").split() not in ([], [str(killed)]))
    ready, started = board.wait_ready()
    now = board.wait_running(ns, "counter")
    assert board.pids(now)[0] == processes[0], "another process runs in the container"
    old, new = before["status"]["containerStatuses"][0], now["status"]["containerStatuses"][0]
    assert new["containerID"] == old["containerID"] and new["restartCount"] == 0 and new["state"] == old["state"], (old, new)
    numbers = [int(line) for line in board.log(ns, "counter").split()]
    assert numbers == list(range(len(numbers))), "the log has a gap"
    assert board.exec(ns, "counter", "echo", "alive").stdout == "alive\n"
    board.later_start(ready - started)


class Writer(threading.Thread):
    """Creates, changes and deletes ConfigMaps over one connection until the connection breaks; knows what was acknowledged."""

    def __init__(self, board, number, count):
        super().__init__(daemon=True)
        self.board, self.number, self.count = board, number, count
        self.acknowledged = {}  # name -> its value, None when it is deleted
        self.open = {}          # the one that was under way at the end
        self.revision = 0

    def run(self):
        connection = http.client.HTTPSConnection("127.0.0.1", self.board.port, context=self.board.api.tls)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            for n in range(1 << 30):
                name = f"w{self.number}-{n}"
                self.write(connection, "POST", name, "first")
                if n % 2 == 0:
                    self.write(connection, "PATCH", name, "second")
                if n % 3 == 0:
                    self.write(connection, "DELETE", name, None)

    def write(self, connection, method, name, value):
        self.open = {name: value}
        path = CONFIGMAPS if method == "POST" else f"{CONFIGMAPS}/{name}"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}}
        content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
        connection.request(method, path, None if value is None else json.dumps(body), {"Content-Type": content_type})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        assert answer.status < 300, said
        self.acknowledged[name], self.open = value, {}
        self.revision = max(self.revision, int(said["metadata"].get("resourceVersion", 0)) if said["kind"] == "ConfigMap" else 0)
        self.count.release()


def test_power_cut_loses_nothing_acknowledged(board):
    """In the middle of a load; then another start, on a board whose clock is lost with the power."""
    board.up()
    if not any(d["metadata"]["name"] == "web" for d in board.get("/apis/apps/v1/namespaces/default/deployments")["items"]):
        board.deployment("default")
    board.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "durable"}})
    board.wait(CONFIGMAPS, "kube-root-ca.crt", bool)
    before = {p["metadata"]["uid"]: p for p in board.get("/api/v1/pods")["items"]}
    acknowledged, flushes = threading.Semaphore(0), board.flushes()
    writers = [Writer(board, n, acknowledged) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for _ in range(WRITES // 2):
        assert acknowledged.acquire(timeout=60), "the writers make no progress"
    flushed = board.flushes() - flushes
    for _ in range(WRITES // 2):
        assert acknowledged.acquire(timeout=60), "the writers make no progress"
    board.cut()
    for writer in writers:
        writer.join()

    board.boot(clock=EPOCH)
    board.wait_ready()
    listed = board.get(CONFIGMAPS)
    have = {c["metadata"]["name"]: c["data"]["value"] for c in listed["items"] if c["metadata"]["name"].startswith("w")}
    for writer in writers:
        for name, value in writer.acknowledged.items():
            allowed = [value] + ([writer.open[name]] if name in writer.open else [])
            assert have.get(name) in allowed, f"{name} is {have.get(name)}, acknowledged was {value}"
        assert int(listed["metadata"]["resourceVersion"]) >= writer.revision, "revisions went back"
    known = {n for w in writers for n in (*w.acknowledged, *w.open)}
    assert set(have) <= known, set(have) - known
    assert sum(len(w.acknowledged) for w in writers) > WRITES // 4
    # A group of writes may share a flush, one writer's writes never do.
    assert flushed >= WRITES // 2 // WRITERS, f"{flushed} flushes"
    # What ran runs again, as the same pods with new containers; what had ended stays ended.
    def back(items):
        if {p["metadata"]["uid"] for p in items} != set(before):
            return False
        return all(p["status"]["phase"] == old["status"]["phase"] and (
            old["status"]["phase"] != "Running" or (condition(p, "Ready").get("status") == "True"
            and p["status"]["containerStatuses"][0]["restartCount"] == old["status"]["containerStatuses"][0]["restartCount"] + 1))
            for p in items for old in [before[p["metadata"]["uid"]]])
    board.wait_all("/api/v1/pods", back)
    assert fetch_until(f"http://127.0.0.1:{board.port + 2}/").strip() == PAGE


def test_power_cut_after_an_import(board):
    """The image came a moment ago, the pods that wait for it begin to start: nothing is half there."""
    board.up()
    ns = board.namespace("cut")
    pod = {"metadata": {"labels": {"app": "two"}}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "web", "image": IMAGE2}]}}
    board.create(f"/apis/apps/v1/namespaces/{ns}/deployments", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "two"},
                 "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "two"}}, "template": pod}})
    def waiting(p):
        return dig(p, "status", "containerStatuses", 0, "state", "waiting", "reason") in ("ErrImagePull", "ImagePullBackOff")
    board.wait_all(f"/api/v1/namespaces/{ns}/pods", lambda items: len(items) == 3 and all(map(waiting, items)))
    board.bramble("images", "import", "/root/web2.tar")
    board.cut()
    board.boot(clock=board.clock)
    board.wait_ready()
    board.wait_deployment(ns, "two", 3)
    wanted = board.shell("sha256sum </bin/busybox")
    for p in board.get(f"/api/v1/namespaces/{ns}/pods")["items"]:
        name = p["metadata"]["name"]
        assert board.exec(ns, name, "sh", "-c", "sha256sum </bin/busybox").stdout == wanted, name
        assert board.exec(ns, name, "cat", "/www/index.html").stdout.strip() == PAGE2, name


def works_in_1970_and_after(board):
    """Pods, exec and tokens while the board believes in 1970, and after it has got the time."""
    assert board.shell("date +%Y").strip() == "1970"
    ns = board.namespace("old")
    board.pod(ns, "early", "sleep", "3600")
    assert board.exec(ns, "early", "date", "+%Y").stdout.strip() == "1970"
    account = f"system:serviceaccount:{ns}:default"
    token = token_of(board, ns, "early")
    assert who(board, token) == account
    began = condition(board.get(f"/api/v1/nodes/{NODE}"), "Ready")["lastTransitionTime"]
    lease = board.get(f"{LEASES}/{NODE}")
    board.shell(f"date -s @{int(time.time())}")
    renewed = board.wait(LEASES, NODE, lambda l: l["spec"]["renewTime"] > "2000")
    assert renewed["metadata"]["uid"] == lease["metadata"]["uid"], "another lease"
    assert who(board, token) == account, "the token that the pod has got"
    board.pod(ns, "late", "sleep", "3600")
    assert who(board, token_of(board, ns, "late")) == account
    early = board.wait_running(ns, "early")
    assert early["status"]["containerStatuses"][0]["restartCount"] == 0, early["status"]
    assert board.exec(ns, "early", "date", "+%Y").stdout.strip() > "2000"
    ready = condition(board.get(f"/api/v1/nodes/{NODE}"), "Ready")
    assert ready["status"] == "True" and ready["lastTransitionTime"] == began, ready


def token_of(board, ns, pod):
    return board.exec(ns, pod, "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token").stdout


def who(board, token):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    code, said = Api(board.server.kubeconfig, board.port, token=token).call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    return said["status"]["userInfo"]["username"] if code == 201 else (code, said)


def test_clock_that_falls_to_1970(board):
    """A Pi wakes in 1970 after it has been in the present, and gets the time once the network is there."""
    board.up()
    if board.clock != EPOCH:
        board.cut()
        board.boot(clock=EPOCH)
        board.wait_ready()
    works_in_1970_and_after(board)


def test_no_memory_cgroup_names_the_file(bare):
    """A Pi's kernel as it is delivered: a refusal that says what to do, and nothing is made on the machine."""
    bare.boot(clock=EPOCH, kernel_arguments="cgroup_disable=memory")
    bare.wait_shell()
    bare.shell("mkdir -p /boot/firmware; touch /boot/firmware/cmdline.txt")
    until("the server's refusal", lambda: bare.shell("cat /run/ended 2>/dev/null || true").strip() == "1")
    said = set(bare.shell("cat /var/log/bramble.log").splitlines())
    advice = 'the memory cgroup is off in this kernel; add "cgroup_memory=1 cgroup_enable=memory" to the one line of'
    assert said and all(re.fullmatch(rf"bramble: server: {advice} /boot/firmware/(current/)?cmdline.txt and reboot", line) for line in said), said
    assert bare.shell("ls -A /var/lib/bramble /etc/bramble /run/bramble 2>/dev/null; ls /sys/class/net").split() == ["eth0", "lo"]
    assert "10.43.0.10" not in bare.shell("ip address show dev lo")
    bare.cut()


def test_first_start_in_1970(bare):
    """A new card in a board that has never had the time."""
    bare.boot(clock=EPOCH)
    bare.wait_ready()
    bare.bramble("images", "import", "/root/web.tar")
    works_in_1970_and_after(bare)


def test_clock_that_jumps_beyond_certificates(bare):
    """An old card: what was issued as of the release's date is over once the board has the time. All of it is issued again."""
    if not bare.qemu:
        bare.boot(clock=EPOCH)
        bare.wait_ready()
        bare.bramble("images", "import", "/root/web.tar")
    ns = bare.namespace("beyond")
    bare.pod(ns, "reader", "sleep", "3600")
    old, pid = bare.shell("cat /etc/bramble/bramble.yaml"), bare.bramble_pid()
    old_token = token_of(bare, ns, "reader")
    bare.shell(f"date -s @{int(time.time()) + 3 * 365 * 24 * 3600}")
    until("another kubeconfig", lambda: bare.shell("cat /etc/bramble/bramble.yaml") != old)
    bare.wait_ready()
    assert bare.bramble_pid() == pid, "another process"
    assert who(bare, old_token)[0] == 401
    until("a token that is good again", lambda: who(bare, token_of(bare, ns, "reader")) == f"system:serviceaccount:{ns}:default")
    reader = bare.wait_running(ns, "reader")
    assert reader["status"]["containerStatuses"][0]["restartCount"] == 0, reader["status"]
