"""The format of a spec: LayerSpec, LossSpec, OptimizerSpec. See specs/__init__.py for how to write one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydl.layer import Layer, Shape
from tinydl.losses import Loss
from tinydl.optimizers import Optimizer

from .cases import LayerCase, LossCase
from .drawing import ANY_SHAPE, BATCHES, SEEDS, Data, Draw, Inputs, Make, built, random_normal, random_scores


def never(layer: Any, training: bool, alone: bool) -> bool:
    return False


def always(layer: Any, training: bool, alone: bool) -> bool:
    return True


@dataclass(frozen=True)
class LayerSpec:
    """Everything that the proofs need to know about a layer.

    Args:
        subject: the class
        cases: where its gradient is checked, keyed by the feature each case exercises; "" for the default case
        draw(draw, shape): makes a random layer for a given sample shape; draw(options) picks one of the options
        inputs: the input shapes that the layer accepts
        data: draws an input
        batches: how many rows a batch may have
        telling: where its mutants are checked: small cases, so that thousands of checks are fast, at inputs that
            expose mistakes; by default `cases`, and the first of `cases` after an earlier batch
        may_be_zero(layer, training, alone): whether gradients of a random layer may truly be 0, e.g. if a mask lets
            nothing through; alone: the layer is not part of another layer
        link: makes a random layer for a chain of layers; `draw` by default
        often: its relative frequency in chains
        composite: whether it contains other layers
        variants: named settings of attributes that change how the layer computes (for mutants)
        usual: a case of usual size, for benchmarks
    """

    subject: type[Layer]
    cases: Mapping[str, LayerCase]
    draw: Make
    inputs: Inputs = ANY_SHAPE
    data: Data = random_normal
    batches: Sequence[int] = BATCHES
    telling: Sequence[LayerCase] = ()
    may_be_zero: Callable[[Any, bool, bool], bool] = never
    link: Make | None = None
    often: int = 1
    composite: bool = False
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    usual: LayerCase | None = None

    @property
    def telling_cases(self) -> list[LayerCase]:
        plain = list(self.cases.values())
        return list(self.telling) or [*plain, plain[0].used_before()]

    def linked(self, draw: Draw, shape: Shape) -> Layer:
        """A random layer for a chain."""
        return (self.link or self.draw)(draw, shape)

    def drawn(self, draw: Draw) -> LayerCase:
        """A random case."""
        shape, seed = self.inputs.draw(draw), draw(SEEDS)
        layer = self.draw(draw, shape)
        x = self.data(draw, np.random.default_rng(seed), (draw(self.batches), *shape))
        training = draw((True, False))
        zero_ok = ("x", *built(layer, shape).params) if gradients_may_be_zero(layer, training) else ()
        return LayerCase(layer, x, {"training": training, "seed": seed, "zero_ok": zero_ok})


def gradients_may_be_zero(layer: Layer, training: bool) -> bool:
    """Whether all gradients may be 0: if there are few units, a relu or a mask may block all of them.

    At such a point the check shows only that backward returns 0. Most other points expose the mistakes that such a
    point hides.
    """
    from .specs import LAYERS

    return any(
        getattr(part, "activation", None) == "relu"
        or (type(part).__name__ in LAYERS and LAYERS[type(part).__name__].may_be_zero(part, training, part is layer))
        for part in layer.walk()
    )


@dataclass(frozen=True)
class LossSpec:
    """Everything that the proofs need to know about a loss.

    Args:
        subject: the class
        cases: where its gradient is checked, keyed by the feature each case exercises; "" for the default case
        draw: makes a random loss, and targets for predictions of a given shape
        inputs: the shapes of predictions that it accepts, without the batch axis
        data: draws predictions
        end: the last layers of a model that is trained with it, after a Dense layer
        telling: where its mutants are checked; by default `cases`, and the first of `cases` after an earlier batch
        usual: a case of usual size, for benchmarks
    """

    subject: type[Loss]
    cases: Mapping[str, LossCase]
    draw: Callable[[Draw, np.random.Generator, Shape], tuple[Loss, NDArray]]
    inputs: Inputs = ANY_SHAPE
    data: Data = random_scores
    end: Sequence[Layer] = ()
    telling: Sequence[LossCase] = ()
    usual: LossCase | None = None

    @property
    def telling_cases(self) -> list[LossCase]:
        plain = list(self.cases.values())
        return list(self.telling) or [*plain, plain[0].used_before()]

    def drawn(self, draw: Draw) -> LossCase:
        """A random case."""
        seed, shape = draw(SEEDS), (draw(BATCHES), *self.inputs.draw(draw))
        rng = np.random.default_rng(seed)
        loss, y_true = self.draw(draw, rng, shape)
        return LossCase(loss, self.data(draw, rng, shape), y_true, {"seed": seed})


@dataclass(frozen=True)
class OptimizerSpec:
    """Everything that the proofs need to know about an optimizer.

    Args:
        subject: the class
        kinds: constructors, keyed by the feature each kind exercises; "" for the default kind. Each accepts keywords
        by_formula(optimizer, p, gradients, decay): the parameters after one step per gradient, computed
            independently from the paper's formula in float64; decay: the weight decay of each entry
        recorded: constructors of the optimizers recorded in tests/golden/optimizers_*.json, keyed as in these files
    """

    subject: type[Optimizer]
    kinds: Mapping[str, Callable[..., Optimizer]]
    by_formula: Callable[[Any, NDArray, Sequence[NDArray], NDArray], NDArray]
    recorded: Mapping[str, Callable[[], Optimizer]] = field(default_factory=dict)
