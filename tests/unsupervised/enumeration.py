"""Small machines, and their probabilities by enumeration of all joint states, in code that shares nothing with tinydl."""

from __future__ import annotations

import itertools

import numpy as np

from tinydl.unsupervised import BernoulliRBM

Gradient = dict[str, np.ndarray]


def machine(visible: int, hidden: int, scale: float = 1.0, seed: int = 0, **settings: object) -> BernoulliRBM:
    """A machine whose weights and biases are drawn from N(0, scale^2), in float64."""
    rng = np.random.default_rng([visible, hidden, seed])
    rbm = BernoulliRBM(hidden, n_iter=0, random_state=seed, **settings)  # type: ignore[arg-type]
    rbm.fit(rows(visible, seed=seed))
    for array in (rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_):
        array[...] = rng.normal(0, scale, array.shape)
    return rbm


def rows(visible: int, n: int = 20, seed: int = 0) -> np.ndarray:
    """Random rows of zeros and ones, mostly zeros."""
    return (np.random.default_rng([visible, n, seed]).random((n, visible)) < 0.3).astype(np.float64)


def states(units: int) -> np.ndarray:
    """All 2^units states of a layer."""
    return np.array(list(itertools.product((0.0, 1.0), repeat=units)))


def log_joint(rbm: BernoulliRBM) -> np.ndarray:
    """-E(v, h) for all visible (axis 0) and hidden states (axis 1): b.v + c.h + h.W.v."""
    v, h = states(rbm.components_.shape[1]), states(rbm.components_.shape[0])
    pairs = np.einsum("hj,ji,vi->vh", h, rbm.components_, v)
    return np.add.outer(v @ rbm.intercept_visible_, h @ rbm.intercept_hidden_) + pairs


def joint(rbm: BernoulliRBM) -> np.ndarray:
    """p(v, h) of all joint states."""
    p = np.exp(log_joint(rbm))
    return p / p.sum()


def gradient(rbm: BernoulliRBM, data: np.ndarray) -> Gradient:
    """The gradient of the mean log-likelihood: each state's p(h | v) and p(v, h) are looked up, not derived."""
    v, h, p = states(rbm.components_.shape[1]), states(rbm.components_.shape[0]), joint(rbm)
    p_data = empirical(data)[:, np.newaxis] * p / p.sum(axis=1, keepdims=True)  # p_data(v) p(h | v)
    difference = p_data - p
    return {
        "dW": np.einsum("vh,hj,vi->ji", difference, h, v), "db": difference.sum(axis=1) @ v,
        "dc": difference.sum(axis=0) @ h,
    }  # fmt: skip


def empirical(data: np.ndarray) -> np.ndarray:
    """The share of each visible state among the rows."""
    numbers = data.astype(int) @ (1 << np.arange(data.shape[1])[::-1])
    return np.bincount(numbers, minlength=1 << data.shape[1]) / len(data)


def expected_cd(rbm: BernoulliRBM, data: np.ndarray, k: int) -> tuple[Gradient, Gradient]:
    """What CD-k adds on average, and its variance over chains, by powers of the chain's transition matrix."""
    v, h, p = states(rbm.components_.shape[1]), states(rbm.components_.shape[0]), joint(rbm)
    h_given_v, v_given_h = p / p.sum(axis=1, keepdims=True), p / p.sum(axis=0, keepdims=True)
    start = empirical(data)
    hidden = start @ h_given_v @ np.linalg.matrix_power(v_given_h.T @ h_given_v, k - 1)
    end = hidden @ v_given_h.T
    p_hidden = h_given_v @ h
    of_states = {"dW": p_hidden[:, :, np.newaxis] * v[:, np.newaxis], "db": v, "dc": p_hidden}
    means = {name: np.tensordot(end, each, 1) for name, each in of_states.items()}
    return (
        {name: np.tensordot(start, each, 1) - means[name] for name, each in of_states.items()},
        {name: np.tensordot(end, each**2, 1) - means[name] ** 2 for name, each in of_states.items()},
    )
