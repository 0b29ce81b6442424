"""A self-published book's: nothing is returned, everything is an attribute (output, dinputs, dweights, dbiases)."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer, check_loss


# Dense layer
class Layer_Dense:
    # Layer initialization
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.5 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    # Forward pass
    def forward(self, inputs):
        # Remember input values
        self.inputs = inputs
        # Calculate output values from inputs, weights and biases
        self.output = np.dot(inputs, self.weights) + self.biases

    # Backward pass
    def backward(self, dvalues):
        # Gradients on parameters
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        # Gradient on values
        self.dinputs = np.dot(dvalues, self.weights.T)


# ReLU activation
class Activation_ReLU:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        # Since we need to modify the original variable, let's make a copy first
        self.dinputs = dvalues.copy()
        # Zero gradient where input values were negative
        self.dinputs[self.inputs <= 0] = 0


# Softmax activation
class Activation_Softmax:
    def forward(self, inputs):
        exp_values = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = exp_values / np.sum(exp_values, axis=1, keepdims=True)

    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        # Enumerate outputs and gradients
        for index, (single_output, single_dvalues) in enumerate(zip(self.output, dvalues)):
            single_output = single_output.reshape(-1, 1)
            jacobian_matrix = np.diagflat(single_output) - np.dot(single_output, single_output.T)
            self.dinputs[index] = np.dot(jacobian_matrix, single_dvalues)


# Cross-entropy loss: one number for each sample
class Loss_CategoricalCrossentropy:
    def forward(self, y_pred, y_true):
        y_pred_clipped = np.clip(y_pred, 1e-7, 1 - 1e-7)
        correct_confidences = np.sum(y_pred_clipped * y_true, axis=1)
        return -np.log(correct_confidences)

    def calculate(self, output, y):
        return np.mean(self.forward(output, y))

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        # Calculate gradient
        self.dinputs = -y_true / dvalues
        # Normalize gradient
        self.dinputs = self.dinputs / samples


CASES = [
    Case(
        "dense with dinputs",
        lambda: check_layer(Layer_Dense(4, 3), inputs=(5, 4)),
        bugs=[
            Bug(
                "self.dweights = np.dot(self.inputs.T, dvalues)",
                "self.dweights = np.dot(self.inputs.T, dvalues) / len(dvalues)",
                "weights",
                r"0\.2|1/N|batch",
            ),
            Bug(
                "self.dbiases = np.sum(dvalues, axis=0, keepdims=True)",
                "self.dbiases = np.sum(dvalues, keepdims=True) * np.ones((1, 3))",
                "biases",
                r"axis|sum",
            ),
            Bug(
                "self.dinputs = np.dot(dvalues, self.weights.T)",
                "self.dinputs = np.dot(dvalues, self.weights.T) + self.inputs",
                "inputs",
                r"added|extra|residual",
            ),
            Bug(
                "self.dweights = np.dot(self.inputs.T, dvalues)",
                "self.dweights = np.dot(self.inputs.T, dvalues) + 2 * 5e-2 * self.weights",
                "weights",
                r"regulari|decay|0\.1|added|extra",
            ),
        ],
    ),
    Case(
        "relu with dinputs",
        lambda: check_layer(Activation_ReLU(), inputs=(4, 5)),
        bugs=[
            Bug(
                "self.dinputs[self.inputs <= 0] = 0",
                "self.dinputs[self.inputs >= 0] = 0",
                "inputs",
                r"mask|invert|relu|sign",
            ),
            Bug(
                "self.dinputs[self.inputs <= 0] = 0",
                "self.dinputs[self.dinputs <= 0] = 0",
                "inputs",
                r"mask|relu|sign|negative|dvalues",
            ),
            Bug(
                "self.dinputs = dvalues.copy()",
                "self.dinputs = np.ones_like(dvalues)",
                "inputs",
                r"dvalues|upstream|incoming|ignor|chain",
            ),
            Bug(
                "self.dinputs[self.inputs <= 0] = 0",
                "self.dinputs[self.inputs <= 1] = 0",
                "inputs",
                r"mask|relu|threshold|zero",
            ),
        ],
    ),
    Case(
        "softmax with a jacobian",
        lambda: check_layer(Activation_Softmax(), inputs=(4, 3)),
        bugs=[
            Bug(
                "jacobian_matrix = np.diagflat(single_output) - np.dot(single_output, single_output.T)",
                "jacobian_matrix = np.diagflat(single_output) + np.dot(single_output, single_output.T)",
                "inputs",
                r"sign|softmax|jacobian",
            ),
            Bug(
                "jacobian_matrix = np.diagflat(single_output) - np.dot(single_output, single_output.T)",
                "jacobian_matrix = np.diagflat(single_output * (1 - single_output))",
                "inputs",
                r"diagonal|sigmoid|softmax|jacobian|off-diagonal",
            ),
            Bug(
                "jacobian_matrix = np.diagflat(single_output) - np.dot",
                "jacobian_matrix = np.eye(len(single_output)) - np.dot",
                "inputs",
                r"diagonal|softmax|jacobian",
            ),
            Bug(
                "self.dinputs[index] = np.dot",
                "self.dinputs[-1 - index] = np.dot",
                "inputs",
                r"order|row|reverse|permut|sample",
            ),
        ],
    ),
    Case(
        "cross-entropy with dinputs",
        lambda: check_loss(
            Loss_CategoricalCrossentropy(),
            np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.02, 0.9, 0.08]]),
            np.eye(3)[[0, 1, 1]],
        ),
        bugs=[
            Bug(
                "self.dinputs = self.dinputs / samples",
                "self.dinputs = self.dinputs / dvalues.shape[1] ** 2",
                "y_pred",
                r"1/3|0\.33|factor",
            ),
            Bug("self.dinputs = -y_true / dvalues", "self.dinputs = y_true / dvalues", "y_pred", r"sign|-1"),
            Bug(
                "self.dinputs = -y_true / dvalues",
                "self.dinputs = dvalues - y_true",
                "y_pred",
                r"softmax|combined|logits|derivative",
            ),
            Bug(
                "self.dinputs = -y_true / dvalues",
                "self.dinputs = -y_true / dvalues + (1 - y_true) / (1 - dvalues)",
                "y_pred",
                r"binary|extra|zero|other class|term",
            ),
        ],
    ),
]
