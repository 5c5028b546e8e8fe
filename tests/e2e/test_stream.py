"""exec, attach, logs, port-forward and cp through kubectl's WebSockets."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

from cluster import IMAGE, PAGE, PATIENCE, fetch_until, until


def test_exec_output_and_errors(cluster):
    ns = cluster.namespace("exec")
    cluster.pod(ns, "p", "sleep", "3600")
    done = cluster.exec(ns, "p", "sh", "-c", "echo out; echo err >&2")
    assert done.stdout == "out\n" and done.stderr == "err\n", (done.stdout, done.stderr)
    big = cluster.exec(ns, "p", "sh", "-c", "seq 1 200000").stdout
    assert big == "".join(f"{i}\n" for i in range(1, 200001)), len(big)
    # What the runtime refuses is told inside the session, not as a failed connection.
    for command, why in (("no-such-command", 'exec: "no-such-command": executable file not found in $PATH'),
                         ("/no/such/command", 'exec: "/no/such/command": stat /no/such/command: no such file or directory')):
        missing = cluster.exec(ns, "p", command, check=False)
        assert missing.returncode == 1 and missing.stdout == "", missing
        assert missing.stderr.startswith("error: Internal error occurred: error executing command in container: "), missing.stderr
        assert why in missing.stderr and "connection" not in missing.stderr, missing.stderr


def test_exec_exit_code_42(cluster):
    ns = cluster.namespace("code")
    cluster.pod(ns, "p", "sleep", "3600")
    assert cluster.exec(ns, "p", "sh", "-c", "exit 42", check=False).returncode == 42
    assert cluster.exec(ns, "p", "true").returncode == 0


def test_exec_half_close_stdin(cluster):
    ns = cluster.namespace("half")
    cluster.pod(ns, "p", "sleep", "3600")
    text = "".join(f"line {i}\n" for i in range(20000))
    assert cluster.exec(ns, "p", "cat", input=text, flags=("-i",)).stdout == text
    # The command goes on to speak after its input has ended.
    assert cluster.exec(ns, "p", "sh", "-c", "cat | wc -c; sleep 0.3; echo after", input=text, flags=("-i",)).stdout.split() == [str(len(text)), "after"]


class Terminal:
    """kubectl under a terminal of its own (pty(7))."""

    def __init__(self, cluster, *arguments):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe("kubectl", ["kubectl", *arguments], cluster.env)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def read_until(self, wanted, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while wanted not in self.text:
            left = end - time.monotonic()
            assert left > 0, f"no {wanted!r} in {self.text!r}"
            if select.select([self.fd], [], [], left)[0]:
                try:
                    data = os.read(self.fd, 4096)
                except OSError:
                    data = b""
                assert data, f"it ended without {wanted!r}: {self.text!r}"
                self.text += data.decode(errors="replace")
        before, _, self.text = self.text.partition(wanted)
        return before

    def wait(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    if not os.read(self.fd, 4096):
                        break
                except OSError:
                    break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_exec_terminal_resize(cluster):
    ns = cluster.namespace("tty")
    cluster.pod(ns, "p", "sleep", "3600")
    terminal = Terminal(cluster, "exec", "-it", "-n", ns, "p", "--", "sh", "-c",
                        "tty; for i in 1 2; do read line; echo size $(stty size) end; done; exit 5")
    terminal.read_until("/dev/pts/")
    terminal.resize(40, 100)
    # The size travels on its own channel: ask until it has arrived.
    terminal.type("go\n")
    first = terminal.read_until("end")
    terminal.resize(24, 132)
    # stty is asked only once it changed: a child of ours would see SIGWINCH, here the second question comes after a round trip.
    cluster.exec(ns, "p", "true")
    terminal.type("go\n")
    second = terminal.read_until("end")
    assert terminal.wait() == 5
    assert second.split("size")[-1].split() == ["24", "132"], (first, second)


def test_exec_terminal_interrupt(cluster):
    ns = cluster.namespace("ctrlc")
    cluster.pod(ns, "p", "sleep", "3600")
    terminal = Terminal(cluster, "exec", "-it", "-n", ns, "p", "--", "sh", "-c", "trap 'echo caught; exit 9' INT; echo set; while :; do sleep 0.1; done")
    terminal.read_until("set")
    terminal.type("\x03")
    terminal.read_until("caught")
    assert terminal.wait() == 9


def test_attach(cluster):
    ns = cluster.namespace("attach")
    cluster.pod(ns, "p", "sh", "-c", "while read line; do echo got $line; done", container={"stdin": True})
    attached = cluster.spawn("attach", "-i", "p", ns=ns, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    attached.stdin.write(b"hello\n")
    attached.stdin.flush()
    line = attached.stdout.readline()
    attached.kill()
    attached.wait()
    assert line == b"got hello\n", line
    until("the line is in the log as well", lambda: cluster.log(ns, "p") == "got hello\n")


def test_attach_until_the_end(cluster):
    """The session ends well whatever the container's exit code; kubectl run takes that from the pod, and prints what came once."""
    ns = cluster.namespace("attachend")
    attached = cluster.kubectl("run", "p", "-i", "--rm", "--restart=Never", f"--image={IMAGE}", "--", "sh", "-c", "read line; echo got $line; exit 7",
                               ns=ns, input="hello\n", check=False)
    lines = [line for line in attached.stdout.splitlines() if "deleted" not in line]
    assert lines == ["got hello"] and attached.returncode == 7, (attached.returncode, attached.stdout, attached.stderr)


def test_logs_forms(cluster):
    ns = cluster.namespace("logs")
    cluster.pod(ns, "p", "sh", "-c", "for i in 1 2 3 4 5; do echo line $i; done; echo error >&2; sleep 3600")
    until("all lines", lambda: cluster.log(ns, "p").count("\n") == 6)
    assert cluster.log(ns, "p") == "line 1\nline 2\nline 3\nline 4\nline 5\nerror\n"
    assert cluster.log(ns, "p", "?tailLines=2") == "line 5\nerror\n"
    assert cluster.log(ns, "p", "?limitBytes=6") == "line 1"
    stamped = cluster.log(ns, "p", "?timestamps=true&tailLines=1").split(" ", 1)
    assert stamped[0].startswith("20") and stamped[0].endswith("Z") and stamped[1] == "error\n", stamped
    status = cluster.refused("GET", f"/api/v1/namespaces/{ns}/pods/p/log?container=none")
    assert status["message"] == "container none is not valid for pod p", status
    assert cluster.kubectl("logs", "p", "--tail=1", ns=ns).stdout == "error\n"


def test_logs_follow(cluster):
    ns = cluster.namespace("follow")
    cluster.pod(ns, "p", "sh", "-c", "i=0; while [ $i -lt 30 ]; do echo $i; i=$((i+1)); sleep 0.1; done", running=False, restartPolicy="Never")
    cluster.wait_pod(ns, "p", lambda p: p["status"].get("phase") in ("Running", "Succeeded"))
    # It ends by itself when the container has ended, with every line.
    assert cluster.kubectl("logs", "-f", "p", ns=ns).stdout == "".join(f"{i}\n" for i in range(30))


def test_logs_previous(cluster):
    ns = cluster.namespace("previous")
    cluster.pod(ns, "p", "sh", "-c", "echo 77; exit 1", running=False)
    cluster.wait_pod(ns, "p", lambda p: (p["status"].get("containerStatuses") or [{}])[0].get("restartCount", 0) >= 1)
    assert cluster.kubectl("logs", "-p", "p", ns=ns).stdout == "77\n"


def test_port_forward(cluster):
    ns = cluster.namespace("forward")
    cluster.deployment(ns, replicas=1)
    forward = cluster.spawn("port-forward", "deployment/web", ":80", ns=ns, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = forward.stdout.readline()  # Forwarding from 127.0.0.1:PORT -> 80
        port = int(line.split(":")[1].split()[0])
        for _ in range(3):
            assert fetch_until(f"http://127.0.0.1:{port}/").strip() == PAGE
    finally:
        forward.send_signal(signal.SIGINT)
        forward.wait(timeout=PATIENCE)


def test_cp(cluster):
    ns = cluster.namespace("cp")
    cluster.pod(ns, "p", "sleep", "3600")
    data = os.urandom(3 << 20)
    here, back = f"{cluster.state}/cp-here", f"{cluster.state}/cp-back"
    with open(here, "wb") as f:
        f.write(data)
    cluster.kubectl("cp", here, f"{ns}/p:/tmp/there")
    assert cluster.exec(ns, "p", "stat", "-c", "%s", "/tmp/there").stdout.strip() == str(len(data))
    cluster.kubectl("cp", f"{ns}/p:/tmp/there", back)
    with open(back, "rb") as f:
        assert f.read() == data
