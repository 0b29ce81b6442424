"""Several inputs and outputs: cells, attention, recurrent nets; arrays in tuples, lists and dicts."""

import pytest

from tests.gradcheck.dialects.planted import Bug, Case, fails, passes, right, wrong
from tinydl.gradcheck import check_function, check_layer

LSTM = """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))

class LSTM:
    def __init__(self, n=3, h=4):
        rng = np.random.default_rng(1)
        self.n, self.h = n, h
        self.W = rng.normal(size=(n + h, 4 * h)) / 2
        self.b = rng.normal(size=4 * h) / 3

    def forward(self, x, {state}):
        {unpack}
        H = self.h
        z = np.concatenate([x, h], axis=1) @ self.W + self.b
        i, f, o, g = sigmoid(z[:, :H]), sigmoid(z[:, H:2*H]), sigmoid(z[:, 2*H:3*H]), np.tanh(z[:, 3*H:])
        c_new = f * c + i * g
        t = np.tanh(c_new)
        h_new = o * t
        {keep}
        return {outputs}

    def backward(self, {upstream}):
        {uncache}
        do = dh * t
        dc = dc + dh * o * (1 - t**2)
        dz = np.concatenate([dc * g * i * (1 - i), dc * c * f * (1 - f), do * o * (1 - o), dc * i * (1 - g**2)], axis=1)
        self.dW = np.concatenate([x, h], axis=1).T @ dz
        self.db = dz.sum(axis=0)
        dxh = dz @ self.W.T
        dx, dh_prev, dc_prev = dxh[:, :self.n], dxh[:, self.n:], dc * f
        return {gradients}
"""


def lstm(name: str, call: str, arrays: str, **parts: str) -> Case:
    defaults = {
        "state": "h, c", "unpack": "pass", "keep": "self.cache = x, h, c, i, f, o, g, t", "outputs": "h_new, c_new",
        "upstream": "dh, dc", "uncache": "x, h, c, i, f, o, g, t = self.cache", "gradients": "dx, dh_prev, dc_prev",
    }  # fmt: skip
    state_h, state_c = arrays.split()[1:3]
    bugs = [
        ("dxh[:, self.n:], dc * f", "dxh[:, self.n:], dc", state_c),
        ("dxh[:, self.n:], dc", "-dxh[:, self.n:], dc", state_h),
        ("dz.sum(axis=0)", "dz.mean(axis=0)", "b"),
        ("dh * o * (1 - t**2)", "dh * o * (1 - t)", f"x {state_h} {state_c} W b"),
    ]
    if name == "other names":
        del bugs[-1]  # with this bug nothing fits, and the checker asks about v
    return Case(name, LSTM.format(**{**defaults, **parts}), call, bugs, arrays)


TUPLE = {"state": "state", "unpack": "h, c = state", "gradients": "dx, (dh_prev, dc_prev)"}
CELLS = [
    lstm("two arrays", "check_layer(LSTM(), (2, 3), (2, 4), (2, 4))", "x h c W b"),
    lstm("by name", "check_layer(LSTM(), x=(2, 3), h=(2, 4), c=(2, 4))", "x h c W b"),
    lstm("with a cache", "check_layer(LSTM(), (2, 3), (2, 4), (2, 4))", "x h c W b", keep="pass",
         outputs="h_new, c_new, (x, h, c, i, f, o, g, t)", upstream="dh, dc, cache",
         uncache="x, h, c, i, f, o, g, t = cache"),
    lstm("other names", "check_layer(LSTM(), (2, 3), (2, 4), (2, 4))", "x h c W b", upstream="u, v",
         uncache="dh, dc, (x, h, c, i, f, o, g, t) = u, v, self.cache"),
    lstm("state tuple", "check_layer(LSTM(), (2, 3), (np.ones((2, 4)) / 3, -np.ones((2, 4)) / 5))",
         "x state[0] state[1] W b", **TUPLE),
    lstm("state of shapes", "check_layer(LSTM(), (2, 3), ((2, 4), (2, 4)))", "x state[0] state[1] W b", **TUPLE),
    lstm("nested output", "check_layer(LSTM(), (2, 3), ((2, 4), (2, 4)))", "x state[0] state[1] W b",
         **{**TUPLE, "outputs": "h_new, (h_new, c_new)", "upstream": "dy, dstate",
            "uncache": "dh, dc, (x, h, c, i, f, o, g, t) = dy + dstate[0], dstate[1], self.cache"}),
    lstm("dict", "check_layer(LSTM(), (2, 3), {'h': (2, 4), 'c': (2, 4)})", "x state['h'] state['c'] W b",
         state="state", unpack="h, c = state['h'], state['c']", outputs="{'c': c_new, 'h': h_new}", upstream="grads",
         uncache="dh, dc, (x, h, c, i, f, o, g, t) = grads['h'], grads['c'], self.cache",
         gradients="dx, {'c': dc_prev, 'h': dh_prev}"),
]  # fmt: skip

GRU = Case(
    "GRU",
    """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))

class GRU:
    def __init__(self, n=3, h=4):
        rng = np.random.default_rng(2)
        self.Wz, self.Wr, self.Wh = rng.normal(size=(3, n + h, h))

    def forward(self, x, h_prev):
        a = np.concatenate([x, h_prev], axis=1)
        z, r = sigmoid(a @ self.Wz), sigmoid(a @ self.Wr)
        b = np.concatenate([x, r * h_prev], axis=1)
        q = np.tanh(b @ self.Wh)
        self.kept = x.shape[1], h_prev, a, b, z, r, q
        return (1 - z) * h_prev + z * q

    def backward(self, dh):
        n, h, a, b, z, r, q = self.kept
        dq = dh * z * (1 - q**2)
        dz = dh * (q - h) * z * (1 - z)
        self.dWh = b.T @ dq
        db = dq @ self.Wh.T
        dr = db[:, n:] * h * r * (1 - r)
        self.dWz, self.dWr = a.T @ dz, a.T @ dr
        da = dz @ self.Wz.T + dr @ self.Wr.T
        dh_prev = da[:, n:] + db[:, n:] * r + dh * (1 - z)
        return da[:, :n] + db[:, :n], dh_prev
""",
    "check_layer(GRU(), (2, 3), (2, 4))",
    [
        ("a.T @ dz, a.T @ dr", "a.T @ dz, a.T @ dz", "Wr"),
        (" + dh * (1 - z)", "", "h_prev"),
        ("b.T @ dq", "a.T @ dq", "Wh"),
        ("da[:, :n] + db[:, :n]", "da[:, :n]", "x"),
    ],
    "x h_prev Wz Wr Wh",
)

ATTENTION = """
class Attention:
    def __init__(self, d=4, heads=2):
        self.Wq, self.Wk, self.Wv, self.Wo = np.random.default_rng(3).normal(size=(4, d, d)) / 2
        self.heads = heads

    def split(self, x):
        n, t, d = x.shape
        return x.reshape(n, t, self.heads, d // self.heads).transpose(0, 2, 1, 3)

    def join(self, x):
        n, h, t, e = x.shape
        return x.transpose(0, 2, 1, 3).reshape(n, t, h * e)

    def forward(self, x):
        q, k, v = (self.split(x @ W) for W in (self.Wq, self.Wk, self.Wv))
        s = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1])
        e = np.exp(s - s.max(axis=-1, keepdims=True))
        A = e / e.sum(axis=-1, keepdims=True)
        o = self.join(A @ v)
        self.kept = x, q, k, v, A, o
        return {outputs}

    def backward(self, {upstream}):
        x, q, k, v, A, o = self.kept
        {unpack}
        d = x.shape[-1]
        self.dWo = o.reshape(-1, d).T @ dy.reshape(-1, d)
        do = self.split(dy @ self.Wo.T)
        dv = A.transpose(0, 1, 3, 2) @ do
        da = do @ v.transpose(0, 1, 3, 2) + dA
        ds = A * (da - (da * A).sum(axis=-1, keepdims=True)) / np.sqrt(q.shape[-1])
        dq = self.join(ds @ k)
        dk = self.join(ds.transpose(0, 1, 3, 2) @ q)
        dv = self.join(dv)
        self.dWq, self.dWk, self.dWv = (x.reshape(-1, d).T @ g.reshape(-1, d) for g in (dq, dk, dv))
        dx = dq @ self.Wq.T + dk @ self.Wk.T + dv @ self.Wv.T
        return dx
"""


def attention(name: str, outputs: str, upstream: str, unpack: str = "pass") -> Case:
    bugs = [
        (" / np.sqrt(q.shape[-1])\n        dq", "\n        dq", "x Wq Wk"),
        ("dq @ self.Wq.T + dk", "dq @ self.Wq + dk", "x"),
        ("ds.transpose(0, 1, 3, 2) @ q", "ds @ q", "x Wk"),
        ("o.reshape(-1, d).T @", "x.reshape(-1, d).T @", "Wo"),
    ]
    code = ATTENTION.format(outputs=outputs, upstream=upstream, unpack=unpack)
    return Case(name, code, "check_layer(Attention(), (2, 3, 4))", bugs, "x Wq Wk Wv Wo")


ATTENTIONS = [
    attention("weights are an output", "o @ self.Wo, A", "dy, dA"),
    attention("weights may be an output", "o @ self.Wo, A", "dy, dA=0"),
    attention("weights are only shown", "o @ self.Wo, A", "dy", "dA = 0"),
    attention("dict", "{'y': o @ self.Wo, 'weights': A}", "d", "dy, dA = d['y'], d['weights']"),
    attention("dict, spread", "{'weights': A, 'y': o @ self.Wo}", "dy, dweights", "dA = dweights"),
    attention("list", "[o @ self.Wo, A]", "dys", "dy, dA = dys"),
    attention("tuple taken as one", "o @ self.Wo, A", "dys", "dy, dA = dys"),
]

RECURRENT = """
class Recurrent:
    def __init__(self, n=3, h=4):
        rng = np.random.default_rng(4)
        self.Wx, self.Wh, self.b = rng.normal(size=(n, h)) / 2, rng.normal(size=(h, h)) / 2, rng.normal(size=h)

    def forward(self, {inputs}):
        self.xs = {steps}
        self.hs = [{start}]
        for x in self.xs:
            self.hs.append(np.tanh(x @ self.Wx + self.hs[-1] @ self.Wh + self.b))
        return {outputs}

    def backward(self, dhs):
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dnext, dxs = 0, []
        for t in reversed(range(len(self.xs))):
            dz = ({dh} + dnext) * (1 - self.hs[t + 1]**2)
            self.dWx += self.xs[t].T @ dz
            self.dWh += self.hs[t].T @ dz
            self.db += dz.sum(axis=0)
            dnext = dz @ self.Wh.T
            dxs.insert(0, dz @ self.Wx.T)
        return {gradients}
"""


def recurrent(name: str, call: str, arrays: str, **parts: str) -> Case:
    xs = " ".join(each for each in arrays.split() if each.startswith("x"))
    bugs: list[Bug] = [
        ("self.dWh += self.hs[t].T", "self.dWh += self.hs[t + 1].T", "Wh"),
        ("self.db += dz", "self.db = dz", "b"),
        ("dxs.insert(0, dz @ self.Wx.T)", "dxs.insert(0, 2 * dz @ self.Wx.T)", xs),
        ("self.dWx += self.xs[t].T", "self.dWx -= self.xs[t].T", "Wx"),
    ]
    return Case(name, RECURRENT.format(**parts), call, bugs, arrays)


NETS = [
    recurrent("a list of steps", "check_layer(Recurrent(), [np.ones((2, 3)), -np.ones((2, 3)) / 3, np.eye(3)[:2]], (2, 4))",
              "x[0] x[1] x[2] h0 Wx Wh b", inputs="xs, h0", steps="xs", start="h0", outputs="self.hs[1:]", dh="dhs[t]",
              gradients="dxs, dnext"),
    recurrent("an array of steps", "check_layer(Recurrent(), (2, 5, 3))", "x Wx Wh b", inputs="x, h0=None",
              steps="x.transpose(1, 0, 2)", start="np.zeros((len(x), 4)) if h0 is None else h0",
              outputs="np.stack(self.hs[1:], axis=1)", dh="dhs[:, t]", gradients="np.stack(dxs, axis=1)"),
    recurrent("the last step alone", "check_layer(Recurrent(), (2, 3, 3), (2, 4))", "x h_0 Wx Wh b", inputs="x, h_0",
              steps="x.transpose(1, 0, 2)", start="h_0", outputs="self.hs[-1]",
              dh="(dhs if t == len(self.xs) - 1 else 0)", gradients="np.stack(dxs, axis=1), dnext"),
]  # fmt: skip


@right([*CELLS, GRU, *ATTENTIONS, *NETS])
def test_right_code_passes(case: Case) -> None:
    passes(case)


@wrong([*CELLS, GRU, *ATTENTIONS, *NETS])
def test_mistakes_are_found(case: Case, bug: Bug) -> None:
    fails(case, bug)


def test_swapped_outputs_of_a_cell_are_found() -> None:
    case = CELLS[0]
    swapped = case.code.replace("return h_new, c_new", "return c_new, h_new")
    fails(Case("swapped", swapped, case.call), ("return c_new, h_new", "return c_new, h_new ", "x h c W b"))


def test_what_may_be_an_output_or_a_cache_is_asked() -> None:
    class Unclear:
        def forward(self, x):
            return x * 2, x + 1

        def backward(self, p, q):
            return 7 * p

    message = r"is q the gradient of another output, or a cache\? Pass outputs=2 or outputs=1"
    with pytest.raises(TypeError, match=message):
        check_layer(Unclear(), (3, 2))


def test_a_second_array_that_the_numbers_show_to_be_a_cache_is_one() -> None:
    class Doubled:
        def forward(self, x):
            return x * x, x

        def backward(self, p, q):
            return 2 * p * q

    assert check_layer(Doubled(), (3, 2)).passed


def test_a_dict_of_settings_is_passed_on_and_not_differentiated() -> None:
    def forward(x, setting):
        return x * setting["by"], setting

    def backward(dy, cache):
        return dy * cache["by"]

    assert list(check_function(forward, backward, (3, 2), {"by": 2.0, "mode": "train"}).arrays) == ["x"]
