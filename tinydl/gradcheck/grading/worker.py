"""The process that imports a submission: it runs the usual check on the submission, then answers requests.

The grading process starts it (`process.py`). The submission shares this interpreter and may forge any
answer, so the report is used for messages, and points come only from the verification (`judge.py`).
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
import traceback
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

from .. import check_function, check_layer, check_loss, check_model, finding
from ..adapted import Adapted
from ..reach import reach
from ..report import GradientCheckError, GradientCheckReport
from ..run import Opened, watched
from ..runner import Runner
from .channel import Arrays, BrokenOffError, Channel, Fields

LARGEST_FILE = 1 << 26  # bytes
INPUTS = ("attribute", "inputs")  # the beginning of the paths of a call's inputs
MOST_TEXT = 20_000  # characters of a message


class Worker:
    """Answers requests one by one; an answer holds "error" if the submission raised an exception."""

    def __init__(self, folder: str, file: str) -> None:
        self.folder, self.file = folder, file
        self.module: ModuleType | None = None
        self.opened: Opened | None = None
        self.runner: Runner | None = None
        self.twin: Runner | None = None  # the runner for complex arrays

    def answer(self, request: Fields, arrays: Arrays) -> tuple[Fields, Arrays]:
        """Answer a request, by the method that it names."""
        try:
            method = getattr(self, f"do_{request['do']}")
            result: tuple[Fields, Arrays] = method(request, arrays)
            return result
        except BrokenOffError:
            raise
        except BaseException as error:  # a submission may raise SystemExit or KeyboardInterrupt as well
            return {"error": self._described(error), "kind": type(error).__name__}, {}

    def do_import(self, request: Fields, arrays: Arrays) -> tuple[Fields, Arrays]:
        """Import the submission."""
        path = Path(self.folder, self.file)
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.file} is not a Python file")
        self.module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = self.module
        spec.loader.exec_module(self.module)
        return {}, {}

    def do_check(self, request: Fields, arrays: Arrays) -> tuple[Fields, Arrays]:
        """Run the usual check; return its report and the parameters that it found."""
        names = {**vars(self.module), "np": np}
        subject = eval(request["subject"], names)
        inputs = [arrays[value] if kind == "array" else value for kind, value in request["inputs"]]
        options = dict(request["options"])
        message = ""
        with watched() as opened:
            try:
                report: GradientCheckReport | None = self._check(request, subject, inputs, options, names)
            except GradientCheckError as error:
                report, message = error.report, str(error)
        found: Fields = {"names": [], "places": [], "x_place": 0, "moves_x": False, "others": []}
        values: Arrays = {}
        if opened:
            self.opened = opened[-1]
            self.runner = self.opened.fresh(self.opened.x)
            found, values = self._arrays(report.gradients if report is not None else {})
        document = report.to_dict() if report is not None else None
        return {"report": document, "message": message[:MOST_TEXT], **found}, values

    def _check(
        self, request: Fields, subject: Any, inputs: list[Any], options: Fields, names: Fields
    ) -> GradientCheckReport:
        kind = request["kind"]
        if kind == "function":
            return check_function(*subject, *inputs, **options)
        if kind == "loss":
            return check_loss(subject, *inputs, **options)
        if kind == "model":
            if request["loss"] is not None:
                options["loss"] = eval(request["loss"], names)
            return check_model(subject, *inputs, **options)
        by_name = dict(zip(request["names"][1:], inputs[1:], strict=True)) if request["by_name"] else {}
        return check_layer(subject, *(inputs[:1] if by_name else inputs), **{**options, **by_name})

    def _arrays(self, names: Iterable[str]) -> tuple[Fields, Arrays]:
        """The parameters, and the values of arrays that have one of the names but no gradient."""
        runner, opened = self._ready()
        layer = runner.layer
        params = runner.params
        inputs = list(layer.call.inputs) if isinstance(layer, Adapted) else [opened.x_name]
        paths = layer.arrays if isinstance(layer, Adapted) else {}
        places = [inputs.index(name) if paths.get(name, ("",))[0] == INPUTS else -1 for name in params]
        moves_x = getattr(layer, "moves_x", opened.x.dtype.kind == "f")
        others = {
            name: thing
            for path, thing in reach(layer)
            if isinstance(thing, np.ndarray) and thing.dtype.kind == "f"
            for name in {finding.short_name(path), finding.long_name(path)} & (set(names) - {*params, opened.x_name})
        }
        found = {
            "names": list(params), "places": places, "others": list(others), "x_name": opened.x_name,
            "x_place": inputs.index(opened.x_name), "moves_x": bool(moves_x),
        }  # fmt: skip
        values = {f"p{k}": value for k, value in enumerate(params.values())}
        return found, values | {f"o{k}": value for k, value in enumerate(others.values())}

    def do_forward(self, request: Fields, arrays: Arrays) -> tuple[Fields, Arrays]:
        """Run forward."""
        runner = self._at(arrays)
        y = np.asarray(runner.forward(arrays["x"]))
        penalty = complex(runner.penalty())
        return {"penalty": [penalty.real, penalty.imag]}, {"y": y}

    def do_backward(self, request: Fields, arrays: Arrays) -> tuple[Fields, Arrays]:
        """Run forward, then backward."""
        runner = self._at(arrays)
        runner.zero_grad()
        y = np.asarray(runner.forward(arrays["x"]))
        results = {"y": y.copy()}
        dx = runner.backward(arrays["dy"].reshape(y.shape))
        gradients = {"dx": dx, **{f"g{k}": runner.grads.get(name) for k, name in enumerate(runner.params)}}
        return {}, results | {key: value for key, value in gradients.items() if isinstance(value, np.ndarray)}

    def do_count(self, request: Fields, arrays: Arrays) -> tuple[Fields, Arrays]:
        """Find out whether one backward calls forward, or a function with similar outputs, repeatedly."""
        runner, opened = self._ready()
        x = opened.x
        before = Calls(self.folder, 0, x.size)
        with before:
            y = np.asarray(runner.forward(x))
        during = Calls(self.folder, y.size, x.size)
        with during:
            runner.backward(np.ones(y.shape))
        return {"numeric": during.like_differences(before)}, {}

    def _at(self, arrays: Arrays) -> Runner:
        """The runner for the dtype of the arrays, with its parameters set to theirs."""
        runner, _ = self._ready()
        if any(array.dtype.kind == "c" for array in arrays.values()):
            if self.twin is None:
                self.twin = runner.as_complex()
            runner = self.twin
        for k, array in enumerate(runner.params.values()):
            array[...] = arrays[f"p{k}"]
        return runner

    def _ready(self) -> tuple[Runner, Opened]:
        if self.runner is None or self.opened is None:
            raise RuntimeError("no check has run")
        return self.runner, self.opened

    def _described(self, error: BaseException) -> str:
        """The error, with the innermost line of the submission's code in its traceback."""
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if frame.filename.startswith(self.folder):
                place = Path(frame.filename).relative_to(self.folder)
                text += f"\n  {place}:{frame.lineno}, in {frame.name}: {frame.line}"
                break
        return text.replace(f"{self.folder}{os.sep}", "")[:MOST_TEXT]


class Calls:
    """Counts the calls of the submission's functions, and those that returned an array of y's size."""

    def __init__(self, folder: str, y_size: int, x_size: int) -> None:
        self.folder, self.y_size, self.x_size = folder, y_size, x_size
        self.order: list[CodeType] = []
        self.count: Counter[CodeType] = Counter()
        self.like_y: Counter[CodeType] = Counter()

    def __enter__(self) -> None:
        sys.setprofile(self._see)

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)

    def _see(self, frame: FrameType, event: str, value: Any) -> None:
        code = frame.f_code
        if not code.co_filename.startswith(self.folder) or (code.co_name[0] == "<" and code.co_name != "<lambda>"):
            return
        if event == "call":
            if code not in self.count:
                self.order.append(code)
            self.count[code] += 1
        elif event == "return" and self._is_like_y(frame, value):
            self.like_y[code] += 1

    def _is_like_y(self, frame: FrameType, value: Any) -> bool:
        if not isinstance(value, np.ndarray | np.floating | float) or np.size(value) != self.y_size:
            return False
        if self.y_size > 1:
            return True
        return any(isinstance(each, np.ndarray) and each.size >= self.x_size > 1 for each in frame.f_locals.values())

    def like_differences(self, forward: Calls) -> str:
        """The reason why this backward looks like numeric differences; "" if it does not."""
        own = self.order[:1]
        for code in forward.order:
            if code not in own:
                if self.count[code] > 1:
                    return f"one backward calls {code.co_name} {self.count[code]} times"
                break
        for code, count in self.like_y.items():
            if count >= self.x_size > 1:
                what = f"at least once for each of the {self.x_size} entries of x, and each call returns a whole output"
                return f"one backward calls {code.co_name} {count} times, {what}"
        return ""


def limit(memory: int, seconds: float) -> None:
    """Limit this process's memory (not on macOS), processor time and file sizes, as far as the system can."""
    import resource  # not on Windows

    limits = {
        "RLIMIT_AS": memory << 20, "RLIMIT_CPU": 10 + int(4 * seconds), "RLIMIT_FSIZE": LARGEST_FILE, "RLIMIT_CORE": 0,
    }  # fmt: skip
    for name, most in limits.items():
        with suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (most, most))


def become(user: int, group: int) -> None:
    """Give up root's rights permanently."""
    np.random.default_rng()  # NumPy loads this part on first use, and the user may be unable to read its files
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)


def main() -> None:
    """Serve the socket whose file descriptor is the argument, until the other end closes it."""
    number = int(sys.argv[1])
    os.set_inheritable(number, False)
    channel = Channel(socket.socket(fileno=number))
    start, _ = channel.receive()
    limit(start["memory"], start["seconds"])
    if start["user"] is not None:
        become(*start["user"])
    worker = Worker(start["folder"], start["file"])
    with suppress(BrokenOffError):
        while True:
            channel.send(*worker.answer(*channel.receive()))


if __name__ == "__main__":
    main()
    os._exit(0)  # without waiting for threads and atexit functions of the submission
