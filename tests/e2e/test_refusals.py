"""Bad input gets a clear error: of the API, and of the command line."""
import contextlib
import json
import os
import re

from cluster import Api, BINARY, Server, dig, run, until


def configmaps(ns):
    return f"/api/v1/namespaces/{ns}/configmaps"


def test_malformed_json_and_yaml(cluster):
    ns = cluster.namespace("malformed")
    status = cluster.refused("POST", configmaps(ns), '{\n  "apiVersion": "v1",\n  "kind": x\n}', "application/json")
    assert status["code"] == 400 and status["reason"] == "BadRequest" and \
        "invalid character 'x' looking for beginning of value (line 3, column 11)" in status["message"], status
    status = cluster.refused("POST", configmaps(ns), "apiVersion: v1\nkind: ConfigMap\nmetadata: [\n", "application/yaml")
    assert status["code"] == 400 and status["reason"] == "BadRequest" and "(line 4, column 1)" in status["message"], status
    status = cluster.refused("POST", configmaps(ns), "x", "text/plain")
    assert status["code"] == 415 and status["reason"] == "UnsupportedMediaType", status
    assert [i["metadata"]["name"] for i in cluster.get(configmaps(ns))["items"]] in ([], ["kube-root-ca.crt"])


def test_unknown_and_duplicate_fields(cluster):
    ns = cluster.namespace("unknown")
    body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","nonsense":1},"data":{"a":"1"},"data":{"a":"2"}}'
    status = cluster.refused("POST", configmaps(ns) + "?fieldValidation=Strict", body)
    assert status["code"] == 400 and status["message"] == \
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "metadata.nonsense", duplicate field "data"', status
    connection, answer = cluster.api.open("POST", configmaps(ns) + "?fieldValidation=Warn", body)
    answer.read()
    connection.close()
    assert answer.status == 201 and answer.headers.get_all("Warning") == ['299 - "unknown field \\"metadata.nonsense\\""', '299 - "duplicate field \\"data\\""'], \
        answer.headers.get_all("Warning")


def test_wrong_types_and_names(cluster):
    ns = cluster.namespace("types")
    status = cluster.refused("POST", configmaps(ns), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Not_A_Name"}})
    assert status["code"] == 422 and status["reason"] == "Invalid" and status["details"]["causes"][0]["field"] == "metadata.name", status
    status = cluster.refused("POST", f"/api/v1/namespaces/{ns}/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": "none"}})
    assert status["code"] == 400 and status["reason"] == "BadRequest", status
    status = cluster.refused("POST", f"/api/v1/namespaces/{ns}/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}})
    assert status["code"] == 422 and [c["field"] for c in status["details"]["causes"]] == ["spec.containers"], status
    status = cluster.refused("POST", configmaps(ns), {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
    assert status["code"] == 400, status


def test_oversized_and_deep_bodies(cluster):
    ns = cluster.namespace("big")
    body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "x" * (4 << 20)}})
    status = cluster.refused("POST", configmaps(ns), body)
    assert status["kind"] == "Status" and status["code"] == 413 and status["reason"] == "RequestEntityTooLarge", status
    assert status["message"] == f"Request entity too large: limit is {3 << 20}", status
    deep = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":' + '{"a":' * 20000 + "1" + "}" * 20001
    status = cluster.refused("POST", configmaps(ns), deep)
    assert status["code"] == 400, status
    status = cluster.refused("POST", configmaps(ns), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "x" * (1 << 20), "b": "y"}})
    assert status["code"] == 422 and status["details"]["causes"][0]["reason"] == "FieldValueTooLong", status


def test_unknown_resources_and_verbs(cluster):
    assert cluster.api.call("GET", "/nonsense", parse=False) == (404, "404 page not found\n")
    status = cluster.refused("GET", "/api/v1/nonsense")
    assert status["code"] == 404 and status["message"] == "the server could not find the requested resource", status
    status = cluster.refused("GET", "/api/v1/namespaces/default/pods/none")
    assert status["code"] == 404 and status["message"] == 'pods "none" not found' and status["details"] == {"name": "none", "kind": "pods"}, status
    for method, path in (("POST", "/none"), ("PUT", ""), ("PATCH", ""), ("FOO", ""), ("FOO", "/none"), ("OPTIONS", "")):
        status = cluster.refused(method, "/api/v1/namespaces/default/pods" + path)
        assert status["code"] == 405 and status["reason"] == "MethodNotAllowed", (method, path, status)
    status = cluster.refused("GET", "/api/v1/namespaces/default/pods?labelSelector=a%3D%3D%3Db")
    assert status["code"] == 400, status
    status = cluster.refused("GET", "/api/v1/pods?fieldSelector=spec.nonsense%3Dx")
    assert status["code"] == 400 and "field label not supported: spec.nonsense" in status["message"], status


def test_nonsense_continue_token(cluster):
    status = cluster.refused("GET", "/api/v1/configmaps?limit=1&continue=nonsense")
    assert status["code"] == 400, status


def test_list_limit_and_continue(cluster):
    ns = cluster.namespace("pages")
    for i in range(5):
        cluster.create(configmaps(ns), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{i}"}})
    page = cluster.get(configmaps(ns) + "?limit=2")
    assert [i["metadata"]["name"] for i in page["items"]] == ["c0", "c1"], page
    cluster.delete(f"{configmaps(ns)}/c3")  # the first page has pinned what the next ones see
    rest = cluster.get(f"{configmaps(ns)}?limit=10&continue={page['metadata']['continue']}")
    assert [i["metadata"]["name"] for i in rest["items"]][:3] == ["c2", "c3", "c4"] and rest["metadata"]["resourceVersion"] == page["metadata"]["resourceVersion"], rest


def test_conflicts(cluster):
    ns = cluster.namespace("conflict")
    made = cluster.create(configmaps(ns), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "immutable": True, "data": {"a": "1"}})
    path = f"{configmaps(ns)}/c"
    status = cluster.refused("PUT", path, dict(made, data={"a": "2"}))
    assert status["code"] == 422 and status["details"]["causes"][0]["field"] == "data", status
    cluster.merge(path, {"metadata": {"labels": {"x": "y"}}})
    status = cluster.refused("PUT", path, made)
    assert status["code"] == 409 and status["reason"] == "Conflict", status
    assert status["message"] == ('Operation cannot be fulfilled on configmaps "c": the object has been modified; please apply your changes to the latest version and '
                                 "try again"), status


# ---- the command line

def one_line(code, said, *words):
    lines = [l for l in said.strip().splitlines() if l]
    assert code != 0, f"it went on: {said}"
    assert len(lines) == 1, said
    for word in words:
        assert word in lines[0], said


def test_wrong_flags(cluster):
    for arguments, words in ((["server", "--no-such-flag"], ["--no-such-flag"]), (["server", "--https-listen-port", "many"], ["--https-listen-port", "many"]),
                             (["server", "--cluster-cidr", "nonsense"], ["--cluster-cidr"]), (["nonsense"], ["nonsense"]),
                             (["server", "--service-node-port-range", "9-1"], ["--service-node-port-range"]), (["images", "nonsense"], ["usage: bramble images"])):
        done = run([BINARY, *arguments], check=False)
        one_line(done.returncode, done.stderr, *words)


def test_help_version_completion(cluster):
    assert run([BINARY, "--version"]).stdout.startswith("bramble ")
    for command in ([], ["server"], ["images"], ["check-config"], ["completion"]):
        done = run([BINARY, *command, "--help"])
        assert "bramble" in done.stdout and not done.stderr, command
    script = run([BINARY, "completion", "bash"]).stdout
    assert run(["bash", "-n"], input=script).returncode == 0


def test_check_config_refuses_what_the_server_refuses(cluster):
    flags = ["--node-ip", "192.0.2.10", "--run-dir", f"{cluster.state}/run", "--data-dir", f"{cluster.state}/data"]
    for extra, word in ((["--service-cidr", "nonsense"], "--service-cidr"), (["--write-kubeconfig-mode", "rw"], "--write-kubeconfig-mode"),
                        (["--node-ip", "9.9.9.9"], "not found in the host's network interfaces"), (["--node-name", "A_B"], "--node-name"), (["--node-taint", "x"], "--node-taint"),
                        (["--service-cidr", "10.42.0.0/16"], "overlaps"), (["--cluster-cidr", "10.42.0.0/28"], "too small")):
        checked = run([BINARY, "check-config", *flags, *extra], check=False)
        server = run([BINARY, "server", *flags, *extra], check=False)
        assert checked.returncode == 1 and server.returncode == 1, (checked, server)
        line = next(line for line in checked.stdout.splitlines() if line.startswith("WRONG"))
        assert word in line and line.split("flags: ")[1] in server.stderr, (line, server.stderr)
    checked = run([BINARY, "check-config", *flags], check=False).stdout
    assert re.search(r"^ok +API port: 6443, bramble \(pid \d+\)$", checked, re.M), checked
    assert re.search(r"^ok +quarantine: no object is set aside$", checked, re.M), checked
    assert re.search(r"^ok +store: the running server reads and writes all of it$", checked, re.M), checked


def checked_store(server):
    """The lines of check-config about the store of the server that runs there."""
    done = run([BINARY, "check-config", "--node-ip", "192.0.2.10", "--data-dir", f"{server.state}/data", "--run-dir", f"{server.state}/run"], check=False)
    return [line for line in done.stdout.splitlines() if " store: " in line]


def test_check_config_tells_what_the_running_server_lost(cluster):
    server = second_server(cluster, "lossy", 7443)
    path, body = configmaps("default"), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lost"}, "data": {"a": "to be damaged"}}
    server.start()
    try:
        assert Api(server.kubeconfig, server.port).call("POST", path, body)[0] == 201
        server.stop()
        with open(f"{server.state}/data/server/db/state.db", "r+b") as f:
            data, at = f.read(), -1
            while (at := data.find(b"to be damaged", at + 1)) >= 0:
                f.seek(at)
                f.write(b"x")
        server.start()
        api = Api(server.kubeconfig, server.port)
        said = checked_store(server)
        assert any("/configmaps/default/lost: cannot be read, and is not shown" in line for line in said), said
        assert any("it was repaired or restored" in line for line in said), said
        assert api.call("POST", path, body)[0] == 201, "it is made anew"
        assert not any("/lost:" in line for line in checked_store(server))
    finally:
        server.stop()
    assert checked_store(server) == ["ok       store: no server runs here; one that starts checks it"]


def test_check_config_tells_that_the_running_server_cannot_write(cluster):
    server = second_server(cluster, "crammed", 7443)
    os.makedirs(f"{server.state}/data", exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", f"{server.state}/data"])
    try:
        server.start()
        filler = f"{server.state}/data/filler"
        with open(filler, "wb", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(b"x" * 4096)
        api, body = Api(server.kubeconfig, server.port), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "c"}, "data": {"a": "x" * 500000}}
        until("a write is refused", lambda: api.call("POST", configmaps("default"), body)[0] >= 500)
        said = checked_store(server)
        assert any(line.startswith("warning") and "space" in line for line in said), said
        os.remove(filler)
        until("it writes again", lambda: api.call("POST", configmaps("default"), body)[0] == 201)
        assert checked_store(server) == ["ok       store: the running server reads and writes all of it"]
    finally:
        server.stop()
        run(["umount", f"{server.state}/data"])


def test_malformed_config_file_is_refused(cluster):
    path = f"{cluster.state}/wrong.yaml"
    with open(path, "w") as f:
        f.write("debug: [\n")
    done = run([BINARY, "server", "--config", path], check=False)
    one_line(done.returncode, done.stderr, path)


def second_server(cluster, name, port, *extra):
    return Server(f"{cluster.state}/{name}", port, ["--disable-agent", *extra])


def test_taken_port_is_named_with_its_owner(cluster):
    server = second_server(cluster, "taken", cluster.server.port)
    for _ in range(2):  # the first refusal leaves nothing that the second has to speak of
        code, said = server.refused()
        one_line(code, said, str(cluster.server.port), f"(pid {cluster.server.process.pid})")
    assert cluster.get("/api/v1/namespaces/default")["metadata"]["name"] == "default"


def test_second_server_on_the_same_folder_is_refused(cluster):
    server = Server(cluster.state, 7443, ["--disable-agent"])
    server.kubeconfig = f"{cluster.state}/other-kubeconfig.yaml"
    code, said = server.refused()
    one_line(code, "\n".join(said.strip().splitlines()[-1:]), "data")


def test_read_only_data_folder(cluster):
    folder = f"{cluster.state}/readonly"
    os.makedirs(folder, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", "ro", "none", folder])
    try:
        code, said = Server.refused(Server_at(cluster, folder))
        one_line(code, "\n".join(said.strip().splitlines()[-1:]), folder, "ead-only")
    finally:
        run(["umount", folder])


def Server_at(cluster, folder):
    server = second_server(cluster, "elsewhere", 7443)
    server.state = folder
    return server


def test_full_data_folder(cluster):
    folder = f"{cluster.state}/full"
    os.makedirs(folder, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder])
    try:
        file = os.open(f"{folder}/filler", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(file, b"x" * 4096)
        except OSError:
            os.close(file)
        code, said = Server.refused(Server_at(cluster, folder))
        one_line(code, "\n".join(said.strip().splitlines()[-1:]), folder, "space")
    finally:
        run(["umount", folder])


def test_missing_runtime(cluster):
    server = Server(f"{cluster.state}/noruntime", 7443, ["--runtime", "/nonexistent/runc", "--kubelet-port", "17250"])
    # In a network of its own: it must not touch the links and the table of the other one.
    network = "ip link set lo up; ip link add u0 type bridge; ip address add 192.0.2.11/24 dev u0; ip link set u0 up; exec \"$@\""
    code, said = server.refused(prefix=["unshare", "--net", "sh", "-c", network, "sh"])
    one_line(code, said, "/nonexistent/runc")
    assert not os.path.exists(f"{server.state}/data"), "something was made on a machine that lacks what a node needs"
