"""Models, histories, reports and figures show themselves as the last value of a notebook's cell."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from tinydl import Model, models, plots
from tinydl.callbacks import History
from tinydl.datasets import digits
from tinydl.gradcheck import GradientCheckError, check_function, check_layer
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError
from tinydl.notebooks import html_picture, html_table, html_text
from tinydl.optimizers import SGD

PNG = b"\x89PNG\r\n"
X = np.random.default_rng(0).normal(size=(12, 3))


class Page(HTMLParser):
    """The cells, the preformatted text and the pictures of a page whose tags must match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.text, self.caption, self.pictures = "", "", 0
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        if tag == "img":
            self.pictures += dict(attributes)["src"].startswith("data:image/png;base64,iVBORw0KGgo")
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        where = self.open[-1]
        if where in ("td", "th"):
            self.rows[-1][-1] += data
        elif where == "caption":
            self.caption += data
        else:
            self.text += data


def history(**figures: list[float]) -> History:
    made = History()
    made.history, made.epoch = figures, list(range(len(next(iter(figures.values()), []))))
    return made


def test_text_is_escaped() -> None:
    page = Page(html_table([["<b>", "&"], ["</td>", "'"]], "<i>") + html_text("<pre>"))
    assert page.rows == [["<b>", "&"], ["</td>", "'"]]
    assert (page.caption, page.text) == ("<i>", "<pre>")
    assert Page(html_picture(PNG, '">')).pictures == 0


def test_a_model_is_its_summary_and_diagram(capsys: pytest.CaptureFixture[str]) -> None:
    model = Model([Dense(2, "relu"), Dense(1)], 3, name="<script>\x1b")
    page = Page(model._repr_html_())
    assert capsys.readouterr().out == ""
    model.summary()
    assert page.text == capsys.readouterr().out
    assert page.pictures == 1
    assert Page(models.resnet_cifar(20)._repr_html_()).pictures == 1


def test_a_history_is_curves_and_a_table() -> None:
    model = Model(Dense(1), 3)
    model.compile(SGD(0.1), MeanSquaredError())
    made = model.fit(X, X[:, :1], epochs=3, validation_data=(X, X[:, :1]), verbose=0)
    page = Page(made._repr_html_())
    assert page.pictures == 1
    assert page.rows[0] == ["epoch", "loss", "val_loss"]
    assert page.rows[1:] == [
        [str(k + 1), f"{made.history['loss'][k]:.4g}", f"{made.history['val_loss'][k]:.4g}"] for k in range(3)
    ]
    continued = model.fit(X, X[:, :1], epochs=5, initial_epoch=3, verbose=0)
    assert [row[0] for row in Page(continued._repr_html_()).rows] == ["epoch", "4", "5"]


def test_prompts_show_one_line() -> None:
    model = Model([Dense(2, "relu"), Dense(1)], 3, name="two\x1b")
    assert repr(model) == "Model('two\\x1b', (3,) -> (1,), 11 parameters, float32)"
    assert repr(history()) == "History(0 epochs)"
    assert repr(history(loss=[2.0, 1.25], val_loss=[])) == "History(2 epochs, loss 1.25)"
    assert repr(history(loss=[2.0], r2=[-0.5])) == "History(1 epoch, loss 2, r2 -0.5)"


def test_long_and_odd_histories() -> None:
    page = Page(history(loss=[1.0] * 100, r2=[-1.0] * 100)._repr_html_())
    assert [row[0] for row in page.rows] == ["epoch", *map(str, range(1, 7)), "...", *map(str, range(95, 101))]
    assert [row[0] for row in Page(history(loss=[1.0] * 12)._repr_html_()).rows][1:] == [str(k) for k in range(1, 13)]
    assert Page(history()._repr_html_()).text == Page(history(loss=[])._repr_html_()).text == "no epochs"
    assert Page(history(loss=[np.nan, np.inf], f1=[np.nan, np.nan])._repr_html_()).rows[1] == ["1", "nan", "nan"]


def test_a_report_is_a_table() -> None:
    report = check_layer(Dense(4), x=(5, 3))
    page = Page(report._repr_html_())
    headline, *lines = str(report).splitlines()
    assert page.caption == headline == "gradient check of Dense passed"
    assert page.rows == [re.split(r"  +", line.strip()) for line in lines[: 1 + len(report.arrays)]]
    assert page.rows[1][0] == "x"
    with pytest.raises(GradientCheckError) as raised:
        check_function(lambda x: np.abs(x) + x * x, lambda dy, x: dy, np.array([0.0, 1.0]))
    page = Page(raised.value.report._repr_html_())
    assert page.caption.endswith(" FAILED")
    assert "WRONG" in page.rows[1]
    assert "dropped, because forward has no usable derivative there" in page.text
    assert Page(raised.value.report._repr_html_()).rows


@pytest.mark.parametrize("make", [
    lambda: Model(Dense(1), 3).plot(),
    lambda: plots.loss_curves({"loss": [2.0, 1.0]}),
    lambda: plots.training_curves({"loss": [2.0, 1.0]}),
    lambda: plots.filters(np.ones((3, 3, 1, 4))),
    lambda: plots.confusion_matrix([0, 1], [0, 1], "ab"),
    lambda: digits.load().train.show([0, 1]),
])  # fmt: skip
def test_a_figure_is_its_picture(make: Any) -> None:
    figure = make()
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(PNG)


def test_figures_on_the_users_axes_stay_the_users() -> None:
    own = Figure()
    assert plots.loss_curves({"loss": [2.0, 1.0]}, ax=own.subplots()) is own


def test_a_report_is_shown_where_numpy_alone_is_imported() -> None:
    code = (
        "import sys; from tinydl.gradcheck import check_function; import numpy as np; "
        "print(check_function(np.sin, lambda dy, x: dy * np.cos(x), (2,))._repr_html_()[:7]); "
        "assert not {'matplotlib', 'numba', 'scipy'} & set(sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "<table>\n"
    )
