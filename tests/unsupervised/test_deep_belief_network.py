"""DeepBeliefNetwork: the stack against enumeration, its network against scikit-learn's, and scikit-learn's manners."""

from __future__ import annotations

import copy
import itertools
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.exceptions
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_array

from tests.unsupervised import enumeration
from tinydl import Model
from tinydl.gradcheck import check_model
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.unsupervised import BernoulliRBM, DeepBeliefNetwork

SMALL: dict[str, Any] = {
    "hidden_layer_sizes": (7, 5), "n_iter": 2, "finetune_epochs": 3, "random_state": 0,
}  # fmt: skip


def rows(n: int = 60, classes: int = 3, dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray]:
    """Rows of 6 gray levels around a mean of their class, and their labels 0, 1, ..."""
    rng = np.random.default_rng([n, classes])
    means, y = rng.random((classes, 6)), np.arange(n) % classes
    return np.clip(means[y] + rng.normal(0, 0.1, (n, 6)), 0, 1).astype(dtype), y


@pytest.fixture(scope="module")
def fitted() -> DeepBeliefNetwork:
    return DeepBeliefNetwork(**SMALL).fit(*rows())


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


X, Y = rows()


# --- the stack as a model of the rows ---------------------------------------------------------------------------------


def stack(*sizes: int) -> DeepBeliefNetwork:
    """A fitted network whose RBMs have random weights."""
    x = enumeration.rows(sizes[0])
    dbn = DeepBeliefNetwork(sizes[1:], n_iter=0, finetune_epochs=1, random_state=0).fit(x, np.arange(len(x)) % 2)
    for level, (below, above) in enumerate(itertools.pairwise(sizes)):
        dbn.rbms_[level] = enumeration.machine(below, above, 1.5, seed=level)
    return dbn


def p_visible_given_hidden(rbm: BernoulliRBM) -> np.ndarray:
    """p(v | h), all v (axis 0) and h (axis 1)."""
    p = enumeration.joint(rbm)
    return p / p.sum(axis=0)


def p_of_rows(dbn: DeepBeliefNetwork) -> np.ndarray:
    """p(v) of all v: the top RBM's distribution of its visible units, passed down layer by layer."""
    p = enumeration.joint(dbn.rbms_[-1]).sum(axis=1)
    for rbm in reversed(dbn.rbms_[:-1]):
        p = p_visible_given_hidden(rbm) @ p
    return p


def upside_down(rbm: BernoulliRBM) -> BernoulliRBM:
    hidden, visible = rbm.components_.shape
    other = enumeration.machine(hidden, visible)
    other.components_[...] = rbm.components_.T
    other.intercept_visible_[...], other.intercept_hidden_[...] = rbm.intercept_hidden_, rbm.intercept_visible_
    return other


def test_a_second_rbm_that_is_the_first_upside_down_changes_nothing() -> None:
    dbn = stack(4, 3, 4)
    first = enumeration.joint(dbn.rbms_[0]).sum(axis=1)
    dbn.rbms_[1] = upside_down(dbn.rbms_[0])
    np.testing.assert_allclose(p_of_rows(dbn), first, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_a_better_prior_raises_the_likelihood_by_at_least_its_own_gain(seed: int) -> None:
    """The bound in the docstring, on data of a random distribution: from the first RBM upside down, steps along the
    exact gradient of the second RBM's objective raise log p(v) by as much as the objective, or more."""
    rng = np.random.default_rng(seed)
    dbn = stack(4, 3, 4)
    first = dbn.rbms_[0] = enumeration.machine(4, 3, 1.0, seed)
    second = dbn.rbms_[1] = upside_down(first)
    p_data = rng.dirichlet(np.ones(16))
    p = enumeration.joint(first)
    p_hidden = p_data @ (p / p.sum(axis=1, keepdims=True))  # of the units that the data cause

    def objective() -> float:
        return float(p_hidden @ np.log(enumeration.joint(second).sum(axis=1)))

    def log_likelihood() -> float:
        return float(p_data @ np.log(p_of_rows(dbn)))

    prior, before = objective(), log_likelihood()
    draws = enumeration.states(3)[rng.choice(8, size=2000, p=p_hidden)]
    for _ in range(20):
        gradient = second.exact_gradient(draws)
        second.components_ += 0.3 * gradient["dW"]
        second.intercept_visible_ += 0.3 * gradient["db"]
        second.intercept_hidden_ += 0.3 * gradient["dc"]
    assert objective() > prior + 1e-3
    assert log_likelihood() - before >= objective() - prior


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2), (3, 4, 2, 3)])
def test_long_chains_draw_from_the_model(sizes: tuple[int, ...]) -> None:
    """`gibbs` returns probabilities given the layer above, whose mean is the mean of the rows."""
    dbn, chains = stack(*sizes), 40_000
    found = dbn.gibbs(np.zeros((chains, sizes[0])), n_steps=40)
    expected = p_of_rows(dbn) @ enumeration.states(sizes[0])
    error = np.sqrt(expected * (1 - expected) / chains)  # of 0 and 1; the probabilities vary less
    assert np.all(np.abs(found.mean(axis=0) - expected) < 4 * error)
    assert found.min() > 0
    assert found.max() < 1


def test_one_step_stays_near_its_row() -> None:
    """With large weights each unit of a layer copies one of the layer below, and a chain cannot leave its row."""
    dbn, same = stack(3, 3, 3), 60 * np.eye(3)
    for rbm in dbn.rbms_:
        rbm.components_[...] = same
        rbm.intercept_hidden_[...] = rbm.intercept_visible_[...] = -30
    v = enumeration.states(3)
    np.testing.assert_allclose(dbn.gibbs(v, n_steps=5), v, atol=1e-9)


def test_each_rbm_learns_from_the_probabilities_below() -> None:
    x, y = rows()
    dbn = DeepBeliefNetwork(**SMALL).fit(x, y)
    assert [rbm.components_.shape for rbm in dbn.rbms_] == [(7, 6), (5, 7)]
    features = x
    for rbm in dbn.rbms_:
        alone = clone(rbm).fit(features)
        for name in ("components_", "intercept_hidden_", "intercept_visible_"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(rbm, name))
        features = sigmoid(features @ rbm.components_.T + rbm.intercept_hidden_)
        features = rbm.transform(x) if rbm is dbn.rbms_[0] else features
    settings = {"learning_rate": 0.03, "batch_size": 7, "n_iter": 1, "k": 3, "momentum": 0.4}
    for rbm in DeepBeliefNetwork(**SMALL | settings).fit(x, y).rbms_:
        assert {name: rbm.get_params()[name] for name in settings} == settings


# --- the network ------------------------------------------------------------------------------------------------------


def as_scikit_learn(model: Model, classes: np.ndarray) -> MLPClassifier:
    """scikit-learn's network with the weights of ours."""
    weights = model.get_weights()
    x, y = rows(classes=len(classes))
    sizes = [len(b) for b in weights[1::2][:-1]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        theirs = MLPClassifier(sizes, activation="logistic", max_iter=1).fit(x, y)
    theirs.coefs_, theirs.intercepts_ = weights[::2], weights[1::2]
    theirs.classes_, theirs._label_binarizer = classes, LabelBinarizer().fit(classes)
    return theirs


def test_probabilities_agree_with_scikit_learn(fitted: DeepBeliefNetwork) -> None:
    x, _ = rows()
    theirs = as_scikit_learn(fitted.model_, fitted.classes_)
    np.testing.assert_allclose(fitted.predict_proba(x), theirs.predict_proba(x), rtol=1e-9)
    np.testing.assert_array_equal(fitted.predict(x), theirs.predict(x))


def test_the_network_starts_at_the_stack(fitted: DeepBeliefNetwork) -> None:
    x, y = rows()
    model = fitted.to_model()
    assert [(layer.units, layer.activation) for layer in model.layers] == [(7, "sigmoid"), (5, "sigmoid"), (3, None)]
    for layer, rbm in zip(model.layers, fitted.rbms_, strict=False):
        np.testing.assert_array_equal(layer.params["W"], rbm.components_.T)
        np.testing.assert_array_equal(layer.params["b"], rbm.intercept_hidden_)
    features = fitted.rbms_[1].transform(fitted.rbms_[0].transform(x))
    W, b = model.layers[-1].params.values()
    np.testing.assert_allclose(model.predict(x), features @ W + b, rtol=1e-12)
    model.fit(x, y, batch_size=32, epochs=3, verbose=0)  # what fit did: the same bits
    np.testing.assert_array_equal(model.parameters, fitted.model_.parameters)
    assert fitted.to_model() is not fitted.to_model()


def test_fine_tuning_moves_all_layers_and_leaves_the_stack(fitted: DeepBeliefNetwork) -> None:
    start = fitted.to_model()
    for tuned, layer in zip(fitted.model_.layers, start.layers, strict=True):
        for name, array in layer.params.items():
            assert np.abs(tuned.params[name] - array).max() > 1e-4
    frozen = DeepBeliefNetwork(**SMALL | {"finetune": False}).fit(*rows())
    for one, other in zip(fitted.rbms_, frozen.rbms_, strict=True):
        np.testing.assert_array_equal(one.components_, other.components_)


def test_the_gradient_of_fine_tuning_is_right(fitted: DeepBeliefNetwork) -> None:
    x, y = rows(8)
    report = check_model(fitted.to_model(), x=x, y=y, loss=SoftmaxCrossEntropy())
    assert report.passed


@pytest.mark.parametrize("classes", [2, 3])
def test_without_fine_tuning_the_last_layer_is_logistic_regression(classes: int) -> None:
    x, y = rows(classes=classes)
    dbn = DeepBeliefNetwork(**SMALL | {"finetune": False, "C": 3.0}).fit(x, y)
    features = dbn.rbms_[1].transform(dbn.rbms_[0].transform(x))
    np.testing.assert_allclose(dbn.transform(x), features, rtol=1e-12)
    regression = LogisticRegression(C=3.0, max_iter=10_000).fit(features, y)
    np.testing.assert_allclose(dbn.predict_proba(x), regression.predict_proba(features), rtol=1e-9)
    np.testing.assert_array_equal(dbn.predict(x), regression.predict(features))


def test_features_are_those_of_the_network_that_classifies(fitted: DeepBeliefNetwork) -> None:
    x, _ = rows()
    W, b = fitted.model_.layers[-1].params.values()
    np.testing.assert_allclose(fitted.transform(x) @ W + b, fitted.model_.predict(x), rtol=1e-9)
    names = fitted.get_feature_names_out()
    assert (len(names), names[4]) == (5, "deepbeliefnetwork4")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_follows_the_rows(dtype: Any) -> None:
    x, y = rows(dtype=dtype)
    dbn = DeepBeliefNetwork(**SMALL).fit(x, y)
    assert {*(rbm.components_.dtype for rbm in dbn.rbms_), dbn.model_.dtype, dbn.transform(x).dtype,
            dbn.gibbs(x).dtype} == {np.dtype(dtype)}  # fmt: skip
    proba = dbn.predict_proba(x)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.slow
def test_it_reads_digits() -> None:
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    test = np.arange(len(x)) % 5 == 0
    assert DeepBeliefNetwork(random_state=0).fit(x[~test], y[~test]).score(x[test], y[test]) > 0.96


# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [
    np.array(["ham", "eggs", "spam"]), np.array(["ham", "eggs", "spam"], object), np.array([7, -3, 12]),
    np.array([2.5, 0.0, 1.0]).round(), np.array([5, 250, 9], np.uint8),
])  # fmt: skip
def test_labels_of_any_kind(names: np.ndarray, fitted: DeepBeliefNetwork) -> None:
    x, y = rows()
    dbn = DeepBeliefNetwork(**SMALL).fit(x, names[y])
    np.testing.assert_array_equal(dbn.classes_, np.unique(names))
    assert dbn.predict(x).dtype == names.dtype
    if np.array_equal(np.argsort(names), np.arange(3)):  # the same class numbers
        np.testing.assert_array_equal(dbn.model_.parameters, fitted.model_.parameters)
    assert set(dbn.predict(x)) <= set(names.tolist())
    assert DeepBeliefNetwork(**SMALL).fit(x, y == 1).predict(x).dtype == bool


@pytest.mark.parametrize("finetune", [True, False])
def test_the_stack_learns_from_rows_without_labels_and_the_network_does_not(finetune: bool) -> None:
    x, y = rows()
    part = np.where(np.arange(len(y)) < 20, y, -1)
    settings = SMALL | {"finetune": finetune}
    dbn, whole, few = (
        DeepBeliefNetwork(**settings).fit(*data) for data in ((x, part), (x, y), (x[:20], y[:20]))
    )  # fmt: skip
    for one, all_rows, alone in zip(dbn.rbms_, whole.rbms_, few.rbms_, strict=True):
        np.testing.assert_array_equal(one.components_, all_rows.components_)
        assert (one.components_ != alone.components_).any()
    np.testing.assert_array_equal(dbn.classes_, [0, 1, 2])
    if finetune:
        model = dbn.to_model()
        model.fit(x[:20], y[:20], batch_size=32, epochs=3, verbose=0)
        np.testing.assert_array_equal(model.parameters, dbn.model_.parameters)
    words = np.array(["a", "b", "c"], object)[y]
    words[20:] = -1
    np.testing.assert_array_equal(DeepBeliefNetwork(**settings).fit(x, words).model_.parameters, dbn.model_.parameters)


class Series:
    """Stands in for a pandas Series of an extension dtype, such as Int64 and boolean."""

    iloc, dtype = None, "Int64"

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __array__(self, dtype: Any = object, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype or object)


@pytest.mark.parametrize("wrapped", [Series, lambda values: values, lambda values: np.array(values, object)])
def test_objects_are_booleans_or_integers(wrapped: Any) -> None:
    x, y = rows()
    for labels in (y == 1, y):
        dbn = DeepBeliefNetwork(**SMALL).fit(x, wrapped(labels.tolist()))
        assert dbn.classes_.dtype == dbn.predict(x).dtype == labels.dtype
        expected = DeepBeliefNetwork(**SMALL).fit(x, labels)
        np.testing.assert_array_equal(dbn.predict_proba(x), expected.predict_proba(x))


@pytest.mark.parametrize("finetune", [True, False])
def test_booleans_with_unlabeled_rows(finetune: bool) -> None:
    x, y = rows()
    part = np.array([bool(label == 1) for label in y], object)
    part[20:] = -1
    dbn = DeepBeliefNetwork(**SMALL | {"finetune": finetune}).fit(x, part)
    expected = DeepBeliefNetwork(**SMALL | {"finetune": finetune}).fit(x, np.where(part == -1, -1, part == 1))
    assert dbn.classes_.dtype == bool
    np.testing.assert_array_equal(dbn.predict_proba(x), expected.predict_proba(x))


# --- randomness, copies, files ----------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits() -> None:
    x, y = rows()

    def bits(seed: Any) -> bytes:
        dbn = DeepBeliefNetwork(**SMALL | {"random_state": seed}).fit(x, y)
        return dbn.model_.parameters.tobytes() + dbn.gibbs(x, 3).tobytes()

    assert bits(3) == bits(3) == bits(np.random.default_rng(3)) != bits(4)
    assert bits(None) != bits(None)
    dbn = DeepBeliefNetwork(**SMALL).fit(x, y)
    before = dbn.model_.parameters.copy()
    np.testing.assert_array_equal(before, dbn.fit(x, y).model_.parameters)


def test_copies_and_files(fitted: DeepBeliefNetwork, tmp_path: Path) -> None:
    x, _ = rows()
    expected = fitted.predict_proba(x)
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(other.predict_proba(x), expected)
        np.testing.assert_array_equal(other.gibbs(x, 4), copy.deepcopy(fitted).gibbs(x, 4))
    fitted.model_.save(tmp_path / "dbn.safetensors")
    model = Model.load(tmp_path / "dbn.safetensors")
    np.testing.assert_allclose(model.predict_proba(x), expected, rtol=1e-12)


# --- progress ---------------------------------------------------------------------------------------------------------


def test_verbose_tells_what_learns(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = rows()
    DeepBeliefNetwork(**SMALL, verbose=1).fit(x, np.where(np.arange(60) < 40, y, -1))
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "RBM 1 of 2: 6 - 7 units"
    assert printed[3] == "RBM 2 of 2: 7 - 5 units"
    assert printed[6] == "Fine-tuning: 40 labeled rows, 3 classes"
    assert sum(line.startswith("Epoch 2/2 - ") for line in printed) == 2
    assert any(line.startswith("Epoch 3/3") for line in printed[7:])
    DeepBeliefNetwork(**SMALL).fit(x, y)
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_changes_nothing(fitted: DeepBeliefNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Model, *args: Any, **options: Any) -> Any:
        return type("History", (), {"interrupted": True})

    dbn = copy.deepcopy(fitted).set_params(random_state=np.random.default_rng(0))
    before = pickle.dumps(dbn)
    monkeypatch.setattr(Model, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dbn.fit(*rows(classes=2))
    assert pickle.dumps(dbn) == before


# --- scikit-learn's manners -------------------------------------------------------------------------------------------


class OfAnyNumbers(DeepBeliefNetwork):
    """A network that takes rows outside 0 .. 1, as scikit-learn's checks make them."""

    def _check_rows(self, X: Any) -> np.ndarray:
        return check_array(X, dtype=(np.float64, np.float32), estimator=self, input_name="X")


def test_estimator_checks_pass() -> None:
    """One of them labels a class -1, which means "no label". scikit-learn makes an exception there for its own
    semi-supervised classifiers."""
    settings = {"hidden_layer_sizes": (8, 6), "batch_size": 50, "n_iter": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # BernoulliRBM warns of such rows; some checks need optional packages
        check_estimator(
            OfAnyNumbers(**settings, finetune_epochs=40, finetune_learning_rate=0.1, random_state=0),
            expected_failed_checks={"check_classifiers_classes": "a class is labeled -1"},
        )


@pytest.mark.parametrize(("settings", "message"), [
    ({"hidden_layer_sizes": ()}, "hidden_layer_sizes must be numbers of units, from the bottom up, such as (256, 512), got ()"),
    ({"hidden_layer_sizes": 64}, "hidden_layer_sizes must be numbers of units, from the bottom up, such as (256, 512), got 64: write (64,)"),
    ({"hidden_layer_sizes": np.int64(64)}, "hidden_layer_sizes must be numbers of units, from the bottom up, such as (256, 512), got np.int64(64): write (64,)"),
    ({"hidden_layer_sizes": np.array([3, 2])}, "hidden_layer_sizes must be numbers of units, from the bottom up, such as (256, 512), got array([3, 2]): write (3, 2)"),
    ({"hidden_layer_sizes": range(3, 1, -1)}, "hidden_layer_sizes must be numbers of units, from the bottom up, such as (256, 512), got range(3, 1, -1): write (3, 2)"),
    ({"hidden_layer_sizes": (8, 10**12)}, "each of hidden_layer_sizes must be <= 33,554,432 for 8 units below, got 1,000,000,000,000"),
    ({"batch_size": 10**12}, "batch_size must be <= 38,347,922 for 7 hidden units, got 1,000,000,000,000"),
    ({"hidden_layer_sizes": (8, 0)}, "each of hidden_layer_sizes must be an integer >= 1, got 0"),
    ({"learning_rate": 0}, "learning_rate must be above 0, got 0"),
    ({"batch_size": 2.0}, "batch_size must be an integer >= 1, got 2.0: write 2"),
    ({"n_iter": -1}, "n_iter must be an integer >= 0, got -1"),
    ({"k": 0}, "k must be an integer >= 1, got 0"),
    ({"momentum": 1}, "momentum must be a finite number with 0 <= momentum < 1, got 1"),
    ({"finetune": "yes"}, "finetune must be True or False, got 'yes'"),
    ({"finetune_learning_rate": -1}, "finetune_learning_rate must be above 0, got -1"),
    ({"finetune_batch_size": 0}, "finetune_batch_size must be an integer >= 1, got 0"),
    ({"finetune_epochs": 0}, "finetune_epochs must be an integer >= 1, got 0"),
    ({"C": 0}, "C must be above 0, got 0"),
    ({"verbose": "no"}, "verbose must be an integer >= 0, got 'no'"),
    ({"random_state": -1}, "random_state must be None, an integer >= 0 or a numpy.random.Generator, got -1: write"),
])  # fmt: skip
def test_invalid_settings_are_refused_before_anything_changes(
    settings: dict[str, Any], message: str, fitted: DeepBeliefNetwork
) -> None:
    refused(copy.deepcopy(fitted).set_params(**settings), rows(), f"DeepBeliefNetwork: {message}")


def test_a_generator_draws_nothing_for_a_fit_that_is_refused(fitted: DeepBeliefNetwork) -> None:
    dbn = copy.deepcopy(fitted).set_params(random_state=np.random.default_rng(0))
    refused(dbn, (2 * X, Y), "X must lie in 0 .. 1")


def refused(dbn: DeepBeliefNetwork, data: tuple[Any, Any], message: str) -> None:
    before = pickle.dumps(dbn)
    with pytest.raises(ValueError, match=re.escape(message)):
        dbn.fit(*data)
    assert pickle.dumps(dbn) == before


class NAType:
    """Stands in for pandas.NA, whose comparisons have no truth value."""

    def __repr__(self) -> str:
        return "<NA>"

    def __eq__(self, other: object) -> Any:
        return self

    __ne__ = __eq__
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


@pytest.mark.parametrize(("x", "y", "message"), [
    (np.full_like(X, np.nan), Y, "Input X contains NaN"),
    (np.full_like(X, np.inf), Y, "Input X contains infinity"),
    (X[:0], Y[:0], "Found array with 0 sample(s)"),
    (X[0], Y, "Expected 2D array, got 1D array instead"),
    (255 * X, Y, "DeepBeliefNetwork: X must lie in 0 .. 1, because its values stand for the probabilities that units are on, got 0 to 255: scale them"),
    (-X, Y, "DeepBeliefNetwork: X must lie in 0 .. 1"),
    (X, None, "DeepBeliefNetwork: fit requires y to be passed, but the target y is None: pass labels, or use BernoulliRBM"),
    (X, Y[1:], "Found input variables with inconsistent numbers of samples: [60, 59]"),
    (X, np.full(60, -1), "DeepBeliefNetwork: y must have labels of at least two classes, got -1 (unlabeled) in all rows"),
    (X, np.zeros(60, int), "DeepBeliefNetwork: y must have at least two classes, got one class, 0"),
    (X, np.where(Y == 0, -1, 1), "got one class, 1 beside -1, which marks rows without a label: rename -1 if it is a class"),
    (X, Y + 0.5, "DeepBeliefNetwork: y must hold whole numbers, got 0.5 (Unknown label type: continuous): turn measurements into classes"),
    (X, np.where(Y == 0, np.nan, Y), "DeepBeliefNetwork: y must hold labels, got nan: mark rows without a label with -1"),
    (X, [None, *Y[1:].tolist()], "DeepBeliefNetwork: y must hold labels, got None: mark rows without a label with -1"),
    (X, np.array([NAType(), *Y[1:]], object), "DeepBeliefNetwork: y must hold labels, got <NA>: mark rows without a label with -1"),
    (X, np.array([NAType(), *(["a", "b"] * 30)[1:]], object), "DeepBeliefNetwork: y must hold labels, got <NA>: mark"),
    (X, np.ma.masked_equal(Y, 2), "DeepBeliefNetwork: y must be a plain array, got a masked array, whose mask would be lost: write y.filled(-1)"),
    (np.ma.masked_less(X, 0.2), Y, "DeepBeliefNetwork: X must be a plain array, got a masked array, whose mask would be lost: write X.filled(0)"),
    (X.astype("M8[s]"), Y, "DeepBeliefNetwork: X must not hold times"),
    (X, Y.astype("M8[s]"), "DeepBeliefNetwork: y must not hold times"),
    (X, np.array([True, 1, 0] * 20, object), "DeepBeliefNetwork: y must hold only strings, only booleans or only numbers, got True and 1: write all classes alike"),
    (X, np.array([b"a", b"b"] * 30), "DeepBeliefNetwork: y must hold strings, booleans or numbers, got b'a'"),
    (X, np.where(Y == 0, "-1", "spam"), "DeepBeliefNetwork: y must mark rows without a label with the number -1, got the string '-1': use an array of dtype object"),
    (X, np.where(Y == 0, None, np.array(["a", "b", "c"], object)[Y]), "DeepBeliefNetwork: y must hold labels, got None: mark rows without a label with -1"),
    (X, np.array(["a", 3, "b"] * 20, object), "DeepBeliefNetwork: y must hold only strings, only booleans or only numbers, got 'a' and 3: write all classes alike"),
    (X, np.eye(3)[Y], "y should be a 1d array, got an array of shape (60, 3) instead"),
])  # fmt: skip
def test_invalid_data_are_refused_before_anything_changes(
    x: Any, y: Any, message: str, fitted: DeepBeliefNetwork
) -> None:
    refused(copy.deepcopy(fitted), (x, y), message)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["learning_rate", "finetune_learning_rate"])
@pytest.mark.parametrize("rate", [1e6, 1e30])
def test_too_large_weights_leave_the_network(dtype: Any, name: str, rate: float) -> None:
    x, y = rows(dtype=dtype)
    dbn = DeepBeliefNetwork(**SMALL | {"random_state": np.random.default_rng(0)}).fit(x, y)
    before = pickle.dumps(dbn.set_params(**{name: rate}))
    message = rf"weights must stay below 10000, got \S+: lower {name}"
    with pytest.raises(FloatingPointError, match=message):
        dbn.fit(x, y)
    assert pickle.dumps(dbn) == before


@pytest.mark.parametrize("method", ["predict", "predict_proba", "transform", "gibbs"])
def test_masks_are_refused_in_new_rows(method: str, fitted: DeepBeliefNetwork) -> None:
    with pytest.raises(ValueError, match="DeepBeliefNetwork: X must be a plain array, got a masked array"):
        getattr(fitted, method)(np.ma.masked_less(X, 0.2))


def test_rounding_of_a_scaler_is_no_mistake(fitted: DeepBeliefNetwork) -> None:
    x, y = rows()
    x[x == 1] += 1e-9
    x[x == 0] -= 1e-9
    assert x.max() > 1
    np.testing.assert_array_equal(DeepBeliefNetwork(**SMALL).fit(x, y).model_.parameters, fitted.model_.parameters)
    fitted.predict(2 * x)  # new rows may lie outside the training rows' range


def test_an_unfitted_network_says_so() -> None:
    dbn = DeepBeliefNetwork()
    x, _ = rows()
    for call in (lambda: dbn.predict(x), lambda: dbn.transform(x), lambda: dbn.gibbs(x), dbn.to_model):
        with pytest.raises(
            sklearn.exceptions.NotFittedError, match="This DeepBeliefNetwork instance is not fitted yet"
        ):
            call()
    with pytest.raises(ValueError, match="n_steps must be an integer >= 1, got 0"):
        DeepBeliefNetwork(**SMALL).fit(*rows()).gibbs(x, 0)
