"""Optimizers, which update one flat vector of parameters from one flat vector of gradients, whatever the layers are.

    optimizer.step(params, grads)       changes params in place and only reads grads

g is the gradient, p the parameters, t the step number (counted from 1), lr the learning rate (a number or a schedule).
With `global_clipnorm` c, a gradient whose norm over ALL parameters exceeds c is first scaled to norm c, which keeps its
direction (Pascanu et al. 2013).

In a Model, `weight_decay` acts on parameters with two or more dimensions (W of Dense and Conv2D) but not on those with
one (b, and BatchNorm's gamma and beta). The latter are few and overfit little, and pulling them to 0 only removes
freedom (Goyal et al. 2017; He et al. 2019, "Bag of Tricks", section 3.1). The Model sets `decayed` to the ranges of the
former; without a Model the whole vector decays, which is PyTorch's default. Its training steps set `frozen` to the
ranges of frozen layers, which no step changes: neither parameters nor slots, and their gradients count in no norm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from . import arguments, interrupts, kernels
from .kernels import compiled_as
from .schedules import Constant, Schedule, as_schedule

LARGEST = {code: float(np.finfo(code).max) for code in "fd"}


class Optimizer(arguments.Configured):
    """Base class of all optimizers. `slots` holds vectors as long as the parameters; `iterations` counts steps."""

    slot_names: tuple[str, ...] = ()
    squares: tuple[str, ...] = ()  # the slots that are never negative, whose roots are taken
    slots: dict[str, NDArray]
    iterations: int
    model_mark: object = None  # the model that was compiled with this optimizer holds the same object
    _decayed: tuple[slice, ...] | None = None
    _frozen: tuple[slice, ...] = ()

    def __init__(self, learning_rate: float | Schedule, global_clipnorm: float | None = None) -> None:
        self.learning_rate = learning_rate
        if global_clipnorm is not None:
            arguments.positive(self._owner, "global_clipnorm", global_clipnorm)
        self.global_clipnorm = global_clipnorm
        self.slots = {}
        self.iterations = 0
        self._plan()

    @property
    def _owner(self) -> str:
        return type(self).__name__

    @property
    def learning_rate(self) -> float | Schedule:
        """The rate, a number or a schedule, which can be set at any time."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float | Schedule) -> None:
        fixed = not isinstance(value, Schedule)
        if isinstance(value, dict | np.ndarray):
            expected, mend = (
                "a number or a schedule",
                "compile hands the parameters to the optimizer, so leave them out",
            )
            raise TypeError(f"{self._owner}: learning_rate must be {expected}, got {arguments.brief(value)}: {mend}")
        self._learning_rate = arguments.number(self._owner, "learning_rate", value, 0) if fixed else value
        self._schedule = as_schedule(self._learning_rate)

    @property
    def current_learning_rate(self) -> float:
        """The rate that the next step will use."""
        return self._schedule(self.iterations)

    def rates(self, count: int, dtype: np.dtype) -> NDArray:
        """The rates of the next `count` steps on parameters of this dtype; of fewer if the schedule then gives one
        that `step` refuses."""
        if isinstance(self._schedule, Constant):
            found = np.full(count, self.current_learning_rate)
        else:
            found = np.array([self._schedule(self.iterations + k) for k in range(count)], np.float64)
        bad = np.flatnonzero(~((found >= 0) & (found <= LARGEST[dtype.char])))
        return found[: bad[0]] if bad.size else found

    @property
    def decayed(self) -> Sequence[slice] | None:
        """The ranges of the vector that weight_decay acts on; None, the default without a Model, means all of it.

        `Model.compile` sets this property, which returns the ranges in order, merged where they touch or overlap.
        """
        return self._decayed

    @decayed.setter
    def decayed(self, parts: Sequence[slice] | None) -> None:
        self._decayed = None if parts is None else self._merged("decayed", parts)
        self._plan()

    @property
    def frozen(self) -> Sequence[slice]:
        """The ranges of the vector that a step leaves as they are; set by a Model, as `decayed` is."""
        return self._frozen

    @frozen.setter
    def frozen(self, parts: Sequence[slice]) -> None:
        self._frozen = self._merged("frozen", parts)
        self._plan()

    def _merged(self, name: str, parts: Sequence[slice]) -> tuple[slice, ...]:
        """The ranges in order, merged where they touch or overlap."""
        if not isinstance(parts, list | tuple):
            raise TypeError(f"{self._owner}: {name} must be a list of slices, got {parts!r}")
        merged: list[slice] = []
        for start, stop in sorted(self._bounds(name, part) for part in parts):
            if merged and start <= merged[-1].stop:
                merged[-1] = slice(merged[-1].start, max(stop, merged[-1].stop))
            elif start < stop:
                merged.append(slice(start, stop))
        return tuple(merged)

    def _bounds(self, name: str, part: slice) -> tuple[int, int]:
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise ValueError(f"{self._owner}: {name} must hold slices (start, stop) of the vector, got {part!r}")
        start = arguments.whole(self._owner, f"the start of a {name} part", part.start)
        return start, arguments.whole(self._owner, f"the stop of a {name} part", part.stop, start)

    def _plan(self) -> None:
        """Cut the vector at the ends of all ranges. The last part is open, as the length is not known yet."""
        ranges = (*self._frozen, *(self._decayed or ()))
        edges = sorted({0, *(edge for part in ranges for edge in (part.start, part.stop))})
        self._end = edges[-1]
        parts = [slice(start, stop) for start, stop in pairwise([*edges, None])]
        trained = [part for part in parts if not _within(part, self._frozen)]
        self._ranges = [(part, self._decayed is None or _within(part, self._decayed)) for part in trained]

    def by_decay(self, weight_decay: float, *vectors: NDArray) -> Iterator[tuple[float, Sequence[NDArray]]]:
        """Yield pairs (weight_decay or 0, the parts of the vectors to which it applies) that cover the vectors,
        except for frozen ranges."""
        if not self._frozen and (not weight_decay or self._decayed is None):
            yield weight_decay, vectors
            return
        for part, decays in self._ranges:
            yield weight_decay if decays else 0.0, [vector[part] for vector in vectors]

    def build(self, params: NDArray) -> None:
        """Create the slots; raise if this optimizer already trains parameters of a different size or dtype, or if its
        rate is a number that does not fit into the dtype."""
        if params.dtype.char not in "fd":  # float32, float64; an integer would be rounded back to where it was
            raise TypeError(f"{self._owner}: parameters must be float32 or float64, got {params.dtype}: use astype")
        if not self.iterations and type(self._learning_rate) is float:  # later, `step` checks it
            self._check_rate(self._learning_rate, params)
        for name in self.slot_names:
            slot = self.slots.get(name)
            if slot is None:
                self.slots[name] = np.zeros_like(params)
            elif slot.shape != params.shape or slot.dtype != params.dtype:
                expected, got = f"the {slot.size} {slot.dtype} parameters it trains", f"{params.size} {params.dtype}"
                raise ValueError(f"{self._owner}: expected {expected}, got {got}: give each model its own optimizer")

    def _check_rate(self, learning_rate: float, params: NDArray) -> None:
        if not 0 <= learning_rate <= LARGEST[params.dtype.char]:
            got = f"{learning_rate} from {self._schedule!r}"
            raise ValueError(f"{self._owner}: expected a rate >= 0, finite as {params.dtype}, got {got}")

    @interrupts.sealed
    def step(self, params: NDArray, grads: NDArray) -> None:
        """Update params once, in place."""
        if params.shape != grads.shape:
            raise ValueError(f"{self._owner}: expected gradients of shape {params.shape}, got {grads.shape}")
        if self._end > params.size:
            name = "decayed" if any(part.stop == self._end for part in self._decayed or ()) else "frozen"
            got = f"a stop at {self._end}"
            raise ValueError(f"{self._owner}: {name} must lie in the {params.size} parameters, got {got}")
        self.build(params)
        if self.global_clipnorm is not None:
            trained = [grads[part] for part, _ in self._ranges] if self._frozen else [grads]
            norm = math.sqrt(sum(sum_of_squares(part) for part in trained))
            if norm > self.global_clipnorm:
                grads = grads * (self.global_clipnorm / norm)
        learning_rate = self.current_learning_rate
        self._check_rate(learning_rate, params)
        self.iterations += 1
        if not self._frozen or type(self).__module__ == __name__:
            self.update(params, grads, learning_rate)
            return
        vectors = (params, *self.slots.values())  # an update written elsewhere may not use by_decay: put back the rest
        kept = [(vector, part, vector[part].copy()) for vector in vectors for part in self._frozen]
        self.update(params, grads, learning_rate)
        for vector, part, values in kept:
            vector[part] = values

    def update(self, params: NDArray, grads: NDArray, learning_rate: float) -> None:
        raise NotImplementedError(f"{self._owner} has no update")


def _within(part: slice, ranges: Sequence[slice]) -> bool:
    """Whether a part that no range cuts lies in one of them."""
    return any(each.start <= part.start < each.stop for each in ranges)


@compiled_as(kernels.optimizers.sum_of_squares)
def sum_of_squares(v: NDArray) -> float:
    """sum_k v_k^2, computed in float64, in which the square of a float32 cannot overflow."""
    return float(np.sum(np.square(v, dtype=np.float64)))


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

    g <- g + weight_decay p                     (L2 decay, whose gradient enters the momentum; it
                                                applies only to decayed parameters: see the top of this file)
    momentum = 0:   p <- p - lr g
    else            v <- momentum v + g,   p <- p - lr v
    nesterov        v <- momentum v + g,   p <- p - lr (g + momentum v)

    Reference  Sutskever et al. 2013; the same update as PyTorch's SGD with dampening 0
    """

    def __init__(
        self, learning_rate: float | Schedule = 0.01, momentum: float = 0.0, nesterov: bool = False,
        weight_decay: float = 0.0, global_clipnorm: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(learning_rate, global_clipnorm)
        self.momentum = arguments.number("SGD", "momentum", momentum, 0, 1)
        self.nesterov = arguments.flag("SGD", "nesterov", nesterov)
        self.weight_decay = arguments.number("SGD", "weight_decay", weight_decay, 0)
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov=True needs a momentum above 0, got 0")

    @property
    def slot_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("velocity",) if self.momentum else ()

    def update(self, params: NDArray, grads: NDArray, learning_rate: float) -> None:
        velocity = self.slots["velocity"] if self.momentum else params[:0]
        for decay, (p, g, v) in self.by_decay(self.weight_decay, params, grads, velocity):
            sgd(p, g, v, learning_rate, self.momentum, self.nesterov, decay)


@compiled_as(kernels.optimizers.sgd)
def sgd(
    p: NDArray, g: NDArray, v: NDArray, learning_rate: float, momentum: float, nesterov: bool, weight_decay: float
) -> None:
    """One step on the flat vectors p (parameters), g (gradients) and v (velocity, empty when momentum is 0)."""
    step = g + weight_decay * p
    if v.size:
        v *= momentum
        v += step
        step = step + momentum * v if nesterov else v
    p -= learning_rate * step


class RMSprop(Optimizer):
    """Divide each gradient by the root of a running mean of its squares.

    v <- rho v + (1 - rho) g^2,   p <- p - lr g / (sqrt(v) + epsilon)

    With keras_epsilon=True, as in Keras, the divisor is sqrt(v + epsilon), which is larger where gradients are small.

    Reference  Tieleman & Hinton 2012, lecture 6.5; the same update as PyTorch's RMSprop with alpha = rho
    """

    slot_names = squares = ("v",)

    def __init__(
        self, learning_rate: float | Schedule = 1e-3, rho: float = 0.9, *, epsilon: float = 1e-8,
        global_clipnorm: float | None = None, keras_epsilon: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(learning_rate, global_clipnorm)
        self.rho = arguments.number("RMSprop", "rho", rho, 0, 1)
        self.epsilon = arguments.number("RMSprop", "epsilon", epsilon, 1e-16)
        self.keras_epsilon = arguments.flag("RMSprop", "keras_epsilon", keras_epsilon)

    @property
    def epsilons(self) -> tuple[float, float]:
        """What is added to the root, and below it."""
        return (0.0, self.epsilon) if self.keras_epsilon else (self.epsilon, 0.0)

    def update(self, params: NDArray, grads: NDArray, learning_rate: float) -> None:
        outside, inside = self.epsilons
        for _, (p, g, v) in self.by_decay(0.0, params, grads, self.slots["v"]):
            rmsprop(p, g, v, learning_rate, self.rho, outside, inside)


@compiled_as(kernels.optimizers.rmsprop)
def rmsprop(
    p: NDArray, g: NDArray, v: NDArray, learning_rate: float, rho: float, epsilon: float, inside: float = 0.0
) -> None:
    """One step on the flat vectors p (parameters), g (gradients) and v (running mean of g^2).

    epsilon is added to the root, `inside` to v.
    """
    v *= rho
    v += (1 - rho) * g * g
    p -= learning_rate * g / (np.sqrt(v + inside) + epsilon)


class Adam(Optimizer):
    """Momentum with a step size for each parameter, estimated from the first two moments of its gradient.

    m <- beta1 m + (1 - beta1) g               v <- beta2 v + (1 - beta2) g^2
    m^ = m / (1 - beta1^t)                     v^ = v / (1 - beta2^t)      (correct the bias of starting at 0)
    p <- p - lr weight_decay p - lr m^ / (sqrt(v^) + epsilon)

    With keras_epsilon=True, as in Keras, the divisor is (sqrt(v) + epsilon) / sqrt(1 - beta2^t): the paper's epsilon
    hat, added before the bias correction (the text below its Algorithm 1). It is larger in the first steps.

    The weight decay is decoupled: it acts on p directly and never enters m or v. It applies only to decayed
    parameters (see the top of this file).
    Early in training m^ / sqrt(v^) is near 1 or -1, so every parameter moves by about lr, however small its gradient.

    Reference  Kingma & Ba 2015; decoupled decay: Loshchilov & Hutter 2019; the same update as PyTorch's Adam and AdamW
    """

    slot_names, squares = ("m", "v"), ("v",)

    def __init__(
        self, learning_rate: float | Schedule = 1e-3, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
        weight_decay: float = 0.0, global_clipnorm: float | None = None, keras_epsilon: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(learning_rate, global_clipnorm)
        self.beta1 = arguments.number("Adam", "beta1", beta1, 0, 1)
        self.beta2 = arguments.number("Adam", "beta2", beta2, 0, 1)
        self.epsilon = arguments.number("Adam", "epsilon", epsilon, 1e-16)
        self.weight_decay = arguments.number("Adam", "weight_decay", weight_decay, 0)
        self.keras_epsilon = arguments.flag("Adam", "keras_epsilon", keras_epsilon)

    def epsilon_of(self, step: int) -> float:
        """The epsilon of a step, counted from 1."""
        return self.epsilon / math.sqrt(1 - self.beta2**step) if self.keras_epsilon else self.epsilon

    def next_epsilons(self, count: int) -> NDArray:
        """The epsilons of the next `count` steps."""
        if not self.keras_epsilon:
            return np.full(count, self.epsilon)
        return np.array([self.epsilon_of(self.iterations + k) for k in range(1, count + 1)])

    def update(self, params: NDArray, grads: NDArray, learning_rate: float) -> None:
        epsilon = self.epsilon_of(self.iterations)
        for decay, (p, g, m, v) in self.by_decay(self.weight_decay, params, grads, self.slots["m"], self.slots["v"]):
            adam(p, g, m, v, self.iterations, learning_rate, self.beta1, self.beta2, epsilon, decay)


@compiled_as(kernels.optimizers.adam)
def adam(
    p: NDArray, g: NDArray, m: NDArray, v: NDArray, t: int,
    learning_rate: float, beta1: float, beta2: float, epsilon: float, weight_decay: float,
) -> None:  # fmt: skip
    """Step t (counted from 1) on the flat vectors, with m^ = m_scale m and sqrt(v^) = v_scale sqrt(v)."""
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g * g
    m_scale = 1 / (1 - beta1**t)
    v_scale = 1 / math.sqrt(1 - beta2**t)
    p *= 1 - learning_rate * weight_decay
    p -= learning_rate * (m_scale * m) / (v_scale * np.sqrt(v) + epsilon)


class Lion(Optimizer):
    """Follow the sign of a momentum: every parameter moves up or down by lr in every step.

    u = sign(beta1 m + (1 - beta1) g)
    p <- p - lr weight_decay p - lr u
    m <- beta2 m + (1 - beta2) g            (starts at 0)

    The newest gradient has more weight in the step (beta1) than in the momentum (beta2). Every entry of the step has
    size lr, so the learning rate should be a third to a tenth of Adam's and the weight decay larger by the same factor.
    The decay is decoupled and applies only to decayed parameters, as in Adam. Lion stores one vector, Adam two.

    Reference  Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms"; the same update as Keras's Lion
    """

    slot_names = ("m",)

    def __init__(
        self, learning_rate: float | Schedule = 1e-4, beta1: float = 0.9, beta2: float = 0.99,
        weight_decay: float = 0.0, global_clipnorm: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(learning_rate, global_clipnorm)
        self.beta1 = arguments.number("Lion", "beta1", beta1, 0, 1)
        self.beta2 = arguments.number("Lion", "beta2", beta2, 0, 1)
        self.weight_decay = arguments.number("Lion", "weight_decay", weight_decay, 0)

    def update(self, params: NDArray, grads: NDArray, learning_rate: float) -> None:
        for decay, (p, g, m) in self.by_decay(self.weight_decay, params, grads, self.slots["m"]):
            u = np.sign(self.beta1 * m + (1 - self.beta1) * g)
            p *= 1 - learning_rate * decay
            p -= learning_rate * u
            m *= self.beta2
            m += (1 - self.beta2) * g
