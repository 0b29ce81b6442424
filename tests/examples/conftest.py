"""Run the examples for the tests, in this process unless only a separate process can prove the point."""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
Done = subprocess.CompletedProcess[str]


def run_script(script: str, *arguments: object, check: bool = True) -> Done:
    command = [str(EXAMPLES / script), *map(str, arguments)]
    before, sys.argv = sys.argv, command
    code: object = 0
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(io.StringIO()) as errors:
            try:
                runpy.run_path(command[0], run_name="__main__")
            except SystemExit as stop:
                code = 0 if stop.code is None else stop.code
                if not isinstance(code, int):
                    print(code, file=sys.stderr)
                    code = 1
    finally:
        sys.argv = before
    assert isinstance(code, int)
    if check:
        assert code == 0, errors.getvalue()
    return subprocess.CompletedProcess(command, code, printed.getvalue(), errors.getvalue())


def interrupt_script(script: str, out: Path, *arguments: object, after: str) -> Done:
    code = (
        "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"sys.argv = {['x', '--out', str(out), *map(str, arguments)]!r}; "
        f"sys.path.insert(0, {str((EXAMPLES / script).parent)!r}); "
        f"runpy.run_path({str(EXAMPLES / script)!r}, run_name='__main__')"
    )
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        seen = ""
        while after not in seen:
            line = process.stdout.readline()
            assert line, seen
            seen += line
        time.sleep(0.1)
        try:
            rest, errors = _press_ctrl_c(process)
        finally:
            process.kill()
    return subprocess.CompletedProcess(code, process.returncode, seen + rest, errors)


def _press_ctrl_c(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C, and again if it was lost: Python drops it within a call from compiled code, as while LLVM loads a
    kernel from the cache."""
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=25)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("the process does not react to Ctrl-C")


@pytest.fixture(scope="session")
def run() -> Callable[..., Done]:
    """run("folder/script.py", *arguments): the output and exit code of `python examples/folder/script.py ...`."""
    return run_script


@pytest.fixture(scope="session")
def interrupt() -> Callable[..., Done]:
    """Start the example in its own process, wait for a line that contains `after`, and press Ctrl-C."""
    return interrupt_script


@pytest.fixture(scope="session")
def refused() -> Callable[..., None]:
    """refused(script, arguments, message) asserts that the script ends with exit code 2 and one clear line."""

    def check(script: str, arguments: list[object], message: str) -> None:
        done = run_script(script, *arguments, check=False)
        assert done.returncode == 2
        assert message in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr

    return check
