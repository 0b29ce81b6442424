"""Integer codes of the activations, for kernels. All have a derivative that can be written in terms of y."""

from __future__ import annotations

LINEAR, RELU, SIGMOID, TANH = range(4)
ACTIVATIONS = {None: LINEAR, "linear": LINEAR, "relu": RELU, "sigmoid": SIGMOID, "tanh": TANH}
