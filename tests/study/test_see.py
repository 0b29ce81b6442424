"""see: the page as a file. What it does in a browser is in test_page_in_a_browser.py, its sums in test_page_explains.py."""

from __future__ import annotations

import copy
import html.parser
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tinydl import Model
from tinydl.__main__ import main
from tinydl.commands.small_network import small_network
from tinydl.layers import Dense
from tinydl.study import Trace, page, see

VOID = {"meta", "link", "input", "br"}
HOSTILE = "</script><script>alert(1)</script><!--\u2028{{script}}\"'"


class Tree(html.parser.HTMLParser):
    """Checks that every element that is opened is closed, in order, and collects what the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.counts: dict[str, int] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.counts[tag] = self.counts.get(tag, 0) + 1
        for name, value in attrs:
            if name in ("src", "href", "action", "data"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def dense(name: str | None = None, layer: str | None = None) -> tuple[Model, np.ndarray, np.ndarray]:
    model = Model([Dense(4, "relu", name=layer), Dense(2)], input_shape=3, name=name)
    model.compile("sgd", "mse")
    return model, np.ones((5, 3)), np.ones((5, 2))


def test_the_page_is_a_file_and_the_model_stays_as_it_was(tmp_path: Path) -> None:
    model, x, y = small_network(4)
    before = copy.deepcopy(model)
    path = model.see(x, y, tmp_path / "new" / "step.html")
    assert path == tmp_path / "new" / "step.html"
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert path.stat().st_size < 200_000  # as the manual says
    assert model.parameters.tobytes() == before.parameters.tobytes()
    assert model.train_on_batch(x, y) == before.train_on_batch(x, y)
    assert see(model, x, y, tmp_path / "again.html") == tmp_path / "again.html"


def test_the_trace_makes_the_same_page_after_a_round_trip() -> None:
    model, x, y = small_network(4)
    step = model.trace(x, y)
    text = step.to_json()
    assert page(Trace.from_json(text)) == page(text) == page(step)


def test_the_page_is_valid_and_refers_to_nothing_outside() -> None:
    text = page(small_network(4)[0].trace(*small_network(4)[1:]))
    tree = Tree(text)
    assert sorted(tree.links) == ["#layers", "data:,"]
    assert len(set(tree.ids)) == len(tree.ids)
    assert tree.counts["title"] == tree.counts["h1"] == tree.counts["main"] == 1
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|\beval\(|new Function|\bfetch\(|XMLHttpRequest|import\(|@import", text)
    assert "{{" not in re.sub(r"\$\{\{", "", text)


def test_names_cannot_end_the_script_or_begin_another() -> None:
    model, x, y = dense(HOSTILE, "<img src=x onerror=alert(1)>")
    text = page(model.trace(x, y))
    tree = Tree(text)
    assert tree.counts["script"] == 2
    assert "img" not in tree.counts
    (data,) = re.findall(r'<script type="application/json" id="trace">(.*?)</script>', text, re.DOTALL)
    content = json.loads(data)
    assert content["model"] == HOSTILE
    assert content["layers"][0]["path"] == "<img src=x onerror=alert(1)>"


def test_larger_arrays_are_cropped(tmp_path: Path) -> None:
    model, x, y = dense()
    small = model.see(x, y, tmp_path / "small.html", most_entries=2)
    whole = model.see(x, y, tmp_path / "whole.html", most_entries=None)
    assert '"kept": [1, 2]' in small.read_text(encoding="utf-8")
    assert '"kept": [1, 2]' not in whole.read_text(encoding="utf-8")


def test_weights_of_rows_are_part_of_the_step(tmp_path: Path) -> None:
    model, x, y = dense()
    path = model.see(x, y, tmp_path / "step.html", sample_weight=np.arange(5.0))
    assert '"sample_weight": null' not in path.read_text(encoding="utf-8")


def test_what_is_no_trace_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be what Trace\.to_json gave"):
        page('{"format": "another"}')


def test_arguments_are_checked(tmp_path: Path) -> None:
    model, x, y = dense()
    with pytest.raises(TypeError, match="write path"):
        model.see(x, y, filename="step.html")
    for wrong in (0, "x", 1.5, True):
        with pytest.raises(ValueError, match=f"see: most_entries must be an integer >= 1, or None, got {wrong!r}"):
            model.see(x, y, tmp_path / "step.html", most_entries=wrong)  # type: ignore[arg-type]
    for name in ("a.pdf", "a"):
        with pytest.raises(ValueError, match=f"see: path must end in .html, got '.*{name}'"):
            model.see(x, y, tmp_path / name)
    with pytest.raises(IsADirectoryError):
        model.see(x, y, tmp_path)
    with pytest.raises(RuntimeError, match="must be compiled"):
        Model([Dense(1)], input_shape=1).see([[1.0]], [[1.0]], tmp_path / "step.html")
    assert list(tmp_path.iterdir()) == []


# --- the command ------------------------------------------------------------------------------------------------------


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["see", *words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_command_writes_the_built_in_example(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = command(capsys)
    assert (code, err) == (0, "")
    assert re.fullmatch(r"step\.html \(\d+ kB\): 4 rows through bars; open it in a browser\n", out)
    kinds = re.findall(r'"kind": "(\w+)"', Path("step.html").read_text(encoding="utf-8"))
    needed = {"Dense", "Conv2D", "MaxPool2D", "BatchNorm", "Residual", "Dropout", "SoftmaxCrossEntropy"}
    assert needed <= set(kinds)


def test_the_command_takes_a_saved_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model, x, y = dense("mine")
    model.save("model.safetensors")
    np.save("x.npy", x)
    np.save("y.npy", y)
    code, out, err = command(
        capsys, "model.safetensors", "--x", "x.npy", "--y", "y.npy", "--rows", "2", "--out", "a.html"
    )
    assert code == 0
    assert err == "the first 2 of 5 rows (--rows 5 takes all)\n"
    assert out.startswith("a.html (")
    assert Path("a.html").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.safetensors"], "see: TARGET: none.safetensors: expected a file that save wrote"),
        (["none.py:step"], "see: TARGET: there is no file none.py"),
        (["--out", "."], "see: --out must end in .html, got '.'"),
        (["--out", "a.pdf"], "see: --out must end in .html, got 'a.pdf'"),
        (["--out", "folder.html"], "expected the path of a file, got a folder"),
        (["model.safetensors", "--x", "x.npy", "--y", "y.npy"], "see: trace: x must be of shape (n, 3), got (4, 7)"),
    ],
)
def test_the_command_names_what_is_wrong(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    dense()[0].save("model.safetensors")
    Path("folder.html").mkdir()
    np.save("x.npy", np.ones((5, 7)))
    np.save("y.npy", np.ones((5, 2)))
    code, out, err = command(capsys, *words)
    assert (code, out) == (2, "")
    assert message in err


def test_a_page_that_exists_is_replaced_only_with_overwrite(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("step.html")
    file.write_text("mine")
    assert command(capsys) == (2, "", "see: step.html exists: choose another --out, or pass --overwrite\n")
    assert file.read_text() == "mine"
    assert command(capsys, "--overwrite")[0] == 0
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    file.write_text("mine")
    model, x, y = dense()
    model.see(x, y, file)  # in Python, as save does
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_file_that_the_system_refuses_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tinydl.files.os.replace", refuses)
    wanted = "expected a file that can be written, got 'No space left on device': choose another path\n"
    assert command(capsys) == (2, "", f"see: {tmp_path.resolve() / 'step.html'}: {wanted}")
