"""All parameters of a network in one flat vector, and all gradients in another; the layers hold views into them.

An optimizer step or a gradient norm is then one pass over one array, whatever the number of layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels.machine.memory import zeros
from ..layer import Layer


class Vectors(NamedTuple):
    """The result of `lay_out`."""

    parameters: NDArray
    gradients: NDArray
    decayed: list[slice]  # weights, but not biases, gammas and betas, which have one dimension


def leaves(root: Layer) -> Iterator[Layer]:
    """All layers except containers, which only expose the arrays of the layers below them."""
    return (layer for layer in root.walk() if not layer.sublayers())


def owners(root: Layer) -> Iterator[Layer]:
    """The layers that own arrays: no containers, and only the first use of a shared layer."""
    return (layer for layer in leaves(root) if layer.original is None)


def lay_out(root: Layer, dtype: np.dtype) -> Vectors:
    """Move all parameters into one vector and all gradients into another; layers get views of the same shapes."""
    entries = [(layer, key) for layer in owners(root) for key in layer.params]
    total = sum(layer.params[key].size for layer, key in entries)
    # The complex-step check uses a copy with complex parameters.
    dtype = np.result_type(dtype, *(layer.params[key].dtype for layer, key in entries))
    vectors = Vectors(zeros(total, dtype), zeros(total, dtype), [])
    start = 0
    for layer, key in entries:
        old = layer.params[key]
        part = slice(start, start + old.size)
        if old.ndim > 1:
            vectors.decayed.append(part)
        for arrays, flat in ((layer.params, vectors.parameters), (layer.grads, vectors.gradients)):
            view = flat[part].reshape(old.shape)
            view[...] = arrays[key]
            arrays[key] = view
        start += old.size
    return vectors


def cast(root: Layer, dtype: np.dtype) -> None:
    """Convert every array to another dtype. The arrays are new, so call `lay_out` again."""
    for layer in root.walk():
        layer.dtype = dtype
    for layer in owners(root):
        for arrays in (layer.params, layer.grads, layer.state):
            arrays.update({key: array.astype(dtype) for key, array in arrays.items()})


def offset(view: NDArray, vector: NDArray) -> int:
    """Where a view begins in the flat vector that it belongs to."""
    start: int = view.__array_interface__["data"][0] - vector.__array_interface__["data"][0]
    return start // vector.itemsize
