"""The latent space: codes against the layers run by hand, components against the eigenvectors of the covariance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinydl import Model, models, plots
from tinydl.layers import Dense, Dropout, Flatten

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 6))
LABELS = np.arange(30) % 3
NAMES = ("ant", "bee", "cow")


def autoencoder(units: int) -> Model:
    return Model([Dropout(0.5), Dense(5, "tanh"), Dense(units), Dense(5, "tanh"), Dense(6)], 6, dtype="float64", seed=1)


def test_codes_are_what_the_narrowest_layer_gives() -> None:
    model = autoencoder(3)
    y = model.layers[2].forward(model.layers[1].forward(X))
    np.testing.assert_array_equal(plots.codes(model, X), y)
    np.testing.assert_array_equal(plots.codes(model, X, "dense_1"), model.layers[1].forward(X))
    many = np.tile(X, (50, 1))  # more than one batch
    np.testing.assert_allclose(plots.codes(model, many), np.tile(y, (50, 1)), rtol=1e-12)
    contractive = models.contractive_autoencoder(6, hidden=4)
    assert plots.codes(contractive, X).shape == (30, 4)


@pytest.mark.parametrize("shape", [(30, 6), (4, 7), (50, 2)])
def test_components_are_the_eigenvectors_of_the_covariance(shape: tuple[int, int]) -> None:
    points = RNG.normal(size=shape) * np.linspace(3, 1, shape[1]) + 5
    found, shares = plots.principal_components(points)
    values, vectors = np.linalg.eigh(np.cov(points.T))
    leading = vectors[:, ::-1][:, :2]
    leading = leading * np.sign(leading[np.abs(leading).argmax(axis=0), [0, 1]])
    np.testing.assert_allclose(found, (points - points.mean(axis=0)) @ leading, atol=1e-9)
    np.testing.assert_allclose(shares, values[::-1][:2] / values.sum(), rtol=1e-9)


def test_a_code_of_two_units_is_drawn_as_it_is() -> None:
    model = autoencoder(2)
    figure = plots.latent_space(model, X, LABELS, names=NAMES)
    ax = figure.axes[0]
    expected = plots.codes(model, X)
    for k, dots in enumerate(ax.collections):
        np.testing.assert_array_equal(dots.get_offsets(), expected[k == LABELS])
    assert [text.get_text() for text in ax.texts] == list(NAMES)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(NAMES)
    for k, text in enumerate(ax.texts):
        np.testing.assert_array_equal(text.get_position(), np.median(expected[k == LABELS], axis=0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("code, unit 0", "code, unit 1")
    assert "PCA" not in ax.get_title()


def test_a_wider_code_is_drawn_by_its_components_and_that_is_said() -> None:
    model = autoencoder(4)
    ax = plots.latent_space(model, X).axes[0]
    expected, shares = plots.principal_components(plots.codes(model, X))
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), expected)
    assert ax.get_title() == "Latent space: 30 codes of 4 units, by PCA"
    assert ax.get_xlabel() == f"principal component 1 ({shares[0]:.0%} of the variance)"
    assert ax.get_ylabel() == f"principal component 2 ({shares[1]:.0%} of the variance)"
    assert ax.get_legend() is None


def test_equal_codes_and_a_single_one() -> None:
    for points in (np.ones((5, 3)), np.ones((1, 3))):
        found, shares = plots.principal_components(points)
        assert found.shape == (len(points), 2)
        assert not found.any()
        assert not shares.any()


def test_images_can_be_encoded() -> None:
    model = Model([Flatten(), Dense(2), Dense(12)], (3, 4, 1))
    assert plots.codes(model, RNG.uniform(size=(5, 3, 4, 1))).shape == (5, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.codes(autoencoder(2), X[:, 1:]), r"codes: x must have shape \(samples, 6\), got \(30, 5\)"),
        (lambda: plots.codes(autoencoder(2), X[:0]), r"got \(0, 6\)"),
        (lambda: plots.codes(autoencoder(2), X * np.inf), "codes: x must be finite"),
        (lambda: plots.codes(autoencoder(2), X, "dense_9"), "codes: layer must be one of 'dropout_1', 'dense_1'"),
        (lambda: plots.latent_space(autoencoder(1), X), "2 or more units, got 1: choose another layer"),
        (lambda: plots.latent_space(autoencoder(2), X, LABELS[1:]), "30 class numbers from 0, one per sample, got"),
        (lambda: plots.latent_space(autoencoder(2), X, LABELS / 2), "class numbers from 0, .* got float64"),
        (lambda: plots.latent_space(autoencoder(2), X, LABELS, names="ab"), "the classes 0 to 2, got 2 names"),
        (lambda: plots.principal_components(X[:, :1]), r"shape \(n, d\) with d >= 2, got \(30, 1\)"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
