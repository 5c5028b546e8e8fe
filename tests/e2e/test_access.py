"""Who may what: users by certificate and by token, roles and bindings, kubectl's auth commands, impersonation."""
import base64
import json
import re

from cluster import Api, dig, run


class Person:
    """A kubectl with a certificate of the cluster's client authority, as an administrator would hand out."""

    def __init__(self, cluster, name, groups=()):
        self.cluster, self.name = cluster, name
        at = f"{cluster.state}/{re.sub('[^a-z0-9]', '-', name)}"
        tls = f"{cluster.state}/data/server/tls"
        subject = f"/CN={name}" + "".join(f"/O={g}" for g in groups)
        run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", f"{at}.key"])
        run(["openssl", "req", "-new", "-key", f"{at}.key", "-subj", subject, "-out", f"{at}.csr"])
        run(["openssl", "x509", "-req", "-in", f"{at}.csr", "-CA", f"{tls}/client-ca.crt", "-CAkey", f"{tls}/client-ca.key", "-set_serial", "7", "-days", "1",
             "-out", f"{at}.crt"])
        self.kubeconfig = f"{at}.kubeconfig"
        with open(cluster.server.kubeconfig) as f:
            text = f.read()
        for field, path in (("client-certificate-data", f"{at}.crt"), ("client-key-data", f"{at}.key")):
            with open(path, "rb") as f:
                text = re.sub(rf"({field}:) .*", lambda m, data=f.read(): f"{m.group(1)} {base64.b64encode(data).decode()}", text)
        with open(self.kubeconfig, "w") as f:
            f.write(text)

    def kubectl(self, *arguments, ns=None, check=True, input=None):
        return run(["kubectl"] + (["-n", ns] if ns else []) + list(arguments), env=dict(self.cluster.env, KUBECONFIG=self.kubeconfig), check=check, input=input)


def grant(cluster, ns, user, *what):
    """A Role of its own for a user: grant(cluster, ns, "jane", "--verb=get", "--resource=pods")."""
    name = f"{user}-{len(cluster.get(f'/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles')['items'])}"
    cluster.kubectl("create", "role", name, *what, ns=ns)
    cluster.kubectl("create", "rolebinding", name, f"--role={name}", f"--user={user}", ns=ns)


def test_access_by_certificate_follows_roles(cluster):
    ns = cluster.namespace("access")
    jane = Person(cluster, "jane", ["dev"])
    assert jane.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}").stdout == 'jane ["dev","system:authenticated"]'
    refused = jane.kubectl("get", "pods", ns=ns, check=False)
    assert refused.returncode == 1 and refused.stderr.strip() == \
        f'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "{ns}"', refused.stderr
    cluster.kubectl("create", "role", "reader", "--verb=get,list,watch", "--resource=pods,configmaps", ns=ns)
    cluster.kubectl("create", "rolebinding", "reader", "--role=reader", "--group=dev", ns=ns)
    assert "No resources found" in jane.kubectl("get", "pods", ns=ns).stderr
    assert jane.kubectl("get", "configmaps", "-o", "name", ns=ns).stdout.strip() == "configmap/kube-root-ca.crt"
    assert jane.kubectl("get", "secrets", ns=ns, check=False).returncode == 1
    assert jane.kubectl("get", "pods", ns="default", check=False).returncode == 1
    assert jane.kubectl("get", "nodes", check=False).returncode == 1
    cluster.kubectl("delete", "rolebinding", "reader", ns=ns)
    assert jane.kubectl("get", "pods", ns=ns, check=False).returncode == 1


def test_access_by_token_with_the_default_roles(cluster):
    ns = cluster.namespace("roles")
    tokens = {}
    for role in ("view", "edit", "admin"):
        cluster.kubectl("create", "serviceaccount", role, ns=ns)
        cluster.kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--serviceaccount={ns}:{role}", ns=ns)
        tokens[role] = cluster.kubectl("create", "token", role, ns=ns).stdout.strip()
    cluster.kubectl("create", "secret", "generic", "s", "--from-literal=a=b", ns=ns)
    core, rbac = f"/api/v1/namespaces/{ns}", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}"
    config_map = {"metadata": {"name": "c"}}
    role = {"metadata": {"name": "r"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}
    expected = {  # view, edit, admin
        ("GET", f"{core}/pods", None): (200, 200, 200),
        ("GET", f"{core}/pods/none/log", None): (404, 404, 404),
        ("GET", f"{core}/secrets/s", None): (403, 200, 200),
        ("POST", f"{core}/configmaps?dryRun=All", json.dumps(config_map)): (403, 201, 201),
        ("POST", f"{rbac}/roles?dryRun=All", json.dumps(role)): (403, 403, 201),
        ("GET", f"{core}/resourcequotas", None): (200, 200, 200),
        ("PUT", f"/api/v1/namespaces/{ns}", json.dumps({"metadata": {"name": ns}})): (403, 403, 403),
        ("GET", "/api/v1/nodes", None): (403, 403, 403),
        ("GET", "/api/v1/namespaces/default/pods", None): (403, 403, 403),
    }
    for (method, path, body), codes in expected.items():
        for name, code in zip(("view", "edit", "admin"), codes):
            api = Api(cluster.server.kubeconfig, cluster.server.port, token=tokens[name])
            got, answer = api.call(method, path, body)
            assert got == code, (name, method, path, got, answer)


def test_access_can_i(cluster):
    ns = cluster.namespace("cani")
    june = Person(cluster, "june")
    grant(cluster, ns, "june", "--verb=get,list", "--resource=pods,deployments.apps,pods/log")
    grant(cluster, ns, "june", "--verb=get", "--resource=secrets", "--resource-name=one")
    def ask(*question):
        done = june.kubectl("auth", "can-i", *question, ns=ns, check=False)
        assert (done.returncode == 0) == (done.stdout.strip() == "yes"), (question, done.stdout, done.stderr)
        return done.stdout.strip().split()[0]
    for question, answer in ((("list", "pods"), "yes"), (("delete", "pods"), "no"), (("get", "pods", "--subresource=log"), "yes"), (("get", "deployments.apps"), "yes"),
                             (("get", "deployments", "--subresource=scale"), "no"), (("get", "secret/one"), "yes"), (("get", "secret/two"), "no"),
                             (("get", "/version"), "yes"), (("get", "/metrics"), "no"), (("*", "*"), "no"), (("list", "pods", "-A"), "no")):
        assert ask(*question) == answer, question
    listed = june.kubectl("auth", "can-i", "--list", ns=ns).stdout
    rows = {tuple(re.split(r"\s{2,}", line.strip())) for line in listed.splitlines()[1:]}
    for row in (("pods", "[]", "[]", "[get list]"), ("pods/log", "[]", "[]", "[get list]"), ("deployments.apps", "[]", "[]", "[get list]"), ("secrets", "[]", "[one]", "[get]"),
                ("selfsubjectaccessreviews.authorization.k8s.io", "[]", "[]", "[create]"), ("[/openapi/*]", "[]", "[get]")):
        assert row in rows, (row, listed)
    listed = cluster.kubectl("auth", "can-i", "--list").stdout
    assert re.search(r"^\*\.\*\s+\[\]\s+\[\]\s+\[\*\]$", listed, re.M) and re.search(r"^\s+\[\*\]\s+\[\]\s+\[\*\]$", listed, re.M), listed
    assert cluster.kubectl("auth", "can-i", "list", "pods", "--as=june", ns=ns).stdout.strip() == "yes"
    assert cluster.kubectl("auth", "can-i", "list", "nodes", "--as=june", check=False).stdout.strip().startswith("no")


def test_access_grants_no_more_than_held(cluster):
    ns = cluster.namespace("grants")
    joe = Person(cluster, "joe")
    grant(cluster, ns, "joe", "--verb=create,update,get,patch", "--resource=roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io")
    grant(cluster, ns, "joe", "--verb=get,list", "--resource=pods")
    joe.kubectl("create", "role", "fine", "--verb=get", "--resource=pods", ns=ns)
    refused = joe.kubectl("create", "role", "wide", "--verb=get,delete", "--resource=pods,secrets", ns=ns, check=False)
    assert refused.returncode == 1 and refused.stderr.strip() == \
        ('Error from server (Forbidden): roles.rbac.authorization.k8s.io "wide" is forbidden: user "joe" (groups=["system:authenticated"]) is attempting to grant RBAC '
         'permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}'), refused.stderr
    refused = joe.kubectl("create", "rolebinding", "high", "--clusterrole=cluster-admin", "--user=joe", ns=ns, check=False)
    assert refused.returncode == 1 and '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}' in refused.stderr, refused.stderr
    joe.kubectl("create", "rolebinding", "low", "--role=fine", "--user=ann", ns=ns)
    moved = dict(cluster.get(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/low"))
    moved["roleRef"]["name"] = "other"
    status = cluster.refused("PUT", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/low", moved)
    assert status["code"] == 422 and status["details"]["causes"][0] == {
        "reason": "FieldValueInvalid", "field": "roleRef",
        "message": 'Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"other"}: cannot change roleRef'}, status


def test_access_reconcile(cluster):
    ns = cluster.namespace("reconcile")
    cluster.kubectl("create", "role", "r", "--verb=get", "--resource=pods", ns=ns)
    cluster.kubectl("create", "rolebinding", "r", "--role=r", "--user=ann", ns=ns)
    text = f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: r, namespace: {ns}}}
rules: [{{apiGroups: [""], resources: [pods], verbs: [get, list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: r, namespace: {ns}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: r2}}
subjects: [{{kind: User, apiGroup: rbac.authorization.k8s.io, name: bob}}]
"""
    cluster.kubectl("auth", "reconcile", "-f", "-", input=text)
    at = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}"
    assert [r["verbs"] for r in cluster.get(f"{at}/roles/r")["rules"]] == [["get"], ["list"]]
    binding = cluster.get(f"{at}/rolebindings/r")
    assert binding["roleRef"]["name"] == "r2" and [s["name"] for s in binding["subjects"]] == ["bob"], binding


def test_access_by_impersonation(cluster):
    ns = cluster.namespace("as")
    cluster.kubectl("create", "rolebinding", "view", "--clusterrole=view", "--group=viewers", ns=ns)
    cluster.kubectl("get", "pods", "--as=ann", "--as-group=viewers", ns=ns)
    refused = cluster.kubectl("get", "pods", "--as=ann", ns=ns, check=False)
    assert f'User "ann" cannot list resource "pods" in API group "" in the namespace "{ns}"' in refused.stderr, refused.stderr
    who = json.loads(cluster.kubectl("auth", "whoami", "--as=ann", "--as-group=g", "--as-uid=7", "-o", "json").stdout)["status"]["userInfo"]
    assert who == {"username": "ann", "uid": "7", "groups": ["g", "system:authenticated"]}, who
    kim = Person(cluster, "kim")
    refused = kim.kubectl("get", "pods", "--as=ann", ns=ns, check=False)
    assert f'pods is forbidden: User "kim" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "{ns}"' in refused.stderr, refused.stderr


def test_access_to_exec_needs_create(cluster):
    ns = cluster.namespace("execute")
    cluster.pod(ns, "p")
    lou = Person(cluster, "lou")
    grant(cluster, ns, "lou", "--verb=get", "--resource=pods,pods/exec,pods/log")
    refused = lou.kubectl("exec", "p", "--", "true", ns=ns, check=False)
    assert refused.returncode != 0 and 'pods "p" is forbidden' in refused.stderr, refused.stderr
    grant(cluster, ns, "lou", "--verb=create", "--resource=pods/exec")
    assert lou.kubectl("exec", "p", "--", "echo", "hello", ns=ns).stdout == "hello\n"


def test_access_of_the_parts_is_their_own(cluster):
    """Events tell who wrote them, and each part's account holds what its role gives."""
    def allowed(user, groups, verb, group, resource, sub=""):
        review = cluster.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": {"user": user, "groups": groups, "resourceAttributes": {
            "verb": verb, "group": group, "resource": resource, "subresource": sub}}})
        return dig(review, "status", "allowed")
    accounts = ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"]
    assert allowed("system:serviceaccount:kube-system:deployment-controller", accounts, "update", "apps", "deployments")
    assert not allowed("system:serviceaccount:kube-system:deployment-controller", accounts, "delete", "apps", "deployments")
    assert allowed("system:kube-scheduler", ["system:authenticated"], "create", "", "pods", "binding")
    assert not allowed("system:kube-scheduler", ["system:authenticated"], "create", "", "pods")
    assert allowed("system:node:x", ["system:nodes", "system:authenticated"], "patch", "", "pods", "status")
    assert not allowed("system:node:x", ["system:nodes", "system:authenticated"], "create", "apps", "deployments")
    rules = {n: len(cluster.get(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{n}")["rules"]) for n in ("view", "edit", "admin")}
    assert 0 < rules["view"] < rules["edit"] < rules["admin"], rules
