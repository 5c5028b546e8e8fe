"""Backups, a restore and a damaged store: what was lost may come back, so nothing is deleted for being absent until that is
confirmed. These tests stop the server, so they come late."""
import os

from cluster import NODE_ADDRESS, dig, run, start_time, until


def alive(pid, since):
    try:
        return start_time(pid) == since
    except OSError:
        return False


def running(cluster, ns, name):
    cluster.pod(ns, name, "sh", "-c", "trap : TERM; while :; do sleep 0.1; done", terminationGracePeriodSeconds=1)
    pid = cluster.main_pid(cluster.wait_running(ns, name))
    return pid, start_time(pid)


def backup(cluster, *arguments, check=True):
    s = cluster.state
    return cluster.bramble("backup", *arguments, "--data-dir", f"{s}/data", "--run-dir", f"{s}/run", check=check)


def code_of(cluster, path):
    return cluster.api.call("GET", path)[0]


def confirm(cluster, ns, name, process):
    """Only an admin's word (or half an hour) ends what runs of a pod that the store does not have."""
    assert code_of(cluster, f"/api/v1/namespaces/{ns}/pods/{name}") == 404
    assert alive(*process), f"{name} was ended for being absent"
    assert "confirmed" in backup(cluster, "confirm").stdout
    until(f"{name} ends", lambda: not alive(*process))
    assert "nothing to confirm" in backup(cluster, "confirm").stdout


def test_restore_keeps_what_runs_until_it_is_confirmed(cluster):
    ns = cluster.namespace("restore")
    early = running(cluster, ns, "early")
    file = backup(cluster, "save").stdout.strip()
    assert os.path.getsize(file) > 0 and file in backup(cluster, "list").stdout
    assert os.stat(file).st_mode & 0o077 == 0, "others may read it"
    late = running(cluster, ns, "late")
    version = int(cluster.get(f"/api/v1/namespaces/{ns}/pods/late")["metadata"]["resourceVersion"])

    refused = backup(cluster, "restore", file, check=False)
    assert refused.returncode == 1 and "in use by" in refused.stderr, refused
    cluster.server.stop()
    assert "store restored from" in backup(cluster, "restore", file).stdout
    cluster.server.start()
    cluster.wait_node_ready()
    cluster.wait_running(ns, "early")
    made = cluster.create(f"/api/v1/namespaces/{ns}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "after"}})
    assert int(made["metadata"]["resourceVersion"]) > version, "revisions went back"

    # The doubt outlives a restart, a kill too.
    cluster.server.kill()
    cluster.server.start()
    cluster.wait_node_ready()
    confirm(cluster, ns, "late", late)
    assert alive(*early) and dig(cluster.wait_running(ns, "early"), "status", "containerStatuses", 0, "restartCount") == 0


def test_damaged_store_is_repaired_from_the_backup_and_deletes_nothing(cluster):
    ns = cluster.namespace("damage")
    saved = running(cluster, ns, "saved")
    backup(cluster, "save")
    lost = running(cluster, ns, "lost")
    cluster.server.stop()
    file = f"{cluster.state}/data/server/db/state.db"
    with open(file, "r+b") as f:
        data = f.read()
        for name in ("saved", "lost"):
            key, at = f"/registry/core/pods/{ns}/{name}".encode(), -1
            while (at := data.find(key, at + 1)) >= 0:
                f.seek(at // 4096 * 4096)
                f.write(b"\xa5" * 4096)
    cluster.server.start()
    cluster.wait_node_ready()
    cluster.wait_running(ns, "saved")
    log = open(cluster.server.log, errors="replace").read()
    assert "store repaired" in log and "from the backup" in log
    checked = cluster.bramble("check-config", "--data-dir", f"{cluster.state}/data", "--run-dir", f"{cluster.state}/run", "--node-ip", "192.0.2.10", check=False).stdout
    assert "warning  store: it was repaired or restored" in checked and f"{ns}/saved" not in checked, checked
    confirm(cluster, ns, "lost", lost)
    assert alive(*saved)
    assert any(".damaged-" in name for name in os.listdir(os.path.dirname(file)))


def test_empty_store_comes_back_from_the_backup_and_ends_nothing(cluster):
    """What a power cut leaves of state.db may be its name alone. With no backup a start is refused in one line."""
    ns = cluster.namespace("empty")
    saved = running(cluster, ns, "saved")
    backup(cluster, "save")
    lost = running(cluster, ns, "lost")
    cluster.server.kill()
    db = f"{cluster.state}/data/server/db"
    os.rename(f"{db}/backups", f"{db}/elsewhere")
    open(f"{db}/state.db", "w").close()
    os.remove(f"{db}/state.db-wal")
    code, said = cluster.server.refused()
    last = said.strip().splitlines()[-1]
    assert code == 1 and f"{db}/state.db is empty" in last and f"{cluster.state}/data/server/tls" in last and "put the file back" in last, said
    os.rename(f"{db}/elsewhere", f"{db}/backups")
    cluster.server.start()
    cluster.wait_node_ready()
    cluster.wait_running(ns, "saved")
    assert "state.db is empty; store restored from" in open(cluster.server.log, errors="replace").read()
    confirm(cluster, ns, "lost", lost)
    assert alive(*saved)


def test_unclean_stop_renews_leases(cluster):
    """Renewals are on disk late; after a crash every Lease counts as renewed at the start."""
    ns = cluster.namespace("lease")
    old = "2020-01-01T00:00:00.000000Z"
    path = f"/apis/coordination.k8s.io/v1/namespaces/{ns}/leases"
    cluster.create(path, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "held"},
                          "spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 15, "renewTime": old}})
    cluster.create(path, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "free"}, "spec": {"renewTime": old}})
    cluster.server.stop()
    cluster.server.start()
    cluster.wait_node_ready()
    assert cluster.get(f"{path}/held")["spec"]["renewTime"] == old, "a clean stop keeps it"
    cluster.server.kill()
    cluster.server.start()
    cluster.wait_node_ready()
    cluster.wait(path, "held", lambda lease: lease["spec"]["renewTime"] > old)
    assert cluster.get(f"{path}/free")["spec"]["renewTime"] == old


def test_another_address_is_followed_and_pods_run_on(cluster):
    """DHCP has given another one, or the board was carried to another network: the same process begins anew."""
    ns = cluster.namespace("address")
    pod = running(cluster, ns, "steady")
    server = cluster.server.process.pid
    cluster.move_node(NODE_ADDRESS, "192.0.2.77")
    assert cluster.server.process.pid == server and cluster.server.process.poll() is None
    cluster.move_node("192.0.2.77", NODE_ADDRESS)
    assert alive(*pod) and dig(cluster.wait_running(ns, "steady"), "status", "containerStatuses", 0, "restartCount") == 0
