"""Compiled twins of the definitions in layers/, losses.py and optimizers.py: functions on arrays, no layer logic.

    twins.py             binds a definition to its twin; `using` switches the whole library from one to the other
    dense.py, activations.py, pooling.py, batch_norm.py, local_response_norm.py, merging.py, losses.py, optimizers.py
                         one twin per definition, called forward and backward, or by the definition's name
    convolution/         the same for Conv2D: four algorithms, and one table that chooses among them by shape
    machine/             the parts they share: compilation and its cache, BLAS, vector instructions, threads, memory

Definitions are written to be read, twins to be fast; tests compare each pair.
"""

from __future__ import annotations

from . import activations, batch_norm, convolution, dense, local_response_norm, losses, merging, optimizers, pooling
from .machine.codes import ACTIVATIONS, LINEAR, RELU, SIGMOID, TANH
from .machine.window import Padding, Window, output_size
from .twins import PAIRS, compiled_as, definition_of, using

__all__ = [
    "ACTIVATIONS", "LINEAR", "PAIRS", "Padding", "RELU", "SIGMOID", "TANH", "Window", "activations", "batch_norm",
    "compiled_as", "convolution", "definition_of", "dense", "local_response_norm", "losses", "merging", "optimizers",
    "output_size", "pooling", "using",
]  # fmt: skip
