"""A blog's CNN on single images: generators over regions, last_input, backprop(d_L_d_out, learn_rate), a first layer that returns None."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class Conv3x3:
    # A Convolution layer using 3x3 filters.

    def __init__(self, num_filters):
        self.num_filters = num_filters
        # we divide by 9 to reduce the variance of our initial values
        self.filters = np.random.randn(num_filters, 3, 3) / 9

    def iterate_regions(self, image):
        h, w = image.shape
        for i in range(h - 2):
            for j in range(w - 2):
                im_region = image[i:(i + 3), j:(j + 3)]
                yield im_region, i, j

    def forward(self, input):
        self.last_input = input
        h, w = input.shape
        output = np.zeros((h - 2, w - 2, self.num_filters))
        for im_region, i, j in self.iterate_regions(input):
            output[i, j] = np.sum(im_region * self.filters, axis=(1, 2))
        return output

    def backprop(self, d_L_d_out, learn_rate):
        d_L_d_filters = np.zeros(self.filters.shape)
        for im_region, i, j in self.iterate_regions(self.last_input):
            for f in range(self.num_filters):
                d_L_d_filters[f] += d_L_d_out[i, j, f] * im_region
        # Update filters
        self.filters -= learn_rate * d_L_d_filters
        # We aren't returning anything here since we use Conv3x3 as the first layer in our CNN.
        return None


class MaxPool2:
    def iterate_regions(self, image):
        h, w, _ = image.shape
        for i in range(h // 2):
            for j in range(w // 2):
                yield image[(i * 2):(i * 2 + 2), (j * 2):(j * 2 + 2)], i, j

    def forward(self, input):
        self.last_input = input
        h, w, num_filters = input.shape
        output = np.zeros((h // 2, w // 2, num_filters))
        for im_region, i, j in self.iterate_regions(input):
            output[i, j] = np.amax(im_region, axis=(0, 1))
        return output

    def backprop(self, d_L_d_out):
        d_L_d_input = np.zeros(self.last_input.shape)
        for im_region, i, j in self.iterate_regions(self.last_input):
            h, w, f = im_region.shape
            amax = np.amax(im_region, axis=(0, 1))
            for i2 in range(h):
                for j2 in range(w):
                    for f2 in range(f):
                        # If this pixel was the max value, copy the gradient to it.
                        if im_region[i2, j2, f2] == amax[f2]:
                            d_L_d_input[i * 2 + i2, j * 2 + j2, f2] = d_L_d_out[i, j, f2]
        return d_L_d_input


class Softmax:
    # A standard fully-connected layer with softmax activation.

    def __init__(self, input_len, nodes):
        self.weights = np.random.randn(input_len, nodes) / input_len
        self.biases = np.zeros(nodes)

    def forward(self, input):
        self.last_input_shape = input.shape
        input = input.flatten()
        self.last_input = input
        totals = np.dot(input, self.weights) + self.biases
        self.last_totals = totals
        exp = np.exp(totals)
        return exp / np.sum(exp, axis=0)

    def backprop(self, d_L_d_out, learn_rate):
        t_exp = np.exp(self.last_totals)
        p = t_exp / np.sum(t_exp)
        # Gradients of out[i] against totals, all i at once
        d_out_d_t = np.diag(p) - np.outer(p, p)
        d_L_d_t = d_out_d_t @ d_L_d_out
        # Gradients of loss against weights/biases/input
        d_L_d_w = self.last_input[np.newaxis].T @ d_L_d_t[np.newaxis]
        d_L_d_b = d_L_d_t
        d_L_d_inputs = self.weights @ d_L_d_t
        self.weights -= learn_rate * d_L_d_w
        self.biases -= learn_rate * d_L_d_b
        return d_L_d_inputs.reshape(self.last_input_shape)


CASES = [
    # The first layer of a network gives no dx, so that x stays unchecked.
    Case("conv", lambda: check_layer(Conv3x3(4), x=(6, 5)), expect="not checked", arrays=("x",), bugs=[
        Bug("d_L_d_filters[f] += d_L_d_out[i, j, f] * im_region", "d_L_d_filters[f] = d_L_d_out[i, j, f] * im_region", "filters", r"overwrit|accumulat|\+=|last"),
        Bug("d_L_d_filters[f] += d_L_d_out[i, j, f] * im_region", "d_L_d_filters[f] += d_L_d_out[i, j, f] * im_region.T", "filters", r"transpos|height|width"),
        Bug("self.filters -= learn_rate * d_L_d_filters", "self.filters -= learn_rate * d_L_d_filters / 9", "filters", r"1/9|0\.11|times|factor"),
        Bug("d_L_d_filters[f] += d_L_d_out[i, j, f] * im_region", "d_L_d_filters[f] += d_L_d_out[i, j, 0] * im_region", "filters", r"first|filter|channel|index"),
    ]),
    Case("max pool", lambda: check_layer(MaxPool2(), x=(4, 6, 2)), bugs=[
        Bug("amax = np.amax(im_region, axis=(0, 1))\n            for", "amax = np.amin(im_region, axis=(0, 1))\n            for", "x", r"mask|min|max|wrong (entry|place)|inverted"),
        Bug("d_L_d_input[i * 2 + i2, j * 2 + j2, f2]", "d_L_d_input[i * 2 + j2, j * 2 + i2, f2]", "x", r"transpos|swap|height|width|place|permut"),
        Bug("= d_L_d_out[i, j, f2]\n", "= d_L_d_out[i, j, f2] * amax[f2]\n", "x", r"max|output|factor|times y|extra"),
        Bug("if im_region[i2, j2, f2] == amax[f2]:", "if im_region[i2, j2, f2] == amax.max():", "x", r"channel|mask|zero|missing"),
    ]),
    Case("softmax layer", lambda: check_layer(Softmax(12, 5), x=(2, 3, 2)), bugs=[
        Bug("d_out_d_t = np.diag(p) - np.outer(p, p)", "d_out_d_t = np.diag(p * (1 - p))", ("x", "weights", "biases"), r"softmax|diagonal|Jacobian|off"),
        Bug("d_out_d_t = np.diag(p) - np.outer(p, p)", "d_out_d_t = np.eye(len(p))", ("x", "weights", "biases"), r"softmax|missing|derivative"),
        Bug("        d_L_d_inputs = self.weights @ d_L_d_t\n        self.weights -= learn_rate * d_L_d_w\n", "        self.weights -= learn_rate * d_L_d_w\n        d_L_d_inputs = self.weights @ d_L_d_t\n", "x", r"updat|after"),
        Bug("d_L_d_b = d_L_d_t\n", "d_L_d_b = d_L_d_out\n", "biases", r"softmax|missing|derivative|dy"),
        Bug("d_L_d_b = d_L_d_t\n", "d_L_d_b = d_L_d_t * len(p)\n", "biases", r"5(\.0*)? times|factor"),
    ]),
]
