"""Make the system call filter of a container again, from its runtime configuration, which only its engine writes.

The kernel does not tell an unprivileged caller the filter of a process. libseccomp, by which the engine's runtime made
it, is asked to make the same one. Source: the OCI runtime specification, config-linux.md.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

_LIBRARY = "libseccomp.so.2"
_MAX_SIZE = 16 << 20  # bytes
_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000, "SCMP_ACT_KILL_THREAD": 0x00000000, "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000, "SCMP_ACT_ERRNO": 0x00050000, "SCMP_ACT_LOG": 0x7FFC0000, "SCMP_ACT_ALLOW": 0x7FFF0000,
}  # fmt: skip
_ERRNO = _ACTIONS["SCMP_ACT_ERRNO"]
_COMPARISONS = {
    "SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4, "SCMP_CMP_GE": 5, "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}  # fmt: skip


class NoFilter(Exception):
    """A filter that cannot be made again. The text tells why."""


class _ArgumentTest(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def of_container(specification: str) -> bytes:
    """Return the program of a container's filter; empty if it has none. specification: a path. Raise NoFilter."""
    try:
        with open(specification, "rb") as file:
            profile = json.loads(file.read(_MAX_SIZE))["linux"].get("seccomp")
        return compiled(profile) if profile else b""
    except OSError as error:
        raise NoFilter(f"{specification or 'its runtime configuration'}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise NoFilter(f"{specification} is malformed") from None


def compiled(profile: Mapping[str, Any]) -> bytes:
    """Return the program of a profile. Raise NoFilter if there is no libseccomp or it does not accept the profile."""
    library = _library()
    default = _action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    context = ctypes.c_void_p(library.seccomp_init(default))
    if context.value is None:
        raise NoFilter("libseccomp does not accept its default action")
    try:
        for name in profile.get("architectures") or ():
            number = library.seccomp_arch_resolve_name(str(name).removeprefix("SCMP_ARCH_").lower().encode())
            if number and library.seccomp_arch_add(context, number) not in (0, -errno.EEXIST):
                raise NoFilter(f"libseccomp does not accept {name}")
        for rule in profile.get("syscalls") or ():
            action = _action(rule["action"], rule.get("errnoRet"))
            if action != default:
                for name in rule["names"]:
                    _add(library, context, action, str(name), rule.get("args") or ())
        return _exported(library, context)
    finally:
        library.seccomp_release(context)


def _library() -> Any:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        raise NoFilter(f"{_LIBRARY} is not installed") from None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    library.seccomp_arch_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p,
    ]  # fmt: skip
    return library


def _action(name: str, code: Any) -> int:
    """Return libseccomp's number of an action. One that asks a supervisor becomes an error of the call."""
    if name not in _ACTIONS or _ACTIONS[name] == _ERRNO:
        return _ERRNO | (errno.EPERM if code is None else int(code) & 0xFFFF)
    return _ACTIONS[name]


def _add(library: Any, context: ctypes.c_void_p, action: int, name: str, given: Iterable[Mapping[str, Any]]) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number == -1:
        return  # a call that this libseccomp does not know has the default action
    rows = [
        _ArgumentTest(int(item["index"]), _COMPARISONS[item["op"]], int(item["value"]), int(item.get("valueTwo") or 0))
        for item in given
    ]
    # libseccomp takes one comparison of an argument in a rule. Several of one argument are alternatives.
    alone = len({row.arg for row in rows}) < len(rows)
    for group in [[row] for row in rows] if alone else [rows]:
        array = (_ArgumentTest * len(group))(*group)
        result = library.seccomp_rule_add_array(context, action, number, len(group), array)
        if result < 0 and result != -errno.EDOM:
            raise NoFilter(f"libseccomp does not accept the rule of {name}: {os.strerror(-result)}")


def _exported(library: Any, context: ctypes.c_void_p) -> bytes:
    fd = os.memfd_create("filter", os.MFD_CLOEXEC)
    try:
        if library.seccomp_export_bpf(context, fd):
            raise NoFilter("libseccomp cannot write the filter")
        os.lseek(fd, 0, os.SEEK_SET)
        with open(os.dup(fd), "rb") as file:
            return file.read()
    finally:
        os.close(fd)
