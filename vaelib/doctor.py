"""`python -m vaelib doctor`: one line per fact about this installation, ✓ or ✗ and what to do.

Only Python's own library is imported here at the top, so that a broken package becomes a line
instead of a traceback.
"""

import contextlib
import importlib
import importlib.metadata
import json
import math
import os
import platform
import re
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]  # of a clone; an installed wheel has no files there
MODULES = {"scikit-learn": "sklearn"}  # where the name to import is not the name to install
SET_UP = "make setup, or pip install -c requirements.lock -e .[lab,test]"


class Fact(NamedTuple):
    """One line: whether it is well, what was found, and what to do if it is not."""

    ok: bool
    what: str
    todo: str = ""


def python() -> Iterator[Fact]:
    """Python's version against the one the package asks for."""
    what = f"Python {platform.python_version()} in {sys.prefix}"
    yield Fact(sys.version_info >= (3, 11), what, "install Python 3.11 or newer, then make setup")


def packages() -> Iterator[Fact]:
    """Each package's version against the range wanted, and that it can be imported."""
    from packaging.requirements import Requirement

    locked = _lock()
    for requirement in map(Requirement, _requirements()):
        name = requirement.name
        wanted = requirement.specifier
        marker = requirement.marker
        for_students = marker is None or marker.evaluate({"extra": "lab"})
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if for_students:
                yield Fact(False, f"{name} is missing (wanted {wanted})", SET_UP)
            continue
        what = f"{name} {version} (wanted {wanted})"
        in_lock = locked.get(name.lower(), version)
        if version.split("+")[0] != in_lock:
            what += f"; the lock has {in_lock}"
        if not wanted.contains(version, prereleases=True):
            yield Fact(False, what, SET_UP)
            continue
        try:
            if for_students:
                importlib.import_module(MODULES.get(name, name.replace("-", "_")))
            yield Fact(True, what)
        except Exception as trouble:  # a broken package can raise anything
            todo = f"pip install --force-reinstall --no-deps {name}=={in_lock}"
            yield Fact(False, f"{what} cannot be imported: {_short(trouble)}", todo)


def device() -> Iterator[Fact]:
    """Where training will run."""
    import torch

    what = f"device: CPU, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        what = f"device: CUDA, {torch.cuda.get_device_name()}"
    elif torch.version.cuda:
        what += " (torch could use an NVIDIA card, and finds none or no driver)"
    yield Fact(True, what)


def data() -> Iterator[Fact]:
    """That the shipped model opens and draws faces, and that MNIST, if there, is genuine."""
    import torch

    from vaelib import checkpoint, faces
    from vaelib import data as datasets

    factors = torch.linspace(-1, 1, 64)
    x = faces.render(factors, factors.flip(0))
    well = x.shape == (64, 32, 32) and 0 <= x.min() and x.max() <= 1
    yield Fact(
        bool(well), "data: faces are drawn", "the files of vaelib are changed: clone it again"
    )

    again = "git checkout data, or clone the project again"
    try:
        vae = checkpoint.load_vae(datasets.shipped("faces_vae.safetensors"))
        with torch.no_grad():
            x_hat = vae.decoder.mean(vae.posterior(x).mu)
        error = float((x - x_hat).square().mean().sqrt())
        what = f"data: the shipped face VAE opens, and reconstructs to {error:.3f} grey value"
        yield Fact(error < 0.1, what, again)
    except Exception as trouble:  # whatever is wrong with the file is a line here
        yield Fact(False, f"data: the shipped face VAE does not open: {_short(trouble)}", again)

    folder = datasets.cache_folder()
    if not any(folder.rglob("*-ubyte*")):
        how = 'vaelib.data.load("mnist", download=True) fetches it'
        yield Fact(True, f"data: MNIST is not downloaded, and only some cells want it; {how}")
        return
    try:
        images = datasets.load("mnist").train
        yield Fact(True, f"data: MNIST is genuine, {len(images):,} training images in {folder}")
    except Exception as trouble:
        todo = f"delete {folder} and download it again"
        yield Fact(False, f"data: MNIST is not whole: {_short(trouble)}", todo)


def training() -> Iterator[Fact]:
    """A small VAE on a few faces for about a second: its ELBO must rise."""
    import torch

    from vaelib import faces, models
    from vaelib.training import fit

    expression, pose = torch.rand(2, 512, generator=torch.Generator().manual_seed(0)) * 2 - 1
    vae = models.dense((32, 32), 2, hidden=(64,))
    started = time.perf_counter()
    elbo = fit(vae, faces.render(expression, pose), epochs=10, progress=False).elbo
    seconds = time.perf_counter() - started
    what = f"training: {len(elbo)} epochs in {seconds:.1f} s, ELBO {elbo[0]:.0f} to {elbo[-1]:.0f}"
    well = math.isfinite(elbo[-1]) and elbo[-1] > elbo[0]
    yield Fact(well, what + " nats", "see the packages above; make setup after deleting .venv")


def widgets() -> Iterator[Fact]:
    """Whether the page that JupyterLab serves and this kernel have the same widgets."""
    prefix = jupyter_prefix()
    pip = f"{prefix / 'bin' / 'python'} -m pip install --force-reinstall --no-deps"
    for package, folder in (
        ("jupyterlab_widgets", "@jupyter-widgets/jupyterlab-manager"),
        ("anywidget", "anywidget"),
    ):
        kernel = importlib.metadata.version(package)
        todo = f"{pip} {package}=={kernel}, then start JupyterLab again"
        page = prefix / "share" / "jupyter" / "labextensions" / folder / "package.json"
        if not page.is_file():
            yield Fact(False, f"widgets: {package}'s part for the page is missing: {page}", todo)
            continue
        served = str(json.loads(page.read_text(encoding="utf-8"))["version"])
        # jupyterlab_widgets 3 has version 5 as its part for the page; anywidget numbers both alike.
        wanted = "5." if package == "jupyterlab_widgets" else kernel.rpartition(".")[0] + "."
        what = f"widgets: {package} {kernel} in the kernel, {served} in the page"
        yield Fact(served.startswith(wanted), what, todo)
    lab = importlib.metadata.version("jupyterlab")
    kernel_file = Path(sys.prefix, "share", "jupyter", "kernels", "python3", "kernel.json")
    what = f"widgets: JupyterLab {lab} in {prefix}, with this Python as a kernel"
    yield Fact(kernel_file.is_file(), what, f"{sys.executable} -m ipykernel install --sys-prefix")


CHECKS = (python, packages, device, data, training, widgets)


def facts() -> Iterator[Fact]:
    """All the facts, one after the other; a check that raises becomes a fact too."""
    for check in CHECKS:
        try:
            yield from check()
        except Exception as trouble:
            todo = "mend the lines above first, then " + SET_UP
            yield Fact(False, f"{check.__name__}: {_short(trouble)}", todo)


def main() -> int:
    """Prints the facts; 0 if all is well, else 1."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a console that lacks a letter prints a ?
    has_ticks = "✓✗".encode(encoding, "ignore").decode(encoding) == "✓✗"
    good, bad = "✓✗" if has_ticks else ("ok", "NO")
    count = 0
    for fact in facts():
        count += not fact.ok
        todo = f"; what to do: {fact.todo}" if not fact.ok and fact.todo else ""
        print(f"{good if fact.ok else bad} {fact.what}{todo}", flush=True)
    print(f"Not well: {count} (see the lines with {bad})." if count else "All is well.")
    return int(count > 0)


def jupyter_prefix() -> Path:
    """Where the Jupyter that shows the widgets is installed: the one that started us, else ours."""
    with contextlib.suppress(Exception):  # no such process, not ours to look at, no psutil
        import psutil

        server = psutil.Process(int(os.environ["JPY_PARENT_PID"]))
        program = Path(server.cwd(), server.cmdline()[0])
        if program.name.startswith("python"):
            return program.parent.parent
    importlib.import_module("jupyterlab")
    return Path(sys.prefix)


def _requirements() -> list[str]:
    """What the package asks for, extras included: from its metadata, else from the clone's file."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        if found := importlib.metadata.requires("vaelib"):
            return found
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].items()
    optional = [f"{line}; extra == '{extra}'" for extra, lines in extras for line in lines]
    return project["dependencies"] + optional


def _lock() -> dict[str, str]:
    """The exact versions of the class, where the lock is at hand."""
    path = ROOT / "requirements.lock"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return dict(re.findall(r"^([\w.-]+)\s*==\s*([^\s;]+)", text, re.MULTILINE))


def _short(trouble: Exception) -> str:
    """The first line of an error, with its kind."""
    lines = str(trouble).strip().splitlines()
    return f"{type(trouble).__name__}: {lines[0]}" if lines else type(trouble).__name__
