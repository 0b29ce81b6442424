from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from tinydl import Model
from tinydl.datasets import augmentation
from tinydl.datasets.images import Images
from tinydl.layers import Dense, Flatten
from tinydl.losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from tinydl.metrics import accuracy
from tinydl.optimizers import SGD

NAMES = ("ant", "bee", "cow", "dog")


def pixels(n: int = 40, h: int = 5, w: int = 6, c: int = 3, seed: int = 0) -> np.ndarray:
    """Images of unequal height and width whose channels all differ, so that a swap shows."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(20 * k, 60 * (k + 1) + 16, (n, h, w)) for k in range(c)], axis=-1).astype(np.uint8)


def make(n: int = 40, **shape: int) -> Images:
    return Images(pixels(n, **shape), np.arange(n) % 4, NAMES)


def invert(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 255 - images


# -- a batch


@pytest.mark.parametrize("rows", [slice(3, 9), np.array([7, 7, 0, 39]), [5, 2]])
def test_take_gives_floats_of_bytes(rows: Any) -> None:
    data = make()
    x, y = data.take(rows)
    np.testing.assert_array_equal(x, (data.x[rows] / 255).astype(np.float32))
    np.testing.assert_array_equal(y, data.labels[rows])
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert x.flags.c_contiguous
    assert data.sample_shape == x.shape[1:] == (5, 6, 3)


def test_floats_are_taken_as_they_are() -> None:
    floats = np.random.default_rng(0).uniform(size=(8, 5, 6, 3))
    for dtype in (np.float16, np.float32, np.float64):
        data = Images(floats.astype(dtype), np.zeros(8, int), NAMES)
        assert data.x.dtype == np.float32
        np.testing.assert_array_equal(data.take(slice(2, 5))[0], floats[2:5].astype(dtype).astype(np.float32))
    given = floats.astype(np.float32)
    assert Images(given, np.zeros(8, int), NAMES).x is given


def test_nothing_is_copied_or_converted_before_its_turn() -> None:
    x, y = pixels(), np.arange(40) % 4
    data = Images(x, y, NAMES)
    assert data.x is x
    assert data.y is y
    for other in (data.standardised(), data.augmented(invert), data.standardised().augmented(invert), data.mixed(1)):
        assert other.x is x
        assert other.y is y
        assert other is not data
    assert np.shares_memory(data.subset(slice(2, 9)).x, x)


def test_a_batch_is_contiguous_whatever_the_images_are() -> None:
    planes = np.random.default_rng(0).integers(0, 256, (9, 3, 5, 6), dtype=np.uint8)
    data = Images(planes.transpose(0, 2, 3, 1), np.zeros(9, int), NAMES)
    floats = Images((planes / 255).transpose(0, 2, 3, 1), np.zeros(9, int), NAMES)
    for images in (data, data.standardised(), floats, floats.standardised()):
        for rows in (slice(0, 9), np.arange(9)):
            assert images.take(rows)[0].flags.c_contiguous
    np.testing.assert_array_equal(data.take(slice(0, 9))[0], floats.take(np.arange(9))[0])


@pytest.mark.parametrize("n", [256, 1024])
def test_memory_of_a_batch_does_not_grow_beyond_float32(n: int) -> None:
    """A float64 copy (eight times the bytes) or a conversion of the whole set would exceed the limit."""
    data = make(2 * n, h=16, w=16).standardised().augmented(augmentation.crop_and_flip)
    rng = np.random.default_rng(0)
    tracemalloc.start()
    x, _ = data.take(np.arange(n), rng)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert x.dtype == np.float32
    assert peak < 8 * x.size, f"{peak / x.size:.1f} bytes per number, expected 4 for x and 1 for each uint8 copy"


# -- epochs


def test_every_epoch_is_a_new_permutation_of_all_rows() -> None:
    n = 37
    marked = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1)
    data = Images(marked, np.arange(n) % 4, NAMES)
    rng = np.random.default_rng(0)
    epochs = []
    for _ in range(2):
        batches = list(data.draw(8, rng))
        assert [len(x) for x, _ in batches] == [8, 8, 8, 8, 5]
        order = np.rint(np.concatenate([x.ravel() for x, _ in batches]) * 255).astype(int)
        np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), order % 4)
        assert sorted(order) == list(range(n))
        epochs.append(order)
    assert (epochs[0] != epochs[1]).any()
    assert (epochs[0] != np.arange(n)).any()


def test_batches_are_drawn_lazily() -> None:
    calls = []

    def note(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        calls.append(len(images))
        return images

    batches = make().augmented(note).draw(16, np.random.default_rng(0))
    assert calls == []
    next(batches)
    assert calls == [16]


def test_the_same_seed_gives_the_same_bits() -> None:
    data = make().standardised().augmented(augmentation.crop_and_flip)

    def epochs(seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        return b"".join(x.tobytes() + y.tobytes() for _ in range(2) for x, y in data.draw(7, rng))

    assert epochs(1) == epochs(1)
    assert epochs(1) != epochs(2)


# -- augmentation


def test_augmentation_is_for_training_only() -> None:
    plain = make()
    data = plain.augmented(invert)
    rows = np.arange(10)
    np.testing.assert_array_equal(data.take(rows)[0], plain.take(rows)[0])
    np.testing.assert_allclose(data.take(rows, np.random.default_rng(0))[0], 1 - plain.take(rows)[0], atol=1e-6)
    np.testing.assert_array_equal(
        data.augmented(None).take(rows, np.random.default_rng(0))[0], plain.take(rows)[0], "None switches it off"
    )


def test_augmentation_comes_before_standardising() -> None:
    seen: list[np.ndarray] = []

    def note(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        seen.append(images)
        return 255 - images

    data = make().standardised().augmented(note)
    x, _ = data.take(slice(0, 4), np.random.default_rng(0))
    assert seen[0].dtype == np.uint8
    np.testing.assert_allclose(x, (1 - data.x[:4] / 255 - data.mean) / data.std, atol=1e-5)


@pytest.mark.parametrize(
    "function", [augmentation.random_crop, augmentation.random_flip, augmentation.crop_and_flip, augmentation.cutout]
)
@pytest.mark.parametrize("shuffle", [True, False])
def test_the_bytes_stay_as_they_are(function: Any, shuffle: bool) -> None:
    data = make()
    before = data.x.copy()
    for options in (data, data.standardised(), data.mixed(1.0)):
        for x, _ in options.augmented(function).draw(9, np.random.default_rng(0), shuffle):
            x += 1  # changing a batch must not change the images either
    np.testing.assert_array_equal(data.x, before)


def test_an_augmentation_cannot_spoil_the_images() -> None:
    def in_place(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        images[:] = 0
        return images

    data = make()
    for rows in (slice(0, 4), np.arange(4)):
        with pytest.raises(ValueError, match="read-only"):
            data.augmented(in_place).take(rows, np.random.default_rng(0))
    assert data.x.flags.writeable
    np.testing.assert_array_equal(data.x, pixels())


def test_augmentations_that_do_not_fit() -> None:
    rng = np.random.default_rng(0)

    def smaller(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return images[:, 1:]

    with pytest.raises(ValueError, match=r"augmentation smaller must .*\(2, 5, 6, 3\) uint8, got \(2, 4, 6, 3\) uint8"):
        make().augmented(smaller).take(slice(0, 2), rng)
    with pytest.raises(ValueError, match=r"got \(2, 5, 6, 3\) float64"):
        make().augmented(lambda images, rng: images / 255).take(slice(0, 2), rng)
    with pytest.raises(ValueError, match=r"needs a function .* got 'flip'"):
        make().augmented("flip")  # type: ignore[arg-type]


def test_several_augmentations_follow_each_other() -> None:
    def halve(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return images // 2

    data, rows = make(), slice(3, 9)
    for functions, expected in (
        ((invert, halve), (255 - data.x[rows]) // 2),
        ((halve, invert), 255 - data.x[rows] // 2),
        ((halve, None, halve), data.x[rows] // 4),
        ((), data.x[rows]),
        ((None, None), data.x[rows]),
    ):
        x, _ = data.augmented(*functions).take(rows, np.random.default_rng(0))
        np.testing.assert_array_equal(x, (expected / 255).astype(np.float32))
    assert "augmented" not in repr(data.augmented(invert).augmented())
    last = data.augmented(invert).augmented(halve)
    np.testing.assert_array_equal(
        last.take(rows, np.random.default_rng(0))[0], data.augmented(halve).take(rows, np.random.default_rng(0))[0]
    )


def test_several_augmentations_draw_from_one_generator() -> None:
    data = make().augmented(augmentation.crop_and_flip, augmentation.cutout)
    x, _ = data.take(np.arange(9), np.random.default_rng(5))
    rng = np.random.default_rng(5)
    expected = augmentation.cutout(augmentation.crop_and_flip(data.x[:9], rng), rng)
    np.testing.assert_array_equal(x, (expected / 255).astype(np.float32))


def test_each_of_several_augmentations_is_looked_after() -> None:
    def in_place(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        images[:] = 0
        return images

    def smaller(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return images[:, 1:]

    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"augmentation smaller must .*got \(2, 4, 6, 3\) uint8"):
        make().augmented(invert, smaller, invert).take(slice(0, 2), rng)
    with pytest.raises(ValueError, match="read-only"):
        make().augmented(invert, in_place).take(slice(0, 2), rng)
    with pytest.raises(ValueError, match=r"needs a function .* got 3"):
        make().augmented(invert, 3)  # type: ignore[arg-type]


def test_an_augmentation_may_keep_an_array_of_its_own() -> None:
    own = np.zeros((4, 5, 6, 3), np.uint8)

    def reuse(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        own[:] = images
        return own

    data = make().augmented(reuse, invert)
    for _ in range(2):
        data.take(slice(0, 4), np.random.default_rng(0))
    assert own.flags.writeable


# -- mixup


def test_mixed_batches_are_augmented_and_standardised_first() -> None:
    plain = make().standardised().augmented(augmentation.crop_and_flip)
    rows = np.array([3, 1, 30, 8, 8, 22])
    rng = np.random.default_rng(4)
    x, labels = plain.take(rows, rng)
    lam = rng.beta(0.7, 0.7)
    partner = rng.permutation(6)
    mixed_x, mixed_y = plain.mixed(0.7).take(rows, np.random.default_rng(4))
    np.testing.assert_allclose(mixed_x, lam * x + (1 - lam) * x[partner], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mixed_y, lam * np.eye(4)[labels] + (1 - lam) * np.eye(4)[labels[partner]], rtol=1e-5)
    assert (mixed_x.dtype, mixed_y.dtype, mixed_y.shape) == (np.float32, np.float32, (6, 4))
    assert mixed_x.flags.c_contiguous
    np.testing.assert_allclose(mixed_y.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("as_float", [False, True])
def test_mixing_is_for_training_only(as_float: bool) -> None:
    plain = Images(pixels() / 255 if as_float else pixels(), np.arange(40) % 4, NAMES)
    before, rows = plain.x.copy(), slice(2, 12)
    data = plain.mixed()
    for given, expected in zip(data.take(rows), plain.take(rows), strict=True):
        np.testing.assert_array_equal(given, expected, strict=True)
    for off in (data.mixed(None), data.mixed(0), data.mixed(0.0)):
        for given, expected in zip(off.take(rows, np.random.default_rng(0)), plain.take(rows), strict=True):
            np.testing.assert_array_equal(given, expected, strict=True)
        assert repr(off) == repr(plain)
    data.take(rows, np.random.default_rng(0))
    np.testing.assert_array_equal(plain.x, before)
    np.testing.assert_array_equal(data.one_hot(), plain.one_hot())
    assert data.labels is plain.labels


@pytest.mark.parametrize("alpha", [-0.1, float("nan"), float("inf"), "0.2", False])
def test_alphas_that_are_refused(alpha: Any) -> None:
    with pytest.raises(ValueError, match="Images: alpha must be a finite number with 0 <= alpha, got"):
        make().mixed(alpha)


def linear(classes: int = 4, dtype: str = "float32", seed: int = 0) -> Model:
    return Model([Flatten(), Dense(classes)], (5, 6, 3), seed=seed, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_models_train_on_mixed_images(dtype: str, smoothing: float) -> None:
    """The loss and accuracy of an epoch of one batch equal those computed by hand from that batch."""
    data = make().standardised().mixed(1.0)
    model = linear(dtype=dtype)
    model.compile(SGD(0.01), SoftmaxCrossEntropy(smoothing), metrics=["accuracy"])
    logits_of_all = model.predict(data)
    rng = np.random.default_rng()
    rng.bit_generator.state = model.rng.bit_generator.state
    x, y = next(data.draw(40, rng))
    logits = model.predict(x)
    history = model.fit(data, batch_size=40, validation_data=data, verbose=0).history

    q = (1 - smoothing) * y.astype(np.float64) + smoothing / 4
    log_p = logits - np.log(np.exp(logits.astype(np.float64)).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(history["loss"], [-(q * log_p).sum(axis=1).mean()], rtol=1e-5)
    assert (y.max(axis=1) < 1).any(), "the batch must be mixed"
    assert history["accuracy"] == [np.mean(logits.argmax(axis=1) == y.argmax(axis=1))]
    assert history["val_accuracy"] == [np.mean(model.predict(data).argmax(axis=1) == data.labels)]
    assert model.evaluate(data) == pytest.approx([history["val_loss"][0], history["val_accuracy"][0]])
    assert (model.predict(data) != logits_of_all).any()


def test_accuracy_counts_the_larger_label() -> None:
    y = np.array([[0.6, 0.4, 0], [0.1, 0, 0.9], [0, 0.7, 0.3], [1, 0, 0]], np.float32)
    logits = np.array([[2, 1, 0], [0, 1, 3], [0, 1, 2], [0, 0, 5]], np.float32)
    assert accuracy(y, logits) == 0.5


def test_mixed_runs_are_the_same_to_the_bit() -> None:
    data = make().standardised().augmented(augmentation.cutout).mixed(0.4)
    results = []
    for seed in (1, 1, 2):
        model = linear(seed=seed)
        model.compile(SGD(0.01, momentum=0.9), SoftmaxCrossEntropy())
        history = model.fit(data, epochs=2, batch_size=16, verbose=0)
        results.append((history.history["loss"], model.parameters.tobytes()))
    assert results[0] == results[1] != results[2]


def test_a_model_of_one_logit_trains_on_mixed_images() -> None:
    """The model's targets form a column, which mixing must preserve."""
    data = Images(pixels(), np.arange(40) % 2, ("no", "yes")).mixed(1.0)
    model = linear(1)
    model.compile(SGD(0.01), BinaryCrossEntropy(), metrics=["accuracy"])
    history = model.fit(data, epochs=2, batch_size=16, validation_data=data, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_mixed_labels_need_a_class_a_logit() -> None:
    data = make().mixed()
    model = linear(5)
    model.compile(SGD(0.01), SoftmaxCrossEntropy())
    with pytest.raises(ValueError, match=r"targets must be labels \(n,\) or rows \(n, 5\), got \(32, 4\)"):
        model.fit(data, verbose=0)


# -- standardizing


@pytest.mark.parametrize("n", [40, 256, 700])
@pytest.mark.parametrize("as_float", [False, True])
def test_standardised_images_have_mean_0_and_std_1(n: int, as_float: bool) -> None:
    x = pixels(n)
    data = Images(x / 255 if as_float else x, np.arange(n) % 4, NAMES).standardised()
    np.testing.assert_allclose(data.mean, (x / 255).mean(axis=(0, 1, 2)), rtol=1e-6 if as_float else 1e-12)
    np.testing.assert_allclose(data.std, (x / 255).std(axis=(0, 1, 2)), rtol=1e-6 if as_float else 1e-12)
    drawn, _ = data.take(slice(0, n))
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(axis=(0, 1, 2), dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(drawn.std(axis=(0, 1, 2), dtype=np.float64), 1, atol=1e-6)


def test_the_training_sets_figures_go_to_the_test_set() -> None:
    train = make().standardised()
    assert train.mean is not None
    test = Images(pixels(seed=9), np.arange(40) % 4, NAMES).standardised(train.mean, train.std)
    assert (test.mean, test.std) == (train.mean, train.std)
    x, _ = test.take(np.arange(5))
    np.testing.assert_allclose(x, (test.x[:5] / 255 - train.mean) / train.std, atol=1e-5)
    same, _ = Images(train.x, train.labels, NAMES).standardised(train.mean, train.std).take(slice(0, 40))
    np.testing.assert_array_equal(same, train.take(slice(0, 40))[0])


def test_one_of_the_two_may_be_given() -> None:
    data = make()
    own = data.standardised()
    scaled = data.standardised(std=[1, 1, 1])
    assert (scaled.mean, scaled.std) == (own.mean, (1.0, 1.0, 1.0))
    assert data.standardised(mean=np.zeros(3, np.float32)).std == own.std
    assert (data.mean, data.std) == (None, None), "the first object must not change"
    assert data.standardised(std=[2, 2, 2]).standardised().std == own.std, "the last call must count"


def test_figures_need_no_giant_temporary() -> None:
    data = make(4000, h=16, w=16)
    tracemalloc.start()
    data.standardised()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 256 * 16 * 16 * 3 * 8 + 100_000
    assert peak < 2 * data.x.nbytes


def test_figures_are_exact_far_from_zero() -> None:
    x = (1000 + np.random.default_rng(0).normal(size=(300, 4, 4, 1))).astype(np.float32)
    std = Images(x, np.zeros(300, int), NAMES).standardised().std
    np.testing.assert_allclose(std, x.std(dtype=np.float64), rtol=1e-12)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([0.5, 0.5], None, "mean must be 3 numbers, one per channel"),
        (0.5, None, "mean must be 3 numbers"),
        (None, [[1, 1, 1]], "std must be 3 numbers"),
        (None, [1, 0, 1], "std must be above 0"),
        (None, [1, -1, 1], "std must be above 0"),
        ([0, np.nan, 0], None, "mean must be a finite number"),
        (None, [1, np.inf, 1], "std must be a finite number"),
        (["a", "b", "c"], None, "mean must be a finite number"),
    ],
)
def test_figures_that_do_not_fit(mean: Any, std: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make().standardised(mean, std)


def test_a_blank_channel_has_no_std() -> None:
    x = pixels()
    x[..., 1] = 7
    with pytest.raises(ValueError, match="a constant channel has std 0"):
        Images(x, np.arange(40) % 4, NAMES).standardised()
    assert Images(x, np.arange(40) % 4, NAMES).standardised(std=[1, 1, 1]).mean is not None


# -- parts


def test_subsets_keep_names_and_options() -> None:
    data = make().standardised().augmented(invert, augmentation.random_flip).mixed(0.5)
    mask = np.arange(40) % 3 == 0
    for rows in ([4, 1, 1], np.array([39]), slice(10, 20), mask, range(5)):
        part = data.subset(rows)
        index = rows if isinstance(rows, slice) else np.asarray(rows)
        np.testing.assert_array_equal(part.x, data.x[index])
        np.testing.assert_array_equal(part.labels, data.labels[index])
        assert (part.class_names, part.mean, part.std) == (NAMES, data.mean, data.std)
        np.testing.assert_array_equal(
            part.take(slice(0, 1), np.random.default_rng(0))[0],
            data.take(np.arange(40)[index][:1], np.random.default_rng(0))[0],
        )


def test_subsets_that_are_none() -> None:
    data = make()
    with pytest.raises(ValueError, match="rows must select at least one image"):
        data.subset(slice(40, 50))
    with pytest.raises(ValueError, match=r"one-dimensional and not empty, got shape \(\)"):
        data.subset(3)
    with pytest.raises(ValueError, match="at least one image, got none"):
        data.subset(np.zeros(40, bool))
    with pytest.raises(ValueError, match=r"got shape \(1, 2\)"):
        data.subset([[1, 2]])
    with pytest.raises(IndexError, match="out of bounds"):
        data.subset([40])
    with pytest.raises(IndexError, match="integer"):
        data.subset([0.5])


def test_split_is_stratified_and_complete() -> None:
    n = 200
    x = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1)
    y = np.repeat([0, 1, 2, 3], [20, 40, 60, 80])
    train, validation = Images(x, y, NAMES).split(50, np.random.default_rng(0))
    assert (len(train), len(validation)) == (150, 50)
    np.testing.assert_array_equal(np.bincount(validation.labels), [5, 10, 15, 20])
    ids = [part.x.ravel().tolist() for part in (train, validation)]
    assert sorted(ids[0] + ids[1]) == list(range(n))
    for part in (train, validation):
        np.testing.assert_array_equal(part.labels, y[part.x.ravel()])


def test_a_seed_decides_a_split() -> None:
    data = make(200)
    chosen = [data.split(40, np.random.default_rng(seed))[1].x.tobytes() for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]


@pytest.mark.parametrize("n", [3, 39, 40, 50])
def test_splits_that_leave_a_class_out(n: int) -> None:
    with pytest.raises(ValueError, match=f"Images: cannot split off {n} of 40 rows: "):
        make().split(n, np.random.default_rng(0))


def test_split_of_no_rows() -> None:
    for n in (0, -1, 0.2):
        with pytest.raises(ValueError, match="n_validation must be an integer >= 1"):
            make().split(n, np.random.default_rng(0))  # type: ignore[arg-type]


# -- labels and names


def test_one_hot() -> None:
    rows = make(6).one_hot()
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.eye(4)[[0, 1, 2, 3, 0, 1]])


def test_names_both_ways() -> None:
    data = make()
    assert [data.label(data.name(i)) for i in range(4)] == [0, 1, 2, 3]
    assert data.name(data.labels[2]) == "cow"  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="label must be one of 0 to 3, got 4"):
        data.name(4)
    with pytest.raises(ValueError, match="label must be an integer >= 0, got -1"):
        data.name(-1)
    with pytest.raises(ValueError, match="name must be one of 'ant', 'bee', 'cow', 'dog', got 'cat'"):
        data.label("cat")


def test_repr_says_what_it_is() -> None:
    assert repr(make()) == "Images(40 of 5x6x3 uint8, 4 classes)"
    assert (
        repr(make().standardised().augmented(invert)) == "Images(40 of 5x6x3 uint8, 4 classes, standardised, augmented)"
    )
    assert repr(make().mixed(0.2).augmented(invert)) == "Images(40 of 5x6x3 uint8, 4 classes, augmented, mixed)"


# -- pictures


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("as_float", [False, True])
def test_show_draws_a_grid(tmp_path: Path, channels: int, as_float: bool) -> None:
    x = np.random.default_rng(0).integers(0, 256, (9, 5, 6, channels), dtype=np.uint8)
    data = Images(x / 255 if as_float else x, np.arange(9) % 4, NAMES).standardised()
    figure = data.show([8, 1, 2, 3, 6], tmp_path / "new" / "grid.png")
    shown = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in shown] == ["ant", "bee", "cow", "dog", "cow"]
    assert len(figure.axes) == 6
    for ax, row in zip(shown, [8, 1, 2, 3, 6], strict=True):
        picture = ax.images[0]
        np.testing.assert_array_equal(picture.get_array(), data.x[row, ..., 0] if channels == 1 else data.x[row])
        assert picture.get_interpolation() == "nearest"
        if channels == 1:
            assert (picture.get_cmap().name, picture.get_clim()) == ("gray", (0, 1 if as_float else 255))
    assert (tmp_path / "new" / "grid.png").read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["grid.png"]


def test_show_draws_on_given_axes() -> None:
    figure = Figure()
    axes = figure.subplots(1, 3)
    assert make().show([1, 2], axes=axes) is figure
    assert [(ax.get_title(), len(ax.images)) for ax in axes] == [("bee", 1), ("cow", 1), ("", 0)]
    with pytest.raises(ValueError, match="axes must be 4, one for each image, got 3"):
        make().show(slice(4), axes=axes)


def test_what_cannot_be_shown() -> None:
    with pytest.raises(ValueError, match="only 1, 3 or 4 channels"):
        make(c=2).show([0])
    with pytest.raises(ValueError, match="rows must be one-dimensional and not empty"):
        make().show([])


# -- inputs


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 3, 32, 32), np.uint8), r"got \(4, 3, 32, 32\), which seems to be .*transpose\(0, 2, 3, 1\)"),
        (np.zeros((4, 1, 28, 28), np.uint8), r"transpose\(0, 2, 3, 1\)"),
        (np.zeros((4, 28, 28), np.uint8), r"got \(4, 28, 28\).*images\[\.\.\., np\.newaxis\]"),
        (np.zeros((4, 3072), np.uint8), r"shape \(n, height, width, channels\).*got \(4, 3072\)$"),
        (np.zeros((0, 5, 6, 3), np.uint8), r"n >= 1, got \(0, 5, 6, 3\)"),
        (np.zeros((4, 5, 6, 3), np.int64), "must be uint8 in 0..255 or floats in .0, 1., got int64"),
        (np.zeros((4, 5, 6, 3), object), "got object"),
        (np.zeros((4, 5, 6, 3), complex), "got complex128"),
        (np.full((4, 5, 6, 3), np.nan), "finite"),
        ([[1]], "must be a NumPy array, got list"),
    ],
)
def test_images_that_are_none(images: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"Images: .*{message}"):
        Images(images, np.zeros(4, int), NAMES)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(39, int), r"shape \(40,\), one per image, got \(39,\)$"),
        (np.zeros((40, 1), int), r"got \(40, 1\): pass labels\.reshape\(-1\)"),
        (np.zeros((40, 4), int), r"got \(40, 4\): for one-hot rows pass labels\.argmax\(axis=1\)"),
        (np.zeros(40), "integers, got float64"),
        (np.zeros(40, bool), "integers, got bool"),
        (np.arange(40), "0 to 3, for 4 class names, got 0 to 39"),
        (np.arange(40) % 4 - 1, "got -1 to 2"),
    ],
)
def test_labels_that_are_none(labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"Images: labels must .*{message}"):
        Images(pixels(), labels, NAMES)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.uint64, list])
def test_labels_become_int64(dtype: Any) -> None:
    given = [i % 4 for i in range(40)] if dtype is list else (np.arange(40) % 4).astype(dtype)
    assert Images(pixels(), given, NAMES).labels.dtype == np.int64


@pytest.mark.parametrize("names", [(), "abcd", ("a", "a", "b", "c"), ("a", "b", "c", ""), (0, 1, 2, 3)])
def test_class_names_that_are_none(names: Any) -> None:
    with pytest.raises(ValueError, match="Images: class_names must be distinct names"):
        Images(pixels(), np.arange(40) % 4, names)


def test_importing_is_light() -> None:
    """scikit-learn, Matplotlib, pooch and requests are imported only when they are used."""
    script = (
        "import sys, tinydl.datasets.cifar10, tinydl.datasets.digits, tinydl.datasets.augmentation\n"
        "print([name for name in ('sklearn', 'matplotlib', 'pooch', 'requests') if name in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == "[]"


@pytest.mark.parametrize("returned", [None, [1], 3.0])
def test_an_augmentation_that_returns_no_array_is_refused(returned: Any) -> None:
    images = Images(np.zeros((4, 8, 8, 3), np.uint8), np.zeros(4, np.int64), ("a",)).augmented(lambda x, rng: returned)
    with pytest.raises(ValueError, match=f"must return a new array of the shape .* got {type(returned).__name__}"):
        images.take(slice(None), np.random.default_rng(0))


@pytest.mark.parametrize("shape", [(2, 4, 4, 8), (2, 1, 1, 8), (2, 3, 3, 64)])
def test_small_maps_of_many_channels_are_images(shape: tuple[int, ...]) -> None:
    assert len(Images(np.zeros(shape, np.float32), np.zeros(2, np.int64), ("a",))) == 2
