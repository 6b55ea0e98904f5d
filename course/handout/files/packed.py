"""The modules that hold the answers, packed: no secret, but nobody reads one by accident."""

import json
import zlib
from pathlib import Path
from typing import Any

_MODULES = json.loads(zlib.decompress(Path(__file__).with_name("packed.bin").read_bytes()))


def load(space: dict[str, Any]) -> None:
    """Run a packed module in the name space of the module that takes its place."""
    name = space["__name__"].removeprefix("vaelib.check.")
    exec(compile(_MODULES[name], f"<{name}>", "exec", dont_inherit=True, optimize=2), space)
