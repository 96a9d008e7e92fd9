"""Record the names of files that the processes of a sandbox look for, and let them bind low ports, with seccomp's user
notifications.

A process installs a filter that stops it and its descendants in the calls that look up a name or bind a socket. The
filter allows every call, and refuses none: a second filter that refuses calls keeps its effect. The kernel tells an
observer, which holds the filter's listener outside of the sandbox and reads the caller's memory. It lets a call go on,
except one that binds a port below 1024: a function that has the socket and the address then does it in its place.

Names and addresses are hostile data: their number and lengths are bounded. Sources: seccomp(2), seccomp_unotify(2),
openat2(2), process_vm_readv(2), pidfd_getfd(2), the kernel's system call tables.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from . import bpf, linux
from .seccomp import MACHINES

MAX_NAMES = 10_000
MAX_LENGTH = 1024  # bytes of a name
_USER_NOTIF = 0x7FC00000  # SECCOMP_RET_USER_NOTIF
_SET_FILTER, _NEW_LISTENER, _WAIT_KILLABLE = 1, 1 << 3, 1 << 5
_RECV, _SEND, _IS_VALID, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40082104  # SECCOMP_IOCTL_NOTIF_*
_CONTINUE, _SYNC_WAKE_UP = 1, 1
_NOTIFICATION = struct.Struct("=QII iIQ6Q")  # struct seccomp_notif
_RESPONSE = struct.Struct("=QqiI")  # struct seccomp_notif_resp
_CREATE, _EMPTY_PATH = 0o100, 0x1000  # O_CREAT, AT_EMPTY_PATH
_AT_FDCWD = -100
_SECCOMP = {"x86_64": 317}  # 277 on all newer architectures
_OPENAT2, _IN_ROOT, _NO_MAGIC = 437, 0x10, 0x02
_BIND = (49, 200)
_PIDFD_GETFD = 438
_MAX_ADDRESS = 128  # bytes of a struct sockaddr_storage
_ADDRESSES = {int(socket.AF_INET): 16, int(socket.AF_INET6): 28}  # families, and sizes of their struct sockaddr
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ABSENT = (2, 20)  # ENOENT, ENOTDIR


class _Lookup(NamedTuple):
    """A call that looks up a name.

    numbers: on x86-64, and in the table that newer architectures share; None if there is no such call. directory, name:
    its arguments; directory is None if the call has none. unless: (argument, bits): calls with one of the bits are of
    no interest, because they create the file or have no name.
    """

    numbers: tuple[int | None, int | None]
    directory: int | None
    name: int
    unless: tuple[int, int] | None = None


_LOOKUPS = (
    _Lookup((2, None), None, 0, (1, _CREATE)),  # open
    _Lookup((257, 56), 0, 1, (2, _CREATE)),  # openat
    _Lookup((4, None), None, 0),  # stat
    _Lookup((6, None), None, 0),  # lstat
    _Lookup((262, 79), 0, 1, (3, _EMPTY_PATH)),  # newfstatat
    _Lookup((332, 291), 0, 1, (2, _EMPTY_PATH)),  # statx
    _Lookup((21, None), None, 0),  # access
    _Lookup((269, 48), 0, 1),  # faccessat
    _Lookup((439, 439), 0, 1, (3, _EMPTY_PATH)),  # faccessat2
    _Lookup((59, 221), None, 0),  # execve
    _Lookup((322, 281), 0, 1, (4, _EMPTY_PATH)),  # execveat
)

# Bind a socket, given its descriptor and a struct sockaddr. Return 0 or an error number.
Binder = Callable[[int, bytes], int]


class CannotObserve(Exception):
    """The kernel does not let this process observe another. The text tells why."""


class _Piece(ctypes.Structure):
    """struct iovec."""

    _fields_ = [("base", ctypes.c_uint64), ("length", ctypes.c_uint64)]


def _calls(machine: str) -> dict[int, _Lookup]:
    column = MACHINES[machine].column
    return {number: lookup for lookup in _LOOKUPS if (number := lookup.numbers[column]) is not None}


def build_filter(machine: str = "", *, names: bool = True, binds: bool = False) -> bytes:
    """Return the filter for a machine (uname -m; by default this one). Raise CannotObserve for an unknown machine.

    names, binds: stop in the calls that look up a name, and in those that bind a socket.
    """
    machine = machine or os.uname().machine
    if machine not in MACHINES:
        raise CannotObserve(f"there is no filter for {machine}")
    program = bpf.BpfProgram()
    program.add(bpf.LOAD, bpf.ARCH)
    program.add(bpf.JUMP_EQUAL, MACHINES[machine].audit, 1, 0)
    program.allow()  # the filter of builds refuses calls of another architecture
    program.add(bpf.LOAD, bpf.NUMBER)
    if binds:
        program.add(bpf.JUMP_EQUAL, _BIND[MACHINES[machine].column], 0, 1)
        program.add(bpf.RETURN, _USER_NOTIF)
    for number, lookup in _calls(machine).items() if names else ():
        program.add(bpf.JUMP_EQUAL, number, 0, 4 if lookup.unless else 1)
        if lookup.unless:
            program.argument(lookup.unless[0])
            program.add(bpf.JUMP_SET, lookup.unless[1], 0, 1)
            program.allow()
        program.add(bpf.RETURN, _USER_NOTIF)
    program.allow()
    return program.encode()


def install(code: bytes) -> int:
    """Apply the filter to this process and its descendants. Return the listener's descriptor.

    The process must have set no_new_privs, and stops in the next call that the filter names until an observer serves
    the listener. Raise CannotObserve if the kernel refuses.
    """
    program = linux.filter_program(code)
    number = _SECCOMP.get(os.uname().machine, 277)
    # If a signal could interrupt a call that is observed, some programs would see an error that they do not expect.
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):
        listener = int(linux.libc.syscall(number, _SET_FILTER, flags, ctypes.byref(program)))
        if listener >= 0:
            return listener
    raise CannotObserve(f"the kernel refuses to notify of system calls: {os.strerror(ctypes.get_errno())}")


class Observer:
    """Serves a listener. names: the absolute names that were looked up, in the order of the first time.

    It must be in a process that may read the memory of those that it observes, with /proc of their processes. reads:
    how many names could be read. full: there were more names than MAX_NAMES.
    """

    def __init__(self, listener: int, proc: int, first_port: int = 0, bind: Binder | None = None) -> None:
        """listener: of `install`. proc: a descriptor of /proc. bind: binds to ports below `first_port`."""
        self.listener = listener
        self.names: dict[bytes, None] = {}
        self.reads = self.failures = 0
        self.full = False
        self._proc = proc
        self._first_port = first_port
        self._bind = bind
        self._bind_number = _BIND[MACHINES[os.uname().machine].column]
        self._calls = _calls(os.uname().machine)
        self._zero = bytes(_NOTIFICATION.size)
        self._notification = bytearray(self._zero)
        self._buffer = ctypes.create_string_buffer(MAX_LENGTH + 1)
        self._local = _Piece(ctypes.addressof(self._buffer), MAX_LENGTH)
        self._remote = (_Piece * 2)()
        with suppress(OSError):
            fcntl.ioctl(listener, _SET_FLAGS, _SYNC_WAKE_UP)  # faster, since Linux 6.6

    def serve(self) -> None:
        """Answer one call."""
        notification = self._notification
        notification[:] = self._zero
        try:
            fcntl.ioctl(self.listener, _RECV, notification)
        except OSError:
            return  # the caller was killed, or a signal interrupted it
        key, thread, _, number, _, _, *arguments = _NOTIFICATION.unpack(notification)
        lookup = self._calls.get(number)
        if lookup is not None and not self.full:
            self._record(thread, lookup, arguments)
        error = self._bound(key, thread, arguments) if number == self._bind_number else None
        answer = (0, _CONTINUE) if error is None else (-error, 0)
        with suppress(OSError):
            fcntl.ioctl(self.listener, _SEND, bytearray(_RESPONSE.pack(key, 0, *answer)))

    def _bound(self, key: int, thread: int, arguments: list[int]) -> int | None:
        """Bind a socket of the caller to a low port. Return 0, an error number, or None to let the call go on.

        The address is read once, so that the caller cannot change it after the port was seen.
        """
        number, address, length = ctypes.c_int(arguments[0]).value, arguments[1], arguments[2] & 0xFFFFFFFF
        self._remote[0].base, self._remote[0].length = address, min(length, max(_ADDRESSES.values()))
        count = linux.libc.process_vm_readv(thread, ctypes.byref(self._local), 1, self._remote, 1, 0)
        data = self._buffer.raw[: max(count, 0)]
        family = int.from_bytes(data[:2], sys.byteorder)
        if self._bind is None or length > _MAX_ADDRESS or len(data) < _ADDRESSES.get(family, MAX_LENGTH):
            return None
        if not 0 < int.from_bytes(data[2:4], "big") < self._first_port:
            return None
        with suppress(OSError, ValueError), _file_of(thread, number, self._proc) as fd:
            # The process that has this number now is the caller, if it still waits.
            fcntl.ioctl(self.listener, _IS_VALID, struct.pack("=Q", key))
            with socket.socket(fileno=os.dup(fd)) as end:
                if end.family == family:
                    return self._bind(fd, data[: _ADDRESSES[family]])
        return None

    def _record(self, thread: int, lookup: _Lookup, arguments: list[int]) -> None:
        name = self._read(thread, arguments[lookup.name])
        if not name:
            return
        if name[:1] != b"/":
            above = self._directory(thread, lookup, arguments)
            if not above:
                return
            name = above.rstrip(b"/") + b"/" + name
        if len(self.names) < MAX_NAMES:
            if len(name) <= MAX_LENGTH:
                self.names[name] = None
        elif name not in self.names:
            self.full = True

    def _read(self, thread: int, address: int) -> bytes:
        """Return the name at an address of the caller's memory; nothing if it is unreadable or too long."""
        first = min(MAX_LENGTH, _PAGE - address % _PAGE)
        self._remote[0].base, self._remote[0].length = address, first
        self._remote[1].base, self._remote[1].length = (address + first) & (1 << 64) - 1, MAX_LENGTH - first
        count = linux.libc.process_vm_readv(thread, ctypes.byref(self._local), 1, self._remote, 2, 0)
        if count <= 0:
            self.failures += 1
            return b""
        self.reads += 1
        self._buffer[count] = b"\0"
        name = self._buffer.value
        return name if len(name) < count else b""

    def _directory(self, thread: int, lookup: _Lookup, arguments: list[int]) -> bytes:
        """Return the directory that a relative name is looked up in; nothing if it cannot be told."""
        number = _AT_FDCWD if lookup.directory is None else ctypes.c_int(arguments[lookup.directory]).value
        link = b"cwd" if number == _AT_FDCWD else b"fd/%d" % number
        try:
            found = os.readlink(b"%d/%s" % (thread, link), dir_fd=self._proc)
        except OSError:
            return b""
        return found if found[:1] == b"/" else b""


@contextmanager
def _file_of(thread: int, number: int, proc: int) -> Iterator[int]:
    """Hold a copy of a descriptor of another process. Raise OSError if there is none. proc: a descriptor of /proc."""
    with open(os.open(f"{thread}/status", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc), "rb") as file:
        process = next(int(line.split()[1]) for line in file if line.startswith(b"Tgid:"))
    process_fd = os.pidfd_open(process)
    try:
        fd = int(linux.libc.syscall(_PIDFD_GETFD, process_fd, number, 0))
    finally:
        os.close(process_fd)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "a socket cannot be copied")
    try:
        yield fd
    finally:
        os.close(fd)


def absent(root: int, name: bytes) -> bool:
    """Return whether a name does not exist below `root`, a descriptor of a directory that its links cannot leave."""
    how = struct.pack("=QQQ", os.O_PATH | os.O_CLOEXEC, 0, _IN_ROOT | _NO_MAGIC)
    fd = int(linux.libc.syscall(_OPENAT2, root, name, how, ctypes.c_size_t(len(how))))
    if fd >= 0:
        os.close(fd)
        return False
    return ctypes.get_errno() in _ABSENT
