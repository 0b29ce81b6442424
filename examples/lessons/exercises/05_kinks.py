"""Exercise 5: the maximum of two arrays.

    y[i] = max(a[i], b[i])        a, b and y (n,)

Write `backward`. Where a[i] is larger, a[i] gets all of dy[i], and b[i] gets 0. Where b[i] is larger, it is the other
way round. In a tie, the first array, a, gets all of dy[i]. Do not change dy itself: the layer above may still need it.
Then run

    python examples/lessons/exercises/05_kinks.py
"""

import numpy as np
from exercise import Wrong, compare, run

from tinydl.gradcheck import check_function


def backward(dy, a, b):
    da = ...  # your code
    db = ...  # your code
    return da, db


def check():
    a, b, dy = np.array([5.0, 1.0, 3.0, -2.0]), np.array([4.0, 2.0, 3.0, -1.0]), np.array([10.0, 20.0, 30.0, -40.0])
    da, db = backward(given := dy.copy(), a, b)
    if not np.array_equal(given, dy):
        raise Wrong(f"dy was changed, from {dy} to {given}: it belongs to the layer above; make a new array")
    compare("da", da, [10.0, 0.0, 30.0, 0.0], {
        "the larger number gets the gradient: here the smaller one does": dy * (a < b),
        "the larger number gets the gradient: here the smaller one does, and the tie": dy * (a <= b),
        "in the tie, a[2] = b[2], nobody gets dy: a should, by the rule (compare with >=)": dy * (a > b),
        "the mask is right, but it must be multiplied by dy": a >= b,
        "in the tie, a gets all of dy by the rule, not a half": dy * np.array([1, 0, 0.5, 0]),
    })  # fmt: skip
    compare("db", db, [0.0, 20.0, 0.0, -40.0], {
        "the larger number gets the gradient: here the smaller one does": dy * (b < a),
        "the larger number gets the gradient: here the smaller one does, and the tie": dy * (b <= a),
        "in the tie, dy is counted twice: a has it already, so b gets nothing (compare with >)": dy * (b >= a),
        "the mask is right, but it must be multiplied by dy": b > a,
    })  # fmt: skip
    print(check_function(np.maximum, backward, (6,), (6,)))


if __name__ == "__main__":
    run(check)
