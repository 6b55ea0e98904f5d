"""The live training curves' state."""

import base64

import torch

from vaelib import models, training
from vaelib.widgets import TrainingCurves
from vaelib.widgets.training_curves import SERIES, series


def test_it_follows_fit_epoch_by_epoch():
    curves = TrainingCurves()
    seen = []
    curves.observe(lambda change: seen.append(len(change["new"]["elbo"])), "values")
    history = training.fit(
        models.dense((8, 8), 2), torch.rand(64, 8, 8), epochs=3, batch_size=32, progress=curves
    )
    assert seen == [1, 2, 3]
    assert curves.values == {name: getattr(history, name) for name in SERIES}


def test_the_state_is_a_copy():
    history = training.History()
    history.elbo.append(1.0)
    taken = series(history)
    history.elbo.append(2.0)
    assert taken["elbo"] == [1.0]


def test_the_text_is_stable():
    curves = TrainingCurves()
    data, _ = curves._repr_mimebundle_()
    assert data["text/plain"] == repr(curves) == "TrainingCurves"
    assert "image/png" not in data  # nothing to see yet


def test_after_training_there_is_a_still_picture():
    curves = TrainingCurves()
    history = training.History()
    for values in (history.reconstruction, history.kl, history.elbo, history.beta):
        values += [1.0, 2.0]
    curves(history)
    data, metadata = curves._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    before = len(data["image/png"])
    history.validation += [1.0, 1.5]
    curves(history)
    assert len(curves._repr_mimebundle_()[0]["image/png"]) != before, "a panel with both ELBOs"
    assert "2 epochs" in metadata["image/png"]["alt"] and data["text/plain"] == "TrainingCurves"
