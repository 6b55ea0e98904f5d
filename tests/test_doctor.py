"""The doctor says what is wrong in one line each, and never falls over what it examines."""

import importlib
import importlib.metadata
import io
import os
import subprocess
import sys

import pytest

from vaelib import doctor
from vaelib.widgets import installation


def lines(capsys) -> tuple[int, list[str]]:
    code = doctor.main()
    return code, capsys.readouterr().out.splitlines()


def only(monkeypatch, *checks):
    monkeypatch.setattr(doctor, "CHECKS", checks)


def test_all_is_well_here(capsys):
    code, said = lines(capsys)
    assert [line for line in said if line.startswith("✗")] == []
    assert code == 0
    assert said[-1] == "All is well."
    for word in (
        "Python 3",
        "torch 2",
        "jupyterlab 4",
        "device:",
        "data:",
        "training:",
        "widgets:",
    ):
        assert any(line.startswith(f"✓ {word}") for line in said), word


def test_a_missing_package(capsys, monkeypatch):
    genuine = importlib.metadata.version

    def version(name):
        if name in ("anywidget", "ruff"):
            raise importlib.metadata.PackageNotFoundError(name)
        return genuine(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    only(monkeypatch, doctor.packages)
    code, said = lines(capsys)
    assert code == 1
    (line,) = [line for line in said if line.startswith("✗")]
    # ruff is only needed for the tests, and a student does without it.
    assert line.startswith("✗ anywidget is missing") and "make setup" in line
    assert not any("ruff" in line for line in said)


@pytest.mark.parametrize(("version", "well"), [("1.0.0", False), ("9999", True), ("2.9rc1", True)])
def test_a_version_outside_the_range(capsys, monkeypatch, version, well):
    genuine = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: version if name == "numpy" else genuine(name)
    )
    only(monkeypatch, doctor.packages)
    code, said = lines(capsys)
    (line,) = [line for line in said if " numpy " in line]
    assert line.startswith(f"{'✓' if well else '✗'} numpy {version} (wanted >=2.0)")
    assert code == (not well)


def test_a_package_that_cannot_be_imported(capsys, monkeypatch):
    genuine = importlib.import_module

    def broken(name, *rest):
        if name == "matplotlib":
            raise OSError("DLL load failed\nand more that nobody reads")
        return genuine(name, *rest)

    monkeypatch.setattr(importlib, "import_module", broken)
    only(monkeypatch, doctor.packages)
    code, said = lines(capsys)
    (line,) = [line for line in said if line.startswith("✗")]
    assert "cannot be imported: OSError: DLL load failed; what to do: " in line
    assert "pip install --force-reinstall --no-deps matplotlib" in line
    assert code == 1


@pytest.mark.parametrize("missing", ["torch", "packaging", "numpy"])
def test_lines_instead_of_a_traceback_when_it_matters_most(tmp_path, missing):
    (tmp_path / f"{missing}.py").write_text(f"raise ImportError('{missing} is broken')")
    run = subprocess.run(
        [sys.executable, "-m", "vaelib", "doctor"],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        cwd=tmp_path,
    )
    assert run.returncode == 1
    assert "Traceback" not in run.stdout + run.stderr
    assert "✗" in run.stdout and f"{missing} is broken" in run.stdout
    assert run.stdout.splitlines()[-1].startswith("Not well: ")


def test_a_damaged_model_and_damaged_mnist(capsys, monkeypatch, tmp_path):
    from vaelib import data

    bad, genuine = tmp_path / "faces_vae.safetensors", data.shipped
    bad.write_bytes(b"\0" * 100)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"not these")
    monkeypatch.setattr(data, "shipped", lambda name: bad)
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    only(monkeypatch, doctor.lessons)
    code, said = lines(capsys)
    (wrong,) = (line for line in said if line.startswith("✗"))
    assert code == 1 and str(bad) in wrong and "git checkout data" in wrong
    monkeypatch.setattr(data, "shipped", genuine)
    code, said = lines(capsys)
    (wrong,) = (line for line in said if line.startswith("✗"))
    assert code == 1 and "is damaged" in wrong and str(tmp_path) in wrong


def test_no_mnist_is_well(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    only(monkeypatch, doctor.lessons)
    code, said = lines(capsys)
    assert code == 0
    assert any(line.startswith("✓ data: no MNIST") for line in said)


def test_widgets_of_another_prefix(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(installation, "jupyter_prefix", lambda: tmp_path)
    only(monkeypatch, doctor.widgets)
    code, said = lines(capsys)
    assert code == 1
    wrong = [line for line in said if line.startswith("✗")]
    assert len(wrong) == 2 and all(str(tmp_path) in line for line in wrong)


def test_widgets_of_another_version(capsys, monkeypatch, tmp_path):
    for folder, version in (
        ("@jupyter-widgets/jupyterlab-manager", "3.1.0"),
        ("anywidget", "0.1.0"),
    ):
        page = tmp_path / "share" / "jupyter" / "labextensions" / folder
        page.mkdir(parents=True)
        (page / "package.json").write_text(f'{{"version": "{version}"}}')
    monkeypatch.setattr(installation, "jupyter_prefix", lambda: tmp_path)
    only(monkeypatch, doctor.widgets)
    code, said = lines(capsys)
    assert code == 1
    assert len([line for line in said if line.startswith("✗ widgets: ")]) == 2


def test_a_console_without_ticks(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp437")
    monkeypatch.setattr(sys, "stdout", console)
    only(monkeypatch, lambda: iter([(True, "σ", ""), (False, "ж", "x")]))
    assert doctor.main() == 1
    console.seek(0)
    assert console.read().splitlines() == [
        "✓ σ",
        "✗ ж; what to do: x",
        "Not well: 1 (see the lines with ✗).",
    ]


def test_the_clone_that_was_never_installed(capsys, monkeypatch):
    def requires(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    only(monkeypatch, doctor.packages)
    code, said = lines(capsys)
    assert code == 1
    assert said[0].startswith("✓ Python 3")
    assert "metadata" in said[1] and "vaelib" in said[1] and "make setup" in said[1]
