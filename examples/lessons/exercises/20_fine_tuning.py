"""Exercise 20: backward through frozen layers, with no product too many.

A chain of layers h_(k+1) = tanh(h_k W_k), k = 0, 1, ..., starts from h_0 = x. learns[k] says whether layer k learns;
the others are frozen. Write `backward`: it gets dy, the gradient of the loss with respect to the last h, and returns a
list with dW_k for the layers that learn and None for the frozen ones.

Matrix products take the time. A frozen layer needs no dW. Below the lowest layer that learns, nothing is needed at all.
So compute each product with `multiply(A, B)`, which counts, and only if its result is needed. Then run

    python examples/lessons/exercises/20_fine_tuning.py
"""

import numpy as np
from exercise import Wrong, call, run

from tinydl.gradcheck import numerical_gradient


def forward(x, Ws):
    """All h, from h_0 = x to the last."""
    h = [x]
    for W in Ws:
        h.append(np.tanh(h[-1] @ W))
    return h


def backward(dy, h, Ws, learns, multiply):
    """[dW_0, dW_1, ...], with None for the frozen layers."""
    dWs = [None] * len(Ws)
    lowest = ...  # your code: the number of the lowest layer that learns
    dh = dy
    for k in reversed(range(lowest, len(Ws))):  # the last layer first
        da = dh * (1 - h[k + 1] ** 2)
        ...  # your code: put the gradient of W_k into dWs[k], if layer k learns
        ...  # your code: compute dh for the layer below, unless there is nothing left to do
    return dWs


class Counter:
    """A matrix product that counts how often it is used."""

    def __init__(self):
        self.count = 0

    def __call__(self, A, B):
        self.count += 1
        return A @ B


def check():
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    Ws = [rng.standard_normal((3, 3)) / 2 for _ in range(4)]
    # which layers learn, and how many products that takes
    for learns, needed in (((1, 1, 1, 1), 7), ((0, 0, 0, 1), 1), ((0, 1, 0, 1), 4), ((1, 0, 0, 0), 4)):
        multiply = Counter()
        dWs = call(backward, dy, forward(x, Ws), Ws, learns, multiply, returns="dWs")
        name = "learns = " + str(learns)
        for k in range(4):
            if not learns[k]:
                if dWs[k] is not None:
                    hint = "layer k computes its dW whether it learns or not"
                    raise Wrong(f"{name}: dWs[{k}] must be None, got an array\nLikely cause: {hint}")
                continue
            if dWs[k] is None:
                hint = "the loop ends too early: lowest must be the first k for which learns[k] is true"
                raise Wrong(f"{name}: dWs[{k}] must be an array, got None\nLikely cause: {hint}")
            measured = numerical_gradient(lambda W, k=k: forward(x, [*Ws[:k], W, *Ws[k + 1 :]])[-1], Ws[k], dy)
            blocked = "a frozen layer does not learn, but it still passes the gradient on to the layers below it"
            if all(learns):
                blocked = "dW is h_k.T times da, and dh is da times W.T"
            if np.shape(dWs[k]) != (3, 3) or not np.allclose(dWs[k], measured, atol=1e-7):
                raise Wrong(f"{name}: dWs[{k}] is wrong\nLikely cause: {blocked}")
        if multiply.count == 0:
            raise Wrong("multiply has not been called\nLikely cause: use multiply(A, B) instead of A @ B")
        if multiply.count > needed:
            hint = "a gradient is computed below the lowest layer that learns, where nothing needs it"
            raise Wrong(f"{name}: products needed: {needed}, got {multiply.count}\nLikely cause: {hint}")
        print(f"right: {name}, products: {multiply.count}")


if __name__ == "__main__":
    run(check)
