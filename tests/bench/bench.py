"""Measures one server by what the kernel says of its processes (proc(5)). Called by run.sh, inside its namespaces."""
import contextlib
import gc
import http.client
import json
import os
import shutil
import socket
import statistics
import struct
import sys
import threading
import time

sys.path.insert(0, os.environ["BRAMBLE_E2E_ROOT"] + "/tests/e2e")
import kube_protobuf as protobuf  # noqa: E402
from cluster import BINARY, IMAGE, ROOT, Cluster, condition, run, until  # noqa: E402

IDLE_SECONDS = float(os.environ.get("BENCH_IDLE_SECONDS", "30"))
BURST = int(os.environ.get("BENCH_PODS", "100"))


def say(name, value):
    print(f"{name:58} {value}", flush=True)


def read(path):
    with open(path) as f:
        return f.read()


# ---- what the kernel knows of our processes

def ours(cluster):
    """(pid, is shim) of each process of bramble: the server, and the shims by the name of their program."""
    found = [(cluster.server.process.pid, False)]
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(name)
            if pid != cluster.server.process.pid and "shim" in read(f"/proc/{pid}/comm"):
                found.append((pid, True))
    return found


def rollup(pid, field):
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])  # kB
    return 0


def cpu_seconds(pid):
    """CPU seconds of a process, threads that ended too: its CPU clock (clock_getcpuclockid(3) in Linux' encoding)."""
    return time.clock_gettime((~pid << 3) | 2)


def switches(pid):
    """Of each thread: how often it went to sleep, which is how often it woke."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            for line in read(f"/proc/{pid}/task/{task}/status").splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    found[task] = int(line.split()[1])
    return found


def woken(before, after):
    return sum(count - before.get(task, 0) for task, count in after.items())


def written(pid):
    for line in read(f"/proc/{pid}/io").splitlines():
        if line.startswith("write_bytes"):
            return int(line.split()[1])
    return 0


# ---- parts

def size(_):
    say("bytes of the binary", f"{os.path.getsize(BINARY):,}")
    for arch in ("arm64", "armhf", "armv6"):
        path = f"{ROOT}/build/{arch}/bramble"
        if os.path.exists(path):
            say(f"bytes of the binary, {arch}", f"{os.path.getsize(path):,}")


def start(cluster):
    for attempt in ("first", "second"):
        began = time.monotonic()
        cluster.start()
        ready = time.monotonic() - began
        cluster.wait_node_ready()
        say(f"{attempt} start to /readyz", f"{ready:.2f} s")
        say(f"{attempt} start to node Ready as a client sees it", f"{time.monotonic() - began:.2f} s")
        if attempt == "first":
            cluster.wait_all("/api/v1/namespaces", lambda items: len(items) >= 4)
            cluster.server.stop()


def idle(cluster):
    time.sleep(5)  # what the start left to do
    before = [(pid, cpu_seconds(pid), switches(pid), written(pid)) for pid, _ in ours(cluster)]
    time.sleep(IDLE_SECONDS)
    after = {pid: (cpu_seconds(pid), switches(pid), written(pid)) for pid, *_ in before}
    pss = sum(rollup(pid, "Pss") for pid, *_ in before)
    say("idle PSS, all processes of ours", f"{pss / 1024:.1f} MB ({len(before)} processes)")
    say("  anonymous memory of the server", f"{rollup(cluster.server.process.pid, 'Pss_Anon') / 1024:.1f} MB")
    say("idle CPU", f"{100 * sum(after[p][0] - c for p, c, _, _ in before) / IDLE_SECONDS:.3f}% of a core")
    say("idle wake-ups", f"{sum(woken(s, after[p][1]) for p, _, s, _ in before) / IDLE_SECONDS:.1f} a second")
    say("idle writes to disk", f"{sum(after[p][2] - w for p, _, _, w in before) * 60 / IDLE_SECONDS / 1024:.0f} kB a minute")


def create_pods(cluster, ns, names, container=None):
    """Seconds from create to Running, as a watch sees it, of each pod; and from the first create to the last Running."""
    began, done = {}, {}
    items = cluster.get(f"/api/v1/namespaces/{ns}/pods")
    def watch():
        for event in cluster.api.watch(f"/api/v1/namespaces/{ns}/pods", items["metadata"]["resourceVersion"], 120):
            pod = event["object"]
            name = pod["metadata"]["name"]
            if name in names and name not in done and condition(pod, "Ready").get("status") == "True":
                done[name] = time.monotonic()
                if len(done) == len(names):
                    return
    watcher = threading.Thread(target=watch)
    watcher.start()
    connection = None
    for name in names:
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [container or {"name": "c", "image": IMAGE, "command": ["sleep", "100000"]}]}}
        if connection is None:
            connection = http.client.HTTPSConnection("127.0.0.1", cluster.server.port, context=cluster.api.tls)
        began[name] = time.monotonic()
        connection.request("POST", f"/api/v1/namespaces/{ns}/pods", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 201, answer.status
    watcher.join()
    return sorted(done[n] - began[n] for n in names if n in done), max(done.values(), default=0) - min(began.values())


def remove_pods(cluster, ns):
    cluster.delete(f"/api/v1/namespaces/{ns}/pods?gracePeriodSeconds=0")
    cluster.wait_all(f"/api/v1/namespaces/{ns}/pods", lambda items: not items)


def pods(cluster, runtime="runc"):
    cluster.import_images()
    ns = cluster.namespace("bench")
    single = [seconds for i in range(5) for seconds in create_pods(cluster, ns, [f"one-{i}"])[0]]
    if len(single) < 5:
        failed = [e["message"] for e in cluster.get(f"/api/v1/namespaces/{ns}/events")["items"] if e["reason"] == "Failed"]
        raise AssertionError(failed[-1] if failed else "a pod did not become Ready")
    say(f"create to Running and Ready, one pod, {runtime}", f"median {statistics.median(single):.2f} s of {len(single)}, worst {max(single):.2f} s")
    server = cluster.server.process.pid
    cpu = cpu_seconds(server)
    many, whole = create_pods(cluster, ns, [f"many-{i}" for i in range(BURST)])
    say(f"create to Running and Ready, {BURST} pods at once, {runtime}",
        f"median {statistics.median(many):.2f} s, last {many[-1]:.2f} s; all {whole:.2f} s after the first create" if len(many) == BURST else f"only {len(many)} became Ready")
    say("  CPU of the server a pod", f"{1000 * (cpu_seconds(server) - cpu) / BURST:.1f} ms")
    shims = [pid for pid, shim in ours(cluster) if shim]
    if shims:
        private = [rollup(p, "Private_Clean") + rollup(p, "Private_Dirty") for p in shims]
        say("private memory a shim", f"median {statistics.median(private):.0f} kB, PSS {statistics.median(rollup(p, 'Pss') for p in shims):.0f} kB ({len(shims)})")
    say(f"PSS of the server with {len(shims)} pods", f"{rollup(server, 'Pss') / 1024:.1f} MB")
    if runtime == "runc":
        idle_with_pods(cluster, shims)
        scrapes(cluster)
    remove_pods(cluster, ns)


def idle_with_pods(cluster, shims):
    time.sleep(3)
    watched = [cluster.server.process.pid, *shims]
    before = {p: cpu_seconds(p) for p in watched}
    time.sleep(10)
    say(f"CPU with {len(shims)} pods", f"{100 * sum(cpu_seconds(p) - before[p] for p in watched) / 10:.3f}% of a core")


def probes(cluster):
    """Pods that are probed each second by HTTP; then a few whose probe is a command, which the runtime starts anew each time."""
    cluster.import_images()
    ns = cluster.namespace("bench-probes")
    server = cluster.server.process.pid
    for what, probe, count in (("exec", {"exec": {"command": ["true"]}}, 5), ("httpGet", {"httpGet": {"port": 80, "path": "/"}}, BURST)):
        container = {"name": "c", "image": IMAGE, "readinessProbe": {**probe, "periodSeconds": 1}}
        create_pods(cluster, ns, [f"{what.lower()}-{i}" for i in range(count)], container)
        time.sleep(3)
        shims = [pid for pid, shim in ours(cluster) if shim]
        before = {p: cpu_seconds(p) for p in [server, *shims]}
        time.sleep(10)
        cpu = {p: cpu_seconds(p) - c for p, c in before.items()}
        say(f"CPU of {count} pods with a probe a second, {what}", f"server {10 * cpu.pop(server):.2f}% of a core, shims {10 * sum(cpu.values()):.2f}%")
        remove_pods(cluster, ns)


def scrapes(cluster):
    """What it costs to be asked. A reading is shared by those who ask within a second."""
    server, count = cluster.server.process.pid, 10
    proxy = f"/api/v1/nodes/{cluster.get('/api/v1/nodes')['items'][0]['metadata']['name']}/proxy"
    for path in (f"{proxy}/metrics/resource", f"{proxy}/metrics/cadvisor", f"{proxy}/stats/summary", "/apis/metrics.k8s.io/v1beta1/pods"):
        cluster.api.get(path, parse=False)
        cpu, size = 0, 0
        for _ in range(count):
            time.sleep(1.1)
            before = cpu_seconds(server)
            size = len(cluster.api.get(path, parse=False)[1])
            cpu += cpu_seconds(server) - before
        say(f"CPU of the server a GET of {path.replace(proxy, '')} with {BURST} pods", f"{1000 * cpu / count:.1f} ms, with its TLS handshake; {size} bytes")


class Connections:
    """Eight connections, each with its thread, each asking in turn."""

    def __init__(self, cluster, count=8):
        self.cluster, self.count = cluster, count
        self.open = []
        for _ in range(count):
            connection = http.client.HTTPSConnection("127.0.0.1", cluster.server.port, context=cluster.api.tls)
            connection.request("GET", "/version")
            connection.getresponse().read()
            self.open.append(connection)

    def measure(self, what, requests, media_type="application/json"):
        """requests(i) gives (method, path, body) or None at the end. Prints the server's CPU and the rate."""
        pid = self.cluster.server.process.pid
        wrong, lock, at, latencies = [], threading.Lock(), [0], []
        def work(connection):
            while True:
                with lock:
                    i, at[0] = at[0], at[0] + 1
                request = requests(i)
                if request is None:
                    return
                method, path, body = request
                began = time.monotonic()
                sent = "application/apply-patch+yaml" if method == "PATCH" else media_type
                connection.request(method, path, body, {"Accept": media_type, **({"Content-Type": sent} if body else {})})
                answer = connection.getresponse()
                answer.read()
                latencies.append(time.monotonic() - began)
                if answer.status >= 300:
                    wrong.append(answer.status)
        cpu, began = cpu_seconds(pid), time.monotonic()
        threads = [threading.Thread(target=work, args=(c,)) for c in self.open]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        took, count = time.monotonic() - began, len(latencies)
        latencies.sort()
        say(f"{what}: CPU of the server each", f"{1000 * (cpu_seconds(pid) - cpu) / count:.2f} ms; {count / took:.0f} a second, "
            f"median {1000 * latencies[count // 2]:.1f} ms, p99 {1000 * latencies[min(count - 1, count * 99 // 100)]:.1f} ms" + (f"; {len(wrong)} refused" if wrong else ""))


def api(cluster):
    ns = cluster.namespace("bench-api")
    path = f"/api/v1/namespaces/{ns}/configmaps"
    data = "x" * 1024
    def created(i):
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{i:05}"}, "data": {"d": data}})
        return ("POST", path, body) if i < 2000 else None
    connections = Connections(cluster)
    connections.measure("create of a ConfigMap of 1 KiB, 8 connections", created)
    connections.measure("get of one", lambda i: ("GET", f"{path}/c{i % 2000:05}", None) if i < 4000 else None)
    connections.measure("LIST of 2000", lambda i: ("GET", path, None) if i < 80 else None)
    in_protobuf = lambda i: protobuf.encode({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"p{i:05}"}, "data": {"d": data}})
    kind = protobuf.MEDIA_TYPE
    connections.measure("get of one in protobuf", lambda i: ("GET", f"{path}/c{i % 2000:05}", None) if i < 4000 else None, kind)
    connections.measure("LIST of 2000 in protobuf", lambda i: ("GET", path, None) if i < 80 else None, kind)
    connections.measure("create in protobuf", lambda i: ("POST", path + "?dryRun=All", in_protobuf(i)) if i < 2000 else None, kind)
    connections.measure("  and in JSON", lambda i: ("POST", path + "?dryRun=All", json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"p{i:05}"}, "data": {"d": data}})) if i < 2000 else None)
    say("PSS of the server with 2000 ConfigMaps", f"{rollup(cluster.server.process.pid, 'Pss') / 1024:.1f} MB")
    pods_held(cluster, connections)
    applies(cluster, ns, connections)
    handshakes(cluster)
    watchers(cluster, path)


def workload(name, spec):
    """A spec of usual size, as a chart renders it."""
    labels = {f"app.kubernetes.io/{key}": name for key in ("name", "instance", "part-of", "component")}
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10}
    template = {"metadata": {"labels": labels}, "spec": {
        "schedulerName": "nobody", "containers": [{
            "name": "main", "image": IMAGE, "args": ["--port=8080", f"--name={name}"], "ports": [{"name": "http", "containerPort": 8080}],
            "env": [{"name": f"SETTING_{i}", "value": f"value {i}"} for i in range(8)], "livenessProbe": probe, "readinessProbe": probe,
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}]}],
        "volumes": [{"name": "config", "configMap": {"name": name}}]}}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec(labels, template) if spec else template["spec"]}


def applies(cluster, ns, connections):
    """Server-side apply of Deployments without replicas: the first, the same again, and one with another image."""
    path, count = f"/apis/apps/v1/namespaces/{ns}/deployments", 1000

    def applied(image):
        def request(i):
            if i >= count:
                return None
            body = workload(f"d{i:05}", lambda labels, template: {"replicas": 0, "selector": {"matchLabels": labels}, "template": template})
            body["spec"]["template"]["spec"]["containers"][0]["image"] = image
            return "PATCH", f"{path}/d{i:05}?fieldManager=bench", json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", **body})
        return request
    connections.measure("apply of a new Deployment", applied(IMAGE))
    connections.measure("apply of the same again", applied(IMAGE))
    connections.measure("apply of a changed one", applied(IMAGE + "-2"))


def pods_held(cluster, connections, count=1000):
    """Pods that nobody runs, with eight environment variables and two probes each."""
    ns = cluster.namespace("bench-held")
    path = f"/api/v1/namespaces/{ns}/pods"
    pid = cluster.server.process.pid
    time.sleep(3)
    before = rollup(pid, "Pss_Anon")
    connections.measure("create of a Pod", lambda i: ("POST", path, json.dumps(
        {"apiVersion": "v1", "kind": "Pod", **workload(f"p{i:05}", None)})) if i < count else None)
    time.sleep(3)
    listed = json.dumps(cluster.get(path)["items"], separators=(",", ":"))
    say(f"memory of the server for {count} Pods held", f"{(rollup(pid, 'Pss_Anon') - before) / 1024:.1f} MB; as JSON they are {len(listed) / 2**20:.1f} MB")


def dns(cluster, count=20000):
    """Names of the cluster over UDP: questions a second of one client that waits for each answer, and for a second of the server's CPU."""
    question = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(p)]) + p for p in b"kubernetes.default.svc.cluster.local".split(b".")) + struct.pack(">BHH", 0, 1, 1)
    pid = cluster.server.process.pid
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("10.43.0.10", 53))
        begun, cpu = time.monotonic(), cpu_seconds(pid)
        for _ in range(count):
            client.send(question)
            client.recv(512)
        wall, cpu = time.monotonic() - begun, cpu_seconds(pid) - cpu
    say("DNS: a service's address over UDP", f"{count / wall:.0f} a second of one client, {count / cpu:.0f} for a CPU second of the server")


def handshakes(cluster):
    pid, count = cluster.server.process.pid, 200
    cpu, began = cpu_seconds(pid), time.monotonic()
    for _ in range(count):
        connection = http.client.HTTPSConnection("127.0.0.1", cluster.server.port, context=cluster.api.tls)
        connection.connect()
        connection.close()
    say("TLS handshake with client certificate: CPU of the server", f"{1000 * (cpu_seconds(pid) - cpu) / count:.2f} ms; {count / (time.monotonic() - began):.0f} a second, one client")


def watchers(cluster, path, count=1000):
    """One change to many watchers: each has its connection, all read by one thread."""
    import selectors
    revision = cluster.get(path + "?limit=1")["metadata"]["resourceVersion"]
    pid = cluster.server.process.pid
    before = rollup(pid, "Pss")
    selector, opened = selectors.DefaultSelector(), []
    for _ in range(count):
        connection = http.client.HTTPSConnection("127.0.0.1", cluster.server.port, context=cluster.api.tls)
        connection.request("GET", f"{path}?watch=1&resourceVersion={revision}")
        answer = connection.getresponse()
        opened.append((connection, answer))
        selector.register(connection.sock, selectors.EVENT_READ, answer)
    say(f"memory of the server a watcher ({count}, a connection each)", f"{(rollup(pid, 'Pss') - before) / count:.1f} kB")
    cpu, began = cpu_seconds(pid), time.monotonic()
    cluster.create(path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "seen-by-all"}})
    missing = {a for _, a in opened}
    while missing and time.monotonic() - began < 30:
        for key, _ in selector.select(1):
            if key.data in missing:
                key.data.readline()
                missing.discard(key.data)
    say(f"one change to {count} watchers", f"{1000 * (time.monotonic() - began):.0f} ms, CPU of the server {1000 * (cpu_seconds(pid) - cpu):.1f} ms" +
        (f"; {len(missing)} missed it" if missing else ""))
    for connection, _ in opened:
        connection.sock.close() if connection.sock else None
        connection.close()
    opened.clear()
    missing.clear()
    selector.close()
    gc.collect()
    until("the connections' end", lambda: len(os.listdir(f"/proc/{pid}/fd")) < count)
    time.sleep(3)
    say(f"memory of the server before and after {count} watchers", f"{before / 1024:.1f} MB, {rollup(pid, 'Pss') / 1024:.1f} MB")


def pull(cluster):
    """200 MB in four layers (gzip, half of it random) from a registry of this host by TLS: CPU of the server beside that of skopeo copy to a folder."""
    from test_registry import push_layout, registry, registries, secure_options, NODE_ADDRESS, PASSWORD, USER
    cluster.start()
    cluster.wait_node_ready()
    target = f"{NODE_ADDRESS}:5443/bench/large:1"
    with registry(cluster, "bench", NODE_ADDRESS, 5443, secure=True) as folder:
        certificates = secure_options(folder)
        options = ["--src-cert-dir", certificates, "--src-creds", f"{USER}:{PASSWORD}"]
        blobs = push_layout(cluster, target, certificates, layers=4, megabytes=100)
        registries(cluster, f"configs:\n  {NODE_ADDRESS}:5443:\n    auth:\n      username: {USER}\n      password: {PASSWORD}\n    tls:\n      ca_file: {folder}/ca.crt\n")
        figures = []
        for attempt in range(3):
            copied = f"{cluster.state}/copied"
            shutil.rmtree(copied, ignore_errors=True)
            before, began = os.times(), time.monotonic()
            run(["skopeo", "--insecure-policy", "copy", "--quiet", *options, f"docker://{target}", f"dir:{copied}"], timeout=300)
            wall, after = time.monotonic() - began, os.times()
            skopeo = after.children_user + after.children_system - before.children_user - before.children_system
            pid = cluster.server.process.pid
            cpu, began, bytes_before = cpu_seconds(pid), time.monotonic(), written(pid)
            cluster.bramble("images", "pull", "--run-dir", f"{cluster.state}/run", target)
            own_wall, own = time.monotonic() - began, cpu_seconds(pid) - cpu
            figures.append((skopeo, wall, own, own_wall, written(pid) - bytes_before))
            cluster.bramble("images", "remove", "--run-dir", f"{cluster.state}/run", target)
        skopeo, wall, own, own_wall, disk = (statistics.median(f[i] for f in figures) for i in range(5))
        say(f"pull of 4 layers, {blobs / 1e6:.0f} MB: skopeo copy to a folder, CPU, wall", f"{skopeo:.2f} s, {wall:.2f} s (keeps them packed)")
        say("the same: bramble, CPU, wall (unpacked and synced)", f"{own:.2f} s, {own_wall:.2f} s")
        say("the same: ratio of CPU, of wall; memory after", f"{own / skopeo:.2f}, {own_wall / wall:.2f}; {rollup(cluster.server.process.pid, 'Pss') / 1024:.1f} MB")
        say("the same: bytes written (unpacked)", f"{disk / 1e6:.0f} MB")
    cluster.stop()


def new_cluster(folder):
    """Its run folder is in memory, as /run is: what is written there costs no disk."""
    os.makedirs(f"{folder}/run")
    run(["mount", "-t", "tmpfs", "none", f"{folder}/run"])
    return Cluster(folder)


def with_crun(state):
    """The same pods over crun, where it can run on this machine."""
    if not shutil.which("crun"):
        return say("crun", "not installed")
    cluster = new_cluster(f"{state}/crun")
    cluster.server.extra = ["--runtime", shutil.which("crun")]
    try:
        cluster.start()
        cluster.wait_node_ready()
        pods(cluster, "crun")
    except AssertionError as error:
        say("crun", f"not usable on this machine: {str(error).splitlines()[0][:150]}")
    finally:
        cluster.stop()


def main():
    parts = sys.argv[1:] or ["size", "start", "idle", "pods", "probes", "api", "dns", "pull", "crun"]
    say("machine", f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, kernel {os.uname().release}")
    state = os.environ["BRAMBLE_E2E_STATE"]
    if "size" in parts:
        size(None)
    cluster = new_cluster(f"{state}/runc")
    if "start" in parts:
        start(cluster)
    else:
        cluster.start()
        cluster.wait_node_ready()
    for name, part in (("idle", idle), ("pods", pods), ("probes", probes), ("api", api), ("dns", dns)):
        if name in parts:
            part(cluster)
    cluster.stop()
    if "pull" in parts:
        pull(new_cluster(f"{state}/pull"))
    if "crun" in parts:
        with_crun(state)


main()
