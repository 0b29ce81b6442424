"""The example of the deep belief network, run with few rows and epochs."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess as Done
from typing import Any

import numpy as np
import pytest

from tests.examples.conftest import EXAMPLES, run_script
from tests.unsupervised.enumeration import rows
from tinydl.unsupervised import DeepBeliefNetwork

SCRIPT = "digits_belief_network.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The script's functions."""
    return runpy.run_path(str(EXAMPLES / SCRIPT))


def test_it_reports_what_it_measured(run: Callable[..., Done], tmp_path: Path) -> None:
    printed = run(SCRIPT, "--quick", "--seeds", 2, "--seed", 4, "--out", tmp_path).stdout
    pictures = ("filters.png", "samples.png", "confusion.png")
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", "table.md", *pictures}
    for name in pictures:
        assert f"\n  {name} " in printed
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "table.md").read_text().strip() in printed
    results = json.loads((tmp_path / "results.json").read_text())
    assert [(each["seed"], each["labels"]) for each in results["runs"]] == [(4, 300), (4, 30), (5, 300), (5, 30)]
    assert len(results["units_in_use"]) == 2
    for share, labels in ((1.0, 300), (0.1, 30)):
        row = next(line for line in printed.splitlines() if line.startswith(f"| {labels} "))
        for way in ("logistic regression", "fine-tuned", "from scratch"):
            found = np.array([each[way] for each in results["runs"] if each["share"] == share])
            assert f"{found.mean():.1%} ± {found.std(ddof=1):.1%}" in row
            assert found.min() > 0.2
    assert "This was a quick run" in printed


def test_images_side_by_side(script: dict[str, Any]) -> None:
    images = np.arange(3 * 64).reshape(3, 64) / 192
    sheet = script["tiled"](images, 2)
    assert sheet.shape == (17, 17)
    np.testing.assert_array_equal(sheet[:8, 9:], images[1].reshape(8, 8))
    np.testing.assert_array_equal(sheet[9:, :8], images[2].reshape(8, 8))
    assert np.isnan(sheet[8]).all()
    assert np.isnan(sheet[9:, 8:]).all()


def test_the_spread_of_units(script: dict[str, Any]) -> None:
    x = rows(4, 50)
    dbn = DeepBeliefNetwork((2, 3), n_iter=0, finetune_epochs=1, random_state=0).fit(x, np.arange(50) % 2)
    first, second = dbn.rbms_
    for machine in dbn.rbms_:
        machine.components_[...] = 0
    first.components_[1, 0], second.components_[2, 1] = 2, -3
    on = 1 / (1 + np.exp(-2 * x[:, 0]))
    found = script["spreads"](dbn, x)
    np.testing.assert_allclose(found[0], [0, on.std()], atol=1e-12)
    np.testing.assert_allclose(found[1], [0, 0, (1 / (1 + np.exp(3 * on))).std()], atol=1e-12)


WHOLE = {
    "quick": True, "seed": 0,
    "runs": [{"seed": 0, "share": share, "labels": 1, "logistic regression": 0.5, "fine-tuned": 0.5, "from scratch": 0.5}
             for share in (1.0, 0.1)],
}  # fmt: skip


@pytest.mark.parametrize(
    "content", ["", "null", "[]", "{}", "[" * 100_000, json.dumps(WHOLE)[:-9], json.dumps(WHOLE).replace("0.5", "1e999"),
                json.dumps(WHOLE).replace("0.5", '"0.5x"'), json.dumps(WHOLE).replace("runs", "run"), " " * (2**24 + 1)],
    ids=lambda content: content[:20],
)  # fmt: skip
def test_damaged_results_give_one_clear_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    done = run_script(SCRIPT, "--quick", "--resume", "--out", tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"--resume: {path}: expected ")
    assert done.stderr.count("\n") == 1
    assert path.read_text() == content


@pytest.mark.parametrize(("arguments", "message"), [
    (["--seeds", 0], "--seeds must be >= 1"),
    (["--seed", -1], "--seed must be >= 0"),
    (["--out", __file__], "is a file, not a folder"),
])  # fmt: skip
def test_bad_options_give_one_clear_line(refused: Callable[..., None], arguments: list[object], message: str) -> None:
    refused(SCRIPT, arguments, message)
