"""Winograd's convolution for layers with many channels and few tiles, as the last ones of VGG16.

What winograd.py keeps in the cache are tiles; U = G W G' it goes through once for each chunk of them. For 512 channels
U is 26 MB, three times as large as W itself, and there are 50 tiles of 14x14 images: both to make U and to read it
takes longer than to multiply. Here it is the other way round: V of all tiles is made first (and dM, backward), then
every thread takes some filters (channels) for itself, and makes U of them a block at a time, BLOCK x BLOCK pairs, which
never leaves its cache:

    forward    M[:, filters] += V[:, channels] @ U[channels, filters]                      for all blocks of channels
    backward   dV[:, channels] += dM[:, filters] @ U[channels, filters]'                   for all blocks of filters
               dU[channels, filters] = V[:, channels]' @ dM[:, filters], and from it dW at once

Nothing is added up across threads but db. Each line stands for 25 products, one for each position p in a tile, and the
arrays lie in this order: V (25, tiles, c), M (25, tiles, filters of the block), U (25, BLOCK, BLOCK).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .blas import product
from .compile import kernel
from .memory import empty
from .reference import Padding
from .threads import parts_for, share
from .winograd_tiles import (
    SIZE,
    input_gradient_tiles,
    input_tiles,
    kernel_gradient,
    kernel_transform,
    output_gradient_tiles,
    output_tiles,
    tiles_of,
)

BLOCK = 64  # channels and filters
MOST_TILES = 256  # with more, chunks of tiles are as fast, and need less memory


def suits(W: NDArray, y: NDArray) -> bool:
    """Whether a kernel that suits Winograd's way does better here."""
    return min(W.shape[2:]) >= 2 * BLOCK and 0 < len(y) * tiles_of(y, len(W)) <= MOST_TILES


def forward(x: NDArray, W: NDArray, b: NDArray, padding: Padding, relu: bool, y: NDArray) -> None:
    """As winograd.forward."""
    (k, _, c, f), tiles = W.shape, len(y) * tiles_of(y, len(W))
    products = tiles * SIZE * SIZE * c * f
    V = empty((SIZE * SIZE * tiles * c,), x.dtype)
    top, left = padding[0][0], padding[1][0]

    def transform(part: int, start: int, stop: int) -> None:
        _transform(x, k, top, left, start, stop, y.shape[1], y.shape[2], V[start * c :], tiles)

    def multiply(part: int, start: int, stop: int) -> None:
        _forward_blocks(V, tiles, W, b, relu, start, stop, y)

    share(parts_for(tiles, products), tiles, transform)
    blocks = -(-f // BLOCK)
    share(parts_for(blocks, products), blocks, multiply)


def backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, padding: Padding, relu: bool, dW: NDArray, db: NDArray, dx: NDArray
) -> None:
    """As winograd.backward."""
    (k, _, c, f), tiles = W.shape, len(y) * tiles_of(y, len(W))
    products = 2 * tiles * SIZE * SIZE * c * f
    V, dM = (empty((SIZE * SIZE * tiles * size,), x.dtype) for size in (c, f))
    parts, (top, left) = parts_for(tiles, products), (padding[0][0], padding[1][0])
    db_parts = np.zeros((parts, db.size), x.dtype)

    def transform(part: int, start: int, stop: int) -> None:
        _transform(x, k, top, left, start, stop, dy.shape[1], dy.shape[2], V[start * c :], tiles)
        _transform_gradient(dy, y, relu, k, start, stop, dM[start * f :], tiles, db_parts[part])

    def multiply(part: int, start: int, stop: int) -> None:
        _backward_blocks(V, dM, tiles, W, top, left, start, stop, dy.shape[1], dy.shape[2], dW, dx)

    share(parts, tiles, transform)
    blocks = -(-c // BLOCK)
    share(parts_for(blocks, products), blocks, multiply)
    db += db_parts.sum(axis=0)


@kernel()
def _transform(x, k, top, left, start, stop, oh, ow, V, tiles):  # type: ignore[no-untyped-def]
    """V of tiles start .. stop - 1."""
    c, m = x.shape[3], 6 - k
    tile = np.empty(25 * c, x.dtype)
    input_tiles(x, top, left, m, -(-ow // m), -(-oh // m), start, stop, tile, V, c, tiles * c)


@kernel()
def _transform_gradient(dy, y, relu, k, start, stop, dM, tiles, db):  # type: ignore[no-untyped-def]
    """dM of tiles start .. stop - 1, and their part of db."""
    _, oh, ow, f = dy.shape
    m = 6 - k
    tile = np.empty(25 * f, dy.dtype)
    output_gradient_tiles(dy, y, relu, db, m, -(-ow // m), -(-oh // m), start, stop, tile, dM, f, tiles * f)


@kernel()
def _forward_blocks(V, tiles, W, b, relu, start, stop, y):  # type: ignore[no-untyped-def]
    """y, for blocks start .. stop - 1 of filters."""
    k, _, c, f = W.shape
    m = 6 - k
    down, across, flat_W = -(-y.shape[1] // m), -(-y.shape[2] // m), W.reshape(-1)
    U, M = np.empty(25 * BLOCK * BLOCK, V.dtype), np.empty(25 * tiles * BLOCK, V.dtype)
    tile = np.empty(25 * BLOCK, V.dtype)
    for f0 in range(start * BLOCK, min(stop * BLOCK, f), BLOCK):
        filters = min(BLOCK, f - f0)
        for c0 in range(0, c, BLOCK):
            channels = min(BLOCK, c - c0)
            for i in range(channels):
                kernel_transform(flat_W, (c0 + i) * f + f0, c * f, k, U, i * filters, channels * filters, filters)
            for p in range(25):
                product(
                    False, tiles, filters, channels, V, p * tiles * c + c0, c, U, p * channels * filters, filters,
                    c0 > 0, M, p * tiles * filters, filters,
                )  # fmt: skip
        output_tiles(M, filters, tiles * filters, b, relu, m, across, down, 0, tiles, tile, y, f0, filters)


@kernel()
def _backward_blocks(V, dM, tiles, W, top, left, start, stop, oh, ow, dW, dx):  # type: ignore[no-untyped-def]
    """For blocks start .. stop - 1 of channels: adds to dW, writes dx."""
    k, _, c, f = W.shape
    m = 6 - k
    down, across, flat_W, flat_dW = -(-oh // m), -(-ow // m), W.reshape(-1), dW.reshape(-1)
    U, W_T = np.empty(25 * BLOCK * BLOCK, V.dtype), np.empty(k * k * BLOCK * BLOCK, V.dtype)
    dV, tile = np.empty(25 * tiles * BLOCK, V.dtype), np.empty(25 * BLOCK, V.dtype)
    for c0 in range(start * BLOCK, min(stop * BLOCK, c), BLOCK):
        channels = min(BLOCK, c - c0)
        for f0 in range(0, f, BLOCK):
            filters = min(BLOCK, f - f0)
            pairs = channels * filters
            for p in range(25):
                product(
                    True, channels, filters, tiles, V, p * tiles * c + c0, c, dM, p * tiles * f + f0, f,
                    False, U, p * pairs, filters,
                )  # fmt: skip
            for i in range(channels):
                kernel_gradient(U, i * filters, pairs, k, flat_dW, (c0 + i) * f + f0, c * f, filters)
            if not dx.size:
                continue
            for p in range(k * k):
                _transpose(flat_W, (p * c + c0) * f + f0, f, channels, filters, W_T, p * pairs)
            kernel_transform(W_T, 0, pairs, k, U, 0, pairs, pairs)
            for p in range(25):
                product(
                    False, tiles, channels, filters, dM, p * tiles * f + f0, f, U, p * pairs, channels,
                    f0 > 0, dV, p * tiles * channels, channels,
                )  # fmt: skip
        if dx.size:
            input_gradient_tiles(
                dV, channels, tiles * channels, top, left, m, across, down, 0, tiles, tile, dx, c0, channels
            )  # fmt: skip


@kernel()
def _transpose(source, at, apart, rows, columns, target, to):  # type: ignore[no-untyped-def]
    """target (columns x rows) = the transpose of rows x columns numbers, whose rows begin `apart` numbers apart."""
    for i in range(rows):
        p, q = np.uintp(at + i * apart), np.uintp(to + i)
        for j in range(np.uintp(columns)):
            target[q + j * np.uintp(rows)] = source[p + j]
