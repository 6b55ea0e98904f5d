"""Kill a process that saves checkpoints in a loop, many times; print what was found, as JSON.

`python killed_saver.py FOLDER KILLS SEED`. Forked from here a saver starts in a millisecond. Half
of the kills come after a random time, half at one of the operations on files, one after the other.
"""

import builtins
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from vaelib import checkpoint, models

torch.set_num_threads(1)
PATH = Path(sys.argv[1], "vae.safetensors")
KILLS = int(sys.argv[2])
random.seed(int(sys.argv[3]))
MODELS = [models.dense((32, 32), 8, hidden=(200,), seed=seed) for seed in (0, 1)]
OPERATIONS = ("mkdir", "open", "fsync", "replace", "rename", "unlink", "remove", "rmdir", "scandir")


def save_for_ever() -> None:
    turn = 0
    while True:
        checkpoint.save(PATH, MODELS[turn % 2], turn=turn)
        turn += 1


def die_at(number: int) -> None:
    """Arrange for SIGKILL at that operation on files, before it happens."""
    left = number

    def dying(operation):
        def call(*arguments, **options):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*arguments, **options)

        return call

    for name in OPERATIONS:
        setattr(os, name, dying(getattr(os, name)))
    builtins.open = dying(builtins.open)


def kill_one(number: int) -> None:
    saver = os.fork()
    if saver == 0:
        if number % 2:
            die_at(1 + number // 2 % 24)
        save_for_ever()
    if number % 2 == 0:
        time.sleep(random.random() * 0.03)
        os.kill(saver, signal.SIGKILL)
    os.waitpid(saver, 0)


def two_days_later() -> None:
    """Make what the killed have left so old that the next one may remove it."""
    for part in PATH.parent.glob(".*"):
        os.utime(part, (time.time() - 2 * 86400,) * 2)


def whole(vae: models.VAE) -> bool:
    """Whether it is one of the two, to the last weight."""
    return any(
        all(torch.equal(t, vae.state_dict()[n]) for n, t in one.state_dict().items())
        for one in MODELS
    )


checkpoint.save(PATH, MODELS[0], turn=0)
good = 0
most = 0
for number in range(KILLS):
    kill_one(number)
    try:
        good += whole(checkpoint.load_vae(PATH))
    except checkpoint.CheckpointError as error:
        print(error, file=sys.stderr)
    two_days_later()
    most = max(most, len(os.listdir(PATH.parent)))
checkpoint.save(PATH, MODELS[1], turn=0)
left = len(os.listdir(PATH.parent))
print(json.dumps({"kills": KILLS, "good": good, "most": most, "left": left}))
