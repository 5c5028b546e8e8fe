"""Images from real registries (Debian's docker-registry): TLS of a private authority, passwords, mirrors; and the commands."""
import base64
import contextlib
import gzip
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import threading
import time

from cluster import BINARY, IMAGE, NODE_ADDRESS, condition, dig, listens, run, tail, until

HOST = "registry.bramble.test"
SECURE = f"{HOST}:5443"
USER, PASSWORD = "cook", "thyme and salt"


def push_layout(cluster, target, certificates, layers, megabytes):
    """An image of so many layers of that size, half of it random, packed by gzip. Gives the bytes of its blobs."""
    layout = f"{cluster.state}/layout"
    blobs = f"{layout}/blobs/sha256"
    os.makedirs(blobs, exist_ok=True)

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{blobs}/{digest}", "wb") as f:
            f.write(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    descriptors, plain, total = [], [], 0
    for number in range(layers):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for part in range(megabytes):
                data = os.urandom(500_000) + bytes(500_000)
                info = tarfile.TarInfo(f"data/{number}/{part}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        plain.append("sha256:" + hashlib.sha256(packed.getvalue()).hexdigest())
        small = gzip.compress(packed.getvalue(), 1)
        descriptors.append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **blob(small)})
        total += len(small)
    config = blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]}, "rootfs": {"type": "layers", "diff_ids": plain}}).encode())
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config}, "layers": descriptors}
    top = {"mediaType": "application/vnd.oci.image.manifest.v1+json", **blob(json.dumps(manifest).encode())}
    with open(f"{layout}/index.json", "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [top]}, f)
    with open(f"{layout}/oci-layout", "w") as f:
        f.write('{"imageLayoutVersion":"1.0.0"}')
    run(["skopeo", "--insecure-policy", "copy", "--dest-cert-dir", certificates, "--dest-creds", f"{USER}:{PASSWORD}", f"oci:{layout}", f"docker://{target}"], timeout=300)
    shutil.rmtree(layout)
    return total


def waiting(pod):
    return dig(pod, "status", "containerStatuses", 0, "state", "waiting") or {}


def messages(cluster, ns, pod):
    events = cluster.get(f"/api/v1/namespaces/{ns}/events")["items"]
    return [(e["type"], e["reason"], e["message"]) for e in events if e["involvedObject"]["name"] == pod]


@contextlib.contextmanager
def hosts(cluster, line):
    """A line more in this mount namespace's /etc/hosts."""
    path = f"{cluster.state}/hosts"
    with open("/etc/hosts") as f, open(path, "w") as out:
        out.write(f.read() + line + "\n")
    run(["mount", "--bind", path, "/etc/hosts"])
    try:
        yield
    finally:
        run(["umount", "/etc/hosts"])


@contextlib.contextmanager
def registry(cluster, name, address, port, secure=False, kind="ec"):
    """secure: TLS by a private authority of RSA, with a key of that kind ("ec", "rsa"), and passwords."""
    folder = f"{cluster.state}/registry-{name}"
    os.makedirs(folder, exist_ok=True)
    config = f"version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {folder}/data\nhttp:\n  addr: {address}:{port}\n"
    if secure:
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=kitchen authority",
             "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.crt"])
        new = ["-newkey", "rsa:2048"] if kind == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        run(["openssl", "req", *new, "-nodes", "-subj", f"/CN={HOST}", "-keyout", f"{folder}/server.key", "-out", f"{folder}/server.csr"])
        with open(f"{folder}/names", "w") as f:
            f.write(f"subjectAltName=DNS:{HOST},IP:{NODE_ADDRESS}\n")
        run(["openssl", "x509", "-req", "-in", f"{folder}/server.csr", "-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key", "-CAcreateserial", "-days", "30",
             "-extfile", f"{folder}/names", "-out", f"{folder}/server.crt"])
        with open(f"{folder}/htpasswd", "w") as f:
            f.write(run(["htpasswd", "-Bbn", USER, PASSWORD]).stdout)
        config += f"  tls:\n    certificate: {folder}/server.crt\n    key: {folder}/server.key\nauth:\n  htpasswd:\n    realm: kitchen\n    path: {folder}/htpasswd\n"
    with open(f"{folder}/config.yml", "w") as f:
        f.write(config)
    with open(f"{folder}/log", "ab") as log:
        process = subprocess.Popen(["docker-registry", "serve", f"{folder}/config.yml"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until("the registry listens", lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, tail(f"{folder}/log", 20)
        yield folder
    finally:
        process.kill()
        process.wait()


def push(cluster, tag, target, *options):
    run(["skopeo", "--insecure-policy", "copy", *options, f"docker-archive:{cluster.state}/{tag}.tar", f"docker://{target}"])


def make_image(cluster, tag, page):
    """An archive <tag>.tar of an image that was not imported."""
    run([f"{os.environ['BRAMBLE_E2E_ROOT']}/provision/sample/make-image.sh", f"bramble.local/made:{tag}", f"{cluster.state}/{tag}.tar", page])


def registries(cluster, text):
    with open(f"{cluster.state}/registries.yaml", "w") as f:
        f.write(text)


def secure_options(folder):
    certificates = f"{folder}/certs"
    os.makedirs(certificates, exist_ok=True)
    shutil.copy(f"{folder}/ca.crt", certificates)
    return certificates


def pull_secret(cluster, ns, place, name="kitchen"):
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    config = json.dumps({"auths": {place: {"auth": auth}}})
    cluster.create(f"/api/v1/namespaces/{ns}/secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
                                                        "data": {".dockerconfigjson": base64.b64encode(config.encode()).decode()}})


def test_registry_with_private_authority_and_passwords(cluster):
    ns = cluster.namespace("secure")
    with hosts(cluster, f"{NODE_ADDRESS} {HOST}"), registry(cluster, "secure", NODE_ADDRESS, 5443, secure=True) as folder:
        certificates = secure_options(folder)
        credentials = f"{USER}:{PASSWORD}"
        for tag in ("1", "2"):
            push(cluster, tag, f"{SECURE}/team/web:{tag}", "--dest-cert-dir", certificates, "--dest-creds", credentials)
        digest = json.loads(run(["skopeo", "--insecure-policy", "inspect", "--cert-dir", certificates, "--creds", credentials, f"docker://{SECURE}/team/web:1"]).stdout)["Digest"]
        # A certificate of an authority that nobody told of.
        registries(cluster, "")
        cluster.pod(ns, "stranger", "sleep", "3600", running=False, container={"image": f"{SECURE}/team/web:1", "imagePullPolicy": "IfNotPresent"})
        pod = cluster.wait_pod(ns, "stranger", lambda p: waiting(p).get("reason") == "ImagePullBackOff")
        assert "certificate" in waiting(pod)["message"], pod["status"]
        # Nobody told of the password.
        registries(cluster, f"configs:\n  {SECURE}:\n    tls:\n      ca_file: {folder}/ca.crt\n")
        cluster.pod(ns, "nobody", "sleep", "3600", running=False, container={"image": f"{SECURE}/team/web:1", "imagePullPolicy": "IfNotPresent"})
        pod = cluster.wait_pod(ns, "nobody", lambda p: waiting(p).get("reason") == "ImagePullBackOff")
        message = waiting(pod)["message"]
        assert message.startswith(f'Back-off pulling image "{SECURE}/team/web:1": ErrImagePull: failed to pull and unpack image "{SECURE}/team/web:1": '), message
        assert "pull access denied, repository does not exist or may require authorization" in message and "401 Unauthorized" in message, message
        # A secret of the pod.
        pull_secret(cluster, ns, SECURE)
        cluster.pod(ns, "cook", "sleep", "3600", imagePullSecrets=[{"name": "kitchen"}, {"name": "lost"}],
                    container={"image": f"{SECURE}/team/web:1", "imagePullPolicy": "IfNotPresent"})
        pod = cluster.wait_pod(ns, "cook", lambda p: condition(p, "Ready").get("status") == "True")
        status = pod["status"]["containerStatuses"][0]
        assert status["image"] == f"{SECURE}/team/web:1" and status["imageID"] == f"{SECURE}/team/web@{digest}", status
        said = messages(cluster, ns, "cook")
        assert ("Normal", "Pulling", f'Pulling image "{SECURE}/team/web:1"') in said, said
        assert ("Warning", "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (lost); attempting to pull the image may not succeed.") in said, said
        pulled = [m for kind, reason, m in said if reason == "Pulled"]
        assert len(pulled) == 1 and re.fullmatch(rf'Successfully pulled image "{re.escape(SECURE)}/team/web:1" in [0-9hms.]+ \([0-9hms.]+ including waiting\)\. Image size: [0-9]+ bytes\.', pulled[0]), said
        # A secret of the service account, and a policy that asks again.
        cluster.merge(f"/api/v1/namespaces/{ns}/serviceaccounts/default", {"imagePullSecrets": [{"name": "kitchen"}]})
        cluster.pod(ns, "account", "sleep", "3600", container={"image": f"{SECURE}/team/web:2", "imagePullPolicy": "Always"})
        # The node's own credentials.
        registries(cluster, f"configs:\n  {SECURE}:\n    auth:\n      username: {USER}\n      password: {PASSWORD}\n    tls:\n      ca_file: {folder}/ca.crt\n")
        other = cluster.namespace("node")
        cluster.pod(other, "own", "sleep", "3600", container={"image": f"{SECURE}/team/web@{digest}", "imagePullPolicy": "Always"})
        cluster.pod(other, "absent", "sleep", "3600", running=False, container={"image": f"{SECURE}/team/absent:1"})
        pod = cluster.wait_pod(other, "absent", lambda p: waiting(p).get("reason") in ("ErrImagePull", "ImagePullBackOff"))
        assert f"{SECURE}/team/absent:1: not found" in waiting(pod)["message"], pod["status"]


def test_mirror_with_rewrite(cluster):
    ns = cluster.namespace("mirror")
    with registry(cluster, "mirror", "127.0.0.1", 5055):
        push(cluster, "1", "127.0.0.1:5055/mirrored/web:1", "--dest-tls-verify=false")
        registries(cluster, 'mirrors:\n  hub.bramble.test:\n    endpoint:\n      - http://127.0.0.1:5055\n    rewrite:\n      "^team/(.*)": "mirrored/$1"\n')
        cluster.pod(ns, "web", "sleep", "3600", container={"image": "hub.bramble.test/team/web:1", "imagePullPolicy": "Always"})
        cluster.wait_pod(ns, "web", lambda p: condition(p, "Ready").get("status") == "True")
        registries(cluster, "mirrors:\n  hub.bramble.test:\n    endpoints: x\n")
        cluster.pod(ns, "typo", "sleep", "3600", running=False, container={"image": "hub.bramble.test/team/web:2"})
        pod = cluster.wait_pod(ns, "typo", lambda p: waiting(p).get("reason") in ("ErrImagePull", "ImagePullBackOff"))
        assert "registries.yaml: line 3: mirrors.hub.bramble.test.endpoints: is not known here; known are endpoint, rewrite" in waiting(pod)["message"], pod["status"]
        registries(cluster, "")
        # A registry of this host without TLS needs no word in any file.
        cluster.pod(ns, "local", "sleep", "3600", container={"image": "127.0.0.1:5055/mirrored/web:1", "imagePullPolicy": "IfNotPresent"})
    # Nor does one with a certificate that nobody knows.
    with registry(cluster, "local", "127.0.0.1", 5445, secure=True, kind="rsa"):
        push(cluster, "1", "127.0.0.1:5445/team/web:1", "--dest-tls-verify=false", "--dest-creds", f"{USER}:{PASSWORD}")
        registries(cluster, f"configs:\n  127.0.0.1:5445:\n    auth:\n      username: {USER}\n      password: {PASSWORD}\n")
        images(cluster, "pull", "127.0.0.1:5445/team/web:1")
    registries(cluster, "")


def images(cluster, *arguments, check=True):
    return cluster.bramble("images", arguments[0], "--run-dir", f"{cluster.state}/run", *arguments[1:], check=check)


def listed(cluster):
    return {line.split()[0] for line in images(cluster, "list").stdout.splitlines() if line.strip()}


def test_images_pull_export_and_prune(cluster):
    name = "127.0.0.1:5056/team/web:1"
    with registry(cluster, "commands", "127.0.0.1", 5056):
        make_image(cluster, "fetched", "Fetched.")
        push(cluster, "fetched", name, "--dest-tls-verify=false")
        out = images(cluster, "pull", name).stdout
        assert name in out, out
        assert name in listed(cluster)
        bad = images(cluster, "pull", "127.0.0.1:5056/team/none:1", check=False)
        assert bad.returncode == 1 and "not found" in bad.stderr, bad
    # What was exported is an image to others, and to us.
    archive = f"{cluster.state}/exported.tar"
    images(cluster, "export", archive, name, IMAGE)
    assert not os.path.exists(archive + ".part")
    config = json.loads(run(["skopeo", "--insecure-policy", "inspect", "--config", f"oci-archive:{archive}:1"]).stdout)
    own = json.loads(run(["skopeo", "--insecure-policy", "inspect", "--config", f"docker-archive:{cluster.state}/fetched.tar"]).stdout)
    assert config["config"] == own["config"] and config["architecture"] == own["architecture"], (config, own)
    run(["skopeo", "--insecure-policy", "copy", f"oci-archive:{archive}:1", f"dir:{cluster.state}/exported-dir"])
    layer = json.load(open(f"{cluster.state}/exported-dir/manifest.json"))["layers"][0]["digest"].split(":")[1]
    names = run(["tar", "-tf", f"{cluster.state}/exported-dir/{layer}"]).stdout.split()
    assert any(n.endswith("bin/busybox") for n in names), names[:50]
    # Pruning takes what no container has, and not what was brought by hand.
    out = images(cluster, "prune").stdout
    assert name in out, out
    left = listed(cluster)
    assert name not in left and IMAGE in left, left
    images(cluster, "import", archive)
    assert name in listed(cluster)
    images(cluster, "remove", name)
    bad = images(cluster, "export", archive, "none.test/none:1", check=False)
    assert bad.returncode == 1 and "not found" in bad.stderr, bad
    run([BINARY, "images", "--help"])


def test_images_folder_is_watched(cluster):
    folder = f"{cluster.state}/data/agent/images"
    until("the folder is there", lambda: os.path.isdir(folder))
    name = "bramble.local/folder:1"
    archive = f"{cluster.state}/folder.tar"
    run([f"{os.environ['BRAMBLE_E2E_ROOT']}/provision/sample/make-image.sh", name, archive, "From the folder."])
    shutil.copy(archive, f"{folder}/folder.tar")
    until("its image is here", lambda: name in listed(cluster))
    images(cluster, "prune")
    assert name in listed(cluster), "what lies in the folder is pinned"
    # By content: neither a new time nor a restart imports it again; a missing image does.
    os.utime(f"{folder}/folder.tar", (1, 1))
    cluster.server.stop()
    cluster.server.start()
    cluster.wait_node_ready()
    images(cluster, "remove", name)
    os.utime(f"{folder}/folder.tar", (2, 2))
    until("its image is here again", lambda: name in listed(cluster))
    os.remove(f"{folder}/folder.tar")
    with open(cluster.server.log) as f:
        times = f.read().count("folder.tar: 1 images imported")
    assert times == 2, times
    images(cluster, "remove", name)


def test_images_are_collected_when_the_disk_is_full(cluster):
    name = "127.0.0.1:5057/team/web:1"
    before = cluster.server.extra
    ns = cluster.namespace("collect")
    # On any disk one byte of a hundred is taken: every image that nobody has is too much.
    cluster.server.stop()
    cluster.server.extra = before + ["--kubelet-arg", "image-gc-high-threshold=1", "--kubelet-arg", "image-gc-low-threshold=0", "--kubelet-arg", "minimum-image-ttl-duration=0s"]
    cluster.server.start()
    cluster.wait_node_ready()
    try:
        with registry(cluster, "collect", "127.0.0.1", 5057):
            for tag in ("1", "2"):
                make_image(cluster, f"collect{tag}", f"To be collected: {tag}.")
                push(cluster, f"collect{tag}", f"127.0.0.1:5057/team/web:{tag}", "--dest-tls-verify=false")
            cluster.pod(ns, "user", "sleep", "3600", container={"image": "127.0.0.1:5057/team/web:2", "imagePullPolicy": "IfNotPresent"})
            images(cluster, "pull", name)
            until("what nobody has is gone", lambda: name not in listed(cluster))
            left = listed(cluster)
            assert "127.0.0.1:5057/team/web:2" in left and IMAGE in left, left
        said = until("the node tells", lambda: [e for e in cluster.get("/api/v1/namespaces/default/events")["items"] if e["reason"] == "FreeDiskSpaceFailed"])
        assert said[0]["message"].startswith("Failed to garbage collect required amount of images. Attempted to free "), said
    finally:
        cluster.server.stop()
        cluster.server.extra = before
        cluster.server.start()
        cluster.wait_node_ready()


class Stuck(http.server.BaseHTTPRequestHandler):
    """A registry of one image, whose layer begins and does not come to its end."""
    protocol_version = "HTTP/1.1"
    manifest, config, layer = b"", b"", b""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if "/manifests/" in self.path:
            body = Stuck.manifest
        elif hashlib.sha256(Stuck.config).hexdigest() in self.path:
            body = Stuck.config
        else:
            body = Stuck.layer
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if body is not Stuck.layer:
            self.wfile.write(body)
            return
        with contextlib.suppress(OSError):
            self.wfile.write(body[:-1000])
            self.wfile.flush()
            self.connection.recv(1)  # until the other side goes

    def log_message(self, *_):
        pass


def test_stop_and_kill_in_the_middle_of_a_pull(cluster):
    ns = cluster.namespace("stuck")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        info = tarfile.TarInfo("large")
        info.size = 8_000_000
        out.addfile(info, io.BytesIO(os.urandom(info.size)))
    Stuck.layer = tar.getvalue()
    diff = "sha256:" + hashlib.sha256(Stuck.layer).hexdigest()
    Stuck.config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]}, "rootfs": {"type": "layers", "diff_ids": [diff]}}).encode()
    Stuck.manifest = json.dumps({"schemaVersion": 2, "config": {"digest": "sha256:" + hashlib.sha256(Stuck.config).hexdigest(), "size": len(Stuck.config)},
                                 "layers": [{"digest": diff, "size": len(Stuck.layer)}]}).encode()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 5058), Stuck)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    layers = f"{cluster.state}/data/agent/image-store/layers"

    def staged():
        return [name for name in os.listdir(layers) if name.endswith(".new")]

    try:
        cluster.pod(ns, "stuck", running=False, container={"image": "127.0.0.1:5058/stuck:1"})
        until("the layer is being unpacked", staged)
        began = time.monotonic()
        assert cluster.server.stop() == 0, tail(cluster.server.log, 20)
        assert time.monotonic() - began < 10, "a stop waits for no registry"
        assert not staged(), "what was begun is gone"
        cluster.server.start()
        cluster.wait_node_ready()
        until("it is tried again", staged)
        cluster.server.kill()
        cluster.server.start()
        cluster.wait_node_ready()
        cluster.api.call("DELETE", f"/api/v1/namespaces/{ns}/pods/stuck")
        until("what was begun is gone, with the pod", lambda: not staged())
    finally:
        server.shutdown()
        server.server_close()


def forwarding_proxy(address, port, seen):
    """An HTTP proxy: CONNECT, and requests in absolute form. Notes the first line and the credentials of each."""
    listener = socket.create_server((address, port))

    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve(client):
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            first, _, rest = head.decode().partition("\r\n")
            method, target, _ = first.split(" ")
            seen.append((method, target, "proxy-authorization: Basic " in rest))
            if method == "CONNECT":
                host, _, number = target.rpartition(":")
                upstream = socket.create_connection((host, int(number)))
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                place, _, path = target.removeprefix("http://").partition("/")
                host, _, number = place.rpartition(":")
                upstream = socket.create_connection((host, int(number)))
                upstream.sendall(f"{method} /{path} HTTP/1.1\r\nconnection: close\r\n{rest}".encode())
            with upstream:
                back = threading.Thread(target=pump, args=(upstream, client), daemon=True)
                back.start()
                if method == "CONNECT":
                    pump(client, upstream)
                back.join()

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def test_pull_through_a_proxy(cluster):
    seen = []
    proxy = forwarding_proxy("127.0.0.1", 3129, seen)
    before = cluster.server.env
    cluster.server.stop()
    cluster.server.env = {"HTTPS_PROXY": "http://me:secret@127.0.0.1:3129", "HTTP_PROXY": "127.0.0.1:3129", "NO_PROXY": "direct.bramble.test"}
    cluster.server.start()
    cluster.wait_node_ready()
    try:
        with hosts(cluster, f"{NODE_ADDRESS} {HOST} direct.bramble.test"), registry(cluster, "proxied", NODE_ADDRESS, 5443, secure=True) as folder, registry(cluster, "plain", NODE_ADDRESS, 5059):
            push(cluster, "1", f"{SECURE}/team/web:1", "--dest-cert-dir", secure_options(folder), "--dest-creds", f"{USER}:{PASSWORD}")
            push(cluster, "1", f"{NODE_ADDRESS}:5059/team/web:1", "--dest-tls-verify=false")
            registries(cluster, f"mirrors:\n  plain.test:\n    endpoint: [\"http://{NODE_ADDRESS}:5059\"]\n  direct.test:\n    endpoint: [\"http://direct.bramble.test:5059\"]\n"
                                f"configs:\n  {SECURE}:\n    auth:\n      username: {USER}\n      password: {PASSWORD}\n    tls:\n      ca_file: {folder}/ca.crt\n")
            images(cluster, "pull", f"{SECURE}/team/web:1")
            assert ("CONNECT", SECURE, True) in seen, seen
            images(cluster, "pull", "plain.test/team/web:1")
            assert any(method == "HEAD" and target.startswith(f"http://{NODE_ADDRESS}:5059/v2/team/web/manifests/1") for method, target, _ in seen), seen
            count = len(seen)
            images(cluster, "pull", "direct.test/team/web:1")
            assert len(seen) == count, seen[count:]
            proxy.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept()
            proxy.close()
            bad = images(cluster, "pull", f"{SECURE}/team/web:2", check=False)
            assert bad.returncode == 1 and "proxy: connect 127.0.0.1:3129" in bad.stderr, bad
    finally:
        proxy.close()
        registries(cluster, "")
        cluster.server.stop()
        cluster.server.env = before
        cluster.server.start()
        cluster.wait_node_ready()
