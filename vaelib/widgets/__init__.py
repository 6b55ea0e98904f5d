"""The interactive widgets: each has its state (traits), its compute (pure, tested) and its view."""

from vaelib.widgets.curves import TrainingCurves
from vaelib.widgets.explorer import LatentExplorer
from vaelib.widgets.labs import ElboLab, JensenLab, KLLab, LikelihoodLab, ReparameterisationLab

__all__ = [
    "ElboLab",
    "JensenLab",
    "KLLab",
    "LatentExplorer",
    "LikelihoodLab",
    "ReparameterisationLab",
    "TrainingCurves",
]
