"""Study: what one training step does, layer by layer, and what is wrong with it.

trace(model, x, y)             every array, norm and gradient of one step: a table, JSON, pictures
see(model, x, y, path)         the same as an HTML page, in which every number shows what it was computed from
"""

from .records import LayerTrace, LossTrace, ParameterTrace, Step
from .see import page, see
from .trace import Trace, trace

__all__ = ["LayerTrace", "LossTrace", "ParameterTrace", "Step", "Trace", "page", "see", "trace"]
