"""Copy the user's objects in another dtype, closures included; save and restore what cannot be copied."""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .reach import ATOMS, Partly, attribute, class_values, globals_of, held_by_class, is_users_array, reach

NO_MODULES = tuple(kind for kind in ATOMS if kind is not ModuleType)


def copy_as(root: Any, dtype: DTypeLike) -> Any:
    """A deep copy of root in which every floating-point array and every `dtype` attribute has the given dtype.

    An array shared within root stays shared, and views of a common vector stay views of one vector (copy.deepcopy
    alone would separate them), so a parameter changed in place changes everywhere. Functions are copied with their
    closures and defaults, so a bound method and a lambda around its object still share that object. Objects that
    cannot be copied (an open file, a lock) are shared with the original, and so is everything stored in a class.
    """
    target = np.dtype(dtype)
    memo: dict[int, Any] = {}  # {id of an object: its replacement, for deepcopy}
    bases: dict[int, NDArray[Any]] = {}
    twins: list[tuple[FunctionType, FunctionType]] = []
    bare: list[tuple[Any, Any]] = []
    cells: dict[int, CellType] = {}
    spaces: dict[int, dict[str, Any]] = {}  # {id of a module's globals: their copy, for copied functions}
    found = [thing for _, thing in reach(root, but=NO_MODULES)]
    shared = _shared(found)
    for thing in found:
        kind: Any = type(thing)
        if id(thing) in shared or isinstance(thing, ModuleType):  # self.xp = np
            memo[id(thing)] = thing
        elif isinstance(thing, np.ndarray) and thing.dtype.kind in ("fc" if target.kind == "c" else "f"):
            memo[id(thing)] = _array_as(thing, target, bases)
            if is_users_array(thing):
                bare.append((thing, memo[id(thing)]))
        elif isinstance(thing, FunctionType):
            if thing.__closure__ or thing.__defaults__ or thing.__kwdefaults__ or globals_of(thing):
                memo[id(thing)] = _empty_copy(thing, cells, spaces)
                twins.append((thing, memo[id(thing)]))
        elif _has_own_lookup(kind):
            memo[id(thing)] = (dict if isinstance(thing, dict) else object).__new__(kind)
            bare.append((thing, memo[id(thing)]))
        elif not _can_be_copied(thing):
            memo[id(thing)] = thing
        if isinstance(thing, Partly):
            memo.update({id(value): value for name, value in vars(thing).items() if name in thing.unwalked})
    for original, twin in twins:
        twin.__defaults__ = copy.deepcopy(original.__defaults__, memo)
        twin.__kwdefaults__ = copy.deepcopy(original.__kwdefaults__, memo)
        twin.__dict__.update(copy.deepcopy(original.__dict__, memo))
        for old, new in zip(original.__closure__ or (), twin.__closure__ or (), strict=True):
            with suppress(ValueError):  # the cell is not set yet
                new.cell_contents = copy.deepcopy(old.cell_contents, memo)
        for name in globals_of(original):
            twin.__globals__[name] = copy.deepcopy(original.__globals__[name], memo)
    for original, twin in bare:
        if isinstance(original, dict):
            dict.update(twin, {key: copy.deepcopy(value, memo) for key, value in dict.items(original)})
        vars(twin).update({name: copy.deepcopy(value, memo) for name, value in vars(original).items()})
    clone = copy.deepcopy(root, memo)
    with_dtype = any("dtype" in attribute(thing, "__dict__", ()) for thing in found)
    for _, thing in reach(clone) if with_dtype else ():
        attributes = attribute(thing, "__dict__", {})
        with suppress(TypeError):  # an attribute named dtype may have another meaning
            has_dtype = id(thing) not in shared and attributes.get("dtype") is not None
            if has_dtype and np.dtype(attributes["dtype"]).kind == "f":
                attributes["dtype"] = target
    return clone


def _shared(found: list[Any]) -> set[int]:
    """The ids of all objects reachable from classes: their arrays, and the globals that their methods use.

    A class is not copied, so its methods continue to use the originals.
    """
    roots = [value for thing in found for value in held_by_class(thing)]
    return {id(thing) for _, thing in reach(roots)} if roots else set()


def _empty_copy(function: FunctionType, cells: dict[int, CellType], spaces: dict[int, dict[str, Any]]) -> FunctionType:
    closure = tuple(cells.setdefault(id(cell), CellType()) for cell in function.__closure__ or ())
    space = function.__globals__
    if globals_of(function):
        space = spaces.setdefault(id(space), dict(space))
    twin = FunctionType(function.__code__, space, function.__name__, None, closure)
    twin.__qualname__, twin.__module__, twin.__doc__ = function.__qualname__, function.__module__, function.__doc__
    return twin


def _can_be_copied(thing: Any) -> bool:
    """Whether deepcopy accepts the object itself; the objects that it holds are tested separately."""
    if isinstance(thing, dict | list | tuple | set | frozenset | deque | np.ndarray | FunctionType | MethodType):
        return True
    kind: Any = type(thing)
    if _is_simple(kind):
        return True
    try:
        if hasattr(thing, "__deepcopy__"):
            copy.deepcopy(thing)
            return True
        reduced = thing.__reduce_ex__(4)
    except Exception:
        return False
    return isinstance(reduced, str | tuple)


@lru_cache(maxsize=1024)
def _has_own_lookup(kind: Any) -> bool:
    """Whether a class defines __new__ or __getattr__, which deepcopy would run on an object without attributes.

    Such an object is copied attribute by attribute (a dict also item by item), unless its class defines how.
    """
    if not (isinstance(kind.__new__, FunctionType) or hasattr(kind, "__getattr__")) or not kind.__dictoffset__:
        return False
    same = all(getattr(kind, name) is getattr(object, name) for name in ("__reduce_ex__", "__reduce__"))
    hooks = ("__deepcopy__", "__copy__", "__setstate__", "__getnewargs__", "__getnewargs_ex__", "__slots__")
    defined = any(hasattr(kind, name) for name in hooks)
    defined |= any("__getstate__" in vars(base) for base in kind.__mro__[:-1])
    layout = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    return same and not defined and layout in (object, dict)


@lru_cache(maxsize=1024)
def _is_simple(kind: Any) -> bool:
    """Whether a class is written in Python and leaves copying to `object`, which copies attribute by attribute."""
    in_python = any(isinstance(value, FunctionType) for value in vars(kind).values()) and kind.__base__ is object
    same = (getattr(kind, name) is getattr(object, name) for name in ("__reduce_ex__", "__reduce__"))
    own = hasattr(kind, "__deepcopy__") or "__getstate__" in vars(kind) or hasattr(kind, "__slots__")
    return in_python and all(same) and not own


def _array_as(array: NDArray[Any], target: np.dtype[Any], bases: dict[int, NDArray[Any]]) -> NDArray[Any]:
    if type(array) not in (np.ndarray, np.memmap):
        return bases.setdefault(id(array), array.astype(target))
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    if base is array or base.dtype != array.dtype or not base.flags.c_contiguous:
        return bases.setdefault(id(array), array.astype(target))
    new_base = bases.setdefault(id(base), base.astype(target))
    start = (array.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // base.itemsize
    strides = tuple(stride // base.itemsize * target.itemsize for stride in array.strides)
    return np.ndarray(array.shape, target, buffer=new_base, offset=start * target.itemsize, strides=strides)


class Snapshot:
    """The state of everything that a root reaches: the object behind every name, and the numbers in every array.

    `restore` restores this state, except for the numbers in the arrays of `but`, which the caller is moving.
    """

    def __init__(self, root: Any, but: Iterable[NDArray[Any]] = ()) -> None:
        self._globals: list[tuple[dict[str, Any], str, Any]] = []
        self._holders: list[tuple[Any, Any]] = []
        self._arrays: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self._classes: dict[tuple[type, str], Any] = {}
        self._locked: list[NDArray[Any]] = []
        moving = {_place(array) for array in but}
        for _, thing in reach(root):
            self._globals += [(place, name, place[name]) for name, place in globals_of(thing).items()]
            self._classes.update(class_values(thing))
            if isinstance(thing, np.ndarray) and not thing.flags.writeable:
                self._locked.append(thing)
            if isinstance(thing, np.ndarray):
                if _place(thing) not in moving and thing.flags.writeable and thing.dtype != object:
                    self._arrays.append((thing, thing.copy()))
            elif isinstance(thing, dict | list | deque | set):
                self._holders.append((thing, copy.copy(thing)))
            elif isinstance(attribute(thing, "__dict__"), dict):
                self._holders.append((thing.__dict__, dict(thing.__dict__)))

    def restore(self, but: Iterable[NDArray[Any]] = ()) -> None:
        for place, name, value in self._globals:
            place[name] = value
        for (kind, name), value in self._classes.items():
            if vars(kind).get(name) is not value:
                setattr(kind, name, value)
        for live, saved in self._holders:
            _refill(live, saved)
        moving = {_place(array) for array in but}
        for array, before in self._arrays:
            if not moving or _place(array) not in moving:
                array[...] = before
        for array in self._locked:
            array.flags.writeable = False


def _place(array: NDArray[Any]) -> int:
    """The address of an array's first entry, which two views of one array share."""
    return int(array.__array_interface__["data"][0])


def _refill(live: Any, saved: Any) -> None:
    if isinstance(live, dict):
        if len(live) != len(saved) or any(live.get(key, live) is not value for key, value in saved.items()):
            live.clear()
            live.update(saved)
    elif isinstance(live, list):
        live[:] = saved
    else:
        live.clear()
        (live.update if isinstance(live, set) else live.extend)(saved)


@contextmanager
def global_random_state_kept() -> Iterator[None]:
    """Restore NumPy's and Python's global generators afterwards, in case a layer draws from them."""
    before, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
        random.setstate(pythons)


@contextmanager
def state_kept(root: Any) -> Iterator[None]:
    """Restore the state of everything that a root reaches when the block ends."""
    snapshot = Snapshot(root)
    try:
        yield
    finally:
        snapshot.restore()
