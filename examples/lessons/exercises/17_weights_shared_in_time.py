"""Exercise 17: a cell that answers at every step.

The cell of the lesson, without inputs and bias, starts from h_0, and the loss looks at every state:

    h_t = tanh(h_(t-1) Wh)          t = 1 .. T
    L depends on h_1, h_2, ... and h_T

`forward` is written. Write `backward`: it gets dh, the gradients of the loss with respect to h_1, h_2, ... as if no
other state depended on them, and returns those with respect to h_0 and Wh. A state reaches the loss on two roads:
directly, and through the next state. Then run

    python examples/lessons/exercises/17_weights_shared_in_time.py
"""

import numpy as np
from exercise import call, compare, nudge, run

from tinydl.gradcheck import check_function

STEPS = 3


def forward(h0, Wh):
    """The states h_1 .. h_T, shape (T, n, units), from h_0 (n, units)."""
    h = [h0]
    for _ in range(STEPS):
        h.append(np.tanh(h[-1] @ Wh))
    return np.array(h[1:])


def backward(dh, h0, Wh):
    """The gradients dh0 and dWh, given dh (T, n, units)."""
    h = [h0, *forward(h0, Wh)]  # h[t] is h_t
    dWh = np.zeros_like(Wh)
    later = np.zeros_like(h0)  # the gradient of h_t that comes back from step t + 1; there is no step after the last
    for t in range(STEPS, 0, -1):
        h_t, h_before, own = h[t], h[t - 1], dh[t - 1]
        total = ...  # your code: the whole gradient of h_t, from `own` and `later`
        da = ...  # your code: back through tanh, whose slope is 1 - h_t^2
        dWh = ...  # your code
        later = ...  # your code: the gradient of h_(t-1), for the next round of the loop
    return later, dWh


def check():
    h0, Wh = np.array([[1.0, -0.5]]), np.array([[0.5, 1.0], [-0.5, 0.25]])
    dh = np.array([[[1.0, 0.0]], [[0.0, 2.0]], [[-1.0, 1.0]]])
    dh0, dWh = call(backward, dh, h0, Wh, returns="later, dWh")
    mistakes = {
        "later is missing: h_t also reaches the loss through h_(t+1)": [
            [0.6270, 0.6659], [-0.8918, 1.4339],
        ],
        "own is missing: the loss looks at every state, not only at the last": [
            [0.7598, 0.1189], [-0.4075, 0.9694],
        ],
        "the slope of tanh is missing": [
            [4.3519, 2.1498], [-2.3183, 2.3872],
        ],
        "the slope of tanh is taken at h_(t-1); it belongs to h_t": [
            [0.0538, 1.0641], [-0.6478, 1.1867],
        ],
        "Wh multiplies h_(t-1), the state before the step, not h_t": [
            [1.3233, -0.3511], [1.3990, 1.1583],
        ],
        "every step adds its share to dWh (+=); here the last share replaces the others": [
            [1.6408, 0.0508], [-0.8204, -0.0254],
        ],
        "going back, each unit asks where its output went: da is multiplied by Wh.T": [
            [-0.4672, 0.0659], [-1.2975, 1.3739],
        ],
    }  # fmt: skip
    mistakes |= {
        "the two roads add; they are not averaged": [[0.6118, 0.4169], [-0.4574, 0.7718]],
        "the slope of tanh is 1 - h^2: here h is not squared": [[0.9259, 0.6148], [-1.1273, 1.2314]],
        "h (1 - h) is the slope of the sigmoid; that of tanh is 1 - h^2": [[0.2994, 0.2711], [0.1337, 0.3464]],
        "the slope is right, but it must be multiplied by total": [[1.2006, 0.8206], [0.9982, 0.7939]],
        "Wh gets its share from da, not from total: go back through tanh first": [[3.1275, 1.7738], [-1.6655, 2.5122]],
        "Wh multiplies h_(t-1), a new state in each step, not h_0": [[1.2944, 2.5140], [-0.6472, -1.2570]],
        "later is made of da, not of total: go back through tanh first": [[2.7340, 1.1491], [-1.4351, 1.6143]],
        "later is da @ Wh.T: Wh is missing": [[-0.4624, 1.8385], [-1.2505, 1.4004]],
        "later takes the place of its old value, which total contains already": [[2.3356, 1.3048], [-1.1954, 1.5018]],
        "the loop has ended after its first round: does `return` stand inside it?": [
            [0.0304, -0.0338],
            [-0.5935, 0.6585],
        ],
        "this is the gradient of h0: return later first, then dWh": [[0.8712, -0.8077]],
    }
    compare("dWh", dWh, [[2.0136, 0.9575], [-1.0344, 1.6754]], mistakes, rtol=1e-4)
    compare("dh0", dh0, [[0.8712, -0.8077]], rtol=1e-4)
    nudge(check_function, forward, backward, h0=(4, 3), Wh=(3, 3))


if __name__ == "__main__":
    run(check)
