"""Takes from the process that runs a submission what it does not need, and says what it took.

Linux gives the most: Landlock for files, a seccomp filter for processes, signals and sockets, a
network namespace. Elsewhere there are resource limits and an audit hook, which a determined
programmer gets around through C. All of it is for good: no call gives anything back.
"""

import ctypes
import errno
import os
import platform
import site
import struct
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY = 1 << 30  # bytes, beyond what PyTorch has taken
FILE = 16 << 20  # bytes of one file
CPU = 900  # seconds in all: the parent stops it long before

NO_NEW_PRIVS, SET_SECCOMP, SET_PDEATHSIG, SIGKILL = 38, 22, 1, 9
NEWUSER, NEWNET, THREAD = 0x10000000, 0x40000000, 0x10000
# What makes a process, signals one, opens a socket, or changes the machine.
FORBIDDEN = {
    "x86_64": (
        (0xC000003E, 56, 435),  # the architecture, clone, clone3
        (41, 42, 49, 53, 57, 58, 59, 62, 101, 129, 155, 160, 161, 165, 166, 200, 234, 248, 250)
        + (272, 297, 298, 302, 308, 310, 311, 321, 322, 323, 424, 425, 428, 429, 430, 438),
    ),
    "aarch64": (
        (0xC00000B7, 220, 435),
        (39, 40, 41, 51, 97, 117, 129, 130, 131, 138, 164, 198, 199, 200, 203, 217, 219, 221)
        + (240, 241, 261, 268, 270, 271, 280, 281, 282, 424, 425, 428, 429, 430, 438),
    ),
}
REFUSED = (
    *("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn"),
    *("pty.", "os.kill", "signal.pthread_kill", "ctypes.dlopen", "resource.", "winreg."),
)
CHANGING = (
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link"),
    *("os.symlink", "os.truncate", "os.utime", "os.setxattr", "shutil."),
)


def confine(scratch: Path, readable: list[Path]) -> list[str]:
    """Every limit that this platform has, from now on; returns a line for each that holds.

    The process may write in `scratch` only and, where Landlock is, read only there, in `readable`
    and in what Python and the system are made of.
    """
    steps: list[Callable[[], str]] = [_limits]
    if sys.platform == "linux":
        steps += [_network, lambda: _landlock(scratch, readable), _seccomp]
    took = []
    for step in (*steps, lambda: _audit(scratch)):  # the last, since it refuses the others' work
        try:
            took.append(step())
        except (OSError, ImportError, AttributeError, ValueError, KeyError):
            continue  # not on this platform, and so not in the list
    return took


def _call(name: str, *args: Any) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    done = getattr(libc, name)(*args)
    if done == -1:
        raise OSError(ctypes.get_errno(), name)
    return done


def _limits() -> str:
    import resource

    used = 0
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        used = 1024 * int(status.partition("VmData:")[2].split()[0])
        resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY,) * 2)
    for limit, most in (("CORE", 0), ("FSIZE", FILE), ("CPU", CPU), ("NOFILE", 256)):
        number = getattr(resource, f"RLIMIT_{limit}")
        now = resource.getrlimit(number)[1]
        most = most if now == resource.RLIM_INFINITY else min(most, now)
        resource.setrlimit(number, (most, most))
    memory = f"memory ({MEMORY >> 20} MiB), " if used else ""
    return f"{memory}size of a file ({FILE >> 20} MiB), processor time: resource limits"


def _audit(scratch: Path) -> str:
    """Refuses what Python itself is asked to do; C code is not seen."""
    real, common, inside = os.path.realpath, os.path.commonpath, os.path.realpath(scratch)
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def outside(path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        place = real(os.fsdecode(path))
        return place != os.devnull and common([inside, place]) != inside

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            if isinstance(args[2], int) and args[2] & writing and outside(args[0]):
                raise PermissionError(errno.EACCES, "no writing outside the own folder")
        elif event.startswith(CHANGING):
            if any(outside(path) for path in args):
                raise PermissionError(errno.EACCES, f"{event} outside the own folder")
        elif event.startswith(REFUSED):
            raise PermissionError(errno.EPERM, f"{event} is not allowed while marking")

    sys.addaudithook(hook)
    return "files outside its folder, processes, sockets: an audit hook in Python"


def _network() -> str:
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", NEWUSER | NEWNET)
    maps = {"setgroups": "deny", "uid_map": f"{uid} {uid} 1", "gid_map": f"{gid} {gid} 1"}
    for file, text in maps.items():
        Path(f"/proc/self/{file}").write_text(text)
    return "no network: a namespace of its own"


def _landlock(scratch: Path, readable: list[Path]) -> str:
    version = _call("syscall", 444, None, 0, 1)
    everything = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    rules = struct.pack("QQQ", everything, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _call("syscall", 444, rules, size, 0)
    read, of_a_file = 0b1101, 0b1100000000000111 & everything
    places = {Path(p): read for p in (*_system(), *map(str, readable))}
    places[Path(os.devnull)] = 0b110
    for path, access in (places | {scratch: everything}).items():
        try:
            at = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        allowed = access if path.is_dir() else access & of_a_file
        _call("syscall", 445, ruleset, 1, struct.pack("=Qi", allowed, at), 0)
        os.close(at)
    _call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("syscall", 446, ruleset, 0)
    os.close(ruleset)
    return f"files outside its folder: Landlock {version}"


def _system() -> list[str]:
    """Where Python, its packages and the system's libraries are."""
    python = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()]
    python += [*site.getsitepackages(), *filter(None, [getattr(site, "USER_SITE", None)])]
    return [*python, "/usr", "/lib", "/lib64", "/etc", "/dev", "/proc", "/sys", "/opt", "/nix"]


def _seccomp() -> str:
    (architecture, clone, clone3), numbers = FORBIDDEN[platform.machine()]
    allow, kill = 0x7FFF0000, 0x80000000

    def refuse(error: int) -> int:
        return 0x00050000 | error

    load, equal, atleast, test, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    code = [(load, 0, 0, 4), (equal, 1, 0, architecture), (answer, 0, 0, kill), (load, 0, 0, 0)]
    code += [(atleast, 0, 1, 0x40000000), (answer, 0, 0, refuse(errno.EPERM))]
    for number in numbers:
        code += [(equal, 0, 1, number), (answer, 0, 0, refuse(errno.EPERM))]
    # Threads are allowed, processes are not; without clone3 libraries fall back on clone.
    code += [(equal, 0, 1, clone3), (answer, 0, 0, refuse(errno.ENOSYS)), (equal, 0, 3, clone)]
    code += [(load, 0, 0, 16), (test, 1, 0, THREAD), (answer, 0, 0, refuse(errno.EPERM))]
    code += [(answer, 0, 0, allow)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in code))
    pointer = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(program))
    _call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", SET_SECCOMP, 2, pointer, 0, 0)
    return "processes, signals to others, sockets: a seccomp filter"


def alone() -> None:
    """A session of its own, which ends when whoever started it does."""
    if hasattr(os, "setsid"):
        os.setsid()
    if sys.platform == "linux":
        _call("prctl", SET_PDEATHSIG, SIGKILL, 0, 0, 0)
