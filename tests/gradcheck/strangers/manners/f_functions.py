"""float32 only: functions of a plugin for audio, which turn all they get into single precision."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function

F = np.float32


def f32(*arrays):
    return tuple(np.ascontiguousarray(a, dtype=F) for a in arrays)


def gain(x, g):
    x, g = f32(x, g)
    return x * np.exp(g)


def gain_backward(dy, x, g):
    dy, x, g = f32(dy, x, g)
    e = np.exp(g)
    return dy * e, (dy * x * e).sum(axis=0)


def fir(x, h):
    x, h = f32(x, h)
    n = len(x) - len(h) + 1
    return np.stack([x[i:i + len(h)] @ h[::-1] for i in range(n)]).astype(F)


def fir_backward(dy, x, h):
    dy, x, h = f32(dy, x, h)
    dx, dh = np.zeros_like(x), np.zeros_like(h)
    for i, d in enumerate(dy):
        dx[i:i + len(h)] += d * h[::-1]
        dh += d * x[i:i + len(h)][::-1]
    return dx, dh


def compress(x, t):
    x, t = f32(x, t)
    return x / np.sqrt(F(1) + (x / t) ** 2)


def compress_backward(dy, x, t):
    dy, x, t = f32(dy, x, t)
    r = F(1) + (x / t) ** 2
    dx = dy * r ** F(-1.5)
    dt = (dy * x ** 3 / t ** 3 * r ** F(-1.5)).sum(axis=0)
    return dx, dt


def mix(a, b, w):
    a, b, w = f32(a, b, w)
    s = F(1) / (F(1) + np.exp(-w))
    return s * a + (F(1) - s) * b


def mix_backward(dy, a, b, w):
    dy, a, b, w = f32(dy, a, b, w)
    s = F(1) / (F(1) + np.exp(-w))
    return dy * s, dy * (F(1) - s), (dy * (a - b)).sum(axis=0) * s * (F(1) - s)


def energy(x):
    x, = f32(x)
    return np.log(F(0.1) + (x * x).mean(axis=1))


def energy_backward(dy, x):
    dy, x = f32(dy, x)
    e = F(0.1) + (x * x).mean(axis=1)
    return (dy / e)[:, None] * F(2) * x / F(x.shape[1])


CASES = [
    Case("gain", lambda: check_function(gain, gain_backward, (4, 3), (3,)), bugs=[
        Bug("return dy * e, (dy * x * e).sum(axis=0)", "return dy * e, (dy * x).sum(axis=0)", "g", r"exp|factor|missing"),
        Bug("return dy * e, (dy * x * e).sum(axis=0)", "return dy * e, (dy * x * e).mean(axis=0)", "g", r"1/N|batch size|mean"),
        Bug("return dy * e, (dy * x * e)", "return dy * g, (dy * x * e)", "x", r"exp|\bg\b|factor"),
        Bug("return dy * e, (dy * x * e)", "return dy * e * F(1.02), (dy * x * e)", "x", r"1\.02|factor|times"),
    ]),
    Case("fir", lambda: check_function(fir, fir_backward, (9,), (4,)), bugs=[
        Bug("dx[i:i + len(h)] += d * h[::-1]", "dx[i:i + len(h)] += d * h", "x", r"flip|revers"),
        Bug("dx[i:i + len(h)] += d * h[::-1]", "dx[i:i + len(h)] = d * h[::-1]", "x", r"overwrit|accumulat|\+=|last|overlap"),
        Bug("dh += d * x[i:i + len(h)][::-1]", "dh += d * x[i:i + len(h)]", "h", r"flip|revers"),
        Bug("    return dx, dh\n", "    return dx, dh / F(len(dy))\n", "h", r"1/6|0\.16|mean|times"),
    ]),
    Case("compress", lambda: check_function(compress, compress_backward, (5, 3), np.array([1.0, 2.0, 0.8])), bugs=[
        Bug("dx = dy * r ** F(-1.5)", "dx = dy * r ** F(-0.5)", "x", r"power|derivative|factor|chain"),
        Bug("x ** 3 / t ** 3 * r", "x ** 3 / t ** 2 * r", "t", r"power|factor|\bt\b"),
        Bug("dt = (dy * x", "dt = -(dy * x", "t", r"sign|-1"),
        Bug("dx = dy * r ** F(-1.5)", "dx = dy * r ** F(-1.45)", "x", r"power|derivative|factor"),
    ]),
    Case("mix", lambda: check_function(mix, mix_backward, (5, 3), (5, 3), (3,)), bugs=[
        Bug("return dy * s, dy * (F(1) - s),", "return dy * (F(1) - s), dy * s,", ("a", "b"), r"swap|exchang|complement|1 - s|order"),
        Bug("(dy * (a - b)).sum(axis=0) * s * (F(1) - s)", "(dy * (a - b)).sum(axis=0)", "w", r"sigmoid|derivative|missing|factor"),
        Bug("(dy * (a - b)).sum(axis=0)", "(dy * (a + b)).sum(axis=0)", "w", r"sign|term|\bb\b"),
        Bug("return dy * s, dy", "return dy * s * s, dy", "a", r"twice|squar|factor|extra"),
    ]),
    Case("energy", lambda: check_function(energy, energy_backward, (3, 6)), bugs=[
        Bug("F(2) * x / F(x.shape[1])", "x / F(x.shape[1])", "x", r"0\.5 times|half|factor|\b2\b"),
        Bug("F(2) * x / F(x.shape[1])", "F(2) * x", "x", r"6(\.0*)? times|size|mean|factor"),
        Bug("(dy / e)[:, None]", "dy[:, None]", "x", r"log|divi|factor|missing"),
        Bug("e = F(0.1) + (x * x).mean(axis=1)\n    return (dy", "e = F(0.13) + (x * x).mean(axis=1)\n    return (dy", "x", r"constant|0\.1|term|factor|differs"),
    ]),
]
