"""A node whose server is elsewhere: its pods, what kubectl reaches of them, and either side dying."""
import os
import time

from cluster import condition, dig, until

AGENT = "n2"


def started(lab, ns, name):
    pod = lab.get(f"/api/v1/namespaces/{ns}/pods/{name}")
    status = dig(pod, "status", "containerStatuses", 0)
    return status["containerID"], status["restartCount"], dig(status, "state", "running", "startedAt")


def test_agent_runs_a_pod_that_kubectl_reaches(lab):
    ns = lab.namespace("agent")
    lab.kubectl("create", "configmap", "words", "--from-literal=word=bramble", ns=ns)
    lab.pod(ns, "p", "sh", "-c", "echo word $WORD; echo $(cat /words/word); sleep 3600",
           container={"env": [{"name": "WORD", "valueFrom": {"configMapKeyRef": {"name": "words", "key": "word"}}}],
                      "volumeMounts": [{"name": "words", "mountPath": "/words"}, {"name": "none", "mountPath": "/none"}]},
           nodeName=AGENT, volumes=[{"name": "words", "configMap": {"name": "words"}}, {"name": "none", "secret": {"secretName": "none", "optional": True}}])
    until("its log is there", lambda: lab.kubectl("logs", "p", ns=ns).stdout == "word bramble\nbramble\n")
    assert lab.exec(ns, "p", "hostname").stdout == "p\n"
    assert lab.exec(ns, "p", "cat", input="half\nclosed\n", flags=("-i",)).stdout == "half\nclosed\n"
    assert lab.exec(ns, "p", "sh", "-c", "exit 42", check=False).returncode == 42
    refused = lab.kubectl("logs", "p", "-c", "nobody", ns=ns, check=False)
    assert refused.returncode == 1 and "container nobody is not valid for pod p" in refused.stderr, refused.stderr
    # What the pod shows follows the ConfigMap, which its node watches by its name.
    lab.kubectl("patch", "configmap", "words", "-p", '{"data":{"word":"thorn"}}', ns=ns)
    until("the file follows", lambda: lab.exec(ns, "p", "cat", "/words/word").stdout == "thorn")
    until("its use is told", lambda: lab.kubectl("top", "pod", "p", ns=ns, check=False).returncode == 0)
    summary = lab.get(f"/api/v1/nodes/{AGENT}/proxy/stats/summary")
    assert any(p["podRef"]["name"] == "p" for p in summary["pods"]), summary


def test_agent_needs_no_open_port(lab):
    """With every inbound packet dropped, but for answers."""
    ns = lab.namespace("tunnel")
    lab.pod(ns, "p", "sh", "-c", "echo through; sleep 3600", nodeName=AGENT)
    host = lab[AGENT]
    host.run("nft", "-f", "-", input="table inet closed {\n chain input {\n type filter hook input priority -10;\n iifname != \"eth0\" accept\n ct state established,related accept\n drop\n }\n}\n")
    try:
        assert lab.kubectl("logs", "p", ns=ns).stdout == "through\n"
        assert lab.exec(ns, "p", "hostname").stdout == "p\n"
        assert lab.kubectl("get", "--raw", f"/api/v1/nodes/{AGENT}/proxy/healthz").stdout == "ok"
    finally:
        host.run("nft", "delete", "table", "inet", "closed")


def test_server_dies_and_the_agents_pods_live_on(lab):
    ns = lab.namespace("server-dies")
    lab.pod(ns, "p", "sleep", "3600", nodeName=AGENT)
    before = started(lab, ns, "p")
    lab.server.kill()
    host = lab[AGENT]
    pid = host.bramble.pid()
    lab.server.start()
    lab.use_server()
    lab.wait_nodes_ready()
    assert host.bramble.pid() == pid and started(lab, ns, "p") == before
    # The watch has resumed: what is new reaches the agent.
    lab.pod(ns, "q", "sleep", "3600", nodeName=AGENT)
    until("the tunnel is back", lambda: lab.exec(ns, "p", "true", check=False).returncode == 0)


def test_agent_dies_and_its_pods_live_on(lab):
    ns = lab.namespace("agent-dies")
    lab.pod(ns, "p", "sleep", "3600", nodeName=AGENT)
    before = started(lab, ns, "p")
    host = lab[AGENT]
    host.bramble.kill()
    host.bramble.start()
    until("it answers", lambda: lab.exec(ns, "p", "true", check=False).returncode == 0)
    assert started(lab, ns, "p") == before


def test_agent_begins_anew_while_the_server_is_away(lab):
    """Pods are taken care of as they were last known: one that ends is started again, one that was deleted meanwhile ends later."""
    ns = lab.namespace("away")
    lab.pod(ns, "p", "sh", "-c", "echo begin; while [ ! -e /stop/now ]; do sleep 0.1; done",
           container={"volumeMounts": [{"name": "stop", "mountPath": "/stop"}]}, nodeName=AGENT, volumes=[{"name": "stop", "hostPath": {"path": f"{lab[AGENT].state}/stop", "type": "DirectoryOrCreate"}}])
    before = started(lab, ns, "p")
    lab.server.kill()
    host = lab[AGENT]
    host.bramble.kill()
    host.bramble.start()
    log = f"{host.state}/log/pods"

    def begins():
        return sum(open(os.path.join(folder, name)).read().count("begin") for folder, _, names in os.walk(log) for name in names if f"/{ns}_p_" in folder)
    until("it is adopted", lambda: "adopted" in open(host.bramble.log).read().rpartition("away; the node goes on")[2])
    assert begins() == 1
    with open(f"{host.state}/stop/now", "w"):
        pass
    until("it has ended and is begun again", lambda: begins() > 1)
    os.unlink(f"{host.state}/stop/now")
    lab.server.start()
    lab.use_server()
    lab.wait_nodes_ready()
    after = lab.wait(f"/api/v1/namespaces/{ns}/pods", "p", lambda p: dig(p, "status", "containerStatuses", 0, "restartCount") >= 1)
    assert dig(after, "status", "containerStatuses", 0, "containerID") != before[0]


def test_cut_link_is_survived(lab):
    ns = lab.namespace("cut")
    lab.pod(ns, "p", "sleep", "3600", nodeName=AGENT)
    before = started(lab, ns, "p")
    lab.isolate(lab[AGENT])
    time.sleep(10)  # the time in which nothing may happen
    lab.heal()
    until("the tunnel is back", lambda: lab.exec(ns, "p", "true", check=False).returncode == 0)
    assert started(lab, ns, "p") == before
    assert condition(lab.get(f"/api/v1/nodes/{AGENT}"), "Ready")["status"] == "True"
