"""Hosts for tests on one machine: each a set of namespaces (mount, net, uts, ipc, pid) with its own folders and cgroups, on a bridge
that stands for the wire between them. A host can be killed, frozen, limited, moved to another address, cut off, parted from others,
or lose packets. Everything dies with the namespaces that run.sh has made; its trap removes the cgroups."""
import contextlib
import os
import shutil
import signal
import subprocess

import cluster as one
from cluster import BINARY, CGROUP, PATIENCE, Api, Cluster, Server, condition, run, tail, until

WIRE = "wire0"                 # the bridge, in the namespace of the tests
WIRE_ADDRESS = "192.0.2.1"     # the tests' own on it
NET = "192.0.2"
V6_NET = "2001:db8:2"
TABLE = "lab-faults"           # nftables, family bridge
# Version 1 of cgroups: the hierarchies in which a host is limited. Others keep what they are.
LIMITED = ("memory", "cpu", "pids", "freezer")

# The host's process 1: what loses its parent is reaped by it.
INIT = """
set -eu
hostname "$NAME"
ip link set lo up
for folder in etc opt; do
  mkdir -p "$STATE/over/$folder" "$STATE/work/$folder"
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$STATE/over/$folder,workdir=$STATE/work/$folder" "/$folder"
done
rm -f /etc/resolv.conf
printf 'nameserver %s\\n' "$RESOLVER" > /etc/resolv.conf
printf '%s\\n' "$MACHINE_ID" > /etc/machine-id
printf '127.0.0.1 localhost\\n%s %s\\n' "$ADDRESS" "$NAME" > /etc/hosts
echo up > "$STATE/up"
sleep infinity & wait
"""


class Host:
    """One machine. boot() and kill() are its power; what is in its folders stays, but for the run folder, as after a reboot."""

    def __init__(self, lab, number):
        self.lab, self.number, self.name = lab, number, f"n{number}"
        self.address, self.address6 = f"{NET}.{10 + number}", f"{V6_NET}::{10 + number}"
        self.state, self.group = f"{lab.state}/{self.name}", f"{CGROUP}-{self.name}"
        self.port = f"{WIRE}-{self.name}"  # its end on the bridge
        self.init = None      # `unshare`, in the namespace of the tests
        self.pid = 0          # the host's process 1, as the tests see it
        self.bramble = None   # its server or agent
        os.makedirs(self.state, exist_ok=True)

    # ---- power

    def boot(self, default_route=True):
        for folder in self.group_folders():
            os.makedirs(f"{folder}/host", exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.state}/up")
        shutil.rmtree(f"{self.state}/work", ignore_errors=True)
        shutil.rmtree(f"{self.state}/run", ignore_errors=True)
        env = dict(os.environ, NAME=self.name, STATE=self.state, RESOLVER=WIRE_ADDRESS, ADDRESS=self.address, MACHINE_ID=f"{self.number:032x}")
        with open(f"{self.state}/boot.log", "wb") as log:
            self.init = subprocess.Popen(["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--mount-proc", "--propagation", "private",
                                          "--kill-child", "bash", "-c", INIT], env=env, stdin=subprocess.DEVNULL, stderr=log, preexec_fn=self.join_groups)
        until(f"{self.name} is up", lambda: self.init.poll() is not None or os.path.exists(f"{self.state}/up"))
        assert self.init.poll() is None, f"host {self.name} did not boot: {tail(f'{self.state}/boot.log', 10)}"
        self.pid = child_of(self.init.pid)
        run(["ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid)])
        run(["ip", "link", "set", self.port, "master", WIRE, "up"])
        self.run("ip", "link", "set", "eth0", "address", f"02:00:00:00:00:{self.number:02x}")  # as a machine's own, the same after each boot
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "address", "add", f"{self.address6}/64", "dev", "eth0", "nodad")
        self.run("ip", "link", "set", "eth0", "up")
        if default_route:
            self.run("ip", "route", "add", "default", "via", WIRE_ADDRESS)

    def kill(self):
        """The power goes: all processes and links at once."""
        if not self.init:
            return
        os.kill(self.pid, signal.SIGKILL)
        self.thaw()  # a frozen process does not die
        self.init.wait()
        if self.bramble and self.bramble.process:
            self.bramble.process.wait()
        self.init, self.pid = None, 0
        subprocess.run(["ip", "link", "del", self.port], capture_output=True)  # it lives as long as something holds the namespace
        for folder in self.group_folders():
            def emptied(folder=folder):
                for path, _, _ in os.walk(folder, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(path)
                return not os.path.exists(folder)
            until(f"{self.name} has let go of {folder}", emptied)

    def restart(self):
        """Power off and on; bramble as it was started before."""
        bramble = self.bramble
        self.kill()
        self.boot()
        if bramble:
            bramble.start()

    def freeze(self):
        self.freezer("FROZEN", "1")

    def thaw(self):
        self.freezer("THAWED", "0")

    def freezer(self, state1, state2):
        old, new = f"/sys/fs/cgroup/freezer/{self.group}/freezer.state", f"/sys/fs/cgroup/{self.group}/cgroup.freeze"
        for path, value in ((old, state1), (new, state2)):
            if os.path.exists(path):
                until(f"{self.name}: {value}", lambda path=path, value=value: write(path, value) and (path == new or read(path) == value))
                return

    # ---- cgroups

    def group_folders(self):
        """Version 1 where controllers are there, else the one of version 2."""
        found = [f"/sys/fs/cgroup/{name}/{self.group}" for name in LIMITED if os.path.isdir(f"/sys/fs/cgroup/{name}")]
        return found or [f"/sys/fs/cgroup/{self.group}"]

    def join_groups(self):
        for folder in self.group_folders():
            write(f"{folder}/host/cgroup.procs", "0")

    def limit(self, memory_bytes=None, cpus=None):
        """All processes of the host together; None: no limit."""
        def first(*choices):
            for path, value in choices:
                if os.path.exists(path):
                    return write(path, value)
            raise AssertionError(f"no cgroup file: {choices}")
        top = "/sys/fs/cgroup"
        first((f"{top}/memory/{self.group}/memory.limit_in_bytes", str(memory_bytes or -1)), (f"{top}/{self.group}/memory.max", str(memory_bytes or "max")))
        first((f"{top}/cpu/{self.group}/cpu.cfs_quota_us", str(int(cpus * 100000) if cpus else -1)),
              (f"{top}/{self.group}/cpu.max", f"{int(cpus * 100000) if cpus else 'max'} 100000"))

    # ---- commands on it

    def enter(self):
        groups = " ".join(f"{folder}/host/cgroup.procs" for folder in self.group_folders())
        script = f'for g in {groups}; do echo 0 > $g; done; exec nsenter --target {self.pid} --mount --net --uts --ipc --pid -- "$@"'
        return ["sh", "-c", script, "sh"]

    def run(self, *arguments, **options):
        return run([*self.enter(), *arguments], **options)

    def text(self, *arguments, **options):
        return self.run(*arguments, **options).stdout

    def popen(self, *arguments, **options):
        """In the background. Signals go to inner(process): nsenter does not pass them on."""
        return subprocess.Popen([*self.enter(), *arguments], **options)

    # ---- its network

    def cut(self):
        """The cable is out: the host sees its link go down."""
        run(["ip", "link", "set", self.port, "down"])

    def join(self):
        run(["ip", "link", "set", self.port, "up"])

    def change_address(self, new, default_route=True):
        """As when DHCP gives another one."""
        self.run("ip", "address", "del", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "address", "add", f"{new}/24", "dev", "eth0")
        if default_route:
            self.run("ip", "route", "replace", "default", "via", WIRE_ADDRESS)
        self.address = new

    # ---- bramble on it

    def server(self, *extra, env=None):
        self.bramble = Bramble(self, "server", extra, env)
        return self.bramble

    def agent(self, *extra, env=None):
        """Flags that join it (--server, --token) are the caller's, or those of lab.join_flags."""
        self.bramble = Bramble(self, "agent", extra or self.lab.join_flags(), env)
        return self.bramble


class Bramble(Server):
    """`bramble server` or `bramble agent` on a host: start, stop (SIGTERM), kill (SIGKILL), restart."""

    def __init__(self, host, role, extra, env):
        super().__init__(host.state, 6443, extra, env)
        self.host, self.role = host, role
        self.kubeconfig = f"{host.state}/admin.yaml"     # as the server writes it: with 127.0.0.1
        self.log = f"{host.state}/{role}.log"

    def arguments(self):
        s = self.state
        out = [*self.host.enter(), *self.prefix, self.binary, self.role, "--data-dir", f"{s}/data", "--run-dir", f"{s}/run", "--kubelet-root-dir", f"{s}/kubelet",
               "--pod-log-dir", f"{s}/log", "--cgroup-root", self.host.group, "--private-registry", f"{s}/registries.yaml", "--resolv-conf", "/etc/resolv.conf"]
        if self.role == "server":
            out += ["--write-kubeconfig", self.kubeconfig]
        return out + list(self.extra)

    def start(self):
        self.spawn()
        if self.role == "server":
            until(f"{self.host.name}: /readyz", self.ready)

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.host.name}: the server ended with {self.process.returncode}: {tail(self.log, 20)}")
        if not os.path.exists(self.kubeconfig):
            return False
        try:
            return self.api().get("/readyz", parse=False)[0] == 200
        except OSError:
            return False

    def api(self, **options):
        return Api(self.kubeconfig, self.port, host=self.host.address, **options)

    def pid(self):
        return child_of(self.process.pid)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid(), number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait(timeout=PATIENCE)

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)

    def restart(self):
        if self.running():
            self.stop()
        self.start()


class Lab(Cluster):
    """A wire with hosts, the first of which runs the server; and all that Cluster has, for this cluster of several nodes."""

    def __init__(self, state, hosts=3):
        self.state, self.hosts = state, []
        run(["ip", "link", "add", WIRE, "type", "bridge"])
        run(["ip", "address", "add", f"{WIRE_ADDRESS}/24", "dev", WIRE])
        run(["ip", "link", "set", WIRE, "up"])
        self.faults = {}  # name -> rules
        for number in range(1, hosts + 1):
            self.hosts.append(Host(self, number))
        super().__init__(state, self.hosts[0].server())
        self.env["KUBECONFIG"] = f"{state}/kubeconfig.yaml"  # with the host's address

    def __getitem__(self, name):
        return next(h for h in self.hosts if h.name == name)

    def boot(self, **options):
        for host in self.hosts:
            host.boot(**options)

    def start_server(self, *extra, host=None):
        """On the first host, or another; kubectl and the API calls go there."""
        host = host or self.hosts[0]
        self.server = host.server(*extra)
        self.start()

    def start(self):
        if not self.server.running():
            self.server.start()
        self.use_server()

    def use_server(self):
        """After the server's address has changed, too."""
        with open(self.server.kubeconfig) as f:
            text = f.read().replace("https://127.0.0.1:", f"https://{self.server.host.address}:")
        with open(self.env["KUBECONFIG"], "w") as f:
            f.write(text)
        self.api = self.server.api()

    def join_flags(self):
        """What an agent needs to join: asked of the server's folder, as an admin would."""
        with open(f"{self.server.state}/data/server/node-token") as f:
            return ["--server", f"https://{self.server.host.address}:6443", "--token", f.read().strip()]

    def stop(self):
        for host in self.hosts:
            host.kill()

    def wait_node_ready(self, name=None, seconds=PATIENCE):
        return self.wait("/api/v1/nodes", name or self.hosts[0].name, lambda n: condition(n, "Ready").get("status") == "True", seconds)

    def wait_nodes_ready(self, seconds=PATIENCE):
        for host in self.hosts:
            if host.bramble:
                self.wait_node_ready(host.name, seconds)

    def import_images(self):
        for name, page in ((one.IMAGE, one.PAGE), (one.IMAGE2, one.PAGE2)):
            archive = f"{self.state}/{name.rpartition(':')[2]}.tar"
            run([f"{one.ROOT}/provision/sample/make-image.sh", name, archive, page])
            for host in self.hosts:
                if host.bramble:
                    run([BINARY, "images", "import", "--run-dir", f"{host.state}/run", archive])

    # ---- faults of the wire

    def partition(self, *hosts):
        """These hosts on one side, the others on the other; the tests reach both."""
        others = [h for h in self.hosts if h not in hosts]
        here, there = ports(hosts), ports(others)
        self.fault("partition", f"iifname {here} oifname {there} drop; iifname {there} oifname {here} drop")

    def isolate(self, host):
        """Nothing reaches it and it reaches nothing; its link stays up."""
        self.fault(f"isolate-{host.name}", f"iifname {host.port} drop; oifname {host.port} drop")

    def lose(self, host, percent):
        """So many of the packets to and from it, by chance."""
        dice = f"numgen random mod 100 < {percent} drop"
        self.fault(f"lose-{host.name}", f"iifname {host.port} {dice}; oifname {host.port} {dice}")

    def fault(self, name, rules):
        """Any nftables rules (family bridge, hook forward and what the tests themselves send and get)."""
        self.faults[name] = rules
        self.write_faults()

    def heal(self, name=None):
        """Removes one fault, or all; frozen hosts go on, cut links come back."""
        if name:
            self.faults.pop(name, None)
        else:
            self.faults.clear()
            for host in self.hosts:
                if host.init:
                    host.thaw()
                    host.join()
        self.write_faults()

    def write_faults(self):
        text = f"table bridge {TABLE} {{}}\ndelete table bridge {TABLE}\n"
        rules = "; ".join(self.faults.values())
        if rules:
            chains = "".join(f"chain {hook} {{ type filter hook {hook} priority 0; {rules}; }}\n" for hook in ("forward", "input", "output"))
            text += f"table bridge {TABLE} {{\n{chains}}}\n"
        run(["nft", "-f", "-"], input=text)

    # ---- after each test

    def after_test(self):
        """Whole again: no faults, every host up with its bramble, every node ready."""
        self.heal()
        for host in self.hosts:
            with contextlib.suppress(Exception):
                if not host.init:
                    host.boot()
                if host.bramble and not host.bramble.running():
                    host.bramble.start()
        self.use_server()
        while self.namespaces:
            name = self.namespaces.pop()
            with contextlib.suppress(Exception):
                self.api.call("DELETE", f"/api/v1/namespaces/{name}/pods?gracePeriodSeconds=1")
                self.api.call("DELETE", f"/api/v1/namespaces/{name}")
        self.wait_nodes_ready()

    def dump(self):
        for host in self.hosts:
            if host.bramble:
                print(f"--- {host.name}: the end of {host.bramble.log}\n{tail(host.bramble.log, 40)}")
        with contextlib.suppress(Exception):
            for name in self.namespaces:
                for pod in self.get(f"/api/v1/namespaces/{name}/pods")["items"]:
                    print(f"--- pod {name}/{pod['metadata']['name']} on {pod['spec'].get('nodeName')}: {pod['status']}"[:3000])
                for event in self.get(f"/api/v1/namespaces/{name}/events")["items"][-25:]:
                    print(f"--- event {event['involvedObject'].get('name')} {event.get('reason')}: {event.get('message')}")


def ports(hosts):
    return "{ " + ", ".join(h.port for h in hosts) + " }"


def child_of(pid):
    """The first child of a process, once it has one."""
    def first():
        with contextlib.suppress(OSError, IndexError), open(f"/proc/{pid}/task/{pid}/children") as f:
            return int(f.read().split()[0])
    return until(f"a child of {pid}", first, 5)


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return True


def read(path):
    with open(path) as f:
        return f.read().strip()
