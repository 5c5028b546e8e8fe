"""Runs the tests of test_*.py here on a cluster of several hosts, in the order below. Called by ../run.sh --lab, inside its namespaces."""
import importlib
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lab import Lab  # noqa: E402

MODULES = ["hosts", "network", "agent"]


def tests():
    for module in MODULES:
        loaded = importlib.import_module("test_" + module)
        for name, value in vars(loaded).items():
            if name.startswith("test_") and callable(value):
                yield name[len("test_"):], value


def attempt(name, lab, step, told=True):
    began = time.monotonic()
    try:
        step()
        if told:
            print(f"ok {name} ({time.monotonic() - began:.1f} s)", flush=True)
        return True
    except Exception as error:
        frames = "".join(traceback.format_tb(error.__traceback__)[-4:])
        print(f"{frames}{type(error).__name__}: {str(error)[:3000]}")
        lab.dump()
        print(f"FAILED {name} ({time.monotonic() - began:.1f} s)", flush=True)
        return False


def main():
    words = sys.argv[1:]
    chosen = [(n, t) for n, t in tests() if not words or any(w in n for w in words)]
    lab = Lab(os.environ["BRAMBLE_E2E_STATE"])

    def start():
        lab.boot()
        lab.start()
        for host in lab.hosts[1:] if os.path.exists(f"{lab.server.state}/data/server/node-token") else []:
            host.agent().start()
        lab.wait_nodes_ready()
        lab.import_images()

    passed, failed = 0, []
    if attempt("start of the lab", lab, start, told=False):
        for name, test in chosen:
            good = attempt(name, lab, lambda: test(lab))
            healed = attempt(f"{name}: whole again", lab, lab.after_test, told=False)
            if good and healed:
                passed += 1
            else:
                failed.append(name)
    else:
        failed.append("start")
    lab.stop()
    if failed:
        print("failed: " + " ".join(failed))
    print(f"{passed} passed, {len(failed)} failed", flush=True)
    return 1 if failed else 0


sys.exit(main())
