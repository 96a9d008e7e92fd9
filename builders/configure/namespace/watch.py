"""Forward the output of a command, and kill the command when it exceeds a limit.

This runs in the process that keeps the namespaces of maintainer scripts. It sends the output to fpack on its channel.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time

from fpack.builders.sandbox.small_process import ipc_memory
from fpack.builders.sandbox.usage import memory

from . import scratch
from .messages import send

_INTERVAL = 0.25  # seconds between measurements of a command
_PATIENCE = 9  # a command that waits for a processor gets at most this many times its time limit more
_POLL = 100  # milliseconds
_OWN_PROCESSES = 2  # process 1 of the command's namespace, and this process


class CommandWatch:
    """A command that runs. exceeded: a text that names the limit that it exceeded, or "".

    channel: the socket of fpack. pid: process 1 of the command's process namespace. log: the reading end of the pipe of
    its output. limits: `seconds`, `log` and `memory` (bytes), and `processes`.
    """

    def __init__(self, channel: socket.socket, pid: int, log: int, limits: dict[str, int]) -> None:
        self.exceeded = ""
        self._channel = channel
        self._pid = pid
        self._log = log
        self._limits = limits
        self._logged = 0  # bytes
        self._waits: dict[int, int] = {}  # how long each process has waited for a processor, in ns
        self._waited = 0.0  # seconds in which the command was ready to run and the machine was busy

    def finish(self) -> int:
        """Forward the output until the command ends. Return its exit status, negative for a signal."""
        began = time.monotonic()
        measured = began
        end = os.pidfd_open(self._pid)
        poll = select.poll()
        for fd, events in ((end, select.POLLIN), (self._log, select.POLLIN), (self._channel.fileno(), 0)):
            poll.register(fd, events)
        running = True
        while running:
            for fd, _ in poll.poll(_POLL):
                if fd == self._channel.fileno():
                    os._exit(0)  # fpack has closed the channel; the kernel kills the command with its namespace
                if fd == end:
                    running = False
                elif not self._forward():
                    poll.unregister(self._log)
            now = time.monotonic()
            if now - began > self._limits["seconds"] + min(self._waited, _PATIENCE * self._limits["seconds"]):
                seconds = self._limits["seconds"]
                self._exceed(f"it ran for more than {seconds} second{'s' if seconds != 1 else ''}")
            if now - measured > _INTERVAL:
                self._measure(now - measured)
                measured = now
        os.close(end)
        # The kernel kills all processes of a namespace when its process 1 ends.
        status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        while self._forward():
            pass
        os.close(self._log)
        return status

    def _forward(self) -> bool:
        """Forward what is in the pipe. Return False at its end."""
        data = os.read(self._log, 1 << 16)
        room = self._limits["log"] - self._logged
        if data and room > 0:
            send(self._channel, {"log": data[:room].decode("latin-1")})
        self._logged += len(data)
        if self._logged > self._limits["log"]:
            self._exceed(f"it wrote more than {self._limits['log']} bytes to its log")
        return bool(data)

    def _measure(self, seconds: float) -> None:
        """Count the processes of the command and their memory. This process sees them in its own /proc.

        seconds: since the last measurement. The time in which the command waited for a processor is added to its limit,
        so that a busy machine does not make scripts fail. Several processes can wait at once, so it is at most
        `seconds`.
        """
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
        if len(pids) > self._limits["processes"] + _OWN_PROCESSES:
            self._exceed(f"it had more than {self._limits['processes']} processes")
        waited = 0
        waits: dict[int, int] = {}
        for pid in pids:
            try:
                with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
                    waits[pid] = int(file.read().split()[1])  # the second field: waiting, in nanoseconds
                waited += waits[pid] - self._waits.get(pid, 0)
            except (OSError, ValueError, IndexError):
                continue
        self._waits = waits
        self._waited += min(waited / 1e9, seconds)
        limit = self._limits["memory"]
        # Temporary files and System V objects take memory, and are not in the memory of any process.
        outside = scratch.used() + ipc_memory()
        if outside + memory(pids, limit - outside) > limit:
            self._exceed(f"it used more than {limit} bytes of memory")

    def _exceed(self, words: str) -> None:
        """Kill the command, and keep the first reason."""
        if not self.exceeded:
            self.exceeded = words
            os.kill(self._pid, signal.SIGKILL)
