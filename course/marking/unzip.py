"""Unpacks zip files as they are handed in: one level, inside a folder, within limits."""

import os
import re
import stat
import time
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LARGEST = 64 << 20  # bytes of one file
UTF_8 = 0x800  # the flag of an entry whose name is UTF-8
BROKEN = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError, ValueError),
    *(NotImplementedError, RuntimeError, OverflowError, MemoryError),
)


@dataclass
class Budget:
    """What may still be unpacked. All zips of one student have the same one."""

    size: int = 512 << 20  # bytes
    files: int = 20_000


def unzip(path: Path, into: Path, budget: Budget) -> list[str]:
    """Unpack a zip into a folder; returns what was left out, a line each.

    Raises ValueError if nothing of it can be read.
    """
    left_out: list[str] = []
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > budget.files:
                raise ValueError(f"more than {budget.files} files in it")
            budget.files -= len(entries)
            for entry in entries:
                name = entry_name(entry)
                if entry.is_dir():
                    continue
                try:
                    budget.size -= extract(archive, entry, into, name, budget.size)
                except BROKEN as error:
                    left_out.append(f"{name or 'one without a name'}: {reason(error)}")
    except BROKEN as error:
        raise ValueError(f"the zip cannot be read ({reason(error)})") from None
    return left_out


def reason(error: BaseException) -> str:
    text = str(error).split("\n")[0] or type(error).__name__
    return "it is encrypted" if "encrypted" in text or "password" in text else text[:200]


def entry_name(entry: zipfile.ZipInfo) -> str:
    """An entry's name, with the parts that lead nowhere outside the folder; "" if none is left.

    Without its flag a name is often UTF-8 all the same (macOS), and otherwise of an old PC.
    """
    name = entry.filename
    if not entry.flag_bits & UTF_8:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    parts = PurePosixPath(re.sub(r"[\\/]+", "/", name)).parts
    safe = [part for part in parts if part not in ("/", ".", "..") and "\0" not in part]
    safe = [re.sub(r"^[A-Za-z]:$", "", part)[:200] for part in safe]
    return unicodedata.normalize("NFC", "/".join(filter(None, safe)))


def extract(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, into: Path, name: str, budget: int
) -> int:
    """Write one entry of at most `budget` bytes, with its time; returns its size.

    Raises what `BROKEN` lists.
    """
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise ValueError("a link, not followed")
    if not name:
        raise ValueError("it has no name")
    with archive.open(entry) as source:
        content = source.read(min(LARGEST, budget) + 1)
    if len(content) > LARGEST:
        raise ValueError(f"larger than {LARGEST >> 20} MiB")
    if len(content) > budget:
        raise ValueError("too much in all")
    place = into / name
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        raise ValueError("a second file of this name")
    place.write_bytes(content)
    try:
        then = time.mktime((*entry.date_time, 0, 0, -1))
        os.utime(place, (then, then))
    except (OverflowError, ValueError, OSError):
        pass  # a date that there is not
    return len(content)
