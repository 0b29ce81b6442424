"""A research group's old code: fprop and bprop, gradients as grad_W, a base class with a list of parameters."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class Layer(object):
    def fprop(self, inputs):
        raise NotImplementedError()

    def bprop(self, grads_wrt_outputs):
        raise NotImplementedError()

    def __repr__(self):
        return self.__class__.__name__


class AffineLayer(Layer):
    def __init__(self, input_dim, output_dim, rng=np.random.RandomState(1234)):
        self.weights = rng.uniform(-0.5, 0.5, (output_dim, input_dim))
        self.biases = rng.uniform(-0.5, 0.5, output_dim)
        self.grad_weights = np.zeros_like(self.weights)
        self.grad_biases = np.zeros_like(self.biases)

    def fprop(self, inputs):
        self.inputs = inputs
        return inputs.dot(self.weights.T) + self.biases

    def bprop(self, grads_wrt_outputs):
        self.grad_weights = np.dot(grads_wrt_outputs.T, self.inputs)
        self.grad_biases = np.sum(grads_wrt_outputs, axis=0)
        return grads_wrt_outputs.dot(self.weights)


class MaxoutLayer(Layer):
    """The largest of k affine pieces."""

    def __init__(self, n_in, n_out, k=2, rng=np.random.RandomState(99)):
        self.W = rng.randn(k, n_in, n_out) * 0.3
        self.b = rng.randn(k, n_out) * 0.3

    def fprop(self, inputs):
        self.inputs = inputs
        pieces = np.einsum("ni,kio->kno", inputs, self.W) + self.b[:, None]
        self.winner = pieces.argmax(axis=0)
        return pieces.max(axis=0)

    def bprop(self, grads_wrt_outputs):
        self.grad_W = np.zeros_like(self.W)
        self.grad_b = np.zeros_like(self.b)
        grads_wrt_inputs = np.zeros(self.inputs.shape)
        for k in range(len(self.W)):
            g = grads_wrt_outputs * (self.winner == k)
            self.grad_W[k] = self.inputs.T.dot(g)
            self.grad_b[k] = g.sum(axis=0)
            grads_wrt_inputs += g.dot(self.W[k].T)
        return grads_wrt_inputs


class SigmoidLayer(Layer):
    def fprop(self, inputs):
        self.outputs = 1.0 / (1.0 + np.exp(-inputs))
        return self.outputs

    def bprop(self, grads_wrt_outputs):
        return grads_wrt_outputs * self.outputs * (1.0 - self.outputs)


CASES = [
    Case(
        "affine with fprop",
        lambda: check_layer(AffineLayer(4, 3), inputs=(5, 4)),
        bugs=[
            Bug(
                "self.grad_weights = np.dot(grads_wrt_outputs.T, self.inputs)",
                "self.grad_weights += np.dot(grads_wrt_outputs.T, self.inputs)",
                "weights",
                r"accumul|\+=|second|zero",
            ),
            Bug(
                "self.grad_biases = np.sum(grads_wrt_outputs, axis=0)",
                "self.grad_biases = np.sum(grads_wrt_outputs)",
                "biases",
                r"axis=|missing sum|summed|(has|of|wrong) shape|shape \(",
            ),
            Bug(
                "return grads_wrt_outputs.dot(self.weights)",
                "return grads_wrt_outputs.dot(self.weights) * self.inputs",
                "inputs",
                r"factor|extra|\bx\b",
            ),
            Bug(
                "self.grad_weights = np.dot(grads_wrt_outputs.T, self.inputs)",
                "self.grad_weights = np.dot(grads_wrt_outputs.T, self.inputs) / self.inputs.shape[1]",
                "weights",
                r"0\.25|1/4|features|factor",
            ),
        ],
    ),
    Case(
        "maxout with fprop",
        lambda: check_layer(MaxoutLayer(3, 4), inputs=(6, 3)),
        bugs=[
            Bug(
                "grads_wrt_inputs += g.dot(self.W[k].T)",
                "grads_wrt_inputs = g.dot(self.W[k].T)",
                "inputs",
                r"accumul|\+=|last|sum|mask",
            ),
            Bug(
                "g = grads_wrt_outputs * (self.winner == k)",
                "g = grads_wrt_outputs",
                ("inputs", "W", "b"),
                r"mask|winner",
            ),
            Bug(
                "g = grads_wrt_outputs * (self.winner == k)",
                "g = grads_wrt_outputs * (self.winner != k)",
                ("inputs", "W", "b"),
                r"mask|invert|swap|pieces",
            ),
            Bug(
                "self.grad_b[k] = g.sum(axis=0)",
                "self.grad_b[k] = grads_wrt_outputs.sum(axis=0)",
                "b",
                r"mask|winner",
            ),
        ],
    ),
    Case(
        "sigmoid with fprop",
        lambda: check_layer(SigmoidLayer(), inputs=(4, 3)),
        bugs=[
            Bug(
                "* self.outputs * (1.0 - self.outputs)",
                "* (1.0 - self.outputs)",
                "inputs",
                r"sigmoid|derivative|output|factor",
            ),
            Bug(
                "* self.outputs * (1.0 - self.outputs)",
                "* self.outputs * (1.0 + self.outputs)",
                "inputs",
                r"sign|sigmoid|derivative",
            ),
            Bug(
                "* self.outputs * (1.0 - self.outputs)",
                "* (1.0 - self.outputs**2)",
                "inputs",
                r"tanh|sigmoid|derivative",
            ),
            Bug(
                "return grads_wrt_outputs * self.outputs * (1.0 - self.outputs)",
                "return self.outputs * (1.0 - self.outputs)",
                "inputs",
                r"grads_wrt_outputs|incoming|upstream|chain|ignor",
            ),
        ],
    ),
]
