"""A video tutorial's network: backward(output_gradient, learning_rate) computes and updates in one go."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class Layer:
    def __init__(self):
        self.input = None
        self.output = None

    def forward(self, input):
        # TODO: return output
        pass

    def backward(self, output_gradient, learning_rate):
        # TODO: update parameters and return input gradient
        pass


class Dense(Layer):
    """column vectors: weights (out, in), bias (out, 1)"""

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


class Activation(Layer):
    def __init__(self, activation, activation_prime):
        self.activation = activation
        self.activation_prime = activation_prime

    def forward(self, input):
        self.input = input
        return self.activation(self.input)

    def backward(self, output_gradient, learning_rate):
        return np.multiply(output_gradient, self.activation_prime(self.input))


class Tanh(Activation):
    def __init__(self):
        def tanh(x):
            return np.tanh(x)

        def tanh_prime(x):
            return 1 - np.tanh(x) ** 2

        super().__init__(tanh, tanh_prime)


class Convolutional(Layer):
    """one image (depth, height, width), 'valid' correlation"""

    def __init__(self, input_shape, kernel_size, depth):
        input_depth, input_height, input_width = input_shape
        self.depth = depth
        self.input_shape = input_shape
        self.input_depth = input_depth
        self.k = kernel_size
        self.kernels = np.random.randn(depth, input_depth, kernel_size, kernel_size)
        self.biases = np.random.randn(depth, input_height - kernel_size + 1, input_width - kernel_size + 1)

    def correlate(self, a, b):
        h, w = a.shape[0] - b.shape[0] + 1, a.shape[1] - b.shape[1] + 1
        return np.array([[np.sum(a[i:i + b.shape[0], j:j + b.shape[1]] * b) for j in range(w)] for i in range(h)])

    def forward(self, input):
        self.input = input
        self.output = np.copy(self.biases)
        for i in range(self.depth):
            for j in range(self.input_depth):
                self.output[i] += self.correlate(self.input[j], self.kernels[i, j])
        return self.output

    def backward(self, output_gradient, learning_rate):
        kernels_gradient = np.zeros(self.kernels.shape)
        input_gradient = np.zeros(self.input_shape)
        p = self.k - 1
        for i in range(self.depth):
            for j in range(self.input_depth):
                kernels_gradient[i, j] = self.correlate(self.input[j], output_gradient[i])
                full = np.pad(output_gradient[i], p)
                input_gradient[j] += self.correlate(full, self.kernels[i, j][::-1, ::-1])
        self.kernels -= learning_rate * kernels_gradient
        self.biases -= learning_rate * output_gradient
        return input_gradient


class Network(Layer):
    def __init__(self, *layers):
        self.network = layers

    def forward(self, input):
        output = input
        for layer in self.network:
            output = layer.forward(output)
        return output

    def backward(self, grad, learning_rate=0.1):
        for layer in reversed(self.network):
            grad = layer.backward(grad, learning_rate)
        return grad


CASES = [
    Case("dense", lambda: check_layer(Dense(3, 4), x=(3, 1)), bugs=[
        Bug("        input_gradient = np.dot(self.weights.T, output_gradient)\n        self.weights -= learning_rate * weights_gradient\n", "        self.weights -= learning_rate * weights_gradient\n        input_gradient = np.dot(self.weights.T, output_gradient)\n", "x", r"updat|after"),
        Bug("self.bias -= learning_rate * output_gradient", "self.bias += learning_rate * output_gradient", "bias", r"sign|-1"),
        Bug("weights_gradient = np.dot(output_gradient, self.input.T)", "weights_gradient = 2 * np.dot(output_gradient, self.input.T)", "weights", r"2(\.0*)? times|twice|factor"),
        Bug("        self.bias -= learning_rate * output_gradient\n        return input_gradient\n\n\nclass Act", "        return input_gradient\n\n\nclass Act", "bias", r"zero|never|no gradient|not (written|set|updated)|missing"),
    ]),
    Case("tanh", lambda: check_layer(Tanh(), x=(4, 1)), bugs=[
        Bug("return 1 - np.tanh(x) ** 2", "return 1 - x ** 2", "x", r"tanh|derivative|output|input"),
        Bug("return 1 - np.tanh(x) ** 2", "return np.tanh(x)", "x", r"tanh|derivative"),
        Bug("return np.multiply(output_gradient, self.activation_prime(self.input))", "return self.activation_prime(self.input)", "x", r"dy|output_gradient|ignore|upstream"),
        Bug("return np.multiply(output_gradient, self.activation_prime(self.input))", "return np.multiply(output_gradient, learning_rate * self.activation_prime(self.input))", "x", r"learning|rate|lr|times"),
    ]),
    Case("convolutional", lambda: check_layer(Convolutional((2, 5, 4), 3, 2), x=(2, 5, 4)), bugs=[
        Bug("self.kernels[i, j][::-1, ::-1])", "self.kernels[i, j])", "x", r"flip|rotat|revers"),
        Bug("input_gradient[j] += self", "input_gradient[j] = self", "x", r"overwrit|accumulat|\+=|last|filter"),
        Bug("self.kernels -= learning_rate * kernels_gradient", "self.kernels -= learning_rate * kernels_gradient[:, ::-1]", "kernels", r"flip|revers|channel|permut|order"),
        Bug("self.biases -= learning_rate * output_gradient", "self.biases -= learning_rate * output_gradient.mean()", "biases", r"mean|broadcast|spread|sum"),
    ]),
    Case("network", lambda: check_layer(Network(Dense(3, 4), Tanh(), Dense(4, 2)), x=(3, 1)), bugs=[
        Bug("return 1 - np.tanh(x) ** 2", "return 1 - np.tanh(x)", ("x", "0.weights", "0.bias"), r"tanh|derivative"),
        Bug("self.bias -= learning_rate * output_gradient\n        return input", "self.bias -= learning_rate * 0.5 * output_gradient\n        return input", ("0.bias", "2.bias"), r"0\.5 times|half|factor"),
        Bug("return np.multiply(output_gradient, self.activation_prime(self.input))", "return output_gradient", ("x", "0.weights", "0.bias"), r"tanh|derivative|missing"),
        Bug("input_gradient = np.dot(self.weights.T, output_gradient)", "input_gradient = np.dot(self.weights.T, output_gradient) * learning_rate", ("x", "0.weights", "0.bias"), r"learning|rate|lr|times|0\.1"),
    ]),
]
