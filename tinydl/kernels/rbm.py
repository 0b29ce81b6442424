"""The restricted Boltzmann machine: the conditional probabilities of its units, and a step of its weights.

BLAS computes the products and adds the two phases of the gradient to the weights in place (beta = 1), so a step makes
no temporary array as large as the weights. Large products are divided among threads, by rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .machine.blas import Rows, gemm_block
from .machine.codes import SIGMOID
from .machine.compile import kernel
from .machine.loops import finish
from .machine.threads import WORTH_SHARING, Part, parts_for, share


def hidden_probabilities(v: NDArray, W: NDArray, c: NDArray) -> NDArray:
    """Twin of unsupervised.energy.hidden_probabilities."""
    return _probabilities(v, True, W, c)


def visible_probabilities(h: NDArray, W: NDArray, b: NDArray) -> NDArray:
    """Twin of unsupervised.energy.visible_probabilities."""
    return _probabilities(h, False, W, b)


def update_weights(
    v: NDArray, p: NDArray, v_model: NDArray, p_model: NDArray, W: NDArray, velocity: NDArray, learning_rate: float,
    momentum: float, weight_decay: float,
) -> None:  # fmt: skip
    """Twin of unsupervised.bernoulli_rbm.update_weights."""
    v, p, v_model, p_model = (np.ascontiguousarray(x) for x in (v, p, v_model, p_model))
    work = (len(v) + len(v_model)) * W.size
    parts = 1 if work < WORTH_SHARING else parts_for(len(W), work)
    arguments = v, p, v_model, p_model, W, velocity, learning_rate, momentum, weight_decay
    if parts == 1:
        _update(Part(0, 0, len(W)), *arguments)
    else:
        share(parts, len(W), _update, *arguments)


def _probabilities(x: NDArray, transpose: bool, W: NDArray, bias: NDArray) -> NDArray:
    """sigmoid(x @ op(W) + bias)."""
    x, W = np.ascontiguousarray(x), np.ascontiguousarray(W)
    y = np.empty((len(x), len(bias)), W.dtype)
    work = len(x) * W.size
    parts = 1 if work < WORTH_SHARING else parts_for(len(x), work)
    if parts == 1:
        _affine(Part(0, 0, len(x)), x, transpose, W, bias, y)
    else:
        share(parts, len(x), _affine, x, transpose, W, bias, y)
    finish(y, SIGMOID)
    return y


@kernel()
def _affine(part, x, transpose, W, bias, y):
    """Write this part's rows of x @ op(W) + bias into y."""
    rows, inputs, units = part.stop - part.start, x.shape[1], y.shape[1]
    for i in range(part.start, part.stop):
        for j in range(units):
            y[i, j] = bias[j]
    gemm_block(
        False, transpose, (rows, units, inputs), 1.0, x.reshape(-1), Rows(part.start * inputs, inputs),
        W.reshape(-1), Rows(0, W.shape[1]), 1.0, y.reshape(-1), Rows(part.start * units, units),
    )  # fmt: skip


@kernel()
def _update(part, v, p, v_model, p_model, W, velocity, learning_rate, momentum, weight_decay):
    """Update this part's rows of W (its hidden units)."""
    shrink = W.dtype.type(learning_rate * weight_decay)
    if momentum == 0:
        _add_phase(part, learning_rate, p, v, 1.0 - learning_rate * weight_decay, W)
        _add_phase(part, -learning_rate, p_model, v_model, 1.0, W)
        return
    kept = W.dtype.type(momentum)
    for j in range(part.start, part.stop):
        for i in range(W.shape[1]):
            velocity[j, i] = kept * velocity[j, i] - shrink * W[j, i]
    _add_phase(part, learning_rate, p, v, 1.0, velocity)
    _add_phase(part, -learning_rate, p_model, v_model, 1.0, velocity)
    for j in range(part.start, part.stop):
        for i in range(W.shape[1]):
            W[j, i] += velocity[j, i]


@kernel()
def _add_phase(part, factor, p, v, keep, target):
    """target = keep * target + factor * p.T @ v / rows, for this part's rows of the target."""
    n, hidden = p.shape
    visible = v.shape[1]
    gemm_block(
        True, False, (part.stop - part.start, visible, n), factor / n, p.reshape(-1), Rows(part.start, hidden),
        v.reshape(-1), Rows(0, visible), keep, target.reshape(-1), Rows(part.start * visible, visible),
    )  # fmt: skip
