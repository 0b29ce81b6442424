# %% [markdown]
"""
# Lesson 7: initialization and symmetry

    python examples/lessons/07_initialization_and_symmetry.py

**Question.** Learning changes weights step by step, so it needs weights to begin with. Why not zeros? And if they are
random numbers, how large should they be?

## Equal neurons stay equal

Two neurons of a layer see the same inputs. If their weights are equal, too, and also the weights by which the next
layer multiplies their answers, they give equal answers and get equal gradients. So after a step they are still equal: a
layer of 8 such neurons is as good as a layer of one.

A task that one hidden neuron cannot learn is "exclusive or": the answer is 1 if exactly one of two inputs is 1. Three
networks with 8 hidden neurons (neurons between the inputs and the answer) try. They differ only in the weights that
they begin with.

A Model of tinydl holds the layers. `compile` names the optimizer, which makes the steps (lesson 8), and the loss, here
the mean of (y - t)^2. `fit` repeats forward, backward and a step, with the rows in batches of `batch_size`, and goes
through all rows `epochs` times.
"""

# %%
import numpy as np
from lesson import Lesson
from numpy.typing import NDArray

from tinydl import Model
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam
from tinydl.plots.style import BLUE, GREEN, VERMILION, Picture, dress

lesson = Lesson("07_initialization_and_symmetry")

x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[0.0], [1.0], [1.0], [0.0]])

for start in ("all 0", "all 0.5", "random"):
    model = Model([Dense(8, "tanh"), Dense(1)], input_shape=2, seed=0, dtype="float64")
    if start != "random":
        for layer in model.layers:
            layer.params["W"][...] = 0 if start == "all 0" else 0.5
    model.compile(Adam(0.05), MeanSquaredError())
    model.fit(x, y, epochs=300, batch_size=4, verbose=0)
    W = model.layers[0].params["W"]
    different = len(np.unique(W.round(9), axis=1).T)
    answers = model.predict(x)[:, 0].round(2) + 0.0
    print(
        f"{start:<8} loss {model.evaluate(x, y):.4f}, answers {answers}, different neurons: {different} of {W.shape[1]}"
    )

# %% [markdown]
"""
With zeros it is even worse: every hidden answer is tanh(0) = 0, so dW of the second layer is 0; and dx = dy @ W.T is
0, so the first layer gets no gradient at all. Only the last bias learns: it answers the mean, 0.5.

Biases may begin at 0: random weights already make the neurons different.

## How large?

A neuron adds n products x[i] w[i]. If the weights are random with mean 0 and variance v, the sum has mean 0 and

    variance of a = n v (mean of x^2)

relu sets the negative half of the sums to 0, so the mean of its squares is half the variance of a:

    mean of y^2 = 1/2 n v (mean of x^2)

A layer thus multiplies the mean square by n v / 2, and 30 layers do it 30 times. Only the factor 1 keeps numbers at
their size: v = 2 / n. This is He's rule. The gradients go back through the same weights, and shrink or grow in the
same way.
"""

# %%
LAYERS, WIDTH = 30, 128
STARTS = {"v = 1/n": (1.0, VERMILION), "v = 2/n (He)": (2.0, BLUE), "v = 3/n": (3.0, GREEN)}


def sizes(v: float) -> tuple[list[float], list[float]]:
    """Root mean squares, np.sqrt(np.mean(a**2)), of each layer's answers, and of the gradients that it receives."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, np.sqrt(v), (WIDTH, WIDTH)) for _ in range(LAYERS)]
    answers: list[NDArray] = []
    value = rng.normal(size=(64, WIDTH))
    for W in weights:
        value = np.maximum(value @ W, 0)
        answers.append(value)
    gradients: list[NDArray] = []
    dy = rng.normal(size=value.shape)
    for W, answer in zip(reversed(weights), reversed(answers), strict=True):
        gradients.insert(0, dy)
        dy = (dy * (answer > 0)) @ W.T
    return [float(np.sqrt(np.mean(a**2))) for a in answers], [float(np.sqrt(np.mean(g**2))) for g in gradients]


figure = Picture(figsize=(7, 3), layout="constrained")
forward_ax, backward_ax = figure.subplots(1, 2, sharey=True)
for name, (factor, color) in STARTS.items():
    answers_by_layer, gradients_by_layer = sizes(factor / WIDTH)
    expected = (factor / 2) ** (LAYERS / 2)
    print(
        f"{name:<13} answers in layer {LAYERS}: {answers_by_layer[-1]:9.2g} (expected {expected:.2g}), "
        f"gradient in layer 1: {gradients_by_layer[0]:9.2g}"
    )
    layers = np.arange(1, LAYERS + 1)
    forward_ax.semilogy(layers, answers_by_layer, color=color)
    backward_ax.semilogy(layers, gradients_by_layer, color=color, label=name)
dress(forward_ax, "Answers, going forward", "layer", "root mean square")
dress(backward_ax, "Gradients, going back", "layer", "")
backward_ax.legend(frameon=False, fontsize=9)
lesson.show(figure, "sizes")

# %% [markdown]
"""
**The real thing.** tinydl/initializers.py: "he_normal" and "he_uniform" for relu, "glorot_uniform" (the default of
Dense) for tanh and sigmoid. `python examples/museum/zero_filters.py` shows what zeros do to a network for images.

**Exercise.** `examples/lessons/exercises/07_initialization_and_symmetry.py`: weights for a deep network.

**Next.** Lesson 8: which step to take once the gradient is known.
"""
