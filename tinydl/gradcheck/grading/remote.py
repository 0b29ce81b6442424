"""Remote: a submission's layer, which the checker calls by exchanging arrays with the submission's process.

If the staff gave a reference, the reference is the forward, and the submission supplies the gradients. Whenever the
submission does so at the staff's x, its own y is compared with the reference's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .channel import Arrays, BrokenOffError, Channel, Fields
from .spec import arguments_of

DOUBLE = {"rtol": 1e-6, "atol": 1e-8}  # how closely a submission's y must agree with the reference's
SINGLE = {"rtol": 1e-3, "atol": 1e-5}  # the same, if the submission computes in float32


class RemoteError(Exception):
    """The submission's forward or backward raised."""


class ForwardIsWrongError(BrokenOffError):
    """The submission's forward does not agree with the reference."""


@dataclass(frozen=True)
class Held:
    """The things that a remote layer needs besides its parameters.

    Attributes:
        channel: the channel to the submission's process.
        reference: the staff's forward, if there is one.
        others: the reference's further arguments, by name: labels and the like.
        given: x as the staff gave it.
        x_name: the reference's name for x.
        names: the parameters, in the submission's order.
        is_objective: whether the layer is a loss, whose backward takes no dy.
    """

    channel: Channel
    reference: Callable[..., Any] | None
    others: Mapping[str, Any]
    given: NDArray[Any]
    x_name: str
    names: Sequence[str]
    is_objective: bool


class Remote:
    """A layer in the plain form; `held` is in the class, where the checker neither copies nor looks for arrays."""

    held: ClassVar[Held]

    def __init__(self, params: dict[str, NDArray[Any]]) -> None:
        self.params, self.single = params, False
        self.zero_grad()
        self.extra: Any = 0.0

    def forward(self, x: NDArray[Any]) -> NDArray[Any]:
        self.x = x
        if self.held.reference is not None:
            self.held.channel.in_time()
            y = self._right(x)
            return y.astype(np.float32) if self.single and y.dtype == np.float64 else y
        fields, arrays = self._ask("forward", {"x": x})
        parts = [float(part) for part in fields["penalty"]]
        self.extra = complex(*parts) if parts[1] else parts[0]
        return _at_least_1d(arrays["y"])

    def follow(self, x: NDArray[Any]) -> None:
        """Round the reference to float32 if the submission computes in float32, so that suitable tolerances apply."""
        if self.held.reference is not None:
            self.single = self._ask("forward", {"x": x})[1]["y"].dtype == np.float32

    def penalty(self) -> Any:
        return self.extra

    def backward(self, dy: NDArray[Any]) -> NDArray[Any] | None:
        ones = self.held.is_objective
        _, arrays = self._ask("backward", {"x": self.x, "dy": np.ones_like(dy) if ones else dy})
        if self.held.reference is not None and np.array_equal(self.x, self.held.given):  # not at another x
            self._compare(_at_least_1d(arrays["y"]), self._right(self.x))
        factor = dy.sum() if ones else 1.0
        for k, name in enumerate(self.held.names):
            self._add(key_of(name), arrays.get(f"g{k}"), factor)
        return arrays["dx"] * factor if "dx" in arrays else None

    def _add(self, key: str, gradient: NDArray[Any] | None, factor: float) -> None:
        held = self.grads.pop(key, None)
        if gradient is not None and gradient.dtype.kind == "f":
            before = held if held is not None and held.shape == gradient.shape else np.zeros_like(gradient)
            self.grads[key] = before + gradient * factor

    def zero_grad(self) -> None:
        self.grads: dict[str, NDArray[Any]] = {key: np.zeros_like(value) for key, value in self.params.items()}

    def _ask(self, what: str, arrays: Arrays) -> tuple[Fields, Arrays]:
        params = {f"p{k}": self.params[key_of(name)] for k, name in enumerate(self.held.names)}
        self.held.channel.send({"do": what}, {**arrays, **params})
        return received(self.held.channel, "y")

    def _right(self, x: NDArray[Any]) -> NDArray[Any]:
        held = self.held
        assert held.reference is not None
        values = {**held.others, **{name: self.params[key_of(name)] for name in held.names}, held.x_name: x}
        return _at_least_1d(np.asarray(held.reference(**{name: values[name] for name in arguments_of(held.reference)})))

    def _compare(self, y: NDArray[Any], right: NDArray[Any]) -> None:
        if y.shape != right.shape:
            raise ForwardIsWrongError(f"forward: expected shape {right.shape}, got {y.shape}")
        limits = SINGLE if y.dtype == np.float32 else DOUBLE
        agrees = np.abs(y - right) <= limits["atol"] + limits["rtol"] * np.abs(right)
        wrong = ~agrees  # NaN agrees with nothing
        if wrong.any():
            first = tuple(int(k) for k in np.argwhere(wrong)[0])
            entry = f"y{list(first)} is {y[first]:.6g}, expected {right[first]:.6g}"
            raise ForwardIsWrongError(f"forward is wrong in {wrong.sum()} of {y.size} entries: {entry}")


def key_of(name: str) -> str:
    """A parameter's key in `params`; x is reserved, because the checker calls the input x."""
    return "x_" if name == "x" else name


def remote_class(name: str, held: Held) -> type[Remote]:
    """A class for one task of a submission; messages use its name."""
    return type(name, (Remote,), {"held": held})


def received(channel: Channel, *needed: str) -> tuple[Fields, Arrays]:
    """Receive the answer; raise RemoteError or ValueError if the submission raised an exception."""
    fields, arrays = channel.receive()
    if "error" in fields:
        text = str(fields["error"])
        raise ValueError(text) if fields.get("kind") == "ValueError" else RemoteError(text)
    if any(name not in arrays for name in needed):
        raise BrokenOffError("its answer lacks a requested array")
    return fields, arrays


def _at_least_1d(y: NDArray[Any]) -> NDArray[Any]:
    return y.reshape(1) if y.ndim == 0 else y
