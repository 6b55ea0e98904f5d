"""What people bring is refused with the code that converts it, and that code works when typed."""

import re

import numpy as np
import pytest
import torch
from inputs import generator
from photographs import photograph
from torch.utils.data import DataLoader, Dataset, TensorDataset

from vaelib import bounds, data, evaluation, models, validation
from vaelib.training import fit

pytestmark = pytest.mark.refuses

GREY = torch.rand(5, 8, 8, generator=generator())
COLOUR = torch.rand(5, 3, 8, 8, generator=generator())
BYTES = (GREY * 255).round().to(torch.uint8)
PHOTOGRAPHS = [photograph(i, 8, 8) for i in range(5)]
VAES = {
    "grey": models.dense((8, 8), 2),
    "one": models.dense((1, 8, 8), 2),
    "colour": models.dense((3, 8, 8), 2),
}


class Images(Dataset):
    """As torchvision's: (image, label), where the image is whatever the transform made it."""

    def __init__(self, images, labelled=True):
        self.images = images
        self.labelled = labelled

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return (self.images[i], i) if self.labelled else self.images[i]


FLAT_LABELS = torch.arange(5)
GIVEN = {
    "uint8": ("grey", BYTES, GREY),
    "grey values as floats": ("grey", BYTES.float(), GREY),
    "16 bits": ("grey", (GREY * 65535).int(), GREY),
    "0 to 16, as scikit-learn's digits": ("grey", GREY / GREY.max() * 16, GREY / GREY.max()),
    "-1 to 1": ("grey", GREY * 2 - 1, GREY),
    "-1 to 1, resized": ("grey", GREY * 2.2 - 1.1, None),
    "0 to 1, resized": ("grey", GREY * 1.1 - 0.05, None),
    "float64": ("grey", GREY.double(), GREY),
    "float16": ("grey", GREY.half(), GREY),
    "booleans": ("grey", GREY > 0.5, (GREY > 0.5).float()),
    "numpy": ("grey", GREY.numpy(), GREY),
    "numpy uint8": ("grey", BYTES.numpy(), GREY),
    "numpy float64 -1 to 1": ("grey", GREY.double().numpy() * 2 - 1, GREY),
    "numpy, mirrored": ("grey", GREY.numpy()[:, :, ::-1], GREY.flip(-1)),
    "numpy, other byte order": ("grey", GREY.numpy().astype(">f4"), GREY),
    "channels last": ("colour", COLOUR.movedim(1, -1), COLOUR),
    "numpy uint8, channels last": (
        "colour",
        (COLOUR * 255).round().byte().movedim(1, -1).numpy(),
        COLOUR,
    ),
    "one image": ("grey", GREY[0], GREY[:1]),
    "one grey channel too many": ("grey", GREY[:, None], GREY),
    "no channel": ("one", GREY, GREY[:, None]),
    "flat": ("one", GREY.flatten(1), GREY[:, None]),
    "colour for grey": ("grey", COLOUR, COLOUR.mean(1)),
    "list of tensors": ("grey", [*GREY], GREY),
    "list of arrays": ("grey", [*BYTES.numpy()], GREY),
    "lists": ("grey", GREY.tolist(), GREY),
    "tuple": ("grey", tuple(GREY), GREY),
    "pillow list": ("colour", PHOTOGRAPHS, None),
    "tensor dataset": ("grey", TensorDataset(GREY, FLAT_LABELS), GREY),
    "dataset of pairs": ("one", Images(GREY[:, None]), GREY[:, None]),
    "dataset of images": ("grey", Images(BYTES, labelled=False), GREY),
    "dataset of pillow pairs": ("colour", Images(PHOTOGRAPHS), None),
    "dataset, -1 to 1": ("one", Images(GREY[:, None] * 2 - 1), GREY[:, None]),
    "loader": ("grey", DataLoader(TensorDataset(GREY, FLAT_LABELS), 2), GREY),
    "loader of images": ("one", DataLoader(Images(GREY, labelled=False), 2), GREY[:, None]),
    "loader, -1 to 1": ("one", DataLoader(Images(GREY[:, None] * 2 - 1), 2), GREY[:, None]),
    "loader, uint8": ("grey", DataLoader(Images(BYTES), 2), GREY),
}


def advised(refusal: Exception, **names) -> torch.Tensor:
    """What the code in a refusal makes, when it is typed as it stands."""
    assert len(str(refusal).splitlines()) == 1
    code = re.search(r": say (.*)$", str(refusal))[1]
    return eval(code, {"torch": torch, "np": np, **names})


@pytest.mark.parametrize("given", GIVEN)
def test_the_advice_works_when_it_is_typed(given):
    kind, x, expected = GIVEN[given]
    vae = VAES[kind]
    with pytest.raises((TypeError, ValueError)) as error:
        vae.posterior(x)
    made = advised(error.value, x=x)
    vae.posterior(made)
    if expected is not None:
        torch.testing.assert_close(made, expected, atol=4e-3, rtol=0)


ENTRIES = {
    "posterior": lambda vae, x: vae.posterior(x),
    "elbo": bounds.elbo,
    "kl_per_dim": evaluation.kl_per_dim,
    "fit": lambda vae, x: fit(vae, x, epochs=1, progress=False),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("given", ["numpy uint8, channels last", "pillow list", "-1 to 1"])
def test_every_entry_gives_the_same_advice(entry, given):
    kind, x, _ = GIVEN[given]
    with pytest.raises((TypeError, ValueError)) as error:
        ENTRIES[entry](VAES[kind], x)
    ENTRIES[entry](VAES[kind], advised(error.value, x=x))


@pytest.mark.parametrize("given", ["numpy uint8", "-1 to 1", "lists", "uint8"])
def test_data_gives_the_advice_too(given):
    _, x, _ = GIVEN[given]
    with pytest.raises((TypeError, ValueError)) as error:
        data.Data("made", x, GREY)
    made = advised(error.value, train=x)
    data.Data("made", made, made)


def test_advice_draws_no_random_number_and_takes_what_it_is_not_for():
    class Noisy(Images):
        def __getitem__(self, i):
            return torch.rand(8, 8), i

    before = torch.get_rng_state()
    for x in (
        Noisy(GREY),
        DataLoader(Noisy(GREY), 2, shuffle=True),
        iter(GREY),
        "x",
        {},
        [],
        object,
    ):
        with pytest.raises(TypeError, match="must be a torch tensor of floats"):
            VAES["grey"].posterior(x)
    assert torch.equal(before, torch.get_rng_state())


def test_no_advice_where_none_fits():
    for x in (torch.rand(5, 7, 7), torch.rand(5, 2, 9, 9), [GREY[0], GREY[0, 1:]]):
        with pytest.raises((TypeError, ValueError)) as error:
            VAES["grey"].posterior(x)
        assert ": say" not in str(error.value)


def test_codes_and_noise_are_no_images():
    """What need not be in [0, 1] is not brought there."""
    z = torch.full((3, 2), 200.0)
    for given in (z.numpy(), z.double()):
        with pytest.raises(TypeError) as error:
            VAES["grey"].likelihood(given)
        torch.testing.assert_close(advised(error.value, z=given), z)
    eps = torch.randn(1, 5, 2, generator=generator()).numpy()
    with pytest.raises(TypeError) as error:
        bounds.elbo(VAES["grey"], GREY, eps=eps)
    torch.testing.assert_close(advised(error.value, eps=eps), torch.tensor(eps))


def test_a_device_is_named_as_it_is_typed():
    with pytest.raises(TypeError, match=r'say x\.to\("cpu"\)'):
        VAES["grey"].posterior(torch.empty(5, 8, 8, device="meta"))


def test_a_large_array_is_not_copied_to_be_refused():
    """An array over untouched memory: 4 TiB that nobody could copy."""
    x = np.broadcast_to(np.float32(0.5), (2**26, 128, 128))
    with pytest.raises(TypeError, match="say torch.tensor"):
        validation.floats("x", x, ("...", 128))
