"""Run a function in a process of its own, with a time limit, so that an endless loop ends."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

HOME = Path(__file__).parents[2]  # the folder that holds tinydl
WINDOWS = os.name == "nt"


class TimedOutError(Exception):
    """The process did not end within its time limit."""


class DiedError(Exception):
    """The process ended without a result."""


def alone(function: Callable[[Any], Any], request: Any, seconds: float | None, folder: Path | None = None) -> Any:
    """Run function(request) in another process; both are pickled, and the result is passed back as JSON.

    The function's output goes to stderr. The process and those that it started are killed after `seconds`.
    """
    paths = [str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder, env=environment,
        start_new_session=not WINDOWS,
    )  # fmt: skip
    answer, code = finished(process, seconds, pickle.dumps((function, request)))
    try:
        return json.loads(answer)
    except ValueError as error:
        raise DiedError(f"the process ended with exit code {code} and left no result") from error


def finished(process: subprocess.Popen[bytes], seconds: float | None, given: bytes | None = None) -> tuple[bytes, int]:
    """The process's output and exit code; if it does not end in time, it is killed with all that it started."""
    try:
        printed, _ = process.communicate(given, seconds)
    except BaseException as error:
        with suppress(ProcessLookupError):
            if WINDOWS:
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        if isinstance(error, subprocess.TimeoutExpired):
            raise TimedOutError from error
        raise
    return printed or b"", process.returncode


def main() -> None:
    """Run in the other process: read the function and the request, and reserve stdout for the result."""
    function, request = pickle.load(sys.stdin.buffer)
    stdout = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(stdout, "w", encoding="utf-8") as answer:
        answer.write(json.dumps(function(request)))


if __name__ == "__main__":
    main()
