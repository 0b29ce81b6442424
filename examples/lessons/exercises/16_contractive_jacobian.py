"""Exercise 16: the contractive penalty of tanh units.

The lesson had one sigmoid unit and one row. Here a layer has several tanh units, and there is a batch of n rows:

    h = tanh(x W + b)          x (n, inputs), W (inputs, units), b (units,), h (n, units)
    d = 1 - h^2                the slope of tanh, so that row m has the Jacobian dh_mj/dx_mi = d_mj W_ij
    P = 1/n sum over all m, i, j of (d_mj W_ij)^2 = 1/n sum_m sum_j d_mj^2 s_j          with s_j = sum_i W_ij^2

`penalty` is written. Write `gradients`, which returns the derivatives of P with respect to x, W and b. Then run

    python examples/lessons/exercises/16_contractive_jacobian.py
"""

import numpy as np
from exercise import call, compare, nudge, run

from tinydl.gradcheck import check_function


def penalty(x, W, b):
    h = np.tanh(x @ W + b)
    d = 1 - h**2
    s = (W**2).sum(axis=0)
    return (d**2 * s).sum() / len(x)


def gradients(x, W, b):
    """dP/dx, dP/dW and dP/db."""
    n = len(x)
    h = np.tanh(x @ W + b)
    d = 1 - h**2
    s = (W**2).sum(axis=0)
    direct = ...  # your code: what W gets through s, shape (inputs, units)
    dd = ...  # your code: the gradient of P with respect to d, shape (n, units)
    dh = ...  # your code: from d = 1 - h^2
    da = dh * d  # back through tanh
    dW = ...  # your code: both roads
    db = da.sum(axis=0)
    dx = da @ W.T
    return dx, dW, db


def backward(dy, x, W, b):
    """As the checker calls it: dy is the gradient of the loss with respect to P, a number."""
    return tuple(dy * gradient for gradient in gradients(x, W, b))


def check():
    x, W, b = np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([[0.5, -1.0], [0.25, 0.5]]), np.zeros(2)
    dx, dW, db = call(gradients, x, W, b, returns="dx, dW, db")
    mistakes = {
        "the road through d is missing: W also moves h, and with it d": [[0.3974, -1.1764], [0.1987, 0.5882]],
        "the direct road, through s, is missing": [[-0.2626, 0.3358], [-0.1679, 0.0000]],
        "1 - 2 h belongs to the sigmoid; for tanh, d is 1 - h^2": [[0.3832, 0.6299], [0.1410, 3.0882]],
        "the sign of dh: d = 1 - h^2 falls when h grows": [[0.6600, -1.5122], [0.3666, 0.5882]],
        "P is a mean over the n rows: a factor 1/n is missing": [[0.2697, -1.6811], [0.0616, 1.1764]],
        "P contains d^2, and the derivative of d^2 is 2 d: a factor 2 is missing in dd": [
            [0.2661, -1.0085], [0.1148, 0.5882],
        ],
    }  # fmt: skip
    n, h = len(x), np.tanh(x @ W)
    d, s = 1 - h**2, (W**2).sum(axis=0)
    each, dd = (d**2).sum(axis=0), 2 / n * d * s

    def wrong(direct=2 / n * W * each, dh=-2 * h * dd, through=lambda dh: dh * d):
        return direct + x.T @ through(dh)

    mistakes |= {
        "W is missing in direct: the derivative of W^2 is 2 W": wrong(direct=2 / n * each + 0 * W),
        "the derivative of W^2 is 2 W: in direct, W is not squared": wrong(direct=2 / n * W**2 * each),
        "the derivative of W^2 is 2 W: a factor 2 is missing in direct": wrong(direct=W * each / n),
        "the d of all rows must be added up in direct, with .sum(axis=0)": wrong(direct=2 / n * W * d**2),
        "direct is made of d^2, which s is multiplied by, and not of s": wrong(direct=2 / n * W * s),
        "dP/dd has a factor s: it is missing in dd": wrong(dh=-2 * h * 2 / n * d),
        "each unit has its own s: do not add them up in dd": wrong(dh=-2 * h * 2 / n * d * s.sum()),
        "P contains d^2, and its derivative is 2 d: in dd, d is not squared": wrong(dh=-2 * h * dd * d),
        "a factor 1/n is missing in dd": wrong(dh=-2 * h * dd * n),
        "h is missing in dh: the derivative of 1 - h^2 is -2 h": wrong(dh=-2 * dd),
        "dd is missing in dh": wrong(dh=-2 * h),
        "in dh, h (1 - h) is the slope of the sigmoid; here d = 1 - h^2 is differentiated": wrong(dh=dd * h * (1 - h)),
        "in dh, d = 1 - h^2 is differentiated, which gives -2 h": wrong(dh=dd * d),
        "the road through d ends at da, not at dh: go back through tanh": wrong(through=lambda dh: dh),
        "the two roads add; they are not multiplied": 2 / n * W * each * (x.T @ (-2 * h * dd * d)),
    }
    compare("dW", dW, [[0.1348, -0.8406], [0.0308, 0.5882]], mistakes, rtol=1e-3)
    compare("db", db, [-0.2626, 0.3358], rtol=1e-3)
    compare("dx", dx, [[-0.4251, 0.1233], [-0.0420, -0.0210]], rtol=1e-3)
    nudge(check_function, penalty, backward, x=(4, 3), W=(3, 2), b=(2,))


if __name__ == "__main__":
    run(check)
