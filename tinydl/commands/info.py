"""`python -m tinydl info`: versions, hardware and settings, as `tinydl.show_config()` prints them."""

from __future__ import annotations

import argparse


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    summary = "print versions, hardware and settings, for a bug report"
    commands.add_parser("info", help=summary, description=f"{summary.capitalize()}.").set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    from ..config import show_config  # the other commands run where only NumPy is installed

    show_config()
    return 0
