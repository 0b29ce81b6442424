"""Exercise 7: weights for a deep network.

Write `he_normal`: random weights W of shape (inputs, units) for neurons that end in relu. They come from a normal
distribution with mean 0 and He's variance, 2 divided by the number of numbers that a neuron adds up. All random numbers
come from `rng`: rng.normal(mean, standard_deviation, shape). Mind that it takes the standard deviation, the square root
of the variance. Then run

    python examples/lessons/exercises/07_initialization_and_symmetry.py
"""

import numpy as np
from exercise import Wrong, call, compare, run


def he_normal(inputs, units, rng):
    std = ...  # your code
    W = ...  # your code
    return W


def check():
    rng = np.random.default_rng(0)
    W = np.asarray(call(he_normal, 200, 50, rng, returns="W"))
    if W.shape != (200, 50):
        raise Wrong(f"W must have shape (inputs, units) = (200, 50), got {W.shape}")
    if np.allclose(W, W[:, :1]):
        raise Wrong("all units have the same weights, so they would stay equal for ever: draw inputs * units numbers")
    if np.array_equal(W, he_normal(200, 50, rng)):
        raise Wrong("two layers got the same weights: draw them from the rng that is handed to you")
    if not np.array_equal(*(he_normal(3, 2, np.random.default_rng(1)) for _ in range(2))):
        raise Wrong("the same seed must give the same weights: draw them from rng, not from np.random")
    if abs(W.mean()) > 0.05 * W.std():
        raise Wrong(f"the mean of W must be about 0, got {W.mean():.4f}: draw from rng.normal, with mean 0")
    compare("standard deviation of W", W.std(), np.sqrt(2 / 200), {
        "this is the variance, 2 / inputs: the standard deviation is its square root": 2 / 200,
        "a neuron adds up `inputs` numbers, not `units`": np.sqrt(2 / 50),
        "relu sets half of the sums to 0: the 2 in 2 / inputs makes up for it": np.sqrt(1 / 200),
        "the mean of inputs and units is Glorot's rule, for tanh: here only the inputs count": np.sqrt(2 / 250),
    }, rtol=0.05)  # fmt: skip

    x = rng.normal(size=(500, 100))
    size = np.sqrt(np.mean(x**2))
    for _ in range(20):
        x = np.maximum(x @ he_normal(100, 100, rng), 0)
    after = np.sqrt(np.mean(x**2))
    print(f"right: the root mean square of x is {size:.2f}, and after 20 layers {after:.2f}")


if __name__ == "__main__":
    run(check)
