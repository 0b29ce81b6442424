"""Study: what one training step does, layer by layer, and what is wrong with it.

trace(model, x, y)             every array, norm and gradient of one step: a table, JSON, pictures
"""

from .records import LayerTrace, LossTrace, ParameterTrace, Step
from .trace import Trace, trace

__all__ = ["LayerTrace", "LossTrace", "ParameterTrace", "Step", "Trace", "trace"]
