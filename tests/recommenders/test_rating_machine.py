"""The RBM of a row of ratings, against the enumeration of all its states.

`Enumerated` knows the energy and nothing else: it lists exp(-E) for every state of the visible and hidden units, and all
probabilities are sums over this list.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest

from tinydl import kernels
from tinydl.recommenders import rating_machine

either = pytest.mark.parametrize("mode", ["compiled", "reference"])
COLUMNS, UNITS = 4, 3
LEVELS = np.array([1.0, 2.0, 3.0, 4.0, 5.0])


class Kind(NamedTuple):
    """Features (K, M), whether the units are softmax units, and the states (K,) that a column's units can be in."""

    features: np.ndarray
    softmax: bool
    states: np.ndarray


KINDS = {
    "free": Kind(np.eye(5), True, np.eye(5)),
    "linear": Kind(np.stack([np.ones(5), np.linspace(-1, 1, 5)], axis=1), True, np.eye(5)),
    "bernoulli": Kind(np.ones((1, 1)), False, np.array([[0.0], [1.0]])),
}
each = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


class Enumerated:
    """The machine of a row that rated some columns: its states v (n, columns, K), h (m, H), and p (n, m) of each pair."""

    def __init__(self, W: Any, b: Any, c: Any, kind: Kind, rated: Any) -> None:
        self.v = np.array(list(itertools.product(kind.states, repeat=len(rated))))
        self.h = np.array(list(itertools.product([0.0, 1.0], repeat=len(c))))
        z = self.v @ kind.features
        minus_energy = (
            np.einsum("njk,jk->n", self.v, b[rated])[:, None]
            + self.h @ c
            + np.einsum("njm,jmf,gf->ng", z, W[rated], self.h)
        )
        self.z = z
        self.unnormalized = np.exp(minus_energy)
        self.p = self.unnormalized / self.unnormalized.sum()

    def index(self, v: np.ndarray) -> int:
        (found,) = np.flatnonzero((self.v == v).all(axis=(1, 2)))
        return int(found)

    def gibbs_step(self) -> np.ndarray:
        """T (n, n): the probability of going from one visible state to another by drawing h, then v."""
        h_given_v = self.p / self.p.sum(axis=1, keepdims=True)
        v_given_h = self.p / self.p.sum(axis=0)
        return h_given_v @ v_given_h.T

    def statistics(self) -> list[np.ndarray]:
        """z_jm p(h_f = 1 | v), v and p(h_f = 1 | v) for each visible state."""
        h = (self.p / self.p.sum(axis=1, keepdims=True)) @ self.h
        return [self.z[..., None] * h[:, None, None, :], self.v, h]


def weights(kind: Kind, dtype: Any = np.float64) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    (values, features) = kind.features.shape
    shapes = [(COLUMNS, features, UNITS), (COLUMNS, values), (UNITS,)]
    return [rng.normal(0, 0.7, shape).astype(dtype) for shape in shapes]


def estimate(arrays: Any, kind: Kind, rated: Any, data: np.ndarray, hidden_draws: Any, visible_draws: Any) -> Any:
    """The CD-k estimates for a row, summed over n chains: hidden_draws (n, k, H), visible_draws (n, k, columns)."""
    gradients = [np.zeros_like(array) for array in arrays]
    n, k, _ = visible_draws.shape
    rows, starts = np.zeros(n, np.int64), np.array([0, len(rated)])
    by_step = np.ascontiguousarray(visible_draws.transpose(1, 0, 2)).reshape(k, -1)
    rating_machine.contrastive_divergence(
        *arrays, kind.features, kind.softmax, rows, starts, np.array(rated), data, hidden_draws, by_step, *gradients
    )
    return gradients


def uniform_number(shares: np.ndarray, kind: Kind, k: int) -> float:
    """A number that makes a column with these probabilities of its states take state k."""
    if not kind.softmax:
        shares, k = shares[::-1], 1 - k  # a number below p(v = 1) draws a 1
    ends = np.concatenate([[0.0], np.cumsum(shares)])
    return float(ends[k] + ends[k + 1]) / 2


def forced(machine: Enumerated, kind: Kind, on: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Uniform numbers (columns,) that draw `state` if the hidden units are `on`."""
    v_given_h = machine.p[:, (machine.h == on).all(axis=1)][:, 0]
    v_given_h = v_given_h / v_given_h.sum()
    numbers = []
    for place, units in enumerate(state):
        shares = [v_given_h[(machine.v[:, place] == other).all(axis=1)].sum() for other in kind.states]
        (k,) = np.flatnonzero((kind.states == units).all(axis=1))
        numbers.append(uniform_number(np.array(shares), kind, int(k)))
    return np.array(numbers)


def slopes(f: Any, x: np.ndarray) -> np.ndarray:
    """The gradient of f by the complex step, exact but for rounding."""
    found = np.empty_like(x)
    for place in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[place] += 1e-30j
        found[place] = f(moved).imag / 1e-30
    return found


@each
@either
def test_the_exact_gradient(kind: Kind, mode: str) -> None:
    """Chains that are forced into each state v' and weighted by p(v') add up to the gradient of -log p(v)."""
    arrays, rated = weights(kind), [0, 1, 3]
    machine = Enumerated(*arrays, kind, rated)
    here = len(machine.v) // 3
    on = (machine.statistics()[2][here] > 0.5).astype(float)  # the hidden state that 0.5 draws
    total = [np.zeros_like(array) for array in arrays]
    for state, p in zip(machine.v, machine.p.sum(axis=1), strict=True):
        numbers = forced(machine, kind, on, state)[None, None]
        with kernels.using(mode):
            one = estimate(arrays, kind, rated, machine.v[here], np.full((1, 1, UNITS), 0.5), numbers)
        for sum_of, part in zip(total, one, strict=True):
            sum_of += p * part

    for which, actual in enumerate(total):

        def minus_log_p(changed: np.ndarray, which: int = which) -> complex:
            moved = Enumerated(*arrays[:which], changed, *arrays[which + 1 :], kind, rated)
            return complex(-np.log(moved.p[here].sum()))

        np.testing.assert_allclose(actual, slopes(minus_log_p, arrays[which]), rtol=0, atol=1e-13)
    for unrated in (total[0][2], total[1][2]):
        assert (unrated == 0).all()


@each
@either
def test_the_conditionals(kind: Kind, mode: str) -> None:
    """Numbers just inside the bounds between two outcomes draw the one or the other: all outcomes of a step of CD-1,
    weighted by their probabilities, have the mean that follows from the energy."""
    arrays, rated = weights(kind), [1, 2]
    machine = Enumerated(*arrays, kind, rated)
    here = len(machine.v) // 2
    h_given_v = machine.p[here] / machine.p[here].sum()
    v_given_h = machine.p / machine.p.sum(axis=0)
    on_with = machine.statistics()[2][here]  # p(h_f = 1 | v)
    total = [np.zeros_like(array) for array in arrays]
    for g, on in enumerate(machine.h):
        hidden_draws = np.where(on == 1, on_with - 1e-9, on_with + 1e-9)[None, None]
        for n, state in enumerate(machine.v):
            numbers = forced(machine, kind, on, state)[None, None]
            with kernels.using(mode):
                one = estimate(arrays, kind, rated, machine.v[here], hidden_draws, numbers)
            for sum_of, part in zip(total, one, strict=True):
                sum_of += h_given_v[g] * v_given_h[n, g] * part
    reached = machine.gibbs_step()[here]
    for actual, statistic, places in zip(total, machine.statistics(), (rated, rated, ...), strict=True):
        wanted = np.tensordot(reached, statistic, axes=1) - statistic[here]
        np.testing.assert_allclose(actual[places], wanted, rtol=0, atol=1e-12)


@each
def test_the_bias_of_cd_k_shrinks_with_k(kind: Kind) -> None:
    """The mean over 40,000 chains is that of the k-th power of the Gibbs step; the latter nears the exact gradient."""
    arrays, rated, chains = weights(kind), [0, 3], 40_000
    machine = Enumerated(*arrays, kind, rated)
    here = len(machine.v) // 2
    statistics = machine.statistics()
    rng = np.random.default_rng(5)
    biases = []
    for k in (1, 3, 10):
        draws = rng.random((chains, k, UNITS)), rng.random((chains, k, len(rated)))
        reached = np.linalg.matrix_power(machine.gibbs_step(), k)[here]
        gradients = estimate(arrays, kind, rated, machine.v[here], *draws)
        for actual, statistic, places in zip(gradients, statistics, (rated, rated, ...), strict=True):
            mean = np.tensordot(reached, statistic, axes=1)
            spread = np.sqrt(np.tensordot(reached, (statistic - mean) ** 2, axes=1) / chains)
            assert (np.abs(actual[places] / chains - (mean - statistic[here])) <= 4.5 * spread + 1e-12).all()
        biases.append(np.abs(reached - machine.p.sum(axis=1)).sum())
    assert biases[0] > 2 * biases[1] > 4 * biases[2]


@each
@either
def test_predictions_are_exact(kind: Kind, mode: str) -> None:
    """E[value | v], from the machine that has the unrated column as well."""
    arrays, rated = weights(kind), [0, 1, 3]
    values = LEVELS if kind.softmax else np.array([5.0])
    joint = Enumerated(*arrays, kind, [*rated, 2])
    p = joint.p.sum(axis=1)
    for data in Enumerated(*arrays, kind, rated).v[::7]:
        agree = (joint.v[:, :3] == data).all(axis=(1, 2))
        wanted = (p[agree] @ joint.v[agree, 3] / p[agree].sum()) @ values
        with kernels.using(mode):
            table = rating_machine.expected_values(
                *arrays, kind.features, kind.softmax, np.array([0, 3]), np.array(rated), data, values
            )
        np.testing.assert_allclose(table[0, 2], wanted, rtol=1e-13)


def test_a_mean_field_pass_is_the_first_order_of_the_exact_prediction() -> None:
    """The difference between the scores is p (1 - p) w^2 / 2, up to third order in w."""
    kind = KINDS["linear"]
    W = weights(kind)[0]
    p = np.array([0.3, 0.6, 0.8])
    w = kind.features @ W[0]
    differences = []
    for scale in (1e-2, 5e-3):
        exact = np.log1p(p * np.expm1(scale * w)).sum(axis=1)
        differences.append(exact - scale * w @ p)
        np.testing.assert_allclose(differences[-1], (scale * w) ** 2 @ (p * (1 - p)) / 2, rtol=0.02)
    assert (differences[0] > 0).all()


@either
def test_columns_without_a_rating_play_no_part(mode: str) -> None:
    """Other weights and biases for them change no gradient of the others."""
    kind = KINDS["free"]
    W, b, c = weights(kind)
    rng = np.random.default_rng(2)
    data = np.eye(5)[[4, 0]]
    draws = rng.random((3, 2, UNITS)), rng.random((3, 2, 2))
    with kernels.using(mode):
        first = estimate([W, b, c], kind, [1, 3], data, *draws)
        W[[0, 2]] = 9.0
        b[[0, 2]] = -9.0
        second = estimate([W, b, c], kind, [1, 3], data, *draws)
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not first[0][[0, 2]].any()


@each
def test_the_surprise(kind: Kind) -> None:
    """-log p(v | h) for the h that was drawn, summed over the columns."""
    arrays, rated = weights(kind), [0, 1, 3]
    machine = Enumerated(*arrays, kind, rated)
    here, on = len(machine.v) // 2, np.array([1.0, 0.0, 1.0])
    hidden_draws = np.where(on == 1, 0.0, 1.0)[None, None]
    starts = np.array([0, 3])
    surprise = rating_machine.contrastive_divergence(
        *arrays, kind.features, kind.softmax, np.zeros(1, np.int64), starts, np.array(rated), machine.v[here],
        hidden_draws, np.full((1, 3), 0.5), *[np.zeros_like(array) for array in arrays],
    )  # fmt: skip
    v_given_h = machine.p[:, (machine.h == on).all(axis=1)][:, 0]
    assert surprise == pytest.approx(-np.log(v_given_h[here] / v_given_h.sum()), rel=1e-13)
