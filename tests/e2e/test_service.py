"""Pages through Services: node port, cluster address, names."""
import json

from cluster import NODE_ADDRESS, PAGE, ROOT, dig, fetch_until, page_from_pod, run


def service(ns, name, spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns}, "spec": spec}


def test_deployment_serves_page_through_node_port(cluster):
    ns = cluster.namespace("nodeport")
    cluster.kubectl("apply", "-f", f"{ROOT}/provision/sample/web.yaml", ns=ns)
    cluster.wait_deployment(ns, "web", 2)
    assert fetch_until(f"http://{NODE_ADDRESS}:30080/").strip() == PAGE


def test_cluster_ip_serves_page_to_pods_and_host(cluster):
    ns = cluster.namespace("clusterip")
    cluster.deployment(ns)
    made = cluster.create(f"/api/v1/namespaces/{ns}/services", service(ns, "web", {"selector": {"app": "web"}, "ports": [{"port": 8080, "targetPort": "http"}]}))
    address = made["spec"]["clusterIP"]
    assert fetch_until(f"http://{address}:8080/").strip() == PAGE
    cluster.pod(ns, "client", "sleep", "3600")
    assert page_from_pod(cluster, ns, "client", address, 8080).strip() == PAGE


def test_services_come_back_after_a_flush_of_the_rule_set(cluster):
    ns = cluster.namespace("flush")
    cluster.deployment(ns)
    made = cluster.create(f"/api/v1/namespaces/{ns}/services", service(ns, "web", {"selector": {"app": "web"}, "ports": [{"port": 8080, "targetPort": "http"}]}))
    page = f"http://{made['spec']['clusterIP']}:8080/"
    assert fetch_until(page).strip() == PAGE
    run(["nft", "flush", "ruleset"])
    assert fetch_until(page).strip() == PAGE


def test_dns_resolves_service(cluster):
    ns = cluster.namespace("dns")
    made = cluster.create(f"/api/v1/namespaces/{ns}/services", service(ns, "web", {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}))
    cluster.deployment(ns)
    cluster.pod(ns, "client", "sleep", "3600")
    answer = cluster.exec(ns, "client", "nslookup", f"web.{ns}.svc.cluster.local").stdout
    assert f"Address: {made['spec']['clusterIP']}" in [line.strip() for line in answer.splitlines()], answer
    missing = cluster.exec(ns, "client", "nslookup", f"none.{ns}.svc.cluster.local", check=False)
    assert missing.returncode != 0, missing.stdout


def test_headless_service_resolves_to_pods(cluster):
    ns = cluster.namespace("headless")
    cluster.create(f"/api/v1/namespaces/{ns}/services", service(ns, "web", {"clusterIP": "None", "selector": {"app": "web"}, "ports": [{"port": 80}]}))
    cluster.deployment(ns)
    cluster.pod(ns, "client", "sleep", "3600")
    pods = cluster.get(f"/api/v1/namespaces/{ns}/pods?labelSelector=app%3Dweb")["items"]
    wanted = sorted(p["status"]["podIP"] for p in pods)
    cluster.wait_all(f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices",
                     lambda slices: sorted(a for s in slices for e in s["endpoints"] for a in e["addresses"]) == wanted)
    answer = cluster.exec(ns, "client", "nslookup", f"web.{ns}.svc.cluster.local").stdout
    found = sorted(l.split()[-1] for l in answer.split("Name:", 1)[-1].splitlines() if l.strip().startswith("Address"))
    assert found == wanted, (wanted, answer)


def test_pod_reaches_the_api_by_its_name_and_token(cluster):
    ns = cluster.namespace("api")
    cluster.pod(ns, "client", "sleep", "3600")
    answer = cluster.exec(ns, "client", "nslookup", "kubernetes.default.svc.cluster.local").stdout
    assert "Address: 10.43.0.1" in [line.strip() for line in answer.splitlines()], answer
    host = cluster.exec(ns, "client", "sh", "-c", "echo $KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT").stdout.strip()
    assert host == "10.43.0.1:443", host


def test_endpointslices_follow_readiness(cluster):
    ns = cluster.namespace("slices")
    cluster.create(f"/api/v1/namespaces/{ns}/services", service(ns, "web", {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}))
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices?labelSelector=kubernetes.io/service-name%3Dweb"

    def ready(items):
        return sorted(a for s in items for e in s.get("endpoints") or [] if dig(e, "conditions", "ready") for a in e["addresses"])
    cluster.deployment(ns, replicas=2)
    pods = cluster.get(f"/api/v1/namespaces/{ns}/pods?labelSelector=app%3Dweb")["items"]
    addresses = sorted(p["status"]["podIP"] for p in pods)
    found = cluster.wait_all(slices, lambda items: ready(items) == addresses)
    assert found[0]["ports"][0]["port"] == 80 and found[0]["addressType"] == "IPv4", json.dumps(found[0])
    assert {dig(e, "targetRef", "name") for s in found for e in s["endpoints"]} == {p["metadata"]["name"] for p in pods}
    cluster.merge(f"/apis/apps/v1/namespaces/{ns}/deployments/web/scale", {"spec": {"replicas": 1}})
    cluster.wait_all(slices, lambda items: len(ready(items)) == 1)
    endpoints = cluster.wait(f"/api/v1/namespaces/{ns}/endpoints", "web", lambda e: e and len(dig(e, "subsets", 0, "addresses") or []) == 1)
    assert endpoints["subsets"][0]["ports"][0]["port"] == 80, endpoints
    # A pod whose container never starts is no ready endpoint.
    cluster.pod(ns, "absent", running=False, labels={"app": "web"}, container={"image": "bramble.local/absent:1", "imagePullPolicy": "Never"})
    cluster.wait_pod(ns, "absent", lambda p: dig(p, "status", "containerStatuses", 0, "state", "waiting", "reason") == "ErrImageNeverPull")
    assert len(ready(cluster.get(slices)["items"])) == 1
