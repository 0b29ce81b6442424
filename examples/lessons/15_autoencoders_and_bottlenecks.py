# %% [markdown]
"""
# Lesson 15: autoencoders and bottlenecks

    python examples/lessons/15_autoencoders_and_bottlenecks.py

An autoencoder is a network whose right answer is its own input. In the middle it has a narrow layer, the code:

    encoder   h = x W          the code, fewer numbers than x
    decoder   y = h V          as many numbers as x
    loss      L = mean over the rows of |y - x|^2

**Question.** The network cannot copy x through the narrow code. What survives?
"""

# %%
import numpy as np
from lesson import Lesson

from tinydl import Model
from tinydl.datasets import digits
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam
from tinydl.plots import BLUE, VERMILION, Picture
from tinydl.plots.style import dress

lesson = Lesson("15_autoencoders_and_bottlenecks")

# %% [markdown]
"""
## Two numbers become one

Let W and V both be the direction (0.6, 0.8), which has length 1. The code is the position along this direction, and y
is the point at this position. What lies across the direction is lost.
"""

# %%
W, V = np.array([[0.6], [0.8]]), np.array([[0.6, 0.8]])
for point in np.array([[3.0, 4], [4, 3], [4, -3]]):
    h = point @ W
    y = h @ V
    across = (y - point) @ (y - point)
    print(f"x = {point}   code {np.round(h, 2) + 0}   y = {np.round(y, 2) + 0}   |y - x|^2 = {across:.2f}")

# %% [markdown]
"""
## Learning the direction

The network finds a good direction itself, by the two backward passes of lesson 3, with dy = 2/n (y - x):

    dV = h.T dy      dh = dy V.T      dW = x.T dh

The points below lie near a line. After training, decoder and encoder follow this line. Statistics calls the direction
in which a cloud of points is longest the first principal component and computes it without any training: for linear
layers, it is the best answer.
"""

# %%
rng = np.random.default_rng(0)
x = np.outer(rng.standard_normal(100), [1.0, 2]) + 0.3 * rng.standard_normal((100, 2))
W, V = np.array([[0.5], [0.0]]), np.array([[0.5, 0.0]])
component = np.linalg.svd(x)[2][0]
for step in range(201):
    h = x @ W
    y = h @ V
    if step in (0, 10, 50, 200):
        angle = np.degrees(np.arccos(min(abs(V[0] @ component) / np.linalg.norm(V), 1)))
        print(f"step {step:3}: loss {((y - x) ** 2).sum(axis=1).mean():.3f}, decoder {angle:4.1f} degrees off")
    dy = 2 / len(x) * (y - x)
    dV = h.T @ dy
    dh = dy @ V.T
    dW = x.T @ dh
    W, V = W - 0.02 * dW, V - 0.02 * dV
best = x - np.outer(x @ component, component)
print(f"first principal component: loss {(best**2).sum(axis=1).mean():.3f}\n")

# %% [markdown]
"""
## Images

The images of handwritten digits have 64 pixels. k principal components are the best linear code of k numbers. Layers
with relu on both sides of the code can bend the line, or the plane, through the images. The table shows the part of the
variance of new images that is lost, the picture what survives. One number already tells several digits apart, blurred
and sometimes confused. More numbers bring back slant and stroke.
"""

# %%
parts = [part.take(np.arange(len(part)))[0].reshape(len(part), 64) for part in digits.load()]
mean = parts[0].mean(axis=0)
train, test = parts[0] - mean, parts[1] - mean
components = np.linalg.svd(train, full_matrices=False)[2]
widths = (1, 2, 4, 8)
lines, bent, rows = [], [], [test]
for k in widths:
    encoder = [Dense(128, "relu"), Dense(64, "relu"), Dense(k)]
    model = Model([*encoder, Dense(64, "relu"), Dense(128, "relu"), Dense(64)], 64, seed=0)
    model.compile(Adam(2e-3), MeanSquaredError())
    model.fit(train, train, epochs=60, batch_size=32, verbose=0)
    rows.append(model.predict(test))
    lines.append(((test - test @ components[:k].T @ components[:k]) ** 2).sum() / (test**2).sum())
    bent.append(((test - rows[-1]) ** 2).sum() / (test**2).sum())
    print(f"{test.shape[1]} pixels, code of {k}: linear loses {lines[-1]:.0%}, with relu layers {bent[-1]:.0%}")

# %% The picture (skip this cell)
figure = Picture(figsize=(7, 3.4), layout="constrained")
left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
shown = [int(np.flatnonzero(digits.load().test.labels == digit)[0]) for digit in range(8)]
tiles = np.block([[np.pad((row[i] + mean).reshape(8, 8), 1, constant_values=0.5) for i in shown] for row in rows])
left.imshow(tiles, "gray_r", vmin=0, vmax=1)
left.set_yticks(10 * np.arange(len(rows)) + 4.5, ["images", *(f"code of {k}" for k in widths)])
left.set_xticks([])
left.tick_params(length=0)
left.set_title("New images, and what survives", fontsize=12)
right.plot(widths, lines, "s--", color=VERMILION, label="linear")
right.plot(widths, bent, "o-", color=BLUE, label="with relu layers")
right.legend(frameon=False, fontsize=9)
dress(right, "Lost", "numbers in the code", "part of the variance")
right.set(xticks=widths, ylim=(0, 1))
lesson.show(figure, "bottleneck")

# %% [markdown]
"""
## What is unusual does not survive

The network has learned the shapes of digits, not of images in general: other patterns do not fit through its code. This
is how autoencoders find unusual rows, such as fraud: by a large error.

A wide code spoils this. If it has a unit for each x_j, and c is larger than every |x_j|, relu(x_j + c) - c = x_j: the
network can copy every row, usual or not. Width is one way to forbid copying; lesson 16 shows another.
"""

# %%
shuffled = rng.permuted(parts[1], axis=1) - mean  # the same gray values in other places
for name, rows_of in (("digits", test), ("shuffled digits", shuffled)):
    print(f"error for {name:15}: {((model.predict(rows_of) - rows_of) ** 2).mean():.3f}")

# %% [markdown]
"""
## The real thing

tinydl/models/autoencoders.py has six autoencoders. docs/fraud.md compares them on payments by credit card.

**Exercise.** examples/lessons/exercises/15_autoencoders_and_bottlenecks.py: an autoencoder whose decoder is the
transpose of its encoder, so that one W is used twice. Fill in the gaps and run the file; it checks your gradients.

**Next.** Lesson 16: a code that may be wide, but must not change when the input changes a little.
"""
