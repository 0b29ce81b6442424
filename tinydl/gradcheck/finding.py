"""Find the arrays that forward's result depends on, and the gradient of each, by behavior.

An array is a dependency if moving it changes the result. A gradient is an array of the same shape that backward wrote
or returned. Names and places pair most arrays with their gradients (see `kinship`); the numbers settle any doubt.
"""

from __future__ import annotations

import re
from array import array as buffer
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dialects.call import Call
from .objective import moved
from .reach import Path, at, attribute, inside, reach, text

Array = NDArray[Any]
Walk = Sequence[tuple[Path, Any]]  # everything that an object reaches, each with its path

BEFORE = (
    r"(d|dd|grad|grads|gradient|gradients|gradof|gradw?r?t|nabla|delta|del|partial|diff|g|acc?|accum|sum|total|my|new)"
)
OF_LOSS = r"(d[ljecf]?(oss|ost)?d|grad|gradient)"
AFTER = r"(grad|grads|gradient|gradients|g|d|delta|diff|prime|dot|bar|der|deriv|derivative|acc|sum|total|update)"


def arrays_in(walk: Iterable[tuple[Path, Any]]) -> dict[Path, Array]:
    """Every floating-point array of a walk, by its path."""
    return {path: thing for path, thing in walk if isinstance(thing, np.ndarray) and thing.dtype.kind in "fc"}


def dependencies(walk: Walk, outputs: Callable[[list[Array]], Array], but: Iterable[Array]) -> dict[Path, Array]:
    """The arrays of a walk that change forward's result when they are moved, except for those of `but`.

    `outputs` computes the result; its argument lists the arrays being moved, which it must not restore. An array that
    only stores a value of the pass is overwritten by the next pass, so moving it changes nothing.
    """
    ignored = list(but)
    held = {
        path: array
        for path, array in arrays_in(walk).items()
        if array.size and _writeable(array) and not any(np.shares_memory(array, other) for other in ignored)
    }
    if not held:
        return {}
    plain = {path: np.asarray(array) for path, array in held.items()}  # a matrix or a masked array moves otherwise
    base = outputs([])
    rng = np.random.default_rng(0)
    # Different sizes and signs, because moving all logits by one constant does not change a softmax.
    steps = {
        id(array): (1.0 + np.abs(array)) * rng.choice([-1.0, 1.0], array.shape) * rng.uniform(0.5, 1.5, array.shape)
        for array in plain.values()
    }

    def matters(arrays: list[Array]) -> bool:
        for size in (1e-3, 0.3):
            with moved(arrays, [steps[id(array)] for array in arrays]) as move:
                move(size)
                try:
                    if not np.array_equal(outputs(arrays), base, equal_nan=True):
                        return True
                except Exception:  # an error shows that forward read them
                    return True
        return False

    if not matters(list(plain.values())):
        return {}
    shortest = _shortest_paths(walk)
    return {shortest.get(id(array), path): array for path, array in held.items() if matters([plain[path]])}


def buffers(walk: Walk, outputs: Callable[[list[Array]], Array]) -> dict[Path, buffer]:
    """The floating-point arrays of Python's module `array` that change forward's result when they are moved."""
    held = {path: thing for path, thing in walk if isinstance(thing, buffer) and thing.typecode in "fd"}
    found = {}
    for path, thing in held.items():
        base, saved = outputs([]), thing[:]
        thing[:] = buffer(thing.typecode, (1.3 * value + 0.1 for value in thing))
        try:
            if not np.array_equal(outputs([]), base, equal_nan=True):
                found[path] = saved
        except Exception:  # as above
            found[path] = saved
        thing[:] = saved
    return found


def _writeable(array: Array) -> bool:
    """Whether an array can be moved; one that is locked is unlocked for the check."""
    try:
        array.flags.writeable = True
    except ValueError:
        return False
    return True


def _shortest_paths(walk: Walk) -> dict[int, Path]:
    """The shortest path to each array: an array that several objects share belongs to the outermost of them."""
    found: dict[int, Path] = {}
    for path, thing in walk:
        for step, value in () if isinstance(thing, np.ndarray) else inside(thing):
            if isinstance(value, np.ndarray) and len(path) + 1 < len(found.get(id(value), (*path, step, step))):
                found[id(value)] = (*path, step)
    return found


def listed(call: Call, kind: str = "params") -> dict[str, Path]:
    """The paths of the arrays in the subject's dict `params` (or `grads`), which may be a property, by their keys."""
    params = attribute(call.subject, kind)
    if not isinstance(params, dict):
        return {}
    root: Path = (("attribute", "subject"), ("attribute", kind))
    return {
        str(name): (*root, ("item", name))
        for name, array in params.items()
        if isinstance(array, np.ndarray) and array.dtype.kind in "fc" and array.size
    }


def named(paths: Iterable[Path], taken: Iterable[str] = ()) -> dict[str, Path]:
    """Short names for paths: W for self.W and for params["W"] alike, if that is unique, else longer names."""
    paths = list(paths)
    used = set(taken)
    shortest = [short_name(path) for path in paths]
    result: dict[str, Path] = {}
    for path, short in zip(paths, shortest, strict=True):
        unique = short not in used and shortest.count(short) == 1
        name = short if unique else long_name(path)
        result[name if name not in used and name not in result else f"self.{name}"] = path
    return result


def short_name(path: Path) -> str:
    """The last name on a path: W for layers[0].W; for the data of a parameter object, the object's name."""
    kind, key = path[-1]
    if kind == "referent":
        return short_name(path[:-1])
    if kind == "item" and isinstance(key, str):
        return key
    if kind == "attribute" and key in ("data", "value", "val", "w_") and len(path) > 1:
        return short_name(path[:-1]) if path[-2][0] != "item" or isinstance(path[-2][1], str) else long_name(path)
    return str(key) if kind in ("attribute", "cell", "class cell", "global") else long_name(path)


def long_name(path: Path) -> str:
    """The whole path without steps that mean nothing to the user: layers[0].W, also for layers[0].params["W"]."""
    shown: list[tuple[str, Any]] = []
    for step in path:
        if shown and shown[-1] == ("attribute", "params") and step[0] == "item" and isinstance(step[1], str):
            shown[-1] = ("attribute", step[1])
        elif step not in (("attribute", "subject"), ("self", None)):
            shown.append(step)
    if len(shown) > 2 and shown[-1] in (("attribute", "data"), ("attribute", "value")):
        del shown[-1]  # the data of a parameter object
    return text(tuple(shown))


# --- gradients --------------------------------------------------------------------------------------------------------


def held_by(call: Call, walk: Walk) -> dict[Path, Array]:
    """All arrays of a call by path; arrays that backward returned or `grads` lists have such a path as well."""
    root: Path = (("attribute", "returned"),)
    returned = {(*root, *path): array for path, array in arrays_in(reach(call.returned)).items()}
    grads = {path: at(call, path) for path in listed(call, "grads").values()}
    return {**numbers_in(walk), **arrays_in(walk), **returned, **grads}


def numbers_in(walk: Walk) -> dict[Path, Array]:
    """The numbers that a call's subject holds, as arrays without axes, because a scalar's gradient may be a number."""
    return {
        (*path, step): np.asarray(value)
        for path, thing in walk
        if path and path[0] == ("attribute", "subject") and not isinstance(thing, np.ndarray)
        for step, value in inside(thing)
        if isinstance(value, float | np.floating)
    }


def written(before: dict[Path, tuple[int, bytes]], after: dict[Path, Array]) -> dict[Path, Array]:
    """The arrays that a backward pass wrote, made or returned: the candidates for gradients."""

    def same(path: Path, array: Array) -> bool:
        was = before.get(path)
        return was is not None and was[0] in (0, id(array)) and was[1] == array.tobytes()

    returned = ("attribute", "returned")
    return {path: array for path, array in after.items() if path[0] == returned or not same(path, array)}


def state_of(call: Call) -> dict[Path, tuple[int, bytes]]:
    """A record of the arrays before backward, for comparison with those after it."""
    walk = list(reach(call))
    numbers = {path: (0, number.tobytes()) for path, number in numbers_in(walk).items()}
    return {**numbers, **{path: (id(array), array.tobytes()) for path, array in arrays_in(walk).items()}}


def kinship(array: Path, gradient: Path) -> int:
    """How clearly names and places show that one path is the gradient of another: 0 (not at all) to 8.

    8  returned under the array's own path
    7  the same key in two dicts or lists of one holder, the second named for gradients: params["W"], grads["W"]
    5  a usual name for W's gradient: dW, grad_W, nabla_W, W_grad, dLdW; or one object's only pair: p.data, p.grad
    4  parallel places: params.W and grads.W
    3  returned under the array's name, or the same key in two other dicts or lists
    2  the gradient's name contains the array's
    """
    same_length = len(array) == len(gradient)
    differing = [k for k, (a, b) in enumerate(zip(array, gradient, strict=False)) if a != b] if same_length else []
    ours, theirs = array[-1], gradient[-1]
    if gradient[0] == ("attribute", "returned"):
        key = gradient[-1][1]
        if key == array:
            return 8
        if isinstance(key, str) and gradient[-1][0] == "item":
            own = str(ours[1]).lower()
            return 3 if own == key.lower() or is_gradient_name(str(ours[1]), key) else 0
        return 0
    if same_length and len(differing) == 1 and differing[0] == len(array) - 2 and ours[0] == "item":
        return 7 if _holds_gradients(gradient[-2]) else 3
    if same_length and differing == [len(array) - 1] and _names(ours, theirs):
        if is_gradient_name(str(ours[1]), str(theirs[1])):
            return 5
        if ours[1] in ("data", "value", "val", "param") and theirs[0] == "attribute":
            return 5
    if same_length and len(differing) == 1 and differing[0] < len(array) - 1:
        return 4 if _holds_gradients(gradient[differing[0]]) else 2
    if _names(ours, theirs) and is_gradient_name(str(ours[1]), str(theirs[1])):
        return 4 if array[:-2] == gradient[:-2] or array[:-1] == gradient[:-2] or array[:-2] == gradient[:-1] else 2
    if same_length and array[:-1] == gradient[:-1] and _names(ours, theirs) and _contains(str(ours[1]), str(theirs[1])):
        return 2
    return 0


def _holds_gradients(step: tuple[str, Any]) -> bool:
    """Whether the name of a dict, list or object means gradients: grads, d_params, dWs, nabla, deltas."""
    return (
        isinstance(step[1], str)
        and re.match(r".*grad|d[_A-Z]|d(params?|weights?|theta|w|b)|.*delta|nabla|g$|gs$", step[1]) is not None
    )


def _names(ours: tuple[str, Any], theirs: tuple[str, Any]) -> bool:
    return isinstance(ours[1], str) and isinstance(theirs[1], str)


def is_gradient_name(name: str, other: str) -> bool:
    """Whether `other` is a usual name for the gradient of `name`: dW, grad_W, nabla_W, W_grad, dLdW, dL_dW, ..."""
    bare, given = (each.lower().replace("_", "") for each in (name, other))
    if not bare or bare == given:
        return False
    if given.endswith(bare) and re.fullmatch(f"{BEFORE}+|{OF_LOSS}", given[: -len(bare)]):
        return True
    return given.startswith(bare) and re.fullmatch(f"{AFTER}+", given[len(bare) :]) is not None


def _contains(name: str, other: str) -> bool:
    """Whether `name` is one of the words in `other`: W is one in nabla_W_total, but b is not one in nabla."""
    parts = [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", other)]
    return name.lower().strip("_") in parts or f"_{name.lower()}_" in f"_{other.lower()}_"


def pair(
    arrays: dict[str, Path], shapes: dict[str, tuple[int, ...]], candidates: dict[Path, Array], held: dict[Path, Array],
    chosen: dict[str, Path], inputs: list[str], must_fit: bool = False,
) -> tuple[dict[str, Path], dict[str, list[Path]]]:  # fmt: skip
    """The gradients that names and places identify, and the remaining candidates for each other array.

    A clear name identifies a gradient of any shape (a wrong shape is a fault to report); otherwise only candidates of
    the array's own shape are considered. `held` contains all arrays, and `chosen` the gradients that the caller named.
    With `must_fit`, positions in a longer result do not identify the inputs' gradients.
    """
    settled = dict(chosen)
    own = set(arrays.values())
    free = {path: array for path, array in candidates.items() if path not in own and path not in settled.values()}
    free |= {  # gradients that backward never writes, known by their names alone
        other: array
        for other, array in held.items()
        if other not in own and other not in free and any(kinship(path, other) >= 5 for path in arrays.values())
    }
    for name, path in by_position(free, shapes, [name for name in inputs if name in arrays], must_fit).items():
        settled.setdefault(name, path)
    ranks: list[tuple[int, int, str, Path]] = []
    for name, path in arrays.items():
        for other, array in free.items() if name not in settled else ():
            if other in settled.values():
                continue
            rank = kinship(path, other)
            fits = array.shape == shapes[name]
            if rank >= 5 or (rank and fits):
                exact = str(path[-1][1]) in str(other[-1][1])  # W before w, for dW
                ranks.append((2 * rank + fits, int(exact), name, other))
    for _, _, name, other in sorted(ranks, key=lambda row: row[:2], reverse=True):
        if name not in settled and other not in settled.values():
            settled[name] = other
    left = {path: array for path, array in free.items() if path not in settled.values()}
    doubtful = {
        name: [path for path, array in left.items() if array.shape == shapes[name]]
        for name in arrays
        if name not in settled
    }
    return settled, doubtful


def by_position(
    candidates: dict[Path, Array], shapes: dict[str, tuple[int, ...]], inputs: list[str], must_fit: bool = False
) -> dict[str, Path]:
    """The inputs' gradients in backward's result: its first arrays, in the order of the inputs.

    A lone array is x's gradient even if its shape is wrong. In a longer result, arrays whose shapes do not fit are
    skipped, and the numbers decide if an array may also be the gradient of a parameter.
    """
    returned = [path for path in candidates if path[0] == ("attribute", "returned") and isinstance(path[-1][1], int)]
    returned.sort(key=lambda path: [key for _, key in path[1:]])
    if len(returned) == len(inputs):
        return dict(zip(inputs, returned, strict=True))
    if must_fit:
        return {}
    found: dict[str, Path] = {}
    for name in inputs:
        fitting = [path for path in returned if candidates[path].shape == shapes[name] and path not in found.values()]
        others = any(shape == shapes[name] for other, shape in shapes.items() if other not in inputs)
        if fitting and not (others and len(fitting) > 1) and (len(returned) >= len(inputs) or len(inputs) == 1):
            found[name] = fitting[0]
    return found
