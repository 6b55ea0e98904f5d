"""Models and interrupted runs on disk: safetensors files with JSON in their header, no pickle."""

import glob
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from vaelib.models import VAE, build, check_weights

NAME = "checkpoint.safetensors"  # of the file in a run's folder
FORMAT = "vaelib 2"


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, not ours or for another model; the message says which."""


def save(path: str | Path, vae: VAE, half: bool = False, **info: Any) -> None:
    """Write a VAE's weights, the config that builds it again, and `info` (JSON) to a file.

    `half` stores float16, half the size. Raises CheckpointError where it cannot be written,
    ValueError for weights that are not finite.
    """
    weights = vae.state_dict(prefix="model.").items()
    tensors = {name: t.half() if half and t.ndim else t for name, t in weights}
    write(path, tensors, {"config": vae.config, **info})


def load_vae(path: str | Path) -> VAE:
    """The VAE of a file or of a run's folder, in float32 (float64 if it was saved so).

    Raises CheckpointError if missing, damaged, not ours, or made by hand (see `load_weights`).
    """
    tensors, info = read(path)
    if info.get("config") is None:
        raise CheckpointError(f"{path} holds a VAE made by hand: build it, then load_weights")
    try:
        vae = build(info["config"])
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} does not describe a VAE of vaelib: {error}") from None
    if tensors.get("model.encoder.mu.weight", torch.empty(0)).dtype == torch.float64:
        vae.double()
    load_weights(vae, tensors, str(path))
    return vae


def load_weights(vae: VAE, tensors: dict[str, Tensor], origin: str) -> None:
    """Copy the "model.…" tensors into the VAE.

    Raises CheckpointError if they do not fit it or are not finite.
    """
    given = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    ours = {name: tuple(t.shape) for name, t in vae.state_dict().items()}
    theirs = {name: tuple(t.shape) for name, t in given.items()}
    wrong = [
        f"{n}: {theirs.get(n, 'absent')} in the checkpoint, {ours.get(n, 'absent')} in the model"
        for n in sorted(ours.keys() | theirs.keys())
        if ours.get(n) != theirs.get(n)
    ]
    if wrong:
        raise CheckpointError(f"{origin} is for another model ({'; '.join(wrong[:3])})")
    try:
        check_weights(given)
    except ValueError as error:
        raise CheckpointError(f"{origin}: {error}") from None
    vae.load_state_dict(given)


def file_of_run(path: str | Path) -> Path:
    """The file of a run: `path` if its name has a suffix, else `NAME` in the folder `path`.

    A file or a folder that is there already is taken for what it is.
    """
    file = Path(path)
    folder = file.is_dir() or str(path).endswith(("/", os.sep)) or not file.suffix
    return file / NAME if folder and not file.is_file() else file


def write(path: str | Path, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
    """Write tensors and JSON to one file, atomically.

    Raises CheckpointError where it cannot, ValueError for weights that are not finite.
    """
    check_weights({n: t for n, t in tensors.items() if n.startswith("model.")})
    text = json.dumps(info, allow_nan=False)
    on_cpu = {n: t.detach().cpu().contiguous() for n, t in tensors.items()}
    header = {"format": FORMAT, "json": text, "sha256": _checksum(on_cpu, text)}
    _replace(Path(path), safetensors.torch.save(on_cpu, header))


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Write a JSON file, atomically. Raises CheckpointError where it cannot be written."""
    _replace(Path(path), json.dumps(content, indent=1).encode())


def _replace(path: Path, content: bytes) -> None:
    """Put a file with this content at its place, whole or not at all."""
    prefix = f".{path.name}.part-"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f"{glob.escape(prefix)}*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as folder:
            with open(Path(folder, path.name), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, path)  # a rename happens wholly or not at all
    except OSError as error:
        room = f"a folder that can be written to, with {len(content) / 2**20:.0f} MiB free"
        raise CheckpointError(f"cannot write {path} ({error.strerror}); expected {room}") from error


def _checksum(tensors: dict[str, Tensor], text: str) -> str:
    """The SHA-256 of all that a file holds: safetensors itself does not notice a changed bit."""
    sha = hashlib.sha256(text.encode())
    for name, t in sorted(tensors.items()):
        sha.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        sha.update(t.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the JSON of a file or of a run's folder. Raises CheckpointError."""
    path = Path(path, NAME) if Path(path).is_dir() else Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}; `vaelib train --out` makes one")
    try:
        with safetensors.safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (safetensors.SafetensorError, OSError) as error:
        fault = f"truncated, damaged or no checkpoint at all ({error})"
        raise CheckpointError(f"{path} is {fault}; train it again") from None
    if header.get("format") not in ("vaelib", FORMAT):
        raise CheckpointError(f"{path} is a safetensors file, but not a checkpoint of vaelib")
    # Files of the format "vaelib", such as data/faces_vae.safetensors, have no checksum.
    wanted = _checksum(tensors, header.get("json", ""))
    if header["format"] == FORMAT and header.get("sha256") != wanted:
        raise CheckpointError(f"{path} is damaged (its checksum is another one); train it again")
    try:
        info = json.loads(header["json"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"the header of {path} is damaged ({error})") from None
    if not isinstance(info, dict):
        raise CheckpointError(f"the header of {path} is damaged (no JSON object)")
    return tensors, info
