"""A hobbyist's repository: forward_pass and backward_pass, and the layer calls its optimizer inside backward_pass."""

import copy

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class StochasticGradientDescent:
    def __init__(self, learning_rate=0.01):
        self.learning_rate = learning_rate

    def update(self, w, grad_wrt_w):
        return w - self.learning_rate * grad_wrt_w


class Dense:
    def __init__(self, n_units, input_shape=None):
        self.layer_input = None
        self.input_shape = input_shape
        self.n_units = n_units
        self.trainable = True
        self.W = None
        self.w0 = None

    def initialize(self, optimizer):
        limit = 1 / np.sqrt(self.input_shape[0])
        self.W = np.random.uniform(-limit, limit, (self.input_shape[0], self.n_units))
        self.w0 = np.zeros((1, self.n_units))
        self.W_opt = copy.copy(optimizer)
        self.w0_opt = copy.copy(optimizer)
        return self

    def forward_pass(self, X, training=True):
        self.layer_input = X
        return X.dot(self.W) + self.w0

    def backward_pass(self, accum_grad):
        # the weights that were used in the forward pass
        W = self.W
        if self.trainable:
            grad_w = self.layer_input.T.dot(accum_grad)
            grad_w0 = np.sum(accum_grad, axis=0, keepdims=True)
            self.W = self.W_opt.update(self.W, grad_w)
            self.w0 = self.w0_opt.update(self.w0, grad_w0)
        accum_grad = accum_grad.dot(W.T)
        return accum_grad


class ELU:
    def __init__(self, alpha=0.7):
        self.alpha = alpha

    def __call__(self, x):
        return np.where(x >= 0.0, x, self.alpha * (np.exp(x) - 1))

    def gradient(self, x):
        return np.where(x >= 0.0, 1, self.__call__(x) + self.alpha)


class Activation:
    def __init__(self, func):
        self.activation_func = func

    def forward_pass(self, X, training=True):
        self.layer_input = X
        return self.activation_func(X)

    def backward_pass(self, accum_grad):
        return accum_grad * self.activation_func.gradient(self.layer_input)


class UpSampling2D:
    """Every row and column twice."""

    def __init__(self, size=(2, 3)):
        self.size = size

    def forward_pass(self, X, training=True):
        self.prev_shape = X.shape
        return X.repeat(self.size[0], axis=2).repeat(self.size[1], axis=3)

    def backward_pass(self, accum_grad):
        n, c, h, w = self.prev_shape
        return accum_grad.reshape(n, c, h, self.size[0], w, self.size[1]).sum(axis=(3, 5))


CASES = [
    Case(
        "dense with its optimizer",
        lambda: check_layer(Dense(3, input_shape=(4,)).initialize(StochasticGradientDescent(0.1)), X=(5, 4)),
        bugs=[
            Bug(
                "grad_w = self.layer_input.T.dot(accum_grad)",
                "grad_w = 2 * self.layer_input.T.dot(accum_grad)",
                "W",
                r"2 times|twice|factor",
            ),
            Bug(
                "grad_w0 = np.sum(accum_grad, axis=0, keepdims=True)",
                "grad_w0 = np.mean(accum_grad, axis=0, keepdims=True)",
                "w0",
                r"mean|0\.2|1/N|batch",
            ),
            Bug(
                "accum_grad = accum_grad.dot(W.T)",
                "accum_grad = accum_grad.dot(self.W.T)",
                "X",
                r"updated|stale|before|after|new weights|changed",
            ),
            Bug(
                "grad_w = self.layer_input.T.dot(accum_grad)",
                "grad_w = -self.layer_input.T.dot(accum_grad)",
                "W",
                r"sign|-1|ascent",
            ),
        ],
    ),
    Case(
        "activation with gradient",
        lambda: check_layer(Activation(ELU()), X=(4, 5)),
        bugs=[
            Bug(
                "np.where(x >= 0.0, 1, self.__call__(x) + self.alpha)",
                "np.where(x >= 0.0, 1, self.__call__(x))",
                "X",
                r"alpha|negative|x < 0|where",
            ),
            Bug(
                "np.where(x >= 0.0, 1, self.__call__(x) + self.alpha)",
                "np.where(x >= 0.0, x, self.__call__(x) + self.alpha)",
                "X",
                r"positive|x > 0|where|derivative",
            ),
            Bug(
                "np.where(x >= 0.0, 1, self.__call__(x) + self.alpha)",
                "np.where(x >= 0.0, 1, np.exp(x))",
                "X",
                r"alpha|0\.7|1\.43|negative|x < 0|where",
            ),
            Bug(
                "return accum_grad * self.activation_func.gradient(self.layer_input)",
                "return accum_grad * self.activation_func.gradient(accum_grad)",
                "X",
                r"input|incoming|upstream|linear",
            ),
        ],
    ),
    Case(
        "upsampling",
        lambda: check_layer(UpSampling2D(), X=(2, 2, 3, 3)),
        bugs=[
            Bug(".sum(axis=(3, 5))", ".mean(axis=(3, 5))", "X", r"mean|0\.167|0\.166|1/6|sum"),
            Bug(".sum(axis=(3, 5))", ".sum(axis=3)[..., 0]", "X", r"sum|missing|axis"),
            Bug(
                "accum_grad.reshape(n, c, h, self.size[0], w, self.size[1]).sum(axis=(3, 5))",
                "accum_grad.reshape(n, c, self.size[0], h, self.size[1], w).sum(axis=(2, 4))",
                "X",
                r"order|reshape|permut|axes",
            ),
            Bug(
                "accum_grad.reshape(n, c, h, self.size[0], w, self.size[1]).sum(axis=(3, 5))",
                "accum_grad[:, :, :: self.size[0], :: self.size[1]]",
                "X",
                r"sum|missing|copies|repeat",
            ),
        ],
    ),
]
