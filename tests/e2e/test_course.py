"""Manifests of a course for Kubernetes 1.4 (tests/e2e/course): accepted as they are, and run with images of those names made of Debian's packages."""
import functools
import hashlib
import io
import json
import os
import tarfile

import yaml

from cluster import ROOT, dig, fetch_until, run, until

COURSE = f"{ROOT}/tests/e2e/course"
DUMPS = ["echoserver-deployment-dump", "echoserver-pod-dump", "echoserver-service-dump"]
NGINX = ["nginx:latest", "nginx:1.10.2", "nginx:1.11.5"]
WELCOME = "Welcome to nginx!"


def manifest(name):
    return f"{COURSE}/{name}.yaml"


def objects(name):
    with open(manifest(name)) as f:
        return [o for o in yaml.safe_load_all(f) if o]


def names():
    return sorted(f.removesuffix(".yaml") for f in os.listdir(COURSE) if f.endswith(".yaml"))


def clients(cluster):
    """kubectl of today and kubectl 1.20: word -> a run of it."""
    def call(program, *arguments, ns, check=True, input=None):
        return run([program, "-n", ns, *arguments], env=cluster.env, check=check, input=input)
    return {program: functools.partial(call, program) for program in ("kubectl", "kubectl-1.20")}


@functools.cache
def import_images(cluster):
    """nginx and busybox as the course names them."""
    archive = f"{cluster.state}/course-nginx.tar"
    root = f"{os.environ['BRAMBLE_E2E_STATE']}/roots/nginx"
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(os.path.realpath(root), arcname=".", filter=lambda m: (setattr(m, "uid", 0), setattr(m, "gid", 0), m)[-1])
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps({"architecture": run(["dpkg", "--print-architecture"]).stdout.strip(), "os": "linux",
                         "config": {"Env": ["PATH=/usr/sbin:/usr/bin:/bin"], "Cmd": ["nginx", "-g", "daemon off;"]},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]}}).encode()
    listed = json.dumps([{"Config": "config.json", "RepoTags": NGINX, "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(archive, "w") as tar:
        for name, data in (("layer.tar", layer.getvalue()), ("config.json", config), ("manifest.json", listed)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    busybox = f"{cluster.state}/course-busybox.tar"
    run([f"{ROOT}/provision/sample/make-image.sh", "busybox:latest", busybox])
    for image in (archive, busybox):
        cluster.bramble("images", "import", "--run-dir", f"{cluster.state}/run", image)


def spoken(obj):
    """As kubectl names it."""
    group = obj["apiVersion"].rpartition("/")[0]
    return f"{obj['kind'].lower()}{'.' + group if group else ''}/{obj['metadata']['name']}"


def specs(say, name, ns):
    got = json.loads(say("get", "-f", manifest(name), "-o", "json", ns=ns).stdout)
    return [(o["spec"], o["metadata"].get("generation")) for o in got.get("items", [got])]


def test_course_is_accepted_unchanged(cluster):
    seen = 0
    for program, say in clients(cluster).items():
        for name in names():
            if name in DUMPS:
                continue
            # One of them says itself where it belongs.
            ns = next((o["metadata"]["namespace"] for o in objects(name) if "namespace" in o["metadata"]), None) or cluster.namespace("course")
            done = say("apply", "-f", manifest(name), ns=ns)
            assert done.stdout.splitlines() == [spoken(o) + " created" for o in objects(name)], (program, name, done.stdout)
            old = any(o["apiVersion"] == "extensions/v1beta1" for o in objects(name))
            warned = "extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment" in done.stderr
            assert warned == old, (program, name, done.stderr)
            before = specs(say, name, ns)
            # Of an empty list, and of volumes that admission added to a pod, kubectl makes a patch that changes nothing.
            for line in say("apply", "-f", manifest(name), ns=ns).stdout.splitlines():
                assert line.endswith(" unchanged") or line == "deployment.extensions/kubernetes-dashboard configured" or line.startswith("pod/"), (program, name, line)
            assert specs(say, name, ns) == before, (program, name)
            assert say("get", "-f", manifest(name), "-o", "name", ns=ns).stdout.splitlines() == [spoken(o) for o in objects(name)], name
            say("delete", "-f", manifest(name), ns=ns)
            seen += 1
    assert seen == 2 * (len(names()) - len(DUMPS)), seen


def test_course_dumps_are_refused(cluster):
    """What kubectl get -o yaml wrote: the pod and the service were edited by hand and are not valid; the deployment carries the
    version and the uid of another cluster's, of which kubectl takes the version away when it creates (helper.Create)."""
    pod, service = (yaml.safe_load(open(manifest(n))) for n in DUMPS[1:])
    assert pod["spec"]["nodeName"] == "minikube" and service["spec"]["clusterIP"] == "10.96.221.248 | None"
    for program, say in clients(cluster).items():
        for word in ("create", "apply"):
            # They say that they are in the namespace default. kubectl 1.20 looks at them first.
            if program == "kubectl-1.20":
                done = say(word, "-f", manifest(DUMPS[1]), ns="default", check=False)
                assert 'missing required field "nodeSelectorTerms" in io.k8s.api.core.v1.NodeSelector' in done.stderr, done.stderr
            done = say(word, "--validate=false", "-f", manifest(DUMPS[1]), ns="default", check=False)
            assert done.returncode == 1 and done.stderr.startswith('The Pod "hello-76dfd64498-674z2" is invalid: '), (program, done.stderr)
            for cause in ('* spec.nodeSelector: Invalid value: "${key}": name part must consist of alphanumeric characters',
                          '* spec.nodeSelector: Invalid value: "${value}": a valid label must be an empty string or consist of alphanumeric characters',
                          "* spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term"):
                assert cause in done.stderr, (program, done.stderr)
            done = say(word, "-f", manifest(DUMPS[2]), ns="default", check=False)
            assert done.returncode == 1 and done.stderr.startswith('The Service "hello" is invalid: '), (program, done.stderr)
            assert 'spec.clusterIPs[0]: Invalid value: "10.96.221.248 | None": must be a valid IP address' in done.stderr, (program, done.stderr)
    dump = yaml.safe_load(open(manifest(DUMPS[0])))
    said = cluster.refused("POST", "/apis/apps/v1/namespaces/default/deployments", json.dumps(dump, default=str))
    assert said["code"] == 500 and said["message"] == "resourceVersion should not be set on objects to be created", said
    applied = clients(cluster)["kubectl"]("apply", "--server-side", "-f", manifest(DUMPS[0]), ns="default", check=False)
    assert applied.returncode == 1 and "uid mismatch: the provided object specified uid abf0036c-b91f-4512-996c-3ec325005843, and no existing object was found" in applied.stderr, applied
    for program, say in clients(cluster).items():
        say("create", "-f", manifest(DUMPS[0]), ns="default")
        applied = say("apply", "-f", manifest(DUMPS[0]), ns="default", check=False)
        assert applied.returncode == 1 and "Operation cannot be fulfilled on deployments.apps \"hello\"" in applied.stderr, (program, applied)
        say("delete", "deployment", "hello", ns="default")


def page_of(cluster, ns, pod):
    ip = cluster.get(f"/api/v1/namespaces/{ns}/pods/{pod}")["status"]["podIP"]
    return fetch_until(f"http://{ip}/")


def wait_ready(cluster, ns, pod):
    return cluster.wait_pod(ns, pod, lambda p: any(c["type"] == "Ready" and c["status"] == "True" for c in dig(p, "status", "conditions") or []))


def test_course_deployments_run(cluster):
    import_images(cluster)
    for program, say in clients(cluster).items():
        ns = cluster.namespace("course")
        say("apply", "-f", manifest("my-nginx"), ns=ns)
        assert "successfully rolled out" in say("rollout", "status", "deployment/nginx-deployment", ns=ns).stdout
        address = cluster.get(f"/api/v1/namespaces/{ns}/services/nginx-service")["spec"]["clusterIP"]
        assert WELCOME in fetch_until(f"http://{address}:8000/"), program
        # In each version it is the same, and kubectl takes the one of today where nobody says otherwise.
        for version in ("v1beta1.extensions", "v1beta1.apps", "v1beta2.apps", "v1.apps"):
            row = say("get", f"deployments.{version}", ns=ns).stdout.split()
            assert row[:9] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "nginx-deployment", "2/2", "2", "2"], (program, version, row)
            group = version.partition(".")[2] + "/" + version.partition(".")[0]
            assert say("get", f"deployments.{version}", "nginx-deployment", "-o", "jsonpath={.apiVersion}", ns=ns).stdout == group
        short = say("get", "deploy", "-o", "name", ns=ns)
        assert short.stdout == "deployment.apps/nginx-deployment\n" and short.stderr == "", (program, short)
        assert say("scale", "deployments.v1beta1.extensions", "nginx-deployment", "--replicas=1", ns=ns).stdout == "deployment.extensions/nginx-deployment scaled\n"
        cluster.wait_deployment(ns, "nginx-deployment", 1)
        say("delete", "-f", manifest("my-nginx"), ns=ns)

        say("apply", "-f", manifest("nginx-deployment"), ns=ns)
        say("apply", "-f", manifest("nginx-service"), ns=ns)
        say("rollout", "status", "deployment/nginx-deployment", ns=ns)
        address = cluster.get(f"/api/v1/namespaces/{ns}/services/nginx-service")["spec"]["clusterIP"]
        assert WELCOME in fetch_until(f"http://{address}:8000/"), program
        say("delete", "-f", manifest("nginx-deployment"), "-f", manifest("nginx-service"), ns=ns)


def test_course_rolls_up_and_back(cluster):
    import_images(cluster)
    for program, say in clients(cluster).items():
        ns = cluster.namespace("course")
        say("apply", "-f", manifest("deployment-rollup"), ns=ns)
        say("rollout", "status", "deployment/nginx-deployment", ns=ns)
        deployment = cluster.get(f"/apis/apps/v1/namespaces/{ns}/deployments/nginx-deployment")["spec"]
        assert deployment["replicas"] == 4 and deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 1}, deployment
        assert deployment["progressDeadlineSeconds"] == deployment["revisionHistoryLimit"] == 2**31 - 1, deployment
        say("set", "image", "deployment/nginx-deployment", "nginx=nginx:1.11.5", ns=ns)
        say("rollout", "status", "deployment/nginx-deployment", ns=ns)
        assert say("rollout", "history", "deployment/nginx-deployment", ns=ns).stdout.split()[-4::2] == ["1", "2"], program
        say("rollout", "undo", "deployment/nginx-deployment", ns=ns)
        say("rollout", "status", "deployment/nginx-deployment", ns=ns)
        image = "{.spec.template.spec.containers[0].image}"
        assert say("get", "deployment", "nginx-deployment", "-o", f"jsonpath={image}", ns=ns).stdout == "nginx:1.10.2"
        # As kubectl of 1.5 took it back.
        path = f"/apis/extensions/v1beta1/namespaces/{ns}/deployments/nginx-deployment"
        said = cluster.call("POST", path + "/rollback", {"kind": "DeploymentRollback", "apiVersion": "extensions/v1beta1", "name": "nginx-deployment", "rollbackTo": {}})
        assert said["message"] == 'rollback request for deployment "nginx-deployment" succeeded', said
        cluster.wait(f"/apis/apps/v1/namespaces/{ns}/deployments", "nginx-deployment",
                     lambda d: dig(d, "spec", "template", "spec", "containers", 0, "image") == "nginx:1.11.5"
                     and "deprecated.deployment.rollback.to" not in d["metadata"]["annotations"])
        say("delete", "-f", manifest("deployment-rollup"), ns=ns)


def test_course_pods_run(cluster):
    import_images(cluster)
    ns = cluster.namespace("course")
    for name in ("nginx-pod", "web-pod", "multicontainer-pod"):
        cluster.kubectl("apply", "-f", manifest(name), ns=ns)
    for pod in ("nginx", "web", "multicontainer-pod"):
        wait_ready(cluster, ns, pod)
    for pod in ("nginx", "web"):
        assert WELCOME in page_of(cluster, ns, pod), pod
    # The two containers share the pages.
    cluster.kubectl("exec", "multicontainer-pod", "-c", "busybox", "--", "sh", "-c", "echo from the other container >/mnt/index.html", ns=ns)
    until("the other's page", lambda: page_of(cluster, ns, "multicontainer-pod").strip() == "from the other container")
    # These two want nginx of the latest tag, which is pulled always (upstream's default): with a policy for imported images they run.
    for name in ("hostaliases-pod", "hostpath-pod"):
        given = objects(name)[0]
        given["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent"
        cluster.kubectl("apply", "-f", "-", ns=ns, input=json.dumps(given))
        wait_ready(cluster, ns, "myapp")
        assert WELCOME in page_of(cluster, ns, "myapp"), name
        if name == "hostaliases-pod":
            assert "127.0.0.1\tfoo.local\tbar.local" in cluster.kubectl("exec", "myapp", "--", "cat", "/etc/hosts", ns=ns).stdout
        cluster.kubectl("delete", "pod", "myapp", "--grace-period=1", ns=ns)
    cluster.kubectl("delete", "pods", "--all", "--grace-period=1", ns=ns)


def test_course_kubectl_knows_the_old_versions(cluster):
    for program, say in clients(cluster).items():
        explained = say("explain", "deployment.spec.rollbackTo", "--api-version=extensions/v1beta1", ns="default").stdout
        assert "revision" in explained and "extensions" in explained, (program, explained)
        today = say("explain", "deployment.spec", ns="default").stdout
        assert "rollbackTo" not in today and "progressDeadlineSeconds" in today, (program, today)
        listed = [line.split() for line in say("api-resources", "--no-headers", ns="default").stdout.splitlines()]
        deployments = [row for row in listed if row[0] == "deployments"]
        assert deployments == [["deployments", "deploy", "apps/v1", "true", "Deployment"], ["deployments", "extensions/v1beta1", "true", "Deployment"]], (program, deployments)
        versions = say("api-versions", ns="default").stdout.split()
        assert {"apps/v1", "apps/v1beta1", "apps/v1beta2", "extensions/v1beta1"} <= set(versions), (program, versions)
        ns = cluster.namespace("course")
        wrong = {"apiVersion": "extensions/v1beta1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replica": 1, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}}}
        refused = say("apply", "-f", "-", ns=ns, input=json.dumps(wrong), check=False)
        assert refused.returncode == 1 and "unknown field" in refused.stderr and "replica" in refused.stderr, (program, refused)
