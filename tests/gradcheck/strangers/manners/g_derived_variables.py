"""A hobby framework's manner: parameters / gradients / derived_variables dictionaries, retain_derived, dLdy abstract bases."""
from abc import ABC, abstractmethod

import numpy as np


class LayerBase(ABC):
    def __init__(self):
        self.X = []
        self.trainable = True
        self.parameters = {}
        self.gradients = {}
        self.derived_variables = {}

    @abstractmethod
    def forward(self, X, retain_derived=True):
        raise NotImplementedError

    @abstractmethod
    def backward(self, dLdy, retain_grads=True):
        raise NotImplementedError

    def flush_gradients(self):
        assert self.trainable, "Layer is frozen"
        self.X = []
        for k in self.derived_variables:
            self.derived_variables[k] = []
        for k, v in self.gradients.items():
            self.gradients[k] = np.zeros_like(v)


class FullyConnected(LayerBase):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.parameters = {"W": np.random.randn(n_in, n_out), "b": np.random.randn(1, n_out)}
        self.gradients = {k: np.zeros_like(v) for k, v in self.parameters.items()}
        self.derived_variables = {"Z": []}

    def forward(self, X, retain_derived=True):
        Z = X @ self.parameters["W"] + self.parameters["b"]
        if retain_derived:
            self.X.append(X)
            self.derived_variables["Z"].append(Z)
        return Z / (1 + np.abs(Z))

    def backward(self, dLdy, retain_grads=True):
        X, Z = self.X[-1], self.derived_variables["Z"][-1]
        dZ = dLdy / (1 + np.abs(Z)) ** 2
        dW = X.T @ dZ
        dB = dZ.sum(axis=0, keepdims=True)
        if retain_grads:
            self.gradients["W"] = dW
            self.gradients["b"] = dB
        return dZ @ self.parameters["W"].T


class BilinearScore(LayerBase):
    """y_n = x1_n W x2_n + b: two inputs, one number for each row."""

    def __init__(self, n1, n2):
        super().__init__()
        self.parameters = {"M": np.random.randn(n1, n2), "c": np.zeros(1)}

    def forward(self, X1, X2, retain_derived=True):
        if retain_derived:
            self.X = [X1, X2]
        return np.einsum("ni,ij,nj->n", X1, self.parameters["M"], X2) + self.parameters["c"]

    def backward(self, dLdy, retain_grads=True):
        X1, X2 = self.X
        M = self.parameters["M"]
        if retain_grads:
            self.gradients["M"] = np.einsum("n,ni,nj->ij", dLdy, X1, X2)
            self.gradients["c"] = dLdy.sum(keepdims=True)
        dX1 = dLdy[:, None] * (X2 @ M.T)
        dX2 = dLdy[:, None] * (X1 @ M)
        return dX1, dX2


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_layer  # noqa: E402

CASES = [
    Case("derived_fully_connected", lambda: check_layer(FullyConnected(4, 3), X=(5, 4)), bugs=[
        Bug("dLdy / (1 + np.abs(Z)) ** 2", "dLdy / (1 + np.abs(Z))", ("X", "W", "b"), r"derivative|activation|power|square"),
        Bug("dB = dZ.sum(axis=0, keepdims=True)", "dB = dLdy.sum(axis=0, keepdims=True)", "b", r"derivative|upstream"),
        Bug("return dZ @ self.parameters[\"W\"].T", "return dLdy @ self.parameters[\"W\"].T", "X",
            r"derivative|upstream"),
    ]),
    Case("derived_bilinear", lambda: check_layer(BilinearScore(3, 3), X1=(5, 3), X2=(5, 3)), bugs=[
        Bug("(X1 @ M)", "(X1 @ M.T)", "X2", r"transpos"),
        Bug("\"n,ni,nj->ij\", dLdy, X1, X2", "\"n,ni,nj->ij\", dLdy, X2, X1", "M", r"transpos|swap"),
        Bug("return dX1, dX2", "return dX2, dX1", ("X1", "X2"), r"swap|order|exchang"),
    ]),
]
