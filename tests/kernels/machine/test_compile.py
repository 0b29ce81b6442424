"""A kernel is compiled once for the types of its arguments, whichever of them are constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from tinydl.kernels.machine.compile import COMPILES, regardless_of_constants


@pytest.mark.skipif(not COMPILES, reason="NUMBA_DISABLE_JIT is set, so nothing is compiled")
@pytest.mark.parametrize("shared", [False, True])
def test_constants_do_not_make_further_kernels(shared: bool) -> None:
    @njit
    def power(x: Any, exponent: Any, double: Any) -> Any:
        return (x**exponent if exponent > 0 else x) * (2 if double else 1)

    if shared:
        regardless_of_constants(power)

    @njit
    def powers(x: Any, exponent: Any) -> Any:
        return power(x, exponent, x > 0), power(x, 2, True), power(exponent=3, x=x, double=False), power(x, 0, x > 5)

    np.testing.assert_array_equal(powers(3.0, 4), (162, 18, 27, 3))
    assert len(power.signatures) == (1 if shared else 4)  # Numba's own way is the reason for ours
    np.testing.assert_array_equal(powers(np.float32(3), 4), (162, 18, 27, 3))
    assert len(power.signatures) == (2 if shared else 8)
