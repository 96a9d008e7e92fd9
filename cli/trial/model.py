"""A command to run on the files of an image, and its end."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .ports import PortMap
from .tree import TrialTree


class Trial(NamedTuple):
    """A command to run. words, env, directory, uid, gid: of the command.

    stop: the signal that ends it if Ctrl-C does not; 0: Ctrl-C is for the command alone. takes_terminal: the command
    gets fpack's terminal, with a process group of its own. tracing: programs may trace others, as debuggers do.
    emulator: the kernel's rule and the path on disk of an emulator for the programs; None: the machine runs them.
    """

    tree: TrialTree
    words: Sequence[str]
    env: Mapping[str, str]
    directory: str
    ports: PortMap
    uid: int = 0
    gid: int = 0
    stop: int = 0
    takes_terminal: bool = False
    tracing: bool = False
    emulator: tuple[str, str] | None = None


class TrialEnd(NamedTuple):
    """A command that has ended. status: its exit status, or 128 + N for signal N.

    absent: the absolute names that it looked up and that do not exist. unobserved: why there are none, or "".
    signalled: it was sent a signal.
    """

    status: int
    absent: tuple[bytes, ...]
    unobserved: str
    signalled: bool = False

    @property
    def succeeded(self) -> bool:
        """Return whether the command ended by itself, with status 0."""
        return self.status == 0 and not self.signalled

    @property
    def failed(self) -> bool:
        """Return whether the command failed by itself: not by Ctrl-C or a signal that ends programs."""
        return self.status not in (0, *(128 + number for number in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM)))


class SandboxUsers(NamedTuple):
    """The users of a sandbox. namespace: a descriptor of its user namespace.

    single: the command's user is the only one. outside: for root's sandboxes, the machine's number of that user.
    """

    namespace: int
    single: bool
    outside: int
