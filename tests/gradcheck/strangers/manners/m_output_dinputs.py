"""A network book's classes: Layer_Dense, Activation_ReLU; forward stores self.output, backward stores self.dinputs, both return nothing."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer, check_loss


# Dense layer
class Layer_Dense:

    def __init__(self, n_inputs, n_neurons, weight_regularizer_l2=0):
        self.weights = 0.5 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))
        self.weight_regularizer_l2 = weight_regularizer_l2

    # Forward pass
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    # Backward pass
    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        # Gradient on values
        self.dinputs = np.dot(dvalues, self.weights.T)


class Activation_ReLU:

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        # Since we need to modify the original variable, let's make a copy of the values first
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0


class Activation_Softmax:

    def forward(self, inputs):
        exp_values = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = exp_values / np.sum(exp_values, axis=1, keepdims=True)

    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        for index, (single_output, single_dvalues) in enumerate(zip(self.output, dvalues)):
            single_output = single_output.reshape(-1, 1)
            jacobian_matrix = np.diagflat(single_output) - np.dot(single_output, single_output.T)
            self.dinputs[index] = np.dot(jacobian_matrix, single_dvalues)


class Layer_Dropout:

    def __init__(self, rate):
        self.rate = 1 - rate

    def forward(self, inputs, training=True):
        self.inputs = inputs
        if not training:
            self.output = inputs.copy()
            return
        self.binary_mask = np.random.binomial(1, self.rate, size=inputs.shape) / self.rate
        self.output = inputs * self.binary_mask

    def backward(self, dvalues):
        self.dinputs = dvalues * self.binary_mask


class Loss:
    def calculate(self, output, y):
        sample_losses = self.forward(output, y)
        return np.mean(sample_losses)


class Loss_MeanSquaredError(Loss):  # L2 loss

    def forward(self, y_pred, y_true):
        return np.mean((y_true - y_pred)**2, axis=-1)

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        outputs = len(dvalues[0])
        self.dinputs = -2 * (y_true - dvalues) / outputs
        self.dinputs = self.dinputs / samples


class Activation_Softmax_Loss_CategoricalCrossentropy(Loss):

    def __init__(self):
        self.activation = Activation_Softmax()

    def forward(self, inputs, y_true):
        self.activation.forward(inputs)
        self.output = self.activation.output
        return np.mean(-np.log(self.output[range(len(inputs)), y_true]))

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        self.dinputs = dvalues.copy()
        self.dinputs[range(samples), y_true] -= 1
        self.dinputs = self.dinputs / samples


CASES = [
    Case("dense", lambda: check_layer(Layer_Dense(3, 4), x=(5, 3)), bugs=[
        Bug("self.dbiases = np.sum(dvalues, axis=0, keepdims=True)", "self.dbiases = np.mean(dvalues, axis=0, keepdims=True)", "biases", r"1/N|batch size|mean"),
        Bug("self.dweights = np.dot(self.inputs.T, dvalues)", "self.dweights = np.dot(self.inputs.T, dvalues) * 2", "weights", r"2(\.0*)? times|twice|factor"),
        Bug("self.dinputs = np.dot(dvalues, self.weights.T)", "self.dinputs = np.dot(dvalues, self.dweights.T)", "x", r"dweights|weights|grad"),
        Bug("self.dweights = np.dot(self.inputs.T, dvalues)", "self.dweights = np.dot(self.inputs.T, self.output)", "weights", r"dy|dvalues|ignore|output"),
    ]),
    Case("relu", lambda: check_layer(Activation_ReLU(), x=(4, 5)), bugs=[
        Bug("self.dinputs[self.inputs <= 0] = 0", "self.dinputs[self.inputs >= 0] = 0", "x", r"mask|invert|opposite"),
        Bug("        self.dinputs[self.inputs <= 0] = 0\n", "", "x", r"mask|relu|missing|forgot"),
        Bug("self.dinputs[self.inputs <= 0] = 0", "self.dinputs[self.dinputs <= 0] = 0", "x", r"mask|dy|dvalues|sign|negative"),
        Bug("self.dinputs = dvalues.copy()\n        self.dinputs[self", "self.dinputs = self.output.copy()\n        self.dinputs[self", "x", r"dy|dvalues|ignore|output"),
    ]),
    Case("softmax jacobian", lambda: check_layer(Activation_Softmax(), x=(3, 4)), bugs=[
        Bug(" - np.dot(single_output, single_output.T)\n", "\n", "x", r"softmax|term|missing|diagonal|off"),
        Bug(" - np.dot(single_output, single_output.T)", " + np.dot(single_output, single_output.T)", "x", r"sign|softmax|term"),
        Bug("np.diagflat(single_output)", "np.eye(len(single_output))", "x", r"softmax|diagonal|factor|output"),
        Bug("self.dinputs[index] = np.dot(jacobian_matrix, single_dvalues)", "self.dinputs[index] = np.dot(jacobian_matrix, dvalues[0])", "x", r"first|row|dy|dvalues|broadcast"),
    ]),
    Case("dropout", lambda: check_layer(Layer_Dropout(0.3), x=(6, 5)), bugs=[
        Bug("self.dinputs = dvalues * self.binary_mask", "self.dinputs = dvalues * (self.binary_mask > 0)", "x", r"0\.7|rate|keep|scale"),
        Bug("self.dinputs = dvalues * self.binary_mask", "self.dinputs = dvalues / self.rate", "x", r"mask|missing|forgot"),
        Bug("self.dinputs = dvalues * self.binary_mask", "self.dinputs = dvalues * (self.binary_mask == 0) / self.rate", "x", r"mask|invert|opposite"),
        Bug("self.dinputs = dvalues * self.binary_mask", "self.dinputs = dvalues * self.binary_mask / self.rate", "x", r"0\.7|rate|keep|scale|1\.4|twice"),
    ]),
    Case("mse", lambda: check_loss(Loss_MeanSquaredError(), (4, 3), np.full((4, 3), 0.5)), bugs=[
        Bug("self.dinputs = -2 * (y_true - dvalues)", "self.dinputs = 2 * (y_true - dvalues)", "y_pred", r"sign|-1"),
        Bug("-2 * (y_true - dvalues) / outputs", "-2 * (y_true - dvalues)", "y_pred", r"3(\.0*)? times|outputs|size|mean"),
        Bug("self.dinputs = -2 * (y_true - dvalues)", "self.dinputs = -(y_true - dvalues)", "y_pred", r"0\.5 times|half|factor|\b2\b"),
        Bug("-2 * (y_true - dvalues) / outputs\n        self.dinputs = self.dinputs / samples", "-2 * (y_true - dvalues) / outputs", "y_pred", r"4(\.0*)? times|\bN\b|batch|mean"),
    ]),
    Case("softmax and loss", lambda: check_loss(Activation_Softmax_Loss_CategoricalCrossentropy(), (4, 3), np.array([0, 2, 2, 1])), bugs=[
        Bug("self.dinputs[range(samples), y_true] -= 1", "self.dinputs[range(samples), y_true] = -1", "y_pred", r"softmax|label|true class|correct"),
        Bug("self.dinputs[range(samples), y_true] -= 1\n        self.dinputs = self.dinputs / samples", "self.dinputs[range(samples), y_true] -= 1", "y_pred", r"4(\.0*)? times|\bN\b|batch|mean"),
        Bug("self.dinputs[range(samples), y_true] -= 1", "self.dinputs[range(samples), y_true] += 1", "y_pred", r"sign|label|true class|correct"),
        Bug("        self.dinputs[range(samples), y_true] -= 1\n", "", "y_pred", r"label|true class|correct|missing|one-?hot"),
    ]),
]
