"""The log-likelihood of a restricted Boltzmann machine: log p(v) = -F(v) - log Z (energy.py derives F).

The partition function Z sums over all configurations. Two functions give its logarithm, in nats:

Exact       Summed over the visible units as F sums over the hidden ones, Z has a term for each hidden vector only:
                Z = sum_h exp(c.h) prod_i (1 + exp(b_i + sum_j h_j W_ji)) = sum_h exp(-F'(h))
            F' is the free energy of the machine with its two layers swapped. So 2^min(visible, hidden) terms suffice.

Annealed    Annealed importance sampling starts from a machine whose Z is known and turns it into this one. The base
            machine has the visible biases b0, those of independent units with the data's means, and no weights. Its
            hidden units each have two equally probable values, which cancel in what follows:
                Z_0 = 2^hidden prod_i (1 + exp(b0_i))
            At inverse temperature beta, between 0 (the base) and 1 (this machine), the unnormalized probability is
                f_beta(v) = exp((1 - beta) b0.v + beta b.v) prod_j (1 + exp(beta a_j))     a_j = c_j + sum_i W_ji v_i
            A chain draws v_1 from the base, and then v_2, v_3, ..., each by a Gibbs step at its beta from the one
            before. Its weight is the product of what each change of beta multiplies the probability of its v by:
                w = prod_k f_beta_k(v_k) / f_beta_k-1(v_k)
            The mean of w over chains is Z / Z_0 (Neal 2001: each step leaves f_beta_k invariant, so that w is an
            importance weight on the extended space of whole chains), whatever the number of steps. With few steps the
            weights vary more.

            The standard error of log Z follows from that of the mean weight: std(w) / (mean(w) sqrt(chains)). The
            logarithm of a mean is, on average, below the logarithm of what it estimates: log Z is underestimated and
            the log-likelihood overestimated, by about half the square of the standard error. If chains miss a mode of
            the machine, neither figure shows it; a run with ten times the temperatures does.

Reference   Neal 2001; Salakhutdinov & Murray 2008
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..layers.activations import sigmoid
from . import energy

MOST_UNITS = 20  # of the smaller layer: enumerating its 2^20 states takes seconds
STATES_AT_ONCE = 1 << 13


class Estimate(NamedTuple):
    """A value in nats, and its standard error (0 if the value is exact)."""

    value: float
    standard_error: float


def log_partition_function(W: NDArray, b: NDArray, c: NDArray) -> float:
    """log Z, exact, in float64. The time is proportional to 2^min(visible, hidden)."""
    if len(c) < len(b):
        W, b, c = W.T, c, b
    W, b, c = (x.astype(np.float64) for x in (W, b, c))
    return _log_sum([_log_sum(-energy.free_energy(v, W, b, c)) for v in all_states(len(b))])


def annealed_log_partition_function(
    W: NDArray, b: NDArray, c: NDArray, means: NDArray, n_chains: int, n_temperatures: int, rng: np.random.Generator
) -> Estimate:
    """log Z by annealed importance sampling, in float64. `means` (visible,) are those of the base machine."""
    W, b, c = (x.astype(np.float64) for x in (W, b, c))
    base = log_odds(means)
    betas = np.linspace(0, 1, n_temperatures + 1)
    v = energy.sample(np.broadcast_to(means.astype(np.float64), (n_chains, len(b))), rng)
    log_weights = np.zeros(n_chains)
    for before, beta in pairwise(betas):
        a = v @ W.T + c
        log_weights += (beta - before) * (v @ (b - base))
        log_weights += (energy.softplus(beta * a) - energy.softplus(before * a)).sum(axis=1)
        h = energy.sample(sigmoid(beta * a), rng)
        v = energy.sample(energy.visible_probabilities(beta * h, W, (1 - beta) * base + beta * b), rng)
    largest = log_weights.max()
    weights = np.exp(log_weights - largest)
    error = weights.std(ddof=1) / weights.mean() / math.sqrt(n_chains)
    log_base = len(c) * math.log(2) + energy.softplus(base).sum()
    return Estimate(float(log_base + largest + math.log(weights.mean())), float(error))


def all_states(units: int) -> Iterator[NDArray[np.float64]]:
    """All 2^units vectors of zeros and ones, up to STATES_AT_ONCE rows at a time."""
    for start in range(0, 1 << units, STATES_AT_ONCE):
        numbers = np.arange(start, min(start + STATES_AT_ONCE, 1 << units))
        yield (numbers[:, np.newaxis] >> np.arange(units) & 1).astype(np.float64)


def log_odds(means: NDArray) -> NDArray[np.float64]:
    """log(p / (1 - p)): the bias with which a unit without weights has mean p."""
    return np.log(means / (1.0 - means))


def _log_sum(terms: NDArray | list[float]) -> float:
    """log(sum(exp(terms))), without overflow."""
    largest = np.max(terms)
    return float(largest + np.log(np.exp(np.asarray(terms) - largest).sum()))
