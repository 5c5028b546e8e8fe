"""The network between nodes: pods of all hosts reach each other, by VXLAN and by direct routes, and go on doing so."""
import json
import time

from cluster import BINARY, PAGE, condition, dig, until

FLANNEL = "flannel.alpha.coreos.com/"


def inside(lab, pod, *command, check=True, timeout=60):
    """A command of the host in the pod's network: without exec, which has tests of its own."""
    host = lab[pod["spec"]["nodeName"]]
    return host.run("nsenter", f"--net={host.state}/run/pods/{pod['metadata']['uid']}/ns/net", *command, check=check, timeout=timeout)


def asking(address, port=80):
    """Not by wget: a static busybox's ends with a signal where its libc wants plugins."""
    return ["sh", "-c", f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 3 {address} {port}"]


said = {}  # by the address that was asked, for the message of a test that fails


def fetches(lab, pod, address, page=PAGE):
    done = inside(lab, pod, *asking(address), check=False)
    said[address] = done.stdout + done.stderr
    return page in done.stdout


def ip(pod):
    return pod["status"]["podIP"]


def pods(lab, ns, name="web", labels=None):
    """One on each host."""
    for host in lab.hosts:
        lab.pod(ns, f"{name}-{host.name}", nodeName=host.name, running=False, labels=labels or {})
    return [lab.wait_running(ns, f"{name}-{host.name}") for host in lab.hosts]


def all_reach_all(lab, some, seconds=60):
    for a in some:
        for b in some:
            try:
                until(f"{a['metadata']['name']} reaches {b['metadata']['name']}", lambda a=a, b=b: fetches(lab, a, ip(b)), seconds)
            except AssertionError as error:
                raise AssertionError(f"{error}: {said.get(ip(b))}")


def test_network_pods_reach_pods_on_all_nodes_by_vxlan(lab):
    ns = lab.namespace("vxlan")
    some = pods(lab, ns)
    all_reach_all(lab, some)
    ranges = set()
    for host, pod in zip(lab.hosts, some):
        node = lab.get(f"/api/v1/nodes/{host.name}")
        notes = node["metadata"]["annotations"]
        assert notes[FLANNEL + "backend-type"] == "vxlan" and notes[FLANNEL + "kube-subnet-manager"] == "true", notes
        assert notes[FLANNEL + "public-ip"] == host.address, notes
        mac = json.loads(notes[FLANNEL + "backend-data"])["VtepMAC"]
        assert mac in host.text("ip", "link", "show", "flannel.1"), mac
        up = condition(node, "NetworkUnavailable")
        assert (up["status"], up["reason"], up["message"]) == ("False", "FlannelIsUp", "Flannel is running on this node"), up
        ranges.add(node["spec"]["podCIDR"])
        assert ip(pod).startswith(node["spec"]["podCIDR"].rpartition(".")[0] + ".")
        assert " mtu 1450 " in inside(lab, pod, "ip", "-o", "link", "show", "eth0").stdout
    assert len(ranges) == len(lab.hosts)
    a, b = some[1], some[2]
    for size in (1422, 8000):  # as much as fits, and what must be cut into pieces
        assert inside(lab, a, "busybox", "ping", "-c1", "-W3", f"-s{size}", ip(b), check=False).returncode == 0, size
    for host in lab.hosts:  # and from the hosts themselves
        assert PAGE in host.run(*asking(ip(a)), check=False).stdout, host.name


def test_network_services_lead_to_pods_of_all_nodes(lab):
    ns = lab.namespace("svc")
    some = pods(lab, ns, labels={"app": "web"})
    service = lab.create(f"/api/v1/namespaces/{ns}/services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                                                               "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})
    address = service["spec"]["clusterIP"]
    for pod in some:
        for _ in range(8):  # each of three endpoints by chance: all of them are likely met
            until(f"{pod['metadata']['name']} reaches the service", lambda pod=pod: fetches(lab, pod, address))
    for host in lab.hosts:
        for _ in range(8):
            assert PAGE in host.run(*asking(address), check=False).stdout, host.name


def test_network_dns_answers_pods_of_every_node(lab):
    ns = lab.namespace("dns")
    for pod in pods(lab, ns):
        answer = until("an answer", lambda pod=pod: (lambda done: done.stdout if done.returncode == 0 else "")(
            inside(lab, pod, "busybox", "nslookup", "-type=a", "kubernetes.default.svc.cluster.local", "10.43.0.10", check=False)))
        assert "10.43.0.1" in answer.replace("10.43.0.10", ""), answer


def test_network_is_put_right_after_foreign_changes(lab):
    ns = lab.namespace("mend")
    some = pods(lab, ns)
    all_reach_all(lab, some[1:])
    host = lab.hosts[1]
    for command in ("ip link del flannel.1", "ip neigh flush dev flannel.1 nud permanent", "ip route flush proto 98"):
        host.run("sh", "-c", command)
        all_reach_all(lab, some[1:])


def test_network_without_a_default_route(lab):
    ns = lab.namespace("noroute")
    some = pods(lab, ns, labels={"app": "web"})
    service = lab.create(f"/api/v1/namespaces/{ns}/services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                                                               "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})
    host = lab.hosts[1]
    host.run("ip", "route", "del", "default")
    try:
        time.sleep(3)  # in which nothing must be lost
        all_reach_all(lab, some[1:])
        for _ in range(6):
            assert PAGE in host.run(*asking(service['spec']['clusterIP']), check=False).stdout
    finally:
        host.run("ip", "route", "add", "default", "via", "192.0.2.1")


def test_network_follows_an_address_that_changes(lab):
    ns = lab.namespace("move")
    some = pods(lab, ns)
    all_reach_all(lab, some)
    host, before = lab.hosts[2], lab.hosts[2].address
    for new in ("192.0.2.77", before):
        host.change_address(new)
        lab.wait("/api/v1/nodes", host.name, lambda n: n["metadata"]["annotations"].get(FLANNEL + "public-ip") == new)
        lab.wait("/api/v1/nodes", host.name, lambda n: any(a == {"type": "InternalIP", "address": new} for a in n["status"]["addresses"]))
        all_reach_all(lab, some)
    same = [lab.get(f"/api/v1/namespaces/{ns}/pods/{p['metadata']['name']}") for p in some]
    assert [ip(p) for p in same] == [ip(p) for p in some]
    assert [dig(p, "status", "containerStatuses", 0, "restartCount") for p in same] == [0, 0, 0]


def test_network_survives_a_partition_of_10_s(lab):
    ns = lab.namespace("part")
    some = pods(lab, ns)
    all_reach_all(lab, some)
    lab.partition(lab.hosts[2])
    assert not fetches(lab, some[0], ip(some[2]))
    time.sleep(10)  # what is tried is this time
    lab.heal()
    all_reach_all(lab, some)
    node = lab.get(f"/api/v1/nodes/{lab.hosts[2].name}")
    assert condition(node, "Ready")["status"] == "True" and not dig(node, "spec", "taints"), node
    after = [lab.get(f"/api/v1/namespaces/{ns}/pods/{p['metadata']['name']}") for p in some]
    assert [p["metadata"]["uid"] for p in after] == [p["metadata"]["uid"] for p in some]
    assert [dig(p, "status", "containerStatuses", 0, "restartCount") for p in after] == [0, 0, 0]


def test_network_survives_the_restart_of_agents_and_lost_packets(lab):
    ns = lab.namespace("agents")
    some = pods(lab, ns)
    all_reach_all(lab, some)
    lab.lose(lab.hosts[2], 10)
    for host in lab.hosts[1:]:
        host.bramble.kill()
        until("packets need no agent", lambda: fetches(lab, some[1], ip(some[2])))
        host.bramble.start()
    lab.wait_nodes_ready()
    all_reach_all(lab, some)


def test_network_comes_back_with_a_host_that_lost_its_power(lab):
    ns = lab.namespace("power")
    some = pods(lab, ns)
    all_reach_all(lab, some)
    host = lab.hosts[2]
    host.restart()
    lab.wait_node_ready(host.name)
    again = lab.wait_pod(ns, f"web-{host.name}", lambda p: dig(p, "status", "containerStatuses", 0, "restartCount") and condition(p, "Ready").get("status") == "True")
    all_reach_all(lab, [*some[:2], again])


def test_network_a_host_with_direct_routes_beside_those_with_vxlan(lab):
    ns = lab.namespace("hostgw")
    some = pods(lab, ns)
    server = lab.server
    server.extra.append("--flannel-backend=host-gw")
    try:
        server.restart()
        lab.wait("/api/v1/nodes", lab.hosts[0].name, lambda n: n["metadata"]["annotations"][FLANNEL + "backend-type"] == "host-gw")
        until("direct routes", lambda: f"via {lab.hosts[0].address} dev eth0" in lab.hosts[1].text("ip", "route"))
        all_reach_all(lab, some)
        assert "flannel.1" not in lab.hosts[0].text("ip", "link") and "dev flannel.1" in lab.hosts[1].text("ip", "route")
    finally:
        server.extra.remove("--flannel-backend=host-gw")
        server.restart()
    lab.wait("/api/v1/nodes", lab.hosts[0].name, lambda n: n["metadata"]["annotations"][FLANNEL + "backend-type"] == "vxlan")
    all_reach_all(lab, some)


def test_network_a_firewall_that_drops_is_told_with_what_mends_it(lab):
    host = lab.hosts[1]
    host.run("nft", "-f", "-", input="table inet mine { chain f { type filter hook forward priority 0; policy drop; }; }\n")
    try:
        node = lab.wait("/api/v1/nodes", host.name, lambda n: condition(n, "ForeignFirewall").get("status") == "True")
        message = condition(node, "ForeignFirewall")["message"]
        assert "chain f of the nftables table inet mine" in message, message
        lab.wait_all("/api/v1/namespaces/default/events", lambda events: any(e["reason"] == "ForeignFirewall" and e["message"] == message for e in events))
        host.run("sh", "-c", message.partition("mend it by: ")[2])
        lab.wait("/api/v1/nodes", host.name, lambda n: condition(n, "ForeignFirewall").get("status") == "False")
    finally:
        host.run("nft", "delete", "table", "inet", "mine", check=False)


def test_network_ones_own_cni_configuration_is_used(lab):
    ns = lab.namespace("cni")
    server, host = lab.server, lab.hosts[0]
    conf = {"cniVersion": "1.0.0", "name": "own", "plugins": [
        {"type": "bridge", "bridge": "own0", "isGateway": True, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]], "dataDir": f"{host.state}/cni-own"}},
        {"type": "portmap", "capabilities": {"portMappings": True}, "dataDir": f"{host.state}/cni-ports"}]}
    server.extra.append("--flannel-backend=none")
    try:
        server.restart()
        lab.wait("/api/v1/nodes", host.name, lambda n: "cni plugin not initialized" in condition(n, "Ready").get("message", ""))
        host.run("sh", "-c", f"mkdir -p /opt/cni/bin && for p in bridge host-local portmap; do ln -sf {BINARY} /opt/cni/bin/$p; done")
        host.run("sh", "-c", "mkdir -p /etc/cni/net.d && cat > /etc/cni/net.d/10-own.conflist", input=json.dumps(conf))
        lab.wait_node_ready(host.name)
        pod = lab.pod(ns, "own", nodeName=host.name, container={"ports": [{"containerPort": 80, "hostPort": 8088}]})
        assert ip(pod).startswith("10.77.0."), pod["status"]
        assert PAGE in host.run(*asking(ip(pod)), check=False).stdout
        assert PAGE in host.run(*asking(host.address, 8088), check=False).stdout
        lab.delete(f"/api/v1/namespaces/{ns}/pods/own")
        lab.wait_pod(ns, "own", lambda p: p is None)
        until("DEL gave the address back", lambda: ip(pod) not in host.text("ls", f"{host.state}/cni-own/own"))
    finally:
        server.extra.remove("--flannel-backend=none")
        host.run("rm", "-rf", "/etc/cni/net.d/10-own.conflist", "/opt/cni/bin", check=False)
        server.restart()
