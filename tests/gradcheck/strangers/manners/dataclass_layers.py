"""A software engineer's: dataclasses with type hints, gradients in a named tuple, __call__ for the forward pass."""

from dataclasses import dataclass, field
from typing import NamedTuple, Optional

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer

Array = np.ndarray
rng = np.random.default_rng(2024)


@dataclass
class Linear:
    weight: Array
    bias: Array
    grad_weight: Optional[Array] = None
    grad_bias: Optional[Array] = None
    _last_input: Optional[Array] = field(default=None, repr=False)

    @classmethod
    def create(cls, fan_in: int, fan_out: int) -> "Linear":
        return cls(rng.normal(size=(fan_in, fan_out)), rng.normal(size=fan_out))

    def __call__(self, x: Array) -> Array:
        self._last_input = x
        return x @ self.weight + self.bias

    def backward(self, grad: Array) -> Array:
        assert self._last_input is not None, "call the layer first"
        self.grad_weight = np.tensordot(self._last_input, grad, axes=([0, 1], [0, 1]))
        self.grad_bias = grad.sum(axis=(0, 1))
        return grad @ self.weight.T


class RMSNormGrads(NamedTuple):
    x: Array
    gain: Array


@dataclass
class RMSNorm:
    gain: Array
    eps: float = 1e-6
    cache: tuple = ()

    def forward(self, x: Array) -> Array:
        rms = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + self.eps)
        self.cache = (x, rms)
        return x / rms * self.gain

    def backward(self, grad: Array) -> RMSNormGrads:
        x, rms = self.cache
        gx = grad * self.gain
        dot = np.mean(gx * x, axis=-1, keepdims=True)
        return RMSNormGrads(x=gx / rms - x * dot / rms**3, gain=np.sum(grad * x / rms, axis=0))


@dataclass
class GatedLinearUnit:
    """The first half of the features, gated by the second."""

    axis: int = -1

    def __call__(self, x: Array) -> Array:
        a, b = np.split(x, 2, axis=self.axis)
        gate = 1 / (1 + np.exp(-b))
        self.a, self.gate = a, gate
        return a * gate

    def backward(self, grad: Array) -> Array:
        da = grad * self.gate
        dgate = grad * self.a
        db = dgate * self.gate * (1 - self.gate)
        return np.concatenate([da, db], axis=self.axis)


CASES = [
    Case(
        "linear dataclass of sequences",
        lambda: check_layer(Linear.create(3, 4), x=(2, 5, 3)),
        bugs=[
            Bug(
                "self.grad_bias = grad.sum(axis=(0, 1))",
                "self.grad_bias = grad.sum(axis=0).mean(axis=0)",
                "bias",
                r"mean|0\.2|1/|sum",
            ),
            Bug(
                "self.grad_bias = grad.sum(axis=(0, 1))",
                "self.grad_bias = grad.sum(axis=1)[0]",
                "bias",
                r"sum|axis|first|batch",
            ),
            Bug(
                "self.grad_weight = np.tensordot(self._last_input, grad,",
                "self.grad_weight = np.tensordot(self._last_input, grad[:, ::-1],",
                "weight",
                r"order|reverse|time|stale",
            ),
            Bug("return grad @ self.weight.T", "return grad @ np.abs(self.weight.T)", "x", r"sign|absolute"),
        ],
    ),
    Case(
        "rmsnorm with a named tuple",
        lambda: check_layer(RMSNorm(rng.normal(size=5)), x=(3, 5)),
        bugs=[
            Bug("x=gx / rms - x * dot / rms**3", "x=gx / rms", "x", r"term|missing|norm|constant"),
            Bug("x=gx / rms - x * dot / rms**3", "x=gx / rms + x * dot / rms**3", "x", r"sign|term"),
            Bug(
                "dot = np.mean(gx * x, axis=-1, keepdims=True)",
                "dot = np.sum(gx * x, axis=-1, keepdims=True)",
                "x",
                r"mean|sum|features",
            ),
            Bug("gx = grad * self.gain", "gx = grad", "x", r"gamma|factor|scale"),
            Bug("gain=np.sum(grad * x / rms, axis=0)", "gain=np.sum(grad * x, axis=0)", "gain", r"rms|norm|std|scale"),
        ],
    ),
    Case(
        "gated linear unit",
        lambda: check_layer(GatedLinearUnit(), x=(4, 6)),
        bugs=[
            Bug(
                "np.concatenate([da, db], axis=self.axis)",
                "np.concatenate([db, da], axis=self.axis)",
                "x",
                r"order|swap|halves|half|block",
            ),
            Bug(
                "db = dgate * self.gate * (1 - self.gate)",
                "db = dgate * self.gate",
                "x",
                r"sigmoid|derivative|half|columns",
            ),
            Bug("da = grad * self.gate", "da = grad", "x", r"gate|factor|half|columns"),
            Bug("dgate = grad * self.a", "dgate = grad * self.a * self.gate", "x", r"gate|extra|factor|half|columns"),
        ],
    ),
]
