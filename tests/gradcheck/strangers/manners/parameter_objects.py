"""A student's own framework: Parameter objects with data and grad, modules with __call__, gradients accumulated."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class Parameter:
    def __init__(self, data):
        self.data = np.asarray(data, dtype=float)
        self.grad = np.zeros_like(self.data)

    @property
    def shape(self):
        return self.data.shape


class Module:
    def __call__(self, *args):
        return self.forward(*args)

    def parameters(self):
        for value in vars(self).values():
            if isinstance(value, Parameter):
                yield value
            elif isinstance(value, Module):
                yield from value.parameters()
            elif isinstance(value, list):
                for item in value:
                    if isinstance(item, Module):
                        yield from item.parameters()

    def zero_grad(self):
        for p in self.parameters():
            p.grad = np.zeros_like(p.data)


class Linear(Module):
    def __init__(self, in_features, out_features):
        bound = np.sqrt(1 / in_features)
        self.weight = Parameter(np.random.uniform(-bound, bound, (in_features, out_features)))
        self.bias = Parameter(np.random.uniform(-bound, bound, out_features))

    def forward(self, x):
        self._x = x
        return x @ self.weight.data + self.bias.data

    def backward(self, grad_out):
        self.weight.grad += self._x.T @ grad_out
        self.bias.grad += grad_out.sum(axis=0)
        return grad_out @ self.weight.data.T


class LeakyReLU(Module):
    def __init__(self, slope=0.1):
        self.slope = slope

    def forward(self, x):
        self._mask = x > 0
        return np.where(self._mask, x, self.slope * x)

    def backward(self, grad_out):
        return np.where(self._mask, grad_out, self.slope * grad_out)


class Residual(Module):
    """x + fc2(leaky(fc1(x)))"""

    def __init__(self, dim, hidden):
        self.fc1 = Linear(dim, hidden)
        self.act = LeakyReLU()
        self.fc2 = Linear(hidden, dim)

    def forward(self, x):
        return x + self.fc2(self.act(self.fc1(x)))

    def backward(self, grad_out):
        grad_branch = self.fc1.backward(self.act.backward(self.fc2.backward(grad_out)))
        return grad_out + grad_branch


class GRUCell(Module):
    def __init__(self, input_size, hidden_size):
        def init(*shape):
            return Parameter(np.random.randn(*shape) * 0.5)

        self.Wz, self.Uz, self.bz = init(input_size, hidden_size), init(hidden_size, hidden_size), init(hidden_size)
        self.Wr, self.Ur, self.br = init(input_size, hidden_size), init(hidden_size, hidden_size), init(hidden_size)
        self.Wn, self.Un, self.bn = init(input_size, hidden_size), init(hidden_size, hidden_size), init(hidden_size)

    def forward(self, x, h):
        sig = lambda a: 1 / (1 + np.exp(-a))
        z = sig(x @ self.Wz.data + h @ self.Uz.data + self.bz.data)
        r = sig(x @ self.Wr.data + h @ self.Ur.data + self.br.data)
        n = np.tanh(x @ self.Wn.data + (r * h) @ self.Un.data + self.bn.data)
        self._saved = x, h, z, r, n
        return (1 - z) * n + z * h

    def backward(self, dh_new):
        x, h, z, r, n = self._saved
        dn = dh_new * (1 - z)
        dz = dh_new * (h - n)
        dh = dh_new * z
        dan = dn * (1 - n**2)
        self.Wn.grad += x.T @ dan
        self.Un.grad += (r * h).T @ dan
        self.bn.grad += dan.sum(0)
        drh = dan @ self.Un.data.T
        dr = drh * h
        dh += drh * r
        daz = dz * z * (1 - z)
        dar = dr * r * (1 - r)
        self.Wz.grad += x.T @ daz
        self.Uz.grad += h.T @ daz
        self.bz.grad += daz.sum(0)
        self.Wr.grad += x.T @ dar
        self.Ur.grad += h.T @ dar
        self.br.grad += dar.sum(0)
        dx = dan @ self.Wn.data.T + daz @ self.Wz.data.T + dar @ self.Wr.data.T
        dh = dh + daz @ self.Uz.data.T + dar @ self.Ur.data.T
        return dx, dh


CASES = [
    Case(
        "linear with parameters",
        lambda: check_layer(Linear(4, 3), x=(5, 4)),
        bugs=[
            Bug(
                "self.weight.grad += self._x.T @ grad_out",
                "self.weight.grad += (self._x.T @ grad_out) * self.weight.data",
                "weight",
                r"factor|extra|times",
            ),
            Bug(
                "self.bias.grad += grad_out.sum(axis=0)",
                "self.bias.grad += grad_out.max(axis=0)",
                "bias",
                r"sum|largest",
            ),
            Bug(
                "return grad_out @ self.weight.data.T",
                "return grad_out @ self.weight.grad.T",
                "x",
                r"stale|instead",
            ),
            Bug("self.bias.grad += grad_out.sum(axis=0)", "self.bias.grad -= grad_out.sum(axis=0)", "bias", r"sign|-1"),
        ],
    ),
    Case(
        "leaky relu",
        lambda: check_layer(LeakyReLU(), x=(4, 5)),
        bugs=[
            Bug(
                "return np.where(self._mask, grad_out, self.slope * grad_out)",
                "return np.where(self._mask, self.slope * grad_out, grad_out)",
                "x",
                r"mask|invert|swap|where",
            ),
            Bug(
                "return np.where(self._mask, grad_out, self.slope * grad_out)",
                "return np.where(self._mask, grad_out, self.slope)",
                "x",
                r"grad_out|upstream|incoming|where|constant|negative",
            ),
            Bug(
                "return np.where(self._mask, grad_out, self.slope * grad_out)",
                "return np.where(self._mask, grad_out, 0)",
                "x",
                r"slope|zero|negative|relu|where",
            ),
            Bug(
                "return np.where(self._mask, grad_out, self.slope * grad_out)",
                "return np.where(grad_out > 0, grad_out, self.slope * grad_out)",
                "x",
                r"mask|sign|grad_out|input",
            ),
        ],
    ),
    Case(
        "residual block of modules",
        lambda: check_layer(Residual(4, 6), x=(5, 4)),
        bugs=[
            Bug(
                "return grad_out + grad_branch",
                "return grad_branch",
                "x",
                r"skip|shortcut|residual|missing|identity",
            ),
            Bug("return grad_out + grad_branch", "return grad_out", "x", r"branch|missing|path"),
            Bug(
                "self.fc1.backward(self.act.backward(self.fc2.backward(grad_out)))",
                "self.fc1.backward(self.fc2.backward(grad_out))",
                ("x", "fc1.weight", "fc1.bias"),
                r"relu|activation|derivative|mask",
            ),
            Bug(
                "return grad_out + grad_branch",
                "return 2 * grad_out + grad_branch",
                "x",
                r"twice|skip|shortcut|extra",
            ),
        ],
    ),
    Case(
        "gru cell",
        lambda: check_layer(GRUCell(3, 4), x=(2, 3), h=(2, 4)),
        bugs=[
            Bug("dz = dh_new * (h - n)", "dz = dh_new * (n - h)", ("x", "h", "Wz", "Uz", "bz"), r"sign|-1|gate"),
            Bug("        dh += drh * r\n", "", "h", r"missing|term|path|gate"),
            Bug("self.Un.grad += (r * h).T @ dan", "self.Un.grad += h.T @ dan", "Un", r"gate|\br\b|reset"),
            Bug(
                "dar = dr * r * (1 - r)",
                "dar = dr * z * (1 - z)",
                ("x", "h", "Wr", "Ur", "br"),
                r"gate|sigmoid|derivative",
            ),
            Bug(
                "dan @ self.Wn.data.T + daz @ self.Wz.data.T + dar",
                "dan @ self.Wn.data.T + daz @ self.Wr.data.T + dar",
                "x",
                r"gate|weight",
            ),
            Bug("dh = dh_new * z", "dh = dh_new * (1 - z)", "h", r"gate|1 - z"),
        ],
    ),
]
