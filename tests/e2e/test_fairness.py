"""One noisy client, and what it keeps others from: nothing. And what dashboards ask of /metrics."""
import contextlib
import re
import socket
import ssl

from cluster import NODE, PATIENCE, Api, until
from test_access import Person

FLOWS = "/apis/flowcontrol.apiserver.k8s.io/v1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Deaf:
    """Requests in parallel, each on a connection of its own, of whose answers the beginning is read, and all when it is a refusal."""

    def __init__(self, person, path, count):
        api = Api(person.kubeconfig, person.cluster.server.port)
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()
        self.sockets, self.served = [], []
        for _ in range(count):
            plain = socket.socket()
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.connect(("127.0.0.1", api.port))
            self.sockets.append(api.tls.wrap_socket(plain, server_hostname="127.0.0.1"))
            self.sockets[-1].sendall(request)

    def refusals(self):
        """The answers with status 429 that came since this was last asked."""
        out = []
        for s in list(self.sockets):
            s.setblocking(False)
            try:
                answer = s.recv(512).decode(errors="replace")
            except ssl.SSLWantReadError:
                continue
            self.sockets.remove(s)
            if not answer.startswith("HTTP/1.1 429"):
                self.served.append(s)
                continue
            s.settimeout(PATIENCE)
            while not answer.endswith("later.\n"):
                more = s.recv(512).decode(errors="replace")
                assert more, answer
                answer += more
            out.append(answer)
            s.close()
        return out

    def close(self):
        for s in self.sockets + self.served:
            s.close()


def metrics(cluster):
    return cluster.api.get("/metrics", parse=False)[1]


def total(text, name, **labels):
    """The sum of the samples of this name that carry these labels."""
    out = 0.0
    for line in text.splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if found and all(f'{k}="{v}"' in (found.group(1) or "") for k, v in labels.items()):
            out += float(found.group(2))
    return out


def test_fairness_a_noisy_client_starves_nobody(cluster):
    ns = cluster.namespace("noise")
    noisy = Person(cluster, "noisy")
    ghost = Person(cluster, "system:node:ghost", ["system:nodes"])
    cluster.kubectl("create", "role", "noisy", "--verb=list", "--resource=configmaps", ns=ns)
    cluster.kubectl("create", "rolebinding", "noisy", "--role=noisy", "--user=noisy", ns=ns)
    cluster.kubectl("create", "serviceaccount", "quiet", ns=ns)
    cluster.kubectl("create", "rolebinding", "quiet", "--clusterrole=view", f"--serviceaccount={ns}:quiet", ns=ns)
    quiet = Api(cluster.server.kubeconfig, cluster.server.port, token=cluster.kubectl("create", "token", "quiet", ns=ns).stdout.strip())
    maps = f"/api/v1/namespaces/{ns}/configmaps"
    for i in range(10):
        cluster.create(maps, {"metadata": {"name": f"m{i}"}, "data": {"a": "x" * 600000}})
    node = Api(ghost.kubeconfig, cluster.server.port)
    code, lease = node.call("POST", LEASES, {"metadata": {"name": "ghost"}, "spec": {"holderIdentity": "ghost", "leaseDurationSeconds": 40}})
    assert code == 201, lease
    renewed = cluster.get(f"{LEASES}/{NODE}")["spec"]["renewTime"]

    with contextlib.closing(Deaf(noisy, maps, 100)) as deaf:
        refused = until("the noisy client is refused", deaf.refusals)
        assert all(re.search(r"\r\nretry-after: [1-9][0-9]*\r\n", r, re.I) for r in refused), refused[0]
        assert all(r.endswith("\r\n\r\nToo many requests, please try again later.\n") for r in refused), refused[0]
        for i in range(20):  # renewals of a node over the network, its reads, an administrator's, a pod's
            lease["spec"]["renewTime"] = f"2026-01-01T00:00:{i:02}.000000Z"
            code, lease = node.call("PUT", f"{LEASES}/ghost", lease)
            assert code == 200, lease
            for who, api, path in (("node", node, "/api/v1/services"), ("admin", cluster.api, maps + "?limit=1"), ("account", quiet, f"/api/v1/namespaces/{ns}/pods")):
                code, answer = api.get(path)
                assert code == 200, (who, code, answer)
        assert "m0" in cluster.kubectl("get", "configmaps", "-o", "name", ns=ns).stdout
        until("this node's own lease goes on", lambda: cluster.get(f"{LEASES}/{NODE}")["spec"]["renewTime"] != renewed)
        deaf.refusals()
        assert deaf.served, "none was accepted"
        text = metrics(cluster)
        assert total(text, "apiserver_request_terminations_total", code="429", resource="configmaps", verb="LIST") >= len(refused)
    code, _ = until("the noisy client is served again", lambda: (lambda a: a if a[0] == 200 else None)(
        Api(noisy.kubeconfig, cluster.server.port).get(maps + "?limit=1")))
    assert code == 200
    cluster.delete(f"{LEASES}/ghost")


def test_fairness_a_level_has_its_seats_and_queues(cluster):
    ns = cluster.namespace("level")
    loud = Person(cluster, "loud")
    cluster.kubectl("create", "role", "loud", "--verb=list", "--resource=configmaps", ns=ns)
    cluster.kubectl("create", "rolebinding", "loud", "--role=loud", "--user=loud", ns=ns)
    maps = f"/api/v1/namespaces/{ns}/configmaps"
    for i in range(10):
        cluster.create(maps, {"metadata": {"name": f"m{i}"}, "data": {"a": "x" * 800000}})
    levels, schemas = f"{FLOWS}/prioritylevelconfigurations", f"{FLOWS}/flowschemas"
    level = cluster.create(levels, {"metadata": {"name": "e2e-loud"}, "spec": {"type": "Limited", "limited": {
        "nominalConcurrencyShares": 1, "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Queue", "queuing": {"queues": 1, "handSize": 1, "queueLengthLimit": 2}}}}})
    schema = cluster.create(schemas, {"metadata": {"name": "e2e-loud"}, "spec": {
        "priorityLevelConfiguration": {"name": "e2e-loud"}, "matchingPrecedence": 700, "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": [{"kind": "User", "user": {"name": "loud"}}],
                   "resourceRules": [{"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"], "namespaces": [ns]}]}]}})
    assert "e2e-loud" in cluster.kubectl("get", "flowschemas").stdout and "Limited" in cluster.kubectl("get", "prioritylevelconfigurations", "e2e-loud").stdout
    refused = cluster.refused("PATCH", f"{levels}/catch-all", {"spec": {"limited": {"nominalConcurrencyShares": 6}}}, "application/merge-patch+json")
    assert refused["details"]["causes"][-1]["field"] == "spec" and "spec of 'catch-all' must equal the fixed value" in refused["message"], refused
    seats = 3  # its share of 600, rounded up; two wait. What they are sent is more than the kernel takes for who does not read.
    with contextlib.closing(Deaf(loud, maps, 12)) as deaf:
        answers = []
        until("all but those with seats and in the queue are refused", lambda: answers.extend(deaf.refusals()) or len(answers) == 12 - seats - 2)
        assert all(f"x-kubernetes-pf-flowschema-uid: {schema['metadata']['uid']}" in a.lower() for a in answers), answers[0]
        assert all(f"x-kubernetes-pf-prioritylevel-uid: {level['metadata']['uid']}" in a.lower() for a in answers), answers[0]
        text = metrics(cluster)
        of = {"flow_schema": "e2e-loud", "priority_level": "e2e-loud"}
        assert total(text, "apiserver_flowcontrol_current_inqueue_requests", **of) == 2
        assert total(text, "apiserver_flowcontrol_rejected_requests_total", reason="queue-full", **of) == 12 - seats - 2
        assert total(text, "apiserver_flowcontrol_dispatched_requests_total", **of) == seats
    until("the queue is empty again", lambda: total(metrics(cluster), "apiserver_flowcontrol_current_inqueue_requests", **of) == 0)
    for path in (f"{schemas}/e2e-loud", f"{levels}/e2e-loud"):
        cluster.delete(path)


# Names and labels that the dashboards and alerts of kube-prometheus (kubernetes-mixin) ask the control plane for.
ASKED = {
    "apiserver_request_total": "code component group resource scope subresource verb version",
    "apiserver_request_duration_seconds_bucket": "component group le resource scope subresource verb version",
    "apiserver_request_sli_duration_seconds_bucket": "component group le resource scope subresource verb version",
    "apiserver_request_sli_duration_seconds_count": "resource scope verb",
    "apiserver_response_sizes_sum": "resource scope verb",
    "apiserver_current_inflight_requests": "request_kind",
    "apiserver_longrunning_requests": "resource verb",
    "apiserver_client_certificate_expiration_seconds_bucket": "le",
    "apiserver_client_certificate_expiration_seconds_count": "",
    "apiserver_admission_step_admission_duration_seconds_bucket": "le operation rejected type",
    "apiserver_admission_controller_admission_duration_seconds_bucket": "le name operation rejected type",
    "apiserver_flowcontrol_current_inqueue_requests": "flow_schema priority_level",
    "apiserver_flowcontrol_dispatched_requests_total": "flow_schema priority_level",
    "apiserver_flowcontrol_nominal_limit_seats": "priority_level",
    "apiserver_storage_objects": "resource",
    "apiserver_storage_size_bytes": "storage_cluster_id",
    "authentication_attempts": "result",
    "kubernetes_build_info": "build_date git_commit git_version platform",
    "process_cpu_seconds_total": "",
    "process_open_fds": "",
    "process_resident_memory_bytes": "",
    "process_start_time_seconds": "",
    "rest_client_requests_total": "code host method",
    "rest_client_request_duration_seconds_bucket": "host le verb",
    "scheduler_pending_pods": "queue",
    "scheduler_pod_scheduling_attempts_bucket": "le",
    "scheduler_pod_scheduling_sli_duration_seconds_bucket": "attempts le",
    "scheduler_schedule_attempts_total": "profile result",
    "scheduler_scheduling_algorithm_duration_seconds_bucket": "le",
    "scheduler_scheduling_attempt_duration_seconds_bucket": "le profile result",
    "workqueue_adds_total": "name",
    "workqueue_depth": "name",
    "workqueue_queue_duration_seconds_bucket": "le name",
    "workqueue_retries_total": "name",
    "workqueue_work_duration_seconds_bucket": "le name",
}


def test_metrics_of_the_usual_dashboards(cluster):
    ns = cluster.namespace("metrics")
    cluster.deployment(ns, replicas=1)
    cluster.wait_deployment(ns, "web", 1)
    # As Prometheus comes: with a token, and a role for the path.
    cluster.kubectl("create", "serviceaccount", "prometheus", ns=ns)
    token = cluster.kubectl("create", "token", "prometheus", ns=ns).stdout.strip()
    prometheus = Api(cluster.server.kubeconfig, cluster.server.port, token=token)
    assert prometheus.get("/metrics")[0] == 403
    cluster.kubectl("create", "clusterrole", "e2e-metrics", "--verb=get", "--non-resource-url=/metrics")
    cluster.kubectl("create", "clusterrolebinding", "e2e-metrics", "--clusterrole=e2e-metrics", f"--serviceaccount={ns}:prometheus")
    code, text = prometheus.get("/metrics", parse=False)
    assert code == 200, text[:500]
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, labels, value = re.fullmatch(r"([a-z_:]+)(?:\{(.*)\})? (\S+)", line).groups()
            float(value)
            samples.setdefault(name, []).append(dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or "")))
    for name, labels in ASKED.items():
        assert name in samples, f"{name} is missing"
        lacking = [s for s in samples[name] if not set(labels.split()) <= set(s)]
        assert not lacking, (name, labels, lacking[0])
    names = {s["name"] for s in samples["workqueue_adds_total"]}
    assert {"deployment", "replicaset"} <= names, names
    assert {s["result"] for s in samples["scheduler_schedule_attempts_total"]} >= {"scheduled"}
    version = cluster.get("/version")
    build = samples["kubernetes_build_info"][0]
    assert (build["build_date"], build["git_version"], build["git_commit"]) == (version["buildDate"], version["gitVersion"], version["gitCommit"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", version["buildDate"]), version
    for kind in ("clusterrolebinding", "clusterrole"):
        cluster.kubectl("delete", kind, "e2e-metrics")

