"""What users of other libraries look for on a Model, with the way to it here; and layers by name."""

from __future__ import annotations

from difflib import get_close_matches

from ..layer import Layer
from ..layers import Sequential

ELSEWHERE = {
    "add": "a Model gets all its layers at once: Model([Dense(3), ...], input_shape=...)",
    "pop": "a Model gets all its layers at once: Model([Dense(3), ...], input_shape=...)",
    "build": "a Model is built when it is created, for its input_shape",
    "fit_generator": "pass the generator to fit(generator, steps_per_epoch=...)",
    "evaluate_generator": "pass the generator to evaluate(generator, steps=...)",
    "predict_generator": "pass the generator to predict(generator, steps=...)",
    "predict_classes": "write predict(x).argmax(-1), or predict(x) > 0 for a yes-or-no output on logits",
    "predict_log_proba": "write np.log(predict_proba(x))",
    "score": "write evaluate(x, y), with compile(..., metrics=['accuracy']) or ['r2']",
    "partial_fit": "write train_on_batch(x, y), or fit again: it goes on from the present weights",
    "transform": "write predict(x)",
    "train": "write fit(x, y); forward(x, training=True) runs the layers as in training",
    "eval": "there is no mode to set: predict, evaluate and forward(x) run without noise and dropout",
    "state_dict": "use get_weights(), params and state, or save(path)",
    "load_state_dict": "use set_weights(weights), or load_weights(path)",
    "named_parameters": "use params.items()",
    "modules": "use layers",
    "children": "use layers",
    "to": "write astype('float64'); everything runs on the CPU",
    "cuda": "everything runs on the CPU",
    "weights": "use get_weights(), or params and state by name",
    "trainable_weights": "use params, a dict by name",
    "trainable_variables": "use params, a dict by name",
    "variables": "use params and state, dicts by name",
    "inputs": "use input_shape",
    "outputs": "use output_shape",
    "save_weights": "write save(path); load_weights(path) reads the weights from it",
    "to_json": "write save(path), which holds the layers and the weights",
    "get_config": "write save(path), which holds the layers and the weights",
    "reset_states": "no layer keeps a state from one batch to the next, apart from running statistics (state)",
    "loss_function": "use loss",
    "step": "write train_on_batch(x, y)",
}


def missing(kind: type, name: str) -> str:
    """The message for an attribute that a Model does not have, with what to use instead."""
    near = get_close_matches(name, [each for each in dir(kind) if not each.startswith("_")], n=1)
    mend = ELSEWHERE.get(name) or (f"did you mean {near[0]}?" if near else "")
    return f"{kind.__name__} has no attribute {name!r}{': ' if mend else ''}{mend}"


def find_layer(root: Sequential, name: str | None, index: int | None) -> Layer:
    """The layer of this name (with dots, inside composites) or place; ValueError unless one is given and fits."""
    if (name is None) == (index is None):
        raise ValueError("get_layer: give either a name or an index")
    if index is not None:
        if isinstance(index, bool) or not isinstance(index, int) or not -len(root.layers) <= index < len(root.layers):
            last = len(root.layers) - 1
            raise ValueError(f"get_layer: index must be an integer in 0 .. {last}, got {index!r}")
        return root.layers[index]
    inside: Layer = root
    for part in str(name).split("."):
        named = {layer.name: layer for layer in inside.sublayers()}
        if part not in named:
            known = ", ".join(filter(None, named)) or "none"
            where = "" if inside is root else f" of {inside.label}"
            near = get_close_matches(part, [each for each in named if each], n=1)
            mend = f": did you mean {near[0]}?" if near else ""
            raise ValueError(f"get_layer: name must be one of the layers{where}, {known}, got {name!r}{mend}")
        inside = named[part]
    return inside
