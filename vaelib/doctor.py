"""`python -m vaelib doctor`: one line per fact about this installation, ✓ or ✗ and what to do.

Only Python's own library is imported at the top, so that a broken package becomes a line here.
"""

import importlib.metadata
import math
import platform
import sys
from collections.abc import Iterator

SET_UP = "make setup, or pip install -c requirements.lock -e .[lab,test]"
MODULES = {"pillow": "PIL", "scikit-learn": "sklearn"}  # what is imported under another name
Fact = tuple[bool, str, str]  # whether it is well, what was found, and what to do if it is not


def packages() -> Iterator[Fact]:
    """The version of Python and of each package that a student needs, and a try to import it."""
    what = f"Python {platform.python_version()} in {sys.prefix}"
    yield sys.version_info >= (3, 11), what, "install Python 3.11 or newer, then make setup"
    from packaging.requirements import Requirement

    for wanted in map(Requirement, importlib.metadata.requires("vaelib") or []):
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": "lab"}):
            continue  # only the tests need it
        what = f"{wanted.name} is missing (wanted {wanted.specifier})"
        try:
            version = importlib.metadata.version(wanted.name)
            what = f"{wanted.name} {version} (wanted {wanted.specifier})"
            importlib.import_module(MODULES.get(wanted.name, wanted.name.replace("-", "_")))
            yield wanted.specifier.contains(version, prereleases=True), what, SET_UP
        except Exception as error:  # a broken package can raise anything
            again = f"{SET_UP}; or pip install --force-reinstall --no-deps {wanted.name}"
            yield False, f"{what}, cannot be imported: {_first_line(error)}", again


def lessons() -> Iterator[Fact]:
    """Where training runs, that an ELBO rises, and that the data of the lessons are whole."""
    import torch

    from vaelib import checkpoint, data, faces, models, training

    what = f"device: CPU, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        what = f"device: CUDA, {torch.cuda.get_device_name()}"
    yield True, what, ""

    x = faces.render(*torch.rand(2, 512, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    vae = models.dense((32, 32), 2, hidden=(64,))
    first, *_, last = training.fit(vae, x, epochs=10, progress=False).elbo
    what = f"training: in 10 epochs the ELBO goes from {first:.0f} to {last:.0f} nats"
    yield first < last < math.inf, what, SET_UP

    vae = checkpoint.load_vae(data.shipped("faces_vae.safetensors"))
    error = (x - vae.decoder.mean(vae.posterior(x).mu)).square().mean().sqrt().item()
    what = f"data: the shipped face VAE opens, and reconstructs to {error:.3f} grey value"
    yield error < 0.1, what, "git checkout data"

    what = 'data: no MNIST, which some cells use: vaelib.data.load("mnist", download=True)'
    if any(data.cache_folder().rglob("*-ubyte*")):
        what = f"data: MNIST is genuine, {len(data.load('mnist').train):,} training images"
    yield True, what, ""


def widgets() -> Iterator[Fact]:
    """Whether the page that JupyterLab serves and this kernel have the same widgets."""
    from vaelib.widgets.installation import facts

    yield from facts()


CHECKS = (packages, lessons, widgets)


def main() -> int:
    """Prints the facts; 0 if all is well, else 1."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")  # which has a ✓, as not every console has
    count = 0
    for well, what, todo in _facts():
        count += not well
        print(f"✓ {what}" if well else f"✗ {what}; what to do: {todo}", flush=True)
    print(f"Not well: {count} (see the lines with ✗)." if count else "All is well.")
    return int(count > 0)


def _facts() -> Iterator[Fact]:
    """All the facts, one after the other; a check that raises becomes a fact too."""
    for check in CHECKS:
        try:
            yield from check()
        except Exception as error:
            todo = f"mend the lines above first; then git checkout data, or {SET_UP}"
            yield False, f"{check.__name__}: {_first_line(error)}", todo


def _first_line(error: Exception) -> str:
    """The kind of an error and the first line of its message."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()][:2])
