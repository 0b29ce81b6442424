"""The benchmark suite: its rows exist, and its figures and verdicts are right on made-up numbers."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.suite import command, compare, page, pictures, plan, report, scaling, suite
from benchmarks.suite.contestants import CONTESTANTS, OURS, Contestant
from benchmarks.suite.results import Measured, Required, Result, Run
from benchmarks.suite.rows import GROUPS, ROWS, Row
from benchmarks.suite.suite import task_of
from benchmarks.suite.turns import Worker
from tinydl import Model, models

LIBRARIES = Path(command.__file__).parent / "libraries"


def header(processor: str = "a processor") -> dict:
    return {
        "processor": processor, "generation": "z", "cores": 2, "threads": 2, "date": "2026-01-01", "rounds": 5,
        "seconds": 1.0, "unset": ["OPENBLAS_CORETYPE=Haswell"], "versions": {"torch": "2"}, "core": "SkylakeX",
        "probes": {"fma": 5e11, "sgemm": 4e11, "bandwidth": 5e10},
    }  # fmt: skip


def result(row: str = "a net", required: Required | None = None, **seconds: list[float]) -> Result:
    made = Result(row, "book", "image", required)
    made.batch, made.operations = 10, 1_000_000
    for name, values in seconds.items():
        measured = Measured(name.replace("_", " "))
        for value in values:
            measured.add(value, 2 * value, 100.0)
        made.contestants.append(measured)
    rounds = max(map(len, seconds.values()))
    made.probes = {"fma": [1e10] * rounds, "sgemm": [1e10] * rounds, "bandwidth": [1e9] * rounds}
    return made


def noisy(median: float, noise: float, seed: int, rounds: int = 5) -> list[float]:
    return list(median * np.exp(noise * np.random.default_rng(seed).standard_normal(rounds)))


# --- rows -------------------------------------------------------------------------------------------------------------


def test_rows_have_names_of_their_own_and_known_groups() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert {row.group for row in ROWS} == set(GROUPS)


def test_every_library_has_the_work_of_its_rows() -> None:
    works: dict[str, dict[str, list[str]]] = {}
    for path in LIBRARIES.glob("*.py"):
        functions = [each for each in ast.parse(path.read_text()).body if isinstance(each, ast.FunctionDef)]
        works[path.stem] = {each.name: [argument.arg for argument in each.args.args] for each in functions}
    for row in ROWS:
        for key in (OURS, *row.peers):
            contestant = CONTESTANTS[key]
            assert row.work in works[contestant.library], (row.name, key)
            assert {"task", *contestant.options} <= set(works[contestant.library][row.work]), (row.name, key)


def test_rows_of_the_sweeps_exist() -> None:
    names = {row.name for row in ROWS}
    for sweep in scaling.SWEEPS:
        assert set(sweep.rows.values()) <= names, sweep.name


def test_rows_that_decide_are_part_of_a_quick_run() -> None:
    assert [row.name for row in ROWS if row.required and not row.quick] == ["VGG16 predicts 16"]  # it takes a minute


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.group in ("autoencoders", "small")], ids=lambda row: row.name
)
def test_plans_count_the_parameters(row: Row) -> None:
    assert plan.parameters(task_of(row, 1).plan) == plan.build(*row.network).parameters.size


@pytest.mark.parametrize("model", [models.resnet_cifar(20), models.inception_cifar(0.1)], ids=["residual", "branches"])
def test_plans_of_graphs_count_the_parameters(model: Model) -> None:
    assert plan.parameters(plan.of(model)) == model.parameters.size


def test_operations_of_a_network_counted_by_hand() -> None:
    layers = plan.of(models.lenet5())
    convolutions = 28 * 28 * 25 * 6 + 10 * 10 * 25 * 6 * 16
    products = convolutions + 400 * 120 + 120 * 84 + 84 * 10
    assert plan.operations(layers, "infer") == 2 * products
    assert plan.operations(layers, "train") == 2 * (3 * products - 28 * 28 * 25 * 6)


def test_only_takes_words_and_whole_names() -> None:
    def names(*words: str) -> list[str]:
        return [row.name for row in command.chosen(command.parser().parse_args(["--only", *words]))]

    assert names("resnet-20") == ["ResNet-20"]
    assert names("four trainings", "contractive") == ["contractive autoencoder", "ResNet-20, four trainings at once"]
    assert set(names("start:")) == {row.name for row in ROWS if row.group == "start"}
    assert names("no such row") == []


def test_a_peer_that_is_not_installed_is_told() -> None:
    missing = Contestant("Nobody", "pytorch", ("a_module_that_nobody_has",))
    worker = Worker(missing, ROWS[0], task_of(ROWS[0], 1))
    worker.launch()
    try:
        with pytest.raises(RuntimeError, match="not installed: No module named 'a_module_that_nobody_has'"):
            worker.await_model()
    finally:
        worker.stop()


# --- figures and tables -----------------------------------------------------------------------------------------------


def test_ratios_are_those_of_the_rounds() -> None:
    made = result(tinydl=[1.0, 2.0, 4.0], slow=[3.0, 6.0, 8.0], fast=[1.5, 3.0, 8.0])
    assert [peer.name for peer in made.peers()] == ["fast", "slow"]
    assert made.ratio(made.peers("slow")[0]) == 3
    assert made.share(made.contestants[0], "fma") == pytest.approx(1e6 / 2 / 1e10)


@pytest.mark.parametrize(
    ("required", "ours", "verdict"),
    [
        (None, 1.0, "ahead"), (None, 4.0, "lost"), (Required(1.5), 2.0, "reached"), (Required(1.6), 2.0, "missed"),
        (Required(2.0, "JAX"), 2.0, "reached"), (Required(2.5, "JAX"), 2.0, "missed"),
    ],
)  # fmt: skip
def test_verdicts(required: Required | None, ours: float, verdict: str) -> None:
    made = result("net", required, tinydl=[ours] * 3, PyTorch=[3.0] * 3, JAX=[4.0] * 3)
    assert made.verdict() == verdict


def test_lost_rows_are_marked_and_explained() -> None:
    lost = result("contractive autoencoder", Required(1.5), tinydl=[2e-3] * 3, PyTorch=[1e-3] * 3)
    won = result("sparse autoencoder", tinydl=[1e-3] * 3, PyTorch=[3e-3] * 3)
    alone = result("lonely net", tinydl=[1e-3] * 3)
    won.missing["JAX"] = "not installed: No module named 'jax'"
    won.missing["PyTorch, torch.compile"] = "it has 1 parameters, expected 2"
    text = report.text(Run(header(), [lost, won, alone]))
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    assert "**lost**: 0.50 x as fast (0.50 - 0.50)" in lines["contractive autoencoder"]
    assert "1.50 x: **missed**" in lines["contractive autoencoder"]
    assert "20.0 ms" in lines["contractive autoencoder"]
    assert "contractive autoencoder: its layers take the steps" in text
    assert "**" not in lines["sparse autoencoder"]
    assert "sparse autoencoder: its layers" not in text
    assert "10.0 ms" in lines["lonely net"]
    assert "\n- not installed: No module named 'jax'" in text
    assert "JAX did not run" not in text
    assert "PyTorch, torch.compile did not run: it has 1 parameters, expected 2" in text
    assert "OPENBLAS_CORETYPE=Haswell: set on this machine, and unset for this run" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.34, "12.3 s"), (0.5, "500 ms"), (0.01234, "12.3 ms"), (1.7e-7, "0.170 us"), (9.999e-3, "10.00 ms"), (0, "0")],
)
def test_durations(seconds: float, text: str) -> None:
    assert report.duration(seconds) == text


def test_runs_survive_their_file(tmp_path: Path) -> None:
    run = Run(header(), [result("net", Required(1.5), tinydl=[1.0, 2.0], PyTorch=[3.0, 4.0])])
    run.save(tmp_path / "run.json")
    again = Run.load(tmp_path / "run.json")
    assert report.text(again) == report.text(run)
    assert again.get("net").verdict() == "reached"  # type: ignore[union-attr]


# --- comparison with an earlier run -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_tenth_more_is_told_and_noise_is_not(seed: int) -> None:
    before, same, slower = (
        Run(header(), [result(tinydl=noisy(median, 0.01, 3 * seed + k))]) for k, median in enumerate((1.0, 1.0, 1.1))
    )
    assert not compare.slower(before, same)
    assert compare.slower(before, slower)
    assert compare.compare(slower, before)[0].verdict in ("faster", "same")


def test_a_slower_clock_is_no_regression() -> None:
    before, after = Run(header(), [result(tinydl=[1.0] * 5)]), Run(header(), [result(tinydl=[1.25] * 5)])
    after.results[0].probes["fma"] = [0.8e10] * 5
    (change,) = compare.compare(before, after)
    assert change.change == pytest.approx(0)
    assert change.verdict == "same"


def test_what_slows_down_the_peers_too_is_no_regression() -> None:
    before = Run(header(), [result(tinydl=[1.0] * 5, PyTorch=[2.0] * 5)])
    crowded = Run(header(), [result(tinydl=[1.2] * 5, PyTorch=[2.4] * 5)])
    slower = Run(header(), [result(tinydl=[1.2] * 5, PyTorch=[2.0] * 5)])
    assert not compare.slower(before, crowded)
    assert compare.slower(before, slower)


def test_on_another_machine_only_ratios_to_peers_count() -> None:
    before = Run(header(), [result(tinydl=[1.0] * 5, PyTorch=[2.0] * 5), result("alone", tinydl=[1.0] * 5)])
    twice = Run(header("another"), [result(tinydl=[2.0] * 5, PyTorch=[4.0] * 5), result("alone", tinydl=[9.0] * 5)])
    (change,) = compare.compare(before, twice)
    assert (change.row, change.against, change.verdict) == ("a net", "PyTorch", "same")
    assert "another machine" in compare.text(before, twice)


# --- scaling ----------------------------------------------------------------------------------------------------------


def test_the_fit_finds_the_line() -> None:
    q = [1, 10, 100, 1000]
    a, b, residual = scaling.fit(q, [2e-3 + 1e-4 * value for value in q])
    assert (a, b) == pytest.approx((2e-3, 1e-4))
    assert residual < 1e-10


def test_curves_and_where_they_cross() -> None:
    sweep = scaling.Sweep("by batch", "rows", {10: "ten", 100: "hundred"})
    rows = {"ten": (10, 1.0, 3.0), "hundred": (100, 10.0, 12.0)}
    results = []
    for name, (batch, ours, theirs) in rows.items():
        made = result(name, tinydl=[ours / batch], PyTorch=[theirs / batch])
        made.batch = batch
        results.append(made)
    ours, theirs = scaling.curves(Run(header(), results), sweep)
    assert (ours.a, ours.b) == pytest.approx((0, 0.1))
    assert (theirs.a, theirs.b) == pytest.approx((2, 0.1))
    assert scaling.curves(Run(header(), results[:1]), sweep) == []
    steep = theirs._replace(a=1.0, b=0.08)
    assert scaling.crossing(ours, steep, 1) == "tinydl is ahead below 50"
    assert scaling.crossing(ours, theirs._replace(b=0.2), 1) == "tinydl is ahead throughout"
    assert math.isclose(ours.residual, 0, abs_tol=1e-12)


def test_pictures_are_drawn(tmp_path: Path) -> None:
    results = [
        result(row.name, tinydl=[1.0] * 2, PyTorch=[3.0] * 2, JAX=[0.5] * 2) for row in ROWS if "book CNN" in row.name
    ]
    for made, batch in zip(results, (128, 1, 32, 512), strict=False):
        made.batch = batch
    written = pictures.draw(Run(header(), results), tmp_path, "page")
    assert {kind: path.name for kind, path in written.items()} == {
        "training": "page_training.png", "scaling": "page_scaling.png"
    }  # fmt: skip
    assert all(path.stat().st_size > 10_000 for path in written.values())


def test_ctrl_c_prints_what_there_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Machine:
        core = "SkylakeX"

        def measure(self, threads: int) -> dict[str, float]:
            return {"fma": 5e11, "sgemm": 4e11, "bandwidth": 5e10}

        def stop(self) -> None:
            pass

    def measure(row: Row, settings: object, prober: object, into: Result) -> None:
        if row.name != "LeNet-5":
            raise KeyboardInterrupt
        into.contestants = result(tinydl=[1e-3]).contestants

    monkeypatch.setattr(suite, "Prober", Machine)
    monkeypatch.setattr(suite, "measure", measure)
    monkeypatch.setattr("sys.argv", ["benchmarks", "--only", "small:", "--no-peers"])
    assert command.main() == 0
    assert "| LeNet-5 | 1.00 ms |" in " ".join(capsys.readouterr().out.split())


def test_a_page_of_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pictures").mkdir()
    monkeypatch.setattr(page, "DOCS", tmp_path)
    run = Run({**header("Ziggy"), "options": "--quick --docs slow"}, [result("book CNN", tinydl=[1.0], PyTorch=[3.0])])
    written = page.write(run, "slow")
    assert [path.name for path in written] == ["slow.md", "slow_training.png"]
    text = written[0].read_text()
    assert text.startswith("# Benchmarks on Ziggy (")
    assert "python -m benchmarks --quick --docs slow\n" in text
    assert "(pictures/slow_training.png)" in text
