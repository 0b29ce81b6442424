"""Integers: indices are not differentiated, but numbers that forward computes with are."""

import numpy as np
import pytest

from tests.gradcheck.dialects.planted import Bug, Case, fails, passes, right, wrong
from tinydl.gradcheck import GradientCheckError, check_function, check_layer

EMBEDDING = """
class Embedding:
    def __init__(self):
        self.table = np.random.default_rng(1).normal(size=(7, 3))

    def forward(self, ids):
        self.ids = ids{cast}
        return self.table[self.ids]

    def backward(self, dy):
        self.dtable = np.zeros_like(self.table)
        np.add.at(self.dtable, self.ids, dy)
        {returned}
"""
BUGS: list[Bug] = [
    ("np.add.at(self.dtable, self.ids, dy)", "self.dtable[self.ids] = dy", "table"),
    ("self.ids, dy)", "self.ids, -dy)", "table"),
    ("self.ids, dy)", "self.ids, 3 * dy)", "table"),
]


def embedding(cast: str, returned: str, ids: str) -> Case:
    code = EMBEDDING.format(cast=cast, returned=returned)
    return Case(f"{ids}{cast}, {returned}", code, f"check_layer(Embedding(), {ids})", BUGS, "table")


EMBEDDINGS = [
    embedding("", "return None", "np.array([[1, 2, 1], [0, 6, 6]])"),
    embedding(".astype(int)", "pass", "np.array([1, 2, 1])"),
    embedding("", "return self.dtable", "np.array([1, 2, 1])"),
    embedding("", "return np.zeros(self.ids.shape)", "np.array([1, 2, 1])"),
    embedding("", "pass", "[1, 2, 1]"),
]

DICT = Case(
    "indices in a dict",
    """
class Bag:
    def __init__(self):
        self.E = np.random.default_rng(1).normal(size=(7, 3))

    def forward(self, batch):
        self.ids, self.keep = batch["items"], batch["mask"]
        return (self.E[self.ids] * self.keep[..., None]).sum(axis=1)

    def backward(self, dy):
        self.dE = np.zeros_like(self.E)
        np.add.at(self.dE, self.ids, dy[:, None] * self.keep[..., None])
""",
    "check_layer(Bag(), {'items': np.array([[1, 2], [2, 0]]), 'mask': np.array([[True, False], [True, True]])})",
    [
        (" * self.keep[..., None])\n", " * np.ones((2, 2, 1)))\n", "E"),
        ("self.ids, dy[:, None]", "self.ids, -dy[:, None]", "E"),
    ],
    "E",
)

BAG = Case(
    "an index and weights",
    """
class Bag:
    def __init__(self):
        self.E = np.random.default_rng(1).normal(size=(7, 3))

    def forward(self, ids, weight):
        self.ids, self.w = ids, weight
        return (self.E[ids] * weight[..., None]).sum(axis=1)

    def backward(self, dy):
        self.dE = np.zeros_like(self.E)
        np.add.at(self.dE, self.ids, dy[:, None] * self.w[..., None])
        return None, (dy[:, None] * self.E[self.ids]).sum(axis=-1)
""",
    "check_layer(Bag(), np.array([[1, 2], [2, 0]]), weight=np.array([[0.5, 0.2], [0.7, 0.1]]))",
    [
        ("dy[:, None] * self.w[..., None]", "dy[:, None] + 0 * self.w[..., None]", "E"),
        ("self.E[self.ids]).sum", "self.E[self.ids]).mean", "weight"),
        ("(dy[:, None] * self.E", "(-dy[:, None] * self.E", "weight"),
    ],
    "weight E",
)
ALL = [*EMBEDDINGS, DICT, BAG]


@right(ALL)
def test_right_code_passes(case: Case) -> None:
    passes(case)


@wrong(ALL)
def test_mistakes_are_found(case: Case, bug: Bug) -> None:
    fails(case, bug)


class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dy):
        return 2 * dy * self.x


class WrongSquare(Square):
    def backward(self, dy):
        return dy * self.x


def test_numbers_that_happen_to_be_whole_are_checked_as_floats() -> None:
    report = check_layer(Square(), np.array([[1, 2], [3, 4]]))
    assert report.gradients == {"x": "ok"}
    assert any("x holds integers that forward computes with: they were checked as floats" in n for n in report.notes)
    with pytest.raises(AssertionError, match="dx is wrong"):
        check_layer(WrongSquare(), np.array([[1, 2], [3, 4]]))


def test_labels_of_a_function_stay_whole() -> None:
    def picked(x, labels):
        return x[np.arange(len(x)), labels]

    def back(dy, x, labels):
        dx = np.zeros_like(x)
        dx[np.arange(len(x)), labels] = dy
        return dx, None

    assert list(check_function(picked, back, (3, 4), np.array([0, 3, 1])).arrays) == ["x"]


def test_a_lone_array_of_integers_without_a_table_leaves_nothing_to_check() -> None:
    def ones(ids):
        return np.ones((6, 2))[ids]

    with pytest.raises(GradientCheckError, match=r"integers are taken for indices: pass floats if they are numbers"):
        check_function(ones, lambda dy, ids: None, np.array([1, 2, 2]))
    with pytest.raises(GradientCheckError, match=r"array of int64: pass n as floats, such as n\.astype\(float\)"):
        check_function(lambda n: n // 2, lambda dy, n: dy, np.array([1, 2, 2], dtype=np.int64))
