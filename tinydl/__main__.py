"""The command line: `python -m tinydl COMMAND`, with one file in tinydl/commands for each command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import __version__
from .commands import doctor, draw, gradcheck, grade, info, mutants, see, warmup


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    line = argparse.ArgumentParser("python -m tinydl", description="tinydl's command line.")
    line.add_argument("--version", action="version", version=f"tinydl {__version__}")
    commands = line.add_subparsers(title="commands", metavar="COMMAND")
    doctor.add_to(commands)
    gradcheck.add_to(commands)
    mutants.add_to(commands)
    grade.add_to(commands)
    draw.add_to(commands)
    see.add_to(commands)
    info.add_to(commands)
    warmup.add_to(commands)
    arguments = line.parse_args(argv)
    if "run" not in arguments:
        line.print_help()
        return 0
    code: int = arguments.run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
