"""Winograd's convolution for layers with many channels and few tiles, such as the last layers of VGG16.

winograd.py keeps tiles in the cache and reads all of U = G W G.T once per chunk of tiles. For 512 channels, U takes 26
MB, three times as much as W, while two 14x14 images have only 50 tiles: computing or reading U takes longer than the
products. This module keeps U in the cache instead. It first computes V for all tiles, and in backward also dM. Then
every thread handles some filters (in backward, some channels), and computes U for one block of BLOCK x BLOCK pairs
(channel, filter) at a time, so that the block stays in the cache:

    forward    M[:, filters] += V[:, channels] @ U[channels, filters]                      for all blocks of channels
    backward   dV[:, channels] += dM[:, filters] @ U[channels, filters].T                  for all blocks of filters
               dU[channels, filters] = V[:, channels].T @ dM[:, filters], from which dW follows at once

Only db is summed across threads. Each line stands for P = 36 or 25 products, one for each position p in a tile. The
arrays have these shapes: V (P, tiles, c + APART), M (P, tiles, filters of the block), U (P, BLOCK BLOCK + APART).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..machine.compile import kernel
from ..machine.memory import empty, scratch
from ..machine.pairs import NOWHERE
from ..machine.product import Rows, product
from ..machine.threads import parts_for, share
from ..machine.window import Window

from .winograd_tiles import (  # isort: skip
    APART, BETWEEN, BLOCK, LARGEST, Tiles, input_gradient_tiles, input_tiles, output_gradient_tiles, output_tiles,
    swapped_weight_transform, tiles_in, tiling_of, weight_gradient, weight_transform,
)  # fmt: skip


def forward(x: NDArray, W: NDArray, b: NDArray, window: Window, relu: bool, y: NDArray, size: int) -> None:
    """See patches.forward."""
    (c, f), tiling = W.shape[2:], tiling_of(window, y.shape, size)
    tiles = tiles_in(window, y.shape, size)
    places = size * size
    products = tiles * places * c * f
    V = empty((places * tiles * (c + APART),), x.dtype)
    share(parts_for(tiles, products), tiles, _transform, x, tiling, tiles, V)
    blocks = -(-f // BLOCK)
    share(parts_for(blocks, products), blocks, _forward_blocks, V, tiles, W, b, relu, tiling, y)


def backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, window: Window, relu: bool, dW: NDArray, db: NDArray, dx: NDArray,
    size: int,
) -> None:  # fmt: skip
    """See patches.backward."""
    (c, f), tiling = W.shape[2:], tiling_of(window, y.shape, size)
    tiles = tiles_in(window, y.shape, size)
    places = size * size
    products = 2 * tiles * places * c * f
    V, dM = (empty((places * tiles * row,), x.dtype) for row in (c + APART if dW.size else 0, f + APART))
    parts, blocks = parts_for(tiles, products), -(-c // BLOCK)
    db_parts = np.zeros((parts, db.size))
    share(parts, tiles, _transform_both, x, dy, y, relu, tiling, tiles, V, dM, db_parts)
    share(parts_for(blocks, products), blocks, _backward_blocks, V, dM, tiles, W, tiling, dW, dx)
    db += db_parts.sum(axis=0)


@kernel()
def _transform(part, x, tiling, tiles, V):
    """Compute V for this part's tiles."""
    c = x.shape[3]
    tile = scratch(LARGEST * c, x.dtype)
    row = c + APART
    input_tiles(x, tiling, part.start, part.stop, tile, Tiles(V[part.start * row :], row, tiles * row))


@kernel()
def _transform_both(part, x, dy, y, relu, tiling, tiles, V, dM, db_parts):
    """Compute V (unless empty) and dM for this part's tiles, and add to the part's own db."""
    if V.size:
        _transform(part, x, tiling, tiles, V)
    f = dy.shape[3]
    row = f + APART
    tile, of_dM = scratch(LARGEST * f, dy.dtype), Tiles(dM[part.start * row :], row, tiles * row)
    output_gradient_tiles(dy, NOWHERE, y, relu, db_parts[part.number], tiling, part.start, part.stop, tile, of_dM)


@kernel()
def _forward_blocks(part, V, tiles, W, b, relu, tiling, y):
    """Compute y for this part's blocks of filters."""
    k, _, c, f = W.shape
    flat_W, size = W.reshape(-1), tiling.size
    places = size * size
    U, M = scratch(places * BETWEEN, V.dtype), scratch(places * tiles * BLOCK, V.dtype)
    tile, row = scratch(places * BLOCK, V.dtype), c + APART
    for f0 in range(part.start * BLOCK, min(part.stop * BLOCK, f), BLOCK):
        filters = min(BLOCK, f - f0)
        for c0 in range(0, c, BLOCK):
            channels = min(BLOCK, c - c0)
            for i in range(channels):
                weight_transform(size, flat_W, (c0 + i) * f + f0, c * f, k, U, i * filters, BETWEEN, filters)
            for p in range(places):
                in_V, in_M = Rows(p * tiles * row + c0, row), Rows(p * tiles * filters, filters)
                in_U = Rows(p * BETWEEN, filters)
                product(False, False, (tiles, filters, channels), V, in_V, U, in_U, c0 > 0, M, in_M)
        output_tiles(Tiles(M, filters, tiles * filters), b, relu, tiling, 0, tiles, tile, y, f0, filters)


@kernel()
def _backward_blocks(part, V, dM, tiles, W, tiling, dW, dx):
    """For this part's blocks of channels, add to dW and write dx (each unless empty)."""
    k, _, c, f = W.shape
    flat_dW, size = dW.reshape(-1), tiling.size
    places = size * size
    U, W_T = scratch(places * BETWEEN, V.dtype), scratch(k * k * BETWEEN, V.dtype)
    dV, tile = scratch(places * tiles * BLOCK, V.dtype), scratch(places * BLOCK, V.dtype)
    of_V, of_dM = c + APART, f + APART
    for c0 in range(part.start * BLOCK, min(part.stop * BLOCK, c), BLOCK):
        channels = min(BLOCK, c - c0)
        for f0 in range(0, f, BLOCK):
            filters = min(BLOCK, f - f0)
            for p in range(places if dW.size else 0):
                in_V, in_dM = Rows(p * tiles * of_V + c0, of_V), Rows(p * tiles * of_dM + f0, of_dM)
                in_U = Rows(p * BETWEEN, filters)
                product(True, False, (channels, filters, tiles), V, in_V, dM, in_dM, False, U, in_U)
            for i in range(channels if dW.size else 0):
                weight_gradient(size, U, i * filters, BETWEEN, k, flat_dW, (c0 + i) * f + f0, c * f, filters)
            if not dx.size:
                continue
            swapped_weight_transform(size, W, c0, channels, f0, filters, W_T, U, 0, channels, BETWEEN)
            for p in range(places):
                in_dM, in_dV = Rows(p * tiles * of_dM + f0, of_dM), Rows(p * tiles * channels, channels)
                in_U = Rows(p * BETWEEN, channels)
                product(False, False, (tiles, channels, filters), dM, in_dM, U, in_U, f0 > 0, dV, in_dV)
        if dx.size:
            input_gradient_tiles(
                Tiles(dV, channels, tiles * channels), tiling, 0, tiles, tile, dx, c0, channels, dx[:0]
            )  # fmt: skip
