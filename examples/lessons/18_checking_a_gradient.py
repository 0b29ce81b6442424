# %% [markdown]
"""
# Lesson 18: checking a gradient, and fooling the check

    python examples/lessons/18_checking_a_gradient.py

All lessons so far ended a derivation with the same test: move each input a little, measure the slope, and compare. A
hand-written backward is only as good as this test.

**Question.** When is a gradient check worth nothing?
"""

# %%
import math
import textwrap
from collections.abc import Callable

import numpy as np
from lesson import Lesson
from numpy.typing import NDArray

from tinydl.gradcheck import GradientCheckError, check_function
from tinydl.plots import BLUE, GREEN, VERMILION
from tinydl.plots.style import dress, panel

lesson = Lesson("18_checking_a_gradient")
Function = Callable[..., NDArray]

# %% [markdown]
"""
## How far is a little?

The slope of f at x is the limit of these differences for small h:

    one-sided      (f(x + h) - f(x)) / h                  wrong by about h/2 times f''
    central        (f(x + h) - f(x - h)) / (2 h)          wrong by about h^2/6 times f''', far less

If h is too small, f(x + h) and f(x - h) agree in almost all of their 16 digits, and only the others are left. So the
error falls and rises again. Formulas that accept complex numbers have a third way, which subtracts nothing: in
f(x + ih) = f(x) + ih f'(x) + ..., the imaginary part divided by h is the slope.
"""


# %%
def sigmoid(x: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-x))


x = np.array([-1.5, -0.3, 0.4, 2.0])
x32, exact, steps = x.astype(np.float32), sigmoid(x) * (1 - sigmoid(x)), 10.0 ** np.arange(-15, 0)
ways: dict[str, tuple[str, str, Callable[[float], NDArray]]] = {
    "one-sided": (VERMILION, "-", lambda h: (sigmoid(x + h) - sigmoid(x)) / h),
    "central": (BLUE, "-", lambda h: (sigmoid(x + h) - sigmoid(x - h)) / (2 * h)),
    "float32": (BLUE, ":", lambda h: (sigmoid(x32 + h) - sigmoid(x32 - h)) / (2 * h)),
    "complex": (GREEN, "-", lambda h: np.imag(sigmoid(x + 1j * h)) / h),
}
figure, ax = panel(width=7, height=3.6)
for name, (colour, style, slope) in ways.items():
    errors = np.array([np.abs(slope(h) - exact).max() for h in steps.tolist()]) / exact.max()
    print(f"{name:10} smallest relative error {errors.min():.0e}, at h = {steps[errors.argmin()]:.0e}")
    ax.loglog(steps, errors, style, color=colour, label=name)
dress(ax, "How good is a measured slope?", "step h", "relative error")
ax.legend(frameon=False, fontsize=9)
lesson.show(figure, "steps")

# %% [markdown]
"""
## A checker, as it is often written

A single number is needed, so the loss is the sum of the outputs. The verdict is a comparison with a tolerance.
"""


# %%
def naive_check(f: Function, backward: Function, x: NDArray) -> bool:
    measured = np.empty_like(x)
    for i in range(x.size):
        step = 1e-5 * (np.arange(x.size) == i).reshape(x.shape)  # moves one entry
        measured.flat[i] = (f(x + step).sum() - f(x - step).sum()) / 2e-5
    dy = np.ones_like(f(x))  # the gradient of the sum
    return bool(np.abs(backward(dy, x) - measured).max() < 1e-4)


# %% [markdown]
"""
## Four backwards, all wrong, that fool it

1. **Ones hide.** The outputs of a softmax always add up to 1. Their sum does not change, so its gradient is 0, and a
   backward that returns zeros looks right. Batch norm, whose outputs add up to 0, has the same fault.
2. **A dead point.** Where relu blocks everything, all gradients are 0, and any factor in backward looks right.
3. **A tolerance without a scale.** If gradients are small, three times too much differs by less than the tolerance.
4. **The same mistake twice.** GELU, a smooth relu, is nearly x sigmoid(1.702 x). Here both passes have 0.1702.
"""


# %%
def softmax(x: NDArray) -> NDArray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def gelu(x: NDArray) -> NDArray:
    return x * sigmoid(0.1702 * x)


def gelu_backward(dy: NDArray, x: NDArray) -> NDArray:
    s = sigmoid(0.1702 * x)
    return dy * (s + 0.1702 * x * s * (1 - s))


point = np.random.default_rng(0).standard_normal((5, 4))
fooled: dict[str, tuple[Function, Function]] = {
    "1. ones hide": (softmax, lambda dy, x: np.zeros_like(x)),
    "2. a dead point": (lambda x: np.maximum(x - 9, 0), lambda dy, x: 7 * dy * (x > 9)),
    "3. no scale": (lambda x: 1e-6 * x**2, lambda dy, x: dy * 6e-6 * x),
    "4. the same mistake twice": (gelu, gelu_backward),
}
for name, (f, backward) in fooled.items():
    says = "passed"
    try:
        check_function(f, backward, point)
    except GradientCheckError as error:
        says = next(line for line in str(error).splitlines() if "likely cause" in line or "vacuous" in line)
    print(f"{name}: the naive check {'passes' if naive_check(f, backward, point) else 'fails'}. tinydl's check:")
    print("   ", textwrap.shorten(says, 100))

# %% [markdown]
"""
tinydl's checker draws dy at random, divides each error by the size of the gradient, and calls a check vacuous if all
gradients at its point are zero. But every gradient check passes the fourth: backward *is* the derivative of this
forward. Only a value from a source that shares no code can tell: GELU is x times the normal distribution function.
"""

# %%
print(f"GELU(1) = {0.5 * (1 + math.erf(1 / math.sqrt(2))):.3f}; ours is {gelu(np.ones(1))[0]:.3f}")

# %% [markdown]
"""
## The real thing, and a museum

The checker is tinydl/gradcheck. examples/museum holds nine faults, found in a book and in the issues of other projects.
Each shows the code, the wrong figure that it led to, and what reveals it. Some pass every gradient check:

    python examples/museum/visit.py                 # all of them, in less than a minute
    python examples/museum/upstream_of_ones.py      # fault 1 of this lesson, for softmax and batch norm

**Exercise.** examples/lessons/exercises/18_checking_a_gradient.py: write a checker. The exercise tries to fool it.

**Next.** Lesson 19: the gradients are right. Now make them fast.
"""
