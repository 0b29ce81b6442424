"""Regularizers: training against Keras's, one term for each array, and what is refused, shown and saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.rewriting import rewritten
from tinydl import Model
from tinydl.layers import AuxiliaryHead, ContractivePenalty, Conv2D, Dense, Flatten, Layer, Sequential
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD
from tinydl.regularizers import L1, L1L2, L2, Regularizer
from tinydl.training.freezing import LARGE

KERAS = json.loads((Path(__file__).parent / "golden" / "regularizers_keras.json").read_text())
DATA = KERAS.pop("data")
KINDS: dict[str, Any] = {
    "none": None, "l1": "l1", "l2": "l2", "L1(0.003)": L1(0.003), "L2(0.05)": L2(0.05),
    "L1L2(0.004, 0.02)": L1L2(0.004, 0.02),
}  # fmt: skip


class Quartic(Regularizer):
    """A user's own term."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def penalty(self, W: NDArray) -> float:
        return self.factor * np.sum(W**4).item()

    def gradient(self, W: NDArray) -> NDArray:
        return 4 * self.factor * W**3


@pytest.mark.parametrize("case", KERAS)
def test_training_is_that_of_keras(case: str) -> None:
    kind, shared = KINDS[case.removesuffix(", shared")], case.endswith(", shared")
    square = Dense(24, "tanh", use_bias=False, kernel_regularizer=kind)
    model = Model(
        [
            Conv2D(3, (2, 3), activation="tanh", kernel_regularizer=kind), Flatten(),
            *[square] * (2 if shared else 0), Dense(3, kernel_regularizer=kind),
        ],
        input_shape=(5, 4, 2), dtype="float64",
    )  # fmt: skip
    start = [np.array(w) for w in DATA["start"]]
    if shared:
        start.insert(2, 0.2 * np.eye(24) + 0.01 * np.arange(576.0).reshape(24, 24) / 576)
    model.set_weights(start)
    model.compile(SGD(0.1), MeanSquaredError())
    x, y = np.array(DATA["x"]), np.array(DATA["y"])
    losses = [model.train_on_batch(x, y) for _ in KERAS[case]["losses"]]
    np.testing.assert_allclose(losses, KERAS[case]["losses"], rtol=1e-12)
    for own, recorded in zip(model.get_weights(), KERAS[case]["weights"], strict=True):
        np.testing.assert_allclose(own, recorded, rtol=1e-12, atol=1e-14)
    assert model.evaluate(x, y) == pytest.approx(KERAS[case]["evaluated"], rel=1e-12)


def test_the_terms_and_their_gradients() -> None:
    W = np.array([[1.0, -2.0], [0.0, 3.0]])
    for kind, term, gradient in [
        (L1(0.5), 3.0, [[0.5, -0.5], [0, 0.5]]),
        (L2(0.5), 7.0, [[1, -2], [0, 3]]),
        (L1L2(0.5, 0.25), 6.5, [[1, -1.5], [0, 2]]),
        (L1L2(), 0.0, [[0, 0], [0, 0]]),
    ]:
        assert kind.penalty(W) == term
        np.testing.assert_array_equal(kind.gradient(W), gradient)
        assert kind.gradient(W.astype(np.float32)).dtype == np.float32


def built(layer: Layer, shape: tuple[int, ...] = (3,)) -> Layer:
    layer.build(shape, np.random.default_rng(0), np.float64)
    return layer


def test_strings_are_the_classes_with_a_factor_of_a_hundredth() -> None:
    for name, expected in {"l1": "L1(l1=0.01)", "l2": "L2(l2=0.01)", "l1_l2": "L1L2(l1=0.01, l2=0.01)"}.items():
        layer = Dense(2, kernel_regularizer=name)
        assert repr(layer.kernel_regularizer) == expected
        assert f"kernel_regularizer={expected}" in repr(layer)
        assert layer.kernel_regularizer is not Dense(2, kernel_regularizer=name).kernel_regularizer


@pytest.mark.parametrize(
    "make", [lambda r: Dense(2, kernel_regularizer=r), lambda r: Conv2D(2, 2, kernel_regularizer=r)]
)
def test_what_is_no_regularizer_is_refused(make: Any) -> None:
    for value, mend in [
        ("L3", "got 'L3'$"),
        (L2, r"write L2\(...\)$"),
        (0.01, r"got 0.01: write L2\(0.01\)$"),
        (True, "got True$"),
        (["l1"], r"got \['l1'\]$"),
    ]:
        with pytest.raises(ValueError, match=f"^(Dense|Conv2D): kernel_regularizer must be None, 'l1', .*{mend}"):
            make(value)
    for kind in (L1, L2, L1L2):
        for factor in (-0.1, np.nan, "0.1", None):
            with pytest.raises(
                ValueError, match=rf"^{kind.__name__}: l[12] must be a finite number with 0 <= l[12], got"
            ):
                kind(factor)


def test_the_term_is_there_before_forward_and_none_without_a_regularizer() -> None:
    assert Dense(2, kernel_regularizer="l2").penalty() == 0
    dense = built(Dense(2, kernel_regularizer=L2(0.5)))
    assert dense.penalty() == 0.5 * np.sum(dense.params["W"] ** 2)
    assert built(Dense(2)).penalty() == 0


def test_a_layer_in_two_places_counts_once() -> None:
    dense = Dense(3, kernel_regularizer=L2(0.5))
    chain = built(Sequential([dense, dense]))
    W = dense.params["W"]
    assert chain.penalty() == 0.5 * np.sum(W**2)
    chain.forward(np.zeros((2, 3)))
    chain.backward(np.zeros((2, 3)))
    np.testing.assert_array_equal(dense.grads["W"], W)


def test_a_frozen_layer_has_no_term_and_no_gradient() -> None:
    for layer, shape in [
        (Dense(3, kernel_regularizer=L2(0.5)), (3,)),
        (Conv2D(2, 2, kernel_regularizer=L2(0.5)), (3, 3, 1)),
    ]:
        built(layer, shape)
        assert layer.penalty() > 0
        layer.trainable = False
        assert layer.penalty() == 0
        y = layer.forward(np.zeros((2, *shape)))
        layer.backward(np.zeros_like(y))
        assert not layer.grads["W"].any()
        layer.trainable = True
        layer.backward(np.zeros_like(y))
        np.testing.assert_array_equal(layer.grads["W"], layer.params["W"])


def test_gradients_that_are_written_instead_of_added_hold_the_term_once() -> None:
    """A Model overwrites the gradients of large Dense layers."""
    model = Model([Dense(LARGE // 256, kernel_regularizer=L2(0.5)), Dense(1)], input_shape=256, dtype="float64")
    W, before = model.params["dense_1.W"], model.params["dense_1.W"].copy()
    model.compile(SGD(0.25), MeanSquaredError())
    for _ in range(2):
        model.train_on_batch(np.zeros((2, 256)), np.zeros((2, 1)))
    np.testing.assert_allclose(W, before * 0.75**2, rtol=1e-14)


def test_wrappers_pass_the_term_on() -> None:
    dense = Dense(3, "tanh", kernel_regularizer=L2(0.5))
    wrapped = built(ContractivePenalty(dense, 0.0))
    assert wrapped.penalty() == dense.penalty() > 0
    y = wrapped.forward(np.zeros((2, 3)))
    assert wrapped.penalty() == dense.penalty()
    wrapped.backward(np.zeros_like(y))
    np.testing.assert_array_equal(dense.grads["W"], dense.params["W"])
    head = Dense(2, kernel_regularizer=L2(0.5))
    side = built(AuxiliaryHead(head, 0.3).expect(MeanSquaredError(), np.zeros((2, 2))))
    side.forward(np.zeros((2, 3)), training=True)
    assert side.penalty() == head.penalty() > 0


@pytest.mark.parametrize("kind", [None, "l1", L2(0.25), L1L2(0.5, 0.125), Quartic(0.5)], ids=repr)
def test_saved_and_loaded(kind: Any, tmp_path: Path) -> None:
    layers = [Conv2D(2, 2, kernel_regularizer=kind), Flatten(), Sequential([Dense(3, kernel_regularizer=kind)])]
    model = Model(layers, input_shape=(3, 3, 1))
    model.save(tmp_path / "model.safetensors")
    loaded = Model.load(tmp_path / "model.safetensors", custom_layers=[Quartic] if isinstance(kind, Quartic) else [])
    assert repr(loaded.layers) == repr(model.layers)
    assert loaded.penalty() == model.penalty()
    text = (tmp_path / "model.safetensors").read_bytes()
    assert (b"kernel_regularizer" in text) == (kind is not None)  # files without one are those of older versions


def test_a_class_that_the_file_names_must_be_a_regularizer(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    Model([Dense(3, kernel_regularizer=Quartic(0.5))], input_shape=2).save(path)
    with pytest.raises(
        ValueError, match=r"expected regularizers from tinydl or custom_layers, got 'Quartic': pass its class"
    ):
        Model.load(path)
    rewritten(
        path, lambda metadata, _: metadata["layers"][0]["arguments"]["kernel_regularizer"].update({"class": "Dropout"})
    )
    with pytest.raises(ValueError, match="expected regularizers from tinydl or custom_layers, got 'Dropout'"):
        Model.load(path)


def test_a_copied_layer_keeps_its_regularizer() -> None:
    layer = Dense(3, kernel_regularizer=L1(0.5))
    assert repr(Dense(**layer.get_config())) == repr(layer)
