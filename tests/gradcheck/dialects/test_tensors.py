"""Layers on torch tensors: with a small stand-in for torch, and with torch itself where it is installed."""

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest

from tests.gradcheck.dialects.planted import Bug, Case, fails, passes, right
from tinydl.gradcheck.dialects.tensors import Tensors


class Tensor:
    """A tensor with the few operations that the layers below use; it neither is nor accepts an array."""

    __name__ = "tensor"  # to hide the attributes from the checker, as in a real tensor

    def __init__(self, array):
        self.array, self.grad = array, None

    def detach(self):
        return self

    def numpy(self):
        return self.array

    @property
    def T(self):
        return Tensor(self.array.T)

    def __matmul__(self, other):
        return Tensor(self.array @ other.array)

    def __rmul__(self, number):
        return Tensor(number * self.array)

    def __add__(self, other):
        return Tensor(self.array + other.array)

    def sum(self, dim):
        return Tensor(self.array.sum(axis=dim))

    def mean(self, dim):
        return Tensor(self.array.mean(axis=dim))


@pytest.fixture
def stand_in(monkeypatch):
    torch = ModuleType("torch")
    torch.Tensor = Tensor
    torch.from_numpy = Tensor
    torch.tensor = lambda values: Tensor(np.array(values, np.float32))
    monkeypatch.setitem(sys.modules, "torch", torch)


DENSE = """
import torch

class Dense:
    def __init__(self):
        self.W = torch.tensor([[0.5, -0.3], [0.2, 0.8], [0.7, 0.1]])
        self.b = torch.tensor([0.1, -0.2])

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        {W}
        {b}
        dx = dy @ self.W.T
        return dx
"""
ATTRIBUTES = DENSE.format(W="self.dW = self.x.T @ dy", b="self.db = dy.sum(dim=0)")
GRAD = DENSE.format(W="self.W.grad = self.x.T @ dy", b="self.b.grad = dy.sum(dim=0)")
RETURNED = DENSE.format(W="dW = self.x.T @ dy", b="db = dy.sum(dim=0)").replace("return dx", "return dx, dW, db")
BUGS: list[Bug] = [
    ("self.x.T @ dy", "2 * self.x.T @ dy", "W"),
    ("dy.sum(dim=0)", "dy.mean(dim=0)", "b"),
    ("dx = dy @", "dx = 0.5 * dy @", "x"),
]
CASES = [
    Case(name, code, "check_layer(Dense(), (4, 3))", BUGS, "x W b")
    for name, code in (("attributes", ATTRIBUTES), ("grad", GRAD), ("returned", RETURNED))
]


@pytest.mark.usefixtures("stand_in")
@right(CASES)
def test_layers_on_tensors_with_a_stand_in(case: Case) -> None:
    passes(case)
    for bug in case.bugs:
        fails(case, bug)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@right([*CASES, Case("the example", Tensors.example, "check_layer(Dense(), (4, 2))")])
def test_layers_on_tensors_with_torch(case: Case) -> None:
    passes(case)
    for bug in case.bugs:
        fails(case, bug)
