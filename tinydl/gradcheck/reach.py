"""Everything that code can reach: attributes, containers, closures, bound methods and globals, each with its path."""

from __future__ import annotations

import inspect
import sysconfig
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import _lru_cache_wrapper, lru_cache, partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Step = tuple[str, Any]  # how one object leads to the next: ("attribute", "W"), ("item", 0), ("cell", "W") ...
Path = tuple[Step, ...]

ATOMS = (str, bytes, int, float, complex, type(None), type, ModuleType)
SIMPLE = {str, bytes, int, float, complex, bool, type(None)}  # those of them without subclasses, for speed
ROWS, SETS = (list, tuple, deque), (set, frozenset)
PLAIN = (dict, list, tuple, set, frozenset, deque, np.ndarray, FunctionType, MethodType, partial)
HOLDERS = (
    np.ndarray, np.random.Generator, np.random.RandomState, list, dict, deque, FunctionType, _lru_cache_wrapper,
)  # fmt: skip
MEMOISED = _lru_cache_wrapper  # the type of a function decorated with functools.lru_cache
LIBRARIES = ("<frozen", *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")))
OWN = __name__.partition(".")[0]


class Partly:
    """Base of the checker's own classes that name attributes for walks to leave out and for copies to share.

    These hold nothing of the user's, and are only assigned anew, never changed in place. It is a class and not an
    attribute's name alone, because a user's class could hide its weights by the same name.
    """

    unwalked: frozenset[str] = frozenset()


def reach(root: Any, but: tuple[type, ...] = ATOMS) -> Iterator[tuple[Path, Any]]:
    """Every object reachable from root, once, with the path that leads to it; objects of the types `but` are left out.

    Classes and modules are shared, so they are not entered. Closures and defaults of functions are entered. For the
    user's own functions and classes, so are the arrays, generators and containers among the globals that they use,
    and the arrays stored in the class.
    """
    seen: dict[int, Any] = {}  # the objects themselves, because the id of one that is gone may be used again
    waiting: list[tuple[Path, Any]] = [((), root)]
    while waiting:
        path, thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, but):
            continue
        seen[id(thing)] = thing
        yield path, thing
        for step, value in reversed(inside(thing)):
            if type(value) not in SIMPLE:
                waiting.append(((*path, step), value))


def inside(thing: Any) -> list[tuple[Step, Any]]:
    """The objects that one object holds, each with the step that leads to it."""
    if isinstance(thing, dict):
        return [(("item", key), value) for key, value in thing.items()]
    if isinstance(thing, np.ndarray):
        return _inside_array(thing) if type(thing) is not np.ndarray or thing.dtype.kind in "OV" else []
    if isinstance(thing, ROWS):
        return [(("item", place), value) for place, value in enumerate(thing)]
    if isinstance(thing, SETS):
        return [(("member", place), value) for place, value in enumerate(thing)]
    if isinstance(thing, MethodType):
        return [(("self", None), thing.__self__), (("function", None), thing.__func__)]
    if isinstance(thing, partial):
        return [
            (("function", None), thing.func),
            (("arguments", None), thing.args),
            (("keywords", None), thing.keywords),
        ]
    if isinstance(thing, FunctionType):
        return _inside_function(thing)
    if isinstance(thing, weakref.ref):
        return [(("referent", None), thing())]
    if isinstance(thing, MEMOISED):
        return [(("wrapped", None), thing.__wrapped__)]
    kind: Any = type(thing)
    users = _has_users_methods(kind)
    if not users and attribute(thing, "__name__") is not None:  # built-in functions and the like
        return []
    own = attribute(thing, "__dict__", {})
    unwalked = kind.unwalked if isinstance(thing, Partly) else ()
    found: list[tuple[Step, Any]] = [(("attribute", n), value) for n, value in own.items() if n not in unwalked]
    shared = (*_slots(kind), *_class_array_names(kind))
    found += [(("attribute", n), value) for n in shared if n not in own and (value := attribute(thing, n)) is not None]
    if not users:
        return found
    found += [(("class cell", name), value) for name, value in _class_cells(kind).items()]
    return found + [(("global", name), place[name]) for name, place in globals_of(thing).items()]


def attribute(thing: Any, name: str, default: Any = None) -> Any:
    """An attribute of the user's object; the default also if a property or a `__getattr__` raises any other error."""
    try:
        return getattr(thing, name, default)
    except Exception:
        return default


def _inside_array(thing: NDArray[Any]) -> list[tuple[Step, Any]]:
    """The objects in an object array, the fields of a structured array, the attributes of a user's kind of array."""
    if thing.dtype == object:
        return [(("item", place), value) for place, value in np.ndenumerate(thing)]
    found: list[tuple[Step, Any]] = [(("item", name), thing[name]) for name in thing.dtype.names or ()]
    own = attribute(thing, "__dict__", {}) if is_users_array(thing) else {}
    return found + [(("attribute", name), value) for name, value in own.items()]


def is_users_array(thing: NDArray[Any]) -> bool:
    """Whether an array is of a class of the user's, which may keep a gradient in an attribute."""
    return type(thing) is not np.ndarray and not type(thing).__module__.startswith("numpy")


def caches_of(thing: Any) -> list[Any]:
    """The caches of functools.lru_cache that an object is, or that decorate methods of its class."""
    kind: Any = type(thing)
    return [thing] if isinstance(thing, MEMOISED) else list(_caches_of_class(kind))


@lru_cache(maxsize=1024)
def _caches_of_class(kind: Any) -> tuple[Any, ...]:
    return tuple(value for base in kind.__mro__ for value in vars(base).values() if isinstance(value, MEMOISED))


def _inside_function(function: FunctionType) -> list[tuple[Step, Any]]:
    found: list[tuple[Step, Any]] = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found.append((("cell", name), cell.cell_contents))
        except ValueError:  # the cell is not set yet
            continue
    found += [(("default", place), value) for place, value in enumerate(function.__defaults__ or ())]
    found += [(("keyword default", name), value) for name, value in (function.__kwdefaults__ or {}).items()]
    found += [(("attribute", name), value) for name, value in function.__dict__.items()]
    return found + [(("global", name), place[name]) for name, place in globals_of(function).items()]


def globals_of(thing: Any) -> dict[str, dict[str, Any]]:
    """{name: the globals that hold it} for each global used by the user's function or by methods of the user's class.

    Only globals that can hold numbers count: arrays, generators, containers, functions and the user's objects.
    """
    kind: Any = type(thing)
    names = _names_of(thing) if isinstance(thing, FunctionType) else _names_in_class(kind)
    return {name: place for name, place in names if name in place and _can_hold_numbers(place[name])} if names else {}


def held_by_class(thing: Any) -> list[Any]:
    """The values that copies share with the original: the class's arrays, its methods' globals, a weak reference's."""
    if isinstance(thing, weakref.ref | MEMOISED):
        return [value for _, value in inside(thing)]
    kind: Any = type(thing)
    if kind in PLAIN or isinstance(thing, ATOMS) or not _has_users_methods(kind):
        return []
    own = attribute(thing, "__dict__", {})
    arrays = [getattr(kind, name) for name in _class_array_names(kind) if name not in own]
    arrays += _class_cells(kind).values()
    return arrays + [place[name] for name, place in globals_of(thing).items()]


def class_values(thing: Any) -> dict[tuple[type, str], Any]:
    """What stands in the classes of a user's object, methods excepted, by class and name."""
    kind: Any = type(thing)
    if kind in PLAIN or isinstance(thing, ATOMS) or not _has_users_methods(kind):
        return {}
    return {
        (base, name): value
        for base in kind.__mro__
        if base is not object
        for name, value in vars(base).items()
        if not name.startswith("__") and not callable(value) and not hasattr(value, "__get__")
    }


def _can_hold_numbers(value: Any) -> bool:
    if isinstance(value, ATOMS):
        return False
    kind: Any = type(value)
    return isinstance(value, HOLDERS) or (kind.__module__ != "builtins" and _has_users_methods(kind))


def is_users(function: Any) -> bool:
    """Whether a function was written by the user rather than in tinydl or a library."""
    if not isinstance(function, FunctionType):
        return False
    module = str(function.__globals__.get("__name__", ""))
    return module.partition(".")[0] != OWN and not function.__code__.co_filename.startswith(LIBRARIES)


def _names_of(function: FunctionType) -> list[tuple[str, dict[str, Any]]]:
    return [(name, function.__globals__) for name in _names_in(function.__code__)] if is_users(function) else []


@lru_cache(maxsize=1024)
def _names_in_class(kind: Any) -> list[tuple[str, dict[str, Any]]]:
    """The globals that the user's methods of a class use; [] for a library's class."""
    found: dict[tuple[int, str], tuple[str, dict[str, Any]]] = {}
    for base in kind.__mro__:
        for value in vars(base).values():
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            for name, place in _names_of(inspect.unwrap(function)) if isinstance(function, FunctionType) else ():
                found.setdefault((id(place), name), (name, place))
    return list(found.values())


@lru_cache(maxsize=4096)
def _names_in(code: CodeType) -> tuple[str, ...]:
    nested = (name for constant in code.co_consts if isinstance(constant, CodeType) for name in _names_in(constant))
    return tuple(dict.fromkeys((*code.co_names, *nested)))


@lru_cache(maxsize=1024)
def _slots(kind: Any) -> tuple[str, ...]:
    if kind.__module__ == "builtins" or issubclass(kind, np.random.Generator | np.random.RandomState | np.ndarray):
        return ()
    slots = [vars(base).get("__slots__", ()) for base in kind.__mro__]
    names = (name for each in slots for name in ((each,) if isinstance(each, str) else each))
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))


@lru_cache(maxsize=1024)
def _class_array_names(kind: Any) -> tuple[str, ...]:
    """The names of arrays, containers and floats stored in the user's class itself, not in its objects."""
    if not _has_users_methods(kind):
        return ()
    held = (list, dict, float, np.ndarray, np.random.Generator)
    values = {name: value for base in reversed(kind.__mro__) for name, value in vars(base).items()}
    return tuple(name for name, value in values.items() if isinstance(value, held) and not name.startswith("__"))


def _class_cells(kind: Any) -> dict[str, Any]:
    """What the methods of the user's class have in their closures, as in a class that a function defines."""
    found: dict[str, Any] = {}
    for name, cell in _cells_of_class(kind):
        try:
            found.setdefault(name, cell.cell_contents)
        except ValueError:  # not yet set
            continue
    return found


@lru_cache(maxsize=1024)
def _cells_of_class(kind: Any) -> list[tuple[str, Any]]:
    methods = [(name, value) for base in kind.__mro__ for name, value in vars(base).items()]
    # __init__ uses its closure once, to make what the object holds.
    functions = [getattr(value, "__func__", value) for name, value in methods if name != "__init__"]
    return [
        (name, cell)
        for function in functions
        if is_users(function)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        if name != "__class__"
    ]


@lru_cache(maxsize=1024)
def _has_users_methods(kind: Any) -> bool:
    values = (getattr(value, "__func__", value) for base in kind.__mro__ for value in vars(base).values())
    return any(is_users(value) for value in values)


def at(root: Any, path: Path) -> Any:
    """The object at the end of a path; KeyError, IndexError or AttributeError if there is none."""
    for step in path:
        kind, key = step
        root = getattr(root, key) if kind == "attribute" else root[key] if kind == "item" else _next(root, step)
    return root


def _next(holder: Any, step: Step) -> Any:
    kind, key = step
    if kind == "class cell":
        return _class_cells(type(holder))[key]
    if kind == "cell":
        return _cell(holder, key).cell_contents
    if kind == "global":
        return globals_of(holder)[key][key]
    if kind == "default":
        return holder.__defaults__[key]
    if kind == "keyword default":
        return holder.__kwdefaults__[key]
    if kind == "member":
        return list(holder)[key]
    if kind == "referent":
        return holder()
    if kind == "wrapped":
        return holder.__wrapped__
    if isinstance(holder, MethodType):
        return holder.__self__ if kind == "self" else holder.__func__
    return {"function": holder.func, "arguments": holder.args, "keywords": holder.keywords}[kind]


def put(root: Any, path: Path, value: Any) -> None:
    """Make a path lead to another object; TypeError if that is impossible (in a tuple)."""
    holder, (kind, key) = at(root, path[:-1]), path[-1]
    if kind == "attribute":
        setattr(holder, key, value)
    elif kind == "item":
        holder[key] = value
    elif kind == "cell":
        _cell(holder, key).cell_contents = value
    elif kind == "class cell":
        owner: Any = type(holder)
        dict(_cells_of_class(owner))[key].cell_contents = value
    elif kind == "global":
        globals_of(holder)[key][key] = value
    else:
        raise TypeError(f"{text(path)} cannot be replaced")


def _cell(function: FunctionType, name: str) -> Any:
    return (function.__closure__ or ())[function.__code__.co_freevars.index(name)]


def text(path: Path) -> str:
    """The path as a user would write it: cell.W, layers[0].W, params['W']."""
    written = ""
    for kind, key in path:
        if kind in ("item", "member"):
            written += f"[{key!r}]"
        elif kind in ("attribute", "cell", "class cell", "global", "keyword default"):
            written = f"{written}.{key}" if kind == "attribute" and written else str(key)
        elif kind == "default":
            written = f"default {key}"
    return written or "it"


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """A function's arguments by name; empty for built-in functions without a signature.

    For a decorated function, these are the arguments of the function inside, even if the decorator hides them.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    inner = _decorated(function) if {p.kind for p in parameters.values()} == ANYTHING else None
    if inner is None:
        return parameters
    own = parameters_of(inner)
    return dict(list(own.items())[1:]) if isinstance(function, MethodType) else own


ANYTHING = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def _decorated(function: Any) -> FunctionType | None:
    """The only function in the closure of a wrapper that takes (*args, **kwargs), or (self, *args, **kwargs)."""
    wrapper = getattr(function, "__func__", function)
    cells = _inside_function(wrapper) if isinstance(wrapper, FunctionType) else []
    inner = [value for (kind, _), value in cells if kind == "cell" and isinstance(value, FunctionType)]
    return inner[0] if len(inner) == 1 else None


def places_of(function: Callable[..., Any]) -> list[str]:
    """The names of a function's arguments that can be passed by position."""
    parameters = parameters_of(function).values()
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
