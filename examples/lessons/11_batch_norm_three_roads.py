# %% [markdown]
"""
# Lesson 11: batch norm: three roads

    python examples/lessons/11_batch_norm_three_roads.py

Batch normalization gives each feature mean 0 and standard deviation 1 over the rows of a batch. The mean and the
standard deviation are computed from the batch itself, so every output depends on every row.

**Question.** If one input changes a little, by how many roads does the change reach the loss?
"""

# %%
import numpy as np
from lesson import Lesson
from numpy.typing import NDArray

from tinydl.gradcheck import numerical_gradient
from tinydl.layers import BatchNorm
from tinydl.plots.style import BLUE, GREEN, ORANGE, panel

lesson = Lesson("11_batch_norm_three_roads")

# %% [markdown]
"""
## Forward

One feature, N rows x_1 .. x_N:

    mu = 1/N sum_i x_i       v = 1/N sum_i (x_i - mu)^2       s = 1 / sqrt(v)
    y_i = (x_i - mu) s

(A real layer adds a small epsilon to v, and then scales y by gamma and shifts it by beta. The exercise has all three.)
"""


# %%
def normalize(x: NDArray) -> NDArray:
    mu = x.mean()
    v = ((x - mu) ** 2).mean()
    return (x - mu) / np.sqrt(v)


x = np.array([4.0, 8, 5, 2, 6])
mu, v = x.mean(), x.var()
s = 1 / np.sqrt(v)
y = normalize(x)
print(f"x = {x}   mu = {mu:g}   v = {v:g}   s = {s:g}\ny = {y}\n")

nudged, by = x.copy(), 0.5
nudged[1] += by
print(f"x[1] raised by {by:g} changes y by\n    {np.round(normalize(nudged) - y, 2)}")

# %% [markdown]
"""
## Backward: follow each road

All of y has changed, because mu and v have. So x_i reaches the loss L by three roads. Let dy_j = dL/dy_j, and multiply
the derivatives along each road:

**Directly**, through its own y_i, with mu and v held fixed: dy_i/dx_i = s, so

    direct_i = s dy_i

**Through the mean.** mu enters every y_j with derivative -s, and dmu/dx_i = 1/N:

    mean_i = (sum_j dy_j (-s)) (1/N) = -s mean(dy)

**Through the variance.** v enters every y_j = (x_j - mu) v^(-1/2) with derivative (x_j - mu) (-1/2) s^3, which is -s^2
y_j / 2, and dv/dx_i = 2/N (x_i - mu), which is 2/N y_i / s. (v also contains mu. But moving mu alone does not change v,
because the x_j - mu add up to 0.)

    variance_i = (sum_j dy_j (-s^2 y_j / 2)) (2/N y_i / s) = -s y_i mean(dy y)

The gradient of x_i is the sum of the three.
"""

# %%
dy = np.array([2.0, 3, -1, 0, 1])  # as from the layers above
roads = {"direct": s * dy, "mean": np.full_like(x, -s * dy.mean()), "variance": -s * y * (dy * y).mean()}
dx = sum(roads.values())
numeric = numerical_gradient(normalize, x, dy)  # moves each x a little and measures how L = sum(dy y) changes

print(f"{'row':>8}{''.join(f'{name:>10}' for name in roads)}{'dx':>10}{'measured':>11}")
for i in range(len(x)):
    print(f"{i:>8}{''.join(f'{road[i] + 0:>10.2f}' for road in roads.values())}{dx[i]:>10.2f}{numeric[i]:>11.2f}")
print(f"largest difference between dx and the measured gradient: {np.abs(dx - numeric).max():.0e}")

# %% The picture (skip this cell)
figure, ax = panel(width=7, height=2.9)
for k, ((name, road), colour) in enumerate(zip(roads.items(), (BLUE, ORANGE, GREEN), strict=True)):
    ax.bar(np.arange(len(x)) + 0.2 * (k - 1), road, 0.2, color=colour, label=name)
ax.hlines(dx, np.arange(len(x)) - 0.38, np.arange(len(x)) + 0.38, color="black", lw=2, label="dx, the sum of the three")
ax.axhline(0, color="black", lw=0.6)
ax.set_xticks(range(len(x)), [f"row {i}\ndy = {value:g}" for i, value in enumerate(dy)])
ax.set_ylabel("gradient")
ax.legend(frameon=False, fontsize=9)
lesson.show(figure, "roads")

# %% [markdown]
"""
Look at row 3: its own dy is 0, yet its dx is not. Nothing comes along the direct road, but through the mean and the
variance row 3 also changes the outputs of the other rows.

## What the two extra roads do

Add the same number to all x: y stays the same. Stretch all x around their mean: y stays the same again. So L does not
change in either direction, and dx has no part along them: the road through the mean removes the mean of dy, and the
road through the variance removes the part of dy along y.

This is a trap for gradient checks. With dy = 1 everywhere, L is the sum of y, which is always 0, so its gradient is 0
too. Such a check also passes a backward that just returns zeros. Good checks draw `dy` at random (lesson 18).
"""

# %%
print(f"dx added up: {dx.sum():.1e}     dx times y added up: {(dx * y).sum():.1e}")
print(f"the direct road alone: {roads['direct'].sum():.2f} and {(roads['direct'] * y).sum():.2f}")

ones = np.ones_like(x)
print("dx for dy = ones:", np.round(s * (ones - ones.mean() - y * (ones * y).mean()), 9) + 0)

# %% [markdown]
"""
## Training and inference

In inference, rows may come one at a time, so the layer uses running averages of mu and v that it stored in training.
These are constants: two of the three roads are closed, and dx = s dy. And in training, a batch of one row is its own
mean: its y is 0 whatever x is, so nothing can be learned from it.
"""

# %%
layer = BatchNorm(momentum=0.0, epsilon=1e-12)  # momentum 0: the running averages are those of the last batch
layer.build((1,), np.random.default_rng(0), "float64")
for training in (True, False):
    layer.forward(x[:, None], training)
    print(f"training={training!s:<6} dx = {np.round(layer.backward(dy[:, None])[:, 0], 4) + 0}")
single = layer.forward(x[:1, None], training=True)
print(f"a batch of one, x = {x[0]:g}: y = {single[0, 0]:g}, dx = {layer.backward(dy[:1, None])[0, 0]:g}")

# %% [markdown]
"""
## The real thing

`BatchNorm` in tinydl/layers/normalization.py. The last line of its backward is the sum of the three roads.

**Exercise.** examples/lessons/exercises/11_batch_norm_three_roads.py: the backward pass for several features, with
gamma, beta and epsilon. Fill in the gaps and run the file; it checks your gradients.

**Next.** Lesson 12: layer normalization takes the same three roads along the other axis, where a new trap waits.
"""
