"""Attributes that nothing would read are refused; settings that are read at each step may change."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.proofs.specs import LAYERS
from tinydl import Model
from tinydl.layers import (
    ActivityL1,
    BatchNorm,
    Branches,
    Conv2D,
    Dense,
    Dropout,
    Layer,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
)
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam, Lion, Optimizer, RMSprop
from tinydl.regularizers import L2
from tinydl.training import attributes

X, Y = np.random.default_rng(0).normal(size=(2, 12, 6))


def compiled(layers: list[Layer], optimizer: Optimizer | None = None) -> Model:
    model = Model(layers, 6, seed=1)
    model.compile(optimizer or SGD(0.1), MeanSquaredError())
    return model


def point_of(case: Any) -> np.ndarray:
    """The input of a case, drawn if only its shape is given."""
    return case.point if isinstance(case.point, np.ndarray) else np.random.default_rng(0).normal(size=case.point)


# --- no false alarms --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_no_built_in_layer_raises_an_alarm(name: str) -> None:
    """In all cases of the proofs, before and after training, as copies and from files."""
    for case in LAYERS[name].cases.values():
        layer = copy.deepcopy(case.subject)
        if not type(layer).__module__.startswith("tinydl"):
            continue
        x = point_of(case)
        model = Model([layer], x.shape[1:])
        y = model.predict(x)
        for each in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.astype("float64")):
            each.forward(x, True)
            each.backward(np.ones_like(y))
            attributes.check_layers("fit", each.root)


@pytest.mark.parametrize("optimizer", [SGD(), SGD(0.1, 0.9), RMSprop(), Adam(), Lion()], ids=str)
def test_no_optimizer_raises_an_alarm(optimizer: Optimizer, tmp_path: Path) -> None:
    model = compiled([Dense(6)], optimizer)
    for loss, y in ((MeanSquaredError(), Y), (SoftmaxCrossEntropy(), np.arange(12) % 6)):
        model.compile(optimizer, loss)
        model.fit(X, y, verbose=0)
        model.fit(X, y, verbose=0)
    model.save_checkpoint(tmp_path / "c")
    model.load_checkpoint(tmp_path / "c")
    model.fit(X, y, verbose=0)


def test_notes_with_an_underscore_and_attributes_of_own_classes_are_left_alone() -> None:
    class Mine(Dense):
        def __init__(self, units: int) -> None:
            super().__init__(units)
            self.remark = "anything"

    model = compiled([Dense(6), Mine(6)])
    model.layers[0]._note = 1  # type: ignore[attr-defined]
    model._note = 2  # type: ignore[attr-defined]
    model.layers[1].other = 3  # type: ignore[attr-defined]
    model.fit(X, Y, verbose=0)


# --- unknown names ----------------------------------------------------------------------------------------------------

UNKNOWN: dict[str, tuple[Callable[[Model], Any], str, str]] = {  # where, the name, the advice
    "trainble": (lambda model: model.layers[0], "dense_1 (Dense)", "did you mean trainable?"),
    "requires_grad": (lambda model: model.layers[0], "dense_1 (Dense)", "to freeze the layer, write layer.trainable"),
    "W": (lambda model: model.layers[0], "dense_1 (Dense)", "the arrays are in params: write layer.params['W'][...]"),
    "rat": (lambda model: model.layers[1], "dropout_1 (Dropout)", "did you mean rate?"),
    "seed": (lambda model: model.layers[1], "dropout_1 (Dropout)", "remove it: the model's seed determines"),
    "lr": (lambda model: model.optimizer, "SGD", "did you mean learning_rate?"),
    "beta_1": (lambda model: model.optimizer, "SGD", "nothing reads it (begin the names of your own notes with"),
    "from_logits": (lambda model: model.loss, "MeanSquaredError", "remove it: this loss takes logits"),
    "learning_rate": (lambda model: model, "the model", "it belongs to the optimizer: model.optimizer.learning_rate"),
    "metric": (lambda model: model, "the model", "did you mean metrics?"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_names_are_refused(name: str) -> None:
    where, label, advice = UNKNOWN[name]
    model = compiled([Dense(6), Dropout(0.5)])
    setattr(where(model), name, 0.5)
    before = model.parameters.copy()
    start = f"{label} has no attribute {name!r}, but it was set: {advice}"
    for method, call in (
        ("fit", lambda: model.fit(X, Y, verbose=0)),
        ("compile", lambda: model.compile(model.optimizer, model.loss)),  # type: ignore[arg-type]
    ):
        with pytest.raises(AttributeError) as caught:
            call()
        assert str(caught.value).startswith(f"{method}: {start}")
    np.testing.assert_array_equal(model.parameters, before)
    delattr(where(model), name)
    model.fit(X, Y, verbose=0)


def test_an_unknown_name_is_refused_when_the_model_is_made() -> None:
    layer = Dense(6)
    layer.trainble = False  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"Model: Dense has no attribute 'trainble', .*did you mean trainable\?"):
        Model([ReLU(), layer], 6)
    assert not layer.built


# --- arguments that were used up in build -----------------------------------------------------------------------------

OTHER = {  # other values of all arguments of built-in layers that a built layer would ignore
    "units": 7, "filters": 7, "activation": "tanh", "use_bias": False, "kernel_initializer": "he_normal",
    "kernel_size": (5, 5), "strides": (3, 3), "padding": 7, "pool_size": (3, 3), "channels": 9,
}  # fmt: skip
LIVE = {  # other values of the arguments that each step reads
    "momentum": 0.3, "epsilon": 0.7, "rate": 0.7, "stddev": 3.0, "negative_slope": 0.6, "factor": 0.7, "rho": 0.3,
    "weight": 0.9, "size": 1, "alpha": 0.7, "beta": 0.3, "k": 5.0, "kernel_regularizer": L2(0.3),
}  # fmt: skip


def trained(name: str, change: tuple[str, Any] | None = None) -> list[np.ndarray]:
    """What two steps give for the usual case of the layer's proofs, after a change of one argument."""
    case = next(iter(LAYERS[name].cases.values()))
    layer = copy.deepcopy(case.subject)
    x = point_of(case)
    end = "sigmoid" if name == "KLSparsity" else "linear"
    images = [Conv2D(x.shape[-1], 1, activation=end)] if x.ndim == 4 else [Dense(x.shape[-1], end)]
    model = Model([*images, layer, *(copy.deepcopy(images) if name == "AuxiliaryHead" else [])], x.shape[1:])
    labels = name == "AuxiliaryHead"
    model.compile(SGD(0.1), SoftmaxCrossEntropy() if labels else MeanSquaredError())
    y = np.arange(len(x)) % 3 if labels else np.zeros((len(x), *model.output_shape))
    if change:
        setattr(layer, *change)
    history = model.fit(x, y, epochs=2, verbose=0)
    return [model.parameters, *model.state.values(), np.array(history.history["loss"])]


ARGUMENTS = [
    (name, argument)
    for name, spec in LAYERS.items()
    for argument, value in next(iter(spec.cases.values())).subject.get_config().items()
    if not isinstance(value, Layer | list) and argument != "shortcut"
]


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_every_argument_is_either_read_at_each_step_or_refused(name: str, argument: str) -> None:
    if argument in LAYERS[name].subject.live:
        before, after = trained(name), trained(name, (argument, LIVE[argument]))
        assert any((one != other).any() for one, other in zip(before, after, strict=True))
    else:
        value = OTHER[argument] if name != "Residual" else "relu"
        message = rf"fit: .*\.{argument} must stay .*, got .*, which the built layer would ignore: build a new Model"
        with pytest.raises(ValueError, match=message):
            trained(name, (argument, value))


def test_layers_put_into_a_built_container_are_refused() -> None:
    inner = Sequential([Dense(6), Dense(6)])
    model = compiled([inner, Residual(Dense(6)), Branches([Dense(3), Dense(3)])])
    inner.layers.append(Dense(6))
    expected = (
        r"fit: sequential_1 \(Sequential\).layers must stay \[dense_1 \(Dense\), dense_2 \(Dense\)\], got \[dense_1"
    )
    with pytest.raises(ValueError, match=expected):
        model.fit(X, Y, verbose=0)
    del inner.layers[-1]
    model.layers[1].body = Dense(6)  # type: ignore[attr-defined]
    with pytest.raises(
        ValueError, match=r"fit: residual_1 \(Residual\).body must stay dense_1 \(Dense\), got Dense, which"
    ):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("name", ["activation", "units", "use_bias"])
def test_before_the_build_every_argument_may_change(name: str) -> None:
    early, usual = Dense(5), Dense(**{"units": 5, name: OTHER[name]})
    setattr(early, name, OTHER[name])
    one, other = Model([early], 6, seed=3), Model([usual], 6, seed=3)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_values_that_the_constructor_would_refuse_are_refused() -> None:
    model = compiled([Dense(6), Dropout(0.5)], Adam())
    model.layers[1].rate = 2  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="Dropout: rate must be a finite number with 0 <= rate < 1, got 2"):
        model.fit(X, Y, verbose=0)
    model.layers[1].rate = 0.1  # type: ignore[attr-defined]
    model.optimizer.beta1 = "high"  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="Adam: beta1 must be a finite number with 0 <= beta1 < 1, got 'high'"):
        model.fit(X, Y, verbose=0)
    early = Dense(3)
    early.activation = "rleu"
    with pytest.raises(ValueError, match=r"Dense: activation must be one of .*, got 'rleu'"):
        Model([early], 6)


def test_momentum_may_be_switched_on_between_runs() -> None:
    model = compiled([Dense(6)], optimizer := SGD(0.1))
    model.fit(X, Y, verbose=0)
    optimizer.momentum = 0.9
    model.fit(X, Y, verbose=0)
    assert optimizer.slots["velocity"].any()


def test_a_shared_layer_is_compared_in_both_places() -> None:
    twice = Dense(6, "tanh")
    model = compiled([twice, LeakyReLU(), twice, BatchNorm(), ActivityL1(0.1)])
    model.fit(X, Y, verbose=0)
    twice.activation = "relu"
    with pytest.raises(ValueError, match=r"dense_1 \(Dense\).activation must stay 'tanh', got 'relu'"):
        model.fit(X, Y, verbose=0)
    pooling = Model([MaxPool2D(2)], (4, 4, 1))
    pooling.layers[0].strides = 3  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"compile: .*strides must stay \(2, 2\), got 3"):
        pooling.compile(SGD(), MeanSquaredError())
