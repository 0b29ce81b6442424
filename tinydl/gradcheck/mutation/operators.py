"""Mistakes in hand-written backward passes, as changes of a syntax tree.

Examples are a missing term, factor, transpose or mask, a wrong sign, swapped height and width, = in place of +=, and
a stale cache. An operator is a function of a Place (a node of a function's tree and its surroundings) that yields
replacements for the node. OPERATORS, at the end, maps the names shown in tables to operators; most are rules in
Python notation, such as "A * B -> A; B".
"""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """A node, its position (`parent`.`field`), and the function and the statement that contain it."""

    node: ast.AST
    parent: ast.AST
    field: str
    statement: ast.stmt
    definition: ast.FunctionDef

    @property
    def is_result(self) -> bool:
        """Whether the node is an expression that is returned (alone or in a tuple), added to something or assigned."""
        if isinstance(self.node, ast.Tuple | ast.Constant):
            return False
        if self.parent is self.statement:
            return self.field == "value" and isinstance(self.statement, ast.Return | ast.AugAssign | ast.Assign)
        inside = isinstance(self.parent, ast.Tuple) and self.parent is getattr(self.statement, "value", None)
        return inside and isinstance(self.statement, ast.Return)

    @property
    def is_handed_on(self) -> bool:
        """Whether the node is a result that leaves the function: returned, added up, or stored in an attribute."""
        if not isinstance(self.statement, ast.Assign):
            return self.is_result
        return self.is_result and any(isinstance(target, ast.Attribute) for target in self.statement.targets)

    @property
    def parameters(self) -> list[str]:
        return [argument.arg for argument in self.definition.args.args if argument.arg != "self"]

    def names(self, before: float = math.inf) -> set[str]:
        """The names of parameters, and names assigned above line `before`."""
        return {*self.parameters, *_names_stored(self.definition, before)}


Change = ast.AST | list[ast.stmt]  # the new node; for a statement, also a list of statements
Operator = Callable[[Place], Iterator[Change]]

SIDES = {
    "kh": "kw", "sh": "sw", "oh": "ow", "h": "w", "p": "q", "i": "j", "top": "left", "bottom": "right",
    "height": "width",
}  # fmt: skip
SIDES |= {b: a for a, b in SIDES.items()}
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.Lt), ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.Gt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
}  # fmt: skip
UFUNCS: dict[type[ast.operator], str] = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"}
FUNCTIONS = {
    "maximum": "minimum", "max": "min", "min": "max", "log1p": "log", "log": "log1p", "exp": "expm1", "tanh": "sin",
    "ones_like": "zeros_like", "zeros_like": "ones_like", "zeros": "ones", "ones": "zeros",
}  # fmt: skip
UNARY = ("exp", "log", "log1p", "abs", "sign", "tanh", "sqrt", "square", "copy", "astype", "clip", "pad", "isnan")
# Names that are not arrays: swapping one of these with an array only crashes.
COUNTS = {
    "self", "n", "c", "f", "k", "size", "shift", "before", "filters", "activation", "training", "padding", "need_dx",
    "accumulate", "backwards", "x_shape", "alpha", "beta", *SIDES,
}  # fmt: skip


# --- trees ----------------------------------------------------------------------------------------------------------


def _filled(template: str, **parts: ast.AST) -> ast.AST:
    """The tree of an expression or a statement, with some names replaced."""
    statement = ast.parse(template).body[0]

    class Fill(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return parts.get(node.id, node)

    return Fill().visit(statement.value if isinstance(statement, ast.Expr) else statement)


def _matches(node: Any, pattern: Any, parts: dict[str, Any]) -> bool:
    """Whether a tree matches the pattern, in which a capital letter stands for any expression, stored in `parts`."""
    if isinstance(pattern, ast.Name) and pattern.id.isupper():
        return ast.dump(parts.setdefault(pattern.id, node)) == ast.dump(node)
    if type(pattern) is not type(node):
        return False
    if isinstance(pattern, ast.AST):
        return all(_matches(getattr(node, field), getattr(pattern, field), parts) for field in pattern._fields)
    if isinstance(pattern, list):
        return len(pattern) == len(node) and all(_matches(n, p, parts) for n, p in zip(node, pattern, strict=True))
    return bool(pattern == node)


def _changed(node: ast.AST, **fields: Any) -> ast.AST:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _neighbours_exchanged(node: ast.AST, field: str) -> Iterator[ast.AST]:
    nodes = getattr(node, field)
    for k in range(len(nodes) - 1):
        yield _changed(node, **{field: [*nodes[:k], nodes[k + 1], nodes[k], *nodes[k + 2 :]]})


def _names_stored(tree: ast.AST, before: float = math.inf) -> set[str]:
    """The names assigned above line `before`."""
    stored = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return {name.id for name in stored if name.lineno < before}


# --- building blocks of operators -----------------------------------------------------------------------------------


def _rules(*rules: str, also: Operator | None = None) -> Operator:
    """The rule "A * B -> A; B" yields a, and then b, for any a * b; `also` is tried after all rules."""
    parsed = [(_filled(before), after.split("; ")) for before, after in (rule.split(" -> ") for rule in rules)]

    def operator(place: Place) -> Iterator[Change]:
        for pattern, templates in parsed:
            parts: dict[str, ast.AST] = {}
            if _matches(place.node, pattern, parts):
                yield from (_filled(template, **parts) for template in templates)
        if also is not None:
            yield from also(place)

    return operator


def _result(*templates: str) -> Operator:
    """Replace a result A with each template."""
    return lambda place: (_filled(template, A=place.node) for template in templates if place.is_result)


def _handed_on(*templates: str) -> Operator:
    """Replace a result A that leaves the function with each template."""
    return lambda place: (_filled(template, A=place.node) for template in templates if place.is_handed_on)


def _negated(place: Place) -> Iterator[Change]:
    is_negative = isinstance(place.node, ast.UnaryOp) and isinstance(place.node.op, ast.USub)
    if place.is_handed_on and not is_negative and not isinstance(place.statement, ast.AugAssign):
        yield _filled("-A", A=place.node)


def _over_n(place: Place) -> Iterator[Change]:
    """Divide a result by the number of rows."""
    if place.is_handed_on and not isinstance(place.statement, ast.Assign):
        yield _filled(f"A / len({place.parameters[0]})" if place.parameters else "(_v := A) / len(_v)", A=place.node)


def _axis(place: Place) -> Iterator[Change]:
    """Use another axis, all axes, or only one of two; use another letter in an einsum's output."""
    match place.node:
        case ast.keyword(arg="axis", value=ast.Name() as axes):  # the name of a tuple
            yield from (_changed(place.node, value=_filled(form, A=axes)) for form in ("A[:1]", "A[-1:]", "None"))
        case ast.keyword(arg="axis", value=value):
            axis = ast.literal_eval(value)
            others = [(axis[0],), (axis[-1],), None] if isinstance(axis, tuple) else [axis - 1, axis + 1, None]
            yield from (_changed(place.node, value=_filled(repr(other))) for other in others)
        case ast.Constant(value=str(text)) if "->" in text:
            operands, output = text.split("->")
            for letter in sorted(set(operands) - set(output) - {","}):
                for old in output:
                    yield ast.Constant(f"{operands}->{output.replace(old, letter)}")


def _transposed(place: Place) -> Iterator[Change]:
    """a @ b -> a.T @ b, a @ b.T."""
    if isinstance(place.node, ast.BinOp) and isinstance(place.node.op, ast.MatMult):
        for side in ("left", "right"):
            operand = getattr(place.node, side)
            if getattr(operand, "attr", "") != "T":
                yield _changed(place.node, **{side: _filled("A.T", A=operand)})


def _sides(place: Place) -> Iterator[Change]:
    """Swap kh and kw, or similar names; swap neighbors in a tuple, a subscript or unpacked arguments; reverse *pair."""
    match place.node:
        case ast.Name(id=name, ctx=ast.Load()) if {name, SIDES.get(name)} <= place.names():
            yield ast.Name(SIDES[name], ast.Load())
        case ast.Tuple():
            yield from _neighbours_exchanged(place.node, "elts")
        case ast.Starred(value=pair, ctx=ast.Load()) if isinstance(place.parent, ast.Call):
            yield _changed(place.node, value=_filled("A[::-1]", A=pair))
        case ast.Call(args=arguments) if any(isinstance(argument, ast.Starred) for argument in arguments):
            yield from _neighbours_exchanged(place.node, "args")


def _arguments(place: Place) -> Iterator[Change]:
    """f(a, b) -> f(b, a), for each pair of neighbors."""
    if isinstance(place.node, ast.Call) and not any(isinstance(argument, ast.Starred) for argument in place.node.args):
        yield from _neighbours_exchanged(place.node, "args")


def _comparison(place: Place) -> Iterator[Change]:
    """Change > to >= or <, and other comparisons likewise."""
    if isinstance(place.node, ast.Compare):
        for other in COMPARISONS.get(type(place.node.ops[0]), ()):
            yield _changed(place.node, ops=[other()])


def _mask(place: Place) -> Iterator[Change]:
    """Make a comparison always true, or invert it."""
    if isinstance(place.node, ast.Compare) and type(place.node.ops[0]) in COMPARISONS:
        yield _filled("A | True", A=place.node)
        yield _filled("A ^ True", A=place.node)


def _assigned(place: Place) -> Iterator[Change]:
    """a += b -> a = b; a[...] = b. Only the second changes the caller's array."""
    if isinstance(place.node, ast.AugAssign):
        for template in ("A = B", "A[...] = B"):
            yield _filled(template, A=place.node.target, B=place.node.value)


def _off_by_one(place: Place) -> Iterator[Change]:
    """Make an integer one larger or smaller, or a slice or loop miss its first or last entry."""
    node = place.node
    if isinstance(node, ast.Constant) and type(node.value) is int and not isinstance(place.parent, ast.keyword):
        yield ast.Constant(node.value + 1)
        yield _filled(repr(node.value - 1))
    if isinstance(node, ast.Slice):
        lower = _filled("A + 1", A=node.lower) if node.lower else ast.Constant(1)
        yield _changed(node, lower=lower)
        yield _changed(node, upper=_filled("A - 1", A=node.upper) if node.upper else _filled("-1"))
        if node.lower and node.upper:
            yield _changed(node, lower=lower, upper=_filled("A + 1", A=node.upper))
    if isinstance(place.parent, ast.For | ast.comprehension) and place.field == "iter":
        yield _filled("list(A)[1:]", A=node)
        yield _filled("list(A)[:-1]", A=node)


def _branch(place: Place) -> Iterator[Change]:
    """Take a branch always or never; keep only one of two conditions, or swap `and` and `or`."""
    match place.node:
        case ast.If():
            yield _changed(place.node, test=ast.Constant(True))
            yield _changed(place.node, test=ast.Constant(False))
        case ast.BoolOp(op=op, values=values):
            yield from values
            yield _changed(place.node, op=ast.And() if isinstance(op, ast.Or) else ast.Or())


def _delete(place: Place) -> Iterator[Change]:
    """Remove a statement (unless it is the first to assign a name: without it the code only crashes)."""
    node = place.node
    if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name | ast.Tuple) for target in node.targets):
        names = set().union(*map(_names_stored, node.targets))
        if not names <= place.names(before=node.lineno):
            return
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Expr):
        yield [ast.Pass()]


def _stale_cache(place: Place) -> Iterator[Change]:
    """Let self._x keep the value from the first call."""
    node = place.node
    if isinstance(node, ast.Assign):
        for target in (attribute for t in node.targets for attribute in ast.walk(t)):
            if isinstance(target, ast.Attribute) and isinstance(target.ctx, ast.Store):
                keep = f"_kept = getattr(self, {target.attr!r}, None)"
                back = f"if _kept is not None: self.{target.attr} = _kept"
                yield [ast.parse(keep).body[0], node, ast.parse(back).body[0]]


def _variable(place: Place) -> Iterator[Change]:
    """Use another array of the function: x for y, dy for da, self._x for self._y, ["b"] for ["W"]."""
    node, nodes = place.node, list(ast.walk(place.definition))
    is_asked_dtype = isinstance(place.parent, ast.Attribute) and place.parent.attr == "dtype"
    match node:
        case ast.Name(id=name, ctx=ast.Load()) if name not in COUNTS and not is_asked_dtype:
            own = place.names(before=place.statement.lineno)
            yield from (ast.Name(other, ast.Load()) for other in sorted(own - COUNTS - {name}) if name in own)
        case ast.Attribute(attr=attribute, ctx=ast.Load()) if _is_own_value(node):
            kept = {n.attr for n in nodes if isinstance(n, ast.Attribute) and _is_own_value(n)}
            yield from (_changed(node, attr=other) for other in sorted(kept - {attribute}))
        case ast.Constant(value=key) if isinstance(place.parent, ast.Subscript):
            indices = [n.slice for n in nodes if isinstance(n, ast.Subscript)]
            keys = {str(i.value) for i in indices if isinstance(i, ast.Constant) and isinstance(i.value, str)}
            yield from (ast.Constant(other) for other in sorted(keys - {key}) if key in keys)


def _is_own_value(node: ast.Attribute) -> bool:
    return node.attr.startswith("_") and isinstance(node.value, ast.Name) and node.value.id == "self"


def _first_row(place: Place) -> Iterator[Change]:
    """Sum over only the first row of the batch."""
    node = place.node
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr="sum" | "mean"), args=[first, *others]):
            yield _changed(node, args=[_filled("A[:1]", A=first), *others])
        case ast.Call(func=ast.Attribute(value=value, attr="sum" | "mean") as method):
            yield _changed(node, func=_changed(method, value=_filled("A[:1]", A=value)))
        case ast.Call(func=ast.Attribute(attr="einsum"), args=[letters, *operands]):
            yield _changed(node, args=[letters, *(_filled("A[:1]", A=operand) for operand in operands)])
    if place.is_handed_on:
        yield _filled("np.concatenate([(_v := A)[:1], 0 * _v[1:]])", A=node)


def _in_place(place: Place) -> Iterator[Change]:
    """a * b -> a *= b, as an expression: the values are right, but overwrite an array that is used elsewhere."""
    match place.node:
        case ast.BinOp(left=ast.Name(id=name), op=op) if name not in COUNTS:
            template = "(A, B, out=A)"
        case ast.BinOp(left=ast.Call(func=ast.Attribute(value=ast.Name(id="self"))), op=op):
            template = "((_v := A), B, out=_v)"
        case _:
            return
    if type(op) in UFUNCS:
        yield _filled(f"np.{UFUNCS[type(op)]}{template}", A=place.node.left, B=place.node.right)


def _redraw(place: Place) -> Iterator[Change]:
    """Draw a new mask in backward instead of using forward's."""
    first = place.definition.body[0]
    if place.node is first and place.definition.name == "backward" and "_mask" in ast.dump(place.definition):
        yield [ast.parse("self.forward(self._x, training=self._mask is not None)").body[0], first]


def _unchanged(place: Place) -> Iterator[Change]:
    """Return dy or x unchanged."""
    if isinstance(place.node, ast.Return) and place.node.value is not None:
        for name in ("dy", "x"):
            if name in place.parameters:
                yield ast.Return(ast.Name(name, ast.Load()))


def _without(place: Place) -> Iterator[Change]:
    """np.f(a) -> a; a.f() -> a."""
    match place.node:
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=arguments) if name in UNARY:
            yield arguments[0] if isinstance(value, ast.Name) and value.id == "np" else value


def _halved(place: Place) -> Iterator[Change]:
    if isinstance(place.node, ast.Constant) and isinstance(place.node.value, float):
        yield ast.Constant(place.node.value / 2)


def _fortran_order(place: Place) -> Iterator[Change]:
    """Let a reshape read entries column by column."""
    match place.node:
        case ast.Call(func=ast.Attribute(attr="reshape"), keywords=keywords):
            yield _changed(place.node, keywords=[*keywords, ast.keyword("order", ast.Constant("F"))])


OPERATORS: dict[str, Operator] = {
    "drop term": _rules("A + B -> A; B", "A - B -> A; B"),
    "sign": _rules(
        "A + B -> A - B", "A - B -> A + B", "A += B -> A -= B", "A -= B -> A += B", "-A -> A", also=_negated
    ),
    "drop factor": _rules("A * B -> A; B", "A / B -> A"),
    "factor 2": _result("2 * A"),
    "1/N": _rules("len(A) -> A.size", "A.size -> len(A)", also=_over_n),
    "* and /": _rules("A * B -> A / B", "A / B -> A * B", "A *= B -> A /= B", "A /= B -> A *= B"),
    "power": _rules("A ** B -> A; A ** (B + 1); A ** -B", "A * A -> A ** 3"),
    "axis": _axis,
    "mean and sum": _rules("A.mean -> A.sum", "A.sum -> A.mean"),
    "transpose": _rules("A.T -> A", also=_transposed),
    "height and width": _sides,
    "padding": _rules(  # rows and columns swapped, or top and bottom, or left and right
        *(f"{p} -> {p}[::-1]; tuple(side[::-1] for side in {p})" for p in ("padding", "A.padding")),
        "top -> bottom", "bottom -> top", "left -> right", "right -> left",
    ),
    "comparison": _comparison,
    "mask": _rules("A & B -> A; B; A | B", "A | B -> A; B; A & B", also=_mask),
    # The smallest entry in place of the largest; the last of equal entries in place of the first.
    "tie": _rules("A.argmax -> A.argmin", "A.argmax(axis=K) -> A.shape[K] - 1 - np.flip(A, K).argmax(axis=K)"),
    "+= to =": _assigned,
    "off by one": _off_by_one,
    "reverse": _handed_on("A[::-1]", "A[:, ::-1]", "A[..., ::-1]"),
    "branch": _rules("A if B else C -> A; C", "not A -> A", also=_branch),
    "delete": _delete,
    "stale cache": _stale_cache,
    "variable": _rules("A.params -> A.grads", "A.grads -> A.params", also=_variable),
    "first row": _rules("A.T @ B -> A[:1].T @ B[:1]", also=_first_row),
    "in place": _in_place,
    "float32": _handed_on("(_v := A).astype(np.float32).astype(_v.dtype)"),  # rounded
    "float64": _handed_on("A.astype(np.float64)"),  # in a float32 run
    "redraw": _redraw,
    "unchanged": _unchanged,
    "zeros": _result("0 * A"),
    "function": _rules(*(f"A.{name} -> A.{other}" for name, other in FUNCTIONS.items()), also=_without),
    "arguments": _arguments,
    "flag": _rules("True -> False", "False -> True"),
    "constant": _halved,
    "order": _rules("reversed(A) -> A", also=_fortran_order),
}  # fmt: skip
