"""The lab itself: hosts that reach each other, and faults that are what they say."""
import os
import signal
import time

from cluster import until
from lab import child_of, write


def reaches(host, address, seconds=1):
    return host.run("busybox", "ping", "-c1", f"-W{seconds}", address, check=False).returncode == 0


def test_hosts_reach_each_other_and_faults_part_them(lab):
    a, b, c = lab.hosts
    assert reaches(a, b.address) and reaches(b, c.address)
    lab.partition(a)
    assert not reaches(a, b.address) and not reaches(c, a.address) and reaches(b, c.address)
    lab.heal()
    assert reaches(a, b.address)
    lab.isolate(c)
    assert not reaches(c, a.address) and not reaches(b, c.address)
    lab.heal()
    b.cut()
    assert not reaches(a, b.address)
    b.join()
    until("the link is back", lambda: reaches(a, b.address))
    lab.lose(b, 50)
    lost = a.text("busybox", "ping", "-c40", "-i0.05", "-W1", b.address, check=False)
    percent = int(lost.partition("% packet loss")[0].rpartition(",")[2])
    assert 40 <= percent <= 99, lost  # there and back: three of four


def test_hosts_freeze_and_have_limits(lab):
    host = lab.hosts[2]
    write(f"{host.state}/beats", "")
    counter = host.popen("sh", "-c", f"while :; do echo >> {host.state}/beats; sleep 0.02; done")

    def beats():
        return os.path.getsize(f"{host.state}/beats")
    until("it beats", lambda: beats() > 3)
    host.freeze()
    before = beats()
    time.sleep(0.3)  # the time in which nothing must happen
    assert beats() == before
    host.thaw()
    until("it goes on", lambda: beats() > before)
    host.limit(memory_bytes=400 << 20, cpus=0.5)
    host.limit()
    os.kill(child_of(counter.pid), signal.SIGKILL)
    counter.wait()


def test_hosts_die_and_come_back(lab):
    host = lab.hosts[2]
    was = host.pid
    host.kill()
    assert not os.path.exists(f"/proc/{was}") and not reaches(lab.hosts[1], host.address)
    host.boot()
    assert reaches(lab.hosts[1], host.address)
    assert host.text("hostname").strip() == host.name
    before = host.address
    host.change_address("192.0.2.77")
    assert reaches(lab.hosts[1], "192.0.2.77") and not reaches(lab.hosts[1], before)
    host.change_address(before)
