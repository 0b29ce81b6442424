"""Exercise 8: Adam.

m and v are running means of the gradient g and of its square. Both start at 0, so they are too small in the first
steps: with the same g in every step, m is (1 - beta1^t) g after t steps. The corrected means m^ and v^ are right from
the start:

    m <- beta1 m + (1 - beta1) g          m^ = m / (1 - beta1^t)          t = 1, 2, ... counts the steps
    v <- beta2 v + (1 - beta2) g^2        v^ = v / (1 - beta2^t)
    p <- p - r m^ / (sqrt(v^) + epsilon)  epsilon keeps the divisor above 0

Write the lines of `step`. Then run

    python examples/lessons/exercises/08_optimizers_in_a_valley.py
"""

import numpy as np
from exercise import call, compare, run

from tinydl import optimizers


class Adam:
    """Adam with learning rate r, for parameters in one array."""

    def __init__(self, r, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.r, self.beta1, self.beta2, self.epsilon = r, beta1, beta2, epsilon
        self.m = self.v = 0.0
        self.t = 0

    def step(self, p, g):
        """Return the parameters after one step from p, given the gradient g."""
        self.t = ...  # your code
        self.m = ...  # your code
        self.v = ...  # your code
        m_hat = ...  # your code
        v_hat = ...  # your code
        return ...  # your code


def check():
    optimizer = Adam(r=0.1)
    with np.errstate(all="ignore"):
        # gradients of different sizes
        first = call(optimizer.step, np.array([1.0, 1]), np.array([2.0, -0.5]), returns="p - ...")
    mistakes = {
        "m and v are not corrected: in the first step m is only 0.1 g, and v is 0.001 g^2": [0.68377228, 1.31622757],
        "v is not corrected: in the first step it is only 0.001 g^2": [-2.16227716, 4.16227566],
        "m is not corrected: in the first step it is only 0.1 g (or v has beta1: v needs beta2)": [0.99, 1.01],
        "v averages the square of g, not g": [0.85857864, np.nan],
        "p has not moved: are the new means stored in self.m and self.v?": [1, 1],
        "the correction of m divides: m / (1 - beta1^t), not m times it": [0.999, 1.001],
        "return the new p, p - r m^ / ..., and not only the step": [0.1, -0.1],
        "v^ is divided by 1 - beta2^t, not by 1 - beta1^t": [5.0e-08, 1.99999980],
        "the corrections divide: m / (1 - beta1^t), not m times it": [4.9999750e-06, 1.9999800],
        "t is 1 in the first step, but 2 is used": [0.92558632, 1.07441368],
        "t is 0 in the first step, so m and v are divided by 0: count before you use t": [np.nan, np.nan],
        "the divisor is the root of v^: v^ has the size of g^2, its root the size of g": [0.95, 1.2],
        "nothing divides m^": [0.8, 1.05],
        "p must move against the gradient": [1.1, 0.9],
        "beta1 and 1 - beta1 are exchanged: m consists mostly of its old value": [0.1, 1.9],
        "beta2 and 1 - beta2 are exchanged: v consists mostly of its old value": [0.99683614, 1.00316386],
        "the new gradient has the factor 1 - beta1 in m": [0, 2],
    }
    compare("p after one step", first, [0.9, 1.1], mistakes)  # each moved by r, whatever the size of its gradient

    second = call(optimizer.step, first, np.array([-2.0, -1]), returns="p - ...")
    mistakes = {
        "t must count the steps: it is 2 now": [0.90707284, 1.22970491],
        "the correction of m is 1 - beta1^t: t is a power (beta1**t), which counts the steps": [0.91, 1.28338458],
        "the correction of m is 1 - beta1^t: t is a power (beta1**t), not a factor": [0.89875, 1.07707693],
        "m must keep its old value, times beta1": [0.95263158, 1.16656427],
        "v must keep its old value, times beta2": [0.90744137, 1.2078998],
        "m^ and v^ must not replace m and v, which the next step continues": [0.88117466, 1.1258461],
    }
    compare("p after two steps", second, [0.90526316, 1.1965182], mistakes)

    rng, reference = np.random.default_rng(0), optimizers.Adam(0.1)
    mine, optimizer, expected = np.ones(4), Adam(r=0.1), np.ones(4)
    for _ in range(20):
        g = rng.standard_normal(4)
        mine = optimizer.step(mine, g)
        reference.step(expected, g)
    compare("p after 20 random steps, as in tinydl", mine, expected)


if __name__ == "__main__":
    run(check)
