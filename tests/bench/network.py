"""Pod to pod between hosts, by VXLAN, against host to host over the bare wire: throughput of one TCP stream and the time of a small
question and its answer, as ratios. Called by tests/e2e/run.sh --bench-network, inside its namespaces; nothing is asserted."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT + "/e2e", ROOT + "/e2e/lab"]

from lab import Lab, child_of  # noqa: E402
from test_network import all_reach_all, ip, pods  # noqa: E402

SECONDS, ROUNDS, TURNS = 4, 3000, 3
PORT = 9009

SERVER = f"""
import socket
s = socket.create_server(("0.0.0.0", {PORT}))
print("up", flush=True)
while True:
    c, _ = s.accept()
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    echo = c.recv(1) == b"e"
    while d := c.recv(1 << 18):
        if echo:
            c.sendall(d)
"""

CLIENT = f"""
import socket, sys, time
def open(kind):
    c = socket.create_connection((sys.argv[1], {PORT}))
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    c.sendall(kind)
    return c
c, chunk, sent, end = open(b"s"), bytes(1 << 18), 0, time.monotonic() + {SECONDS}
while time.monotonic() < end:
    c.sendall(chunk)
    sent += len(chunk)
c.close()
c, times = open(b"e"), []
for _ in range({ROUNDS}):
    began = time.perf_counter()
    c.sendall(b"x" * 64)
    left = 64
    while left:
        left -= len(c.recv(left))
    times.append(time.perf_counter() - began)
print(sent / {SECONDS} / 1e6, sorted(times)[len(times) // 2] * 1e6)
"""


def measure(host_a, inside_a, host_b, inside_b, address):
    """MB/s, and the median in microseconds: the best of several turns, because others share this machine."""
    server = host_b.popen(*inside_b, "/usr/bin/python3", "-c", SERVER, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "up\n"
    turns = [tuple(map(float, host_a.text(*inside_a, "/usr/bin/python3", "-c", CLIENT, address, timeout=120).split())) for _ in range(TURNS)]
    os.kill(child_of(server.pid), 9)
    server.wait()
    return max(t[0] for t in turns), min(t[1] for t in turns)


def main():
    lab = Lab(os.environ["BRAMBLE_E2E_STATE"], hosts=2)
    try:
        lab.boot()
        lab.start()
        lab.hosts[1].agent().start()
        lab.wait_nodes_ready()
        lab.import_images()
        some = pods(lab, lab.namespace("bench"))
        all_reach_all(lab, some)
        a, b = lab.hosts
        into = [["nsenter", f"--net={h.state}/run/pods/{p['metadata']['uid']}/ns/net"] for h, p in zip(lab.hosts, some)]
        bare = measure(a, [], b, [], b.address)
        pod = measure(a, into[0], b, into[1], ip(some[1]))
        print(f"network: bare wire {bare[0]:.0f} MB/s, {bare[1]:.0f} us; pod to pod by VXLAN {pod[0]:.0f} MB/s, {pod[1]:.0f} us; "
              f"ratios: throughput {pod[0] / bare[0]:.2f}, latency {pod[1] / bare[1]:.2f}")
    finally:
        lab.stop()


if __name__ == "__main__":
    main()
