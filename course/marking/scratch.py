"""The folder in which a submission may write: how much it holds, and that nothing stays of it."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_BYTES = 128 << 20
MOST_FILES = 2000


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, removed at the end with whatever was put into it."""
    folder = Path(tempfile.mkdtemp(prefix="vaelib-marking-")).resolve()
    try:
        yield folder
    finally:
        remove(folder)


def too_much(folder: Path) -> str:
    """What is too much in a folder that a running process may be changing; empty if nothing is."""
    size = 0
    count = 0
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    count += 1
                    if count > MOST_FILES:
                        return f"made more than {MOST_FILES} files"
                    size += entry.stat(follow_symlinks=False).st_size
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
        except (FileNotFoundError, NotADirectoryError):
            continue  # it has just been removed
        except OSError as error:
            return f"made a folder that cannot be looked into ({error.strerror})"
        if size > MOST_BYTES:
            return f"wrote more than {MOST_BYTES >> 20} MiB"
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
