# %% [markdown]
"""
# Lesson 20: fine-tuning

    python examples/lessons/20_fine_tuning.py

A trained network knows something: its first layers have learned what strokes and edges are. For a new task with few
examples it is tempting to keep these layers, and to train only a new last one.

**Question.** What can be reused of a trained network, and when is it in the way?
"""

# %%
import time

import numpy as np
from fine_tuning_study import TASKS, WAYS, error, few_of, findings, frozen, network, trained
from lesson import Lesson
from matplotlib.ticker import PercentFormatter

from tinydl import Model
from tinydl.datasets import digits
from tinydl.layers import Dense
from tinydl.plots import Picture
from tinydl.plots.style import dress

lesson = Lesson("20_fine_tuning")

# %% [markdown]
"""
## What freezing does to backward

A layer's backward does two jobs: it computes the gradients of its weights, and passes dx to the layer below. A frozen
layer drops the first job. It still does the second, if any layer below it learns. So backward ends at the lowest layer
that learns. In tinydl, freezing is one line: `layer.trainable = False`.
"""

# %%
rng = np.random.default_rng(0)
below, middle, top = Dense(2, "tanh", name="below"), Dense(2, "tanh", name="middle"), Dense(1, name="top")
small = Model([below, middle, top], 2, seed=0)
middle.trainable = False
small.forward(rng.standard_normal((3, 2)), training=True)
small.backward(np.ones((3, 1), np.float32))
for layer in small.layers:
    print(
        f"{layer.name:7} trainable: {layer.trainable!s:6} dW = {np.array2string(layer.grads['W'].ravel(), precision=2)}"
    )

# %% [markdown]
"""
The frozen layer in the middle has no gradient, the one below it has.

## A trained network, and two new tasks

The network has two convolutions and a dense layer, and has learned to tell the ten digits apart. Its layers, frozen,
serve under a new last layer. First, what this saves:
"""

# %%
data = digits.load()
train_rows, test_rows = (images.take(np.arange(len(images))) for images in data)
learned = network(0, 10)
learned.fit(*train_rows, epochs=15, batch_size=32, verbose=0)
print(f"ten digits: {error(learned, test_rows):.1%} errors on new images\n")
for name, model in (("all layers learn", network(0, 2)), ("the last layer learns", frozen(0, 2, learned))):
    x, y = train_rows[0], train_rows[1] % 2
    model.fit(x, y, epochs=1, batch_size=32, verbose=0)  # warms up
    start = time.perf_counter()
    model.fit(x, y, epochs=2, batch_size=32, verbose=0)
    seconds = (time.perf_counter() - start) / 2
    learn = sum(array.size for layer in model.layers if layer.trainable for array in layer.params.values())
    print(f"{name:22} {learn:6,} of {model.count_params():,} parameters, {1000 * seconds:.0f} ms an epoch")

# %% [markdown]
"""
The new tasks are learned from 1, 5 or 20 images of each digit:

    even or odd      the same images; the answer follows from the digit, which the layers know
    quarter turn     the ten digits, turned by 90 degrees: strokes run elsewhere than the layers expect

in three ways, which take the same number of steps:

    from scratch     new weights; all layers learn
    frozen           only the new last layer learns
    fine-tuned       half of the steps frozen; then all layers learn, at a third of the learning rate

The lower rate protects what is known: the last layer is still rough, and large steps would bend all layers to suit it.
"""

# %%
few, seeds, steps = (1, 5, 20), 3, 300
errors = {task: {each: {way: np.empty(seeds) for way in WAYS} for each in few} for task in TASKS}
for task, (change, classes) in TASKS.items():
    for each in few:
        for seed in range(seeds):
            rows = change(*few_of(train_rows, each, np.random.default_rng([seed, each])))
            for way in WAYS:
                tuned = trained(way, 1000 + seed, classes, learned, rows, steps)
                assert tuned is not None, "stopped with Ctrl-C"
                errors[task][each][way][seed] = error(tuned, change(*test_rows))
        means = ", ".join(f"{way} {errors[task][each][way].mean():.1%}" for way in WAYS)
        print(f"{task}, {each:2} of each digit: {means}", flush=True)
print()
for task in TASKS:
    print("\n".join(findings(task, errors[task])))

# %% The picture (skip this cell)
figure = Picture(figsize=(7, 3.2), layout="constrained")
for ax, task in zip(figure.subplots(1, 2, sharey=True), TASKS, strict=True):
    for way, colour in WAYS.items():
        ax.plot(few, [errors[task][each][way].mean() for each in few], "o-", color=colour, label=way)
        for each in few:
            ax.plot([each] * seeds, errors[task][each][way], ".", color=colour, alpha=0.4)
    dress(ax, task[0].upper() + task[1:], "labeled images of each digit", "")
    ax.set_xscale("log")
    ax.set_xticks(few, [str(each) for each in few])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(PercentFormatter(1, 0))
figure.axes[0].set_ylim(0)
figure.axes[0].set_ylabel("errors on new images", fontsize=12)
figure.axes[1].legend(frameon=False, fontsize=9)
lesson.show(figure, "tasks")

# %% [markdown]
"""
The sentences above are computed from the figures: a difference counts if all seeds agree on its sign. With so few
images, it often depends on the choice of the images. What was learned before can help a task that needs it. It can also
be in the way: layers that look for upright strokes make a poor start for digits that lie on their side.

fine_tuning_study.py, beside this lesson, repeats this with more seeds and more numbers of images, in half a minute:

    python examples/lessons/fine_tuning_study.py --seeds 10

## The real thing

The flag is in tinydl/layer.py, and tinydl/training/freezing.py decides where backward ends.

**Exercise.** examples/lessons/exercises/20_fine_tuning.py: the backward pass of a network with frozen layers that makes
no product too many. Fill in the gaps and run the file; it checks your gradients, and counts.

**Next.** This was the last lesson. docs/tour.md leads through the code of tinydl, which you can now read.
"""
