# %% [markdown]
"""
# Lesson 10: pooling routes gradients

    python examples/lessons/10_pooling_routes_gradients.py

Max pooling shrinks an image: of each small window it keeps the largest value and forgets the rest. It has no weights,
so there is nothing in it to learn. Still, it has a backward pass.

**Question.** The loss sends a gradient back to each output. Which pixels of the input receive it?
"""

# %%
import numpy as np
from lesson import Lesson
from matplotlib.colors import to_rgba
from matplotlib.patches import Circle, Rectangle
from numpy.typing import NDArray

from tinydl.gradcheck import numerical_gradient
from tinydl.layers import AveragePool2D, Layer, MaxPool2D, Sequential
from tinydl.plots import BLUE, GREY, VERMILION, Picture

lesson = Lesson("10_pooling_routes_gradients")

# %% [markdown]
"""
## Forward: remember the winner

    y[i, j] = max of x over the window at (i, j)

The windows here are 2 x 2 pixels and move one pixel at a time, so they overlap. With each maximum we store its place,
the winner. Backward needs nothing else.
"""


# %%
def max_pool(x: NDArray) -> tuple[NDArray, dict[tuple[int, int], tuple[int, int]]]:
    y, winners = np.empty((x.shape[0] - 1, x.shape[1] - 1)), {}
    for i, j in np.ndindex(y.shape):
        window = x[i : i + 2, j : j + 2]
        p, q = divmod(int(window.argmax()), 2)  # argmax counts 0 1 / 2 3: row p, column q of the window
        y[i, j], winners[i, j] = window[p, q], (i + p, j + q)
    return y, winners


x = np.array([[1.0, 3, 0, 2], [4, 2, 6, 1], [0, 5, 3, 7]])
y, winners = max_pool(x)
print(f"x =\n{x}\n\ny =\n{y}\n")
for output, winner in winners.items():
    print(f"y{list(output)} = {y[output]:.0f} comes from x{list(winner)}")

# %% [markdown]
"""
## Backward: dy goes to the winner

Move the winner of a window a little: the output moves as much, so the derivative is 1. Move one of the other pixels a
little: nothing happens, so the derivative is 0. By the chain rule, a pixel's gradient is a sum over all outputs that
depend on it:

    dx[a, b] = sum of dy[i, j] over the windows (i, j) that x[a, b] won

It is a sum, `+=` in the code, because one pixel can win several windows.
"""

# %%
dy = np.array([[2.0, -1, 4], [3, 5, -6]])
dx = np.zeros(x.shape)
for output, winner in winners.items():
    dx[winner] += dy[output]
print(f"dy =\n{dy}\n\ndx =\n{dx}\n")
best = max(winners.values(), key=list(winners.values()).count)  # the pixel that won most windows
shares = [output for output, winner in winners.items() if winner == best]
print(f"dx{list(best)} = {' + '.join(f'dy{list(output)}' for output in shares)} = {dx[best]:.0f}")
numeric = numerical_gradient(lambda x: max_pool(x)[0], x, dy)  # moves each pixel a little and measures
print(f"largest difference from the measured gradient: {np.abs(dx - numeric).max():.0e}")

# %% [markdown]
"""
## Average pooling shares

If one of k pixels moves, their average moves 1/k as much, so each pixel of a window gets 1/k of its `dy`. Max pooling
routes the gradient, average pooling spreads it. In both, `dx` and `dy` have the same sum: none is lost.

In the picture, each circle is a `dy` and stands where the four pixels of its window meet. Its arrows lead to the pixels
that receive it; the number in a pixel is its `dx`.
"""


# %%
def through(layer: Layer, image: NDArray, dy: NDArray | None = None) -> NDArray:
    """The dx of one of tinydl's layers for one image; by default dy is 1 everywhere."""
    layer.build((*image.shape, 1), np.random.default_rng(0), "float64")
    y = layer.forward(image[None, :, :, None])
    return layer.backward(np.ones_like(y) if dy is None else dy[None, :, :, None])[0, :, :, 0]


dx_max, dx_average = (through(kind(2, strides=1), x, dy) for kind in (MaxPool2D, AveragePool2D))
print(f"MaxPool2D gives the same dx: {np.array_equal(dx_max, dx)}\n\ndx of AveragePool2D =\n{dx_average}\n")
print(f"sums: dy {dy.sum():g}, dx of max {dx_max.sum():g}, dx of average {dx_average.sum():g}")

# %% The picture (skip this cell)
arrow = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0}
figure = Picture(figsize=(7, 3), layout="constrained")
for ax, kind, gradient in zip(figure.subplots(1, 2), ("max", "average"), (dx_max, dx_average), strict=True):
    for (a, b), value in np.ndenumerate(gradient):
        face = to_rgba(BLUE if value > 0 else VERMILION, 0.07 * abs(value))
        ax.add_patch(Rectangle((b, a), 1, 1, facecolor=face, edgecolor=GREY, lw=0.8))
        ax.text(b + 0.5, a + 0.5, f"{value:g}", ha="center", va="center", fontsize=11)
    for (i, j), value in np.ndenumerate(dy):
        for a, b in [winners[i, j]] if kind == "max" else [(i + p, j + q) for p in (0, 1) for q in (0, 1)]:
            tip = 0.28 * (j + 1) + 0.72 * (b + 0.5), 0.28 * (i + 1) + 0.72 * (a + 0.5)
            ax.annotate("", tip, (j + 1, i + 1), arrowprops=arrow)
        ax.add_patch(Circle((j + 1, i + 1), 0.2, facecolor="white", edgecolor="black", lw=1, zorder=3))
        ax.text(j + 1, i + 1, f"{value:g}", ha="center", va="center", fontsize=10, zorder=4)
    ax.set_title(f"{kind} pooling", fontsize=12)
    ax.set(xlim=(-0.02, 4.02), ylim=(3.02, -0.02), aspect="equal")
    ax.axis("off")
lesson.show(figure, "routes")

# %% [markdown]
"""
## Two consequences

*Few pixels receive anything.* With 2 x 2 windows that do not overlap, one pixel in four wins. Through several such
layers, the gradient reaches fewer and fewer pixels.

*A tie needs a rule.* After relu, windows full of zeros are common. Where two pixels are the largest, max has no
derivative: whether the output moves depends on the pixel and the direction of its move. In tinydl, as in most
libraries, the first of them in reading order receives all of `dy`.
"""

# %%
image = np.random.default_rng(0).random((64, 64))
for rounds in range(1, 6):
    stack = Sequential([MaxPool2D(2) for _ in range(rounds)])
    print(f"{rounds} x max pooling: {np.mean(through(stack, image) != 0):7.2%} of the pixels receive a gradient")
print(f"dx of two windows of zeros:\n{through(MaxPool2D(2), np.zeros((2, 4)))}")

# %% [markdown]
"""
## The real thing

`MaxPool2D` in tinydl/layers/pooling.py, with any window, strides and padding. `where` holds the winners' places.

**Exercise.** examples/lessons/exercises/10_pooling_routes_gradients.py: the backward pass of max pooling for windows of
3 x 3 pixels that move two pixels at a time. Fill in the gap and run the file; it checks your gradient.

**Next.** Lesson 11: batch normalization, in which every output depends on every row of the batch.
"""
