"""How a model was compiled, as JSON in its file: optimizer, loss and metrics, so that a loaded model can train on.

Only tinydl's own classes and metrics are restored, because a file holds no code. What is missing is said by a warning.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

from .. import losses, optimizers, schedules
from ..arguments import Configured, shown
from ..losses import Loss
from ..metrics import ALIASES, METRICS, Metric
from ..network import NetworkInTraining
from ..optimizers import Optimizer
from ..schedules import Schedule
from .by_name import KERAS_NAME
from .configs import create, object_to_config
from .ends import applied_by
from .inputs import metrics_by_name

KINDS: dict[str, type[Configured]] = {
    name: kind
    for module in (optimizers, losses, schedules)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, Optimizer | Loss | Schedule)
}


def to_config(model: NetworkInTraining) -> dict[str, Any] | None:
    """Optimizer, loss and metrics as JSON; None if the model is not compiled. `lost` names what no file can hold."""
    optimizer, loss = model.optimizer, model.loss
    if optimizer is None or loss is None:
        return None
    lost = [repr(thing) for thing in (optimizer, _rate(optimizer), loss) if not _is_ours(thing)]
    kept = [name for name, metric in model.metrics.items() if _has_name(model, loss, name, metric)]
    config: dict[str, Any] = {
        "metrics": kept, "strict_metrics": model.strict_metrics, "iterations": optimizer.iterations, "lost": lost,
        "lost_metrics": [name for name in model.metrics if name not in kept],
    }  # fmt: skip
    if not lost:
        fused = KERAS_NAME[applied_by(loss) or ""] if model.fused else None
        config |= {"optimizer": object_to_config(optimizer), "loss": fused or object_to_config(loss)}
    return config


def _rate(optimizer: Optimizer) -> Any:
    rate = optimizer.learning_rate
    return rate if isinstance(rate, Schedule) else None


def _is_ours(thing: Any) -> bool:
    return thing is None or KINDS.get(type(thing).__name__) is type(thing)


def _has_name(model: NetworkInTraining, loss: Loss, name: str, metric: Metric) -> bool:
    """Whether `compile` makes this metric from its name alone. A partial(top_k_accuracy, k=1) is another metric."""
    if name not in METRICS and name not in ALIASES:
        return False
    by_name = metrics_by_name([name], loss, model.root, model.output_shape)[name]
    return _parts(metric) == _parts(by_name)


def _parts(metric: Any) -> tuple[Any, ...]:
    """What makes two metrics the same one: functools.partial objects are never equal."""
    return (metric.func, metric.args, metric.keywords) if isinstance(metric, functools.partial) else (metric,)


def restore(model: Any, config: dict[str, Any]) -> None:
    """Compile the model as it was, with a new optimizer. Raises as the constructors and `compile` do."""
    if config["lost"] or config["lost_metrics"]:
        things = shown(", ".join(map(str, [*config["lost"], *config["lost_metrics"]])))
        state = "not compiled" if config["lost"] else "compiled without them"
        warnings.warn(
            f"Model.load: a file holds no code, so {things} could not be restored and the model is {state}: "
            "call compile again",
            stacklevel=4,  # the line that calls Model.load
        )
    if config["lost"]:
        return
    optimizer = _from_config(config["optimizer"])
    loss = config["loss"] if isinstance(config["loss"], str) else _from_config(config["loss"])
    model.compile(optimizer, loss, config["metrics"], strict_metrics=config["strict_metrics"])


def _from_config(config: Any) -> Any:
    if isinstance(config, dict) and "class" in config:
        if config["class"] not in KINDS:
            raise ValueError(f"expected an optimizer, loss or schedule of tinydl, got {config['class']!r}")
        return create(KINDS[config["class"]], {name: _from_config(v) for name, v in config["arguments"].items()})
    return config
