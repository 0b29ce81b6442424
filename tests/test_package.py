"""`import tinydl` lists what there is, and loads nothing that is not used."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tinydl

INTERNAL = {
    "arguments",
    "batches",
    "caches",
    "commands",
    "config",
    "files",
    "finite",
    "interrupts",
    "keywords",
    "layer",
    "model",
    "network",
    "notebooks",
    "training",
    "version",
}
HEAVY = ("numpy", "numba", "llvmlite", "scipy", "sklearn", "matplotlib", "tqdm", "threadpoolctl", "safetensors")


def loaded_by(program: str) -> list[str]:
    """The heavy packages that a program loads in a new process."""
    code = f"{program}\nimport sys\nprint(*(set({HEAVY}) & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_every_public_module_is_listed() -> None:
    modules = {path.stem for path in Path(tinydl.__file__).parent.iterdir() if path.suffix == ".py" or path.is_dir()}
    modules = {name for name in modules if not name.startswith("_")}
    assert modules - INTERNAL == {name for name in dir(tinydl) if name in modules}
    assert {"Model", "show_config", "__version__"} <= set(dir(tinydl))


NAMES = sorted(set(tinydl.__all__))
# A process for each name would load Numba each time; without the modules of tinydl, each import is the first.
EACH_NAME = """
import sys
for name in sys.argv[1:]:
    for module in [module for module in sys.modules if module.partition(".")[0] == "tinydl"]:
        del sys.modules[module]
    import tinydl
    assert len([module for module in sys.modules if module.startswith("tinydl")]) < 5
    print(name, repr(getattr(tinydl, name))[:80].splitlines()[0])
    assert name in dir(tinydl)
"""


@pytest.fixture(scope="module")
def used() -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", EACH_NAME, *NAMES], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_can_be_used_after_import_tinydl_alone(used: subprocess.CompletedProcess[str], name: str) -> None:
    assert re.search(rf"^{name} ", used.stdout, re.MULTILINE), used.stderr
    assert used.returncode == 0, used.stderr


def test_what_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tinydl' has no attribute 'modles'"):
        _ = tinydl.modles  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=re.escape("module 'tinydl.gradcheck' has no attribute 'chek_layer'")):
        _ = tinydl.gradcheck.chek_layer
    assert set(import_module("tinydl.gradcheck").__all__) <= set(dir(tinydl.gradcheck))


@pytest.mark.parametrize("program", [
    "import tinydl; dir(tinydl); tinydl.__version__",
    "import tinydl.gradcheck.pytest_plugin",  # every pytest run of the environment does this
    "import tinydl.gradcheck; dir(tinydl.gradcheck)",
])  # fmt: skip
def test_nothing_heavy_is_loaded_before_it_is_used(program: str) -> None:
    assert loaded_by(program) == []


def test_the_finder_of_heavy_packages_finds() -> None:
    assert "numpy" in loaded_by("import tinydl; tinydl.gradcheck.check_layer")
