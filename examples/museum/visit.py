"""The museum of bugs, every exhibit one after another, in less than a minute:

    python examples/museum/visit.py

Each script here shows one bug: as code, the wrong figure it leads to, what the gradient checker says of it or, where no
gradient check can see it, which measurement does, and the right version beside it.
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
            sys.argv = [str(exhibit)]  # which the exhibit looks at for options
            runpy.run_path(str(exhibit), run_name="__main__")


if __name__ == "__main__":
    main()
