"""Models and interrupted runs on disk: one safetensors file with its JSON in the header, no pickle.

A file is written under another name and then renamed, so that it is there whole or not at all.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from vaelib.models import VAE, build

NAME = "checkpoint.safetensors"  # of the file in a run's folder


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, not ours or for another model; the message says which."""


def save(path: str | Path, vae: VAE, half: bool = False, **info: Any) -> None:
    """Write a VAE's weights, the config that builds it again, and `info` (JSON) to a file.

    `half` stores float16, half the size. Raises CheckpointError where it cannot be written.
    """
    weights = {
        f"model.{name}": t.half() if half and t.ndim else t for name, t in vae.state_dict().items()
    }
    write(path, weights, {"config": vae.config, **info})


def load_vae(path: str | Path) -> VAE:
    """The VAE of a file or of a run's folder, in float32 (float64 if it was saved so).

    Raises CheckpointError if it is missing, damaged, not ours, or of a model made by hand (build
    that one and use `load_weights`).
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
    """Copy the "model.…" tensors into the VAE. Raises CheckpointError if they do not fit it."""
    own = vae.state_dict()
    given = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    wrong = [
        f"{name}: {_shape(given, name)} in the checkpoint, {_shape(own, name)} in the model"
        for name in sorted(own.keys() | given.keys())
        if _shape(given, name) != _shape(own, name)
    ]
    if wrong:
        raise CheckpointError(f"{origin} is for another model ({'; '.join(wrong[:3])})")
    vae.load_state_dict(given)


def write(path: str | Path, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
    """Write tensors and JSON to one file, atomically. Raises CheckpointError where it cannot."""
    header = {"format": "vaelib", "json": json.dumps(info, allow_nan=False)}
    content = to_bytes({n: t.detach().cpu().contiguous() for n, t in tensors.items()}, header)
    _replace(path, content)


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Write a JSON file, atomically. Raises CheckpointError where it cannot be written."""
    _replace(path, json.dumps(content, indent=1).encode())


def _replace(path: str | Path, content: bytes) -> None:
    """Put a file with this content at its place, whole or not at all."""
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise CheckpointError(
            f"cannot write {path} ({error.strerror}); expected a folder that can be written to, "
            f"with {len(content) / 2**20:.0f} MiB free"
        ) from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the JSON of a file or of a run's folder. Raises CheckpointError."""
    path = Path(path)
    path = path / NAME if path.is_dir() else path
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}; `vaelib train --out` makes one")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is truncated, damaged or no checkpoint at all ({error}); train it again"
        ) from None
    if header.get("format") != "vaelib":
        raise CheckpointError(f"{path} is a safetensors file, but not a checkpoint of vaelib")
    try:
        info = json.loads(header["json"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"the header of {path} is damaged ({error})") from None
    if not isinstance(info, dict):
        raise CheckpointError(f"the header of {path} is damaged (no JSON object)")
    return tensors, info


def _shape(tensors: dict[str, Tensor], name: str) -> str:
    return str(tuple(tensors[name].shape)) if name in tensors else "absent"
