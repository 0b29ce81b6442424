from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from generator import generate
from kinds import AMOUNTS
from recipes import RECIPES
from run import Run, divide, evaluate
from words import chosen, in_words

from tinydl.datasets.creditcard import Transactions

DATA = generate(3000, 100)
SPLIT = divide(DATA, "honest", 0)


def run(noise: float, data: Transactions = DATA, **more: Any) -> Run:
    """The result of a detector whose score is the size of a row plus noise."""
    assert SPLIT.x_calibration is not None
    size = np.linalg.norm(SPLIT.x_test, axis=1)[SPLIT.y_test == 0].mean()

    def score(x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x, axis=1) / size + noise * np.random.default_rng(len(x)).random(len(x))

    result = evaluate(data, SPLIT, score)
    result.report |= more
    return result


def runs(**noises: float) -> dict[str, Run]:
    return {
        "vanilla": run(noises.get("vanilla", 3.0)),
        "bottleneck": run(noises.get("bottleneck", 0.0)),
        "PCA": run(noises.get("pca", 1.0), components=7),
        "isolation forest": run(2.0, rows_per_tree=4096),
    }


def test_the_autoencoder_is_chosen_on_calibration_rows() -> None:
    all_runs = runs()
    assert chosen(all_runs) == "bottleneck"
    for each in all_runs.values():  # what happens on test rows does not matter
        each.report["test"]["average_precision"] = 1 - each.report["calibration"]["average_precision"]
    assert chosen(all_runs) == "bottleneck"
    assert chosen(runs(bottleneck=9.0)) == "vanilla"
    assert set(runs()) & set(RECIPES) == {"vanilla", "bottleneck"}


def test_words_count_what_is_flagged_found_and_falsely_flagged() -> None:
    all_runs = runs()
    words = in_words(all_runs, "honest")
    assert words.startswith("In words (honest protocol, seed 0: 630 test payments, 50 of them frauds)")
    assert "PCA               0." in words
    assert ", with 7 components" in words
    assert ", with 4,096 rows per tree" in words
    assert "vanilla" not in words
    for name in ("bottleneck", "PCA", "isolation forest"):
        one = all_runs[name]
        assert one.threshold is not None
        flagged = one.scores >= one.threshold
        found, false = (flagged & (SPLIT.y_test == 1)).sum(), (flagged & (SPLIT.y_test == 0)).sum()
        (line,) = [line for line in words.splitlines() if line.strip().startswith(f"{name} ") and "flags" in line]
        assert f"flags {found + false}: {found} frauds ({found / 50:.0%} of all) and {false} false alarms" in line
        assert not false or f", 1 in {580 / false:,.0f} normal payments" in line


def test_words_count_the_kinds_of_fraud_that_are_found() -> None:
    one = runs()["bottleneck"]
    words = in_words({"bottleneck": one}, "honest")
    assert DATA.kinds is not None
    assert one.threshold is not None
    kinds = DATA.kinds[SPLIT.rows_test]
    shares = {}
    for kind in set(kinds) - {""}:
        found, frauds = (one.scores[kinds == kind] >= one.threshold).sum(), (kinds == kind).sum()
        (line,) = [line for line in words.splitlines() if line.startswith(f"    {kind} ")]
        assert line.split(f"of {frauds:3}: ")[1].startswith(f"bottleneck {found}; ")
        shares[kind] = found / frauds
    most, least = max(shares, key=lambda kind: shares[kind]), min(shares, key=lambda kind: shares[kind])
    assert words.splitlines()[-1] == (
        f"bottleneck finds the largest share of {most} ({shares[most]:.0%}) and the smallest of {least} "
        f"({shares[least]:.0%})."
    )


@pytest.mark.parametrize(("pca", "verdict"), [(1.0, "the autoencoder did best"), (-0.01, "PCA did better than the")])
def test_the_verdict_is_on_test_rows(pca: float, verdict: str) -> None:
    all_runs = runs(bottleneck=0.5, pca=pca)
    scores = [all_runs[name].report["test"]["average_precision"] for name in ("bottleneck", "PCA")]
    assert (scores[0] > scores[1]) == (pca > 0)
    assert f"On the test rows {verdict}" in in_words(all_runs, "honest")
    assert f"bottleneck {scores[0]:.3f}, PCA {scores[1]:.3f}" in in_words(all_runs, "honest")


def test_real_frauds_are_told_apart_by_amount() -> None:
    words = in_words({"vanilla": run(0.0, replace(DATA, kinds=None))}, "honest")
    assert "Frauds found, by amount (the real data name no kinds of fraud):" in words
    assert all(f"\n    {name} " in words for name in AMOUNTS)


def test_a_book_without_calibration_rows_has_no_threshold_to_speak_of() -> None:
    book = divide(DATA, "book", 0)
    one = evaluate(DATA, book, lambda x: np.linalg.norm(x, axis=1).astype(np.float64))
    assert "no calibration rows" in in_words({"vanilla": one}, "book")
    assert chosen({"vanilla": one}) == "vanilla"
