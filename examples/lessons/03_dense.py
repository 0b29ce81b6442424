# %% [markdown]
"""
# Lesson 3: Dense, a layer of neurons

    python examples/lessons/03_dense.py

**Question.** A layer of neurons is one matrix product. Its backward pass is two more, with transposes in them. Where
do the transposes come from, and how can one remember them?

A layer has several neurons (its *units*), which all see the same inputs. Training also uses several examples at once,
a *batch*. So x is a matrix with one example in each row, and W has one unit in each column:

    x  (n, inputs)        n rows, one for each example
    W  (inputs, units)    W[i, j] is the weight from input i to unit j
    b  (units,)           one bias for each unit
    y  (n, units)         y[m, j] is the answer of unit j to example m

    y[m, j] = sum over i of x[m, i] W[i, j], plus b[j]            in NumPy:  y = x @ W + b

To keep the numbers simple, this layer ends in no relu or sigmoid.
"""

# %%
import numpy as np
from lesson import Lesson
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from tinydl.gradcheck import GradientCheckError, check_function
from tinydl.layers import Dense
from tinydl.plots.style import BLUE, VERMILION, Picture

lesson = Lesson("03_dense")

x = np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]])  # 2 examples with 3 inputs
W = np.array([[1.0, 0.0], [2.0, -1.0], [0.0, 1.0]])  # 3 inputs, 2 units
b = np.array([1.0, -1.0])
print(f"y =\n{x @ W + b}")

# %% [markdown]
"""
## Backward, entry by entry

From the layer above (the next one on the way to the loss) comes dy, of the shape of y: dy[m, j] is the derivative of
the loss with respect to y[m, j]. For each entry of W we ask which results it enters, and with which factor. The
answers to all examples use the same W[i, j]. In example number m, it enters y[m, j], with factor x[m, i]. A nudge of
W[i, j] changes all these results, and the changes add up:

    dW[i, j] = sum over m of x[m, i] dy[m, j]

In the same way, b[j] enters y[m, j] for every m, with factor 1. And x[m, i] enters y[m, j] for every unit j, with
factor W[i, j]:

    db[j]    = sum over m of dy[m, j]
    dx[m, i] = sum over j of dy[m, j] W[i, j]
"""

# %%
dy = np.array([[1.0, 2.0], [-1.0, 3.0]])
dW, db, dx = np.zeros_like(W), np.zeros_like(b), np.zeros_like(x)
for m in range(2):
    for j in range(2):
        db[j] += dy[m, j]
        for i in range(3):
            dW[i, j] += x[m, i] * dy[m, j]
            dx[m, i] += dy[m, j] * W[i, j]
print(f"dW =\n{dW}\ndb = {db}\ndx =\n{dx}")

# %% [markdown]
"""
## The sums are matrix products

In a product A @ B, entry [i, j] is the sum over k of A[i, k] B[k, j]: the index that is summed over stands inside,
next to the @. In dW it is m: first in x[m, i], but last in x.T. In dx it is j: last in W[i, j], but first in W.T:

    dW = x.T @ dy          (inputs, units) = (inputs, n) @ (n, units)
    db = dy.sum(axis=0)
    dx = dy @ W.T          (n, inputs)     = (n, units) @ (units, inputs)

To remember it: a gradient has the shape of its array, and the shapes leave no other way to multiply.

In each line of the picture, the marked row times the marked column is the marked entry.
"""

# %%
pairs = (dW, x.T @ dy), (db, dy.sum(axis=0)), (dx, dy @ W.T)
print("the loops and the products agree:", all(np.array_equal(loops, product) for loops, product in pairs))


# %% The picture (skip this cell)
def draw(ax: Axes, name: str, matrix: NDArray, row: int | None = None, column: int | None = None) -> None:
    """Draw a matrix of numbers, with one row, one column or one entry marked."""
    ax.imshow(matrix, cmap="PuOr", vmin=-15, vmax=15)
    for (i, j), value in np.ndenumerate(matrix):
        ax.text(j, i, f"{value:g}", ha="center", va="center", fontsize=11)
    left, width = (column, 1) if column is not None else (0, matrix.shape[1])
    top, height = (row, 1) if row is not None else (0, matrix.shape[0])
    ax.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, ec=VERMILION, lw=2.5, clip_on=False))
    ax.set_title(name, color=BLUE, fontsize=11, loc="left")
    ax.set(xlim=(-0.6, 2.6), ylim=(2.6, -0.6))  # room for 3 x 3 entries, so that all have the same size
    ax.axis("off")


figure = Picture(figsize=(7, 4.6), layout="constrained")
for axes, names, matrices in zip(
    figure.subplots(3, 3),
    (("x", "W", "x @ W = y - b"), ("x.T", "dy", "dW = x.T @ dy"), ("dy", "W.T", "dx = dy @ W.T")),
    ((x, W, x @ W), (x.T, dy, x.T @ dy), (dy, W.T, dy @ W.T)),
    strict=True,
):
    draw(axes[0], names[0], matrices[0], row=1)
    draw(axes[1], names[1], matrices[1], column=1)
    draw(axes[2], names[2], matrices[2], row=1, column=1)
lesson.show(figure, "three_products")

# %% [markdown]
"""
## When the shapes do not help

If n, inputs and units are equal, a wrong product has the right shape too, and only a check of the numbers helps:
tinydl's `check_function` nudges ("probes") each entry of random arrays, as in lesson 1, and compares the result
("numeric") with what backward returns ("analytic"). It finds the missing transpose:
"""


# %%
def wrong_backward(dy: NDArray, x: NDArray, W: NDArray) -> tuple[NDArray, NDArray]:
    return dy @ W, x.T @ dy


try:
    check_function(lambda x, W: x @ W, wrong_backward, x=(3, 3), W=(3, 3))
except GradientCheckError as error:
    print("\n".join(str(error).splitlines()[1:3]))

layer = Dense(2)
layer.build((3,), np.random.default_rng(0), "float64")
layer.params["W"][...], layer.params["b"][...] = W, b
layer.forward(x, training=True)
print("tinydl's Dense has the same dx:", np.array_equal(layer.backward(dy), dx))

# %% [markdown]
"""
**The real thing.** tinydl/layers/dense.py: the docstring has these sums, and the code at its end has these products.

**Exercise.** `examples/lessons/exercises/03_dense.py`: a Dense layer that ends in tanh.

**Next.** Lesson 4: the word "sum" above is no accident.
"""
