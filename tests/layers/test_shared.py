"""One layer object in several places: its weights are counted, saved and copied once, and their gradients add up."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from tinydl import Model
from tinydl.gradcheck import check_model
from tinydl.layers import (
    ActivityL1,
    AuxiliaryHead,
    BatchNorm,
    Branches,
    Container,
    ContractivePenalty,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    ReLU,
    Residual,
    Sequential,
    Tanh,
)
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "blocks.json").read_text())
X = np.random.default_rng(0).normal(size=(40, 6))
Y = np.random.default_rng(1).normal(size=(40, 3))


def same(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, np.array(expected), rtol=1e-11, atol=1e-12, strict=True)


class FirstFour(Layer):
    """Passes on only channels 0 .. 3, so that the other channels can bypass the layers after it."""

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator, dtype: Any) -> tuple[int, ...]:
        super().build(input_shape, rng, dtype)
        self.output_shape = (4,)
        return self.output_shape

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self._x = x
        return x[:, :4]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dx = np.zeros_like(self._x)
        dx[:, :4] = dy
        return dx


class LastFour(FirstFour):
    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self._x = x
        return x[:, 4:]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dx = np.zeros_like(self._x)
        dx[:, 4:] = dy
        return dx


def test_values_and_gradients_of_pytorchs_shared_module() -> None:
    """One Dense layer and one Tanh are used in three places, in a chain and in branches."""
    case, dense, tanh = GOLDEN["shared"], Dense(4), Tanh()
    net = Sequential([
        dense, tanh,
        Branches([[dense, tanh], ReLU()]),
        Branches([[FirstFour(), dense, tanh], LastFour()]),
        Dense(2),
    ])  # fmt: skip
    net.build((4,), np.random.default_rng(0), np.float64)
    arrays = [dense.params["W"], dense.params["b"], net.layers[-1].params["W"], net.layers[-1].params["b"]]
    for array, weight in zip(arrays, case["weights"], strict=True):
        array[...] = weight
    same(net.forward(np.array(case["x"])), case["y"])
    same(net.backward(np.array(case["dy"])), case["dx"])
    grads = [dense.grads["W"], dense.grads["b"], net.layers[-1].grads["W"], net.layers[-1].grads["b"]]
    for gradient, expected in zip(grads, case["gradients"], strict=True):
        same(gradient, expected)


def chain() -> list[Layer]:
    dense = Dense(6, "tanh")
    return [dense, dense, ReLU(), dense, Dense(3)]


def blocks() -> list[Layer]:
    dense, norm = Dense(6, "tanh"), BatchNorm(0.7, activation="relu")
    return [Residual([dense, norm]), Residual([norm, dense], norm), Branches([dense, [dense, norm]]), Dense(3)]


def containers() -> list[Layer]:
    """Whole containers in several places, one of them also inside another."""
    inner = Sequential([Dense(4, "relu"), Dense(6)])
    block = Residual([inner, Dropout(0.0)], None, "tanh")
    return [block, Sequential([block, inner]), block, Dense(3)]


def penalised() -> list[Layer]:
    encoder, sparse = ContractivePenalty(Dense(6, "tanh"), 0.3), ActivityL1(0.2)
    return [encoder, sparse, encoder, sparse, Dense(3)]


def headed() -> list[Layer]:
    dense, head = Dense(6, "tanh"), AuxiliaryHead([Dense(3)], 0.4)
    return [dense, head, dense, head, Dense(3)]


SHARED = {"chain": chain, "blocks": blocks, "containers": containers, "penalised": penalised, "headed": headed}
SIZES = {"chain": 42 + 21, "blocks": 42 + 12 + 39, "containers": 28 + 30 + 21, "penalised": 63, "headed": 84}
each = pytest.mark.parametrize("name", SHARED)


def apart(name: str) -> Model:
    """The same network without sharing: each place has a separate layer with the same weights."""
    shared, own = shared_model(name), SHARED[name]()

    def copies(layer: Layer) -> Layer:
        fresh = copy.copy(layer)
        fresh.__init__(**{key: of(value) for key, value in layer.get_config().items()})  # type: ignore[misc]
        return fresh

    def of(value: Any) -> Any:
        if isinstance(value, Layer):
            return copies(value)
        return [of(entry) for entry in value] if isinstance(value, list) else value

    model = Model([copies(layer) for layer in own], 6, dtype="float64")
    for one, other in zip(places(model), places(shared), strict=True):
        for key, array in one.params.items():
            array[...] = other.params[key]
    return model


def places(model: Model) -> list[Layer]:
    return [layer for layer in model.root.walk() if not layer.sublayers()]


def shared_model(name: str, seed: int = 0, dtype: str = "float64") -> Model:
    return Model(SHARED[name](), 6, seed, dtype)


def compiled(model: Model, optimizer: Any = None) -> Model:
    model.compile(optimizer or Adam(0.01), MeanSquaredError())
    return model


@each
def test_outputs_are_those_of_layers_apart_and_gradients_their_sums(name: str) -> None:
    shared, other = compiled(shared_model(name), SGD(0.0)), compiled(apart(name), SGD(0.0))
    assert shared.train_on_batch(X, Y) == pytest.approx(other.train_on_batch(X, Y), rel=1e-13)
    sums: dict[int, dict[str, np.ndarray]] = {}
    for place, own in zip(places(shared), places(other), strict=True):
        entry = sums.setdefault(id(place.original or place), {})
        for key, gradient in own.grads.items():
            entry[key] = entry.get(key, 0) + gradient
    for place in places(shared):
        for key, gradient in place.grads.items():
            np.testing.assert_allclose(gradient, sums[id(place.original or place)][key], rtol=1e-10, atol=1e-14)
    y = shared.forward(X, True)
    np.testing.assert_allclose(y, other.forward(X, True), rtol=1e-13)
    dy = np.random.default_rng(2).normal(size=y.shape)
    np.testing.assert_allclose(shared.backward(dy), other.backward(dy), rtol=1e-10, atol=1e-14)


def check_sharing(model: Model, name: str) -> None:
    """Check that each place has its original's arrays, which are views of the model's vectors."""
    pattern = [(place.original is None, type(place).__name__) for place in places(shared_model(name))]
    assert [(place.original is None, type(place).__name__) for place in places(model)] == pattern
    again = [place for place in places(model) if place.original is not None]
    assert again
    for place in again:
        assert any(place.original is first for first in places(model))  # the original is in this model
        for kind in ("params", "grads", "state"):
            assert getattr(place, kind) is getattr(place.original, kind)
        for key, array in place.params.items():
            assert np.shares_memory(array, model.parameters)
            assert np.shares_memory(place.grads[key], model.gradients)
    before = model.parameters.copy()
    model.parameters[:] = 3
    assert all((array == 3).all() for array in model.params.values())
    model.parameters[:] = before


@each
def test_parameters_count_once(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    model = shared_model(name)
    check_sharing(model, name)
    state = 12 if name == "blocks" else 0
    assert model.parameters.size == model.gradients.size == SIZES[name]
    assert sum(weight.size for weight in model.get_weights()) == SIZES[name] + state
    model.summary()
    printed = capsys.readouterr().out
    assert f"Total params: {SIZES[name] + state}" in printed
    assert f"Trainable params: {SIZES[name]}" in printed
    assert f"Non-trainable params: {state}" in printed
    weights = [np.full(weight.shape, k + 1.0) for k, weight in enumerate(model.get_weights())]
    model.set_weights(weights)
    for got, wanted in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(got, wanted)


COPIES: dict[str, Callable[[Model], Model]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "astype": lambda model: compiled(model.astype("float32")),
}


@pytest.mark.parametrize("duplicate", COPIES)
@each
def test_copies_share_among_themselves_only(name: str, duplicate: str) -> None:
    model = compiled(shared_model(name))
    model.train_on_batch(X, Y)
    before = model.parameters.copy()
    duplicated = COPIES[duplicate](model)
    check_sharing(duplicated, name)
    np.testing.assert_allclose(duplicated.predict(X), model.predict(X), rtol=1e-5, atol=1e-5)
    loss = duplicated.train_on_batch(X, Y)
    check_sharing(duplicated, name)
    np.testing.assert_array_equal(model.parameters, before)
    if duplicate != "astype":
        assert model.train_on_batch(X, Y) == loss
        np.testing.assert_array_equal(model.parameters, duplicated.parameters)
        for array, other in zip(model.get_weights(), duplicated.get_weights(), strict=True):
            np.testing.assert_array_equal(array, other)
    else:
        assert {array.dtype for array in duplicated.get_weights()} == {np.dtype(np.float32)}


@each
def test_save_and_load_keep_the_sharing(name: str, tmp_path: Path) -> None:
    model = compiled(shared_model(name))
    model.fit(X, Y, batch_size=16, verbose=0)
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    check_sharing(loaded, name)
    np.testing.assert_array_equal(loaded.parameters, model.parameters)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()
    other = shared_model(name, seed=5)
    other.load_weights(tmp_path / "m")
    check_sharing(other, name)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    losses = [compiled(one, SGD(0.1)).train_on_batch(X, Y) for one in (loaded, other)]
    assert losses[0] == losses[1]
    check_sharing(loaded, name)
    np.testing.assert_array_equal(loaded.parameters, other.parameters)


@each
def test_a_resumed_run_is_the_same_run(name: str, tmp_path: Path) -> None:
    straight = compiled(shared_model(name, dtype="float32"))
    history = straight.fit(X, Y, epochs=4, batch_size=16, verbose=0)
    first = compiled(shared_model(name, dtype="float32"))
    first.fit(X, Y, epochs=2, batch_size=16, verbose=0)
    first.save_checkpoint(tmp_path / "c")
    resumed = compiled(shared_model(name, seed=9, dtype="float32"))
    resumed.load_checkpoint(tmp_path / "c")
    check_sharing(resumed, name)
    rest = resumed.fit(X, Y, epochs=4, batch_size=16, verbose=0, initial_epoch=resumed.epoch)
    assert rest.history["loss"] == history.history["loss"][2:]
    np.testing.assert_array_equal(resumed.parameters, straight.parameters)
    for array, other in zip(resumed.get_weights(), straight.get_weights(), strict=True):
        np.testing.assert_array_equal(array, other)
    loaded = compiled(Model.load(tmp_path / "c"))  # the file alone is enough
    loaded.load_checkpoint(tmp_path / "c")
    loaded.fit(X, Y, epochs=4, batch_size=16, verbose=0, initial_epoch=2)
    np.testing.assert_array_equal(loaded.parameters, straight.parameters)


def test_shared_noise_resumes_to_the_bit(tmp_path: Path) -> None:
    def noisy(seed: int = 0) -> Model:
        noise = Dropout(0.4)
        return compiled(Model([noise, dense := Dense(6, "tanh"), noise, dense, noise, Dense(3)], 6, seed))

    straight, first, resumed = noisy(), noisy(), noisy(seed=7)
    history = straight.fit(X, Y, epochs=4, batch_size=16, verbose=0).history["loss"]
    first.fit(X, Y, epochs=2, batch_size=16, verbose=0)
    first.save_checkpoint(tmp_path / "c")
    resumed.load_checkpoint(tmp_path / "c")
    assert resumed.fit(X, Y, epochs=4, batch_size=16, verbose=0, initial_epoch=2).history["loss"] == history[2:]
    np.testing.assert_array_equal(resumed.parameters, straight.parameters)


def test_a_shared_layer_is_written_once(tmp_path: Path) -> None:
    model = Model(chain(), 6)
    model.save(tmp_path / "m")
    with safe_open(tmp_path / "m", framework="numpy") as file:
        layers = json.loads(file.metadata()["tinydl"])["layers"]
        sizes = {key: file.get_tensor(key).size for key in file.keys()}  # noqa: SIM118
    assert [entry.get("same_as") for entry in layers] == [None, 0, None, 0, None]
    assert layers[1] == {"same_as": 0}
    assert sum(sizes.values()) >= SIZES["chain"]


@pytest.mark.parametrize("number", [2, -1, "0", None, True, 1.0])
def test_a_damaged_reference_is_one_clear_error(number: Any, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    Model(chain(), 6).save(tmp_path / "m")
    with safe_open(tmp_path / "m", framework="numpy") as file:
        metadata = json.loads(file.metadata()["tinydl"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    metadata["layers"][1]["same_as"] = number
    del metadata["checksums"]  # as in a file of an older version
    save_file(tensors, tmp_path / "m", {"tinydl": json.dumps(metadata)})
    with pytest.raises(ValueError, match="m: its architecture cannot be built: "):
        Model.load(tmp_path / "m")


def test_another_sharing_is_another_architecture(tmp_path: Path) -> None:
    """A file does not fit a model that shares other layers, even if all layers have the same shapes."""
    a, b = Dense(6), Dense(6)
    Model([a, b, a], 6).save(tmp_path / "m")
    c, d = Dense(6), Dense(6)
    with pytest.raises(ValueError, match="expected a file with this model's layers"):
        Model([c, d, d], 6).load_weights(tmp_path / "m")
    with pytest.raises(ValueError, match="expected a file with this model's layers"):
        Model([Dense(6), Dense(6), Dense(6)], 6).load_weights(tmp_path / "m")


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (
            lambda layer: [layer, Dense(4), layer],
            (6,),
            r"share W, which must have shape \(6, 5\) in both, got \(4, 5\) for input \(4,\) in the second place",
        ),
        (lambda layer: [Branches([layer, [Dense(4), layer]])], (6,), r"share W, .* \(6, 5\) in both, got \(4, 5\)"),
    ],
)
def test_a_second_place_of_another_shape_is_refused(make: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(
        ValueError,
        match=rf"\(Dense\): its two places {message}.*: use a separate layer there",
    ):
        Model(make(Dense(5)), shape)


def test_conflicts_of_convolutions_and_statistics_name_the_array() -> None:
    shared = Conv2D(4, 3)
    with pytest.raises(ValueError, match=r"\(Conv2D\).* share W, .* \(3, 3, 2, 4\) in both, got \(3, 3, 4, 4\)"):
        Model([shared, shared], (9, 9, 2))
    norm = BatchNorm()
    with pytest.raises(ValueError, match=r"\(BatchNorm\).* share gamma, .* \(6,\) in both, got \(5,\)"):
        Model([norm, Dense(5), norm], 6)
    flat = Flatten()  # Flatten has no arrays, so its inputs may differ in shape
    assert Model([Branches([[Conv2D(2, 3), flat], flat])], (4, 4, 2)).output_shape == (2 * 2 * 2 + 32,)
    assert Model([shared_conv := Conv2D(4, 3), shared_conv], (9, 9, 4)).output_shape == (5, 5, 4)  # W fits both sizes


def test_batch_norm_in_two_places_moves_its_statistics_twice() -> None:
    norm = BatchNorm(0.5)
    model = Model([norm, Dense(6), norm], 6, dtype="float64")
    y = model.layers[1].forward(model.layers[0].forward(X, True))
    mean = 0.5 * (0.5 * 0 + 0.5 * X.mean(axis=0)) + 0.5 * y.mean(axis=0)
    norm.state["mean"][:], norm.state["var"][:] = 0, 1
    model.forward(X, True)
    np.testing.assert_allclose(norm.state["mean"], mean, rtol=1e-12)
    assert len(model.get_weights()) == 6


def test_dropout_in_two_places_draws_anew_and_comes_back_with_its_mask() -> None:
    noise = Dropout(0.5)
    model = Model([Branches([noise, noise])], 50, dtype="float64")
    y = model.forward(np.ones((4, 50)), True)
    masks = y[:, :50], y[:, 50:]
    assert not np.array_equal(*masks)
    np.testing.assert_array_equal(model.backward(np.ones((4, 100))), masks[0] + masks[1])


@pytest.mark.parametrize("make", [
    lambda dense: [dense, dense, Dense(10)],
    lambda dense: [Sequential([dense]), Sequential([Dropout(0.0), dense]), Dense(10)],
    lambda dense: [dense, Residual([dense]), Branches([dense, dense])],
])  # fmt: skip
def test_a_large_shared_dense_gets_the_sum_in_training(make: Any) -> None:
    """Layers with 65,536 weights or more may overwrite their gradients, but a layer in two places must add to them."""
    model = Model(make(Dense(300, "tanh")), 300, dtype="float64")
    model.compile(SGD(0.0), MeanSquaredError())
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 300)), rng.normal(size=(4, *model.output_shape))
    for _ in range(2):
        model.zero_grad()
        model.loss.forward(model.forward(x, True), y)
        model.backward(model.loss.backward())
        expected = model.gradients.copy()
        model.gradients[:] = np.nan
        model.train_on_batch(x, y)
        np.testing.assert_allclose(model.gradients, expected, rtol=1e-12, atol=1e-15)


def test_the_lowest_layer_in_a_second_place_hands_its_gradient_on() -> None:
    """In training, the lowest layer need not compute dL/dx, but its copy further up must."""
    model, other = (compiled(make("chain"), SGD(0.5)) for make in (shared_model, apart))
    model.train_on_batch(X, Y)
    x = other.forward(X, True)
    other.loss.forward(x, Y)
    other.zero_grad()
    other.backward(other.loss.backward())
    total = sum(place.grads["W"] for place in places(other)[:4] if place.params)
    expected = places(other)[0].params["W"] - 0.5 * total
    np.testing.assert_allclose(model.params["dense_1.W"], expected, rtol=1e-12)


def test_shared_layers_learn_as_one() -> None:
    model = compiled(Model([dense := Dense(6, "tanh"), dense, Dense(2)], 6), Adam(0.02))
    model.compile(Adam(0.02), SoftmaxCrossEntropy(), metrics=["accuracy"])
    labels = (X[:, 0] > 0).astype(int)
    assert model.fit(X, labels, epochs=60, verbose=0).history["accuracy"][-1] > 0.95
    first, second = model.layers[:2]
    np.testing.assert_array_equal(first.params["W"], second.params["W"])
    np.testing.assert_allclose(
        model.predict(X), model.layers[2].forward(first.forward(first.forward(X.astype(np.float32)))), rtol=1e-5
    )


def test_the_list_given_is_left_as_it_was_and_names_are_numbered_by_place() -> None:
    dense = Dense(6)
    given = [dense, dense]
    model = Model(given, 6)
    assert given == [dense, dense]
    assert [layer.name for layer in model.layers] == ["dense_1", "dense_2"]
    assert model.layers[0] is dense
    assert model.layers[1].original is dense
    assert repr(model.layers[1]) == repr(dense)


def test_a_given_name_stays_at_the_first_place() -> None:
    code = Dense(6)
    code.name = "code"
    model = Model([code, ReLU(), code], 6)
    assert model.layers[0].name == "code"
    assert model.layers[2].name != "code"


def test_a_first_or_second_place_of_another_model_is_refused() -> None:
    dense = Dense(6)
    model = Model([dense, dense], 6)
    for layer in (*model.layers, Residual(dense)):
        with pytest.raises(
            ValueError, match=r"\(Dense\), which already belongs to a model: give each model its own layers"
        ):
            Model([layer], 6)


# --- users' own layers ------------------------------------------------------------------------------------------------


class Block(Container):
    """A container that keeps its layers both as attributes and in a list."""

    def __init__(self, units: int, by_handle: bool = True) -> None:
        super().__init__()
        self.units, self.by_handle = units, by_handle
        self.dense, self.act = Dense(units), Tanh()
        self.layers = [self.dense, self.act]

    def sublayers(self) -> list[Layer]:
        return self.layers

    def build(self, input_shape: Any, rng: np.random.Generator, dtype: Any) -> Any:
        shape = super().build(input_shape, rng, dtype)
        self.name_sublayers()
        for layer in (self.dense, self.act) if self.by_handle else self.layers:
            shape = layer.build(shape, rng, dtype)
        self.output_shape = shape
        return shape

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return self.act.forward(self.dense.forward(x, training), training)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return self.dense.backward(self.act.backward(dy))


@pytest.mark.parametrize("by_handle", [True, False])
def test_a_second_name_for_a_layer_is_no_second_place(by_handle: bool) -> None:
    block, x = Block(3, by_handle), np.random.default_rng(0).normal(size=(6, 3))
    model = Model([block, Dense(3), block], 3, dtype="float64")
    assert model.parameters.size == 24
    assert block.dense is block.layers[0]
    second = model.layers[2]
    assert isinstance(second, Block)
    assert second.dense is second.layers[0] is not block.dense
    model.compile(SGD(0.1), MeanSquaredError())
    check_model(model, x, x)
    before = model.train_on_batch(x, x)
    assert model.train_on_batch(x, x) < before


class Scale(Layer):
    """A layer whose cache is a dict made in the constructor."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[str, np.ndarray] = {}

    def build(self, input_shape: Any, rng: np.random.Generator, dtype: Any) -> Any:
        self.add_parameter("s", np.full(input_shape, 2, dtype))
        return super().build(input_shape, rng, dtype)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache["x"] = x
        return x * self.params["s"]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.grads["s"] += (dy * self.cache["x"]).sum(axis=0)
        return dy * self.params["s"]


def test_each_place_has_a_cache_of_its_own() -> None:
    scale, x = Scale(), np.random.default_rng(0).normal(size=(6, 3))
    check_model(Model([scale, scale], 3, dtype="float64"), x, x, loss=MeanSquaredError())


class Rebinds(Scale):
    def build(self, input_shape: Any, rng: np.random.Generator, dtype: Any) -> Any:
        self.params, self.grads = {"s": np.ones(input_shape, dtype)}, {"s": np.zeros(input_shape, dtype)}
        return Layer.build(self, input_shape, rng, dtype)


class InATuple(Block):
    def __init__(self, a: Layer, b: Layer) -> None:
        Container.__init__(self)
        self.parts = (a, b)
        self.a, self.b = a, b

    def sublayers(self) -> list[Layer]:
        return list(self.parts)


def test_what_cannot_be_shared_is_refused() -> None:
    layer: Layer = Rebinds()
    with pytest.raises(TypeError, match=r"rebinds_2 .* appears in two places, .* use self.add_parameter"):
        Model([layer, layer], 3)
    layer = Dense(3)
    with pytest.raises(TypeError, match=r"InATuple: one of its layers also appears in another place, .*or in lists"):
        Model(InATuple(layer, layer), 3)
    layer = Dense(3)
    branches = Branches([layer, layer])
    branches.build((3,), np.random.default_rng(0), "float32")
    with pytest.raises(ValueError, match="is a copy of a layer that is not in this model"):
        Model([branches.branches[1]], 3)
