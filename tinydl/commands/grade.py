"""`python -m tinydl grade`: grade submissions by the gradients of their layers, each in a process of its own."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .. import __version__
from ..files import write_whole
from ..gradcheck.grading.formats import FORMATS, as_gradescope, as_json, as_junit
from ..gradcheck.grading.judge import grade
from ..gradcheck.grading.process import adopt_orphans
from ..gradcheck.grading.results import SubmissionResult, summary
from ..gradcheck.grading.spec import Assignment, SpecError, load

DESCRIPTION = """\
Grade submissions. SPEC is the staff's Python file, which defines an Assignment; docs/courses.md explains it.

  python -m tinydl grade spec.py submissions/*                                      a table of points
  python -m tinydl grade spec.py alice.py --format gradescope --output results.json
  python -m tinydl grade spec.py submissions/* --format junit --output grades.xml

A submission is a .py file, or a folder with the file that the Assignment names. It runs in a process of its own, with
limits on time and memory, and as the user given with --user; this process never imports it.
"""
EXITS = "exit code: 0 if every submission passed, 1 if one failed, 2 if SPEC or the command is wrong"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    command = commands.add_parser(
        "grade", help="grade submissions of a course", description=DESCRIPTION, epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.set_defaults(run=run)
    command.add_argument("spec", metavar="SPEC", help="the staff's file")
    command.add_argument("submissions", metavar="SUBMISSION", nargs="+", help="a .py file or a folder")
    command.add_argument("--format", choices=FORMATS, help="the format of the results; default: a table of points")
    command.add_argument(
        "--output", metavar="PATH", type=Path,
        help="the file for the results, rewritten after each task, while stdout gets the table; default: "
        "stdout. With --format gradescope and several submissions: a folder for one file per submission",
    )  # fmt: skip
    command.add_argument("--user", metavar="NAME", help="run submissions as this user (needs root)")


def run(arguments: argparse.Namespace) -> int:
    """Grade all submissions and write the results; return the exit code."""
    try:
        _possible(arguments)
        assignment = load(arguments.spec)
    except SpecError as error:
        print(f"grade: {error}", file=sys.stderr)
        return 2
    adopt_orphans()
    results: list[SubmissionResult] = []
    for place, submission in enumerate(arguments.submissions):

        def done(result: SubmissionResult, place: int = place) -> None:
            results[place:] = [result]
            if arguments.output is not None:
                _write(arguments, assignment, results)

        grade(assignment, Path(submission), arguments.user, done)
    if arguments.output is None:
        print(_text(arguments.format, assignment, results), end="")
    else:
        _write(arguments, assignment, results)  # once more: now no submission can change the file any longer
        print(_text(None, assignment, results), end="")
    return 0 if all(result.passed for result in results) else 1


def _possible(arguments: argparse.Namespace) -> None:
    """Raise SpecError if the command cannot be carried out."""
    if sys.platform == "win32":
        raise SpecError("submissions need process groups and limits, which Windows lacks: use WSL, Linux or macOS")
    for submission in arguments.submissions:
        if not Path(submission).exists():
            raise SpecError(f"SUBMISSION: there is no file or folder {submission}")
    if arguments.format == "gradescope" and len(arguments.submissions) > 1 and arguments.output is None:
        raise SpecError("--format gradescope writes one file per submission: pass --output FOLDER for several")
    if arguments.user is not None:
        import pwd

        try:
            pwd.getpwnam(arguments.user)
        except KeyError as error:
            raise SpecError(f"--user: there is no user {arguments.user}") from error
        if os.geteuid() != 0:
            raise SpecError("--user needs root, because it changes the user")


def _text(form: str | None, assignment: Assignment, results: list[SubmissionResult]) -> str:
    if form == "json":
        return as_json(assignment, results, __version__)
    if form == "junit":
        return as_junit(assignment, results)
    if form == "gradescope":
        return as_gradescope(results[0])
    lines = [summary(results)]
    for result in results:
        lines += [f"\n{result.name}: {task.name}\n{task.message}" for task in result.tasks if not task.passed]
    return "\n".join(lines) + "\n"


def _write(arguments: argparse.Namespace, assignment: Assignment, results: list[SubmissionResult]) -> None:
    """Write the results so far, and replace each file as a whole."""
    output: Path = arguments.output
    if arguments.format == "gradescope" and len(arguments.submissions) > 1:
        for number, result in enumerate(results, start=1):
            path = output / f"{number:03d}-{Path(result.name).stem}.json"
            write_whole(path, as_gradescope(result).encode())
    else:
        write_whole(output, _text(arguments.format, assignment, results).encode())
