"""A convolution is a matrix product: im2col, col2im and the gradients, number by number.

At one position of an image, a filter computes a dot product with the patch under it. With every patch written as a row
of a matrix (im2col), all positions together are one matrix product, the operation that computers do best. In backward
the same matrix gives the filter's gradient, and im2col's transpose, col2im, adds up each pixel's shares from
overlapping patches:

    python examples/lessons/09_im2col_by_hand.py
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from tinydl.kernels import Window
from tinydl.layers import Conv2D
from tinydl.layers.conv import col2im, im2col

NO_PADDING = ((0, 0), (0, 0))
IMAGE = np.array([[1, 2, 0, 1], [3, 1, 1, 0], [0, 2, 4, 1], [1, 0, 1, 2]], np.float64)
KERNEL_2 = np.array([[1, 2], [3, -1]], np.float64)
KERNEL_3 = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float64)  # detects edges: left minus right
DY = np.array([[1, 2, -1], [0, 1, 3], [2, -2, 1]], np.float64)  # an upstream gradient, as from the layers above


def lines_of(matrix: NDArray[np.float64]) -> list[str]:
    """Format a matrix of integers as text."""
    matrix = matrix + 0.0  # so that -0 prints as 0
    width = max(len(f"{value:.0f}") for value in matrix.flat) + 1
    return ["[" + "".join(f"{value:{width}.0f}" for value in row) + " ]" for row in matrix]


def side_by_side(**matrices: NDArray[np.float64]) -> None:
    """Print matrices side by side, with their names above them."""
    blocks = []
    for name, matrix in matrices.items():
        lines = [name.replace("_", " "), *lines_of(matrix)]
        width = max(map(len, lines))
        blocks.append([line.ljust(width) for line in lines])
    height = max(map(len, blocks))
    for block in blocks:
        block += [" " * len(block[0])] * (height - len(block))
    for parts in zip(*blocks, strict=True):
        print(f"    {'    '.join(parts)}".rstrip())
    print()


def heading(text: str) -> None:
    print(f"{text}\n{'-' * len(text)}\n")


def naive_convolution(image: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the convolution by its definition: loop over positions and sum patch times kernel."""
    kh, kw = kernel.shape
    out = np.empty((image.shape[0] - kh + 1, image.shape[1] - kw + 1))
    for i, j in np.ndindex(out.shape):
        out[i, j] = (image[i : i + kh, j : j + kw] * kernel).sum()
    return out


def forward(kernel: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Show the convolution of IMAGE with a kernel as a matrix product; return the patches and the output."""
    kh, kw = kernel.shape
    heading(f"Forward: a {kh} x {kw} kernel")
    side_by_side(image_x=IMAGE, kernel_W=kernel)
    x = IMAGE[None, :, :, None]  # (images, height, width, channels)
    cols = im2col(x, Window((kh, kw)))
    expected = naive_convolution(IMAGE, kernel)
    oh, ow = expected.shape
    w = kernel.reshape(-1, 1)
    product = cols @ w
    places, patches = kh * kw, oh * ow
    print(f"The kernel fits at {oh} x {ow} = {patches} places. im2col writes the patch at each place")
    print(f"as a row of {places}; the kernel, read in the same order, is the column beside them:\n")
    rows = lines_of(cols)
    for n, (row, value) in enumerate(zip(rows, product[:, 0], strict=True)):
        factor = f"[{w[n, 0]:3.0f} ]" if n < places else " " * 6
        sign, equal = ("x", "=") if n == 0 else (" ", " ")
        print(f"    patch at ({n // ow}, {n % ow})  {row}  {sign} {factor}  {equal} [{value:3.0f} ]")
    for n in range(patches, places):
        print(f"{' ' * (21 + len(rows[0]))}    [{w[n, 0]:3.0f} ]")
    y = product.reshape(oh, ow)
    print(f"\nReshaped to {oh} x {ow}, the product is the convolution computed by its definition:\n")
    side_by_side(y=y, by_its_definition=expected)
    assert np.array_equal(y, expected)
    return cols, y


def backward(cols: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Show the gradients dW and dx; return dx."""
    heading("Backward: y = cols W, so dW = cols.T dy and dcols = dy W.T")
    shape, (kh, kw), (oh, ow) = (1, *IMAGE.shape, 1), kernel.shape, DY.shape
    dy, w = DY.reshape(-1, 1), kernel.reshape(-1, 1)
    d_w, d_cols = cols.T @ dy, dy @ w.T
    side_by_side(dy_from_above=DY, dW=d_w.reshape(kh, kw))
    print("Each row of dcols belongs to a patch: it is the patch's dy times the kernel.\n")
    for n, row in enumerate(lines_of(d_cols)):
        print(f"    patch at ({n // ow}, {n % ow})  {row}")
    print("\ncol2im adds each row to the pixels of its patch. Patches overlap, so a pixel's")
    print("gradient is a sum over all patches that contain it (counts on the left):\n")
    d_x = col2im(d_cols, shape, Window((kh, kw)))[0, :, :, 0]
    counts = col2im(np.ones_like(d_cols), shape, Window((kh, kw)))[0, :, :, 0]
    side_by_side(patches_per_pixel=counts, dx=d_x)
    print("A corner, an edge, the middle, with indices dcols[patch, place in the patch]:\n")
    for i, j in ((0, 0), (0, 1), (1, 1)):
        entries = [
            (a * ow + b, (i - a) * kw + (j - b))
            for a, b in np.ndindex(oh, ow)
            if 0 <= i - a < kh and 0 <= j - b < kw
        ]  # fmt: skip
        names = " + ".join(f"dcols[{n},{k}]" for n, k in entries)
        values = " + ".join(f"{d_cols[n, k]:.0f}" if d_cols[n, k] >= 0 else f"({d_cols[n, k]:.0f})" for n, k in entries)
        print(f"    dx[{i},{j}] = {names}")
        print(f"            = {values}{f' = {d_x[i, j]:.0f}' if len(entries) > 1 else ''}")
        assert d_x[i, j] == sum(d_cols[n, k] for n, k in entries)
    print()
    return d_x


def adjoint(rng: np.random.Generator) -> None:
    """Show that col2im is the transpose of im2col, which is why it belongs in backward."""
    heading("Why col2im is right: it is im2col's transpose")
    print("im2col only copies, so it is a linear map. The chain rule needs its transpose,")
    print("the only map with <im2col x, c> = <x, col2im c> for all x, c. Random examples:\n")
    for size, stride, pad in ((2, 1, 0), (3, 1, 1), (3, 2, 1)):
        padding = ((pad, pad), (pad, pad))
        x = rng.integers(-9, 10, (2, 6, 6, 3)).astype(np.float64)
        window = Window((size, size), (stride, stride), padding)
        cols = im2col(x, window)
        c = rng.integers(-9, 10, cols.shape).astype(np.float64)
        left, right = (cols * c).sum(), (x * col2im(c, x.shape, window)).sum()
        print(f"    {size} x {size}, stride {stride}, padding {pad}:   {left:7.0f} = {right:7.0f}")
        assert left == right
    print()


def compare_with_layer(kernel: NDArray[np.float64], y: NDArray[np.float64], d_x: NDArray[np.float64]) -> None:
    """Show that the layer used for training gives the same numbers."""
    heading("The same numbers from tinydl.layers.Conv2D")
    conv = Conv2D(1, kernel.shape, use_bias=False)
    conv.build((*IMAGE.shape, 1), np.random.default_rng(0), "float64")
    conv.params["W"][...] = kernel[:, :, None, None]  # (kh, kw, channels in, filters)
    layer_y = conv.forward(IMAGE[None, :, :, None], training=True)[0, :, :, 0]
    layer_dx = conv.backward(DY[None, :, :, None])
    assert layer_dx is not None
    side_by_side(y=layer_y, dx=layer_dx[0, :, :, 0], dW=conv.grads["W"][:, :, 0, 0])
    gap = max(np.abs(layer_y - y).max(), np.abs(layer_dx[0, :, :, 0] - d_x).max())
    assert gap < 1e-12
    print("Largest difference from the numbers above:", f"{gap:.0e}." if gap else "none.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    forward(KERNEL_3)
    cols, y = forward(KERNEL_2)
    d_x = backward(cols, KERNEL_2)
    adjoint(np.random.default_rng(0))
    compare_with_layer(KERNEL_2, y, d_x)


if __name__ == "__main__":
    main()
