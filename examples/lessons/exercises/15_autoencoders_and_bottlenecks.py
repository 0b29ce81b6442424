"""Exercise 15: an autoencoder with tied weights.

The decoder is the transpose of the encoder, which halves the number of weights. So W is used twice, and two shares of
its gradient add:

    h = tanh(x W)          the code       x (n, inputs), W (inputs, code), h (n, code)
    y = h W.T              the output     y (n, inputs)

`forward` is written. Write the two shares in `shares`, and put them together in `backward`: it gets dy, the gradient of
the loss with respect to y, and returns the gradients with respect to x and W. Then run

    python examples/lessons/exercises/15_autoencoders_and_bottlenecks.py
"""

import numpy as np
from exercise import Wrong, call, compare, nudge, run

from tinydl.gradcheck import check_function


def forward(x, W):
    h = np.tanh(x @ W)
    return h @ W.T


def shares(dy, x, W):
    """The gradients that W gets as the decoder and as the encoder, and da, the gradient of x @ W."""
    h = np.tanh(x @ W)
    decoder = ...  # your code: what W gets from y = h W.T; it has W's shape
    dh = ...  # your code
    da = ...  # your code: back through tanh, whose slope is 1 - h^2
    encoder = ...  # your code: what W gets from a = x W
    return decoder, encoder, da


def backward(dy, x, W):
    decoder, encoder, da = shares(dy, x, W)
    dW = ...  # your code: both shares together
    dx = ...  # your code
    return dx, dW


def check():
    x, W = np.array([[1.0, 0, 2], [0, 1, -1]]), np.array([[1.0, 0], [0, -1], [-0.5, 0.5]])
    dy = np.array([[1.0, 0, 2], [-2, 1, 0]])
    decoder, encoder, da = call(shares, dy, x, W, returns="decoder, encoder, da")
    if np.shape(decoder) == (2, 3):
        hint = "y is made with W.T, so this is the gradient of W.T; transpose it to get W's"
        raise Wrong(f"the decoder's share must have W's shape (3, 2), got (2, 3)\nLikely cause: {hint}")
    h1, h2, h3 = np.tanh(1), np.tanh(0.5), np.tanh(1.5)  # h is [[0, h1], [h2, -h3]]
    expected = [[-2 * h2, h1 + 2 * h3], [h2, -h3], [0, 2 * h1]]
    mistakes = {"the decoder multiplies the code h, after tanh, and not x W": [[-1, 4], [0.5, -1.5], [0, 2]]}
    compare("the decoder's share", decoder, expected, mistakes)
    s1, s2, s3 = 1 - h1**2, 1 - h2**2, 1 - h3**2  # the slopes of tanh; at a = 0 the slope is 1
    no_slope = "back through tanh, dh is multiplied by the slope 1 - h^2"
    h = np.array([[0, h1], [h2, -h3]])
    dh = dy @ W
    mistakes = {
        no_slope: dh,
        "the slope is right, but dh is missing: da is dh times the slope": 1 - h**2,
        "the slope of tanh is 1 - h^2: here h is not squared": dh * (1 - h),
        "h (1 - h) is the slope of the sigmoid; that of tanh is 1 - h^2": dh * h * (1 - h),
        "da is a product entry by entry, with *: @ is a matrix product": dh @ (1 - h**2),
    }
    compare("da", da, [[0, s1], [-2 * s2, -s3]], mistakes)
    mistakes = {"it must be computed from da, not from dh: go back through tanh first": x.T @ dh}
    compare("the encoder's share", encoder, [[0, s1], [-2 * s2, -s3], [2 * s2, 2 * s1 + s3]], mistakes)
    dx, dW = call(backward, dy, x, W, returns="dx, dW")
    mistakes = {
        "the encoder's share is missing: W also makes the code": decoder,
        "the decoder's share is missing: W also makes the output": encoder,
        "W has two jobs, and its shares add; they are not averaged": (decoder + encoder) / 2,
        "W has two jobs, and its shares add; they are not multiplied": decoder * encoder,
        "W has two jobs, and its shares add; they are not subtracted": decoder - encoder,
        "this is dx: return dx first, then dW": da @ W.T,
    }
    compare("dW", dW, decoder + encoder, mistakes)
    mistakes = {
        "x is used in one place only, and dy arrives there as da": da @ W.T + dy,
        "dy is the gradient of y: go back through both layers": dy,
    }
    compare("dx", dx, [[0, -s1, 0.5 * s1], [-2 * s2, s3, s2 - 0.5 * s3]], mistakes)
    nudge(check_function, forward, backward, x=(4, 3), W=(3, 2))


if __name__ == "__main__":
    run(check)
