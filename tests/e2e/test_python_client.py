"""Debian's python3-kubernetes, as a program uses it: typed client, dynamic client, watches, streams."""
import json
import threading

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.stream import portforward, stream

from cluster import IMAGE, IMAGE2, PAGE, PATIENCE


def connect(cluster):
    """A client of its own, so that nothing leaks from test to test."""
    return config.new_client_from_config(cluster.server.kubeconfig)


def refusal(call, *arguments, **options):
    """(code, reason, message) of the Status that a call must end with."""
    try:
        call(*arguments, **options)
    except client.ApiException as error:
        status = json.loads(error.body)
        return error.status, status["reason"], status["message"]
    raise AssertionError("it was accepted")


def deployment(name, replicas=1):
    container = client.V1Container(name="web", image=IMAGE, ports=[client.V1ContainerPort(container_port=80, name="http")],
                                   env=[client.V1EnvVar(name="A", value="1")],
                                   resources=client.V1ResourceRequirements(requests={"cpu": "10m", "memory": "8Mi"}))
    template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels={"app": name}),
                                        spec=client.V1PodSpec(containers=[container], termination_grace_period_seconds=0))
    return client.V1Deployment(metadata=client.V1ObjectMeta(name=name, labels={"app": name}),
                               spec=client.V1DeploymentSpec(replicas=replicas, template=template,
                                                            selector=client.V1LabelSelector(match_labels={"app": name})))


def await_rollout(apps, ns, name, replicas, image=IMAGE):
    """By the typed watch, which decodes every event into the client's models."""
    seen = watch.Watch()
    for event in seen.stream(apps.list_namespaced_deployment, ns, field_selector=f"metadata.name={name}", timeout_seconds=int(PATIENCE)):
        found = event["object"]
        status = found.status
        if (status.observed_generation == found.metadata.generation and status.updated_replicas == replicas and status.available_replicas == replicas
                and status.replicas == replicas and found.spec.template.spec.containers[0].image == image):
            seen.stop()
            return found
    raise AssertionError(f"{name} did not come up")


def test_python_typed_client(cluster):
    ns = cluster.namespace("python")
    api = connect(cluster)
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    assert client.VersionApi(api).get_code().minor == "36"

    made = apps.create_namespaced_deployment(ns, deployment("web"))
    assert made.spec.strategy.rolling_update.max_surge == "25%" and made.metadata.creation_timestamp.tzinfo, made
    assert refusal(apps.create_namespaced_deployment, ns, deployment("web")) == (409, "AlreadyExists", 'deployments.apps "web" already exists')
    await_rollout(apps, ns, "web", 1)
    # A dictionary as body is a strategic merge patch: the list of containers is merged by name.
    patch = {"spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "web", "image": IMAGE2}]}}}}
    assert apps.patch_namespaced_deployment("web", ns, patch).spec.template.spec.containers[0].env[0].value == "1"
    await_rollout(apps, ns, "web", 2, IMAGE2)
    # A list is a JSON patch.
    apps.patch_namespaced_deployment_scale("web", ns, [{"op": "replace", "path": "/spec/replicas", "value": 1}])
    found = await_rollout(apps, ns, "web", 1, IMAGE2)
    stale = apps.read_namespaced_deployment("web", ns)
    found.metadata.annotations["note"] = "replaced"
    replaced = apps.replace_namespaced_deployment("web", ns, found)
    assert replaced.metadata.annotations["note"] == "replaced" and apps.read_namespaced_deployment_scale("web", ns).spec.replicas == 1
    code, reason, message = refusal(apps.replace_namespaced_deployment, "web", ns, stale)
    assert (code, reason) == (409, "Conflict") and "the object has been modified" in message, message

    for i in range(5):
        core.create_namespaced_config_map(ns, client.V1ConfigMap(metadata=client.V1ObjectMeta(generate_name="page-", labels={"kind": "page"}), data={"n": str(i)}))
    pages, token = [], None
    while True:
        answer = core.list_namespaced_config_map(ns, label_selector="kind=page", limit=2, _continue=token)
        pages.append(len(answer.items))
        token = answer.metadata._continue
        if not token:
            break
    assert pages == [2, 2, 1], pages
    assert core.create_namespaced_config_map(ns, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="dry")), dry_run="All").metadata.uid
    assert refusal(core.read_namespaced_config_map, "dry", ns) == (404, "NotFound", 'configmaps "dry" not found')
    core.delete_collection_namespaced_config_map(ns, label_selector="kind=page")
    assert not core.list_namespaced_config_map(ns, label_selector="kind=page").items

    secret = core.create_namespaced_secret(ns, client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"p": "q"}))
    assert secret.data == {"p": "cQ=="} and secret.type == "Opaque" and secret.string_data is None, secret
    service = core.create_namespaced_service(ns, client.V1Service(metadata=client.V1ObjectMeta(name="web"), spec=client.V1ServiceSpec(
        selector={"app": "web"}, ports=[client.V1ServicePort(port=80, target_port="http")])))
    assert service.spec.cluster_ip and service.spec.ports[0].target_port == "http", service
    wrong = client.V1Service(metadata=client.V1ObjectMeta(name="w"), spec=client.V1ServiceSpec(ports=[client.V1ServicePort(port=0)]))
    code, reason, message = refusal(core.create_namespaced_service, ns, wrong)
    assert (code, reason) == (422, "Invalid") and message.startswith('Service "w" is invalid: [spec.ports[0].port: Invalid value: 0: must be between'), message

    review = client.AuthorizationV1Api(api).create_self_subject_access_review(client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=client.V1ResourceAttributes(verb="create", resource="pods", namespace=ns))))
    assert review.status.allowed, review
    apps.delete_namespaced_deployment("web", ns, propagation_policy="Foreground")
    gone = watch.Watch()
    for event in gone.stream(apps.list_namespaced_deployment, ns, timeout_seconds=int(PATIENCE)):
        if event["type"] == "DELETED":
            gone.stop()
    assert not apps.list_namespaced_deployment(ns).items and not core.list_namespaced_pod(ns).items


def test_python_streams(cluster):
    ns = cluster.namespace("pystream")
    core = client.CoreV1Api(connect(cluster))
    utils.create_from_dict(core.api_client, {
        "apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}},
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [
                {"name": "web", "image": IMAGE}, {"name": "side", "image": IMAGE, "command": ["sh", "-c", "for i in 1 2 3; do echo line $i; done; sleep 3600"]}]}}]},
        namespace=ns)
    seen = watch.Watch()
    for event in seen.stream(core.list_namespaced_pod, ns, timeout_seconds=int(PATIENCE)):
        statuses = event["object"].status.container_statuses or []
        if len(statuses) == 2 and all(s.ready for s in statuses):
            seen.stop()

    # One call with all that it said, then a session that is spoken with.
    assert stream(core.connect_get_namespaced_pod_exec, "p", ns, container="side", command=["sh", "-c", "echo out; echo err >&2"],
                  stdout=True, stderr=True, stdin=False, tty=False) == "out\nerr\n"
    session = stream(core.connect_post_namespaced_pod_exec, "p", ns, container="side", command=["sh", "-c", "read x; echo got $x; echo bad >&2; exit 3"],
                     stdout=True, stderr=True, stdin=True, tty=False, _preload_content=False)
    session.write_stdin("hello\n")
    session.run_forever(timeout=PATIENCE)
    assert session.read_stdout() == "got hello\n" and session.read_stderr() == "bad\n" and session.returncode == 3
    session.close()

    lines = []
    for line in watch.Watch().stream(core.read_namespaced_pod_log, "p", ns, container="side"):
        lines.append(line)
        if len(lines) == 3:
            break
    assert lines == ["line 1", "line 2", "line 3"], lines
    assert core.read_namespaced_pod_log("p", ns, container="side", tail_lines=1) == "line 3\n"

    forward = portforward(core.connect_get_namespaced_pod_portforward, "p", ns, ports="80")
    web = forward.socket(80)
    web.setblocking(True)
    web.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b""
    while True:
        data = web.recv(4096)
        if not data:
            break
        answer += data
    web.close()
    assert b" 200 OK\r\n" in answer and PAGE.encode() in answer and forward.error(80) is None, (answer, forward.error(80))

    core.create_namespaced_pod_eviction("p", ns, client.V1Eviction(metadata=client.V1ObjectMeta(name="p", namespace=ns)))
    cluster.wait_all(f"/api/v1/namespaces/{ns}/pods", lambda items: not items)


def test_python_dynamic_client(cluster):
    ns = cluster.namespace("dynamic")
    api = dynamic.DynamicClient(connect(cluster), cache_file=f"{cluster.state}/python-discovery.json")
    maps = api.resources.get(api_version="v1", kind="ConfigMap")
    assert maps.namespaced and maps.name == "configmaps" and "patch" in maps.verbs
    assert api.resources.get(api_version="apps/v1", kind="Deployment").subresources["scale"].kind == "Scale"
    assert {r.group_version for r in api.resources.search(kind="Event")} == {"v1", "events.k8s.io/v1"}

    # A watch in the background sees what is done below.
    events, watcher, first = [], watch.Watch(), maps.get(namespace=ns)
    def follow():
        for event in maps.watch(namespace=ns, resource_version=first.metadata.resourceVersion, watcher=watcher, timeout=int(PATIENCE)):
            events.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                return
    follower = threading.Thread(target=follow, daemon=True)
    follower.start()

    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d", "labels": {"a": "b"}}, "data": {"x": "1"}}
    assert maps.create(body=body, namespace=ns).data.x == "1"
    merged = maps.patch(body={"metadata": {"name": "d"}, "data": {"y": "2"}}, name="d", namespace=ns, content_type="application/merge-patch+json")
    assert merged.to_dict()["data"] == {"x": "1", "y": "2"}, merged
    def apply(data, **options):  # this version of the library wants the body as text
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}, "data": data}).encode()
        return maps.server_side_apply(body=body, name="d", namespace=ns, field_manager="python", **options)
    applied = apply({"z": "3"})
    assert applied.data.z == "3" and [m.operation for m in applied.metadata.managedFields if m.manager == "python"] == ["Apply"], applied
    try:
        apply({"x": "9"})
        raise AssertionError("no conflict")
    except dynamic.exceptions.ConflictError as error:
        assert "conflict" in json.loads(error.body)["message"], error.body
    taken = apply({"x": "9"}, force_conflicts=True)
    # z was the same manager's and is no longer said: it goes.
    assert taken.to_dict()["data"] == {"x": "9", "y": "2"}, taken
    body["metadata"]["resourceVersion"], body["data"] = taken.metadata.resourceVersion, {"all": "new"}
    assert maps.replace(body=body, namespace=ns).to_dict()["data"] == {"all": "new"}
    assert [m.metadata.name for m in maps.get(namespace=ns, label_selector="a=b").items] == ["d"]
    maps.delete(name="d", namespace=ns)
    follower.join(PATIENCE)
    assert events == [("ADDED", "d")] + [("MODIFIED", "d")] * 4 + [("DELETED", "d")], events
    try:
        maps.get(name="d", namespace=ns)
        raise AssertionError("it is still there")
    except dynamic.exceptions.NotFoundError as error:
        assert json.loads(error.body)["reason"] == "NotFound"
