"""Groups of frauds, to see which a detector finds: kinds if the data name them, else ranges of the amount."""

from __future__ import annotations

import numpy as np
from generator import KINDS
from numpy.typing import NDArray

from tinydl.datasets.creditcard import Transactions

AMOUNTS = {"up to 1": 1.0, "1 to 10": 10.0, "10 to 100": 100.0, "above 100": np.inf}
MEANINGS = {
    "takeover": "half of the columns pulled toward another payment",
    "card testing": "tiny amounts in short bursts",
    "bust-out": "large amounts and stretched habits",
    "mimicry": "a normal payment with a slight shift",
}


def fraud_groups(data: Transactions, rows: NDArray[np.intp]) -> NDArray[np.str_]:
    """The group of each of `rows`, "" for normal rows.

    Generated frauds have a kind. The real data name no kinds, so their frauds are grouped by amount, `AMOUNTS`.
    """
    if data.kinds is not None:
        return data.kinds[rows]
    amount = data.features[rows, data.feature_names.index("Amount")]
    group = np.searchsorted(list(AMOUNTS.values()), amount)  # an amount of exactly 10 is in "1 to 10"
    return np.where(data.labels[rows] == 1, np.array(list(AMOUNTS))[group], "")


def found_by_group(groups: NDArray[np.str_], flagged: NDArray[np.bool_]) -> dict[str, dict[str, int]]:
    """How many frauds each group holds, and how many of them are flagged; groups without frauds are kept."""
    names = KINDS if np.isin(groups, ("", *KINDS)).all() else tuple(AMOUNTS)
    return {
        name: {"frauds": int((groups == name).sum()), "found": int((flagged & (groups == name)).sum())}
        for name in names
    }
