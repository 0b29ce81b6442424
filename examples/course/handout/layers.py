"""Homework 2: three layers, each with a hand-written forward and backward.

Fill in the bodies. `backward` is given dL/dy, with the shape of y, and returns dL/dx; it leaves dL/dW in self.dW and
dL/db in self.db. It must not change the arrays that are passed to it.
"""

import numpy as np


class Dense:
    """y = x W + b, for x of shape (n, n_in)."""

    def __init__(self, n_in, n_out, seed=0):
        self.W = np.random.default_rng(seed).normal(size=(n_in, n_out)) / np.sqrt(n_in)
        self.b = np.zeros(n_out)

    def forward(self, x):
        raise NotImplementedError

    def backward(self, dy):
        raise NotImplementedError


class ReLU:
    """y = max(x, 0), entry by entry."""

    def forward(self, x):
        raise NotImplementedError

    def backward(self, dy):
        raise NotImplementedError


class SoftmaxCrossEntropy:
    """The mean over the samples of -log p, where p is the softmax of a sample's logits at its label."""

    def forward(self, logits, labels):
        raise NotImplementedError

    def backward(self):
        raise NotImplementedError
