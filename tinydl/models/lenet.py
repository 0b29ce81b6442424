"""LeNet-5, the network that read the digits on bank checks.

Reference: LeCun, Bottou, Bengio & Haffner 1998, Gradient-based learning applied to document recognition, section II.B.
"""

from __future__ import annotations

from numpy.typing import DTypeLike

from ..layer import Shape
from ..layers import AveragePool2D, Conv2D, Dense, Flatten
from ..model import Model


def lenet5(input_shape: Shape = (32, 32, 1), classes: int = 10, seed: int = 0, dtype: DTypeLike = "float32") -> Model:
    """Two convolutions, two subsamplings and three dense layers for 32x32 gray images: 61,706 parameters.

    This is the variant in common use. The paper's has 60,000 parameters: maps of C3 use only some of S2's (900 fewer),
    subsampling has a factor and a bias per map (44 more), and outputs are distances to ten fixed images (850 fewer).

    Check   check_model(lenet5(), x=(2, 32, 32, 1), y=[3, 7], loss=SoftmaxCrossEntropy(), mode="directional")
    """
    layers = [
        Conv2D(6, 5, activation="tanh"), AveragePool2D(2),      # C1, S2
        Conv2D(16, 5, activation="tanh"), AveragePool2D(2),     # C3, S4
        Flatten(), Dense(120, "tanh"),                          # C5
        Dense(84, "tanh"), Dense(classes),                      # F6, output
    ]  # fmt: skip
    return Model(layers, input_shape, seed, dtype, "lenet5")
