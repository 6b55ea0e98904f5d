"""The folder in which a submission may write: how much it holds, and that nothing stays of it."""

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

MOST_BYTES = 128 << 20
MOST_FILES = 2000
# Of the disk, by all that is going on, where the disk is not the process's own (see `sight`). What
# a process hides, by moving it about or by holding files that have lost their name, is only seen
# there, and whose it is cannot be seen: all that run at the time are ended.
MOST_OF_THE_DISK = 4 << 30
MOST_OF_ITS_FILES = 200_000


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, removed at the end with whatever was put into it."""
    folder = Path(tempfile.mkdtemp(prefix="vaelib-marking-")).resolve()
    try:
        yield folder
    finally:
        remove(folder)


def free(folder: Path) -> tuple[int, int]:
    """How many bytes and how many more files the folder's disk can take."""
    if not hasattr(os, "statvfs"):
        return shutil.disk_usage(folder).free, 0
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize, disk.f_favail


def too_much(folder: Path, free_before: tuple[int, int] = (0, 0)) -> str:
    """What is too much in a folder that a running process may be changing; empty if nothing is.

    `free_before` is what was `free` when the process started.
    """
    size = 0
    count = 0
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                entries = list(islice(found, MOST_FILES + 1))
            count += len(entries)
            for entry in entries:
                with suppress(FileNotFoundError):
                    of = entry.stat(follow_symlinks=False)
                    size += max(of.st_size, 512 * getattr(of, "st_blocks", 0))
                    if stat.S_ISDIR(of.st_mode):
                        waiting.append(Path(entry.path))
        except (FileNotFoundError, NotADirectoryError):
            continue  # it has just been removed
        except OSError as error:
            return f"made a folder that cannot be looked into ({error.strerror})"
        if count > MOST_FILES:
            return f"made more than {MOST_FILES} files"
        if size > MOST_BYTES:
            return f"wrote more than {MOST_BYTES >> 20} MiB"
    now = free(folder)
    if free_before[0] - now[0] > MOST_OF_THE_DISK or free_before[1] - now[1] > MOST_OF_ITS_FILES:
        return "ran while the disk was filled"
    return ""


def remove(folder: Path) -> None:
    """Remove a folder, however deep the folders in it are and whatever their permissions.

    No process may be using it any more. Folders are first moved up to the top, so that no path is
    too long and nothing is recursive.
    """
    if not folder.is_dir():
        return
    waiting = [folder / name for name in os.listdir(folder)]
    while waiting:
        path = waiting.pop()
        if path.is_symlink() or not path.is_dir():
            if os.name == "nt":
                path.chmod(0o600)  # Windows removes no read-only file
            path.unlink()
            continue
        path.chmod(0o700)
        for name in os.listdir(path):
            moved = folder / secrets.token_hex(16)
            os.rename(path / name, moved)
            waiting.append(moved)
        path.rmdir()
    shutil.rmtree(folder)
