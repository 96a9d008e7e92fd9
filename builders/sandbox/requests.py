"""The types of the requests to `spawner`. It imports them for type checks alone, so that it starts fast."""

from __future__ import annotations

from typing import TypedDict


class SandboxRequest(TypedDict):
    """A request to start a sandbox, which is sent as JSON.

    bwrap: the path of bubblewrap. command: the program in the sandbox, with its arguments. uid: the unprivileged user
    of the build if fpack runs as root, else None. stage: for root, the directories to mount before bubblewrap starts,
    by their mount points. at: the directory of the mount points. work: the mount point that is removed when the sandbox
    ends. size: the maximum bytes of a file, for `at_terminal`. emulator: the kernel's rule for the root's programs and
    the path of their emulator, or None.
    """

    bwrap: str
    command: list[str]
    uid: int | None
    stage: dict[str, str]
    at: str
    work: str
    size: int
    emulator: tuple[str, str] | None


class MemoryRequest(TypedDict):
    """A request for the memory of the System V objects of a sandbox. ipc: the number of one of its processes."""

    ipc: int
