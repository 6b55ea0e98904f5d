"""`make lab`: the address that it prints answers, and a port that is taken is said to be."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[1] / "tools" / "lab.py"


def lab(port: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, LAB],
        env=os.environ | {"PORT": port},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = lab(str(port))
    assert run.returncode == 1
    assert run.stderr.startswith(f"✗ Port {port} is taken by another program")
    assert f"make lab PORT={port + 1}" in run.stderr


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1"])
def test_no_port_at_all(port):
    run = lab(port)
    assert run.returncode == 1
    assert run.stderr.startswith("✗ PORT is a number") and "PORT=8890" in run.stderr


@pytest.mark.skipif(os.name != "posix", reason="where a home is, other systems say otherwise")
def test_a_home_that_cannot_be_written(tmp_path):
    """A folder of the project serves; one that can be written stays as it is."""
    (tmp_path / "tools").mkdir()
    shutil.copy(LAB, tmp_path / "tools")
    program = "import lab, os; lab.find_home(); print(os.environ['HOME'])"

    def home(place: str) -> list[str]:
        command = [sys.executable, "-c", program]
        environment = os.environ | {"HOME": place, "PYTHONPATH": str(tmp_path / "tools")}
        return subprocess.check_output(command, env=environment, encoding="utf-8").splitlines()

    ours = str(tmp_path / ".venv" / "home")
    assert home(str(tmp_path)) == [str(tmp_path)]
    said, place = home("/proc/nothing")
    assert place == ours and Path(ours).is_dir()
    assert "/proc/nothing cannot be written" in said and ours in said


@pytest.mark.skipif(os.name != "posix", reason="make is for POSIX systems")
def test_the_address_printed_answers(tmp_path):
    environment = os.environ | {"CI": "true", "JUPYTER_CONFIG_DIR": str(tmp_path)}
    environment.pop("PORT", None)
    environment |= {"JUPYTER_RUNTIME_DIR": str(tmp_path), "JUPYTER_DATA_DIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, LAB], env=environment, stdout=subprocess.PIPE, encoding="utf-8"
    ) as server:
        try:
            assert server.stdout is not None
            said = iter(server.stdout.readline, "")
            address = next(line.strip() for line in said if line.strip().startswith("http"))
            assert re.search(r"localhost:\d+/lab/tree/notebooks/00_start_here\.ipynb\?", address)
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert b"<title>JupyterLab</title>" in answer.read()
        finally:
            server.send_signal(signal.SIGINT)  # one Ctrl-C is enough
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()  # else leaving this block would wait for ever
                raise
