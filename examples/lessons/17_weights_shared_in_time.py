# %% [markdown]
"""
# Lesson 17: weights shared in time

    python examples/lessons/17_weights_shared_in_time.py

A recurrent network reads a sequence one step at a time. It keeps a state h, its memory, and at every step it computes
a new state from the old one and the next input, always with the same weights.

**Question.** The weights are used at every step, but they change only once. Which step does their gradient belong to?

The smallest example has one number as its state and one weight:

    h_t = w h_(t-1) + x_t          t = 1, 2, 3, starting from h_0 = 0
    L = h_3                        the loss is the last state itself, so dh_3 = 1
"""

# %%
import numpy as np
from lesson import Lesson
from numpy.typing import NDArray

from tinydl import Model
from tinydl.gradcheck import numerical_gradient
from tinydl.layers import Dense
from tinydl.plots import BLUE, GREEN, VERMILION
from tinydl.plots.style import dress, panel

lesson = Lesson("17_weights_shared_in_time")

w, x, h = 0.5, np.array([4.0, 2, 1]), np.zeros(4)
for t in (1, 2, 3):
    h[t] = w * h[t - 1] + x[t - 1]  # Python counts from 0: x_1 is x[0]
print("the states h_0 to h_3:", h)

# %% [markdown]
"""
## Unroll it, and nothing new is left

Write the steps one below the other, and the loop is a network of three layers that happen to hold the same w. Backward
goes from the last step to the first. h_(t-1) enters h_t with factor w, and w enters h_t with factor h_(t-1):

    dh_(t-1) = dh_t w                          back to the step before
    dw = sum of the shares dh_t h_(t-1)        w is used three times, so its gradients add (lesson 4)
"""

# %%
dh, dw = np.array([0.0, 0, 0, 1]), 0.0
for t in (3, 2, 1):
    print(f"step {t}: dh_{t} = {dh[t]:<6g} share of dw = {dh[t]:g} * {h[t - 1]:g} = {dh[t] * h[t - 1]:g}")
    dw += dh[t] * h[t - 1]
    dh[t - 1] = dh[t] * w
print(f"dw = {dw:g}; and from L = w^2 x_1 + w x_2 + x_3 by hand: 2 w x_1 + x_2 = {2 * w * x[0] + x[1]:g}\n")

# %% [markdown]
"""
## The cell that is really used

Now state and input are rows of numbers, and tanh keeps the state between -1 and 1: h_t = tanh(x_t Wx + h_(t-1) Wh + b).
Backward is lesson 3's Dense, once per step, last step first. Every line with += collects the shares.
"""


# %%
def forward(x: NDArray, Wx: NDArray, Wh: NDArray, b: NDArray) -> NDArray:
    """All states (n, steps + 1, units) for sequences x (n, steps, inputs); h[:, 0] is 0."""
    n, steps, _ = x.shape
    h = np.zeros((n, steps + 1, len(b)), x.dtype)
    for t in range(steps):
        h[:, t + 1] = np.tanh(x[:, t] @ Wx + h[:, t] @ Wh + b)
    return h


def backward(dh: NDArray, x: NDArray, h: NDArray, Wx: NDArray, Wh: NDArray) -> tuple:
    """dx, dWx, dWh, db for dh, the gradient of the last state; then the size of each step's share of dWh."""
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wh[0])
    sizes = np.zeros(x.shape[1])
    for t in reversed(range(x.shape[1])):
        da = dh * (1 - h[:, t + 1] ** 2)  # back through tanh
        dWx += x[:, t].T @ da
        dWh += h[:, t].T @ da
        db += da.sum(axis=0)
        dx[:, t] = da @ Wx.T
        dh = da @ Wh.T  # to the step before
        sizes[t] = np.linalg.norm(h[:, t].T @ da)
    return dx, dWx, dWh, db, sizes


rng = np.random.default_rng(0)
*arrays, dy = (rng.standard_normal(shape) for shape in ((2, 4, 3), (3, 5), (5, 5), 5, (2, 5)))  # x, Wx, Wh, b; dy
gradients = backward(dy, arrays[0], forward(*arrays), arrays[1], arrays[2])
measured = [numerical_gradient(lambda _: forward(*arrays)[:, -1], each, dy) for each in arrays]  # moves each entry
errors = [np.abs(mine - other).max() for mine, other in zip(gradients, measured, strict=False)]
print("largest differences of dx, dWx, dWh, db from the measured gradients:", *(f"{error:.0e}" for error in errors))

# %% [markdown]
"""
## The long way back

Far back, dh_(t-1) = dh_t w has been multiplied by w so often that it has vanished (w below 1) or exploded (w above 1).
With matrices the factors are Wh.T and the slope of tanh, which is at most 1. Here Wh is a rotation, which changes no
length, times a number. So this number decides what happens in 40 steps. (Step 1 adds nothing: h_0 is 0.)
"""

# %%
STEPS, UNITS = 40, 16
rotation = np.linalg.qr(rng.standard_normal((UNITS, UNITS)))[0]
x, Wx, b = rng.standard_normal((64, STEPS, 3)), 0.1 * rng.standard_normal((3, UNITS)), np.zeros(UNITS)
dh = rng.standard_normal((64, UNITS)) / np.sqrt(64 * UNITS)  # from the loss, which sees only the last state
figure, ax = panel(width=7, height=3.2)
print("\nWh is a rotation times   the last 5 steps add")
for scale, colour in ((0.6, VERMILION), (1.0, BLUE), (1.4, GREEN)):
    sizes = backward(dh, x, forward(x, Wx, scale * rotation, b), Wx, scale * rotation)[-1]
    ax.semilogy(range(2, STEPS + 1), sizes[1:], color=colour, label=f"Wh is a rotation times {scale:g}")
    print(f"{scale:<24g} {sizes[-5:].sum() / sizes.sum():.0%} of the sizes of all shares")
ax.legend(frameon=False, fontsize=9)
dress(ax, "What each step adds to dWh", "step (the loss sees the last one)", "size of its share")
lesson.show(figure, "through_time")

# %% [markdown]
"""
If Wh is small, the early steps have no say in dWh: what happened there cannot be learned. If it is large, the gradient
may explode. Gated cells (LSTM, GRU) therefore add the old state to the new one, as lesson 14 adds x around a block.

## The real thing

A network of tinydl may hold one layer object in several places; tinydl/layers/sharing.py gives each place its own cache
and lets all add to the same gradient. Without inputs and biases, three steps of the cell are one Dense three times.
"""

# %%
cell = Dense(UNITS, "tanh", use_bias=False)
model = Model([cell, cell, cell], UNITS, seed=0, dtype="float64")
start, dy = rng.standard_normal((2, 4, UNITS))
model.forward(start, training=True)
model.backward(dy)
W, states = cell.params["W"], [start]
for _ in range(3):
    states.append(np.tanh(states[-1] @ W))
by_hand = backward(dy, np.zeros((4, 3, 3)), np.stack(states, axis=1), Wx, W)[2]
print(f"one Dense in three places: {model.count_params()} parameters, of which W has {W.size}; "
      f"largest difference from our gradient {np.abs(cell.grads['W'] - by_hand).max():.0e}")  # fmt: skip

# %% [markdown]
"""
**Exercise.** examples/lessons/exercises/17_weights_shared_in_time.py: a cell that answers at every step, so that every
state gets its gradient from two sides. Fill in the gaps and run the file; it checks your gradients.

**Next.** Lesson 18: the check that found all gradients right so far, and how to fool it.
"""
