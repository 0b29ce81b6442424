"""Small models, one per case of a layer's spec, for tests of training, of saved files and of dtypes in memory."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinydl import Model
from tinydl.layers import AuxiliaryHead, Conv2D, Dense, Flatten, Layer

from .cases import LayerCase
from .drawing import built, random_rates
from .specs import LAYERS, cases_of

CASES: dict[str, Any] = cases_of(LAYERS)


def stack(case: LayerCase, end: Sequence[Layer] = ()) -> Model:
    """A model with the case's layer between layers with parameters; its inputs have the case's shape.

    If the case contains an auxiliary head, the last layer has as many units as the head: both have the same targets.
    """
    shape = case.point[1:] if isinstance(case.point, tuple) else case.point.shape[1:]
    layer: Layer = copy.deepcopy(case.subject)
    spec = LAYERS.get(type(layer).__name__)
    below: list[Layer] = []
    if len(shape) == 1:
        below = [Dense(shape[0], "sigmoid" if spec and spec.data is random_rates else None)]
    elif len(shape) == 3:
        below = [Conv2D(shape[2], 1)]
    heads = [part.head for part in built(layer, shape).walk() if isinstance(part, AuxiliaryHead)]
    units = built(heads[0], heads[0].input_shape).output_shape[0] if heads else 3
    return Model([*below, layer, Flatten(), Dense(units), *end], shape)


def batch(model: Model, rows: int = 8) -> tuple[Any, Any]:
    """Random inputs and targets that fit the model and mean squared error."""
    rng = np.random.default_rng(0)
    shapes: list[Any] = [model.input_shape, model.output_shape]
    x, y = (rng.normal(size=(rows, *shape)).astype(np.float32) for shape in shapes)
    return x, y
