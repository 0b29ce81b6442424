"""The distributions are complete, and facts stated in several files agree. No network is needed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest

import tinydl

ROOT = Path(__file__).parents[1]
BUILD = "import sys, setuptools; setuptools.setup(script_args=sys.argv[1:])"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def found(pattern: str, name: str) -> str:
    match = re.search(pattern, text(name), re.MULTILINE)
    assert match is not None, f"{name}: nothing matches {pattern}"
    return match.group(1)


def setup() -> ConfigParser:
    parser = ConfigParser()
    parser.read_string(text("setup.cfg"))
    return parser


PYTHONS = re.findall(r":: (3\.\d+)$", setup()["metadata"]["classifiers"], re.MULTILINE)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the list of expected files needs a git clone")
def test_sdist_and_wheel_hold_what_git_holds(tmp_path: Path) -> None:
    git = ["git", "ls-files", "-z"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    source = tmp_path / "source"
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    build = [sys.executable, "-c", BUILD, "-q", "sdist", "-d", "../sdist", "build_py", "-d", "../wheel"]
    run = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (archive,) = (tmp_path / "sdist").iterdir()
    assert archive.name.replace("-", "_") == f"tinydl_byhand_{tinydl.__version__}.tar.gz"
    with tarfile.open(archive) as tar:
        packed = {member.name.split("/", 1)[1] for member in tar if member.isfile()}
    assert {name for name in packed if ".egg-info/" not in name} - {"PKG-INFO"} == files
    wheel = {path.relative_to(tmp_path / "wheel").as_posix() for path in (tmp_path / "wheel").rglob("*.*")}
    assert wheel == {name for name in files if name.startswith("tinydl/")}


@pytest.mark.parametrize("group", ["console_scripts", "pytest11"])
def test_entry_points_lead_somewhere(group: str) -> None:
    module, _, function = setup()["options.entry_points"][group].split("=")[1].strip().partition(":")
    assert hasattr(import_module(module), function or "__file__")


def test_one_version() -> None:
    assert setup()["metadata"]["version"] == "attr: tinydl.__version__"
    assert found(r"^version: (.+)$", "CITATION.cff") == tinydl.__version__
    assert found(r"^## (\S+)", "CHANGELOG.md") == tinydl.__version__


def test_one_list_of_pythons() -> None:
    assert setup()["options"]["python_requires"] == f">={PYTHONS[0]}"
    assert setup()["mypy"]["python_version"] == PYTHONS[0]
    assert found(r'target-version = "py(\d+)"', "pyproject.toml") == PYTHONS[0].replace(".", "")
    assert found(r"python: (\[.+\])", ".github/workflows/ci.yml") == str(PYTHONS).replace("'", '"')


def test_nobody_is_sent_to_the_other_project() -> None:
    """On the package index, the name tinydl belongs to another project."""
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tinydl/**/*.py")):
        assert not re.search(r"pip install ['\"]?tinydl(?!\w|-|/|\.)", path.read_text(encoding="utf-8")), path
