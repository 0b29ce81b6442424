"""Two courses' module lists: backward(input, grad_output), some with the update inside, some with accGradParameters and gradWeight."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer, check_loss


class Module(object):
    def __init__(self):
        self.output = None
        self.gradInput = None
        self.training = True

    def forward(self, input):
        return self.updateOutput(input)

    def backward(self, input, gradOutput):
        self.updateGradInput(input, gradOutput)
        self.accGradParameters(input, gradOutput)
        return self.gradInput

    def accGradParameters(self, input, gradOutput):
        pass

    def zeroGradParameters(self):
        pass

    def getParameters(self):
        return []

    def getGradParameters(self):
        return []


class Linear(Module):
    def __init__(self, n_in, n_out):
        super(Linear, self).__init__()
        stdv = 1. / np.sqrt(n_in)
        self.W = np.random.uniform(-stdv, stdv, size=(n_out, n_in))
        self.b = np.random.uniform(-stdv, stdv, size=n_out)
        self.gradW = np.zeros_like(self.W)
        self.gradb = np.zeros_like(self.b)

    def updateOutput(self, input):
        self.output = input.dot(self.W.T) + self.b
        return self.output

    def updateGradInput(self, input, gradOutput):
        self.gradInput = gradOutput.dot(self.W)
        return self.gradInput

    def accGradParameters(self, input, gradOutput):
        self.gradW += gradOutput.T.dot(input)
        self.gradb += gradOutput.sum(axis=0)

    def zeroGradParameters(self):
        self.gradW.fill(0)
        self.gradb.fill(0)

    def getParameters(self):
        return [self.W, self.b]

    def getGradParameters(self):
        return [self.gradW, self.gradb]


class SoftMax(Module):
    def updateOutput(self, input):
        self.output = np.subtract(input, input.max(axis=1, keepdims=True))
        self.output = np.exp(self.output)
        self.output = self.output / self.output.sum(axis=1, keepdims=True)
        return self.output

    def updateGradInput(self, input, gradOutput):
        inner = (self.output * gradOutput).sum(axis=1, keepdims=True)
        self.gradInput = self.output * (gradOutput - inner)
        return self.gradInput


class LogSoftMax(Module):
    def updateOutput(self, input):
        shifted = np.subtract(input, input.max(axis=1, keepdims=True))
        self.output = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return self.output

    def updateGradInput(self, input, gradOutput):
        sm = np.exp(self.output)
        self.gradInput = gradOutput - sm * gradOutput.sum(axis=1, keepdims=True)
        return self.gradInput


class SoftPlus(Module):
    def updateOutput(self, input):
        self.output = np.log(1 + np.exp(input))
        return self.output

    def updateGradInput(self, input, gradOutput):
        self.gradInput = gradOutput * (1 - np.exp(-self.output))
        return self.gradInput


class ClassNLLCriterion:
    def forward(self, input, target):
        self.output = -np.sum(target * input) / input.shape[0]
        return self.output

    def backward(self, input, target):
        self.gradInput = -target / input.shape[0]
        return self.gradInput


class DenseSGD:
    """f(x) = <x, W> + b, steps when it goes backward"""

    def __init__(self, input_units, output_units, learning_rate=0.1):
        self.learning_rate = learning_rate
        self.weights = np.random.randn(input_units, output_units)
        self.biases = np.zeros(output_units)

    def forward(self, input):
        return input @ self.weights + self.biases

    def backward(self, input, grad_output):
        grad_input = grad_output @ self.weights.T
        grad_weights = input.T @ grad_output
        grad_biases = grad_output.sum(axis=0)
        # Here we perform a stochastic gradient descent step.
        self.weights = self.weights - self.learning_rate * grad_weights
        self.biases = self.biases - self.learning_rate * grad_biases
        return grad_input


logp = np.log(np.full((4, 3), 1 / 3))

CASES = [
    Case("linear", lambda: check_layer(Linear(4, 3), x=(5, 4)), bugs=[
        Bug("self.gradW += gradOutput.T.dot(input)", "self.gradW += gradOutput.T.dot(input) / input.shape[0]", "W", r"1/N|batch size|mean"),
        Bug("self.gradb += gradOutput.sum(axis=0)", "self.gradb += gradOutput[0]", "b", r"first|row|sum"),
        Bug("self.gradInput = gradOutput.dot(self.W)", "self.gradInput = self.output.dot(self.W)", "x", r"dy|gradOutput|ignore|output"),
        Bug("        self.gradW += gradOutput.T.dot(input)\n", "", "W", r"zero|never|not (written|set)|missing"),
    ]),
    Case("softmax", lambda: check_layer(SoftMax(), x=(4, 5)), bugs=[
        Bug("inner = (self.output * gradOutput).sum(axis=1, keepdims=True)", "inner = (self.output * gradOutput).sum(axis=0, keepdims=True)", "x", r"axis"),
        Bug("self.gradInput = self.output * (gradOutput - inner)", "self.gradInput = self.output * gradOutput", "x", r"softmax|term|missing|sum"),
        Bug("self.gradInput = self.output * (gradOutput - inner)", "self.gradInput = gradOutput - inner", "x", r"softmax|factor|output|missing"),
        Bug("self.gradInput = self.output * (gradOutput - inner)", "self.gradInput = self.output * (1 - self.output) * gradOutput", "x", r"softmax|sigmoid|diagonal|Jacobian"),
    ]),
    Case("log softmax", lambda: check_layer(LogSoftMax(), x=(4, 5)), bugs=[
        Bug("self.gradInput = gradOutput - sm * gradOutput.sum(axis=1, keepdims=True)", "self.gradInput = sm * (gradOutput - (sm * gradOutput).sum(axis=1, keepdims=True))", "x", r"softmax"),
        Bug("gradOutput - sm * gradOutput.sum(axis=1, keepdims=True)", "gradOutput - sm * gradOutput", "x", r"sum|softmax|missing"),
        Bug("gradOutput - sm * gradOutput.sum(axis=1, keepdims=True)", "gradOutput - gradOutput.sum(axis=1, keepdims=True)", "x", r"softmax|factor|missing"),
        Bug("        sm = np.exp(self.output)\n", "        sm = self.output\n", "x", r"exp|softmax|log|output"),
    ]),
    Case("softplus", lambda: check_layer(SoftPlus(), x=(4, 5)), bugs=[
        Bug("(1 - np.exp(-self.output))", "(1 - np.exp(-input))", "x", r"output|input|sigmoid|derivative"),
        Bug("(1 - np.exp(-self.output))", "np.exp(-self.output)", "x", r"1 -|sigmoid|derivative|complement"),
        Bug("(1 - np.exp(-self.output))", "(1 + np.exp(-self.output))", "x", r"sign|1 -|sigmoid|derivative"),
        Bug("gradOutput * (1 - np.exp(-self.output))", "(1 - np.exp(-self.output))", "x", r"dy|gradOutput|ignore|upstream"),
    ]),
    Case("nll criterion", lambda: check_loss(ClassNLLCriterion(), logp, np.eye(3)[[0, 1, 2, 1]]), bugs=[
        Bug("self.gradInput = -target / input.shape[0]", "self.gradInput = -target", "y_pred", r"4(\.0*)? times|\bN\b|batch|mean"),
        Bug("self.gradInput = -target / input.shape[0]", "self.gradInput = target / input.shape[0]", "y_pred", r"sign|-1"),
        Bug("self.gradInput = -target / input.shape[0]", "self.gradInput = (np.exp(input) - target) / input.shape[0]", "y_pred", r"softmax|exp|extra|term"),
        Bug("self.gradInput = -target / input.shape[0]", "self.gradInput = -target / input.shape[1]", "y_pred", r"times|batch|N\b|classes"),
    ]),
    Case("dense that steps", lambda: check_layer(DenseSGD(4, 3), x=(5, 4)), bugs=[
        Bug("grad_biases = grad_output.sum(axis=0)", "grad_biases = grad_output.mean(axis=0)", "biases", r"1/N|batch size|mean"),
        Bug("grad_weights = input.T @ grad_output", "grad_weights = input.T @ grad_output / len(input)", "weights", r"1/N|batch size|mean"),
        Bug("self.weights = self.weights - self", "self.weights = self.weights + self", "weights", r"sign|-1"),
        Bug("grad_input = grad_output @ self.weights.T", "grad_input = grad_output @ self.weights.T * self.learning_rate", "x", r"0\.1|learning|rate|times"),
    ]),
]
