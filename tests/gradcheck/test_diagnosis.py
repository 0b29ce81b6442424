"""Every mistake that the diagnosis looks for is planted here, and must be named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinydl.gradcheck import GradientCheckError, check_layer, check_loss
from tinydl.gradcheck.diagnosis import SUSPECTS

Array = NDArray[Any]


class Plain:
    """A base for layers as users write them: parameters and gradients in two dicts."""

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}

    def add(self, name: str, value: Array) -> None:
        self.params[name] = value
        self.grads[name] = np.zeros_like(value)


class Affine(Plain):
    """y = x W + b; each gradient can be overridden."""

    def __init__(self, n_in: int = 5, n_out: int = 5) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.add("W", rng.standard_normal((n_in, n_out)))
        self.add("b", rng.standard_normal(n_out))

    def forward(self, x: Array) -> Array:
        self.x = x
        self.y = x @ self.params["W"] + self.params["b"]
        return self.y

    def backward(self, dy: Array) -> Array:
        self.grads["W"] += self.dW(dy)
        self.grads["b"] += self.db(dy)
        return self.dx(dy)

    def dW(self, dy: Array) -> Array:
        return self.x.T @ dy

    def db(self, dy: Array) -> Array:
        return dy.sum(axis=0)

    def dx(self, dy: Array) -> Array:
        return dy @ self.params["W"].T


class Elementwise(Plain):
    """y = tanh(x)."""

    def forward(self, x: Array) -> Array:
        self.x, self.y = x, np.tanh(x)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (1 - self.y**2)


class Softmax(Plain):
    def forward(self, x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dy: Array) -> Array:
        return self.y * (dy - (dy * self.y).sum(axis=1, keepdims=True))


class BatchNorm(Plain):
    """Normalization over axis 0, without scale and shift."""

    def forward(self, x: Array) -> Array:
        self.std = np.sqrt(x.var(axis=0) + x.dtype.type(1e-3))
        self.y = (x - x.mean(axis=0)) / self.std
        return self.y

    def backward(self, dy: Array) -> Array:
        return (dy - self.mean_road(dy) - self.variance_road(dy)) / self.std

    def mean_road(self, dy: Array) -> Array:
        return dy.mean(axis=0)

    def variance_road(self, dy: Array) -> Array:
        return self.y * (dy * self.y).mean(axis=0)


class Windows(Plain):
    """Weighted sums over windows of two entries along axis 1; all entries except the ends are in two windows."""

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return np.sin(x[:, :-1]) + x[:, 1:] ** 2 if False else x[:, :-1] + x.dtype.type(2) * x[:, 1:]

    def backward(self, dy: Array) -> Array:
        dx = np.zeros(self.shape, dy.dtype)
        dx[:, :-1] = dy
        dx[:, 1:] += 2 * dy
        return dx


class Image(Plain):
    """y = x^3 on images."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * x * x

    def backward(self, dy: Array) -> Array:
        return 3 * self.x**2 * dy


class Penalised(Plain):
    """y = x^2, with a penalty: the mean over the rows of sum_j x_nj^4."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * x

    def penalty(self) -> Any:
        return (self.x**4).sum() / len(self.x)

    def backward(self, dy: Array) -> Array:
        return self.through_y(dy) + self.through_penalty()

    def through_y(self, dy: Array) -> Array:
        return 2 * self.x * dy

    def through_penalty(self) -> Array:
        return 4 / len(self.x) * self.x**3


class Residual(Plain):
    """y = x + tanh(x)."""

    def forward(self, x: Array) -> Array:
        self.y = np.tanh(x)
        return x + self.y

    def backward(self, dy: Array) -> Array:
        return dy + dy * (1 - self.y**2)


class Dropout(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng(3)

    def draw(self, x: Array) -> Array:
        return (self.rng.random(x.shape) >= 0.5).astype(x.dtype) * 2

    def forward(self, x: Array) -> Array:
        self.mask = self.draw(x)
        return x * self.mask

    def backward(self, dy: Array) -> Array:
        return dy * self.mask


def changed(base: type, **methods: Any) -> type:
    """A subclass of `base` with some methods replaced, to plant a bug."""
    return type("Layer", (base,), methods)


def stale_forward(self: Any, x: Array) -> Array:
    if not hasattr(self, "y") or self.y.shape != x.shape:
        self.x, self.y = x, np.tanh(x)
    return np.tanh(x)


def stale_shape(self: Any, x: Array) -> Array:
    self.shape = getattr(self, "shape", x.shape)
    self.y = np.tanh(x)
    return self.y


def reshaped(self: Any, dy: Array) -> Array:
    return np.broadcast_to((dy * (1 - self.y**2))[: self.shape[0]], self.shape).copy()


def into_buffer(self: Any, dy: Array) -> Array:
    dx = np.empty(self.shape, dy.dtype)
    dx[...] = dy * (1 - self.y**2)
    return dx


class Moody(Plain):
    """A layer that scales by 3 outside training, after which backward wrongly keeps this scale in training."""

    scale: Any = 1

    def forward(self, x: Array, training: bool = False) -> Array:
        if not training:
            self.scale = 3
        return x * x.dtype.type(1 if training else 3)

    def backward(self, dy: Array) -> Array:
        return dy * dy.dtype.type(self.scale)


def assign_windows(self: Any, dy: Array) -> Array:
    dx = np.zeros(self.shape, dy.dtype)
    dx[:, :-1] = dy
    dx[:, 1:] = 2 * dy
    return dx


def keep_first_windows(self: Any, dy: Array) -> Array:
    dx = np.zeros(self.shape, dy.dtype)
    dx[:, 1:] = 2 * dy
    dx[:, :-1] = dy
    return dx


def rows_assigned(self: Any, dy: Array) -> Array:
    for x, g in zip(self.x, dy, strict=True):
        dW = np.outer(x, g)
    return dW


def writes_into_dy(self: Any, dy: Array) -> Array:
    dy *= 1 - self.y**2
    return dy


def writes_into_x(self: Any, dy: Array) -> Array:
    self.x[...] = 0
    return dy * (1 - self.y**2)


def in_float32(self: Any, dy: Array) -> Array:
    return (self.x.T.astype(np.float32) @ dy.astype(np.float32)).astype(dy.dtype)


class Assigning(Affine):
    def backward(self, dy: Array) -> Array:
        self.grads["W"] = self.dW(dy)
        self.grads["b"] = self.db(dy)
        return self.dx(dy)


class RelU(Plain):
    def forward(self, x: Array) -> Array:
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dy: Array) -> Array:
        return dy * (self.x > 0)


# name of the bug: layer, x, the expected message
PLANTED: dict[str, tuple[Any, Any, str]] = {
    "factor -1": (changed(Affine, dW=lambda s, dy: -s.x.T @ dy), (4, 5), "the sign is flipped"),
    "factor 2": (changed(Affine, dW=lambda s, dy: 2 * s.x.T @ dy), (4, 5), r"every entry is 2 times .* added twice"),
    "factor 1/2": (changed(Elementwise, backward=lambda s, dy: dy * (1 - s.y**2) / 2), (4, 5), r"0\.5 times .* a factor of 2 is missing"),
    "factor 1/N": (changed(Affine, dW=lambda s, dy: s.x.T @ dy / len(dy)), (4, 5), "1/N with the batch size N = 4"),
    "factor N": (changed(Affine, db=lambda s, dy: dy.sum(axis=0) * len(dy)), (4, 5), "N, the batch size 4"),
    "mean for sum": (changed(Affine, db=lambda s, dy: dy.mean(axis=0)), (4, 5), "db is wrong.*\n.*1/N with the batch size N = 4"),
    "factor 1/pixels": (changed(Image, backward=lambda s, dy: 3 * s.x**2 * dy / 12), (2, 3, 4, 3), "number of pixels"),
    "some other factor": (changed(Affine, dx=lambda s, dy: 1.7 * dy @ s.params["W"].T), (4, 5), "every entry is 1.7 times"),
    "factor of one number": (changed(Affine, db=lambda s, dy: -dy.sum(axis=0)), (4, 5), "the sign is flipped"),
    "transposed": (changed(Affine, dW=lambda s, dy: dy.T @ s.x), (4, 5), "the gradient is transposed"),
    "height and width": (changed(Image, backward=lambda s, dy: (3 * s.x**2 * dy).transpose(0, 2, 1, 3)), (2, 4, 4, 3), "its axes 1 and 2 are exchanged"),
    "height and width in memory": (
        changed(Image, backward=lambda s, dy: (3 * s.x**2 * dy).transpose(0, 2, 1, 3).copy().reshape(dy.shape)),
        (2, 3, 4, 3), "axes 1 and 2 are exchanged in memory: the numbers are laid out for shape",
    ),
    "wrong order": (changed(Image, backward=lambda s, dy: (3 * s.x**2 * dy).ravel(order="F").reshape(dy.shape)), (2, 3, 4, 3), "in the wrong order"),
    "flipped": (changed(Affine, dW=lambda s, dy: (s.x.T @ dy)[::-1]), (4, 5), "flipped along axis 0"),
    "flipped twice": (changed(Image, backward=lambda s, dy: (3 * s.x**2 * dy)[:, ::-1, ::-1]), (2, 3, 4, 3), "flipped along axis 1 and 2"),
    "off by one": (changed(Image, backward=lambda s, dy: np.roll(3 * s.x**2 * dy, 1, axis=1)), (2, 5, 4, 3), "off by one along axis 1"),
    "dy transposed": (changed(Affine, dW=lambda s, dy: s.x.T @ dy.T), (5, 5), "dy is read in the wrong order: .* order"),
    "dy flipped": (changed(Affine, dW=lambda s, dy: s.x.T @ dy[::-1]), (4, 5), "dy is read in the wrong order: .* flipped along axis 0"),
    "dy ignored": (changed(Elementwise, backward=lambda s, dy: 1 - s.y**2), (4, 5), "dy is not used"),
    "a road past the layer": (changed(Residual, backward=lambda s, dy: dy * (1 - s.y**2)), (4, 5), "a term is missing, equal to dy"),
    "another gradient's term": (changed(Affine, dW=lambda s, dy: s.x.T @ dy - 3 * s.params["W"]), (4, 5), r"a term is missing, equal to 3 W \(weight decay"),
    "a term too many": (changed(Affine, dW=lambda s, dy: s.x.T @ dy + s.params["W"]), (4, 5), "a term too many, equal to W"),
    "one of two equal terms": (changed(Image, forward=lambda s, x: (setattr(s, "x", x), x * x)[1], backward=lambda s, dy: s.x * dy), (4, 3), r"or one of two equal terms"),
    "= for +=, grads": (Assigning, (4, 5), r"backward assigns \(=\) where it must add \(\+=\): dW"),
    "= for +=, windows": (changed(Windows, backward=assign_windows), (3, 6), "only one is kept: `=` where `\\+=` is needed"),
    "= for +=, windows, first": (changed(Windows, backward=keep_first_windows), (3, 6), "`=` where `\\+=` is needed"),
    "= for +=, rows": (changed(Affine, dW=rows_assigned), (4, 5), "contribution of the last row of the batch alone"),
    "first row": (changed(Affine, dW=lambda s, dy: s.x[:1].T @ dy[:1]), (4, 5), "contribution of the first row of the batch alone: the other"),
    "last row missing": (changed(Affine, db=lambda s, dy: dy[:-1].sum(axis=0)), (4, 5), "the last row of the batch is left out"),
    "only the diagonal": (changed(Softmax, backward=lambda s, dy: dy * s.y * (1 - s.y)), (4, 5), "only the diagonal of the Jacobian"),
    "misplaced": (
        changed(Image, backward=lambda s, dy: np.random.default_rng(5).permutation((3 * s.x**2 * dy).ravel()).reshape(dy.shape)),
        (2, 3, 4, 3), "of the 7[012] wrong values belong to other entries",
    ),
    "dy modified": (changed(Elementwise, backward=writes_into_dy), (4, 5), "backward modifies dy in place"),
    "x modified": (changed(Elementwise, backward=writes_into_x), (4, 5), "backward modifies the input x in place"),
    "float32": (changed(Affine, dW=in_float32), (4, 5), "float32 rounding: every entry is exact in float32"),
    "a kink": (RelU, np.zeros((3, 4)), r"12 of 12 tried entries of x have no usable derivative \(12 at a kink"),
    "mask forgotten": (changed(RelU, backward=lambda s, dy: dy * 1), (4, 5), "passes dy on where dy should be masked"),
    "mask too wide": (changed(RelU, backward=lambda s, dy: dy * (s.x > 0.5)), (6, 6), "a mask drops too much"),
    "mask inverted": (changed(RelU, backward=lambda s, dy: dy * (s.x <= 0)), (4, 5), "the mask is inverted"),
    "wrong axis": (changed(Affine, db=lambda s, dy: dy.sum(axis=1)), (5, 5), "this is dy summed over the wrong axes: axis 1"),
    "dy returned": (changed(Affine, dx=lambda s, dy: dy * 1), (4, 5), "this is dy, unchanged"),
    "y returned": (changed(Affine, dx=lambda s, dy: s.y * 1), (4, 5), "this is y, unchanged"),
    "wrong derivative": (
        changed(Elementwise, backward=lambda s, dy: dy * np.cos(s.x)), (4, 5),
        r"so dx = dy f'\(x\), and f' is wrong: at x = \S+, where y = \S+, backward has \S+, not \S+",
    ),
    "stale cache": (changed(Elementwise, forward=stale_forward), (4, 5), "a stale cache"),
    "stale shape": (changed(Elementwise, forward=stale_shape, backward=reshaped), (4, 5), r"dx has shape \(3, 5\), but x has \(4, 5\)"),
    "stale buffer": (
        changed(Elementwise, forward=stale_shape, backward=into_buffer), (4, 5),
        r"after 3 rows, a batch of 4 rows crashes \(ValueError: .*\): the layer keeps a shape, a cache or a buffer",
    ),
    "stale mode": (Moody, (6, 5), "a stale cache"),
    "dropout not replayed": (changed(Dropout, backward=lambda s, dy: dy * s.draw(dy)), (6, 5), "backward draws new random numbers"),
    "penalty forgotten": (changed(Penalised, through_penalty=lambda s: 0 * s.x), (4, 5), "the gradient without the penalty"),
    "penalty alone": (changed(Penalised, through_y=lambda s, dy: 0 * dy), (4, 5), r"the gradient of penalty\(\) alone"),
    "penalty summed": (changed(Penalised, through_penalty=lambda s: 4 * s.x**3), (4, 5), r"the part that comes from penalty\(\) is 4 times .* N, the batch size"),
    "derivative forgotten": (changed(Elementwise, backward=lambda s, dy: dy * 1), (4, 5), r"a factor is missing, entry by entry: \(1 - y\^2\)"),
    "derivative twice": (changed(Elementwise, backward=lambda s, dy: dy * (1 - s.y**2) ** 2), (4, 5), r"every entry is multiplied by its \(1 - y\^2\)"),
    "softmax's sum": (changed(Softmax, backward=lambda s, dy: s.y * dy), (4, 5), "along axis 1, a multiple of y: the road through a sum"),
    "softmax's factor": (changed(Softmax, backward=lambda s, dy: dy - (dy * s.y).sum(axis=1, keepdims=True)), (4, 5), "a factor is missing, entry by entry: y"),
    "norm's scale": (changed(BatchNorm, backward=lambda s, dy: dy - s.mean_road(dy) - s.variance_road(dy)), (6, 4), "depends on the index of axis 1 alone"),
    "norm's mean": (changed(BatchNorm, mean_road=lambda s, dy: 0 * dy), (6, 4), "the same for all entries along axis 0: the road through a mean"),
    "norm's variance": (changed(BatchNorm, variance_road=lambda s, dy: 0 * dy), (6, 4), "along axis 0, a multiple of y: the road through"),
    "norm's mean and variance": (changed(BatchNorm, backward=lambda s, dy: dy / s.std), (6, 4), "a constant plus a multiple of x: the road through a mean and the variance"),
    "all zeros": (changed(Affine, dW=lambda s, dy: 0 * s.params["W"]), (4, 5), "backward gives all zeros"),
    "not read": (changed(Affine, forward=lambda s, x: (setattr(s, "x", x), x @ np.eye(5, dtype=x.dtype) + s.params["b"])[1]), (4, 5), "forward does not depend on W at all"),
}  # fmt: skip


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_named(bug: str) -> None:
    layer, x, message = PLANTED[bug]
    for method in ("auto", "central"):
        for seed in range(3):
            with pytest.raises(GradientCheckError, match=message):
                check_layer(layer(), x, seed=seed, method=method)


@pytest.mark.parametrize(
    "layer", [Affine, Elementwise, Softmax, BatchNorm, Windows, Image, Penalised, Residual, Dropout, RelU]
)
def test_without_its_bug_it_passes(layer: type) -> None:
    check_layer(layer(), (4, 5))


def test_every_suspect_has_its_planted_bug() -> None:
    """Each suspect explains at least one of the bugs above."""
    spoken: set[str] = set()
    for layer, x, _ in PLANTED.values():
        with pytest.raises(GradientCheckError) as caught:
            check_layer(layer(), x)
        report = caught.value.report
        if report is not None:
            spoken |= {_speaker(row.cause) for row in report.arrays.values() if row.cause}
    assert spoken == {suspect.__name__ for suspect in SUSPECTS}


def _speaker(cause: str) -> str:
    """The name of the suspect that reports this cause."""
    marks = {
        "backward gives all zeros": "all_zero", "does not depend on": "not_read", "a stale cache": "stale_cache",
        "draws new random numbers": "noise_redrawn", "without the penalty": "penalty_missing",
        "of penalty() alone": "penalty_alone", "comes from penalty()": "penalty_scaled", "the sign is flipped": "constant_factor",
        "times the right one": "constant_factor", "exchanged": "axes_exchanged", "is transposed": "axes_exchanged",
        "in the wrong order: a reshape": "fortran_order", "is flipped along": "reversed_axis", "off by one along": "shifted",
        "row of the batch": "only_some_rows", "dy is not used": "dy_ignored", "dy is read in": "dy_rearranged",
        "`=` where `+=`": "assigned_for_added", "should be masked": "mask_missing", "a mask drops": "mask_too_wide",
        "a term ": "missing_term", "a factor is missing, entry": "missing_factor", "multiplied by its": "too_many_factors",
        "depends on the index of axis": "factor_along_an_axis", "the missing part is": "missing_road", "only the diagonal": "diagonal_only", "mask is inverted": "mask_inverted", "this is dy summed": "wrong_axis",
        ", unchanged": "another_array", "so dx = dy f'": "wrong_derivative", "belong to other entries": "misplaced", "float32 rounding": "rounded_to_float32",
    }  # fmt: skip
    return next(name for mark, name in marks.items() if mark in cause)


class MeanSquare:
    """A loss whose gradient lacks the factor 1/N."""

    def forward(self, y_pred: Array, y_true: Array) -> Any:
        self.difference = y_pred - y_true
        return np.mean(self.difference**2)

    def backward(self) -> Array:
        return 2 * self.difference


def test_a_loss_is_diagnosed_too() -> None:
    with pytest.raises(
        GradientCheckError,
        match=r"dy_pred is wrong in 12 of 12 probes.*\n.*12, the number of entries of x|n with n = 12",
    ):
        check_loss(MeanSquare(), (4, 3), np.ones((4, 3)))


def test_where_it_is_wrong_is_said() -> None:
    class Border(Elementwise):
        def backward(self, dy: Array) -> Array:
            dx = super().backward(dy)
            dx[:, 0] = 0.3 * dx[:, 0] + 0.1
            return dx

    with pytest.raises(GradientCheckError, match="wrong in 6 of 30 probes, all of them at index 0 of axis 1; worst"):
        check_layer(Border(), (6, 5))


def test_a_loss_that_forgets_its_target() -> None:
    class Forgets(MeanSquare):
        def forward(self, y_pred: Array, y_true: Array) -> Any:
            self.y_pred = y_pred
            return np.mean((y_pred - y_true) ** 2)

        def backward(self) -> Array:
            return 2 * self.y_pred / self.y_pred.size

    y_true = np.random.default_rng(1).normal(size=(4, 3))
    with pytest.raises(GradientCheckError, match=r"a term too many, equal to 0\.166667 y_true"):
        check_loss(Forgets(), (4, 3), y_true)
