"""Residual, Branches, AuxiliaryHead, PadChannels: values from PyTorch, and messages that name the remedy."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.callbacks import Callback
from tinydl.gradcheck import check_model
from tinydl.layers import (
    ActivityL1,
    AuxiliaryHead,
    AveragePool2D,
    BatchNorm,
    Branches,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool2D,
    PadChannels,
    ReLU,
    Residual,
    Sequential,
    Softmax,
    Tanh,
)
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam
from tinydl.study.recorder import listen

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "blocks.json").read_text())
BLOCKS = [name for name in GOLDEN if name.split("_")[0] in ("identity", "projection", "inception")]


def conv(filters: int, kernel_size: int, strides: int = 1, activation: str | None = "relu") -> Conv2D:
    return Conv2D(filters, kernel_size, strides, kernel_size // 2, activation)


def golden_layer(name: str) -> Layer:
    kind, activation = name.split("_")[0], GOLDEN[name].get("activation")
    if kind == "identity":
        return Residual([conv(2, 3), conv(3, 3, activation=None)], None, activation)
    if kind == "projection":
        return Residual([conv(3, 3, 2), conv(4, 3, activation=None)], conv(4, 1, 2, None), activation)
    return Branches(
        [conv(2, 1), [conv(2, 1), conv(3, 3)], [conv(1, 1), conv(2, 5)], [MaxPool2D(3, 1, "same"), conv(2, 1)]]
    )


def built(layer: Any, shape: tuple[int, ...] = (5,), dtype: Any = np.float64) -> Any:
    layer.build(shape, np.random.default_rng(0), dtype)
    return layer


def filled(layer: Layer, weights: list[Any]) -> Any:
    for parameter, weight in zip(layer.params.values(), weights, strict=True):
        parameter[...] = weight
    return layer


def same(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, np.array(expected), rtol=1e-11, atol=1e-12, strict=True)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


# --- Residual and Branches --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BLOCKS)
def test_values_and_gradients_of_pytorch(name: str) -> None:
    case = GOLDEN[name]
    x, y = np.array(case["x"]), np.array(case["y"])
    layer = golden_layer(name)
    assert layer.build(x.shape[1:], np.random.default_rng(0), np.float64) == y.shape[1:]
    filled(layer, case["weights"])
    same(layer.forward(x), y)
    same(layer.backward(np.array(case["dy"])), case["dx"])
    for gradient, expected in zip(layer.grads.values(), case["gradients"], strict=True):
        same(gradient, expected)


def test_a_residual_of_zeros_is_the_identity() -> None:
    layer, x = built(Residual([Dense(4, "tanh"), Dense(5)])), normal(3, 5)
    for parameter in layer.params.values():
        parameter[:] = 0
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)


@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
@pytest.mark.parametrize("shortcut", [None, [Conv2D(16, 1), BatchNorm()]])
def test_a_norm_that_adds_the_shortcut_changes_no_bit(activation: str | None, shortcut: Any) -> None:
    """Layers that are listened to, or whose class or activation is another, run one by one."""

    class Norm(BatchNorm):
        pass

    x, dy = normal(4, 5, 3, 16).astype(np.float32), normal(4, 5, 3, 16, seed=1).astype(np.float32)
    for training, frozen in ((True, False), (True, True), (False, False)):
        runs = []
        for norm in (BatchNorm(), Norm(), BatchNorm(activation="relu")):
            body = [Conv2D(16, 3, padding="same"), Conv2D(16, 3, padding="same"), norm]
            layer = built(Residual(body, copy.deepcopy(shortcut), activation), (5, 3, 16), np.float32)
            norm.trainable = not frozen
            for parameter in layer.params.values():
                parameter += 0.1
            y = layer.forward(x, training)
            assert (layer._norm is norm) == (type(norm) is BatchNorm and norm.activation is None)
            runs.append([y, layer.backward(dy), *layer.grads.values(), *layer.state.values()])
        for one, other in zip(*runs[:2], strict=True):
            np.testing.assert_array_equal(one, other)
        passages = listen(layer := copy.deepcopy(layer))
        layer.forward(x, training)
        assert [passage.forward_calls for passage in passages] == [1] * len(passages)


@pytest.mark.parametrize("filters", [5, 300])  # sums of more than 256 terms are cut into parts
def test_a_convolution_that_adds_the_dx_of_other_branches_changes_no_bit(filters: int) -> None:
    """Layers of another class do not add it."""

    class Own(Conv2D):
        pass

    x, dy = (normal(4, 9, 7, c, seed=c).astype(np.float32) for c in (16, 16 + 2 * filters + 3 + 6 + 4))
    runs = []
    for kind in (Conv2D, Own):
        layer = built(
            Branches([
                ReLU(), kind(filters, 1), [kind(filters, 1, use_bias=False), BatchNorm(activation="relu")],
                [MaxPool2D(3, 1, "same"), kind(3, 1)], kind(6, 3, padding="same"),
                [kind(6, 3, padding="same"), MaxPool2D(3, 1, "same"), kind(4, 5, padding="same")],
            ]),
            (9, 7, 16), np.float32,
        )  # fmt: skip
        y = layer.forward(x, training=True)
        before = dy.copy()
        runs.append([y, layer.backward(dy), *layer.grads.values()])
        np.testing.assert_array_equal(dy, before)
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_branches_of_branches_and_of_rows() -> None:
    layer = built(Branches([Dense(2), Branches([Dense(1), [Dense(3), Tanh()]]), ReLU()]))
    x = normal(4, 5)
    y = layer.forward(x)
    assert (y.shape, layer.output_shape) == ((4, 11), (11,))
    np.testing.assert_array_equal(y[:, 6:], np.maximum(x, 0))
    ones = [layer.branches[0].forward(x), layer.branches[1].forward(x)]
    np.testing.assert_array_equal(y[:, :6], np.concatenate(ones, axis=1))


def test_names_and_order_of_what_is_in_them() -> None:
    layer = built(Residual([Dense(4), ReLU(), Dense(6)], Dense(6)))
    assert list(layer.params) == [
        "sequential_1.dense_1.W", "sequential_1.dense_1.b", "sequential_1.dense_2.W", "sequential_1.dense_2.b",
        "dense_1.W", "dense_1.b",
    ]  # fmt: skip
    layer = built(Branches([[BatchNorm()], Dense(2)]))
    assert (list(layer.params), list(layer.state)) == (
        ["sequential_1.batch_norm_1.gamma", "sequential_1.batch_norm_1.beta", "dense_1.W", "dense_1.b"],
        ["sequential_1.batch_norm_1.mean", "sequential_1.batch_norm_1.var"],
    )


COMPOSITES = {
    "residual": lambda: Residual([Dense(4, "tanh"), Dense(5)], None, "relu"),
    "projection": lambda: Residual([Dense(4, "tanh"), Dense(3)], Dense(3), "tanh"),
    "branches": lambda: Branches([Dense(2), [Dense(4, "tanh"), Dense(3)]]),
    "one branch": lambda: Branches([ReLU()]),
    "identity branches": lambda: Branches([ReLU(), Tanh()]),
    "pad": lambda: PadChannels(7),
    "head": lambda: AuxiliaryHead([Dense(4, "relu"), Dense(3)]),
}


@pytest.mark.parametrize("name", COMPOSITES)
def test_arrays_of_others_are_neither_written_to_nor_handed_out_twice(name: str) -> None:
    for dtype in [np.float32, np.float64]:
        layer, x = built(COMPOSITES[name](), dtype=dtype), normal(4, 5).astype(dtype)
        if name == "head":
            layer.expect(SoftmaxCrossEntropy(), np.array([0, 2, 1, 0]))
        y = layer.forward(x, training=True)
        dy = normal(*y.shape, seed=1).astype(dtype)
        dx = layer.backward(dy)
        assert (y.dtype, dx.dtype, dx.shape) == (dtype, dtype, x.shape)
        before = [array.copy() for array in (x, dy, y, dx)]
        layer.forward(-2 * x, training=True)
        layer.backward(-dy)
        for array, old in zip((x, dy, y, dx), before, strict=True):
            np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("name", COMPOSITES)
def test_backward_before_forward_and_foreign_arrays_are_refused(name: str) -> None:
    layer = built(COMPOSITES[name]())
    kind = type(layer).__name__
    with pytest.raises(RuntimeError, match=f"^{kind}: backward needs a forward pass"):
        layer.backward(np.ones((2, *layer.output_shape)))
    y = layer.forward(np.ones((2, 5)))
    with pytest.raises(
        ValueError, match=rf"^{kind}: dy must have the shape of the last output, \(2, {y.shape[1]}\), got"
    ):
        layer.backward(np.ones((3, y.shape[1])))
    with pytest.raises(ValueError, match=rf"^{kind}: expected an input of shape \(batch, 5\), got \(2, 4\)"):
        layer.forward(np.ones((2, 4)))


@pytest.mark.parametrize("name", COMPOSITES)
def test_the_config_makes_the_same_layer(name: str) -> None:
    layer = COMPOSITES[name]()
    assert repr(type(layer)(**layer.get_config())) == repr(layer)


def test_shapes_that_cannot_be_added_name_the_mend() -> None:
    with pytest.raises(
        ValueError,
        match=r"^residual_1 \(Residual\): body and shortcut must give equal shapes, got \(4,\) and \(5,\): add a shortcut that changes "
        r"the shape in the same way, such as Dense\(4\) \(it follows the input, which gives \(5,\)",
    ):
        Model([Residual(Dense(4))], 5)
    with pytest.raises(
        ValueError,
        match=r"^Residual: body and shortcut must give equal shapes, got \(4, 4, 6\) and \(4, 4, 3\): add a shortcut .*, such as Conv2D\(6, 1, strides\)$",
    ):
        built(Residual(conv(6, 3)), (4, 4, 3))
    with pytest.raises(
        ValueError,
        match=r"^Residual: body and shortcut must give equal shapes, got \(2, 2, 6\) and \(4, 4, 6\)$",
    ):
        built(Residual([conv(6, 3, 2)], conv(6, 1)), (4, 4, 3))


def test_branches_that_do_not_stand_side_by_side_are_named() -> None:
    with pytest.raises(
        ValueError,
        match=r"^Branches: the branches' outputs must have the same shape except for the last axis, got "
        r'conv2d_1 \(Conv2D\) \(4, 4, 2\), conv2d_2 \(Conv2D\) \(2, 2, 2\): give all branches the same strides, and padding="same"$',
    ):
        built(Branches([conv(2, 1), Conv2D(2, 3)]), (4, 4, 3))
    with pytest.raises(ValueError, match=r"flatten_1 \(Flatten\) \(48,\)"):
        built(Branches([conv(2, 1), Flatten()]), (4, 4, 3))


@pytest.mark.parametrize("bad", [Dense, "relu", 3, None, {"a": Dense(3)}])
def test_what_is_no_layer_is_refused(bad: Any) -> None:
    mend = r"got .*: write Dense\(\.\.\.\)" if bad is Dense else "got "
    for make, argument in (
        (lambda: Residual(bad), "Residual: body"),
        (lambda: Branches([Dense(3), bad]), "Branches: every branch"),
        (lambda: AuxiliaryHead(bad), "AuxiliaryHead: head"),
    ):
        with pytest.raises(TypeError, match=f"^{argument} must be a layer or a list of layers, {mend}"):
            make()
    if bad is not None:
        with pytest.raises(TypeError, match=f"^Residual: shortcut must be a layer or a list of layers, {mend}"):
            Residual(Dense(3), bad)
    with pytest.raises(TypeError, match=r"^Sequential: expected Layer objects, got"):
        Residual([Dense(3), bad])


def test_no_layers_no_branches_and_no_list_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^Branches: expected at least one branch, got none"):
        Branches([])
    for bad in (Dense(3), None, "ab", {1: 2}):
        with pytest.raises(TypeError, match=r"^Branches: expected a list of branches, got"):
            Branches(bad)  # type: ignore[arg-type]
    for make in (
        lambda: Residual([]),
        lambda: Branches([[]]),
        lambda: AuxiliaryHead([]),
        lambda: Residual(Dense(3), []),
    ):
        with pytest.raises(ValueError, match=r"^Sequential: expected at least one layer, got none"):
            make()
    with pytest.raises(
        ValueError, match=r"^Residual: activation must be one of None, 'linear', 'relu'.* got 'softmax'"
    ):
        Residual(Dense(3), None, "softmax")


def test_a_layer_that_forgets_its_return_is_named() -> None:
    class Forgets(Layer):
        forward_too = False

        def forward(self, x: np.ndarray, training: bool = False) -> Any:
            return None if self.forward_too else x

        def backward(self, dy: np.ndarray) -> None:
            return None

    for make in (
        lambda layer: Residual(layer),
        lambda layer: Residual(ReLU(), layer),
        lambda layer: Branches([layer, ReLU()]),
    ):
        layer = built(make(Forgets()))
        y = layer.forward(np.ones((2, 5)))
        with pytest.raises(TypeError, match=r"forgets_1 \(Forgets\): backward must return dL/dx, got None"):
            layer.backward(np.ones_like(y))
        next(one for one in layer.walk() if isinstance(one, Forgets)).forward_too = True
        with pytest.raises(TypeError, match=r"forgets_1 \(Forgets\): forward must return an array, got None"):
            layer.forward(np.ones((2, 5)))


def test_a_layer_that_gives_another_shape_than_it_promised_is_no_way_to_foreign_memory() -> None:
    class Lies(Layer):
        forward_too = True

        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            return x[:, :2] if self.forward_too else x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy[:, :2]

    layer = built(Residual(Lies()))
    with pytest.raises(
        ValueError, match=r"Residual: body and shortcut must give equal shapes, got \(3, 2\) and \(3, 5\)"
    ):
        layer.forward(np.ones((3, 5)))
    layer.body.forward_too = False
    layer.forward(np.ones((3, 5)))
    with pytest.raises(ValueError, match=r"add: both arrays must have the same shape, got \(3, 2\) and \(3, 5\)"):
        layer.backward(np.ones((3, 5)))


def test_layers_without_parameters_also_work_unbuilt() -> None:
    x = normal(3, 5)
    layer = Branches([ReLU(), Residual(Tanh()), PadChannels(6)])
    y = layer.forward(x)
    np.testing.assert_array_equal(y, np.concatenate([np.maximum(x, 0), np.tanh(x) + x, np.pad(x, [(0, 0), (0, 1)])], 1))
    np.testing.assert_allclose(layer.backward(np.ones_like(y)), (x > 0) + (2 - np.tanh(x) ** 2) + 1.0, rtol=1e-12)
    with pytest.raises(
        ValueError, match=r"Residual: body and shortcut must give equal shapes, got \(3, 7\) and \(3, 5\)"
    ):
        Residual(PadChannels(7)).forward(x)


# --- PadChannels ------------------------------------------------------------------------------------------------------


def test_pad_channels_appends_zeros() -> None:
    for shape in [(3,), (2, 4, 3)]:
        for channels in [3, 4, 9]:
            layer, x = PadChannels(channels), normal(5, *shape)
            assert layer.build(shape, np.random.default_rng(0), np.float64) == (*shape[:-1], channels)
            y = layer.forward(x)
            np.testing.assert_array_equal(y[..., :3], x)
            assert y.shape == (5, *shape[:-1], channels)
            assert not y[..., 3:].any()
            dy = normal(*y.shape, seed=1)
            np.testing.assert_array_equal(layer.backward(dy), dy[..., :3])


def test_the_shortcut_without_parameters() -> None:
    """AveragePool2D(1, 2) keeps every other pixel, and PadChannels adds channels of zeros."""
    layer, x = built(Sequential([AveragePool2D(1, 2), PadChannels(5)]), (4, 6, 2)), normal(3, 4, 6, 2)
    y = layer.forward(x)
    np.testing.assert_array_equal(y[..., :2], x[:, ::2, ::2])
    assert not y[..., 2:].any()
    dx = layer.backward(np.ones_like(y))
    assert dx[:, ::2, ::2].all()
    assert dx.sum() == x.size / 4


def test_pad_channels_refuses_fewer_channels_than_there_are() -> None:
    with pytest.raises(ValueError, match=r"^PadChannels: expected an input of at most 2 channels, got 3"):
        built(PadChannels(2), (4, 4, 3))
    with pytest.raises(ValueError, match=r"^PadChannels: expected an input of at most 2 channels, got 3"):
        PadChannels(2).forward(np.ones((2, 3)))
    for value in (0, -1, 2.0, "3", True, None):
        with pytest.raises(ValueError, match=r"^PadChannels: channels must be an integer >= 1, got"):
            PadChannels(value)  # type: ignore[arg-type]


# --- AuxiliaryHead ----------------------------------------------------------------------------------------------------


def googlenet_in_small(weight: float = 0.3) -> Model:
    head = AuxiliaryHead([Dense(3, "tanh"), Dense(3)], weight)
    return Model([Dense(4, "tanh"), head, Dense(3)], 5, dtype="float64")


def test_the_loss_and_all_gradients_are_pytorchs() -> None:
    case, model = GOLDEN["auxiliary"], googlenet_in_small()
    filled(model.root, case["weights"])
    model.compile(SGD(0.0), SoftmaxCrossEntropy())
    x, labels = np.array(case["x"]), np.array(case["labels"])
    assert model.train_on_batch(x, labels) == pytest.approx(case["loss"], rel=1e-12)
    for gradient, expected in zip(model.grads.values(), case["gradients"], strict=True):
        same(gradient, expected)
    model.zero_grad()
    model.layers[1].expect(SoftmaxCrossEntropy(), labels)  # as a training step does temporarily
    same(model.loss.forward(model.forward(x, True), labels) + model.penalty(), np.array(case["loss"]))
    same(model.backward(model.loss.backward()), case["dx"])
    assert model.evaluate(x, labels) == pytest.approx(case["main"], rel=1e-12)


def test_a_head_of_weight_0_teaches_nothing() -> None:
    case, model = GOLDEN["auxiliary"], googlenet_in_small(0)
    filled(model.root, case["weights"])
    model.compile(SGD(0.0), SoftmaxCrossEntropy())
    assert model.train_on_batch(case["x"], case["labels"]) == pytest.approx(case["main"], rel=1e-12)
    assert not any(array.any() for name, array in model.grads.items() if name.startswith("auxiliary_head"))


def test_the_head_is_idle_outside_of_training() -> None:
    case, model = GOLDEN["auxiliary"], googlenet_in_small()
    plain = Model([Dense(4, "tanh"), Dense(3)], 5, dtype="float64")
    filled(model.root, case["weights"])
    filled(plain.root, case["weights"][:2] + case["weights"][-2:])
    x, labels = np.array(case["x"]), np.array(case["labels"])
    for each in (model, plain):
        each.compile(SGD(0.0), SoftmaxCrossEntropy(), metrics=["accuracy"])
    for _ in range(2):
        assert model.evaluate(x, labels) == plain.evaluate(x, labels)
        np.testing.assert_array_equal(model.predict(x), plain.predict(x))
        assert model.penalty() == 0
        model.train_on_batch(x, labels)
        assert model.penalty() == pytest.approx(0.3 * case["aux"], rel=1e-12)  # from the last pass
    model.zero_grad()
    model.forward(x)
    dx = model.backward(np.ones((6, 3)))
    plain.forward(x)
    np.testing.assert_array_equal(dx, plain.backward(np.ones((6, 3))))
    assert not any(array.any() for name, array in model.grads.items() if name.startswith("auxiliary_head"))


def test_fit_trains_head_and_trunk_with_the_sum() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 5))
    labels = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    model = googlenet_in_small()
    model.compile(Adam(0.02), SoftmaxCrossEntropy(), metrics=["accuracy"])
    before = model.parameters.copy()
    history = model.fit(x, labels, epochs=40, batch_size=32, verbose=0, validation_data=(x, labels)).history
    assert (model.parameters != before).all()
    assert history["loss"][0] > 1.1 * history["val_loss"][0]  # val_loss excludes the head's loss
    assert history["accuracy"][-1] > 0.9
    trunk, head = model.layers[0], model.layers[1]
    assert isinstance(head, AuxiliaryHead)
    guess = head.head.forward(trunk.forward(x)).argmax(axis=1)
    assert (guess == labels).mean() > 0.85  # the head learned, too


def test_each_row_meets_its_own_target_in_every_batch() -> None:
    """With a learning rate of 0, shuffled batches, the last of them short, give the loss computed by hand."""
    x, labels = normal(23, 5), np.random.default_rng(1).integers(0, 3, 23)
    model = googlenet_in_small(0.5)
    model.compile(SGD(0.0), SoftmaxCrossEntropy())
    trunk, head, top = model.layers
    assert isinstance(head, AuxiliaryHead)
    h = trunk.forward(x)
    loss = SoftmaxCrossEntropy()
    expected = loss.forward(top.forward(h), labels) + 0.5 * loss.forward(head.head.forward(h), labels)
    assert model.fit(x, labels, batch_size=8, verbose=0).history["loss"][0] == pytest.approx(expected, rel=1e-12)


def test_a_callback_may_evaluate_between_batches() -> None:
    class Evaluates(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            assert self.model.evaluate(X, LABELS) > 0

    X, LABELS = normal(20, 5), np.random.default_rng(1).integers(0, 3, 20)
    runs = []
    for callbacks in ([], [Evaluates()]):
        model = googlenet_in_small()
        model.compile(Adam(0.01), SoftmaxCrossEntropy())
        model.fit(X, LABELS, epochs=2, batch_size=8, verbose=0, callbacks=callbacks)
        runs.append(model.parameters)
    np.testing.assert_array_equal(*runs)


def test_penalties_and_noise_within_a_head_count_with_its_weight() -> None:
    """A penalty inside the head is added to the loss without the head's weight."""
    model = Model([Dense(4, "tanh"), AuxiliaryHead([Dropout(0.0), ActivityL1(0.5), Dense(2)], 0.3), Dense(2)], 5)
    model.compile(SGD(0.0), MeanSquaredError())
    x, y = normal(6, 5), normal(6, 2, seed=1)
    h = model.layers[0].forward(x.astype(np.float32))
    aux = np.mean((model.layers[1].sublayers()[0].forward(h) - y) ** 2)
    expected = model.evaluate(x, y) + 0.3 * aux + 0.5 * np.abs(h).sum() / 6
    assert model.train_on_batch(x, y) == pytest.approx(expected, rel=1e-5)


def test_two_heads_and_nested_in_other_containers() -> None:
    inner, outer = AuxiliaryHead(Dense(3), 0.2), AuxiliaryHead([Dense(3)], 0.4)
    model = Model([Residual([Dense(5, "tanh"), inner]), Branches([outer, Dense(2)]), Dense(3)], 5, dtype="float64")
    model.compile(SGD(0.0), SoftmaxCrossEntropy())
    x, labels = normal(6, 5), np.array([0, 2, 1, 1, 0, 2])
    loss = SoftmaxCrossEntropy()
    body = model.layers[0].sublayers()[0].layers[0].forward(x)  # type: ignore[attr-defined]
    terms = [
        loss.forward(model.predict(x), labels), 0.2 * loss.forward(inner.head.forward(body), labels),
        0.4 * loss.forward(outer.head.forward(x + body), labels),
    ]  # fmt: skip
    assert model.train_on_batch(x, labels) == pytest.approx(sum(terms), rel=1e-12)
    assert all(array.any() for array in model.grads.values())


def test_penalties_in_an_idle_head_are_none() -> None:
    model = Model([Dense(4), AuxiliaryHead([ActivityL1(0.5), Dense(2)]), Dense(2)], 5)
    model.compile(SGD(0.0), MeanSquaredError())
    x, y = normal(6, 5), normal(6, 2, seed=1)
    before = model.evaluate(x, y)
    model.train_on_batch(x, y)
    assert model.penalty() > 0
    assert model.evaluate(x, y) == before


def test_a_head_that_does_not_fit_the_loss_is_refused_by_compile() -> None:
    model = Model([Dense(4), AuxiliaryHead([Dense(4), Dense(2)]), Dense(3)], 5)
    with pytest.raises(
        ValueError,
        match=r"^compile: the head of auxiliary_head_1 \(AuxiliaryHead\) gives shape \(2,\), the model \(3,\): both shapes must be the same",
    ):
        model.compile(SGD(), SoftmaxCrossEntropy())
    assert model.optimizer is None
    model = Model([Dense(4), AuxiliaryHead([Dense(3), Softmax()]), Dense(3)], 5)
    with pytest.raises(ValueError, match=r"takes logits and applies the softmax itself, .* softmax_1 \(Softmax\)"):
        model.compile(SGD(), SoftmaxCrossEntropy())
    model.compile(SGD(), MeanSquaredError())


def test_a_bad_weight_is_refused() -> None:
    for weight in [-0.1, np.nan, np.inf, "0.3", True, None]:
        with pytest.raises(ValueError, match=r"^AuxiliaryHead: weight must be a finite number with 0 <= weight, got"):
            AuxiliaryHead(Dense(3), weight)


def test_a_model_with_heads_can_be_checked_as_a_whole() -> None:
    model = Model([Dense(3, "tanh"), AuxiliaryHead(Dense(3)), Dense(3)], 3, dtype="float64")
    model.compile(SGD(), SoftmaxCrossEntropy())
    x, y = np.random.default_rng(0).normal(size=(6, 3)), np.array([0, 1, 2, 1, 0, 2])
    assert "auxiliary_head_1.dense_1.W" in str(check_model(model, x, y))
    check_model(model, x, y, mode="directional")
    head = model.layers[1]
    assert isinstance(head, AuxiliaryHead)
    assert head.targets is None


def test_a_head_whose_loss_is_not_finite_is_named() -> None:
    model = Model([Dense(3), AuxiliaryHead(Dense(3)), Dense(3)], 3)
    model.compile(SGD(), SoftmaxCrossEntropy())
    head = model.layers[1]
    assert isinstance(head, AuxiliaryHead)
    head.weight = 1e300 * 1e300
    with pytest.raises(
        FloatingPointError, match=r"the loss is not; the loss of auxiliary_head_1 \(AuxiliaryHead\) is inf"
    ):
        model.train_on_batch(np.ones((2, 3)), np.array([0, 1]))


@pytest.mark.parametrize("layer", [BatchNorm(), Branches([Dense(2), Dense(3)]), Residual(Dense(4)), PadChannels(6)])
def test_no_rows_are_no_trouble(layer: Layer) -> None:
    layer.build((4,), np.random.default_rng(0), "float32")
    y = layer.forward(np.zeros((0, 4), np.float32), training=True)
    dx = layer.backward(y)
    assert dx is not None
    assert dx.shape == (0, 4)
    assert all(np.isfinite(array).all() for array in layer.state.values())


def test_check_model_leaves_a_head_what_it_expects() -> None:
    """The head keeps its own targets and loss, although they differ from the model's."""
    model = Model([Dense(3, "tanh"), AuxiliaryHead(Dense(2)), Dense(1)], 3, dtype="float64")
    head = model.layers[1]
    assert isinstance(head, AuxiliaryHead)
    head.expect(SoftmaxCrossEntropy(), np.array([0, 1, 1, 0]))
    x = np.random.default_rng(0).normal(size=(4, 3))
    check_model(model, x, x[:, :1], loss=MeanSquaredError())
