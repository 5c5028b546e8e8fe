"""What a pod's specification means inside its containers."""
import base64
import json
import os
import re
import time

from cluster import NODE, NODE_ADDRESS, Api, condition, dig, until

TOKEN_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"


def test_pod_runs_and_reports(cluster):
    ns = cluster.namespace("runs")
    pod = cluster.pod(ns, "one", "sleep", "3600")
    status = pod["status"]
    assert status["hostIP"] == NODE_ADDRESS and status["podIP"].startswith("10.42.0."), status
    assert {c["type"]: c["status"] for c in status["conditions"]}.items() >= {"PodScheduled": "True", "Initialized": "True", "ContainersReady": "True",
                                                                             "Ready": "True"}.items(), status["conditions"]
    container = status["containerStatuses"][0]
    assert container["ready"] and container["started"] and container["restartCount"] == 0 and "startedAt" in container["state"]["running"], container
    assert re.match(r"^[a-z]+://[0-9a-f]{64}$", container["containerID"]) and container["imageID"], container
    assert status["qosClass"] == "BestEffort", status
    events = cluster.wait_all(f"/api/v1/namespaces/{ns}/events", lambda items: {"Scheduled", "Pulled", "Created", "Started"} <= {e["reason"] for e in items})
    assert all(e["involvedObject"]["name"] == "one" for e in events)


def test_configmap_and_secret_volumes_and_env(cluster):
    ns = cluster.namespace("config")
    cluster.create(f"/api/v1/namespaces/{ns}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"colour": "blue", "size": "7"}})
    cluster.create(f"/api/v1/namespaces/{ns}/secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "pass word"}})
    container = {
        "env": [{"name": "LITERAL", "value": "x$(COLOUR)$$y"}, {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "colour"}}},
                {"name": "SECOND", "value": "$(COLOUR)-$$(COLOUR)"}, {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
                {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "none", "optional": True}}},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "envFrom": [{"prefix": "C_", "configMapRef": {"name": "c"}}],
        "volumeMounts": [{"name": "c", "mountPath": "/config"}, {"name": "s", "mountPath": "/secret"}, {"name": "c", "mountPath": "/one", "subPath": "colour"}]}
    pod = cluster.pod(ns, "reader", "sleep", "3600", container=container,
                      volumes=[{"name": "c", "configMap": {"name": "c"}}, {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}}])
    lines = cluster.exec(ns, "reader", "env").stdout.splitlines()
    env = dict(line.split("=", 1) for line in lines if "=" in line)
    wanted = {"SECOND": "blue-$(COLOUR)", "COLOUR": "blue", "SECRET": "pass word", "POD": "reader", "ADDRESS": pod["status"]["podIP"], "NODE": NODE,
              "C_colour": "blue", "C_size": "7", "LITERAL": "x$(COLOUR)$y"}
    assert {k: env.get(k) for k in wanted} == wanted, env
    assert "ABSENT" not in env
    assert cluster.exec(ns, "reader", "cat", "/config/colour", "/config/size", "/secret/password", "/one").stdout == "blue7pass wordblue"
    assert cluster.exec(ns, "reader", "stat", "-L", "-c", "%a", "/secret/password").stdout.strip() == "400"


def test_missing_configmap_is_told_and_mended(cluster):
    ns = cluster.namespace("late")
    cluster.pod(ns, "late", "sleep", "3600", running=False, container={"envFrom": [{"configMapRef": {"name": "later"}}]})
    waiting = cluster.wait_pod(ns, "late", lambda p: dig(p, "status", "containerStatuses", 0, "state", "waiting", "reason") == "CreateContainerConfigError")
    assert dig(waiting, "status", "containerStatuses", 0, "state", "waiting", "message") == 'configmap "later" not found', waiting["status"]
    cluster.create(f"/api/v1/namespaces/{ns}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}, "data": {"a": "b"}})
    cluster.wait_running(ns, "late")


def test_service_account_token_mounted(cluster):
    ns = cluster.namespace("token")
    pod = cluster.pod(ns, "holder", "sleep", "3600")
    assert cluster.exec(ns, "holder", "cat", f"{TOKEN_DIR}/namespace").stdout == ns
    assert "BEGIN CERTIFICATE" in cluster.exec(ns, "holder", "cat", f"{TOKEN_DIR}/ca.crt").stdout
    token = cluster.exec(ns, "holder", "cat", f"{TOKEN_DIR}/token").stdout
    part = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert claims["sub"] == f"system:serviceaccount:{ns}:default", claims
    assert claims["kubernetes.io"]["pod"] == {"name": "holder", "uid": pod["metadata"]["uid"]}, claims
    # The token is known to the server as that account, and lets it read nothing yet.
    code, status = Api(cluster.server.kubeconfig, cluster.server.port, token=token).get(f"/api/v1/namespaces/{ns}/pods")
    assert code == 403 and f'User "system:serviceaccount:{ns}:default" cannot list resource "pods"' in status["message"], status


def test_host_path(cluster):
    ns = cluster.namespace("hostpath")
    folder = f"{cluster.state}/hostpath"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/from-host", "w") as f:
        f.write("host")
    container = {"volumeMounts": [{"name": "h", "mountPath": "/h"}, {"name": "h", "mountPath": "/ro", "readOnly": True}]}
    cluster.pod(ns, "mounter", "sleep", "3600", container=container, volumes=[{"name": "h", "hostPath": {"path": folder, "type": "Directory"}}])
    assert cluster.exec(ns, "mounter", "cat", "/h/from-host").stdout == "host"
    cluster.exec(ns, "mounter", "sh", "-c", "echo pod >/h/from-pod")
    with open(f"{folder}/from-pod") as f:
        assert f.read() == "pod\n"
    assert cluster.exec(ns, "mounter", "touch", "/ro/x", check=False).returncode != 0


def test_empty_dir_shared_by_two_containers(cluster):
    ns = cluster.namespace("emptydir")
    mount = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    image = cluster_image()
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "two"}, "spec": {
        "terminationGracePeriodSeconds": 0, "volumes": [{"name": "shared", "emptyDir": {}}],
        "containers": [{"name": "writer", "image": image, "command": ["sh", "-c", "echo hello >/shared/file; exec sleep 3600"], **mount},
                       {"name": "reader", "image": image, "command": ["sleep", "3600"], **mount}]}}
    cluster.create(f"/api/v1/namespaces/{ns}/pods", body)
    pod = cluster.wait_running(ns, "two")
    read = until("the file", lambda: cluster.exec(ns, "two", "cat", "/shared/file", check=False, flags=("-c", "reader")).stdout)
    assert read == "hello\n"
    # Both live in one network namespace.
    cluster.exec(ns, "two", "sh", "-c", "echo shared-net | nc -l -p 7777 >/dev/null 2>&1 &", flags=("-c", "writer"))
    assert until("the port", lambda: cluster.exec(ns, "two", "nc", "127.0.0.1", "7777", check=False, flags=("-c", "reader")).stdout) == "shared-net\n"
    folder = f"{cluster.state}/kubelet/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~empty-dir/shared"
    assert os.path.exists(f"{folder}/file"), folder
    cluster.delete(f"/api/v1/namespaces/{ns}/pods/two")
    cluster.wait_pod(ns, "two", lambda p: p is None)
    until("the volume's folder is removed", lambda: not os.path.exists(folder))


def cluster_image():
    from cluster import IMAGE
    return IMAGE


def test_restart_policy_always_backs_off(cluster):
    ns = cluster.namespace("crash")
    cluster.pod(ns, "crash", "sh", "-c", "exit 3", running=False)
    def backing_off(p):
        c = dig(p, "status", "containerStatuses", 0)
        return dig(c, "state", "waiting", "reason") == "CrashLoopBackOff"
    pod = cluster.wait_pod(ns, "crash", backing_off)
    container = pod["status"]["containerStatuses"][0]
    assert container["lastState"]["terminated"]["exitCode"] == 3 and container["lastState"]["terminated"]["reason"] == "Error", container
    assert re.match(rf"^back-off \d+s restarting failed container=main pod=crash_{ns}\([0-9a-f-]+\)$", container["state"]["waiting"]["message"]), container
    assert pod["status"]["phase"] == "Running" and not container["ready"], pod["status"]
    cluster.wait_pod(ns, "crash", lambda p: dig(p, "status", "containerStatuses", 0, "restartCount") >= 2)
    cluster.wait_all(f"/api/v1/namespaces/{ns}/events", lambda items: "BackOff" in {e["reason"] for e in items})


def test_restart_policies_never_and_on_failure(cluster):
    ns = cluster.namespace("policy")
    cluster.pod(ns, "good", "true", running=False, restartPolicy="Never")
    cluster.pod(ns, "bad", "sh", "-c", "echo why >/dev/termination-log; exit 7", running=False, restartPolicy="Never")
    cluster.pod(ns, "done", "true", running=False, restartPolicy="OnFailure")
    good = cluster.wait_pod(ns, "good", lambda p: dig(p, "status", "phase") == "Succeeded")
    assert good["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed", good["status"]
    assert condition(good, "Ready")["reason"] == "PodCompleted", good["status"]
    bad = cluster.wait_pod(ns, "bad", lambda p: dig(p, "status", "phase") == "Failed")
    ended = bad["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 7 and ended["message"].strip() == "why", ended
    cluster.wait_pod(ns, "done", lambda p: dig(p, "status", "phase") == "Succeeded")


def test_init_containers_run_in_order(cluster):
    ns = cluster.namespace("init")
    mount = [{"name": "shared", "mountPath": "/shared"}]
    def step(name, text):
        return {"name": name, "image": cluster_image(), "command": ["sh", "-c", f"echo {text} >>/shared/order"], "volumeMounts": mount}
    pod = cluster.pod(ns, "inits", "sleep", "3600", container={"volumeMounts": mount}, volumes=[{"name": "shared", "emptyDir": {}}],
                      initContainers=[step("first", "one"), step("second", "two")])
    assert [s["state"]["terminated"]["reason"] for s in pod["status"]["initContainerStatuses"]] == ["Completed", "Completed"], pod["status"]
    assert cluster.exec(ns, "inits", "cat", "/shared/order").stdout == "one\ntwo\n"


def test_graceful_termination(cluster):
    ns = cluster.namespace("grace")
    folder = f"{cluster.state}/grace"
    os.makedirs(folder, exist_ok=True)
    volume = {"volumes": [{"name": "h", "hostPath": {"path": folder}}], "terminationGracePeriodSeconds": 20}
    script = "trap 'sleep 1; echo bye >/h/bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    cluster.pod(ns, "polite", "sh", "-c", script, container={"volumeMounts": [{"name": "h", "mountPath": "/h"}]}, **volume)
    until("the trap is set", lambda: cluster.log(ns, "polite") == "up\n")
    began = time.monotonic()
    cluster.delete(f"/api/v1/namespaces/{ns}/pods/polite")
    cluster.wait_pod(ns, "polite", lambda p: p is None)
    assert time.monotonic() - began < 18, "it waited for the whole grace period"
    with open(f"{folder}/bye") as f:
        assert f.read() == "bye\n"


def test_stubborn_pod_is_killed_after_its_grace(cluster):
    ns = cluster.namespace("stubborn")
    pod = cluster.pod(ns, "stubborn", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done")
    until("the trap is set", lambda: cluster.log(ns, "stubborn") == "up\n")
    pids = cluster.pod_pids(pod)
    cluster.delete(f"/api/v1/namespaces/{ns}/pods/stubborn?gracePeriodSeconds=1")
    cluster.wait_pod(ns, "stubborn", lambda p: p is None)
    assert pids and not any(os.path.exists(f"/proc/{p}") for p in pids), pids
    until("the cgroups are removed", lambda: not cluster.cgroup_folders(pod, "memory"))


def test_limits_in_cgroups(cluster):
    ns = cluster.namespace("limits")
    resources = {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}}
    pod = cluster.pod(ns, "limited", "sleep", "3600", container={"resources": resources})
    assert pod["status"]["qosClass"] == "Burstable"
    pid = cluster.main_pid(pod)
    def read(controller, v1, v2):
        folders = {}
        with open(f"/proc/{pid}/cgroup") as f:
            for line in f:
                _, names, path = line.strip().split(":", 2)
                for name in names.split(","):
                    folders[name] = path
        one = f"/sys/fs/cgroup/{controller}{folders.get(controller, '')}/{v1}"
        with open(one if os.path.exists(one) else f"/sys/fs/cgroup{folders['']}/{v2}") as f:
            return f.read().strip()
    assert read("memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    quota = read("cpu", "cpu.cfs_quota_us", "cpu.max")
    assert quota in ("50000", "50000 100000"), quota
    assert read("cpu", "cpu.shares", "cpu.weight") in ("256", "10", "35"), read("cpu", "cpu.shares", "cpu.weight")


def test_memory_limit_kills(cluster):
    ns = cluster.namespace("oom")
    cluster.pod(ns, "eater", "sh", "-c", "tail /dev/zero", running=False, restartPolicy="Never", container={"resources": {"limits": {"memory": "16Mi"}}})
    pod = cluster.wait_pod(ns, "eater", lambda p: dig(p, "status", "phase") == "Failed")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["reason"] == "OOMKilled" and ended["exitCode"] == 137, ended


def test_host_network(cluster):
    ns = cluster.namespace("hostnet")
    pod = cluster.pod(ns, "onhost", "sleep", "3600", hostNetwork=True)
    assert pod["status"]["podIP"] == NODE_ADDRESS, pod["status"]
    assert os.readlink(f"/proc/{cluster.main_pid(pod)}/ns/net") == os.readlink("/proc/self/ns/net")


def test_security_context_user_and_read_only_root(cluster):
    ns = cluster.namespace("user")
    cluster.pod(ns, "user", "sleep", "3600", container={"securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "readOnlyRootFilesystem": True}})
    assert cluster.exec(ns, "user", "sh", "-c", "echo $(id -u):$(id -g)").stdout.strip() == "1000:3000"
    assert cluster.exec(ns, "user", "touch", "/tmp/x", check=False).returncode != 0


def test_unschedulable_pod_says_why(cluster):
    ns = cluster.namespace("nofit")
    cluster.pod(ns, "big", running=False, container={"resources": {"requests": {"cpu": "1000"}}})
    pod = cluster.wait_pod(ns, "big", lambda p: condition(p, "PodScheduled").get("reason") == "Unschedulable")
    assert condition(pod, "PodScheduled")["message"].startswith("0/1 nodes are available: 1 Insufficient cpu."), pod["status"]
    cluster.pod(ns, "picky", running=False, nodeSelector={"disk": "gold"})
    pod = cluster.wait_pod(ns, "picky", lambda p: condition(p, "PodScheduled").get("reason") == "Unschedulable")
    assert condition(pod, "PodScheduled")["message"].startswith("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."), pod["status"]
    cluster.merge(f"/api/v1/nodes/{NODE}", {"metadata": {"labels": {"disk": "gold"}}})
    cluster.wait_running(ns, "picky")
    cluster.merge(f"/api/v1/nodes/{NODE}", {"metadata": {"labels": {"disk": None}}})
