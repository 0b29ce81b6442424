# %% [markdown]
"""
# Lesson 8: optimizers in a valley

    python examples/lessons/08_optimizers_in_a_valley.py

Learning goes downhill on the loss, against the gradient, which points up the steepest slope. Losses often have long,
narrow valleys, with steep walls and a floor that falls gently.

**Question.** In a valley, the steepest way down leads to the opposite wall. How do optimizers get along the floor?
"""

# %%
import numpy as np
from lesson import Lesson
from matplotlib.animation import FuncAnimation
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from tinydl.optimizers import Adam
from tinydl.plots.style import BLUE, GREEN, PURPLE, VERMILION, panel

lesson = Lesson("08_optimizers_in_a_valley")

# %% [markdown]
"""
## The valley

    f(p) = (p[0]^2 + k p[1]^2) / 2          gradient g: p[0] along the floor, k p[1] across it

The lowest point is (0, 0). The larger k, the narrower the valley. A step of plain gradient descent (called SGD) with
learning rate r multiplies each coordinate by a factor of its own:

    p <- p - r g:          p[0] <- (1 - r) p[0]          p[1] <- (1 - r k) p[1]
"""


# %%
k, start, steps = 100.0, np.array([-10.0, 1.0]), 30
for rate in (0.005, 0.019, 0.021):
    factors = np.array([1 - rate, 1 - rate * k])
    across = " ".join(f"{value:5.2f}" for value in start[1] * factors[1] ** np.arange(6))
    print(f"r = {rate}   across: {across} ...   p after {steps} steps: {np.round(start * factors**steps, 2)}")

# %% [markdown]
"""
The walls set a limit: if r is larger than 2 / k, the factor 1 - r k is below -1, and each step ends farther up the
opposite wall. Below this limit, the factor along the floor, 1 - r, is near 1: every step is tiny.

## Three remedies

    momentum   v <- 0.9 v + g                           Steps across the valley alternate and cancel. Steps along
               p <- p - r v                             the floor add up, to 1 + 0.9 + 0.9^2 + ... = 10 times one.
    RMSprop    v <- 0.9 v + 0.1 g^2                     Each coordinate is divided by the usual size of its own
               p <- p - r g / sqrt(v)                   gradients, so the steep one no longer sets the limit.
    Adam       m <- 0.9 m + 0.1 g                       Both at once. m^ and v^ are m and v, corrected for having
               v <- 0.999 v + 0.001 g^2                 started at 0.
               p <- p - r m^ / sqrt(v^)
"""


# %%
def path_of(name: str, rate: float, k: float, start: NDArray, steps: int) -> NDArray:
    """The places p before and after each step."""
    p, v, adam, path = start.copy(), np.zeros(2), Adam(rate), [start]
    for _ in range(steps):
        g = np.array([p[0], k * p[1]])
        if name == "SGD":
            p -= rate * g
        elif name == "momentum":
            v = 0.9 * v + g
            p -= rate * v
        elif name == "RMSprop":
            v = 0.9 * v + 0.1 * g**2
            p -= rate * g / np.sqrt(v)
        else:
            adam.step(p, g)  # from tinydl: to write Adam is this lesson's exercise
        path.append(p.copy())
    return np.array(path)  # (steps + 1, 2)


# %% [markdown]
"""
## A race

How many steps does it take until f stays below 1% of its first value? Each optimizer has the best of 17 learning rates.
"""


# %%
def best(name: str, k: float) -> tuple[int, float]:
    """The fewest steps, and the learning rate that needs no more."""
    results = []
    for rate in 2 ** (np.arange(-16, 1) / 2):
        path = path_of(name, rate, k, np.array([-10, 10 / np.sqrt(k)]), 400)
        f = path[:, 0] ** 2 + k * path[:, 1] ** 2
        results.append((int(np.flatnonzero(~(f < 0.01 * f[0]))[-1]) + 1, float(rate)))  # NaN counts as above
    return min(results)


widths = (1.0, 10, 30, 100)
with np.errstate(all="ignore"):  # too large a learning rate leads to infinity
    found = {name: [best(name, k) for k in widths] for name in ("SGD", "momentum", "RMSprop", "Adam")}
print(f"{'k':>10}{''.join(f'{k:>7g}' for k in widths)}")
for name, bests in found.items():
    print(f"{name:>10}{''.join(f'{steps:>7}' for steps, _ in bests)}")

# %% [markdown]
"""
In a round bowl (k = 1), plain gradient descent is the best: the gradient points away from the lowest point. But its
number of steps grows in proportion to k. That of the others grows far less. Here are the paths in the narrowest valley:
"""

# %% The picture (skip this cell)
figure, ax = panel(width=7, height=3.2)
x, y = np.linspace(-11.5, 4, 200), np.linspace(-1.4, 1.4, 120)
f = x**2 + k * y[:, None] ** 2
ax.contour(x, y, f, levels=f.max() * np.linspace(0.03, 1, 9) ** 2, colors="#bbbbbb", linewidths=0.7)
ax.plot(0, 0, "k+", markersize=12)
styles = ((VERMILION, ":"), (BLUE, "-"), (GREEN, "--"), (PURPLE, "-."))
paths, lines = [], []
for (name, bests), (colour, style) in zip(found.items(), styles, strict=True):
    paths.append(path_of(name, bests[-1][1], k, start, 60))
    label = f"{name}, r = {bests[-1][1]:.2g}"
    lines += ax.plot([], [], style, marker="o", markevery=[-1], color=colour, lw=1.8, label=label)
ax.set(xlabel="p[0], along the floor", ylabel="p[1], across", xlim=(-11.5, 4), ylim=(-1.4, 1.4))
ax.legend(loc="lower right", fontsize=9, framealpha=0.9)


def draw(step: int) -> list[Line2D]:
    for line, path in zip(lines, paths, strict=True):
        line.set_data(*path[: step + 1].T)
    ax.set_title(f"after {step} steps", fontsize=12)
    return lines


draw(20)
lesson.show(figure, "valley")
lesson.play(FuncAnimation(figure, draw, frames=range(0, 61, 2), interval=200), "valley")

# %% [markdown]
"""
## The real thing

tinydl/optimizers.py. Optimizers know no layers: a model passes them all parameters as one long vector.

**Exercise.** examples/lessons/exercises/08_optimizers_in_a_valley.py: Adam. Fill in the gaps and run the file.

**Next.** Lesson 9: layers that look at images begin with convolution.
"""
