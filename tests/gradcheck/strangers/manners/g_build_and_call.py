"""A company's small framework: layers built at the first call, keyword-only options, properties, logging, float32, dropout."""
import logging

import numpy as np

log = logging.getLogger(__name__)


class Layer:
    count = 0

    def __init__(self, *, name=None, dtype=np.float64):
        Layer.count += 1
        self.name = name or f"{type(self).__name__.lower()}_{Layer.count}"
        self.dtype = dtype
        self.built = False

    def __call__(self, inputs, *, training=True):
        if not self.built:
            self.build(inputs.shape)
            self.built = True
            log.debug("%s built for %s", self.name, inputs.shape)
        return self.call(inputs, training=training)

    def build(self, input_shape):
        pass


class Dense(Layer):
    def __init__(self, units, *, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.units, self.use_bias = units, use_bias

    def build(self, input_shape):
        limit = np.sqrt(6.0 / (input_shape[-1] + self.units))
        self.kernel = np.random.uniform(-limit, limit, (input_shape[-1], self.units)).astype(self.dtype)
        self.bias = np.zeros(self.units, self.dtype) if self.use_bias else None

    @property
    def trainable_weights(self):
        return [self.kernel] + ([self.bias] if self.use_bias else [])

    def call(self, inputs, *, training):
        self._inputs = inputs
        out = inputs @ self.kernel
        return out + self.bias if self.use_bias else out

    def backward(self, grad):
        flat_in = self._inputs.reshape(-1, self._inputs.shape[-1])
        flat_g = grad.reshape(-1, self.units)
        self.kernel_grad = flat_in.T @ flat_g
        self.bias_grad = flat_g.sum(axis=0)
        return grad @ self.kernel.T


class Dropout(Layer):
    def __init__(self, rate, *, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.rng = np.random.default_rng(seed)

    @property
    def keep_prob(self):
        return 1.0 - self.rate

    def call(self, inputs, *, training):
        self._training = training
        if not training:
            return inputs
        self.mask = self.rng.random(inputs.shape) < self.keep_prob
        return inputs * self.mask / self.keep_prob

    def backward(self, grad):
        if not self._training:
            return grad
        return grad * self.mask / self.keep_prob


class SpatialMLP(Layer):
    """Dense -> tanh -> dropout -> residual sum, over the last axis of (N, T, D)."""

    def __init__(self, dim, *, rate=0.3, **kwargs):
        super().__init__(**kwargs)
        self.project = Dense(dim, name="project")
        self.drop = Dropout(rate, seed=1)

    def call(self, inputs, *, training):
        self._act = np.tanh(self.project(inputs, training=training))
        return inputs + self.drop(self._act, training=training)

    def backward(self, grad):
        branch = self.drop.backward(grad) * (1 - self._act ** 2)
        return grad + self.project.backward(branch)


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_layer  # noqa: E402

CASES = [
    Case("build_dense_3d_float32", lambda: check_layer(Dense(3, dtype=np.float32),
                                                       np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)), bugs=[
        Bug("self.bias_grad = flat_g.sum(axis=0)", "self.bias_grad = flat_g.mean(axis=0)", "bias",
            r"0\.125 times|1/|mean|rows"),
        Bug("return grad @ self.kernel.T", "return -grad @ self.kernel.T", "x", r"sign|-1 times"),
    ]),
    Case("build_dropout", lambda: check_layer(Dropout(0.4, seed=0), inputs=(5, 6)), bugs=[
        Bug("return grad * self.mask / self.keep_prob", "return grad * self.mask", "inputs",
            r"0\.6 times|times the right one|keep"),
        Bug("return grad * self.mask / self.keep_prob", "return grad / self.keep_prob", "inputs", r"mask|drop|zero"),
    ]),
    Case("build_spatial_mlp", lambda: check_layer(SpatialMLP(4), inputs=(2, 3, 4)), bugs=[
        Bug(" * (1 - self._act ** 2)", "", ("inputs", "kernel", "bias"), r"tanh|derivative|activation"),
        Bug("return grad + self.project.backward(branch)", "return self.project.backward(branch)", "inputs",
            r"skip|residual|identity|missing"),
        Bug("self.drop.backward(grad) * (1", "grad * (1", ("inputs", "kernel", "bias"),
            r"dropout|mask|zero|entries"),
    ]),
]
