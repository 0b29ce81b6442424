# %% [markdown]
"""
# Lesson 4: why gradients add

    python examples/lessons/04_why_gradients_add.py

**Question.** Along a chain, derivatives are multiplied. What if there are two roads from a number to the loss,
because it is used in two places?

Here a neuron with weight w and bias b works twice: its first answer is its second input.

    h = w x + b
    y = w h + b

With w = 2, b = 1 and x = 3 this gives h = 7 and y = 15. A nudge of w changes y in two ways: in the second line, w is
multiplied by h, and in the first line, it changes h, which then changes y. This is the rule of this lesson:

    A number that is used in several places gets a gradient from each. Its own gradient is the sum.

Here school can check it: y = w (w x + b) + b = w^2 x + w b + b, with derivative 2 w x + b.
"""

# %%
import numpy as np
from lesson import Lesson

from tinydl.layers import Dense, Residual
from tinydl.plots.style import BLUE, VERMILION, Picture

lesson = Lesson("04_why_gradients_add")


def answer(w: float) -> float:
    return w * (w * x + b) + b


w, b, x = 2.0, 1.0, 3.0
h = w * x + b
y = w * h + b
dy = 1.0
dw_second, db_second, dh = dy * h, dy, dy * w  # back through y = w h + b
dw_first, db_first, dx = dh * x, dh, dh * w  # back through h = w x + b
dw, db = dw_second + dw_first, db_second + db_first

print(f"forward: h = {h:g}, y = {y:g}")
print(f"dw = {dw_first:g} (from the first line) + {dw_second:g} (from the second) = {dw:g}")
print(f"dw by the rule of school: 2 w x + b = {2 * w * x + b:g}")
print(f"dw measured by nudging: {(answer(w + 1e-6) - answer(w - 1e-6)) / 2e-6:g}")
print(f"db = {db_first:g} + {db_second:g} = {db:g}")

# %% [markdown]
"""
The picture has the values of forward in blue and the gradients of backward in orange. Where the blue arrows fork, the
orange ones meet, and their gradients are added. (b has two such roads, too, which are not drawn.)
"""

# %% The picture (skip this cell)
figure = Picture(figsize=(7, 2.5), layout="constrained")
ax = figure.subplots()
ax.set(xlim=(-1, 9), ylim=(-0.9, 2.4))
ax.axis("off")


def arrow(start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": color, "lw": 1.5})


def values(place: float, height: float, forward: str, backward: str) -> None:
    ax.text(place, height + 0.3, forward, color=BLUE, ha="center", fontsize=11)
    ax.text(place, height - 0.55, backward, color=VERMILION, ha="center", fontsize=11)


for place, share in ((2, dw_first), (6, dw_second)):
    ax.text(place, 0, "times w,\nplus b", ha="center", va="center", bbox={"boxstyle": "round,pad=0.5", "fc": "white"})
    toward = 1 if place < 4 else -1  # the side of the box on which w stands
    arrow((4 - 0.9 * toward, 1.75), (place + 0.2 * toward, 0.45), BLUE)
    arrow((place - 0.1 * toward, 0.45), (4 - 1.3 * toward, 1.85), VERMILION)
    ax.text(place + 0.1 * toward, 1.2, f"{share:g}", color=VERMILION, ha="center", fontsize=11)
for place in (0, 4, 8):
    arrow((place - 0.8, 0.12), (place + 0.8, 0.12), BLUE)
    arrow((place + 0.8, -0.12), (place - 0.8, -0.12), VERMILION)
values(0, 0, f"x = {x:g}", f"dx = {dx:g}")
values(4, 0, f"h = {h:g}", f"dh = {dh:g}")
values(8, 0, f"y = {y:g}", f"dy = {dy:g}")
values(4, 1.9, f"w = {w:g}", f"dw = {dw_first:g} + {dw_second:g} = {dw:g}")
lesson.show(figure, "two_roads")

# %% [markdown]
"""
## The same rule in four places

- **A batch.** All rows of x use the same W, so dW is a sum over the rows: the sum inside `x.T @ dy` of lesson 3.
- **Several units.** Each unit uses the same input, so dx is a sum over the units: the sum inside `dy @ W.T`.
- **A shortcut.** In y = x + f(x), x has a road through f and one around it: dx is dy plus what f's backward returns.
- **A shared layer.** A layer that is used twice gets two calls of backward. So a layer *adds* to its gradients, with
  `+=`, and they are set to zero before each step. With `=`, the second call would erase what the first one found.

Here are the last two in tinydl: a shortcut, and one Dense layer that is used twice.
"""

# %%
f = Dense(2)
shortcut = Residual([f])  # y = x + f(x)
shortcut.build((2,), np.random.default_rng(0), "float64")
f.params["W"][...] = [[1.0, 0.0], [2.0, -1.0]]
shortcut.forward(np.array([[1.0, -2.0]]), training=True)
row = np.array([[1.0, 3.0]])  # this is dy
through = row @ f.params["W"].T
print(f"by hand:  dx = {row[0]} + {through[0]} = {(row + through)[0]}")
print(f"Residual: dx = {shortcut.backward(row)[0]}")

layer = Dense(1)
layer.build((1,), np.random.default_rng(0), "float64")
layer.params["W"][...], layer.params["b"][...] = w, b
for line, value, gradient in (("second", h, dy), ("first", x, dh)):
    layer.forward(np.array([[value]]), training=True)  # again, as the layer remembers only its last x
    layer.backward(np.array([[gradient]]))
    print(f"after backward through the {line} line: dW = {layer.grads['W'][0, 0]:g}, db = {layer.grads['b'][0]:g}")
layer.zero_grad()
print(f"after zero_grad: dW = {layer.grads['W'][0, 0]:g}, db = {layer.grads['b'][0]:g}")

# %% [markdown]
"""
**The real thing.** tinydl/layers/residual.py has the shortcut, tinydl/layers/branches.py has several roads side by
side, and tinydl/layers/sharing.py one layer in several places.

**Exercise.** `examples/lessons/exercises/04_why_gradients_add.py`: one matrix of weights, used twice.

**Next.** Lesson 5: numbers at which there is no derivative.
"""
