"""One lab a lesson: sliders over a picture whose truth is known."""

from vaelib.widgets.labs.elbo import ElboLab
from vaelib.widgets.labs.jensen import JensenLab
from vaelib.widgets.labs.kl import KLLab
from vaelib.widgets.labs.likelihood import LikelihoodLab
from vaelib.widgets.labs.reparameterisation import ReparameterisationLab

__all__ = ["ElboLab", "JensenLab", "KLLab", "LikelihoodLab", "ReparameterisationLab"]
