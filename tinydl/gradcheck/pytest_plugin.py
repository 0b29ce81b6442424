"""The pytest fixture `gradcheck`, and a record of its checks.

    def test_swish(gradcheck):
        gradcheck(Swish(), x=(5, 3))                     check_layer
        gradcheck.loss(Huber(), y_pred, y_true)          check_loss
        gradcheck.model(model, x, y)                     check_model
        gradcheck.function(f, backward, a, b)            check_function

    pytest --gradcheck-report                            a table of all checks at the end of the run
    pytest --gradcheck-json=checks.json                  the same checks as JSON, with every array

Arguments, options and the returned report are those of the functions on the right. A failure shows the test's line
and the checker's message; a crash in your own forward or backward also shows its traceback.

Every pytest run in the environment imports this module, so the checker is imported only when a check runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .report import GradientCheckReport

CHECKS = pytest.StashKey[list[dict[str, Any]]]()


class GradCheck:
    """The checks of one test. Tracebacks omit the frames between the test and its own forward and backward."""

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

        try:
            report = getattr(gradcheck, check)(subject, *arguments, **options)
        except Exception as error:
            of_check = isinstance(error, gradcheck.GradientCheckError)
            self._record(subject, getattr(error, "report", None), str(error), "RULE BROKEN" if of_check else "CRASHED")
            if self._item.config.getoption("fulltrace"):
                raise
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
        check = {
            "test": self._item.nodeid, "subject": _name(subject), "passed": verdict == "ok", "probes": 0, "dropped": 0,
            "max_relative_error": None, "method": "", "verdict": verdict, "message": message, "report": None,
        }  # fmt: skip
        if report:
            known = ("subject", "probes", "dropped", "max_relative_error", "method", "verdict")
            check |= {**{name: getattr(report, name) for name in known}, "report": report.to_dict()}
        self._item.stash.setdefault(CHECKS, []).append(check)


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

    def pytest_sessionfinish(self) -> None:
        """Write the JSON file, completely or not at all."""
        if self.path is not None:
            failed = sum(not check["passed"] for check in self.checks)
            document = {"passed": not failed, "checks": len(self.checks), "failed": failed, "cases": self.checks}
            temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
            temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            os.replace(temporary, self.path)

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
    """Add the options --gradcheck-report and --gradcheck-json."""
    group = parser.getgroup("gradcheck", "checks of hand-written gradients")
    group.addoption("--gradcheck-report", action="store_true", help="show a table of all gradient checks at the end")
    group.addoption("--gradcheck-json", metavar="PATH", help="write all gradient checks to a JSON file")


def pytest_configure(config: pytest.Config) -> None:
    """Register a recorder of the checks if any output was requested."""
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
    """Attach the test's checks to its report."""
    report = yield
    checks = item.stash.get(CHECKS, [])
    if checks:
        vars(report)["gradient_checks"] = checks
        del item.stash[CHECKS]
    return report
