"""Exercise 11: the backward pass of batch normalization, for several features.

x has shape (rows, features); the mean, the variance and so all three roads belong to one feature each. Compared with
the lesson, the variance has a small EPSILON added, and y has a learned scale and shift:

    xhat = (x - mu) s       s = 1 / sqrt(v + EPSILON)
    y = gamma xhat + beta

`forward` is written. Write `backward`: it gets dy, the gradient of the loss with respect to y, and returns the
gradients with respect to x, gamma and beta. Then run

    python examples/lessons/exercises/11_batch_norm_three_roads.py
"""

import numpy as np
from exercise import call, compare, nudge, run

from tinydl.gradcheck import check_function

EPSILON = 1.0  # much larger than usual, for round numbers


def forward(x, gamma, beta):
    """Batch norm of x (rows, features); gamma and beta have shape (features,)."""
    mu = x.mean(axis=0)
    v = ((x - mu) ** 2).mean(axis=0)
    xhat = (x - mu) / np.sqrt(v + EPSILON)
    return gamma * xhat + beta


def backward(dy, x, gamma, beta):
    """The gradients dx, dgamma and dbeta, given dy."""
    mu = x.mean(axis=0)
    v = ((x - mu) ** 2).mean(axis=0)
    s = 1 / np.sqrt(v + EPSILON)
    xhat = (x - mu) * s
    dbeta = ...  # your code
    dgamma = ...  # your code
    g = gamma * dy  # the gradient with respect to xhat
    dx = ...  # your code: the sum of the three roads, which start from g
    return dx, dgamma, dbeta


def check():
    x, gamma, beta = np.array([[0.0, 5], [4, 1], [4, 1], [4, 1]]), np.array([2.0, 4]), np.array([1.0, -1])
    dy = np.array([[1.0, 0], [2, 1], [0, 2], [3, -1]])  # here s = 0.5, and the xhat are -1.5, 0.5 and 1.5
    dx, dgamma, dbeta = call(backward, dy, x, gamma, beta, returns="dx, dgamma, dbeta")
    averaged = "this is a mean over the rows: every row adds to the gradient, and only the loss divides by their number"
    compare(
        "dbeta", dbeta, [6.0, 2], {averaged: [1.5, 0.5], "beta is added after gamma: gamma is no factor": [12.0, 8]}
    )
    compare(
        "dgamma",
        dgamma,
        [1.0, -1],
        {
            averaged: [0.25, -0.25],
            "gamma multiplies xhat, not x: dgamma is made of dy and xhat": [20.0, 2],
            "xhat is missing: gamma is multiplied by it": [6.0, 2],
            "each feature has its own gamma: sum over the rows alone, with axis=0": 0.0,
            "the derivative of gamma xhat with respect to gamma is xhat: gamma itself is no factor": [2.0, -4],
        },
    )
    mistakes = {
        "the road through the variance is missing": [[-0.5, -1], [0.5, 1], [-1.5, 3], [1.5, -3]],
        "the road through the mean is missing": [[1.375, 0.75], [1.875, 1.75], [-0.125, 3.75], [2.875, -2.25]],
        "this is the direct road alone, as if the mean and the variance were constants": [
            [1.0, 0], [2, 2], [0, 4], [3, -2],
        ],
        "mu and v are means over N rows, which gives the two roads a factor 1/N: use the mean of g, not its sum": [
            [-3.5, -1], [-4.5, -3], [-6.5, -1], [-3.5, -7],
        ],
        "the roads start from g, the gradient with respect to xhat: gamma is missing": [
            [-0.0625, -0.0625], [0.1875, 0.1875], [-0.8125, 0.6875], [0.6875, -0.8125],
        ],
        "each feature has means of its own: take them over the rows, axis 0": [
            [-0.4375, -1.0625], [0.8125, 0.6875], [-1.1875, 2.6875], [1.8125, -3.3125],
        ],
        "the derivative of xhat on the direct road is s: the factor s is missing": [
            [-0.25, -0.5], [0.75, 1.5], [-3.25, 5.5], [2.75, -6.5],
        ],
    }  # fmt: skip
    mistakes |= {
        "the sign: the roads through the mean and through the variance are subtracted": [
            [2.125, 0.25], [3.625, 3.25], [1.625, 5.25], [4.625, -0.75],
        ],
        "the road through the variance is made of xhat, not of x": [[-0.5, -6], [-19.5, 0], [-21.5, 2], [-18.5, -4]],
        "the mean of g xhat must be multiplied by xhat": [[-0.75, -0.5], [0.25, 1.5], [-1.75, 3.5], [1.25, -2.5]],
        "the road through the variance takes the mean of g xhat, not of g": [
            [1.75, -2.5], [-0.25, 1.5], [-2.25, 3.5], [0.75, -2.5],
        ],
    }  # fmt: skip
    compare("dx", dx, [[-0.125, -0.25], [0.375, 0.75], [-1.625, 2.75], [1.375, -3.25]], mistakes)
    nudge(check_function, forward, backward, x=(6, 3), gamma=(3,), beta=(3,))


if __name__ == "__main__":
    run(check)
