"""Runs the tests of test_board.py in their order; the name of a test's parameter is the name of its board. Called by run.sh."""
import inspect
import sys
import time
import traceback

import test_board
from board import Board


def main():
    words = sys.argv[1:]
    tests = [(n[len("test_"):], t) for n, t in vars(test_board).items() if n.startswith("test_")]
    chosen = [(n, t) for n, t in tests if not words or any(w in n for w in words)]
    boards, passed, failed = {}, 0, []
    for name, test in chosen:
        which = next(iter(inspect.signature(test).parameters))
        if which not in boards:
            boards[which] = Board(which, 6440 + 10 * len(boards))
        for other in boards.values():
            if other is not boards[which]:
                other.cut()  # an idle board still takes time of the processor
        began = time.monotonic()
        try:
            test(boards[which])
            passed += 1
            print(f"ok {name} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception as error:
            failed.append(name)
            frames = "".join(traceback.format_tb(error.__traceback__)[-3:])
            print(f"{frames}{type(error).__name__}: {str(error)[:3000]}")
            boards[which].dump()
            print(f"FAILED {name} ({time.monotonic() - began:.1f} s)", flush=True)
    for board in boards.values():
        board.cut()
    if failed:
        print("failed: " + " ".join(failed))
    print(f"{passed} passed, {len(failed)} failed", flush=True)
    return 1 if failed else 0


sys.exit(main())
