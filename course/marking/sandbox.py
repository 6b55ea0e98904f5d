"""Confines the process that runs a submission, and says which promises hold.

On Linux the kernel keeps them: Landlock or a root folder of its own for files, and both where there
are both, a list of allowed system calls for everything else, and resource limits. Where one cannot
be kept, nothing is marked unless the lecturer says `--unsafe`; then there is what the platform has
and Python's audit hook, which a determined programmer gets around. No limit can be lifted again.
The last promise is kept where it can be, and the report says where it is not.

`python -m course.marking.sandbox` tries it out and prints what holds on this machine.
"""

import errno
import json
import os
import re
import signal
import site
import struct
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from course.marking import landlock, sight
from course.marking.scratch import scratch_folder

if sys.platform == "linux":
    from course.marking import syscalls

MEMORY = 1 << 30  # bytes, in addition to what PyTorch has taken
ADDRESSES = 2 << 30  # bytes of addresses in addition: what is no longer written to counts too
FILE = 16 << 20  # bytes of one file
FILES_OPEN = 64
THREADS = 64  # two pools of threads have 32 each at most, and root aside they are counted together
CPU = 900  # seconds in all; the parent stops the process long before
UNSAFE = "VAELIB_MARKING_UNSAFE"  # an environment variable: mark even if a promise cannot be kept
FROM_THE_START = bool(os.environ.get(UNSAFE))  # a submission's environment is emptied

# Of prctl and capset.
SET_PDEATHSIG = 1
SET_DUMPABLE = 4
SET_KEEPCAPS = 8
CAPABILITIES = 0x20080522  # the version of the structure
READ_EVERYTHING = 1 << 2  # CAP_DAC_READ_SEARCH: within what Landlock leaves
# Users that nobody is: containers get lower numbers. The folder's own number is added.
LONE_USER = 0x70000000
LONE_USERS = 1 << 28
DEVICES = tuple(
    map(Path, (os.devnull, "/dev/urandom", "/dev/random", "/proc/cpuinfo", "/proc/meminfo"))
)

# Events of Python's audit hooks: these are refused, and the following outside the scratch folder.
REFUSED = (
    *("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn"),
    *("pty.", "os.kill", "signal.pthread_kill", "ctypes.dlopen", "resource.", "winreg."),
)
CHANGING = (
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link"),
    *("os.symlink", "os.truncate", "os.utime", "os.setxattr", "shutil."),
)


@dataclass(frozen=True)
class Promise:
    """What is promised of every submission, and the steps that keep it together.

    Of steps with a bar between them one is enough.
    """

    text: str
    needs: tuple[str, ...]
    required: bool = True


PROMISES = (
    Promise("no file outside its folder changes", ("landlock|sight", "calls")),
    Promise("it reads only its own files and Python's", ("landlock|sight",)),
    Promise("it starts no process, and reaches no other one", ("calls",)),
    Promise("no network, and no memory or queue that is shared", ("landlock|sight", "calls")),
    Promise("memory, threads, time and files are bounded", ("threads", "limits", "alone", "calls")),
    Promise("other files are not in sight, and its disk is its own", ("sight",), required=False),
)


class Unconfined(Exception):
    """This system cannot keep a promise, and the lecturer has not said `--unsafe`."""


def confine(scratch: Path, readable: list[Path]) -> list[str]:
    """Set every limit that this platform has; returns a line for each promise that holds.

    The process may write only in `scratch`, and read only there, in `readable`, and in Python's
    and the system's folders of libraries. Raises Unconfined if a promise does not hold, unless
    `unsafe`; then the lines also say what does not hold.
    """
    lines, failures = set_limits(scratch, readable)
    if missing := not_held(lines):
        if not unsafe():
            raise Unconfined("; ".join([*missing, *failures]))
        lines.append(_audit(scratch))
    return lines + [f"not kept on this system: {text}" for text in not_held(lines, also=True)]


def set_limits(scratch: Path, readable: list[Path]) -> tuple[list[str], list[str]]:
    """Set the limits; returns a line for each promise that holds, and what could not be set."""
    steps: dict[str, Callable[[], str]] = {}
    if sys.platform == "linux":
        user = _lone_user(scratch)  # by the folder's number on the disk, which no other one has
        steps["threads"] = lambda: _threads(user)
        steps["sight"] = lambda: _sight(scratch, readable)
    if os.name == "posix":
        steps["limits"] = _limits
    if sys.platform == "linux":
        steps["alone"] = lambda: _alone(scratch, user)
        steps["landlock"] = lambda: _landlock(scratch, readable)
        steps["calls"] = _calls  # the last, since it refuses what the others do
    means: dict[str, str] = {}
    failures: list[str] = []
    for name, step in steps.items():
        try:
            means[name] = step()
        except (OSError, ImportError, AttributeError, ValueError, KeyError) as error:
            failures.append(re.sub(r"^\[Errno \d+\] ", "", str(error)))
    if sys.platform == "linux":
        _lenient(scratch)
    lines = []
    for promise in PROMISES:
        kept_by = [[means[n] for n in names.split("|") if n in means] for names in promise.needs]
        if all(kept_by):
            lines.append(f"{promise.text}: {', '.join(each[0] for each in kept_by if each[0])}")
    return lines, failures


def unsafe() -> bool:
    """Whether the lecturer wants to mark even if a promise cannot be kept."""
    return FROM_THE_START or bool(os.environ.get(UNSAFE))


def not_held(limits: list[str], also: bool = False) -> list[str]:
    """The promises that are missing in what `confine` returned; `also` those not required."""
    wanted = [p.text for p in PROMISES if p.required or also]
    return [text for text in wanted if not any(line.startswith(text) for line in limits)]


def own_disk(limits: list[str]) -> bool:
    """Whether, by what `confine` returned, the kernel bounds what the process writes."""
    return any(line.startswith(PROMISES[-1].text) for line in limits)


@cache
def tried() -> tuple[list[str], list[str]]:
    """What `set_limits` returns on this machine, in a process that tries it."""
    program = (
        "import json, sys\nfrom pathlib import Path\nfrom course.marking import sandbox\n"
        "print(json.dumps(sandbox.set_limits(Path(sys.argv[1]), [])))"
    )
    with scratch_folder() as scratch:
        done = subprocess.run(
            [sys.executable, "-c", program, str(scratch)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=300,  # on a busy machine
        )
    if done.returncode:
        return [], [done.stderr.strip().rpartition("\n")[2]]
    lines, failures = json.loads(done.stdout)
    return lines, failures


def refusal() -> str:
    """Why nothing should be marked on this machine without `--unsafe`; empty if all is well."""
    lines, failures = tried()
    missing = not_held(lines)
    if not missing:
        return ""
    why = f" ({'; '.join(failures)})" if failures else ""
    return (
        f"this system cannot promise of a submission: {'; '.join(missing)}{why}. Linux can, with "
        "libseccomp (the package libseccomp2), and Landlock (kernel 5.13 or later) or mount "
        "namespaces. With --unsafe it is marked without that: only for submissions that you trust"
    )


def alone() -> None:
    """Begin a new session, so that all its processes can be ended, and end with the parent."""
    if hasattr(os, "setsid"):
        os.setsid()
    if sys.platform == "linux":
        landlock.call("prctl", SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _threads(user: int | None) -> str:
    """Limit the threads. That of a user is counted with those of the user's other processes."""
    import resource

    if _status("self")["Threads"] != 1:
        raise OSError(errno.EBUSY, "the process has started threads already")
    most = _tasks(os.getuid() if user is None else user) + THREADS
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    return f"threads ({THREADS})"


def _limits() -> str:
    import resource

    most = {"CORE": 0, "FSIZE": FILE, "CPU": CPU, "NOFILE": FILES_OPEN}
    memory = ""
    if sys.platform == "linux":
        status = _status("self")
        most["DATA"] = 1024 * status["VmData"] + MEMORY
        most["AS"] = 1024 * status["VmSize"] + ADDRESSES
        most["MEMLOCK"] = most["MSGQUEUE"] = 0
        memory = f"memory ({MEMORY >> 20} MiB), "
    for limit, value in most.items():
        number = getattr(resource, f"RLIMIT_{limit}")
        _, hard = resource.getrlimit(number)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(number, (value, value))
    return f"{memory}size of a file ({FILE >> 20} MiB), processor time: resource limits"


def _lone_user(scratch: Path) -> int | None:
    """The user that root's process becomes, one for each folder: no limit on threads binds root.

    None if it is not root's, or if that root is an ordinary user outside its container.
    """
    if os.geteuid() != 0:
        return None
    user = LONE_USER + scratch.stat().st_ino % LONE_USERS
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    ranges = [tuple(map(int, line.split())) for line in lines]
    known = any(first <= user < first + count for first, _, count in ranges)
    return user if known or any(outside == 0 for _, outside, _ in ranges) else None


def _alone(scratch: Path, user: int | None) -> str:
    """Give up root's powers, leave no core dump, and end with the parent.

    Root's process becomes another user, who may still read what root may: Python itself may be
    installed there.
    """
    kept = 0
    if user is not None:
        if scratch.stat().st_uid != user:
            for path in (scratch, *scratch.rglob("*")):
                os.chown(path, user, user, follow_symlinks=False)
        landlock.call("prctl", SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        kept = int(_status_text("self")["CapPrm"], 16) & READ_EVERYTHING
    header = struct.pack("Ii", CAPABILITIES, 0)
    landlock.call("capset", header, struct.pack("6I", kept, kept, 0, 0, 0, 0))
    landlock.call("prctl", SET_DUMPABLE, 0, 0, 0, 0)
    landlock.call("prctl", SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return ""


def _status_text(process: str) -> dict[str, str]:
    lines = Path(f"/proc/{process}/status").read_text(errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _status(process: str) -> dict[str, int]:
    """The numbers of a process's status: kB, threads, its (real) user."""
    words = {name: value.split()[:1] for name, value in _status_text(process).items()}
    return {name: int(word[0]) for name, word in words.items() if word and word[0].isdecimal()}


def _tasks(user: int) -> int:
    """How many threads this user has now, for the limit counts those of all processes."""
    count = 0
    for process in os.listdir("/proc"):
        if process.isdecimal():
            try:
                status = _status(process)
            except OSError:
                continue  # it has ended
            count += status.get("Threads", 0) if status.get("Uid") == user else 0
    return count


def _sight(scratch: Path, readable: list[Path]) -> str:
    return sight.leave(scratch, [*map(Path, libraries()), *readable, *DEVICES], references())


def references() -> list[Path]:
    """The folders with the references of the checks, of every `vaelib` that Python could find."""
    found = [Path(os.path.realpath(Path(entry, "vaelib", "check"))) for entry in sys.path]
    return [path for path in dict.fromkeys(found) if os.path.isdir(path)]


def _landlock(scratch: Path, readable: list[Path]) -> str:
    version = landlock.version()
    if not version:
        raise OSError(errno.ENOSYS, "this kernel has no Landlock")
    hidden = references()
    places: dict[Path, int] = {}
    for path in (*map(Path, libraries()), *readable):
        places |= visible(Path(os.path.realpath(path)), hidden)
    for device in (Path("/proc/self"), *DEVICES):
        places[device] = landlock.READ
    places[Path(os.devnull)] = landlock.READ_FILE | landlock.WRITE_FILE
    places[scratch] = landlock.OWN
    landlock.restrict(places, version)
    return f"Landlock {version}"


def visible(place: Path, hidden: list[Path]) -> dict[Path, int]:
    """A folder or file to be read without the hidden folders in it: the references, wherever."""
    if place in hidden or any(h in place.parents for h in hidden):
        return {}
    if not any(place in h.parents for h in hidden):
        return {place: landlock.READ}
    found = {place: landlock.READ_DIR}
    for inside in place.iterdir():
        if not inside.is_symlink():
            found |= visible(inside, hidden)
    return found


@cache
def libraries() -> tuple[str, ...]:
    """Python's folders and the system's, of libraries, fonts and time zones. Not all of /etc."""
    paths = sysconfig.get_paths()
    prefixes = dict.fromkeys((sys.prefix, sys.base_prefix, "/usr", "/usr/local"))
    return (
        *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *(f"{prefix}/lib" for prefix in prefixes),
        *(f"{sys.prefix}/pyvenv.cfg", "/lib", "/lib64", "/usr/lib64", "/nix/store"),
        *site.getsitepackages(),
        *([site.USER_SITE] if site.ENABLE_USER_SITE and site.USER_SITE else []),
        *(f"/usr/share/{name}" for name in ("fonts", "fontconfig", "zoneinfo", "locale")),
        *("/var/cache/fontconfig", "/sys/devices/system/cpu", "/sys/devices/system/node"),
        *(f"/etc/{name}" for name in ("ld.so.cache", "fonts", "localtime", "timezone")),
    )


def _calls() -> str:
    syscalls.Filter(os.getpid()).load()
    return f"a list of allowed system calls (libseccomp {syscalls.version()})"


def _lenient(scratch: Path) -> None:
    """In the scratch folder, `shutil.copy` and the like may fail to set permissions and times.

    This is for convenience alone: what keeps files as they are is the list of system calls.
    """
    tempfile.tempdir = str(scratch)
    os.environ["USER"] = "student"  # else it is looked up, in a file that cannot be read

    def passing(function: Callable[..., None]) -> Callable[..., None]:
        def called(path: Any, *arguments: Any, **settings: Any) -> None:
            try:
                function(path, *arguments, **settings)
            except PermissionError:
                os.stat(path)  # raises if there is no such file
                if isinstance(path, int) or scratch not in Path(os.path.realpath(path)).parents:
                    raise

        return called

    os.chmod = passing(os.chmod)
    os.utime = passing(os.utime)


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
    return "of Python's own functions, not of C code: files, processes, sockets (an audit hook)"


def main() -> None:
    lines, failures = tried()
    held = {p.text: [line for line in lines if line.startswith(p.text)] for p in PROMISES}
    for text, found in held.items():
        print(f"✓ {found[0]}" if found else f"✗ {text}")
    print(*failures, sep="\n", end="")


if __name__ == "__main__":
    main()
