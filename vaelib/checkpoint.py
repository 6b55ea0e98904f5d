"""Models and interrupted runs on disk: safetensors files with JSON in their header, no pickle."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from vaelib.models import VAE, build, check_weights

NAME = "checkpoint.safetensors"  # of the file in a run's folder
FORMAT = "vaelib 2"
PREFIX = ".vaelib-"  # of folders with files that are not whole yet


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, not ours or for another model; the message says which."""


def save(path: str | Path, vae: VAE, **info: Any) -> None:
    """Write a VAE's weights, the config that builds it again, and `info` (JSON) to a file.

    Raises OSError where it cannot be written, ValueError for weights that are not finite.
    """
    write(path, dict(vae.state_dict(prefix="model.")), {"config": vae.config, **info})


def load_vae(path: str | Path) -> VAE:
    """The VAE of a file or of a run's folder, in float32 (float64 if it was saved so).

    Raises CheckpointError if missing, damaged, not ours, or made by hand (see `load_weights`).
    """
    tensors, info = read(path)
    try:
        vae = build(info.get("config", {}))
    except (ValueError, TypeError) as error:
        advice = "one that was made by hand is built first, then filled by load_weights"
        raise CheckpointError(f"{path} describes no VAE ({error}); {advice}") from None
    if tensors.get("model.encoder.mu.weight", torch.empty(0)).dtype == torch.float64:
        vae.double()
    load_weights(vae, tensors, str(path))
    return vae


def load_weights(vae: VAE, tensors: dict[str, Tensor], origin: str) -> None:
    """Copy the "model.…" tensors into the VAE. Raises CheckpointError if they do not fit it."""
    given = _weights(tensors)
    ours, theirs = ({(n, *t.shape) for n, t in w.items()} for w in (vae.state_dict(), given))
    if ours != theirs:
        missing, foreign = sorted(ours - theirs)[:3], sorted(theirs - ours)[:3]
        raise CheckpointError(f"{origin} is for another model: it has {foreign}, not {missing}")
    vae.load_state_dict(given)


def file_of_run(path: str | Path) -> Path:
    """The file of a run: `path`, or `NAME` in it if it is a folder or a new name without suffix."""
    file = Path(path)
    folder = file.is_dir() or str(path).endswith(("/", os.sep)) or not file.suffix
    return file / NAME if folder and not file.is_file() else file


def write(path: str | Path, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
    """Write tensors and JSON to one file. Raises OSError, or ValueError for NaN in the weights."""
    check_weights(_weights(tensors))
    text = json.dumps(info, allow_nan=False)
    on_cpu = {n: t.detach().cpu().contiguous() for n, t in tensors.items()}
    header = {"format": FORMAT, "json": text, "sha256": _checksum(on_cpu, text)}
    write_bytes(Path(path), safetensors.torch.save(on_cpu, header))


def write_bytes(path: Path, content: bytes) -> None:
    """Put a file with this content at its place, whole or not at all. Raises OSError."""
    with unfinished(path.parent) as folder:
        with open(folder / path.name, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, path)  # a rename happens wholly or not at all


@contextlib.contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """A new folder in `folder`, removed in the end, for files that are not whole yet.

    So are those that killed processes left a day ago; a younger one may be another process's.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):  # another process may remove it first
                if time.time() - old.stat().st_mtime > 86400:  # a day
                    shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=folder, prefix=PREFIX) as new:
            yield Path(new)
    except OSError as error:
        advice = "expected room and the right to write there (for data: set VAELIB_DATA)"
        raise OSError(f"cannot write to {folder} ({error.strerror or error}); {advice}") from error


def _weights(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}


def _checksum(tensors: dict[str, Tensor], text: str) -> str:
    """The SHA-256 of all that a file holds: safetensors itself does not notice a changed bit."""
    sha = hashlib.sha256(text.encode())
    for name, t in sorted(tensors.items()):
        sha.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        sha.update(t.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the JSON of a file or of a run's folder. Raises CheckpointError."""
    path = file_of_run(path)
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}; `vaelib train --out` makes one")
    try:
        with safetensors.safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if header.get("format") not in ("vaelib", FORMAT):
            raise ValueError("a safetensors file, but not one of vaelib")
        text = header.get("json", "")
        # Files of the format "vaelib", such as data/faces_vae.safetensors, have no checksum.
        if header["format"] == FORMAT and header.get("sha256") != _checksum(tensors, text):
            raise ValueError("its checksum is another one")
        info = json.loads(text)
        if not isinstance(info, dict):
            raise ValueError("its header holds no JSON object")
        check_weights(_weights(tensors))
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is no whole checkpoint ({error}); train it again") from None
    return tensors, info
