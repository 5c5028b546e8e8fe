"""Runs the tests of test_*.py in the order below, thin to wide. Called by run.sh, inside its namespaces."""
import importlib
import os
import sys
import time
import traceback

from cluster import Cluster

MODULES = [
    "node", "service", "traffic", "pod", "life", "security", "image", "registry", "usage", "pressure", "stream", "relay", "disruption", "verbs", "apply", "protobuf", "old_kubectl", "course", "habits",
    "python_client", "node_client", "ansible", "rollout", "controllers", "access", "identity", "admission", "refusals", "fairness", "adoption", "kill",
    "backup", "quarantine",
]


def tests():
    for module in MODULES:
        loaded = importlib.import_module("test_" + module)
        for name, value in vars(loaded).items():
            if name.startswith("test_") and callable(value):
                yield name[len("test_"):], value


def main():
    words = sys.argv[1:]
    chosen = [(n, t) for n, t in tests() if not words or any(w in n for w in words)]
    cluster = Cluster(os.environ["BRAMBLE_E2E_STATE"])
    passed, failed = 0, []
    try:
        cluster.start()
        cluster.wait_node_ready()
        cluster.import_images()
    except Exception:
        traceback.print_exc(file=sys.stdout)
        cluster.dump()
        failed.append("start")
        print("FAILED start")
    if not failed:
        for name, test in chosen:
            began = time.monotonic()
            try:
                test(cluster)
                passed += 1
                print(f"ok {name} ({time.monotonic() - began:.1f} s)", flush=True)
            except Exception as error:
                failed.append(name)
                frames = "".join(traceback.format_tb(error.__traceback__)[-3:])
                print(f"{frames}{type(error).__name__}: {str(error)[:3000]}")
                cluster.dump()
                print(f"FAILED {name} ({time.monotonic() - began:.1f} s)", flush=True)
            finally:
                cluster.after_test()
    cluster.stop()
    if failed:
        print("failed: " + " ".join(failed))
    print(f"{passed} passed, {len(failed)} failed", flush=True)
    return 1 if failed else 0


sys.exit(main())
