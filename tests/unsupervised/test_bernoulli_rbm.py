"""BernoulliRBM: its gradients against enumeration, its training, and scikit-learn's manners."""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import scipy.sparse
import sklearn.neural_network
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from tests.unsupervised import enumeration
from tests.unsupervised.enumeration import machine, rows
from tinydl import kernels
from tinydl.gradcheck import numerical_gradient
from tinydl.unsupervised import BernoulliRBM, bernoulli_rbm, energy

SIZES = [(1, 1), (3, 2), (2, 5), (8, 12), (12, 8)]  # visible, hidden
SMALL: dict[str, Any] = {"n_components": 6, "batch_size": 5, "n_iter": 3, "random_state": 0}


def arrays(rbm: BernoulliRBM) -> dict[str, np.ndarray]:
    return {"dW": rbm.components_, "db": rbm.intercept_visible_, "dc": rbm.intercept_hidden_}


# --- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("visible", "hidden"), SIZES)
def test_the_exact_gradient_is_the_difference_of_two_phases(visible: int, hidden: int) -> None:
    rbm, data = machine(visible, hidden), rows(visible)
    W, c = rbm.components_, rbm.intercept_hidden_
    expected = enumeration.gradient(rbm, data)
    states, p = enumeration.states(visible), enumeration.joint(rbm).sum(axis=1)
    positive = bernoulli_rbm.expectations(data, energy.hidden_probabilities(data, W, c))
    negative = bernoulli_rbm.expectations(states, energy.hidden_probabilities(states, W, c), p)
    for found in (bernoulli_rbm.phases(positive, negative), rbm.exact_gradient(data)):
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(("visible", "hidden"), [(3, 2), (4, 6), (6, 4)])
def test_the_exact_gradient_is_that_of_the_log_likelihood(visible: int, hidden: int) -> None:
    rbm, data = machine(visible, hidden), rows(visible)
    found = rbm.exact_gradient(data)
    for name, array in arrays(rbm).items():
        numerical = numerical_gradient(lambda _: rbm.log_likelihood(data).value, array)
        np.testing.assert_allclose(found[name], numerical, rtol=0, atol=1e-9, err_msg=name)


CHAINS = 40_000


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_mean_of_cd_k_is_that_of_a_chain_of_k_steps(k: int) -> None:
    rbm, row = machine(4, 3, k=k), np.array([[1.0, 0, 0, 1]])
    expected, variance = enumeration.expected_cd(rbm, row, k)
    mean = rbm.gradient(np.tile(row, (CHAINS, 1)))
    for name, array in expected.items():
        assert np.all(np.abs(mean[name] - array) < 4 * np.sqrt(variance[name] / CHAINS)), name


def test_cd_k_comes_nearer_to_the_gradient_as_k_grows() -> None:
    row, distances = np.ones((1, 6)), []
    for k in (1, 3, 100):
        rbm = machine(6, 5, 2.0, k=k)
        exact, mean = rbm.exact_gradient(row), rbm.gradient(np.tile(row, (CHAINS, 1)))
        distances.append({name: float(np.abs(mean[name] - exact[name]).max()) for name in exact})
    for name, array in exact.items():
        first, third, last = (each[name] for each in distances)
        assert first > 2 * third > 4 * last
        variance = enumeration.expected_cd(rbm, row, 100)[1][name]
        assert np.all(np.abs(mean[name] - array) < 4 * np.sqrt(variance / CHAINS)), name


def test_cd_is_not_the_gradient_of_any_function() -> None:
    """The Jacobian of the log-likelihood's gradient is symmetric, and that of CD-1's mean is not."""
    rbm, data = machine(3, 2), rows(3)

    def asymmetry(field: Any) -> float:
        def flat(_: np.ndarray) -> np.ndarray:
            found = field()
            return np.concatenate([found[name].ravel() for name in ("dW", "db", "dc")])

        size = len(flat(np.empty(0)))
        jacobian = np.array([
            np.concatenate([numerical_gradient(flat, array, upstream).ravel() for array in arrays(rbm).values()])
            for upstream in np.eye(size)
        ])  # fmt: skip
        return float(np.abs(jacobian - jacobian.T).max())

    assert asymmetry(lambda: rbm.exact_gradient(data)) < 1e-9
    assert asymmetry(lambda: enumeration.expected_cd(rbm, data, 1)[0]) > 1e-3


@pytest.mark.parametrize("cost", [0.3, 2.0])
def test_sparsity_is_the_gradient_of_its_penalty(cost: float) -> None:
    rbm, data = machine(4, 3), rows(4)
    W, _, c = arrays(rbm).values()
    target = 0.2

    def penalty(_: np.ndarray) -> float:
        q = (1 / (1 + np.exp(-data @ W.T - c))).mean(axis=0)
        return cost * float(np.sum(target * np.log(target / q) + (1 - target) * np.log((1 - target) / (1 - q))))

    p = energy.hidden_probabilities(data, W, c)
    with_penalty = bernoulli_rbm.expectations(data, bernoulli_rbm.toward_target(p, target, cost))
    added = bernoulli_rbm.phases(with_penalty, bernoulli_rbm.expectations(data, p))
    np.testing.assert_allclose(added["dW"], -numerical_gradient(penalty, W), rtol=0, atol=1e-9)
    np.testing.assert_allclose(added["dc"], -numerical_gradient(penalty, c), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(added["db"], 0)
    silent = np.zeros((5, 2))
    np.testing.assert_array_equal(bernoulli_rbm.toward_target(silent, target, cost), silent)


def test_persistent_gradients_start_at_the_chains_and_leave_them() -> None:
    rbm, data = machine(4, 3, persistent=True, batch_size=40_000, k=1), rows(4)
    before = rbm.h_samples_.copy()
    found = rbm.gradient(data)
    np.testing.assert_array_equal(rbm.h_samples_, before)
    b = rbm.intercept_visible_
    assert not before.any()
    np.testing.assert_allclose(found["db"], data.mean(axis=0) - 1 / (1 + np.exp(-b)), atol=0.02)  # v ~ p(v | h = 0)


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("cost", [0.0, 0.5])
def test_an_update_adds_what_the_formula_says(persistent: bool, cost: float) -> None:
    settings = {"momentum": 0.8, "weight_decay": 0.01, "sparsity_cost": cost, "learning_rate": 0.2}
    rbm, data = machine(5, 4, persistent=persistent, **settings), rows(5)
    copy = pickle.loads(pickle.dumps(rbm))
    expected = {name: array.copy() for name, array in arrays(rbm).items()}
    velocity = {name: np.zeros_like(array) for name, array in expected.items()}
    for _ in range(3):
        gradient = copy.gradient(data)  # draws what partial_fit will draw
        W, c = copy.components_, copy.intercept_hidden_
        p = 1 / (1 + np.exp(-data @ W.T - c))
        q = p.mean(axis=0)
        more = cost * (0.1 - q) / (q * (1 - q)) * p * (1 - p)
        gradient["dW"] = gradient["dW"] + more.T @ data / len(data) - 0.01 * expected["dW"]
        gradient["dc"] = gradient["dc"] + more.mean(axis=0)
        for name, array in expected.items():
            velocity[name] = 0.8 * velocity[name] + 0.2 * gradient[name]
            array += velocity[name]
        rbm.partial_fit(data)
        for name, array in arrays(rbm).items():
            np.testing.assert_allclose(array, expected[name], rtol=0, atol=1e-12, err_msg=name)
        copy = pickle.loads(pickle.dumps(rbm))


def test_training_on_the_definitions_gives_the_same_result() -> None:
    data = rows(9)
    compiled = BernoulliRBM(**SMALL, momentum=0.5).fit(data)
    with kernels.using("reference"):
        reference = BernoulliRBM(**SMALL, momentum=0.5).fit(data)
    for name, array in arrays(compiled).items():
        np.testing.assert_allclose(array, arrays(reference)[name], rtol=0, atol=1e-12)


def bars(n: int = 200) -> np.ndarray:
    """3x3 images with some full rows or some full columns."""
    rng = np.random.default_rng(0)
    on = (rng.random((n, 3)) < 0.4).astype(np.float64)
    across = np.repeat(on, 3, axis=1)
    down = np.tile(on, (1, 3))
    return np.where(rng.random((n, 1)) < 0.5, across, down)


def test_training_makes_the_data_more_probable() -> None:
    data = bars()
    start = BernoulliRBM(**SMALL | {"n_iter": 0}).fit(data).log_likelihood(data).value
    for persistent in (False, True):
        rbm = BernoulliRBM(**SMALL | {"n_iter": 60}, persistent=persistent).fit(data)
        assert rbm.log_likelihood(data).value > start + 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_follows_the_rows(dtype: Any) -> None:
    data = bars().astype(dtype)
    rbm = BernoulliRBM(**SMALL, momentum=0.5, sparsity_cost=0.1, persistent=True).fit(data)
    found = [*arrays(rbm).values(), rbm.h_samples_, rbm.transform(data), rbm.gibbs(data), rbm.free_energy(data)]
    found += [rbm.score_samples(data), *rbm.gradient(data).values(), rbm.partial_fit(data).components_]
    assert {each.dtype for each in found} == {np.dtype(dtype)}
    assert BernoulliRBM(**SMALL).fit(data.astype(int)).components_.dtype == np.float64
    assert BernoulliRBM(**SMALL).partial_fit(data).components_.dtype == dtype


def test_both_dtypes_draw_the_same_units() -> None:
    single, double = (BernoulliRBM(**SMALL).fit(bars().astype(dtype)) for dtype in (np.float32, np.float64))
    np.testing.assert_allclose(single.components_, double.components_, rtol=0, atol=1e-5)


def test_the_same_seed_gives_the_same_bits() -> None:
    def fitted(seed: Any) -> bytes:
        rbm = BernoulliRBM(**SMALL | {"random_state": seed}).fit(bars())
        return b"".join(array.tobytes() for array in (*arrays(rbm).values(), rbm.gibbs(bars(), n_steps=3)))

    assert fitted(3) == fitted(3) == fitted(np.random.default_rng(3)) != fitted(4)
    once = BernoulliRBM(**SMALL).fit(bars())
    assert once.components_.tobytes() == once.fit(bars()).components_.tobytes() == clone(once).fit(
        bars()).components_.tobytes()  # fmt: skip


def test_partial_fit_goes_on_and_keeps_the_mean_of_all_rows() -> None:
    data = bars(90)
    rbm = BernoulliRBM(**SMALL)
    for at in (0, 20, 30):
        rbm.partial_fit(data[at : at + (60 if at == 30 else 20 - at // 2)])
    np.testing.assert_allclose(rbm.visible_mean_, data.mean(axis=0), rtol=1e-12)
    before = rbm.components_.copy()
    rbm.partial_fit(data)
    assert 0 < np.abs(rbm.components_ - before).max() < 0.1


def test_without_passes_the_units_are_independent_with_the_means_of_the_data() -> None:
    data = bars()
    rbm = BernoulliRBM(1, n_iter=0, random_state=0).fit(data)
    rbm.components_[...] = 0
    mean = data.mean(axis=0)
    expected = (data * np.log(mean) + (1 - data) * np.log(1 - mean)).sum(axis=1)
    assert rbm.log_likelihood(data).value == pytest.approx(expected.mean(), rel=1e-12)
    np.testing.assert_allclose(rbm.score_samples(data), expected, rtol=1e-12)


def test_a_copy_goes_on_as_the_original() -> None:
    rbm = BernoulliRBM(**SMALL, persistent=True, momentum=0.9).fit(bars())
    copy = pickle.loads(pickle.dumps(rbm))
    np.testing.assert_array_equal(copy.partial_fit(bars()).components_, rbm.partial_fit(bars()).components_)
    np.testing.assert_array_equal(copy.gibbs(bars()), rbm.gibbs(bars()))


def test_verbose_prints_a_line_after_each_pass(capsys: pytest.CaptureFixture[str]) -> None:
    rbm = BernoulliRBM(**SMALL, verbose=1).fit(bars())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    found = re.fullmatch(r"Epoch 3/3 - \d+\.\ds - pseudo_log_likelihood: (-\d+\.\d+)", lines[-1])
    assert found is not None
    assert float(found[1]) == pytest.approx(rbm.score_samples(bars()).mean(), abs=0.6)


# --- samples and scores -----------------------------------------------------------------------------------------------


def test_long_chains_draw_from_the_machine() -> None:
    rbm = machine(4, 3)
    drawn = rbm.gibbs(np.zeros((40_000, 4)), n_steps=30)
    assert set(np.unique(drawn)) == {0, 1}
    expected = enumeration.joint(rbm).sum(axis=1)
    assert np.abs(enumeration.empirical(drawn) - expected).max() < 4.5 * np.sqrt(expected.max() / 40_000)


def test_values_agree_with_scikit_learn() -> None:
    ours, data = machine(9, 6), np.random.default_rng(1).random((30, 9))
    theirs = sklearn.neural_network.BernoulliRBM(6, n_iter=0, random_state=0).fit(data)
    for name in ("components_", "intercept_hidden_", "intercept_visible_"):
        setattr(theirs, name, getattr(ours, name))
    np.testing.assert_allclose(ours.transform(data), theirs.transform(data), rtol=1e-12)
    np.testing.assert_allclose(ours.free_energy(data), theirs._free_energy(data), rtol=1e-12)
    data = data.round()
    draws = np.array([theirs.set_params(random_state=seed).score_samples(data) for seed in range(400)])
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - ours.score_samples(data)) < 4.5 * error)


def test_scores_are_the_conditional_probabilities_of_each_unit() -> None:
    rbm, data = machine(4, 3), np.array([[0.0, 1, 1, 0], [0.25, 1, 0, 1]])
    p = enumeration.joint(rbm).sum(axis=1).reshape(2, 2, 2, 2)
    first = [np.moveaxis(p, i, 0)[:, *(int(x) for x in np.delete(data[0], i))] for i in range(4)]
    expected = sum(np.log(each[int(x)] / each.sum()) for each, x in zip(first, data[0], strict=True))
    scores = rbm.score_samples(data)
    assert scores[0] == pytest.approx(expected, rel=1e-12)
    on, off = p[1, 1, 0, 1], p[0, 1, 0, 1]
    only = rbm._score_of_units(data[1:], np.array([0]))[0]
    assert only == pytest.approx(0.25 * np.log(on / (on + off)) + 0.75 * np.log(off / (on + off)), rel=1e-12)


# --- scikit-learn's manners -------------------------------------------------------------------------------------------


def test_estimator_checks_pass() -> None:
    """scikit-learn expects its own BernoulliRBM to fail two of them, because its scores are random; ours are not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks fit normal numbers; some are skipped without optional packages
        check_estimator(BernoulliRBM(5, n_iter=2, random_state=0))


@pytest.mark.parametrize(("settings", "message"), [
    ({"n_components": 0}, "n_components must be an integer >= 1, got 0"),
    ({"n_components": 2.0}, "n_components must be an integer >= 1, got 2.0: write 2, or // for a division"),
    ({"learning_rate": 0}, "learning_rate must be above 0, got 0"),
    ({"learning_rate": -1}, "learning_rate must be above 0, got -1"),
    ({"batch_size": "10"}, "batch_size must be an integer >= 1, got '10': write 10 without quotes"),
    ({"n_iter": -1}, "n_iter must be an integer >= 0, got -1"),
    ({"k": 0}, "k must be an integer >= 1, got 0"),
    ({"persistent": "yes"}, "persistent must be True or False, got 'yes'"),
    ({"momentum": 1}, "momentum must be a finite number with 0 <= momentum < 1, got 1"),
    ({"weight_decay": -1e-4}, "weight_decay must be a finite number with 0 <= weight_decay, got -0.0001"),
    ({"sparsity_target": 10}, "sparsity_target must be a finite number with 0 <= sparsity_target < 1, got 10: write 0.1 for 10 %"),
    ({"sparsity_cost": float("nan")}, "sparsity_cost must be a finite number with 0 <= sparsity_cost, got nan"),
    ({"verbose": "no"}, "verbose must be an integer >= 0, got 'no'"),
    ({"random_state": -1}, "random_state must be None, an integer >= 0 or a numpy.random.Generator, got -1: write"),
    ({"random_state": np.random.RandomState(0)}, "random_state must be None, an integer >= 0 or a numpy.random.Generator, got RandomState"),
])  # fmt: skip
def test_invalid_settings_are_refused_before_anything_changes(settings: dict[str, Any], message: str) -> None:
    rbm = BernoulliRBM(**SMALL).fit(bars())
    before = pickle.dumps(rbm)
    (name,) = settings
    old = getattr(rbm, name)
    for train in (rbm.fit, rbm.partial_fit):
        rbm.set_params(**settings)
        with pytest.raises(ValueError, match=re.escape(f"BernoulliRBM: {message}")):
            train(bars())
        assert pickle.dumps(rbm.set_params(**{name: old})) == before


@pytest.mark.parametrize(("data", "kind", "message"), [
    (np.full((3, 9), np.nan), ValueError, "Input X contains NaN"),
    (np.full((3, 9), np.inf), ValueError, "infinity"),
    (np.zeros((0, 9)), ValueError, "0 sample"),
    (np.zeros(9), ValueError, "Expected 2D array, got 1D array"),
    (np.zeros((3, 8)), ValueError, "X has 8 features, but BernoulliRBM is expecting 9 features"),
    (scipy.sparse.csr_matrix(np.ones((3, 9))), TypeError, "dense data is required"),
])  # fmt: skip
def test_invalid_rows_are_refused_before_anything_changes(data: Any, kind: type[Exception], message: str) -> None:
    rbm = BernoulliRBM(**SMALL).fit(bars())
    before = pickle.dumps(rbm)
    methods = (
        rbm.partial_fit, rbm.transform, rbm.gibbs, rbm.free_energy, rbm.score_samples, rbm.gradient, rbm.exact_gradient,
        rbm.log_likelihood,
    )  # fmt: skip
    for method in methods if "8 features" in message else (rbm.fit, *methods):
        with pytest.raises(kind, match=message):
            method(data)
        assert pickle.dumps(rbm) == before


def test_values_outside_0_to_1_get_one_warning() -> None:
    data = bars() * 16
    rbm = BernoulliRBM(**SMALL)
    message = (
        r"^BernoulliRBM: values must lie in 0 \.\. 1, because they stand for probabilities, got 0 to 16: scale them"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        rbm.fit(data).transform(data)
    assert [each.filename for each in caught] == [__file__]
    rbm.partial_fit(data)  # not again
    rbm.fit(bars())
    with pytest.warns(UserWarning, match=message) as caught:
        rbm.transform(data)
    assert [each.filename for each in caught] == [__file__]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("dtype", "rate"), [(np.float32, 1e38), (np.float64, 1e300), (np.float64, 1e6)])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_too_large_weights_stop_training_and_leave_the_machine(dtype: Any, rate: float, momentum: float) -> None:
    data = bars().astype(dtype)
    rbm = BernoulliRBM(**SMALL, momentum=momentum).fit(data)
    for train in (rbm.fit, rbm.partial_fit):
        before = fitted_state(rbm)
        rbm.set_params(learning_rate=rate)
        message = (
            r"^BernoulliRBM: weights must stay below 10000, got (nan|inf|\d\S*): lower learning_rate, or scale the rows"
        )
        with pytest.raises(FloatingPointError, match=message):
            train(data)
        assert fitted_state(rbm) == before
        rbm.set_params(learning_rate=0.1).partial_fit(data)


def test_rows_that_overflow_leave_the_machine() -> None:
    rbm = BernoulliRBM(**SMALL).fit(bars())
    before = fitted_state(rbm)
    for train in (rbm.fit, rbm.partial_fit):
        with pytest.warns(UserWarning, match="0 .. 1"), pytest.raises(FloatingPointError, match="scale the rows"):
            train(bars() * 1e9)
        assert fitted_state(rbm) == before


def fitted_state(rbm: BernoulliRBM) -> bytes:
    """All attributes but the hyper-parameters."""
    return pickle.dumps({name: value for name, value in vars(rbm).items() if name not in rbm.get_params()})


@pytest.mark.parametrize("random_state", [0, np.random.default_rng(0)])
def test_ctrl_c_changes_nothing(random_state: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rbm = BernoulliRBM(**SMALL | {"random_state": random_state}, persistent=True, momentum=0.5).fit(bars())
    before, calls = pickle.dumps(rbm), iter(range(100))
    real = bernoulli_rbm.update

    def interrupted(*args: Any) -> None:
        real(*args)
        if next(calls) >= 50:
            raise KeyboardInterrupt

    monkeypatch.setattr(bernoulli_rbm, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rbm.fit(np.hstack([bars(), bars()]))
    assert next(calls) == 51
    assert pickle.dumps(rbm) == before
    with pytest.raises(KeyboardInterrupt):
        rbm.partial_fit(bars())
    assert pickle.dumps(rbm) == before


def test_a_failing_first_partial_fit_leaves_an_unfitted_machine() -> None:
    rbm = BernoulliRBM(**SMALL | {"random_state": np.random.default_rng(0)}, learning_rate=1e300)
    before = pickle.dumps(rbm)
    with pytest.raises(FloatingPointError):
        rbm.partial_fit(bars())
    assert pickle.dumps(rbm) == before


def test_machines_too_large_for_memory_are_refused_before_anything_changes() -> None:
    rbm = BernoulliRBM(**SMALL).fit(bars())
    before = fitted_state(rbm)
    for settings, message in (
        ({"n_components": 10**12}, "n_components must be <= 14,913,080 for 18 visible units, got 1,000,000,000,000"),
        ({"batch_size": 10**12}, "batch_size must be <= 44,739,242 for 6 hidden units, got 1,000,000,000,000"),
    ):
        rbm.set_params(**SMALL | settings)
        with pytest.raises(ValueError, match=re.escape(f"BernoulliRBM: {message}")):
            rbm.fit(np.hstack([bars(), bars()]))
        assert fitted_state(rbm) == before
    assert rbm.transform(bars()).shape == (200, 6)


def test_sizes_stay_in_partial_fit() -> None:
    rbm = BernoulliRBM(**SMALL, persistent=True).fit(bars())
    before = fitted_state(rbm)
    for settings, message in (
        ({"n_components": 9}, "n_components must stay 6 in partial_fit, got 9: set it back, or call fit to begin anew"),
        ({"batch_size": 9}, "batch_size must stay 5 in partial_fit, got 9: set it back, or call fit to begin anew"),
    ):
        rbm.set_params(**SMALL | settings)
        with pytest.raises(ValueError, match=re.escape(f"BernoulliRBM: {message}")):
            rbm.partial_fit(bars())
        assert fitted_state(rbm) == before
    rbm.set_params(persistent=False).partial_fit(bars())  # batch_size counts persistent chains only
    assert rbm.set_params(n_components=9).fit(bars()).components_.shape == (9, 9)


def test_a_machine_mapped_from_a_file_learns_on_a_copy(tmp_path: Path) -> None:
    rbm = BernoulliRBM(**SMALL, persistent=True, momentum=0.5).fit(bars())
    joblib.dump(rbm, tmp_path / "rbm")
    mapped = joblib.load(tmp_path / "rbm", mmap_mode="r")
    assert not mapped.components_.flags.writeable
    np.testing.assert_array_equal(mapped.transform(bars()), rbm.transform(bars()))
    np.testing.assert_array_equal(mapped.gibbs(bars()), rbm.gibbs(bars()))
    for _ in range(2):
        mapped.partial_fit(bars())
        rbm.partial_fit(bars())
        for name, array in arrays(mapped).items():
            np.testing.assert_array_equal(array, arrays(rbm)[name])


@pytest.mark.parametrize(("data", "message"), [
    (np.ma.masked_equal(np.eye(9), 1), "X must be a plain array, got a masked array, whose mask would be lost: write X.filled(0)"),
    (np.zeros((3, 9), "M8[s]"), "X must not hold times: turn them into numbers"),
    ([[np.timedelta64(1, "s")] * 9] * 3, "X must not hold times: turn them into numbers"),
])  # fmt: skip
def test_masks_and_times_are_refused(data: Any, message: str) -> None:
    rbm = BernoulliRBM(**SMALL).fit(bars())
    before = pickle.dumps(rbm)
    for method in (rbm.fit, rbm.partial_fit, rbm.transform, rbm.gibbs, rbm.log_likelihood):
        with pytest.raises(ValueError, match=re.escape(f"BernoulliRBM: {message}")):
            method(data)
        assert pickle.dumps(rbm) == before


def test_an_unfitted_machine_says_so() -> None:
    rbm = BernoulliRBM()
    calls = [lambda: rbm.transform(bars()), lambda: rbm.gibbs(bars()), rbm.log_partition_function]
    for call in calls:
        with pytest.raises(sklearn.exceptions.NotFittedError, match="This BernoulliRBM instance is not fitted yet"):
            call()
