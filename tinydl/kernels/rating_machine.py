"""The RBM of a row of ratings: contrastive divergence and predictions.

A row has ratings in a few percent of the columns, so these kernels visit the rated entries one by one: matrix products
over the whole table would do 16 times the work on MovieLens 100K, of which 6.3 % is rated. The inner loops run over the
hidden units, which are adjacent in memory.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .machine.compile import kernel
from .machine.loops import copy
from .machine.threads import parts_for, share

LANES = {"reassoc", "contract"}  # allows sums and products to be split into vector lanes
LARGEST = 1e290  # products between 1 / LARGEST and LARGEST have neither overflowed nor lost digits
WORK = 0.5  # cost per hidden unit and value, in multiply-adds of a matrix product


@kernel(fastmath=LANES, error_model="numpy")
def contrastive_divergence(
    W, b, c, features, softmax, rows, starts, columns, v, hidden_draws, visible_draws, dW, db, dc
):  # fmt: skip
    """Twin of recommenders.rating_machine.contrastive_divergence."""
    units, zero, one = W.shape[2], W.dtype.type(0), W.dtype.type(1)
    positive, hidden, on = np.empty(units, W.dtype), np.empty(units, W.dtype), np.empty(units, W.dtype)
    longest = 0
    for row in rows:
        longest = max(longest, starts[row + 1] - starts[row])
    state, scores = np.empty((longest, b.shape[1]), W.dtype), np.empty(b.shape[1], W.dtype)
    z_data, z = np.empty((longest, W.shape[1]), W.dtype), np.empty((longest, W.shape[1]), W.dtype)
    surprise, done = 0.0, 0
    for i in range(rows.size):
        start, stop = starts[rows[i]], starts[rows[i] + 1]
        rated, data = columns[start:stop], v[start:stop]
        _hidden_probabilities(W, c, features, rated, data, z_data, positive)
        copy(positive, 0, hidden, 0, units)
        for step in range(hidden_draws.shape[1]):
            for f in range(units):
                on[f] = one if hidden_draws[i, step, f] < hidden[f] else zero
            for m in range(rated.size):
                _scores(W[rated[m]], b[rated[m]], features, on, scores)
                if step == 0:
                    for k in range(scores.size):
                        surprise -= data[m, k] * scores[k]
                log_normalizer = _normalize(scores, softmax)
                if step == 0:
                    surprise += log_normalizer
                _draw(scores, softmax, visible_draws[step, done + m], state[m])
            _hidden_probabilities(W, c, features, rated, state[: rated.size], z, hidden)
        done += rated.size
        for m in range(rated.size):
            j = rated[m]
            for k in range(scores.size):
                db[j, k] += state[m, k] - data[m, k]
            for n in range(W.shape[1]):
                if z[m, n] != zero or z_data[m, n] != zero:
                    for f in range(units):
                        dW[j, n, f] += z[m, n] * hidden[f] - z_data[m, n] * positive[f]
        for f in range(units):
            dc[f] += hidden[f] - positive[f]
    return surprise


def expected_values(
    W: NDArray, b: NDArray, c: NDArray, features: NDArray, softmax: bool, starts: NDArray[np.int64],
    columns: NDArray[np.int64], v: NDArray, values: NDArray,
) -> NDArray:  # fmt: skip
    """Twin of recommenders.rating_machine.expected_values."""
    rows = len(starts) - 1
    expected, growth = np.empty((rows, len(W)), W.dtype), np.expm1(features @ W)
    parts = parts_for(rows, WORK * rows * growth.size)
    share(parts, rows, _expected, growth, W, b, c, features, softmax, starts, columns, v, values, expected)
    return expected


@kernel(fastmath=LANES, error_model="numpy")
def _expected(part, growth, W, b, c, features, softmax, starts, columns, v, values, expected):
    units, one = W.shape[2], 1.0
    p, scores, z = np.empty(units, W.dtype), np.empty(values.size), np.empty((len(W), W.shape[1]), W.dtype)
    for row in range(part.start, part.stop):
        start, stop = starts[row], starts[row + 1]
        _hidden_probabilities(W, c, features, columns[start:stop], v[start:stop], z, p)
        for q in range(len(W)):
            for k in range(values.size):
                g = growth[q, k]
                product = one  # of all factors, in float64: one logarithm is faster than one per hidden unit
                for f in range(units):
                    product *= one + p[f] * g[f]
                if 1 / LARGEST < product < LARGEST:
                    scores[k] = b[q, k] + math.log(product)
                else:
                    scores[k] = b[q, k]
                    for f in range(units):
                        scores[k] += math.log1p(p[f] * g[f])
            _normalize(scores, softmax)
            mean = 0.0
            for k in range(values.size):
                mean += scores[k] * values[k]
            expected[row, q] = mean


@kernel(fastmath=LANES, error_model="numpy")
def _hidden_probabilities(W, c, features, rated, state, z, p):
    """z = state @ features, and p = sigmoid(c + sum_mn z_mn W_mn) over the rated columns m."""
    zero, one = W.dtype.type(0), W.dtype.type(1)
    copy(c, 0, p, 0, c.size)
    for m in range(rated.size):
        for n in range(W.shape[1]):
            total = zero
            for k in range(state.shape[1]):
                total += state[m, k] * features[k, n]
            z[m, n] = total
            if total != zero:
                for f in range(p.size):
                    p[f] += total * W[rated[m], n, f]
    for f in range(p.size):
        e = math.exp(-abs(p[f]))  # cannot overflow
        p[f] = (e if p[f] < 0 else one) / (one + e)


@kernel(fastmath=LANES)
def _scores(W, b, features, on, scores):
    """scores = b + features @ (W @ on), for one column."""
    copy(b, 0, scores, 0, b.size)
    for n in range(len(W)):
        total = scores.dtype.type(0)
        for f in range(on.size):
            total += W[n, f] * on[f]
        for k in range(scores.size):
            scores[k] += features[k, n] * total


@kernel(fastmath=LANES, error_model="numpy")
def _normalize(scores, softmax):
    """Replace a group's scores by the probabilities of its units; return the log of the sum of exp(score) over the
    group's states. Bernoulli units have one more state, off, with score 0."""
    zero = scores.dtype.type(0)
    largest = scores[0] if softmax else max(scores[0], zero)
    for k in range(1, scores.size):
        largest = max(largest, scores[k])
    total = zero if softmax else math.exp(-largest)
    for k in range(scores.size):
        scores[k] = math.exp(scores[k] - largest)
        total += scores[k]
    for k in range(scores.size):
        scores[k] /= total
    return largest + math.log(total)


@kernel()
def _draw(probabilities, softmax, uniform, state):
    """Set a group's units to 0 or 1, decided by one uniform number."""
    zero, one = state.dtype.type(0), state.dtype.type(1)
    if not softmax:
        state[0] = one if uniform < probabilities[0] else zero
        return
    state[:] = zero
    chosen, bound = 0, probabilities[0]
    while chosen < state.size - 1 and uniform >= bound:  # the last bound, 1 but for rounding, is never passed
        chosen += 1
        bound += probabilities[chosen]
    state[chosen] = one
