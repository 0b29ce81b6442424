"""fit(..., checkpoint=path): a run that was stopped goes on to the bit, a finished one is read, and others are refused."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from tinydl import Model
from tinydl.datasets import synthetic_ratings
from tinydl.layers import Dense
from tinydl.optimizers import SGD
from tinydl.recommenders import AutoRec, RBMRecommender, Recommender, UserItemBias
from tinydl.training import loop

DATA = synthetic_ratings.load(n_users=60, n_items=40, seed=1)
RATINGS = DATA.users, DATA.items, DATA.ratings
HELD_OUT = tuple(column[:50] for column in RATINGS)
LEARNED = tuple(column[50:] for column in RATINGS)
EPOCHS = 4
MODELS: dict[str, Callable[..., Recommender]] = {
    "AutoRec": lambda **given: AutoRec(**{"units": 6, "epochs": EPOCHS, "batch_size": 16, **given}),
    "RBM": lambda **given: RBMRecommender(**{"units": 6, "epochs": EPOCHS, **given}),
    "RBM without momentum": lambda **given: RBMRecommender(**{"units": 6, "epochs": EPOCHS, "momentum": 0.0, **given}),
}


class Killed(Exception):
    pass


def fit(model: Recommender, path: Path | None, ratings: Any = LEARNED, validation: Any = HELD_OUT) -> Recommender:
    return model.fit(*ratings, validation=validation, verbose=0, checkpoint=path)


def killed(model: Recommender, path: Path, epoch: int, step: int) -> None:
    """Fit until the run is killed, after so many steps of an epoch."""
    owner, method = (SGD, "step") if isinstance(model, RBMRecommender) else (loop.Step, "take")
    original, seen = getattr(owner, method), 0
    record = type(model)._record
    with pytest.MonkeyPatch.context() as patch:

        def recorded(self: Any, **figures: float) -> Any:
            nonlocal seen
            seen += 1
            return record(self, **figures)

        def stepped(*given: Any) -> Any:
            nonlocal step
            if seen == epoch:
                step -= 1
                if step < 0:
                    raise Killed
            return original(*given)

        patch.setattr(type(model), "_record", recorded)
        patch.setattr(owner, method, stepped)
        with pytest.raises(Killed):
            fit(model, path)


def equal(one: Recommender, other: Recommender) -> bool:
    weights = [
        [each.model_.parameters] if isinstance(each, AutoRec) else [each.components_, each.intercept_hidden_]
        for each in (one, other)
    ]  # fmt: skip
    same = all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))
    return same and np.array_equal(one._predictions, other._predictions) and one.history_ == other.history_


@pytest.mark.parametrize("name", MODELS)
def test_a_run_that_was_stopped_goes_on_to_the_bit(name: str, tmp_path: Path) -> None:
    whole = fit(MODELS[name](), None)
    path = tmp_path / "new folder" / "run"
    for epoch, step in ((0, 0), (0, 1), (1, 1), (EPOCHS - 1, 2)):  # the same run, killed four times
        killed(MODELS[name](), path, epoch - len(history_in(path)), step)
    assert len(history_in(path)) == EPOCHS - 1
    model = MODELS[name]()
    assert equal(fit(model, path), whole)
    assert vars(model).keys() == vars(whole).keys()
    assert [file.name for file in path.parent.iterdir()] == ["run"]


def history_in(path: Path) -> list[float]:
    if not path.exists():
        return []
    with safe_open(path, framework="numpy") as file:
        content = json.loads(file.metadata()["tinydl"])
    if "recommender" in content:
        return content["recommender"]["history"]["loss"]
    return content["run"]["callbacks"][0]["state"]["history"].get("loss", [])


@pytest.mark.parametrize("name", MODELS)
def test_a_finished_run_is_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TINYDL_QUIET", raising=False)
    whole = fit(MODELS[name](), tmp_path / "run")
    assert capsys.readouterr().err == ""
    content = (tmp_path / "run").read_bytes()
    for owner, method in ((SGD, "step"), (loop.Step, "take")):
        monkeypatch.setattr(owner, method, lambda *_: pytest.fail("it trains"))
    assert equal(fit(MODELS[name](), tmp_path / "run"), whole)
    assert f"run is finished, with {EPOCHS} epochs" in capsys.readouterr().err
    assert (tmp_path / "run").read_bytes() == content


@pytest.mark.parametrize("name", ["AutoRec", "RBM"])
def test_another_run_is_refused_before_anything_changes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    killed(MODELS[name](), path, 1, 0)
    content = path.read_bytes()
    other = (LEARNED[0], LEARNED[1], LEARNED[2][::-1])
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [({}, {"ratings": other}), ({}, {"validation": None})]
    for argument, value in MODELS[name]().get_config().items():
        others = {"activation": "relu", "based_on": "user", "visible": "bernoulli", "linear": False, "scale": (0, 6)}
        cases.append(({argument: others.get(argument, value / 2 if isinstance(value, float) else 0)}, {}))
        if isinstance(value, int) and not isinstance(value, bool):
            cases[-1] = {argument: value + 1}, {}
    for settings, data in cases:
        model = MODELS[name](**settings)
        fit(model, None)
        before = model._predictions
        with pytest.raises(ValueError, match=r"run[:,] ") as raised:
            fit(model, path, **data)
        assert str(path) in str(raised.value)
        assert model._predictions is before
        assert path.read_bytes() == content
    with pytest.raises(ValueError, match=r"run: .*(ratings|validation) must be those of this run, got others: remove"):
        fit(MODELS[name](), path, validation=None)


CHANGES: list[Callable[[Any, Any], object]] = [
    lambda run, arrays: run.clear(), lambda run, arrays: run.update(identity=3), lambda run, arrays: run.update(epoch=5),
    lambda run, arrays: run.update(epoch=-1), lambda run, arrays: run.update(epoch=0),
    lambda run, arrays: run.update(history=[]), lambda run, arrays: run["history"].update(loss=["x"]),
    lambda run, arrays: run["history"].update(loss=[1.0, 2.0]), lambda run, arrays: run["history"].update(loss=None),
    lambda run, arrays: run.update(generator={}), lambda run, arrays: run["generator"].update(state=3),
    lambda run, arrays: arrays.pop("weights"), lambda run, arrays: arrays.update(velocity=arrays["velocity"][1:]),
    lambda run, arrays: arrays.update(weights=arrays["weights"].astype(float)),
    lambda run, arrays: arrays["weights"].fill(np.nan),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_damaged_run_is_refused(change: Callable[[Any, Any], object], tmp_path: Path) -> None:
    path = tmp_path / "run"
    killed(MODELS["RBM"](), path, 1, 0)
    with safe_open(path, framework="numpy") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        content = json.loads(file.metadata()["tinydl"])
    del content["checksums"]  # as in a file of an older version
    change(content["recommender"], arrays)
    save_file(arrays, path, {"tinydl": json.dumps(content)})
    with pytest.raises(ValueError, match="run: this run cannot be continued: "):
        fit(MODELS["RBM"](), path)


@pytest.mark.parametrize("name", ["AutoRec", "RBM"])
def test_files_of_other_things_are_refused(name: str, tmp_path: Path) -> None:
    Model([Dense(3)], 4).save(tmp_path / "model")
    (tmp_path / "text").write_text("no checkpoint")
    (tmp_path / "folder").mkdir()
    fit(MODELS["RBM" if name == "AutoRec" else "AutoRec"](), tmp_path / "other")
    for file, error in (("model", "model: expected"), ("text", "text: expected"), ("other", "other: expected"),
                        ("folder", "fit: checkpoint must be writable: .*a folder")):  # fmt: skip
        with pytest.raises(ValueError, match=error):
            fit(MODELS[name](), tmp_path / file)
    with pytest.raises(TypeError, match="fit: checkpoint must be a path or None, got 3"):
        MODELS[name]().fit(*LEARNED, checkpoint=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["AutoRec", "RBM"])
def test_training_goes_on_beside_a_disk_that_fails(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tinydl.training.checkpoint.write_whole", full)
    with pytest.warns(UserWarning, match="run could not be written: .*No space left on device: training goes on"):
        model = fit(MODELS[name](), tmp_path / "run")
    assert equal(model, fit(MODELS[name](), None))


@pytest.mark.parametrize("name", ["AutoRec", "RBM"])
def test_a_run_goes_on_after_ctrl_c(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    record, before = type(model)._record, signal.signal(signal.SIGINT, signal.default_int_handler)
    epochs: list[float] = []

    def pressed(self: Any, **figures: float) -> Any:
        epochs.append(figures["loss"])
        if len(epochs) == 2:
            signal.raise_signal(signal.SIGINT)
        return record(self, **figures)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model), "_record", pressed)
        with pytest.raises(KeyboardInterrupt):
            fit(model, tmp_path / "run")
        assert equal(fit(model, tmp_path / "run"), fit(MODELS[name](), None))
    signal.signal(signal.SIGINT, before)
    assert len(history_in(tmp_path / "run")) == EPOCHS


def test_biases_write_no_file(tmp_path: Path) -> None:
    UserItemBias().fit(*LEARNED, checkpoint=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
