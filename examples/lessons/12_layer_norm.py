# %% [markdown]
"""
# Lesson 12: layer norm

    python examples/lessons/12_layer_norm.py

Batch normalization ties the rows of a batch together: the result for a row depends on the other rows, a batch of one is
useless, and inference needs running averages. Layer normalization takes the mean and the variance of each row over the
row's own features instead. It is the normalization of language models.

**Question.** Does lesson 11's backward pass still hold if the axis is changed, or is there more to it?
"""

# %%
import numpy as np
from lesson import Lesson
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from tinydl.gradcheck import numerical_gradient
from tinydl.layers import LayerNorm
from tinydl.plots import Picture

lesson = Lesson("12_layer_norm")
EPSILON = 1e-12  # so that equal entries give 0, not 0 / 0

# %% [markdown]
"""
## Forward

    mu = mean of x      v = mean of (x - mu)^2      s = 1 / sqrt(v + EPSILON)      xhat = (x - mu) s

Batch norm takes the means down each column (axis 0), layer norm along each row (axis 1).
"""


# %%
def normalize(x: NDArray, axis: int) -> NDArray:
    centered = x - x.mean(axis=axis, keepdims=True)
    return centered / np.sqrt((centered**2).mean(axis=axis, keepdims=True) + EPSILON)


x = np.array([[4.0, 8, 5, 2, 6], [1, 0, 3, 2, 9], [5, 5, 7, 1, 2]])  # 3 rows of 5 features
nudged = x.copy()
nudged[0, 1] += 1
changes = {name: normalize(nudged, axis) - normalize(x, axis) for name, axis in (("batch norm", 0), ("layer norm", 1))}
for name, change in changes.items():
    print(f"{name}: x[0, 1] raised by 1 changes xhat by\n{np.round(change, 2) + 0}\n")

# %% [markdown]
"""
The picture shows the same two tables. Under batch norm the change spreads to the other rows, within one feature. Under
layer norm it spreads to the other features, within one row.
"""

# %% The picture (skip this cell)
figure = Picture(figsize=(7, 2.4), layout="constrained")
limit = max(np.abs(change).max() for change in changes.values())
for ax, (name, change) in zip(figure.subplots(1, 2), changes.items(), strict=True):
    ax.imshow(change, "PuOr_r", vmin=-limit, vmax=limit)
    for (row, column), value in np.ndenumerate(change):
        ax.text(column, row, f"{value:.2f}" if value else "0", ha="center", va="center", fontsize=9,
                color="white" if abs(value) > 0.7 * limit else "black")  # fmt: skip
    ax.add_patch(Rectangle((0.52, -0.48), 0.96, 0.96, fill=False, edgecolor="black", lw=2))
    ax.set_title(name, fontsize=12)
    ax.set_xticks(range(5), [f"x{k}" for k in range(5)])
    ax.set_yticks(range(3), [f"row {k}" for k in range(3)])
lesson.show(figure, "neighbors")

# %% [markdown]
"""
So the result for a row does not depend on its neighbors: it is the same alone as in a batch. Layer norm needs no
running averages, and it is the same in training and in inference.
"""

# %%
for name, axis in (("batch norm", 0), ("layer norm", 1)):
    alone, in_batch = normalize(x[:1], axis), normalize(x, axis)[:1]
    print(f"{name}: row 0 alone {np.round(alone[0], 2) + 0}, in the batch {np.round(in_batch[0], 2) + 0}")

# %% [markdown]
"""
## Backward: the same three roads, and a trap

A layer also learns a scale and a shift for each feature:

    y_i = gamma_i xhat_i + beta_i          so dL/dxhat_i = gamma_i dy_i, called g_i

From g on, the three roads of lesson 11 lead to the same formula, with means over the features of a row:

    dx_i = s (g_i - mean(g) - xhat_i mean(g xhat))

In batch norm, all entries of a mean belong to one feature and share one gamma. So gamma can be pulled out of the means:
dx_i = gamma s (dy_i - mean(dy) - xhat_i mean(dy xhat)). In layer norm each entry of a mean has its own gamma_i. Pulling
it out is wrong, but in one case the mistake does not show.
"""


# %%
def measured_gradient(gamma: NDArray) -> NDArray:
    """Move each x a little and measure how L = sum(dy y) changes."""
    return numerical_gradient(lambda x: gamma * normalize(x, 1), x, dy)


def mean(a: NDArray) -> NDArray:
    return a.mean(axis=1, keepdims=True)


dy = np.array([[2.0, 3, -1, 0, 1], [1, 0, 2, -2, 1], [0, 1, 1, -1, 3]])
xhat, s = normalize(x, 1), 1 / x.std(axis=1, keepdims=True)
for gamma in (np.ones(5), np.array([1.0, 2, 0.5, -1, 1])):
    g, measured = gamma * dy, measured_gradient(gamma)
    dx = s * (g - mean(g) - xhat * mean(g * xhat))
    pulled_out = gamma * s * (dy - mean(dy) - xhat * mean(dy * xhat))
    print(f"gamma = {gamma}: largest difference from the measured gradient")
    print(f"    gamma inside the means   {np.abs(dx - measured).max():.0e}")
    print(f"    gamma pulled out         {np.abs(pulled_out - measured).max():.0e}")

# %% [markdown]
"""
A new layer starts with gamma = 1, and as long as all its entries are equal, both formulas agree. A check at this point
finds nothing, and the error appears only after the first steps of training. Therefore tinydl's checker first shifts the
parameters of a new layer at random.

gamma and beta are shared by all rows, so their gradients are sums over the rows, as in every layer:

    dgamma_i = sum over rows of dy_i xhat_i          dbeta_i = sum over rows of dy_i
"""

# %%
layer = LayerNorm(EPSILON)
layer.build((5,), np.random.default_rng(0), "float64")
layer.params["gamma"][...] = gamma
layer.forward(x)
layer_dx = layer.backward(dy)
print(f"LayerNorm: largest difference in dx from the formula: {np.abs(layer_dx - dx).max():.0e}")
print(f"dgamma = {np.round(layer.grads['gamma'], 3)}, by hand {np.round((dy * xhat).sum(axis=0), 3)}")

# %% [markdown]
"""
## The real thing

`LayerNorm` in tinydl/layers/layer_norm.py.

**Exercise.** examples/lessons/exercises/12_layer_norm.py: the backward pass of RMS normalization, which leaves out the
mean. Newer language models use it in place of layer norm. Which road is closed? Fill in the gaps and run the file; it
checks your gradients.

**Next.** Lesson 13: dropout, a layer that is random in training.
"""
