"""The build of the house: who may import whom, what an import costs, docstrings, and float32 that stays float32."""

from __future__ import annotations

import ast
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import tinydl
from tinydl import Model, layers
from tinydl.gradcheck.objects import walk
from tinydl.layers import (
    ActivityL1,
    AuxiliaryHead,
    AveragePool2D,
    BatchNorm,
    Branches,
    ContractivePenalty,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    KLSparsity,
    Layer,
    LeakyReLU,
    LocalResponseNorm,
    MaskingNoise,
    MaxPool2D,
    PadChannels,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from tinydl.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam, RMSprop
from tinydl.schedules import CosineDecay, LinearWarmup, OneCycle

PACKAGE = Path(tinydl.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

ROOT = PACKAGE / "__init__.py"
HOUSE = PACKAGE.parent / "CONTRIBUTING.md"
STANDS_ALONE: dict[str, set[str]] = {"kernels": {"files"}, "gradcheck": {"arguments"}}  # and what each may import


def order_of(text: str) -> list[str]:
    """The files and folders in the block under "The house", first to last: each may import those before it."""
    block = text.split("## The house", 1)[1].split("```text\n", 1)[1].split("```", 1)[0]
    lines = [line.split("  ", 1)[0] for line in block.splitlines() if line[:1].strip()]
    return [name.removesuffix("/").removesuffix(".py") for line in lines for name in line.split(", ")]


ORDER = order_of(HOUSE.read_text(encoding="utf-8"))


def named(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def unit_of(file: Path) -> str:
    """The file or folder that stands in ORDER."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(tree: ast.AST, package: tuple[str, ...]) -> set[tuple[str, ...]]:
    """The names that a module in `package` (("tinydl", "layers"), say) imports from tinydl, in parts.

    Wherever it does so: in functions and under `if TYPE_CHECKING:` too.
    """
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            found |= {(*base, alias.name) for alias in node.names}
    return {name for name in found if name[0] == "tinydl"}


def file_of(name: tuple[str, ...]) -> Path:
    """The file to which an imported name leads: a module's own, or the one that the name is taken from."""
    path = PACKAGE.joinpath(*name[1:])
    for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
        if name[1:] and file.exists():
            return file
    return file_of(name[:-1]) if name[1:] else ROOT


def imports_of(file: Path) -> set[Path]:
    package = ("tinydl", *file.relative_to(PACKAGE).parts[:-1])
    return {file_of(name) for name in imported(tree_of(file), package) if name != ("tinydl", "__version__")}


IMPORTS = {file: imports_of(file) for file in FILES if file != ROOT}  # that one loads Model and the like when asked to


@pytest.mark.parametrize("file", IMPORTS, ids=named)
def test_imports_go_up_only(file: Path) -> None:
    unit = unit_of(file)
    assert unit in ORDER, f"{named(file)} has no place yet in CONTRIBUTING.md, under The house"
    others = {unit_of(other) for other in IMPORTS[file]} - {unit}
    above = STANDS_ALONE.get(unit, set(ORDER[: ORDER.index(unit)]))
    assert others <= above, f"{named(file)} imports {others - above}, which do not stand above it in CONTRIBUTING.md"


def circles(imports: dict[Path, set[Path]]) -> list[list[Path]]:
    """Groups of files each of which leads to all others of its group."""
    reached: dict[Path, set[Path]] = {}
    for start in imports:
        seen: set[Path] = set()
        stack = [start]
        while stack:
            new = imports.get(stack.pop(), set()) - seen
            seen |= new
            stack += new
        reached[start] = seen
    groups = {frozenset(other for other in imports if other in seen and file in reached[other])
              for file, seen in reached.items()}  # fmt: skip
    return [sorted(group) for group in groups if group]


def test_no_files_import_each_other_in_a_circle() -> None:
    assert [[named(file) for file in group] for group in circles(IMPORTS)] == []


def test_the_finder_of_circles_finds() -> None:
    a, b, c, d = map(Path, "abcd")
    assert circles({a: {b}, b: {c}, c: {d}, d: set()}) == []
    assert circles({a: {b}, b: {c}, c: {b, d}, d: set()}) == [[b, c]]
    assert circles({a: {a}}) == [[a]]


def test_the_reader_of_imports_sees_every_form() -> None:
    source = """
from __future__ import annotations
import numpy, tinydl.plots
from .. import arguments, kernels
from ..layer import Layer
from .containers import Container
from tinydl.gradcheck.check import check_layer
from tinydl import models, Model
if TYPE_CHECKING:
    from ..model import Model
def late():
    from ..optimizers import Adam
    import tinydl
"""
    names = imported(ast.parse(source), ("tinydl", "layers"))
    assert {named(file_of(name)) for name in names} == {
        "plots/__init__.py", "arguments.py", "kernels/__init__.py", "layer.py", "layers/containers.py",
        "gradcheck/check.py", "models/__init__.py", "__init__.py", "model.py", "optimizers.py",
    }  # fmt: skip
    assert imported(ast.parse("from . import layer"), ("tinydl",)) == {("tinydl", "layer")}


def test_every_line_of_the_house_exists_and_every_file_is_in_it() -> None:
    assert sorted(ORDER) == sorted({unit_of(file) for file in IMPORTS})


def test_importing_tinydl_stays_light() -> None:
    """Plots, metrics and data are imported by those who use them; a user who only trains never waits for them."""
    heavy = ("sklearn", "matplotlib", "pandas", "torch", "tensorboardX", "pytest", "hypothesis", "requests", "IPython",
             "scipy.stats", "scipy.sparse", "scipy.optimize", "scipy.special", "scipy.signal")  # fmt: skip
    own = [f"tinydl.{unit}" for unit in ("plots", "gradcheck", *ORDER[ORDER.index("model") + 1 :])]
    script = f"import sys; from tinydl import Model; print([name for name in {(*heavy, *own)} if name in sys.modules])"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == "[]"


def test_no_module_uses_the_global_random_state() -> None:
    """(A gradient check saves and restores it, for other people's layers.)"""
    allowed = {"Generator", "RandomState", "default_rng", "SeedSequence", "get_state", "set_state"}
    for file in FILES:
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
                assert node.attr in allowed, f"{named(file)}:{node.lineno}: np.random.{node.attr}"
                assert node.attr not in ("get_state", "set_state") or unit_of(file) == "gradcheck"


# --- documentation --------------------------------------------------------------------------------------------------


def public_definitions(file: Path) -> Iterator[tuple[str, Any]]:
    """Public functions and classes of a module by name, and the public methods of such classes."""
    for node in tree_of(file).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            for member in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(member, ast.FunctionDef) and (member.name == "__init__" or member.name[0] != "_"):
                    yield f"{node.name}.{member.name}", member


def is_compiled(node: ast.AST) -> bool:
    """Numba's functions take arrays of either dtype; their annotations stand on the definition."""
    decorators = [ast.unparse(decorator) for decorator in getattr(node, "decorator_list", [])]
    return any(text.startswith(("kernel", "overload", "intrinsic")) for text in decorators)


@pytest.mark.parametrize("file", FILES, ids=named)
def test_everything_public_has_a_docstring(file: Path) -> None:
    assert ast.get_docstring(tree_of(file)), "the module"
    for name, node in public_definitions(file):
        if "." not in name:  # of methods the class speaks
            assert ast.get_docstring(node), name


@pytest.mark.parametrize("file", FILES, ids=named)
def test_everything_public_has_annotations(file: Path) -> None:
    for name, node in public_definitions(file):
        if isinstance(node, ast.FunctionDef) and not is_compiled(node):
            assert node.returns is not None, f"{name}: no return type"
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if "." in name and "staticmethod" not in map(ast.unparse, node.decorator_list):
                arguments = arguments[1:]  # self, cls
            assert [a.arg for a in arguments if a.annotation is None] == [], name


@pytest.mark.parametrize("layer", layers.__all__)
def test_a_layer_derives_its_gradient_in_its_docstring(layer: str) -> None:
    text = getattr(layers, layer).__doc__ or ""
    if layer not in ("Layer", "Container"):
        assert "Backward" in text
        assert f"check_layer({layer}(" in text


# --- float32 stays float32 ------------------------------------------------------------------------------------------


class Float64Finder:
    """While active, notes every float64 array that a function of tinydl holds in a local variable when it returns."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __enter__(self) -> Float64Finder:
        self._before = sys.getprofile()
        sys.setprofile(self._look)
        return self

    def __exit__(self, *error: Any) -> None:
        sys.setprofile(self._before)

    def _look(self, frame: FrameType, event: str, value: Any) -> None:
        if event != "return" or not frame.f_code.co_filename.startswith(str(PACKAGE)):
            return
        for name, local in {**frame.f_locals, "its result": value}.items():
            if isinstance(local, np.ndarray) and local.dtype == np.float64:
                self.found.append(f"{Path(frame.f_code.co_filename).name}: {frame.f_code.co_name}: {name}")


# One model a row, in which each public layer stands between layers with parameters.
STACKS: dict[str, Any] = {
    **{f"Dense({f})": [lambda f=f: [Dense(4, f), Dense(3)], (5,)] for f in (None, "relu", "sigmoid", "tanh")},
    "Dense(no bias)": [lambda: [Dense(4, "relu", use_bias=False), Dense(3)], (5,)],
    **{
        type(layer).__name__: [lambda layer=layer: [Dense(4), type(layer)(**layer.get_config()), Dense(3)], (5,)]
        for layer in (
            ReLU(), LeakyReLU(0.3), Sigmoid(), Tanh(), Softmax(), Dropout(0.3), MaskingNoise(0.3), GaussianNoise(0.3),
            ActivityL1(0.1),
        )
    },
    "Flatten": [lambda: [Flatten(), Dense(3)], (5, 2)],
    "KLSparsity": [lambda: [Dense(4, "sigmoid"), KLSparsity(0.2, 0.1), Dense(3)], (5,)],
    **{
        f"ContractivePenalty({f})": [lambda f=f: [Dense(4), ContractivePenalty(Dense(4, f), 0.1), Dense(3)], (5,)]
        for f in (None, "relu", "sigmoid", "tanh")
    },
    "Sequential": [lambda: [Sequential([Dense(4, "tanh"), Dropout(0.2)]), Dense(3)], (5,)],
    **{
        f"Conv2D({f})": [lambda f=f: [Conv2D(4, 2, activation=f), Flatten(), Dense(3)], (5, 4, 2)]
        for f in (None, "relu", "sigmoid", "tanh")
    },
    "Conv2D(no bias)": [
        lambda: [Conv2D(4, (2, 3), (2, 1), "same", "relu", False), Conv2D(4, 1), Flatten(), Dense(3)], (5, 4, 2),
    ],
    **{
        f"Conv2D({k}x{k}, many channels)": [
            lambda k=k: [Conv2D(32, 1), Conv2D(32, k, activation="relu"), Flatten(), Dense(3)], (5, 4, 2),
        ]
        for k in (2, 3)
    },
    **{
        type(layer).__name__: [
            lambda layer=layer: [Conv2D(4, 2), type(layer)(**layer.get_config()), Flatten(), Dense(3)], (5, 4, 2),
        ]
        for layer in (
            MaxPool2D(2), AveragePool2D(2, 1, "same"), GlobalAveragePool2D(), LocalResponseNorm(3, 0.1), PadChannels(6),
        )
    },
    **{
        f"BatchNorm({f})": [lambda f=f: [Conv2D(4, 2, use_bias=False), BatchNorm(activation=f), Flatten(), Dense(3)], (5, 4, 2)]
        for f in (None, "relu", "sigmoid", "tanh")
    },
    **{
        f"Residual({f})": [lambda f=f: [Conv2D(4, 2), Residual(BatchNorm(), Conv2D(4, 1), f), Flatten(), Dense(3)], (5, 4, 2)]
        for f in (None, "relu", "sigmoid", "tanh")
    },
    "Residual(rows)": [lambda: [Dense(4), Residual([Dense(3, "relu"), Dense(4)]), Dense(3)], (5,)],
    "Branches": [lambda: [Dense(4), Branches([Dense(2, "tanh"), Tanh(), [Dense(3), BatchNorm()]]), Dense(3)], (5,)],
    "AuxiliaryHead": [lambda: [Dense(4), AuxiliaryHead([Dense(3, "relu"), Dense(3)]), Dense(3)], (5,)],
    "shared": [lambda: shared(Dense(4, "tanh")), (4,)],
}  # fmt: skip


def shared(layer: Layer) -> list[Layer]:
    return [layer, Sequential([Dense(4), layer]), Dense(3)]


LOSSES: dict[str, Any] = {
    "mse": (MeanSquaredError, np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)),
    "bce": (BinaryCrossEntropy, np.random.default_rng(1).uniform(size=(8, 3)).astype(np.float32)),
    "ce": (lambda: SoftmaxCrossEntropy(0.1), np.arange(8) % 3),
    "ce soft": (SoftmaxCrossEntropy, np.full((8, 3), 1 / 3, np.float32)),
}
OPTIMIZERS: dict[str, Any] = {
    "adam": lambda: Adam(np.float64(0.01), weight_decay=np.float64(0.1), global_clipnorm=0.1),
    "sgd": lambda: SGD(0.1, weight_decay=0.1),
    "nesterov": lambda: SGD(LinearWarmup(CosineDecay(np.float64(0.1), 9), 2), momentum=0.9, nesterov=True),
    "rmsprop": lambda: RMSprop(OneCycle(np.float64(0.1), 9), global_clipnorm=1e-3),
}
CASES = [
    *[(stack, "mse", "adam") for stack in STACKS],
    *[("Dense(relu)", loss, optimizer) for loss, optimizer in itertools.product(LOSSES, OPTIMIZERS)],
]


@pytest.mark.parametrize(("stack", "loss", "optimizer"), CASES)
def test_no_float64_array_in_a_float32_step(stack: str, loss: str, optimizer: str) -> None:
    """NumPy makes float64 of float32 silently: by np.zeros(shape), by NumPy scalars such as np.sqrt(2)."""
    make, shape = STACKS[stack]
    model = Model(make(), shape)
    make_loss, y = LOSSES[loss]
    model.compile(OPTIMIZERS[optimizer](), make_loss())
    x = np.random.default_rng(0).normal(size=(8, *shape)).astype(np.float32)
    seen: list[tuple[str, str, np.dtype]] = []
    for layer in model.root.walk():
        watch(layer, seen)
    model.predict(x)  # constants (Winograd's matrices) are computed in float64, once
    with Float64Finder() as finder:
        for _ in range(2):
            model.train_on_batch(x, y)
        model.evaluate(x, y)
        model.backward(model.loss.backward())  # all the way down: a training step leaves the lowest dx out
        prediction = model.predict(x)
    assert finder.found == []
    assert {what for _, what, _ in seen} == {"y", "dx"}
    assert [entry for entry in seen if entry[2] != np.float32] == []
    assert prediction.dtype == np.float32
    # parameters, gradients, slots, caches: whatever the model and what hangs on it still hold
    arrays = [thing for thing in walk(model) if isinstance(thing, np.ndarray)]
    assert any(array is model.optimizer.slots.get("m", model.gradients) for array in arrays)
    assert [array.shape for array in arrays if array.dtype == np.float64] == []


def watch(layer: Layer, seen: list[tuple[str, str, np.dtype]]) -> None:
    """Note the dtypes of a layer's outputs and of the gradients it hands down."""
    forward, backward = layer.forward, layer.backward

    def watched_forward(x: np.ndarray, training: bool = False) -> np.ndarray:
        y = forward(x, training)
        seen.append((layer.label, "y", y.dtype))
        return y

    def watched_backward(dy: np.ndarray) -> np.ndarray:
        dx = backward(dy)
        seen.append((layer.label, "dx", dx.dtype))
        return dx

    layer.forward, layer.backward = watched_forward, watched_backward  # type: ignore[method-assign]


def test_every_layer_is_in_a_float32_model_here() -> None:
    built = {type(layer).__name__ for make, _ in STACKS.values() for top in make() for layer in top.walk()}
    assert built == set(layers.__all__) - {"Layer", "Container"}


class LeakyInside(Tanh):
    """Its results are float32, but it computes in float64: twice the memory, and more than twice the time."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        slope = 1 - self._y * np.sqrt(np.ones(1)) * self._y
        return (dy * slope).astype(dy.dtype)


def test_the_finder_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", Path(__file__).parent)
    layer = LeakyInside()
    with Float64Finder() as finder:
        y = layer.forward(np.ones((2, 3), np.float32))
        layer.backward(y)
    assert finder.found == ["test_architecture.py: backward: slope"]
