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
    """The versions of Python and of each package against those wanted, and a try to import it."""
    what = f"Python {platform.python_version()} in {sys.prefix}"
    yield sys.version_info >= (3, 11), what, "install Python 3.11 or newer, then make setup"
    from packaging.requirements import Requirement

    for wanted in map(Requirement, importlib.metadata.requires("vaelib") or []):
        name = wanted.name
        for_students = wanted.marker is None or wanted.marker.evaluate({"extra": "lab"})
        what = f"{name} is missing (wanted {wanted.specifier})"
        try:
            version = importlib.metadata.version(name)
            what = f"{name} {version} (wanted {wanted.specifier})"
            well = wanted.specifier.contains(version, prereleases=True)
            if well and for_students:
                importlib.import_module(MODULES.get(name, name.replace("-", "_")))
            yield well, what, SET_UP
        except importlib.metadata.PackageNotFoundError:
            if for_students:
                yield False, what, SET_UP
        except Exception as error:  # a broken package can raise anything
            todo = f"pip install --force-reinstall --no-deps {name}=={version}"
            yield False, f"{what} cannot be imported: {_first_line(error)}", todo


def lessons() -> Iterator[Fact]:
    """Where training runs, that the data of the lessons are whole, and that an ELBO rises."""
    import torch

    from vaelib import checkpoint, data, faces, models, training

    what = f"device: CPU, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        what = f"device: CUDA, {torch.cuda.get_device_name()}"
    yield True, what, ""

    x = faces.render(*torch.rand(2, 512, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    again = "git checkout data, or clone the project again"
    try:
        vae = checkpoint.load_vae(data.shipped("faces_vae.safetensors"))
        error = (x - vae.decoder.mean(vae.posterior(x).mu)).square().mean().sqrt().item()
        what = f"data: the shipped face VAE opens, and reconstructs to {error:.3f} grey value"
        yield error < 0.1, what, again
    except Exception as trouble:
        yield False, f"data: the shipped face VAE does not open: {_first_line(trouble)}", again
    try:
        what = 'data: no MNIST, which some cells use: vaelib.data.load("mnist", download=True)'
        if any(data.cache_folder().rglob("*-ubyte*")):
            what = f"data: MNIST is genuine, {len(data.load('mnist').train):,} training images"
        yield True, what, ""
    except Exception as trouble:
        yield False, f"data: MNIST is not whole: {_first_line(trouble)}", "what that line says"

    vae = models.dense((32, 32), 2, hidden=(64,))
    first, *_, last = training.fit(vae, x, epochs=10, progress=False).elbo
    what = f"training: in 10 epochs the ELBO goes from {first:.0f} to {last:.0f} nats"
    yield first < last < math.inf, what, SET_UP


def widgets() -> Iterator[Fact]:
    """Whether the page that JupyterLab serves and this kernel have the same widgets."""
    from vaelib.widgets.installation import facts

    yield from facts()


CHECKS = (packages, lessons, widgets)


def main() -> int:
    """Prints the facts; 0 if all is well, else 1."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a console that lacks a letter prints a ?
    good, bad = ("ok", "NO") if b"?" in "✓✗".encode(encoding, "replace") else "✓✗"
    count = 0
    for well, what, todo in _facts():
        count += not well
        print(f"{good} {what}" if well else f"{bad} {what}; what to do: {todo}", flush=True)
    print(f"Not well: {count} (see the lines with {bad})." if count else "All is well.")
    return int(count > 0)


def _facts() -> Iterator[Fact]:
    """All the facts, one after the other; a check that raises becomes a fact too."""
    for check in CHECKS:
        try:
            yield from check()
        except Exception as error:
            todo = f"mend the lines above first, then {SET_UP}"
            yield False, f"{check.__name__}: {_first_line(error)}", todo


def _first_line(error: Exception) -> str:
    """The kind of an error and the first line of its message."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()][:2])
