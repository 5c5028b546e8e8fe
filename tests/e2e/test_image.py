"""Images: absent ones, and archives that must be refused."""
import io
import json
import os
import subprocess
import tarfile

from cluster import BINARY, IMAGE, PATIENCE, dig, run, tail, until


def waiting_reason(pod):
    return dig(pod, "status", "containerStatuses", 0, "state", "waiting", "reason")


def test_absent_image_reasons(cluster):
    ns = cluster.namespace("absent")
    cluster.pod(ns, "never", running=False, container={"image": "bramble.local/absent:1", "imagePullPolicy": "Never"})
    cluster.pod(ns, "pull", running=False, container={"image": "registry.invalid/absent:1"})
    pod = cluster.wait_pod(ns, "never", lambda p: waiting_reason(p) == "ErrImageNeverPull")
    assert dig(pod, "status", "containerStatuses", 0, "state", "waiting", "message") == \
        'Container image "bramble.local/absent:1" is not present with pull policy of Never', pod["status"]
    cluster.wait_pod(ns, "pull", lambda p: waiting_reason(p) == "ErrImagePull")
    pod = cluster.wait_pod(ns, "pull", lambda p: waiting_reason(p) == "ImagePullBackOff")
    message = dig(pod, "status", "containerStatuses", 0, "state", "waiting", "message")
    assert message.startswith('Back-off pulling image "registry.invalid/absent:1"'), message
    assert pod["status"]["phase"] == "Pending", pod["status"]


def test_pull_policy_of_a_present_image(cluster):
    """IfNotPresent and Never use it; Always asks the registry, and never starts what it could not ask about."""
    ns = cluster.namespace("policy")
    for policy in ("IfNotPresent", "Never"):
        cluster.pod(ns, policy.lower(), "sleep", "3600", container={"imagePullPolicy": policy})
    cluster.pod(ns, "always", "sleep", "3600", running=False, container={"imagePullPolicy": "Always"})
    cluster.wait_pod(ns, "always", lambda p: waiting_reason(p) == "ErrImagePull")
    pod = cluster.wait_pod(ns, "always", lambda p: waiting_reason(p) == "ImagePullBackOff")
    message = dig(pod, "status", "containerStatuses", 0, "state", "waiting", "message")
    assert message.startswith(f'Back-off pulling image "{IMAGE}": ErrImagePull: failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '), message


def test_invalid_image_name(cluster):
    ns = cluster.namespace("badname")
    cluster.pod(ns, "bad", running=False, container={"image": "UPPER//case"})
    cluster.wait_pod(ns, "bad", lambda p: waiting_reason(p) == "InvalidImageName")


def names(cluster):
    listed = cluster.bramble("images", "list", "--run-dir", f"{cluster.state}/run").stdout
    return sorted(line.split()[0] for line in listed.splitlines() if line.strip())


def test_images_listed_on_node_and_by_command(cluster):
    cluster.wait("/api/v1/nodes", "bramble-e2e", lambda n: IMAGE in [name for i in dig(n, "status", "images") or [] for name in i["names"]])
    listed = cluster.bramble("images", "list", "--run-dir", f"{cluster.state}/run").stdout
    assert IMAGE in [w for line in listed.splitlines() for w in line.split()[:1]], listed


def archive(path, members, manifest=None):
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if isinstance(data, tuple):
                info.type, info.linkname = data
                data = b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def docker_archive(cluster, name, layer_members, diff_id=None):
    """A Docker archive of one layer with the given members, complete but for what a test breaks."""
    import hashlib
    layer = archive(f"{cluster.state}/{name}-layer.tar", layer_members)
    with open(layer, "rb") as f:
        data = f.read()
    digest = diff_id or hashlib.sha256(data).hexdigest()
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/true"]},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]}}).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [f"bramble.local/{name}:1"], "Layers": ["layer.tar"]}]).encode()
    return archive(f"{cluster.state}/{name}.tar", [("layer.tar", data), ("config.json", config), ("manifest.json", manifest)])


def test_broken_and_hostile_archives_are_refused(cluster):
    with open(f"{cluster.state}/1.tar", "rb") as f:
        whole = f.read()
    truncated = f"{cluster.state}/truncated.tar"
    with open(truncated, "wb") as f:
        f.write(whole[:len(whole) // 2])
    garbage = f"{cluster.state}/garbage.tar"
    with open(garbage, "wb") as f:
        f.write(os.urandom(100000))
    hostile = {
        "truncated": truncated,
        "garbage": garbage,
        "missing": f"{cluster.state}/no-such-file.tar",
        "wrong digest": docker_archive(cluster, "digest", [("a", b"x")], "0" * 64),
        "dots": docker_archive(cluster, "dots", [("../../../../../../var/tmp/be2e-escape", b"x")]),
        "link": docker_archive(cluster, "link", [("out", (tarfile.SYMTYPE, "/var/tmp")), ("out/be2e-escape", b"x")]),
        "no manifest": archive(f"{cluster.state}/empty.tar", [("hello", b"x")]),
    }
    before = cluster.bramble("images", "list", "--run-dir", f"{cluster.state}/run").stdout
    for name, path in hostile.items():
        done = run([BINARY, "images", "import", "--run-dir", f"{cluster.state}/run", path], check=False)
        if name == "link":  # a link that stays inside the root is harmless, and may be taken; nothing may get out
            assert not os.path.exists("/var/tmp/be2e-escape"), name
            if done.returncode == 0:
                cluster.bramble("images", "remove", "--run-dir", f"{cluster.state}/run", "bramble.local/link:1")
            continue
        assert done.returncode != 0, f"{name}: accepted: {done.stdout}"
        assert len(done.stderr.strip().splitlines()) == 1 and path in done.stderr, f"{name}: {done.stderr!r}"
    assert cluster.bramble("images", "list", "--run-dir", f"{cluster.state}/run").stdout == before
    assert not os.path.exists("/var/tmp/be2e-escape")


def test_image_removed_and_imported_again(cluster):
    path = docker_archive(cluster, "twice", [("bin/true", b"#!")])
    run_dir = ("--run-dir", f"{cluster.state}/run")
    for _ in range(2):
        cluster.bramble("images", "import", *run_dir, path)
        assert "bramble.local/twice:1" in cluster.bramble("images", "list", *run_dir).stdout.split()
        cluster.bramble("images", "remove", *run_dir, "bramble.local/twice:1")
        assert "bramble.local/twice:1" not in cluster.bramble("images", "list", *run_dir).stdout.split()


def test_stop_lets_a_running_import_end(cluster):
    path = docker_archive(cluster, "large", [(f"data{i}", os.urandom(1 << 20) * 16) for i in range(12)])
    store = f"{cluster.state}/data/agent/image-store"

    def written():
        return sum(os.path.getsize(os.path.join(folder, f)) for folder, _, files in os.walk(store) for f in files)
    before = written()
    with subprocess.Popen([BINARY, "images", "import", "--run-dir", f"{cluster.state}/run", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asking:
        until("the import to write", lambda: written() > before)
        code = cluster.server.stop()
        asking.communicate(timeout=PATIENCE)
    assert code == 0, tail(cluster.server.log, 20)
    cluster.start()
    assert "bramble.local/large:1" in names(cluster), names(cluster)
    cluster.bramble("images", "remove", "--run-dir", f"{cluster.state}/run", "bramble.local/large:1")
