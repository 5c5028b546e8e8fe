"""What namespaces allow: Pod Security Standards, quotas, default classes; and storage that is in use."""
import concurrent.futures
import json

from cluster import IMAGE, dig

RESTRICTED = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 1000, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}
MISSING = ('allowPrivilegeEscalation != false (container "{0}" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "{0}" must set '
           'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "{0}" must set securityContext.runAsNonRoot=true), seccompProfile (pod or '
           'container "{0}" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")')


def test_pod_security_refuses_warns_and_tells(cluster):
    ns = cluster.namespace("secure")
    cluster.kubectl("run", "early", f"--image={IMAGE}", ns=ns)
    labelled = cluster.kubectl("label", "namespace", ns, "pod-security.kubernetes.io/enforce=restricted")
    assert f'Warning: existing pods in namespace "{ns}" violate the new PodSecurity enforce level "restricted:latest"' in labelled.stderr, labelled.stderr
    assert "Warning: early: allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile" in labelled.stderr, labelled.stderr
    refused = cluster.kubectl("run", "late", f"--image={IMAGE}", ns=ns, check=False)
    assert refused.returncode == 1 and refused.stderr.strip() == \
        f'Error from server (Forbidden): pods "late" is forbidden: violates PodSecurity "restricted:latest": {MISSING.format("late")}', refused.stderr
    made = cluster.kubectl("create", "deployment", "web", f"--image={IMAGE}", ns=ns)
    assert f'Warning: would violate PodSecurity "restricted:latest": {MISSING.format("web")}' in made.stderr, made.stderr
    events = cluster.wait_all(f"/api/v1/namespaces/{ns}/events", lambda items: [e for e in items if e["reason"] == "FailedCreate"])
    message = next(e["message"] for e in events if e["reason"] == "FailedCreate")
    assert message.startswith('Error creating: pods "web-') and 'is forbidden: violates PodSecurity "restricted:latest"' in message, message
    bad = cluster.kubectl("label", "namespace", ns, "pod-security.kubernetes.io/warn=strict", check=False)
    assert bad.returncode == 1 and 'metadata.labels[pod-security.kubernetes.io/warn]: Invalid value: "strict": must be one of privileged, baseline, restricted' in bad.stderr, bad.stderr
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "good"},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": IMAGE, "command": ["/bin/sleep", "1000"], "securityContext": RESTRICTED}]}}
    cluster.create(f"/api/v1/namespaces/{ns}/pods", body)
    cluster.wait_running(ns, "good")


def quota_status(cluster, ns, name, used):
    return cluster.wait(f"/api/v1/namespaces/{ns}/resourcequotas", name, lambda q: q and dig(q, "status", "used") == used)


def test_quota_limits_what_a_namespace_has(cluster):
    ns = cluster.namespace("quota")
    cluster.kubectl("create", "quota", "few", "--hard=pods=2,configmaps=8,count/deployments.apps=1", ns=ns)
    quota_status(cluster, ns, "few", {"pods": "0", "configmaps": "1", "count/deployments.apps": "0"})
    cluster.deployment(ns, replicas=2)
    quota_status(cluster, ns, "few", {"pods": "2", "configmaps": "1", "count/deployments.apps": "1"})
    refused = cluster.kubectl("run", "more", f"--image={IMAGE}", ns=ns, check=False)
    assert refused.returncode == 1 and refused.stderr.strip() == \
        'Error from server (Forbidden): pods "more" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2', refused.stderr
    refused = cluster.kubectl("create", "deployment", "more", f"--image={IMAGE}", ns=ns, check=False)
    assert 'deployments.apps "more" is forbidden: exceeded quota: few, requested: count/deployments.apps=1, used: count/deployments.apps=1, limited: count/deployments.apps=1' in refused.stderr
    cluster.kubectl("scale", "deployment", "web", "--replicas=3", ns=ns)
    cluster.wait_all(f"/api/v1/namespaces/{ns}/events", lambda items: [e for e in items if e["reason"] == "FailedCreate" and "exceeded quota: few" in e["message"]])
    cluster.kubectl("scale", "deployment", "web", "--replicas=1", ns=ns)
    quota_status(cluster, ns, "few", {"pods": "1", "configmaps": "1", "count/deployments.apps": "1"})
    described = cluster.kubectl("describe", "quota", "few", ns=ns).stdout
    assert ["pods", "1", "2"] in [line.split() for line in described.splitlines()], described

    # Many at once: as many as there is room for, and all are counted, after a crash too.
    def make(i):
        return cluster.kubectl("create", "configmap", f"m{i}", ns=ns, check=False).returncode == 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = sum(pool.map(make, range(12)))
    assert made == 7, made
    cluster.server.kill()
    cluster.server.start()
    quota_status(cluster, ns, "few", {"pods": "1", "configmaps": "8", "count/deployments.apps": "1"})
    assert not make(99)
    cluster.kubectl("delete", "configmap", *[c["metadata"]["name"] for c in cluster.get(f"/api/v1/namespaces/{ns}/configmaps")["items"] if c["metadata"]["name"].startswith("m")], ns=ns)
    quota_status(cluster, ns, "few", {"pods": "1", "configmaps": "1", "count/deployments.apps": "1"})


def test_quota_wants_amounts_and_counts_them_by_scope(cluster):
    ns = cluster.namespace("amounts")
    cluster.kubectl("create", "quota", "cpu", "--hard=requests.cpu=1,limits.cpu=2", "--scopes=NotBestEffort", ns=ns)
    quota_status(cluster, ns, "cpu", {"requests.cpu": "0", "limits.cpu": "0"})
    cluster.kubectl("run", "plain", f"--image={IMAGE}", ns=ns)  # best effort: none of its business
    def pod(name, resources):
        return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": IMAGE, "resources": resources}]}})
    refused = cluster.kubectl("apply", "-f", "-", ns=ns, input=pod("a", {"requests": {"cpu": "100m"}}), check=False)
    assert 'pods "a" is forbidden: failed quota: cpu: must specify limits.cpu for: c' in refused.stderr, refused.stderr
    cluster.kubectl("apply", "-f", "-", ns=ns, input=pod("a", {"requests": {"cpu": "600m"}, "limits": {"cpu": "1500m"}}))
    refused = cluster.kubectl("apply", "-f", "-", ns=ns, input=pod("b", {"requests": {"cpu": "0.6"}, "limits": {"cpu": "1"}}), check=False)
    assert 'exceeded quota: cpu, requested: limits.cpu=1,requests.cpu=600m, used: limits.cpu=1500m,requests.cpu=600m, limited: limits.cpu=2,requests.cpu=1' in refused.stderr, refused.stderr
    cluster.kubectl("delete", "pod", "a", "--now", ns=ns)
    quota_status(cluster, ns, "cpu", {"requests.cpu": "0", "limits.cpu": "0"})


def test_claims_in_use_wait_for_their_pods(cluster):
    ns = cluster.namespace("claims")
    claims = f"/api/v1/namespaces/{ns}/persistentvolumeclaims"
    def claim(name):
        return cluster.create(claims, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
                                       "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Mi"}}}})
    assert claim("free")["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    claim("used")
    cluster.create(f"/api/v1/namespaces/{ns}/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "nodeName": "bramble-e2e", "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": IMAGE}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "used"}}]}})
    cluster.kubectl("delete", "pvc", "free", "used", "--wait=false", ns=ns)
    cluster.wait(claims, "free", lambda c: c is None)
    assert cluster.get(f"{claims}/used")["metadata"]["deletionTimestamp"]
    cluster.kubectl("delete", "pod", "p", "--now", ns=ns)
    cluster.wait(claims, "used", lambda c: c is None)
