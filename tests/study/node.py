"""The part of the page that needs no browser, run by Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

from tinydl.study.see import EXPLAINING, script

NODE = shutil.which("node") or shutil.which("nodejs")


def node(code: str, *values: Any) -> Any:
    """The value that `code`, the body of a function of `values`, returns; it can use all functions of the page."""
    assert NODE is not None
    text = script(*EXPLAINING, "formulas.js", "mathml.js")
    program = (
        f'"use strict";\n{text}\nconst values = JSON.parse(require("fs").readFileSync(0, "utf8"));\n'
        f"process.stdout.write(JSON.stringify(((values) => {{ {code} }})(values)));"
    )
    run = subprocess.run(
        [NODE, "-e", program], input=json.dumps(values), capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
