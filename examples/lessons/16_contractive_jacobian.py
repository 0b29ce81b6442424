# %% [markdown]
"""
# Lesson 16: the contractive Jacobian

    python examples/lessons/16_contractive_jacobian.py

An autoencoder with a wide code can copy its input (lesson 15). A contractive autoencoder pays for every direction in
which its code moves when the input moves: a penalty on the derivative of the code. To learn, it needs the derivative
of this penalty.

**Question.** How does one differentiate a derivative?
"""

# %%
import numpy as np
from lesson import Lesson
from numpy.typing import NDArray

from tinydl import Model
from tinydl.gradcheck import numerical_gradient
from tinydl.layers import ContractivePenalty, Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam
from tinydl.plots import BLUE, GREY, Picture
from tinydl.regularizers import L2

lesson = Lesson("16_contractive_jacobian")

# %% [markdown]
"""
## The Jacobian of one unit

A unit of the code sees the inputs through its weights, and a sigmoid keeps it between 0 and 1:

    a = x w + b      h = sigmoid(a)      d = dh/da = h (1 - h)

The derivatives of h with respect to all inputs are the row dh/dx_i = d w_i. With one row for each unit it is called the
Jacobian J. The penalty is the sum of its squares, here

    P = |J|^2 = sum_i (d w_i)^2 = d^2 s          with s = sum_i w_i^2
"""


# %%
def sigmoid(a: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-a))


def penalty(w: NDArray, x: NDArray, b: NDArray) -> NDArray:
    h = sigmoid(x @ w + b)
    return (h * (1 - h)) ** 2 * (w @ w)


x, w, b = np.array([1.0, -1.0]), np.array([2.0, 1.0]), np.array(0.0)
h = sigmoid(x @ w + b)
d, s = h * (1 - h), w @ w
measured = numerical_gradient(lambda x: sigmoid(x @ w + b), x)  # moves each input a little
print(f"J = d w = {np.round(d * w, 4)}, measured {np.round(measured, 4)}; P = |J|^2 = {d**2 * s:.4f}\n")

# %% [markdown]
"""
## Two roads from w to the penalty

P = d^2 s contains w twice, in s and in d. The second is easily forgotten, because d looks like a number that backward
has already computed. But d is a function of h, and h of w:

    directly, through s          2 d^2 w
    through d: 2 d s times dd/dh = 1 - 2 h, times dh/da = d, times da/dw = x
                                 2 d s (1 - 2 h) d x

So differentiating a derivative is nothing new: write the derivative as a formula, and apply the chain rule to it.
"""

# %%
direct = 2 * d**2 * w
through_d = 2 * d * s * (1 - 2 * h) * d * x
measured = numerical_gradient(lambda w: penalty(w, x, b), w)
for name, value in (
    ("directly", direct),
    ("through d", through_d),
    ("sum", direct + through_d),
    ("measured", measured),
):
    print(f"dP/dw {name:10} {np.round(value, 4)}")

# %% [markdown]
"""
The roads ask for different things. The direct one makes the weights small, like every penalty on weights. The one
through d pushes a to the flat ends of the sigmoid, where the code does not move whatever the weights are.

## What it is good for

The points below form a long cloud. A code of 40 units is wide enough to copy them. The loss wants the code to follow
every movement of the input; the penalty charges for each. A compromise is to follow the one along the cloud, which is
large, and to ignore the one across. Three networks are trained, and we measure how far the code moves per step of the
input along the cloud, and across it.
"""

# %%
rng = np.random.default_rng(0)
along = np.array([1.0, 2]) / np.sqrt(5)
across = np.array([-along[1], along[0]])
points = np.outer(rng.standard_normal(400), along) + 0.15 * rng.standard_normal((400, 2))
grid = np.stack(np.meshgrid(np.linspace(-1.9, 1.9, 11), np.linspace(-2.5, 2.5, 13)), axis=-1).reshape(-1, 2)


def moves(encoder: Dense, direction: NDArray, step: float = 1e-4) -> float:
    """How far the code moves per step of the input in this direction, on average over the points."""
    moved = encoder.forward(points + step * direction) - encoder.forward(points - step * direction)
    return float(np.linalg.norm(moved, axis=1).mean()) / (2 * step)


figure = Picture(figsize=(7, 3.4), layout="constrained")
for ax, (name, factor, decay) in zip(
    figure.subplots(1, 3, sharey=True),
    (("no penalty", 0, 0), ("penalty", 0.03, 0), ("penalty, small decoder", 0.03, 0.01)),
    strict=True,
):
    encoder = Dense(40, "tanh")
    decoder = Dense(2, kernel_regularizer=L2(decay))
    model = Model([ContractivePenalty(encoder, factor), decoder], 2, seed=0, dtype="float64")
    model.compile(Adam(1e-2), MeanSquaredError())
    model.fit(points, points, epochs=200, batch_size=64, verbose=0)
    print(f"{name:24} the code moves {moves(encoder, along):.3f} along, {moves(encoder, across):.3f} across; "
          f"largest weight of the decoder {np.abs(decoder.params['W']).max():.1f}")  # fmt: skip
    ax.plot(*points.T, ".", color=GREY, markersize=2)
    ax.quiver(*grid.T, *(model.predict(grid) - grid).T, angles="xy", scale_units="xy", scale=1, color=BLUE, width=0.006)
    ax.set(xlim=(-2.2, 2.2), ylim=(-2.8, 2.8), aspect="equal", xticks=[], yticks=[])
    ax.set_title(name, fontsize=11)
lesson.show(figure, "arrows")

# %% [markdown]
"""
Each arrow goes from a point to its reconstruction. Without the penalty, points are copied: short arrows. The second
network cheats: it shrinks the whole code, which makes the Jacobian small, and lets the decoder enlarge it again. In the
third, a penalty on the decoder's weights forbids this. Now the code ignores the movement across, and every point is
drawn to the cloud. A point that is far from where it is drawn to does not belong to the data.

(Tied weights, as in the exercise of lesson 15, forbid the same trick: the decoder is then as small as the encoder.)

## The real thing

`ContractivePenalty` in tinydl/layers/penalties.py has both roads, for whole batches. Lesson 18 leads to
examples/museum, which shows what went wrong with it in a book: the slope of another function, and an old copy of W.

**Exercise.** examples/lessons/exercises/16_contractive_jacobian.py: the gradients of the penalty for a layer of tanh
units and a batch of rows. Fill in the gaps and run the file; it checks your gradients.

**Next.** Lesson 17: weights that are used not twice, but at every step of a sequence.
"""
