"""Typical mistakes, most of them met by users of other libraries: each has a message of four parts, place,
expectation, what came, and the mend."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from .forgotten import FORGOTTEN
from .habits import HABITS
from .mistake import Mistake, models, names
from .orders import ORDERS
from .shapes import SHAPES
from .types import TYPES

TABLE = [*SHAPES, *TYPES, *ORDERS, *FORGOTTEN, *HABITS]


@pytest.mark.parametrize("mistake", TABLE, ids=lambda mistake: mistake.name)
def test_the_message_names_place_expectation_what_came_and_the_mend(
    mistake: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    involved = models(mistake.code)
    before = {name: model.parameters.copy() for name, model in involved.items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error = run(mistake.code, names() | involved)
    if issubclass(mistake.kind, Warning):
        assert error is None, f"{type(error).__name__}: {error}"
        messages = [str(each.message) for each in caught if each.category is mistake.kind]
        assert len(messages) == 1, messages
        assert [each.filename for each in caught] == ["typed"]  # the warning points at the user's line
    else:
        assert type(error) is mistake.kind, f"{type(error).__name__}: {error}"
        assert not caught, [str(each.message) for each in caught]
        messages = [str(error)]
        for name, model in involved.items():
            np.testing.assert_array_equal(model.parameters, before[name], err_msg=f"{name} has changed")
    parts = (mistake.place, mistake.expected, mistake.got, mistake.mend)
    pattern = "^" + ".*?".join(f"(?:{part})" for part in parts)
    assert re.search(pattern, messages[0], re.DOTALL), f"{messages[0]}\ndoes not match\n{pattern}"


def run(code: str, scope: dict) -> Exception | None:
    """Run the code; return the exception that it raises."""
    try:
        exec(compile(code, "typed", "exec"), scope)
    except Exception as error:
        return error
    return None


def test_half_of_the_mistakes_were_met_elsewhere() -> None:
    assert len(TABLE) >= 120
    assert len({mistake.name for mistake in TABLE}) == len(TABLE)
    sources = [mistake.source for mistake in TABLE if mistake.source]
    assert len(sources) >= 60
    assert len(set(sources)) == len(sources)
    assert all(re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+", source) for source in sources)
