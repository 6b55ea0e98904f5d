"""Confines the process that runs a submission, and reports which limits hold.

Linux offers the most: Landlock for files, a seccomp filter for processes, signals and sockets, a
network namespace. Elsewhere there are resource limits and an audit hook, which a determined
programmer can get around through C. No limit can be lifted again.
"""

import ctypes
import errno
import os
import platform
import signal
import site
import struct
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY = 1 << 30  # bytes, in addition to what PyTorch has taken
FILE = 16 << 20  # bytes of one file
CPU = 900  # seconds in all; the parent stops the process long before

# Of prctl.
SET_PDEATHSIG = 1
SET_SECCOMP = 22
NO_NEW_PRIVS = 38
# Numbers of system calls, the same on x86-64 and on Arm.
LANDLOCK_CREATE_RULESET = 444
LANDLOCK_ADD_RULE = 445
LANDLOCK_RESTRICT_SELF = 446
# Of clone and unshare.
THREAD = 0x10000
NEWUSER = 0x10000000
NEWNET = 0x40000000
# The system calls that start a process, signal one, open a socket, or change the machine.
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
# Events of Python's audit hooks: these are refused, and the following outside the scratch folder.
REFUSED = (
    *("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn"),
    *("pty.", "os.kill", "signal.pthread_kill", "ctypes.dlopen", "resource.", "winreg."),
)
CHANGING = (
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link"),
    *("os.symlink", "os.truncate", "os.utime", "os.setxattr", "shutil."),
)


def confine(scratch: Path, readable: list[Path]) -> list[str]:
    """Set every limit that this platform has; returns a line for each that holds.

    The process may write only in `scratch`. Where there is Landlock, it may read only there, in
    `readable`, and in the folders of Python and the system.
    """
    steps: list[Callable[[], str]] = [_limits]
    if sys.platform == "linux":
        steps += [_network, lambda: _landlock(scratch, readable), _seccomp]
    steps.append(lambda: _audit(scratch))  # the last, since it refuses what the others do
    held = []
    for step in steps:
        try:
            held.append(step())
        except (OSError, ImportError, AttributeError, ValueError, KeyError):
            continue  # not on this platform, and so not in the list
    return held


def _call(name: str, *args: Any) -> int:
    """A function of the C library. Raises OSError if it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = getattr(libc, name)(*args)
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def _limits() -> str:
    import resource

    used = 0
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        used = 1024 * int(status.partition("VmData:")[2].split()[0])
        resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY,) * 2)
    for limit, most in (("CORE", 0), ("FSIZE", FILE), ("CPU", CPU), ("NOFILE", 256)):
        number = getattr(resource, f"RLIMIT_{limit}")
        _, hard = resource.getrlimit(number)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(number, (most, most))
    memory = f"memory ({MEMORY >> 20} MiB), " if used else ""
    return f"{memory}size of a file ({FILE >> 20} MiB), processor time: resource limits"


def _audit(scratch: Path) -> str:
    """Refuse what Python itself is asked to do; what C code does is not seen."""
    # Bound here, so that a submission that replaces the functions of `os.path` changes nothing.
    real_path = os.path.realpath
    common_path = os.path.commonpath
    inside = os.path.realpath(scratch)
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def outside(path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        place = real_path(os.fsdecode(path))
        return place != os.devnull and common_path([inside, place]) != inside

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            if isinstance(args[2], int) and args[2] & writing and outside(args[0]):
                raise PermissionError(errno.EACCES, "no writing outside the scratch folder")
        elif event.startswith(CHANGING):
            if any(outside(path) for path in args):
                raise PermissionError(errno.EACCES, f"{event} outside the scratch folder")
        elif event.startswith(REFUSED):
            raise PermissionError(errno.EPERM, f"{event} is not allowed while marking")

    sys.addaudithook(hook)
    return "files outside its folder, processes, sockets: an audit hook in Python"


def _network() -> str:
    uid = os.geteuid()
    gid = os.getegid()
    _call("unshare", NEWUSER | NEWNET)
    maps = {"setgroups": "deny", "uid_map": f"{uid} {uid} 1", "gid_map": f"{gid} {gid} 1"}
    for file, text in maps.items():
        Path(f"/proc/self/{file}").write_text(text)
    return "no network: a namespace of its own"


def _landlock(scratch: Path, readable: list[Path]) -> str:
    version = _call("syscall", LANDLOCK_CREATE_RULESET, None, 0, 1)
    everything = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    network = 3 if version >= 4 else 0
    scope = 3 if version >= 6 else 0
    rules = struct.pack("QQQ", everything, network, scope)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _call("syscall", LANDLOCK_CREATE_RULESET, rules, size, 0)
    read = 0b1101
    of_a_file = 0b1100000000000111 & everything
    places = {Path(p): read for p in (*_system(), *map(str, readable))}
    places[Path(os.devnull)] = 0b110
    for path, access in (places | {scratch: everything}).items():
        try:
            at = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        allowed = access if path.is_dir() else access & of_a_file
        _call("syscall", LANDLOCK_ADD_RULE, ruleset, 1, struct.pack("=Qi", allowed, at), 0)
        os.close(at)
    _call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("syscall", LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return f"files outside its folder: Landlock {version}"


def _system() -> list[str]:
    """The folders of Python, of its packages, and of the system's libraries."""
    python = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()]
    python += [*site.getsitepackages(), *filter(None, [getattr(site, "USER_SITE", None)])]
    return [*python, "/usr", "/lib", "/lib64", "/etc", "/dev", "/proc", "/sys", "/opt", "/nix"]


def _seccomp() -> str:
    """Install a program of the kernel's packet filter that looks at every system call.

    An instruction is (operation, jump if true, jump if false, value); a jump counts instructions.
    """
    (architecture, clone, clone3), numbers = FORBIDDEN[platform.machine()]
    load = 0x20
    equal = 0x15
    at_least = 0x35
    bits_set = 0x45
    answer = 0x06
    kill = (answer, 0, 0, 0x80000000)
    refuse = (answer, 0, 0, 0x00050000 | errno.EPERM)
    missing = (answer, 0, 0, 0x00050000 | errno.ENOSYS)
    allow = (answer, 0, 0, 0x7FFF0000)

    code = [(load, 0, 0, 4), (equal, 1, 0, architecture), kill]
    code += [(load, 0, 0, 0), (at_least, 0, 1, 0x40000000), refuse]
    for number in numbers:
        code += [(equal, 0, 1, number), refuse]
    # Threads are allowed, processes are not. Without clone3, libraries fall back on clone.
    code += [(equal, 0, 1, clone3), missing]
    code += [(equal, 0, 3, clone), (load, 0, 0, 16), (bits_set, 1, 0, THREAD), refuse, allow]
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
    pointer = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(program))
    _call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", SET_SECCOMP, 2, pointer, 0, 0)
    return "processes, signals to others, sockets: a seccomp filter"


def alone() -> None:
    """Begin a new session, so that all its processes can be ended, and end with the parent."""
    if hasattr(os, "setsid"):
        os.setsid()
    if sys.platform == "linux":
        _call("prctl", SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
