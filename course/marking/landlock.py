"""Landlock, by which a process gives up access to files, as far as this kernel has it."""

import ctypes
import os
import struct
from pathlib import Path

# Numbers of system calls, the same on all processors; the C library has no functions for them.
CREATE_RULESET = 444
ADD_RULE = 445
RESTRICT_SELF = 446
NO_NEW_PRIVS = 38

READ_FILE = 1 << 2
READ_DIR = 1 << 3
READ = READ_FILE | READ_DIR
WRITE_FILE = 1 << 1
TRUNCATE = 1 << 14
REMOVE_DIR = 1 << 4
REMOVE_FILE = 1 << 5
MAKE_DIR = 1 << 7
MAKE_REG = 1 << 8
REFER = 1 << 13  # to move between folders
# Everything in a folder, but no devices, sockets, named pipes, links or programs to be run.
OWN = READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER
OF_A_FILE = READ_FILE | WRITE_FILE | TRUNCATE
# How many kinds of access each version of Landlock knows.
KINDS = {1: 13, 2: 14, 3: 15, 4: 15}
KINDS_NOW = 16


def call(name: str, *arguments: object) -> int:
    """A function of the C library. Raises OSError if it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = getattr(libc, name)(*arguments)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def version() -> int:
    """The version of Landlock that this kernel has; 0 if it has none."""
    try:
        return call("syscall", CREATE_RULESET, None, 0, 1)
    except (OSError, AttributeError, TypeError):
        return 0


def restrict(places: dict[Path, int], version: int) -> None:
    """Give up all access to files but that in `places`, for this thread and those it starts.

    What earlier versions cannot refuse, to empty a file for instance, the list of system calls
    must. Places that do not exist are left out.
    """
    handled = (1 << KINDS.get(version, KINDS_NOW)) - 1
    network = 3 if version >= 4 else 0
    scope = 3 if version >= 6 else 0  # abstract sockets and signals
    rules = struct.pack("QQQ", handled, network, scope)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = call("syscall", CREATE_RULESET, rules, size, 0)
    try:
        for path, access in places.items():
            try:
                at = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            allowed = access & handled & (-1 if os.path.isdir(path) else OF_A_FILE)
            try:
                call("syscall", ADD_RULE, ruleset, 1, struct.pack("=Qi", allowed, at), 0)
            finally:
                os.close(at)
        call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
        call("syscall", RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
