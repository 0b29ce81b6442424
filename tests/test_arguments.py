"""Properties common to all hyper-parameters: their repr, and the hint about channels-first images."""

from __future__ import annotations

import pytest

from tinydl.arguments import Configured, channels_first


class Plain(Configured):
    """A class without its own constructor."""


class Made(Configured):
    def __init__(self, size: int, rate: float = 0.5) -> None:
        self.size, self.rate = size, rate


class Forgets(Configured):
    def __init__(self, size: int) -> None:
        self.length = size


def test_what_is_configured_shows_its_arguments() -> None:
    assert repr(Plain()) == "Plain()"
    assert repr(Made(3)) == "Made(size=3, rate=0.5)"
    assert Made(**Made(3, 0.1).get_config()).get_config() == {"size": 3, "rate": 0.1}
    with pytest.raises(TypeError, match=r"^Forgets: its constructor must store the argument 'size' as self.size"):
        Forgets(3).get_config()


@pytest.mark.parametrize(
    ("shape", "expected", "hint"),
    [
        ((3, 32, 30), (32, 30, 3), ": the images are channels first; put channels last"),
        ((16, 4, 5), (4, 5, 16), ": the images are channels first; put channels last"),
        ((3, 32, 30), (30, 32, 3), ""),  # height and width swapped: a different mistake
        ((32, 30, 3), (32, 30, 1), ""),
        ((32, 3), (3, 32), ""),
        ((3, 32, 32), None, ": if the images are channels first, use (32, 32, 3) and put channels last"),
        ((1, 8, 8), None, ": if the images are channels first, use (8, 8, 1) and put channels last"),
        ((32, 32, 3), None, ""),
        ((3, 32, 16), None, ""),  # images 3 pixels high: the shape may be intended
        ((3, 3, 3), None, ""),
        ((16, 8, 8), None, ""),
        ((), None, ""),
    ],
)
def test_channels_first_is_seen(shape: tuple[int, ...], expected: tuple[int, ...] | None, hint: str) -> None:
    assert channels_first(shape, expected) == (f"{hint}, x.transpose(0, 2, 3, 1)" if hint else "")
