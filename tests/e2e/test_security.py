"""What a pod is given and kept from, through the API: the restricted profile, ports of the host, image volumes, runtime classes."""
from cluster import IMAGE, NODE_ADDRESS, dig, fetch_until

RESTRICTED = {"runAsNonRoot": True, "runAsUser": 1000, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}


def test_restricted_pod_runs_confined(cluster):
    ns = cluster.namespace("confined")
    cluster.merge(f"/api/v1/namespaces/{ns}", {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    pod = cluster.pod(ns, "confined", "sleep", "3600", container={"securityContext": RESTRICTED})
    status = dict(line.split(":", 1) for line in cluster.exec(ns, "confined", "cat", "/proc/self/status").stdout.splitlines())
    assert {k: status[k].strip() for k in ("CapBnd", "NoNewPrivs", "Seccomp")} == {"CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}, status
    assert dig(pod, "status", "containerStatuses", 0, "user", "linux", "uid") == 1000, pod["status"]


def test_unsafe_sysctl_fails_the_pod(cluster):
    ns = cluster.namespace("sysctl")
    cluster.pod(ns, "unsafe", "sleep", "3600", running=False, securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "65536"}]})
    failed = cluster.wait_pod(ns, "unsafe", lambda p: p["status"].get("phase") == "Failed")
    assert failed["status"]["reason"] == "SysctlForbidden" and failed["status"]["message"] == 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted', failed["status"]


def test_host_port_leads_to_the_pod(cluster):
    ns = cluster.namespace("hostport")
    cluster.pod(ns, "page", "sh", "-c", "mkdir /w && echo here > /w/index.html && exec busybox httpd -f -p 80 -h /w", container={"ports": [{"containerPort": 80, "hostPort": 18080}]})
    assert fetch_until(f"http://{NODE_ADDRESS}:18080/").strip() == "here"
    assert fetch_until("http://127.0.0.1:18080/").strip() == "here"


def test_image_volume_and_runtime_class(cluster):
    ns = cluster.namespace("volumes")
    cluster.create("/apis/node.k8s.io/v1/runtimeclasses", {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "plain"}, "handler": "runc"})
    cluster.pod(ns, "image", "sleep", "3600", runtimeClassName="plain", container={"volumeMounts": [{"name": "i", "mountPath": "/i"}]},
                volumes=[{"name": "i", "image": {"reference": IMAGE, "pullPolicy": "IfNotPresent"}}])
    assert "bin" in cluster.exec(ns, "image", "ls", "/i").stdout.split()
    assert "Read-only file system" in cluster.exec(ns, "image", "touch", "/i/x", check=False).stderr
    cluster.delete("/apis/node.k8s.io/v1/runtimeclasses/plain")
