"""The restricted Boltzmann machine: the conditional probabilities of its units, and an update of its parameters.

The products add the two phases of the gradient to the weights in place, so an update makes no temporary array as large
as the weights. Large products are divided among threads, by rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .machine.codes import SIGMOID
from .machine.compile import kernel
from .machine.exponential import finish
from .machine.loops import add_column_sums
from .machine.product import Rows, product
from .machine.threads import parts_for, share


def hidden_probabilities(v: NDArray, W: NDArray, c: NDArray) -> NDArray:
    """Twin of unsupervised.energy.hidden_probabilities."""
    return _probabilities(v, True, W, c)


def visible_probabilities(h: NDArray, W: NDArray, b: NDArray) -> NDArray:
    """Twin of unsupervised.energy.visible_probabilities."""
    return _probabilities(h, False, W, b)


def update(
    v: NDArray, p: NDArray, v_model: NDArray, p_model: NDArray, W: NDArray, b: NDArray, c: NDArray,
    velocity_W: NDArray, velocity_b: NDArray, velocity_c: NDArray, learning_rate: float, momentum: float,
    weight_decay: float,
) -> None:  # fmt: skip
    """Twin of unsupervised.bernoulli_rbm.update."""
    v, p, v_model, p_model = (np.ascontiguousarray(x) for x in (v, p, v_model, p_model))
    _update_biases(v, v_model, b, velocity_b, learning_rate, momentum)
    _update_biases(p, p_model, c, velocity_c, learning_rate, momentum)
    work = (len(v) + len(v_model)) * W.size
    arguments = v, p, v_model, p_model, W, velocity_W, learning_rate, momentum, weight_decay
    share(parts_for(len(W), work), len(W), _update_weights, *arguments)


def _probabilities(x: NDArray, transpose: bool, W: NDArray, bias: NDArray) -> NDArray:
    """sigmoid(x @ op(W) + bias)."""
    x, W = np.ascontiguousarray(x), np.ascontiguousarray(W)
    y = np.empty((len(x), len(bias)), W.dtype)
    share(parts_for(len(x), len(x) * W.size), len(x), _affine, x, transpose, W, bias, y)
    finish(y, SIGMOID)
    return y


@kernel()
def _affine(part, x, transpose, W, bias, y):
    """Write this part's rows of x @ op(W) + bias into y."""
    rows, inputs, units = part.stop - part.start, x.shape[1], y.shape[1]
    for i in range(part.start, part.stop):
        for j in range(units):
            y[i, j] = bias[j]
    flat_x, flat_W, flat_y = x.reshape(-1), W.reshape(-1), y.reshape(-1)
    in_x, in_W, in_y = Rows(part.start * inputs, inputs), Rows(0, W.shape[1]), Rows(part.start * units, units)
    product(False, transpose, (rows, units, inputs), flat_x, in_x, flat_W, in_W, True, flat_y, in_y)


@kernel()
def _update_biases(data, model, bias, velocity, learning_rate, momentum):
    """Update the biases of one layer, given its units in both phases."""
    positive, negative = np.zeros(bias.size), np.zeros(bias.size)  # float64
    add_column_sums(data.reshape(-1), 0, data.shape[0], bias.size, positive)
    add_column_sums(model.reshape(-1), 0, model.shape[0], bias.size, negative)
    for i in range(bias.size):
        step = learning_rate * (positive[i] / data.shape[0] - negative[i] / model.shape[0])
        if momentum != 0:
            velocity[i] = step = momentum * velocity[i] + step
        bias[i] += step


@kernel()
def _update_weights(part, v, p, v_model, p_model, W, velocity, learning_rate, momentum, weight_decay):
    """Update this part's rows of W (its hidden units)."""
    shrink, kept = W.dtype.type(learning_rate * weight_decay), W.dtype.type(momentum)
    if momentum == 0:
        for j in range(part.start, part.stop if weight_decay else part.start):
            for i in range(W.shape[1]):
                W[j, i] -= shrink * W[j, i]
        _add_phase(part, learning_rate, p, v, W)
        _add_phase(part, -learning_rate, p_model, v_model, W)
        return
    for j in range(part.start, part.stop):
        for i in range(W.shape[1]):
            velocity[j, i] = kept * velocity[j, i] - shrink * W[j, i]
    _add_phase(part, learning_rate, p, v, velocity)
    _add_phase(part, -learning_rate, p_model, v_model, velocity)
    for j in range(part.start, part.stop):
        for i in range(W.shape[1]):
            W[j, i] += velocity[j, i]


@kernel()
def _add_phase(part, factor, p, v, target):
    """target += factor * p.T @ v / rows, for this part's rows of the target."""
    n, hidden, visible = p.shape[0], part.stop - part.start, v.shape[1]
    scale = target.dtype.type(factor / n)
    scaled = np.empty((n, hidden), p.dtype)
    for m in range(n):
        for j in range(hidden):
            scaled[m, j] = scale * p[m, part.start + j]
    product(
        True, False, (hidden, visible, n), scaled.reshape(-1), Rows(0, hidden), v.reshape(-1), Rows(0, visible), True,
        target.reshape(-1), Rows(part.start * visible, visible),
    )  # fmt: skip
