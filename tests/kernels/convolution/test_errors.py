"""Float32 errors of the ways to compute a 3x3 convolution, against the definition in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tinydl import kernels
from tinydl.kernels.convolution.choose import WAYS
from tinydl.kernels.machine.threads import set_num_threads
from tinydl.kernels.machine.window import Window
from tinydl.layers.conv import conv2d_backward, conv2d_forward

# The largest error over the largest value of y, dW and dx, in millionths, by way and number of channels and filters;
# docs/speed.md shows this table. Measured with the seeds below and one, two and four threads: the largest of all.
ERRORS: dict[tuple[str, int], tuple[float, float, float]] = {
    ("patches", 16): (0.5, 0.4, 0.2),
    ("patches", 64): (0.4, 0.3, 0.2),
    ("patches", 256): (0.3, 0.3, 0.4),
    ("winograd_5", 16): (1.4, 2.9, 1.2),
    ("winograd_5", 64): (3.1, 2.2, 2.2),
    ("winograd_5", 256): (4.7, 3.0, 3.7),
    ("winograd_6", 16): (1.0, 1.3, 1.0),
    ("winograd_6", 64): (1.6, 1.4, 1.8),
    ("winograd_6", 256): (3.7, 1.4, 3.1),
}
WINDOW = Window((3, 3), (1, 1), ((1, 1), (1, 1)))


def errors(way: str, channels: int, seed: int) -> NDArray:
    rng = np.random.default_rng(seed)
    x, dy = (rng.standard_normal((4, 16, 12, channels)).astype(np.float32) for _ in range(2))
    W = (rng.standard_normal((3, 3, channels, channels)) / np.sqrt(9 * channels)).astype(np.float32)

    def results(*arrays: NDArray, way: str | None) -> tuple[NDArray, NDArray, NDArray]:
        x, W, dy = arrays
        dW, forced = np.zeros_like(W), ({} if way is None else {"way": way})
        forward, backward = (kernels.definition_of(each) for each in (conv2d_forward, conv2d_backward))
        if way is not None:
            forward, backward = kernels.convolution.forward, kernels.convolution.backward
        y = forward(x, W, None, WINDOW, kernels.LINEAR, **forced)
        dx = backward(dy, x, W, y, WINDOW, kernels.LINEAR, dW, None, True, **forced)
        return y, dW, dx

    exact = results(*(array.astype(np.float64) for array in (x, W, dy)), way=None)
    found = results(x, W, dy, way=way)
    return np.array([np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, exact, strict=True)])


@pytest.mark.parametrize(("way", "channels"), ERRORS)
def test_errors_are_those_of_the_table(way: str, channels: int) -> None:
    found = 1e6 * np.max([errors(way, channels, seed) for seed in range(3)], axis=0)
    assert (found <= 1.5 * np.array(ERRORS[way, channels])).all(), found.round(1)
    assert (found >= 0.3 * np.array(ERRORS[way, channels])).all(), found.round(1)


@pytest.mark.parametrize("way", WAYS)
def test_sums_over_a_large_batch_keep_their_digits(way: str) -> None:
    """dW is a sum of 73,728 numbers here, most of them of the same sign: a single sum of rows is off by 1e-5."""
    set_num_threads(1)  # further threads would have sums of their own
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((384, 16, 12, 16)).astype(np.float32) + np.float32(0.5) for _ in range(2))
    W, dW, exact = np.ones((3, 3, 16, 16), np.float32), np.zeros((3, 3, 16, 16), np.float32), np.zeros((3, 3, 16, 16))
    kernels.convolution.backward(dy, x, W, dy, WINDOW, kernels.LINEAR, dW, None, False, way=way)
    definition = kernels.definition_of(conv2d_backward)
    definition(dy.astype(float), x.astype(float), W, dy, WINDOW, kernels.LINEAR, exact, None, False)
    assert np.abs(dW - exact).max() <= 3e-6 * np.abs(exact).max()


def test_one_nan_spoils_the_outputs_of_its_tiles_and_not_those_of_the_forced_way() -> None:
    x, W = np.ones((1, 24, 24, 16), np.float32), np.ones((3, 3, 16, 16), np.float32)
    x[0, 12, 12, 0] = np.nan
    spoilt = {}
    for way in ("winograd_6", "winograd_5", "direct", "patches"):
        y = kernels.convolution.forward(x, W, None, WINDOW, kernels.LINEAR, way=way)
        spoilt[way] = int(np.isnan(y[0, :, :, 0]).sum())
    assert spoilt["direct"] == spoilt["patches"] == 9
    assert 9 < spoilt["winograd_5"] <= 36
    assert 9 < spoilt["winograd_6"] <= 64
