"""Exercise 13: dropout of whole channels.

Neighboring pixels of an image are alike, so a network can guess a missing pixel from the pixels around it. Dropout
works better there if it switches off whole channels: all pixels of a channel of an image, or none.

    mask[m, 0, 0, c] = 0 with probability rate, else 1 / (1 - rate), for image m and channel c
    y[m, i, j, c] = x[m, i, j, c] mask[m, 0, 0, c]

Write the two lines of `forward` that draw the mask, and `backward`. Then run

    python examples/lessons/exercises/13_dropout.py
"""

import numpy as np
from exercise import Wrong, call, nudge, run

from tinydl.gradcheck import check_layer


class ChannelDropout:
    """Dropout of whole channels, for images (n, height, width, channels)."""

    def __init__(self, rate, rng):
        self.rate, self.rng = rate, rng

    def forward(self, x, training=False):
        n, height, width, channels = x.shape
        keep = ...  # your code: an array of True and False; self.rng.random(shape) is uniform between 0 and 1
        self.mask = ...  # your code
        if not training:
            self.mask = np.ones((n, 1, 1, channels))
        return x * self.mask

    def backward(self, dy):
        return ...  # your code


def check():
    rate = 0.25
    layer = ChannelDropout(rate, np.random.default_rng(0))
    y = call(layer.forward, np.ones((4000, 2, 3, 5)), True, returns="x * self.mask")
    if np.shape(y) != (4000, 2, 3, 5):
        raise Wrong(
            f"y must have the shape of x, (4000, 2, 3, 5), got {np.shape(y)}: give the mask shape (n, 1, 1, channels)"
        )
    if (y != y[:, :1, :1]).any():
        raise Wrong("the pixels of a channel must be on or off together, but each has a number of its own")
    if (y[0] == y).all() or (y[..., :1] == y).all():
        raise Wrong(
            "each image and each channel needs a random number of its own: give the mask shape (n, 1, 1, channels)"
        )
    off = np.mean(y == 0)
    if abs(off - rate) > 0.02:
        swapped = ": rate is the probability of being off, not on" if abs(off - (1 - rate)) < 0.02 else ""
        swapped = ": keep must be True or False, by a comparison with rate" if off == 0 else swapped
        raise Wrong(f"with rate {rate}, {off:.0%} of the channels are off{swapped}")
    print(f"right: with rate {rate}, {off:.1%} of the channels are off")
    if abs(y.mean() - 1) > 0.02:
        raise Wrong(
            f"x is 1, but the mean of y is {y.mean():.2f}: divide the mask by 1 - rate, so that y is x on average"
        )
    print(f"right: x is 1, and the mean of y is {y.mean():.3f}")
    nudge(check_layer, layer, x=(4, 2, 3, 5), float32=False)


if __name__ == "__main__":
    run(check)
