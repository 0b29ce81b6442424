"""Models that learn from rows without labels.

bernoulli_rbm.py      BernoulliRBM: the gradient of its log-likelihood, contrastive divergence, the estimator
energy.py             an RBM's energy, and the free energy and conditional probabilities that follow from it
likelihood.py         its partition function: exact for small machines, estimated for large ones
"""

from .bernoulli_rbm import BernoulliRBM
from .likelihood import Estimate

__all__ = ["BernoulliRBM", "Estimate"]
