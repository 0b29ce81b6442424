# %% [markdown]
"""
# Lesson 2: the chain rule as two passes

    python examples/lessons/02_the_chain_rule_as_two_passes.py

**Question.** In a network, one neuron's answer is the next one's input. How does the first neuron, far from the loss,
find out how to change? And why is that cheap, even for millions of weights?

Here are two neurons in a row, each with one input. The first ends in the sigmoid, 1 / (1 + exp(-a)), a number between
0 and 1. Each line below is a *link* of a chain: it uses only the result of the line before it.

    a = w1 s + b1          s is the input
    h = sigmoid(a)
    p = w2 h + b2          p is the answer; the right one is t
    L = (p - t)^2

The chain rule says: if a changes by 2 times the nudge of s, and h changes by 3 times the nudge of a, then h changes by
6 times the nudge of s. Derivatives along a chain are multiplied.

So each link only has to know its own derivative. In the code of a link, x is its input and y its result. `forward`
computes y and stores what `backward` will need. `backward` takes dy and returns dx.
"""

# %%
import numpy as np
from lesson import Lesson

from tinydl.plots.style import BLUE, VERMILION, Picture

lesson = Lesson("02_the_chain_rule_as_two_passes")


class Affine:
    """y = w x + b."""

    def __init__(self, w: float, b: float) -> None:
        self.w, self.b = w, b

    def forward(self, x: float) -> float:
        self.x = x
        return self.w * x + self.b

    def backward(self, dy: float) -> float:
        self.dw, self.db = dy * self.x, dy
        return dy * self.w


class Sigmoid:
    """y = 1 / (1 + exp(-x)), whose derivative is y (1 - y)."""

    def forward(self, x: float) -> float:
        self.y = 1 / (1 + float(np.exp(-x)))
        return self.y

    def backward(self, dy: float) -> float:
        return dy * self.y * (1 - self.y)


class SquaredError:
    """y = (x - t)^2, the loss."""

    def __init__(self, t: float) -> None:
        self.t = t

    def forward(self, x: float) -> float:
        self.x = x
        return (x - self.t) ** 2

    def backward(self, dy: float) -> float:
        return dy * 2 * (self.x - self.t)


# %% [markdown]
"""
## Two loops

Forward goes through the chain from the first link to the last. Backward goes from the last to the first, and begins
with 1: L changes by 1 times the nudge of L. These two loops are all of backpropagation.
"""

# %%
chain: list[Affine | Sigmoid | SquaredError] = [Affine(0.5, -1.0), Sigmoid(), Affine(3.0, 1.0), SquaredError(2.0)]
values = [2.0]  # the input s
for link in chain:
    values.append(link.forward(values[-1]))
gradients = [1.0]  # the gradient of L
for link in reversed(chain):
    gradients.insert(0, link.backward(gradients[0]))

for name, value, gradient in zip("sahpL", values, gradients, strict=True):
    print(f"{name} = {value:<6g} d{name} = {gradient:g}")
for link in chain:
    if isinstance(link, Affine):
        print(f"the link with w = {link.w:g}: dw = {link.dw:g}, db = {link.db:g}")

# %% [markdown]
"""
Check two by hand: the road from w2 to L passes through two links, the road from w1 through all four.

    dw2 = 2 (p - t)  *  h
    dw1 = 2 (p - t)  *  w2  *  h (1 - h)  *  s

The picture has the values of forward above the links, and the gradients below.
"""

# %%
s, t, w2, h, p = 2.0, 2.0, 3.0, values[2], values[3]
print(f"dw2 = {2 * (p - t):g} * {h:g} = {2 * (p - t) * h:g}")
print(f"dw1 = {2 * (p - t):g} * {w2:g} * {h * (1 - h):g} * {s:g} = {2 * (p - t) * w2 * h * (1 - h) * s:g}")

# %% The picture (skip this cell)
figure = Picture(figsize=(7, 2), layout="constrained")
ax = figure.add_subplot(xlim=(-0.6, 8.6), ylim=(-1.3, 0.9))
ax.axis("off")
for i, link in enumerate(chain):
    label, below = "sigmoid" if i == 1 else f"(p - t)²\nt = {t:g}", ""
    if isinstance(link, Affine):
        label, below = f"w = {link.w:g}\nb = {link.b:g}", f"dw = {link.dw:g}\ndb = {link.db:g}"
    ax.text(2 * i + 1, 0, label, ha="center", va="center", bbox={"boxstyle": "round,pad=0.5", "fc": "white"})
    ax.text(2 * i + 1, -1.25, below, color=VERMILION, ha="center", fontsize=9)
for i, name in enumerate("sahpL"):
    ax.annotate("", (2 * i + 0.4, 0.3), (2 * i - 0.4, 0.3), arrowprops={"arrowstyle": "->", "color": BLUE})
    ax.annotate("", (2 * i - 0.4, -0.3), (2 * i + 0.4, -0.3), arrowprops={"arrowstyle": "->", "color": VERMILION})
    ax.text(2 * i, 0.5, f"{name} = {values[i]:g}", color=BLUE, ha="center", fontsize=10)
    ax.text(2 * i, -0.8, f"d{name} = {gradients[i]:g}", color=VERMILION, ha="center", fontsize=10)
lesson.show(figure, "two_passes")

# %% [markdown]
"""
## Why backward is cheap

The products for different weights share their first factors, as 2 (p - t) above. Backward computes each shared product
once and hands it on. Nudging computes everything anew, twice for each of the weights and biases:
"""

# %%
print("links   parameters   links computed by nudging   by forward and backward")
for links in (2, 20, 2000):  # every second one is an Affine, with two parameters, so there are as many of them
    print(f"{links:5}   {links:10}   {2 * links * links:25,}   {2 * links:23,}")

# %% [markdown]
"""
**The real thing.** `Sequential`, in tinydl/layers/containers.py, has these two loops. Its links are layers, their
values are arrays, and each array has a gradient of the same shape.

**Exercise.** `examples/lessons/exercises/02_the_chain_rule_as_two_passes.py`: another link, and the loop backward.

**Next.** Lesson 3: a layer of many neurons, where the products become matrix products.
"""
