"""What a submission might try, each tried without the sandbox and in it: the table of attacks.

`python -m course.marking.attacks` prints what succeeds without the sandbox, and what is held with
this kernel's Landlock and with each earlier version, which is emulated by handling no more than it,
without Landlock, and where the system allows no root folder of the process's own.
An attack has succeeded if it says so, or if something of the lecturer's has changed. What they
change is made for the purpose, and removed again.
"""

import ctypes
import errno
import fcntl
import importlib.util
import mmap
import os
import platform
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.marking import landlock, sandbox, syscalls
from course.marking.scratch import MOST_FILES, scratch_folder, too_much

SECRET = b"the seed is 7"
SECONDS = 20
CHECKS = Path(__file__).resolve().parents[2] / "vaelib" / "check"
LIBC = ctypes.CDLL(None, use_errno=True)


class World:
    """A lecturer's folder, a process of theirs, and the scratch folder of a submission."""

    def __init__(self, user: int = 0) -> None:
        self.user = user
        self.home = Path(tempfile.mkdtemp(prefix="vaelib-lecturer-"))
        self.marks = self._file("marks.csv", b"ada,3\n")
        self.seed = self._file("seed.txt", SECRET)
        self.other = self._file("ben.ipynb", b"ben's answer")
        self.own = self._file("ada.ipynb", b"ada's answer")  # the one that may be read
        self.other.chmod(0o600)
        try:
            os.setxattr(self.other, "user.note", SECRET)
        except OSError:
            pass  # the file system has no attributes
        with self.seed.open() as seed:
            self.process = subprocess.Popen(
                ["sleep", "300"],
                stdin=seed,
                env={"PASSWORD": SECRET.decode(), "PATH": os.environ["PATH"]},
                start_new_session=True,
                user=user or None,
                group=user or None,
                extra_groups=[] if user else None,
            )
        self.pid = self.process.pid
        self.key = 0x76610000 + os.getpid() % 0x10000
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.letters = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.letters.bind(f"\0vaelib-{self.pid}")
        self.address = self._mapped("/sleep")
        self.stack = self._mapped("[stack]")
        if user:
            os.chown(self.home, user, user)

    def _file(self, name: str, content: bytes) -> Path:
        path = self.home / name
        path.write_bytes(content)
        if self.user:
            os.chown(path, self.user, self.user)
        return path

    def _mapped(self, name: str) -> int:
        """Where something is in the process's memory: its program, which begins with "ELF"."""
        for _ in range(1000):
            lines = Path(f"/proc/{self.pid}/maps").read_text().splitlines()
            found = [line for line in lines if line.endswith(name)]
            if found and "/sleep" in "".join(lines):
                return int(found[0].partition("-")[0], 16)
            time.sleep(0.002)  # the new program is not yet there
        raise TimeoutError("the process did not start")

    def state(self) -> dict[str, Any]:
        """Everything that no submission may change."""
        found: dict[str, Any] = {}
        for path in sorted(self.home.rglob("*")):
            of = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            names = os.listxattr(path, follow_symlinks=False)
            found[str(path)] = (of.st_mode, of.st_uid, of.st_mtime_ns, of.st_ctime_ns, content)
            found[f"{path} attributes"] = names
        status = Path(f"/proc/{self.pid}/status").read_text()
        for name in ("State", "TracerPid", "SigPnd", "ShdPnd", "Cpus_allowed", "Uid"):
            found[name] = status.partition(f"\n{name}:")[2].partition("\n")[0]
        found["State"] = "Z" in found["State"] or "T" in found["State"]
        found["nice"] = os.getpriority(os.PRIO_PROCESS, self.pid)
        found["scheduler"] = os.sched_getscheduler(self.pid)
        found["disk"] = raw("ioprio_get", 1, self.pid)
        found["limits"] = Path(f"/proc/{self.pid}/limits").read_text()
        found["memory"] = Path(f"/proc/{self.pid}/oom_score_adj").read_text()
        return found

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.server.close()
        self.letters.close()
        for kind in ("shm", "sem", "msg"):  # what attacks have left that succeeded
            for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]:
                if int(line.split()[0]) == self.key:
                    number = int(line.split()[1])
                    raw(f"{kind}ctl", number, *((0, 0) if kind == "sem" else (0,)))
        raw("mq_unlink", b"vaelib-queue")
        Path("/dev/shm/vaelib-shared").unlink(missing_ok=True)
        Path(f"/tmp/vaelib-left-{self.pid}").unlink(missing_ok=True)
        shutil.rmtree(self.home)


@dataclass(frozen=True)
class Attack:
    """`run` is called in the scratch folder; True if it has reached what it wanted."""

    kind: str
    name: str
    run: Callable[[World], Any]
    as_root: bool = False  # only root can do it at all


ATTACKS: list[Attack] = []
Run = Callable[[World], Any]


def attack(kind: str, name: str, as_root: bool = False) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        ATTACKS.append(Attack(kind, name, run, as_root))
        return run

    return add


def many(kind: str, attacks: dict[str, Run], as_root: bool = False) -> None:
    ATTACKS.extend(Attack(kind, name, run, as_root) for name, run in attacks.items())


def raw(name: str, *arguments: Any) -> int:
    """A system call by its name; -1 if it fails, or if this processor has none of the name."""
    number = NUMBERS[name] if name in NUMBERS else number_of(name)
    if number < 0:
        return -1
    plain = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return int(LIBC.syscall(ctypes.c_long(number), *plain))


def managed(function: Callable[..., Any], *arguments: Any) -> bool:
    """True if a function that returns nothing has not raised an error."""
    function(*arguments)
    return True


def number_of(name: str) -> int:
    NUMBERS[name] = syscalls.library().seccomp_syscall_resolve_name(name.encode())
    return NUMBERS[name]


def mapped(size: int, protection: int, flags: int, descriptor: int = -1) -> int:
    """The address of new memory. Raises MemoryError if there is none."""
    LIBC.mmap.restype = ctypes.c_void_p
    found = LIBC.mmap(None, ctypes.c_size_t(size), protection, flags, descriptor, ctypes.c_long(0))
    if found == ctypes.c_void_p(-1).value:
        raise MemoryError
    return int(found)


NUMBERS: dict[str, int] = {}
HERE = -100  # instead of an open folder
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
SHARED = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS


# --- files of the lecturer's change --------------------------------------------------------------
def opened(path: Path, flags: int) -> int:
    return raw("openat", HERE, bytes(path), flags, 0o600)


def renamed(source: Path, target: Path) -> None:
    raw("renameat2", HERE, bytes(source), HERE, bytes(target), 0)


def put(path: Path) -> Path:
    path.write_text("mine")
    return path


def set_flags(w: World) -> None:
    """What chattr does, and it needs no more than an open file: here the flag "no dump"."""
    flags = ctypes.c_int()
    descriptor = os.open(w.own, os.O_RDONLY)
    raw("ioctl", descriptor, 0x80086601, ctypes.byref(flags))
    flags.value ^= 0x40
    raw("ioctl", descriptor, 0x40086602, ctypes.byref(flags))


@attack("files", "a new name for the scratch folder")
def other_name(w: World) -> bool:
    here = os.getcwd()
    os.rename(here, w.home / "scratch")
    os.rename(w.home / "scratch", here)
    return True


@attack("files", "open_by_handle_at: a file by its number", as_root=True)
def by_handle(w: World) -> Any:
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136)
    mount = ctypes.c_int()
    raw("name_to_handle_at", HERE, bytes(w.marks), handle, ctypes.byref(mount), 0)
    descriptor = raw("open_by_handle_at", os.open(".", os.O_RDONLY), handle, os.O_WRONLY)
    return descriptor >= 0 and os.write(descriptor, b"x")


@attack("files", "chmod, through the entry for 32-bit programs")
def old_entry(w: World) -> Any:
    if platform.machine() != "x86_64":
        return False
    below_4_gib = 0x40
    code_place = mapped(4096, 7, PRIVATE | below_4_gib)
    path = code_place + 2048
    ctypes.memmove(path, bytes(w.marks) + b"\0", len(bytes(w.marks)) + 1)
    chmod = 15
    code = b"\x53\xb8" + struct.pack("I", chmod) + b"\xbb" + struct.pack("I", path)
    code += b"\xb9" + struct.pack("I", 0o777) + b"\xcd\x80\x5b\xc3"
    ctypes.memmove(code_place, code, len(code))
    return ctypes.CFUNCTYPE(ctypes.c_int)(code_place)()


many(
    "files",
    {
        "open for writing": lambda w: w.marks.write_text("ada,100"),
        "open for appending": lambda w: w.marks.open("a").write("x"),
        "open for reading and writing": lambda w: os.write(opened(w.own, os.O_RDWR), b"x"),
        "open for reading, and empty": lambda w: opened(w.own, os.O_RDONLY | os.O_TRUNC),
        "open for neither, and empty": lambda w: opened(w.own, 3 | os.O_TRUNC),
        "open a link to it in /proc": lambda w: Path(f"/proc/self/root{w.marks}").write_text("x"),
        "open an open file again": lambda w: os.write(
            opened(Path(f"/proc/self/fd/{opened(w.own, os.O_RDONLY)}"), os.O_WRONLY), b"x"
        ),
        "openat2": lambda w: os.write(
            raw("openat2", HERE, bytes(w.own), struct.pack("QQQ", os.O_WRONLY, 0, 0), 24), b"x"
        ),
        "creat": lambda w: raw("creat", bytes(w.marks), 0o600),
        "truncate": lambda w: raw("truncate", bytes(w.marks), 0),
        "shared memory of a file": lambda w: mmap.mmap(opened(w.own, os.O_RDWR), 5).write(b"x"),
        "unlink": lambda w: raw("unlinkat", HERE, bytes(w.marks), 0),
        "rename inside the folder": lambda w: renamed(w.marks, w.home / "x"),
        "rename into its own folder": lambda w: renamed(w.marks, Path("stolen")),
        "rename its own file over it": lambda w: renamed(put(Path("mine")), w.marks),
        "a hard link, written to": lambda w: (
            raw("linkat", HERE, bytes(w.marks), HERE, b"link", 0),
            Path("link").open("r+").write("x"),
        ),
        "a symbolic link, written to": lambda w: (
            managed(os.symlink, w.marks, "link"),
            Path("link").write_text("x"),
        ),
        "a new file": lambda w: (w.home / "new").write_text("x"),
        "a new folder": lambda w: raw("mkdirat", HERE, bytes(w.home / "new"), 0o700),
        "a new symbolic link": lambda w: raw("symlinkat", b"x", HERE, bytes(w.home / "new")),
        "a new named pipe": lambda w: raw("mknodat", HERE, bytes(w.home / "new"), 0o10600, 0),
        "a new file in /tmp": lambda w: Path(f"/tmp/vaelib-left-{w.pid}").write_text("x"),
        "chmod": lambda w: os.chmod(w.marks, 0o777),
        "fchmodat": lambda w: raw("fchmodat", HERE, bytes(w.marks), 0o777),
        "fchmodat2": lambda w: raw("fchmodat2", HERE, bytes(w.marks), 0o777, 0),
        "fchmod of a file open for reading": lambda w: raw(
            "fchmod", opened(w.own, os.O_RDONLY), 0o777
        ),
        "chown": lambda w: os.chown(w.marks, os.geteuid(), -1),
        "fchownat": lambda w: raw("fchownat", HERE, bytes(w.marks), os.geteuid(), -1, 0),
        "fchown of a file open for reading": lambda w: raw(
            "fchown", opened(w.own, os.O_RDONLY), os.geteuid(), -1
        ),
        "utime": lambda w: os.utime(w.marks, (0, 0)),
        "utimensat of a file open for reading": lambda w: raw(
            "utimensat", opened(w.own, os.O_RDONLY), None, None, 0
        ),
        "setxattr": lambda w: raw("setxattr", bytes(w.marks), b"user.x", b"x", 1, 0),
        "fsetxattr of a file open for reading": lambda w: raw(
            "fsetxattr", opened(w.own, os.O_RDONLY), b"user.x", b"x", 1, 0
        ),
        "removexattr": lambda w: raw("removexattr", bytes(w.other), b"user.note"),
        "flags, as chattr sets them": set_flags,
        "a lock that others wait for": lambda w: managed(
            fcntl.flock, opened(w.own, os.O_RDONLY), fcntl.LOCK_EX
        ),
        "a lease that delays whoever opens it": lambda w: (
            raw("fcntl", opened(w.own, os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK) == 0
        ),
        "removing the scratch folder itself": lambda w: managed(os.rmdir, os.getcwd()),
        "io_uring, which opens past a filter": lambda w: (
            raw("io_uring_setup", 8, ctypes.create_string_buffer(120)) >= 0
        ),
        "a mount namespace": lambda w: raw("unshare", 0x10000000 | 0x20000) == 0,
    },
)
many(
    "files",
    {
        "a device of its own, as the disk": lambda w: (
            raw("mknodat", HERE, b"disk", 0o60600, 0x103) == 0
        ),
        "chroot": lambda w: raw("chroot", b".") == 0,
        "the computer's name": lambda w: (
            raw("sethostname", socket.gethostname().encode(), len(socket.gethostname())) == 0
        ),
    },
    as_root=True,
)


# --- something of the lecturer's is read ----------------------------------------------------------
def holds(path: Any) -> bool:
    return SECRET in Path(path).read_bytes()


@attack("reading", "importing the references")
def import_references(w: World) -> Any:
    place = CHECKS / "catalogue" / "kl.py"
    spec = importlib.util.spec_from_file_location("stolen", place)
    assert spec and spec.loader
    return spec.loader.get_source("stolen")  # type: ignore[attr-defined]


@attack("reading", "process_vm_readv")
def read_memory(w: World) -> Any:
    mine = ctypes.create_string_buffer(4)
    here = struct.pack("QQ", ctypes.addressof(mine), 4)
    there = struct.pack("QQ", w.address, 4)
    return raw("process_vm_readv", w.pid, here, 1, there, 1, 0) == 4 and mine.raw == b"\x7fELF"


@attack("reading", "a descriptor of another process")
def borrowed(w: World) -> Any:
    descriptor = raw("pidfd_getfd", raw("pidfd_open", w.pid, 0), 0, 0)
    return os.pread(descriptor, 100, 0) == SECRET


@attack("reading", "the memory of another process, as a file")
def memory_file(w: World) -> Any:
    with open(f"/proc/{w.pid}/mem", "rb") as memory:
        memory.seek(w.address)
        return memory.read(4) == b"\x7fELF"


@attack("reading", "who opens what, by inotify")
def notified(w: World) -> Any:
    return raw("inotify_add_watch", raw("inotify_init1", 0), bytes(w.home), 0xFFF) >= 0


many(
    "reading",
    {
        "the seed": lambda w: holds(w.seed),
        "the names in a folder": lambda w: w.other.name in os.listdir(w.home),
        "another submission": lambda w: w.other.read_bytes(),
        "a folder entered first": lambda w: managed(os.chdir, w.home) and holds("seed.txt"),
        "through a folder that is only a place": lambda w: os.pread(
            raw("openat", os.open(w.home, os.O_PATH), b"seed.txt", 0, 0), 20, 0
        ),
        "through a symbolic link": lambda w: managed(os.symlink, w.seed, "link") and holds("link"),
        "through a hard link": lambda w: managed(os.link, w.seed, "link") and holds("link"),
        "through /proc/self/root": lambda w: holds(f"/proc/self/root{w.seed}"),
        "an attribute of a file": lambda w: os.getxattr(w.other, "user.note"),
        "the references": lambda w: (CHECKS / "catalogue" / "kl.py").read_bytes(),
        "the marking program": lambda w: Path(__file__).read_bytes(),
        "the users of the computer": lambda w: Path("/etc/passwd").read_bytes(),
        "the command that started it": lambda w: Path(f"/proc/{os.getppid()}/cmdline").read_bytes(),
        "another's command": lambda w: Path(f"/proc/{w.pid}/cmdline").read_bytes(),
        "another's environment": lambda w: holds(f"/proc/{w.pid}/environ"),
        "another's open file": lambda w: holds(f"/proc/{w.pid}/fd/0"),
        "another's files": lambda w: holds(f"/proc/{w.pid}/root{w.seed}"),
        "another's folder": lambda w: os.listdir(f"/proc/{w.pid}/cwd"),
        "which program another runs": lambda w: os.readlink(f"/proc/{w.pid}/exe"),
        "where another is": lambda w: managed(os.chdir, f"/proc/{w.pid}/cwd"),
        "where another's memory is": lambda w: Path(f"/proc/{w.pid}/maps").read_bytes(),
        "which processes there are": lambda w: str(w.pid) in os.listdir("/proc"),
        "whether another process exists": lambda w: os.sched_getaffinity(w.pid),
        "the clock of another process": lambda w: time.clock_gettime((~w.pid << 3) | 2) >= 0,
        "whether two share a file": lambda w: raw("kcmp", w.pid, os.getpid(), 0, 0, 0) >= 0,
        "files by sendfile": lambda w: raw("sendfile", 1, opened(w.seed, 0), None, 20) > 0,
    },
)
many(
    "reading",
    {
        "the kernel's messages": lambda w: raw("syslog", 10, None, 0) >= 0,
        "the kernel's messages, as a file": lambda w: os.open("/dev/kmsg", os.O_RDONLY),
        "what happens in the processor": lambda w: (
            raw("perf_event_open", struct.pack("IIQ100x", 1, 112, 1), 0, -1, -1, 0) >= 0
        ),
        "fanotify": lambda w: raw("fanotify_init", 0, 0) >= 0,
        "a program in the kernel": lambda w: (
            raw("bpf", 0, struct.pack("IIII112x", 2, 4, 8, 1), 128) >= 0
        ),
        "the password file": lambda w: Path("/etc/shadow").read_bytes(),
    },
    as_root=True,
)


# --- what is there is found out, though it cannot be read -----------------------------------------
@attack("sight", "by the error that opening it gives")
def by_error(w: World) -> bool:
    try:
        w.other.read_bytes()
    except FileNotFoundError:
        return False
    except PermissionError:
        pass
    return True


@attack("sight", "by the error that reading it as a link gives")
def by_link_error(w: World) -> bool:
    raw("readlinkat", HERE, bytes(w.other), ctypes.create_string_buffer(9), 9)
    return ctypes.get_errno() == errno.EINVAL


@attack("sight", "statx")
def by_statx(w: World) -> bool:
    found = ctypes.create_string_buffer(256)
    return raw("statx", HERE, bytes(w.other), 0, 0xFFF, found) == 0


@attack("sight", "files that have lost their name fill the disk")
def nameless(w: World) -> bool:
    held = []
    for _ in range(12):
        file = os.open("x", os.O_CREAT | os.O_RDWR)
        os.posix_fallocate(file, 0, sandbox.FILE)
        held.append(mmap.mmap(file, 4096))
        os.close(file)
        os.unlink("x")
    return True


many(
    "sight",
    {
        "the size of another submission": lambda w: os.stat(w.other).st_size,
        "its times": lambda w: os.lstat(w.other).st_mtime_ns,
        "whether it exists": lambda w: os.path.exists(w.other),
        "access": lambda w: os.access(w.other, os.F_OK),
        "whether the lecturer may write it": lambda w: os.stat(w.marks).st_mode,
        "a folder, opened as a place": lambda w: (
            os.stat("seed.txt", dir_fd=os.open(w.home, os.O_PATH)).st_size
        ),
        "up from its own folder": lambda w: os.stat(Path("..", w.home.name, "seed.txt")).st_size,
        "through /proc": lambda w: os.stat(f"/proc/self/root{w.seed}").st_size,
        "through /proc/self/cwd": lambda w: (
            os.stat(f"/proc/self/cwd/../{w.home.name}/seed.txt").st_size
        ),
        "how full the disk is": lambda w: os.statvfs(w.marks).f_blocks,
        "which user another process is": lambda w: os.stat(f"/proc/{w.pid}").st_ctime_ns,
    },
)


# --- another process is reached, or one is started ------------------------------------------------
@attack("processes", "a signal for input, sent by the kernel")
def owner_of_input(w: World) -> None:
    reader, writer = os.pipe()
    raw("fcntl", reader, fcntl.F_SETOWN, w.pid)
    raw("fcntl", reader, fcntl.F_SETFL, os.O_ASYNC)
    os.write(writer, b"x")
    time.sleep(0.1)


@attack("processes", "a copy by clone")
def cloned(w: World) -> Any:
    made = raw("clone", signal.SIGCHLD, 0, 0, 0, 0)
    if made == 0:
        os._exit(0)
    return made > 0


@attack("processes", "a copy by clone3")
def cloned_anew(w: World) -> Any:
    made = raw("clone3", struct.pack("8Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64)
    if made == 0:
        os._exit(0)
    return made > 0


@attack("processes", "a copy by fork")
def forked(w: World) -> Any:
    made = os.fork()
    if made == 0:
        os._exit(0)
    return made


@attack("processes", "another program in its place")
def executed(w: World) -> None:
    os.execv("/bin/sh", ["sh", "-c", f"echo x > {w.home}/new"])


@attack("processes", "process_vm_writev")
def write_memory(w: World) -> Any:
    mine = ctypes.create_string_buffer(4)
    here = struct.pack("QQ", ctypes.addressof(mine), 4)
    there = struct.pack("QQ", w.stack, 4)
    return raw("process_vm_writev", w.pid, here, 1, there, 1, 0) == 4


@attack("processes", "where the memory of another is", as_root=True)
def advise_another(w: World) -> Any:
    place = struct.pack("QQ", w.stack, 4096)
    cold = 20
    return raw("process_madvise", raw("pidfd_open", w.pid, 0), place, 1, cold, 0) >= 0


@attack("processes", "the pages of another's memory")
def move_pages(w: World) -> Any:
    status = ctypes.create_string_buffer(4)
    return raw("move_pages", w.pid, 1, struct.pack("Q", w.stack), None, status, 2) >= 0


@attack("processes", "the namespaces of another", as_root=True)
def enter(w: World) -> Any:
    return raw("setns", raw("pidfd_open", w.pid, 0), 0x04000000) == 0


many(
    "processes",
    {
        "kill": lambda w: os.kill(w.pid, signal.SIGTERM),
        "kill a group": lambda w: raw("kill", -w.pid, signal.SIGTERM),
        "stop": lambda w: raw("kill", w.pid, signal.SIGSTOP),
        "tkill": lambda w: raw("tkill", w.pid, signal.SIGTERM),
        "tgkill": lambda w: raw("tgkill", w.pid, w.pid, signal.SIGTERM),
        "rt_sigqueueinfo": lambda w: raw(
            "rt_sigqueueinfo", w.pid, 15, struct.pack("iii", 15, 0, -1).ljust(128, b"\0")
        ),
        "pidfd_send_signal": lambda w: raw(
            "pidfd_send_signal", raw("pidfd_open", w.pid, 0), 15, None, 0
        ),
        "whether a process exists": lambda w: raw("kill", w.pid, 0) == 0,
        "nice": lambda w: raw("setpriority", 0, w.pid, 7),
        "nice, of a group": lambda w: raw("setpriority", 1, w.pid, 7),
        "the processors of another": lambda w: os.sched_setaffinity(w.pid, {0}),
        "the scheduler": lambda w: raw("sched_setscheduler", w.pid, 3, struct.pack("i", 0)),
        "the scheduler, the newer call": lambda w: raw(
            "sched_setattr", w.pid, struct.pack("IIQiIQQQ", 48, 3, 0, 5, 0, 0, 0, 0), 0
        ),
        "the turn at the disk": lambda w: raw("ioprio_set", 1, w.pid, (2 << 13) | 7),
        "the limits of another": lambda w: resource.prlimit(w.pid, resource.RLIMIT_CORE, (0, 0)),
        "ptrace": lambda w: raw("ptrace", 0x4206, w.pid, 0, 0) == 0,
        "the order in which memory runs out": lambda w: Path(
            f"/proc/{w.pid}/oom_score_adj"
        ).write_text("1000"),
        "os.system": lambda w: os.system(f"echo x > {w.home}/new") == 0,
        "subprocess": lambda w: subprocess.run(["touch", w.home / "new"]),
        "posix_spawn": lambda w: os.posix_spawn("/bin/true", ["true"], {}),
        "a session of its own": lambda w: raw("setsid") > 0,
        "living on without the parent": lambda w: raw("prctl", 1, 0, 0, 0, 0) == 0,
        "open to other processes again": lambda w: raw("prctl", 4, 1, 0, 0, 0) == 0,
        "being the parent of orphans": lambda w: raw("prctl", 36, 1, 0, 0, 0) == 0,
        "a process namespace": lambda w: raw("unshare", 0x10000000 | 0x20000000) == 0,
        "the network's namespace": lambda w: raw("unshare", 0x10000000 | 0x40000000) == 0,
    },
)


# --- a message leaves, or memory is shared --------------------------------------------------------
@attack("messages", "a letter through a pair of sockets")
def letter(w: World) -> Any:
    """A pair may send to any address of its kind, not only to its other end."""
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return one.sendto(b"7", f"\0vaelib-{w.pid}")


@attack("messages", "an open file to another process")
def passed_on(w: World) -> Any:
    one, _ = socket.socketpair()
    return socket.send_fds(one, [b"x"], [0])


@attack("messages", "waking who waits at a library's page")
def wake(w: World) -> Any:
    """Two submissions have the same pages of a library, and so could meet there."""
    return raw("futex", ctypes.cast(LIBC.abs, ctypes.c_void_p), 1, 1, None, None, 0) >= 0


@attack("messages", "asking who holds a lock")
def lock_asked(w: World) -> Any:
    with w.own.open() as file:
        return fcntl.fcntl(file, fcntl.F_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))


def made_socket(family: int, kind: int) -> Run:
    return lambda w: raw("socket", family, kind, 0) >= 0


many(
    "messages",
    {
        "TCP": lambda w: managed(socket.socket().connect, (b"127.0.0.1", w.port)),
        "a TCP server": lambda w: managed(socket.socket().bind, (b"127.0.0.1", 0)),
        "UDP": made_socket(socket.AF_INET, socket.SOCK_DGRAM),
        "IPv6": made_socket(socket.AF_INET6, socket.SOCK_STREAM),
        "netlink": made_socket(16, socket.SOCK_RAW),
        "a socket without a file": lambda w: managed(
            socket.socket(socket.AF_UNIX).bind, "\0vaelib"
        ),
        "a socket in its own folder": lambda w: managed(socket.socket(socket.AF_UNIX).bind, "s"),
        "a named pipe in its own folder": lambda w: managed(os.mkfifo, "pipe"),
        "shmget": lambda w: raw("shmget", w.key, 4096, 0o1600) >= 0,
        "semget": lambda w: raw("semget", w.key, 1, 0o1600) >= 0,
        "msgget": lambda w: raw("msgget", w.key, 0o1600) >= 0,
        "mq_open": lambda w: raw("mq_open", b"vaelib-queue", 0o102, 0o600, None) >= 0,
        "/dev/shm": lambda w: Path("/dev/shm/vaelib-shared").write_text("7"),
        "memfd_create": lambda w: raw("memfd_create", b"x", 0) >= 0,
        "a key of the kernel's": lambda w: raw("add_key", b"user", b"vaelib", b"7", 1, -2) >= 0,
        "a keyring of the kernel's": lambda w: raw("keyctl", 0, -2, 1) >= 0,
        "page faults of its own": lambda w: raw("userfaultfd", 1) >= 0,
        "pages merged with another's": lambda w: managed(
            mmap.mmap(-1, 8192, flags=mmap.MAP_PRIVATE).madvise, 12
        ),
        "signals as a file": lambda w: raw("signalfd4", -1, bytes(8), 8, 0) >= 0,
    },
)


# --- more than its share ------------------------------------------------------------------------
@attack("bounds", "memory that is made read-only, again and again")
def read_only(w: World) -> Any:
    for _ in range(6):
        place = mapped(512 << 20, mmap.PROT_READ | mmap.PROT_WRITE, PRIVATE)
        LIBC.mprotect(ctypes.c_void_p(place), ctypes.c_size_t(512 << 20), mmap.PROT_READ)
    return True


@attack("bounds", "threads")
def threads(w: World) -> Any:
    threading.stack_size(64 << 10)
    stop = threading.Event()
    for _ in range(3 * sandbox.THREADS):
        threading.Thread(target=stop.wait, daemon=True).start()
    return True


@attack("bounds", "files without end")
def many_files(w: World) -> Any:
    for number in range(MOST_FILES + 100):
        os.close(os.open(str(number), os.O_CREAT))
    time.sleep(0.6)
    return True


@attack("bounds", "files that fill the disk")
def full_disk(w: World) -> Any:
    for number in range(12):
        with open(str(number), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, sandbox.FILE)
    time.sleep(0.6)
    return True


TOO_MUCH = 3 << 30
many(
    "bounds",
    {
        "memory": lambda w: mapped(TOO_MUCH, mmap.PROT_READ | mmap.PROT_WRITE, PRIVATE),
        "memory from Python": lambda w: bytearray(sandbox.MEMORY + (100 << 20)),
        "shared memory": lambda w: mapped(TOO_MUCH, mmap.PROT_READ | mmap.PROT_WRITE, SHARED),
        "shared memory, written to later": lambda w: mapped(4096, mmap.PROT_READ, SHARED),
        "shared memory of a device": lambda w: mapped(
            4096, mmap.PROT_READ, mmap.MAP_SHARED, os.open("/dev/zero", os.O_RDONLY)
        ),
        "addresses, for tables of pages": lambda w: mapped(1 << 40, mmap.PROT_READ, PRIVATE),
        "memory that stays in place": lambda w: raw("mlockall", 2) == 0,
        "a large file": lambda w: Path("x").write_bytes(bytes(sandbox.FILE + 1)),
        "a large file, at its end": lambda w: managed(
            os.truncate, opened(Path("x"), 0o102), 1 << 30
        ),
        "space on the disk behind a file's end": lambda w: (
            raw("fallocate", opened(Path("x"), 0o102), 1, 0, 4 * sandbox.FILE) == 0
        ),
        "files that have no name": lambda w: opened(Path("."), os.O_TMPFILE | os.O_RDWR) >= 0,
        "files open at the same time": lambda w: [os.dup(0) for _ in range(300)],
        "large pipes": lambda w: fcntl.fcntl(os.pipe()[1], fcntl.F_SETPIPE_SZ, 1 << 20),
        "timers": lambda w: raw("timer_create", 1, None, bytes(4)) == 0,
        "writing everything to the disk": lambda w: raw("sync") == 0,
    },
)


# --- trying them ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Way:
    """What the sandbox is made of: a version of Landlock or 0, a root folder of its own or not."""

    landlock: int
    own_root: bool = True

    @property
    def name(self) -> str:
        landlock = f"L{self.landlock}" if self.landlock else "no L"
        return landlock if self.own_root else f"{landlock} alone"


def ways() -> list[Way]:
    """All that there are on this machine."""
    newest = landlock.version()
    found = [Way(version) for version in range(newest + 1)] if own_root() else []
    return [*found, Way(1, False), Way(newest, False)]


def own_root() -> bool:
    """Whether this system lets a process have a root folder of its own."""
    return sandbox.own_disk(sandbox.tried()[0])


def succeeds(one: Attack, way: Way | None, user: int = 0) -> bool:
    """Whether the attack succeeds against a sandbox made like that; None is without one."""
    world = World(user)
    try:
        before = world.state()
        with scratch_folder() as scratch:
            if user:
                os.chown(scratch, user, user)
            said = told_by_child(one, world, scratch, way)
            time.sleep(0.02)  # for a signal to arrive
            return said or world.state() != before
    finally:
        world.close()


def told_by_child(one: Attack, world: World, scratch: Path, way: Way | None) -> bool:
    """What the attack says of itself, in a process that is ended with what it has started."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = run_in_child(one, world, scratch, way)
        except BaseException as error:
            answer = f"?{error!r}".encode()
        os.write(writer, answer)
        os._exit(0)
    os.close(writer)
    try:
        answer = b""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            if select.select([reader], [], [], 0.25)[0]:
                answer = os.read(reader, 1000)
                break
            if way and too_much(scratch):
                break
        if not answer:
            time.sleep(0.1)  # it may have become another program, which needs a moment
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if answer.startswith(b"?"):
        raise RuntimeError(answer.decode())
    return answer == b"1"


def run_in_child(one: Attack, world: World, scratch: Path, way: Way | None) -> bytes:
    os.chdir(scratch)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sandbox.libraries()  # Python itself may lie where the user cannot read
    if world.user:
        os.setgroups([])
        os.setresgid(world.user, world.user, world.user)
        os.setresuid(world.user, world.user, world.user)
    if way:
        landlock.version = lambda: way.landlock
        if not way.own_root:
            sandbox.sight.own_mounts = not_allowed
        sandbox.confine(scratch, [world.own, CHECKS.parent])
    try:
        answer = one.run(world)
    except BaseException:
        return b"0"
    return b"0" if answer is None or answer is False or answer in (0, -1) else b"1"


def not_allowed() -> None:
    raise PermissionError("emulated: no mount namespace")


def main() -> None:
    if why := sandbox.refusal():
        sys.exit(f"✗ {why}")
    print(platform.system(), platform.release(), platform.machine())
    possible = [one for one in ATTACKS if os.geteuid() == 0 or not one.as_root]
    tried = ways()
    print(f"{'attack':60} none", *(way.name for way in tried))
    breaches = 0
    for one in possible:
        results = [succeeds(one, way) for way in (None, *tried)]
        promised = [way.own_root or one.kind != "sight" for way in tried]
        breaches += sum(r and p for r, p in zip(results[1:], promised, strict=True))
        signs = ["✗" if result else "✓" for result in results]
        cells = [f"{s:{len(way.name)}}" for s, way in zip(signs[1:], tried, strict=True)]
        print(f"{one.kind + ': ' + one.name:60} {signs[0]:4}", *cells)
    print(f"{len(possible)} attacks; ✗ succeeds, ✓ is held; none: without the sandbox; L1…: with")
    print(
        "Landlock of this version; no L: without it; alone: where the system allows no root folder"
    )
    print("of its own. There what exists is in sight, as each report says; else", end=" ")
    print(f"{breaches} succeed in the sandbox")


if __name__ == "__main__":
    main()
