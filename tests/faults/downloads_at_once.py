"""Download the stand-in for MNIST in several processes at once, or kill one that downloads.

`python downloads_at_once.py CACHE STAND_IN KILLS` prints what was found, as JSON.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from vaelib import data

CACHE = Path(sys.argv[1])
for name, value in json.loads(sys.argv[2]).items():
    setattr(data, name, value)
os.environ["VAELIB_DATA"] = str(CACHE)


def download() -> int:
    """Start a process that downloads; its number."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if len(data.load("mnist", download=True).train) == 300 else 2
        finally:
            os._exit(code)
    return child


def left() -> list[str]:
    return sorted(str(p.relative_to(CACHE)) for p in CACHE.rglob("*"))


killed = []
for _ in range(int(sys.argv[3])):
    child = download()
    time.sleep(0.15)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    killed = left()
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in (download(), download())]
print(json.dumps({"codes": codes, "left": left(), "killed": killed}))
