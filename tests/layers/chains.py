"""A helper for the tests of layers that are computed together."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinydl.layers import Layer, Sequential


def chain_of(layers: list[Layer], shape: tuple[int, ...], dtype: Any = np.float32) -> Sequential:
    """The layers as a chain, built with the same weights in every call."""
    chain = Sequential(layers)
    chain.build(shape, np.random.default_rng(0), dtype)
    return chain
