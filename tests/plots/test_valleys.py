"""Paths in a valley against the optimizers' formulas, written out, and against their own steps."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from tinydl import plots
from tinydl.optimizers import SGD, Adam, Lion, Optimizer, RMSprop
from tinydl.plots import VALLEYS, Valley


def slope(u: float, v: float) -> tuple[float, float]:
    return u, 40 * v


def written_out(kind: str, steps: int) -> list[tuple[float, float]]:
    """The path in the ravine by the textbook's formulas, one number at a time."""
    p, path = [-9.0, 2.0], [(-9.0, 2.0)]
    m, s = [0.0, 0.0], [0.0, 0.0]
    for t in range(1, steps + 1):
        for k, g in enumerate(slope(*p)):
            if kind == "SGD":
                p[k] -= 0.045 * g
            elif kind == "SGD with momentum":
                m[k] = 0.9 * m[k] + g
                p[k] -= 0.012 * m[k]
            elif kind == "RMSprop":
                s[k] = 0.9 * s[k] + 0.1 * g**2
                p[k] -= 0.2 * g / (math.sqrt(s[k]) + 1e-8)
            else:
                m[k], s[k] = 0.9 * m[k] + 0.1 * g, 0.999 * s[k] + 0.001 * g**2
                p[k] -= 0.4 * (m[k] / (1 - 0.9**t)) / (math.sqrt(s[k] / (1 - 0.999**t)) + 1e-8)
        path.append((p[0], p[1]))
    return path


@pytest.mark.parametrize("kind", plots.default_optimizers())
def test_paths_follow_the_formulas(kind: str) -> None:
    optimizer = plots.default_optimizers()[kind]
    np.testing.assert_allclose(plots.optimizer_path(optimizer, steps=25), written_out(kind, 25), rtol=1e-9, atol=1e-12)
    assert optimizer.iterations == 0, "the optimizer given must stay new"


@pytest.mark.parametrize("make", [lambda: Lion(0.05), lambda: SGD(0.002, 0.9, nesterov=True), lambda: Adam(0.1)])
def test_paths_are_the_optimizers_own_steps(make: Any) -> None:
    valley = VALLEYS["rosenbrock"]
    own: Optimizer = make()
    p = np.array(valley.start)
    expected = [p.copy()]
    for _ in range(12):
        own.step(p, np.array(valley.gradient(*p)))
        expected.append(p.copy())
    np.testing.assert_array_equal(plots.optimizer_path(make(), "rosenbrock", 12), expected)


@pytest.mark.parametrize("name", VALLEYS)
def test_gradients_are_those_of_the_values(name: str) -> None:
    valley = VALLEYS[name]
    for u, v in np.random.default_rng(0).uniform(-2, 2, (10, 2)):
        numeric = [(valley.value(u + a, v + b) - valley.value(u - a, v - b)) / 2e-6 for a, b in ((1e-6, 0), (0, 1e-6))]
        np.testing.assert_allclose(valley.gradient(u, v), numeric, rtol=1e-5, atol=1e-6)
    assert valley.gradient(*valley.minimum) == (0, 0)
    assert valley.value(*valley.minimum) == 0
    (u0, u1), (v0, v1) = valley.limits
    assert u0 < valley.start[0] < u1
    assert v0 < valley.start[1] < v1


def curves(figure: Figure) -> dict[str, np.ndarray]:
    lines = [line for line in figure.axes[0].get_lines() if not str(line.get_label()).startswith("_")]
    return {str(line.get_label()): np.array(line.get_data()).T for line in lines}


def test_the_picture_has_the_paths_and_where_they_end() -> None:
    figure = plots.optimizer_paths({"a": SGD(0.04), "b": RMSprop(0.1)}, steps=9)
    path = plots.optimizer_path(SGD(0.04), steps=9)
    drawn = curves(figure)
    np.testing.assert_array_equal(drawn[f"a: f = {(path[-1, 0] ** 2 + 40 * path[-1, 1] ** 2) / 2:.2g}"], path)
    assert len(drawn) == 2
    assert "9 steps" in figure.axes[0].get_title()


def test_a_path_that_diverges_ends_and_that_is_said() -> None:
    path = plots.optimizer_path(SGD(1.0), steps=30)
    ends = int(np.isnan(path).any(axis=1).argmax())
    assert 2 < ends < 30
    assert np.abs(path[:ends]).max() < 1e7
    assert np.isnan(path[ends:]).all()
    assert list(curves(plots.optimizer_paths({"wild": SGD(1.0)}, steps=30))) == ["wild: diverges"]


def test_a_valley_of_ones_own() -> None:
    bowl = Valley("bowl", lambda u, v: u**2 + v**2, lambda u, v: (2 * u, 2 * v), (1.0, 1.0), (0.0, 0.0), ((-2, 2),) * 2)
    path = plots.optimizer_path(SGD(0.25), bowl, 3)
    np.testing.assert_allclose(path, [(0.5**k, 0.5**k) for k in range(4)])
    assert "bowl" in plots.optimizer_paths(valley=bowl, steps=3).axes[0].get_title()


def test_the_film_shows_one_step_more_in_each_frame(tmp_path: Path) -> None:
    film = plots.optimizer_animation({"a": SGD(0.04)}, steps=4)
    path = plots.optimizer_path(SGD(0.04), steps=4)
    figure = film._fig
    for frame in range(5):
        film._draw_frame(frame)
        np.testing.assert_array_equal(curves(figure)["a"], path[: frame + 1])
        assert figure.axes[0].get_title().endswith(f": step {frame}")
    film.save(tmp_path / "film.gif", writer="pillow", dpi=40)
    assert (tmp_path / "film.gif").read_bytes().startswith(b"GIF8")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.optimizer_path(SGD(), "hill"), "valley must be one of 'ravine', 'rosenbrock', got 'hill'"),
        (lambda: plots.optimizer_path(SGD(), steps=0), "steps must be an integer >= 1, got 0"),
        (lambda: plots.optimizer_paths({}), "expected 1 to 6 optimizers by name, got 0"),
        (lambda: plots.optimizer_animation(interval=0), "interval must be an integer >= 1, got 0"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_an_optimizer_that_made_steps_is_refused() -> None:
    used = SGD()
    used.step(np.zeros(2), np.zeros(2))
    with pytest.raises(ValueError, match="must be a new one, got one after 1 steps: make another"):
        plots.optimizer_path(used)
