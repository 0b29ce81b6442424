"""Exercise 2: another link, and the loop backward.

1. Write `Tanh.backward`. Like the sigmoid, tanh has a slope that can be computed from its result: for y = tanh(x) it
   is 1 - y^2. `forward` stores y as self.y.
2. Write the loop of `backward`: go through the chain from the last link to the first, and hand each link the gradient
   that the one after it returned. Return the gradient that the first link returns.

Then run

    python examples/lessons/exercises/02_the_chain_rule_as_two_passes.py
"""

import numpy as np
from exercise import Wrong, compare, run

from tinydl.gradcheck import check_layer


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        dx = ...  # your code
        return dx


class Affine:
    def __init__(self, w, b):
        self.w, self.b = np.array(w), np.array(b)

    def forward(self, x):
        self.x = x
        return self.w * x + self.b

    def backward(self, dy):
        self.dw = np.sum(dy * self.x)
        self.db = np.sum(dy)
        return dy * self.w


class Chain:
    def __init__(self, links):
        self.links = links

    def forward(self, x):
        for link in self.links:
            x = link.forward(x)
        return x

    def backward(self, dy):
        ...  # your code
        return dy


def check():
    tanh = Tanh()
    tanh.forward(np.array([0.0, 0.5, -2.0]))
    dy, slope = np.array([1.0, 2.0, 3.0]), 1 - tanh.y**2
    no_dy = "the slope is right, but it must be multiplied by dy, the gradient that arrives"
    not_squared = "the slope of tanh is 1 - y^2: here y is not squared"
    mistakes = {no_dy: slope, not_squared: dy * (1 - tanh.y), "the slope is missing": dy}
    compare("dx of Tanh", tanh.backward(dy), dy * slope, mistakes)
    print(check_layer(Tanh(), x=(5,)))

    called = []
    for number, link in enumerate(links := [Affine(0.5, 0.1), Tanh(), Affine(-2.0, 0.3)], start=1):
        link.backward = lambda dy, number=number, link=link: called.append(number) or type(link).backward(link, dy)
    chain = Chain(links)
    chain.forward(np.array(0.7))
    dx = chain.backward(np.array(1.0))
    if called != [3, 2, 1]:
        raise Wrong(f"backward must go through links 3, 2, 1, from the last to the first, but it called {called}")
    h = np.tanh(0.5 * 0.7 + 0.1)
    expected = -2.0 * (1 - h**2) * 0.5
    not_handed_on = (
        "each link must get the gradient that the link after it returned, not the first dy: dy = link.backward(dy)"
    )
    mistakes = {not_handed_on: 0.5, "return what the last call of backward returned, not the dy that came in": 1.0}
    compare("dx of Chain", dx, expected, mistakes)
    print(check_layer(Chain([Affine(0.5, 0.1), Tanh(), Affine(-2.0, 0.3)]), x=(5,)))


if __name__ == "__main__":
    run(check)
