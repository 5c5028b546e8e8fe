"""An emulated board: its disk, its process of qemu, a shell inside, and the cluster that runs there.

The shell is busybox' nc on port 22 with a shell behind it: a script goes in, what it prints comes out. What a test sees of the
board comes through it or through the API; both are ports that qemu's user network forwards.
"""
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import types

sys.path.insert(0, os.environ["BRAMBLE_E2E_ROOT"] + "/tests/e2e")
from cluster import BIN, BINARY, PATIENCE, Api, Cluster, condition, run, tail, until  # noqa: E402

STATE = os.environ["BRAMBLE_E2E_STATE"]
ADDRESS = "10.0.2.15"  # inside qemu's user network
NODE = "board"
NODE_PORT = 30080
EPOCH = "1970-01-01"  # what a board without a battery believes when it wakes
MEMORY_MB = 512
DISK_BYTES = 1 << 30


class Board(Cluster):
    """One machine. Its disk outlives each boot; `port` is the first of the three of this machine that lead to it."""

    def __init__(self, name, port):
        folder = f"{STATE}/{name}"
        os.makedirs(f"{folder}/home")
        self.name, self.folder, self.port, self.qemu, self.clock = name, folder, port, None, None
        self.state, self.api, self.namespaces = folder, None, []
        self.server = types.SimpleNamespace(kubeconfig=f"{folder}/kubeconfig.yaml", port=port)
        self.env = {"HOME": f"{folder}/home", "PATH": f"{BIN}:{os.environ['PATH']}", "KUBECONFIG": self.server.kubeconfig, "LC_ALL": "C", "TERM": "xterm"}
        self.disk = f"{folder}/disk"
        run(["mke2fs", "-q", "-t", "ext4", "-d", f"{STATE}/board/root", self.disk, str(DISK_BYTES >> 10)])

    # ---- power

    def boot(self, clock=None, kernel_arguments=""):
        """Switches it on. The disk has a cache that a flush empties: what a flush did not confirm may be lost when the power is cut."""
        self.clock = clock
        self.console = open(f"{self.folder}/console", "ab")
        hosts = ",".join(f"hostfwd=tcp:127.0.0.1:{self.port + i}-{ADDRESS}:{inside}" for i, inside in enumerate((6443, 22, NODE_PORT)))
        self.qemu = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", str(MEMORY_MB), "-nodefaults", "-no-reboot", "-display", "none",
             "-serial", "stdio", "-kernel", f"{STATE}/board/vmlinuz", "-append", f"root=/dev/nvme0n1 rw console=ttyAMA0 panic=-1 quiet {kernel_arguments}",
             "-drive", f"if=none,id=disk,file={self.disk},format=raw,cache=writeback", "-device", "nvme,serial=disk,drive=disk",
             "-netdev", f"user,id=net,restrict=on,{hosts}", "-device", "virtio-net-pci,netdev=net,romfile=",
             *(["-rtc", f"base={clock}"] if clock else [])],
            stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console)

    def cut(self):
        """The power, not the machine: nothing inside hears of it."""
        if self.qemu:
            self.qemu.kill()
            self.qemu.wait()
            self.console.close()
            self.qemu = None

    def up(self):
        """On, Ready, with the image: what most tests begin with."""
        if not self.qemu:
            self.boot()
            self.figures()
            self.bramble("images", "import", "/root/web.tar")

    def wait_shell(self):
        def answers():
            self.check_alive()
            with contextlib.suppress(OSError):
                return self.raw_shell("echo up", 2) == "up\n"
        until(f"{self.name}: a shell", answers)

    def wait_ready(self):
        """Until bramble serves and its node is Ready: (seconds of the board's clock since boot, the same when bramble started)."""
        self.wait_shell()
        text = until("the kubeconfig", lambda: self.shell("cat /etc/bramble/bramble.yaml 2>/dev/null || true"))
        with open(self.server.kubeconfig, "w") as f:
            f.write(text.replace(":6443", f":{self.port}"))
        self.api = Api(self.server.kubeconfig, self.port)
        until(f"{self.name}: /readyz", self.answers_ready)
        self.wait("/api/v1/nodes", NODE, lambda n: n and condition(n, "Ready").get("status") == "True")
        return [float(n) for n in self.shell("cut -d' ' -f1 /proc/uptime /run/started").split()]

    def answers_ready(self):
        self.check_alive()
        with contextlib.suppress(OSError):
            return self.api.get("/readyz", parse=False)[0] == 200

    def check_alive(self):
        if self.qemu.poll() is not None:
            raise AssertionError(f"{self.name}: qemu ended with {self.qemu.returncode}: {tail(self.folder + '/console', 20)}")

    def figures(self):
        """Waits until the first start is done, and prints what it took."""
        ready, started = self.wait_ready()
        say("board: bytes of the binary", f"{os.path.getsize(BINARY):,}")
        say("board: boot to bramble's first start", f"{started:.1f} s")
        say("board: first start to node Ready, as seen from outside", f"{ready - started:.1f} s")
        self.say_memory("after the first start")

    def later_start(self, seconds):
        say("board: later start to node Ready, as seen from outside", f"{seconds:.1f} s")
        self.say_memory("with pods")

    def say_memory(self, when):
        script = "for c in $(grep -l -E '^bramble$|shim' /proc/[0-9]*/comm); do echo $(sed -n 's/^Pss: *//p' ${c%/comm}/smaps_rollup) $(cat $c); done"
        lines = [line.split() for line in self.shell(script).splitlines()]
        shims = [int(kb) for kb, _, name in lines if "shim" in name]
        all_kb = sum(int(line[0]) for line in lines)
        say(f"board: PSS {when}, {len(shims)} shims", f"{all_kb / 1024:.1f} MB, shims {sum(shims) / 1024:.2f} MB of it")

    # ---- inside

    def raw_shell(self, script, seconds):
        with socket.create_connection(("127.0.0.1", self.port + 1), timeout=seconds) as connection:
            connection.sendall(f"{{\n{script}\n}} </dev/null 2>&1\nexit\n".encode())
            answer = b""
            while data := connection.recv(65536):
                answer += data
        return answer.decode(errors="replace")

    def shell(self, script, check=True):
        """What a script prints inside the board; it must end well."""
        said, _, code = self.raw_shell(f"(\n{script}\n); echo; echo =$?=", PATIENCE).rpartition("\n=")
        if check and code != "0=\n":
            raise AssertionError(f"{self.name}: {script}: {code.strip()} {said}")
        return said

    def bramble(self, *arguments):
        return self.shell("/usr/local/bin/bramble " + " ".join(arguments))

    def bramble_pid(self):
        return int(self.shell("pidof bramble").split()[0])

    def pids(self, pod):
        """The processes of a pod, oldest first: (pid, start time) of each."""
        folder = self.cgroup(pod)
        lines = self.shell(f"for p in $(cat {folder}/cgroup.procs {folder}/*/cgroup.procs); do sed 's/(.*)/x/' /proc/$p/stat 2>/dev/null; done; true").splitlines()
        return sorted(((int(f[0]), int(f[21])) for f in map(str.split, lines) if f), key=lambda p: (p[1], p[0]))

    def cgroup(self, pod):
        found = self.shell(f"find /sys/fs/cgroup/kubepods -type d -name pod{pod['metadata']['uid']}").split()
        assert len(found) == 1, found
        return found[0]

    def flushes(self):
        """How many flushes of its cache the disk has done for the kernel (its Documentation/block/stat)."""
        return int(self.shell("cat /sys/block/nvme0n1/stat").split()[15])

    # ---- telling what went wrong

    def dump(self):
        print(f"--- {self.name}: the end of the console\n{tail(self.folder + '/console', 15)}")
        with contextlib.suppress(Exception):
            print(f"--- {self.name}: the end of bramble's log\n{self.shell('tail -n 40 /var/log/bramble.log')}")
        with contextlib.suppress(Exception):
            for pod in self.get("/api/v1/pods")["items"]:
                containers = [(c["name"], c["restartCount"], c["state"]) for c in pod["status"].get("containerStatuses", [])]
                print(f"--- pod {pod['metadata']['namespace']}/{pod['metadata']['name']}: {pod['status'].get('phase')} {json.dumps(containers)}")
            for event in self.get("/api/v1/events")["items"][-25:]:
                print(f"--- event {event['involvedObject'].get('name')} {event.get('reason')}: {event.get('message')}")


def say(name, value):
    print(f"{name:58} {value}", flush=True)
