"""Who reaches whom: NetworkPolicies, load balancers without pods, names that lead on, the DNS Service."""
from cluster import NODE, NODE_ADDRESS, PAGE, dig, fetch_until, page_from_pod, until

POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"


def service(ns, name, spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns}, "spec": spec}


def policy(ns, name, spec):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": ns}, "spec": spec}


def reaches(cluster, ns, pod, address, port):
    script = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {address} {port}"
    return PAGE in cluster.exec(ns, pod, "sh", "-c", script, check=False).stdout


def test_network_policy_closes_pods_and_opens_them_to_whom_it_names(cluster):
    ns, other = cluster.namespace("policy"), cluster.namespace("stranger")
    cluster.deployment(ns)
    made = cluster.create(f"/api/v1/namespaces/{ns}/services", service(ns, "web", {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}))
    address = made["spec"]["clusterIP"]
    cluster.pod(ns, "client", "sleep", "3600", labels={"role": "client"})
    cluster.pod(other, "client", "sleep", "3600", labels={"role": "client"})
    assert page_from_pod(cluster, ns, "client", address, 80).strip() == PAGE
    cluster.create(POLICIES.format(ns), policy(ns, "deny", {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}))
    until("the client is kept out", lambda: not reaches(cluster, ns, "client", address, 80))
    assert fetch_until(f"http://{address}/").strip() == PAGE, "the node itself is let in: its probes are"
    cluster.create(POLICIES.format(ns), policy(ns, "allow", {
        "podSelector": {"matchLabels": {"app": "web"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "client"}}}], "ports": [{"port": "http"}]}]}))
    until("the client is let in", lambda: reaches(cluster, ns, "client", address, 80))
    assert not reaches(cluster, other, "client", address, 80), "one of another namespace is not"
    # A new pod meets the rules from its first moment.
    cluster.create(POLICIES.format(other), policy(other, "nowhere", {"podSelector": {"matchLabels": {"role": "early"}}, "policyTypes": ["Egress"]}))
    cluster.pod(other, "early", "sh", "-c", f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {address} 80; sleep 3600", labels={"role": "early"})
    cluster.delete(POLICIES.format(ns) + "/deny")
    cluster.delete(POLICIES.format(ns) + "/allow")
    until("without a policy all are let in", lambda: reaches(cluster, other, "client", address, 80))
    assert PAGE not in cluster.kubectl("logs", "early", ns=other).stdout
    cluster.delete(POLICIES.format(other) + "/nowhere")


def test_load_balancer_gets_the_address_of_the_node(cluster):
    ns = cluster.namespace("balancer")
    cluster.deployment(ns)
    services = f"/api/v1/namespaces/{ns}/services"
    spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 8000, "targetPort": "http"}]}
    cluster.create(services, service(ns, "first", spec))
    ingress = [{"ip": NODE_ADDRESS, "ipMode": "VIP"}]
    cluster.wait(services, "first", lambda s: dig(s, "status", "loadBalancer", "ingress") == ingress)
    assert fetch_until(f"http://{NODE_ADDRESS}:8000/").strip() == PAGE
    cluster.create(services, service(ns, "second", spec))
    event = f"port TCP/8000 of node {NODE} belongs to service {ns}/first"
    cluster.wait_all(f"/api/v1/namespaces/{ns}/events", lambda all: any(e["reason"] == "LoadBalancerPending" and event in e["message"] for e in all))
    assert not dig(cluster.get(services + "/second"), "status", "loadBalancer", "ingress")
    cluster.delete(services + "/first")
    cluster.wait(services, "second", lambda s: dig(s, "status", "loadBalancer", "ingress") == ingress)
    assert fetch_until(f"http://{NODE_ADDRESS}:8000/").strip() == PAGE
    cluster.delete(services + "/second")


def test_the_dns_service_is_shown_and_names_lead_on(cluster):
    dns = cluster.get("/api/v1/namespaces/kube-system/services/kube-dns")
    assert dns["spec"]["clusterIP"] == "10.43.0.10", dns
    assert cluster.get("/api/v1/namespaces/kube-system/endpoints/kube-dns")["subsets"][0]["addresses"][0]["ip"] == "10.43.0.10"
    ns = cluster.namespace("alias")
    made = cluster.create(f"/api/v1/namespaces/{ns}/services", service(ns, "web", {"ports": [{"port": 80}]}))
    cluster.create(f"/api/v1/namespaces/{ns}/services", service(ns, "alias", {"type": "ExternalName", "externalName": f"web.{ns}.svc.cluster.local"}))
    cluster.pod(ns, "client", "sleep", "3600")
    answer = cluster.exec(ns, "client", "nslookup", f"alias.{ns}.svc.cluster.local").stdout
    assert f"Address: {made['spec']['clusterIP']}" in [line.strip() for line in answer.splitlines()], answer
