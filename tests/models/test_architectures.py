"""Properties of all classifiers: arguments, seeds, dtypes, names, files, and a gradient for every parameter."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model, models
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import SGD

BUILDERS: dict[str, tuple[Callable[..., Model], tuple[int, int, int], int]] = {  # native size and classes
    "lenet5": (models.lenet5, (32, 32, 1), 10),
    "alexnet": (models.alexnet, (224, 224, 3), 1000),
    "vgg": (models.vgg, (224, 224, 3), 1000),
    "vgg_cifar": (models.vgg_cifar, (32, 32, 3), 10),
    "resnet": (models.resnet, (224, 224, 3), 1000),
    "resnet_cifar": (models.resnet_cifar, (32, 32, 3), 10),
    "googlenet": (models.googlenet, (224, 224, 3), 1000),
    "inception_cifar": (models.inception_cifar, (32, 32, 3), 10),
}
# Small versions that can be built quickly (alexnet and vgg cannot: their dense layers have fixed sizes).
SMALL: dict[str, Callable[..., Model]] = {
    "lenet5": models.lenet5,
    "vgg_cifar": partial(models.vgg_cifar, (4, 8)),
    "resnet": partial(models.resnet, 18),
    "resnet_cifar": models.resnet_cifar,
    "googlenet": models.googlenet,
    "inception_cifar": partial(models.inception_cifar, 0.1),
}
every = pytest.mark.parametrize("name", BUILDERS)
small = pytest.mark.parametrize("name", SMALL)


def test_none_is_forgotten() -> None:
    with_images = [name for name in models.__all__ if not name.endswith(("autoencoder", "_cnn"))]
    assert sorted(with_images) == sorted(BUILDERS)


@every
def test_arguments(name: str, plan: Callable[..., Any]) -> None:
    builder, shape, classes = BUILDERS[name]
    parameters = inspect.signature(builder).parameters
    assert list(parameters)[-4:] == ["input_shape", "classes", "seed", "dtype"] or name == "googlenet"
    assert {"input_shape", "classes", "seed", "dtype"} <= set(parameters)
    made = plan(builder)
    assert (made.model.input_shape, made.model.output_shape) == (shape, (classes,))
    other = plan(builder, input_shape=(96, 72, 2), classes=7, seed=5, dtype="float64").model
    assert (other.input_shape, other.output_shape, other.seed) == ((96, 72, 2), (7,), 5)
    assert {array.dtype for array in other.params.values()} == {np.dtype(np.float64)}
    assert {array.dtype for array in plan(builder).model.params.values()} == {np.dtype(np.float32)}


@small
def test_a_plan_has_the_shapes_of_the_model(name: str, plan: Callable[..., Any]) -> None:
    """The counts in the other test files rely on this equality."""
    planned, real = plan(SMALL[name]).model, SMALL[name]()
    assert {key: array.shape for key, array in planned.params.items()} == {
        key: array.shape for key, array in real.params.items()
    }
    assert real.parameters.size == sum(array.size for array in planned.params.values())


@small
def test_the_seed_decides_the_first_weights_alone(name: str) -> None:
    make, shape = SMALL[name], (33, 40, 3)
    first = make(input_shape=shape, classes=8, seed=3)
    np.testing.assert_array_equal(first.parameters, make(input_shape=shape, classes=8, seed=3).parameters)
    assert not np.array_equal(first.parameters, make(input_shape=shape, classes=8, seed=4).parameters)
    x = np.random.default_rng(0).standard_normal((4, *shape), np.float32)
    first.compile(SGD(0.01, 0.9), SoftmaxCrossEntropy())
    logits = first.forward(x, training=True)
    assert logits.dtype == np.float32
    assert 0.01 < logits.std() < 30  # the signal neither vanishes nor explodes
    assert np.isfinite(first.train_on_batch(x, np.arange(4)))
    assert [key for key, gradient in first.grads.items() if not gradient.any()] == []


@pytest.mark.parametrize(("builder", "arguments"), [
    (models.alexnet, ()), (models.vgg, (11,)), (models.googlenet, ()),
], ids=["alexnet", "vgg11", "googlenet"])  # fmt: skip
def test_large_ones_are_drawn_by_the_seed_too(
    builder: Callable[..., Model], arguments: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first convolution's weights are compared; the same generator draws all others."""
    from tinydl.initializers import INITIALIZERS, he_normal, zeros

    def only_small(shape: Any, rng: np.random.Generator, dtype: Any = np.float32) -> np.ndarray:
        return (he_normal if np.prod(shape) < 1e5 else zeros)(shape, rng, dtype)

    monkeypatch.setitem(INITIALIZERS, "he_normal", only_small)
    monkeypatch.setitem(INITIALIZERS, "glorot_uniform", zeros)
    options: dict[str, Any] = {"input_shape": (64, 64, 3), "classes": 2}
    first = builder(*arguments, **options, seed=1).params["conv2d_1.W"].copy()
    np.testing.assert_array_equal(first, builder(*arguments, **options, seed=1).params["conv2d_1.W"])
    assert not np.array_equal(first, builder(*arguments, **options, seed=2).params["conv2d_1.W"])


@small
def test_they_come_back_from_a_file(name: str, tmp_path: Path) -> None:
    model = SMALL[name](input_shape=(33, 40, 3), classes=4, seed=2)
    x = np.random.default_rng(0).standard_normal((3, 33, 40, 3), np.float32)
    model.forward(x, training=True)  # updates the running statistics
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert repr(loaded.layers) == repr(model.layers)
    assert loaded.name == model.name
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


@every
def test_too_small_images_and_rows_are_refused(name: str) -> None:
    builder, _, _ = BUILDERS[name]
    with pytest.raises(ValueError, match=r"conv2d_1 \(Conv2D\)"):
        builder(input_shape=(10,), classes=2)
    with pytest.raises(ValueError, match=r"classes|units"):
        builder(input_shape=(64, 64, 3), classes=0)
