# %% [markdown]
"""
# Lesson 9: im2col by hand

    python examples/lessons/09_im2col_by_hand.py

A convolution slides a small matrix of weights, the kernel, over an image. At each place it multiplies the kernel with
the patch of pixels under it, entry by entry, and adds up the products. The sums form a new image.

**Question.** What has this to do with a Dense layer, y = x @ W? And where do the gradients go when patches overlap?
"""

# %%
import numpy as np
from lesson import Lesson
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from tinydl.kernels import Window
from tinydl.layers import Conv2D, conv
from tinydl.plots import BLUE, GREY, ORANGE, VERMILION, Picture

lesson = Lesson("09_im2col_by_hand")

# %% [markdown]
"""
## Forward, by its definition

    y[i, j] = sum over p, q of x[i + p, j + q] W[p, q]
"""

# %%
x, W = np.array([[1, 2, 0, 1], [3, 1, 1, 0], [0, 2, 4, 1], [1, 0, 1, 2]]), np.array([[1, 2], [3, -1]])
places = [(i, j) for i in range(3) for j in range(3)]  # where the 2 x 2 kernel fits into the 4 x 4 image
y = np.array([(x[i : i + 2, j : j + 2] * W).sum() for i, j in places]).reshape(3, 3)
print(f"x =\n{x}\n\nW =\n{W}\n\ny =\n{y}")

# %% [markdown]
"""
## The same as a matrix product

Write each patch as a row of a matrix, cols, and the kernel as a column, both in reading order. All y together are then
one matrix product, the operation that computers do fastest. The step from x to cols is called im2col, "image to
columns".

    y = cols @ W          a Dense layer, whose rows are the patches
"""


# %%
def im2col(x: NDArray) -> NDArray:
    return np.array([x[i : i + 2, j : j + 2].ravel() for i, j in places])


cols, w = im2col(x), W.reshape(4, 1)
product = cols @ w
for k, (i, j) in enumerate(places):
    factor = f"[{w[k, 0]:2}]" if k < len(w) else ""
    times, equals = ("x", "=") if k == 0 else (" ", " ")
    print(f"patch at ({i}, {j})  {cols[k]}  {times} {factor:4} {equals} [{product[k, 0]:2}]")
print(f"equal to the definition: {np.array_equal(product.reshape(3, 3), y)}")

# %% [markdown]
"""
## Backward

A convolution is a Dense layer on patches, so two gradients are those of lesson 3, with cols in the place of x:

    dW = cols.T @ dy          dcols = dy @ W.T

Each row of dcols belongs to a patch. im2col has copied each pixel into every patch that contains it, and the pixel
reaches the loss through all of its copies. So its gradient is a sum over the copies. col2im adds each row of dcols to
the pixels that the patch came from. In the picture, the framed pixel gets an entry from each patch that contains it.
"""


# %%
def col2im(dcols: NDArray) -> NDArray:
    dx = np.zeros((4, 4), dcols.dtype)
    for row, (i, j) in zip(dcols, places, strict=True):
        dx[i : i + 2, j : j + 2] += row.reshape(2, 2)
    return dx


dy = np.array([[1, 2, -1], [0, 1, 3], [2, -2, 1]])
dW, dcols = cols.T @ dy.reshape(9, 1), dy.reshape(9, 1) @ w.T
dx = col2im(dcols)
print(f"dy =\n{dy}\n\ndW =\n{dW.reshape(2, 2)}\n\ndx =\n{dx}\n")
print(f"copies of each pixel =\n{col2im(np.ones_like(dcols))}\n")
pixel = (1, 1)
patches = [k for k, (i, j) in enumerate(places) if i <= pixel[0] <= i + 1 and j <= pixel[1] <= j + 1]  # that contain it
shares = [col2im(dcols * (np.arange(9) == k)[:, None]) for k in patches]  # the part of dx that comes from each
print(f"dx{list(pixel)} = {' + '.join(f'({share[pixel]})' for share in shares)} = {dx[pixel]}")

# %% The picture (skip this cell)
figure = Picture(figsize=(7, 1.75), layout="constrained")
panels = [(f"patch at {places[k]}", share, places[k], 2, BLUE) for k, share in zip(patches, shares, strict=True)]
panels.append(("dx, from all nine", dx, (0, 0), 4, ORANGE))
for ax, (title, values, (up, left), size, colour) in zip(figure.subplots(1, 5), panels, strict=True):
    ax.add_patch(Rectangle((left, up), size, size, facecolor=colour + "30"))
    for (a, b), value in np.ndenumerate(values):
        ax.add_patch(Rectangle((b, a), 1, 1, fill=False, edgecolor=GREY, lw=0.6))
        if 0 <= a - up < size and 0 <= b - left < size:
            ax.text(b + 0.5, a + 0.5, str(value), ha="center", va="center", fontsize=9)
    ax.add_patch(Rectangle(pixel[::-1], 1, 1, fill=False, edgecolor=VERMILION, lw=2, zorder=3))
    ax.set_title(title, fontsize=10)
    ax.set(xlim=(-0.05, 4.05), ylim=(4.05, -0.05), aspect="equal")
    ax.axis("off")
lesson.show(figure, "col2im")

# %% [markdown]
"""
## Why col2im is right

im2col could be written as a product M x with a large matrix M of zeros and ones. Backward is then M.T (lesson 3). For a
matrix and its transpose, sum((M x) * c) = sum(x * (M.T c)), as both are the sum of all c[i] M[i, j] x[j]. So

    sum(im2col(x) * c) = sum(x * col2im(c))          for all x and c

This tests tinydl's versions, which can move by more than a pixel (stride) and put a frame of zeros around (padding):
"""

# %%
rng = np.random.default_rng(0)
for size, stride, pad in ((2, 1, 0), (3, 1, 1), (3, 2, 1)):
    window = Window((size, size), (stride, stride), ((pad, pad), (pad, pad)))
    images = rng.integers(-9, 10, (2, 6, 6, 3)).astype(float)
    columns = conv.im2col(images, window)
    c = rng.integers(-9, 10, columns.shape).astype(float)
    one, other = (columns * c).sum(), (images * conv.col2im(c, images.shape, window)).sum()
    print(f"{size} x {size}, stride {stride}, padding {pad}: {one:6g} = {other:6g}")

layer = Conv2D(1, 2, use_bias=False)
layer.build((4, 4, 1), rng, "float64")
layer.params["W"][:, :, 0, 0] = W  # (kh, kw, channels in, filters)
layer_y = layer.forward(x[None, :, :, None])[0, :, :, 0]  # (images, height, width, channels), one image, one channel
layer_dx = layer.backward(dy[None, :, :, None])[0, :, :, 0]
pairs = ((layer_y, y), (layer_dx, dx), (layer.grads["W"][:, :, 0], dW.reshape(2, 2, 1)))
print("largest differences from Conv2D in y, dx and dW:", *(f"{np.abs(a - b).max():g}" for a, b in pairs))

# %% [markdown]
"""
## The real thing

`Conv2D` in tinydl/layers/conv.py, whose docstring derives the gradients for batches and channels.

**Exercise.** examples/lessons/exercises/09_im2col_by_hand.py: col2im for a 2 x 3 kernel.

**Next.** Lesson 10: pooling, a window without weights.
"""
