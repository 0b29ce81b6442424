# %% [markdown]
"""
# Lesson 5: kinks

    python examples/lessons/05_kinks.py

**Question.** relu(x) = max(x, 0) has slope 0 on the left of 0, and slope 1 on the right. What is its slope at 0? And
can nudging still tell whether a gradient is right?

At 0 the graph has a corner, or *kink*, and a derivative does not exist. Look at the slopes between 0 and a point
beside it: they do not agree, however small the nudge h is.
"""

# %%
import numpy as np
from lesson import Lesson
from numpy.typing import NDArray

from tinydl.gradcheck import GradientCheckError, check_derivative
from tinydl.layers import ReLU
from tinydl.plots.style import BLUE, GREY, VERMILION, Picture, dress

lesson = Lesson("05_kinks")


def relu(x: NDArray) -> NDArray:
    return np.maximum(x, 0)


def relu_slope(x: NDArray) -> NDArray:
    return np.where(x > 0, 1.0, 0.0)


def central(x: NDArray, h: float) -> NDArray:
    """The slope measured by nudging x to both sides."""
    return (relu(x + h) - relu(x - h)) / (2 * h)


zero = np.array(0.0)
for h in (1.0, 0.01, 0.0001):
    left, right = (relu(zero) - relu(zero - h)) / h, (relu(zero + h) - relu(zero)) / h
    print(f"h = {h:<6g}  slope on the left {left:g}, on the right {right:g}, from both sides {central(zero, h):g}")

# %% [markdown]
"""
## A rule for the kink

Nudging from both sides gives the mean of the two slopes, which is the slope of relu nowhere. Backward has to return
some number, so we need a rule. Every number from 0 to 1 would do: a line through the corner with such a slope is
nowhere above the graph (it is called a *subgradient*). Nearly all programs choose 0, as tinydl does: "x > 0" is false.

The rule hardly matters for learning, because a neuron's sum is almost never exactly 0. There are exceptions: if all
weights and biases begin at 0, all sums are 0, relu passes no gradient on, and nothing is ever learned (lesson 7).
"""

# %%
layer = ReLU()
layer.forward(np.array([[-2.0, 0.0, 3.0]]), training=True)
print(f"x = [-2, 0, 3]: tinydl's ReLU returns dx = {layer.backward(np.ones((1, 3)))[0]} for dy = [1, 1, 1]")

# %% [markdown]
"""
## Near a kink

A checker that nudges by h is wrong not only at the kink, but everywhere closer to it than h: one of its two points
then lies on the other side. Let us check the slope of relu, which is right, at random points with such a simple
checker:
"""

# %%
points = np.random.default_rng(0).normal(size=1000)
for h in (0.1, 0.01, 0.001):
    refused = np.abs(central(points, h) - relu_slope(points)) > 1e-6
    close = np.abs(points) < h
    print(f"h = {h:<5g}  called wrong: {refused.sum()} of {points.size} points; closer to 0 than h: {close.sum()}")

# %% [markdown]
"""
It is tempting to tolerate larger errors. But then real errors pass, too. A smaller h helps, until rounding gets in
the way: relu(x + h) and relu(x - h) then have nearly the same digits. A good checker looks for kinks. tinydl's takes
more than two values near each point. If they do not lie on a smooth curve, it tries smaller nudges, and in the end it
*drops* the point: it says that the point is too close to a kink to be measured, and does not guess. Everywhere else, a
wrong slope is still found. (It multiplies all slopes by random numbers dy, so the last line below does not say 1.)
"""

# %%
near = np.array([-0.3, -0.01, 0.0, 1e-9, 0.01, 0.4])
report = check_derivative(relu, relu_slope, near, method="central")
dropped = [float(near[index]) for index in sorted(report.arrays["x"].dropped_indices)]
print(f"right at {report.probes} of {near.size} points; dropped, with nudges of {report.step:g} and less: {dropped}")
try:
    check_derivative(relu, lambda x: np.where(x > 0.1, 1.0, 0.0), near, method="central")  # wrong at 0.01
except GradientCheckError as error:
    print(str(error).splitlines()[1].strip())

# %% [markdown]
"""
## Two numbers, one maximum

max(a, b) has a kink wherever a = b. If a is larger, it gets the whole gradient, and b gets 0. In a tie, nudging both
numbers changes the maximum by the same amount, so their two shares must add up to dy. Giving dy to both counts it
twice. The usual rule gives all of it to one of them, the first. Max pooling (lesson 10), a maximum of more numbers,
follows the same rule.

The picture has relu with three lines through its corner, and what the simple checker measures close to it.
"""

# %% The picture (skip this cell)
figure = Picture(figsize=(7, 3), layout="constrained")
left_ax, right_ax = figure.subplots(1, 2)
x = np.linspace(-1, 1, 201)
for slope in (0.0, 0.5, 1.0):
    left_ax.plot(x, slope * x, "--", color=VERMILION)
left_ax.plot(x, relu(x), color=BLUE, lw=2.5)
left_ax.text(-0.9, 0.08, "relu", color=BLUE)
left_ax.text(0.1, -0.6, "never above it:\nsubgradients", color=VERMILION)
dress(left_ax, "relu has a corner at 0", "x", "")

h = 0.25
right_ax.axvspan(-h, h, color=GREY, alpha=0.15, lw=0)
for side in (x[x <= 0], x[x > 0]):
    right_ax.plot(side, relu_slope(side), color=BLUE, lw=2.5)
right_ax.plot(x, central(x, h), "--", color=VERMILION)
right_ax.text(0.35, 0.88, "slope of relu", color=BLUE)
right_ax.text(-1, 0.45, f"measured\nwith h = {h:g}", color=VERMILION)
dress(right_ax, "Close to it, nudging misleads", "x", "")
lesson.show(figure, "kink")

# %% [markdown]
"""
**The real thing.** tinydl/layers/activations.py has relu's rule, tinydl/gradcheck/numeric.py the search for kinks.

**Exercise.** `examples/lessons/exercises/05_kinks.py`: the gradients of the maximum of two arrays.

**Next.** Lesson 6: a loss for choosing among several answers.
"""
