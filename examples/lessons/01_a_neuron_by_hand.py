# %% [markdown]
"""
# Lesson 1: a neuron by hand

    python examples/lessons/01_a_neuron_by_hand.py

**Question.** A neuron has numbers that it can change, its weights. Its answer is wrong. Which weights should change,
in which direction, and by how much?

A neuron multiplies each input x[i] by a weight w[i] and adds the products and one more number, the bias b. It passes
the sum through a simple function. Here this function is relu, which replaces negative numbers by 0:

    a = x[0] w[0] + x[1] w[1] + b         the sum
    y = relu(a) = max(a, 0)               the answer
    L = (y - t)^2                         the loss: how wrong the answer y is, where t is the right answer

A loss of 0 is a perfect answer. Learning means changing w and b so that the loss becomes smaller. Computing a, y and
L from the inputs, in this order, is called the *forward pass*:
"""

# %%
import numpy as np
from lesson import Lesson
from numpy.typing import NDArray

from tinydl.layers import Dense
from tinydl.plots.style import BLUE, GREY, VERMILION, Picture, dress

lesson = Lesson("01_a_neuron_by_hand")

x = np.array([2.0, -1.0])  # the inputs
w = np.array([0.5, -1.0])  # the weights before learning
b = 0.5  # the bias before learning
t = 1.0  # the right answer


def loss(w: NDArray, b: float) -> float:
    a = x @ w + b  # x @ w is x[0] w[0] + x[1] w[1]
    y = a if a > 0 else 0.0
    return (y - t) ** 2


a = x @ w + b
y = a if a > 0 else 0.0
print(f"the sum      a = {x[0]:g} * {w[0]:g} + ({x[1]:g}) * ({w[1]:g}) + {b:g} = {a:g}")
print(f"the answer   y = relu({a:g}) = {y:g}, but the right answer is t = {t:g}")
print(f"the loss     L = ({y:g} - {t:g})^2 = {loss(w, b):g}")

# %% [markdown]
"""
## Nudge a weight and look

The simplest way to find out what a weight does is to nudge it, here by e in both directions, and to see by how much
the loss changes. The change of the loss, divided by the change of the weight (2 e), is the *derivative* of L with
respect to this weight. We call it dw[0] for w[0], and dw[1] for w[1]. Together, as dw, they are the *gradient* of w.
"""

# %%
e = 1e-6  # the nudge
measured = np.zeros(2)
for i in range(2):
    nudge = e * np.eye(2)[i]  # only w[i] changes
    measured[i] = (loss(w + nudge, b) - loss(w - nudge, b)) / (2 * e)
    print(f"dw[{i}] = {measured[i]:g}: if w[{i}] grows a little, the loss changes by {measured[i]:g} times as much")

# %% [markdown]
"""
## The same without nudging

Nudging takes two forward passes for each weight. A network can have millions of weights, so this would take forever.
The *chain rule* gives all derivatives in one pass. It starts at the loss and goes back through the formulas, one line
at a time, and is therefore called the *backward pass*. At each line we ask: if this number grows a little, by how
many times as much does L grow? That is the number's gradient, written with a d before its name: dy is short for dL/dy
(it is not the dy of school). It is the gradient found so far, times the derivative of one line:

    L = (y - t)^2         dy = 2 (y - t)                 the derivative of a square
    y = max(a, 0)         da = dy if a > 0, else 0       relu has slope 1 above 0, and slope 0 below
    a = x @ w + b         dw[i] = da x[i]                because w[i] is multiplied by x[i]
                          dx[i] = da w[i]                because x[i] is multiplied by w[i]
                          db    = da                     because b is only added

Learning cannot change an input, so dx seems useless. But in a network, x is the answer of other neurons (lesson 2).
"""

# %%
dy = 2 * (y - t)
da = dy if a > 0 else 0.0
dw = da * x
dx, db = da * w, da
print(f"dy = 2 * ({y:g} - {t:g}) = {dy:g}, da = {da:g}")
print(f"dw = {da:g} * {x} = {dw}, as measured (the largest difference is {np.abs(dw - measured).max():.0e})")
print(f"dx = {da:g} * {w} = {dx},  db = {db:g}")

# %% [markdown]
"""
## A step that learns

dw[0] is positive: if w[0] grows, the loss grows, so w[0] should shrink. dw[1] is negative, so w[1] should grow. The
rule "subtract the gradient" does both. It also says by how much: a weight with a large derivative changes a lot.

    w <- w - rate dw         b <- b - rate db

The factor, called the *learning rate*, is ours to choose. With a small one, learning is slow. With a large one, the
step goes too far: below, the second makes y smaller than t, and the last one makes even a negative, so relu gives 0 and
da is 0. From then on all gradients are 0 for this x. If that is so for every x that the neuron sees, it never changes
again, and is called *dead*.

The picture shows the loss for many values of w[0], while w[1] and b, which a step changes too, stay as they are. Our
dw[0] is the slope of this curve.
"""

# %%
for rate in (0.02, 0.1, 0.2):
    new_w, new_b = w - rate * dw, b - rate * db
    new_a = x @ new_w + new_b
    print(f"rate {rate:<4g} w = {new_w}, b = {new_b:.2f}: a = {new_a:.2f}, loss {loss(new_w, new_b):.2f}")

# %% The picture (skip this cell)
figure = Picture(figsize=(6, 3.2), layout="constrained")
ax = figure.subplots()
values = np.linspace(-1.5, 0.9, 241)
ax.plot(values, [loss(np.array([value, w[1]]), b) for value in values], color=BLUE)
ax.axline((w[0], loss(w, b)), slope=dw[0], color=VERMILION)
ax.plot(w[0], loss(w, b), "o", color=VERMILION)
ax.text(-0.25, 2.5, f"slope dw[0] = {dw[0]:g}", color=VERMILION)
ax.text(-1.5, 1.15, "dead: slope 0", color=GREY)
dress(ax, "One weight changes", "weight w[0]", "loss L")
lesson.show(figure, "slope")

# %% [markdown]
"""
**The real thing.** `Dense`, in tinydl/layers/dense.py, is a layer of such neurons. With one neuron it gives the same:
"""

# %%
layer = Dense(1, "relu")
layer.build((2,), np.random.default_rng(0), "float64")  # for 2 inputs; its weights are random at first
layer.params["W"][:, 0] = w  # a column for each neuron: lesson 3 explains these shapes
layer.params["b"][0] = b
layer_y = layer.forward(x[None, :], training=True)  # a row for each x; in training, layers keep what backward needs
layer_dx = layer.backward(np.array([[dy]]))
print(f"y = {layer_y[0, 0]:g}, dW = {layer.grads['W'][:, 0]}, db = {layer.grads['b'][0]:g}, dx = {layer_dx[0]}")

# %% [markdown]
"""
**Exercise.** `examples/lessons/exercises/01_a_neuron_by_hand.py` has a neuron with another function in the place of
relu. Write its gradients where the file says "your code", and run it. It checks them.

**Next.** Lesson 2: several neurons in a row, and why the backward pass is so cheap.
"""
