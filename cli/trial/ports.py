"""Bind the ports below 1024 of a sandboxed program, whose root has no rights on this machine.

A process with the rights of fpack's caller binds the program's socket. If the caller may not bind the port either, or
the image does not declare it, the port becomes another one of this machine, such as 8080 for 80.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Collection

from fpack.cli.ui.render import note

_START = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
_OFFSETS = (8000, 10_000, 18_000, 20_000, 28_000)
_MAX_ADDRESS = 128
_ANSWER = struct.Struct("=i")

_libc = ctypes.CDLL(None, use_errno=True)


class PortMap:
    """The ports of this machine for the low ports of a program. declared: the ports of the image."""

    def __init__(self, declared: Collection[int]) -> None:
        self.first = _first_open()
        self._declared = frozenset(declared)
        self._known: dict[int, int] = {}

    def outside(self, port: int) -> int:
        """Return the port of this machine for a port of the program."""
        if port >= self.first:
            return port
        if port not in self._known:
            allowed = port in self._declared and _can_bind(port) != errno.EACCES
            self._known[port] = port if allowed else self._other(port)
        return self._known[port]

    def _other(self, port: int) -> int:
        taken = {*self._declared, *self._known.values()}
        others = [port + offset for offset in _OFFSETS if port + offset >= self.first]
        free = (other for other in others if other not in taken and not _can_bind(other))
        return next(free, others[0] if others else port)

    def serve(self, channel: socket.socket) -> int:
        """Bind the sockets that `bind` sends, until the other end is closed."""
        told: set[int] = set()
        while True:
            data, fds, _, _ = socket.recv_fds(channel, _MAX_ADDRESS, 1)
            if not fds:
                return 0
            port = int.from_bytes(data[2:4], "big")
            other = self.outside(port)
            address = data[:2] + other.to_bytes(2, "big") + data[4:]
            error = ctypes.get_errno() if _libc.bind(fds[0], address, len(address)) else 0
            os.close(fds[0])
            if not error and other != port and port not in told:
                told.add(port)
                note(f"Port {port} of the program is port {other} of this machine")
            channel.send(_ANSWER.pack(error))


def bind(channel: socket.socket, fd: int, address: bytes) -> int:
    """Let the other end of the channel bind a socket. Return 0 or an error number."""
    try:
        socket.send_fds(channel, [address], [fd])
        return int(_ANSWER.unpack(channel.recv(_ANSWER.size))[0])
    except (OSError, struct.error):
        return errno.EACCES


def _first_open() -> int:
    """Return the first port that everybody may bind."""
    try:
        with open(_START, "rb") as file:
            return int(file.read(16))
    except (OSError, ValueError):
        return 1024


def _can_bind(port: int) -> int:
    """Return 0 if the caller can bind a port now, else an error number."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as end:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                end.bind(("", port))
            except OSError as error:
                return error.errno or errno.EACCES
    return 0
