"""The list of allowed system calls, as the program that the kernel runs, on both processors."""

import errno
import os
import platform
import struct
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
if sys.platform == "linux":
    from course.marking import syscalls

X86_64 = 0xC000003E
AARCH64 = 0xC00000B7
I386 = 0x40000003
PID = 4711
ALLOWED = "allowed"
REFUSED = os.strerror(errno.EPERM)
MISSING = os.strerror(errno.ENOSYS)
KILLED = "killed"


class Kernel:
    """Runs a filter's program as the kernel does: on a call's number, processor and arguments."""

    def __init__(self, architecture: int, folder) -> None:
        self.architecture = architecture
        self.lib = syscalls.library()
        with open(folder / "program", "w+b") as file:
            native = self.lib.seccomp_arch_native()
            other = 0 if architecture & 0xFFFFFFFF == native & 0xFFFFFFFF else architecture
            syscalls.Filter(PID, other).export(file.fileno())
            file.seek(0)
            self.program = list(struct.iter_unpack("=HBBI", file.read()))

    def says(self, name: str, *arguments: int) -> str:
        number = self.lib.seccomp_syscall_resolve_name_arch(self.architecture, name.encode())
        assert number >= 0, name
        return self.run(number, self.architecture, arguments)

    def run(self, number: int, architecture: int, arguments: tuple[int, ...] = ()) -> str:
        words = [a & 0xFFFFFFFFFFFFFFFF for a in arguments] + [0] * (6 - len(arguments))
        data = struct.pack("<IIQ6Q", number, architecture, 0, *words)
        value = 0
        at = 0
        while True:
            code, if_true, if_false, constant = self.program[at]
            at += 1
            if code == 0x20:
                (value,) = struct.unpack_from("<I", data, constant)
            elif code == 0x54:
                value &= constant
            elif code == 0x05:
                at += constant
            elif code == 0x06:
                return verdict(constant)
            else:
                holds = {0x15: value == constant, 0x25: value > constant, 0x35: value >= constant}
                at += if_true if holds[code] else if_false


def verdict(constant: int) -> str:
    if constant == syscalls.ALLOW:
        return ALLOWED
    if constant == syscalls.KILL_PROCESS:
        return KILLED
    assert constant & 0xFFFF0000 == syscalls.ERROR
    return os.strerror(constant & 0xFFFF)


@pytest.fixture(scope="module", params=[X86_64, AARCH64], ids=["x86-64", "aarch64"])
def kernel(request, tmp_path_factory):
    return Kernel(request.param, tmp_path_factory.mktemp("filter"))


CALLS = [
    ("read", (0, 0, 10), ALLOWED),
    ("openat", (3, 0, os.O_RDONLY), ALLOWED),
    ("openat", (3, 0, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), ALLOWED),
    ("openat", (3, 0, os.O_RDWR | os.O_TRUNC), ALLOWED),
    ("openat", (3, 0, os.O_RDONLY | os.O_TRUNC), REFUSED),
    ("openat", (3, 0, 3 | os.O_TRUNC), REFUSED),
    ("openat", (3, 0, os.O_RDWR | os.O_TMPFILE), REFUSED),
    ("openat", (3, 0, os.O_RDWR | os.O_TMPFILE | os.O_TRUNC), REFUSED),
    ("openat", (3, 0, os.O_RDONLY | os.O_DIRECTORY), ALLOWED),
    ("fallocate", (3, 0, 0, 10), ALLOWED),
    ("fallocate", (3, 1, 0, 10), REFUSED),
    ("sched_getaffinity", (0, 8, 0), ALLOWED),
    ("sched_getaffinity", (PID, 8, 0), ALLOWED),
    ("sched_getaffinity", (1, 8, 0), REFUSED),
    ("clock_gettime", (2,), ALLOWED),
    ("clock_gettime", (~1 << 3 | 2,), REFUSED),
    ("openat2", (3, 0, 0, 24), MISSING),
    ("clone3", (0, 88), MISSING),
    ("clone", (0x3D0F00,), ALLOWED),
    ("clone", (17,), REFUSED),
    ("clone", (0x3D0F00 | 0x10000000,), REFUSED),
    ("clone", (0x3D0F00 & ~0x400,), REFUSED),
    ("kill", (PID, 9), ALLOWED),
    ("kill", (PID + 1, 9), REFUSED),
    ("kill", (0, 9), REFUSED),
    ("kill", (-1, 9), REFUSED),
    ("kill", (-PID, 9), REFUSED),
    ("tgkill", (PID, 5, 9), ALLOWED),
    ("tgkill", (1, 1, 9), REFUSED),
    ("mmap", (0, 4096, 3, 0x22), ALLOWED),
    ("mmap", (0, 4096, 3, 0x21), REFUSED),
    ("mmap", (0, 4096, 1, 0x21), REFUSED),
    ("mmap", (0, 4096, 3, 0x23), REFUSED),
    ("mmap", (0, 4096, 3, 0x40022), REFUSED),
    ("mmap", (0, 4096, 1, 0x01), ALLOWED),
    ("futex", (0, 1 | 128), ALLOWED),
    ("futex", (0, 1), REFUSED),
    ("futex", (0, 0), ALLOWED),
    ("futex", (0, 9 | 256), ALLOWED),
    ("futex", (0, 3), REFUSED),
    ("fcntl", (3, 3), ALLOWED),
    ("fcntl", (3, 8), REFUSED),
    ("fcntl", (3, 1024), REFUSED),
    ("ioctl", (3, 0x5401), ALLOWED),
    ("ioctl", (3, 0x5412), REFUSED),
    ("ioctl", (3, 0x40086602), REFUSED),
    ("prctl", (15,), ALLOWED),
    ("prctl", (1,), REFUSED),
    ("prctl", (4, 1), REFUSED),
    ("prlimit64", (0, 7, 0), ALLOWED),
    ("prlimit64", (0, 7, 4096), REFUSED),
    ("prlimit64", (1, 7, 0), REFUSED),
    ("madvise", (0, 4096, 4), ALLOWED),
    ("madvise", (0, 4096, 12), REFUSED),
    ("socketpair", (1, 1 | 0o2000000), ALLOWED),
    ("socketpair", (1, 2), REFUSED),
    ("socketpair", (2, 1), REFUSED),
    ("sendto", (3, 0, 1, 0, 0), ALLOWED),
    ("sendto", (3, 0, 1, 0, 4096), REFUSED),
]
NEVER = """
    socket connect bind listen accept accept4 sendmsg recvmsg execve execveat unshare setns mount
    umount2 pivot_root chroot ptrace process_vm_readv process_vm_writev pidfd_open pidfd_getfd
    pidfd_send_signal tkill rt_sigqueueinfo fchmod fchmodat fchown fchownat utimensat setxattr
    lsetxattr fsetxattr removexattr getxattr truncate linkat symlinkat mknodat renameat2 shmget
    shmat semget msgget mq_open memfd_create add_key keyctl request_key bpf perf_event_open
    io_uring_setup userfaultfd setpriority sched_setaffinity sched_setscheduler sched_setattr
    ioprio_set setrlimit setpgid setsid setuid setresuid capset seccomp flock inotify_add_watch
    fanotify_init name_to_handle_at open_by_handle_at process_madvise move_pages migrate_pages
    mlock mlockall kcmp syslog sync reboot settimeofday clock_settime adjtimex sethostname
    personality vmsplice splice tee quotactl swapon acct init_module finit_module kexec_load
    landlock_restrict_self timer_create signalfd4 membarrier
""".split()


@pytest.mark.parametrize(("name", "arguments", "expected"), CALLS)
def test_a_call_is_allowed_with_certain_arguments_only(kernel, name, arguments, expected):
    assert kernel.says(name, *arguments) == expected


@pytest.mark.parametrize("name", NEVER)
def test_a_call_that_reaches_out_is_refused_whatever_its_arguments(kernel, name):
    for arguments in ((), (0,) * 6, (PID,) * 6, (1, 2, 3, 4, 5, 6), (-1,) * 6):
        assert kernel.says(name, *arguments) == REFUSED


def test_calls_that_are_not_known_yet_are_refused(kernel):
    for number in range(480, 1000):
        assert kernel.run(number, kernel.architecture) == REFUSED


def test_another_kind_of_call_ends_the_process(kernel):
    """Those of 32-bit programs have other numbers: 15 is chmod there."""
    for other in {I386, X86_64, AARCH64} - {kernel.architecture}:
        assert kernel.run(15, other) == KILLED
    if kernel.architecture == X86_64:
        assert kernel.run(0x40000000 + 1, X86_64) in (KILLED, REFUSED)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="Arm never had these calls")
def test_old_calls_of_this_processor_alone(tmp_path):
    kernel = Kernel(X86_64, tmp_path)
    assert kernel.says("open", 0, os.O_RDONLY) == ALLOWED
    assert kernel.says("open", 0, os.O_RDONLY | os.O_TRUNC) == REFUSED
    for name in ("fork", "vfork", "creat", "chmod", "chown", "lchown", "utime", "utimes", "link"):
        assert kernel.says(name, 0) == REFUSED
