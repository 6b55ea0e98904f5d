"""Two processes under torchrun give the curve and the weights of one with the same global batch."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from oracles import training_loop
from safetensors.torch import load_file
from torchrun_script import CASES, OPTIONS, images, make

import vaelib
from vaelib.__main__ import main
from vaelib.training import fit

HOME = Path(vaelib.__file__).parents[1]
CURVES = ("elbo", "reconstruction", "kl")


def torchrun(*words: str) -> subprocess.CompletedProcess:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launch += ["--master-addr", "127.0.0.1", "--master-port", port]
    environment = {**os.environ, "PYTHONPATH": str(HOME), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *launch, *words],
        **{"env": environment, "capture_output": True, "text": True, "timeout": 240},
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two processes found: their folder, and the results of both."""
    out = tmp_path_factory.mktemp("two")
    vae, seen = make("dense"), []

    def stop_at_8(*_):
        seen.append(1)
        if len(seen) == 8:
            signal.raise_signal(signal.SIGINT)

    vae.decoder.register_forward_hook(stop_at_8)
    stopped = fit(vae, images(37), batch_size=8, checkpoint=out / "stopped", **OPTIONS)
    assert stopped.interrupted and stopped.steps == 8  # in the second epoch
    done = torchrun(str(Path(__file__).with_name("torchrun_script.py")), str(out))
    assert done.returncode == 0, done.stderr[-4000:]
    return out, [json.loads((out / f"result.{rank}.json").read_text()) for rank in (0, 1)]


def same_as_one(two, name: str, kind: str, count: int, options: dict) -> None:
    out, results = two
    vae = make(kind)
    history = fit(vae, images(count), **OPTIONS, **options)
    for result in results:
        assert result[name]["steps"] == history.steps
        for curve in (*CURVES, "beta"):
            assert result[name][curve] == pytest.approx(getattr(history, curve), rel=1e-5), curve
    both = [load_file(out / f"{name}.{rank}") for rank in (0, 1)]
    for key, t in vae.state_dict().items():
        assert torch.equal(both[0][key], both[1][key]), "the processes have different weights"
        torch.testing.assert_close(both[0][key], t, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_two_processes_are_one(two, name):
    same_as_one(two, name, *CASES[name])


@pytest.mark.parametrize("name", ["longer", "after one"])
def test_a_run_kept_is_gone_on_with_by_two(two, name):
    same_as_one(two, name, "dense", 37, {"batch_size": 8})


def test_one_process_is_the_loop_written_out():
    """So that two equal to one says that two are right."""
    vae, by_hand = make("dense"), make("dense")
    history = fit(vae, images(33), batch_size=8, **OPTIONS)
    means = training_loop(by_hand, images(33), 3, 8, lr=1e-3, beta=1.0, seed=4)
    assert history.kl == pytest.approx(means[:, 1].tolist(), rel=1e-6)


def test_only_the_first_process_reports_and_both_refuse(two):
    _, results = two
    assert [result["calls"] for result in results] == [[1, 2, 3], []]
    assert all("finite number" in result["refusal"] for result in results)


def test_the_command_line_under_torchrun(tmp_path, capsys):
    words = ["train", "--data", "faces", "--epochs", "2", "--batch-size", "300"]
    words += ["--seed", "3", "--device", "cpu"]
    done = torchrun("-m", "vaelib", *words, "--quiet", "--out", str(tmp_path / "two"))
    assert done.returncode == 0, done.stderr[-4000:]
    assert main([*words, "--quiet", "--out", str(tmp_path / "one")]) == 0
    one, two = (
        json.loads((tmp_path / name / "run.json").read_text())["history"] for name in ("one", "two")
    )
    for curve in CURVES:
        assert two[curve] == pytest.approx(one[curve], rel=1e-5), curve
    assert two["steps"] == one["steps"] and len(two["elbo"]) == 2
    said = [line.split() for line in done.stdout.splitlines() if line.startswith("ELBO")]
    here = [line.split() for line in capsys.readouterr().out.splitlines() if line[:4] == "ELBO"]
    assert len(said) == len(here) == 1, "it is said once, not once a process"
    assert float(said[0][1]) == pytest.approx(float(here[0][1]), rel=1e-4)
