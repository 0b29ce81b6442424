"""Saliency against the numerical derivative of the score, and occlusion against scores computed anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinydl import Model, plots
from tinydl.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, MaxPool2D, Residual
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam

RNG = np.random.default_rng(0)
IMAGE = RNG.uniform(size=(6, 8, 2))
NAMES = ("ant", "bee", "cow")


def network(dtype: str = "float64") -> Model:
    body = [Conv2D(4, 3, padding="same"), BatchNorm(activation="relu")]
    layers = [Conv2D(4, 3, padding="same", activation="tanh"), Residual(body), MaxPool2D(2), Dropout(0.5), Flatten()]
    model = Model([*layers, Dense(3)], (6, 8, 2), dtype=dtype, seed=1)
    for array in model.state.values():
        array += RNG.uniform(0.1, 0.3, array.shape)
    return model


@pytest.mark.parametrize("target", [0, 2, None])
def test_saliency_is_the_numerical_derivative_of_the_score(target: int | None) -> None:
    model = network()
    k = int(model.forward(IMAGE[None])[0].argmax()) if target is None else target
    slope = np.zeros_like(IMAGE)
    for entry in np.ndindex(IMAGE.shape):
        step = np.zeros_like(IMAGE)
        step[entry] = 1e-6
        up, down = (model.forward((IMAGE + sign * step)[None])[0, k] for sign in (1, -1))
        slope[entry] = (up - down) / 2e-6
    found = plots.saliency(model, IMAGE, target)
    np.testing.assert_allclose(found, slope, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(plots.saliency(network("float32"), IMAGE, k).shape, IMAGE.shape)
    drawn = plots.saliency_map(model, IMAGE, target).axes[0].get_images()[1].get_array()
    np.testing.assert_array_equal(drawn, np.abs(found).max(axis=-1))


@pytest.mark.parametrize("fill", [None, 0.7])
@pytest.mark.parametrize(("patch", "strides"), [(3, 1), ((2, 4), (2, 3)), (None, None), ((6, 8), 1)])
def test_occlusion_is_the_fall_of_the_score(patch: Any, strides: Any, fill: float | None) -> None:
    model = network()
    (ph, pw) = (1, 1) if patch is None else (patch, patch) if isinstance(patch, int) else patch
    (sh, sw) = (1, 1) if not isinstance(strides, tuple) else strides
    found = plots.occlusion(model, IMAGE, 1, patch_size=patch, strides=strides, fill=fill)
    assert found.shape == ((6 - ph) // sh + 1, (8 - pw) // sw + 1)
    before = model.forward(IMAGE[None])[0, 1]
    for i, j in np.ndindex(found.shape):
        covered = IMAGE.copy()
        for p in range(i * sh, i * sh + ph):
            for q in range(j * sw, j * sw + pw):
                covered[p, q] = [IMAGE[..., c].mean() for c in range(2)] if fill is None else fill
        assert found[i, j] == pytest.approx(before - model.forward(covered[None])[0, 1], abs=1e-12)


def test_occlusion_is_drawn_at_the_centers_of_the_patches() -> None:
    ax = plots.occlusion_map(network(), IMAGE, 1, patch_size=(2, 4), strides=(2, 1)).axes[0]
    image, drops = ax.get_images()
    left, right, bottom, top = image.get_extent()
    pixel = (right - left) / 8
    assert (bottom - top) / 6 == pytest.approx(pixel)
    x0, x1, y1, y0 = (value - shift for value, shift in zip(drops.get_extent(), (1, 1, 0, 0), strict=True))
    np.testing.assert_allclose((x0 - left) / pixel, 2 - 0.5)  # the first patch covers columns 0 to 4, centered at 2
    np.testing.assert_allclose((x1 - left) / pixel, 8 - 2 + 0.5)
    np.testing.assert_allclose([(y0 - top) / pixel, (y1 - top) / pixel], [0, 6], atol=1e-9)


def test_a_network_in_training_stays_as_it_was() -> None:
    model = network("float32")
    model.compile(Adam(), SoftmaxCrossEntropy())
    model.fit(RNG.uniform(size=(9, 6, 8, 2)), np.arange(9) % 3, epochs=1, verbose=0)
    y = model.forward(IMAGE[None].astype(np.float32), training=True)
    dy = np.ones_like(y)
    model.zero_grad()
    expected = model.backward(dy)
    kept = [array.copy() for array in (model.parameters, model.gradients, *model.state.values())]
    plots.saliency_map(model, IMAGE, 0)
    plots.occlusion_map(model, IMAGE, 0)
    for array, before in zip((model.parameters, model.gradients, *model.state.values()), kept, strict=True):
        np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(model.backward(dy), expected, "the caches of the last forward pass must stay too")


def test_frozen_layers_have_a_saliency_too() -> None:
    model = network()
    expected = plots.saliency(model, IMAGE, 0)
    model.trainable = False
    np.testing.assert_array_equal(plots.saliency(model, IMAGE, 0), expected)


def test_the_title_names_the_class_and_its_score() -> None:
    model = network()
    score = model.forward(IMAGE[None])[0, 2]
    for draw in (plots.saliency_map, plots.occlusion_map):
        assert f"class 'cow' (score {score:.3g})" in draw(model, IMAGE, 2, names=NAMES).axes[0].get_title()
        assert "class 2 (" in draw(model, IMAGE, 2).axes[0].get_title()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.saliency(network(), IMAGE[1:]), r"saliency: image must be one sample .* got \(5, 8, 2\)"),
        (lambda: plots.saliency(network(), IMAGE * np.nan), "saliency: image must be finite"),
        (lambda: plots.saliency(network(), IMAGE, 3), "saliency: target must be a class from 0 to 2, got 3"),
        (lambda: plots.saliency(network(), IMAGE, -1), "saliency: target must be an integer >= 0, got -1"),
        (lambda: plots.saliency(Model(Dense(2), 3), np.ones(3)), "must turn images into rows of scores, got"),
        (lambda: plots.occlusion(network(), IMAGE, patch_size=7), "patch_size must fit into the image of 6 x 8, got"),
        (lambda: plots.occlusion(network(), IMAGE, fill=np.inf), "occlusion: fill must be a finite number"),
        (lambda: plots.occlusion_map(network(), IMAGE, names=NAMES[:2]), "names must be 3, one per class, got 2"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
