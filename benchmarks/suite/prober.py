"""The process that measures the machine's own speed: one JSON line for each line it reads."""

from __future__ import annotations

import json
import sys

from benchmarks.suite.libraries.probes import Probes

if __name__ == "__main__":
    probes = Probes(int(sys.argv[1]))
    print(json.dumps({"core": probes.core}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(probes.measure()), flush=True)
