"""The library's structure: allowed imports, their cost, docstrings and annotations."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import tinydl
from tinydl import layers

PACKAGE = Path(tinydl.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

ROOT = PACKAGE / "__init__.py"
HOUSE = PACKAGE.parent / "CONTRIBUTING.md"
STANDS_ALONE: dict[str, set[str]] = {
    "kernels": {"interrupts", "files"},
    "gradcheck": {"arguments", "notebooks"},
}  # all that they may import


def order_of(text: str) -> list[str]:
    """The files and folders in the block under "The house", in order; each may import only the ones before it."""
    block = text.split("## The house", 1)[1].split("```text\n", 1)[1].split("```", 1)[0]
    lines = [line.split("  ", 1)[0] for line in block.splitlines() if line[:1].strip()]
    return [name.removesuffix("/").removesuffix(".py") for line in lines for name in line.split(", ")]


ORDER = order_of(HOUSE.read_text(encoding="utf-8"))


def named(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def unit_of(file: Path) -> str:
    """The entry of ORDER that the file belongs to."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(tree: ast.AST, package: tuple[str, ...]) -> set[tuple[str, ...]]:
    """The names that a module in `package` (for example ("tinydl", "layers")) imports from tinydl, split at dots.

    Imports in functions and under `if TYPE_CHECKING:` are included.
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
    """The file of an imported module, or of the module from which a name is imported."""
    path = PACKAGE.joinpath(*name[1:])
    for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
        if name[1:] and file.exists():
            return file
    return file_of(name[:-1]) if name[1:] else ROOT


@cache
def imports_of(file: Path) -> set[Path]:
    package = ("tinydl", *file.relative_to(PACKAGE).parts[:-1])
    return {file_of(name) for name in imported(tree_of(file), package) if name != ("tinydl", "__version__")}


IMPORTING = [file for file in FILES if file != ROOT]  # ROOT loads Model and others on demand


@pytest.mark.parametrize("file", IMPORTING, ids=named)
def test_imports_go_up_only(file: Path) -> None:
    unit = unit_of(file)
    assert unit in ORDER, f"{named(file)} is missing from the list under The house in CONTRIBUTING.md"
    others = {unit_of(other) for other in imports_of(file)} - {unit}
    above = STANDS_ALONE.get(unit, set(ORDER[: ORDER.index(unit)]))
    assert others <= above, f"{named(file)} imports {others - above}, which CONTRIBUTING.md does not list above it"


def circles(imports: dict[Path, set[Path]]) -> list[list[Path]]:
    """Groups of files that all import one another, directly or through other files."""
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
    assert [[named(file) for file in group] for group in circles({file: imports_of(file) for file in IMPORTING})] == []


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
    assert sorted(ORDER) == sorted({unit_of(file) for file in IMPORTING})


def test_importing_tinydl_stays_light() -> None:
    """Importing tinydl loads no plots, metrics or data, so a program that only trains never waits for them."""
    heavy = ("sklearn", "matplotlib", "pandas", "torch", "tensorboardX", "pytest", "hypothesis", "requests", "IPython",
             "scipy.stats", "scipy.sparse", "scipy.optimize", "scipy.special", "scipy.signal")  # fmt: skip
    own = [f"tinydl.{unit}" for unit in ("plots", "gradcheck", *ORDER[ORDER.index("model") + 1 :])]
    script = (  # scipy.linalg is imported first: older releases load scipy.sparse with it
        f"import sys, scipy.linalg; before = set(sys.modules); from tinydl import Model; "
        f"print([name for name in {(*heavy, *own)} if name in sys.modules and name not in before])"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == "[]"


def test_no_module_uses_the_global_random_state() -> None:
    """Only the gradient check may save and restore NumPy's global state, which a user's layers may draw from."""
    allowed = {"Generator", "RandomState", "default_rng", "SeedSequence", "get_state", "set_state"}
    for file in FILES:
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
                assert node.attr in allowed, f"{named(file)}:{node.lineno}: np.random.{node.attr}"
                assert node.attr not in ("get_state", "set_state") or unit_of(file) == "gradcheck"


# --- documentation --------------------------------------------------------------------------------------------------


def public_definitions(file: Path) -> Iterator[tuple[str, Any]]:
    """Public functions and classes of a module by name, and the public methods of these classes."""
    for node in tree_of(file).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            for member in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(member, ast.FunctionDef) and (member.name == "__init__" or member.name[0] != "_"):
                    yield f"{node.name}.{member.name}", member


def is_compiled(node: ast.AST) -> bool:
    """Whether Numba compiles a function; it takes either dtype, so only its definition is annotated."""
    decorators = [ast.unparse(decorator) for decorator in getattr(node, "decorator_list", [])]
    return any(text.startswith(("kernel", "overload", "intrinsic")) for text in decorators)


@pytest.mark.parametrize("file", FILES, ids=named)
def test_everything_public_has_a_docstring(file: Path) -> None:
    assert ast.get_docstring(tree_of(file)), "the module"
    for name, node in public_definitions(file):
        if "." not in name:  # the class's docstring covers its methods
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
