"""`python -m tinydl mutants`: find the wrong versions of a layer that its tests let through."""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..gradcheck.dialects.call import listed
from ..gradcheck.mutation.files import FileMutant, Function, functions_run, mutants_in
from ..gradcheck.report import NOT_CHECKED, WRONG
from .alone import WINDOWS, DiedError, TimedOutError, alone, finished
from .checking import Outcome, Request, add_check_options, add_target_options, checked, count
from .gradcheck import seconds
from .progress import Progress
from .target import CannotCheckError, Target

DESCRIPTION = """\
Plant typical mistakes of hand-written backward passes in a layer, one at a time, and run its tests on each version.

  python -m tinydl mutants layers.py:Dense --shape 5,3 --arguments '{"units": 4}' --tests "python -m pytest -q tests.py"

The command copies the folder of the file, writes each version into the copy and runs the tests there, so your own files
do not change. A version counts only if the gradient check finds a wrong gradient in it. The tests let a version through
if they end with exit code 0.
"""
EXITS = """\
exit code: 0 if the tests catch all wrong versions, 1 if they let one through, 2 if the tests or the check fail on the
file as it is, or if the tests do not import it"""
LEFT_OUT = (
    "*.pyc", "__pycache__", ".git", ".venv", "venv", ".pytest_cache", ".mypy_cache", ".ruff_cache", "node_modules",
)  # fmt: skip
OF_PRECISION = ("float32", "float64")  # operators whose mistakes show only in float32 or at strict tolerances
NEVER_RIGHT = "raise ImportError('a version that every test has to notice')\n"
RIGHT, CRASHED, CAUGHT, SURVIVED = "gradient still right", "crashed", "caught", "let through"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    command = commands.add_parser(
        "mutants", help="find the wrong versions of a layer that its tests let through", description=DESCRIPTION,
        epilog=EXITS, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.set_defaults(run=run)
    command.add_argument("target", metavar="FILE:NAME", help="the layer, loss or pair of functions, as for gradcheck")
    command.add_argument("--tests", metavar="CMD", required=True, help="the command that runs the tests")
    command.add_argument("--folder", type=Path, metavar="DIR", help="the folder to copy, in which CMD runs; default: "
                         "the folder of FILE")  # fmt: skip
    command.add_argument("--limit", type=count, default=100, metavar="N", help="if there are more than N changes, "
                         "try N of them, drawn at random by --seed; default 100")  # fmt: skip
    command.add_argument(
        "--jobs", type=count, default=1, metavar="N", help="how many versions to try at a time; default 1"
    )
    command.add_argument("--timeout", type=seconds, metavar="SECONDS", help="the time limit of a check and of a run "
                         "of the tests; default: 10 s for a check, and for the tests 10 s plus five times their time "
                         "on the unchanged file; a version on which the tests reach the limit is caught")  # fmt: skip
    command.add_argument("--json", action="store_true", help="print one JSON document on stdout, nothing else")
    add_target_options(command.add_argument_group("the target"))
    add_check_options(command.add_argument_group("the check"))


@dataclass(frozen=True)
class Copy:
    """A copy of the user's folder, in which the file is replaced and the tests are run."""

    folder: Path  # the user's folder
    file: Path  # the user's file, inside this folder
    at: Path  # the copy of the folder

    @classmethod
    def made(cls, folder: Path, file: Path, scratch: Path, number: int) -> Copy:
        """Copy the folder."""
        at = scratch.resolve() / str(number) / folder.name
        shutil.copytree(folder, at, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
        return cls(folder, file, at)

    @property
    def copied_file(self) -> Path:
        """The file in the copy."""
        return self.at / self.file.relative_to(self.folder)

    def write(self, text: str) -> None:
        """Replace the file in the copy, and delete compiled code, which may belong to the previous version."""
        self.copied_file.write_text(text, encoding="utf-8")
        for cache in self.at.rglob("__pycache__"):
            shutil.rmtree(cache, ignore_errors=True)

    def tests(self, words: Sequence[str], limit: float | None) -> tuple[int | None, str]:
        """Run the tests; return their exit code (None if the time is up) and their output."""
        paths = [self._moved(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": os.pathsep.join(paths)}
        try:
            process = subprocess.Popen(
                words, cwd=self.at, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=not WINDOWS,
            )  # fmt: skip
        except OSError as error:
            raise CannotCheckError(f"--tests: {words[0]} cannot be run: {error}") from error
        try:
            printed, code = finished(process, limit)
        except TimedOutError:
            return None, ""
        return code, printed.decode(errors="replace")

    def _moved(self, path: str) -> str:
        """A path; if it is inside the user's folder, the corresponding path in the copy."""
        whole = Path(path).resolve()
        return str(self.at / whole.relative_to(self.folder)) if whole.is_relative_to(self.folder) else str(whole)


@dataclass(frozen=True)
class Version:
    """A mutant, its fate, the arrays whose gradients are wrong in it, and the likely cause of each."""

    mutant: FileMutant
    fate: str
    arrays: dict[str, str | None] = field(default_factory=dict)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    try:
        return _run(arguments)
    except CannotCheckError as error:
        print(f"mutants: {error}", file=sys.stderr)
        if arguments.json:
            print(json.dumps({"tinydl": __version__, "passed": False, "error": str(error)}, indent=2))
        return 2
    except KeyboardInterrupt:
        print("mutants: interrupted", file=sys.stderr)
        return 130


def _run(arguments: argparse.Namespace) -> int:
    where, _, name = arguments.target.rpartition(":")
    if not where.endswith(".py") or not name:
        raise CannotCheckError(f"FILE:NAME: expected a name such as layers.py:Dense, got {arguments.target!r}")
    file = Path(where).expanduser().resolve()
    if not file.is_file():
        raise CannotCheckError(f"FILE:NAME: there is no file {where}")
    folder = (arguments.folder or file.parent).expanduser().resolve()
    if not file.is_relative_to(folder):
        raise CannotCheckError(f"--folder: {where} is not in {folder}")
    words = _words(arguments.tests)
    request = {key: value for key, value in vars(arguments).items() if key != "run"}
    with tempfile.TemporaryDirectory(prefix="tinydl-mutants-") as scratch:
        copies = [Copy.made(folder, file, Path(scratch), number) for number in range(arguments.jobs)]
        original = file.read_text(encoding="utf-8")
        functions = baseline(request, copies[0], name)
        limit = _test_limit(copies[0], words, original, arguments.timeout)
        every = list(mutants_in(original, functions, but=OF_PRECISION))
        if not every:
            raise CannotCheckError(
                f"there is nothing to change in {arguments.target}: {file.name} holds none of its code"
            )
        drawn = sorted(random.Random(arguments.seed or 0).sample(range(len(every)), min(arguments.limit, len(every))))
        versions = _tried([every[k] for k in drawn], request, copies, name, words, limit)
    report(arguments, versions, len(every), file.name)
    return 1 if any(version.fate == SURVIVED for version in versions) else 0


def _words(command: str) -> list[str]:
    """The words of the command; a program's relative path is resolved here, not in the copy."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise CannotCheckError(f"--tests {command!r}: {error}") from error
    if not words:
        raise CannotCheckError("--tests: expected the command that runs the tests, got nothing")
    return [os.path.abspath(words[0]) if os.path.dirname(words[0]) else words[0], *words[1:]]


# --- before the mutants -----------------------------------------------------------------------------------------------


def _request_in(copy: Copy, request: Request, name: str) -> Request:
    target = Target(str(copy.copied_file), name)
    return {**request, "target": target, "keys": [target.key], "label": name}


def baseline(request: Request, copy: Copy, name: str) -> list[Function]:
    """The functions of the file that the check runs; raise CannotCheckError if the check does not pass."""
    try:
        found = alone(check_and_functions, _request_in(copy, request, name), request["timeout"] or 60, copy.at)
    except (TimedOutError, DiedError) as error:
        raise CannotCheckError(
            f"the check of {request['target']} ended without a result: {error or 'out of time'}"
        ) from error
    outcome = Outcome(**found["outcome"])
    if outcome.code:
        raise CannotCheckError(f"{request['target']} does not pass the check as it is: {outcome.message}")
    return [Function(line, each, tuple(arguments)) for line, each, arguments in found["functions"]]


def check_and_functions(request: Request) -> dict[str, Any]:
    """The outcome of the check, and the functions of the target's file that it ran."""
    outcome, functions = functions_run(lambda: checked(request), request["target"].where)
    return {"outcome": outcome, "functions": functions}


def _test_limit(copy: Copy, words: Sequence[str], original: str, timeout: float | None) -> float:
    """The time limit of the tests, which must pass on the unchanged file and fail if the file cannot be imported."""
    start = time.perf_counter()
    code, printed = copy.tests(words, timeout)
    limit = timeout or 10 + 5 * (time.perf_counter() - start)
    shown = "\n".join(printed.replace(str(copy.at), str(copy.folder)).splitlines()[-15:])
    if code is None:
        raise CannotCheckError(f"--tests: on the unchanged file, the tests take more than {limit:g} s: raise --timeout")
    if code:
        raise CannotCheckError(f"--tests: the tests fail on the file as it is, with exit code {code}:\n{shown}")
    copy.write(NEVER_RIGHT)
    code, _ = copy.tests(words, limit)
    copy.write(original)
    if code == 0:
        elsewhere = f"they import no {copy.file.name}, or not the one in the copy of {copy.folder}"
        raise CannotCheckError(
            f"--tests: the tests pass even if {copy.file.name} raises an error on import: {elsewhere}"
        )
    return limit


# --- the mutants ------------------------------------------------------------------------------------------------------


def _tried(
    mutants: Sequence[FileMutant], request: Request, copies: Sequence[Copy], name: str, words: Sequence[str],
    limit: float,
) -> list[Version]:  # fmt: skip
    """Try the mutants; return a version for each, in their order."""
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def one(mutant: FileMutant) -> Version:
        copy = free.get()
        try:
            return tried(mutant, request, copy, name, words, limit)
        finally:
            free.put(copy)

    versions: list[Version] = []
    with Progress(len(mutants), "versions") as progress, ThreadPoolExecutor(len(copies)) as pool:
        try:
            for version in pool.map(one, mutants):
                versions.append(version)
                progress.step(f"{sum(each.fate == SURVIVED for each in versions)} let through")
        finally:
            pool.shutdown(cancel_futures=True)
    return versions


def tried(
    mutant: FileMutant, request: Request, copy: Copy, name: str, words: Sequence[str], limit: float
) -> Version:  # fmt: skip
    """Judge a mutant by the gradient check; if a gradient is wrong, run the tests on it."""
    copy.write(mutant.text)
    try:
        outcome = Outcome(**alone(checked, _request_in(copy, request, name), request["timeout"] or 10, copy.at))
    except (TimedOutError, DiedError):
        return Version(mutant, CRASHED)
    if outcome.report is None:
        return Version(mutant, CRASHED)
    rows = [row for row in outcome.report["arrays"] if row["verdict"] in (WRONG, NOT_CHECKED)]
    if not rows:
        return Version(mutant, RIGHT)
    arrays = {row["name"]: row["cause"] or (row["detail"] if row["verdict"] == NOT_CHECKED else None) for row in rows}
    code, _ = copy.tests(words, limit)
    return Version(mutant, SURVIVED if code == 0 else CAUGHT, arrays)


# --- the results ------------------------------------------------------------------------------------------------------


def report(arguments: argparse.Namespace, versions: Sequence[Version], changes: int, file: str) -> None:
    """Print the counts, the score and every wrong version that the tests let through."""
    counts = Counter(version.fate for version in versions)
    wrong = counts[CAUGHT] + counts[SURVIVED]
    score = counts[CAUGHT] / wrong if wrong else None
    survivors = [version for version in versions if version.fate == SURVIVED]
    if arguments.json:
        document = {
            "tinydl": __version__, "target": arguments.target, "tests": arguments.tests, "passed": not survivors,
            "changes": changes, "tried": len(versions), "wrong": wrong, "caught": counts[CAUGHT],
            "let_through": counts[SURVIVED], "score": score, "right": counts[RIGHT], "crashed": counts[CRASHED],
            "survivors": [_as_dict(each, file) for each in survivors],
        }  # fmt: skip
        print(json.dumps(document, indent=2))
        return
    for number, each in enumerate(survivors, 1):
        where = f"{each.mutant.operator}, in {each.mutant.function}, line {each.mutant.line}"
        print(f"{number}. {where}: {_wrong(each.arrays)}\n{each.mutant.diff(file)}")
    drawn = f"{len(versions)} of {changes} possible changes" if len(versions) < changes else f"{changes} changes"
    others = f"{counts[RIGHT]} with a gradient that is still right and {counts[CRASHED]} that crash are left out"
    print(f"{arguments.target}: {drawn} tried; {others}")
    rate = "" if score is None else f": {score:.1%}"
    print(f"{wrong} wrong versions, {counts[CAUGHT]} caught by the tests, {counts[SURVIVED]} let through{rate}")


def _as_dict(version: Version, file: str) -> dict[str, Any]:
    mutant = version.mutant
    return {
        "operator": mutant.operator, "function": mutant.function, "line": mutant.line, "change": mutant.change,
        "arrays": version.arrays, "diff": mutant.diff(file),
    }  # fmt: skip


def _wrong(arrays: dict[str, str | None]) -> str:
    """A text such as "dW and db are wrong (...)"."""
    named = [name if "." in name else f"d{name}" for name in arrays]
    causes = list(dict.fromkeys(cause for cause in arrays.values() if cause))
    verb = "is" if len(named) == 1 else "are"
    return f"{listed(named)} {verb} wrong" + (f" ({'; '.join(causes)})" if causes else "")
