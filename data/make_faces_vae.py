"""Train the face VAE that the project ships, and save it as data/faces_vae.safetensors.

    python data/make_faces_vae.py [FILE]

The default settings (`vaelib.training.fit_faces`) with seed 0; weights in half precision.
"""

import sys
from pathlib import Path

from vaelib import checkpoint, training
from vaelib.data import load


def main(path: Path) -> None:
    """Train, and write the file."""
    vae = training.face_vae(seed=0)
    print(training.fit_faces(vae, load("faces").train, seed=0))
    weights = vae.state_dict(prefix="model.").items()
    half = {name: t.half() if t.ndim else t for name, t in weights}
    checkpoint.write(path, half, {"config": vae.config, "data": "faces"})
    print(f"wrote {path} ({path.stat().st_size / 2**20:.2f} MiB)")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]) if given else Path(__file__).with_name("faces_vae.safetensors"))
