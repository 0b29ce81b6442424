"""Float32 errors of Winograd's convolution for different points: the reason for those in winograd_tiles.py.

    python -m benchmarks.winograd_points [--channels 512] [--rounds 5]

For each set of points, random images and weights of a 3x3 convolution go through the transforms in NumPy, in float32,
and through the definition in float64. The table has the largest error over the largest value, of y, dW and dx, in the
mean over the rounds. Points beside 0 and infinity come in pairs, +-p, as such transforms have the fewest additions.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from tinydl.files import markdown_table
from tinydl.kernels import definition_of
from tinydl.kernels.convolution import winograd_tiles as tiles
from tinydl.kernels.machine.window import Window
from tinydl.layers.conv import conv2d_backward, conv2d_forward

F = Fraction
SETS: dict[int, tuple[tuple[Fraction, ...], ...]] = {
    5: ((F(0), F(1), F(-1), F(1, 2)), (F(0), F(1), F(-1), F(2)), (F(0), F(1), F(-1), F(-1, 2))),
    6: (
        (F(0), F(3, 4), F(-3, 4), F(4, 3), F(-4, 3)),
        (F(0), F(1), F(-1), F(1, 2), F(-2)),
        (F(0), F(1), F(-1), F(2), F(-2)),
        (F(0), F(1), F(-1), F(1, 2), F(-1, 2)),
        (F(0), F(1, 2), F(-1, 2), F(3, 2), F(-3, 2)),
        (F(0), F(2, 3), F(-2, 3), F(3, 2), F(-3, 2)),
        (F(0), F(4, 5), F(-4, 5), F(5, 4), F(-5, 4)),
    ),
}
ACROSS = 4  # tiles along each side of an image
IMAGES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=512, help="channels and filters (default 512)")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    rows = [["tile", "points, and infinity", "y", "dW", "dx", "chosen"]]
    for size, sets in SETS.items():
        for points in sets:
            found = np.mean([errors(size, points, args.channels, seed) for seed in range(args.rounds)], axis=0)
            chosen = "yes" if points == tiles.POINTS[size] else ""
            named = ", ".join(map(str, points))
            rows.append([f"{size}x{size}", named, *(f"{error:.1e}" for error in found), chosen])
    print(f"3x3 kernels, {args.channels} channels and filters, {args.rounds} rounds\n\n{markdown_table(rows)}")


def errors(size: int, points: tuple[Fraction, ...], channels: int, seed: int) -> list[float]:
    """The largest error over the largest value of y, dW and dx."""
    with mock.patch.dict(tiles.POINTS, {size: points}):
        A_T, G, B_T = (matrix.astype(np.float32) for matrix in tiles.matrices(size, 3))
    rng, m = np.random.default_rng(seed), size - 2
    side = ACROSS * m
    x = rng.standard_normal((IMAGES, side + 2, side + 2, channels)).astype(np.float32)
    W = (rng.standard_normal((3, 3, channels, channels)) / np.sqrt(9 * channels)).astype(np.float32)
    dy = rng.standard_normal((IMAGES, side, side, channels)).astype(np.float32)
    window = Window((3, 3))
    wide = [array.astype(np.float64) for array in (x, W, dy)]
    y = definition_of(conv2d_forward)(wide[0], wide[1], None, window, 0)
    dW = np.zeros_like(wide[1])
    dx = definition_of(conv2d_backward)(wide[2], wide[0], wide[1], y, window, 0, dW, None, True)
    found = _by_tiles(x, W, dy, A_T, G, B_T)
    return [float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(found, (y, dW, dx), strict=True)]


def _by_tiles(
    x: NDArray, W: NDArray, dy: NDArray, A_T: NDArray, G: NDArray, B_T: NDArray
) -> tuple[NDArray, NDArray, NDArray]:  # fmt: skip
    """y, dW and dx by the formulas of winograd.py, in the dtype of the arrays."""
    m, size = A_T.shape
    corners = [(i * m, j * m) for i in range(ACROSS) for j in range(ACROSS)]
    cut = np.stack([x[:, i : i + size, j : j + size] for i, j in corners], axis=1)  # (n, tiles, size, size, c)
    V = np.einsum("ap,ntpqc,bq->abntc", B_T, cut, B_T, optimize=True).reshape(size, size, -1, x.shape[3])
    U = np.einsum("ap,pqcf,bq->abcf", G, W, G, optimize=True)
    M = (V @ U).reshape(size, size, len(x), len(corners), -1)
    blocks = np.einsum("pa,abntf,qb->ntpqf", A_T, M, A_T, optimize=True)
    of_dy = np.stack([dy[:, i : i + m, j : j + m] for i, j in corners], axis=1)
    dM = np.einsum("pa,ntpqf,qb->abntf", A_T, of_dy, A_T, optimize=True).reshape(size, size, -1, dy.shape[3])
    dW = np.einsum("ap,abcf,bq->pqcf", G, V.transpose(0, 1, 3, 2) @ dM, G, optimize=True)
    dV = (dM @ U.transpose(0, 1, 3, 2)).reshape(size, size, len(x), len(corners), -1)
    of_dx = np.einsum("ap,abntc,bq->ntpqc", B_T, dV, B_T, optimize=True)
    y, dx = np.empty_like(dy), np.zeros_like(x)
    for t, (i, j) in enumerate(corners):
        y[:, i : i + m, j : j + m] = blocks[:, t]
        dx[:, i : i + size, j : j + size] += of_dx[:, t]
    return y, dW, dx


if __name__ == "__main__":
    main()
