"""Stop is pressed while a package is imported."""

import os
import signal
import sys
import time

import pytest

from vaelib.startup import whole_imports

PRESSED = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.01)\n"
WHOLE = PRESSED + "import {name}.inner\nwhole = True\n"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends itself a signal")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages, in a process that has a notebook's shell."""
    monkeypatch.setattr(whole_imports, "INSTALLED", (str(tmp_path / "site"),))
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    for folder in ("site", "mine"):
        monkeypatch.syspath_prepend(tmp_path / folder)
        name = f"{folder}_package"
        (tmp_path / folder / name).mkdir(parents=True)
        (tmp_path / folder / name / "__init__.py").write_text(WHOLE.format(name=name))
        (tmp_path / folder / name / "inner.py").write_text(PRESSED)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr("IPython.get_ipython", object)
    whole_imports.import_whole()
    yield
    signal.signal(signal.SIGINT, before)
    for name in [name for name in sys.modules if name.split(".")[0].endswith("e_package")]:
        del sys.modules[name]


def test_a_package_is_imported_whole_and_then_the_cell_stops(site):
    with pytest.raises(KeyboardInterrupt):
        import site_package  # noqa: F401

        time.sleep(5)
    assert sys.modules["site_package"].whole
    assert sys.modules["site_package.inner"]
    time.sleep(2 * whole_imports.SOON)  # once: two presses in one import are one


def test_a_module_of_ones_own_stops_at_once(site):
    with pytest.raises(KeyboardInterrupt):
        import mine_package  # noqa: F401
    assert "mine_package" not in sys.modules


def test_it_is_there_once_and_only_with_a_shell(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    before = len(sys.meta_path)
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    whole_imports.import_whole()
    assert len(sys.meta_path) == before
    monkeypatch.setattr("IPython.get_ipython", object)
    whole_imports.import_whole()
    whole_imports.import_whole()
    assert len(sys.meta_path) == before + 1
