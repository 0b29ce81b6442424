"""The restricted Boltzmann machine of one row of ratings: its distribution, its training step and its predictions.

Every row of the table (an item or a user) has a machine of its own, with one group of visible units for each column
that is rated in this row. The machines share their weights: column j has the same W_j and b_j in every machine that it
belongs to (Salakhutdinov, Mnih & Hinton 2007). An entry without a rating has no units, so nothing is guessed for it.

Units      v_jk for the rated columns j and the values k = 1 .. K; h_f for the hidden units f = 1 .. H; all are 0 or 1.
           Softmax units: exactly one of v_j1 .. v_jK is 1, the one that stands for the rating.
           Bernoulli units: K = 1, and v_j1 is 0 or 1 independently of all else (see the end).

Features   The hidden units see a rating through M numbers, its features: value k has the features phi_k1 .. phi_kM, so
           column j shows them z_jm = sum_k v_jk phi_km. Three choices of phi are used:
               the identity        M = K, z = v: each value has weights of its own, as in the paper
               phi_k = (1, x_k)    M = 2, x_k the k-th value on a scale from -1 to 1: the pull of a rating on a hidden
                                   unit is linear in the rating, which takes 2 instead of K weights
               phi = 1             M = K = 1, Bernoulli units

Energy     E(v, h) = - sum_jk b_jk v_jk - sum_f c_f h_f - sum_jmf z_jm W_jmf h_f,      p(v, h) = exp(-E(v, h)) / Z

Conditionals   Given v, the energy is a sum of terms with one h_f each, so the hidden units are independent:
               p(h_f = 1 | v) = sigmoid(a_f),                     a_f = c_f + sum_jm z_jm W_jmf
           Given h, it is a sum of terms with one column each, and one unit of a column is on:
               p(v_jk = 1 | h) = softmax over k of (b_jk + sum_m phi_km sum_f W_jmf h_f)

Free energy    exp(-F(v)) = sum_h exp(-E(v, h)); the sum over all h is a product of sums over h_f = 0 and 1:
               F(v) = - sum_jk b_jk v_jk - sum_f log(1 + exp(a_f)),      p(v) = exp(-F(v)) / Z

Gradient   L = -log p(v) = F(v) + log Z. Because dE/dW_jmf = -z_jm h_f, and the derivative of log Z is minus the mean
           of dE over the machine's own distribution,
               dW_jmf = E[z_jm h_f] - z_jm p(h_f = 1 | v)
               db_jk  = E[v_jk] - v_jk                    dc_f = E[h_f] - p(h_f = 1 | v)
           W_j and b_j of a column without a rating do not occur in E, so their gradients are exactly 0.
           The means are sums over K^columns states. Contrastive divergence (CD-k) replaces them by one state, which k
           steps of Gibbs sampling reach from the ratings: draw h given v, then v given h. At the end p(h_f = 1 | v)
           takes the place of a drawn h_f, which removes its noise. After a few steps the chain still remembers where
           it started, so the estimate is biased; the bias vanishes as k grows. With this bias the estimate is no
           gradient of any function (Sutskever & Tieleman 2010).

Prediction     Add an unrated column q to the row's machine. Up to terms without k, its values have
               -F(v, v_q = k) = b_qk + sum_f log(1 + exp(a_f + w_kf)),     w_kf = sum_m phi_km W_qmf
           From this, subtract sum_f log(1 + exp(a_f)), which does not depend on k, and use
           (1 + exp(a + w)) / (1 + exp(a)) = 1 + sigmoid(a) (exp(w) - 1). With p_f = sigmoid(a_f),
               p(v_q = k | v) = softmax over k of s_k,     s_k = b_qk + sum_f log(1 + p_f (exp(w_kf) - 1))
           This is exact. Each term is log E[exp(w_kf h_f) | v]; a mean-field pass, which puts p_f in place of h_f, has
           E[w_kf h_f | v] = p_f w_kf instead, which is too low by about p_f (1 - p_f) w_kf^2 / 2.
           The predicted rating is the mean, sum_k p(v_q = k | v) value_k, which has the least expected squared error.

Conditional RBM    The paper adds - sum_jf r_j D_jf h_f to the energy, with r_j = 1 for the columns that are known to
           be rated, even if their ratings are not known. For a column with a rating this changes nothing: as
           sum_k v_jk = 1, the weights W_jk + D_j give the same energy without D. (With the features (1, x_k), W_j1 is
           D_j.) The term adds knowledge only if there is a list of rated pairs without their ratings, as in Netflix's
           competition; fit takes no such list.

Bernoulli units    The book's machine: v_j is the rating divided by the highest one and is used as if it were the
           probability that the unit is on. All formulas hold with a sigmoid in place of the softmax, because v_j = 0
           has the score 0: s_1 is the log-odds of v_q, and the predicted rating is E[v_q | v] times the highest.

Reference  Salakhutdinov, Mnih & Hinton, "Restricted Boltzmann machines for collaborative filtering", 2007
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from ..kernels import compiled_as
from ..layers.activations import sigmoid


class Weights(NamedTuple):
    """The weights of all rows' machines, or their gradients: W, b and c are views into one flat vector."""

    flat: NDArray[np.float32]
    W: NDArray[np.float32]  # (columns, M, H)
    b: NDArray[np.float32]  # (columns, K)
    c: NDArray[np.float32]  # (H,)

    @classmethod
    def zeros(cls, columns: int, values: int, features: int, units: int) -> Weights:
        """Weights of 0."""
        shapes = [(columns, features, units), (columns, values), (units,)]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        flat = np.zeros(ends[-1], np.float32)
        parts = np.split(flat, ends[:-1])
        return cls(flat, *(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)))


class Entries(NamedTuple):
    """All rated entries, row by row: row i has the entries starts[i] .. starts[i + 1] - 1."""

    starts: NDArray[np.int64]  # (rows + 1,)
    columns: NDArray[np.int64]  # (entries,), rising within a row
    v: NDArray[np.float32]  # (entries, K)


@compiled_as(kernels.rating_machine.contrastive_divergence)
def contrastive_divergence(
    W: NDArray, b: NDArray, c: NDArray, features: NDArray, softmax: bool, rows: NDArray[np.int64],
    starts: NDArray[np.int64], columns: NDArray[np.int64], v: NDArray, hidden_draws: NDArray, visible_draws: NDArray,
    dW: NDArray, db: NDArray, dc: NDArray,
) -> float:  # fmt: skip
    """Add the CD-k estimates of the gradients, summed over some rows, to dW, db and dc.

    features is phi, (K, M); Weights and Entries list the other shapes. The uniform numbers hidden_draws (rows, k, H)
    and visible_draws (k, entries of these rows) decide the k steps.

    Returns the sum over these entries of -log p(v_j | h), with h drawn given the row: how badly the first step
    reconstructs the ratings.
    """
    surprise, done = 0.0, 0
    for row, draws in zip(rows, hidden_draws, strict=True):
        entries = slice(starts[row], starts[row + 1])
        rated, data = columns[entries], v[entries]
        row_W, row_b = W[rated], b[rated]  # (m, M, H) and (m, K): this row's machine
        positive = hidden_probabilities(data, row_W, c, features)
        state, hidden = data, positive
        for step, draw in enumerate(draws):
            on = (draw < hidden).astype(W.dtype)
            scores = row_b + (row_W @ on) @ features.T  # (m, K)
            if step == 0:
                surprise += np.sum(log_normalizer(scores, softmax) - np.sum(data * scores, axis=1), dtype=np.float64)
            state = drawn(scores, softmax, visible_draws[step, done : done + len(rated)])
            hidden = hidden_probabilities(state, row_W, c, features)
        done += len(rated)
        dW[rated] += (state @ features)[:, :, None] * hidden - (data @ features)[:, :, None] * positive
        db[rated] += state - data
        dc += hidden - positive
    return float(surprise)


@compiled_as(kernels.rating_machine.expected_values)
def expected_values(
    W: NDArray, b: NDArray, c: NDArray, features: NDArray, softmax: bool, starts: NDArray[np.int64],
    columns: NDArray[np.int64], v: NDArray, values: NDArray,
) -> NDArray:  # fmt: skip
    """sum_k p(v_q = k | v) values_k for every column q of every row, (rows, columns).

    A column that is rated in the row is treated as one more column with the same weights.
    """
    expected = np.empty((len(starts) - 1, len(W)), W.dtype)
    growth = np.expm1(features @ W)  # exp(w) - 1, (columns, K, H)
    for row in range(len(expected)):
        entries = slice(starts[row], starts[row + 1])
        p = hidden_probabilities(v[entries], W[columns[entries]], c, features)
        scores = b + np.log1p(p * growth).sum(axis=2)  # (columns, K)
        expected[row] = probabilities(scores, softmax) @ values
    return expected


def hidden_probabilities(v: NDArray, W: NDArray, c: NDArray, features: NDArray) -> NDArray:
    """p(h_f = 1 | v) = sigmoid(c_f + sum_jm z_jm W_jmf), (H,), for the states v (m, K) of m columns with weights W."""
    return sigmoid(c + np.tensordot(v @ features, W))


def probabilities(scores: NDArray, softmax: bool) -> NDArray:
    """The softmax of each row of (n, K), or the sigmoid of each entry."""
    if not softmax:
        return sigmoid(scores)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def log_normalizer(scores: NDArray, softmax: bool) -> NDArray:
    """The log of the sum of exp(score) over the states of each group of units, (n,).

    Bernoulli units have one more state, off, with score 0.
    """
    others = scores if softmax else np.concatenate([scores, np.zeros_like(scores)], axis=1)
    return np.logaddexp.reduce(others, axis=1)


def drawn(scores: NDArray, softmax: bool, uniform: NDArray) -> NDArray:
    """States (n, K) of 0 and 1 for n groups of units, each decided by one uniform number."""
    p, u = probabilities(scores, softmax), uniform[:, None]
    if not softmax:
        return (u < p).astype(p.dtype)
    chosen = (u >= np.cumsum(p, axis=1)[:, :-1]).sum(axis=1)  # the last bound, 1 but for rounding, is never passed
    return np.eye(p.shape[1], dtype=p.dtype)[chosen]
