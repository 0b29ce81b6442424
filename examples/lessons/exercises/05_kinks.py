"""Exercise 5: the maximum of two arrays.

    y[i] = max(a[i], b[i])        a, b and y (n,)

Write `backward`. Where a[i] is larger, a[i] gets all of dy[i], and b[i] gets 0. Where b[i] is larger, it is the other
way round. In a tie, the first array, a, gets all of dy[i]. Do not change dy itself: the layer above may still need it.
Then run

    python examples/lessons/exercises/05_kinks.py
"""

import numpy as np
from exercise import call, compare, nudge, run

from tinydl.gradcheck import check_function


def forward(a, b):
    return np.maximum(a, b)


def backward(dy, a, b):
    da = ...  # your code
    db = ...  # your code
    return da, db


def check():
    a, b, dy = np.array([5.0, 1.0, 3.0, -2.0]), np.array([4.0, 2.0, 3.0, -1.0]), np.array([10.0, 20.0, 30.0, -40.0])
    da, db = call(backward, dy, a, b, returns="da, db")
    smaller = (
        "the larger number gets the gradient: here the smaller one does (or are da and db returned in wrong order?)"
    )
    no_dy = "the mask is right, but it must be multiplied by dy"
    no_value = "the gradient is handed on, not the value: put dy in the place of"
    picked = "a mask in [] drops the other entries, but they must stay, as 0: multiply by the mask, or use np.where"
    compare("da", da, [10.0, 0.0, 30.0, 0.0], {
        smaller: dy * (a < b),
        "the larger number gets the gradient: here the smaller one does, and the tie": dy * (a <= b),
        "in the tie, a[2] = b[2], nobody gets dy: a should, by the rule (compare with >=)": dy * (a > b),
        "in the tie, a gets all of dy by the rule, not a half": dy * ((a > b) + 0.5 * (a == b)),
        "a gets dy only where it is the larger one: the others get 0": dy,
        no_dy: a >= b,
        f"{no_value} a": np.where(a >= b, a, 0),
        f"{no_value} a; a is no factor": dy * a * (a >= b),
        picked: dy[a >= b],
    })  # fmt: skip
    compare("db", db, [0.0, 20.0, 0.0, -40.0], {
        smaller: dy * (b < a),
        "the larger number gets the gradient: here the smaller one does, and the tie": dy * (b <= a),
        "in the tie, dy is counted twice: a has it already, so b gets nothing (compare with >)": dy * (b >= a),
        "in the tie, a gets all of dy by the rule, so b gets nothing, not a half": dy * ((b > a) + 0.5 * (a == b)),
        "b gets dy only where it is the larger one: the others get 0": dy,
        no_dy: b > a,
        f"{no_value} b": np.where(b > a, b, 0),
        f"{no_value} b; b is no factor": dy * b * (b > a),
        picked: dy[b > a],
    })  # fmt: skip
    da, db = call(backward, np.arange(6.0), np.ones(6), np.zeros(6), returns="da, db")
    compare("da for six numbers", da, np.arange(6.0))
    compare("db for six numbers", db, np.zeros(6))
    nudge(check_function, forward, backward, a=(6,), b=(6,))


if __name__ == "__main__":
    run(check)
