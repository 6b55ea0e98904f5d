"""The MNIST sample and the three models that come with the project, and their recipes."""

import hashlib
import importlib.util
import json
import re

import numpy as np
import pytest
import torch
from inputs import HOME

from vaelib import cli, data
from vaelib.checkpoint import load_vae
from vaelib.evaluation import kl_per_dim

FOLDER = HOME / "data"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
GENUINE = HOME.parent / "shared" / "data"
MODELS = ("mnist_2d", "mnist_10d", "mnist_conv")
# SHA-256 of the sample's pixels, one byte each, row by row, and of its labels, one byte each.
PIXELS = "7185a4f5272ad30b570eefeba02b9b2e8df301e55a174a34fc14b032acf68b2d"
LABELS = "b41a531cecab241e80773cecd6b9c1a4cce9e68392f4f491b7198f1998485b8a"


def recipe(name: str):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def sample() -> data.Data:
    return data.load("mnist_sample")


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    """The name of a shipped model, and the model."""
    return request.param, load_vae(data.shipped(f"{request.param}.safetensors"))


def row(name: str) -> list[float]:
    """A model's numbers in the README's table: dimensions, active, four bounds with errors."""
    line = next(line for line in README.splitlines() if line.startswith(f"| `{name}` |"))
    cells = line.removeprefix(f"| `{name}` |").replace("−", "-")
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", cells)]


# ---------------------------------------------------------------- the sample


def test_its_images_are_1000_of_the_test_images(sample):
    assert sample.name == "mnist_sample"
    assert sample.test.shape == (1000, 28, 28) and sample.test.dtype == torch.float32
    assert sample.test_labels.shape == (1000,) and sample.test_labels.dtype == torch.int64
    pixels = (sample.test * 255).round().byte()
    assert torch.equal(pixels.float() / 255, sample.test)
    assert sha256(pixels.numpy().tobytes()) == PIXELS
    assert sha256(sample.test_labels.byte().numpy().tobytes()) == LABELS


def test_it_has_nothing_to_train_on(sample):
    assert sample.train.shape == (0, 28, 28) and sample.train_labels.shape == (0,)


@pytest.mark.long
@pytest.mark.skipif(not GENUINE.is_dir(), reason="the genuine MNIST files are not beside the clone")
def test_its_recipe_makes_the_same_from_the_genuine_files(sample, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("VAELIB_DATA", str(GENUINE))
    mnist = data.load("mnist")
    assert torch.equal(sample.test, mnist.test[::10])
    assert torch.equal(sample.test_labels, mnist.test_labels[::10])
    recipe("make_mnist_sample").main(tmp_path / "again.npz")
    assert "1000 images" in capsys.readouterr().out
    with np.load(tmp_path / "again.npz") as again:
        assert sha256(again["images"].tobytes()) == PIXELS
        assert sha256(again["labels"].tobytes()) == LABELS


def test_its_labels_fit_its_images(sample):
    means = torch.stack(
        [sample.test[:500][sample.test_labels[:500] == c].mean(0) for c in range(10)]
    )
    nearest = torch.cdist(sample.test[500:].flatten(1), means.flatten(1)).argmin(1)
    assert (nearest == sample.test_labels[500:]).float().mean() > 0.7  # by chance 0.1


def test_a_damaged_file_is_refused(monkeypatch, tmp_path):
    content = data.shipped("mnist_sample.npz").read_bytes()
    bad = tmp_path / "mnist_sample.npz"
    monkeypatch.setattr(data, "shipped", lambda name: bad)
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 16
    for damaged in (content[:1000], bytes(flipped), b"", b"<html>"):
        bad.write_bytes(damaged)
        with pytest.raises(data.DataError, match=r"mnist_sample\.npz is damaged"):
            data.load("mnist_sample")


# ---------------------------------------------------------------- the models


def test_the_readme_names_these_very_files():
    for name in ("mnist_sample.npz", *(f"{model}.safetensors" for model in MODELS)):
        path = data.shipped(name)
        assert sha256(path.read_bytes()) in README, name
        assert path.stat().st_size <= (300_000 if name.endswith("npz") else 900_000)


def test_a_model_is_as_good_as_the_readme_says(model, sample):
    name, vae = model
    dims, active, *bounds = row(name)
    assert (vae.latent_dim, vae.shape) == (dims, (28, 28))
    elbo, iw = recipe("make_mnist_models").on_sample(vae)
    # The noise is drawn from a seed, so only rounding is left. Another model is off by nats.
    assert [elbo.value, iw.value] == pytest.approx([bounds[4], bounds[6]], abs=0.05)
    # and the sample is a sample of the whole test set
    assert abs(elbo.value - bounds[0]) < 4 * elbo.standard_error
    assert abs(iw.value - bounds[2]) < 4 * iw.standard_error
    x = data.binarise(sample.test, torch.Generator().manual_seed(0))
    assert (kl_per_dim(vae, x).mean(0) > 0.05).sum() == active


def test_the_command_line_knows_a_model_by_its_name(model, tmp_path, capsys):
    name, vae = model
    assert cli.main(["evaluate", name, "--samples", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["data"], result["n_test"]) == ("mnist_sample", 1000)
    assert len(result["kl_per_dim"]) == vae.latent_dim
    page = tmp_path / "page.html"
    assert cli.main(["explore", name, "--html", str(page), "--no-browser"]) == 0
    assert page.stat().st_size > 300_000


def test_the_recipe_trains_the_same_architecture_and_resumes(model, sample, monkeypatch, tmp_path):
    name, vae = model
    maker = recipe("make_mnist_models")
    few = data.Data("few", sample.test[:256], sample.test[:1])
    monkeypatch.setattr(maker, "load", lambda name: few)
    monkeypatch.setattr(maker, "HERE", tmp_path / "data")
    maker.train(name, tmp_path / "first.safetensors", epochs=1)
    first = load_vae(tmp_path / "first.safetensors")
    assert first.config == vae.config
    maker.train(name, tmp_path / "again.safetensors", epochs=1)  # nothing is left to do
    again = load_vae(tmp_path / "again.safetensors").state_dict()
    assert all(torch.equal(again[name], value) for name, value in first.state_dict().items())


def test_the_recipe_refuses_unknown_names(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["make_mnist_models.py", "mnist_3d"])
    with pytest.raises(SystemExit):
        recipe("make_mnist_models").main()
    assert "no model 'mnist_3d'" in capsys.readouterr().err
