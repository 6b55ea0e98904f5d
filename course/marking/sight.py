"""A root folder of the process's own, in memory: of all other files not even the names exist there.

In it are the folders that may be read, which cannot be written to there, and the scratch folder,
whose size the kernel bounds. The process gets it by a mount namespace: root's if the system lets
it mount, another user's if it lets users have namespaces. bubblewrap does the same, but for a new
program: it would import PyTorch.
"""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from course.marking import landlock
from course.marking.scratch import MOST_BYTES, MOST_FILES

NEW_MOUNTS = 0x20000
NEW_USERS = 0x10000000
SET_DUMPABLE = 4
READ_ONLY = 1
AGAIN = 0x20
BIND = 0x1000
WITH_ALL_BELOW = 0x4000
PRIVATE = 0x40000
BY_TIME = 1 << 21
DETACHED = 2


def leave(scratch: Path, visible: Sequence[Path], hidden: Sequence[Path]) -> str:
    """See only `scratch` and the files and folders `visible`, without the folders `hidden`.

    What lies in `scratch` is copied: on the disk it stays as it is. Raises OSError where the system
    does not allow it, and then nothing has changed.
    """
    own_mounts()
    files = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    # The new root is put over the scratch folder, which is open: any place would do.
    mount("none", scratch, "tmpfs", data="size=1M,mode=755")
    try:
        furnish(scratch, files, visible, hidden)
        os.chroot(scratch)
    except OSError:
        landlock.call("umount2", os.fsencode(scratch), DETACHED)
        os.fchdir(files)
        raise
    finally:
        os.close(files)
    os.chdir(scratch)
    return f"a root folder of its own, in memory ({MOST_BYTES >> 20} MiB)"


def own_mounts() -> None:
    """From here on what this process mounts is seen by no other one."""
    user = os.geteuid()
    group = os.getegid()
    if user == 0:
        landlock.call("unshare", NEW_MOUNTS)
    else:
        landlock.call("prctl", SET_DUMPABLE, 1, 0, 0, 0)  # else these files belong to root
        landlock.call("unshare", NEW_USERS | NEW_MOUNTS)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    mount("none", Path("/"), "", WITH_ALL_BELOW | PRIVATE)


def furnish(root: Path, files: int, visible: Sequence[Path], hidden: Sequence[Path]) -> None:
    """Put everything into the new root that is to be in sight there."""
    own = within(root, root)
    own.mkdir(parents=True)
    mount("none", own, "tmpfs", data=f"size={MOST_BYTES},nr_inodes={MOST_FILES},mode=700")
    shutil.copytree(f"/proc/self/fd/{files}", own, symlinks=True, dirs_exist_ok=True)
    for place in sorted({Path(os.path.realpath(path)) for path in visible}):
        show(place, within(root, place))
    for path in visible:  # the other names of these
        named = within(root, path)
        if os.path.exists(path) and not os.path.lexists(named):
            named.parent.mkdir(parents=True, exist_ok=True)
            named.symlink_to(os.path.realpath(path))
    process = within(root, Path("/proc", str(os.getpid())))
    show(Path("/proc/self").resolve(), process)
    (process.parent / "self").symlink_to(process.name)
    for path in hidden:
        if os.path.isdir(within(root, path)):
            mount("none", within(root, path), "tmpfs", data="mode=755")
    for place in mounted(root):
        if place != own:
            mount("none", place, "", AGAIN | BIND | READ_ONLY | kept(place))


def within(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def show(place: Path, at: Path) -> None:
    """Make a file or folder appear at another place too, unless it does already."""
    if os.path.exists(at) or not os.path.exists(place):
        return
    at.parent.mkdir(parents=True, exist_ok=True)
    if os.path.isdir(place):
        at.mkdir()
    else:
        at.touch()
    mount(os.fspath(place), at, "", BIND | WITH_ALL_BELOW)


def mounted(root: Path) -> list[Path]:
    """All places at which something is mounted, from `root` downwards."""
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    names = [
        re.sub(rb"\\(\d{3})", lambda m: bytes([int(m[1], 8)]), line.split()[4]) for line in lines
    ]
    places = [Path(os.fsdecode(name)) for name in names]
    return [place for place in places if place == root or root in place.parents]


def kept(place: Path) -> int:
    """What was said when this was mounted, which nobody but root may take back."""
    said = os.statvfs(place).f_flag
    same = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME
    return said & same | (BY_TIME if said & os.ST_RELATIME else 0)


def mount(what: str, at: Path, kind: str, flags: int = 0, data: str = "") -> None:
    names = (os.fsencode(what), os.fsencode(at), kind.encode())
    landlock.call("mount", *names, flags, data.encode())
