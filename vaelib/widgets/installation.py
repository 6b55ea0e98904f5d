"""Do the page that JupyterLab serves and this kernel have the same widgets? For the doctor."""

import contextlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path


def facts() -> Iterator[tuple[bool, str, str]]:
    """Whether each is well, what was found, and what to do if it is not."""
    prefix = jupyter_prefix()
    parts = {"jupyterlab_widgets": "@jupyter-widgets/jupyterlab-manager", "anywidget": "anywidget"}
    for package, folder in parts.items():
        kernel = importlib.metadata.version(package)
        page = prefix / "share/jupyter/labextensions" / folder / "package.json"
        served = f"no {page}"
        if page.is_file():
            served = json.loads(page.read_text(encoding="utf-8"))["version"]
        # jupyterlab_widgets 3 has version 5 as its part for the page; anywidget numbers both alike.
        wanted = "5." if package == "jupyterlab_widgets" else kernel.rpartition(".")[0] + "."
        what = f"widgets: {package} {kernel} in the kernel, {served} in the page"
        pip = f"{prefix / 'bin' / 'python'} -m pip install --force-reinstall --no-deps"
        todo = f"{pip} {package}=={kernel}, then start JupyterLab again"
        yield served.startswith(wanted), what, todo
    lab = importlib.metadata.version("jupyterlab")
    what = f"widgets: JupyterLab {lab} in {prefix}, with this Python as a kernel"
    kernel_file = Path(sys.prefix, "share/jupyter/kernels/python3/kernel.json")
    yield kernel_file.is_file(), what, f"{sys.executable} -m ipykernel install --sys-prefix"


def jupyter_prefix() -> Path:
    """Where the Jupyter that shows the widgets is installed: the one that started us, else ours."""
    with contextlib.suppress(Exception):  # no such process, not ours to look at, no psutil
        import psutil

        server = psutil.Process(int(os.environ["JPY_PARENT_PID"]))
        program = Path(server.cwd(), server.cmdline()[0])
        if program.name.startswith("python"):
            return program.parent.parent
    return Path(sys.prefix)
