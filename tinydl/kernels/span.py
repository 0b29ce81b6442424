"""Many training steps of a small chain of Dense layers in one compiled call.

A step of such a network takes some 10 microseconds of arithmetic, and as long again to get from one layer, loss and
optimizer to the next in Python. `steps` does the same work, with the same kernels in the same order, so to the same
bits, without leaving compiled code: gather the rows, forward, loss, backward, optimizer, and again. It stops before a
step whose loss is not finite, which training/spans.py then leaves to the layers: they name the cause.

The networks differ in numbers alone, which come in arrays, so one compiled function serves networks of any depth.
"""

from __future__ import annotations

import math

import numpy as np

from .losses import _mean_squared_error
from .machine.codes import LINEAR, RELU
from .machine.compile import kernel
from .machine.exponential import smooth
from .machine.loops import add_column_sums, times_slope
from .machine.product import Rows, affine, product, product_through_relu
from .machine.registers import VECTOR
from .machine.simd import copy_vectors, prefetch
from .optimizers import _adam, _rmsprop, _sgd

SGD, RMSPROP, ADAM = 0, 1, 2


@kernel(inline="always")
def _gather(source, order, start, rows, width, target):
    """Copy the rows order[start:start + rows] of a matrix of `width` columns, in whole vectors where there is room: the
    next row overwrites the excess."""
    whole = _whole(source, width)
    for r in range(rows):
        at, to = order[start + r] * width, r * width
        count = whole if at + whole <= source.size and to + whole <= rows * width else width
        copy_vectors(source, at, target, to, count)


@kernel(inline="always")
def _whole(source, width):
    """The numbers in the whole vectors that a row fills or begins."""
    lanes = VECTOR // source.itemsize
    return -(-width // lanes) * lanes


@kernel()  # inline="always" would compile it again for each of its calls
def _fetch(x, y, order, start, rows, width, width_of_y):
    """Begin to load rows that the next step will gather. Shuffled rows come from anywhere in memory: waiting for each
    of them in turn would take as long as all the rest of a small step. A few are asked for at a time, because the
    processor waits once some twenty lines of memory are on their way. Returns the next row to begin with."""
    stop = min(start + rows, order.size)
    for r in range(start, stop):
        _fetch_row(x, order[r], width)
        if y.size:
            _fetch_row(y, order[r], width_of_y)
    return stop


@kernel(inline="always")
def _fetch_row(source, row, width):
    """Begin to load all that `_gather` reads of a row: up to three cache lines for two lines of numbers."""
    line, last = 64 // source.itemsize, _whole(source, width) - 1
    for j in range(0, last + line, line):
        prefetch(source, row * width + min(j, last))


@kernel()
def steps(
    x, y, order, start, count, batch_size, widths, W_at, b_at, activations, y_at, params, grads, m, v, rule, t, rates,
    epsilons, settings, parts, decays, values, da, other, targets, total,
):  # fmt: skip
    """Take up to `count` steps on the rows order[start:], batch_size rows each; return how many were taken.

    x, y                the rows and targets, flat; y is empty if the rows are their own targets
    widths              of the input and of every layer's output
    W_at, b_at          where each layer's W and b begin in `params`, -1 for no b; activations: their codes
    y_at                where each layer's input begins in `values`, and the last layer's output
    m, v                the optimizer's vectors, empty if it has none; t: the number of its next step, from 1
    rates, epsilons     of each step; settings: the other hyper-parameters of the rule
    parts, decays       ranges of the vectors, and the weight decay of each
    total               the sum over rows of their batches' losses, which grows; total[1]: the last loss
    """
    layers = W_at.size
    last = y_at[layers]
    none, few = params[:0], -(-batch_size // (4 * layers + 1))  # rows for `_fetch`, which is called so often
    sums = np.empty(widths.max())
    for step in range(count):
        first = start + step * batch_size
        n = min(batch_size, order.size - first)
        _gather(x, order, first, n, widths[0], values)
        coming = first + n
        for layer in range(layers):
            coming = _fetch(x, y, order, coming, few, widths[0], widths[layers])
            inputs, units, to = widths[layer], widths[layer + 1], y_at[layer + 1]
            b = none if b_at[layer] < 0 else params
            affine(
                (n, units, inputs), values, Rows(y_at[layer], inputs), params, Rows(W_at[layer], units), b, b_at[layer],
                activations[layer] == RELU, values, Rows(to, units),
            )  # fmt: skip
            smooth(values, to, n * units, activations[layer])
        coming = _fetch(x, y, order, coming, few, widths[0], widths[layers])
        size = n * widths[layers]
        predicted = values[last : last + size]
        if y.size:
            _gather(y, order, first, n, widths[layers], targets)
        wanted = targets[:size] if y.size else values[:size]
        loss = _mean_squared_error(predicted, wanted)
        if not math.isfinite(loss):
            return step
        factor = params.dtype.type(2.0 / size)
        for k in range(size):
            da[k] = (predicted[k] - wanted[k]) * factor
        for back in range(layers):
            layer = layers - 1 - back
            coming = _fetch(x, y, order, coming, few, widths[0], widths[layers])
            inputs, units, at = widths[layer], widths[layer + 1], y_at[layer + 1]
            # The product that gave da has already applied the slope of a relu, except for the last layer's da.
            if activations[layer] != LINEAR and (back == 0 or activations[layer] != RELU):
                times_slope(da, values[at : at + n * units], activations[layer], 0, da, 0, n * units)
            product(
                True, False, (inputs, units, n), values, Rows(y_at[layer], inputs), da, Rows(0, units), False, grads,
                Rows(W_at[layer], units),
            )  # fmt: skip
            coming = _fetch(x, y, order, coming, few, widths[0], widths[layers])
            if b_at[layer] >= 0:
                sums[:units] = 0.0
                add_column_sums(da, 0, n, units, sums)
                for j in range(units):
                    grads[b_at[layer] + j] = sums[j]
            if layer:
                coming = _fetch(x, y, order, coming, few, widths[0], widths[layers])
                sizes, in_da, in_W = (n, inputs, units), Rows(0, units), Rows(W_at[layer], units)
                if activations[layer - 1] == RELU:
                    before = values[y_at[layer] : y_at[layer] + n * inputs]
                    product_through_relu(sizes, da, in_da, params, in_W, before, other, Rows(0, inputs))
                else:
                    product(False, True, sizes, da, in_da, params, in_W, False, other, Rows(0, inputs))
                da, other = other, da
        coming = _fetch(x, y, order, coming, few, widths[0], widths[layers])
        for part in range(len(decays)):
            lo, hi = parts[part, 0], parts[part, 1]
            p, g, decay = params[lo:hi], grads[lo:hi], decays[part]
            if rule == ADAM:
                beta1, beta2 = settings[0], settings[1]
                _adam(p, g, m[lo:hi], v[lo:hi], t + step, rates[step], beta1, beta2, epsilons[step], decay)
            elif rule == RMSPROP:
                _rmsprop(p, g, v[lo:hi], rates[step], settings[0], epsilons[step], settings[1])
            else:
                _sgd(p, g, v[lo:hi], rates[step], settings[0], settings[1] > 0, decay)
        total[0] += loss * n
        total[1] = loss
    return count
