# %% [markdown]
"""
# Lesson 1: a neuron by hand

    python examples/lessons/01_a_neuron_by_hand.py

**Question.** A neuron has numbers that it can change, its weights. Its answer is wrong. Which weights should it change,
in which direction, and by how much?

A neuron multiplies each input by a weight, adds the products and a number of its own (the bias b), and passes the sum
through a simple function. Here the function is relu, which replaces negative numbers by 0:

    a = x[0] w[0] + x[1] w[1] + b         the sum
    y = relu(a) = max(a, 0)               the answer
    L = (y - t)^2                         the loss: how wrong the answer is, given the right answer t

A loss of 0 is a perfect answer. To learn is to change w and b so that the loss becomes smaller.
"""

# %%
import numpy as np
from lesson import Lesson
from numpy.typing import NDArray

from tinydl.layers import Dense
from tinydl.plots.style import BLUE, GREY, VERMILION, Picture, dress

lesson = Lesson("01_a_neuron_by_hand")

x = np.array([2.0, -1.0])  # the inputs
w = np.array([0.5, -1.0])  # the weights, as they are before learning
b = 0.5  # the bias
t = 1.0  # the right answer


def loss(w: NDArray[np.float64], b: float) -> float:
    a = x @ w + b
    y = a if a > 0 else 0.0
    return float(y - t) ** 2


print(f"the sum      a = {x[0]:g} * {w[0]:g} + {x[1]:g} * {w[1]:g} + {b:g} = {x @ w + b:g}")
print(f"the answer   y = relu(a) = {max(x @ w + b, 0):g}, but {t:g} would be right")
print(f"the loss     L = (y - t)^2 = {loss(w, b):g}")

# %% [markdown]
"""
## Nudge a weight and look

The simplest way to find out what a weight does is to change it a little, and to see by how much the loss changes. The
change of the loss divided by the change of the weight is the *derivative* of L with respect to that weight. We write dw
for the derivatives with respect to w: dw[0] belongs to w[0]. All derivatives together are called the *gradient*.
"""

# %%
h = 1e-6  # the nudge


def nudged(i: int, by: float) -> NDArray[np.float64]:
    """A copy of w in which w[i] is changed by a small amount."""
    changed = w.copy()
    changed[i] += by
    return changed


measured = np.array([(loss(nudged(i, h), b) - loss(nudged(i, -h), b)) / (2 * h) for i in range(len(w))])
print(f"dw, measured by nudging: {np.round(measured, 6)}")

# %% [markdown]
"""
## The same without nudging

Nudging needs two runs of the neuron for each weight. A network has millions of weights, so this would take forever. The
*chain rule* gives all derivatives at once. Start at the loss and go back, one line at a time. Each line asks: if this
number grows a little, how much does L grow?

    L = (y - t)^2              dy = 2 (y - t)
    y = max(a, 0)              da = dy if a > 0, else 0          relu passes a positive a unchanged, and blocks others
    a = x @ w + b              dw[i] = da x[i]                   w[i] is multiplied by x[i]
                               dx[i] = da w[i]                   x[i] is multiplied by w[i]
                               db = da                           b is just added
"""

# %%
a = x @ w + b
y = max(a, 0.0)
dy = 2 * (y - t)
da = dy if a > 0 else 0.0
dw = da * x
dx = da * w
db = da
print(f"dy = {dy:g}   da = {da:g}   dw = {dw}   dx = {dx}   db = {db:g}")
print(f"largest difference between dw and the measured one: {np.abs(dw - measured).max():.0e}")

# %% [markdown]
"""
## Learning: a step against the gradient

dw[0] is positive: if w[0] grows, the loss grows. So w[0] should shrink; and w[1], whose derivative is negative, should
grow. Subtracting the gradient does both. The *learning rate* says how large the step is. If it is too large, the step
goes too far: the sum a becomes negative, relu gives 0 and blocks the gradient, and the neuron cannot learn any more.
"""

# %%
for rate in (0.02, 0.1, 0.2):
    new_w, new_b = w - rate * dw, b - rate * db
    new_a = x @ new_w + new_b
    blocked = "" if new_a > 0 else ", and relu blocks every further gradient"
    print(f"learning rate {rate:<4g}  w = {new_w}, b = {new_b:g}: loss {loss(new_w, new_b):g}{blocked}")

# %% [markdown]
"""
The left picture shows the meaning of dw[0]: it is the slope of the loss. The right picture shows the loss for all pairs
of weights, with ten steps of the best of the three learning rates.
"""

# %%
figure = Picture(figsize=(7, 3.3), layout="constrained")
left, right = figure.subplots(1, 2)
values = np.linspace(-0.8, 1.0, 181)
left.plot(values, [loss(np.array([value, w[1]]), b) for value in values], color=BLUE)
near = np.array([0.2, 0.8])
left.plot(near, loss(w, b) + dw[0] * (near - w[0]), color=VERMILION, label=f"slope dw[0] = {dw[0]:g}")
left.plot(w[0], loss(w, b), "o", color=VERMILION)
left.legend(frameon=False, fontsize=9)
dress(left, "One weight", "w[0]", "loss L")

path, path_b = [w], b
for _ in range(10):
    step_a = x @ path[-1] + path_b
    step_da = 2 * (max(step_a, 0.0) - t) * (step_a > 0)
    path.append(path[-1] - 0.02 * step_da * x)
grid = np.linspace(-1.5, 1.0, 121)
surface = [[loss(np.array([w0, w1]), b) for w0 in grid] for w1 in grid]
lines = right.contour(grid, grid, surface, levels=[0.1, 0.5, 0.99, 2, 4, 8], colors=GREY, linewidths=0.8)
right.clabel(lines, fontsize=7)
right.plot(*np.array(path).T, "o-", color=VERMILION, markersize=3)
dress(right, "Both weights", "w[0]", "w[1]")
lesson.show(figure, "neuron")

# %% [markdown]
"""
## The real thing

`Dense` in tinydl/layers/dense.py is a layer of such neurons. With one neuron, it gives the same numbers.
"""

# %%
layer = Dense(1, "relu")
layer.build((2,), np.random.default_rng(0), "float64")
layer.params["W"][:, 0] = w
layer.params["b"][:] = b
layer_y = layer.forward(x[None, :], training=True)
layer_dx = layer.backward(np.array([[dy]]))
print(f"Dense: y = {layer_y[0]}, dW = {layer.grads['W'][:, 0]}, db = {layer.grads['b']}, dx = {layer_dx[0]}")

# %% [markdown]
"""
**Exercise.** examples/lessons/exercises/01_a_neuron_by_hand.py: the gradients of a neuron that ends in another
function. Fill in the gaps and run the file; it checks your gradients.

**Next.** Lesson 2: several such functions in a row, and why going back through them is so cheap.
"""
