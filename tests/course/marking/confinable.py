"""Where the sandbox can be tested: on Linux with Landlock and libseccomp."""

import sys

import pytest

from course.marking import landlock


def can_confine() -> bool:
    """What this system has, found out by other means than the sandbox's own."""
    if sys.platform != "linux":
        return False
    from course.marking import syscalls

    try:
        syscalls.library()
    except OSError:
        return False
    return landlock.version() > 0


confining = pytest.mark.skipif(not can_confine(), reason="needs Linux, Landlock and libseccomp")
