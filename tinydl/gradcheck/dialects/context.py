"""Static functions with a context: forward(ctx, x, ...) keeps in ctx the values that backward(ctx, dy) needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..reach import places_of
from .call import Settings, positional
from .names import BACKWARD, CONTEXT, FORWARD, LOSS, function_of, method_of
from .plain import Functions, Plain
from .trial import FAILED, copied, misfit


class Context(dict[Any, Any]):
    """The values that forward keeps for backward: attributes, items, or arguments of save_for_backward."""

    needs_input_grad = (True,) * 16

    def __init__(self, unwraps: bool = False) -> None:
        super().__init__()
        self.saved_tensors: tuple[Any, ...] = ()
        self.unwraps = unwraps  # whether a single saved value is returned without its tuple

    def save_for_backward(self, *values: Any) -> None:
        """Keep the values, for `saved_tensors`."""
        self.saved_tensors = values

    save = save_for_backward

    def mark_non_differentiable(self, *values: Any) -> None:
        """Do nothing: outputs without a gradient are recognized by their dtype."""

    mark_dirty = set_materialize_grads = mark_non_differentiable

    @property
    def saved_values(self) -> Any:
        """The saved values."""
        return self.saved_tensors[0] if self.unwraps and len(self.saved_tensors) == 1 else self.saved_tensors

    saved_variables = saved = saved_arrays = saved_values


class WithContext(Plain):
    """forward(ctx, x, ...) and backward(ctx, dy, ...), usually static; each forward gets a new context."""

    example = """
class Multiply:
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        return dy * b, dy * a
"""

    def __init__(self, subject: Any, inputs: dict[str, Any], settings: Settings) -> None:
        super().__init__(subject, inputs, settings)
        self.context, self.unwraps = Context(), False
        for places in (self.forward_places[0], self.backward_places[0]):
            del places[:1]
        own = [name for name in (*self.forward_places[0], *self.forward_places[1]) if name != self.mode]
        self.aliases = dict(zip(own, self.arguments, strict=False))

    @classmethod
    def recognize(cls, subject: Any, inputs: dict[str, Any], settings: Settings) -> bool:
        if callable(settings.forward) or callable(settings.backward):
            return False
        functions = [function for function in cls.functions(subject, settings) if function is not None]
        if len(functions) < 2:
            return False
        places = [positional(function)[:2] for function in functions]
        firsts = [(*needed, *more, "")[0] for needed, more in places]
        if all(CONTEXT.fullmatch(first) for first in firsts):
            return True
        one_more = len(places[0][0]) == len(inputs) + 1 and len(places[1][0]) >= 2
        if firsts[0] != firsts[1] or not one_more or firsts[0] in inputs:
            return False
        return isinstance(subject, Functions) or _is_static(subject, cls.named(subject, settings)[0])

    def settle(self) -> None:
        super().settle()
        if misfit(self) == FAILED:
            other = copied(self)
            other.unwraps = True
            self.unwraps = misfit(other) < FAILED

    def called(self, *arguments: Any) -> Any:
        self.context = Context(self.unwraps)
        by_keyword = self._by_keyword(arguments)
        places = arguments[: len(arguments) - len(by_keyword)]
        return self.the_forward(self.context, *places, **by_keyword, **self.keywords)

    def call_backward(self, places: list[Any], keywords: dict[str, Any]) -> Any:
        return self.the_backward(self.context, *places, **keywords)


def _is_static(subject: Any, name: Any) -> bool:
    """Whether a method is static, a class method, or a plain function of a subject that is itself a class."""
    try:
        found = inspect.getattr_static(subject, name)
    except AttributeError:
        return False
    return isinstance(found, staticmethod | classmethod) or (isinstance(subject, type) and inspect.isfunction(found))


def is_namespace(subject: Any) -> bool:
    """Whether a class can be used without an object: its forward can be called on the class and does not take self."""
    names = [method_of(subject, table) for table in (FORWARD, LOSS)] if isinstance(subject, type) else []
    for name in filter(None, names):
        first = (places_of(getattr(subject, name)) or ["self"])[0]
        if _is_static(subject, name) and first not in ("self", "this", "cls"):
            return True
    return False


def signature_of(
    subject: Any, forward: Any, count: int, table: Sequence[str] = FORWARD
) -> tuple[Callable[..., Any] | None, int]:
    """The function that takes the inputs, and how many arguments precede them (a context or the subject)."""
    if callable(forward):
        return forward, 1  # its first argument is the subject
    function = function_of(subject, forward, table)
    if function is None and callable(subject) and not isinstance(subject, type):
        function = subject
    if function is None:
        return None, 0
    first = (places_of(function) or [""])[0]
    backward = function_of(subject, None, BACKWARD)
    back = (places_of(backward) if backward is not None else []) or [""]
    same = first == back[0] and len(back) > 1 and count > 0 and len(positional(function)[0]) == count + 1
    name = forward or method_of(subject, table)
    static = isinstance(name, str) and _is_static(subject, name)
    return function, int(CONTEXT.fullmatch(first) is not None or (same and static))
