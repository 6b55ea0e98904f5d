import pytest
from small_models import X

from vaelib import models
from vaelib.widgets import LatentExplorer


@pytest.fixture
def vae():
    return models.dense((8, 8), 3, hidden=(9,))


@pytest.fixture
def explorer(vae):
    return LatentExplorer(vae, X)
