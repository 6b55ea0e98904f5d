"""The interactive widgets: each has its state (traits), its compute (pure, tested) and its view.

`export()` gives any of them to a page without a kernel: see `vaelib.widgets.bundle.Export`.
"""

from IPython import get_ipython

from vaelib.widgets.explorer import LatentExplorer
from vaelib.widgets.labs import ElboLab, JensenLab, KLLab, LikelihoodLab, ReparameterisationLab
from vaelib.widgets.order import advise_out_of_order
from vaelib.widgets.predict import Predict
from vaelib.widgets.training_curves import TrainingCurves

__all__ = [
    "ElboLab",
    "JensenLab",
    "KLLab",
    "LatentExplorer",
    "LikelihoodLab",
    "Predict",
    "ReparameterisationLab",
    "TrainingCurves",
]

advise_out_of_order(get_ipython())
