from __future__ import annotations

import numpy as np
from generator import KINDS, generate
from kinds import AMOUNTS, MEANINGS, found_by_group, fraud_groups

from tinydl.datasets.creditcard import Transactions


def test_generated_frauds_are_grouped_by_their_kind() -> None:
    data = generate(500, 60)
    rows = np.flatnonzero(data.labels == 1)[::-1]
    groups = fraud_groups(data, rows)
    assert data.kinds is not None
    np.testing.assert_array_equal(groups, data.kinds[rows])
    counts = found_by_group(groups, np.arange(len(rows)) < 20)
    assert tuple(counts) == KINDS == tuple(MEANINGS)
    assert sum(group["frauds"] for group in counts.values()) == 60
    assert sum(group["found"] for group in counts.values()) == 20
    assert counts["takeover"]["found"] == (groups[:20] == "takeover").sum()


def test_real_frauds_are_grouped_by_amount() -> None:
    amounts = [0.0, 1.0, 1.01, 10.0, 10.01, 100.0, 100.01, 5000.0, 50.0]
    features = np.zeros((9, 29))
    features[:, 28] = amounts
    data = Transactions(features, np.array([1] * 8 + [0]), None, "made up")
    groups = fraud_groups(data, np.arange(9))
    assert groups.tolist() == [*np.repeat(list(AMOUNTS), 2), ""]
    counts = found_by_group(groups, np.array([True, False] * 4 + [True]))
    assert counts == {name: {"frauds": 2, "found": 1} for name in AMOUNTS}


def test_groups_without_frauds_are_kept() -> None:
    counts = found_by_group(np.array(["", "mimicry"]), np.array([True, True]))
    assert counts["takeover"] == {"frauds": 0, "found": 0}
    assert counts["mimicry"] == {"frauds": 1, "found": 1}
