"""Drive one run of maintainer scripts: start its processes, run commands in it, and read what changed.

The processes of `namespace` see no more of this process than a socket. All that they send is checked.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.protocol import BuildError
from fpack.builders.sandbox import idmap
from fpack.builders.sandbox.bwrap import SandboxError, forbidden
from fpack.builders.sandbox.seccomp import build_filter
from fpack.store import processes

from .ids import IdMaps, write_maps

_POLL = 0.1  # seconds between checks for cancellation
_MAX_MESSAGE = 64 << 20  # bytes
_MAX_READ = 16 << 20  # bytes

GiB = 1 << 30


class ConfigureLimits(NamedTuple):
    """Limits of each script, and of all that the scripts of a run leave.

    seconds: of a script. memory: bytes of all processes, of what they share and of /run, /tmp and /dev/shm at once; 0
    for nine tenths of the machine's. processes: at once. size: bytes of all files, and of those in /run, /tmp and
    /dev/shm. files: their number. log: bytes of a script's output.
    """

    seconds: int = 120
    memory: int = 0
    processes: int = 1024
    size: int = 2 * GiB
    files: int = 200_000
    log: int = 16 << 20


class SeedFile(NamedTuple):
    """A file to write before the first command, or a directory if content is None. path: absolute."""

    path: str
    content: bytes | None
    mode: int
    uid: int = 0
    gid: int = 0


class Setup(NamedTuple):
    """The tree of a run. view: the directory of the lower tree. size, entries: what it has, if it must be copied.

    apply: (absolute path, mode, uid, gid) of entries that differ from the disk. remove: paths to remove.
    """

    view: Path
    size: int
    entries: int
    apply: Sequence[tuple[str, int, int, int]]
    remove: Sequence[str]
    seed: Sequence[SeedFile]
    host: str
    first: int
    limits: ConfigureLimits


class CommandEnd(NamedTuple):
    """The end of a command. exceeded: the limit that it exceeded, or ""."""

    status: int
    exceeded: str


class ScriptRun:
    """A run: a tree and the namespaces of the commands that change it. check: raises if the run must stop."""

    def __init__(self, maps: IdMaps, check: Callable[[], None]) -> None:
        self._check = check
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = processes.serve("configure run", [], theirs.fileno())
        self._channel = ours
        self._channel.settimeout(_POLL)
        self._maps = maps

    def close(self) -> None:
        """End all processes of the run."""
        self._channel.close()
        self._process.wait()

    def set_up(self, setup: Setup) -> None:
        """Create the namespaces and the tree. Raise SandboxError if the machine does not allow it."""
        self._answer()
        write_maps(self._process.pid, self._maps)
        lower, fd = self._lower(setup.view)
        try:
            socket.send_fds(self._channel, [b"m"], [fd])
        finally:
            os.close(fd)
        memory = setup.limits.memory or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 9 // 10
        copied = lower == "copy"
        self._send(
            {
                "do": "set up",
                "view": os.fspath(setup.view),
                "lower": lower,
                "copy": copied,
                "room": setup.size if copied else 0,
                "entries": setup.entries,
                "inodes": setup.entries if copied else 0,
                "apply": setup.apply,
                "remove": setup.remove,
                "seed": [
                    (f.path, None if f.content is None else base64.b64encode(f.content).decode(), f.mode, f.uid, f.gid)
                    for f in setup.seed
                ],
                "host": setup.host,
                "first": setup.first,
                "filter": base64.b64encode(build_filter(scripts=True)).decode(),
                "limits": {**setup.limits._asdict(), "memory": memory},
            }
        )
        self._answer()

    def _lower(self, view: Path) -> tuple[str, int]:
        """Return how the tree is passed to the run, and a descriptor: of a mount, or of the directory."""
        if not self._maps.tools:
            users = os.open(f"/proc/{self._process.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            try:
                return "mount", idmap.detached(os.fspath(view), users)
            except idmap.BindError:
                return "copy", os.open(view, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            finally:
                os.close(users)
        return "path", os.open(view, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def run(self, command: Sequence[str], environment: Mapping[str, str], log: Callable[[bytes], None]) -> CommandEnd:
        """Run a command to its end. log: receives its output in pieces."""
        self._send({"do": "run", "command": list(command), "environment": dict(environment)})
        while "status" not in (answer := self._answer()):
            log(str(answer["log"]).encode("latin-1", "replace"))
        return CommandEnd(int(answer["status"]), str(answer["exceeded"]))

    def read(self, path: str) -> bytes | None:
        """Return a file that changed, at most 16 MiB of it, or None if it did not change or is no file."""
        self._send({"do": "read", "path": path, "most": _MAX_READ})
        content = self._answer()["content"]
        return None if content is None else base64.b64decode(content)

    def table(self) -> Iterator[list[Any]]:
        """Yield the rows of the table of changes, unchecked."""
        self._send({"do": "table"})
        while True:
            answer = self._answer()
            yield from answer["rows"]
            if answer.get("end"):
                return

    def files(self, wanted: Sequence[tuple[str, int]]) -> Iterator[Iterator[bytes]]:
        """Yield the content of each file, given by path and size. Each must be read to its end before the next."""
        self._send({"do": "send", "files": list(wanted)})
        for _, size in wanted:
            yield self._pieces(size)

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._receive(min(size, 1 << 20))
            size -= len(piece)
            yield piece

    def _send(self, message: Mapping[str, Any]) -> None:
        data = json.dumps(message).encode()
        view = memoryview(struct.pack(">I", len(data)) + data)
        while view:
            self._check()
            with contextlib.suppress(TimeoutError):
                view = view[self._channel.send(view) :]

    def _answer(self) -> dict[str, Any]:
        """Return the next message. Raise BuildError if it reports a failure."""
        (length,) = struct.unpack(">I", self._exactly(4))
        if length > _MAX_MESSAGE:
            raise BuildError("The process that runs maintainer scripts sent a message that is too large")
        message: dict[str, Any] = json.loads(self._exactly(length))
        if "error" in message:
            text = str(message["error"])
            if text.startswith("namespaces cannot"):
                raise forbidden(text)
            raise RunRefused("Maintainer scripts cannot be run", why=text)
        return message

    def _exactly(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            found += self._receive(size - len(found))
        return bytes(found)

    def _receive(self, most: int) -> bytes:
        while True:
            self._check()
            try:
                data = self._channel.recv(most)
            except TimeoutError:
                continue
            except OSError as error:
                if error.errno != errno.ECONNRESET:
                    raise
                data = b""
            if not data:
                raise SandboxError("The process that runs maintainer scripts is gone", hint="run the command again")
            return data


class RunRefused(BuildError):
    """A request that the processes of a run could not serve. `why` tells the reason."""
