"""A tidy engineer's layers: frozen shapes in dataclasses, type hints, gradients in a dataclass of their own."""
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


@dataclass
class AffineGrads:
    W: NDArray | None = None
    b: NDArray | None = None


@dataclass
class Affine:
    W: NDArray
    b: NDArray
    grads: AffineGrads = field(default_factory=AffineGrads)
    _x: NDArray | None = field(default=None, repr=False)

    def forward(self, x: NDArray) -> NDArray:
        self._x = x
        return x @ self.W + self.b

    def backward(self, dy: NDArray) -> NDArray:
        assert self._x is not None, "forward first"
        self.grads = AffineGrads(W=self._x.T @ dy, b=dy.sum(axis=0))
        return dy @ self.W.T


@dataclass
class Bilinear:
    """y_k = u' A_k v + c_k"""

    A: NDArray
    c: NDArray

    def forward(self, u: NDArray, v: NDArray) -> NDArray:
        self.saved = u, v
        return np.einsum("ni,kij,nj->nk", u, self.A, v) + self.c

    def backward(self, dy: NDArray) -> tuple[NDArray, NDArray]:
        u, v = self.saved
        self.dA = np.einsum("nk,ni,nj->kij", dy, u, v)
        self.dc = dy.sum(axis=0)
        du = np.einsum("nk,kij,nj->ni", dy, self.A, v)
        dv = np.einsum("nk,kij,ni->nj", dy, self.A, u)
        return du, dv


@dataclass
class GatedUnit:
    units: int
    seed: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.weights = {"value": rng.normal(size=(3, self.units)), "gate": rng.normal(size=(3, self.units))}
        self.gradients: dict[str, NDArray] = {}

    def forward(self, x: NDArray) -> NDArray:
        self.x, self.value = x, x @ self.weights["value"]
        self.gate = 1 / (1 + np.exp(-x @ self.weights["gate"]))
        return self.value * self.gate

    def backward(self, dy: NDArray) -> NDArray:
        dvalue = dy * self.gate
        dgate = dy * self.value * self.gate * (1 - self.gate)
        self.gradients["value"] = self.x.T @ dvalue
        self.gradients["gate"] = self.x.T @ dgate
        return dvalue @ self.weights["value"].T + dgate @ self.weights["gate"].T


def rng():
    return np.random.default_rng(5)


CASES = [
    Case("affine", lambda: check_layer(Affine(rng().normal(size=(3, 2)), np.zeros(2)), x=(4, 3)), bugs=[
        Bug("b=dy.sum(axis=0))", "b=dy.mean(axis=0))", "b", r"1/N|batch size|mean"),
        Bug("AffineGrads(W=self._x.T @ dy, b", "AffineGrads(W=2 * self._x.T @ dy, b", "W", r"2(\.0*)? times|twice|factor"),
        Bug("AffineGrads(W=self._x.T @ dy, b", "AffineGrads(W=None, b", "W", r"None|never|no gradient|missing|not (written|set)"),
        Bug("return dy @ self.W.T", "return dy @ self.grads.W.T", "x", r"grad|\bW\b|dW"),
    ]),
    Case("bilinear", lambda: check_layer(Bilinear(rng().normal(size=(2, 3, 3)), rng().normal(size=2)), (4, 3), (4, 3)), bugs=[
        Bug('dv = np.einsum("nk,kij,ni->nj"', 'dv = np.einsum("nk,kji,ni->nj"', "v", r"transpos|\bA\b|\.T"),
        Bug('self.dA = np.einsum("nk,ni,nj->kij"', 'self.dA = np.einsum("nk,ni,nj->kji"', "A", r"transpos|swap|axes"),
        Bug("dy, self.A, v)\n        dv", "dy, self.A, u)\n        dv", "x", r"\bv\b|\bu\b|other|swap|wrong"),
        Bug("self.dc = dy.sum(axis=0)", "self.dc = dy[0]", "c", r"first|row|sum"),
    ]),
    Case("gated unit", lambda: check_layer(GatedUnit(4), x=(5, 3)), bugs=[
        Bug('return dvalue @ self.weights["value"].T + dgate', 'return dgate', "x", r"road|term|missing|value"),
        Bug("dgate = dy * self.value * self.gate", "dgate = dy * self.gate", ("x", "gate"), r"value|factor|missing"),
        Bug('self.gradients["value"] = self.x.T @ dvalue', 'self.gradients["value"] = self.x.T @ dy', "value", r"gate|factor|missing"),
        Bug('self.gradients["gate"] = self.x.T @ dgate', 'self.gradients["gate"] = self.x.T @ dgate / 5', "gate", r"1/N|batch|0\.2|mean"),
    ]),
]
