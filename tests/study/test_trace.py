from __future__ import annotations

import copy
import itertools
import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinydl import Model, models
from tinydl.layers import (
    ActivityL1,
    AuxiliaryHead,
    BatchNorm,
    Branches,
    ContractivePenalty,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Layer,
    MaxPool2D,
    ReLU,
    Residual,
    Sigmoid,
    Softmax,
    Tanh,
)
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam, RMSprop
from tinydl.study import Trace, trace

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.normal(size=(6, 6, 5, 2)), np.array([0, 1, 2, 3, 1, 0])


def network(dtype: str = "float32") -> Model:
    """A network with most kinds of layers, after two training steps."""
    layers = [
        Conv2D(3, 3, padding="same", activation="relu", kernel_regularizer="l2"), BatchNorm(), MaxPool2D(2),
        Residual([Conv2D(3, 3, padding="same"), ReLU()]), Branches([Conv2D(2, 1), [Conv2D(1, 3, padding="same"), Tanh()]]),
        Flatten(), Dropout(0.4), GaussianNoise(0.1), Dense(5, "tanh"), ActivityL1(0.01), Dense(4),
    ]  # fmt: skip
    model = Model(layers, (6, 5, 2), seed=3, dtype=dtype)
    model.compile(Adam(0.01, global_clipnorm=0.5), SoftmaxCrossEntropy(), ["accuracy"])
    for _ in range(2):
        model.train_on_batch(IMAGES, LABELS)
    return model


def everything(model: Model) -> bytes:
    """The bits of all that a model is: weights, gradients, statistics, optimizer, generators, settings."""
    generators = [layer.rng.bit_generator.state for layer in model.root.walk() if layer.rng is not None]
    arrays = [model.parameters, model.gradients, *model.state.values()]
    return pickle.dumps([[a.tobytes() for a in arrays], generators, model.rng.bit_generator.state, model])


def test_takes_the_step_that_training_would_take_next() -> None:
    model = network()
    step = model.trace(IMAGES, LABELS)
    twin = copy.deepcopy(model)
    assert step.loss.value + step.penalty == pytest.approx(twin.train_on_batch(IMAGES, LABELS), rel=1e-6)
    for path, array in twin.params.items():
        layer, _, name = path.rpartition(".")
        parameter = step[layer].params[name]
        np.testing.assert_array_equal(parameter.after, array, err_msg=path)
        np.testing.assert_array_equal(parameter.value, model.params[path], err_msg=path)
        np.testing.assert_array_equal(parameter.gradient, twin.grads[path], err_msg=path)


def test_sample_weights_belong_to_the_step() -> None:
    model, weights = network(), np.array([1.0, 0, 2, 1, 0.5, 1])
    step = model.trace(IMAGES, LABELS, sample_weight=weights)
    value = copy.deepcopy(model).train_on_batch(IMAGES, LABELS, sample_weight=weights)
    assert step.loss.value + step.penalty == pytest.approx(value, rel=1e-6)
    np.testing.assert_array_equal(step.loss.sample_weight, weights.astype(np.float32))


LIBRARY: dict[str, Callable[[], Model]] = {
    "vanilla": lambda: models.vanilla_autoencoder(29),
    "deep": lambda: models.deep_autoencoder(29),
    "sparse": lambda: models.sparse_autoencoder(29),
    "denoising": lambda: models.denoising_autoencoder(29),
    "contractive": lambda: models.contractive_autoencoder(29),
    "bottleneck": lambda: models.bottleneck_autoencoder(29),
    "lenet5": models.lenet5,
    "digits_cnn": models.digits_cnn,
    "cifar_cnn": models.cifar_cnn,
    "resnet_cifar": models.resnet_cifar,
    "vgg_cifar": models.vgg_cifar,
    "inception_cifar": models.inception_cifar,
    "alexnet": lambda: models.alexnet((67, 67, 3), 5),
    "vgg": lambda: models.vgg(11, (32, 32, 3), 5),
    "resnet": lambda: models.resnet(18, (32, 32, 3), 5),
    "googlenet": lambda: models.googlenet((65, 65, 3), 5, auxiliary_heads=True),
}
LARGE = ("cifar_cnn", "alexnet", "vgg", "resnet", "googlenet", "inception_cifar")


def test_the_list_has_every_library_model() -> None:
    assert {name.removesuffix("_autoencoder") for name in models.__all__} == LIBRARY.keys()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in LIBRARY]
)
def test_every_library_model_is_traced_and_left_to_the_bit_as_it_was(name: str) -> None:
    model = LIBRARY[name]()
    x = np.random.default_rng(1).random((3, *model.input_shape))
    classifier = len(model.output_shape) == 1 and model.output_shape != model.input_shape
    model.compile("adam", SoftmaxCrossEntropy() if classifier else MeanSquaredError())
    y = np.arange(3) if classifier else x
    model.train_on_batch(x, y)
    before = everything(model)
    step = model.trace(x, y)
    assert everything(model) == before
    assert [layer.path.rpartition(".")[2] for layer in step.layers] == [layer.name for layer in model.root.walk()][1:]
    assert all(layer.figures["operations"] is not None for layer in step.layers)
    assert all(layer.dx is not None for layer in step.layers)
    text = step.to_json()
    again = Trace.from_json(text)
    assert again.to_json() == text
    assert str(again) == str(step)


# --- what is recorded -------------------------------------------------------------------------------------------------


def test_each_layer_hands_its_arrays_on_to_the_next() -> None:
    step = network().trace(IMAGES, LABELS)
    chain = [layer for layer in step.layers if layer.depth == 0]
    for below, above in itertools.pairwise(chain):
        assert above.x is below.y
        np.testing.assert_array_equal(above.dx, below.dy)
    np.testing.assert_array_equal(chain[0].x, IMAGES.astype(np.float32))
    assert chain[-1].y is step.loss.y_pred
    np.testing.assert_array_equal(chain[-1].dy, step.loss.dy)
    body, block = step["residual_1.sequential_1"], step["residual_1"]
    np.testing.assert_allclose(block.dx, body.dx + block.dy, rtol=1e-6)
    assert block.depth + 1 == body.depth == step["residual_1.sequential_1.conv2d_1"].depth - 1
    left, right = step["branches_1.conv2d_1"], step["branches_1.sequential_1"]
    np.testing.assert_allclose(step["branches_1"].dx, left.dx + right.dx, rtol=1e-6, atol=1e-9)


def test_the_gradients_of_a_dense_layer_follow_from_its_arrays() -> None:
    layer = network("float64").trace(IMAGES, LABELS)["dense_1"]
    da = layer.dy * (1 - layer.y**2)
    np.testing.assert_allclose(layer.params["W"].gradient, layer.x.T @ da, rtol=1e-10)
    np.testing.assert_allclose(layer.params["b"].gradient, da.sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(layer.dx, da @ layer.params["W"].value.T, rtol=1e-10)


def test_formulas_settings_and_what_is_kept() -> None:
    step = network().trace(IMAGES, LABELS)
    assert step["dense_1"].forward[0] == "a_mj = sum_i x_mi W_ij + b_j          a = x @ W + b"
    assert any("dW = x.T @ da" in line for line in step["dense_1"].backward)
    assert step["activity_l1_1"].term == ["P = factor / n sum_m sum_j |x_mj|"]
    assert step["dropout_1"].settings == {"rate": 0.4}
    assert step["conv2d_1"].settings["window"] == ((3, 3), (1, 1), ((1, 1), (1, 1)))
    assert "body" not in step["residual_1"].settings
    assert step["dropout_1"].kept.keys() == {"x", "mask"}
    mask = step["dropout_1"].kept["mask"]
    np.testing.assert_array_equal(step["dropout_1"].y, step["dropout_1"].x * mask)
    assert step["max_pool2d_1"].kept["where"].shape == step["max_pool2d_1"].y.shape
    assert step.loss.kind == "SoftmaxCrossEntropy"
    assert step.loss.forward[0].startswith("p = softmax(z)")
    assert step["batch_norm_1"].state.keys() == {"mean", "var"}


def test_every_layer_and_loss_of_the_library_shows_its_formulas() -> None:
    from tinydl import layers, losses
    from tinydl.study.formulas import section

    told = {"Layer", "Container", "Pool2D"}
    for name in set(layers.__all__) - told:
        kind = getattr(layers, name)
        assert section(kind, "Forward") or section(kind, "Term"), name
        assert section(kind, "Backward") or issubclass(kind, layers.Sequential), name
    for name in set(losses.__all__) - {"Loss", "takes_sample_weight"}:
        assert section(getattr(losses, name), "Forward"), name
        assert section(getattr(losses, name), "Backward"), name


# --- figures ----------------------------------------------------------------------------------------------------------


def test_norms_and_ratios() -> None:
    step = network().trace(IMAGES, LABELS)
    layer = step["dense_1"]
    W = layer.params["W"]
    assert W.figures["norm"] == pytest.approx(np.linalg.norm(W.value.astype(float)), rel=1e-6)
    assert W.figures["gradient_norm"] == pytest.approx(np.linalg.norm(W.gradient.astype(float)), rel=1e-6)
    change = np.linalg.norm(W.after.astype(float) - W.value)
    assert W.figures["update_to_weight"] == pytest.approx(change / np.linalg.norm(W.value.astype(float)), rel=1e-4)
    for name in ("x", "y", "dy", "dx"):
        array = getattr(layer, name).astype(float)
        figures = {key.partition(".")[2]: value for key, value in layer.figures.items() if key.startswith(f"{name}.")}
        expected = {
            "norm": np.linalg.norm(array), "rms": np.sqrt((array**2).mean()), "mean": array.mean(), "std": array.std(),
            "min": array.min(), "max": array.max(),
        }  # fmt: skip
        assert figures == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_norms_of_huge_and_tiny_numbers() -> None:
    from tinydl.study.figures import norm

    assert norm(np.array([3e30, 4e30], np.float32)) == pytest.approx(5e30, rel=1e-6)
    assert norm(np.array([3e-30, 4e-30], np.float32)) == pytest.approx(5e-30, rel=1e-6)
    assert norm(np.zeros(3)) == norm(np.zeros(0)) == 0
    assert norm(np.array([1, np.inf])) == np.inf
    assert math.isnan(norm(np.array([1, np.nan])))


def test_dead_units_and_saturation() -> None:
    model = Model([Dense(4, "relu"), Dense(3, "sigmoid"), Dense(2, "tanh")], 2, seed=0)
    model.compile(SGD(0.1), MeanSquaredError())
    first, second, third = model.layers
    first.params["W"][...] = np.array([[1, 1, -1, -1], [0, 0, 0, 0]])
    second.params["W"][...] = np.eye(4, 3)
    x = np.array([[1.0, 0], [10, 0], [0.5, 0]])
    step = model.trace(x, np.zeros((3, 2)))
    assert step["dense_1"].figures["dead_units"] == 2
    assert step["dense_1"].figures["saturated"] is None
    # sigmoid(10) has the slope 4.5e-5, below 5 % of 1/4; sigmoid(1), sigmoid(0.5) and sigmoid(0) do not
    assert step["dense_2"].figures["saturated"] == pytest.approx(2 / 9)
    assert step["dense_2"].figures["dead_units"] is None
    third.params["W"][...] = [[4, 0], [0, 0], [0, 0]]
    # 1 - tanh(a)^2 < 0.05 for |a| > 2.18: here a = 4 * 0.73, 4 * 1 and 4 * 0.62
    assert model.trace(x, np.zeros((3, 2)))["dense_3"].figures["saturated"] == pytest.approx(3 / 6)


def test_operations_and_memory() -> None:
    model = Model([Conv2D(4, (3, 2), activation="relu"), MaxPool2D(2), Flatten(), Dense(5)], (7, 6, 3))
    model.compile("sgd", SoftmaxCrossEntropy())
    step = model.trace(RNG.random((2, 7, 6, 3)), [0, 1])
    outputs = 2 * 5 * 5 * 4
    assert step["conv2d_1"].figures["operations"] == outputs * (2 * 3 * 2 * 3 + 2)  # products and sums, bias, relu
    assert step["max_pool2d_1"].figures["operations"] == 2 * 2 * 2 * 4 * 4
    assert step["dense_1"].figures["operations"] == 2 * 5 * (2 * 16 + 1)
    assert step["conv2d_1"].figures["kept_bytes"] == 4 * (2 * 7 * 6 * 3 + outputs)
    own = {id(array): array.nbytes for layer in step.layers for array in layer.kept.values()}
    assert 0 < step.kept_bytes <= sum(own.values())
    assert all(layer.figures["forward_seconds"] > 0 for layer in step.layers)


# --- special cases ----------------------------------------------------------------------------------------------------


def test_a_network_that_ends_in_softmax_is_traced_up_to_its_logits() -> None:
    model = Model([Dense(4, "relu"), Dense(3), Softmax()], 5, seed=1)
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = RNG.normal(size=(6, 5)), np.array([0, 1, 2, 2, 1, 0])
    step = model.trace(x, y)
    assert [layer.path for layer in step.layers] == ["dense_1", "dense_2"]
    assert step.loss.notes == [
        "the network's last softmax and this loss are computed as one: the loss takes the logits"
    ]
    assert step.loss.value == pytest.approx(model.train_on_batch(x, y), rel=1e-6)


def test_frozen_and_shared_layers_are_named() -> None:
    shared = Dense(4, "tanh")
    frozen = Dense(4)
    model = Model([shared, frozen, shared, Dense(1)], 4)
    model.compile("sgd", "mse")
    frozen.trainable = False
    step = model.trace(RNG.normal(size=(3, 4)), np.ones((3, 1)))
    kept = step.layers[1].params["W"]
    assert kept.gradient is None
    np.testing.assert_array_equal(kept.value, kept.after)
    assert step.layers[1].notes == ["frozen: it has no gradients and keeps its values"]
    assert "shares its parameters with dense_1 (Dense)" in step.layers[2].notes[0]
    np.testing.assert_array_equal(step.layers[0].params["W"].gradient, step.layers[2].params["W"].gradient)
    assert "note: dense_2: frozen" in str(step)


def test_penalties_and_auxiliary_heads() -> None:
    model = Model([ContractivePenalty(Dense(4, "sigmoid"), 0.1), AuxiliaryHead(Dense(3)), ActivityL1(0.2), Dense(3)], 5)
    model.compile(RMSprop(), SoftmaxCrossEntropy())
    x, y = RNG.normal(size=(6, 5)), np.array([0, 1, 2, 2, 1, 0])
    step = model.trace(x, y)
    assert step.penalty == pytest.approx(sum(layer.penalty for layer in step.layers))
    assert [bool(layer.penalty) for layer in step.layers] == [True, False, True, False, True, False]
    assert step.loss.value + step.penalty == pytest.approx(copy.deepcopy(model).train_on_batch(x, y), rel=1e-6)
    model(x)  # the head of the model itself has no targets left
    assert model.layers[1].targets is None


def test_a_loss_that_is_not_finite_is_traced() -> None:
    model = Model([Dense(4), Dense(1)], 3)
    model.compile("sgd", "mse")
    model.layers[0].params["W"][0, 0] = np.inf
    step = model.trace(np.ones((2, 3)), np.ones((2, 1)))
    assert not math.isfinite(step.loss.value)
    assert step["dense_1"].params["W"].after is None
    assert step.notes == [f"the loss is {step.loss.value}, so no optimizer step was taken"]
    assert step["dense_1"].notes == ["its output contains NaN or infinity"]
    text = step.to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    again = Trace.from_json(text)
    assert again.to_json() == text
    assert str(again) == str(step)


class Doubled(Layer):
    """y = 2 x, with a cache of its own kind."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self.seen = {"rows": x.sum(axis=1)}
        return 2 * x

    def backward(self, dy: NDArray) -> NDArray:
        return 2 * dy


def test_layers_of_ones_own() -> None:
    model = Model([Dense(4), Doubled(), Dense(1)], 3)
    model.compile("sgd", "mse")
    step = model.trace(np.ones((2, 3)), np.ones((2, 1)))
    assert step["doubled_1"].kind == "Doubled"
    assert step["doubled_1"].figures["operations"] is None
    assert step["doubled_1"].kept.keys() == {"seen.rows"}
    assert step["doubled_1"].forward == []
    assert not hasattr(model.layers[1], "seen")


# --- access, text, JSON and pictures ----------------------------------------------------------------------------------


def test_layers_are_found_by_path_or_by_a_name_that_is_unique() -> None:
    step = network().trace(IMAGES, LABELS)
    assert step["tanh_1"] is step["branches_1.sequential_1.tanh_1"]
    assert step["conv2d_1"].depth == 0
    with pytest.raises(KeyError, match=r"2 layers 'sequential_1' in this trace: the paths are conv2d_1, batch_norm_1"):
        step["sequential_1"]
    with pytest.raises(KeyError, match="no layer 'dense_7'"):
        step["dense_7"]


def test_the_table_has_a_row_for_each_layer() -> None:
    step = network().trace(IMAGES, LABELS)
    lines = str(step).splitlines()
    assert lines[0].startswith("model: one step on 6 rows, SoftmaxCrossEntropy ")
    assert "penalties" in lines[0]
    start = next(k for k, line in enumerate(lines) if line.startswith("layer "))
    rows = lines[start + 1 : start + 1 + len(step.layers)]
    assert [row.split()[0] for row in rows] == [layer.path.rpartition(".")[2] for layer in step.layers]
    dense = next(row for row in rows if row.startswith("dense_1"))
    assert f"{step['dense_1'].figures['saturated']:.1%}" in dense
    assert "<pre>" in step._repr_html_()


def test_json_keeps_every_bit(tmp_path: Path) -> None:
    for dtype in ("float32", "float64"):
        step = network(dtype).trace(IMAGES, LABELS)
        path = tmp_path / "step.json"
        text = step.to_json(path, most_entries=None)
        for again in (Trace.from_json(path), Trace.from_json(str(path)), Trace.from_json(text)):
            for one, two in zip(step.layers, again.layers, strict=True):
                assert two.cropped == {}
                for name in ("x", "y", "dy", "dx"):
                    np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
                    assert getattr(one, name).dtype == getattr(two, name).dtype
                assert one.figures == two.figures
                assert {key: value.figures for key, value in one.params.items()} == {
                    key: value.figures for key, value in two.params.items()
                }
            assert again.layers[1].x is again.layers[0].y


def test_json_keeps_the_first_entries_of_large_arrays() -> None:
    step = network().trace(IMAGES, LABELS)
    again = Trace.from_json(step.to_json(most_entries=20))
    layer = again["conv2d_1"]
    assert layer.x.shape == (2, 2, 2, 2)
    assert layer.cropped["x"] == layer.shape("x") == (6, 6, 5, 2)
    np.testing.assert_array_equal(layer.x, IMAGES[:2, :2, :2, :2].astype(np.float32))
    assert layer.cropped["params.W"] == (3, 3, 2, 3)
    assert layer.figures == step["conv2d_1"].figures
    assert again.to_json(most_entries=20) == step.to_json(most_entries=20)
    with pytest.raises(ValueError, match="to_json: most_entries must be an integer >= 1, or None, got 0"):
        step.to_json(most_entries=0)


def damaged(change: Callable[[dict[str, Any]], None]) -> str:
    content = json.loads(network().trace(IMAGES, LABELS).to_json())
    change(content)
    return json.dumps(content)


DAMAGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another format": lambda content: content.update(format="tinydl trace 2"),
    "no layers": lambda content: content.pop("layers"),
    "an array that is not there": lambda content: content["layers"][0].update(x=999),
    "a wrong length": lambda content: content["arrays"][0].update(kept=[1, 1, 1, 1]),
    "an impossible shape": lambda content: content["arrays"][0].update(shape=[1, 1, 1, 1]),
    "a dtype that runs code": lambda content: content["arrays"][0].update(dtype="object"),
    "no base64": lambda content: content["arrays"][0].update(data="%%%"),
    "a list": lambda content: content.update(layers={"a": 1}),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_json_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"from_json: the text must be what Trace.to_json gave, got something else: "):
        Trace.from_json(damaged(DAMAGE[name]))


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Trace.from_json(tmp_path / "nothing.json")
    (tmp_path / "other.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"from_json: .*other\.json") as caught:
        Trace.from_json(tmp_path / "other.json")
    assert str(caught.value).count("other.json") == 1


@pytest.mark.parametrize("name", ["gradient_flow", "activations"])
def test_pictures(name: str, tmp_path: Path) -> None:
    step = network().trace(IMAGES, LABELS)
    figure = getattr(step, name)(path=tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels[0] == "conv2d_1"
    assert "branches_1 / tanh_1" in labels
    assert "residual_1" not in labels
    given = Figure().subplots(1, 2)
    getattr(Trace.from_json(step.to_json(most_entries=8)), name)(ax=given[1])
    assert given[1].has_data()
    assert not given[0].has_data()


def test_the_flow_of_gradients_shows_their_sizes() -> None:
    step = network().trace(IMAGES, LABELS)
    upstream, weights = Trace.from_json(step.to_json(most_entries=8)).gradient_flow().axes[0].get_lines()[:2]
    assert upstream.get_xdata()[0] == pytest.approx(np.sqrt((step["conv2d_1"].dy.astype(float) ** 2).mean()), rel=1e-5)
    both = np.concatenate([each.gradient.ravel() for each in step["conv2d_1"].params.values()]).astype(float)
    assert weights.get_xdata()[0] == pytest.approx(np.sqrt((both**2).mean()), rel=1e-5)


def test_gradients_of_zero_and_infinity_stand_at_the_edge() -> None:
    model = Model([Dense(3), ReLU(), Dense(2), Sigmoid()], 2)
    model.compile("sgd", "mse")
    model.layers[2].params["W"][...] = 0
    axes = model.trace(np.ones((2, 2)), np.ones((2, 2))).gradient_flow().axes[0]
    marked = [line for line in axes.get_lines() if line.get_label() == "dL/dy is 0"]
    assert [list(line.get_ydata()) for line in marked] == [[0, 1]]


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_what_cannot_be_traced_is_refused() -> None:
    model = Model([Dense(2)], 3)
    with pytest.raises(
        RuntimeError, match=r"trace: the model must be compiled, got one without optimizer and loss: call"
    ):
        model.trace(np.ones((2, 3)), np.ones((2, 2)))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"trace: "):
        model.trace(np.ones((2, 4)), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"trace: x and y must have the same number of rows, got 2 and 3"):
        model.trace(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"trace: x must not be empty, got shape \(0, 3\)"):
        model.trace(np.ones((0, 3)), np.ones((0, 2)))
    with pytest.raises(TypeError, match=r"trace: expected a Model, got Dense: wrap layers as Model"):
        trace(Dense(2), np.ones((2, 3)), np.ones((2, 2)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="trace"):
        model.trace(np.ones((2, 3)), np.ones((2, 2)), sample_weights=np.ones(2))  # type: ignore[call-arg]
