"""The interactive widgets: each has its state (traits), its compute (pure, tested) and its view."""

from vaelib.widgets.curves import TrainingCurves
from vaelib.widgets.explorer import LatentExplorer

__all__ = ["LatentExplorer", "TrainingCurves"]
