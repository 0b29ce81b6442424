"""The notebook: its outputs are stored, and its cells still run; the script that executes it works as Jupyter does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from examples import execute_notebook

NOTEBOOK = Path(execute_notebook.__file__).with_name("first_steps.ipynb")


def test_the_example_is_executed_and_its_cells_still_run() -> None:
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert NOTEBOOK.stat().st_size < 200_000
    done = execute_notebook.execute(stored)

    def without_outputs(notebook: Any) -> Any:
        return [{**cell, "outputs": []} for cell in notebook["cells"]]

    def kinds(notebook: Any) -> list[list[str]]:
        codes = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        return [sorted({kind for output in cell["outputs"] for kind in output.get("data", ["text"])}) for cell in codes]

    picture, page = ["image/png", "text/plain"], ["text/html", "text/plain"]
    assert kinds(done) == kinds(stored) == [picture, page, page, ["text"], picture, page, picture]
    assert without_outputs(done) == without_outputs(stored)
    assert "gradient check of Conv2D passed" in json.dumps(done)
    assert " at 0x" not in json.dumps(done)  # addresses would differ in every execution


def test_a_cell_shows_its_last_value_alone() -> None:
    def outputs(source: str) -> Any:
        notebook = {
            "cells": [{"cell_type": "code", "source": [source]}, {"cell_type": "markdown", "source": ["1 / 0"]}]
        }
        return execute_notebook.execute(notebook)["cells"][0]["outputs"]

    assert outputs("1; 2") == [
        {"data": {"text/plain": ["2"]}, "execution_count": 1, "metadata": {}, "output_type": "execute_result"}
    ]
    assert outputs("print(1)\nx = 2") == [{"name": "stdout", "output_type": "stream", "text": ["1\n"]}]
    assert outputs("") == outputs("None") == []
    with pytest.raises(ZeroDivisionError):
        outputs("1 / 0")
