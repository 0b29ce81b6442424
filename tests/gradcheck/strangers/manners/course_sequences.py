"""A student's answers to a course on sequences: cells with caches, and a loop through time."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def word_embedding_forward(x, W):
    # x: (N, T) integers, W: (V, D)
    out = W[x]
    cache = x, W
    return out, cache


def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    N, H = prev_h.shape
    A = x.dot(Wx) + prev_h.dot(Wh) + b
    i = sigmoid(A[:, :H])
    f = sigmoid(A[:, H : 2 * H])
    o = sigmoid(A[:, 2 * H : 3 * H])
    g = np.tanh(A[:, 3 * H :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    cache = (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)
    return next_h, next_c, cache


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    tanh_c = np.tanh(next_c)
    do = dnext_h * tanh_c
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    df = dc * prev_c
    di = dc * g
    dg = dc * i
    dprev_c = dc * f
    dA = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)))
    dx = dA.dot(Wx.T)
    dprev_h = dA.dot(Wh.T)
    dWx = x.T.dot(dA)
    dWh = prev_h.T.dot(dA)
    db = dA.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h * next_h)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(0)


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    prev, caches = h0, []
    for t in range(T):
        prev, cache = rnn_step_forward(x[:, t], prev, Wx, Wh, b)
        h[:, t] = prev
        caches.append(cache)
    return h, caches


def rnn_backward(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx, dh0 = np.zeros((N, T, D)), np.zeros((N, H))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    for t in reversed(range(T)):
        dxt, dh0, dwx_t, dwh_t, db_t = rnn_step_backward(dh[:, t] + dh0, cache[t])
        dx[:, t] = dxt
        dWx += dwx_t
        dWh += dwh_t
        db += db_t
    return dx, dh0, dWx, dWh, db


CASES = [
    Case(
        "word embedding",
        lambda: check_function(
            word_embedding_forward, word_embedding_backward, x=np.array([[0, 3, 1, 2], [2, 1, 0, 2]]), W=(5, 3)
        ),
        bugs=[
            Bug("np.add.at(dW, x, dout)", "dW[x] += dout", "W", r"repeat|add\.at|twice|duplicate|more than once"),
            Bug("np.add.at(dW, x, dout)", "np.add.at(dW, x, dout / x.shape[1])", "W", r"0\.25|1/4|mean|factor"),
            Bug(
                "np.add.at(dW, x, dout)",
                "np.add.at(dW, x[:, ::-1], dout)",
                "W",
                r"row|order|reverse|wrong index|permut",
            ),
            Bug(
                "np.add.at(dW, x, dout)",
                "np.add.at(dW, x[:, :-1], dout[:, :-1])",
                "W",
                r"last|missing|left out|not all",
            ),
        ],
    ),
    Case(
        "lstm step",
        lambda: check_function(
            lstm_step_forward,
            lstm_step_backward,
            x=(3, 4),
            prev_h=(3, 5),
            prev_c=(3, 5),
            Wx=(4, 20),
            Wh=(5, 20),
            b=(20,),
        ),
        bugs=[
            Bug("dprev_c = dc * f", "dprev_c = dnext_c * f", "prev_c", r"dnext_h|missing|path|term"),
            Bug("df = dc * prev_c", "df = dc * next_c", ("x", "prev_h", "Wx", "Wh", "b"), r"gate|forget|columns"),
            Bug(
                "dc = dnext_c + dnext_h * o * (1 - tanh_c**2)",
                "dc = dnext_h * o * (1 - tanh_c**2)",
                ("x", "prev_h", "prev_c", "Wx", "Wh", "b"),
                r"dnext_c|second output|next_c|missing|ignor",
            ),
            Bug(
                "di * i * (1 - i), df * f * (1 - f)",
                "df * f * (1 - f), di * i * (1 - i)",
                ("x", "prev_h", "Wx", "Wh", "b"),
                r"gate|swap|order|columns|block",
            ),
            Bug(
                "dg * (1 - g**2)",
                "dg * g * (1 - g)",
                ("x", "prev_h", "Wx", "Wh", "b"),
                r"tanh|sigmoid|derivative|columns",
            ),
            Bug(
                "dprev_h = dA.dot(Wh.T)",
                "dprev_h = dA.dot(Wh.T) + dnext_h",
                "prev_h",
                r"extra|added|dnext_h|term|residual",
            ),
        ],
    ),
    Case(
        "rnn step with a long return",
        lambda: check_function(
            rnn_step_forward, rnn_step_backward, x=(3, 4), prev_h=(3, 2), Wx=(4, 2), Wh=(2, 2), b=(2,)
        ),
        bugs=[
            Bug(
                "da = dnext_h * (1 - next_h * next_h)",
                "da = dnext_h * next_h * (1 - next_h)",
                ("x", "prev_h", "Wx", "Wh", "b"),
                r"sigmoid|tanh|derivative",
            ),
            Bug(
                "return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(0)",
                "return da @ Wx.T, da @ Wh, x.T @ da, prev_h.T @ da, da.sum(0)",
                "prev_h",
                r"transpos|\.T",
            ),
            Bug(
                "x.T @ da, prev_h.T @ da, da.sum(0)",
                "x.T @ da, next_h.T @ da, da.sum(0)",
                "Wh",
                r"output|next_h",
            ),
            Bug("prev_h.T @ da, da.sum(0)", "prev_h.T @ da, da.mean(0)", "b", r"mean|1/N|0\.333|batch"),
        ],
    ),
    Case(
        "rnn through time",
        lambda: check_function(rnn_forward, rnn_backward, x=(2, 4, 3), h0=(2, 5), Wx=(3, 5), Wh=(5, 5), b=(5,)),
        bugs=[
            Bug(
                "rnn_step_backward(dh[:, t] + dh0, cache[t])",
                "rnn_step_backward(dh[:, t], cache[t])",
                ("x", "h0", "Wx", "Wh", "b"),
                r"time|later|through",
            ),
            Bug("        dWh += dwh_t", "        dWh = dwh_t", "Wh", r"accumul|\+=|last|sum|time"),
            Bug("dx[:, t] = dxt", "dx[:, T - 1 - t] = dxt", "x", r"order|reverse|time"),
            Bug("        db += db_t", "        db += db_t / T", "b", r"0\.25|1/4|mean|factor"),
            Bug(
                "for t in reversed(range(T)):",
                "for t in range(T):",
                ("x", "h0", "Wx", "Wh", "b"),
                r"time|order|reverse|direction",
            ),
        ],
    ),
]
