"""Every script explains its use, and finds the files beside it when started from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess as Done

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(
    path.relative_to(EXAMPLES).as_posix()
    for path in EXAMPLES.rglob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_says_how_the_script_is_run(run: Callable[..., Done], script: str) -> None:
    assert f"python examples/{script}" in run(script, "--help").stdout


@pytest.mark.slow
@pytest.mark.parametrize("script", ["fraud/autoencoders.py", "cifar/cnn.py"])
def test_scripts_with_files_beside_them_start_in_any_folder(script: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    command = [sys.executable, str(EXAMPLES / script), "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert f"python examples/{script}" in done.stdout
    assert not list(tmp_path.iterdir())
