"""The progress shown by fit: lines within long epochs, a bar in notebooks, and unknown numbers of batches."""

from __future__ import annotations

import re
import sys
import types
from typing import Any

import pytest
from tqdm import tqdm

from tests.callbacks.scripted import X, autoencoder, run
from tinydl.callbacks import Callback, LambdaCallback, ProgressBar


def test_a_long_epoch_shows_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert ProgressBar.line_seconds == 30
    monkeypatch.setattr(ProgressBar, "line_seconds", 0.0)
    model = autoencoder()
    model.fit(X, X, batch_size=8, verbose=0)  # loads the kernels, which may take half a second
    model.fit(X, X, epochs=2, batch_size=8)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert re.fullmatch(r"Epoch 1/2 - batch 1/3 - 0s - loss: \d\.\d+ - \d+s left in this epoch", lines[0])
    assert lines[6].startswith("Epoch 2/2 - batch 3/3 - ")
    assert re.fullmatch(r"Epoch 2/2 - 0\.\ds - loss: \d\.\d+", lines[7])


def callback_of_an_unknown_run(epochs: int = 2) -> ProgressBar:
    bar = ProgressBar()
    bar.params = {"epochs": epochs, "initial_epoch": 0, "steps": None, "metrics": ["loss"], "batch_size": 8}
    return bar


def play(bar: ProgressBar) -> None:
    bar.on_train_begin()
    for epoch in range(2):
        bar.on_epoch_begin(epoch)
        for batch in range(3):
            bar.on_train_batch_end(batch, {"loss": 0.5})
        bar.on_epoch_end(epoch, {"loss": 0.25})
    bar.on_train_end()


def test_an_unknown_number_of_batches_is_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProgressBar, "line_seconds", 0.0)
    play(callback_of_an_unknown_run())
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "Epoch 1/2 - batch 2 - 0s - loss: 0.5"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    play(callback_of_an_unknown_run())
    shown = capsys.readouterr().err.split("\r")[-1]
    assert re.fullmatch(r"Epoch 2/2 6 batches 00:00, loss=0.25\s*", shown)


class Notebook:
    """Stands in for tqdm.notebook and IPython."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, widgets: object, config: dict[str, Any]) -> None:
        self.bars: list[Any] = []
        shell = types.SimpleNamespace(config=config)
        ipython = types.SimpleNamespace(get_ipython=lambda: shell)
        module: Any = types.ModuleType("tqdm.notebook")
        module.IProgress, module.tqdm = widgets, self.make
        monkeypatch.setitem(sys.modules, "IPython", ipython)  # type: ignore[arg-type]
        monkeypatch.setitem(sys.modules, "tqdm.notebook", module)
        monkeypatch.setattr("tqdm.notebook", module, raising=False)

    def make(self, **arguments: Any) -> Any:
        self.bars.append(tqdm(**arguments))
        return self.bars[-1]


def test_a_notebook_shows_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook(monkeypatch, object(), {"IPKernelApp": {}})
    run([3, 2], verbose=1)
    (bar,) = notebook.bars
    assert (bar.n, bar.total) == (2, 2)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("widgets", "config"), [(None, {"IPKernelApp": {}}), (object(), {})])
def test_a_notebook_without_widgets_and_ipython_in_a_pipe_show_lines(
    widgets: object, config: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook(monkeypatch, widgets, config)
    run([3, 2], verbose=1)
    assert notebook.bars == []
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_batch_events_are_called_only_where_they_are_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the empty method was called")

    monkeypatch.setattr(Callback, "on_train_batch_begin", fail)
    monkeypatch.setattr(Callback, "on_train_batch_end", fail)
    batches: list[int] = []
    begins = LambdaCallback(on_train_batch_begin=lambda batch, logs: batches.append(batch))
    autoencoder().fit(X, X, batch_size=10, callbacks=[Callback(), begins], verbose=0)
    assert batches == [0, 1]
