"""Activations as kernels know them: by numbers. All have a derivative that can be written in y."""

from __future__ import annotations

LINEAR, RELU, SIGMOID, TANH = range(4)
ACTIVATIONS = {None: LINEAR, "linear": LINEAR, "relu": RELU, "sigmoid": SIGMOID, "tanh": TANH}
