"""The system calls that a submission may make: a list of the allowed ones, kept by the kernel.

libseccomp, which nearly every Linux has, turns the list into the kernel's filter and knows the
numbers of each processor. Every call that is not listed fails with "Operation not permitted".
"""

import ctypes
import errno
import fcntl
import os
import termios
from collections.abc import Iterator

# What an allowed call can do is bounded by Landlock and the resource limits.
ALLOWED = """
    read write readv writev pread64 pwrite64 preadv pwritev lseek close close_range dup dup2 dup3
    fsync fdatasync ftruncate fadvise64 sendfile
    stat lstat fstat newfstatat statx access faccessat faccessat2 readlink readlinkat statfs fstatfs
    getcwd chdir fchdir getdents getdents64 mkdir mkdirat rmdir unlink unlinkat rename renameat
    umask brk munmap mprotect mremap msync
    set_robust_list rseq gettid sched_yield getcpu exit exit_group
    nanosleep gettimeofday time times alarm setitimer getitimer pause restart_syscall
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack
    poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait
    eventfd eventfd2 pipe pipe2 recvfrom
    getpid getppid getuid geteuid getgid getegid getpgrp uname sysinfo getrusage getrlimit getrandom
""".split()
# The C library falls back on an older call if these do not exist.
MISSING = ("clone3", "openat2", "fchmodat2")

# Comparisons of an argument: (its place, how, mask or value, value under the mask).
AT_MOST = 3
EQUAL = 4
MASKED = 7
Comparison = tuple[int, int, int, int]

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
ERROR = 0x00050000
# Attributes of a filter: what a call of another processor's kind does, whether all threads of the
# process get the filter, and that it is a binary tree.
BAD_ARCHITECTURE = 2
ALL_THREADS = 4
OPTIMIZE = 8

# The flags with which the C libraries (glibc, musl) start a thread; any others start a process.
THREAD = (0x3D0F00, 0x7D0F00)
PRIVATE_FUTEX = 128
FUTEX_WAIT = (0, 9, 9 | 256)
# What the C library and allocators advise; not, for instance, to merge pages with other processes.
ADVICE = (0, 1, 2, 3, 4, 8, 14, 15, 16, 17, 102, 103)
NO_NAME = 0o20000000  # a bit of O_TMPFILE
LAST_CLOCK = 11
SET_NAME = 15
GET_NAME = 16
MAP_SHARED = 0x01
MAP_PRIVATE = 0x02
MAP_TYPE = 0x0F
MAP_ANONYMOUS = 0x20
MAP_HUGETLB = 0x40000
UNIX_SOCKET = 1
STREAM = 1
SOCKET_TYPE = 0xF
DESCRIPTORS = (
    *(fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC, fcntl.F_GETFD, fcntl.F_SETFD),
    *(fcntl.F_GETFL, fcntl.F_SETFL),
)
TERMINALS = (
    *(termios.TCGETS, termios.TIOCGWINSZ, termios.FIONREAD, termios.FIONBIO),
    *(termios.FIOCLEX, termios.FIONCLEX),
)


class Compared(ctypes.Structure):
    """A comparison as libseccomp takes it."""

    _fields_ = (
        ("place", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def checked(pid: int) -> Iterator[tuple[str, tuple[Comparison, ...]]]:
    """The calls that are allowed with certain arguments only, for the process `pid`."""
    for name, flags in (("open", 1), ("openat", 2)):
        # Kernels before 6.2 let a file be emptied that is opened for reading. A file without a name
        # would not be found when its size is added up.
        yield name, ((flags, MASKED, os.O_TRUNC | NO_NAME, 0),)
        for writing in (os.O_WRONLY, os.O_RDWR):
            mask = os.O_TRUNC | os.O_ACCMODE | NO_NAME
            yield name, ((flags, MASKED, mask, os.O_TRUNC | writing),)
    yield "fallocate", ((1, EQUAL, 0, 0),)  # other modes pass the limit on the size of a file
    # Memory that is shared and has no file is not counted by the limit on memory.
    yield "mmap", ((3, MASKED, MAP_TYPE | MAP_HUGETLB, MAP_PRIVATE),)
    yield "mmap", ((3, MASKED, MAP_TYPE | MAP_HUGETLB | MAP_ANONYMOUS, MAP_SHARED),)
    for flags in THREAD:
        yield "clone", ((0, EQUAL, flags, 0),)
    yield "kill", ((0, EQUAL, pid, 0),)
    yield "tgkill", ((0, EQUAL, pid, 0),)
    # A futex that is not private could be shared with another submission: none can be woken.
    yield "futex", ((1, MASKED, PRIVATE_FUTEX, PRIVATE_FUTEX),)
    for operation in FUTEX_WAIT:
        yield "futex", ((1, EQUAL, operation, 0),)
    for advice in ADVICE:
        yield "madvise", ((2, EQUAL, advice, 0),)
    for process in (0, pid):
        yield "sched_getaffinity", ((0, EQUAL, process, 0),)
    for name in ("clock_gettime", "clock_getres", "clock_nanosleep"):
        yield name, ((0, AT_MOST, LAST_CLOCK, 0),)  # higher numbers are clocks of other processes
    for command in DESCRIPTORS:
        yield "fcntl", ((1, EQUAL, command, 0),)
    for command in TERMINALS:
        yield "ioctl", ((1, EQUAL, command, 0),)
    for option in (SET_NAME, GET_NAME):
        yield "prctl", ((0, EQUAL, option, 0),)
    yield "prlimit64", ((0, EQUAL, 0, 0), (2, EQUAL, 0, 0))  # reading one's own
    yield "socketpair", ((0, EQUAL, UNIX_SOCKET, 0), (1, MASKED, SOCKET_TYPE, STREAM))
    yield "sendto", ((4, EQUAL, 0, 0),)  # to the other end of the pair, not to an address


def library() -> ctypes.CDLL:
    """libseccomp. Raises OSError where it is not installed."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    return lib


class Filter:
    """The filter for the process `pid`, for this processor or another `architecture`."""

    def __init__(self, pid: int, architecture: int = 0) -> None:
        self.lib = library()
        refuse = ERROR | errno.EPERM
        self.context = ctypes.c_void_p(self.lib.seccomp_init(ctypes.c_uint32(refuse)))
        if not self.context:
            raise OSError(errno.ENOSYS, "libseccomp has no filter for this system")
        if architecture:
            native = self.lib.seccomp_arch_native()
            self._do("seccomp_arch_add", ctypes.c_uint32(architecture))
            self._do("seccomp_arch_remove", ctypes.c_uint32(native))
        self._do("seccomp_attr_set", BAD_ARCHITECTURE, ctypes.c_uint32(KILL_PROCESS))
        self._do("seccomp_attr_set", ALL_THREADS, 1)
        self.lib.seccomp_attr_set(self.context, OPTIMIZE, 2)  # since libseccomp 2.5
        for name in ALLOWED:
            self._rule(ALLOW, name)
        for name, comparisons in checked(pid):
            self._rule(ALLOW, name, comparisons)
        for name in MISSING:
            self._rule(ERROR | errno.ENOSYS, name)

    def load(self) -> None:
        """From here on, no system call of this process passes that is not allowed."""
        self._do("seccomp_load")

    def export(self, descriptor: int) -> None:
        """Write the filter's program, as the kernel would get it, to an open file."""
        self._do("seccomp_export_bpf", descriptor)

    def _rule(self, action: int, name: str, comparisons: tuple[Comparison, ...] = ()) -> None:
        number = self.lib.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # this libseccomp or this processor does not know it: it stays refused
        compared = (Compared * len(comparisons))(*(Compared(*one) for one in comparisons))
        arguments = (ctypes.c_uint32(action), number, len(comparisons), compared)
        self._do("seccomp_rule_add_array", *arguments)

    def _do(self, name: str, *arguments: object) -> None:
        result = getattr(self.lib, name)(self.context, *arguments)
        if result < 0:
            raise OSError(-result, f"{name}: {os.strerror(-result)}")


def version() -> str:
    """The version of libseccomp. Raises OSError where it is not installed."""

    class Version(ctypes.Structure):
        _fields_ = tuple((name, ctypes.c_uint) for name in ("major", "minor", "micro"))

    get = library().seccomp_version
    get.restype = ctypes.POINTER(Version)
    found = get().contents
    return f"{found.major}.{found.minor}.{found.micro}"
