"""Exercises ported from MATLAB: cost functions of one flat theta, [cost, grad] back, everything unrolled by reshape."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_loss

visible_size, hidden_size = 4, 3


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sparse_autoencoder_cost(theta, data):
    lambda_, sparsity_param, beta = 0.01, 0.2, 0.5
    k = hidden_size * visible_size
    W1 = theta[0:k].reshape(hidden_size, visible_size)
    W2 = theta[k:2 * k].reshape(visible_size, hidden_size)
    b1 = theta[2 * k:2 * k + hidden_size]
    b2 = theta[2 * k + hidden_size:]
    m = data.shape[1]
    # Forward propagation
    z2 = W1.dot(data) + np.tile(b1, (m, 1)).transpose()
    a2 = sigmoid(z2)
    h = sigmoid(W2.dot(a2) + np.tile(b2, (m, 1)).transpose())
    # Sparsity
    rho_hat = np.sum(a2, axis=1) / m
    rho = np.tile(sparsity_param, hidden_size)
    kl = np.sum(rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat)))
    cost = np.sum((h - data) ** 2) / (2 * m) + (lambda_ / 2) * (np.sum(W1 ** 2) + np.sum(W2 ** 2)) + beta * kl
    # Backprop
    sparsity_delta = np.tile(-rho / rho_hat + (1 - rho) / (1 - rho_hat), (m, 1)).transpose()
    delta3 = -(data - h) * h * (1 - h)
    delta2 = (W2.transpose().dot(delta3) + beta * sparsity_delta) * a2 * (1 - a2)
    W1grad = delta2.dot(data.transpose()) / m + lambda_ * W1
    W2grad = delta3.dot(a2.transpose()) / m + lambda_ * W2
    b1grad = np.sum(delta2, axis=1) / m
    b2grad = np.sum(delta3, axis=1) / m
    grad = np.concatenate((W1grad.ravel(), W2grad.ravel(), b1grad, b2grad))
    return cost, grad


def softmax_cost(theta, sample):
    data, labels = sample[:, :-1].T, sample[:, -1].astype(int)
    lambda_ = 0.1
    theta = theta.reshape(3, data.shape[0])
    M = theta.dot(data)
    M = np.exp(M - M.max(axis=0))
    p = M / M.sum(axis=0)
    m = data.shape[1]
    indicator = np.eye(3)[labels].T
    cost = -np.sum(indicator * np.log(p)) / m + lambda_ / 2 * np.sum(theta ** 2)
    grad = -(indicator - p).dot(data.transpose()) / m + lambda_ * theta
    return cost, grad.flatten()


def logistic_reg(theta, Xy):
    """regularized, but not the intercept"""
    X, y = Xy[:, :-1], Xy[:, -1]
    n = len(y)
    p = sigmoid(X @ theta)
    reg = np.r_[0, theta[1:]]
    J = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)) + 0.5 / n * reg @ reg
    g = X.T @ (p - y) / n + reg / n
    return J, g


rs = np.random.RandomState(7)
patches = rs.uniform(0.1, 0.9, (4, 5))
samples = np.c_[rs.randn(6, 4), rs.randint(0, 3, 6)]
design = np.c_[np.ones(6), rs.randn(6, 2), rs.randint(0, 2, 6)]

CASES = [
    Case("sparse autoencoder", lambda: check_loss(sparse_autoencoder_cost, np.linspace(-0.7, 0.8, 31), patches), bugs=[
        Bug(" + beta * sparsity_delta)", ")", "theta", r"term|missing|sparsity|entries|road"),
        Bug("W2grad = delta3.dot(a2.transpose()) / m + lambda_ * W2", "W2grad = delta3.dot(a2.transpose()) / m", "theta", r"lambda|decay|penalty|term|0\.01|entries"),
        Bug("delta3 = -(data - h) * h * (1 - h)", "delta3 = -(data - h)", "theta", r"sigmoid|derivative|missing|entries"),
        Bug("b1grad = np.sum(delta2, axis=1) / m", "b1grad = np.sum(delta2, axis=1)", "theta", r"5(\.0*)? times|1/m|entries|\[2[4-6]"),
    ]),
    Case("softmax regression", lambda: check_loss(softmax_cost, (12,), samples), bugs=[
        Bug("grad = -(indicator - p).dot(data.transpose()) / m", "grad = (indicator - p).dot(data.transpose()) / m", "theta", r"sign|term"),
        Bug("data.transpose()) / m + lambda_ * theta", "data.transpose()) / m", "theta", r"lambda|decay|penalty|term|0\.1|theta"),
        Bug("return cost, grad.flatten()", "return cost, grad.T.flatten()", "theta", r"transpos|reshape|order|permut|flatten"),
        Bug("(indicator - p).dot(data.transpose()) / m", "(indicator - p).dot(data.transpose())", "theta", r"6(\.0*)? times|\bm\b|1/m|term|factor|batch"),
    ]),
    Case("logistic regression", lambda: check_loss(logistic_reg, (3,), design), bugs=[
        Bug("    g = X.T @ (p - y) / n + reg / n", "    g = X.T @ (p - y) / n + theta / n", "theta", r"\[0\]|first|intercept|one entry|penalty|entry", (0,)),
        Bug("    g = X.T @ (p - y) / n + reg / n", "    g = X.T @ (p - y) / n + reg", "theta", r"term|penalty|times|entries"),
        Bug("    g = X.T @ (p - y) / n", "    g = X.T @ (y - p) / n", "theta", r"sign|term|-1"),
        Bug("    g = X.T @ (p - y) / n", "    g = X.T @ ((p - y) * p * (1 - p)) / n", "theta", r"sigmoid|extra|twice|derivative"),
    ]),
]
