"""Arrays that forward reads but params does not list are never skipped silently."""

from __future__ import annotations

import numpy as np
import pytest

from tinydl.gradcheck import GradientCheckError, check_function, check_layer, check_model
from tinydl.layers import ContractivePenalty, Dense, Dropout, Sequential


class Attributes:
    """A dense layer as students write one, with a wrong dW."""

    def __init__(self) -> None:
        self.W = np.random.default_rng(0).normal(size=(3, 2))
        self.b = np.zeros(2)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dW = 17 * self.x.T @ dy
        self.db = dy.sum(axis=0)
        return dy @ self.W.T


class Frozen(Attributes):
    """The same layer with W and b as constants: backward keeps no gradients."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy @ self.W.T


class Hiding(Frozen):
    """The same layer with a name that the checker's own classes use for attributes to leave out."""

    unwalked = frozenset({"W", "b"})


class Half(Frozen):
    """A layer whose params lists W but not b."""

    def __init__(self) -> None:
        super().__init__()
        self.params, self.grads = {"W": self.W}, {"W": np.zeros_like(self.W)}

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.grads["W"] += self.x.T @ dy
        return dy @ self.W.T


def verdicts(layer: object, expected: dict[str, str], **options: object) -> GradientCheckError:
    """Assert that the check fails with these verdicts."""
    with pytest.raises(GradientCheckError) as caught:
        check_layer(layer, (4, 3), **options)  # type: ignore[arg-type]
    assert caught.value.report.gradients == expected
    assert not caught.value.report.passed
    return caught.value


def test_parameters_and_gradients_as_attributes_are_checked() -> None:
    with pytest.raises(GradientCheckError, match=r"Attributes FAILED\n  dW is wrong in(.|\n)*every entry is 17 times"):
        check_layer(Attributes(), (4, 3))

    class Right(Attributes):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            dx = super().backward(dy)
            self.dW = self.x.T @ dy
            return dx

    class Adding(Attributes):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.dW = getattr(self, "dW", np.zeros_like(self.W))
            self.db = getattr(self, "db", np.zeros_like(self.b))
            self.dW += self.x.T @ dy
            self.db += dy.sum(axis=0)
            return dy @ self.W.T

    class AlsoReads(Right):
        def __init__(self) -> None:
            super().__init__()
            self.scale = np.ones(3)

        def forward(self, x: np.ndarray) -> np.ndarray:
            return super().forward(x * self.scale.astype(x.dtype))

    verdicts(AlsoReads(), {"x": "ok", "W": "ok", "b": "ok", "scale": "not checked"})
    assert check_layer(AlsoReads(), (4, 3), constants=["scale"]).gradients["scale"] == "constant"
    for layer in (Right(), Adding()):
        report = check_layer(layer, (4, 3))
        assert list(report.arrays) == ["x", "W", "b"]
        assert report.notes == ["b: moved by 0.1 N(0, 1), because values of 0 or 1 hide errors"]
        assert not hasattr(layer, "dW")


def test_parameters_anywhere_are_checked_or_named() -> None:
    class Mixed(Half):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.db = dy.sum(axis=0)
            return super().backward(dy)

    class ForgetsB(Attributes):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.dW = self.x.T @ dy
            return dy @ self.W.T

    class WrongShape(ForgetsB):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.db = dy
            return super().backward(dy)

    class Nested:
        def __init__(self) -> None:
            self.layers = [Attributes(), Attributes()]
            self.layers[1].W, self.layers[1].b = np.ones((2, 2)), np.zeros(2)

        def forward(self, x: np.ndarray) -> np.ndarray:
            for layer in self.layers:
                x = layer.forward(x)
            return x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            for layer in reversed(self.layers):
                dy = layer.backward(dy)
            return dy

    class Lists(Frozen):
        def __init__(self) -> None:
            super().__init__()
            self.Ws, self.dWs = [self.W.copy()], [np.zeros_like(self.W)]

        def forward(self, x: np.ndarray) -> np.ndarray:
            self.x = x
            return x @ self.Ws[0]

        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.dWs[0] = self.x.T @ dy
            return dy @ self.Ws[0].T

    class Number(Attributes):
        def __init__(self) -> None:
            super().__init__()
            self.a = 0.25

        def forward(self, x: np.ndarray) -> np.ndarray:
            return super().forward(x) + self.a

        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.da = 3 * float(dy.sum())
            return super().backward(dy)

    assert check_layer(Mixed(), (4, 3)).gradients == {"x": "ok", "W": "ok", "b": "ok"}
    error = verdicts(ForgetsB(), {"x": "ok", "W": "ok", "b": "not checked"})
    assert "b was not checked: backward leaves no gradient of it" in str(error)
    assert "constants=['b'] if it is not learned" in str(error)
    error = verdicts(WrongShape(), {"x": "ok", "W": "ok", "b": "WRONG"})
    assert "db has shape (4, 2), but b has (2,)" in str(error)
    verdicts(Half(), {"x": "ok", "W": "ok", "b": "not checked"})
    names = [f"layers[{k}].{name}" for k in (0, 1) for name in "Wb"]
    error = verdicts(Nested(), {"x": "ok", **{name: "WRONG" if name[-1] == "W" else "ok" for name in names}})
    assert str(error).count("every entry is 17 times the right one") == 1
    assert str(error).count("likely cause: the same as above") == 1
    verdicts(Number(), {"x": "ok", "W": "WRONG", "b": "ok", "a": "WRONG"})
    assert check_layer(Lists(), (4, 3)).gradients == {"x": "ok", "Ws[0]": "ok"}


def test_a_users_model_is_looked_through_too() -> None:
    class Mean:
        def forward(self, y_pred: np.ndarray, y_true: np.ndarray) -> np.ndarray:
            self.d = y_pred - y_true
            return np.mean(self.d**2)

        def backward(self) -> np.ndarray:
            return 2 / self.d.size * self.d

    with pytest.raises(GradientCheckError, match=r"dW is wrong(.|\n)*every entry is 17 times"):
        check_model(Attributes(), (4, 3), np.zeros((4, 2)), loss=Mean())


def test_zeros_ones_and_identities_are_left() -> None:
    """A gamma of ones would hide that backward omits gamma, so the check moves it, but only in its own copy."""

    class Scale(Attributes):
        def __init__(self) -> None:
            self.gamma = np.ones(3)

        def forward(self, x: np.ndarray) -> np.ndarray:
            self.x = x
            return self.gamma * x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.dgamma = (dy * self.x).sum(axis=0)
            return dy

    layer = Scale()
    verdicts(layer, {"x": "WRONG", "gamma": "ok"})
    assert np.all(layer.gamma == 1)
    with pytest.raises(GradientCheckError, match=r"dx is wrong(.|\n)*note: gamma: moved by 0.1 N\(0, 1\), because"):
        check_function(lambda x, gamma: gamma * x, lambda dy, x, gamma: (dy, (dy * x).sum(axis=0)), (4, 3), np.ones(3))


def test_what_is_no_parameter_is_not_taken_for_one() -> None:
    class Step(Frozen):
        """t and dt are constants: dt is not a gradient, despite its name."""

        def __init__(self) -> None:
            self.t, self.dt = np.ones(3), np.full(3, 0.1)

        def forward(self, x: np.ndarray) -> np.ndarray:
            return x + (self.t * self.dt).astype(x.dtype)

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy * 1

    class Lazy(Attributes):
        """A layer that makes W when forward first runs."""

        def __init__(self) -> None:
            self.W = None

        def forward(self, x: np.ndarray) -> np.ndarray:
            if self.W is None:
                self.W = np.full((x.shape[1], 2), 0.3, x.dtype)
            self.x = x
            return x @ self.W

        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.dW = self.x.T @ dy
            return dy @ self.W.T

    verdicts(Step(), {"x": "ok", "t": "not checked", "dt": "not checked"})
    assert check_layer(Step(), (4, 3), constants=["t", "dt"]).passed
    assert list(check_layer(Lazy(), (4, 3)).arrays) == ["x", "W"]


def test_the_mode_is_set_by_any_usual_name() -> None:
    class Other(Attributes):
        def forward(self, x: np.ndarray, is_training: bool = True) -> np.ndarray:
            assert not is_training
            return super().forward(x)

        def backward(self, dy: np.ndarray) -> np.ndarray:
            dx = super().backward(dy)
            self.dW /= 17
            return dx

    with pytest.raises(AssertionError):
        check_layer(Other(), (4, 3))
    assert check_layer(Other(), (4, 3), training=False).passed


def test_a_broken_rule_stands_beside_the_verdict() -> None:
    class Leaks(Frozen):
        def forward(self, x: np.ndarray) -> np.ndarray:
            return x.astype(np.float64) @ self.W.astype(np.float64)

    report = check_layer(Leaks(), (4, 3), constants=["W"])
    assert report.passed
    assert [rule.code for rule in report.rules] == ["dtype"]
    assert "float32=False skips this check" in report.rules[0].message
    assert f"rule dtype: {report.rules[0].message}" in str(report)
    with pytest.raises(GradientCheckError, match="dtype leak: y is float64 in a float32 run") as caught:
        check_layer(Leaks(), (4, 3), constants=["W"], rules="fail")
    assert caught.value.report.gradients == {"x": "ok", "W": "constant"}
    assert check_layer(Leaks(), (4, 3), constants=["W"], rules="fail", float32=False).rules == []


def test_arrays_that_were_not_checked_are_named() -> None:
    layer = Frozen()
    before = layer.W.copy()
    verdicts(layer, {"x": "ok", "W": "not checked", "b": "not checked"})
    verdicts(Hiding(), {"x": "ok", "W": "not checked", "b": "not checked"})
    np.testing.assert_array_equal(layer.W, before)
    verdicts(Hiding(), {"x": "ok", "W": "not checked", "b": "not checked"})
    with pytest.raises(ValueError, match=r"constants: Frozen reads no array 'w': did you mean W\?|its arrays are"):
        check_layer(layer, (4, 3), constants=["w"])
    with pytest.raises(TypeError, match=r"constants must be a tuple of names such as \('pe',\), got 'W'"):
        check_layer(layer, (4, 3), constants="W")


def test_caches_and_listed_arrays_are_no_note() -> None:
    layer = Sequential([Dense(4, "tanh"), Dropout(0.3), ContractivePenalty(Dense(3, "sigmoid"), 0.1)])
    assert check_layer(layer, (5, 3)).notes == []
