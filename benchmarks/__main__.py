"""The benchmark suite: `python -m benchmarks --help`."""

from __future__ import annotations

from benchmarks.suite.command import main

if __name__ == "__main__":
    main()
