"""Exercise 12: RMS normalization.

Newer language models leave the mean out of layer normalization. Each row is divided by its root mean square, over the
features of the row:

    v = mean of x^2      s = 1 / sqrt(v + EPSILON)      xhat = x s      y = gamma xhat

`forward` is written. Write `backward`: it gets dy, the gradient of the loss with respect to y, and returns the
gradients with respect to x and gamma. Do not start from the formula of layer norm; follow the roads from x_i to the
loss, and ask which of the three are open. Then run

    python examples/lessons/exercises/12_layer_norm.py
"""

import numpy as np
from exercise import call, compare, nudge, run

from tinydl.gradcheck import check_function

EPSILON = 1.0  # much larger than usual, for round numbers


def forward(x, gamma):
    """RMS norm of x (rows, features); gamma has shape (features,)."""
    v = (x**2).mean(axis=1, keepdims=True)
    return gamma * x / np.sqrt(v + EPSILON)


def backward(dy, x, gamma):
    """The gradients dx and dgamma, given dy."""
    v = (x**2).mean(axis=1, keepdims=True)
    s = 1 / np.sqrt(v + EPSILON)
    xhat = x * s
    dgamma = ...  # your code
    dx = ...  # your code
    return dx, dgamma


def check():
    x, gamma = np.array([[1.0, 2, 2], [-2, 1, 2]]), np.array([2.0, 1, -1])
    dy = np.array([[2.0, 2, -2], [1, 0, 1]])  # here v = 3 and s = 0.5 in both rows
    dx, dgamma = call(backward, dy, x, gamma, returns="dx, dgamma")
    compare(
        "dgamma",
        dgamma,
        [0.0, 2, -1],
        {
            "gamma is shared by all rows, so its gradient is the sum over the rows, not their mean": [0.0, 1, -0.5],
            "gamma multiplies xhat, not x": [0.0, 4, -2],
            "xhat is missing: gamma is multiplied by it": [3.0, 2, -1],
            "each feature has its own gamma: sum over the rows alone, with axis=0": 1.0,
            "gamma is shared by the rows, so the sum is over the rows: axis=0": [1.0, 0],
            "the derivative of gamma xhat with respect to gamma is xhat: gamma itself is no factor": [0.0, 2, 1],
        },
    )
    mistakes = {
        "the road through the mean is closed, as forward subtracts no mean: nothing comes along it": np.divide(
            [[2, -16, -16], [4, 1, -2]], 12
        ),
        "this is the direct road alone, as if s were a constant: every x_i also changes s": [[2, 1, 1], [1, 0, -0.5]],
        "each entry of the mean has its own gamma_i, so gamma must stay inside the mean": np.divide(
            [[22, 10, 14], [12, 0, -6]], 12
        ),
        "the roads start from the gradient with respect to xhat, which is gamma dy: gamma is missing": np.divide(
            [[11, 10, -14], [6, 0, 6]], 12
        ),
        "v is a mean over the features: the road through it has a factor 1/features": [[0.5, -2, -2], [-0.5, 0.75, 1]],
        "the mean is taken over the rows (axis 0): each row has one of its own": [
            [2, 0.5, 0.75], [1, -0.25, -0.75],
        ],
        "a mean over all entries is taken: each row has one of its own": [[1.875, 0.75, 0.75], [1.25, -0.125, -0.75]],
        "the derivative of xhat on the direct road is s: the factor s is missing": [[3, 0, 0], [1, 0.5, 0]],
        "the sign: the road through v is subtracted": [[2.5, 2, 2], [1.5, -0.25, -1]],
        "the road through v is made of xhat, not of x": [[0, -3, -3], [-1, 1, 1.5]],
    }  # fmt: skip
    compare("dx", dx, [[1.5, 0, 0], [0.5, 0.25, 0]], mistakes)
    nudge(check_function, forward, backward, x=(4, 5), gamma=(5,))


if __name__ == "__main__":
    run(check)
