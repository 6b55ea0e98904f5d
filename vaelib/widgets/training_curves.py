"""The terms of the ELBO, live while a model trains."""

from typing import Any

import traitlets

from vaelib.plots import curves as still_curves
from vaelib.training import History
from vaelib.widgets import bundle
from vaelib.widgets.base import Widget
from vaelib.widgets.bundle import Export

SERIES = ("reconstruction", "kl", "elbo", "beta", "validation")


def series(history: History) -> dict[str, list[float]]:
    """The history's numbers, one per epoch (nats, except β), copied into lists of floats."""
    return {name: [float(value) for value in getattr(history, name)] for name in SERIES}


class TrainingCurves(Widget):
    """Curves of reconstruction, KL, ELBO (nats) and β over the epochs, drawn as they come.

    With `fit(validation=…)` the ELBO of the validation data is a dashed line.

    Show it, then hand it to `fit`, which calls it after each epoch:
    `curves = TrainingCurves()` … `fit(vae, x, progress=curves)`.

    >>> TrainingCurves()
    TrainingCurves
    """

    view = "training_curves"
    _esm = bundle.module(view)
    _css = bundle.style("base", "training_curves")

    values = traitlets.Dict().tag(sync=True)

    def __init__(self) -> None:
        super().__init__(values={name: [] for name in SERIES})

    def __call__(self, history: History) -> None:
        """Show the history so far."""
        self.values = series(history)

    def export(self) -> Export:
        """The curves as they are now, for a page without a kernel."""
        name = "TrainingCurves"
        script = bundle.standalone(name, self.view, "show")
        return Export(name, {"values": self.values, "error": ""}, script, str(self._css))

    def __repr__(self) -> str:
        return "TrainingCurves"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The live view, and after the first epoch a still picture for where it cannot run."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        if not self.values["elbo"]:
            return data, metadata
        names = {"reconstruction": "reconstruction (nats)", "kl": "KL (nats)", "beta": "β"}
        panels = {title: {name: self.values[name]} for name, title in names.items()}
        if self.values["validation"]:
            lines = {"training": self.values["elbo"], "validation": self.values["validation"]}
            panels["ELBO (nats)"] = lines
        alt = f"Reconstruction, KL and β over {len(self.values['elbo'])} epochs of training."
        figure = still_curves(panels)
        figure.given = alt
        picture, about = figure._repr_mimebundle_()
        return {**data, "image/png": picture["image/png"]}, {**metadata, **about}
