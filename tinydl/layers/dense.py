"""Dense: every output unit is connected to every input.

The functions at the end are the NumPy definitions; `compiled_as` binds each to its compiled twin (kernels/twins.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments, kernels
from ..initializers import INITIALIZERS
from ..kernels import compiled_as
from ..layer import Shape
from ..regularizers import Regularizer
from .activations import activate, derivative
from .regularized import Regularized

SOFTMAX_HINT = (
    ": softmax is a layer, Softmax(). To train a classifier, leave it out and use SoftmaxCrossEntropy(), or make it "
    "the last layer and compile with loss='categorical_crossentropy'"
)


class Dense(Regularized):
    """Fully connected layer, y = f(x @ W + b).

    Forward (m = 1 .. n: the rows of the batch)
        a_mj = sum_i x_mi W_ij + b_j          a = x @ W + b
        y_mj = f(a_mj)                        f: linear, relu, sigmoid or tanh

    Backward (the loss L depends on y; the chain rule goes back through f, then through the sum)
        da_mj = dL/da_mj = dy_mj f'(a_mj)     f' in terms of y: relu 1[y > 0], sigmoid y (1 - y), tanh 1 - y^2
        W_ij enters a_mj for every row m, with factor x_mi:    dW_ij = sum_m x_mi da_mj     dW = x.T @ da
        b_j enters a_mj for every row m, with factor 1:        db_j  = sum_m da_mj          db = da.sum(axis=0)
        x_mi enters a_mj for every unit j, with factor W_ij:   dx_mi = sum_j da_mj W_ij     dx = da @ W.T

    kernel_regularizer    "l1", "l2", "l1_l2" or an object (tinydl/regularizers.py): its term P(W) is added to the
                          loss, and dP/dW to dW

    Shapes     x (n, inputs), W (inputs, units), b (units,), y (n, units)
    Cache      x and y; a is not kept, because f' is computed from y
    Edge       at a = 0 the derivative used for relu is 0
    Raises     ValueError for invalid hyper-parameters, and for inputs whose shape is not (n, inputs)
    Check      check_layer(Dense(4, "tanh"), x=(5, 3))
    """

    needs_build = True
    live = ("kernel_regularizer",)
    accumulate = True  # a Model clears it in training if W is large: dW is then written, not added to zeros

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform",
        kernel_regularizer: str | Regularizer | None = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.units = arguments.positive_int("Dense", "units", units)
        hint = SOFTMAX_HINT if activation == "softmax" else ""
        self.activation = arguments.one_of("Dense", "activation", activation, kernels.ACTIVATIONS, hint)
        self.use_bias = arguments.flag("Dense", "use_bias", use_bias)
        self.kernel_initializer = arguments.one_of("Dense", "kernel_initializer", kernel_initializer, INITIALIZERS)
        self.kernel_regularizer = kernel_regularizer

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(input_shape, rng, dtype)
        self._code = kernels.ACTIVATIONS[self.activation]
        if len(input_shape) != 1:
            got = f"{tuple(input_shape)}: put a Flatten() before it"
            raise ValueError(f"{self.label}: expected rows of numbers, input shape (width,), got {got}")
        shape = (input_shape[0], self.units)
        self.check_stored(W=shape)
        self.add_parameter("W", INITIALIZERS[self.kernel_initializer](shape, rng, dtype))
        if self.use_bias:
            self.add_parameter("b", np.zeros(self.units, dtype))
        self.output_shape = (self.units,)
        return self.output_shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = self.as_input(x)
        self._y = y = dense_forward(x, self.params["W"], self.params.get("b"), self._code)
        self._x = x
        return y

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._y)
        W, grads = self.params["W"], self.grads if self.trainable else {}
        dW, db = grads.get("W"), grads.get("b")
        dx = dense_backward(dy, self._x, W, self._y, self._code, dW, db, self.input_gradient, self.accumulate)
        if self._kernel_regularizer is not None:
            self._add_regularization()
        return dx


@compiled_as(kernels.dense.forward)
def dense_forward(x: NDArray, W: NDArray, b: NDArray | None, activation: int) -> NDArray:
    """y = f(x @ W + b); b is None for a layer without a bias."""
    a = x @ W
    if b is not None:
        a = a + b
    return activate(a, activation)


@compiled_as(kernels.dense.backward)
def dense_backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, activation: int, dW: NDArray | None, db: NDArray | None,
    need_dx: bool, accumulate: bool = True,
) -> NDArray:  # fmt: skip
    """Add the gradients derived in Dense to dW and db, and return dx (an empty array if dx is not needed).

    dW and db are None for a frozen layer, and db for a layer without a bias. accumulate=False overwrites dW and db
    instead of adding to them.
    """
    da = dy * derivative(y, activation)
    if dW is not None:
        if not accumulate:
            dW[...] = 0
        dW += x.T @ da
    if db is not None:
        if not accumulate:
            db[...] = 0
        db += da.sum(axis=0, dtype=np.float64)
    return da @ W.T if need_dx else np.empty((0, 0), dy.dtype)
