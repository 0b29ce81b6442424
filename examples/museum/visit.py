"""The museum of bugs: run every exhibit in turn, in less than a minute:

    python examples/museum/visit.py

Each script here shows one bug: its code, the wrong figure it leads to, the gradient checker's verdict or, where no
gradient check can catch it, the test that does, and the correct version.
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
            sys.argv = [str(exhibit)]  # from which the exhibit parses its options
            runpy.run_path(str(exhibit), run_name="__main__")


if __name__ == "__main__":
    main()
