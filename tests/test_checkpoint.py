"""Files that are whole or not there, and a clear word about each that is not what it should be."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from inputs import HOME
from oracles import equal_weights
from safetensors.torch import save_file
from torch import nn

from vaelib import checkpoint, models
from vaelib.checkpoint import CheckpointError, load_vae, save
from vaelib.models import GaussianDecoder, GaussianEncoder

pytestmark = pytest.mark.refuses


def model(seed: int = 0, **options) -> models.VAE:
    return models.dense((4, 4), 2, hidden=(8,), seed=seed, **options)


@pytest.fixture
def kept(tmp_path) -> Path:
    """A good file."""
    path = tmp_path / "vae.safetensors"
    save(path, model(seed=3), note="kept")
    return path


@pytest.mark.parametrize(
    "vae",
    [
        model(seed=3),
        model(seed=3, likelihood="bernoulli", activation="tanh"),
        model(seed=3, learn_sigma_x=True, sigma_x=0.7),
        models.dense((5,), 1, hidden=(), seed=3),
        models.conv((3, 8, 8), 2, channels=(4,), hidden=8, seed=3),
        model(seed=3).double(),
    ],
    ids=["gaussian", "bernoulli", "learnt-sigma", "linear", "conv", "float64"],
)
def test_what_is_saved_is_loaded_bit_for_bit(vae, tmp_path):
    with torch.no_grad():
        for p in vae.parameters():
            p += 1 / 3  # so that building the config again is not enough
    path = tmp_path / "deep" / "er" / "vae.safetensors"
    save(path, vae)
    again = load_vae(path)
    assert equal_weights(again, vae)
    assert again.config == vae.config and repr(again) == repr(vae) and again.dtype == vae.dtype
    assert [p.name for p in path.parent.iterdir()] == [path.name], "something else was left there"


def test_the_file_is_safetensors_with_json_and_no_pickle(kept):
    content = kept.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    info = json.loads(header["__metadata__"]["json"])
    assert info == {"config": model(seed=3).config, "note": "kept"}
    tensors = {name for name in header if name != "__metadata__"}
    assert tensors == {f"model.{name}" for name in model().state_dict()}


def test_a_runs_folder_is_as_good_as_its_file(tmp_path):
    save(tmp_path / checkpoint.NAME, model(seed=5))
    assert equal_weights(load_vae(tmp_path), model(seed=5))
    assert equal_weights(load_vae(str(tmp_path)), model(seed=5))


def test_half_precision_is_half_the_size_and_close(tmp_path):
    """As data/make_faces_vae.py writes it."""
    vae = models.dense((16, 16), 4, sigma_x=0.12)
    save(tmp_path / "full", vae)
    weights = vae.state_dict(prefix="model.").items()
    half = {name: t.half() if t.ndim else t for name, t in weights}
    checkpoint.write(tmp_path / "half", half, {"config": vae.config})
    full, half = ((tmp_path / name).stat().st_size for name in ("full", "half"))
    assert half < 0.52 * full
    again = load_vae(tmp_path / "half")
    assert again.dtype == torch.float32
    for name, t in vae.state_dict().items():
        rounded = t.half().to(t.dtype) if t.ndim else t
        assert torch.equal(again.state_dict()[name], rounded), name
    assert again.decoder.sigma_x.item() == vae.decoder.sigma_x.item()


def test_a_second_save_replaces_the_first(kept):
    save(kept, model(seed=4))
    assert equal_weights(load_vae(kept), model(seed=4))


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_the_old_file_alone(kept, monkeypatch, step):
    def crash(*_):
        raise OSError(28, "No space left on device")

    before = kept.read_bytes()
    monkeypatch.setattr(os, step, crash)
    with pytest.raises(OSError, match=r"cannot write to .*No space left on device.*expected"):
        save(kept, model(seed=4))
    assert kept.read_bytes() == before
    assert list(kept.parent.iterdir()) == [kept], "a temporary file was left behind"


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_while_writing_leaves_the_old_file_alone(kept, monkeypatch, error):
    def crash(*_):
        raise error

    before = kept.read_bytes()
    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(error):
        save(kept, model(seed=4))
    assert kept.read_bytes() == before and list(kept.parent.iterdir()) == [kept]


def test_killed_while_writing_the_old_file_is_still_good(kept):
    script = (
        "import os, signal, sys\n"
        "from vaelib import checkpoint, models\n"
        "os.fsync = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "checkpoint.save(sys.argv[1], models.dense((4, 4), 2, hidden=(8,), seed=9))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, kept], cwd=HOME, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert equal_weights(load_vae(kept), model(seed=3))
    (part,) = (path for path in kept.parent.iterdir() if path != kept)
    save(kept, model(seed=4))
    assert (part / kept.name).exists(), "it might be another process's, which is still writing"
    two_days_ago = time.time() - 2 * 86400
    os.utime(part, (two_days_ago, two_days_ago))
    save(kept, model(seed=4))
    assert list(kept.parent.iterdir()) == [kept], "the next one clears it away"


def test_two_who_save_to_one_path_do_not_disturb_each_other(kept):
    """The other one begins and ends between the first one's writing and its rename."""

    def fsync(number):
        os.fsync = original
        save(kept, model(seed=4))
        return original(number)

    original = os.fsync
    os.fsync = fsync
    try:
        save(kept, model(seed=5))
    finally:
        os.fsync = original
    assert equal_weights(load_vae(kept), model(seed=5))
    assert list(kept.parent.iterdir()) == [kept]


def test_a_changed_bit_is_noticed(kept):
    """One in each fifth byte; safetensors itself notices none of those among the weights."""
    content = kept.read_bytes()
    for i in range(0, len(content), 5):
        changed = bytearray(content)
        changed[i] ^= 1 << i % 8
        kept.write_bytes(changed)
        with pytest.raises(CheckpointError, match=re.escape(str(kept))):
            load_vae(kept)


def test_a_file_without_a_checksum_is_opened(kept):
    """As those of the first edition are, with the faces' model among them."""
    tensors, info = checkpoint.read(kept)
    save_file(tensors, kept, {"format": "vaelib", "json": json.dumps(info)})
    assert equal_weights(load_vae(kept), model(seed=3))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(kept, bad):
    vae, before = model(), kept.read_bytes()
    with torch.no_grad():
        vae.decoder.body[0].bias[3] = bad
    fault = r"decoder\.body\.0\.bias holds 1 weights that are NaN or infinite"
    with pytest.raises(ValueError, match=fault):
        save(kept, vae)
    assert kept.read_bytes() == before
    tensors = {f"model.{name}": t for name, t in vae.state_dict().items()}
    info = {"config": vae.config}
    save_file(tensors, kept, {"format": "vaelib", "json": json.dumps(info)})
    with pytest.raises(CheckpointError, match=fault):
        load_vae(kept)


@pytest.mark.parametrize("double", [False, True])
def test_the_default_dtype_does_not_matter(tmp_path, double):
    vae = model(seed=3).double() if double else model(seed=3)
    save(tmp_path / "vae", vae)
    torch.set_default_dtype(torch.float64)
    try:
        assert equal_weights(load_vae(tmp_path / "vae"), vae)
    finally:
        torch.set_default_dtype(torch.float32)


def test_truncated_anywhere(kept):
    content = kept.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    for length in (0, 1, 7, 8, 9, header // 2, header, header + 1, len(content) - 1):
        kept.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=re.escape(str(kept)) + " is no whole checkpoint"):
            load_vae(kept)


@pytest.mark.parametrize(
    "content",
    [b"\x00" * 4096, b"\xff" * 4096, b"PK\x03\x04 a pickle of somebody's", b'{"json": 1}' * 99],
    ids=["zeros", "ones", "zip", "json"],
)
def test_garbage(kept, content):
    kept.write_bytes(content)
    with pytest.raises(CheckpointError, match=re.escape(str(kept))):
        load_vae(kept)


def test_somebody_elses_safetensors(kept):
    save_file({"weight": torch.zeros(3)}, kept)
    with pytest.raises(CheckpointError, match="a safetensors file, but not one of vaelib"):
        load_vae(kept)
    save_file({"weight": torch.zeros(3)}, kept, {"format": "pt"})
    with pytest.raises(CheckpointError, match="a safetensors file, but not one of vaelib"):
        load_vae(kept)


@pytest.mark.parametrize(
    "info",
    ["", "{", "[]", "null", "{}", '{"config": 3}', '{"config": {"maker": "lstm"}}']
    + ['{"config": {"maker": "dense"}}', '{"config": {"maker": []}}'],
)
def test_a_header_that_says_nothing_of_use(kept, info):
    tensors, _ = checkpoint.read(kept)
    save_file(tensors, kept, {"format": "vaelib", "json": info})
    with pytest.raises(CheckpointError, match=re.escape(str(kept))):
        load_vae(kept)


def test_a_header_without_json(kept):
    tensors, _ = checkpoint.read(kept)
    save_file(tensors, kept, {"format": "vaelib"})
    with pytest.raises(CheckpointError, match="header"):
        load_vae(kept)


def test_weights_that_do_not_fit_the_config(kept):
    tensors, info = checkpoint.read(kept)
    checkpoint.write(kept, tensors, info | {"config": info["config"] | {"latent_dim": 5}})
    with pytest.raises(CheckpointError) as error:
        load_vae(kept)
    fault = "it has [('decoder.body.0.weight', 8, 2), "
    assert fault in str(error.value) and "not [('decoder.body.0.weight', 8, 5), " in str(
        error.value
    )
    some = {name: t for name, t in tensors.items() if "log_sigma.bias" not in name}
    checkpoint.write(kept, some, info)
    fault = r"it has \[\], not \[\('encoder\.log_sigma\.bias', 2\)\]"
    with pytest.raises(CheckpointError, match=fault):
        load_vae(kept)
    checkpoint.write(kept, tensors | {"model.decoder.extra": torch.zeros(1)}, info)
    with pytest.raises(CheckpointError, match=r"it has \[\('decoder\.extra', 1\)\], not \[\]"):
        load_vae(kept)


def test_missing(tmp_path):
    with pytest.raises(CheckpointError, match=r"no checkpoint .*gone\.safetensors"):
        load_vae(tmp_path / "gone.safetensors")
    with pytest.raises(CheckpointError, match=re.escape(str(tmp_path / checkpoint.NAME))):
        load_vae(tmp_path)  # a folder without one


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match=r"cannot write to .*file .*expected"):
        save(tmp_path / "file" / "vae.safetensors", model())
    with pytest.raises(OSError, match="cannot write"):
        save(tmp_path, model())  # a folder stands in its place
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_read_only_file_system(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(checkpoint.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(OSError, match=r"cannot write to .*Read-only file system.*expected"):
        save(tmp_path / "vae.safetensors", model())


def test_a_vae_made_by_hand_says_how_it_is_loaded(tmp_path):
    def by_hand(seed):
        torch.manual_seed(seed)
        encoder = GaussianEncoder(nn.Flatten(), 4, 2)
        return models.VAE(encoder, GaussianDecoder(nn.Linear(2, 4), (2, 2)))

    with torch.random.fork_rng(devices=[]):
        vae, other = by_hand(1), by_hand(2)
    save(tmp_path / "own", vae)
    with pytest.raises(CheckpointError, match="load_weights"):
        load_vae(tmp_path / "own")
    tensors, _ = checkpoint.read(tmp_path / "own")
    assert not equal_weights(vae, other)
    checkpoint.load_weights(other, tensors, "own")
    assert equal_weights(vae, other)
    with pytest.raises(CheckpointError, match="own is for another model"):
        checkpoint.load_weights(model(), tensors, "own")


def test_loading_leaves_the_global_generator_alone(kept):
    before = torch.get_rng_state()
    load_vae(kept)
    assert torch.equal(torch.get_rng_state(), before)
