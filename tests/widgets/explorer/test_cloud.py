"""The dots of the pad, and the table of dimensions and factors."""

import numpy as np
import torch
from small_models import X

from vaelib.data import Data
from vaelib.evaluation import factor_alignment
from vaelib.widgets import LatentExplorer
from vaelib.widgets.explorer import cloud


def test_dots_are_spread_over_the_set_and_grouped(vae):
    x = X.repeat(60, 1, 1)
    labels = torch.arange(len(x)) // 600  # sorted: the first thousand would be two classes only
    factor = torch.linspace(-1, 1, len(x))[:, None]
    known = Data("digits", x, x, factor, factor, ("slope",), labels, labels)
    found = cloud.cloud(vae, x, known)
    assert (found["count"], found["of"]) == (1000, 2400)
    chosen = torch.linspace(0, 2399, 1000).round().long()
    assert found["index"] == chosen.tolist()
    means = np.frombuffer(found["means"], "<f4").reshape(1000, 3)
    np.testing.assert_allclose(means, vae.posterior(x[chosen]).mu.detach(), atol=1e-6)
    level, kind = found["colourings"]
    assert (level["name"], kind["name"]) == ("slope", "class") and kind["groups"] == [*"0123"]
    assert [*kind["group"]] == labels[chosen].tolist()
    assert len(level["groups"]) == 5 and np.bincount([*level["group"]]).tolist() == [200] * 5
    assert level["groups"][0] == "−1 to −0.6"


def test_the_table_is_the_evaluations(vae):
    factors = torch.rand(40, 2)
    known = Data("faces", X, X, factors, factors, ("a", "b"))
    table = LatentExplorer(vae, known).spec["factors"]
    assert table["names"] == ["a", "b"] and table["count"] == 40
    np.testing.assert_allclose(table["values"], factor_alignment(vae, known), atol=6e-4)
    assert LatentExplorer(vae, X).spec["factors"] == {}
