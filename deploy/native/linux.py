"""The few Linux calls the standard library does not wrap (prctl(2), capset(2))."""

import contextlib
import ctypes
import os
import signal
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_CHILD_SUBREAPER = 36
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAP_NET_BIND_SERVICE = 10
CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def adopt_orphans() -> None:
    """Grandchildren whose parent dies become our children, to be reaped by us."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int, how: signal.Signals) -> None:
    """Receive the signal when the parent dies, however it dies."""
    _prctl(PR_SET_PDEATHSIG, how)
    if os.getppid() != parent:  # It died before we asked.
        os.kill(os.getpid(), how)


def keep_capabilities_over_setuid() -> None:
    _prctl(PR_SET_KEEPCAPS, 1)


def keep_only_low_ports() -> None:
    """Hold the right to bind ports below 1024, over exec too, and no other."""
    header = _Header(CAPABILITY_VERSION_3, 0)
    mask = 1 << CAP_NET_BIND_SERVICE
    sets = (_Sets * 2)(_Sets(mask, mask, mask), _Sets(0, 0, 0))
    if _libc.capset(ctypes.byref(header), ctypes.byref(sets)) != 0:
        raise _error()
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE)


def pass_on_low_ports() -> None:
    """Let the next program inherit the right, if we have it."""
    with contextlib.suppress(OSError):
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE)


def may_use_low_ports() -> bool:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapPrm:"):
            return bool(int(line.split()[1], 16) >> CAP_NET_BIND_SERVICE & 1)
    return False


def drop_low_ports() -> None:
    """Programs started from here on do not inherit the right."""
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)


def _prctl(option: int, *arguments: int) -> None:
    padded = [ctypes.c_ulong(value) for value in [*arguments, 0, 0, 0, 0][:4]]
    if _libc.prctl(ctypes.c_int(option), *padded) != 0:
        raise _error()


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
