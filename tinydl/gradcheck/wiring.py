"""Wire a call: find the arrays that forward depends on, and their gradients, for every copy of the call."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import finding
from .adapted import Adapted, find
from .attributes import move_all
from .copying import copy_as
from .dialects.call import Call
from .dialects.preparing import is_built_anew
from .limits import at_most
from .numeric import CentralDifferences
from .objective import Objective
from .options import Options
from .reach import Path, inside, put, reach
from .report import CONSTANT, NOT_CHECKED, ArrayReport
from .rules import Rules, first_output, upstream
from .runner import Runner
from .subject import Subject

Array = NDArray[Any]

MOST_PROBES = 8  # entries whose slopes decide which of several arrays is a gradient
FITS = 1e-4  # relative: a gradient that agrees with the slopes to this is the right one
PLAUSIBLE = 0.3  # correlation with the slopes above which an array may be meant as the gradient, although it is wrong


def wire(
    call: Call, name: str, x_name: str, options: Options, gradients: Mapping[str, Any], constants: Sequence[str],
    scale: Any = None, precision: DTypeLike = np.float64,
) -> Subject:  # fmt: skip
    """Find arrays and gradients by running the call; an array without a gradient becomes a row "not checked".

    precision: float32 for code that accepts no other; all copies are then in float32.
    """
    x = call.inputs[x_name]
    x = x.astype(precision) if _floats(x) else x
    boxes: dict[Path, Path] = {}

    def bare(dtype: DTypeLike) -> Call:
        dtype = dtype if precision == np.float64 else precision
        copy: Call = copy_as(call, dtype)
        if is_built_anew(copy.subject):
            copy.subject.build(np.shape(x)[1:], options.rng(2), np.dtype(dtype))
            move_all(copy.subject, options.rng(3))
        for path in boxes:
            put(copy, path, np.array(find(copy, path), dtype=dtype))
        return copy

    def explored() -> tuple[_Explored, dict[str, Path], dict[str, Path]]:
        copy = _Explored(bare(precision), x_name, x, name)
        inputs = _inputs_of(copy.call)
        found = copy.arrays(inputs)
        copy.run_back(options.rng(8))
        return copy, inputs, found

    first, inputs, found = explored()
    boxes.update(boxed(first.walk, first.held))
    if boxes:  # once more, with arrays in place of the numbers
        first, inputs, found = explored()
    arrays = {**inputs, **found}
    rows: dict[str, ArrayReport] = {}
    notes = list(first.call.notes)
    for each in _known(constants, arrays, name, "constants"):
        rows[each] = _row(each, find(first.call, arrays[each]), CONSTANT, "named in constants=")
    for each, path in arrays.items():
        if find(first.call, path).dtype.kind == "c":
            detail = f"{each} was not checked: it is complex, and the check needs real numbers"
            rows[each] = _row(each, find(first.call, path), NOT_CHECKED, detail)
    for each, thing in finding.named(finding.buffers(first.walk, first.outputs), taken=arrays).items():
        detail = f"{each} was not checked: it is an array.array: make it a float array, np.array({each})"
        rows[each] = _row(each, np.asarray(find(first.call, thing)), NOT_CHECKED, detail)
    if not call.differentiates_inputs:
        rows.update({each: _row(each, call.inputs[each], CONSTANT, "data") for each in inputs if each not in rows})
    arrays = {each: path for each, path in arrays.items() if each not in rows}
    moves = [each for each in arrays if each != x_name]
    chosen = {each: boxes[path] for each, path in arrays.items() if path in boxes}
    chosen |= _chosen(gradients, arrays, first, name)
    shapes = {each: np.shape(find(first.call, path)) for each, path in arrays.items()}

    def paired() -> tuple[dict[str, Path], dict[str, list[Path]]]:
        return finding.pair(arrays, shapes, first.candidates, first.held, chosen, list(inputs), first.call.must_fit)

    settled, doubtful = paired()
    if len(settled) < len(arrays):  # a second pass shows arrays that the first happened to leave unchanged
        first.run_back(options.rng(10))
        settled, doubtful = paired()
    scales = _scales(scale, arrays, inputs, name)

    def made(dtype: DTypeLike, wired: dict[str, Path], held: dict[str, Path]) -> Adapted:
        adapted = Adapted(bare(dtype), x_name, held, wired, scales)
        if any(find(adapted.call, path) is None for path in held.values()):  # an array that the first forward makes
            adapted.forward(x.astype(dtype) if _floats(x) else x.copy(), call.settings.training)
        off_hiding_places(adapted, moves, options)
        return adapted

    if any(doubtful.values()):
        more = _by_numbers(lambda: made(np.float64, settled, arrays), doubtful, first, x, options, notes)
        settled.update(more)

    def left(each: str) -> list[Path]:
        return [path for path in doubtful.get(each, []) if path not in settled.values()]

    for each in inputs if not first.call.must_fit else ():
        returned = [path for path in left(each) if path[0] == ("attribute", "returned")]
        if each in arrays and each not in settled and returned:
            settled[each] = returned[0]  # the first returned array that is no other array's gradient
    rows.update(_unclaimed(first, [*arrays, *rows], [*settled.values(), *itertools.chain(*doubtful.values())]))
    for path in set(boxes) - set(arrays.values()):  # a number of the class, which forward may read from the class
        if _is_of_class(call, path):
            short, mend = finding.short_name(path), "make it a float array, in __init__"
            detail = f"{short} was not checked: it is a number of the class, with a gradient beside it: {mend}"
            rows[short] = _row(short, find(first.call, path), NOT_CHECKED, detail)
    for each, value in call.inputs.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and 1 < value.size == len(np.unique(value)):
            notes.append(
                f"{each} has no number twice, so a gradient that must add up there may go unnoticed: repeat one"
            )
    for each in list(arrays):
        if each not in settled and _covered(each, arrays, settled, first.call):
            del arrays[each]
        elif each not in settled and first.call.has_data and each in inputs and not left(each):
            rows[each] = _row(each, call.inputs[each], CONSTANT, "data: one gradient is returned")
            del arrays[each]
        elif each not in settled:
            array = find(first.call, arrays[each])
            rows[each] = _row(each, array, NOT_CHECKED, _unfound(each, array, first, doubtful.get(each, [])))
            del arrays[each]
    settled = {each: path for each, path in settled.items() if each in arrays}
    hidden = [each for each in moves if _hides_errors(find(first.call, arrays[each]) if each in arrays else None)]
    if hidden:
        notes.append(f"{', '.join(hidden)}: moved by 0.1 N(0, 1), because values of 0 or 1 hide errors")
    make = partial(made, wired=settled, held=arrays)
    return Subject(make, name, x_name, False, rows, notes, first.keeps_state, first.runner.draws, first.rules.broken)


class _Explored:
    """A bare copy of the call in which arrays and gradients are searched for."""

    def __init__(self, call: Call, x_name: str, x: Array, name: str) -> None:
        self.call, self.x, self.name, self.x_name = call, x, name, x_name
        self.adapted = Adapted(call, x_name, {}, {})
        self.runner = Runner(self.adapted, call.settings.training, x)
        sizes = _lengths(reach(call))
        self.rules = Rules()
        first_output(self.runner, x, name, x_name, self.rules)
        self.keeps_state = "state" in self.rules.broken
        self.walk = list(reach(call))  # everything within reach, after the latest pass
        if _lengths(self.walk) != sizes and not self.keeps_state:
            self.runner.keep_state()
            self.keeps_state = True
        self.candidates: dict[Path, Array] = {}  # what backward wrote or returned
        self.held: dict[Path, Array] = {}  # all arrays after backward

    def arrays(self, inputs: dict[str, Path]) -> dict[str, Path]:
        """The arrays other than the inputs on which forward depends, by their short names."""
        paths = finding.dependencies(self.walk, self.outputs, self.call.given_arrays())
        self.runner.moving = []
        listed = finding.listed(self.call)
        known = {id(find(self.call, path)) for path in listed.values()}
        others = [path for path in paths if id(find(self.call, path)) not in known]
        return {**listed, **finding.named(others, taken=[*inputs, *listed])}

    def outputs(self, moving: list[Array]) -> Array:
        """The values of a forward pass while some arrays are moved."""
        self.runner.moving = moving
        with at_most(self.runner.bound):
            return np.array(self.runner.values(self.x))

    def run_back(self, rng: np.random.Generator) -> None:
        """Run one more pass with a random dy; any array that it changes or makes may be a gradient."""
        y = self.runner.forward(self.x)
        before = finding.state_of(self.call)
        self.adapted.backward(upstream(self.runner, y, rng))
        self.walk = list(reach(self.call))
        self.held = finding.held_by(self.call, self.walk)
        self.candidates = {path: self.held[path] for path in self.candidates if path in self.held}
        self.candidates.update(finding.written(before, self.held))


def boxed(walk: finding.Walk, arrays: dict[Path, Array]) -> dict[Path, Path]:
    """{path: path of its gradient} for numbers, lists and integer arrays, which are then checked as arrays.

    walk, arrays: everything within reach of a call after a backward, and all arrays in it.
    Only a clear name or place identifies the gradient of a number: self.a and self.da, params["T"] and grads["T"].
    """
    held = {
        (*path, step): value
        for path, thing in walk
        if path and not isinstance(thing, np.ndarray)
        for step, value in inside(thing)
        if _is_number_like(value)
    }
    places = ("subject", "inputs")
    numbers = {path: value for path, value in held.items() if path[0][1] in places and not _is_plain(path, value)}
    gradients = {path: value for path, value in held.items() if path[0][1] in ("subject", "returned")}
    gradients |= arrays
    found: dict[Path, Path] = {}
    for path, value in numbers.items():
        for other, gradient in gradients.items():
            clear = 3 if path[0][1] == "inputs" else 5
            if path != other and np.shape(gradient) == np.shape(value) and finding.kinship(path, other) >= clear:
                found.setdefault(path, other)
    return found


def _is_of_class(call: Call, path: Path) -> bool:
    """Whether a path leads to an attribute that the object itself does not have."""
    holder, (kind, name) = find(call, path[:-1]), path[-1]
    return kind == "attribute" and name not in getattr(holder, "__dict__", {name: None})


def _is_plain(path: Path, value: Any) -> bool:
    """Whether it is a float array, which is found anyway, or an integer of the subject, such as a size."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "iu"
    return isinstance(value, int) and path[0] == ("attribute", "subject")


def _is_number_like(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "iu"
    if isinstance(value, list | tuple):
        return len(value) > 0 and not isinstance(value[0], np.ndarray) and _has_shape(value, None)
    return isinstance(value, float | int | np.number) and not isinstance(value, bool)


def _unclaimed(first: _Explored, known: Iterable[str], claimed: Iterable[Path]) -> dict[str, ArrayReport]:
    """Rows for what has a gradient beside it, by its name, but is no array that can be moved: W in a list, with dW."""
    taken, rows = set(claimed), {}
    for path, gradient in first.candidates.items():
        if path in taken or path[0] != ("attribute", "subject") or not isinstance(path[-1][1], str):
            continue
        for step, value in inside(find(first.call, path[:-1])):
            named = isinstance(step[1], str) and finding.is_gradient_name(step[1], path[-1][1])
            if not named or isinstance(value, np.ndarray) or step[1] in known or not _has_shape(value, gradient.shape):
                continue
            kind = type(value).__name__
            detail = (
                f"{step[1]} was not checked: it is a {kind}, with a gradient in {path[-1][1]}: make it a float array"
            )
            rows[step[1]] = _row(step[1], gradient, NOT_CHECKED, detail)
    return rows


def _has_shape(value: Any, shape: tuple[int, ...] | None) -> bool:
    """Whether a value other than an array holds numbers in a shape; None: in any."""
    if isinstance(value, str | bytes | dict | bool) or value is None:
        return False
    try:
        return shape in (None, np.shape(value)) and np.asarray(value).dtype.kind in "fiuc"
    except ValueError:
        return False


def _covered(name: str, arrays: Mapping[str, Path], settled: Mapping[str, Path], call: Call) -> bool:
    """Whether an array without a gradient is only a view of arrays that have one, such as a flat vector."""
    own = find(call, arrays[name])
    others = [find(call, arrays[other]) for other in arrays if other in settled and other != name]
    shared = [other for other in others if np.shares_memory(own, other)]
    return sum(other.size for other in shared) >= own.size


def _lengths(walk: Iterable[tuple[Path, Any]]) -> list[int]:
    return [len(thing) for path, thing in walk if isinstance(thing, list) and path[0] == ("attribute", "subject")]


def _inputs_of(call: Call) -> dict[str, Path]:
    """The paths of the inputs that are moved: all float arrays that are not fixed."""
    floats = [name for name, value in call.inputs.items() if _floats(value) and name not in call.settings.fixed]
    return {name: (("attribute", "inputs"), ("item", name)) for name in floats}


def _floats(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fc"


def _row(name: str, array: Any, verdict: str, detail: str) -> ArrayReport:
    return ArrayReport(name, np.shape(array), "-", verdict=verdict, detail=detail)


def _known(names: Sequence[str], arrays: Mapping[str, Path], label: str, option: str) -> list[str]:
    """The arrays that an option names, by short or long names; ValueError for unknown names."""
    found = []
    for name in names:
        match = [each for each, path in arrays.items() if name in (each, finding.long_name(path))]
        match = match or [each for each, path in arrays.items() if finding.short_name(path) == name]
        if not match:
            near = get_close_matches(str(name), arrays, 1)
            hint = f"did you mean {near[0]}?" if near else f"its arrays are {', '.join(arrays)}"
            raise ValueError(f"{option}: {label} reads no array {name!r}: {hint}")
        found += match
    return found


def _chosen(gradients: Mapping[str, Any], arrays: dict[str, Path], first: _Explored, label: str) -> dict[str, Path]:
    """The paths that `gradients=` names: an attribute, a dict's key, or a position in backward's result."""
    chosen = {}
    for name, wanted in gradients.items():
        array = _known([name], arrays, label, "gradients")[0]
        fits = [path for path in first.candidates if wanted in (finding.long_name(path), finding.short_name(path))]
        fits = fits or [
            path for path in first.candidates if path[0] == ("attribute", "returned") and path[-1][1] == wanted
        ]
        if not fits:
            written = ", ".join(dict.fromkeys(finding.long_name(path) for path in first.candidates)) or "nothing"
            raise ValueError(f"gradients: backward of {label} writes no {wanted!r}: it writes {written}")
        chosen[array] = fits[0]
    return chosen


def _scales(scale: Any, arrays: dict[str, Path], inputs: dict[str, Path], label: str) -> dict[str, float]:
    if scale is None:
        return {}
    if isinstance(scale, Mapping):
        return {_known([name], arrays, label, "scale")[0]: float(value) for name, value in scale.items()}
    return {name: float(scale) for name in arrays if name not in inputs}


def _by_numbers(
    make: Callable[[], Adapted], doubtful: dict[str, list[Path]], first: _Explored, x: Array, options: Options,
    notes: list[str],
) -> dict[str, Path]:  # fmt: skip
    """Pair arrays with gradients by their values if names leave a doubt: the gradient that fits the slopes."""
    adapted = make()
    runner = Runner(adapted, first.call.settings.training, x, first.runner.draws)
    y = np.array(runner.forward(x))
    dy = upstream(runner, y, options.rng(4))
    objective = Objective(runner, x, adapted.x_name, dy)
    oracle = CentralDifferences(objective, options)
    runner.forward(x)
    adapted.call.backward(*adapted.parts(dy))
    given = {path: find(adapted.call, path) for paths in doubtful.values() for path in paths}
    given = {path: np.array(value) for path, value in given.items() if isinstance(value, np.ndarray)}
    rng = options.rng(9)
    fits: dict[str, dict[Path, tuple[float, float]]] = {}
    for each, paths in doubtful.items():
        if not paths or each not in objective.arrays:
            continue
        shape = objective.arrays[each].shape
        count = int(np.prod(shape))
        indices = [np.unravel_index(k, shape) for k in rng.choice(count, min(count, MOST_PROBES), replace=False)]
        with np.errstate(all="ignore"):
            slopes = {index: oracle.slope(each, tuple(map(int, index))) for index in map(tuple, indices)}
        known = {index: slope.value for index, slope in slopes.items() if slope is not None}
        numeric = np.array(list(known.values()))
        fits[each] = {}
        for path in paths:
            if path in given and given[path].shape == shape and numeric.size:
                analytic = np.array([given[path][index] for index in known])
                fits[each][path] = _likeness(analytic, numeric)
    chosen: dict[str, Path] = {}
    ranked = sorted(
        (error, -alike, each, path) for each, row in fits.items() for path, (error, alike) in row.items()
    )  # fmt: skip
    for only_right in (True, False):
        for error, alike, each, path in ranked:
            right = error < FITS
            if each in chosen or path in chosen.values() or right != only_right:
                continue
            if right or (-alike > PLAUSIBLE and not (first.call.must_fit and each in first.call.inputs)):
                chosen[each] = path
                if not right:
                    taken = finding.long_name(path)
                    notes.append(
                        f"d{each} was taken from {taken}: if it is stored elsewhere, pass gradients={{{each!r}: ...}}"
                    )
    return chosen


def _likeness(analytic: Array, numeric: Array) -> tuple[float, float]:
    """The relative error, and the cosine (without its sign) of the angle between the two."""
    size = max(float(np.max(np.abs(numeric))), float(np.max(np.abs(analytic))), 1e-300)
    norms = float(np.linalg.norm(analytic) * np.linalg.norm(numeric))
    cosine = abs(float(analytic @ numeric)) / norms if norms else float(not np.any(analytic))
    return float(np.max(np.abs(analytic - numeric))) / size, cosine


def _unfound(name: str, array: Any, first: _Explored, candidates: list[Path]) -> str:
    """The reason why an array was not checked, and the likely mend."""
    if not first.candidates and first.call.returned == []:
        seen = "backward returns nothing and writes no array"
    elif candidates:
        seen = f"backward wrote {', '.join(map(finding.long_name, candidates))} of its shape, but none fits its slopes"
    else:
        seen = f"backward leaves no gradient of it: no array of shape {np.shape(array)} was written or returned"
    returned = first.call.returned
    floats = [each for each, value in first.call.inputs.items() if _floats(value)]
    if name in floats and len(floats) > 1 and isinstance(returned, list) and 0 < len(returned) < len(floats):
        wanted = f"backward must return one gradient for each of {', '.join(floats)}, got {len(returned)}"
        return f"{name} was not checked: {wanted}"
    if name == first.x_name:
        return f"{name} was not checked: {seen}: return dL/d{name}, or name its place in gradients={{{name!r}: ...}}"
    mend = f"constants=[{name!r}] if it is not learned, gradients={{{name!r}: ...}} if its gradient is stored elsewhere"
    return f"{name} was not checked: {seen}: {mend}"


def off_hiding_places(adapted: Adapted, names: Sequence[str], options: Options) -> None:
    """Move arrays that are all 0, all 1 or an identity by 0.1 N(0, 1), in place."""
    held = adapted.params
    hidden = [held[name] for name in names if _hides_errors(held.get(name))]
    if hidden:
        rng = options.rng(7)
        for array in hidden:
            array += 0.1 * rng.standard_normal(array.shape)


def _hides_errors(value: Array | None) -> bool:
    if value is None or value.dtype.kind not in "fc" or not value.size or value.flat[0] not in (0, 1):
        return False
    identity = value.ndim == 2 and len(value) > 1 and np.array_equal(value, np.eye(*value.shape))
    return identity or bool(np.all(value == 0) or np.all(value == 1))
