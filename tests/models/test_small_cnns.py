"""cifar_cnn and digits_cnn: shapes and parameters, the book's zero filters, and learning."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from tinydl import Model, models
from tinydl.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam


def test_cifar_cnn_is_the_books() -> None:
    model = models.cifar_cnn()
    shapes = [layer.output_shape for layer in model.layers if isinstance(layer, Conv2D | MaxPool2D | Flatten | Dense)]
    assert shapes == [
        (32, 32, 64), (16, 16, 64), (16, 16, 128), (16, 16, 128), (8, 8, 128), (8, 8, 256), (4, 4, 256), (4, 4, 512), (8192,),
        (1024,), (512,), (256,), (10,),
    ]  # fmt: skip
    convolution = sum(
        array.size for layer in model.layers if isinstance(layer, Conv2D) for array in layer.params.values()
    )
    dense = sum(array.size for layer in model.layers if isinstance(layer, Dense) for array in layer.params.values())
    assert (convolution, dense, model.parameters.size) == (263_872, 9_048_330, 9_312_202)
    assert [layer.rate for layer in model.layers if isinstance(layer, Dropout)] == [0.5, 0.5, 0.5]
    assert all(layer.padding == "same" and not layer.use_bias for layer in model.layers if isinstance(layer, Conv2D))
    multiply_adds = sum(
        layer.params["W"].size * (math.prod(layer.output_shape[:2]) if isinstance(layer, Conv2D) else 1)
        for layer in model.layers
        if layer.params
    )
    assert multiply_adds == 40_176_128


def test_digits_cnn_has_the_shapes_of_8x8_images() -> None:
    model = models.digits_cnn()
    assert (model.input_shape, model.output_shape) == ((8, 8, 1), (10,))
    shapes = [layer.output_shape for layer in model.layers if isinstance(layer, Conv2D | MaxPool2D)]
    assert shapes == [(8, 8, 32), (8, 8, 32), (4, 4, 32)]


@pytest.mark.parametrize("name", ["cifar_cnn", "digits_cnn"])
def test_the_docstring_counts_right(name: str) -> None:
    make = getattr(models, name)
    says = re.search(r"([\d,]+) parameters", make.__doc__)
    assert says
    assert int(says[1].replace(",", "")) == make().parameters.size


@pytest.mark.parametrize("name", ["cifar_cnn", "digits_cnn"])
def test_first_weights_depend_on_the_seed_alone_and_keep_the_signal_alive(name: str) -> None:
    make = getattr(models, name)
    model = make(3)
    np.testing.assert_array_equal(model.parameters, make(3).parameters)
    assert not np.array_equal(model.parameters, make(4).parameters)
    x = np.random.default_rng(0).uniform(size=(8, *model.input_shape)).astype(np.float32)
    logits = model.predict(x)
    assert logits.dtype == np.float32
    assert 0.02 < logits.std() < 20
    assert make(dtype="float64").parameters.dtype == np.float64


def test_zero_filters_cannot_learn() -> None:
    """With the book's zero filters, only the last bias has a nonzero gradient, and the loss stays at ln 10."""
    model = models.cifar_cnn(filter_initializer="zeros")
    model.compile(Adam(1e-3), SoftmaxCrossEntropy())
    rng = np.random.default_rng(0)
    x, labels = rng.uniform(size=(20, 32, 32, 3)).astype(np.float32), np.arange(20) % 10  # balanced classes
    start = model.parameters.copy()
    assert model.evaluate(x, labels) == pytest.approx(math.log(10), rel=1e-6)
    for _ in range(3):
        assert model.train_on_batch(x, labels) == pytest.approx(math.log(10), rel=1e-3)
        alive = [name for name, gradient in model.grads.items() if gradient.any()]
        assert set(alive) <= {"dense_4.b"}
    model.train_on_batch(x[:7], np.zeros(7, int))  # unbalanced classes, which the last bias can learn
    assert [name for name, gradient in model.grads.items() if gradient.any()] == ["dense_4.b"]
    moved = model.parameters != start
    assert not moved[:-10].any()
    assert moved[-10:].all()


def test_with_he_filters_every_parameter_has_a_gradient() -> None:
    model = models.cifar_cnn()
    model.compile(Adam(1e-3), SoftmaxCrossEntropy())
    x = np.random.default_rng(0).uniform(size=(8, 32, 32, 3)).astype(np.float32)
    loss = model.train_on_batch(x, np.arange(8) % 10)
    assert np.isfinite(loss)
    assert [name for name, gradient in model.grads.items() if not gradient.any()] == []


def test_cifar_cnn_learns_a_few_images() -> None:
    """Gradients that are far too small pass checks of their direction but leave the loss on its plateau."""
    model = models.cifar_cnn()
    model.compile(Adam(3e-4), SoftmaxCrossEntropy())
    rng = np.random.default_rng(0)
    x, labels = rng.uniform(size=(10, 32, 32, 3)).astype(np.float32), np.arange(10)
    x += labels[:, None, None, None] / 10
    first = model.evaluate(x, labels)
    for _ in range(20):
        model.train_on_batch(x, labels)
    assert model.evaluate(x, labels) < 0.8 * first


def patterns(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten classes of 8x8 images: a horizontal or vertical bar at one of five places, covered with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n)
    x = rng.normal(0, 0.3, (n, 8, 8, 1))
    for image, label in zip(x, labels, strict=True):
        place = label % 5 + 1
        if label < 5:
            image[place] += 1
        else:
            image[:, place] += 1
    return x.astype(np.float32), labels


def test_digits_cnn_learns_and_knows_images_it_has_not_seen() -> None:
    model = models.digits_cnn()
    model.compile(Adam(3e-3), SoftmaxCrossEntropy(), metrics=["accuracy"])
    losses = model.fit(*patterns(300, 0), epochs=4, batch_size=32, verbose=0).history["loss"]
    assert losses[0] < 2.6  # the loss starts at ln 10 = 2.3
    assert losses[-1] < 0.5
    loss, accuracy = model.evaluate(*patterns(200, 1))
    assert loss < 0.3
    assert accuracy > 0.95


def test_a_small_network_learns_what_only_position_tells() -> None:
    """The network could not learn if it swapped height and width, or mixed up the images in a batch."""
    layers = [Conv2D(8, 3, padding="same", activation="relu"), MaxPool2D((2, 1)), Flatten(), Dense(10)]
    model = Model(layers, (8, 8, 1))
    model.compile(Adam(1e-2), SoftmaxCrossEntropy(), metrics=["accuracy"])
    model.fit(*patterns(300, 2), epochs=6, batch_size=32, verbose=0)
    assert model.evaluate(*patterns(200, 3))[1] > 0.95


def test_they_come_back_from_a_file(tmp_path: Path) -> None:
    model = models.digits_cnn(seed=2)
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert repr(loaded.layers) == repr(model.layers)
    x = patterns(4, 0)[0]
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_another_filter_initializer_is_checked() -> None:
    with pytest.raises(ValueError, match=r"Conv2D: kernel_initializer must be one of .* got 'ones'"):
        models.cifar_cnn(filter_initializer="ones")
