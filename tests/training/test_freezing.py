"""Frozen layers: neither weights nor running statistics move, and no work is done for gradients that nobody needs."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.rewriting import rewritten
from tinydl import Model, kernels
from tinydl.callbacks import Callback
from tinydl.gradcheck import check_layer, check_model
from tinydl.layers import (
    ActivityL1,
    AuxiliaryHead,
    BatchNorm,
    Branches,
    ContractivePenalty,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    ReLU,
    Residual,
    Sequential,
    Tanh,
)
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam, Lion, Optimizer, RMSprop

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 6)), RNG.normal(size=(12, 3))


def chain() -> list[Layer]:
    return [Dense(8, "relu"), BatchNorm(), Dense(7, "tanh"), LayerNorm(), Dense(3)]


def compiled(layers: list[Layer], optimizer: Optimizer | None = None, dtype: str = "float64", **given: Any) -> Model:
    model = Model(layers, given.get("shape", 6), seed=1, dtype=dtype)
    model.compile(optimizer or SGD(0.1, 0.9), MeanSquaredError())
    return model


def arrays(model: Model) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in {**model.params, **model.state}.items()}


def moved(model: Model, before: dict[str, np.ndarray]) -> set[str]:
    """The layers whose arrays differ from `before` in any bit."""
    return {name.split(".")[0] for name, array in arrays(model).items() if array.tobytes() != before[name].tobytes()}


# --- weights and statistics -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("frozen", [[0], [0, 1], [2], [1, 3], [0, 1, 2, 3], [4], []])
def test_frozen_layers_stay_as_they_are_to_the_bit(frozen: list[int], dtype: str, mode: str) -> None:
    with kernels.using(mode):
        model = compiled(chain(), dtype=dtype)
        for k in frozen:
            model.layers[k].trainable = False
        before = arrays(model)
        model.fit(X, Y, epochs=2, batch_size=5, verbose=0)
    names = [str(layer.name) for layer in model.layers]
    assert moved(model, before) == {name for k, name in enumerate(names) if k not in frozen}
    for k in frozen:
        assert not any(gradient.any() for gradient in model.layers[k].grads.values())


@pytest.mark.parametrize("mode", ["compiled", "reference"])
def test_the_trained_layers_get_the_gradients_that_they_get_beside_trained_ones(mode: str) -> None:
    """Freezing changes no other gradient (without BatchNorm, which normalizes differently when it is frozen)."""

    def layers() -> list[Layer]:
        convolution = [Conv2D(4, 3, activation="relu"), LayerNorm(), Flatten()]
        return [*convolution, Dense(5, "tanh"), Dense(3, use_bias=False), Dense(3)]

    x = RNG.normal(size=(4, 5, 6, 2))
    with kernels.using(mode):
        for frozen in ([3, 4], [1], [0], [0, 3], [5], [0, 1, 3, 4]):
            free, model = (compiled(layers(), SGD(0.0), shape=(5, 6, 2)) for _ in "12")
            for k in frozen:
                model.layers[k].trainable = False
            assert model.train_on_batch(x, Y[:4]) == free.train_on_batch(x, Y[:4])
            for k, (layer, other) in enumerate(zip(model.layers, free.layers, strict=True)):
                for name, gradient in layer.grads.items():
                    expected = np.zeros_like(gradient) if k in frozen else other.grads[name]
                    np.testing.assert_array_equal(gradient, expected, err_msg=f"{frozen} {k} {name}")


def test_a_frozen_batch_norm_normalizes_by_its_running_statistics_in_training() -> None:
    """As in Keras, where trainable=False puts BatchNormalization into inference mode."""
    model = compiled([BatchNorm(), Dense(3)])
    layer = model.layers[0]
    layer.state["mean"][:], layer.state["var"][:] = 0.5, 4.0
    layer.params["gamma"][:], layer.params["beta"][:] = 3.0, -1.0
    layer.trainable = False
    expected = 3 * (X - 0.5) / np.sqrt(4 + 1e-3) - 1
    for training in (True, False):
        np.testing.assert_allclose(layer.forward(X, training), expected, rtol=1e-12)
    assert (layer.state["mean"] == 0.5).all()
    layer.trainable = True
    assert abs(layer.forward(X, True).mean() + 1) < 1e-12
    assert (layer.state["mean"] != 0.5).all()


def test_flags_may_be_set_before_the_model_is_built_and_after_compile() -> None:
    early = [Dense(8), Dense(3)]
    early[0].trainable = False
    one = compiled(list(early))
    other = compiled([Dense(8), Dense(3)])
    other.layers[0].trainable = False
    for model in (one, other):
        before = arrays(model)
        model.train_on_batch(X, Y)
        assert moved(model, before) == {"dense_2"}
    np.testing.assert_array_equal(one.parameters, other.parameters)


def test_a_callback_unfreezes_layer_by_layer() -> None:
    class Unfreeze(Callback):
        def __init__(self) -> None:
            self.seen: list[set[str]] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.before = arrays(self.model)  # type: ignore[arg-type]
            self.model.layers[2 - epoch].trainable = True

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seen.append(moved(self.model, self.before))  # type: ignore[arg-type]

    model = compiled([Dense(8), Dense(8), Dense(3)])
    model.trainable = False
    model.layers[2].trainable = True
    unfreeze = Unfreeze()
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[unfreeze])
    assert unfreeze.seen == [{"dense_3"}, {"dense_2", "dense_3"}, {"dense_1", "dense_2", "dense_3"}]


def test_thawing_continues_with_a_clean_gradient() -> None:
    """A layer frozen after it was trained keeps no old gradient, and its momentum waits."""
    model = compiled([Dense(8), Dense(3)], SGD(0.1, 0.9))
    model.train_on_batch(X, Y)
    velocity = model.optimizer.slots["velocity"].copy()  # type: ignore[union-attr]
    model.layers[0].trainable = False
    model.train_on_batch(X, Y)
    size = model.layers[0].count_params()
    np.testing.assert_array_equal(model.optimizer.slots["velocity"][:size], velocity[:size])  # type: ignore[union-attr]
    assert not model.gradients[:size].any()
    before = arrays(model)
    model.layers[0].trainable = True
    model.train_on_batch(X, Y)
    assert moved(model, before) == {"dense_1", "dense_2"}


def test_a_loop_of_the_users_own_leaves_layers_alone_that_were_frozen_before_compile() -> None:
    """Weight decay and momentum would move them although their gradients are 0."""
    layers: list[Layer] = [Dense(8), Doubles(), Dense(3)]
    layers[0].trainable = layers[1].trainable = False
    model = compiled(layers, Adam(0.1, weight_decay=0.1))
    before = arrays(model)
    loss = MeanSquaredError()
    for _ in range(3):
        model.zero_grad()
        loss.forward(model.forward(X, training=True), Y)
        model.backward(loss.backward())
        model.optimizer.step(model.parameters, model.gradients)  # type: ignore[union-attr]
    assert moved(model, before) == {"dense_2"}


# --- composites -------------------------------------------------------------------------------------------------------


def test_containers_and_models_freeze_everything_below() -> None:
    inner = Residual([Dense(6, "relu"), Dense(6)], Dense(6))
    model = compiled([inner, Branches([Dense(2), Dense(3)]), ContractivePenalty(Dense(4, "tanh"), 0.1), Dense(3)])
    assert model.trainable
    inner.trainable = False
    assert [layer.trainable for layer in inner.walk()] == [False] * 5
    assert model.trainable
    before = arrays(model)
    model.fit(X, Y, verbose=0)
    assert moved(model, before) == {"branches_1", "contractive_penalty_1", "dense_1"}
    model.trainable = False
    assert not any(layer.trainable for layer in model.root.walk())
    model.layers[2].trainable = True
    before = arrays(model)
    model.fit(X, Y, verbose=0)
    assert moved(model, before) == {"contractive_penalty_1"}


def test_partly_frozen_blocks_train_the_rest() -> None:
    block = Residual([Dense(6, "relu"), Dense(6)], Dense(6))
    model = compiled([block, Dense(3)])
    block.body.layers[0].trainable = False  # type: ignore[attr-defined]
    before = {name: array.copy() for name, array in model.params.items()}
    model.fit(X, Y, verbose=0)
    still = {name for name, array in model.params.items() if (array == before[name]).all()}
    assert still == {"residual_1.sequential_1.dense_1.W", "residual_1.sequential_1.dense_1.b"}


def test_all_places_of_a_shared_layer_are_frozen_together() -> None:
    twice = Dense(6, "tanh")
    model = compiled([twice, ReLU(), twice, Dense(3)])
    model.layers[2].trainable = False  # the second place
    assert not twice.trainable
    before = arrays(model)
    model.fit(X, Y, verbose=0)
    assert moved(model, before) == {"dense_3"}


def test_an_auxiliary_head_learns_above_frozen_layers() -> None:
    layers = [Dense(5, "tanh"), AuxiliaryHead(Dense(3)), Dense(3)]
    model = Model(layers, 6, dtype="float64")
    model.compile(SGD(0.1), SoftmaxCrossEntropy())
    layers[0].trainable = False
    before = arrays(model)
    model.fit(X, np.arange(12) % 3, verbose=0)
    assert moved(model, before) == {"auxiliary_head_1", "dense_2"}


# --- work -------------------------------------------------------------------------------------------------------------


class Doubles(Layer):
    """A user's layer with a parameter, which knows nothing of freezing."""

    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        super().build(input_shape, rng, dtype)
        self.add_parameter("s", np.full(input_shape, 2, dtype))
        return input_shape

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self._x = x = self.as_input(x)
        return x * self.params["s"]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.grads["s"] += (dy * self._x).sum(axis=0)
        return dy * self.params["s"]


WORK: dict[str, tuple[Callable[[], list[Layer]], list[int], list[int]]] = {  # layers, frozen, whose backward runs
    "one dense": (lambda: [Dense(6), Dense(6), Dense(3)], [0], [1, 2]),
    "all but the last": (lambda: [Dense(6), BatchNorm(), Tanh(), Dense(6), Dense(3)], [0, 1, 3], [4]),
    "batch norm is the lowest": (lambda: [Dense(6), BatchNorm(), Dense(3)], [0], [1, 2]),
    "in the middle": (lambda: [Dense(6), Dense(6), Dense(3)], [1], [0, 1, 2]),
    "a residual is the lowest": (lambda: [Dense(6), Residual(Dense(6)), Dense(3)], [0], [1, 2]),
    "penalties below do not matter": (lambda: [Dense(6), ActivityL1(0.1), Dense(3)], [0], [2]),
    "a frozen user's layer": (lambda: [Doubles(), Dropout(0.5), Dense(3)], [0], [2]),
    "a user's layer is the lowest": (lambda: [Dense(6), Tanh(), Doubles(), Dense(3)], [0], [2, 3]),
    "nothing is frozen": (lambda: [Tanh(), Dense(6), Dense(3)], [], [1, 2]),
}


@pytest.mark.parametrize("name", WORK)
def test_nothing_goes_back_below_the_lowest_layer_that_learns(name: str) -> None:
    make, frozen, run = WORK[name]
    model = compiled(make())
    for k in frozen:
        model.layers[k].trainable = False
    calls: list[int] = []
    for k, layer in enumerate(model.layers):
        layer.backward = lambda dy, k=k, back=layer.backward: calls.append(k) or back(dy)  # type: ignore[method-assign, func-returns-value]
    model.fit(X, Y, batch_size=12, verbose=0)
    assert calls == run[::-1]


def test_in_nested_chains_the_inner_chain_stops_too() -> None:
    inner = Sequential([Dense(6), Tanh(), Dense(6)])
    model = compiled([Tanh(), inner, Dense(3)])
    inner.layers[0].trainable = False
    calls: list[str] = []
    for layer in model.root.walk():
        layer.backward = lambda dy, name=layer.label, back=layer.backward: calls.append(name) or back(dy)  # type: ignore[method-assign, func-returns-value]
    model.train_on_batch(X, Y)
    assert calls == ["Model", "dense_1 (Dense)", "sequential_1 (Sequential)", "dense_2 (Dense)"]
    calls.clear()
    model.forward(X, True)
    assert model.backward(np.ones((12, 3))).shape == X.shape  # outside training, dL/dx is complete
    assert len(calls) == 7


def test_a_frozen_users_layer_keeps_its_parameter_although_its_backward_adds_to_grads() -> None:
    for optimizer in (SGD(0.1, 0.9), Adam(0.1, weight_decay=0.5), RMSprop(0.1), Lion(0.1), SGD(0.1, global_clipnorm=1)):
        model = compiled([Dense(6), Doubles(), Dense(3)], optimizer)
        model.layers[1].trainable = False
        before = arrays(model)
        model.fit(X, Y, epochs=2, verbose=0)
        assert moved(model, before) == {"dense_1", "dense_2"}


# --- the optimizer ----------------------------------------------------------------------------------------------------


class Plain(Optimizer):
    """A user's optimizer, which changes the whole vector and a slot."""

    slot_names = ("sum",)

    def update(self, params: np.ndarray, grads: np.ndarray, learning_rate: float) -> None:
        self.slots["sum"] += 1 + grads
        params -= learning_rate * (1 + grads)


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "SGD": lambda: SGD(0.1),
    "momentum": lambda: SGD(0.1, 0.9, True, weight_decay=0.1),
    "RMSprop": lambda: RMSprop(0.1),
    "Adam": lambda: Adam(0.1, weight_decay=0.1),
    "Lion": lambda: Lion(0.1, weight_decay=0.1),
    "a user's own": lambda: Plain(0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_frozen_ranges_are_neither_updated_nor_decayed(name: str) -> None:
    """The other ranges are updated to the bit as without frozen ones."""
    free, optimizer = OPTIMIZERS[name](), OPTIMIZERS[name]()
    for each in (free, optimizer):
        each.decayed = [slice(2, 9), slice(15, 30)]
    optimizer.frozen = [slice(20, 25), slice(0, 3), slice(25, 26), slice(38, 40)]
    assert optimizer.frozen == (slice(0, 3), slice(20, 26), slice(38, 40))
    frozen = np.zeros(40, bool)
    for part in optimizer.frozen:
        frozen[part] = True
    start = RNG.normal(size=40)
    p, q = start.copy(), start.copy()
    for _ in range(3):
        g = RNG.normal(size=40)
        free.step(p, g)
        optimizer.step(q, g)
    np.testing.assert_array_equal(q, np.where(frozen, start, p))
    for slot, values in optimizer.slots.items():
        np.testing.assert_array_equal(values, np.where(frozen, 0, free.slots[slot]))
    optimizer.frozen = ()
    optimizer.step(q, g)
    assert (q != np.where(frozen, start, p)).all()


def test_the_norm_of_clipping_counts_trained_gradients_only() -> None:
    optimizer, p = SGD(1.0, global_clipnorm=5.0), np.zeros(4)
    optimizer.frozen = [slice(1, 3)]
    optimizer.step(p, np.array([3.0, 1e6, 1e6, 4.0]))  # its trained part has norm 5
    assert p.tolist() == [-3.0, 0.0, 0.0, -4.0]


def test_frozen_ranges_that_do_not_fit_are_refused() -> None:
    optimizer = SGD()
    optimizer.frozen = [slice(2, 5)]
    with pytest.raises(ValueError, match="SGD: frozen must lie in the 4 parameters, got a stop at 5"):
        optimizer.step(np.ones(4), np.ones(4))
    with pytest.raises(TypeError, match="SGD: frozen must be a list of slices, got 3"):
        optimizer.frozen = 3  # type: ignore[assignment]


# --- refused ----------------------------------------------------------------------------------------------------------


def test_a_model_with_nothing_to_train_is_refused() -> None:
    model = compiled(chain())
    model.trainable = False
    expected = r"at least one layer with parameters must be trainable, got all frozen: set trainable = True on"
    with pytest.raises(ValueError, match=f"^fit: {expected}"):
        model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match=f"^a training step: {expected}"):
        model.train_on_batch(X, Y)
    assert model.evaluate(X, Y) > 0
    model.layers[-1].trainable = True
    model.fit(X, Y, verbose=0)


def test_flags_are_true_or_false() -> None:
    for thing in (Dense(3), Sequential([Dense(3)]), compiled(chain())):
        with pytest.raises(ValueError, match="trainable must be True or False, got 'no'"):
            thing.trainable = "no"  # type: ignore[attr-defined]
        assert thing.trainable  # type: ignore[attr-defined]


# --- counted, saved, copied, checked ----------------------------------------------------------------------------------


def test_the_summary_counts_frozen_layers_as_keras_does(capsys: pytest.CaptureFixture[str]) -> None:
    """Keras 3 on the same network: 56 + 32 + 63 + 14 + 24 parameters; dense_1 and batch_norm_1 frozen."""
    model = compiled(chain())
    assert model.count_params() == 189
    assert [layer.count_params() for layer in model.layers] == [56, 32, 63, 14, 24]
    for frozen, trained in (([], 173), ([0], 117), ([1], 157), ([0, 1], 101), ([0, 1, 2, 3, 4], 0)):
        model.trainable = True
        for k in frozen:
            model.layers[k].trainable = False
        model.summary()
        printed = capsys.readouterr().out
        assert f"Total params: 189\nTrainable params: {trained}\nNon-trainable params: {189 - trained}\n" in printed
    with pytest.raises(RuntimeError, match="Dense: not built yet"):
        Dense(3).count_params()
    twice = Dense(6)
    assert compiled([twice, twice, Dense(3)]).count_params() == 42 + 21


def test_frozen_layers_are_saved_and_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    block = Residual([Dense(6, "relu"), Dense(6)])
    model = compiled([Dense(6), block, block, Dense(3)])
    model.layers[0].trainable = block.body.layers[1].trainable = False  # type: ignore[attr-defined]
    flags = [layer.trainable for layer in model.root.walk()]
    model.save(path)
    assert [layer.trainable for layer in Model.load(path).root.walk()] == flags
    other = compiled([Dense(6), (block := Residual([Dense(6, "relu"), Dense(6)])), block, Dense(3)])
    other.load_weights(path)  # weights alone: what is frozen here stays frozen
    assert other.trainable
    assert all(layer.trainable for layer in other.root.walk())
    np.testing.assert_array_equal(other.parameters, model.parameters)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.astype("float32")):
        assert [layer.trainable for layer in twin.root.walk()] == flags
        before = arrays(twin)
        if twin.optimizer is None:
            twin.compile(SGD(0.1), MeanSquaredError())
        twin.train_on_batch(X, Y)
        assert "dense_1" not in moved(twin, before)


def test_files_of_models_without_frozen_layers_do_not_mention_it(tmp_path: Path) -> None:
    model = compiled([Dense(3)])
    model.save(tmp_path / "free.safetensors")
    assert b"trainable" not in (tmp_path / "free.safetensors").read_bytes()
    model.trainable = False
    model.save(tmp_path / "frozen.safetensors")
    content = (tmp_path / "frozen.safetensors").read_bytes()
    assert content.count(b'\\"trainable\\": false') == 1
    path = rewritten(tmp_path / "frozen.safetensors", lambda metadata, _: metadata["layers"][0].update(trainable=12345))
    with pytest.raises(ValueError, match=r"its architecture cannot be built: .*trainable must be True or False"):
        Model.load(path)


def test_a_checkpoint_restores_what_is_frozen_and_training_goes_on_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    model = compiled(chain(), Adam(0.01))
    model.layers[0].trainable = model.layers[1].trainable = False
    model.fit(X, Y, epochs=2, batch_size=5, verbose=0)
    model.save_checkpoint(path)
    model.fit(X, Y, epochs=4, batch_size=5, verbose=0, initial_epoch=2)
    again = compiled(chain(), Adam(0.01))
    again.load_checkpoint(path)
    assert [layer.trainable for layer in again.layers] == [False, False, True, True, True]
    again.fit(X, Y, epochs=4, batch_size=5, verbose=0, initial_epoch=again.epoch)
    np.testing.assert_array_equal(again.parameters, model.parameters)


FROZEN = [Dense(4, "tanh"), Conv2D(3, 2), BatchNorm(), LayerNorm(), ContractivePenalty(Dense(4, "sigmoid"), 0.1)]


@pytest.mark.parametrize("layer", FROZEN, ids=lambda layer: type(layer).__name__)
def test_a_gradient_check_calls_the_arrays_of_a_frozen_layer_constant(layer: Layer) -> None:
    frozen = copy.deepcopy(layer)
    frozen.trainable = False
    report = check_layer(frozen, (3, 4, 5, 2) if isinstance(layer, Conv2D) else (5, 3))
    verdicts = {
        name: "ok" if name == "x" else "constant" for name in check_layer(layer, report.arrays["x"].shape).arrays
    }
    assert report.gradients == verdicts
    names = ", ".join(name for name in verdicts if name != "x")
    assert f"note: frozen (trainable is False), so without gradients: {names}" in str(report)


def test_a_gradient_check_of_a_model_leaves_frozen_arrays_out_and_finds_faults_beside_them() -> None:
    model = compiled(chain())
    model.layers[0].trainable = model.layers[1].trainable = False
    constant = {name for name, verdict in check_model(model, X, Y).gradients.items() if verdict == "constant"}
    assert constant == {"dense_1.W", "dense_1.b", "batch_norm_1.gamma", "batch_norm_1.beta"}

    class Wrong(Dense):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            return 2 * super().backward(dy)

    bad = Wrong(3)
    bad.trainable = False
    with pytest.raises(AssertionError, match="dx"):
        check_layer(bad, (5, 4))
