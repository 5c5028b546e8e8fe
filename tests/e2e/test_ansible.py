"""kubernetes.core of Debian's Ansible: the playbooks in ansible/ do the work."""
import json
import re

from cluster import CLIENTS, IMAGE, ROOT, run


def play(cluster, book, ns):
    """The names of the tasks that changed something."""
    env = dict(cluster.env, LC_ALL="C.UTF-8", ANSIBLE_COLLECTIONS_PATH=CLIENTS, K8S_AUTH_KUBECONFIG=cluster.server.kubeconfig, ANSIBLE_NOCOLOR="1", ANSIBLE_PIPELINING="1",
               ANSIBLE_LOCALHOST_WARNING="false", ANSIBLE_INVENTORY_UNPARSED_WARNING="false", ANSIBLE_PYTHON_INTERPRETER="/usr/bin/python3")
    values = json.dumps({"ns": ns, "image": IMAGE, "greeting": "hello"})
    done = run(["ansible-playbook", "-e", values, f"{ROOT}/tests/e2e/ansible/{book}.yaml"], env=env, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return re.findall(r"^TASK \[(.*)\] \**\nchanged: \[localhost\]", done.stdout, re.M)


def versions_of(cluster, ns):
    return {i["metadata"]["uid"]: i["metadata"]["resourceVersion"] for i in cluster.get(f"/api/v1/namespaces/{ns}/configmaps")["items"]}


def test_ansible(cluster):
    ns = cluster.namespace("ansible")
    changed = play(cluster, "play", ns)
    assert changed == ["settings, from a template", "several objects, applied", "one more key, patched", "owned by a field manager", "scaled"], changed
    before = versions_of(cluster, ns)
    changed = play(cluster, "play", ns)
    assert changed == [] and versions_of(cluster, ns) == before, changed
    changed = play(cluster, "end", ns)
    assert changed == ["a JSON patch", "nothing is left"], changed
