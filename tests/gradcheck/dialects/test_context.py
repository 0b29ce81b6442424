"""Static forward(ctx, x) and backward(ctx, dy); tuples of inputs; results in attributes."""

import numpy as np
import pytest

from tests.gradcheck.dialects.planted import Bug, Case, fails, passes, right, wrong
from tinydl.gradcheck import check_function, check_layer

STATIC = """
class Linear:
    {static}
    def forward({me}{ctx}, x, W, b):
        {save}
        return x @ W + b

    {static}
    def backward({me}{ctx}, {dy}):
        {load}
        return {dy} @ W.T, x.T @ {dy}, {dy}.sum(axis=0)
"""


def static(
    name: str, save: str, load: str, ctx: str = "ctx", dy: str = "dy", static: str = "@staticmethod", me: str = "",
    subject: str = "Linear",
) -> Case:  # fmt: skip
    code = STATIC.format(ctx=ctx, save=save, load=load, dy=dy, static=static, me=me)
    bugs = [
        (f"return {dy} @ W.T", f"return -{dy} @ W.T", "x"),
        (f"x.T @ {dy}", f"x.T @ {dy} / len(x)", "W"),
        (f"{dy}.sum(axis=0)", f"{dy}.sum(axis=0)[::-1]", "b"),
    ]
    return Case(name, code, f"check_layer({subject}, (5, 4), (4, 3), (3,))", bugs, "x W b")


CONTEXTS = [
    static("tensors", "ctx.save_for_backward(x, W, b)", "x, W, b = ctx.saved_tensors"),
    static("an object", "ctx.save_for_backward(x, W, b)", "x, W, b = ctx.saved_tensors", subject="Linear()"),
    static("values", "ctx.save_for_backward(x, W)", "x, W = ctx.saved_values", dy="grad_output"),
    static("attributes", "ctx.x, ctx.W = x, W", "x, W = ctx.x, ctx.W"),
    static("items", "ctx['x'], ctx['W'] = x, W", "x, W = ctx['x'], ctx['W']"),
    static("another name", "c.x, c.W = x, W", "x, W = c.x, c.W", ctx="c", dy="g"),
    static("methods", "ctx.save_for_backward(x, W)", "x, W = ctx.saved_tensors", static="", me="self, ", subject="Linear()"),
    static("class methods", "context.a = x, W", "x, W = context.a", ctx="context", static="@classmethod", me="cls, "),
    static("no decorator", "ctx.a = x, W", "x, W = ctx.a", static=""),
]  # fmt: skip

TUPLES_CODE = """
class Function:
    def forward(self, {inputs}):
        {unpack}
        return {result}

    def backward(self, {arguments}):
        {back}
        da, db = dy * b, dy * a
        return da, db
"""

TUPLE_BUGS: list[Bug] = [
    ("da, db = dy * b", "da, db = -dy * b", "x"),
    (", dy * a\n", ", dy * b\n", "x1"),
    ("return da, db", "return da, db + dy", "x1"),
]


def tuples(inputs: str, unpack: str, result: str, arguments: str, back: str) -> Case:
    code = TUPLES_CODE.format(inputs=inputs, unpack=unpack, result=result, arguments=arguments, back=back)
    return Case(f"{inputs}; {arguments}", code, "check_layer(Function(), (3, 4), (3, 4))", TUPLE_BUGS, "x x1")


TUPLES = [
    tuples("inputs", "a, b = inputs", "(a * b,)", "inputs, grad_outputs", "(a, b), (dy,) = inputs, grad_outputs"),
    tuples("inputs", "a, b = self.kept = inputs", "a * b,", "dys", "(a, b), (dy,) = self.kept, dys"),
    tuples("xs", "a, b = xs", "(a * b,)", "xs, gys", "(a, b), (dy,) = xs, gys"),
    tuples("in_data", "a, b = self.d = in_data", "a * b,", "indexes, gy", "(a, b), (dy,) = self.d, gy"),
]

REMEMBERED = """
class Dense:
    def __init__(self):
        rng = np.random.default_rng(1)
        self.weights, self.biases = rng.normal(size=(4, 3)), rng.normal(size=(1, 3))

    def forward(self, inputs{training}):
        self.inputs = inputs
        self.{output} = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.{gradient} = np.dot(dvalues, self.weights.T)
"""


def remembered(output: str, gradient: str, training: str = "") -> Case:
    code = REMEMBERED.format(output=output, gradient=gradient, training=training)
    bugs = [
        ("np.dot(self.inputs.T, dvalues)", "-np.dot(self.inputs.T, dvalues)", "weights"),
        ("np.sum(dvalues", "np.mean(dvalues", "biases"),
        ("np.dot(dvalues, self.weights.T)", "np.dot(dvalues, self.weights.T)[::-1]", "x"),
    ]
    return Case(f"{output}, {gradient}", code, "check_layer(Dense(), (5, 4))", bugs, "x weights biases")


REMEMBERING = [
    remembered("output", "dinputs"), remembered("output", "dinputs", ", training"), remembered("out", "dx"),
    remembered("outcome", "grad_input"), remembered("z", "grad_inputs"),
]  # fmt: skip

ALL = [*CONTEXTS, *TUPLES, *REMEMBERING]


@right(ALL)
def test_right_code_passes(case: Case) -> None:
    passes(case)


@wrong(ALL)
def test_mistakes_are_found(case: Case, bug: Bug) -> None:
    fails(case, bug)


def test_a_static_pair_without_a_context_is_plain() -> None:
    class Square:
        @staticmethod
        def forward(x):
            return x**2, x

        @staticmethod
        def backward(dy, cache):
            return 2 * dy * cache

    assert check_layer(Square, (3, 2)).passed
    assert check_layer(Square(), (3, 2)).passed


def test_a_class_whose_methods_need_an_object_is_refused() -> None:
    class Layer:
        def forward(self, x):
            return x

        def backward(self, dy):
            return dy

    with pytest.raises(TypeError, match=r"layer must be an instance, got the class Layer: write Layer\(...\)"):
        check_layer(Layer, (3, 2))


def test_an_argument_called_inputs_may_be_an_array() -> None:
    class Layer:
        def forward(self, inputs):
            self.inputs = inputs
            return np.sin(inputs), {"kept": 1}

        def backward(self, dy):
            return dy * np.cos(self.inputs)

    assert check_layer(Layer(), (1, 3)).passed
    assert check_layer(Layer(), (4, 3)).passed


def test_forward_that_sets_several_arrays_and_returns_nothing_is_refused() -> None:
    class Layer:
        def forward(self, x):
            self.p, self.q = x * 2, x * 3

        def backward(self, dy):
            return dy

    with pytest.raises(TypeError, match=r"forward returns None and sets p, q: pass forward=lambda layer, x"):
        check_layer(Layer(), (3, 2))


def test_static_functions_given_to_check_function_are_named_without_their_context() -> None:
    class Power:
        @staticmethod
        def forward(ctx, base, n):
            ctx.kept = base, n
            return base**n

        @staticmethod
        def backward(ctx, dy):
            base, n = ctx.kept
            return dy * n * base ** (n - 1)

    assert check_function(Power.forward, Power.backward, (3, 2), 3).gradients == {"base": "ok"}
