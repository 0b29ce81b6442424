"""Study: what one training step does, layer by layer, and what is wrong with it.

trace(model, x, y)             every array, norm and gradient of one step: a table, JSON, pictures
see(model, x, y, path)         the same as an HTML page, in which every number shows what it was computed from
doctor(model, x, y)            what keeps a model from learning: findings, each with a mend
"""

from .doctor import Finding, Report, doctor
from .records import LayerTrace, LossTrace, ParameterTrace, Step
from .see import page, see
from .trace import Trace, trace

__all__ = [
    "Finding", "LayerTrace", "LossTrace", "ParameterTrace", "Report", "Step", "Trace", "doctor", "page", "see", "trace",
]  # fmt: skip
