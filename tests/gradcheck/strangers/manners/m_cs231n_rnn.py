"""A vision course's captioning layers: rnn and lstm steps, through time, temporal affine, word embedding."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    cache = (x, prev_h, Wx, Wh, next_h)
    return next_h, cache


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dscore = dnext_h * (1 - next_h ** 2)
    dx = dscore.dot(Wx.T)
    dprev_h = dscore.dot(Wh.T)
    dWx = x.T.dot(dscore)
    dWh = prev_h.T.dot(dscore)
    db = dscore.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    caches = []
    prev = h0
    for t in range(T):
        prev, c = rnn_step_forward(x[:, t], prev, Wx, Wh, b)
        h[:, t] = prev
        caches.append(c)
    return h, caches


def rnn_backward(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev, dWx_t, dWh_t, db_t = rnn_step_backward(dh[:, t] + dprev, cache[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    dh0 = dprev
    return dx, dh0, dWx, dWh, db


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i, f, o, g = sigmoid(a[:, :H]), sigmoid(a[:, H:2 * H]), sigmoid(a[:, 2 * H:3 * H]), np.tanh(a[:, 3 * H:])
    next_c = f * prev_c + i * g
    tc = np.tanh(next_c)
    next_h = o * tc
    cache = (x, prev_h, prev_c, Wx, Wh, i, f, o, g, tc)
    return next_h, next_c, cache


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tc = cache
    dc = dnext_c + dnext_h * o * (1 - tc ** 2)
    do = dnext_h * tc
    df = dc * prev_c
    di = dc * g
    dg = dc * i
    dprev_c = dc * f
    da = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g ** 2)))
    dx = da.dot(Wx.T)
    dprev_h = da.dot(Wh.T)
    return dx, dprev_h, dprev_c, x.T.dot(da), prev_h.T.dot(da), da.sum(axis=0)


def temporal_affine_forward(x, w, b):
    N, T, D = x.shape
    M = b.shape[0]
    return x.reshape(N * T, D).dot(w).reshape(N, T, M) + b, (x, w)


def temporal_affine_backward(dout, cache):
    x, w = cache
    N, T, D = x.shape
    dflat = dout.reshape(N * T, -1)
    return dflat.dot(w.T).reshape(N, T, D), x.reshape(N * T, D).T.dot(dflat), dout.sum(axis=(0, 1))


def word_embedding_forward(x, W):
    return W[x], (x, W)


def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW


words = np.array([[0, 3, 1], [2, 3, 3]])

CASES = [
    Case("rnn step", lambda: check_function(rnn_step_forward, rnn_step_backward, (3, 4), (3, 5), (4, 5), (5, 5), (5,)), bugs=[
        Bug("dscore = dnext_h * (1 - next_h ** 2)", "dscore = dnext_h * (1 - prev_h ** 2)", ("x", "prev_h", "Wx", "Wh", "b"), r"tanh|prev"),
        Bug("dprev_h = dscore.dot(Wh.T)", "dprev_h = dscore.dot(Wh)", "prev_h", r"transpos|\.T"),
        Bug("dscore = dnext_h * (1 - next_h ** 2)", "dscore = dnext_h", ("x", "prev_h", "Wx", "Wh", "b"), r"tanh|derivative"),
        Bug("dWh = prev_h.T.dot(dscore)", "dWh = next_h.T.dot(dscore)", "Wh", r"next_h|prev|wrong h|stale|time"),
        Bug("dWh = prev_h.T.dot(dscore)", "dWh = dscore.T.dot(prev_h)", "Wh", r"transpos"),
    ]),
    Case("rnn through time", lambda: check_function(rnn_forward, rnn_backward, (2, 3, 4), (2, 5), (4, 5), (5, 5), (5,)), bugs=[
        Bug("rnn_step_backward(dh[:, t] + dprev, cache[t])", "rnn_step_backward(dh[:, t], cache[t])", ("x", "h0", "Wx", "Wh", "b"), r"time|later|next step|recurren|road|length"),
        Bug("        dWh += dWh_t", "        dWh = dWh_t", "Wh", r"overwrit|accumulat|\+=|last|first step|one step"),
        Bug("        db += db_t", "        db = db + db_t / T", "b", r"1/T|3|times|mean|length"),
        Bug("    dprev_h = dscore.dot(Wh.T)\n    dWx", "    dprev_h = dscore.dot(Wh)\n    dWx", ("x", "h0", "Wx", "Wh", "b"), r"transpos|Wh|\.T"),
        Bug("for t in reversed(range(T)):\n        dx", "for t in reversed(range(1, T)):\n        dx", ("x", "h0", "Wx", "Wh", "b"), r"first|step|missing|off by one|time|zero"),
    ]),
    Case("lstm step", lambda: check_function(lstm_step_forward, lstm_step_backward, (3, 4), (3, 5), (3, 5), (4, 20), (5, 20), (20,)), bugs=[
        Bug("dc = dnext_c + dnext_h * o * (1 - tc ** 2)", "dc = dnext_c", ("x", "prev_h", "prev_c", "Wx", "Wh", "b"), r"road|missing|dnext_h|term|through"),
        Bug("dc = dnext_c + dnext_h", "dc = dnext_h", ("x", "prev_h", "prev_c", "Wx", "Wh", "b"), r"dnext_c|ignor|second output|depend|missing"),
        Bug("di = dc * g", "di = dc * i", ("x", "prev_h", "Wx", "Wh", "b"), r"gate|\bg\b|columns|block|\[:?, ?"),
        Bug("dprev_c = dc * f", "dprev_c = dc * i", "prev_c", r"gate|\bf\b|forget"),
        Bug("df * f * (1 - f)", "df * (1 - f ** 2)", ("x", "prev_h", "Wx", "Wh", "b"), r"sigmoid|derivative|columns|block|gate"),
        Bug("o * (1 - tc ** 2)", "o * (1 - prev_c ** 2)", ("x", "prev_h", "prev_c", "Wx", "Wh", "b"), r"tanh|derivative|prev_c"),
    ]),
    Case("temporal affine", lambda: check_function(temporal_affine_forward, temporal_affine_backward, (2, 3, 4), (4, 5), (5,)), bugs=[
        Bug("dout.sum(axis=(0, 1))", "dout.sum(axis=1)[0]", "b", r"first|batch|row|missing.*sum|sum"),
        Bug("x.reshape(N * T, D).T.dot(dflat)", "x.reshape(N * T, D).T.dot(dflat) / T", "w", r"1/T|3|times|mean"),
        Bug("dflat.dot(w.T).reshape(N, T, D)", "dflat.dot(w.T).reshape(T, N, D).transpose(1, 0, 2)", "x", r"reshape|order|permut|transpos|axes"),
        Bug("dout.sum(axis=(0, 1))", "dout.mean(axis=(0, 1))", "b", r"mean|1/|times"),
    ]),
    Case("word embedding", lambda: check_function(word_embedding_forward, word_embedding_backward, words, (5, 4)), bugs=[
        Bug("np.add.at(dW, x, dout)", "dW[x] += dout", "W", r"repeat|add\.at|duplicate|same (index|row|id|word)|accumulat|overwrit"),
        Bug("np.add.at(dW, x, dout)", "dW[x] = dout", "W", r"repeat|add\.at|duplicate|same (index|row|id|word)|accumulat|overwrit"),
        Bug("np.add.at(dW, x, dout)", "np.add.at(dW, x - 1, dout)", "W", r"shift|row|off by one|roll"),
        Bug("np.add.at(dW, x, dout)", "np.add.at(dW, x[:1], dout[:1])", "W", r"first|batch|row|missing|only"),
        Bug("    return dW", "    return dW / x.size", "W", r"1/|times|mean|0\.1"),
    ]),
]
