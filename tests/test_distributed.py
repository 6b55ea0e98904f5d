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
from vaelib.cli import main
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


def stopped_after(steps: int, path: Path) -> None:
    """Leave a run of one process there that Ctrl-C stopped after so many steps."""
    vae, seen = make("dense"), []

    def stop(*_):
        seen.append(1)
        if len(seen) == steps:
            signal.raise_signal(signal.SIGINT)

    vae.decoder.register_forward_hook(stop)
    history = fit(vae, images(37), batch_size=8, checkpoint=path, **OPTIONS)
    assert history.interrupted and history.steps == steps


def test_two_processes_are_one(tmp_path):
    """All cases after one start of the processes, which costs more than they do."""
    stopped_after(8, tmp_path / "stopped")  # in the second epoch of three
    done = torchrun(str(Path(__file__).with_name("torchrun_script.py")), str(tmp_path))
    assert done.returncode == 0, done.stderr[-4000:]
    results = [json.loads((tmp_path / f"result.{rank}.json").read_text()) for rank in (0, 1)]

    gone_on = {name: ("dense", 37, {"batch_size": 8}) for name in ("longer", "after one")}
    for name, (kind, count, options) in (CASES | gone_on).items():
        vae = make(kind)
        history = fit(vae, images(count), **OPTIONS, **options)
        for result in results:
            assert result[name]["steps"] == history.steps, name
            for curve in (*CURVES, "beta"):
                one, two = getattr(history, curve), result[name][curve]
                assert two == pytest.approx(one, rel=1e-5), (name, curve)
        weights = [load_file(tmp_path / f"{name}.{rank}") for rank in (0, 1)]
        for key, t in vae.state_dict().items():
            assert torch.equal(weights[0][key], weights[1][key]), f"{name}: two models, not one"
            torch.testing.assert_close(weights[0][key], t, rtol=1e-3, atol=2e-5, msg=name)

    assert [result["calls"] for result in results] == [[1, 2, 3], []], "the first alone reports"
    assert all("NaN or infinite at step" in result["refusal"] for result in results), "both refuse"


def test_one_process_is_the_loop_written_out():
    """So that two equal to one says that two are right."""
    vae, by_hand = make("dense"), make("dense")
    history = fit(vae, images(33), batch_size=8, **OPTIONS)
    means = training_loop(by_hand, images(33), 3, 8, lr=1e-3, beta=1.0, seed=4)
    assert history.kl == pytest.approx(means[:, 1].tolist(), rel=1e-6)


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
