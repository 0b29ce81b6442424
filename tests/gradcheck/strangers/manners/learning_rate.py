"""A blog post's: forward(input) and backward(output_gradient, learning_rate), which updates the weights at once."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class Layer:
    def __init__(self):
        self.input = None
        self.output = None

    def forward(self, input):
        pass

    def backward(self, output_gradient, learning_rate):
        pass


class FCLayer(Layer):
    """One sample at a time, a column (n, 1)."""

    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(output_size, input_size)
        self.bias = np.random.randn(output_size, 1)

    def forward(self, input):
        self.input = input
        return np.dot(self.weights, self.input) + self.bias

    def backward(self, output_gradient, learning_rate):
        weights_gradient = np.dot(output_gradient, self.input.T)
        input_gradient = np.dot(self.weights.T, output_gradient)
        self.weights -= learning_rate * weights_gradient
        self.bias -= learning_rate * output_gradient
        return input_gradient


class ActivationLayer(Layer):
    def __init__(self, activation, activation_prime):
        self.activation = activation
        self.activation_prime = activation_prime

    def forward(self, input):
        self.input = input
        return self.activation(self.input)

    def backward(self, output_gradient, learning_rate):
        return np.multiply(output_gradient, self.activation_prime(self.input))


class Tanh(ActivationLayer):
    def __init__(self):
        super().__init__(lambda x: np.tanh(x), lambda x: 1 - np.tanh(x) ** 2)


def correlate(image, kernel):
    """'valid' cross-correlation of two matrices."""
    h = image.shape[0] - kernel.shape[0] + 1
    w = image.shape[1] - kernel.shape[1] + 1
    result = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            result[i, j] = np.sum(image[i : i + kernel.shape[0], j : j + kernel.shape[1]] * kernel)
    return result


class Convolutional(Layer):
    """One image (depth, height, width), a bias for every output pixel."""

    def __init__(self, input_shape, kernel_size, depth):
        input_depth, input_height, input_width = input_shape
        self.depth = depth
        self.input_shape = input_shape
        self.input_depth = input_depth
        self.output_shape = (depth, input_height - kernel_size + 1, input_width - kernel_size + 1)
        self.kernels = np.random.randn(depth, input_depth, kernel_size, kernel_size)
        self.biases = np.random.randn(*self.output_shape)

    def forward(self, input):
        self.input = input
        self.output = np.copy(self.biases)
        for i in range(self.depth):
            for j in range(self.input_depth):
                self.output[i] += correlate(self.input[j], self.kernels[i, j])
        return self.output

    def backward(self, output_gradient, learning_rate):
        kernels_gradient = np.zeros(self.kernels.shape)
        input_gradient = np.zeros(self.input_shape)
        pad = self.kernels.shape[-1] - 1
        for i in range(self.depth):
            padded = np.pad(output_gradient[i], pad)
            for j in range(self.input_depth):
                kernels_gradient[i, j] = correlate(self.input[j], output_gradient[i])
                input_gradient[j] += correlate(padded, self.kernels[i, j, ::-1, ::-1])
        self.kernels -= learning_rate * kernels_gradient
        self.biases -= learning_rate * output_gradient
        return input_gradient


CASES = [
    Case(
        "dense that learns in backward",
        lambda: check_layer(FCLayer(4, 3), x=(4, 1)),
        bugs=[
            Bug(
                "weights_gradient = np.dot(output_gradient, self.input.T)",
                "weights_gradient = np.dot(output_gradient, self.input.T) / self.input.size",
                "weights",
                r"0\.25|1/4|factor|times",
            ),
            Bug(
                "self.bias -= learning_rate * output_gradient",
                "self.bias += learning_rate * output_gradient",
                "bias",
                r"sign|-1|\+=",
            ),
            Bug(
                "self.bias -= learning_rate * output_gradient",
                "self.bias -= learning_rate * output_gradient.mean()",
                "bias",
                r"mean|same|sum",
            ),
            Bug(
                "        input_gradient = np.dot(self.weights.T, output_gradient)\n        self.weights -= learning_rate * weights_gradient\n",
                "        self.weights -= learning_rate * weights_gradient\n        input_gradient = np.dot(self.weights.T, output_gradient)\n",
                "x",
                r"updated|changed|order|before|after|new weights",
            ),
        ],
    ),
    Case(
        "tanh with prime",
        lambda: check_layer(Tanh(), x=(5, 1)),
        bugs=[
            Bug("lambda x: 1 - np.tanh(x) ** 2", "lambda x: 1 - np.tanh(x)", "x", r"tanh|square|derivative"),
            Bug("lambda x: 1 - np.tanh(x) ** 2", "lambda x: 1 - x**2", "x", r"tanh|derivative|input"),
            Bug(
                "self.activation_prime(self.input))",
                "self.activation_prime(self.activation(self.input)))",
                "x",
                r"twice|output|input|derivative",
            ),
            Bug(
                "np.multiply(output_gradient, self.activation_prime(self.input))",
                "np.multiply(output_gradient, self.activation(self.input))",
                "x",
                r"derivative|prime|tanh",
            ),
        ],
    ),
    Case(
        "convolution that learns in backward",
        lambda: check_layer(Convolutional((2, 5, 5), 3, 2), x=(2, 5, 5)),
        bugs=[
            Bug(
                "correlate(padded, self.kernels[i, j, ::-1, ::-1])",
                "correlate(padded, self.kernels[i, j])",
                "x",
                r"flip|rotat|reverse|180",
            ),
            Bug("input_gradient[j] += correlate", "input_gradient[j] = correlate", "x", r"accumul|\+=|last|sum"),
            Bug(
                "correlate(padded, self.kernels[i, j, ::-1, ::-1])",
                "correlate(padded, self.kernels[j, i, ::-1, ::-1])",
                "x",
                r"swap|transpos|channel",
            ),
            Bug(
                "kernels_gradient[i, j] = correlate(self.input[j], output_gradient[i])",
                "kernels_gradient[i, j] = correlate(self.input[j], output_gradient[i])[::-1, ::-1]",
                "kernels",
                r"flip|rotat|reverse|180",
            ),
            Bug(
                "self.biases -= learning_rate * output_gradient",
                "self.biases -= learning_rate * output_gradient.sum(axis=(1, 2), keepdims=True)",
                "biases",
                r"sum|axis|axes|too much",
            ),
        ],
    ),
]
