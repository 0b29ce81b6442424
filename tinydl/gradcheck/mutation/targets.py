"""Targets of mutation: a class with all the code that its forward, backward and penalty run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType, ModuleType
from typing import Any

from .rewriting import Mutant, definition_of, mutants_of
from .trial import Case, Point, Trial, points_of

ROOTS = ("forward", "backward", "penalty", "zero_grad", "grads", "params")


@dataclass(frozen=True)
class Site:
    """A function that a target runs; `holder` is the class or table that contains it, None for a module's function."""

    name: str
    function: FunctionType
    holder: Any = None
    key: Any = None


@dataclass(frozen=True)
class Target:
    """A class whose code is mutated, and the cases on which its mutants are checked.

    Args:
        subject: the class
        cases: the cases on which mutants are checked
        more: further cases, on which mutants that pass every check are compared with the original
        variants: named sets of attributes with which the class works differently; mutants are compared with each set
        contract: a base class (such as Layer) whose methods contain no math and are not mutated
        context: a context in which Python functions run instead of their compiled twins, if a library has any
    """

    subject: type
    cases: Sequence[Case]
    more: Sequence[Case] = ()
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    contract: type = object
    context: Callable[[], AbstractContextManager[Any]] = nullcontext

    @property
    def name(self) -> str:
        return self.subject.__name__

    @cached_property
    def sites(self) -> list[Site]:
        """All functions that forward, backward and penalty run, found by following the names that they use."""
        found: dict[FunctionType, Site] = {}
        with self.context():
            waiting = [self._method(name) for name in ROOTS]
            while waiting:
                site = waiting.pop(0)
                if site is None or site.function in found:
                    continue
                found[site.function] = site
                waiting += self._used_by(site.function)
        # A function that ends by raising is only a check.
        return [site for site in found.values() if not isinstance(definition_of(site.function).body[-1], ast.Raise)]

    def mutants(self) -> Iterator[tuple[Site, Mutant]]:
        return ((site, mutant) for site in self.sites for mutant in mutants_of(site.function))

    @cached_property
    def points(self) -> list[Point]:
        """Every case in many variations, and each case of `more` unchanged."""
        found: list[Point] = []
        for case in self.cases:
            points = points_of(case, self.variants)
            found += points if type(case.subject) is self.subject else [next(points)]
        return found + [next(points_of(case)) for case in self.more]

    @cached_property
    def originals(self) -> list[Trial]:
        """A trial of the unchanged class at every point."""
        with self.context():
            return [Trial(point) for point in self.points]

    def _method(self, name: str, above: type | None = None) -> Site | None:
        """The function behind a class attribute (for super(), of a base class); None if the contract defines it."""
        ancestors = self.subject.__mro__
        for holder in ancestors[ancestors.index(above) + 1 :] if above else ancestors:
            if name in vars(holder):
                value = vars(holder)[name]
                value = value.fget if isinstance(value, property) else value
                if holder is not self.contract and isinstance(value, FunctionType):
                    return Site(f"{holder.__name__}.{name}", value, holder, name)
                return None
        return None

    def _used_by(self, function: FunctionType) -> Iterator[Site | None]:
        own = next((kind for kind in self.subject.__mro__ if function in vars(kind).values()), None)
        definition = definition_of(function)
        types = {a.arg: _resolved(a.annotation, function.__globals__) for a in definition.args.args if a.annotation}
        for node in ast.walk(definition):
            if isinstance(node, ast.Attribute):
                of = node.value
                if isinstance(of, ast.Name) and of.id == "self" and node.attr.startswith("_"):
                    yield self._method(node.attr)
                elif isinstance(of, ast.Name) and isinstance(kind := types.get(of.id), type):  # from its annotation
                    method = vars(kind).get(node.attr)
                    if isinstance(method, FunctionType) and self._is_own(method):
                        yield Site(f"{kind.__name__}.{node.attr}", method, kind, node.attr)
                elif isinstance(of, ast.Call) and isinstance(of.func, ast.Name) and of.func.id == "super":
                    yield self._method(node.attr, own)
            if isinstance(node, ast.Attribute | ast.Name):
                yield from self._functions(node, _resolved(node, function.__globals__))

    def _is_own(self, function: FunctionType) -> bool:
        return _package(function.__module__) == _package(self.subject.__module__)

    def _functions(self, node: ast.Attribute | ast.Name, value: Any) -> Iterator[Site]:
        """The site of a function of the same package, or the sites of the functions in a dict."""
        name = node.attr if isinstance(node, ast.Attribute) else node.id
        if isinstance(value, dict):
            for key, entry in value.items():
                if isinstance(entry, FunctionType):
                    yield Site(f"{name}[{key!r}]", entry, value, key)
        elif isinstance(value, FunctionType) and self._is_own(value):
            yield Site(f"{value.__module__.split('.')[-1]}.{name}", value)


def _resolved(node: ast.expr, names: dict[str, Any]) -> Any:
    """The object behind a name or a dotted name of modules; None for any other expression."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _resolved(node.value, names)
        return getattr(owner, node.attr, None) if isinstance(owner, ModuleType) else None
    return None


def _package(module: str) -> str:
    return module.split(".")[0]


@contextmanager
def installed(site: Site, function: FunctionType) -> Iterator[None]:
    """Replace the site's function in all code for the duration of the block."""
    if site.holder is not None:
        places = [(site.holder, site.key)]
    else:
        package = _package(site.function.__module__)
        modules = [module for name, module in list(sys.modules.items()) if _package(name) == package]
        places = [(m, name) for m in modules for name, value in vars(m).items() if value is site.function]
    before = [(holder if isinstance(holder, dict) else vars(holder))[key] for holder, key in places]
    for holder, key in places:
        _put(holder, key, property(function, before[0].fset) if isinstance(before[0], property) else function)
    try:
        yield
    finally:
        for (holder, key), value in zip(places, before, strict=True):
            _put(holder, key, value)


def _put(holder: Any, key: Any, value: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = value
    else:
        setattr(holder, key, value)
