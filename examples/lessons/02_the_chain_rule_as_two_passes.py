# %% [markdown]
"""
# Lesson 2: the chain rule as two passes

    python examples/lessons/02_the_chain_rule_as_two_passes.py

**Question.** In a network, one neuron's answer is the next one's input. How does the first neuron, far from the loss,
find out how to change? And why is that cheap, even for millions of weights?

Here are two neurons in a row, each with one input. The first ends in the sigmoid, 1 / (1 + exp(-a)), a number between
0 and 1. Each line below is a *link* of a chain: it uses only the result of the line before it.

    a = w1 x + b1
    h = sigmoid(a)
    y = w2 h + b2
    L = (y - t)^2

The chain rule says: if a nudge of x changes a by the factor 2, and a nudge of a changes h by the factor 3, then a
nudge of x changes h by the factor 6. Derivatives along a chain are multiplied.

So each link only has to know its own derivative. In the code below, x is always the input of a link and y its result.
`forward` computes y and stores what `backward` will need. `backward` takes dy and returns dx.
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
        self.dw = dy * self.x
        self.db = dy
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
with 1: a nudge of L changes L by the factor 1. These two loops are all of backpropagation.
"""

# %%
chain: list[Affine | Sigmoid | SquaredError] = [Affine(0.5, -1.0), Sigmoid(), Affine(3.0, 1.0), SquaredError(2.0)]
values = [2.0]  # the input x
for link in chain:
    values.append(link.forward(values[-1]))
gradients = [1.0]  # the gradient of L
for link in reversed(chain):
    gradients.insert(0, link.backward(gradients[0]))

for name, value, gradient in zip("xahyL", values, gradients, strict=True):
    print(f"{name} = {value:<6g} d{name} = {gradient:g}")
for link in chain:
    if isinstance(link, Affine):
        print(f"the link with w = {link.w:g}: dw = {link.dw:g}, db = {link.db:g}")

# %% [markdown]
"""
Check one by hand: the road from w1 to L passes through every link, so dw1 is a product of four factors,

    dw1 = 2 (y - t)  *  w2  *  h (1 - h)  *  x

The picture has the values of forward above the links, and the gradients below.
"""

# %%
x, t, w2, h, y = 2.0, 2.0, 3.0, values[2], values[3]
print(f"dw1 = {2 * (y - t):g} * {w2:g} * {h * (1 - h):g} * {x:g} = {2 * (y - t) * w2 * h * (1 - h) * x:g}")

figure = Picture(figsize=(7, 2), layout="constrained")
ax = figure.subplots()
ax.set(xlim=(-0.6, 8.6), ylim=(-1.3, 0.9))
ax.axis("off")
for i, link in enumerate(chain):
    label, below = "sigmoid" if isinstance(link, Sigmoid) else "(y - t)²", ""
    if isinstance(link, Affine):
        label, below = f"w = {link.w:g}\nb = {link.b:g}", f"dw = {link.dw:g}\ndb = {link.db:g}"
    ax.text(2 * i + 1, 0, label, ha="center", va="center", bbox={"boxstyle": "round,pad=0.5", "fc": "white"})
    ax.text(2 * i + 1, -1.25, below, color=VERMILION, ha="center", fontsize=9)
for i, name in enumerate("xahyL"):
    ax.annotate("", (2 * i + 0.4, 0.3), (2 * i - 0.4, 0.3), arrowprops={"arrowstyle": "->", "color": BLUE})
    ax.annotate("", (2 * i - 0.4, -0.3), (2 * i + 0.4, -0.3), arrowprops={"arrowstyle": "->", "color": VERMILION})
    ax.text(2 * i, 0.5, f"{name} = {values[i]:g}", color=BLUE, ha="center", fontsize=10)
    ax.text(2 * i, -0.8, f"d{name} = {gradients[i]:g}", color=VERMILION, ha="center", fontsize=10)
lesson.show(figure, "two_passes")

# %% [markdown]
"""
## Why backward is cheap

The products for different weights share their first factors. Backward computes each shared product once and hands it
on. Nudging computes everything anew, twice for each of the weights and biases:
"""

# %%
print("links   parameters   links computed by nudging   by forward and backward")
for pairs in (1, 10, 1000):
    links, parameters = 2 * pairs, 2 * pairs  # each pair is an Affine and a Sigmoid; an Affine has w and b
    print(f"{links:5}   {parameters:10}   {2 * parameters * links:25,}   {2 * links:23,}")

# %% [markdown]
"""
**The real thing.** `Sequential`, in tinydl/layers/containers.py, has these two loops. Its links are layers, their
values are arrays, and each array has a gradient of the same shape.

**Exercise.** `examples/lessons/exercises/02_the_chain_rule_as_two_passes.py`: another link, and the loop backward.

**Next.** Lesson 3: a layer of many neurons, where the products become matrix products.
"""
