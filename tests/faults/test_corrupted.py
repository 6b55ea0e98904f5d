"""Checkpoints that are cut, changed or something else: refused by name, and nothing in them run."""

import pickle
import random
import re
import shutil
import zipfile

import pytest
import torch
from oracles import equal_weights
from small_runs import images, small

from vaelib import checkpoint, cli
from vaelib.checkpoint import CheckpointError, load_vae
from vaelib.training import fit

pytestmark = pytest.mark.refuses


@pytest.fixture
def kept(tmp_path):
    """The file of a finished run, in a folder with spaces and letters beyond ASCII."""
    path = tmp_path / "mein Modell – größer ✓" / checkpoint.NAME
    fit(small(), images(), epochs=1, checkpoint=path, progress=False)
    return path


def damaged(path):
    return pytest.raises(CheckpointError, match=re.escape(str(path)))


def test_cut_at_fifty_lengths(kept):
    content = kept.read_bytes()
    for length in random.Random(1).sample(range(len(content)), 50):
        kept.write_bytes(content[:length])
        with damaged(kept):
            load_vae(kept)
        with damaged(kept):
            fit(small(), images(), epochs=2, checkpoint=kept, progress=False)
        assert len(kept.read_bytes()) == length


def test_two_hundred_flipped_bits(kept):
    content = kept.read_bytes()
    good = load_vae(kept)
    header = 8 + int.from_bytes(content[:8], "little")
    draw = random.Random(2)
    places = [draw.randrange(8 * header) for _ in range(100)]
    places += [draw.randrange(8 * header, 8 * len(content)) for _ in range(100)]
    silent = []
    for place in places:
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        kept.write_bytes(changed)
        try:
            loaded = load_vae(kept)
        except CheckpointError as error:
            assert str(kept) in str(error)
        else:
            # A bit of the checksum's own name does no harm.
            if place >= 8 * header or not equal_weights(loaded, good):
                silent.append(place)
    assert not silent


class Payload:
    """What `torch.save` and `pickle` write of it makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def replaced(kind, path, marker):
    """Put something else at the checkpoint's place."""
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "html":
        path.write_text("<!DOCTYPE html>\n<html><body>Please log in to the hotel's network</body>")
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("weights.txt", "0.5 " * 1000)
    elif kind == "torch.save":
        torch.save({"model": Payload(marker)}, path)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Payload(marker)))
    elif kind == "older torch.save":
        torch.save({"model": Payload(marker)}, path, _use_new_zipfile_serialization=False)
    elif kind == "header of gigabytes":
        path.write_bytes((2**40).to_bytes(8, "little") + b"{}" * 100)
    elif kind == "empty":
        path.touch()


KINDS = ("folder", "html", "zip", "torch.save", "older torch.save", "pickle")
KINDS += ("header of gigabytes", "empty")


@pytest.mark.parametrize("kind", KINDS)
def test_something_else_in_its_place(kept, kind, tmp_path, capsys):
    marker = tmp_path / "the payload was run"
    replaced(kind, kept, marker)
    with damaged(kept):
        load_vae(kept)
    with damaged(kept):
        load_vae(kept.parent)
    assert cli.main(["evaluate", str(kept.parent)]) == 2
    said = capsys.readouterr().err
    assert str(kept) in said and said.count("\n") == 1
    if kind != "folder":  # a run's folder may be empty at first
        with damaged(kept):
            fit(small(), images(), epochs=2, checkpoint=kept, progress=False)
    assert not marker.exists()


def test_a_good_file_under_another_name_is_good(kept, tmp_path):
    good = load_vae(kept)
    shutil.copy(kept, tmp_path / "Kopie von Netz №1.bin")
    assert equal_weights(load_vae(tmp_path / "Kopie von Netz №1.bin"), good)
