"""Models that learn from rows without labels.

bernoulli_rbm.py            BernoulliRBM: the gradient of its log-likelihood, contrastive divergence, the estimator
energy.py                   an RBM's energy, and the free energy and conditional probabilities that follow from it
likelihood.py               its partition function: exact for small machines, estimated for large ones
checks.py                   checks that both estimators share
deep_belief_network.py      DeepBeliefNetwork: RBMs stacked on one another, fine-tuned as a classifier
"""

from .bernoulli_rbm import BernoulliRBM
from .deep_belief_network import DeepBeliefNetwork
from .likelihood import Estimate

__all__ = ["BernoulliRBM", "DeepBeliefNetwork", "Estimate"]
