"""README and the manual: code runs, quotes are exact, commands work, links have targets, every name is documented."""

from __future__ import annotations

import builtins
import contextlib
import importlib.util
import inspect
import io
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import textwrap
from itertools import zip_longest
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinydl
from tests.examples.conftest import run_script
from tinydl import Model, layers, losses, optimizers
from tinydl.__main__ import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
BLOCK = re.compile(
    r"(?:^<!-- (?:not run(?: here)?: (?P<why>[^\n]+)|from (?P<source>\S+)) -->\n)?"
    r"^```(?P<language>[^\n]*)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    language: str
    body: str
    why_not_run: str | None
    prints: str | None  # the text block right after this one
    source: str | None  # the file that it quotes


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    blocks = []
    for here, after in zip_longest(found, found[1:]):
        shown = after and after["language"] == "text" and not text[here.end() : after.start()].strip()
        prints = after["body"] if after and shown else None
        blocks.append(Block(here["language"], here["body"], here["why"], prints, here["source"]))
    return blocks


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# --- code blocks ------------------------------------------------------------------------------------------------------


def programs() -> list[Any]:
    """Each page's Python blocks as one program, because they build on one another; README's run one by one."""
    found = []
    for page in PAGES:
        python = [block for block in blocks_of(page) if block.language == "python"]
        blocks = [block for block in python if not block.why_not_run and not block.source]
        for k, program in enumerate([[block] for block in blocks] if page.name == "README.md" else [blocks]):
            if program:
                found.append(pytest.param(program, id=f"{name_of(page)}-{k}"))
    return found


@pytest.mark.parametrize("program", programs())
def test_python_blocks_run(program: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "manual"}
    for block in program:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(block.body, "manual", "exec"), names)
        if block.prints is not None:
            assert printed.getvalue() == block.prints


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_are_python_commands_or_text(page: Path) -> None:
    languages = {block.language for block in blocks_of(page) if not block.language.startswith("{")}  # not Sphinx's
    assert languages <= {"python", "sh", "text"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_quotes_are_in_their_files(page: Path) -> None:
    for block in blocks_of(page):
        if block.source:
            lines = (ROOT / block.source).read_text(encoding="utf-8")
            quotes = [textwrap.indent(block.body, " " * depth) for depth in (0, 4, 8, 12)]
            assert any(f"\n{quote}" in f"\n{lines}" for quote in quotes), (
                f"{block.source} has other lines:\n{block.body}"
            )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_reasons_for_not_running_a_block_name_files_that_exist(page: Path) -> None:
    for block in blocks_of(page):
        for path in re.findall(r"\btests/[\w./]*\w", block.why_not_run or ""):
            assert (ROOT / path).exists(), path


def test_refused_data_raise_the_messages_in_the_manual() -> None:
    page = (ROOT / "docs" / "own.md").read_text(encoding="utf-8").partition("## When the data are refused")[2]
    messages = re.findall(r"^\| `([^`]+)` \|", page.partition("```")[0], re.MULTILINE)
    model = Model([layers.Dense(3)], input_shape=2)
    model.compile(optimizers.Adam(), losses.SoftmaxCrossEntropy())
    x, gaps = np.ones((3, 2)), np.full((3, 2), np.nan)
    refused = [(gaps, [0, 1, 2]), (x, [1, 2, 3]), (x, ["red", "white", "green"])]
    for message, data in zip(messages, refused, strict=True):
        with pytest.raises(ValueError, match=re.escape(message)):
            model.fit(*data)


# --- habits of other frameworks ---------------------------------------------------------------------------------------


def habits() -> list[tuple[str, str]]:
    """Code from other frameworks, and what own.md says happens: the first two cells of the rows that begin with code."""
    page = (ROOT / "docs" / "own.md").read_text(encoding="utf-8").partition("## Coming from")[2]
    return re.findall(r"^\| `([^`]+)` \| (.*?) \|", page, re.MULTILINE)


@pytest.mark.parametrize(("code", "happens"), habits(), ids=[code for code, _ in habits()])
def test_habits_of_other_frameworks_do_what_the_manual_says(code: str, happens: str) -> None:
    """A row that begins with an error describes code that raises it; other code runs, and may give a warning."""
    x, y = np.zeros((8, 5), np.float32), np.zeros(8, int)
    optimizer, loss = optimizers.Adam(), losses.SoftmaxCrossEntropy()
    model = Model([layers.Dense(3)], input_shape=5)
    model.compile(optimizer, loss)
    names = {**vars(layers), **vars(losses), **vars(optimizers), "Model": Model, "model": model, "x": x, "y": y}
    names |= {"optimizer": optimizer, "loss": loss, "loader": [(x, y), (x[:5], y[:5])]}
    names["cnn"] = Model([layers.Conv2D(4, 3)], input_shape=(32, 32, 3))
    names["images"] = np.zeros((8, 3, 32, 32), np.float32)
    named = re.match(r"`(\w+Error)`", happens)
    if named:
        with pytest.raises(getattr(builtins, named[1])):
            exec(code, names)
    elif "warning" in happens:
        with pytest.warns(UserWarning, match=r"channels|is taken on logits"):
            exec(code, names)
    else:
        exec(code, names)


# --- commands ---------------------------------------------------------------------------------------------------------


def commands(run: bool) -> list[str]:
    """The commands in the sh blocks: those that are run here, or those that are not."""
    lines = [
        line.partition("  #")[0].strip()
        for page in PAGES
        for block in blocks_of(page)
        if block.language == "sh" and (block.why_not_run is None) == run
        for line in block.body.splitlines()
    ]
    return sorted(set(lines))


def words_of(command: str) -> list[str]:
    """The arguments of the Python interpreter in a command."""
    words = shlex.split(command)
    return words[words.index(".venv/bin/python") + 1 :]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with only the manual's layers.py, on a machine that seems to have no data sets."""
    for variable in ("TINYDL_CACHE", "SCIKIT_LEARN_DATA"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    monkeypatch.delenv("TINYDL_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    layer = next(block.body for block in blocks_of(ROOT / "docs" / "own.md") if "class Swish" in block.body)
    (tmp_path / "layers.py").write_text(layer, encoding="utf-8")
    return tmp_path


def says_what_to_do(code: int, errors: str) -> None:
    last = errors.splitlines()[-1]
    assert code == 2
    assert "Traceback" not in errors
    assert "TINYDL_DATA" in last
    assert "path" in last
    assert "download" in last


WITHOUT_TARGET = ".venv/bin/python -m tinydl gradcheck"


@pytest.mark.parametrize(
    "command",
    [pytest.param(each, marks=[pytest.mark.slow] if each == WITHOUT_TARGET else []) for each in commands(run=True)],
)
def test_commands_run_as_printed(command: str, bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = words_of(command)
    if words[:2] == ["-m", "tinydl"]:
        assert main(words[2:]) == 0, capsys.readouterr()
        return
    done = run_script(words[0].removeprefix("examples/"), *words[1:], check=False)
    if "--data" in words:
        says_what_to_do(done.returncode, done.stderr)
    else:
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("script", ["fraud/autoencoders.py", "cifar/famous_networks.py", "lessons/residual_study.py"])
def test_commands_without_data_as_processes(script: str, bare: Path) -> None:
    command = next(each for each in commands(run=True) if f"{script} --data" in each)
    path, *options = words_of(command)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, ROOT / path, *options], env=environment, capture_output=True, text=True)
    says_what_to_do(done.returncode, done.stderr)


@pytest.mark.slow
def test_a_folder_of_submissions_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / "docs" / "gradients.md"
    recipe = next(block.body for block in blocks_of(page) if "def test_submission" in block.body)
    loop = next(block.body for block in blocks_of(page) if "for file in submissions" in block.body)
    right = next(block.body for block in blocks_of(ROOT / "docs" / "own.md") if "class Swish" in block.body)
    (tmp_path / "submissions").mkdir()
    for name, text in {
        "ann": right,
        "bob": right.replace("(1 - s)", "(1 + s)"),
        "eve": "import nothing_like_it",
    }.items():
        (tmp_path / "submissions" / f"{name}.py").write_text(text, encoding="utf-8")
    (tmp_path / "test_submissions.py").write_text(recipe, encoding="utf-8")
    run: dict[str, Any] = {
        "cwd": tmp_path,
        # The plugin of Hypothesis would take longer to load than all the rest.
        "env": {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": "-p no:hypothesispytest"},
        "capture_output": True,
        "text": True,
    }
    printed = subprocess.run([sys.executable, "-m", "pytest", "-rA", "test_submissions.py"], **run).stdout
    assert re.search(r"^PASSED .*\[ann\]", printed, re.MULTILINE), printed
    assert re.search(r"^FAILED .*\[bob\]", printed, re.MULTILINE), printed
    assert re.search(r"^FAILED .*\[eve\]", printed, re.MULTILINE), printed
    if os.name == "posix":
        done = subprocess.run(["sh", "-c", loop.replace(".venv/bin/python", sys.executable)], **run)
        assert [line for line in done.stdout.splitlines() if line.startswith("exit code")] == [
            f"exit code {code}: submissions/{name}.py" for code, name in ((0, "ann"), (1, "bob"), (2, "eve"))
        ]


@pytest.mark.parametrize("command", [each for each in commands(run=False) if ".venv/bin/python " in each])
def test_commands_that_are_not_run_name_what_there_is(command: str) -> None:
    words = words_of(command)
    if words[0] == "-m":
        assert words[1] == "pytest" or importlib.util.find_spec(words[1]) is not None
    else:
        usage = run_script(words[0].removeprefix("examples/"), "--help").stdout
        assert all(word in usage for word in words[1:] if word.startswith("--"))


def test_commands_within_a_sentence_name_what_there_is() -> None:
    for page in PAGES:
        for module, script in re.findall(
            r"`[^`]*python (?:-m ([\w.]+)|(\w+/\S+\.py))", page.read_text(encoding="utf-8")
        ):
            assert (ROOT / script).is_file() if script else importlib.util.find_spec(module) or "NAME" in module, page


def test_readme_begins_with_the_two_commands() -> None:
    first, second = blocks_of(ROOT / "README.md")[:2]
    for block, ends in ((first, "examples/fraud/autoencoders.py"), (second, "-m pytest -n 2 --dist loadfile")):
        assert block.language == "sh"
        assert block.body.startswith("python3 -m venv .venv && .venv/bin/pip install -q -e ")
        assert block.body.endswith(f".venv/bin/python {ends}\n")
        assert block.body.count("\n") == 1


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1500


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if re.match(r"https?:", link):
            continue
        path = link.partition("#")[0]  # Sphinx checks the headings within pages
        assert (page.parent / path).exists(), link


# --- the API ----------------------------------------------------------------------------------------------------------


def described(value: Any) -> bool:
    """Whether a value can have its own docstring, which a constant cannot."""
    return inspect.isroutine(value) or inspect.isclass(value)


def public_names() -> dict[str, Any]:
    """Every name in an __all__, and the public classes and functions of modules without one.

    Modules inside a package with an __all__ are skipped: the package's __all__ lists what users need from them.
    """
    names: dict[str, Any] = {}
    closed: list[str] = []
    for info in [None, *pkgutil.walk_packages(tinydl.__path__, "tinydl.")]:
        module = importlib.import_module(info.name) if info else tinydl
        name = module.__name__
        if name.endswith("__main__") or any(name.startswith(f"{package}.") for package in closed):
            continue
        if info and info.ispkg and hasattr(module, "__all__"):
            closed.append(name)
        own = [key for key, value in vars(module).items() if described(value) and value.__module__ == name]
        for key in getattr(module, "__all__", [key for key in own if not key.startswith("_")]):
            value = getattr(module, key)
            if not isinstance(value, ModuleType):
                names[f"{name}.{key}"] = value
    return names


def documented_names() -> set[str]:
    """The names that the directives in docs/api show."""
    shown = set()
    text = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    for kind, target, options in re.findall(r"^\.\. auto(\w+):: (\S+)\n((?:   :.*\n)*)", text, re.MULTILINE):
        if kind != "module":
            shown.add(target)
        elif ":no-members:" not in options:
            module = importlib.import_module(target)
            hidden = re.findall(r":exclude-members: (.*)", options)
            shown |= {
                f"{target}.{key}"
                for key in getattr(module, "__all__", vars(module))
                if described(getattr(module, key, None)) and key not in ", ".join(hidden).split(", ")
            }
    return shown


def test_every_public_name_is_in_the_api() -> None:
    names, shown = public_names(), documented_names()
    things = {id(names[name]) for name in shown if name in names}  # each has to be shown under one of its names
    missing = [name for name, value in names.items() if name not in shown and id(value) not in things]
    assert not missing, f"public names missing from docs/api: {missing}: add them to one of its pages"
