"""Exercise 2: another link, and the loop backward.

Part 1. Write `Tanh.backward`. Like the sigmoid, tanh has a slope that can be computed from its result: for y = tanh(x)
it is 1 - y^2. `forward` keeps y as self.y. You can run this file before you begin with part 2.

Part 2. Write the loop of `Chain.backward`: go through the chain from the last link to the first, and hand each link the
gradient that the one after it returned. Return the gradient that the first link returns.

Then run

    python examples/lessons/exercises/02_the_chain_rule_as_two_passes.py
"""

import numpy as np
from exercise import Wrong, call, compare, freeze, nudge, run

from tinydl.gradcheck import check_layer


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        dx = ...  # your code, part 1
        return dx


class Affine:
    def __init__(self, w, b):
        self.w, self.b = np.array(w), np.array(b)

    def forward(self, x):
        self.x = x
        return self.w * x + self.b

    def backward(self, dy):
        self.dw = np.sum(dy * self.x)  # a sum, so that x may also be an array: lesson 3 explains it
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
        ...  # your code, part 2
        return dy


def check_tanh():
    tanh = Tanh()
    tanh.forward(np.array([0.0, 0.5, -2.0]))
    freeze(tanh.y)
    y, dy = tanh.y, np.array([1.0, 2.0, 3.0])
    slope = 1 - y**2
    compare("dx of Tanh", call(tanh.backward, dy, returns="dx"), dy * slope, {
        "the slope is right, but it must be multiplied by dy, the gradient that arrives": slope,
        "the slope of tanh is 1 - y^2: here y is not squared": dy * (1 - y),
        "the slope is missing": dy,
        "y (1 - y) is the slope of the sigmoid; that of tanh is 1 - y^2": dy * y * (1 - y),
        "dy must be multiplied by the slope, not divided by it": dy / slope,
        "a product comes before a difference: put 1 - y^2 in brackets": dy * 1 - y**2,
        "self.y is tanh(x) already": dy * (1 - np.tanh(y) ** 2),
        "the slope is made of self.y, not of dy": 1 - dy**2,
        "@ adds the products up: multiply entry by entry, with *": dy @ slope,
    })  # fmt: skip
    nudge(check_layer, Tanh(), x=(5,))


def check_chain():
    called = []
    for number, link in enumerate(links := [Affine(0.5, 0.1), Tanh(), Affine(-2.0, 0.3)], start=1):
        link.backward = lambda dy, number=number, link=link: called.append(number) or type(link).backward(link, dy)
    chain = Chain(list(links))
    chain.forward(np.array(0.7))
    dx = call(chain.backward, 2.0, returns="dy")
    if chain.links != links:
        raise Wrong("self.links must stay as it is, but its order has changed: reversed(self.links) changes nothing")
    if called != [3, 2, 1]:
        early = ": does `return` stand inside the loop?" if called == [3] else ""
        raise Wrong(f"backward must go from the last link to the first, through 3, 2, 1, but it called {called}{early}")
    slope = 1 - np.tanh(0.5 * 0.7 + 0.1) ** 2
    compare("dx of Chain", dx, 2.0 * -2.0 * slope * 0.5, {
        "each link must get what the link after it returned, not the first dy: dy = link.backward(dy)": 1.0,
        "return what the last call of backward returned, not the dy that came in": 2.0,
        "begin with the dy that comes in, not with 1": -2.0 * slope * 0.5,
        "link.backward(dy) is multiplied by dy already": ((2.0**2 * -2.0) ** 2 * slope) ** 2 * 0.5,
        "what a link returns takes the place of dy, it is not added to it": 2.0 * (1 - 2.0) * (1 + slope) * (1 + 0.5),
    })  # fmt: skip
    nudge(check_layer, Chain([Affine(0.5, 0.1), Tanh(), Affine(-2.0, 0.3)]), x=(5,))


if __name__ == "__main__":
    run(check_tanh, check_chain)
