# %% [markdown]
"""
# Lesson 13: dropout

    python examples/lessons/13_dropout.py

Dropout switches off units at random while a network learns: in every step, each output of a layer is set to 0 with
probability `rate`. For predictions, all units are on.

**Question.** The next layer has learned from outputs many of which were missing. Why are its results still right when
none are missing? And what does the backward pass have to remember?
"""

# %%
import numpy as np
from lesson import Lesson
from numpy.typing import NDArray

from tinydl import Model
from tinydl.datasets import digits
from tinydl.gradcheck import numerical_gradient
from tinydl.layers import Dense, Dropout
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam
from tinydl.plots import BLUE, VERMILION, Picture

lesson = Lesson("13_dropout")

# %% [markdown]
"""
## Forward: a mask, and a scale

    mask_i = 0 with probability rate, else 1 / (1 - rate)          y = x mask

The scale makes up for the units that are off. On average, mask_i is rate * 0 + (1 - rate) * 1 / (1 - rate) = 1, so on
average y is x, and each sum that the next layer computes is right on average. So predictions can do without a mask.
"""


# %%
def draw_mask(shape: tuple[int, ...], rate: float, rng: np.random.Generator) -> NDArray:
    keep = rng.random(shape) >= rate
    return keep / (1 - rate)


rate, rng = 0.5, np.random.default_rng(2)
x = np.array([1.0, 2, 3, 4, 5, 6])
w = np.array([0.5, -1, 1, 0.5, -1, 1])  # the weights of one unit in the next layer
for _ in range(3):
    mask = draw_mask(x.shape, rate, rng)
    print(f"x mask = {x * mask}   next layer's sum {x * mask @ w:5.2f}")

sums = (x * draw_mask((200_000, 6), rate, rng)) @ w
print(f"\nwith all units on: {x @ w:.2f}")
print(f"mean over {len(sums):,} masks: {sums.mean():.2f}; without the scale: {(sums * (1 - rate)).mean():.2f}")

# %% [markdown]
"""
## Backward: the same mask

Within one step the mask is a constant that multiplies x, so

    dx = dy mask

with the mask of the forward pass, which therefore has to be kept. A unit that was off did not change the loss, so its
gradient is 0. A new mask would give the gradient of a network that has never run.
"""

# %%
mask, dy = draw_mask(x.shape, rate, rng), np.array([1.0, -1, 2, 1, 3, -2])
measured = numerical_gradient(lambda x: x * mask, x, dy)  # moves each x a little, under the same mask
another = draw_mask(x.shape, rate, rng)  # the mistake: a second draw
print(f"measured           {np.round(measured, 6) + 0}")
print(f"dy mask            {dy * mask + 0}")
print(f"dy another mask    {dy * another + 0}")

layer, ones = Dropout(rate), np.ones((1, 6))
layer.build((6,), np.random.default_rng(0), "float64")
print(f"\nDropout in training:   y = {layer.forward(ones, training=True)[0]}, dx = {layer.backward(ones)[0]}")
print(f"Dropout in inference:  y = {layer.forward(ones, training=False)[0]}, dx = {layer.backward(ones)[0]}")

# %% [markdown]
"""
## What dropout is good for

A large network can memorize its training data: its units learn combinations that occur in these rows and nowhere else.
If any unit may be missing, each unit has to be useful by itself.

To see this, we train on few images of digits, some of which have a random label. Such a label can only be memorized.
The errors are counted on new images with right labels, once without dropout (rate 0) and once with it.
"""

# %%
train, test = digits.load()
images, new_images = (part.x.reshape(-1, 64).astype(np.float32) / 255 for part in (train, test))
right_labels = np.asarray(train.y)


def train_one(rate: float, noise: float, seed: int) -> tuple[NDArray, float]:
    """The error on new images after each epoch, and the share of the training labels that are learned in the end."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(images))[:500]
    labels = np.where(rng.random(500) < noise, rng.integers(0, 10, 500), right_labels[rows])
    hidden = [Dense(256, "relu"), Dropout(rate), Dense(256, "relu"), Dropout(rate)]
    model = Model([*hidden, Dense(10)], 64, seed=seed)
    model.compile(Adam(2e-3), SoftmaxCrossEntropy(), metrics=["accuracy"])
    run = model.fit(images[rows], labels, epochs=40, batch_size=50, validation_data=(new_images, test.y), verbose=0)
    learned = model.predict(images[rows], verbose=0).argmax(axis=1) == labels
    return 1 - np.array(run.history["val_accuracy"]), float(learned.mean())


curves = {}
print(f"{'random labels':>14}{'rate':>6}{'errors on new images':>22}{'training labels learned':>25}")
for noise in (0.0, 0.3):
    for rate in (0.0, 0.5):
        errors, learned = zip(*(train_one(rate, noise, seed) for seed in range(3)), strict=True)
        curves[noise, rate] = np.array(errors)
        print(f"{noise:>14.0%}{rate:>6}{curves[noise, rate][:, -1].mean():>22.1%}{np.mean(learned):>25.1%}")
    without, dropout = (curves[noise, rate][:, -1] for rate in (0.0, 0.5))
    verdict = "fewer" if dropout.max() < without.min() else "more" if dropout.min() > without.max() else "about as many"
    print(f"{'':>14}dropout makes {verdict} errors\n")

# %% The picture (skip this cell)
figure = Picture(figsize=(7, 2.8), layout="constrained")
for ax, noise in zip(figure.subplots(1, 2, sharey=True), (0.0, 0.3), strict=True):
    for rate, colour, style in ((0.0, VERMILION, "--"), (0.5, BLUE, "-")):
        errors = curves[noise, rate]
        epochs = np.arange(1, errors.shape[1] + 1)
        ax.plot(epochs, errors.mean(axis=0), style, color=colour, label=f"dropout {rate:g}" if rate else "no dropout")
        ax.fill_between(epochs, errors.min(axis=0), errors.max(axis=0), color=colour, alpha=0.15, lw=0)
    ax.set(title=f"{noise:.0%} random labels" if noise else "right labels", xlabel="epoch", ylim=(0, 0.5))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
figure.axes[0].set_ylabel("errors on new images")
figure.axes[0].legend(frameon=False)
lesson.show(figure, "errors")

# %% [markdown]
"""
Dropout helps where a network would memorize; in the first epochs, learning is slower with it.

## The real thing

`Dropout` in tinydl/layers/noise.py.

**Exercise.** examples/lessons/exercises/13_dropout.py: dropout that switches off whole channels of an image. Fill in
the gaps and run the file; it checks your masks and your gradient.

**Next.** Lesson 14: networks so deep that they learn only with shortcuts.
"""
