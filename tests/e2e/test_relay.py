"""Pods, services and nodes through the API server: kubectl get --raw, kubectl proxy."""
import json
import subprocess
import urllib.error
import urllib.request

from cluster import PAGE


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read().decode()


def test_proxy_of_pods_and_services(cluster):
    ns = cluster.namespace("relay")
    cluster.deployment(ns, replicas=1)
    cluster.kubectl("expose", "deployment", "web", "--port=80", "--target-port=80", ns=ns)
    pod = cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"][0]["metadata"]["name"]
    base = f"/api/v1/namespaces/{ns}"
    cluster.wait(f"{base}/endpoints", "web", lambda e: e and e.get("subsets"))
    for path in (f"{base}/pods/{pod}/proxy/", f"{base}/pods/http:{pod}:80/proxy/", f"{base}/services/web/proxy/", f"{base}/services/web:80/proxy/index.html"):
        assert PAGE in cluster.kubectl("get", "--raw", path).stdout, path
    closed = cluster.kubectl("get", "--raw", f"{base}/pods/{pod}:81/proxy/", check=False)
    assert closed.returncode == 1 and "error trying to reach service: dial tcp" in closed.stderr and "connect: connection refused" in closed.stderr, closed
    cluster.kubectl("create", "service", "clusterip", "idle", "--tcp=80", ns=ns)
    cluster.wait(f"{base}/endpoints", "idle", bool)
    none = cluster.kubectl("get", "--raw", f"{base}/services/idle/proxy/", check=False)
    assert 'no endpoints available for service "idle"' in none.stderr, none


def test_kubectl_proxy(cluster):
    ns = cluster.namespace("local")
    cluster.deployment(ns, replicas=1)
    pod = cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"][0]["metadata"]["name"]
    proxy = cluster.spawn("proxy", "--port=0", stdout=subprocess.PIPE, text=True)
    try:
        port = proxy.stdout.readline().rsplit(":", 1)[1].strip()
        root = f"http://127.0.0.1:{port}/api/v1/namespaces/{ns}/pods/{pod}:80/proxy"
        status, _, body = fetch(root)  # is sent on to the path with a slash
        assert status == 200 and PAGE in body, (status, body)
        status, _, body = fetch(f"{root}/no-such-page")
        assert status == 404 and "kind" not in body, "the pod's own answer"
        status, _, body = fetch(f"http://127.0.0.1:{port}/api/v1/namespaces/{ns}/pods/none/proxy/")
        assert status == 404 and json.loads(body)["message"] == 'pods "none" not found', body
    finally:
        proxy.kill()
        proxy.communicate()
