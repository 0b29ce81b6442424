"""fit, evaluate and predict on whatever yields batches: the same numbers as from arrays, or an error that says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.batches import Batches
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD

RNG = np.random.default_rng(0)
X, Y, W = RNG.normal(size=(24, 3)), RNG.normal(size=(24, 2)), RNG.uniform(0, 2, size=24)
SIZE = 4


def network() -> Model:
    model = Model([Dense(5, "tanh"), Dense(2)], input_shape=3, dtype="float64")
    model.compile(SGD(0.1), MeanSquaredError(), ["mean_absolute_error"])
    return model


def parts(*arrays: Any) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(X), SIZE):
        yield tuple(array[start : start + SIZE] for array in arrays)


class Indexed:
    """Has the two methods of Keras's PyDataset and of its old Sequence."""

    def __init__(self, *arrays: Any) -> None:
        self.batches, self.ended = list(parts(*arrays)), 0

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, k: int) -> tuple[Any, ...]:
        if not 0 <= k < len(self.batches):
            raise IndexError(k)
        return self.batches[k]

    def on_epoch_end(self) -> None:
        self.ended += 1


class Loader:
    """Starts anew with each iter(), as PyTorch's DataLoader does, and yields lists."""

    def __init__(self, *arrays: Any, length: int | None = None) -> None:
        self.arrays, self.length = arrays, length

    def __iter__(self) -> Iterator[list[Any]]:
        return map(list, parts(*self.arrays))

    def __len__(self) -> int:
        if self.length is None:
            raise TypeError("length unknown")
        return self.length


def endless(*arrays: Any) -> Iterator[tuple[Any, ...]]:
    while True:
        yield from parts(*arrays)


class Tensor:
    """Turns into an array by itself, as the tensors of other libraries do."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape = array, array.shape

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.array, dtype)


SOURCES: dict[str, tuple[Callable[..., Any], dict[str, int]]] = {
    "sequence": (Indexed, {}), "loader": (Loader, {}), "list": (lambda *a: list(parts(*a)), {}),
    "generator": (endless, {"steps_per_epoch": 6}), "map": (lambda *a: map(tuple, endless(*a)), {"steps_per_epoch": 6}),
    "tensors": (lambda *a: [tuple(map(Tensor, batch)) for batch in parts(*a)], {}),
}  # fmt: skip


@pytest.mark.parametrize("weights", [(), (W,)], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", SOURCES)
def test_a_source_trains_as_its_arrays_do(name: str, weights: tuple[Any, ...]) -> None:
    make, steps = SOURCES[name]
    ours, theirs = network(), network()
    given = {"sample_weight": W} if weights else {}
    expected = theirs.fit(
        X, Y, epochs=3, batch_size=SIZE, shuffle=False, verbose=0, validation_data=(X, Y, *weights), **given
    )
    validation = {"validation_data": make(X, Y, *weights), **({"validation_steps": 6} if steps else {})}
    history = ours.fit(make(X, Y, *weights), epochs=3, shuffle=False, verbose=0, **steps, **validation)
    np.testing.assert_array_equal(ours.parameters, theirs.parameters)
    for figure, values in expected.history.items():
        np.testing.assert_allclose(history.history[figure], values, rtol=1e-12)


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_evaluated_and_predicted_as_its_arrays_are(name: str) -> None:
    make, steps = SOURCES[name]
    model, given = network(), {"steps": 6} if steps else {}
    np.testing.assert_allclose(model.evaluate(make(X, Y), **given), model.evaluate(X, Y), rtol=1e-12)
    np.testing.assert_allclose(
        model.evaluate(make(X, Y, W), **given), model.evaluate(X, Y, sample_weight=W), rtol=1e-12
    )
    np.testing.assert_allclose(model.predict(make(X, Y), **given), model.predict(X), rtol=1e-12)
    if name not in ("list", "tensors"):  # a list of arrays is an array
        np.testing.assert_allclose(model.predict(make(X), **given), model.predict(X), rtol=1e-12)


def test_an_epoch_of_fewer_steps_goes_on_where_the_last_one_stopped() -> None:
    ours, theirs = network(), network()
    theirs.fit(X, Y, epochs=2, batch_size=SIZE, shuffle=False, verbose=0)
    history = ours.fit(Loader(X, Y), epochs=4, steps_per_epoch=3, shuffle=False, verbose=0)
    np.testing.assert_array_equal(ours.parameters, theirs.parameters)
    assert len(history.epoch) == 4
    ours.fit(X, Y, batch_size=SIZE, epochs=2, steps_per_epoch=5, verbose=0)  # starts again within an epoch


def test_a_sequence_is_drawn_in_a_new_order_and_told_of_each_end() -> None:
    seen: list[int] = []

    class Counting(Indexed):
        def __getitem__(self, k: int) -> tuple[Any, ...]:
            seen.append(k)
            return super().__getitem__(k)

    source = Counting(X, Y)
    network().fit(source, epochs=2, verbose=0)
    assert source.ended == 2
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(6))
    assert seen[:6] != seen[6:]


def test_validation_steps_see_the_same_batches_each_time() -> None:
    model = network()
    model.optimizer.learning_rate = 0.0
    history = model.fit(X, Y, epochs=3, verbose=0, validation_data=Loader(X, Y), validation_steps=2).history
    assert history["val_loss"] == pytest.approx([model.evaluate(X[: 2 * SIZE], Y[: 2 * SIZE])[0]] * 3, rel=1e-12)


def test_batches_carry_sample_weights() -> None:
    ours, theirs = network(), network()
    theirs.fit(X, Y, sample_weight=W, epochs=2, verbose=0)
    ours.fit(Batches(X, Y, W), epochs=2, verbose=0)
    np.testing.assert_array_equal(ours.parameters, theirs.parameters)
    with pytest.raises(
        ValueError, match=r"Batches: sample_weight must be one number per row, shape \(24,\), got \(3,\)"
    ):
        Batches(X, Y, W[:3])


def bad_batch() -> Iterator[tuple[Any, ...]]:
    yield from list(parts(X, Y))[:2]
    yield X[:4, :2], Y[:4]


@pytest.mark.parametrize(("call", "message"), [
    (lambda m: m.fit(parts(X, Y), epochs=2), r"fit: x must be a source that starts anew for each of 2 passes, got a "
                                             r"generator, which ends once: pass steps_per_epoch"),
    (lambda m: m.fit(parts(X, Y), epochs=2, steps_per_epoch=4), r"the generator must give 4 batches an epoch "
                                                                r"\(steps_per_epoch\), got 2 and its end: make it endless"),
    (lambda m: m.fit(iter([])), r"fit: the list_iterator gave no batch: it is empty or used up"),
    (lambda m: m.fit(X, Y, epochs=3, validation_data=parts(X, Y)), r"fit: validation_data: x must be a source that "
                                                                   r"starts anew for each of 3 passes.*validation_steps"),
    (lambda m: m.fit(parts(X, Y), Y), r"fit: y must be left out, because x is a generator: yield \(x, y\)"),
    (lambda m: m.fit(parts(X, Y), sample_weight=W), r"sample_weight must be left out.*yield \(x, y, sample_weight\)"),
    (lambda m: m.fit(parts(X, Y), batch_size=4), r"batch_size must be left out, because x is a generator: it decides"),
    (lambda m: m.fit(parts(X, Y), validation_split=0.1), r"validation_split needs arrays x and y, got a generator"),
    (lambda m: m.fit(bad_batch()), r"fit: batch 3 of the generator: x must be of shape \(n, 3\), got \(4, 2\)"),
    (lambda m: m.fit(Indexed(X)), r"batch \d of the Indexed: it must be \(x, y\), got x alone: .*autoencoder \(x, x\)"),
    (lambda m: m.fit([(X[0], Y[0])]), r"batch 1 of the list: x must have a first axis of rows, got a single sample of "
                                      r"shape \(3,\): put the samples into batches"),
    (lambda m: m.fit(iter([{"x": X, "y": Y}])), r"must be x, \(x, y\) or .*, got a mapping with the keys 'x', 'y'"),
    (lambda m: m.fit(iter([(X, Y, W, W)])), r"must be x, \(x, y\) or .*, got a tuple of 4"),
    (lambda m: m.evaluate(parts(X, Y), steps=7), r"must give 7 batches an epoch \(steps\), got 6 and its end"),
    (lambda m: m.predict(iter([])), r"predict: the list_iterator gave no batch"),
    (lambda m: m.fit(X, Y, steps_per_epoch=0), r"fit: steps_per_epoch must be an integer >= 1, got 0"),
    (lambda m: m.fit(X, Y, validation_steps=2), r"validation_steps needs validation_data"),
    (lambda m: m.fit(X, Y, validation_data=(X,)), r"validation_data must be \(x, y\) or .*, got 1 entries"),
    (lambda m: m.fit(np.ma.masked_array(X, X > 1), Y), r"fit: x must be a plain array, got a MaskedArray: pass x.filled"),
    (lambda m: m.fit(X, np.ma.masked_array(Y, Y > 1)), r"fit: y must be a plain array, got a MaskedArray"),
    (lambda m: m.predict(np.ma.masked_array(X, X > 1)), r"predict: x must be a plain array, got a MaskedArray"),
    (lambda m: m.fit({"a": X}, Y), r"got a dict: this network has one input: choose one of 'a'"),
    (lambda m: m.fit(X, {"b": Y}), r"got a dict: this network has one output: choose one of 'b'"),
    (lambda m: m.fit(X, Y, validation_freq=0), r"fit: validation_freq must be an integer >= 1, got 0"),
    (lambda m: m.fit(X, Y, validation_split=1.0), r"validation_split must be a finite number with 0 <= .* < 1, got 1.0"),
    (lambda m: m.fit(X, Y, validation_split=0.99), r"must leave rows on both sides, got 0 for training and 24 for"),
    (lambda m: m.fit(X, Y[:20], validation_split=0.5), r"x, y and sample_weight must have the same number of rows"),
    (lambda m: m.fit(X, Y, verbose=3), r"fit: verbose must be one of 0, 1, 2, 'auto', got 3"),
])  # fmt: skip
def test_what_cannot_be_drawn_from_is_refused(call: Callable[[Model], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        call(network())


def test_sparse_input_is_refused() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(ValueError, match=r"fit: x must be a plain array, got a csr_\w+: pass x.toarray\(\)"):
        network().fit(sparse.csr_matrix(X), Y, verbose=0)


@pytest.mark.parametrize(("weights", "message"), [
    ({"sample_weight": W[:5]}, r"fit: sample_weight must be one number per row, shape \(24,\), got \(5,\)"),
    ({"sample_weight": -W}, r"fit: sample_weight must be >= 0, got -"),
    ({"sample_weight": np.full(24, np.nan)}, r"fit: sample_weight must be finite, got NaN or infinity in row 0"),
    ({"class_weight": "balanced"}, r"class_weight must be \{class: weight\}.*compute_class_weight"),
    ({"class_weight": {"a": 1.0}}, r"the classes of class_weight must be integers, got 'a'"),
    ({"class_weight": {0: -1.0}}, r"class_weight\[0\] must be a finite number with 0 <= .* got -1.0"),
    ({"class_weight": {0: 1.0}}, r"class_weight needs one class for each row, got y of shape \(24, 2\)"),
])  # fmt: skip
def test_weights_that_cannot_be_used_are_refused(weights: dict[str, Any], message: str) -> None:
    model = network()
    before = model.parameters.copy()
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, Y, verbose=0, **weights)
    np.testing.assert_array_equal(model.parameters, before)


def test_class_weight_and_sample_weight_multiply() -> None:
    classes = (X[:, 0] > 0).astype(int)
    ours, theirs = (Model([Dense(2)], input_shape=3, dtype="float64") for _ in range(2))
    for model in (ours, theirs):
        model.compile(SGD(0.1), SoftmaxCrossEntropy())
    ours.fit(X, classes, class_weight={1: 3.0}, sample_weight=W, epochs=2, verbose=0)
    theirs.fit(X, classes, sample_weight=W * np.where(classes, 3.0, 1.0), epochs=2, verbose=0)
    np.testing.assert_array_equal(ours.parameters, theirs.parameters)
    with pytest.raises(ValueError, match=r"the classes of class_weight must be among 0 \.\. 1, got 2"):
        ours.fit(X, classes, class_weight={2: 1.0}, verbose=0)


def test_a_loss_without_sample_weight_is_refused_weights() -> None:
    class Own(MeanSquaredError):
        def forward(self, y_pred: Any, y_true: Any) -> float:  # type: ignore[override]
            return super().forward(y_pred, y_true)

    model = network()
    model.compile(SGD(), Own())
    model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match=r"weights need a loss whose forward takes sample_weight, Own does not"):
        model.fit(X, Y, sample_weight=W, verbose=0)


def test_the_split_takes_the_last_rows_before_shuffling() -> None:
    ours, theirs = network(), network()
    expected = theirs.fit(X[:18], Y[:18], epochs=2, verbose=0, validation_data=(X[18:], Y[18:])).history
    assert ours.fit(X, Y, epochs=2, verbose=0, validation_split=0.25).history == expected
    np.testing.assert_array_equal(ours.parameters, theirs.parameters)


def test_validation_after_some_epochs() -> None:
    history = network().fit(X, Y, epochs=5, verbose=0, validation_data=(X, Y), validation_freq=2).history
    assert len(history["loss"]) == 5
    assert len(history["val_loss"]) == 2
    history = network().fit(X, Y, epochs=5, verbose=0, validation_data=(X, Y), validation_freq=[1, 5, 9]).history
    assert len(history["val_loss"]) == 2


def test_nothing_to_train_is_said() -> None:
    model = network()
    before = model.parameters.copy()
    with pytest.warns(UserWarning, match=r"fit: nothing to train: initial_epoch is 3 and epochs 3, which counts from"):
        assert model.fit(X, Y, epochs=3, initial_epoch=3, verbose=0).history == {}
    np.testing.assert_array_equal(model.parameters, before)
