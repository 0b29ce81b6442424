from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.lines import Line2D

from tinydl import Model, plots
from tinydl.callbacks import History
from tinydl.layers import ActivityL1, AveragePool2D, Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sequential
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import Adam
from tinydl.study import Report, Trace

RNG = np.random.default_rng(0)
CLASSES = ("cat", "dog", "frog")
IMAGES = RNG.integers(0, 256, (60, 8, 6, 3), dtype=np.uint8)
LABELS = np.arange(60) % 3
PROBABILITIES = RNG.dirichlet(np.ones(3), 60)
FILTERS = RNG.normal(size=(3, 2, 3, 10))
RUN = {
    "loss": [3.0, 2.0, 1.0, 0.5],
    "accuracy": [0.3, 0.5, 0.7, 0.9],
    "val_loss": [2.5, 2.0, 2.2, 2.4],
    "val_accuracy": [0.4, 0.5, 0.65, 0.65],
}
RATES = np.geomspace(1e-4, 1, 20).tolist()
HISTORIES = {"deep": {"loss": [3.0, 2.0, 1.0], "val_loss": [4.0, 3.0, 2.5]}, "flat": {"loss": [2.0, 1.5]}}

DRAWINGS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "loss_curves": (plots.loss_curves, (HISTORIES,)),
    "accuracy_curves": (plots.accuracy_curves, ({"cnn": RUN},)),
    "training_curves": (plots.training_curves, (RUN,)),
    "filters": (plots.filters, (FILTERS,)),
    "feature_maps": (lambda *a, **k: plots.feature_maps(network(), *a, **k), (IMAGES[0] / 255,)),
    "confusion": (plots.confusion_matrix, (LABELS, PROBABILITIES.argmax(axis=1), CLASSES)),
    "mistakes": (plots.most_confident_mistakes, (IMAGES, LABELS, PROBABILITIES, CLASSES)),
    "diagram": (lambda *a, **k: plots.model_diagram(network(), *a, **k), ()),
    "im2col": (plots.im2col_diagram, ()),
    "pooling": (plots.pooling_diagram, ()),
    "tiles": (plots.tiles_diagram, ()),
    "receptive field": (plots.receptive_field_diagram, ([Conv2D(1, 3), Conv2D(1, 3)],)),
    "saliency": (lambda *a, **k: plots.saliency_map(network(), *a, **k), (IMAGES[0] / 255,)),
    "occlusion": (lambda *a, **k: plots.occlusion_map(network(), *a, **k), (IMAGES[0] / 255,)),
    "latent space": (lambda *a, **k: plots.latent_space(network(), *a, **k), (IMAGES / 255, LABELS)),
    "optimizers": (plots.optimizer_paths, ()),
    "gradient flow": (lambda *a, **k: plots.gradient_flow(one_step(), *a, **k), ()),
    "activations": (lambda *a, **k: plots.activations(one_step(), *a, **k), ()),
    "range test": (plots.learning_rate_range, (Report("cnn", learning_rate=0.1, rates=RATES, losses=[3.0] * 20),)),
}


def one_step() -> Trace:
    model = network()
    model.compile("sgd", SoftmaxCrossEntropy())
    return model.trace(IMAGES[:4] / 255, LABELS[:4])


class Block(Sequential):
    """A composite, of which only the output is shown."""


def network() -> Model:
    layers = [
        Conv2D(5, 3, padding="same", activation="relu"),
        MaxPool2D(2),
        Sequential([Conv2D(20, 1), AveragePool2D(2)]),
        Block([Conv2D(20, 1), ReLU()]),
        Flatten(),
        Dense(3),
    ]
    return Model(layers, (8, 6, 3), seed=1)


def texts(figure: Figure) -> list[str]:
    """The texts within the axes."""
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def tiles(figure: Figure) -> list[Any]:
    """The pictures that were drawn, in order."""
    return [image.get_array() for ax in figure.axes for image in ax.get_images()]


def line(figure: Figure, label: str) -> Line2D:
    (found,) = [one for ax in figure.axes for one in ax.get_lines() if str(one.get_label()).startswith(label)]
    return found


@pytest.mark.parametrize("name", DRAWINGS)
def test_draws_and_saves(name: str, tmp_path: Path) -> None:
    draw, arguments = DRAWINGS[name]
    path = tmp_path / "picture.png"
    figure = draw(*arguments, source="SYNTHETIC rows", path=path)
    assert isinstance(figure, Figure)
    titles = figure.get_suptitle() + "".join(ax.get_title() for ax in figure.axes)
    assert titles.count("SYNTHETIC rows") == 1
    pixels = imread(path)
    assert min(pixels.shape[:2]) >= 280
    assert pixels.std() > 0.02, "the picture must not be blank"
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]


@pytest.mark.parametrize("name", sorted(DRAWINGS.keys() - {"training_curves"}))
def test_draws_on_given_axes(name: str) -> None:
    draw, arguments = DRAWINGS[name]
    figure = Figure(figsize=(10, 4))
    left, right = figure.subplots(1, 2)
    assert draw(*arguments, ax=right) is figure
    assert figure.axes == [left, right]
    assert figure.get_size_inches().tolist() == [10, 4]
    assert figure.get_suptitle() == left.get_title() == ""
    assert right.get_title()
    assert right.has_data() or right.patches
    assert not left.has_data()
    assert not left.patches


def test_every_picture_takes_axes() -> None:
    """A function that returns a Figure has ax=, or axes= if it has several panels, and is among DRAWINGS."""
    public = {name: getattr(plots, name) for name in plots.__all__}
    draws = {name for name, thing in public.items() if inspect.isroutine(thing) and "-> Figure" in signature(thing)}
    with_panels = {name for name in draws if "axes:" in signature(public[name])}
    assert with_panels == {"training_curves"}
    assert all("ax:" in signature(public[name]) for name in draws - with_panels)
    assert len(draws) == len(DRAWINGS)


def signature(function: Any) -> str:
    return str(inspect.signature(function)).replace("'", "")


@pytest.mark.parametrize("name", sorted(DRAWINGS.keys() - {"training_curves", "diagram"}))
def test_texts_on_a_narrow_column_are_legible_and_inside(name: str) -> None:
    """On 3.4 inches; the texts of a diagram shrink with its boxes."""
    draw, arguments = DRAWINGS[name]
    figure = Figure(figsize=(3.4, 3.4), layout="constrained")
    draw(*arguments, ax=figure.subplots())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (ax,) = figure.axes
    legend = ax.get_legend()
    labels = [ax.xaxis.label, ax.yaxis.label] if ax.axison else []
    texts = [ax.title, *ax.texts, *labels, *(legend.get_texts() if legend else ())]
    for text in filter(lambda text: text.get_text(), texts):
        extent = text.get_window_extent()
        assert text.get_fontsize() >= 4.2, text
        assert min(extent.x0, extent.y0) >= -1, text
        assert extent.x1 <= figure.bbox.width + 1, text
        assert extent.y1 <= figure.bbox.height + 1, text


def test_training_curves_on_given_axes() -> None:
    figure = Figure(figsize=(9, 3))
    left, middle, right = figure.subplots(1, 3)
    assert plots.training_curves(RUN, axes=[middle, right]) is figure
    assert [ax.get_title() for ax in (left, middle, right)] == ["", "Loss", "Accuracy"]
    assert figure.get_suptitle() == ""
    with pytest.raises(ValueError, match="axes must be 2, one for each panel, got 3"):
        plots.training_curves(RUN, axes=[left, middle, right])


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF"), ("", b"\x89PNG")]
)
def test_the_suffix_of_the_path_gives_the_format(suffix: str, start: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"picture{suffix}"
    plots.loss_curves(HISTORIES, path=path)
    first = path.read_bytes()
    assert first.startswith(start)
    plots.loss_curves(HISTORIES, path=path)
    assert path.read_bytes() == first, "the same picture must give the same bytes"
    with pytest.raises(ValueError, match=r"path must end in .png, .svg, .pdf, got '.*picture.jpg'"):
        plots.loss_curves(HISTORIES, path=tmp_path / "picture.jpg")


def test_a_failed_save_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        plots.loss_curves(HISTORIES, path=path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]


def test_loss_curve_data() -> None:
    figure = plots.loss_curves(HISTORIES)
    np.testing.assert_array_equal(line(figure, "deep, training").get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(line(figure, "deep, validation").get_ydata(), [4, 3, 2.5])
    assert figure.axes[0].get_yscale() == "log"
    assert len(figure.axes[0].get_lines()) == 3, "a run without val_loss must have one line"
    deep = [line(figure, f"deep, {part}") for part in ("training", "validation")]
    assert deep[0].get_color() == deep[1].get_color()
    assert deep[0].get_linestyle() != deep[1].get_linestyle()


def test_a_legend_stands_beside_the_curves_or_inside_where_a_layout_makes_no_room() -> None:
    drawn = plots.loss_curves(HISTORIES)
    given = Figure()
    plots.loss_curves(HISTORIES, ax=given.subplots())
    for figure, covers in ((drawn, False), (given, True)):
        figure.draw_without_rendering()
        (ax,) = figure.axes
        legend = ax.get_legend()
        assert legend is not None
        assert bool(ax.bbox.overlaps(legend.get_window_extent())) is covers


def test_training_curves_mark_the_first_best_epoch() -> None:
    figure = plots.training_curves(RUN)
    for ax, key in zip(figure.axes, ("loss", "accuracy"), strict=True):
        training, validation, best = ax.get_lines()[:3]
        np.testing.assert_array_equal(training.get_ydata(), RUN[key])
        np.testing.assert_array_equal(validation.get_ydata(), RUN[f"val_{key}"])
        np.testing.assert_array_equal(validation.get_xdata(), [1, 2, 3, 4])
        assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")
        assert training.get_color() != validation.get_color()
        assert list(best.get_xdata()) == [3, 3]
    legends = [text.get_text() for ax in figure.axes for text in ax.get_legend().get_texts()]
    assert [text for text in legends if "best" in text] == ["best epoch: 3 (2.2)", "best epoch: 3 (65.0%)"]


def test_training_curves_mark_the_epoch_they_are_told() -> None:
    for ax, value in zip(plots.training_curves(RUN, best=2).axes, (2.0, 0.5), strict=True):
        assert [(dot.get_xdata(), dot.get_ydata()) for dot in ax.get_lines()[3:]] == [([2], [value])]


def test_training_curves_of_one_epoch_and_without_validation() -> None:
    figure = plots.training_curves({"loss": [2.0], "accuracy": [0.5]})
    for ax in figure.axes:
        (only,) = ax.get_lines()
        assert only.get_marker() == "o", "a line of one point would not be visible"
        assert ax.get_xticks().tolist() == [1]


def test_accuracy_curve_data() -> None:
    figure = plots.accuracy_curves({"cnn": RUN, "short": {"accuracy": [0.1]}})
    np.testing.assert_array_equal(line(figure, "cnn, validation").get_ydata(), RUN["val_accuracy"])
    np.testing.assert_array_equal(line(figure, "short, training").get_ydata(), [0.1])
    assert figure.axes[0].get_yscale() == "linear"


@pytest.fixture(scope="module")
def fitted() -> History:
    model = Model([Dense(3, "relu"), ActivityL1(0.1), Dense(2)], 4)
    model.compile(Adam(), SoftmaxCrossEntropy(), metrics=["accuracy"])
    x, y = RNG.normal(size=(20, 4)), np.arange(20) % 2
    return model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0)


def test_what_fit_returns_is_drawn_as_it_is(fitted: History) -> None:
    figure = plots.loss_curves(fitted)
    np.testing.assert_array_equal(line(figure, "training").get_ydata(), fitted.history["loss"])
    np.testing.assert_array_equal(line(figure, "validation").get_ydata(), fitted.history["val_loss"])
    for same in (fitted.history, {"run": fitted}, {"run": fitted.history}):
        again = plots.loss_curves(same)
        np.testing.assert_array_equal([one.get_ydata() for one in again.axes[0].get_lines()],
                                      [one.get_ydata() for one in figure.axes[0].get_lines()])  # fmt: skip
    accuracy = plots.accuracy_curves(fitted)
    np.testing.assert_array_equal(line(accuracy, "validation").get_ydata(), fitted.history["val_accuracy"])
    both = plots.training_curves(fitted)
    np.testing.assert_array_equal(both.axes[1].get_lines()[0].get_ydata(), fitted.history["accuracy"])


def test_the_axis_names_the_loss(fitted: History) -> None:
    def label(histories: Any, **options: Any) -> str:
        return plots.loss_curves(histories, **options).axes[0].get_ylabel()

    model = Model(Dense(2), 4)
    model.compile(Adam(), MeanSquaredError())
    other = model.fit(np.ones((2, 4)), np.ones((2, 2)), verbose=0)
    assert label(fitted) == label({"a": fitted, "b": fitted}) == "loss (softmax cross entropy, penalties included)"
    assert label(other) == "loss (mean squared error)"
    assert label({"a": fitted, "b": other}) == label(RUN) == label({"a": RUN, "b": other}) == "loss"
    assert label(RUN, loss="hinge") == "loss (hinge)"
    assert plots.training_curves(other).axes[0].get_ylabel() == "loss (mean squared error)"
    assert plots.training_curves(RUN).axes[0].get_ylabel() == "loss (mean over rows)"


def test_every_figure_of_a_run_has_a_panel() -> None:
    history = {"loss": [-1.0, -2.0], "auc": [0.5, 0.6], "r2": [0.1, 0.2], "val_auc": [0.4, 0.5], "val_only": [1.0, 2.0]}
    figure = plots.training_curves(history)
    assert [ax.get_title() for ax in figure.axes] == ["Loss", "Auc", "R2", "Val only"]
    assert [len(ax.get_lines()) for ax in figure.axes] == [1, 2, 1, 1]
    assert figure.axes[0].get_ylim()[0] < -2
    assert plots.loss_curves(history).axes[0].get_yscale() == "linear", "a log axis would hide losses below 0"
    assert len(plots.training_curves({"loss": [1.0]}).axes) == 1


def test_filters_share_a_symmetric_scale() -> None:
    figure = plots.filters(FILTERS)
    drawn = tiles(figure)
    largest = np.abs(FILTERS).max()
    assert len(drawn) == 10
    for k, tile in enumerate(drawn):
        np.testing.assert_allclose(2 * largest * (np.asarray(tile) - 0.5), FILTERS[..., k], atol=1e-12)
    assert f"-{largest:.3g}, mid-gray 0, white +{largest:.3g}" in figure.axes[0].get_title()
    assert "10 filters, 3 x 2 x 3" in figure.axes[0].get_title()


def test_filters_of_one_and_of_many_channels() -> None:
    grey = plots.filters(FILTERS[:, :, :1], limit=4)
    assert [tile.shape for tile in tiles(grey)] == [(3, 2)] * 4
    assert "The first 4 of 10 filters" in grey.axes[0].get_title()
    many = plots.filters(RNG.normal(size=(3, 3, 16, 4)))
    assert [tile.shape for tile in tiles(many)] == [(3, 3)] * 4
    assert "(mean over the 16 input channels)" in many.axes[0].get_title()
    nothing = plots.filters(np.zeros((3, 3, 3, 2)))
    assert all((tile == 0.5).all() for tile in tiles(nothing))


@pytest.mark.parametrize("order", ["active", "first"])
def test_feature_maps_are_what_the_layers_give(order: str) -> None:
    model = network()
    x = (IMAGES[3] / 255).astype(np.float32)
    figure = plots.feature_maps(model, x, channels=4, order=order)
    conv, pool, chain, block = model.layers[:4]
    outputs = {"conv2d_1": conv.forward(x[None])}
    outputs["max_pool2d_1"] = pool.forward(outputs["conv2d_1"])
    inner = chain.layers[0].forward(outputs["max_pool2d_1"])
    after = chain.forward(outputs["max_pool2d_1"])
    shown = [*outputs.values(), inner, after, block.forward(after)]
    drawn = tiles(figure)
    np.testing.assert_allclose(drawn[0], x, rtol=1e-6)
    assert len(drawn) == 1 + 5 * 4
    for row, output in enumerate(shown):
        activity = np.abs(output[0]).mean(axis=(0, 1))
        channels = range(4) if order == "first" else np.argsort(-activity)[:4]
        for column, k in enumerate(channels):
            np.testing.assert_array_equal(drawn[1 + 4 * row + column], output[0, ..., k])
            assert texts(figure)[2 + 6 * row + column] == str(k)
    names = [layer.name for layer in (conv, pool, *chain.layers, block)]
    assert [text for text in texts(figure) if text in names] == names
    assert any(text.startswith("4 x 3 x 5\n") for text in texts(figure)), "the pooled shape must be shown"


def test_feature_maps_take_standardised_images() -> None:
    drawn = tiles(plots.feature_maps(network(), RNG.normal(size=(1, 8, 6, 3))))
    assert drawn[0].min() == 0
    assert drawn[0].max() == 1


def test_confusion_matrix_counts_and_shares() -> None:
    y_true, y_pred = [0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 1, 0]
    figure = plots.confusion_matrix(y_true, y_pred, CLASSES)
    ax = figure.axes[0]
    np.testing.assert_allclose(tiles(figure)[0], [[0.75, 0.25, 0], [0, 1, 0], [1, 0, 0]])
    assert texts(figure) == ["3", "75 %", "1", "25 %", "2", "100 %", "1", "100 %"]
    assert [(round(t.get_position()[0]), round(t.get_position()[1])) for t in ax.texts[::2]] == [
        (0, 0), (1, 0), (1, 1), (0, 2),
    ]  # fmt: skip
    assert "5 of 7 right (71.43%)" in ax.get_title()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat (4)", "dog (2)", "frog (1)"]
    assert [label.get_text() for label in ax.get_xticklabels()] == list(CLASSES)


def test_confusion_matrix_of_classes_that_do_not_occur_and_of_many() -> None:
    assert texts(plots.confusion_matrix([1, 1], [1, 1], CLASSES)) == ["2", "100 %"]
    y = np.arange(100)
    assert texts(plots.confusion_matrix(y, y, [f"class {k}" for k in y])) == []


def test_the_most_confident_mistakes_come_first() -> None:
    figure = plots.most_confident_mistakes(IMAGES, LABELS, PROBABILITIES, CLASSES, count=7)
    says = PROBABILITIES.argmax(axis=1)
    wrong = np.flatnonzero(says != LABELS)
    worst = sorted(wrong, key=lambda i: -PROBABILITIES[i].max())[:7]
    assert len(tiles(figure)) == 7
    for place, i in enumerate(worst):
        np.testing.assert_allclose(tiles(figure)[place], IMAGES[i] / 255)
        assert texts(figure)[2 * place : 2 * place + 2] == [
            f"says {CLASSES[says[i]]} {PROBABILITIES[i].max():.2f}",
            f"is {CLASSES[LABELS[i]]} {PROBABILITIES[i, LABELS[i]]:.2f}",
        ]
    assert f"({len(wrong)} of 60 are wrong)" in figure.axes[0].get_title()


def test_no_mistakes_and_grey_images() -> None:
    assert texts(plots.most_confident_mistakes(IMAGES, LABELS, np.eye(3)[LABELS], CLASSES)) == ["no mistakes"]
    wrong = np.eye(3)[(LABELS + 1) % 3]
    for grey in (IMAGES[..., 0], IMAGES[..., :1]):
        figure = plots.most_confident_mistakes(grey, LABELS, wrong, CLASSES)
        assert [tile.shape for tile in tiles(figure)] == [(8, 6)] * 20


def test_works_without_pyplot_and_display() -> None:
    code = (
        "import sys; from tinydl import plots; plots.loss_curves({'a': {'loss': [2.0, 1.0]}}); "
        "plots.optimizer_animation(steps=2)._draw_frame(1); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.loss_curves({"a": {"loss": []}}), r"histories\['a'\] must hold 'loss' of one epoch or more"),
        (
            lambda: plots.loss_curves({"accuracy": [1.0]}),
            "histories must hold 'loss' of one epoch or more, got accuracy",
        ),
        (lambda: plots.loss_curves({"a": RUN, "b": [1.0]}), r"histories\['b'\] must hold 'loss' .* got \[1.0\]"),  # type: ignore[dict-item]
        (lambda: plots.loss_curves([RUN]), "the result of fit, its history, or a dict .* got list"),  # type: ignore[arg-type]
        (lambda: plots.loss_curves(History()), "at least one named curve"),
        (lambda: plots.loss_curves({}), "at least one named curve"),
        (lambda: plots.accuracy_curves({"a": {"loss": [1.0]}}), "one epoch or more"),
        (lambda: plots.accuracy_curves({"loss": [1.0]}), r'compile with metrics=\["accuracy"\]'),
        (lambda: plots.training_curves([1.0]), "the result of fit, or"),  # type: ignore[arg-type]
        (lambda: plots.training_curves({"accuracy": [1.0]}), "must hold 'loss' of one epoch or more, got accuracy"),
        (lambda: plots.training_curves({**RUN, "val_loss": [1.0]}), "the same number of epochs"),
        (lambda: plots.training_curves(RUN, best=5), "best must be one of the epochs 1 to 4, got 5"),
        (lambda: plots.filters(FILTERS[0]), r"W must have shape \(kh, kw, in, out\).*got \(2, 3, 10\)"),
        (lambda: plots.filters(FILTERS * np.inf), "NaN or infinity"),
        (lambda: plots.filters(FILTERS, limit=0), "limit must be an integer >= 1"),
        (lambda: plots.feature_maps(network(), IMAGES[0, :5] / 255), r"shape \(8, 6, 3\), got \(5, 6, 3\)"),
        (lambda: plots.feature_maps(network(), IMAGES[:2] / 255), r"got \(2, 8, 6, 3\)"),
        (
            lambda: plots.feature_maps(network(), IMAGES[0] / 255, order="best"),
            "order must be one of 'active', 'first'",
        ),
        (lambda: plots.feature_maps(Model(Dense(2), 3), np.ones(3)), "no convolution or pooling"),
        (lambda: plots.confusion_matrix(LABELS, PROBABILITIES, CLASSES), r"take y_pred.argmax\(axis=1\)"),
        (lambda: plots.confusion_matrix(LABELS, LABELS[1:], CLASSES), "length 60, got 59"),
        (lambda: plots.confusion_matrix(LABELS, LABELS, CLASSES[:2]), "class numbers 0 to 1, one per name, got 0 to 2"),
        (lambda: plots.confusion_matrix([], [], CLASSES), "must be one-dimensional class numbers"),
        (
            lambda: plots.most_confident_mistakes(IMAGES, LABELS, 3 * PROBABILITIES, CLASSES),
            "apply a softmax to logits first",
        ),
        (
            lambda: plots.most_confident_mistakes(IMAGES[1:], LABELS, PROBABILITIES, CLASSES),
            r"one image per label, got",
        ),
        (lambda: plots.most_confident_mistakes(IMAGES, LABELS, PROBABILITIES[:, :2], CLASSES), r"shape \(60, 3\)"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
