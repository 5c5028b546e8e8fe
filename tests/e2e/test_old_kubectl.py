"""kubectl 1.20 of Debian 12: it asks for OpenAPI v2 in protobuf, and creates nothing without it."""
import json
import os
import signal
import subprocess

from cluster import IMAGE, IMAGE2, NODE, PAGE, PATIENCE, dig, fetch_until, run, until

DEPLOYMENT = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "old"},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "old"}},
             "template": {"metadata": {"labels": {"app": "old"}},
                          "spec": {"terminationGracePeriodSeconds": 1,
                                   "containers": [{"name": "web", "image": IMAGE, "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]}}}}


def old(cluster, *arguments, ns=None, input=None, check=True):
    if isinstance(input, dict):
        input = json.dumps(input)
    return run(["kubectl-1.20"] + (["-n", ns] if ns else []) + list(arguments), input=input, env=cluster.env, check=check)


def test_old_kubectl_creates_and_applies(cluster):
    ns = cluster.namespace("old")
    assert '"minor": "20' in old(cluster, "version", "--client", "-o", "json").stdout
    said = old(cluster, "create", "-f", "-", ns=ns, input={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}}).stdout
    assert said == "configmap/c created\n", said
    old(cluster, "apply", "-f", "-", ns=ns, input=DEPLOYMENT)
    cluster.wait_deployment(ns, "old", 1)
    old(cluster, "set", "env", "deployment/old", "C=3", ns=ns)
    changed = json.loads(json.dumps(DEPLOYMENT))
    container = changed["spec"]["template"]["spec"]["containers"][0]
    container["image"], container["env"] = IMAGE2, [{"name": "B", "value": "20"}]
    said = old(cluster, "diff", "-f", "-", ns=ns, input=changed, check=False)
    assert said.returncode == 1 and IMAGE2 in said.stdout, said
    old(cluster, "apply", "-f", "-", ns=ns, input=changed)
    now = cluster.get(f"/apis/apps/v1/namespaces/{ns}/deployments/old")["spec"]["template"]["spec"]["containers"][0]
    # Merged by name: A is gone because the manifest dropped it, C stays because another had set it.
    assert now["image"] == IMAGE2 and {e["name"]: e["value"] for e in now["env"]} == {"B": "20", "C": "3"}, now
    said = old(cluster, "apply", "--dry-run=server", "-f", "-", ns=ns, input=dict(DEPLOYMENT, metadata={"name": "never"})).stdout
    assert said == "deployment.apps/never created (server dry run)\n", said
    assert cluster.api.get(f"/apis/apps/v1/namespaces/{ns}/deployments/never")[0] == 404
    old(cluster, "replace", "-f", "-", ns=ns, input={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"x": "y"}})
    assert cluster.get(f"/api/v1/namespaces/{ns}/configmaps/c")["data"] == {"x": "y"}
    old(cluster, "delete", "deployment", "old", ns=ns)


def test_old_kubectl_validates_before_it_sends(cluster):
    ns = cluster.namespace("oldval")
    wrong = json.loads(json.dumps(DEPLOYMENT))
    wrong["spec"]["replica"] = 1
    wrong["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"
    for word in ("create", "apply"):
        said = old(cluster, word, "-f", "-", ns=ns, input=wrong, check=False)
        assert said.returncode == 1 and 'unknown field "replica" in io.k8s.api.apps.v1.DeploymentSpec' in said.stderr, said.stderr
        assert 'unknown field "imagePullPolice" in io.k8s.api.core.v1.Container' in said.stderr, said.stderr
    kind = json.loads(json.dumps(DEPLOYMENT))
    kind["spec"]["replicas"] = "one"
    said = old(cluster, "create", "-f", "-", ns=ns, input=kind, check=False)
    assert 'invalid type for io.k8s.api.apps.v1.DeploymentSpec.replicas: got "string", expected "integer"' in said.stderr, said.stderr
    missing = json.loads(json.dumps(DEPLOYMENT))
    del missing["spec"]["selector"]
    said = old(cluster, "create", "-f", "-", ns=ns, input=missing, check=False)
    assert 'missing required field "selector" in io.k8s.api.apps.v1.DeploymentSpec' in said.stderr, said.stderr
    said = old(cluster, "create", "--validate=false", "-f", "-", ns=ns, input={**wrong, "metadata": {"name": "loose"}})
    assert said.stdout == "deployment.apps/loose created\n", said
    port = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80, "targetPort": "http"}]}}
    old(cluster, "create", "-f", "-", ns=ns, input=port)
    assert dig(cluster.get(f"/api/v1/namespaces/{ns}/services/s"), "spec", "ports", 0, "targetPort") == "http"


def test_old_kubectl_explains(cluster):
    said = old(cluster, "explain", "deployment.spec.template.spec.containers").stdout
    assert "KIND:     Deployment" in said and "RESOURCE: containers <[]Object>" in said and "image\t<string>" in said, said[:500]
    assert "field \"nonsense\" does not exist" in old(cluster, "explain", "pod.spec.nonsense", check=False).stderr
    assert "nodes" in old(cluster, "api-resources", "-o", "name").stdout
    assert "bramble-e2e" in old(cluster, "get", "nodes").stdout


def test_old_kubectl_everyday(cluster):
    ns = cluster.namespace("oldday")
    def say(*arguments, **options):
        return old(cluster, *arguments, ns=ns, **options).stdout
    assert say("run", "p", f"--image={IMAGE}", "--labels=tier=front", "--", "sh", "-c", "echo hello; exec sleep 3600") == "pod/p created\n"
    say("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    until("the log", lambda: say("logs", "p") == "hello\n")
    assert say("get", "pods", "-l", "tier=front", "-o", "custom-columns=N:.metadata.name,P:.status.phase").split() == ["N", "P", "p", "Running"]
    assert say("get", "pod", "p").split()[:8] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "p", "1/1", "Running"]
    described = say("describe", "pod", "p")
    assert described.startswith("Name:         p\n") and "Scheduled" in described and "Started" in described, described
    assert say("create", "deployment", "d", f"--image={IMAGE}", "--replicas=2") == "deployment.apps/d created\n"
    assert "successfully rolled out" in say("rollout", "status", "deployment/d", "--timeout=60s")
    assert say("set", "image", "deployment/d", f"*={IMAGE2}") == "deployment.apps/d image updated\n"
    assert say("rollout", "undo", "deployment/d") == "deployment.apps/d rolled back\n"
    assert say("scale", "deployment", "d", "--replicas=0") == "deployment.apps/d scaled\n"
    assert say("expose", "deployment", "d", "--port=80") == "service/d exposed\n"
    assert say("autoscale", "deployment", "d", "--max=3") == "horizontalpodautoscaler.autoscaling/d autoscaled\n"
    assert say("create", "job", "j", f"--image={IMAGE}", "--", "true") == "job.batch/j created\n"
    assert say("create", "role", "r", "--verb=get", "--resource=pods") == "role.rbac.authorization.k8s.io/r created\n"
    assert say("patch", "service", "d", "-p", '{"spec":{"type":"NodePort"}}') == "service/d patched\n"
    assert say("annotate", "service", "d", "a=b") == "service/d annotated\n"
    assert say("auth", "can-i", "create", "pods") == "yes\n"
    assert old(cluster, "cordon", NODE).stdout == f"node/{NODE} cordoned\n" and old(cluster, "uncordon", NODE).stdout == f"node/{NODE} uncordoned\n"
    assert old(cluster, "top", "nodes").stdout.splitlines()[1].split()[0] == NODE
    assert say("delete", "pod", "p", "--grace-period=0", "--force").startswith('pod "p" force deleted')


def test_old_kubectl_streams(cluster):
    """exec, attach, port-forward and cp over SPDY, which it speaks alone."""
    ns = cluster.namespace("oldstream")
    cluster.pod(ns, "p")
    cluster.pod(ns, "reads", "sh", "-c", "while read line; do echo got $line; done", container={"stdin": True})
    def say(*arguments, **options):
        return old(cluster, *arguments, ns=ns, **options)
    done = say("exec", "p", "--", "sh", "-c", "echo out; echo err >&2; exit 5", check=False)
    assert done.stdout == "out\n" and done.stderr == "err\ncommand terminated with exit code 5\n" and done.returncode == 5, done
    big = "".join(f"{i}\n" for i in range(100000))
    assert say("exec", "-i", "p", "--", "cat", input=big).stdout == big
    missing = say("exec", "p", "--", "no-such-command", check=False)
    assert missing.returncode == 1 and 'exec: "no-such-command": executable file not found in $PATH' in missing.stderr, missing
    data = os.urandom(1 << 20)
    here = f"{cluster.state}/{ns}.here"
    with open(here, "wb") as f:
        f.write(data)
    say("cp", here, "p:/tmp/there")
    say("cp", "p:/tmp/there", here + ".back")
    with open(here + ".back", "rb") as f:
        assert f.read() == data
    attached = subprocess.Popen(["kubectl-1.20", "-n", ns, "attach", "-i", "reads"], env=cluster.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
    try:
        attached.stdin.write(b"hello\n")
        attached.stdin.flush()
        assert attached.stdout.readline() == b"got hello\n"
    finally:
        attached.kill()
        attached.wait()
    forward = subprocess.Popen(["kubectl-1.20", "-n", ns, "port-forward", "pod/p", ":80"], env=cluster.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = int(forward.stdout.readline().split(":")[1].split()[0])
        for _ in range(2):
            assert fetch_until(f"http://127.0.0.1:{port}/").strip() == PAGE
    finally:
        forward.send_signal(signal.SIGINT)
        forward.wait(timeout=PATIENCE)
