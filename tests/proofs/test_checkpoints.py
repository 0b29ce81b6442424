"""A model with any layer reloads bit for bit, and training with any optimizer resumes as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.proofs.specs import OPTIMIZERS
from tests.proofs.stacks import CASES, batch, stack
from tinydl import Model
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD
from tinydl.schedules import CosineDecay

KINDS: dict[str, Any] = {
    f"{name} {kind}".strip(): make for name, spec in OPTIMIZERS.items() for kind, make in spec.kinds.items()
}


@pytest.mark.parametrize("name", CASES)
def test_a_saved_model_is_the_same_model(tmp_path: Path, name: str) -> None:
    model = stack(CASES[name])
    x, y = batch(model)
    model.compile(SGD(0.01), MeanSquaredError())
    model.fit(x, y, batch_size=4, verbose=0)  # move state and parameters off their initial values
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert repr(loaded.layers) == repr(model.layers)
    for arrays, before in ((loaded.params, model.params), (loaded.state, model.state)):
        assert list(arrays) == list(before)
        for array in before:
            np.testing.assert_array_equal(arrays[array], before[array], strict=True)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x), strict=True)


def resumed_is_straight(tmp_path: Path, case: Any, optimizer: Any) -> None:
    def compiled() -> Model:
        model = stack(case)
        model.compile(optimizer(), MeanSquaredError())
        return model

    straight, first, resumed = compiled(), compiled(), compiled()
    x, y = batch(straight, 12)
    losses = straight.fit(x, y, epochs=4, batch_size=4, verbose=0).history["loss"]
    first.fit(x, y, epochs=2, batch_size=4, verbose=0)
    first.save_checkpoint(tmp_path / "c")
    resumed.load_checkpoint(tmp_path / "c")
    rest = resumed.fit(x, y, epochs=4, batch_size=4, verbose=0, initial_epoch=resumed.epoch)
    assert rest.history["loss"] == losses[2:]
    np.testing.assert_array_equal(resumed.parameters, straight.parameters)
    for name, array in resumed.state.items():
        np.testing.assert_array_equal(array, straight.state[name])


@pytest.mark.parametrize("name", CASES)
def test_a_resumed_run_is_the_same_run_for_every_layer(tmp_path: Path, name: str) -> None:
    resumed_is_straight(tmp_path, CASES[name], lambda: SGD(0.01, momentum=0.9, weight_decay=1e-3))


@pytest.mark.parametrize("schedule", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_is_the_same_run_for_every_optimizer(tmp_path: Path, kind: str, schedule: bool) -> None:
    more = {"learning_rate": CosineDecay(0.01, 20)} if schedule else {}
    make = KINDS[kind]
    config = {**make().get_config(), **more}
    resumed_is_straight(tmp_path, CASES["Sequential(everything)"], lambda: type(make())(**config))
