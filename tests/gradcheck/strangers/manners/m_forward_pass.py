"""A repository of algorithms from scratch: an abstract Layer, forward_pass(X, training) and backward_pass(accum_grad), optimizers in the layers."""
import copy

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class StochasticGradientDescent():
    def __init__(self, learning_rate=0.01, momentum=0):
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.w_updt = None

    def update(self, w, grad_wrt_w):
        if self.w_updt is None:
            self.w_updt = np.zeros(np.shape(w))
        self.w_updt = self.momentum * self.w_updt + (1 - self.momentum) * grad_wrt_w
        return w - self.learning_rate * self.w_updt


class Layer(object):
    def set_input_shape(self, shape):
        self.input_shape = shape

    def layer_name(self):
        return self.__class__.__name__

    def parameters(self):
        return 0

    def forward_pass(self, X, training):
        raise NotImplementedError()

    def backward_pass(self, accum_grad):
        raise NotImplementedError()

    def output_shape(self):
        raise NotImplementedError()


class Dense(Layer):
    """A fully-connected NN layer."""

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
        # Save weights used during forwards pass
        W = self.W
        if self.trainable:
            # Calculate gradient w.r.t layer weights
            grad_w = self.layer_input.T.dot(accum_grad)
            grad_w0 = np.sum(accum_grad, axis=0, keepdims=True)
            # Update the layer weights
            self.W = self.W_opt.update(self.W, grad_w)
            self.w0 = self.w0_opt.update(self.w0, grad_w0)
        # Return accumulated gradient for next layer, calculated based on the weights used during the forward pass
        accum_grad = accum_grad.dot(W.T)
        return accum_grad


class Activation(Layer):
    def __init__(self, name):
        self.activation_name = name
        self.trainable = True
        self.f, self.gradient = {
            'tanh': (lambda x: 2 / (1 + np.exp(-2 * x)) - 1, lambda x: 1 - (2 / (1 + np.exp(-2 * x)) - 1) ** 2),
            'leaky_relu': (lambda x: np.where(x >= 0, x, 0.2 * x), lambda x: np.where(x >= 0, 1, 0.2)),
            'selu': (lambda x: 1.0507 * np.where(x >= 0, x, 1.6733 * (np.exp(x) - 1)),
                     lambda x: 1.0507 * np.where(x >= 0, 1, 1.6733 * np.exp(x))),
        }[name]

    def forward_pass(self, X, training=True):
        self.layer_input = X
        return self.f(X)

    def backward_pass(self, accum_grad):
        return accum_grad * self.gradient(self.layer_input)


class BatchNormalization(Layer):
    def __init__(self, momentum=0.99, shape=(4,)):
        self.momentum = momentum
        self.eps = 0.01
        self.gamma, self.beta = np.ones(shape), np.zeros(shape)
        self.running_mean = None
        self.running_var = None
        self.trainable = False

    def forward_pass(self, X, training=True):
        if self.running_mean is None:
            self.running_mean = np.mean(X, axis=0)
            self.running_var = np.var(X, axis=0)
        if training:
            mean, var = np.mean(X, axis=0), np.var(X, axis=0)
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        else:
            mean, var = self.running_mean, self.running_var
        self.X_centered = X - mean
        self.stddev_inv = 1 / np.sqrt(var + self.eps)
        X_norm = self.X_centered * self.stddev_inv
        return self.gamma * X_norm + self.beta

    def backward_pass(self, accum_grad):
        gamma = self.gamma
        X_norm = self.X_centered * self.stddev_inv
        self.grad_gamma = np.sum(accum_grad * X_norm, axis=0)
        self.grad_beta = np.sum(accum_grad, axis=0)
        batch_size = accum_grad.shape[0]
        return (1 / batch_size) * gamma * self.stddev_inv * (
            batch_size * accum_grad
            - np.sum(accum_grad, axis=0)
            - self.X_centered * self.stddev_inv**2 * np.sum(accum_grad * self.X_centered, axis=0)
        )


CASES = [
    Case("dense that updates", lambda: check_layer(Dense(3, (4,)).initialize(StochasticGradientDescent()), x=(5, 4)), bugs=[
        Bug("accum_grad = accum_grad.dot(W.T)", "accum_grad = accum_grad.dot(self.W.T)", "x", r"updat|after"),
        Bug("grad_w0 = np.sum(accum_grad, axis=0, keepdims=True)", "grad_w0 = np.mean(accum_grad, axis=0, keepdims=True)", "w0", r"1/N|batch size|mean"),
        Bug("grad_w = self.layer_input.T.dot(accum_grad)", "grad_w = -self.layer_input.T.dot(accum_grad)", "W", r"sign|-1"),
        Bug("self.W = self.W_opt.update(self.W, grad_w)", "self.W = self.W_opt.update(self.W, 3 * grad_w)", "W", r"3(\.0*)? times|factor"),
    ]),
    Case("tanh", lambda: check_layer(Activation('tanh'), x=(5, 4)), bugs=[
        Bug("lambda x: 1 - (2 / (1 + np.exp(-2 * x)) - 1) ** 2", "lambda x: 1 - (2 / (1 + np.exp(-x)) - 1) ** 2", "x", r"tanh|derivative|2"),
        Bug("lambda x: 1 - (2 / (1 + np.exp(-2 * x)) - 1) ** 2", "lambda x: 1 - np.power(x, 2)", "x", r"tanh|input|output|derivative"),
        Bug("return accum_grad * self.gradient(self.layer_input)", "return self.gradient(self.layer_input)", "x", r"dy|accum_grad|ignore|upstream"),
        Bug("return accum_grad * self.gradient(self.layer_input)", "return accum_grad * self.gradient(self.f(self.layer_input))", "x", r"tanh|twice|output|derivative"),
    ]),
    Case("selu", lambda: check_layer(Activation('selu'), x=(5, 4)), bugs=[
        Bug("lambda x: 1.0507 * np.where(x >= 0, 1, 1.6733 * np.exp(x))", "lambda x: np.where(x >= 0, 1, 1.6733 * np.exp(x))", "x", r"1\.05|0\.95|factor|scale"),
        Bug("1, 1.6733 * np.exp(x))", "1, np.exp(x))", "x", r"1\.67|negative|alpha|0\.59"),
        Bug("1, 1.6733 * np.exp(x))", "1, 1.6733 * (np.exp(x) - 1))", "x", r"exp|negative|- 1|derivative"),
        Bug("lambda x: 1.0507 * np.where(x >= 0, 1, 1.6733", "lambda x: 1.0507 * np.where(x <= 0, 1, 1.6733", "x", r"mask|invert|opposite|branch"),
    ]),
    Case("leaky relu", lambda: check_layer(Activation('leaky_relu'), x=(5, 4)), bugs=[
        Bug("lambda x: np.where(x >= 0, 1, 0.2)", "lambda x: np.where(x >= 0, 1, 0)", "x", r"leak|mask|negative|relu|0\.2"),
        Bug("lambda x: np.where(x >= 0, 1, 0.2)", "lambda x: np.where(x >= 0, 0.2, 1)", "x", r"mask|invert|opposite|swap"),
        Bug("lambda x: np.where(x >= 0, 1, 0.2)", "lambda x: np.where(x >= 0, 1, 0.2 * x)", "x", r"negative|0\.2|derivative|\bx\b"),
        Bug("lambda x: np.where(x >= 0, 1, 0.2)", "lambda x: np.where(x >= 0, 1, 0.3)", "x", r"negative|0\.2|0\.3|1\.5|leak|slope"),
    ]),
    Case("batch normalization", lambda: check_layer(BatchNormalization(), x=(5, 4)), bugs=[
        Bug("            - np.sum(accum_grad, axis=0)\n", "", "x", r"mean"),
        Bug("self.stddev_inv**2 * np.sum", "self.stddev_inv * np.sum", "x", r"std|variance|power"),
        Bug("self.grad_gamma = np.sum(accum_grad * X_norm, axis=0)", "self.grad_gamma = np.sum(accum_grad * self.X_centered, axis=0)", "gamma", r"std|norm|centered|xhat|variance"),
        Bug("            - self.X_centered * self.stddev_inv**2 *", "            + self.X_centered * self.stddev_inv**2 *", "x", r"sign|variance"),
    ]),
]
