"""The page in a headless Chromium: it proves itself, asks for nothing, and can be used by mouse, keyboard and touch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.study.chromium import Page, browser, executable
from tinydl import Model
from tinydl.commands.small_network import small_network
from tinydl.layers import Dense, Residual
from tinydl.regularizers import L2

CHROMIUM = executable()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium or Chrome (CHROMIUM names another one)")


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    assert CHROMIUM is not None
    with browser(CHROMIUM) as page:
        yield page


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, x, y = small_network(4)
    return model.see(x, y, tmp_path_factory.mktemp("see") / "step.html")


@pytest.fixture
def opened(tab: Page, file: Path) -> Page:
    return load(tab, file)


def load(tab: Page, file: Path) -> Page:
    tab.console.clear()
    tab.requests.clear()
    tab.open(file)
    tab.wait("document.getElementById('proof').dataset.wrong")
    return tab


def cell(owner: str, key: str, *index: int) -> str:
    """The table cell of an entry, as a JavaScript expression."""
    entry = f"each.entry.key === '{key}' && each.entry.index.join() === '{','.join(map(str, index))}'"
    return f"""[...document.querySelectorAll("td")].find((each) => each.entry && {entry}
        && (each.entry.owner.path ?? "loss") === "{owner}")"""


def text(tab: Page, name: str) -> str:
    found: str = tab.run(f"document.getElementById('{name}').innerText")
    return found


def lit(tab: Page) -> int:
    count: int = tab.run("document.querySelectorAll('td.lit').length")
    return count


def test_the_page_proves_itself_and_asks_for_nothing(opened: Page, file: Path) -> None:
    proof = opened.run("({...document.getElementById('proof').dataset})")
    assert int(proof["recomputed"]) > 1000
    assert proof["wrong"] == "0"
    assert proof["entries"] == proof["recomputed"]
    count = f"{int(proof['recomputed']):,}"
    assert f"{count} of {count} entries recomputed, 0 wrong" in text(opened, "proof")
    assert opened.console == [("log", f"{count} of {count} entries recomputed, 0 wrong")]
    assert opened.requests == [file.resolve().as_uri()]


def test_every_layer_has_its_arrays_and_formulas(opened: Page) -> None:
    model, *_ = small_network(4)
    names = opened.run("[...document.querySelectorAll('h2')].map((each) => each.firstChild.textContent)")
    assert names[0] == "conv2d_1"
    assert names[-1] == "the loss"
    assert len(names) == 11  # 10 layers, those inside included
    assert opened.run("document.querySelectorAll('math').length") > 20
    keys = opened.run(
        "[...document.querySelectorAll('section')[0].querySelectorAll('.array')].map((e) => e.dataset.key)"
    )
    assert keys == ["x", "dx", "params.W", "grads.W", "y", "dy"]
    assert opened.run("document.getElementById('title').textContent") == f"{model.name}: one training step"


def test_pointing_lights_up_what_made_an_entry(opened: Page) -> None:
    opened.move(cell("conv2d_1", "dx", 0, 2, 2, 0))
    opened.wait("document.querySelectorAll('td.lit').length")
    assert text(opened, "explanation").startswith("dx[0,2,2,0] = ")
    assert "sum of 18: " in text(opened, "explanation")
    assert lit(opened) == 18 + 18 + 18  # W, and dy, which is also drawn as batch_norm_1's dx
    opened.move(cell("dense_2", "grads.b", 1))
    opened.wait("document.getElementById('explanation').innerText.startsWith('db[1]')")
    assert "sum of 4" in text(opened, "explanation")


def test_a_click_holds_an_entry_and_escape_lets_it_go(opened: Page) -> None:
    opened.click(cell("max_pool2d_1", "y", 0, 1, 1, 1))
    assert "won over" in text(opened, "explanation")
    opened.move(cell("dense_2", "grads.b", 1))
    assert text(opened, "explanation").startswith("y[0,1,1,1]")
    opened.key("Escape")
    assert lit(opened) == 0
    opened.tap(cell("dense_2", "grads.b", 2))
    assert text(opened, "explanation").startswith("db[2]")
    opened.key("Escape")


def test_all_terms_are_listed_on_demand(opened: Page) -> None:
    opened.click(cell("batch_norm_1", "dx", 0, 1, 2, 0))
    assert opened.run("document.getElementById('terms').hidden")
    opened.click("document.querySelector('#explanation button')")
    items = opened.run("[...document.querySelectorAll('#terms li')].map((each) => each.textContent)")
    assert [item.split(":")[0] for item in items] == ["directly", "through the mean", "through the variance"]
    opened.key("Escape")


def test_keys_move_from_entry_to_entry(opened: Page) -> None:
    opened.run(f"{cell('dense_1', 'params.W', 0, 0)}.focus()")
    opened.key("ArrowDown")
    opened.key("ArrowRight")
    assert text(opened, "explanation").startswith("W[1,1] = ")
    opened.key("End")
    assert text(opened, "explanation").startswith("W[1,5] = ")
    opened.key("Enter")
    opened.move(cell("dense_2", "grads.b", 1))
    assert text(opened, "explanation").startswith("W[1,5] = ")
    opened.key("Escape")


def test_the_slider_walks_forward_and_then_back(opened: Page) -> None:
    later = "document.querySelectorAll('.array.later').length"
    assert opened.run(later) == 0
    assert "22 of 22, backward: conv2d_1" in text(opened, "place")
    opened.run("document.getElementById('walk').focus()")
    opened.key("Home")
    assert text(opened, "place") == "before the step"
    everything = opened.run("document.querySelectorAll('.array').length")
    assert opened.run(later) == everything
    opened.key("ArrowRight")
    assert text(opened, "place") == "1 of 22, forward: conv2d_1 gets x, returns y"
    assert opened.run(later) == everything - 3  # x, W and y
    opened.run("document.activeElement.blur()")
    for _ in range(10):
        opened.key("ArrowRight")
    assert text(opened, "place") == "11 of 22, forward: the loss compares y with the targets"
    opened.click("document.getElementById('on')")
    assert text(opened, "place") == "12 of 22, backward: the loss returns the first dy"
    opened.click("document.getElementById('back')")
    opened.key("ArrowLeft")
    assert text(opened, "place") == "10 of 22, forward: dense_2 gets x, returns y"
    assert opened.run("document.querySelector('.layer.now h2').firstChild.textContent") == "dense_2"


def test_the_other_tab_has_the_figures(opened: Page) -> None:
    opened.run("document.getElementById('tab-layers').focus()")
    opened.key("ArrowRight")
    assert opened.run("document.getElementById('layers').hidden")
    rows = opened.run("[...document.querySelectorAll('#figures tbody tr')].map((each) => each.innerText)")
    assert len(rows) == 10
    assert "batch_norm_1" in rows[1]
    opened.click("document.getElementById('tab-layers')")
    assert not opened.run("document.getElementById('layers').hidden")


def test_the_theme_follows_the_system_and_the_switch(opened: Page) -> None:
    theme = "document.documentElement.dataset.theme"
    shades = "['q-10', 'q0', 'q10'].map((q) => getComputedStyle(document.querySelector(`i.${q}`)).backgroundColor)"
    light = opened.run(shades)
    opened.scheme(True)
    opened.wait(f"{theme} === 'dark'")
    assert set(opened.run(shades)).isdisjoint(light)
    choose = "(() => {{ const e = document.getElementById('{0}'); e.value = '{1}'; e.dispatchEvent(new Event('change')) }})()"
    opened.run(choose.format("theme", "light"))
    assert opened.run(shades) == light
    opened.run(choose.format("row", "2"))
    assert opened.run(f"Boolean({cell('conv2d_1', 'x', 2, 0, 0, 0)})")
    opened.run(choose.format("scaling", "page"))
    assert "logarithmic" in opened.run("document.getElementById('legend').getAttribute('aria-label')")
    opened.scheme(False)


def test_numbers_can_be_read_on_every_shade(opened: Page) -> None:
    """A contrast of at least 4.5 to 1, as WCAG asks for, in both themes."""
    for dark in (False, True):
        opened.scheme(dark)
        opened.wait(f"document.documentElement.dataset.theme === '{'dark' if dark else 'light'}'")
        pairs = opened.run("""[...document.querySelectorAll("#legend i")].map((each) => {
            const style = getComputedStyle(each); return [style.color, style.backgroundColor]; })""")
        assert len(pairs) == 21
        for ink, shade in pairs:
            light = sorted(luminance(colour) + 0.05 for colour in (ink, shade))
            assert light[1] / light[0] >= 4.5
    opened.scheme(False)


def luminance(colour: str) -> float:
    parts = np.array([int(part) for part in colour[4:-1].split(",")]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_single_numbers_are_printed_as_they_are(tab: Page, tmp_path: Path) -> None:
    model = Model([Dense(2, use_bias=False, kernel_regularizer=L2(0.01))], input_shape=2)
    model.params["dense_1.W"][...] = [[1.3, 1.3], [1.3, 0.36]]
    model.compile("sgd", "mse")
    x: np.ndarray = 1e-6 * np.ones((1, 2))
    load(tab, model.see(x, np.zeros((1, 2)), tmp_path / "step.html"))
    printed = """[...document.querySelectorAll("td")].filter((each) => ["value", "penalty"].includes(each.entry?.key))
        .map((each) => each.textContent)"""
    assert tab.run(printed) == ["0.0520", "4.76e\N{MINUS SIGN}12"]
    assert tab.run("document.getElementById('proof').dataset.wrong") == "0"


def test_a_wrong_print_is_part_of_the_proof(tab: Page, tmp_path: Path) -> None:
    model = Model([Dense(1, use_bias=False)], input_shape=1)
    model.compile("sgd", "mse")
    file = model.see([[1.0]], [[1.0]], tmp_path / "step.html")
    page = file.read_text(encoding="utf-8")
    assert "power: 0, text: number }" in page
    file.write_text(page.replace("power: 0, text: number }", "power: 3, text: (value) => number(1000 * value) }"))
    load(tab, file)
    assert tab.run("document.getElementById('proof').dataset.wrong") == "1"
    assert "printed: " in tab.run("document.getElementById('proof').textContent")


def test_cells_are_wider_than_their_numbers(opened: Page) -> None:
    rooms = opened.run("""[...document.querySelectorAll("table.heat td")].map((cell) => {
        const range = document.createRange(); range.selectNodeContents(cell);
        return cell.getBoundingClientRect().width - range.getBoundingClientRect().width; })""")
    assert len(rooms) > 1000
    assert min(rooms) >= 3.9


def test_the_numbers_of_terms_have_room(opened: Page) -> None:
    opened.click(cell("conv2d_1", "dx", 0, 2, 2, 0))
    opened.click("document.querySelector('#explanation button')")
    size, gap = opened.run("""(() => { const style = getComputedStyle(document.querySelector("#terms ol"));
        return [parseFloat(style.fontSize), parseFloat(style.columnGap)]; })()""")
    assert gap > 3 * size  # "18. "
    opened.key("Escape")


def test_layers_inside_others_are_headed_by_their_path(tab: Page, tmp_path: Path) -> None:
    model = Model([Dense(2), Residual([Dense(2, "tanh"), Dense(2)])], input_shape=2)
    model.compile("sgd", "mse")
    step = model.trace(np.ones((2, 2)), np.ones((2, 2)))
    load(tab, model.see(np.ones((2, 2)), np.ones((2, 2)), tmp_path / "step.html"))
    names = tab.run("[...document.querySelectorAll('h2')].map((each) => each.firstChild.textContent)")
    assert names == [*(each.path for each in step.layers), "the loss"]
    assert len(set(names)) == 6


def test_the_figures_fit_and_the_names_stay(opened: Page) -> None:
    opened.click("document.getElementById('tab-figures')")
    opened.size(1280, 900)
    wide, seen = opened.run(
        "(({scrollWidth, clientWidth}) => [scrollWidth, clientWidth])(document.querySelector('.scroller'))"
    )
    assert wide <= seen
    opened.size(420, 900)
    opened.run("document.querySelector('.scroller').scrollLeft = 300")
    assert opened.run("document.querySelector('.scroller').scrollLeft") == 300
    left = opened.run("document.querySelector('#figures tbody th').getBoundingClientRect().left")
    assert left >= opened.run("document.querySelector('.scroller').getBoundingClientRect().left")
    opened.size(1280, 900)
    opened.click("document.getElementById('tab-layers')")


@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_fits_the_window(opened: Page, width: int) -> None:
    opened.size(width, 800)
    assert opened.run("document.documentElement.scrollWidth") <= width
    opened.size(1280, 900)


def test_names_are_shown_as_text(tab: Page, tmp_path: Path) -> None:
    name = "</script><img src=x onerror=fail()>"
    model = Model([Dense(2, name=name)], input_shape=3, name=name)
    model.compile("sgd", "mse")
    load(tab, model.see(np.ones((2, 3)), np.ones((2, 2)), tmp_path / "step.html"))
    assert name in text(tab, "title")
    assert name in tab.run("document.querySelector('h2').textContent")
    assert [kind for kind, _ in tab.console] == ["log"]
    assert len(tab.requests) == 1


@pytest.mark.slow
def test_a_large_network_says_what_is_cropped(tab: Page, tmp_path: Path) -> None:
    model = Model([Dense(300, "relu"), Dense(300, "relu"), Dense(10)], input_shape=400)
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    load(tab, model.see(rng.normal(size=(8, 400)), rng.normal(size=(8, 10)), tmp_path / "step.html"))
    assert "not explained" in text(tab, "proof")
    assert tab.run("document.getElementById('proof').dataset.wrong") == "0"
    assert "cropped: the page keeps the first" in text(tab, "layers")
