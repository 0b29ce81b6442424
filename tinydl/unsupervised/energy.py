"""The energy of a restricted Boltzmann machine, and what follows from it.

A machine has visible units v_i and hidden units h_j, each 0 or 1, with a weight between each visible and each hidden
unit and none within a layer ("restricted"). A configuration has an energy, and low energies are probable:

    E(v, h) = - sum_i b_i v_i - sum_j c_j h_j - sum_ji h_j W_ji v_i
    p(v, h) = exp(-E(v, h)) / Z                    Z = sum_vh exp(-E(v, h)), over all configurations

Free energy    With a_j = c_j + sum_i W_ji v_i, the energy is linear in h: -E = b.v + sum_j h_j a_j. The sum over all h
               is therefore a product with one factor for each unit, in which h_j is 0 or 1:
                   sum_h exp(-E(v, h)) = exp(b.v) prod_j (exp(0) + exp(a_j))
               so p(v) = exp(-F(v)) / Z with the free energy F(v) = - b.v - sum_j log(1 + exp(a_j))
Conditionals   p(h | v) = p(v, h) / p(v) = exp(F(v) - E(v, h)) = prod_j exp(h_j a_j) / (1 + exp(a_j))
               This is again a product: given v, the hidden units are independent, and
                   P(h_j = 1 | v) = exp(a_j) / (1 + exp(a_j)) = sigmoid(a_j)
               The energy treats both layers alike, so P(v_i = 1 | h) = sigmoid(b_i + sum_j h_j W_ji)

Visible values between 0 and 1, such as gray levels, stand for the probabilities that units are on.

Shapes         v (n, visible), h (n, hidden), W (hidden, visible), b (visible,), c (hidden,)
Reference      Smolensky 1986; Hinton 2002
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from ..kernels import compiled_as
from ..layers.activations import sigmoid


def free_energy(v: NDArray, W: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """F(v) of each row, in nats; (n,)."""
    return -v @ b - softplus(v @ W.T + c).sum(axis=1)


@compiled_as(kernels.rbm.hidden_probabilities)
def hidden_probabilities(v: NDArray, W: NDArray, c: NDArray) -> NDArray:
    """P(h_j = 1 | v) = sigmoid(a_j), (n, hidden)."""
    return sigmoid(v @ W.T + c)


@compiled_as(kernels.rbm.visible_probabilities)
def visible_probabilities(h: NDArray, W: NDArray, b: NDArray) -> NDArray:
    """P(v_i = 1 | h), (n, visible)."""
    return sigmoid(h @ W + b)


def sample(p: NDArray, rng: np.random.Generator) -> NDArray:
    """Draw units that are 1 with probability p, else 0.

    The uniform numbers are float32 in float64 machines too, so that both draw the same units from the same seed. They
    are multiples of 2^-24; this rounds a probability by at most 6e-8.
    """
    return (rng.random(p.shape, dtype=np.float32) < p).astype(p.dtype)


def softplus(a: NDArray) -> NDArray:
    """log(1 + exp(a)), in a form that cannot overflow: max(a, 0) + log(1 + exp(-|a|))."""
    with np.errstate(under="ignore"):  # exp(-1000) is 0, as it should be
        return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))
