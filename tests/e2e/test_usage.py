"""What is used: kubectl top, metrics.k8s.io, the kubelet's pages through the API and on its own port."""
import contextlib
import http.client
import json
import re
import ssl

from cluster import IMAGE, NODE, NODE_ADDRESS, dig, run, until

METRICS = "/apis/metrics.k8s.io/v1beta1"


def burner(cluster, ns):
    """A pod with a container that burns a processor and one that sleeps."""
    containers = [{"name": "burn", "image": IMAGE, "command": ["sh", "-c", "while :; do :; done"]}, {"name": "idle", "image": IMAGE, "command": ["sleep", "3600"]}]
    cluster.create(f"/api/v1/namespaces/{ns}/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "burner", "labels": {"app": "burner"}},
                                                    "spec": {"terminationGracePeriodSeconds": 0, "containers": containers}})
    return cluster.wait_running(ns, "burner")


def milli(text):
    return int(text[:-1]) if text.endswith("m") else 1000 * int(text)


def table(said):
    lines = said.stdout.splitlines()
    return lines[0].split(), [line.split() for line in lines[1:]]


def test_top(cluster):
    ns = cluster.namespace("top")
    burner(cluster, ns)
    for kubectl in ("kubectl", "kubectl-1.20"):
        top = lambda *words: table(run([kubectl, "top", *words], env=cluster.env))
        head, rows = top("node")
        assert head[:2] == ["NAME", "CPU(cores)"] and rows[0][0] == NODE and milli(rows[0][1]) > 0 and rows[0][3].endswith("Mi"), (kubectl, head, rows)
        head, rows = top("pod", "-n", ns)
        assert head == ["NAME", "CPU(cores)", "MEMORY(bytes)"] and [r[0] for r in rows] == ["burner"] and milli(rows[0][1]) > 0, (kubectl, head, rows)
        head, rows = top("pod", "-n", ns, "--containers")
        assert head == ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"], head
        used = {r[1]: milli(r[2]) for r in rows}
        assert set(used) == {"burn", "idle"} and used["burn"] > used["idle"], (kubectl, used)
        _, rows = top("pod", "-A", "--sort-by=cpu")
        assert [ns, "burner"] in [r[:2] for r in rows], rows
        assert [milli(r[2]) for r in rows] == sorted((milli(r[2]) for r in rows), reverse=True), rows
    said = cluster.kubectl("top", "pod", "nope", ns=ns, check=False)
    assert said.returncode == 1 and said.stderr == 'Error from server (NotFound): pods "nope" not found\n', said
    empty = cluster.namespace("topless")
    assert cluster.kubectl("top", "pod", ns=empty).stderr == f"No resources found in {empty} namespace.\n"


def test_usage_api(cluster):
    ns = cluster.namespace("usage")
    pod = burner(cluster, ns)
    one = cluster.get(f"{METRICS}/namespaces/{ns}/pods/burner")
    assert one["kind"] == "PodMetrics" and [c["name"] for c in one["containers"]] == ["burn", "idle"], one
    assert re.fullmatch(r"\d+n|\d+[um]?", one["containers"][0]["usage"]["cpu"]) and one["containers"][0]["usage"]["memory"].endswith("i"), one
    assert one["metadata"]["labels"] == {"app": "burner"} and float(one["window"].rstrip("s")) > 0, one
    node = cluster.get(f"{METRICS}/nodes/{NODE}")
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == NODE, node
    shown = table(cluster.kubectl("get", "pods.metrics.k8s.io", ns=ns))
    assert shown[0][:3] == ["NAME", "CPU", "MEMORY"] and shown[1][0][0] == "burner", shown
    shown = table(cluster.kubectl("get", "apiservice", "v1beta1.metrics.k8s.io"))
    assert shown[1][0][:3] == ["v1beta1.metrics.k8s.io", "Local", "True"], shown
    assert "nodes" in cluster.kubectl("api-resources", "--api-group=metrics.k8s.io").stdout
    cluster.create(f"/api/v1/namespaces/{ns}/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "viewer"}})
    cluster.kubectl("create", "rolebinding", "viewer", "--clusterrole=view", f"--serviceaccount={ns}:viewer", ns=ns)
    may = lambda: cluster.kubectl("auth", "can-i", "list", "pods.metrics.k8s.io", f"--as=system:serviceaccount:{ns}:viewer", ns=ns, check=False).stdout == "yes\n"
    until("the role view holds the rules that are aggregated into it", may)
    cluster.kubectl("delete", "pod", "burner", "--now", ns=ns)
    code, status = cluster.api.get(f"{METRICS}/namespaces/{ns}/pods/burner")
    assert code == 404 and status["message"] == 'pods "burner" not found', status
    assert pod


def test_kubelet_pages(cluster):
    ns = cluster.namespace("pages")
    pod = burner(cluster, ns)
    proxy = f"/api/v1/nodes/{NODE}/proxy"
    summary = json.loads(cluster.kubectl("get", "--raw", f"{proxy}/stats/summary").stdout)
    assert summary["node"]["nodeName"] == NODE and summary["node"]["memory"]["workingSetBytes"] > 0 and summary["node"]["fs"]["capacityBytes"] > 0, summary["node"]
    mine = next(p for p in summary["pods"] if p["podRef"]["uid"] == pod["metadata"]["uid"])
    burn, idle = (next(c for c in mine["containers"] if c["name"] == name) for name in ("burn", "idle"))
    assert burn["cpu"]["usageCoreNanoSeconds"] > idle["cpu"]["usageCoreNanoSeconds"] and burn["cpu"]["usageNanoCores"] > idle["cpu"]["usageNanoCores"], mine
    assert dig(burn, "rootfs", "usedBytes") is not None and dig(burn, "logs", "usedBytes") is not None, burn
    assert dig(mine, "network", "rxBytes") is not None and dig(mine, "network", "name") == "eth0", mine
    assert dig(mine, "ephemeral-storage", "usedBytes") > 0 and dig(mine, "process_stats", "process_count") >= 2, mine
    old = json.loads(run(["kubectl-1.20", "get", "--raw", f"{proxy}/stats/summary?only_cpu_and_memory=true"], env=cluster.env).stdout)
    assert "fs" not in old["node"] and old["node"]["cpu"]["usageCoreNanoSeconds"] >= summary["node"]["cpu"]["usageCoreNanoSeconds"], old["node"]
    of_burn = f'container="burn",namespace="{ns}",pod="burner"'
    resource = cluster.kubectl("get", "--raw", f"{proxy}/metrics/resource").stdout
    for family in ("container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "container_start_time_seconds"):
        assert f"{family}{{{of_burn}}} " in resource, (family, resource)
    assert re.search(r"^node_cpu_usage_seconds_total \S+ \d{13}$", resource, re.M) and "\nscrape_error 0\n" in resource, resource
    cadvisor = cluster.kubectl("get", "--raw", f"{proxy}/metrics/cadvisor").stdout
    for family in ("container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "container_memory_rss", "container_memory_cache", "container_fs_usage_bytes", "container_spec_cpu_shares"):
        assert re.search(rf'^{family}{{container="burn",.*namespace="{ns}",pod="burner"}} ', cadvisor, re.M), family
    assert re.search(rf'^container_network_receive_bytes_total{{.*interface="eth0",.*namespace="{ns}",pod="burner"}} ', cadvisor, re.M), cadvisor
    assert re.search(r"^machine_cpu_cores{.*} \d+$", cadvisor, re.M) and re.search(r'^container_memory_working_set_bytes{container="",id="/",', cadvisor, re.M)
    for name in (f"{NODE}:10250", f"https:{NODE}:10250"):
        assert "\nnode_cpu_usage_seconds_total " in cluster.kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/metrics/resource").stdout, name
    own = cluster.kubectl("get", "--raw", f"{proxy}/metrics").stdout
    assert f'kubelet_node_name{{node="{NODE}"}} 1\n' in own and re.search(r"^kubelet_running_pods [1-9]", own, re.M) and "process_resident_memory_bytes " in own, own
    assert cluster.kubectl("get", "--raw", f"{proxy}/metrics/probes").stdout is not None


def kubelet(cluster, path, token=None, certificate=True):
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if certificate:
        tls.load_cert_chain(cluster.server.kubeconfig + ".pair.pem")
    with contextlib.closing(http.client.HTTPSConnection(NODE_ADDRESS, 10250, context=tls, timeout=30)) as connection:
        connection.request("GET", path, headers={"Authorization": "Bearer " + token} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_kubelet_port(cluster):
    ns = cluster.namespace("port")
    assert kubelet(cluster, "/metrics", certificate=False) == (401, "Unauthorized")
    assert kubelet(cluster, "/metrics", certificate=False, token="nonsense") == (401, "Unauthorized")
    code, body = kubelet(cluster, "/metrics/resource")
    assert code == 200 and "node_cpu_usage_seconds_total" in body, (code, body)
    assert kubelet(cluster, "/healthz") == (200, "ok")
    cluster.create(f"/api/v1/namespaces/{ns}/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "prometheus"}})
    token = cluster.kubectl("create", "token", "prometheus", ns=ns).stdout.strip()
    user = f"system:serviceaccount:{ns}:prometheus"
    assert kubelet(cluster, "/metrics", certificate=False, token=token) == (403, f"Forbidden (user={user}, verb=get, resource=nodes, subresource(s)=[metrics])\n")
    try:
        cluster.kubectl("create", "clusterrole", ns, "--verb=get", "--resource=nodes/metrics")
        cluster.kubectl("create", "clusterrolebinding", ns, f"--clusterrole={ns}", f"--serviceaccount={ns}:prometheus")
        code, body = kubelet(cluster, "/metrics/cadvisor", certificate=False, token=token)
        assert code == 200 and "machine_memory_bytes" in body, (code, body)
        assert kubelet(cluster, "/stats/summary", certificate=False, token=token)[0] == 403
    finally:
        cluster.kubectl("delete", "clusterrole,clusterrolebinding", ns, check=False)
