"""Files: saved models reload bit for bit, and unreadable files are rejected before anything changes.

The reloading of every layer and optimizer is tested in tests/proofs/test_checkpoints.py.
"""

from __future__ import annotations

import io
import json
import re
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from tests.training.rewriting import parts_of, rewritten
from tinydl import Model, models
from tinydl.gradcheck import check_model
from tinydl.layers import (
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaskingNoise,
    Sequential,
)
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD, Adam, RMSprop
from tinydl.schedules import CosineDecay
from tinydl.training import arrays_on_disk, checkpoint

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)


def test_save_and_load_give_the_same_model(tmp_path: Path) -> None:
    model, x = Model([Flatten(), Dense(4, "tanh")], (2, 3), seed=3, name="mine"), X.reshape(40, 2, 3)
    model.save(tmp_path / "model.safetensors")
    loaded = Model.load(tmp_path / "model.safetensors")
    assert repr(loaded.layers) == repr(model.layers)
    assert (loaded.name, loaded.input_shape, loaded.seed, loaded.dtype) == ("mine", (2, 3), 3, np.float32)
    assert list(loaded.params) == list(model.params)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_float64_is_kept(tmp_path: Path) -> None:
    model = models.vanilla_autoencoder(6, dtype="float64")
    model.save(tmp_path / "m")
    assert Model.load(tmp_path / "m").parameters.dtype == np.float64
    np.testing.assert_array_equal(Model.load(tmp_path / "m").parameters, model.parameters)


def test_the_file_is_plain_safetensors_with_json(tmp_path: Path) -> None:
    model = models.vanilla_autoencoder(6, hidden=4)
    model.save(tmp_path / "m.safetensors")
    with safe_open(tmp_path / "m.safetensors", framework="numpy") as file:
        architecture = json.loads(file.metadata()["tinydl"])
        np.testing.assert_array_equal(file.get_tensor("dense_2.W"), model.params["dense_2.W"])
    assert architecture["layers"][0] == {
        "layer": "Dense",
        "name": "dense_1",
        "arguments": {"units": 4, "activation": "relu", "use_bias": True, "kernel_initializer": "glorot_uniform"},
    }


class Scale(Layer):
    """A user's own layer."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return self.factor * x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return self.factor * dy


def test_own_layers_are_named_at_loading(tmp_path: Path) -> None:
    model = Model([Dense(3), Scale(2.0)], 6)
    model.save(tmp_path / "m")
    with pytest.raises(
        ValueError, match=r"expected layers from tinydl or custom_layers, got 'Scale': .*custom_layers=\[\.\.\.\]"
    ):
        Model.load(tmp_path / "m")
    np.testing.assert_array_equal(Model.load(tmp_path / "m", custom_layers=[Scale]).predict(X), model.predict(X))


# --- rejected ---------------------------------------------------------------------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a file that save wrote"):
        Model.load(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError, match="expected a model file, got a folder: add a file name"):
        Model.load(tmp_path)


def test_a_file_that_cannot_be_read_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    model = compiled("adam")
    model.save(path)

    def locked(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", locked)
    for read in (Model.load, model.load_weights):
        message = r"model: expected a file that save wrote, got one that cannot be read \(Permission denied\): ask for"
        with pytest.raises(PermissionError, match=message):
            read(path)


@pytest.mark.parametrize("keep", [0, 4, 8, 100, -1])
def test_truncated_file(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "m"
    models.vanilla_autoencoder(6).save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"m: expected a safetensors file, got a truncated or different file"):
        Model.load(path)


def test_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"\x80\x04\x95 a pickle")
    with pytest.raises(ValueError, match="got a pickle"):
        Model.load(path)
    save_file({"W": np.zeros(3)}, path)
    with pytest.raises(
        ValueError, match="expected a file written by tinydl, got a safetensors file without an architecture"
    ):
        Model.load(path)
    save_file({"W": np.zeros(3)}, path, {"tinydl": '{"format": 99}'})
    with pytest.raises(ValueError, match="expected format 1, got 99: upgrade tinydl"):
        Model.load(path)
    save_file({"W": np.zeros(3)}, path, {"tinydl": '{"format": 1}'})
    with pytest.raises(ValueError, match="its architecture cannot be built"):
        Model.load(path)


@pytest.mark.parametrize("name", ["Layer", "os.system", "Model", None])
def test_only_registered_layers_are_made(tmp_path: Path, name: str | None) -> None:
    path = tmp_path / "m"
    content = {
        "format": 1, "model": "m", "seed": 0, "dtype": "float32", "input_shape": [3],
        "layers": [{"layer": name, "name": "a", "arguments": {}}],
    }  # fmt: skip
    save_file({"W": np.zeros(3)}, path, {"tinydl": json.dumps(content)})
    with pytest.raises(ValueError, match="expected layers from tinydl or custom_layers, got"):
        Model.load(path)


def test_weights_of_another_architecture_are_refused_before_anything_changes(tmp_path: Path) -> None:
    models.vanilla_autoencoder(6, hidden=5).save(tmp_path / "m")
    model = models.vanilla_autoencoder(6, hidden=4)
    before = model.parameters.copy()
    with pytest.raises(ValueError, match=r"expected a file with this model's layers, .*'units': 4.*, got .*'units': 5"):
        model.load_weights(tmp_path / "m")
    np.testing.assert_array_equal(model.parameters, before)


def test_a_model_that_cannot_be_written_as_json(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        Model([Scale(object())], 6).save(tmp_path / "m")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


# --- exact resume -----------------------------------------------------------------------------------------------------


def compiled(kind: str, seed: int = 0) -> Model:
    model = Model([MaskingNoise(0.3), Dense(8, "relu"), Dropout(0.2), Dense(6)], 6, seed)
    optimizer = {
        "adam": lambda: Adam(0.01),
        "momentum": lambda: SGD(0.01, momentum=0.9, nesterov=True),
        "rmsprop": lambda: RMSprop(CosineDecay(0.01, 20)),
        "sgd": lambda: SGD(0.01),
    }[kind]()
    model.compile(optimizer, MeanSquaredError())
    return model


def test_resume_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    model = compiled("adam")
    for start in range(0, 30, 10):
        model.train_on_batch(X[start : start + 10], X[start : start + 10])
    model.save_checkpoint(tmp_path / "c")
    expected = model.train_on_batch(X[30:], X[30:])
    resumed = compiled("adam", seed=5)
    resumed.load_checkpoint(tmp_path / "c")
    assert resumed.train_on_batch(X[30:], X[30:]) == expected
    np.testing.assert_array_equal(resumed.parameters, model.parameters)


def test_a_checkpoint_is_also_a_model(tmp_path: Path) -> None:
    model = compiled("adam")
    model.fit(X, X, verbose=0)
    model.save_checkpoint(tmp_path / "c")
    resumed = compiled("adam")
    resumed.load_checkpoint(tmp_path / "c")
    np.testing.assert_array_equal(Model.load(tmp_path / "c").predict(X), model.predict(X))


def test_checkpoints_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    saved = compiled("adam")
    saved.fit(X, X, verbose=0)
    saved.save_checkpoint(tmp_path / "c")
    saved.save(tmp_path / "plain")
    other = compiled("rmsprop")
    before, state = other.parameters.copy(), other.rng.bit_generator.state
    with pytest.raises(
        ValueError,
        match=r"the optimizer must be .*'Adam'.*, as in the file, got .*'RMSprop'.*compile with the saved one",
    ):
        other.load_checkpoint(tmp_path / "c")
    with pytest.raises(ValueError, match="expected a checkpoint, got a saved model"):
        other.load_checkpoint(tmp_path / "plain")
    wider = Model([MaskingNoise(0.3), Dense(9, "relu"), Dropout(0.2), Dense(6)], 6)
    wider.compile(Adam(), MeanSquaredError())
    with pytest.raises(ValueError, match="expected a file with this model's layers"):
        wider.load_checkpoint(tmp_path / "c")
    np.testing.assert_array_equal(other.parameters, before)
    assert other.rng.bit_generator.state == state
    with pytest.raises(RuntimeError, match="save_checkpoint: the model must be compiled"):
        Model([Dense(1)], 1).save_checkpoint(tmp_path / "d")


@pytest.mark.parametrize(
    "other",
    [
        lambda: Adam(CosineDecay(0.01, 10)),
        lambda: Adam(0.01, beta1=0.8),
        lambda: Adam(0.01, weight_decay=0.1),
        lambda: SGD(0.01),
    ],
)
def test_an_optimizer_with_other_settings_is_refused(tmp_path: Path, other: object) -> None:
    saved = compiled("adam")
    saved.save_checkpoint(tmp_path / "c")
    model = Model([MaskingNoise(0.3), Dense(8, "relu"), Dropout(0.2), Dense(6)], 6)
    model.compile(other(), MeanSquaredError())  # type: ignore[operator]
    with pytest.raises(ValueError, match="compile with the saved one"):
        model.load_checkpoint(tmp_path / "c")


@pytest.mark.parametrize(
    "change",
    [
        lambda m, t: m["training"].update(iterations=-1),
        lambda m, t: m["training"].update(iterations="x"),
        lambda m, t: m["training"].update(epoch=None),
        lambda m, t: m["training"].update(generators=[]),
        lambda m, t: m["training"]["generators"][0].update(state=3),
        lambda m, t: m.update(training=[1]),
        lambda m, t: m["training"].update(iterations=2**63),
        lambda m, t: m["training"].update(epoch=2**63),
        lambda m, t: t.update({"optimizer/m": np.zeros(3, np.float32)}),
        lambda m, t: t["optimizer/m"].fill(np.nan),
        lambda m, t: t["optimizer/v"].__setitem__(3, -1e-9),
        lambda m, t: t.update({"optimizer/m": t["optimizer/m"].astype(np.int8)}),
        lambda m, t: t.update({"optimizer/m": t["optimizer/m"].astype(np.float64)}),
        lambda m, t: t.update({"optimizer/more": t["optimizer/m"]}),
        lambda m, t: t.pop("optimizer/v"),
        lambda m, t: t.update({"dense_1.b": np.full(8, np.nan, np.float32)}),
    ],
)
def test_damaged_checkpoints_change_nothing(tmp_path: Path, change: Any) -> None:
    saved = compiled("adam")
    saved.fit(X, X, verbose=0)
    saved.save_checkpoint(tmp_path / "c")
    model = compiled("adam", seed=5)
    assert model.optimizer is not None
    before, state = model.parameters.copy(), model.rng.bit_generator.state
    with pytest.raises(ValueError, match="c: "):
        model.load_checkpoint(rewritten(tmp_path / "c", change))
    np.testing.assert_array_equal(model.parameters, before)
    assert not model.optimizer.slots["m"].any()
    assert (model.rng.bit_generator.state, model.optimizer.iterations, model.epoch) == (state, 0, 0)


FIELDS: list[Any] = [
    lambda m: (m, "format"), lambda m: (m, "dtype"), lambda m: (m, "input_shape"), lambda m: (m["layers"], 1),
    lambda m: (m["layers"][1], "arguments"), lambda m: (m["compiled"], "optimizer"), lambda m: (m["training"], "epoch"),
    lambda m: (m["training"], "optimizer"), lambda m: (m["training"]["optimizer"], "class"),
]  # fmt: skip


@pytest.mark.parametrize("value", ["x" * 5000, 10**4000, {"nope": 1}, None])
@pytest.mark.parametrize("field", FIELDS)
def test_messages_do_not_quote_all_of_a_damaged_file(tmp_path: Path, field: Any, value: Any) -> None:
    def change(metadata: Any, _: Any) -> None:
        thing, key = field(metadata)
        thing[key] = value

    model = compiled("adam")
    model.save_checkpoint(tmp_path / "run")
    path = rewritten(tmp_path / "run", change)
    messages = []
    for read in (Model.load, model.load_weights, model.load_checkpoint):
        try:
            read(path)
        except ValueError as error:
            messages.append(str(error))
    assert messages
    assert all(len(message) < 1200 + len(str(path)) and "Error:" not in message for message in messages)


@pytest.mark.parametrize(("change", "message"), [
    (lambda m, t: m["compiled"].update(iterations=2**63), r"iterations must be at most 2\*\*53, got 9223372036854775808"),
    (lambda m, t: t["optimizer/m"].fill(np.inf), r"'optimizer/m' must hold finite numbers, got infinity \(110 of 110 entr"),
    (lambda m, t: t["optimizer/v"].fill(-1), r"'optimizer/v' must hold means of squares, got the negative number -1.0"),
    (lambda m, t: t.update({"optimizer/v": np.zeros(110, np.int8)}), "'optimizer/v' must hold float32 numbers, got int8"),
    (lambda m, t: t.update({"optimizer/v": np.zeros(9, np.float32)}), "must have this model's 110 numbers, got shape .9"),
    (lambda m, t: t.update({"optimizer/w": t["optimizer/v"]}), r"the vectors of Adam must be \['m', 'v'\], got .*'w'\]"),
])  # fmt: skip
def test_damaged_vectors_of_the_optimizer_are_named_and_the_weights_can_still_be_loaded(
    tmp_path: Path, change: Any, message: str
) -> None:
    saved = compiled("adam")
    saved.fit(X, X, verbose=0)
    saved.save(tmp_path / "m")
    with pytest.raises(ValueError, match=rf"m: it cannot be compiled as it was: .*{message}.*: load it with compile=F"):
        Model.load(rewritten(tmp_path / "m", change))
    np.testing.assert_array_equal(Model.load(tmp_path / "m", compile=False).parameters, saved.parameters)


@pytest.mark.parametrize(
    "change",
    [
        lambda m, t: m["layers"][0].update(arguments=[1]),
        lambda m, t: m["layers"][0]["arguments"].update(units=10**13),
        lambda m, t: m["layers"][0]["arguments"].update(units="4"),
        lambda m, t: m["layers"][0]["arguments"].update(sizes=4),
        lambda m, t: m.update(dtype="int8"),
        lambda m, t: m.update(seed=-1),
        lambda m, t: m.update(input_shape=10**13),
        lambda m, t: t.update({"dense_1.W": np.full((6, 4), np.nan, np.float32)}),
        lambda m, t: t.update({"dense_1.W": np.zeros((6, 4))}),
        lambda m, t: t.pop("dense_1.W"),
        lambda m, t: t.update(more=np.zeros(3)),
    ],
)
def test_malicious_or_damaged_models_give_one_clear_error(tmp_path: Path, change: Any) -> None:
    models.vanilla_autoencoder(6, hidden=4).save(tmp_path / "m")
    with pytest.raises(ValueError, match="m: "):
        Model.load(rewritten(tmp_path / "m", change))


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", "nonsense", '{"format": 1, "layers": ' + "[" * 90_000])
def test_metadata_that_is_not_ours(tmp_path: Path, text: str) -> None:
    save_file({"W": np.zeros(3)}, tmp_path / "m", {"tinydl": text})
    with pytest.raises(ValueError, match="m: "):
        Model.load(tmp_path / "m")


class Net(Sequential):
    """A chain with its own forward and backward."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return 2 * super().forward(x, training)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return super().backward(2 * dy)


def test_a_subclass_of_sequential_is_saved_as_what_it_is(tmp_path: Path) -> None:
    model = Model(Net([Dense(3)]), 6)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(Model.load(tmp_path / "m", custom_layers=[Net]).predict(X), model.predict(X))


def test_what_cannot_be_loaded_again_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="must be a number, a string, a layer or a list"):
        Model([Scale({"a": 1})], 6).save(tmp_path / "m")  # type: ignore[arg-type]


# --- saved means loadable ---------------------------------------------------------------------------------------------


class Shift(Layer):
    """y = x + s for a scalar parameter s, with a counter as its state."""

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator, dtype: object) -> tuple[int, ...]:
        shape = super().build(input_shape, rng, dtype)
        self.add_parameter("s", np.array(0.5, self.dtype))
        self.add_state("calls", np.array([3], np.int64))
        return shape

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return x + self.params["s"]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.grads["s"] += dy.sum()
        return dy


def named(layer: Layer, name: str) -> Layer:
    layer.name = name
    return layer


@pytest.mark.parametrize("name", ["optimizer/head", "optimizer/", "__metadata__", "ä b/c\\d", "same_as", "\x1b[31mred"])
def test_every_name_that_is_saved_can_be_loaded(tmp_path: Path, name: str) -> None:
    model = Model([named(Dense(3), name), Dense(2)], 6)
    model.compile(Adam(), MeanSquaredError())
    model.fit(X, X[:, :2], verbose=0)
    model.save_checkpoint(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.parameters, model.parameters)
    assert loaded.layers[0].name == name
    again = Model([named(Dense(3), name), Dense(2)], 6, seed=1)
    again.compile(Adam(), MeanSquaredError())
    again.load_checkpoint(tmp_path / "m")
    np.testing.assert_array_equal(again.parameters, model.parameters)


def test_scalars_and_whole_numbers_come_back(tmp_path: Path) -> None:
    model = Model([Shift()], 6)
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m", custom_layers=[Shift])
    assert loaded.params["shift_1.s"].shape == ()
    assert loaded.params["shift_1.s"] == 0.5
    assert loaded.state["shift_1.calls"].dtype == np.int64
    assert loaded.state["shift_1.calls"].tolist() == [3]


@pytest.mark.parametrize(("value", "words"), [
    (np.nan, r"'dense_1.W' must hold finite numbers, got NaN \(1 of 18 entries\)"),
    (-np.inf, r"'dense_1.W' must hold finite numbers, got infinity \(1 of 18 entries\)"),
])  # fmt: skip
def test_numbers_that_are_not_finite_are_called_so_and_never_replace_a_good_file(
    tmp_path: Path, value: float, words: str
) -> None:
    model = Model([Dense(3)], 6)
    model.compile(SGD(0.1), MeanSquaredError())
    model.save(tmp_path / "m")
    good = (tmp_path / "m").read_bytes()
    model.params["dense_1.W"][2, 1] = value
    for save in (model.save, model.save_checkpoint):
        with pytest.raises(ValueError, match=f"m: {words}"):
            save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == good
    with pytest.raises(ValueError, match=f"m: {words}"):
        Model.load(rewritten(tmp_path / "m", lambda _, tensors: tensors.update(model.params)))


def test_running_statistics_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    model = Model([BatchNorm()], 6)
    model.state["batch_norm_1.var"][0] = np.inf
    with pytest.raises(ValueError, match=r"'batch_norm_1.var' must hold finite numbers, got infinity"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_what_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    class Same(Shift):
        def build(self, *given: object) -> tuple[int, ...]:
            shape = super().build(*given)
            self.add_state("s", np.zeros(1, np.float32))
            return shape

    class Complex(Shift):
        def build(self, *given: object) -> tuple[int, ...]:
            shape = super().build(*given)
            self.add_state("z", np.zeros(1, complex))
            return shape

    own = type("Dense", (Dense,), {"__module__": "mine"})
    for layer, error, message in (
        (Same(), ValueError, "state must not have the name of one of its parameters, got 'same_1.s'"),
        (Complex(), TypeError, "'complex_1.z' must hold real numbers, got complex128"),
        (named(Dense(2), "\ud800"), ValueError, "half of a surrogate pair"),
        (own(2), TypeError, "needs a name of its own, but another is tinydl.layers.dense.Dense: rename yours"),
    ):
        with pytest.raises(error, match=message):
            Model([layer], 6).save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_name_must_be_a_string() -> None:
    with pytest.raises(TypeError, match="a layer's name must be a string, got 5"):
        Model([named(Dense(2), 5)], 6)  # type: ignore[arg-type]


def test_float32_files_fit_float64_models_and_not_the_reverse(tmp_path: Path) -> None:
    single, double = Model([Dense(3), BatchNorm()], 6), Model([Dense(3), BatchNorm()], 6, seed=1, dtype="float64")
    single.save(tmp_path / "single")
    double.save(tmp_path / "double")
    before = single.parameters.copy()
    with pytest.raises(
        ValueError, match=r"must hold float32 numbers, got float64, which would round: Model.load\(path\)"
    ):
        single.load_weights(tmp_path / "double")
    np.testing.assert_array_equal(single.parameters, before)
    double.load_weights(tmp_path / "single")
    assert double.parameters.dtype == np.float64
    np.testing.assert_array_equal(double.parameters, single.parameters)


@pytest.mark.parametrize("path", [".", "", "folder/", "n" * 300])
def test_paths_are_refused_before_arrays_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=re.escape(f"{path!r}: expected the path of a file, got ")):
        Model([Dense(3)], 6).save(path)
    assert not list(tmp_path.iterdir())


def test_escape_sequences_from_a_file_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model([named(Dense(3), "\x1b[31mred\u202e"), Dense(2)], 6, name="\x1b]0;title\a")
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    loaded.summary()
    with pytest.raises(ValueError, match=r"\\x1b\[31mred\\u202e \(Dense\): ") as raised:
        loaded.layers[0].forward(X[:, :2])
    printed = capsys.readouterr().out + str(raised.value)
    assert "\\x1b[31mred\\u202e (Dense)" in printed
    assert 'Model: "\\x1b]0;title\\x07"' in printed
    assert all(one.isprintable() or one == "\n" for one in printed)
    loaded.compile(SGD(0.1), MeanSquaredError())
    report = str(check_model(loaded.astype("float64"), X[:4].astype(float), X[:4, :2], loss=MeanSquaredError()))
    assert "\\x1b[31mred\\u202e.W" in report
    assert all(one.isprintable() or one == "\n" for one in report)


ESCAPE = "\x1b[31m"


@pytest.mark.parametrize("header", [
    {ESCAPE: {"dtype": ESCAPE, "shape": [1], "data_offsets": [0, 4]}},
    {ESCAPE: {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
    {"__metadata__": {"tinydl": json.dumps({"format": ESCAPE})}},
    {"__metadata__": {"tinydl": json.dumps({
        "format": 1, "model": "m", "input_shape": [3], "seed": 0, "dtype": "float32",
        "layers": [{"layer": "Dense", "name": "dense_1", "arguments": {ESCAPE: 3}}],
    })}},
])  # fmt: skip
def test_messages_about_a_file_quote_it_without_escape_sequences(tmp_path: Path, header: dict[str, object]) -> None:
    text = json.dumps(header).encode()
    entries = b"" if "__metadata__" in header else bytes(4)
    (tmp_path / "m").write_bytes(len(text).to_bytes(8, "little") + text + entries)
    with pytest.raises(ValueError, match="m: ") as raised:  # some releases of safetensors quote the header
        Model.load(tmp_path / "m")
    assert "\x1b" not in "".join(traceback.format_exception(raised.value))


# --- checksums and files that could not be loaded again ---------------------------------------------------------------


def test_every_flipped_bit_in_an_array_is_noticed_and_the_array_named(tmp_path: Path) -> None:
    model = compiled("adam")
    model.fit(X, X, verbose=0)
    path = tmp_path / "c"
    model.save_checkpoint(path)
    whole = path.read_bytes()
    length = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:length])
    for name, entry in header.items():
        start, end = entry.get("data_offsets", (0, 0))
        for at in range(length + start, length + end, 61):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << at % 8
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=f"c: '{name}' must have the checksum '.{{8}}', got .*an older one"):
                model.load_checkpoint(path)
    assert {name for name, entry in header.items() if "dtype" in entry} == {*model.params, "optimizer/m", "optimizer/v"}


def test_a_flipped_bit_in_the_header_is_noticed(tmp_path: Path) -> None:
    """A sample of the bits, and all those of the checksums' key: a file without it would be one of an older version."""
    model = compiled("adam")
    model.fit(X, X, verbose=0)
    path = tmp_path / "c"
    model.save_checkpoint(path)
    whole = path.read_bytes()
    key = whole.index(b"tinydl_checksums")
    some = [(at, at % 7) for at in range(0, 8 + int.from_bytes(whole[:8], "little"), 11)]
    for at, bit in some + [(at, bit) for at in range(key - 1, key + len(b"tinydl_checksums") + 1) for bit in range(8)]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << bit
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: "):
            model.load_checkpoint(path)


def test_a_damaged_description_is_called_so(tmp_path: Path) -> None:
    models.vanilla_autoencoder(6, hidden=4).save(tmp_path / "m")
    whole = (tmp_path / "m").read_bytes()
    (tmp_path / "m").write_bytes(whole.replace(b'\\"units\\": 4', b'\\"units\\": 5', 1))
    with pytest.raises(ValueError, match="m: the description of its layers must have the checksum '"):
        Model.load(tmp_path / "m")


@pytest.mark.parametrize("checksums", ["{}", "[]", "3", "nonsense", '{"": 3}', "[" * 100_000, f"[{'{},' * 1000}3]"])
def test_checksums_that_are_none_are_one_clear_error(tmp_path: Path, checksums: str) -> None:
    models.vanilla_autoencoder(6, hidden=4).save(tmp_path / "m")
    _, tensors, metadata = parts_of(tmp_path / "m")
    save_file(tensors, tmp_path / "m", {**metadata, "tinydl_checksums": checksums})
    with pytest.raises(
        ValueError, match=r"m: its checksums must be those of 4 arrays, got .*: the file is damaged, so"
    ):
        Model.load(tmp_path / "m")


def test_files_without_checksums_of_older_versions_are_loaded(tmp_path: Path) -> None:
    model = compiled("adam")
    model.fit(X, X, verbose=0)
    model.save_checkpoint(tmp_path / "c")
    other = compiled("adam", seed=1)
    other.load_checkpoint(rewritten(tmp_path / "c", lambda metadata, tensors: None))
    np.testing.assert_array_equal(other.parameters, model.parameters)


def test_other_programs_read_what_is_saved(tmp_path: Path) -> None:
    """Arrays of every dtype and shape, not contiguous or big-endian, at aligned places."""
    arrays = {
        "a": np.arange(6, dtype=np.int8).reshape(2, 3), "b": np.array(0.5), "c": np.zeros((0, 3), np.float32),
        "d": np.arange(6, dtype=">f4").reshape(2, 3).T, "e": np.array([True, False]), "f": np.arange(5)[::-2],
        "ä": (np.arange(200_000) % 7).astype(np.float16), "g": np.arange(300_000, dtype=np.float32).reshape(3, -1)[:, ::2],
    }  # fmt: skip
    checkpoint.write(tmp_path / "m", arrays, {})
    _, found, _ = parts_of(tmp_path / "m")
    for read in (found, checkpoint.read(tmp_path / "m")[0]):
        assert read.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype.newbyteorder("=")
    content = (tmp_path / "m").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert length % 8 == 0
    assert all(header[name]["data_offsets"][0] % array.itemsize == 0 for name, array in arrays.items())


class Twice(Scale):
    """A layer that cannot be loaded: its constructor changes the argument."""

    def __init__(self, factor: float = 2.0) -> None:
        super().__init__(2 * factor)


class OnlyNew(Scale):
    """A layer that cannot be loaded: its constructor does not accept the value that it stores."""

    def __init__(self, factor: Any = "2") -> None:
        if not isinstance(factor, str):
            raise TypeError("factor must be a string")
        super().__init__(float(factor))


@pytest.mark.parametrize(("layer", "message"), [
    (Twice(), r"twice_1 \(Twice\): a loaded layer must have the saved one's arguments, got {'factor': 8.0} after"),
    (OnlyNew(), r"only_new_1 \(OnlyNew\): {'factor': 2.0} cannot be loaded again: factor must be a string"),
    (Sequential([Dense(2), Twice()]), r"sequential_1 \(Sequential\): a loaded layer must have the saved one's"),
])  # fmt: skip
def test_a_layer_that_could_not_be_loaded_never_replaces_a_good_file(
    tmp_path: Path, layer: Layer, message: str
) -> None:
    (tmp_path / "m").write_bytes(b"good")
    with pytest.raises(TypeError, match=message):
        Model([layer], 6).save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == b"good"


def test_vectors_of_the_optimizer_that_are_not_finite_never_replace_a_good_file(tmp_path: Path) -> None:
    model = compiled("adam")
    model.fit(X, X, verbose=0)
    model.save(tmp_path / "m")
    good = (tmp_path / "m").read_bytes()
    assert model.optimizer is not None
    model.optimizer.slots["v"][3] = np.inf
    for save in (model.save, model.save_checkpoint):
        with pytest.raises(ValueError, match=r"m: 'optimizer/v' must hold finite numbers, got infinity \(1 of 110"):
            save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == good
    model.save(tmp_path / "m", include_optimizer=False)
    np.testing.assert_array_equal(Model.load(tmp_path / "m").parameters, model.parameters)


def test_a_file_saved_while_another_thread_trains_can_be_loaded(tmp_path: Path) -> None:
    """The weights change just before each block is written."""
    weights = np.zeros(300_000, np.float32)

    class Training(io.BytesIO):
        def write(self, content: Any) -> int:
            weights[...] += 1
            return super().write(content)

    out = Training()
    arrays_on_disk.write(out, {"W": weights}, json.dumps({"format": 1}))
    (tmp_path / "m").write_bytes(out.getvalue())
    checkpoint.read(tmp_path / "m")
    assert weights[0] == 4  # the header twice, and two blocks
