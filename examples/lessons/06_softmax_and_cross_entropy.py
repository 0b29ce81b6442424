# %% [markdown]
"""
# Lesson 6: softmax and cross-entropy

    python examples/lessons/06_softmax_and_cross_entropy.py

**Question.** A network has to tell cats, dogs and birds apart. It gives each of these *classes* a score. How do
scores become probabilities, how wrong are these, and why is the gradient as simple as p - y?

Scores z, also called *logits*, can be any numbers. Probabilities are positive and add up to 1. The function exp makes
every number positive, and dividing by the sum does the rest. This is *softmax*:

    p[k] = exp(z[k]) / S,  where S = sum over j of exp(z[j])

If the right class is c, the loss is L = -log p[c]. It is called *cross-entropy*. It is 0 if p[c] = 1, and large if
p[c] is near 0: to be sure and wrong is punished most. The scores below are logarithms of small numbers, so that you
can check everything by hand.
"""

# %%
import numpy as np
from lesson import Lesson
from numpy.typing import NDArray

from tinydl.losses import SoftmaxCrossEntropy
from tinydl.plots.style import BLUE, GREY, VERMILION, Picture, dress

lesson = Lesson("06_softmax_and_cross_entropy")


def softmax(z: NDArray) -> NDArray:
    return np.exp(z) / np.exp(z).sum()


names = ["cat", "dog", "bird"]
z = np.log([4.0, 3.0, 1.0])
c = 1  # the right class is "dog"
p = softmax(z)
print(f"exp(z) = {np.exp(z)}, their sum S = {np.exp(z).sum():g}")
print(f"p      = {p}, L = -log {p[c]:g} = {-np.log(p[c]):.4f}")
print(f"A network that knows nothing gives p = 1/{len(z)} to each class: L = log {len(z)} = {np.log(len(z)):.4f}")

# %% [markdown]
"""
## The gradient

The logarithm undoes exp and turns the quotient into a difference:

    L = -log p[c] = -z[c] + log S

Now take the derivative with respect to each score. For log S it is exp(z[k]) / S, which is p[k] again. The first term
adds -1 for the right class. Let y be 1 for the right class and 0 for the others (a *one-hot* row). Then

    dz = p - y

Each score is pushed down in proportion to its probability, and the right one is pushed up. The pushes add up to 0.
"""

# %%
y = np.eye(len(z))[c]
dz = p - y
h = 1e-6
measured = [(np.log(softmax(z - h * e)[c]) - np.log(softmax(z + h * e)[c])) / (2 * h) for e in np.eye(len(z))]
print(f"dz = {p} - {y} = {dz}")
print(f"measured by nudging: {np.round(measured, 6)}")

# %% [markdown]
"""
## Large scores

exp(1000) is larger than the largest float64, so NumPy gives inf, and inf / inf is not a number. The remedy: adding
the same number to all scores changes no probability, because it multiplies every exp(z[k]) and S by the same factor.
So subtract the largest score first. Then exp gets 0 and negative numbers only. The loss is computed from -z[c] + log
S, never as the logarithm of a p, because a tiny p is rounded to 0, and log 0 is -inf.
"""

# %%
large = np.array([1000.0, 0.0, -1000.0])
with np.errstate(over="ignore", invalid="ignore"):
    print(f"softmax as written above: {softmax(large)}")
shifted = large - large.max()
print(f"with the largest score subtracted: {softmax(shifted)}")
print(f"L for the right class 'bird': {-shifted[2] + np.log(np.exp(shifted).sum()):g}")

# %% [markdown]
"""
## Why not the squared error?

(p - y)^2 would be a loss, too. But its gradient has to go back through softmax, whose slope is p (1 - p), nearly 0
if p is near 0 or 1. A network that is sure and wrong would hardly learn. With cross-entropy, the logarithm cancels
this slope. Here are two classes. The score of the right one is m larger than the other's (smaller, if m is negative):
"""

# %%
m = np.linspace(-10, 10, 201)
right = 1 / (1 + np.exp(-m))  # the probability of the right class: softmax of the scores m and 0
slope_cross_entropy = right - 1
slope_squared = 2 * (right - 1) * right * (1 - right) * 2  # both classes have the same error
for i in (0, 50, 100, 150):
    slopes_here = f"cross-entropy {slope_cross_entropy[i]:8.5f}, squared error {slope_squared[i]:8.5f}"
    print(f"m = {m[i]:3g}: p = {right[i]:.5f}, slopes: {slopes_here}")

# %% The picture (skip this cell)
figure = Picture(figsize=(7, 3), layout="constrained")
bars, slopes = figure.subplots(1, 2)
bars.bar(np.arange(len(names)) - 0.2, p, 0.38, color=BLUE, label="p")
bars.bar(np.arange(len(names)) + 0.2, dz, 0.38, color=VERMILION, label="p - y")
bars.axhline(0, color=GREY, lw=0.8)
bars.set_xticks(range(len(names)), names)
bars.legend(frameon=False, fontsize=10, loc="lower left")
dress(bars, "Right class: dog", "", "")
slopes.plot(m, slope_cross_entropy, color=BLUE)
slopes.plot(m, slope_squared, "--", color=VERMILION)
slopes.text(-1.6, -0.97, "cross-entropy", color=BLUE)
slopes.text(0.9, -0.6, "squared error", color=VERMILION)
dress(slopes, "Sure and wrong: m < 0", "score of the right class, m", "slope of the loss")
lesson.show(figure, "p_minus_y")

# %% [markdown]
"""
**The real thing.** tinydl/losses/softmax_cross_entropy.py. The loss of a batch is the mean over its rows, so the
gradient is (p - y) / n. The layers below it never divide by n.
"""

# %%
loss = SoftmaxCrossEntropy()
print(f"tinydl: L = {loss.forward(z[None, :], np.array([c])):.4f}, dz = {loss.backward()[0]}")

# %% [markdown]
"""
**Exercise.** `examples/lessons/exercises/06_softmax_and_cross_entropy.py`: the loss of a batch, and its gradient.

**Next.** Lesson 7: which weights to begin with.
"""
