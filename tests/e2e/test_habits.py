"""What people do with a current kubectl every day, beyond the words of test_verbs.py."""
import json
import os
import re
import subprocess

from cluster import IMAGE, IMAGE2, NODE, PATIENCE, condition, dig, fetch_until, run


def manifest(*objects):
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def config_map(name, data=None, labels=None):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels or {}}, "data": data or {}}


def names(cluster, path):
    return {i["metadata"]["name"] for i in cluster.get(path)["items"]}


def test_create_subcommands(cluster):
    """Each writes what its flags say, as the API shows it."""
    ns = cluster.namespace("subs")
    key, certificate = f"{cluster.state}/{ns}.key", f"{cluster.state}/{ns}.crt"
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=e2e", "-days", "2"])
    core, rbac = f"/api/v1/namespaces/{ns}", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}"
    whole_rbac = "/apis/rbac.authorization.k8s.io/v1"
    rows = [
        # the words, the path, where to look, what is there
        (("clusterrole", f"{ns}-r", "--verb=get,list", "--resource=pods,deployments.apps/scale"), f"{whole_rbac}/clusterroles/{ns}-r", ("rules", 1),
         {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "list"]}),
        (("clusterrole", f"{ns}-all", f"--aggregation-rule=e2e={ns}"), f"{whole_rbac}/clusterroles/{ns}-all", ("aggregationRule",),
         {"clusterRoleSelectors": [{"matchLabels": {"e2e": ns}}]}),
        (("clusterrole", f"{ns}-url", "--verb=get", "--non-resource-url=/metrics"), f"{whole_rbac}/clusterroles/{ns}-url", ("rules", 0),
         {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}),
        (("clusterrolebinding", f"{ns}-b", f"--clusterrole={ns}-r", "--user=ann", "--group=g"), f"{whole_rbac}/clusterrolebindings/{ns}-b", ("subjects", 1, "name"), "g"),
        (("configmap", "c", "--from-literal=a=b", f"--from-file=crt={certificate}"), f"{core}/configmaps/c", ("data", "a"), "b"),
        (("cronjob", "cj", f"--image={IMAGE}", "--schedule=*/5 * * * *", "--", "true"), f"/apis/batch/v1/namespaces/{ns}/cronjobs/cj", ("spec", "schedule"), "*/5 * * * *"),
        (("deployment", "d", f"--image={IMAGE}", "--replicas=0", "--port=80"), f"/apis/apps/v1/namespaces/{ns}/deployments/d",
         ("spec", "template", "spec", "containers", 0, "ports", 0, "containerPort"), 80),
        (("ingress", "i", "--class=none", "--rule=web.example/path*=web:80,tls=s-tls"), f"/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses/i",
         ("spec", "rules", 0, "http", "paths", 0, "backend", "service"), {"name": "web", "port": {"number": 80}}),
        (("job", "j", f"--image={IMAGE}", "--", "true"), f"/apis/batch/v1/namespaces/{ns}/jobs/j", ("spec", "template", "spec", "restartPolicy"), "Never"),
        (("job", "j2", "--from=cronjob/cj"), f"/apis/batch/v1/namespaces/{ns}/jobs/j2", ("metadata", "annotations", "cronjob.kubernetes.io/instantiate"), "manual"),
        (("namespace", f"{ns}-n"), f"/api/v1/namespaces/{ns}-n", ("status", "phase"), "Active"),
        (("poddisruptionbudget", "pdb", "--selector=app=d", "--min-available=1"), f"/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets/pdb", ("spec", "minAvailable"), 1),
        (("priorityclass", f"{ns}-p", "--value=1000", "--description=high"), f"/apis/scheduling.k8s.io/v1/priorityclasses/{ns}-p", ("value",), 1000),
        (("quota", "q", "--hard=services.loadbalancers=1,count/roles.rbac.authorization.k8s.io=2"), f"{core}/resourcequotas/q", ("spec", "hard", "services.loadbalancers"), "1"),
        (("role", "r", "--verb=get", "--resource=pods", "--resource-name=x"), f"{rbac}/roles/r", ("rules", 0, "resourceNames"), ["x"]),
        (("rolebinding", "rb", "--role=r", f"--serviceaccount={ns}:default"), f"{rbac}/rolebindings/rb", ("subjects", 0),
         {"kind": "ServiceAccount", "name": "default", "namespace": ns}),
        (("secret", "docker-registry", "s-dr", "--docker-username=u", "--docker-password=p", "--docker-server=registry.example"), f"{core}/secrets/s-dr", ("type",),
         "kubernetes.io/dockerconfigjson"),
        (("secret", "generic", "s-g", "--from-literal=k=v", "--type=example.com/t"), f"{core}/secrets/s-g", ("data",), {"k": "dg=="}),
        (("secret", "tls", "s-tls", f"--cert={certificate}", f"--key={key}"), f"{core}/secrets/s-tls", ("type",), "kubernetes.io/tls"),
        (("service", "clusterip", "ci", "--tcp=80:8080"), f"{core}/services/ci", ("spec", "ports", 0, "targetPort"), 8080),
        (("service", "clusterip", "headless", "--clusterip=None"), f"{core}/services/headless", ("spec", "clusterIP"), "None"),
        (("service", "nodeport", "np", "--tcp=80"), f"{core}/services/np", ("spec", "type"), "NodePort"),
        (("service", "loadbalancer", "lb", "--tcp=80"), f"{core}/services/lb", ("spec", "allocateLoadBalancerNodePorts"), True),
        (("service", "externalname", "en", "--external-name=example.com"), f"{core}/services/en", ("spec", "externalName"), "example.com"),
        (("serviceaccount", "sa"), f"{core}/serviceaccounts/sa", ("metadata", "name"), "sa"),
    ]
    for words, path, where, wanted in rows:
        said = cluster.kubectl("create", *words, ns=ns).stdout
        assert re.fullmatch(r"\S+/\S+ created\n", said), (words, said)
        found = dig(cluster.get(path), *where)
        assert found == wanted, (words, found)
    assert cluster.kubectl("create", "token", "sa", "--duration=10m", ns=ns).stdout.count(".") == 2
    assert cluster.kubectl("get", "job", "j", "-o", "jsonpath={.spec.template.spec.containers[0].command}", ns=ns).stdout == '["true"]'
    for kind in ("clusterrole", "clusterrolebinding", "priorityclass", "namespace"):
        for name in cluster.kubectl("get", kind, "-o", "name").stdout.split():
            if f"/{ns}-" in name:
                cluster.kubectl("delete", name, "--wait=false")


def test_edit(cluster):
    ns = cluster.namespace("edit")
    cluster.create(f"/api/v1/namespaces/{ns}/configmaps", config_map("c", {"a": "1"}))
    def edit(script, *arguments, check=True):
        return run(["kubectl", "-n", ns, "edit", *arguments], env=dict(cluster.env, KUBE_EDITOR=script), check=check)
    assert edit("sed -i 's/a: \"1\"/a: \"2\"/'", "configmap/c").stdout == "configmap/c edited\n"
    assert cluster.get(f"/api/v1/namespaces/{ns}/configmaps/c")["data"] == {"a": "2"}
    assert edit("true", "configmap/c").stderr == "Edit cancelled, no changes made.\n"
    # Refused by the server: the file opens again with the reason, and left as it is ends it.
    marker = f"{cluster.state}/{ns}.edited"
    once = f"sh -c 'test -e {marker} || {{ touch {marker}; sed -i \"s/  name: c$/  name: c\\n  labels: {{a: no no}}/\" $0; }}'"
    refused = edit(once, "configmap/c", check=False)
    assert refused.returncode == 1 and "error: Edit cancelled" in refused.stderr, refused
    cluster.deployment(ns, replicas=0)
    said = edit("sed -i 's/^  replicas: 0/  replicas: 1/; s/^  progressDeadlineSeconds: 600/  progressDeadlineSeconds: 300/'", "deployment/web")
    assert said.stdout == "deployment.apps/web edited\n", said
    spec = cluster.get(f"/apis/apps/v1/namespaces/{ns}/deployments/web")["spec"]
    assert spec["replicas"] == 1 and spec["progressDeadlineSeconds"] == 300, spec


def test_lists_in_files(cluster):
    ns = cluster.namespace("list")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "v"}}
    path = f"/api/v1/namespaces/{ns}/configmaps/c"
    def say(word, *arguments, data="1"):
        said = cluster.kubectl(word, "-f", "-", *arguments, ns=ns, input=manifest(config_map("c", {"a": data}), secret)).stdout
        return said.replace(f' from {ns} namespace', "").splitlines()
    assert say("create") == ["configmap/c created", "secret/s created"]
    assert say("replace", data="2") == ["configmap/c replaced", "secret/s replaced"] and cluster.get(path)["data"] == {"a": "2"}
    assert say("delete") == ['configmap "c" deleted', 'secret "s" deleted']
    assert say("apply", data="3") == ["configmap/c created", "secret/s created"]
    assert say("apply", data="4") == ["configmap/c configured", "secret/s configured"] and cluster.get(path)["data"] == {"a": "4"}
    uid = cluster.get(path)["metadata"]["uid"]
    forced = say("replace", "--force", data="5")
    assert forced[-2:] == ["configmap/c replaced", "secret/s replaced"] and cluster.get(path)["metadata"]["uid"] != uid, forced
    assert say("apply", "--server-side", "--force-conflicts", data="6") == ["configmap/c serverside-applied", "secret/s serverside-applied"]
    several = "---\n".join(json.dumps(config_map(n)) + "\n" for n in ("x", "y"))
    assert cluster.kubectl("create", "-f", "-", ns=ns, input=several).stdout == "configmap/x created\nconfigmap/y created\n"


def test_apply_prune(cluster):
    ns = cluster.namespace("prune")
    labels = {"part-of": "e2e"}
    path = f"/api/v1/namespaces/{ns}/configmaps"
    def apply(*names):
        return cluster.kubectl("apply", "-f", "-", "--prune", "-l", "part-of=e2e", "--prune-allowlist=core/v1/ConfigMap", ns=ns,
                               input=manifest(*(config_map(n, {"k": "v"}, labels) for n in names))).stdout
    apply("a", "b")
    cluster.create(path, config_map("by-hand", labels=labels))
    said = apply("a")
    assert said == "configmap/a unchanged\nconfigmap/b pruned\n", said
    assert names(cluster, path) == {"a", "by-hand", "kube-root-ca.crt"}
    # By an ApplySet: the parent remembers what belongs to it.
    env = dict(cluster.env, KUBECTL_APPLYSET="true")
    def apply_set(*names):
        return run(["kubectl", "apply", "-n", ns, "--server-side", "-f", "-", "--prune", "--applyset=set"], env=env,
                   input=manifest(*(config_map(n) for n in names))).stdout
    apply_set("m", "n")
    parent = cluster.get(f"/api/v1/namespaces/{ns}/secrets/set")["metadata"]
    assert parent["annotations"]["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap", parent
    assert "configmap/n pruned" in apply_set("m")
    assert names(cluster, path) == {"a", "by-hand", "m", "kube-root-ca.crt"}


def test_kustomize(cluster):
    ns = cluster.namespace("kustom")
    folder = f"{cluster.state}/{ns}"
    os.makedirs(folder)
    with open(f"{folder}/map.yaml", "w") as f:
        json.dump(config_map("base", {"a": "1"}), f)
    with open(f"{folder}/kustomization.yaml", "w") as f:
        f.write(f"namespace: {ns}\nnamePrefix: dev-\nlabels: [{{pairs: {{env: dev}}}}]\nresources: [map.yaml]\n"
                "configMapGenerator: [{name: made, literals: [k=v]}]\n"
                "patches: [{target: {kind: ConfigMap, name: base}, patch: '[{\"op\": \"add\", \"path\": \"/data/b\", \"value\": \"2\"}]'}]\n")
    assert "name: dev-base" in cluster.kubectl("kustomize", folder).stdout
    cluster.kubectl("apply", "-k", folder)
    found = cluster.kubectl_json("get", "-k", folder)["items"]
    assert len(found) == 2 and all(i["metadata"]["labels"] == {"env": "dev"} for i in found), found
    assert cluster.get(f"/api/v1/namespaces/{ns}/configmaps/dev-base")["data"] == {"a": "1", "b": "2"}
    assert cluster.kubectl("diff", "-k", folder).stdout == ""
    cluster.kubectl("delete", "-k", folder)
    assert names(cluster, f"/api/v1/namespaces/{ns}/configmaps") == {"kube-root-ca.crt"}


def test_set(cluster):
    ns = cluster.namespace("set")
    cluster.deployment(ns, replicas=0)
    cluster.kubectl("create", "configmap", "c", "--from-literal=key=v", ns=ns)
    cluster.kubectl("create", "service", "clusterip", "web", "--tcp=80", ns=ns)
    cluster.kubectl("create", "rolebinding", "rb", "--clusterrole=view", "--user=ann", ns=ns)
    rows = [
        (("env", "deployment/web", "A=1", "B=2"), "deployment.apps/web env updated\n"),
        (("env", "deployment/web", "A-"), "deployment.apps/web env updated\n"),
        (("env", "--from=configmap/c", "--prefix=C_", "deployment/web"), "deployment.apps/web env updated\n"),
        (("image", "deployment/web", f"*={IMAGE2}"), "deployment.apps/web image updated\n"),
        (("resources", "deployment/web", "--limits=cpu=200m,memory=64Mi", "--requests=cpu=10m"), "deployment.apps/web resource requirements updated\n"),
        (("serviceaccount", "deployment/web", "default"), "deployment.apps/web serviceaccount updated\n"),
        (("selector", "service/web", "app=web,tier=front"), "service/web selector updated\n"),
        (("subject", "rolebinding/rb", "--user=bob", f"--serviceaccount={ns}:default"), "rolebinding.rbac.authorization.k8s.io/rb subjects updated\n"),
    ]
    for words, wanted in rows:
        said = cluster.kubectl("set", *words, ns=ns).stdout
        assert said == wanted, (words, said)
    pod = cluster.get(f"/apis/apps/v1/namespaces/{ns}/deployments/web")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["env"] == [{"name": "B", "value": "2"}, {"name": "C_KEY", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "key"}}}], container["env"]
    assert container["image"] == IMAGE2 and container["resources"] == {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "10m"}}, container
    assert pod["serviceAccountName"] == pod["serviceAccount"] == "default", pod
    assert cluster.get(f"/api/v1/namespaces/{ns}/services/web")["spec"]["selector"] == {"app": "web", "tier": "front"}
    subjects = cluster.get(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/rb")["subjects"]
    assert [s["name"] for s in subjects] == ["ann", "bob", "default"], subjects
    assert cluster.kubectl("set", "env", "deployment/web", "--list", ns=ns).stdout.splitlines()[1:] == ["B=2", "# C_KEY from configmap c, key key"]


def test_cordon_taint_drain(cluster):
    ns = cluster.namespace("drain")
    cluster.pod(ns, "bare", "sleep", "3600")
    def taints():
        return {(t["key"], t.get("value"), t["effect"]) for t in dig(cluster.get(f"/api/v1/nodes/{NODE}"), "spec", "taints") or []}
    try:
        assert cluster.kubectl("cordon", NODE).stdout == f"node/{NODE} cordoned\n"
        assert "SchedulingDisabled" in cluster.kubectl("get", "node", NODE).stdout
        assert cluster.kubectl("cordon", NODE).stdout == f"node/{NODE} already cordoned\n"
        cluster.pod(ns, "waits", "sleep", "3600", running=False)
        pending = cluster.wait_pod(ns, "waits", lambda p: condition(p, "PodScheduled").get("status") == "False")
        assert "1 node(s) were unschedulable" in condition(pending, "PodScheduled")["message"], pending["status"]
        refused = cluster.kubectl("drain", NODE, "--ignore-daemonsets", "--pod-selector=!k8s-app", check=False)
        assert refused.returncode == 1 and f"cannot delete Pods that declare no controller (use --force to override): {ns}/bare" in refused.stderr, refused.stderr
        cluster.kubectl("label", "pod", "bare", f"drain={ns}", ns=ns)
        drained = cluster.kubectl("drain", NODE, "--ignore-daemonsets", "--force", f"--pod-selector=drain={ns}").stdout
        assert "pod/bare evicted" in drained and f"node/{NODE} drained" in drained, drained
        assert names(cluster, f"/api/v1/namespaces/{ns}/pods") == {"waits"}
        assert cluster.kubectl("uncordon", NODE).stdout == f"node/{NODE} uncordoned\n"
        cluster.wait_running(ns, "waits")

        assert cluster.kubectl("taint", "node", NODE, "e2e=yes:NoSchedule", "soft:PreferNoSchedule").stdout == f"node/{NODE} tainted\n"
        assert {("e2e", "yes", "NoSchedule"), ("soft", None, "PreferNoSchedule")} <= taints()
        twice = cluster.kubectl("taint", "node", NODE, "e2e=no:NoSchedule", check=False)
        assert twice.returncode == 1 and "already has e2e taint(s) with same effect(s) and --overwrite is false" in twice.stderr, twice.stderr
        cluster.pod(ns, "kept", "sleep", "3600", running=False)
        pending = cluster.wait_pod(ns, "kept", lambda p: condition(p, "PodScheduled").get("status") == "False")
        assert "had untolerated taint" in condition(pending, "PodScheduled")["message"], pending["status"]
        cluster.pod(ns, "tolerant", "sleep", "3600", tolerations=[{"key": "e2e", "operator": "Exists"}])
        assert cluster.kubectl("taint", "node", NODE, "e2e:NoSchedule-", "soft-").stdout == f"node/{NODE} untainted\n"
        cluster.wait_running(ns, "kept")
    finally:
        cluster.merge(f"/api/v1/nodes/{NODE}", {"spec": {"unschedulable": None, "taints": None}})


def test_events_and_label_all(cluster):
    ns = cluster.namespace("events")
    cluster.pod(ns, "p", "sleep", "3600")
    shown = cluster.kubectl("events", "--for=pod/p", ns=ns).stdout.splitlines()
    assert shown[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"] and any(line.split()[2:4] == ["Started", "Pod/p"] for line in shown), shown
    assert "Scheduled" in cluster.kubectl("events", "-A", "--types=Normal").stdout
    assert cluster.kubectl("events", "--types=Warning", "--for=pod/p", ns=ns, check=False).stdout == ""
    for name in ("a", "b"):
        cluster.create(f"/api/v1/namespaces/{ns}/configmaps", config_map(name))
    cluster.kubectl("label", "configmaps", "--all", "team=red", ns=ns)
    assert len(cluster.kubectl_json("get", "cm", "-l", "team in (red,blue)", ns=ns)["items"]) == 3
    cluster.kubectl("annotate", "configmaps", "-l", "team=red", "note=x", ns=ns)
    assert all(i["metadata"]["annotations"]["note"] == "x" for i in cluster.get(f"/api/v1/namespaces/{ns}/configmaps")["items"])
    assert cluster.kubectl("label", "cm/a", "--list", ns=ns).stdout == "team=red\n"
    refused = cluster.kubectl("label", "cm/a", "team=blue", ns=ns, check=False)
    assert refused.returncode == 1 and "'team' already has a value (red), and --overwrite is false" in refused.stderr, refused.stderr


def test_get_output_forms(cluster):
    ns = cluster.namespace("forms")
    for name in ("a", "b"):
        cluster.create(f"/api/v1/namespaces/{ns}/configmaps", config_map(name, {"k.x": name}, {"n": name}))
    template = f"{cluster.state}/{ns}.tpl"
    with open(template, "w") as f:
        f.write("{{range .items}}{{.metadata.name}},{{end}}")
    columns = f"{cluster.state}/{ns}.columns"
    with open(columns, "w") as f:
        f.write("NAME METAL\n.metadata.name .data.k\\.x\n")
    rows = [
        (("-o", "name"), "configmap/a\nconfigmap/b\n"),
        (("-o", "jsonpath={range .items[*]}{.metadata.name}={.data.k\\.x}{\"\\n\"}{end}"), "a=a\nb=b\n"),
        (("-o", "go-template={{range .items}}{{.metadata.name}} {{end}}"), "a b "),
        (("-o", f"go-template-file={template}"), "a,b,"),
        (("-o", "custom-columns=N:.metadata.name,D:.data"), "N     D\na     map[k.x:a]\nb     map[k.x:b]\n"),
        (("-o", f"custom-columns-file={columns}"), "NAME   METAL\na      a\nb      b\n"),
        (("--no-headers", "-o", "custom-columns=N:.metadata.name", "--sort-by=.metadata.labels.n"), "a\nb\n"),
    ]
    for flags, wanted in rows:
        said = cluster.kubectl("get", "configmaps", "-l", "n", *flags, ns=ns).stdout
        assert said == wanted, (flags, said)
    wide = cluster.kubectl("get", "cm", "-A", "-L", "n", "--field-selector", f"metadata.namespace={ns}", "--chunk-size=1").stdout.splitlines()
    assert wide[0].split() == ["NAMESPACE", "NAME", "DATA", "AGE", "N"] and len(wide) == 4, wide
    raw = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{ns}/configmaps/a").stdout)
    assert raw["data"] == {"k.x": "a"}
    kyaml = cluster.kubectl("get", "cm", "a", "-o", "kyaml", ns=ns).stdout
    assert kyaml.startswith("---\n{\n") and '"k.x": "a"' in kyaml or "k.x" in kyaml, kyaml
    assert cluster.kubectl("get", "cm", "none", "--ignore-not-found", ns=ns).stdout == ""


def test_explain_recursive(cluster):
    said = cluster.kubectl("explain", "deployment", "--recursive").stdout
    assert said.startswith("GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n"), said[:300]
    assert re.search(r"^ +maxSurge\t<IntOrString>$", said, re.M) and len(said.splitlines()) > 800, len(said.splitlines())
    old = cluster.kubectl("explain", "hpa.spec.metrics", "--api-version=autoscaling/v2").stdout
    assert "VERSION:    v2" in old and "containerResource" in old, old
    assert cluster.kubectl("explain", "cm.data", "--output=plaintext-openapiv2").stdout.startswith("KIND:     ConfigMap\n")


def test_cluster_info(cluster):
    said = re.sub(r"\x1b\[[0-9;]*m", "", cluster.kubectl("cluster-info").stdout)
    assert said.startswith("Kubernetes control plane is running at https://"), said
    folder = f"{cluster.state}/dump"
    cluster.kubectl("cluster-info", "dump", "--output-directory", folder, "--namespaces=kube-system")
    assert {"nodes.json", "kube-system"} <= set(os.listdir(folder))
    with open(f"{folder}/nodes.json") as f:
        assert json.load(f)["items"][0]["metadata"]["name"] == NODE


def test_config_and_plugins(cluster):
    shown = cluster.kubectl("config", "view").stdout
    assert "DATA+OMITTED" in shown and "PRIVATE" not in shown, shown
    context = cluster.kubectl("config", "current-context").stdout.strip()
    assert context and context in cluster.kubectl("config", "get-contexts", "-o", "name").stdout.split()
    folder = f"{cluster.state}/plugins"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/kubectl-hello", "w") as f:
        f.write('#!/bin/sh\nexec kubectl get ns kube-system -o name\n')
    os.chmod(f"{folder}/kubectl-hello", 0o755)
    env = dict(cluster.env, PATH=f"{folder}:{cluster.env['PATH']}")
    assert f"{folder}/kubectl-hello" in run(["kubectl", "plugin", "list"], env=env).stdout
    assert run(["kubectl", "hello"], env=env).stdout == "namespace/kube-system\n"


def test_proxy(cluster):
    proxy = cluster.spawn("proxy", "--port=0", stdout=subprocess.PIPE, text=True)
    try:
        port = int(proxy.stdout.readline().rsplit(":", 1)[1])
        assert json.loads(fetch_until(f"http://127.0.0.1:{port}/api/v1/namespaces/kube-system"))["metadata"]["name"] == "kube-system"
        assert fetch_until(f"http://127.0.0.1:{port}/healthz") == "ok"
    finally:
        proxy.terminate()  # not by SIGINT, which a shell without job control lets its children ignore
        proxy.wait(timeout=PATIENCE)


def test_wait_forms(cluster):
    ns = cluster.namespace("waits")
    cluster.deployment(ns, "d", replicas=1)
    cluster.kubectl("wait", "--for=create", "deployment/d", ns=ns)
    cluster.kubectl("wait", "--for=condition=available", "deployment", "--all", "--timeout=60s", ns=ns)
    cluster.kubectl("wait", "--for=jsonpath={.status.readyReplicas}=1", "deployment/d", "--timeout=60s", ns=ns)
    cluster.kubectl("wait", "--for=condition=Ready=true", "pod", "-l", "app=d", "--timeout=60s", ns=ns)
    late = cluster.kubectl("wait", "--for=condition=Odd", "deployment/d", "--timeout=1s", ns=ns, check=False)
    assert late.returncode == 1 and "timed out waiting for the condition on deployments/d" in late.stderr, late.stderr
    cluster.kubectl("delete", "deployment", "d", "--cascade=foreground", ns=ns)
    assert names(cluster, f"/api/v1/namespaces/{ns}/pods") == set()


def test_debug(cluster):
    """A copy of a pod to look into, and a pod on the node; ephemeral containers as far as they are served."""
    ns = cluster.namespace("debug")
    cluster.pod(ns, "p", "sleep", "3600")
    cluster.kubectl("debug", "p", "--copy-to=copy", f"--image={IMAGE}", "--container=look", "--", "sleep", "3600", ns=ns)
    copy = cluster.wait_running(ns, "copy")
    assert [c["name"] for c in copy["spec"]["containers"]] == ["main", "look"], copy["spec"]
    said = cluster.kubectl("debug", f"node/{NODE}", f"--image={IMAGE}", "--", "sleep", "3600", ns=ns).stdout
    made = re.search(r"Creating debugging pod (\S+) ", said).group(1)
    assert cluster.wait_running(ns, made)["spec"]["hostNetwork"], said
    assert cluster.exec(ns, made, "test", "-d", "/host/etc").returncode == 0


def test_auth_whoami(cluster):
    said = cluster.kubectl_json("auth", "whoami")
    assert "system:masters" in said["status"]["userInfo"]["groups"], said
    listed = cluster.kubectl("auth", "can-i", "--list").stdout.splitlines()
    assert listed[0].split() == ["Resources", "Non-Resource", "URLs", "Resource", "Names", "Verbs"] and ["*.*", "[]", "[]", "[*]"] in [line.split() for line in listed], listed
