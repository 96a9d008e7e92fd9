"""Send and receive the messages of a run's socket."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any


class InvalidRequest(Exception):
    """A request that cannot be served. The text tells why."""


def send(channel: socket.socket, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    channel.sendall(struct.pack(">I", len(data)) + data)


def receive(channel: socket.socket) -> dict[str, Any]:
    """Return the next request. End the process when fpack has closed the socket."""
    (length,) = struct.unpack(">I", _exactly(channel, 4))
    message: dict[str, Any] = json.loads(_exactly(channel, length))
    return message


def _exactly(channel: socket.socket, size: int) -> bytes:
    pieces = []
    while size:
        piece = channel.recv(min(size, 1 << 20))
        if not piece:
            os._exit(0)
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
