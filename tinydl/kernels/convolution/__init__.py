"""Convolution: an overview, from the layer down to the arithmetic.

    layers/conv.py            Conv2D: the derivation, and the definition in NumPy (im2col, product, col2im)
      forward, backward       in this file: allocate the result; pooled_forward and pooled_backward pool it, too,
                              and measured_forward takes the statistics for batch normalization
        choose.py             one table: the algorithm ("way") for each shape; handles sigmoid and tanh
          winograd_blocks.py  2x2 and 3x3 kernels with many channels on small images
          winograd.py         2x2 and 3x3 kernels: fewer multiplications; the transforms are in winograd_tiles.py
          direct.py           few channels: products that read the image directly
          patches.py          everything else: im2col, a few rows at a time
            ../machine        share (threads.py) cuts the work into ranges of images, tiles or channels;
                              product (product.py), products (window_product.py), tile_map (simd.py) do the arithmetic

All ways compute the same function; tests compare each way with the definition on shapes that it supports.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ... import interrupts
from .. import batch_norm, merging, pooling
from ..machine.codes import LINEAR
from ..machine.memory import empty
from ..machine.moments import UNMEASURED, merged, to_be_measured
from ..machine.pairs import NOWHERE, tile
from ..machine.window import Window
from ..twins import definition_of
from .choose import Convolution, way_for
from .patches import col2im, im2col

__all__ = ["backward", "col2im", "forward", "im2col", "measured_forward", "pooled_backward", "pooled_forward"]


@interrupts.held
def forward(
    x: NDArray, W: NDArray, b: NDArray | None, window: Window, activation: int, way: str | None = None
) -> NDArray:
    """Twin of layers.conv.conv2d_forward. `way` forces an algorithm, see choose.py."""
    if x.dtype.kind == "c":
        return definition_of(forward)(x, W, b, window, activation)
    x, W, b, y, conv = _prepared(x, W, b, window)
    way_for(conv, way).forward(x, W, b, window, activation, y)
    return y


@interrupts.held
def backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, window: Window, activation: int,
    dW: NDArray | None, db: NDArray | None, need_dx: bool, plus: NDArray | None = None, way: str | None = None,
) -> NDArray:  # fmt: skip
    """Twin of layers.conv.conv2d_backward. `way` forces an algorithm, see choose.py."""
    if plus is not None and plus.shape != x.shape:  # the kernels do not check bounds
        raise ValueError(f"conv2d_backward: plus must have the shape of x, {x.shape}, got {plus.shape}")
    plus = None if plus is None or not need_dx else np.ascontiguousarray(plus, x.dtype)
    x, dy, y, W = (np.ascontiguousarray(array) for array in (x, dy, y, W))
    c, f = W.shape[2:]
    dW, db, dx = _gradients(x, W, dW, db, need_dx)
    chosen = way_for(Convolution(window, c, f, y.shape, need_dx), way)
    added = chosen.backward(dy, x, W, y, window, activation, dW, db, dx, plus)
    return dx if plus is None or added else merging.add(dx, plus, LINEAR)


@interrupts.held
def measured_forward(
    x: NDArray, W: NDArray, b: NDArray | None, window: Window, activation: int, way: str | None = None
) -> tuple[NDArray, NDArray, NDArray]:
    """Twin of layers.conv_then_norm.conv2d_measured_forward. `way` forces an algorithm, see choose.py."""
    if x.dtype.kind == "c":
        return definition_of(measured_forward)(x, W, b, window, activation)
    x, W, b, y, conv = _prepared(x, W, b, window)
    measured = to_be_measured(y.shape) if y.size else UNMEASURED
    done = way_for(conv, way).forward(x, W, b, window, activation, y, measured)
    found = merged(measured, y.dtype) if done and y.size else None
    return y, *(batch_norm.statistics(y) if found is None else found)


@interrupts.held
def pooled_forward(
    x: NDArray, W: NDArray, b: NDArray | None, window: Window, activation: int, pool: Window, largest: bool
) -> tuple[NDArray, NDArray, NDArray | None]:
    """Twin of layers.conv_then_pool.conv2d_pool_forward."""
    if x.dtype.kind == "c":
        return definition_of(pooled_forward)(x, W, b, window, activation, pool, largest)
    x, W, b, y, conv = _prepared(x, W, b, window)
    way = way_for(conv)
    if not (tile(pool, y.shape) and way.pools(window, y.shape, activation)):
        way.forward(x, W, b, window, activation, y)
        return (y, *pooling.max_forward(y, pool)) if largest else (y, pooling.average_forward(y, pool), None)
    n, oh, ow, f = y.shape
    pooled = empty((n, oh // 2, ow // 2, f), x.dtype)
    where = empty(pooled.shape, np.uint16) if largest else NOWHERE
    way.forward(x, W, b, window, activation, y, pooled=pooled, where=where)
    return y, pooled, where if largest else None


@interrupts.held
def pooled_backward(
    dpooled: NDArray, where: NDArray | None, pool: Window, x: NDArray, W: NDArray, y: NDArray, window: Window,
    activation: int, dW: NDArray | None, db: NDArray | None, need_dx: bool,
) -> NDArray:  # fmt: skip
    """Twin of layers.conv_then_pool.conv2d_pool_backward."""
    x, y, W = (np.ascontiguousarray(array) for array in (x, y, W))
    c, f = W.shape[2:]
    way = way_for(Convolution(window, c, f, y.shape, need_dx))
    if tile(pool, y.shape) and way.pools(window, y.shape, activation):
        dy = np.ascontiguousarray(dpooled)
    elif where is None:
        dy = pooling.average_backward(dpooled, y.shape, pool)
    else:
        dy = pooling.max_backward(dpooled, where, y.shape, pool)
    places = NOWHERE if where is None else np.ascontiguousarray(where)
    dW, db, dx = _gradients(x, W, dW, db, need_dx)
    way.backward(dy, x, W, y, window, activation, dW, db, dx, None, places)
    return dx


def _prepared(
    x: NDArray, W: NDArray, b: NDArray | None, window: Window
) -> tuple[NDArray, NDArray, NDArray, NDArray, Convolution]:
    """Contiguous x and W, b or an empty array, an array for y, and the facts that decide the way."""
    x, W = np.ascontiguousarray(x), np.ascontiguousarray(W)
    (n, h, w, c), f = x.shape, W.shape[3]
    y = empty((n, *window.places(h, w), f), x.dtype)
    return x, W, W.reshape(-1)[:0] if b is None else b, y, Convolution(window, c, f, y.shape, False)


def _gradients(
    x: NDArray, W: NDArray, dW: NDArray | None, db: NDArray | None, need_dx: bool
) -> tuple[NDArray, NDArray, NDArray]:
    """dW, db and an array for dx; empty ones in place of those that are not wanted."""
    dW = np.empty((0, 0, 0, 0), W.dtype) if dW is None else dW
    db = W.reshape(-1)[:0] if db is None else db
    return dW, db, empty(x.shape if need_dx else (0, 0, 0, 0), x.dtype)
