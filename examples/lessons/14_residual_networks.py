# %% [markdown]
"""
# Lesson 14: residual networks

    python examples/lessons/14_residual_networks.py

More layers can compute more. But a deep chain of layers learns worse than a short one, even on the images that it is
trained on. Residual networks add a shortcut around every few layers, and learn with far more of them.

**Question.** What does the shortcut change in the backward pass?
"""

# %%
import numpy as np
from lesson import Lesson
from numpy.typing import NDArray
from residual_study import gradients, network

from tinydl.datasets import digits
from tinydl.gradcheck import numerical_gradient
from tinydl.layers import Branches, Dense, Residual
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import SGD
from tinydl.plots import BLUE, VERMILION, Picture
from tinydl.plots.style import dress
from tinydl.schedules import OneCycle

lesson = Lesson("14_residual_networks")

# %% [markdown]
"""
## Where the graph forks, gradients add

A residual block adds its input to what its layers compute, the body F:

    y = x + F(x)          dx = dy + (dy back through F)

x is used twice, so its two gradients add (lesson 4). Let the body be a multiplication by 0.1. The gradient behind three
plain layers is 0.1 * 0.1 * 0.1. Each block instead multiplies it by 1 + 0.1, which multiplied out is a sum over all
ways through the network: each block can be passed through its body (0.1) or around it (1).
"""

# %%
w, blocks = 0.1, 3
print(f"plain:    dx = {w**blocks:g} dy")
print(f"residual: dx = {(1 + w) ** blocks:g} dy, which is the sum of")
for through in range(blocks + 1):
    ways = len([way for way in np.ndindex(*[2] * blocks) if sum(way) == through])
    print(f"    {ways} ways through {through} bodies: {ways} * {w**through:g} = {ways * w**through:g}")

# %% [markdown]
"""
The first term, the way around all bodies, is dy itself, however many blocks there are. With matrices W_1, W_2 and W_3
in place of 0.1 it is the same (dx = dy W.T, lesson 3; I has ones on its diagonal and changes nothing):

    plain       dx = dy W_3.T W_2.T W_1.T
    residual    dx = dy (I + W_3.T) (I + W_2.T) (I + W_1.T) = dy + dy (W_3.T + W_2.T + W_1.T) + ...

A network can also fork into branches, whose outputs are put side by side. There dy is cut where the outputs were
joined, and again the gradients of x add. Both rules, by hand and by tinydl's layers:
"""

# %%
rng = np.random.default_rng(0)
x, A, B = rng.standard_normal((4, 3)), rng.standard_normal((3, 3)), rng.standard_normal((3, 2))


def built(layer: Residual | Branches, *weights: NDArray) -> Residual | Branches:
    layer.build((3,), rng, "float64")
    for place, W in zip((each for each in layer.walk() if isinstance(each, Dense)), weights, strict=True):
        place.params["W"][...] = W
    return layer


dy = rng.standard_normal((4, 3))
block = built(Residual(Dense(3, "tanh", use_bias=False)), A)
block.forward(x, training=True)
by_hand = dy + (dy * (1 - np.tanh(x @ A) ** 2)) @ A.T
measured = numerical_gradient(lambda x: x + np.tanh(x @ A), x, dy)
print(f"residual: by hand against measured {np.abs(by_hand - measured).max():.0e}, "
      f"against Residual {np.abs(by_hand - block.backward(dy)).max():.0e}")  # fmt: skip

dy = rng.standard_normal((4, 5))
fork = built(Branches([Dense(3, use_bias=False), Dense(2, use_bias=False)]), A, B)
fork.forward(x, training=True)
by_hand = dy[:, :3] @ A.T + dy[:, 3:] @ B.T
measured = numerical_gradient(lambda x: np.hstack([x @ A, x @ B]), x, dy)
print(f"branches: by hand against measured {np.abs(by_hand - measured).max():.0e}, "
      f"against Branches {np.abs(by_hand - fork.backward(dy)).max():.0e}\n")  # fmt: skip

# %% [markdown]
"""
## Depth on real images

Plain and residual networks with 8 and 32 layers learn to read digits. Plain and residual ones of equal depth start from
the same weights, since shortcuts have none. The errors are those on the images that they learn from. |dW| is the root
of the sum of the squares of dW. (`network` builds convolutions, each with batch norm and relu.)
"""

# %%
images = digits.load().train.standardised()
epochs, batch = 4, 64
figure = Picture(figsize=(7, 3.2), layout="constrained")
left, right = figure.subplots(1, 2)
for kind, colour in (("plain", VERMILION), ("residual", BLUE)):
    for depth, style in ((8, ":"), (32, "-")):
        model = network(kind, depth, 8, images.sample_shape, seed=0)
        norms = gradients(model, *images.take(slice(0, 128)))["gradient"]
        model.compile(SGD(OneCycle(0.1, epochs * -(-len(images) // batch)), momentum=0.9), SoftmaxCrossEntropy(),
                      metrics=["accuracy"])  # fmt: skip
        errors = [1 - a for a in model.fit(images, epochs=epochs, batch_size=batch, verbose=0).history["accuracy"]]
        left.plot(range(1, epochs + 1), errors, style, color=colour, label=f"{kind}, {depth} layers")
        if depth == 32:
            right.semilogy(range(1, len(norms) + 1), norms, color=colour)
        print(f"{kind:8} {depth:2} layers: training error {errors[-1]:6.1%}; before training, |dW| of the first "
              f"convolution {norms[0]:.2g}, of the last {norms[-1]:.2g}")  # fmt: skip
left.legend(frameon=False, fontsize=9)
dress(left, "Learning", "epoch", "training error")
left.set_xticks(range(1, epochs + 1))
left.set_ylim(0, 1)
dress(right, "Gradients before training", "convolution", "size of dW, 32 layers")
lesson.show(figure, "depth")

# %% [markdown]
"""
Many texts say that plain networks fail because their gradients vanish on the way down. Look at the right picture: in
these networks, which use batch normalization, the plain one's gradient does not vanish, it grows. What the shortcut
gives is an easier task: a block whose body is 0 passes its input on, so its layers only have to learn the change. (In
so short a run, 32 layers are not yet better than 8, with shortcuts either.)

residual_study.py, beside this lesson, goes further: more depths and seeds, CIFAR-10, networks without batch
normalization, and the responses of all layers. It takes a minute and explains what its own figures show:

    python examples/lessons/residual_study.py                     # digits
    python examples/lessons/residual_study.py --data --seeds 3    # CIFAR-10

## The real thing

`Residual` in tinydl/layers/residual.py, `Branches` in tinydl/layers/branches.py, whole networks in tinydl/models.

**Exercise.** examples/lessons/exercises/14_residual_networks.py: the backward pass of a block with two layers in its
body and a relu after the sum. Fill in the gaps and run the file; it checks your gradients.

**Next.** Lesson 15: networks whose layers get narrower, until little of the input is left.
"""
