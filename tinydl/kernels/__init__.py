"""Compiled twins of the definitions in layers/, losses/, optimizers.py, unsupervised/ and recommenders/, on arrays.

    twins.py             binds each definition to its twin; `using` switches the whole library between the two
    dense.py, activations.py, pooling.py, batch_norm.py, local_response_norm.py, merging.py, losses.py, optimizers.py,
    rating_machine.py, rbm.py, sums.py    one twin per definition, named forward or backward, or after its definition
    convolution/         the twins for Conv2D: four algorithms, and a table that chooses among them by shape
    machine/             code that twins share: compilation, matrix products, vector instructions, threads, memory

Definitions are written to be read, and twins are written to be fast. Tests compare each pair.
"""

from __future__ import annotations

from . import (
    activations,
    batch_norm,
    convolution,
    dense,
    local_response_norm,
    losses,
    merging,
    optimizers,
    pooling,
    rating_machine,
    rbm,
    span,
    sums,
)  # fmt: skip
from .machine.codes import ACTIVATIONS, LINEAR, RELU, SIGMOID, TANH
from .machine.window import Padding, Window, output_size
from .twins import PAIRS, compiled_as, definition_of, using

__all__ = [
    "ACTIVATIONS", "LINEAR", "PAIRS", "Padding", "RELU", "SIGMOID", "TANH", "Window", "activations", "batch_norm",
    "compiled_as", "convolution", "definition_of", "dense", "local_response_norm", "losses", "merging", "optimizers",
    "output_size", "pooling", "rating_machine", "rbm", "span", "sums", "using",
]  # fmt: skip
