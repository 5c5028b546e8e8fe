"""A cluster of one node for the tests: the server's process, an API client, kubectl, and waiting by watches."""
import base64
import contextlib
import http.client
import json
import os
import random
import re
import signal
import socket
import ssl
import string
import subprocess
import time
import urllib.parse

ROOT = os.environ["BRAMBLE_E2E_ROOT"]
BINARY = os.environ["BRAMBLE_E2E_BINARY"]
CGROUP = os.environ["BRAMBLE_E2E_CGROUP"]
BIN = os.environ["BRAMBLE_E2E_STATE"] + "/bin"
CLIENTS = os.environ["BRAMBLE_E2E_STATE"] + "/clients"
NODE = "bramble-e2e"
NODE_ADDRESS = "192.0.2.10"
IMAGE = "bramble.local/web:1"
IMAGE2 = "bramble.local/web:2"
PAGE = "It works: page one."
PAGE2 = "It works: page two."
PATIENCE = float(os.environ.get("BRAMBLE_E2E_PATIENCE", "60"))  # seconds until a wait has failed


def run(arguments, input=None, env=None, timeout=PATIENCE, check=True):
    done = subprocess.run(arguments, input=input, capture_output=True, text=not isinstance(input, bytes), env=env, timeout=timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, arguments))}: exit {done.returncode}: {done.stderr or done.stdout}")
    return done


def dig(value, *keys):
    """value[k0][k1]...; None where something is missing."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def condition(obj, kind):
    return next((c for c in dig(obj, "status", "conditions") or [] if c["type"] == kind), {})


def until(what, probe, seconds=PATIENCE):
    """For things that tell nobody when they change (files, processes, ports): asked again until it holds."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)


class Server:
    """One process `bramble server` over a folder of state."""

    def __init__(self, state, port=6443, extra=(), env=None):
        self.state, self.port, self.extra, self.env, self.binary = state, port, list(extra), env, BINARY
        self.prefix = []  # a command that runs it
        self.kubeconfig, self.log, self.process = f"{state}/kubeconfig.yaml", f"{state}/server.log", None
        os.makedirs(state, exist_ok=True)

    def arguments(self):
        s = self.state
        return [*self.prefix, self.binary, "server", "--data-dir", f"{s}/data", "--run-dir", f"{s}/run", "--kubelet-root-dir", f"{s}/kubelet", "--pod-log-dir", f"{s}/log",
                "--write-kubeconfig", self.kubeconfig, "--https-listen-port", str(self.port), "--cgroup-root", CGROUP, "--private-registry", f"{s}/registries.yaml"] + self.extra

    def start(self):
        self.spawn()
        until("kubeconfig and /readyz", self.ready)

    def spawn(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.arguments(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            env=dict(os.environ, **(self.env or {})))

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}: {tail(self.log, 20)}")
        if not os.path.exists(self.kubeconfig):
            return False
        try:
            return Api(self.kubeconfig, self.port).get("/readyz", parse=False)[0] == 200
        except OSError:
            return False

    def kill(self):
        """As a crash or the kernel's OOM killer would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        until("a child that it was just starting has let go of its port", lambda: not listens(self.port))

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE)

    def refused(self, timeout=PATIENCE, prefix=()):
        """Starts it expecting that it ends by itself: (exit code, what it said)."""
        done = subprocess.run([*prefix, *self.arguments()], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
                              env=dict(os.environ, **(self.env or {})))
        return done.returncode, done.stderr


def listens(port):
    """Whether a TCP socket of this network namespace listens on the port (proc(5))."""
    rows = []
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(path) as f:
            rows += [line.split() for line in f.readlines()[1:]]
    return any(row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port for row in rows)


def tail(path, lines):
    try:
        with open(path, errors="replace") as f:
            return "".join(f.readlines()[-lines:])
    except OSError as error:
        return str(error)


class ApiError(AssertionError):
    def __init__(self, code, body):
        super().__init__(f"{code} {json.dumps(body)[:1500]}")
        self.code, self.body = code, body


class Api:
    """Requests with the kubeconfig's certificate, or with none (anonymous), or with a token. A connection each: simple."""

    def __init__(self, kubeconfig, port, anonymous=False, token=None, host="127.0.0.1"):
        config = parse_kubeconfig(kubeconfig)
        self.host, self.port, self.token = host, port, token
        self.tls = ssl.create_default_context(cadata=config["ca"])
        if not anonymous and not token:
            pair = kubeconfig + ".pair.pem"
            with open(pair, "w") as f:
                f.write(config["certificate"] + config["key"])
            self.tls.load_cert_chain(pair)

    def open(self, method, path, body=None, content_type="application/json", timeout=PATIENCE):
        connection = http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=timeout)
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        if body is not None:
            headers["Content-Type"] = content_type
            body = body if isinstance(body, (bytes, str)) else json.dumps(body)
        connection.request(method, path, body=body, headers=headers)
        return connection, connection.getresponse()

    def call(self, method, path, body=None, content_type="application/json", parse=True):
        connection, answer = self.open(method, path, body, content_type)
        with contextlib.closing(connection):
            data = answer.read()
        return answer.status, json.loads(data) if parse else data.decode(errors="replace")

    def get(self, path, parse=True):
        return self.call("GET", path, parse=parse)

    def watch(self, path, resource_version, seconds):
        """Events until the time is over."""
        end = time.monotonic() + seconds
        separator = "&" if "?" in path else "?"
        path = f"{path}{separator}watch=1&resourceVersion={resource_version}&timeoutSeconds={max(1, int(seconds))}"
        connection, answer = self.open("GET", path, timeout=seconds + 1)
        with contextlib.closing(connection):
            if answer.status != 200:
                raise ApiError(answer.status, answer.read().decode(errors="replace"))
            while time.monotonic() < end:
                try:
                    line = answer.readline()
                except (TimeoutError, socket.timeout):
                    return
                if not line:
                    return
                yield json.loads(line)


def parse_kubeconfig(path):
    """The three base64 fields; kubectl itself proves that the rest is right."""
    with open(path) as f:
        text = f.read()
    def field(name):
        found = re.search(rf"^\s*(?:- )?{name}:\s*\"?([A-Za-z0-9+/=]+)", text, re.M)
        return base64.b64decode(found.group(1)).decode()
    return {"ca": field("certificate-authority-data"), "certificate": field("client-certificate-data"), "key": field("client-key-data")}


class Cluster:
    def __init__(self, state, server=None):
        self.state = state
        self.server = server or Server(state)
        self.api = None
        self.namespaces = []
        self.env = {"HOME": f"{state}/home", "PATH": f"{BIN}:{os.environ['PATH']}", "KUBECONFIG": self.server.kubeconfig, "LC_ALL": "C",
                    "TERM": "xterm", "TMPDIR": f"{state}/tmp"}
        for folder in ("HOME", "TMPDIR"):
            os.makedirs(self.env[folder], exist_ok=True)

    # ---- the server

    def start(self):
        self.server.start()
        self.api = Api(self.server.kubeconfig, self.server.port)

    def stop(self):
        if self.server.process and self.server.process.poll() is None:
            self.server.stop()

    def wait_node_ready(self):
        return self.wait("/api/v1/nodes", NODE, lambda n: condition(n, "Ready").get("status") == "True")

    def move_node(self, old, new):
        """This machine has another address; until the node has it, and its service too."""
        run(["ip", "address", "del", f"{old}/24", "dev", "uplink0"])
        run(["ip", "address", "add", f"{new}/24", "dev", "uplink0"])
        run(["ip", "route", "replace", "default", "via", "192.0.2.1"])

        def moved():
            try:
                addresses = self.get(f"/api/v1/nodes/{NODE}")["status"]["addresses"]
            except (OSError, http.client.HTTPException):  # it begins anew
                return False
            return next(a["address"] for a in addresses if a["type"] == "InternalIP") == new
        until(f"the node is {new}", moved)
        self.wait_node_ready()
        self.wait("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", "kubernetes", lambda s: s and s["endpoints"][0]["addresses"] == [new])

    def import_images(self):
        for name, page in ((IMAGE, PAGE), (IMAGE2, PAGE2)):
            archive = f"{self.state}/{name.rpartition(':')[2]}.tar"
            run([f"{ROOT}/provision/sample/make-image.sh", name, archive, page])
            self.bramble("images", "import", "--run-dir", f"{self.state}/run", archive)

    def bramble(self, *arguments, check=True):
        return run([BINARY, *arguments], check=check)

    # ---- the API

    def call(self, method, path, body=None, content_type="application/json"):
        code, answer = self.api.call(method, path, body, content_type)
        if code >= 300:
            raise ApiError(code, answer)
        return answer

    def get(self, path):
        return self.call("GET", path)

    def create(self, path, obj):
        return self.call("POST", path, obj)

    def merge(self, path, patch):
        return self.call("PATCH", path, patch, "application/merge-patch+json")

    def delete(self, path):
        return self.call("DELETE", path)

    def refused(self, method, path, body=None, content_type="application/json"):
        """The Status of a request that must fail."""
        code, answer = self.api.call(method, path, body, content_type)
        assert code >= 400, f"{method} {path} was accepted: {code}"
        assert answer["kind"] == "Status" and answer["status"] == "Failure" and answer["code"] == code, answer
        return answer

    def wait(self, collection, name, holds, seconds=PATIENCE):
        """The object once holds(object) is true; holds(None) is asked when there is none."""
        obj = None
        def state_of(items):
            return next((i for i in items if i["metadata"]["name"] == name), None)
        for items in self.follow(f"{collection}?fieldSelector=metadata.name%3D{name}", seconds):
            obj = state_of(items)
            if holds(obj):
                return obj
        raise AssertionError(f"{collection}/{name}: not as awaited within {seconds:.0f} s; status {json.dumps(dig(obj, 'status'))}")

    def wait_all(self, collection, holds, seconds=PATIENCE):
        """The items of a collection (a path, perhaps with a query) once holds(items) is true."""
        items = []
        for items in self.follow(collection, seconds):
            if holds(items):
                return items
        raise AssertionError(f"{collection}: not as awaited within {seconds:.0f} s; {json.dumps(items)[:2000]}")

    def follow(self, path, seconds):
        """The items now and after each event: one list, then a watch from its revision."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            listed = self.get(path)
            items = {uid_of(i): i for i in listed["items"]}
            yield list(items.values())
            for event in self.api.watch(path, listed["metadata"]["resourceVersion"], max(1.0, end - time.monotonic())):
                if event["type"] == "ERROR":
                    break  # its revision is too old: list again
                if event["type"] == "DELETED":
                    items.pop(uid_of(event["object"]), None)
                elif event["type"] != "BOOKMARK":
                    items[uid_of(event["object"])] = event["object"]
                yield list(items.values())

    # ---- kubectl

    def kubectl(self, *arguments, ns=None, input=None, check=True, timeout=PATIENCE):
        prefix = ["kubectl"] + (["-n", ns] if ns else [])
        return run(prefix + list(arguments), input=input, env=self.env, check=check, timeout=timeout)

    def kubectl_json(self, *arguments, ns=None, input=None):
        return json.loads(self.kubectl(*arguments, "-o", "json", ns=ns, input=input).stdout)

    def spawn(self, *arguments, ns=None, **options):
        """kubectl in the background, for streams; the caller ends it."""
        return subprocess.Popen(["kubectl"] + (["-n", ns] if ns else []) + list(arguments), env=self.env, **options)

    def exec(self, ns, pod, *command, input=None, check=True, flags=()):
        return self.kubectl("exec", *flags, pod, "--", *command, ns=ns, input=input, check=check)

    # ---- things that most tests make

    def namespace(self, word):
        name = f"{word}-{''.join(random.choices(string.ascii_lowercase, k=5))}"
        self.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.namespaces.append(name)
        self.wait(f"/api/v1/namespaces/{name}/serviceaccounts", "default", bool)
        return name

    def after_test(self):
        """What a test made goes away while the next one runs; a server that ended is started again."""
        if self.server.process.poll() is not None:
            self.namespaces_left, self.namespaces = self.namespaces, []
            with contextlib.suppress(Exception):
                self.start()
                self.wait_node_ready()
            self.namespaces = self.namespaces_left
        while self.namespaces:
            name = self.namespaces.pop()
            with contextlib.suppress(Exception):
                self.api.call("DELETE", f"/api/v1/namespaces/{name}/pods?gracePeriodSeconds=1")
                self.api.call("DELETE", f"/api/v1/namespaces/{name}")

    def pod(self, ns, name, *command, running=True, labels=None, container=None, **spec):
        """Makes a pod of one container that runs a command; waits until it runs."""
        one = {"name": "main", "image": IMAGE}
        if command:
            one["command"] = list(command)
        one.update(container or {})
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [one], **spec}}
        self.create(f"/api/v1/namespaces/{ns}/pods", body)
        return self.wait_running(ns, name) if running else None

    def wait_running(self, ns, name):
        return self.wait_pod(ns, name, lambda p: dig(p, "status", "phase") == "Running" and condition(p, "Ready").get("status") == "True")

    def wait_pod(self, ns, name, holds, seconds=PATIENCE):
        return self.wait(f"/api/v1/namespaces/{ns}/pods", name, holds, seconds)

    def log(self, ns, pod, query=""):
        return self.api.call("GET", f"/api/v1/namespaces/{ns}/pods/{pod}/log{query}", parse=False)[1]

    def deployment(self, ns, name="web", replicas=2, image=IMAGE):
        labels = {"app": name}
        pod = {"metadata": {"labels": labels},
               "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "web", "image": image, "ports": [{"name": "http", "containerPort": 80}]}]}}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
                "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}}
        self.create(f"/apis/apps/v1/namespaces/{ns}/deployments", body)
        return self.wait_deployment(ns, name, replicas)

    def wait_deployment(self, ns, name, replicas, image=None):
        def done(d):
            status = dig(d, "status") or {}
            if status.get("observedGeneration", 0) < d["metadata"]["generation"]:
                return False
            if image and d["spec"]["template"]["spec"]["containers"][0]["image"] != image:
                return False
            return all(status.get(k, 0) == replicas for k in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"))
        return self.wait(f"/apis/apps/v1/namespaces/{ns}/deployments", name, done)

    def main_pid(self, pod):
        """The container's first process as this PID namespace sees it: the oldest in the pod's cgroup."""
        pids = self.pod_pids(pod)
        assert pids, f"no process in the cgroup of pod {pod['metadata']['name']}"
        return min(pids, key=lambda p: (start_time(p), p))

    def pod_pids(self, pod):
        pids = []
        for folder in self.cgroup_folders(pod, "memory"):
            with contextlib.suppress(OSError), open(f"{folder}/cgroup.procs") as f:
                pids += [int(p) for p in f.read().split() if p != "0"]
        return pids

    def cgroup_folders(self, pod, controller):
        """The pod's cgroup and those below it: of one hierarchy of version 1, or of version 2."""
        top = f"/sys/fs/cgroup/{controller}" if os.path.isdir(f"/sys/fs/cgroup/{controller}") else "/sys/fs/cgroup"
        wanted = "pod" + pod["metadata"]["uid"]
        found = []
        for folder, _, _ in os.walk(f"{top}/{CGROUP}"):
            if wanted in folder.split("/"):
                found.append(folder)
        return sorted(found)

    # ---- telling what went wrong

    def dump(self):
        print("--- the end of the server's log")
        print(tail(self.server.log, 40))
        with contextlib.suppress(Exception):
            for name in self.namespaces:
                for pod in self.get(f"/api/v1/namespaces/{name}/pods")["items"]:
                    print(f"--- pod {name}/{pod['metadata']['name']}: {json.dumps(pod['status'])[:3000]}")
                for event in self.get(f"/api/v1/namespaces/{name}/events")["items"][-25:]:
                    print(f"--- event {event['involvedObject'].get('name')} {event.get('reason')}: {event.get('message')}")


def uid_of(obj):
    return obj["metadata"].get("uid") or obj["metadata"]["name"]


def start_time(pid):
    """Field 22 of /proc/PID/stat (proc(5)): two processes with one number differ in it."""
    with open(f"/proc/{pid}/stat") as f:
        return int(f.read().rpartition(")")[2].split()[19])


def fetch(url, timeout=5):
    """The body of a page, over a new connection; None while nobody answers."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        return answer.read().decode() if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def page_from_pod(cluster, ns, pod, address, port):
    """The page as a pod gets it. Not by wget: a static busybox cannot resolve names (its libc wants plugins)."""
    script = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {address} {port}"
    return cluster.exec(ns, pod, "sh", "-c", script).stdout.replace("\r\n", "\n").partition("\n\n")[2]


def fetch_until(url):
    return until(url, lambda: fetch(url))
