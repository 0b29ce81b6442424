"""The partition function and the log-likelihood of small machines, against enumeration of all joint states."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from tests.unsupervised import enumeration
from tests.unsupervised.enumeration import machine, rows
from tinydl.unsupervised import BernoulliRBM, Estimate, likelihood


@pytest.mark.parametrize(("visible", "hidden"), [(1, 1), (3, 2), (2, 7), (12, 8), (8, 12)])
def test_the_exact_partition_function(visible: int, hidden: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rbm = machine(visible, hidden)
    expected = np.log(np.exp(enumeration.log_joint(rbm)).sum())
    assert rbm.log_partition_function() == pytest.approx(expected, rel=1e-13)
    monkeypatch.setattr(likelihood, "STATES_AT_ONCE", 3)
    assert rbm.log_partition_function() == pytest.approx(expected, rel=1e-13)


def test_large_energies_overflow_nowhere() -> None:
    rbm = machine(3, 2, scale=2000.0)
    expected = enumeration.log_joint(rbm).max()  # one state has all the probability
    assert rbm.log_partition_function() == pytest.approx(expected, rel=1e-12)
    assert np.isfinite(rbm.annealed_log_partition_function(10, 10, 0).value)


def test_one_of_the_layers_may_be_large() -> None:
    """The smaller one is enumerated; the sum over the units of the other one has a closed form."""
    rbm = machine(20, 25, scale=0.0)
    assert rbm.log_partition_function() == pytest.approx(45 * math.log(2), rel=1e-12)
    rbm = machine(300, 2, scale=0.1)
    b, c, W = rbm.intercept_visible_, rbm.intercept_hidden_, rbm.components_
    terms = [h @ c + np.log1p(np.exp(b + h @ W)).sum() for h in enumeration.states(2)]
    assert rbm.log_partition_function() == pytest.approx(np.log(np.exp(terms).sum()), rel=1e-12)


def test_log_likelihoods_are_those_of_the_states() -> None:
    rbm, data = machine(4, 3), rows(4)
    expected = enumeration.empirical(data) @ np.log(enumeration.joint(rbm).sum(axis=1))
    found = rbm.log_likelihood(data)
    assert found == Estimate(pytest.approx(expected, rel=1e-12), 0.0)
    assert rbm.log_likelihood(data, Estimate(5.0, 0.1)) == (pytest.approx(-rbm.free_energy(data).mean() - 5), 0.1)
    assert rbm.log_likelihood(data, rbm.log_partition_function()) == found
    assert rbm.log_likelihood(data, np.float64(5)) == rbm.log_likelihood(data, Estimate(5.0, 0.0))
    for wrong in ("5", (5.0, 0.1), np.nan, Estimate(np.inf, 0.0), True):
        with pytest.raises(ValueError, match=r"^BernoulliRBM: log_partition must be "):
            rbm.log_likelihood(data, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_annealing_comes_within_its_error(seed: int) -> None:
    """benchmarks/contrastive_divergence.py shows that the errors are as large as estimated, on 100 machines."""
    rbm = machine(12, 8, seed=seed)
    found = rbm.annealed_log_partition_function(500, 200, random_state=seed)
    assert 0 < found.standard_error < 0.05
    assert abs(found.value - rbm.log_partition_function()) < 3 * found.standard_error


def test_the_error_of_annealing_falls_with_chains_and_temperatures() -> None:
    rbm = machine(12, 8, seed=3)
    few, chains, temperatures = (
        rbm.annealed_log_partition_function(*numbers, random_state=0).standard_error
        for numbers in ((50, 50), (5000, 50), (50, 5000))
    )
    assert few > 5 * chains
    assert few > 5 * temperatures


def test_annealing_is_exact_for_the_base_machine() -> None:
    rbm = BernoulliRBM(5, n_iter=0, random_state=0).fit(rows(6))
    rbm.components_[...] = 0
    found = rbm.annealed_log_partition_function(10, 3)
    assert found.value == pytest.approx(rbm.log_partition_function(), rel=1e-13)
    assert found.standard_error < 1e-12


def test_the_same_seed_gives_the_same_estimate() -> None:
    rbm = machine(30, 25, scale=0.3)
    first, again, other = (rbm.annealed_log_partition_function(10, 20, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert rbm.annealed_log_partition_function(10, 20) != rbm.annealed_log_partition_function(10, 20)


def test_what_is_too_large_to_enumerate_is_refused_and_estimated() -> None:
    rbm, data = machine(22, 21, scale=0.1), rows(22)
    message = (
        "BernoulliRBM: the smaller layer must have up to 20 units to be enumerated, got 22 visible and 21 hidden units: "
        "use annealed_log_partition_function"
    )
    for refused in (rbm.log_partition_function, lambda: rbm.exact_gradient(data)):
        with pytest.raises(ValueError, match=re.escape(message)):
            refused()
    assert 0 < rbm.log_likelihood(data).standard_error < 0.05


@pytest.mark.parametrize(("arguments", "message"), [
    ({"n_chains": 1}, "n_chains must be an integer >= 2, got 1"),
    ({"n_chains": 10**12}, "n_chains must be <= 89,478,485 for 3 units of a layer, got 1,000,000,000,000"),
    ({"n_temperatures": 0}, "n_temperatures must be an integer >= 1, got 0"),
    ({"random_state": "a"}, "random_state must be None, an integer >= 0 or a numpy.random.Generator, got 'a'"),
])  # fmt: skip
def test_invalid_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"BernoulliRBM: {message}")):
        machine(3, 2).annealed_log_partition_function(**arguments)  # type: ignore[arg-type]
