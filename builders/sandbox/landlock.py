"""Deny a process and its descendants connections to the machine's abstract sockets, if the kernel supports it.

An abstract socket belongs to a network namespace. A sandbox with the machine's network could connect to those of other
programs, some of which trust every client. Landlock can deny this since Linux 6.12. Source: landlock(7).
"""

from __future__ import annotations

import ctypes

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # the numbers are the same on all machines
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_SCOPES = 6  # the first version of Landlock with scopes
_ABSTRACT_UNIX_SOCKET = 1  # LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("access_fs", "access_net", "scoped")]


def can_refuse_abstract_sockets() -> bool:
    """Return whether this kernel supports `refuse_abstract_sockets`."""
    return int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)) >= _SCOPES


def refuse_abstract_sockets() -> None:
    """Deny this process connections to abstract sockets of other processes. Raise OSError if the kernel cannot."""
    import os

    rules = _Ruleset(0, 0, _ABSTRACT_UNIX_SOCKET)
    fd = _libc.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    try:
        if _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or _libc.syscall(_RESTRICT_SELF, fd, 0):
            raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    finally:
        os.close(fd)
