"""kubectl's words, each with what it changed as the API shows it."""
import json
import os
import subprocess

from cluster import IMAGE, ROOT, dig, until


def names_of(text):
    return {line for line in text.split("\n") if line}


def test_version(cluster):
    version = cluster.kubectl_json("version")
    assert version["serverVersion"]["major"] == "1" and version["serverVersion"]["minor"] == "36", version
    assert version["serverVersion"]["platform"].startswith("linux/"), version


def test_api_resources(cluster):
    found = names_of(cluster.kubectl("api-resources", "-o", "name").stdout)
    wanted = {"pods", "services", "configmaps", "secrets", "nodes", "namespaces", "events", "endpoints", "serviceaccounts", "deployments.apps", "replicasets.apps",
              "endpointslices.discovery.k8s.io", "leases.coordination.k8s.io"}
    assert wanted <= {n.strip() for n in found}, wanted - found
    versions = names_of(cluster.kubectl("api-versions").stdout)
    assert {"v1", "apps/v1", "coordination.k8s.io/v1", "discovery.k8s.io/v1"} <= versions, versions


def test_explain(cluster):
    fields = cluster.kubectl("explain", "pod.spec.containers").stdout.splitlines()
    assert "FIELDS:" in fields and any(line.split()[:1] == ["image"] for line in fields), fields[:10]
    deployment = cluster.kubectl("explain", "deployment.spec.replicas").stdout.splitlines()
    assert deployment[:2] == ["GROUP:      apps", "KIND:       Deployment"], deployment
    assert cluster.kubectl("explain", "pod.spec.nonsense", check=False).returncode != 0


def test_create_forms(cluster):
    ns = cluster.namespace("create")
    cluster.kubectl("create", "configmap", "c", "--from-literal=a=b", ns=ns)
    assert cluster.get(f"/api/v1/namespaces/{ns}/configmaps/c")["data"] == {"a": "b"}
    cluster.kubectl("create", "secret", "generic", "s", "--from-literal=p=q", ns=ns)
    assert cluster.get(f"/api/v1/namespaces/{ns}/secrets/s")["data"] == {"p": "cQ=="}
    cluster.kubectl("create", "deployment", "d", f"--image={IMAGE}", "--replicas=1", ns=ns)
    cluster.wait_deployment(ns, "d", 1)
    cluster.kubectl("create", "serviceaccount", "robot", ns=ns)
    token = cluster.kubectl("create", "token", "robot", ns=ns).stdout.strip()
    assert token.count(".") == 2
    twice = cluster.kubectl("create", "configmap", "c", ns=ns, check=False)
    assert twice.returncode == 1 and 'configmaps "c" already exists' in twice.stderr, twice.stderr


def test_run_label_annotate(cluster):
    ns = cluster.namespace("run")
    cluster.kubectl("run", "x", f"--image={IMAGE}", "--labels=tier=front", "--overrides", json.dumps({"spec": {"terminationGracePeriodSeconds": 0}}), ns=ns)
    cluster.wait_running(ns, "x")
    cluster.kubectl("label", "pod", "x", "tier=back", "--overwrite", ns=ns)
    cluster.kubectl("annotate", "pod", "x", "note=hello there", ns=ns)
    pod = cluster.get(f"/api/v1/namespaces/{ns}/pods/x")
    assert pod["metadata"]["labels"] == {"tier": "back"} and pod["metadata"]["annotations"]["note"] == "hello there", pod["metadata"]
    cluster.kubectl("label", "pod", "x", "tier-", ns=ns)
    assert not cluster.get(f"/api/v1/namespaces/{ns}/pods/x")["metadata"].get("labels")


def test_get_forms(cluster):
    ns = cluster.namespace("get")
    for name, label in (("a", "1"), ("b", "2")):
        cluster.kubectl("create", "configmap", name, f"--from-literal=k={label}", ns=ns)
        cluster.kubectl("label", "configmap", name, f"n={label}", ns=ns)
    assert [i["metadata"]["name"] for i in cluster.kubectl_json("get", "configmaps", "-l", "n=2", ns=ns)["items"]] == ["b"]
    assert [i["metadata"]["name"] for i in cluster.kubectl_json("get", "configmaps", "--field-selector", "metadata.name=a", ns=ns)["items"]] == ["a"]
    assert cluster.kubectl("get", "cm", "a", "-o", "jsonpath={.data.k}", ns=ns).stdout == "1"
    assert names_of(cluster.kubectl("get", "cm,secrets", "-o", "name", ns=ns).stdout) == {"configmap/a", "configmap/b", "configmap/kube-root-ca.crt"}
    assert cluster.kubectl("get", "cm", "a", "-o", "yaml", ns=ns).stdout.startswith("apiVersion: v1\ndata:\n  k: \"1\"\n")
    table = [line.split() for line in cluster.kubectl("get", "cm", "--show-labels", ns=ns).stdout.splitlines()]
    assert table[0] == ["NAME", "DATA", "AGE", "LABELS"] and table[1][:2] == ["a", "1"] and table[1][3] == "n=1", table
    wide = cluster.kubectl("get", "nodes", "-o", "wide").stdout.splitlines()
    assert wide[0].split()[:5] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"] and wide[1].split()[:2] == ["bramble-e2e", "Ready"], wide
    missing = cluster.kubectl("get", "cm", "none", ns=ns, check=False)
    assert missing.returncode == 1 and missing.stderr == 'Error from server (NotFound): configmaps "none" not found\n', missing.stderr
    assert cluster.kubectl("get", "all", "-A").returncode == 0


def test_get_watch(cluster):
    ns = cluster.namespace("watch")
    cluster.kubectl("create", "configmap", "first", ns=ns)
    seen = cluster.spawn("get", "configmaps", "-w", "-o", "json", "--output-watch-events", ns=ns, stdout=subprocess.PIPE, text=True)
    try:
        text, events, decoder = "", [], json.JSONDecoder()
        def read_event():
            nonlocal text
            while True:
                try:
                    event, end = decoder.raw_decode(text.lstrip())
                    text = text.lstrip()[end:]
                    return event["type"], event["object"]["metadata"]["name"]
                except ValueError:
                    line = seen.stdout.readline()
                    assert line, "the watch ended"
                    text += line
        first = {read_event(), read_event()}
        assert first == {("ADDED", "first"), ("ADDED", "kube-root-ca.crt")}, first
        cluster.kubectl("create", "configmap", "second", ns=ns)
        cluster.kubectl("label", "configmap", "second", "a=b", ns=ns)
        cluster.kubectl("delete", "configmap", "second", ns=ns)
        assert [read_event(), read_event(), read_event()] == [("ADDED", "second"), ("MODIFIED", "second"), ("DELETED", "second")]
    finally:
        seen.kill()
        seen.wait()


def test_describe(cluster):
    ns = cluster.namespace("describe")
    cluster.deployment(ns, replicas=1)
    pod = cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"][0]["metadata"]["name"]
    for kind, name in (("pod", pod), ("deployment", "web"), ("namespace", ns)):
        lines = cluster.kubectl("describe", kind, name, ns=ns).stdout.splitlines()
        assert lines[0].split() == ["Name:", name], lines[0]
    text = cluster.kubectl("describe", "pod", pod, ns=ns).stdout
    events = text.partition("\nEvents:")[2].split()
    assert {"Scheduled", "Pulled", "Created", "Started"} <= set(events), text
    assert cluster.kubectl("describe", "nodes").stdout.split()[:2] == ["Name:", "bramble-e2e"]


def test_apply_changes_and_keeps(cluster):
    ns = cluster.namespace("apply")
    def manifest(data):
        return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})
    path = f"/api/v1/namespaces/{ns}/configmaps/c"
    assert cluster.kubectl("apply", "-f", "-", ns=ns, input=manifest({"a": "1", "b": "2"})).stdout == "configmap/c created\n"
    cluster.merge(path, {"data": {"other": "kept"}})
    assert cluster.kubectl("apply", "-f", "-", ns=ns, input=manifest({"a": "3"})).stdout == "configmap/c configured\n"
    assert cluster.get(path)["data"] == {"a": "3", "other": "kept"}
    before = cluster.get(path)["metadata"]["resourceVersion"]
    assert cluster.kubectl("apply", "-f", "-", ns=ns, input=manifest({"a": "3"})).stdout == "configmap/c unchanged\n"
    assert cluster.get(path)["metadata"]["resourceVersion"] == before
    assert cluster.kubectl("apply", "--dry-run=server", "-f", "-", ns=ns, input=manifest({"a": "9"})).returncode == 0
    assert cluster.get(path)["data"]["a"] == "3"
    differs = cluster.kubectl("diff", "-f", "-", ns=ns, input=manifest({"a": "9"}), check=False)
    assert differs.returncode == 1, differs.stderr


def test_expose(cluster):
    ns = cluster.namespace("expose")
    cluster.deployment(ns, replicas=1)
    cluster.kubectl("expose", "deployment", "web", "--port=8080", "--target-port=80", "--type=NodePort", ns=ns)
    spec = cluster.get(f"/api/v1/namespaces/{ns}/services/web")["spec"]
    assert spec["selector"] == {"app": "web"} and spec["ports"][0]["port"] == 8080 and 30000 <= spec["ports"][0]["nodePort"] <= 32767, spec


def test_wait(cluster):
    ns = cluster.namespace("wait")
    cluster.pod(ns, "p", "sleep", "3600", running=False)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s", ns=ns)
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/p", "--timeout=60s", ns=ns)
    cluster.kubectl("delete", "pod", "p", "--wait=false", ns=ns)
    cluster.kubectl("wait", "--for=delete", "pod/p", "--timeout=60s", ns=ns)
    assert cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"] == []


def test_delete(cluster):
    ns = cluster.namespace("delete")
    cluster.deployment(ns, replicas=2)
    cluster.kubectl("delete", "deployment", "web", ns=ns)
    cluster.wait_all(f"/apis/apps/v1/namespaces/{ns}/replicasets", lambda items: not items)
    cluster.wait_all(f"/api/v1/namespaces/{ns}/pods", lambda items: not items)
    cluster.pod(ns, "p", "sleep", "3600")
    cluster.kubectl("delete", "pod", "p", "--force", "--grace-period=0", ns=ns)
    assert cluster.get(f"/api/v1/namespaces/{ns}/pods")["items"] == []


def test_replace_patch_edit(cluster):
    ns = cluster.namespace("patch")
    cluster.kubectl("create", "configmap", "c", "--from-literal=a=1", ns=ns)
    cluster.kubectl("patch", "configmap", "c", "-p", '{"data":{"b":"2"}}', ns=ns)
    cluster.kubectl("patch", "configmap", "c", "--type=json", "-p", '[{"op":"replace","path":"/data/a","value":"9"}]', ns=ns)
    obj = cluster.kubectl_json("get", "configmap", "c", ns=ns)
    assert obj["data"] == {"a": "9", "b": "2"}, obj
    obj["data"] = {"only": "this"}
    cluster.kubectl("replace", "-f", "-", ns=ns, input=json.dumps(obj))
    assert cluster.get(f"/api/v1/namespaces/{ns}/configmaps/c")["data"] == {"only": "this"}
    stale = cluster.kubectl("replace", "-f", "-", ns=ns, input=json.dumps(obj), check=False)
    assert stale.returncode == 1 and "the object has been modified" in stale.stderr, stale.stderr
