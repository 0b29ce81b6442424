"""Exercise 18: write a checker that cannot be fooled so easily.

`slope` measures one derivative, and `error` compares a whole gradient. f maps an array x to an array f(x), and
backward(dy, x) claims to return the gradient of L(x) = sum(dy f(x)) for whatever dy it gets. `error` returns one
number: how far the claim is from the measured gradient, relative to the size of the gradients. A right backward must
give less than 1e-7, a wrong one more than 1e-3. Then run

    python examples/lessons/exercises/18_checking_a_gradient.py

which gives your checker right and wrong backwards to judge.
"""

import numpy as np
from exercise import Wrong, call, freeze, run

H = 1e-5  # the step


def slope(f, x, i, dy):
    """The measured derivative of L(x) = sum(dy f(x)) with respect to x[i], by moving x[i] by H."""
    step = np.zeros_like(x)
    step[i] = H
    return ...  # your code


def error(f, backward, x, rng):
    """How far backward's gradient is from the measured one, relative to the larger of the two."""
    shape = f(x).shape
    dy = ...  # your code: an upstream gradient of this shape
    measured = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        measured[i] = slope(f, x, i, dy)
    claimed = backward(dy, x)
    size = max(np.abs(measured).max(), np.abs(claimed).max())
    return ...  # your code: 0 if claimed and measured are equal, about 1 if they have nothing in common


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(dy, x):
    y = softmax(x)
    return y * (dy - (dy * y).sum(axis=1, keepdims=True))


def accepts(name, f, backward, x, rng, hint):
    found = error(f, backward, x, rng)
    if not isinstance(found, float):
        raise Wrong(f"error must return one number, got {found}: a difference for each entry must be made one number")
    if not 0 <= found < 1e-7:
        raise Wrong(f"{name} is right, so its error must be below 1e-7, got {found}\nLikely cause: {hint}")
    print(f"right: {name} is accepted, error {found:.0e}")


def rejects(name, f, backward, x, rng, hint):
    found = error(f, backward, x, rng)
    if not found > 1e-3:
        raise Wrong(f"{name} is wrong, but its error is only {found:.0e}\nLikely cause: {hint}")
    print(f"right: {name} is rejected, error {found:.0e}")


def check():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4))
    freeze(x)
    square = np.square
    found = call(slope, square, np.array([3.0]), 0, np.array([1.0]), returns="...")  # (3 + h)^2 - (3 - h)^2 = 12 h
    if np.ndim(found):
        raise Wrong(f"slope must return one number, got {found}: L is a sum, so add up the entries of dy f(x)")
    if not abs(found - 6) < 1e-2:
        factor = "the distance between the two points is not H" if abs(found - 12) < 1e-2 else "look at the lesson"
        factor = "the sign: the difference is that of x + step minus that of x - step" if found < 0 else factor
        raise Wrong(f"the slope of x^2 at 3 must be 6, got {found}\nLikely cause: {factor}")
    if not abs(found - 6) < 1e-7:
        hint = "move x[i] to both sides: the error of a one-sided difference is of the size of H"
        raise Wrong(f"the slope of x^2 at 3 must be 6 to 7 digits, got {found}\nLikely cause: {hint}")
    doubled = slope(square, np.array([3.0]), 0, np.array([2.0]))
    if not abs(doubled - 12) < 1e-6:
        raise Wrong(f"with dy = 2 the slope of L = 2 x^2 at 3 must be 12, got {doubled}\nLikely cause: dy is not used")

    sum_of_all = (
        "L is the sum over all entries of dy f(x), for a step at x[i] alone; error compares claimed with measured"
    )
    accepts("the backward 2 x dy of x^2", square, lambda dy, x: 2 * x * dy, x, rng, sum_of_all)
    tiny = "divide the largest difference by size, so that small gradients count too"
    rejects("a factor 3 in a gradient of size 1e-6", lambda x: 1e-6 * x, lambda dy, x: 3e-6 * dy, x, rng, tiny)
    cancel = "differences with both signs cancel: take their absolute values before you put them together"
    for sign in (1, -1):
        name = f"a gradient that is too {'large' if sign == 1 else 'small'} in all entries but one"
        rejects(
            name, square, lambda dy, x, sign=sign: 2 * x * dy + sign * (np.abs(x) - np.abs(x).min()), x, rng, cancel
        )
    rejects("a gradient of the wrong order", square, lambda dy, x: np.roll(2 * x * dy, 1), x, rng, cancel)
    ones = "if all dy are equal, the gradient of softmax is 0, for its outputs add up to 1: draw dy from rng"
    accepts("the backward of softmax", softmax, softmax_backward, x, rng, ones)
    rejects("a softmax backward that returns zeros", softmax, lambda dy, x: np.zeros_like(x), x, rng, ones)


if __name__ == "__main__":
    run(check)
