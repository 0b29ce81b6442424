"""Exercise 1: the gradients of another neuron.

The neuron of the lesson ends in relu. This one ends in the sigmoid, which squeezes every number between 0 and 1:

    a = x[0] w[0] + x[1] w[1] + ... + b
    y = 1 / (1 + exp(-a))                   its slope is y (1 - y)

`forward` is written. Write `backward`: it gets dy, the gradient of the loss with respect to y, and returns the
gradients with respect to x, w and b. Every gradient has the shape of the array that it belongs to. Then run

    python examples/lessons/exercises/01_a_neuron_by_hand.py
"""

import numpy as np
from exercise import call, compare, nudge, run

from tinydl.gradcheck import check_function


def forward(x, w, b):
    """The neuron: x and w have shape (inputs,), b is a number."""
    a = x @ w + b
    return 1 / (1 + np.exp(-a))


def backward(dy, x, w, b):
    """The gradients dx, dw and db, given the number dy."""
    y = forward(x, w, b)
    da = ...  # your code: back through the sigmoid, from dy
    dx = ...  # your code
    dw = ...  # your code
    db = ...  # your code
    return dx, dw, db


def check():
    x, w, b, dy = np.array([1.0, -2.0]), np.array([1.0, 2.0]), 3.0, 8.0  # a = 0 and y = 0.5, so da = 8 * 0.5 * 0.5 = 2
    dx, dw, db = call(backward, dy, x, w, b, returns="dx, dw, db")
    no_slope = "da must be dy times the slope of the sigmoid, y (1 - y)"
    compare("db", db, 2.0, {
        no_slope: 8.0,
        "da must be multiplied by dy, the gradient that arrives": 0.25,
        "the slope of the sigmoid is y (1 - y), with both factors": 4.0,
        "dy must be multiplied by the slope, not divided by it": 32.0,
        "the slope is made of the answer y, not of a, and relu's slope has no place here": 0.0,
        "b enters a with factor 1, so db = da: da is missing": 1.0,
        "b enters a with factor 1, so db = da: b itself is no factor": 6.0,
    })  # fmt: skip
    no_da = "it is made of da, not of dy: go back through the sigmoid first"
    dx_is_dw = (
        "this is dw: x[i] enters a with factor w[i], so dx = da w (or are dx and dw returned in the wrong order?)"
    )
    dw_is_dx = "this is dx: w[i] enters a with factor x[i], so dw = da x"
    compare("dx", dx, [2.0, 4.0], {dx_is_dw: 2 * x, no_da: 8 * w, "da is missing": w})
    compare("dw", dw, [2.0, -4.0], {dw_is_dx: 2 * w, no_da: 8 * x, "da is missing": x})
    nudge(check_function, forward, backward, x=(5,), w=(5,), b=np.array(0.3))


if __name__ == "__main__":
    run(check)
