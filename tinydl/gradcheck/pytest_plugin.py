"""The pytest fixture `gradcheck`, and a record of its checks.

    def test_swish(gradcheck):
        gradcheck(Swish(), x=(5, 3))                     check_layer
        gradcheck.loss(Huber(), y_pred, y_true)          check_loss
        gradcheck.model(model, x, y)                     check_model
        gradcheck.function(f, backward, a, b)            check_function

    pytest --gradcheck-report                            a table of all checks at the end of the run
    pytest --gradcheck-json=checks.json                  the same checks as JSON, with every array
    pytest --gradcheck-hints=1                           shorter messages: 0 nothing, 1 the array, 2 the entry
    pytest --gradcheck-timeout=10                        a time limit for each check, in seconds
    pytest --gradcheck-rules=fail                        broken rules fail every check that does not set `rules`

Arguments, options and the returned report are those of the functions on the right. A failure shows the test's line
and the checker's message; a crash in the user's forward or backward also shows its traceback.

Every pytest run in the environment imports this module, so the checker is imported only when a check runs.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .report import GradientCheckError, GradientCheckReport

CHECKS = pytest.StashKey[list[dict[str, Any]]]()


class GradCheck:
    """The checks of one test. Tracebacks omit the frames between the test and the user's forward and backward."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def __call__(self, layer: Any, x: Any, **options: Any) -> GradientCheckReport:
        """Run check_layer."""
        __tracebackhide__ = True
        return self._run("check_layer", layer, x, **options)

    def loss(self, loss: Any, y_pred: Any, y_true: Any, **options: Any) -> GradientCheckReport:
        """Run check_loss."""
        __tracebackhide__ = True
        return self._run("check_loss", loss, y_pred, y_true, **options)

    def model(self, model: Any, x: Any, y: Any, **options: Any) -> GradientCheckReport:
        """Run check_model."""
        __tracebackhide__ = True
        return self._run("check_model", model, x, y, **options)

    def function(self, f: Any, backward: Any, *arrays: Any, **options: Any) -> GradientCheckReport:
        """Run check_function."""
        __tracebackhide__ = True
        return self._run("check_function", f, backward, *arrays, **options)

    def _run(self, check: str, subject: Any, *arguments: Any, **options: Any) -> GradientCheckReport:
        __tracebackhide__ = True
        from tinydl import gradcheck

        wanted = self._item.config.getoption
        if wanted("gradcheck_rules") is not None:
            options.setdefault("rules", wanted("gradcheck_rules"))
        try:
            with _limited(wanted("gradcheck_timeout")):
                report = getattr(gradcheck, check)(subject, *arguments, **options)
        except pytest.fail.Exception as error:  # from _limited
            self._record(subject, None, str(error), "TOO LONG")
            raise
        except Exception as error:
            self._record(subject, getattr(error, "report", None), str(error), "CRASHED")
            if isinstance(error, gradcheck.GradientCheckError):
                error = _told(error, wanted("gradcheck_hints"))
            if self._item.config.getoption("fulltrace"):
                raise error
            theirs = _outside(Path(gradcheck.__file__).parent, error.__traceback__)
            if theirs is not None:
                raise error.with_traceback(theirs)  # noqa: B904  (the error itself)
            if isinstance(error, gradcheck.GradientCheckError | TypeError | ValueError):
                raise error.with_traceback(None) from None  # the checker's message needs no traceback
            raise
        self._record(subject, report, "", "ok")
        return report

    def _record(self, subject: Any, report: GradientCheckReport | None, message: str, verdict: str) -> None:
        """Store the check with its test, as plain values that pytest-xdist can send to the main process."""
        check = _row(self._item.nodeid, _name(subject), message, verdict)
        if report:
            known = ("subject", "probes", "dropped", "max_relative_error", "method", "verdict")
            check |= {**{name: getattr(report, name) for name in known}, "report": report.to_dict()}
        self._item.stash.setdefault(CHECKS, []).append(check)


def _row(test: str, subject: str, message: str, verdict: str) -> dict[str, Any]:
    """The record of a check without a report."""
    return {
        "test": test, "subject": subject, "passed": verdict == "ok", "probes": 0, "dropped": 0,
        "max_relative_error": None, "method": "", "verdict": verdict, "message": message, "report": None,
    }  # fmt: skip


def _told(error: GradientCheckError, level: int) -> GradientCheckError:
    """The error with as much of its message as the level of hints allows."""
    from .hints import FULL, told

    if level == FULL:
        return error
    return type(error)(told(error.report, str(error), level), error.report).with_traceback(error.__traceback__)


@contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """Fail the test if the block takes longer; an endless loop inside a compiled function cannot be stopped."""
    if seconds is None:
        yield
        return

    def stop(number: int, frame: Any) -> None:
        pytest.fail(f"the gradient check took longer than {seconds:g} s", pytrace=False)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _outside(folder: Path, trace: TracebackType | None) -> TracebackType | None:
    """The traceback without its frames inside `folder`."""
    frames = []
    while trace is not None:
        if folder not in Path(trace.tb_frame.f_code.co_filename).parents:
            frames.append(trace)
        trace = trace.tb_next
    kept: TracebackType | None = None
    for frame in reversed(frames):
        kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return kept


def _name(subject: Any) -> str:
    if isinstance(subject, tuple):  # (forward, backward)
        return _name(subject[0])
    return getattr(subject, "__name__", type(subject).__name__)


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> GradCheck:
    """Check a hand-written backward: gradcheck(layer, x=(5, 3)); also gradcheck.loss, .model and .function."""
    return GradCheck(request.node)


class Records:
    """The checks of all tests, in the order in which they ran."""

    def __init__(self, table: bool, path: Path | None) -> None:
        self.table, self.path = table, path
        self.checks: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.checks += getattr(report, "gradient_checks", [])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a file that cannot be collected, for example because of a syntax error, as a failed check."""
        known = [check["test"] for check in self.checks]
        if report.failed and report.nodeid not in known:  # every pytest-xdist worker reports the file
            self.checks.append(_row(report.nodeid, "", report.longreprtext, "NOT COLLECTED"))

    def pytest_sessionfinish(self) -> None:
        """Write the JSON file, completely or not at all. A run without a check has not passed."""
        if self.path is not None:
            failed = sum(not check["passed"] for check in self.checks)
            passed = bool(self.checks) and not failed
            document = {"passed": passed, "checks": len(self.checks), "failed": failed, "cases": self.checks}
            temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
            try:
                temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
                os.replace(temporary, self.path)
            finally:
                temporary.unlink(missing_ok=True)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.table:
            terminalreporter.section("gradient checks")
            for line, check in zip(table(self.checks), [None, *self.checks], strict=True):
                terminalreporter.line(line, red=check is not None and not check["passed"])
        if self.path is not None:
            terminalreporter.line(f"{len(self.checks)} gradient checks written to {self.path}")


def table(checks: list[dict[str, Any]]) -> list[str]:
    """One line of column heads, then one line per check."""
    from .report import aligned

    rows = [("test", "subject", "probes", "dropped", "max rel error", "method", "verdict")]
    for check in checks:
        error = "-" if check["max_relative_error"] is None else f"{check['max_relative_error']:.1e}"
        counts = (str(check["probes"]), str(check["dropped"]))
        rows.append((check["test"], check["subject"], *counts, error, check["method"], check["verdict"]))
    return aligned(rows)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("gradcheck", "checks of hand-written gradients")
    group.addoption("--gradcheck-report", action="store_true", help="show a table of all gradient checks at the end")
    group.addoption("--gradcheck-json", metavar="PATH", help="write all gradient checks to a JSON file")
    group.addoption(
        "--gradcheck-hints", type=int, choices=range(4), default=3, metavar="0..3",
        help="the content of a failure message: 0 nothing, 1 the array, 2 also the entry, 3 also the cause (default)",
    )  # fmt: skip
    group.addoption("--gradcheck-timeout", type=float, metavar="SECONDS", help="a time limit for each check")
    group.addoption(
        "--gradcheck-rules",
        choices=("note", "fail"),
        help="note broken rules or fail on them, in checks that do not set `rules`",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register a recorder of the checks if any output was requested."""
    seconds = config.getoption("gradcheck_timeout")
    if seconds is not None and not (seconds > 0 and hasattr(signal, "SIGALRM")):
        reason = f"must be > 0, got {seconds:g}" if hasattr(signal, "SIGALRM") else "needs signals that Windows lacks"
        raise pytest.UsageError(f"--gradcheck-timeout {reason}")
    wanted, path = config.getoption("gradcheck_report"), config.getoption("gradcheck_json")
    if (wanted or path) and not hasattr(config, "workerinput"):  # pytest-xdist's workers report to the main process
        config.pluginmanager.register(Records(wanted, _writable(path) if path else None))


def _writable(name: str) -> Path:
    """Return the absolute path, because a test may change directory; reject a bad path before the tests run."""
    path = Path(name).expanduser().absolute()
    if path.is_dir():
        mend = f"try {path / 'checks.json'}"
        raise pytest.UsageError(f"--gradcheck-json: expected a file, got the directory {name}: {mend}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(f"--gradcheck-json: cannot create the folder of {name}: {error}") from error
    return path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the test's checks to its report; a test that fails outside its checks counts as a failed check."""
    report = yield
    checks = item.stash.get(CHECKS, [])
    if report.failed and "gradcheck" in getattr(item, "fixturenames", ()) and all(each["passed"] for each in checks):
        checks.append(_row(item.nodeid, "", report.longreprtext, "CRASHED"))
        item.stash[CHECKS] = checks
    if checks:
        vars(report)["gradient_checks"] = checks
        del item.stash[CHECKS]
    return report
