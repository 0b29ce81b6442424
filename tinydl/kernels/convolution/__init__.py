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
                              product (product.py) and register_product, tile_map (simd.py) do the arithmetic

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
from . import direct
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
    x, W = np.ascontiguousarray(x), np.ascontiguousarray(W)
    b = W.reshape(-1)[:0] if b is None else b
    (n, h, w, c), f = x.shape, W.shape[3]
    y = empty((n, *window.places(h, w), f), x.dtype)
    way_for(Convolution(window, c, f, y.shape, False), way).forward(x, W, b, window, activation, y)
    return y


@interrupts.held
def measured_forward(
    x: NDArray, W: NDArray, b: NDArray | None, window: Window, activation: int, way: str | None = None
) -> tuple[NDArray, NDArray, NDArray]:
    """Twin of layers.conv_then_norm.conv2d_measured_forward. `way` forces an algorithm, see choose.py."""
    if x.dtype.kind == "c":
        return definition_of(measured_forward)(x, W, b, window, activation)
    x, W = np.ascontiguousarray(x), np.ascontiguousarray(W)
    b = W.reshape(-1)[:0] if b is None else b
    (n, h, w, c), f = x.shape, W.shape[3]
    y = empty((n, *window.places(h, w), f), x.dtype)
    measured = to_be_measured(y.shape) if y.size else UNMEASURED
    done = way_for(Convolution(window, c, f, y.shape, False), way).forward(x, W, b, window, activation, y, measured)
    found = merged(measured, y.dtype) if done and y.size else None
    return y, *(batch_norm.statistics(y) if found is None else found)


@interrupts.held
def backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, window: Window, activation: int,
    dW: NDArray | None, db: NDArray | None, need_dx: bool, plus: NDArray | None = None, way: str | None = None,
) -> NDArray:  # fmt: skip
    """Twin of layers.conv.conv2d_backward. `way` forces an algorithm, see choose.py."""
    x, dy, y, W = (np.ascontiguousarray(array) for array in (x, dy, y, W))
    dW = np.empty((0, 0, 0, 0), W.dtype) if dW is None else dW
    db = W.reshape(-1)[:0] if db is None else db
    c, f = W.shape[2:]
    if plus is not None and plus.shape != x.shape:  # the kernels do not check bounds
        raise ValueError(f"conv2d_backward: plus must have the shape of x, {x.shape}, got {plus.shape}")
    plus = None if plus is None or not need_dx else np.ascontiguousarray(plus, x.dtype)
    dx = empty(x.shape if need_dx else (0, 0, 0, 0), x.dtype)
    chosen = way_for(Convolution(window, c, f, dy.shape, need_dx), way)
    added = chosen.backward(dy, x, W, y, window, activation, dW, db, dx, plus)
    return dx if plus is None or added else merging.add(dx, plus, LINEAR)


@interrupts.held
def pooled_forward(
    x: NDArray, W: NDArray, b: NDArray | None, window: Window, activation: int, pool: Window, largest: bool
) -> tuple[NDArray, NDArray, NDArray | None]:
    """Twin of layers.conv_then_pool.conv2d_pool_forward."""
    if x.dtype.kind == "c":
        return definition_of(pooled_forward)(x, W, b, window, activation, pool, largest)
    (n, h, w, c), f = x.shape, W.shape[3]
    oh, ow = window.places(h, w)
    if not _in_one_pass(Convolution(window, c, f, (n, oh, ow, f), False), pool):
        y = forward(x, W, b, window, activation)
        return (y, *pooling.max_forward(y, pool)) if largest else (y, pooling.average_forward(y, pool), None)
    x, W = np.ascontiguousarray(x), np.ascontiguousarray(W)
    y, pooled = empty((n, oh, ow, f), x.dtype), empty((n, oh // 2, ow // 2, f), x.dtype)
    where = empty(pooled.shape, np.uint16) if largest else NOWHERE
    direct.forward(x, W, W.reshape(-1)[:0] if b is None else b, window, activation, y, pooled=pooled, where=where)
    return y, pooled, where if largest else None


@interrupts.held
def pooled_backward(
    dpooled: NDArray, where: NDArray | None, pool: Window, x: NDArray, W: NDArray, y: NDArray, window: Window,
    activation: int, dW: NDArray | None, db: NDArray | None, need_dx: bool,
) -> NDArray:  # fmt: skip
    """Twin of layers.conv_then_pool.conv2d_pool_backward."""
    c, f = W.shape[2:]
    if not _in_one_pass(Convolution(window, c, f, y.shape, need_dx), pool):
        if where is None:
            dy = pooling.average_backward(dpooled, y.shape, pool)
        else:
            dy = pooling.max_backward(dpooled, where, y.shape, pool)
        return backward(dy, x, W, y, window, activation, dW, db, need_dx)
    dpooled, x, y, W = (np.ascontiguousarray(array) for array in (dpooled, x, y, W))
    dW = np.empty((0, 0, 0, 0), W.dtype) if dW is None else dW
    db = W.reshape(-1)[:0] if db is None else db
    dx = empty(x.shape if need_dx else (0, 0, 0, 0), x.dtype)
    places = NOWHERE if where is None else np.ascontiguousarray(where)
    direct.backward(dpooled, x, W, y, window, activation, dW, db, dx, places)
    return dx


def _in_one_pass(conv: Convolution, pool: Window) -> bool:
    """Whether rows can be pooled while they are in the cache: by `direct` only, which computes whole rows in turn."""
    return tile(pool, conv.output) and way_for(conv).module is direct
