"""One file per layer, loss or optimizer, with everything that the proofs need. The files are found automatically.

A new layer needs its own file in tinydl/layers, a line in tinydl/layers/__init__.py, and a spec here, e.g. swish.py:

    from tinydl.layers import Swish

    from ..cases import X, LayerCase
    from ..spec import LayerSpec

    SPEC = LayerSpec(
        Swish,
        cases={"": LayerCase(Swish(), X), "steep": LayerCase(Swish(3.0), (2, 3, 4))},
        draw=lambda draw, shape: Swish(draw((1.0, 0.3, 5.0))),
    )

`cases` are hand-picked points at which the gradient is checked: a layer, its input or the input's shape, and options
of check_layer. Choose cases that expose mistakes: several rows, sides that differ, windows that overlap. `draw` makes
a random layer for an input of the given shape; draw(options) picks one of the options.

The spec is enough for these tests: gradient checks by both methods (test_gradients.py), checks at random points and
in chains with all other layers (test_properties.py), no float64 in a float32 training step (test_float32.py), saved
files and exact resumption (test_checkpoints.py), and mutants, all of which must be caught (test_mutants.py,
`python -m benchmarks.mutants`). A spec cannot prove that forward is right: record values from a source that shares
no code with tinydl, and compare forward's results with those values in a separate test of the layer.

A spec also declares that its layer accepts only images or only rows (`inputs`), that its gradients may be 0, or that
its data must not be N(0, 1): see LayerSpec in ../spec.py, and the other files for examples. A loss needs cases and
targets (mean_squared_error.py); an optimizer needs its kinds and an independent copy of its formula (sgd.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ..cases import Case
from ..spec import LayerSpec, LossSpec, OptimizerSpec

SPECS: list[Any] = [
    import_module(f"{__name__}.{file.stem}").SPEC
    for file in sorted(Path(__file__).parent.glob("*.py"))
    if file.stem != "__init__"
]
LAYERS: dict[str, LayerSpec] = {spec.subject.__name__: spec for spec in SPECS if isinstance(spec, LayerSpec)}
LOSSES: dict[str, LossSpec] = {spec.subject.__name__: spec for spec in SPECS if isinstance(spec, LossSpec)}
DIFFERENTIATED: dict[str, LayerSpec | LossSpec] = {**LAYERS, **LOSSES}  # everything with a gradient to check
OPTIMIZERS: dict[str, OptimizerSpec] = {
    spec.subject.__name__: spec for spec in SPECS if isinstance(spec, OptimizerSpec)
}


def cases_of(specs: Mapping[str, LayerSpec | LossSpec]) -> dict[str, Case]:
    """Every case, keyed by its full name: "Dense(one row)"; the default case is "Dense"."""
    return {
        f"{name}({shows})" if shows else name: case
        for name, spec in specs.items()
        for shows, case in spec.cases.items()
    }


def file_for(subject: type) -> str:
    """The path of the spec for a class; the file is named after the class, in snake case."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z][a-z\d])|(?<=[A-Z])(?=[A-Z][a-z])", "_", subject.__name__)
    return f"tests/proofs/specs/{words.lower()}.py"
