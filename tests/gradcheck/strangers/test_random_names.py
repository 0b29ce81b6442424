"""Gradients are found by behavior: layers with random names in random places, right and wrong."""

from __future__ import annotations

import numpy as np
import pytest

from tests.gradcheck.strangers.random_names import RandomlyNamed, spoiled
from tinydl.gradcheck import GradientCheckError, check_layer

SAMPLE = 30  # right layers, and as many wrong ones


@pytest.mark.parametrize("seed", [pytest.param(k, marks=pytest.mark.slow) if k >= 8 else k for k in range(SAMPLE)])
def test_a_right_layer_passes_and_a_wrong_one_does_not(seed: int) -> None:
    report = check_layer(RandomlyNamed(np.random.default_rng([seed, 0])), (5, 3))
    assert len(report.arrays) == 5
    assert set(report.gradients.values()) == {"ok"}
    rng = np.random.default_rng([seed, 1])
    with pytest.raises(GradientCheckError) as caught:
        check_layer(RandomlyNamed(rng, spoiled(rng)), (5, 3))
    assert not caught.value.report.passed
