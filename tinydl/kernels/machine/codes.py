"""Integer codes of the activations, for kernels. The derivative of each activation is a function of its output y."""

from __future__ import annotations

LINEAR, RELU, SIGMOID, TANH = range(4)
ACTIVATIONS = {None: LINEAR, "linear": LINEAR, "relu": RELU, "sigmoid": SIGMOID, "tanh": TANH}
