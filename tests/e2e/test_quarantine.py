"""Poison objects: each ends the server, for real, in one room; after the second death that room leaves it alone and all else goes on.

The binary is the shipped one with bugs put in (faults.cc): it dies of an object whose annotation "fault" names the bug. These tests
restart it as a service manager would.
"""
import contextlib
import http.client
import os
import ssl
import time

from cluster import BINARY, IMAGE, PATIENCE, ROOT, fetch, fetch_until, run, start_time

FAULTY = os.path.join(os.path.dirname(BINARY), "bramble_with_faults")
GONE = (OSError, http.client.HTTPException, ssl.SSLError)  # what a request sees of a server that dies


class Supervised:
    """The cluster's server, with the faulty binary in its place; started again whenever it has died."""

    def __init__(self, cluster):
        self.cluster, self.server, self.deaths = cluster, cluster.server, []

    def __enter__(self):
        assert os.access(FAULTY, os.X_OK), f"{FAULTY} is missing: build it"
        self.server.stop()
        self.server.binary = FAULTY
        self.cluster.start()
        self.cluster.wait_node_ready()
        return self

    def __exit__(self, *_):
        if self.server.process.poll() is None:
            self.server.stop()
        self.server.binary = BINARY
        self.cluster.start()
        self.cluster.wait_node_ready()

    def until(self, what, probe):
        """probe()'s first true value; the server is started again as often as it dies."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            code = self.server.process.poll()
            if code is not None:
                self.deaths.append(code)
                assert len(self.deaths) < 10, f"it dies on and on: {self.deaths}"
                self.server.spawn()
            with contextlib.suppress(*GONE):
                value = probe()
                if value:
                    return value
            time.sleep(0.02)
        raise AssertionError(f"{what}: not within {PATIENCE:.0f} s, deaths {self.deaths}")

    def write(self, method, path, body, content_type="application/json"):
        """Whose answer may get lost, because the server dies of what it has just written."""
        with contextlib.suppress(*GONE):
            code, answer = self.cluster.api.call(method, path, body, content_type)
            assert code < 300, answer

    def poison(self, room, ns, kind, name, times=2):
        """Waits until the object's poison has done its work; gives the Event."""
        def event():
            items = self.cluster.api.get(f"/api/v1/namespaces/{ns}/events")[1]["items"]
            return next((e for e in items if e["reason"] == "Quarantined" and e["involvedObject"]["kind"] == kind and
                         e["involvedObject"]["name"] == name and e["message"].startswith(room + " ")), None)
        seen = self.until(f"Event on {kind} {name}", event)
        assert seen["type"] == "Warning" and seen["source"]["component"] == "bramble", seen
        assert seen["message"].startswith(f"{room} leaves this object alone until it changes: working on it ended bramble 2 times (SIG"), seen
        deaths, self.deaths = self.deaths, []
        assert len(deaths) == times and all(code < 0 for code in deaths), deaths
        shown = run([FAULTY, "check-config", "--run-dir", f"{self.cluster.state}/run"], check=False).stdout
        assert any(line.startswith("warning  quarantine: " + room + ":") and name in line for line in shown.splitlines()), shown
        return seen

    def stays_up(self):
        code = self.server.process.poll()
        assert code is None and not self.deaths, f"it died: {code} {self.deaths}"
        assert self.cluster.api.get("/readyz", parse=False)[0] == 200

    def mend(self, path):
        self.write("PATCH", path, {"metadata": {"annotations": {"fault": None}}}, "application/merge-patch+json")


def metadata(name, fault):
    return {"name": name, "annotations": {"fault": fault}}


def pod_body(name, fault, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata(name, fault),
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": IMAGE, "command": ["sleep", "3600"]}], **spec}}


def service_body(name, fault):
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata(name, fault), "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}


def asked(cluster, ns, name):
    """What nslookup in the pod "steady" says of a service: its address or None."""
    done = cluster.exec(ns, "steady", "nslookup", f"{name}.{ns}.svc.cluster.local", check=False)
    return done.stdout if done.returncode == 0 else None


def test_poison_in_controllers(cluster):
    ns = cluster.namespace("poison")
    apps, maps = f"/apis/apps/v1/namespaces/{ns}", f"/api/v1/namespaces/{ns}/configmaps"
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "web", "image": IMAGE}]}}
    with Supervised(cluster) as s:
        s.write("POST", f"{apps}/deployments", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("bad", "deployment"),
                                                "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}})
        s.poison("controllers/deployment", ns, "Deployment", "bad")
        cluster.deployment(ns, "good", 1)  # waits until it is rolled out: another object of the same room
        assert cluster.get(f"{apps}/replicasets?labelSelector=app%3Dweb")["items"] == []
        s.stays_up()
        s.mend(f"{apps}/deployments/bad")
        cluster.wait(f"{apps}/deployments", "bad", lambda d: (d or {}).get("status", {}).get("readyReplicas") == 1)

        labels = {"app": "set"}
        template["metadata"]["labels"] = labels
        s.write("POST", f"{apps}/replicasets", {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata("badset", "replicaset"),
                                                "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}})
        s.poison("controllers/replicaset", ns, "ReplicaSet", "badset")
        s.stays_up()
        s.mend(f"{apps}/replicasets/badset")
        cluster.wait(f"{apps}/replicasets", "badset", lambda r: (r or {}).get("status", {}).get("readyReplicas") == 1)

        s.write("POST", maps, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("badmap", "garbage-collector")})
        s.poison("controllers/garbage-collector", ns, "ConfigMap", "badmap")
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "uid": "never"}
        cluster.create(maps, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "garbage", "ownerReferences": [owner]}})
        cluster.wait(maps, "garbage", lambda m: m is None)  # the collector collects on
        s.stays_up()


def test_poison_in_scheduler(cluster):
    ns = cluster.namespace("poison")
    pods = f"/api/v1/namespaces/{ns}/pods"
    with Supervised(cluster) as s:
        s.write("POST", pods, pod_body("bad", "scheduler"))
        s.poison("scheduler", ns, "Pod", "bad")
        cluster.pod(ns, "good")
        assert "nodeName" not in cluster.get(f"{pods}/bad")["spec"]
        s.stays_up()
        s.mend(f"{pods}/bad")
        cluster.wait_running(ns, "bad")


def test_poison_in_kubelet(cluster):
    """One that runs when it turns bad: its container is not touched. One that dies on a worker thread while its volumes are made."""
    ns = cluster.namespace("poison")
    pods = f"/api/v1/namespaces/{ns}/pods"
    with Supervised(cluster) as s:
        pod = cluster.pod(ns, "bad", "sleep", "3600")
        pid = cluster.main_pid(pod)
        since = start_time(pid)
        s.write("PATCH", f"{pods}/bad", {"metadata": {"annotations": {"fault": "kubelet"}}}, "application/merge-patch+json")
        s.poison("kubelet", ns, "Pod", "bad")
        cluster.wait_node_ready()
        cluster.pod(ns, "good")
        assert start_time(pid) == since
        s.write("POST", pods, pod_body("badvolume", "volumes", volumes=[{"name": "v", "emptyDir": {}}]))
        s.poison("kubelet", ns, "Pod", "badvolume")
        s.stays_up()
        for name in ("bad", "badvolume"):
            s.mend(f"{pods}/{name}")
        cluster.wait_running(ns, "badvolume")
        assert cluster.exec(ns, "bad", "echo", "alive").stdout == "alive\n"
        assert cluster.main_pid(cluster.wait_running(ns, "bad")) == pid and start_time(pid) == since


def test_poison_pod_can_be_deleted(cluster):
    ns = cluster.namespace("poison")
    pods = f"/api/v1/namespaces/{ns}/pods"
    with Supervised(cluster) as s:
        pod = cluster.pod(ns, "bad", "sleep", "3600")
        s.write("PATCH", f"{pods}/bad", {"metadata": {"annotations": {"fault": "kubelet"}}}, "application/merge-patch+json")
        s.poison("kubelet", ns, "Pod", "bad")
        cluster.delete(f"{pods}/bad")
        cluster.wait_pod(ns, "bad", lambda p: p is None)
        assert not cluster.pod_pids(pod)
        s.stays_up()


def test_poison_in_proxy_and_dns(cluster):
    ns = cluster.namespace("poison")
    services = f"/api/v1/namespaces/{ns}/services"
    with Supervised(cluster) as s:
        cluster.pod(ns, "steady", labels={"app": "web"})
        s.write("POST", services, service_body("badproxy", "proxy"))
        s.poison("proxy", ns, "Service", "badproxy")
        s.write("POST", services, service_body("baddns", "dns"))
        s.poison("dns", ns, "Service", "baddns")
        cluster.wait_node_ready()
        good = cluster.create(services, {**service_body("good", ""), "metadata": {"name": "good"}})["spec"]["clusterIP"]
        fetch_until(f"http://{good}/")
        assert asked(cluster, ns, "badproxy") and not asked(cluster, ns, "baddns")
        bad = cluster.get(f"{services}/badproxy")["spec"]["clusterIP"]
        assert fetch(f"http://{bad}/", timeout=1) is None
        s.stays_up()
        for name in ("badproxy", "baddns"):
            s.mend(f"{services}/{name}")
        fetch_until(f"http://{bad}/")
        s.until("the mended one has a name", lambda: asked(cluster, ns, "baddns"))
        s.stays_up()


def test_poison_in_the_way_of_the_api(cluster):
    """A request that admission dies of; and a Service that the registry dies of while it starts, before there is an API at all."""
    ns = cluster.namespace("poison")
    maps, services = f"/api/v1/namespaces/{ns}/configmaps", f"/api/v1/namespaces/{ns}/services"
    with Supervised(cluster) as s:
        bad = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("c", "admission")}
        code, answer = s.until("an answer", lambda: s.cluster.api.call("POST", maps, bad))
        assert len(s.deaths) == 2 and code == 403 and answer["reason"] == "Forbidden" and "quarantined" in answer["message"], (s.deaths, code, answer)
        s.deaths = []
        cluster.create(maps, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
        s.stays_up()

        s.write("POST", services, service_body("bad", "registry"))
        s.poison("registry", ns, "Service", "bad")  # as it is written, and at the start after that
        cluster.create(services, {**service_body("good", ""), "metadata": {"name": "good"}})
        s.stays_up()
        s.mend(f"{services}/bad")
        s.stays_up()


def test_poison_image_archive(cluster):
    bad, good = f"{cluster.state}/poison.tar", f"{cluster.state}/fine.tar"
    for name, path in (("poison", bad), ("fine", good)):
        run([f"{ROOT}/provision/sample/make-image.sh", f"bramble.local/{name}:1", path, "page"])
    def load(path):
        return run([FAULTY, "images", "import", "--run-dir", f"{cluster.state}/run", path], check=False)
    with Supervised(cluster) as s:
        def refusal():
            s.cluster.api.get("/readyz", parse=False)
            done = load(bad)
            assert done.returncode != 0, done.stdout
            return done.stderr if "quarantined" in done.stderr else None
        assert bad in s.until("the archive is refused", refusal)
        assert len(s.deaths) == 2, s.deaths
        s.deaths = []
        done = load(good)
        assert done.returncode == 0, done.stderr
        s.stays_up()
    cluster.bramble("images", "remove", "--run-dir", f"{cluster.state}/run", "bramble.local/fine:1")
