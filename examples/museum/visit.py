"""Run every exhibit of the museum of bugs in turn, in less than a minute:

    python examples/museum/visit.py

Each script in this folder shows one bug: its code, the wrong figure it leads to, the correct version, and the gradient
checker's verdict or, if no gradient check can catch the bug, the test that does.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    here = Path(__file__).resolve()
    for exhibit in sorted(here.parent.glob("*.py")):
        if exhibit != here:
            print(f"\n{'=' * 100}\n{exhibit.name}\n{'=' * 100}\n", flush=True)
            sys.argv = [str(exhibit)]  # the exhibit parses its options from sys.argv
            runpy.run_path(str(exhibit), run_name="__main__")


if __name__ == "__main__":
    main()
