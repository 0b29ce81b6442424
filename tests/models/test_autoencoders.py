from __future__ import annotations

import numpy as np

from tinydl import models
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam


def test_a_hidden_layer_as_wide_as_the_row_can_copy_every_row() -> None:
    model = models.vanilla_autoencoder(5, hidden=5, dtype="float64")
    model.set_weights([np.eye(5), np.full(5, 100.0), np.eye(5), np.full(5, -100.0)])
    x = np.random.default_rng(0).uniform(-99, 99, size=(50, 5))  # nothing that training could call normal
    np.testing.assert_allclose(model.predict(x), x, atol=1e-12)


def test_the_bottleneck_is_the_layer_that_its_name_promises() -> None:
    model = models.bottleneck_autoencoder(29)
    assert model.count_params() == 10_279
    assert [layer.output_shape for layer in model.layers] == [(128,), (10,), (128,), (29,)]


def test_outputs_depend_on_as_many_numbers_as_the_code_has() -> None:
    """The Jacobian of the outputs, here from central differences, has the rank of the code at every row."""
    model = models.bottleneck_autoencoder(6, code=2, hidden=20, dtype="float64")
    x, step = np.random.default_rng(1).normal(size=6), 1e-5
    shifted = x + step * np.concatenate([np.eye(6), -np.eye(6)])
    above, below = np.split(model.predict(shifted), 2)
    sizes = np.linalg.svd((above - below) / (2 * step), compute_uv=False)
    assert sizes[1] > 1e-2
    assert sizes[2] < 1e-8


def test_tanh_bounds_the_outputs_and_relu_does_not() -> None:
    x = 1e6 * np.random.default_rng(2).normal(size=(20, 6))
    bounded = models.bottleneck_autoencoder(6, code=2, hidden=20)
    W, b = bounded.get_weights()[-2:]
    assert (np.abs(bounded.predict(x)) <= np.abs(b) + np.abs(W).sum(axis=0) + 1e-4).all()
    assert np.abs(models.bottleneck_autoencoder(6, code=2, hidden=20, activation="relu").predict(x)).max() > 1e4


def test_a_bend_is_learned_that_no_line_follows() -> None:
    """Rows on a parabola, of dimension one: the best line, PCA's, leaves an error that one bent code does not."""
    t = np.random.default_rng(3).uniform(-1, 1, size=(512, 1))
    x = np.hstack([t, 2 * t**2 - 2 / 3]).astype(np.float32)
    model = models.bottleneck_autoencoder(2, code=1, hidden=16)
    model.compile(Adam(1e-2), MeanSquaredError())
    losses = model.fit(x, x, epochs=800, verbose=0).history["loss"]  # at this rate they keep going up and down
    smallest_variance = np.linalg.eigvalsh(np.cov(x, rowvar=False, bias=True))[0]
    assert min(losses) < 0.1 * smallest_variance / 2  # the loss is a mean over both columns
