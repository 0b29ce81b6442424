# ruff: noqa: RUF001  (the page writes signs of multiplication and minus as print does)
"""The page's explanations under Node: every entry of every layer and loss, computed anew from its terms."""

from __future__ import annotations

import base64
import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.study.node import NODE, node
from tests.study.steps import Case, cases
from tinydl import Model, layers, losses
from tinydl.commands.small_network import small_network
from tinydl.layer import Layer
from tinydl.layers import BatchNorm, Conv2D, Dense, Flatten, MaxPool2D, ReLU
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy

pytestmark = pytest.mark.skipif(
    NODE is None, reason="needs Node.js, which runs the page's JavaScript without a browser"
)

RECOMPUTE = """
    return values.map((text) => {
      const result = recompute(read(text));
      const wrong = result.wrong.map((found) => `${found.owner.path ?? "loss"} ${line(found)}, anew ${found.value}`);
      return { ...result, wrong, reasons: Object.fromEntries(result.reasons), proof: proof(result) };
    });
"""
LINES = """
    const [text, wanted] = values;
    const step = read(text);
    return wanted.map(([path, key, index]) => {
      const owner = step.layers.find((layer) => layer.path === path) ?? step.loss;
      const found = explain(step.layers.includes(owner) || path === "loss" ? owner : null, key, index);
      return { text: line(found), right: found.right ?? null, terms: found.sum?.terms.length ?? null,
               roads: found.sum?.terms.map((term) => term.road) ?? [], why: found.why ?? null };
    });
"""
SILENT = {"GaussianNoise": "the noise is read off from y itself"}


@cache
def texts(dtype: str) -> dict[str, str]:
    """The JSON of each case."""
    return {name: case.trace(dtype).to_json(most_entries=None) for name, case in cases().items()}


@cache
def results(dtype: str) -> dict[str, Any]:
    """What the page finds in each case."""
    return dict(zip(texts(dtype), node(RECOMPUTE, *texts(dtype).values()), strict=True))


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", cases())
def test_every_entry_is_the_sum_of_its_terms(name: str, dtype: str) -> None:
    result = results(dtype)[name]
    assert result["wrong"] == []
    assert result["recomputed"] > 50
    assert list(result["reasons"]) == ([SILENT[name]] if name in SILENT else [])
    assert result["recomputed"] == result["entries"] - sum(result["reasons"].values())
    assert 0 < result["worst"] < 0.5  # far from the tolerance


def test_every_public_layer_and_loss_is_explained_or_says_why_not() -> None:
    explained, excused, of_losses, excused_losses = node(
        "return [LAYERS, NO_EXPLANATION, LOSSES, NO_LOSS_EXPLANATION].map((table) => Object.keys(table));"
    )
    mend = "explain its entries in tinydl/study/page/{}.js, or say there why not"
    assert sorted(explained + excused) == sorted(layers.__all__), mend.format("layers")
    public = [name for name in losses.__all__ if inspect.isclass(getattr(losses, name))]
    assert sorted(of_losses + excused_losses) == sorted(public), mend.format("losses")
    steps = [json.loads(text) for text in texts("float32").values()]
    mend = "add a step with it to tests/study/steps.py"
    assert set(explained) == {layer["kind"] for step in steps for layer in step["layers"]}, mend
    assert set(of_losses) == {step["loss"]["kind"] for step in steps}, mend


def test_every_explained_class_has_formulas_that_are_mathml() -> None:
    formulas, tables = node("""
        const drawn = Object.entries(FORMULAS).map(([kind, parts]) => [kind, parts.map((lines) => lines.map(mathml))]);
        return [Object.fromEntries(drawn), Object.keys({...LAYERS, ...LOSSES})];
    """)
    assert sorted(formulas) == sorted(tables)
    for kind, (forward, backward) in formulas.items():
        assert forward, kind
        assert backward, kind
        for line in (*forward, *backward):
            tree = ElementTree.fromstring(line)
            assert tree.tag == "math"
            text = "".join(tree.itertext())
            assert "undefined" not in text
            assert "\\" not in text
            assert '"' not in text


def test_the_manual_names_the_figures_of_the_example() -> None:
    model, x, y = small_network(4)
    (result,) = node(RECOMPUTE, model.trace(x, y).to_json())
    manual = Path(__file__).parents[2] / "docs" / "see.md"
    assert f'"{result["proof"]}"' in manual.read_text(encoding="utf-8")


# --- the proof can fail -----------------------------------------------------------------------------------------------


def with_one_entry_changed(text: str, number: int) -> str:
    """The trace with the largest entry of an array 0.01 % larger."""
    content = json.loads(text)
    array = content["arrays"][number]
    values: NDArray = np.frombuffer(base64.b64decode(array["data"]), array["dtype"]).copy()
    values[np.abs(values).argmax()] *= 1.0001
    array["data"] = base64.b64encode(values.tobytes()).decode()
    return json.dumps(content)


def test_an_entry_that_is_off_by_a_ten_thousandth_is_found_in_every_array() -> None:
    model, x, y = small_network(2)
    text = model.trace(x, y).to_json()
    content = json.loads(text)
    numbers = {f"{each['path']} {name}": each[name] for each in content["layers"] for name in ("y", "dx")}
    numbers |= {
        f"{each['path']} {name}": parameter["gradient"]
        for each in content["layers"] for name, parameter in each["params"].items()
    }  # fmt: skip
    found = node(RECOMPUTE, *(with_one_entry_changed(text, number) for number in numbers.values()))
    assert [name for name, result in zip(numbers, found, strict=True) if not result["wrong"]] == []
    wrong, recomputed = len(found[0]["wrong"]), found[0]["recomputed"]
    assert f"{recomputed - wrong:,} of {recomputed:,} entries recomputed, {wrong} wrong" in found[0]["proof"]


# --- what the lines say -----------------------------------------------------------------------------------------------


def lines(case: Any, *wanted: tuple[str, str, list[int]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node(LINES, case.to_json(), wanted)
    return found


def by_hand() -> Any:
    """Whole numbers that can be checked by hand: y = [1, 2] @ [[1, 2], [3, 4]] + [0, 1] = [7, 11]."""
    model = Model([Dense(2, name="a"), ReLU(name="r")], input_shape=2)
    model.params["a.W"][...] = [[1, 2], [3, -4]]
    model.params["a.b"][...] = [0, 1]
    model.compile("sgd", MeanSquaredError())
    return model.trace([[1.0, 2.0]], [[3.0, 1.0]])


def test_lines_of_numbers_that_can_be_checked_by_hand() -> None:
    found = lines(
        by_hand(), ("a", "y", [0, 0]), ("a", "y", [0, 1]), ("r", "y", [0, 1]), ("r", "dx", [0, 1]), ("a", "dx", [0, 1]),
        ("a", "grads.W", [1, 0]), ("loss", "dy", [0, 0]), ("loss", "value", []), ("a", "x", [0, 0]),
    )  # fmt: skip
    assert [each["text"] for each in found] == [
        "y[0,0] = 7 = sum of 3: 1 × 1 + 2 × 3 + 0",
        "y[0,1] = −5 = sum of 3: 1 × 2 + 2 × (−4) + 1",
        "y[0,1] = 0 = relu(−5), where −5 = x[0,1] (x <= 0 is cut to 0)",
        "dx[0,1] = 0 = (−1) × 0 (mask 0: x <= 0 blocks the gradient)",
        "dx[0,1] = 12 = sum of 2: 4 × 3 + 0 × (−4)",
        "dW[1,0] = 8 = 2 × 4",
        "dy[0,0] = 4 = 8 × 0.500",
        "loss = 8.50 = sum of 2: 16 × 0.500 + 1 × 0.500",
        "x[0,0] = 1: the data: given, not computed",
    ]
    assert all(each["right"] for each in found[:-1])


def test_roads_winners_and_masks_are_named() -> None:
    model, x, y = small_network(4)
    step = model.trace(x, y)
    norm, pool, wins, residual, dropped, loss = lines(
        step, ("batch_norm_1", "dx", [0, 2, 2, 0]), ("max_pool2d_1", "y", [0, 1, 1, 1]),
        ("max_pool2d_1", "dx", [0, 2, 2, 1]), ("residual_1", "dx", [0, 1, 1, 0]), ("dropout_1", "dx", [0, 1]),
        ("loss", "dy", [1, 1]),
    )  # fmt: skip
    assert norm["roads"] == ["directly", "through the mean", "through the variance"]
    assert "won over" in pool["text"]
    assert "this pixel won" in wins["text"]
    assert residual["roads"] == ["through the body", "straight, past the body"]
    assert "the same mask as in forward" in dropped["text"]
    assert "p = softmax of row 1" in loss["text"]
    assert loss["terms"] == 2


def test_long_sums_name_the_largest_terms_and_how_many_more() -> None:
    model, x, y = small_network(4)
    (found,) = lines(model.trace(x, y), ("conv2d_1", "dx", [0, 2, 2, 0]))
    assert found["terms"] == 18
    assert found["text"].startswith("dx[0,2,2,0] = ")
    assert " = sum of 18: " in found["text"]
    assert found["text"].endswith(" + 14 smaller")


def test_an_array_that_is_handed_on_is_explained_by_its_owner() -> None:
    found = lines(by_hand(), ("r", "x", [0, 1]), ("r", "dy", [0, 0]), ("a", "dy", [0, 1]), ("r", "y", [0, 0]))
    assert [each["text"] for each in found] == [
        "x[0,1] = −5 = y[0,1] of a",
        "dy[0,0] = 4 = dy[0,0] of the loss",
        "dy[0,1] = 0 = dx[0,1] of r",
        "y[0,0] = 7 = relu(7), where 7 = x[0,0] (x > 0 passes)",
    ]


PATTERNS = """
    const [text, path, key, index] = values;
    const step = read(text);
    const found = explain(step.layers.find((layer) => layer.path === path) ?? step.loss, key, index);
    return [line(found), pattern(found)];
"""


def test_the_names_are_those_of_the_terms_shown() -> None:
    model = Model([Dense(1, use_bias=False, name="a")], input_shape=6)
    model.params["a.W"][:, 0] = [1, 2, 3, 4, 5, 6]
    model.compile("sgd", MeanSquaredError())
    text = model.trace(np.ones((1, 6)), np.ones((1, 1))).to_json()
    said, names = node(PATTERNS, text, "a", "y", [0, 0])
    assert said == "y[0,0] = 21 = sum of 6: 1 × 6 + 1 × 5 + 1 × 4 + 1 × 3 + 2 smaller"
    assert names == ": x[0,5] × W[5,0] + ..."


@pytest.mark.parametrize(
    ("loss", "key", "names"),
    [
        (losses.BinaryCrossEntropy(), "dy", ": (p − y) × 1/N"),
        (losses.BinaryCrossEntropy(), "value", ": (−y log p − (1 − y) log(1 − p)) × 1/N"),
        (losses.BinaryCrossEntropy(0.1, {0: 1, 1: 5}), "dy", ": (b p − a (1 − p)) × 1/N"),
        (losses.MeanSquaredError(), "dy", ": 2 (p − y) × 1/N"),
        (losses.SoftmaxCrossEntropy(), "dy", ": p × 1/n − y × 1/n"),
    ],
)
def test_sums_in_words_have_brackets(loss: losses.Loss, key: str, names: str) -> None:
    sparse = isinstance(loss, losses.SoftmaxCrossEntropy)
    case = Case([Dense(2 if sparse else 1)], np.ones((1, 3)), np.ones(1, int) if sparse else np.ones((1, 1)), loss)
    _, said = node(PATTERNS, case.trace().to_json(), "loss", key, [0, 0] if key == "dy" else [])
    assert said == names


FORMULAS = """
    const read_all = (text) => { const step = read(text); return [...step.layers, step.loss].map(formulas_for); };
    return values.map(read_all);
"""


def test_formulas_have_the_terms_of_the_sums() -> None:
    rng = np.random.default_rng(0)
    images: Any = rng.normal(size=(2, 6, 6, 1))
    conv = Conv2D(2, 3, padding=1, strides=2, kernel_regularizer="l1_l2")
    pools = layers.AveragePool2D(2, padding="same"), MaxPool2D(3, 1, padding="same")
    network = [conv, *pools, Flatten(), Dense(3, kernel_regularizer="l2")]
    weights = np.ones(2)
    step = Case(network, images, None, MeanSquaredError(), weights).trace()
    plain = Case([Conv2D(2, 3), Flatten(), Dense(3)], images).trace()
    padded, unpadded = node(FORMULAS, step.to_json(), plain.to_json())
    (forward, backward), (average, _), (largest, _), _, dense, loss = padded
    assert forward[0].count("x_{m,i s_h + p - 1,j s_w + q - 1,c}") == 1
    assert any("outside the image" in each for each in forward)
    assert 'P = "l1" \\sum |W| + "l2" \\sum W^2' in forward
    assert "x_{m,i s_h + p - 1,j s_w + q - 1,c}" in backward[1]
    assert backward[1].endswith('+ "l1" \\cdot "sign"(W_{pqcf}) + 2 \\, "l2" \\cdot W_{pqcf}')
    assert "u = i s_h + p - 1, v = j s_w + q - 1" in backward[3]
    assert any(each.startswith("k_{ij}") for each in average)
    assert "x_{m,i s_h + p,j s_w + q,c}" in average[0]  # nothing above or to the left
    assert "p - 1" in largest[0]
    assert dense[1][1].endswith('+ 2 \\, "l2" \\cdot W_{ij}')
    assert loss[0][-1] == r"L = \frac{1}{N} \sum_k w_k (p_k - y_k)^2"
    assert loss[1] == [r'"dy"_k = \frac{2}{N} w_k (p_k - y_k)']
    general = node("return FORMULAS")
    assert unpadded == [general[kind] for kind in ("Conv2D", "Flatten", "Dense", "MeanSquaredError")]


def test_the_formulas_of_every_case_are_mathml() -> None:
    drawn = node("""
        const of_step = (text) => { const step = read(text); return [...step.layers, step.loss].flatMap(formulas_for); };
        return values.flatMap(of_step).flat().map(mathml);
    """, *texts("float32").values())  # fmt: skip
    for line in set(drawn):
        text = "".join(ElementTree.fromstring(line).itertext())
        assert not any(wrong in text for wrong in ("undefined", "\\", '"'))


def test_a_printed_number_that_is_not_the_number_is_noticed() -> None:
    rows = [(0.0905, "90.5"), (1.7e-12, "1.70"), (0.0905, "0.0905"), (1.7e-12, "1.70e−12"), (-2.0, "−2"), (0, "0")]
    found = node("return values[0].map(([value, text]) => misprinted(value, text))", rows)
    assert found == [True, True, False, False, False, False]


# --- what is not explained --------------------------------------------------------------------------------------------


class Twice(Layer):
    """A layer of a user's."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._y = y = 2 * self.as_input(x)
        return y

    def backward(self, dy: NDArray) -> NDArray:
        return 2 * self.as_gradient(dy, self._y)


class MyLoss(losses.Loss):
    """A loss of a user's."""

    def forward(self, y_pred: NDArray, y_true: NDArray) -> float:  # type: ignore[override]
        self._dy = np.ones_like(y_pred)
        return float(y_pred.sum())

    def backward(self) -> NDArray:
        return self._dy


class Named(layers.ReLU):
    """Another layer of a user's, which has the name of one of tinydl's."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        return super().forward(x, training) + 1


Named.__name__ = "ReLU"


def test_classes_of_users_are_not_explained_even_under_our_names() -> None:
    x = np.ones((5, 4))
    steps = [Case([Dense(4), layer, Dense(3)], x).trace().to_json() for layer in (Twice(), Named())]
    steps.append(Case([Dense(3)], x, loss=MyLoss()).trace().to_json())
    twice, named, loss = node(RECOMPUTE, *steps)
    assert twice["reasons"] == {"Twice is not a class of tinydl's": 40}  # y and dx
    assert named["reasons"] == {"ReLU is not a class of tinydl's": 40}
    assert loss["reasons"] == {"MyLoss is not a class of tinydl's": 16}  # the loss and its dy
    assert not twice["wrong"] + named["wrong"] + loss["wrong"]
    assert "40 not explained because Twice is not a class of tinydl's (40)" in twice["proof"]


def test_terms_outside_the_kept_part_are_not_explained() -> None:
    rng = np.random.default_rng(0)
    network = [Conv2D(4, 3, padding="same"), BatchNorm(), MaxPool2D(2), Flatten(), Dense(6, "relu"), Dense(3)]
    case = Case(network, rng.normal(size=(4, 8, 8, 2)), rng.integers(0, 3, 4), SoftmaxCrossEntropy())
    (result,) = node(RECOMPUTE, case.trace().to_json(most_entries=100))
    assert result["wrong"] == []
    assert result["recomputed"] > 100
    assert result["reasons"]["x of conv2d_1 is kept only in part"] > 0
    assert all(reason.endswith("is kept only in part") for reason in result["reasons"])


def test_sums_with_nan_are_not_judged() -> None:
    def spoil(model: Model) -> None:
        model.params["dense_1.W"][0, 0] = np.nan

    case = Case([Dense(4, "relu"), Dense(3)], np.ones((5, 4)), prepare=spoil)
    (result,) = node(RECOMPUTE, case.trace().to_json())
    assert result["wrong"] == []
    assert list(result["reasons"]) == ["NaN or infinity is among the terms"]
    assert result["recomputed"] > 10
