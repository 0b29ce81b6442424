"""For an optimizer of a scientific library: one flat vector theta, cost(theta, X, y) returns (J, grad)."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function


def cost_logistic(theta, X, y, lam=1.0):
    m = y.size
    h = 1 / (1 + np.exp(-X.dot(theta)))
    reg = theta.copy()
    reg[0] = 0  # the intercept is not regularized
    J = -(y.dot(np.log(h)) + (1 - y).dot(np.log(1 - h))) / m + lam / (2 * m) * reg.dot(reg)
    grad = X.T.dot(h - y) / m + lam / m * reg
    return J, grad


def cost_autoencoder(theta, X, n_hidden=2):
    """Squared error of sigmoid(X W1 + b1) W2 + b2 against X itself."""
    m, n = X.shape
    W1 = theta[: n * n_hidden].reshape(n, n_hidden)
    W2 = theta[n * n_hidden : 2 * n * n_hidden].reshape(n_hidden, n)
    b1 = theta[2 * n * n_hidden : 2 * n * n_hidden + n_hidden]
    b2 = theta[2 * n * n_hidden + n_hidden :]
    a = 1 / (1 + np.exp(-(X.dot(W1) + b1)))
    out = a.dot(W2) + b2
    J = 0.5 / m * np.sum((out - X) ** 2)
    delta3 = (out - X) / m
    delta2 = delta3.dot(W2.T) * a * (1 - a)
    grad = np.concatenate([X.T.dot(delta2).ravel(), a.T.dot(delta3).ravel(), delta2.sum(0), delta3.sum(0)])
    return J, grad


CASES = [
    Case(
        "logistic cost of theta",
        lambda: check_function(
            cost_logistic, theta=np.random.randn(4), X=np.random.randn(6, 4), y=np.array([0, 1, 1, 0, 1, 0])
        ),
        bugs=[
            Bug("+ lam / m * reg", "+ lam / m * theta", "theta", r"theta\[0\]|first|entry|intercept|one", index=0),
            Bug("+ lam / m * reg", "+ 2 * lam / m * reg", "theta", r"regulari|added|plus|decay"),
            Bug("+ lam / m * reg", "", "theta", r"regulari|missing|decay"),
            Bug("X.T.dot(h - y) / m", "X.T.dot((h - y) * h * (1 - h)) / m", "theta", r"sigmoid|derivative"),
        ],
    ),
    Case(
        "autoencoder cost of theta",
        lambda: check_function(cost_autoencoder, theta=np.random.randn(17), X=np.random.randn(5, 3)),
        bugs=[
            Bug("X.T.dot(delta2).ravel()", "X.T.dot(delta2).T.ravel()", "theta", r"transpos|order|reshape|entries"),
            Bug(
                "a.T.dot(delta3).ravel(), delta2.sum(0), delta3.sum(0)",
                "a.T.dot(delta3).ravel(), delta3.sum(0), delta2.sum(0)",
                "theta",
                r"order|swap|entries",
            ),
            Bug("delta3.dot(W2.T) * a * (1 - a)", "delta3.dot(W2.T) * a", "theta", r"sigmoid|derivative|entries"),
            Bug(
                "delta2.sum(0), delta3.sum(0)",
                "delta2.mean(0), delta3.mean(0)",
                "theta",
                r"mean|0\.2|1/N|entries|batch",
            ),
        ],
    ),
]
