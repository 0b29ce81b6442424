"""The museum of bugs: every exhibit runs, and its figures and the checker's verdicts are as claimed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess as Done

import pytest

MUSEUM = Path(__file__).parents[2] / "examples" / "museum"
pytestmark = pytest.mark.slow  # running all exhibits takes about ten seconds
EXHIBITS = {path.name for path in MUSEUM.glob("*.py")} - {"visit.py"}


@pytest.fixture(scope="module")
def printed(run: Callable[..., Done]) -> dict[str, str]:
    """The output of each exhibit, from one run of the whole museum."""
    parts = re.split(r"=+\n(\w+\.py)\n=+\n", run("museum/visit.py").stdout)
    return {name: text.strip("\n") + "\n" for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def row(text: str, label: str) -> list[float]:
    """The figures in the first line that begins with `label`, in order of columns; "> 2000" counts as 2000."""
    line = next(line for line in text.splitlines() if line.startswith(label))
    cells = [cell for cell in line[len(label) :].split() if cell not in ("x", ">", "-")]
    return [float(cell.rstrip("%")) for cell in cells]


def verdicts(text: str) -> list[tuple[str, bool]]:
    """The names of the checked objects, and whether each passed."""
    found = re.findall(r"gradient check of (\w+(?: '[^']*')?) (passed|FAILED)", text)
    return [(subject, word == "passed") for subject, word in found]


def test_every_exhibit_is_shown(printed: dict[str, str]) -> None:
    assert set(printed) == EXHIBITS
    assert len(EXHIBITS) == 9


def test_zero_filters(printed: dict[str, str]) -> None:
    text = printed["zero_filters.py"]
    assert "With zero filters the loss stays at ln 10 = 2.3026" in text
    assert "The only gradient that is not zero: dense_2.b, the last bias.\n" in text
    first, last = row(text, "1 "), row(text, "200 ")
    assert first[0] == 2.3026
    assert abs(last[0] - 2.3026) < 0.05
    assert last[1] < 0.6
    zeros, he_normal = row(text, "accuracy on test rows")
    assert zeros < 15
    assert he_normal > 85
    assert verdicts(text) == [("Model 'model'", False), ("Model 'model'", True)]
    assert "the check of conv2d_1.W is vacuous" in text


def test_contractive_penalty(printed: dict[str, str]) -> None:
    text = printed["contractive_penalty.py"]
    none, sigmoids, frozen, right = row(text, "true |J|^2, epoch 16")
    assert right < 2 < sigmoids < none == frozen
    claims = row(text, "the penalty's own value")
    assert claims[0] < sigmoids / 20
    assert claims[2] == pytest.approx(right, abs=0.01)
    start = row(text, "true |J|^2, epoch 0")
    assert start == [start[0]] * 4
    assert "between no penalty and the frozen copy: 0\n" in text
    assert verdicts(text) == [
        ("SigmoidsDerivative", True), ("FrozenCopy", False), ("ConstantW", False), ("ContractivePenalty", True),
    ]  # fmt: skip
    assert re.search(r"likely cause: .*penalty", text)


def test_averaged_weights(printed: dict[str, str]) -> None:
    text = printed["averaged_weights.py"]
    untrained, *averaged, right = row(text, "log-likelihood of a test row, nats")
    assert right > max(averaged) + 2 > untrained
    spread = row(text, "spread of a unit's weights over visible units")
    assert spread[:3] == [0.01] * 3, "all weights of a hidden unit must have moved alike"
    assert spread[3] > 0.1
    accuracy = row(text, "accuracy of logistic regression on features")
    assert accuracy[3] > accuracy[0] + 10 > max(accuracy[1:3]) + 10
    assert verdicts(text) == [("log_likelihood", False), ("log_likelihood", True)]
    assert "dW is wrong in 24 of 24 probes" in text


def test_summed_activity_penalty(printed: dict[str, str]) -> None:
    text = printed["summed_activity_penalty.py"]
    shares = [row(text, f"active units, batches of {size} ") for size in (16, 64, 256)]
    assert shares[0][0] > 1.5 * shares[1][0] > 3 * shares[2][0], "larger batches: fewer active units"
    averaged = [share[1] for share in shares]
    assert max(averaged) < 1.2 * min(averaged)
    assert shares[1][0] == pytest.approx(shares[1][1], abs=0.5), "at 64 rows, both penalties must be equal"
    assert row(text, "penalty, every row duplicated") == [2, 1]
    assert verdicts(text) == [("SummedL1", True), ("ActivityL1", True), ("SummedThenAveraged", False)]
    assert re.search(r"likely cause: .*penalty.* 0\.2 times the right one: 1/N", text)


def test_keep_probability(printed: dict[str, str]) -> None:
    text = printed["keep_probability.py"]
    as_rate, inverted, right = (row(text, name) for name in ("Dropout(0.8)", "MaskInverted(0.2)", "Dropout(0.2)"))
    assert (as_rate[0], inverted[0], right[0]) == pytest.approx((80, 80, 20), abs=0.3)
    assert (as_rate[1], inverted[1], right[1]) == pytest.approx((1, 0.25, 1), abs=0.01)
    assert right[2] > 93 > 85 > max(as_rate[2], inverted[2])
    assert right[3] < right[2], "dropout left on at test time must cost accuracy"
    assert as_rate[3] < 50
    assert row(text, "MaskInverted(0.5)") == pytest.approx([50, 1], abs=0.3)
    assert verdicts(text) == [("Dropout", True), ("MaskInverted", True), ("Dropout", True)]


def test_off_by_one_threshold(run: Callable[..., Done], printed: dict[str, str], tmp_path: Path) -> None:
    text = printed["off_by_one_threshold.py"]
    _, choice, errors = text.split("\n\n")
    wrong, right, ours = (row(choice, name) for name in ("precision[1:]", "precision[:-1]", "choose_threshold"))
    assert wrong[1] >= 0.8 > 0.6 > wrong[2]
    assert right[1] == right[2] >= 0.8
    assert ours == [right[0], right[2]]
    few, tied, untied = ([float(cell) for cell in line.split()[-2:]] for line in errors.splitlines()[1:4])
    assert few[0] > tied[0] > 0.1 > 0.05 > untied[0] > 0
    assert few[1] == tied[1] == untied[1] == 0
    run("museum/off_by_one_threshold.py", "--out", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_softmax_then_log(printed: dict[str, str]) -> None:
    text = printed["softmax_then_log.py"]
    gradient, loss = (row(text, f"float32: {part} not finite from") for part in ("gradient", "loss"))
    assert gradient == [pytest.approx(88.72, abs=0.02), 2000, 2000]  # 1 / p overflows at ln of the largest float32
    assert loss == [pytest.approx(103.97, abs=0.02), 2000, 2000]  # p underflows at half the smallest subnormal
    assert row(text, "float64: loss not finite from") == [pytest.approx(745.13, abs=0.02), 2000, 2000]
    assert row(text, "float32: loss at 1000")[::2] == [float("inf"), 1000]
    assert row(text, "float32: gradient at 1000")[1:] == [0, -1]
    assert row(text, "unscaled digits: steps taken of 300") == [0, 300, 300]
    accuracy = row(text, "test accuracy after these steps")
    assert accuracy[2] > 85 > 50 > max(accuracy[:2])
    names = ["SoftmaxThenLog", "LogOfPlus", "SoftmaxCrossEntropy"]
    assert verdicts(text) == [*((name, True) for name in names), *zip(names, (False, False, True), strict=True)]
    assert "forward gives NaN or infinity" in text
    assert "is vacuous" in text


def test_upstream_of_ones(printed: dict[str, str]) -> None:
    text = printed["upstream_of_ones.py"]
    assert row(text, "passed, of 6 wrong backwards") == [4, 0]
    for name in ("Softmax, right", "Normalise, right"):
        assert re.search(rf"{name} .* passes +passes\n", text)
    assert verdicts(text) == [
        ("Softmax 'zeros'", False), ("Softmax 'doubled'", False), ("Softmax 'plain mean'", False),
        ("Softmax 'diagonal'", False), ("Normalise 'std constant'", False), ("Normalise 'both constant'", False),
        ("SumOf", False),
    ]  # fmt: skip
    assert "likely cause: backward gives all zeros" in text
    assert "likely cause: every entry is 2 times the right one" in text
    assert "the check of x is vacuous" in text[text.index("asked to check y.sum()") :]


def test_height_and_width(printed: dict[str, str]) -> None:
    text = printed["height_and_width.py"]
    largest, by_height, right = ([line[i : i + 12] for line in text.splitlines()[2:6]] for i in (0, 18, 36))
    assert right == largest != by_height
    for figure in ("training loss", "test accuracy"):
        square = row(text, f"8 x 8: {figure}")
        assert square[0] == square[1]
    assert row(text, "6 x 8: training loss")[0] > 1.1 * row(text, "6 x 8: training loss")[1]
    assert row(text, "6 x 8: test accuracy")[0] < row(text, "6 x 8: test accuracy")[1]
    assert verdicts(text) == [
        ("MaxPoolByHeight", True), ("MaxPoolByHeight", False), ("MaxPool", True), ("MaxPool", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("zero_filters.py", ["--steps", 0], "--steps must be >= 1"),
        ("contractive_penalty.py", ["--epochs", 0], "--epochs must be >= 1"),
        ("averaged_weights.py", ["--epochs", 0], "--epochs must be >= 1"),
        ("keep_probability.py", ["--keep", 1], "--keep must be above 0 and below 1"),
        ("off_by_one_threshold.py", ["--seed", 9, "--wanted", 1], "expected a precision of 1.0 at some threshold"),
    ],
)
def test_bad_options_give_one_clear_line(
    refused: Callable[..., None], script: str, arguments: list[object], message: str
) -> None:
    refused(f"museum/{script}", arguments, message)
