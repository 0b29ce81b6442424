"""The example in each dialect's file passes as it stands."""

import pytest

from tests.gradcheck.dialects.planted import Case, passes
from tinydl.gradcheck.dialects import integers, modes, preparing, remembered, structures, updating
from tinydl.gradcheck.dialects.context import WithContext
from tinydl.gradcheck.dialects.derivative import Derivative
from tinydl.gradcheck.dialects.losses import Loss, LossAndGradient
from tinydl.gradcheck.dialects.networks import Network
from tinydl.gradcheck.dialects.plain import Plain
from tinydl.gradcheck.dialects.pullback import Pullback
from tinydl.gradcheck.dialects.tuples import Tuples

EXAMPLES = {
    "plain": (Plain.example, "check_layer(Scale(), (4, 3))"),
    "context": (WithContext.example, "check_layer(Multiply, (4, 3), (4, 3))"),
    "tuples": (Tuples.example, "check_layer(Multiply(), (4, 3), (4, 3))"),
    "derivative": (Derivative.example, "check_layer(Sigmoid(), (4, 3))"),
    "pullback": (Pullback.example, "check_function(scale, None, (4, 3), (3,))"),
    "loss": (Loss.example, "check_loss(SquaredError(), (4, 3), np.ones((4, 3)))"),
    "loss and gradient": (LossAndGradient.example, "check_loss(squared_error, (4, 3), np.ones((4, 3)))"),
    "network": (Network.example, "check_model(TwoLayers(), (5, 4), np.ones((5, 2)))"),
    "structures": (structures.example, "check_layer(Cell(), (4, 2), ((4, 2), (4, 2)))"),
    "integers": (integers.example, "check_layer(Embedding(), np.array([1, 2, 1]))"),
    "modes": (modes.example, "check_layer(HalfDropout(), (4, 3))"),
    "preparing": (preparing.example, "check_layer(Dense(), (4, 3))"),
    "remembered": (remembered.example, "check_layer(Dense(), (4, 2))"),
    "updating": (updating.example, "check_layer(Dense(), (4, 2))"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_passes(name: str) -> None:
    passes(Case(name, *EXAMPLES[name]))
