"""Starts a quiet server, replays the recordings, and compares what passes with expected.txt. Called by run.sh."""
import base64
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import time
import types

import replay

HERE = os.path.dirname(os.path.abspath(__file__))
STATE, BINARY = os.environ["GOLDEN_STATE"], os.environ["GOLDEN_BINARY"]
EXPECTED = f"{HERE}/expected.txt"
LATER = {"crd"}  # nothing serves these yet; --show replays them
# Answers that are not ours on purpose: (area/scenario, step).
OTHERWISE = {("reads/paths-0", "GET /apis/apps/v1beta1"): "workloads of apps/v1beta1 are served, upstream ended that with 1.16"}
TOKEN = "golden-admin"  # the recordings' administrator had a token, so that a request may also come without
KUBECONFIG, LOG = f"{STATE}/kubeconfig.yaml", f"{STATE}/server.log"


def start():
    with open(f"{STATE}/tokens.csv", "w") as f:
        f.write(f"{TOKEN},admin,admin-uid,system:masters\n")
    arguments = [BINARY, "server", "--disable-agent", "--disable-scheduler", "--disable-controller-manager", "--data-dir", f"{STATE}/data",
                 "--run-dir", f"{STATE}/run", "--write-kubeconfig", KUBECONFIG, "--kube-apiserver-arg", f"token-auth-file={STATE}/tokens.csv"]
    with open(LOG, "wb") as log:
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def options():
    with open(KUBECONFIG) as f:
        text = f.read()
    found = re.search(r"^\s*(?:- )?certificate-authority-data:\s*\"?([A-Za-z0-9+/=]+)", text, re.M)
    with open(f"{STATE}/cacert.pem", "wb") as f:
        f.write(base64.b64decode(found.group(1)))
    files = {"cacert": f"{STATE}/cacert.pem", "cert": None, "key": None}
    return types.SimpleNamespace(mode="check", url="https://127.0.0.1:6443", token=TOKEN, insecure=False, only=None, strict_order=False,
                                 ignore_managed_fields=False, max_diffs=12, timeout=30, **files)


def wait_ready(server):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        if os.path.exists(KUBECONFIG):
            with contextlib.suppress(OSError):
                made = options()
                if replay.Client(made).json("GET", "/version")[0] == 200:
                    return made
        time.sleep(0.05)
    with open(LOG) as f:
        sys.exit("golden: the server did not start: " + f.read()[-2000:])


def main():
    update = "--update" in sys.argv
    word = sys.argv[sys.argv.index("--show") + 1] if "--show" in sys.argv else None
    server = start()
    made = wait_ready(server)
    client = replay.Client(made)
    expected = set()
    if os.path.exists(EXPECTED):
        with open(EXPECTED) as f:
            expected = {line.rstrip("\n") for line in f if line.strip() and not line.startswith("#")}
    passing, known, regressions, rows = [], set(), [], []
    for name in sorted(os.listdir(f"{HERE}/open")):
        with open(f"{HERE}/open/{name}") as f:
            data = json.load(f)
        if data["area"] in LATER and word is None:
            continue
        good = steps_good = steps = 0
        for scenario in data["scenarios"]:
            title = f"{data['area']}/{scenario['name']}"
            known.add(title)
            if word is not None and word not in title:
                continue
            scenario = dict(scenario, steps=[step for step in scenario["steps"] if (title, step["name"]) not in OTHERWISE])
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                run = replay.Scenario(client, made, data["area"], scenario)
                try:
                    run.run()
                except Exception as error:  # the server went away, or answered no JSON
                    run.failed += 1
                    print(f"FAIL {title}: {type(error).__name__}: {error}")
                    client = replay.Client(made)
            steps_good, steps = steps_good + run.passed, steps + run.passed + run.failed
            if run.failed == 0:
                good += 1
                passing.append(title)
            elif title in expected:
                regressions.append(title)
            if run.failed and (word is not None or title in expected):
                print(said.getvalue(), end="")
            if server.poll() is not None:
                with open(LOG) as f:
                    print(f"golden: the server ended in {title}: {f.read()[-3000:]}")
                regressions.append(title)
                server = start()
                made = wait_ready(server)
                client = replay.Client(made)
        rows.append((data["area"], good, len(data["scenarios"]), steps_good, steps))
    for area, good, total, steps_good, steps in rows:
        print(f"{area:12} {good:4} of {total:4} scenarios, {steps_good:4} of {steps:4} steps")
    print(f"{'all':12} {sum(r[1] for r in rows):4} of {sum(r[2] for r in rows):4} scenarios, {sum(r[3] for r in rows):4} of {sum(r[4] for r in rows):4} steps")
    for (title, step), why in OTHERWISE.items():
        print(f"left out: {title} {step}: {why}")
    server.terminate()
    server.wait()
    if update:
        with open(EXPECTED, "w") as f:
            f.write("# Scenarios that must pass, as area/name; written by run.sh --update. One that stops passing fails the run.\n")
            f.write("".join(f"{t}\n" for t in sorted(passing)))
        return 0
    if word is not None:
        return 0
    gone = {t for t in expected if t not in known}
    for title in regressions + sorted(gone):
        print(f"FAILED {title}" + (" (no such recording)" if title in gone else ""))
    if new := len(set(passing) - expected):
        print(f"{new} scenarios pass that expected.txt does not name: run.sh --update")
    return 1 if regressions or gone or not expected else 0


sys.exit(main())
