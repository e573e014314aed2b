"""The protocol between the benchmark and its peers.

The benchmark starts a script once and writes the name of one measurement per line to it. The script answers each with
one line of JSON, so that both sides' measurements can alternate while imports and preparation are paid once.
"""

import json
import sys
import time
from contextlib import contextmanager


def serve(measurements):
    """Answers each name on standard input with the JSON of what `measurements[name]()` returns."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(measurements[line.strip()]()), flush=True)


@contextmanager
def timed(into, name):
    """Stores the seconds that the block takes as `into[name]`."""
    start = time.perf_counter()
    yield
    into[name] = time.perf_counter() - start


def mean_seconds(work, at_least=0.5):
    """The seconds that `work()` takes once everything is in place: its mean over at least so much time."""
    work()
    start, times = time.perf_counter(), 0
    while True:
        work()
        times += 1
        passed = time.perf_counter() - start
        if passed >= at_least:
            return passed / times
