"""Who becomes a node: tokens, certificate requests, names that belong to keys, and what a node may then."""
import base64
import json
import os
import ssl

from cluster import Api, parse_kubeconfig, run, until

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


class Machine:
    """A machine that wants to join as NAME, with a key of its own."""

    def __init__(self, cluster, name, suffix=""):
        self.cluster, self.name = cluster, name
        self.at = f"{cluster.state}/machine-{name}{suffix}"
        run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", f"{self.at}.key"])

    def ask(self, api, signer="kubernetes.io/kube-apiserver-client-kubelet", usage="client auth", subject=None, extra=()):
        run(["openssl", "req", "-new", "-key", f"{self.at}.key", "-subj", subject or f"/O=system:nodes/CN=system:node:{self.name}", *extra, "-out", f"{self.at}.csr"])
        with open(f"{self.at}.csr", "rb") as f:
            pem = f.read()
        return api.call("POST", REQUESTS, {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"generateName": "node-csr-"},
                                           "spec": {"signerName": signer, "usages": ["digital signature", usage], "request": base64.b64encode(pem).decode()}})

    def decided(self, code, request):
        assert code == 201, request
        def look():
            now = self.cluster.get(f"{REQUESTS}/{request['metadata']['name']}")["status"]
            return now if now.get("certificate") or any(c["type"] != "Approved" for c in now.get("conditions", [])) else None
        return until("a decision on the request", look)

    def join(self, api):
        status = self.decided(*self.ask(api))
        assert "certificate" in status, status
        with open(f"{self.at}.crt", "wb") as f:
            f.write(base64.b64decode(status["certificate"]))

    def api(self):
        out = Api(self.cluster.server.kubeconfig, self.cluster.server.port, anonymous=True)
        out.tls = ssl.create_default_context(cadata=parse_kubeconfig(self.cluster.server.kubeconfig)["ca"])
        out.tls.load_cert_chain(f"{self.at}.crt", f"{self.at}.key")
        return out


def with_token(cluster, password):
    return Api(cluster.server.kubeconfig, cluster.server.port, token=password)


def node_token(cluster):
    with open(f"{cluster.state}/data/server/node-token") as f:
        return f.read().strip()


def sock(cluster):
    return ["--run-dir", f"{cluster.state}/run"]


def test_identity_a_name_belongs_to_the_first_key(cluster):
    for name in ("token", "agent-token"):
        assert os.stat(f"{cluster.state}/data/server/{name}").st_mode & 0o777 == 0o600, name
    token = node_token(cluster)
    assert token.startswith("K10") and "::node:" in token
    joiner = with_token(cluster, token.rpartition(":")[2])
    assert joiner.get("/api/v1/nodes")[0] == 403
    first, second = Machine(cluster, "reflashed"), Machine(cluster, "reflashed", "-2")
    first.join(joiner)
    assert first.api().get("/api/v1/nodes/reflashed")[0] == 404

    status = second.decided(*second.ask(joiner))
    denied = [c for c in status["conditions"] if c["type"] == "Denied"]
    assert denied and "bramble node approve reflashed" in denied[0]["message"], status
    assert "reflashed" in cluster.bramble("node", "list", *sock(cluster)).stdout
    assert cluster.bramble("node", "approve", "nobody", *sock(cluster), check=False).returncode == 1
    cluster.bramble("node", "approve", "reflashed", *sock(cluster))
    second.join(joiner)
    assert second.api().get("/api/v1/nodes/reflashed")[0] == 404
    assert first.api().get("/api/v1/nodes/reflashed")[0] == 401, "the old card is a node no more"

    # Nobody becomes the node that runs in the server.
    own = cluster.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
    thief = Machine(cluster, own)
    status = thief.decided(*thief.ask(joiner))
    assert any(c["type"] == "Denied" for c in status["conditions"]), status


def test_identity_a_node_sees_its_own(cluster):
    ns = cluster.namespace("nodes")
    joiner = with_token(cluster, node_token(cluster).rpartition(":")[2])
    machine = Machine(cluster, "stolen")
    machine.join(joiner)
    node = machine.api()
    cluster.create(f"/api/v1/namespaces/{ns}/secrets", {"metadata": {"name": "theirs"}, "stringData": {"a": "b"}})
    code, answer = node.get(f"/api/v1/namespaces/{ns}/secrets/theirs")
    assert code == 403 and "no relationship found between node 'stolen' and this object" in answer["message"], answer
    cluster.create(f"/api/v1/namespaces/{ns}/pods", {"metadata": {"name": "p"}, "spec": {"nodeName": "stolen", "containers": [
        {"name": "c", "image": "x", "envFrom": [{"secretRef": {"name": "theirs"}}]}]}})
    assert node.get(f"/api/v1/namespaces/{ns}/secrets/theirs")[0] == 200
    assert node.get("/api/v1/secrets")[0] == 403
    own = cluster.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
    code, answer = node.call("PATCH", f"/api/v1/nodes/{own}/status", {"status": {"phase": "x"}}, "application/merge-patch+json")
    assert code == 403 and f'node "stolen" is not allowed to modify node "{own}"' in answer["message"], answer
    # A serving certificate for the API's address would let it answer in the server's place.
    status = machine.decided(*machine.ask(node, "kubernetes.io/kubelet-serving", "server auth", extra=["-addext", "subjectAltName=IP:127.0.0.1"]))
    assert any(c["type"] == "Denied" for c in status["conditions"]), status
    status = machine.decided(*machine.ask(node, "kubernetes.io/kubelet-serving", "server auth", extra=["-addext", "subjectAltName=DNS:stolen,IP:192.0.2.77"]))
    assert "certificate" in status
    code, asked = machine.ask(node, "kubernetes.io/kube-apiserver-client", subject="/O=system:masters/CN=admin")
    assert code == 403, asked


def test_identity_tokens_by_command(cluster):
    full = cluster.bramble("token", "create", "--ttl", "1h", "--description", "for a test", *sock(cluster)).stdout.strip()
    password = full.rpartition("::")[2]
    ident = password.partition(".")[0]
    listed = cluster.bramble("token", "list", *sock(cluster)).stdout
    assert ident in listed and "for a test" in listed and password.partition(".")[2] not in listed, listed
    Machine(cluster, "by-token").join(with_token(cluster, password))
    secret = cluster.get(f"/api/v1/namespaces/kube-system/secrets/bootstrap-token-{ident}")
    assert secret["type"] == "bootstrap.kubernetes.io/token"
    cluster.bramble("token", "delete", ident, *sock(cluster))
    assert with_token(cluster, password).get("/version")[0] == 401
    generated = cluster.bramble("token", "generate").stdout.strip()
    cluster.bramble("token", "create", generated, "--ttl", "2s", *sock(cluster))
    assert with_token(cluster, generated).get("/version")[0] == 200
    until("the token has ended and is removed", lambda: cluster.api.get(f"/api/v1/namespaces/kube-system/secrets/bootstrap-token-{generated[:6]}")[0] == 404)
    assert with_token(cluster, generated).get("/version")[0] == 401
    assert cluster.bramble("token", "create", "short", *sock(cluster), check=False).returncode == 1
    old = node_token(cluster)
    cluster.bramble("token", "rotate", *sock(cluster))
    assert node_token(cluster) != old
    assert with_token(cluster, old.rpartition(":")[2]).get("/version")[0] == 401
    assert with_token(cluster, node_token(cluster).rpartition(":")[2]).get("/version")[0] == 200


def test_identity_certificates_are_listed(cluster):
    listed = json.loads(cluster.bramble("certificate", "check", "--data-dir", f"{cluster.state}/data", "--output", "json").stdout)["certificates"]
    status = {c["filename"]: c["status"] for c in listed}
    assert status["server/tls/client-admin.crt"] == "OK" and status["server/tls/serving-kube-apiserver.crt"] == "OK", status
    assert cluster.bramble("certificate", "check", "--data-dir", f"{cluster.state}/nothing", check=False).returncode == 1


def test_identity_the_authority_is_public_and_the_rest_is_not(cluster):
    nobody = Api(cluster.server.kubeconfig, cluster.server.port, anonymous=True)
    code, pem = nobody.get("/cacerts", parse=False)
    with open(f"{cluster.state}/data/server/tls/server-ca.crt") as f:
        assert code == 200 and pem == f.read()
    assert nobody.get("/ping", parse=False) == (200, "pong")
    assert nobody.get("/v1-bramble/client-ca.crt")[0] == 403


def test_identity_secrets_are_sealed_at_rest(cluster):
    ns = cluster.namespace("sealed")

    def on_disk(word):
        data = b""
        for name in os.listdir(f"{cluster.state}/data/server/db"):
            path = f"{cluster.state}/data/server/db/{name}"
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    data += f.read()
        return word in data

    def hidden(word):
        return base64.b64encode(word.encode())[:12]

    assert "Disabled" in cluster.bramble("secrets-encrypt", "status", *sock(cluster)).stdout
    cluster.create(f"/api/v1/namespaces/{ns}/secrets", {"metadata": {"name": "before"}, "stringData": {"a": "swordfish-before"}})
    assert on_disk(hidden("swordfish-before"))
    status = cluster.bramble("secrets-encrypt", "enable", *sock(cluster)).stdout
    assert "Enabled" in status and "reencrypt_finished" in status, status
    cluster.create(f"/api/v1/namespaces/{ns}/secrets", {"metadata": {"name": "after"}, "stringData": {"a": "marlinspike-after"}})
    assert not on_disk(hidden("marlinspike-after"))
    assert on_disk(b"k8s:enc:aesgcm:v1:")

    def both():
        return [base64.b64decode(cluster.get(f"/api/v1/namespaces/{ns}/secrets/{n}")["data"]["a"]).decode() for n in ("before", "after")]
    assert both() == ["swordfish-before", "marlinspike-after"]
    first = cluster.bramble("secrets-encrypt", "status", *sock(cluster)).stdout
    second = cluster.bramble("secrets-encrypt", "rotate-keys", *sock(cluster)).stdout
    assert first != second and second.count("AES-GCM") == 1, second
    cluster.server.kill()
    cluster.server.start()
    assert both() == ["swordfish-before", "marlinspike-after"]
    assert "Disabled" in cluster.bramble("secrets-encrypt", "disable", *sock(cluster)).stdout
    assert both() == ["swordfish-before", "marlinspike-after"]
