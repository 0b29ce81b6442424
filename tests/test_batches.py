"""Batches: their contents, and models that train on them exactly as on arrays."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.batches import Batches
from tinydl.layers import Conv2D, Dense, Dropout, Flatten
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam


def rows(n: int = 22, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)


def autoencoder(seed: int = 0) -> Model:
    model = Model([Dense(4, "relu"), Dropout(0.2), Dense(3)], 3, seed)
    model.compile(Adam(0.01), MeanSquaredError())
    return model


def classifier(seed: int = 0) -> Model:
    model = Model([Conv2D(4, 2, activation="relu"), Flatten(), Dropout(0.2), Dense(3)], (4, 3, 2), seed)
    model.compile(Adam(0.01), SoftmaxCrossEntropy(), metrics=["accuracy"])
    return model


def images(n: int = 22) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (n, 4, 3, 2), dtype=np.uint8), rng.integers(0, 3, n)


class Pixels(Batches):
    """uint8 images, converted to floats as they are drawn; in training, some are mirrored."""

    def __init__(self, x: np.ndarray, y: np.ndarray | None = None) -> None:
        super().__init__(x, y)
        self.taken: list[tuple[int, bool]] = []

    def take(self, rows: Any, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
        x, y = super().take(rows)
        self.taken.append((len(x), rng is not None))
        x = x.astype(np.float32) / 255
        if rng is not None:
            turned = rng.uniform(size=len(x)) < 0.5
            x[turned] = x[turned, :, ::-1]
        return x, y


# --- drawing ----------------------------------------------------------------------------------------------------------


def test_an_epoch_is_every_row_once_the_short_batch_included() -> None:
    x, y = np.arange(11.0)[:, None], np.arange(11) * 10
    data = Batches(x, y)
    assert len(data) == 11
    assert data.sample_shape == (1,)
    rng = np.random.default_rng(0)
    epochs = []
    for _ in range(2):
        drawn = list(data.draw(4, rng))
        assert [len(batch) for batch, _ in drawn] == [4, 4, 3]
        for batch, targets in drawn:
            assert (batch[:, 0] * 10 == targets).all()  # targets follow their rows
        epochs.append(np.concatenate([targets for _, targets in drawn]).tolist())
        assert sorted(epochs[-1]) == y.tolist()
    assert epochs[0] != epochs[1]  # a new permutation
    assert y.tolist() not in epochs
    np.testing.assert_array_equal(np.concatenate([batch for batch, _ in data.draw(4)]), x)  # without an rng, in order
    np.testing.assert_array_equal(np.concatenate([batch for batch, _ in data.draw(4, rng, shuffle=False)]), x)
    assert [len(batch) for batch, _ in data.draw(100)] == [11]


def test_the_generator_reaches_take_in_training_only() -> None:
    data = Pixels(*images())
    for rng, shuffle, expected in (
        (np.random.default_rng(0), True, True),
        (np.random.default_rng(0), False, True),
        (None, True, False),
    ):
        data.taken.clear()
        list(data.draw(8, rng, shuffle))
        assert data.taken == [(8, expected), (8, expected), (6, expected)]


def test_rows_by_number_and_by_slice() -> None:
    x, y = rows(), np.arange(22)
    for data, targets in ((Batches(x, y), y), (Batches(x), None), (Batches(x, x), x)):
        for chosen in (np.array([3, 0, 21]), slice(5, 9), slice(20, 40)):
            got, wanted = data.take(chosen)
            np.testing.assert_array_equal(got, x[chosen])
            assert (wanted is None) == (targets is None)
            if targets is not None:
                np.testing.assert_array_equal(wanted, targets[chosen])


def test_what_is_drawn_is_a_copy_when_shuffled_and_data_stay_as_they_are() -> None:
    x = rows()
    x.flags.writeable = False
    for batch, targets in Batches(x, x).draw(5, np.random.default_rng(0)):
        batch += 1
        assert targets is batch


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="Batches: x and y must have the same number of rows, got 22 and 21"):
        Batches(rows(), rows(21))
    with pytest.raises(ValueError, match="Pixels: x and y must have the same number of rows, got 22 and 3"):
        Pixels(images()[0], np.zeros(3))


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, "8", None])
def test_bad_batch_sizes_are_refused(batch_size: Any) -> None:
    with pytest.raises(ValueError, match="Batches: batch_size must be an integer >= 1, got"):
        list(Batches(rows()).draw(batch_size))


# --- models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fit_on_batches_is_fit_on_arrays_to_the_bit(shuffle: bool, dtype: Any) -> None:
    x, y = rows().astype(dtype), rows(seed=2).astype(dtype)
    results = []
    for arguments in ((x, y), (Batches(x, y),)):
        model = autoencoder()
        history = model.fit(*arguments, epochs=3, batch_size=5, shuffle=shuffle, verbose=0)
        results.append(
            (
                history.history,
                model.parameters.tobytes(),
                model.evaluate(*arguments),
                str(model.rng.bit_generator.state),
            )
        )
    assert results[0] == results[1]


def test_an_autoencoder_on_batches_too() -> None:
    x, results = rows(), []
    for arguments in ((x, x), (Batches(x, x),)):
        model = autoencoder()
        results.append((model.fit(*arguments, epochs=3, batch_size=5, verbose=0).history, model.parameters.tobytes()))
    assert results[0] == results[1]


def test_validation_data_as_batches() -> None:
    x, results = rows(), []
    held_out = rows(9, seed=3)
    for validation in ((held_out, held_out), Batches(held_out, held_out)):
        model = autoencoder()
        history = model.fit(x, x, epochs=3, batch_size=5, validation_data=validation, verbose=0)
        assert list(history.history) == ["loss", "val_loss"]
        results.append((history.history, model.parameters.tobytes()))
        assert model.evaluate(Batches(held_out, held_out)) == pytest.approx(history.history["val_loss"][-1], rel=1e-6)
    assert results[0] == results[1]


def test_predict_and_evaluate_take_batches() -> None:
    model, (x, y) = classifier(), images()
    floats = (x / 255).astype(np.float32)
    data = Pixels(x, y)
    np.testing.assert_array_equal(model.predict(data), model.predict(floats))
    np.testing.assert_array_equal(model.predict(Pixels(x)), model.predict(floats))  # without targets
    np.testing.assert_array_equal(model.predict(data, batch_size=5), model.predict(floats, batch_size=5))
    assert model.evaluate(data) == model.evaluate(floats, y)
    assert model.evaluate(data, batch_size=5) == model.evaluate(floats, y, batch_size=5)
    assert not any(training for _, training in data.taken)  # nothing random was drawn
    assert data.taken[-5:] == [(5, False)] * 4 + [(2, False)]


def test_images_that_stay_small_train_as_their_floats_do() -> None:
    """The images are uint8 in memory and become floats one batch at a time."""

    class Plain(Pixels):
        def take(self, rows: Any, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
            return super().take(rows)

    x, y = images()
    results = []
    for arguments in (((x / np.float32(255)).astype(np.float32), y), (Plain(x, y),)):
        model = classifier()
        results.append((model.fit(*arguments, epochs=3, batch_size=5, verbose=0).history, model.parameters.tobytes()))
    assert results[0] == results[1]


def test_augmentation_is_drawn_from_the_models_generator_while_training_only() -> None:
    x, y = images()
    results = []
    for _ in range(2):
        model, data = classifier(seed=4), Pixels(x, y)
        history = model.fit(data, epochs=2, batch_size=8, validation_data=Pixels(x, y), verbose=0)
        results.append((history.history, model.parameters.tobytes()))
        assert data.taken == [(8, True), (8, True), (6, True)] * 2
    assert results[0] == results[1]  # the same seed gives the same bits


@pytest.mark.filterwarnings("ignore:fit. x should hold pixels")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches_of_any_dtype_are_converted_by_the_model(dtype: str) -> None:
    x, y = images()
    model = Model([Flatten(), Dense(3)], (4, 3, 2), dtype=dtype)
    model.compile(SGD(1e-6), SoftmaxCrossEntropy())
    for variant in (x, x.astype(np.int64), x.astype(np.float64)):
        prediction = model.predict(Batches(variant, y))
        assert prediction.dtype == np.dtype(dtype)
        np.testing.assert_allclose(prediction, model.predict(x), rtol=1e-6)
    model.fit(Batches(x, y), verbose=0)


def test_training_on_batches_resumes_to_the_bit(tmp_path: Path) -> None:
    x, y = images()
    whole = classifier()
    expected = whole.fit(Pixels(x, y), epochs=4, batch_size=5, verbose=0).history["loss"]
    model = classifier()
    first = model.fit(Pixels(x, y), epochs=2, batch_size=5, verbose=0).history["loss"]
    model.save_checkpoint(tmp_path / "checkpoint")
    again = classifier(seed=9)
    again.load_checkpoint(tmp_path / "checkpoint")
    rest = again.fit(Pixels(x, y), epochs=4, batch_size=5, initial_epoch=again.epoch, verbose=0).history["loss"]
    assert first + rest == expected
    np.testing.assert_array_equal(again.parameters, whole.parameters)


def test_the_users_batches_are_not_changed() -> None:
    x, y = rows().astype(np.float64), np.zeros(22)
    data = Batches(x, y)
    model = Model([Dense(1)], 3)
    model.compile(SGD(0.01), MeanSquaredError())
    model.fit(data, validation_data=data, verbose=0)  # checked targets have the shape (22, 1) and are float32
    model.evaluate(data)
    assert data.x is x
    assert data.y is y


# --- rejected ---------------------------------------------------------------------------------------------------------


def test_targets_given_twice_or_not_at_all_are_refused() -> None:
    model, x = autoencoder(), rows()
    before = model.parameters.copy()
    for method, arguments in ((model.fit, {"verbose": 0}), (model.evaluate, {}), (model.train_on_batch, {})):
        name = method.__name__
        with pytest.raises(ValueError, match=rf"{name}: Batches already hold y: remove y"):
            method(Batches(x, x), x, **arguments)
        if name != "train_on_batch":  # train_on_batch has no default for y
            with pytest.raises(ValueError, match=rf"{name}: y must be given, got None: pass y, or Batches with a y"):
                method(Batches(x), **arguments)
            with pytest.raises(ValueError, match=rf"{name}: y must be given, got None: pass y, or Batches with a y"):
                method(x, **arguments)
    with pytest.raises(ValueError, match=r"fit: validation_data: y must be given"):
        model.fit(x, x, validation_data=Batches(x), verbose=0)
    np.testing.assert_array_equal(model.parameters, before)


def test_rows_of_another_shape_and_none_at_all_are_refused() -> None:
    model, x = autoencoder(), rows()
    before, generator = model.parameters.copy(), model.rng.bit_generator.state
    wide, none = Batches(np.zeros((5, 4)), np.zeros((5, 3))), Batches(x[:0], x[:0])
    for bad, message in (
        (wide, r"x must be of shape \(n, 3\), got Batches with 5 rows of shape \(4,\)"),
        (none, r"x must be of shape \(n, 3\), got Batches with 0 rows of shape \(3,\)"),
    ):
        with pytest.raises(ValueError, match=rf"^fit: {message}"):
            model.fit(bad, verbose=0)
        with pytest.raises(ValueError, match=rf"^evaluate: {message}"):
            model.evaluate(bad)
        with pytest.raises(ValueError, match=rf"^predict: {message}"):
            model.predict(bad)
        with pytest.raises(ValueError, match=rf"^fit: validation_data: {message}"):
            model.fit(x, x, validation_data=bad, verbose=0)
    np.testing.assert_array_equal(model.parameters, before)
    assert model.rng.bit_generator.state == generator


def test_targets_are_checked_as_those_of_arrays() -> None:
    model, (x, _) = classifier(), images()
    with pytest.raises(
        ValueError, match=r"fit: SoftmaxCrossEntropy: .*labels must lie in 0 \.\. 2 for 3 classes, got 5 \.\. 5"
    ):
        model.fit(Pixels(x, np.full(22, 5)), verbose=0)
    with pytest.raises(ValueError, match=r"fit: MeanSquaredError: targets must have the shape of the output, \(n, 3\)"):
        autoencoder().fit(Batches(rows(), rows()[:, :2]), verbose=0)


def test_a_row_that_is_not_finite_stops_the_run_and_names_its_batch() -> None:
    x = rows()
    x[7, 1] = np.nan
    model = autoencoder()
    with pytest.raises(FloatingPointError, match=r"fit: epoch 1, batch 2: the loss became nan"):
        model.fit(Batches(x, rows()), batch_size=5, shuffle=False, verbose=0)


def test_take_that_gives_other_shapes_than_promised_is_refused() -> None:
    class Cropped(Batches):
        def take(self, rows: Any, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
            x, y = super().take(rows)
            return x[:, 1:], y

    x, y = images()
    with pytest.raises(
        ValueError, match=r"conv2d_1 \(Conv2D\): expected an input of shape \(batch, 4, 3, 2\), got \(8, 3, 3, 2\)"
    ):
        classifier().fit(Cropped(x, y), batch_size=8, verbose=0)
    with pytest.raises(ValueError, match=r"expected an input of shape \(batch, 4, 3, 2\), got"):
        classifier().predict(Cropped(x, y))


@pytest.mark.parametrize("x", [[[1.0]], None, np.float32(3), np.array([["a"]]), np.ones((2, 3), complex)])
def test_what_is_no_array_of_numbers_is_refused(x: Any) -> None:
    with pytest.raises(TypeError, match="Batches: x must be an array of numbers, one row per sample, got"):
        Batches(x)
    with pytest.raises(TypeError, match="Batches: y must be an array of numbers") if x is not None else nullcontext():
        Batches(np.ones((2, 3)), x)


class Short(Batches):
    """Batches whose `take` returns one row too few, or only x instead of a pair."""

    pair = True

    def take(self, chosen: Any, rng: Any = None) -> Any:
        x, y = super().take(chosen, rng)
        return (x[1:], y) if self.pair else x


def test_take_that_gives_less_than_it_was_asked_for_is_refused() -> None:
    """Otherwise the loss would average over missing rows, and a single prediction could be broadcast to all rows."""
    model = autoencoder()
    model.compile(Adam(1e-3), MeanSquaredError())
    data = Short(rows(), rows())
    for work in (lambda: model.fit(data, batch_size=8, verbose=0), lambda: model.predict(data, batch_size=8)):
        with pytest.raises(ValueError, match="Short: take must return 8 rows of x, got 7"):
            work()
    data.pair = False
    with pytest.raises(TypeError, match=r"Short: take must return a pair \(x, y\), got ndarray"):
        model.evaluate(data)


def test_nan_in_batches_is_blamed_on_the_data() -> None:
    model = autoencoder()
    model.compile(Adam(1e-3), MeanSquaredError())
    x = rows()
    x[3] = np.nan
    with pytest.raises(FloatingPointError, match="the batch itself holds NaN or infinity"):
        model.fit(Batches(x, rows()), verbose=0)
