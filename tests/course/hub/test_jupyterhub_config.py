"""What a hub is told: it loads, each setting of a student's server exists, and the memory suffices.

Whether JupyterHub itself knows the rest is tried with a JupyterHub in tests/torture.
"""

import re
from pathlib import Path

import pytest
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets.config.loader import Config, KVArgParseConfigLoader, PyFileConfigLoader

ROOT = Path(__file__).resolve().parents[3]
SPAWNER = PyFileConfigLoader(str(ROOT / "course/hub/jupyterhub_config.py")).load_config().Spawner
TOLD = KVArgParseConfigLoader(SPAWNER.args).load_config()
# A name that the command line has for a class, and the class that a server of today makes of it.
CLASSES = {"MappingKernelManager": AsyncMappingKernelManager, "ServerApp": ServerApp}


def mib(text: str) -> float:
    return float(text.removesuffix("G")) * 1024


def measured(pattern: str) -> float:
    """A number of benchmarks/scaling.md."""
    page = (ROOT / "benchmarks" / "scaling.md").read_text()
    return float(re.search(pattern, page)[1])


def test_a_students_server_knows_what_it_is_told():
    assert set(TOLD) == set(CLASSES)
    for name, kind in CLASSES.items():
        known = kind.class_traits()
        for trait, value in TOLD[name].items():
            assert trait in known, f"{name} has no {trait}"
            value.get_value(known[trait])  # raises where the value does not fit


def test_idle_kernels_are_shut_down_but_not_busy_ones():
    manager = AsyncMappingKernelManager(config=Config(TOLD))
    assert manager.cull_idle_timeout == 3600
    assert manager.cull_connected and not manager.cull_busy
    assert manager.cull_interval < manager.cull_idle_timeout


def test_two_lessons_fit_into_the_memory_of_one_student():
    server = measured(r"a JupyterLab server \| (\d+) \|")
    peak = measured(r"\| 20 \| \d+ \| \d+ \| \d+ \| (\d+) \| [\d.]+ \| \d+ \| \d+ / ")
    kept = measured(r"a kernel after its lesson, at most \| (\d+) \|")
    assert server + 2 * peak < mib(SPAWNER.mem_limit) < server + 3 * peak
    assert server + kept < mib(SPAWNER.mem_guarantee)


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_threads_are_set_as_text(name):
    assert isinstance(SPAWNER.environment[name], str)
