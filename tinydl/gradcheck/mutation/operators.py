"""What goes wrong in hand-written backward passes, as changes of a syntax tree.

A term, a factor, a transpose or a mask forgotten, a sign, height and width exchanged, = for +=, a stale cache. An
operator is a function of a Place, a node of a function's tree and what is around it; it yields what could stand there
instead. OPERATORS holds all of them by the name under which tables list them.
"""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard, cast


@dataclass(frozen=True)
class Place:
    """A node, where it hangs (`parent`.`field`), and the function and the statement that it is part of."""

    node: ast.AST
    parent: ast.AST
    field: str
    statement: ast.stmt
    definition: ast.FunctionDef

    @property
    def is_result(self) -> bool:
        """An expression that is returned (alone or in a tuple), added to something or assigned."""
        inside = isinstance(self.parent, ast.Tuple) and getattr(self.statement, "value", None) is self.parent
        alone = self.field == "value" and self.parent is self.statement
        return (
            (alone and isinstance(self.statement, ast.Return | ast.AugAssign | ast.Assign))
            or (inside and isinstance(self.statement, ast.Return))
        ) and not isinstance(self.node, ast.Tuple | ast.Constant)

    @property
    def is_handed_on(self) -> bool:
        """A result that leaves the function: returned, added up, or kept in an attribute."""
        if not isinstance(self.statement, ast.Assign):
            return self.is_result
        return self.is_result and any(isinstance(target, ast.Attribute) for target in self.statement.targets)

    @property
    def parameters(self) -> list[str]:
        return [argument.arg for argument in self.definition.args.args if argument.arg != "self"]


Change = ast.AST | list[ast.stmt]  # for an expression or a statement; for a statement also several
Operator = Callable[[Place], Iterator[Change]]
OPERATORS: dict[str, Operator] = {}


def _expression(template: str, **parts: ast.AST) -> ast.expr:
    """An expression from source, with trees in the place of some names."""

    class Fill(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return parts.get(node.id, node)

    return cast(ast.expr, Fill().visit(ast.parse(template, mode="eval").body))


def _changed(node: ast.AST, **fields: Any) -> ast.AST:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _same(a: ast.AST, b: ast.AST) -> bool:
    return ast.dump(a) == ast.dump(b)


def _is_load(node: ast.AST) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Load)


def _operator(name: str) -> Callable[[Operator], Operator]:
    def register(function: Operator) -> Operator:
        OPERATORS[name] = function
        return function

    return register


@_operator("drop term")
def _drop_term(place: Place) -> Iterator[Change]:
    """a + b -> a, b."""
    if isinstance(place.node, ast.BinOp) and isinstance(place.node.op, ast.Add | ast.Sub):
        yield place.node.left
        yield place.node.right


@_operator("sign")
def _sign(place: Place) -> Iterator[Change]:
    """a + b <-> a - b, -a -> a, return a -> return -a."""
    node = place.node
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        yield _changed(node, op=ast.Sub() if isinstance(node.op, ast.Add) else ast.Add())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand
    elif place.is_handed_on and not isinstance(place.statement, ast.AugAssign):
        yield _expression("-A", A=node)


@_operator("drop factor")
def _drop_factor(place: Place) -> Iterator[Change]:
    """a * b -> a, b; a / b -> a."""
    if isinstance(place.node, ast.BinOp) and isinstance(place.node.op, ast.Mult | ast.Div):
        yield place.node.left
        if isinstance(place.node.op, ast.Mult):
            yield place.node.right


@_operator("factor 2")
def _factor_2(place: Place) -> Iterator[Change]:
    """A result doubled."""
    if place.is_result:
        yield _expression("2 * A", A=place.node)


@_operator("1/N")
def _one_over_n(place: Place) -> Iterator[Change]:
    """A result divided by the number of rows; rows for entries, entries for rows."""
    node = place.node
    if place.is_handed_on and not isinstance(place.statement, ast.Assign):
        rows = place.parameters[0] if place.parameters else None
        yield _expression(f"A / len({rows})" if rows else "(_v := A) / len(_v)", A=node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
        yield _expression("A.size", A=node.args[0])
    if isinstance(node, ast.Attribute) and node.attr == "size" and _is_load(node):
        yield _expression("len(A)", A=node.value)


@_operator("* and /")
def _times_and_over(place: Place) -> Iterator[Change]:
    """a * b <-> a / b."""
    node = place.node
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Mult | ast.Div):
        yield _changed(node, op=ast.Div() if isinstance(node.op, ast.Mult) else ast.Mult())


@_operator("power")
def _power(place: Place) -> Iterator[Change]:
    """a ** b -> a, a ** (b + 1), a ** -b; a * a -> a ** 3."""
    node = place.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        yield node.left
        yield _changed(node, right=_expression("A + 1", A=node.right))
        yield _changed(node, right=_expression("-A", A=node.right))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and _same(node.left, node.right):
        yield _expression("A ** 3", A=node.left)


@_operator("axis")
def _axis(place: Place) -> Iterator[Change]:
    """Another axis, all of them, or of two only one; another letter of an einsum's output."""
    node = place.node
    if isinstance(node, ast.keyword) and node.arg == "axis" and isinstance(node.value, ast.Name):  # a tuple's
        for form in ("A[:1]", "A[-1:]", "None"):
            yield _changed(node, value=_expression(form, A=node.value))
    elif isinstance(node, ast.keyword) and node.arg == "axis":
        axis = ast.literal_eval(node.value)
        others = [(axis[0],), (axis[-1],), None] if isinstance(axis, tuple) else [axis - 1, axis + 1, None]
        for other in others:
            yield _changed(node, value=_expression(repr(other)))
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and "->" in node.value:
        operands, output = node.value.split("->")
        for letter in sorted(set(operands) - set(output) - {","}):
            for old in output:
                yield ast.Constant(f"{operands}->{output.replace(old, letter)}")


@_operator("mean and sum")
def _mean_and_sum(place: Place) -> Iterator[Change]:
    """a.mean() <-> a.sum(), np.mean(a) <-> np.sum(a)."""
    if isinstance(place.node, ast.Attribute) and place.node.attr in ("mean", "sum"):
        yield _changed(place.node, attr="sum" if place.node.attr == "mean" else "mean")


@_operator("transpose")
def _transpose(place: Place) -> Iterator[Change]:
    """a.T -> a; a @ b -> a.T @ b, a @ b.T."""
    node = place.node
    if _is_transposed(node):
        yield node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        for side in ("left", "right"):
            operand = getattr(node, side)
            if not _is_transposed(operand):
                yield _changed(node, **{side: _expression("A.T", A=operand)})


SIDES = dict(
    pair
    for a, b in (
        ("kh", "kw"), ("sh", "sw"), ("oh", "ow"), ("h", "w"), ("p", "q"), ("i", "j"), ("top", "left"),
        ("bottom", "right"), ("height", "width"),
    )
    for pair in ((a, b), (b, a))
)  # fmt: skip


@_operator("height and width")
def _sides(place: Place) -> Iterator[Change]:
    """kh <-> kw and the like; neighbours of a tuple, a subscript or unpacked arguments exchanged; *pair turned."""
    node = place.node
    if isinstance(node, ast.Name) and _is_load(node) and {node.id, SIDES.get(node.id)} <= _names(place.definition):
        yield ast.Name(SIDES[node.id], ast.Load())
    if isinstance(node, ast.Tuple):
        for elements in _neighbours_swapped(node.elts):
            yield _changed(node, elts=elements)
    if isinstance(node, ast.Starred) and _is_load(node) and isinstance(place.parent, ast.Call):
        yield _changed(node, value=_expression("A[::-1]", A=node.value))
    if isinstance(node, ast.Call) and any(isinstance(argument, ast.Starred) for argument in node.args):
        for arguments in _neighbours_swapped(node.args):
            yield _changed(node, args=arguments)


def _neighbours_swapped(nodes: list[ast.expr]) -> Iterator[list[ast.expr]]:
    for k in range(len(nodes) - 1):
        yield [*nodes[:k], nodes[k + 1], nodes[k], *nodes[k + 2 :]]


@_operator("padding")
def _padding(place: Place) -> Iterator[Change]:
    """Rows' and columns' padding exchanged; top with bottom and left with right; near with far inside the function."""
    node = place.node
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    if name in ("padding", "_pixels") and _is_load(node):
        yield _expression("A[::-1]", A=node)
        yield _expression("tuple(side[::-1] for side in A)", A=node)
    if isinstance(node, ast.Name) and _is_load(node):
        ends = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}
        if name in ends and name in _names(place.definition):
            yield ast.Name(ends[name], ast.Load())


COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}


@_operator("comparison")
def _comparison(place: Place) -> Iterator[Change]:
    """> to >=, > to <."""
    if isinstance(place.node, ast.Compare):
        for other in COMPARISONS.get(type(place.node.ops[0]), ()):
            yield _changed(place.node, ops=[other()])


@_operator("mask")
def _mask(place: Place) -> Iterator[Change]:
    """A comparison that is always true, or inverted; of two masks one, or either."""
    node = place.node
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        yield _expression("A | True", A=node)
        yield _expression("A ^ True", A=node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        yield node.left
        yield node.right
        yield _changed(node, op=ast.BitOr() if isinstance(node.op, ast.BitAnd) else ast.BitAnd())


@_operator("tie")
def _tie(place: Place) -> Iterator[Change]:
    """The last of equals for the first; the smallest for the largest."""
    node = place.node
    if _is_call_of(node, "argmax"):
        yield _changed(node, func=_changed(node.func, attr="argmin"))
        if len(node.keywords) == 1 and node.keywords[0].arg == "axis":
            axis = node.keywords[0].value
            yield _expression("A.shape[K] - 1 - np.flip(A, K).argmax(axis=K)", A=node.func.value, K=axis)


@_operator("+= to =")
def _assign(place: Place) -> Iterator[Change]:
    """a += b -> a = b, and a[...] = b, which alone reaches the caller."""
    node = place.node
    if isinstance(node, ast.AugAssign):
        yield ast.Assign([node.target], node.value)
        whole = ast.Subscript(_loaded(node.target), ast.Constant(...), ast.Store())
        yield ast.Assign([whole], node.value)


def _loaded(target: ast.expr) -> ast.expr:
    return cast(ast.expr, _changed(target, ctx=ast.Load()))


@_operator("off by one")
def _off_by_one(place: Place) -> Iterator[Change]:
    """A whole number one larger or smaller, a slice or a loop that misses its first or last."""
    node = place.node
    if isinstance(node, ast.Constant) and type(node.value) is int and not isinstance(place.parent, ast.keyword):
        yield ast.Constant(node.value + 1)
        yield _expression(repr(node.value - 1))
    if isinstance(node, ast.Slice):
        one = ast.Constant(1)
        yield _changed(node, lower=_expression("A + 1", A=node.lower) if node.lower else one)
        yield _changed(node, upper=_expression("A - 1", A=node.upper) if node.upper else _expression("-1"))
        if node.lower and node.upper:
            both = {"lower": _expression("A + 1", A=node.lower), "upper": _expression("A + 1", A=node.upper)}
            yield _changed(node, **both)
    if isinstance(place.parent, ast.For | ast.comprehension) and place.field == "iter":
        yield _expression("list(A)[1:]", A=node)
        yield _expression("list(A)[:-1]", A=node)


@_operator("reverse")
def _reverse(place: Place) -> Iterator[Change]:
    """What is handed on with its rows, its columns or its features turned round."""
    if place.is_handed_on:
        for index in ("::-1", ":, ::-1", "..., ::-1"):
            yield _expression(f"A[{index}]", A=place.node)


@_operator("branch")
def _branch(place: Place) -> Iterator[Change]:
    """A branch always or never taken; of two conditions one."""
    node = place.node
    if isinstance(node, ast.If):
        yield _changed(node, test=ast.Constant(True))
        yield _changed(node, test=ast.Constant(False))
    if isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    if isinstance(node, ast.BoolOp):
        yield from node.values
        yield _changed(node, op=ast.And() if isinstance(node.op, ast.Or) else ast.Or())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand


@_operator("delete")
def _delete(place: Place) -> Iterator[Change]:
    """A statement left out (not one that first gives a name its value: that only crashes)."""
    node = place.node
    if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name | ast.Tuple) for target in node.targets):
        bound = {*place.parameters, *_names_stored(place.definition, before=node.lineno)}
        if not set().union(*map(_names_stored, node.targets)) <= bound:
            return
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Expr):
        yield [ast.Pass()]


@_operator("stale cache")
def _stale_cache(place: Place) -> Iterator[Change]:
    """self._x keeps what the first call gave it."""
    node = place.node
    if isinstance(node, ast.Assign):
        for target in (attribute for t in node.targets for attribute in ast.walk(t)):
            if isinstance(target, ast.Attribute) and isinstance(target.ctx, ast.Store):
                keep = f"_kept = getattr(self, {target.attr!r}, None)"
                back = f"if _kept is not None: self.{target.attr} = _kept"
                yield [ast.parse(keep).body[0], node, ast.parse(back).body[0]]


# No arrays: putting one of these for an array, or an array for one of these, only crashes.
COUNTS = {
    "self", "n", "c", "f", "k", "size", "shift", "before", "filters", "activation", "training", "padding", "need_dx",
    "accumulate", "backwards", "x_shape", "alpha", "beta", *SIDES,
}  # fmt: skip


@_operator("variable")
def _variable(place: Place) -> Iterator[Change]:
    """Another array of the function: x for y, dy for da, self._x for self._y, grads for params, ["b"] for ["W"]."""
    node, nodes = place.node, list(ast.walk(place.definition))
    if isinstance(node, ast.Name) and _is_load(node) and node.id not in COUNTS and not _is_asked_dtype(place):
        own = {*place.parameters, *_names_stored(place.definition, before=place.statement.lineno)}
        if node.id in own:
            for other in sorted(own - COUNTS - {node.id}):
                yield ast.Name(other, ast.Load())
    if isinstance(node, ast.Attribute) and _is_load(node):
        if _is_own_value(node):
            kept = {n.attr for n in nodes if isinstance(n, ast.Attribute) and _is_own_value(n)}
            for other in sorted(kept - {node.attr}):
                yield _changed(node, attr=other)
        if node.attr in ("params", "grads"):
            yield _changed(node, attr="grads" if node.attr == "params" else "params")
    if isinstance(node, ast.Constant) and isinstance(place.parent, ast.Subscript):
        keys = {str(n.slice.value) for n in nodes if isinstance(n, ast.Subscript) and _is_key(n.slice)}
        if node.value in keys:
            for other in sorted(keys - {node.value}):
                yield ast.Constant(other)


def _names(definition: ast.FunctionDef) -> set[str]:
    """Parameters and what is assigned."""
    return {argument.arg for argument in definition.args.args} | _names_stored(definition)


def _names_stored(tree: ast.AST, before: float = math.inf) -> set[str]:
    """The names that are given a value, above a line."""
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.lineno < before
    }


def _is_asked_dtype(place: Place) -> bool:
    return isinstance(place.parent, ast.Attribute) and place.parent.attr == "dtype"


def _is_own_value(node: ast.Attribute) -> bool:
    return node.attr.startswith("_") and _is_self(node.value)


def _is_self(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _is_key(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@_operator("first row")
def _first_row(place: Place) -> Iterator[Change]:
    """A sum that takes in the first row of the batch only; a result whose other rows are zero."""
    node = place.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult) and _is_transposed(node.left):
        yield _expression("A[:1].T @ B[:1]", A=node.left.value, B=node.right)
    if _is_call_of(node, "sum", "mean"):
        if _is_numpy(node.func.value):
            yield _changed(node, args=[_expression("A[:1]", A=node.args[0]), *node.args[1:]])
        else:
            yield _changed(node, func=_changed(node.func, value=_expression("A[:1]", A=node.func.value)))
    if _is_call_of(node, "einsum"):
        yield _changed(node, args=[node.args[0], *(_expression("A[:1]", A=operand) for operand in node.args[1:])])
    if place.is_handed_on:
        yield _expression("np.concatenate([(_v := A)[:1], 0 * _v[1:]])", A=node)


def _is_transposed(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and node.attr == "T"


class _MethodCall(ast.Call):
    func: ast.Attribute


def _is_call_of(node: ast.AST, *names: str) -> TypeGuard[_MethodCall]:
    """v.name(...) or np.name(...)."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names


def _is_numpy(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "np"


IN_PLACE: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
}


@_operator("in place")
def _in_place(place: Place) -> Iterator[Change]:
    """a * b -> a *= b, as an expression: right numbers, in memory that belongs to somebody else."""
    node = place.node
    if not isinstance(node, ast.BinOp) or type(node.op) not in IN_PLACE:
        return
    ufunc = IN_PLACE[type(node.op)]
    if isinstance(node.left, ast.Name) and node.left.id not in COUNTS:
        yield _expression(f"np.{ufunc}(A, B, out=A)", A=node.left, B=node.right)
    elif isinstance(node.left, ast.Call) and _is_self(getattr(node.left.func, "value", None)):
        yield _expression(f"np.{ufunc}((_v := A), B, out=_v)", A=node.left, B=node.right)


@_operator("float32")
def _float32(place: Place) -> Iterator[Change]:
    """A result rounded to float32 and back."""
    if place.is_handed_on:
        yield _expression("(_v := A).astype(np.float32).astype(_v.dtype)", A=place.node)


@_operator("float64")
def _float64(place: Place) -> Iterator[Change]:
    """A result that is float64 in a float32 run."""
    if place.is_handed_on:
        yield _expression("A.astype(np.float64)", A=place.node)


@_operator("redraw")
def _redraw(place: Place) -> Iterator[Change]:
    """Backward draws another mask than forward."""
    node = place.node
    first = place.definition.body[0]
    if node is first and place.definition.name == "backward" and "_mask" in ast.dump(place.definition):
        yield [ast.parse("self.forward(self._x, training=self._mask is not None)").body[0], first]


@_operator("unchanged")
def _unchanged(place: Place) -> Iterator[Change]:
    """return dy, return x."""
    node = place.node
    if isinstance(node, ast.Return) and node.value is not None:
        for name in ("dy", "x"):
            if name in place.parameters:
                yield ast.Return(ast.Name(name, ast.Load()))


@_operator("zeros")
def _zeros(place: Place) -> Iterator[Change]:
    """A result of zeros."""
    if place.is_result:
        yield _expression("0 * A", A=place.node)


FUNCTIONS = {
    "maximum": "minimum", "max": "min", "min": "max", "log1p": "log", "log": "log1p", "exp": "expm1", "tanh": "sin",
    "ones_like": "zeros_like", "zeros_like": "ones_like", "zeros": "ones", "ones": "zeros",
}  # fmt: skip
UNARY = ("exp", "log", "log1p", "abs", "sign", "tanh", "sqrt", "square", "copy", "astype", "clip", "pad", "isnan")


@_operator("function")
def _function(place: Place) -> Iterator[Change]:
    """Another function; np.f(a) -> a; a.f() -> a."""
    node = place.node
    if isinstance(node, ast.Attribute) and node.attr in FUNCTIONS and _is_load(node):
        yield _changed(node, attr=FUNCTIONS[node.attr])
    if _is_call_of(node, *UNARY):
        yield node.args[0] if _is_numpy(node.func.value) else node.func.value


@_operator("arguments")
def _arguments(place: Place) -> Iterator[Change]:
    """f(a, b) -> f(b, a), neighbour by neighbour."""
    node = place.node
    if isinstance(node, ast.Call) and not any(isinstance(argument, ast.Starred) for argument in node.args):
        for arguments in _neighbours_swapped(node.args):
            yield _changed(node, args=arguments)


@_operator("flag")
def _flag(place: Place) -> Iterator[Change]:
    """True <-> False."""
    if isinstance(place.node, ast.Constant) and isinstance(place.node.value, bool):
        yield ast.Constant(not place.node.value)


@_operator("constant")
def _constant(place: Place) -> Iterator[Change]:
    """A decimal number halved."""
    if isinstance(place.node, ast.Constant) and isinstance(place.node.value, float):
        yield ast.Constant(place.node.value / 2)


@_operator("order")
def _order(place: Place) -> Iterator[Change]:
    """Entries read down the columns; reversed(a) -> a."""
    node = place.node
    if _is_call_of(node, "reshape"):
        yield _changed(node, keywords=[*node.keywords, ast.keyword("order", ast.Constant("F"))])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reversed":
        yield node.args[0]
