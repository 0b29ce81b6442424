"""A check that an array is plain: no mask, sparse array or mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def check_dense(method: str, name: str, values: Any) -> None:
    """Refuse what NumPy would turn into an array by dropping something: masks, positions of zeros, keys."""
    mend = ""
    if isinstance(values, np.ma.MaskedArray):
        mend = f"pass {name}.filled(value), or give the masked rows a sample_weight of 0"
    elif hasattr(values, "toarray"):
        mend = f"pass {name}.toarray()"
    elif isinstance(values, Mapping):
        keys = ", ".join(map(repr, values))
        mend = f"this network has one {'input' if name == 'x' else 'output'}: choose one of {keys}"
    elif getattr(getattr(values, "dtype", None), "kind", "") in ("m", "M"):
        mend = f"turn times into numbers, such as ({name} - {name}.min()) / np.timedelta64(1, 'D')"
    elif isinstance(values, list | tuple) and len({getattr(each, "shape", ()) for each in values}) > 1:
        shapes = " and ".join(str(getattr(each, "shape", ())) for each in values[:3])
        mend = f"its entries have the shapes {shapes}: pass x and y apart, or np.concatenate for more rows"
    if mend:
        raise ValueError(f"{method}: {name} must be a plain array, got a {type(values).__name__}: {mend}")
