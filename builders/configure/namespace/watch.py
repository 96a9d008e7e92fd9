"""Forward the output of a command, and kill it when it exceeds a limit."""

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
_PATIENCE = 9  # times its limit that a command may wait for a processor


class CommandWatch:
    """A command that runs. exceeded: the limit that it exceeded, or ""."""

    def __init__(self, channel: socket.socket, pid: int, log: int, limits: dict[str, int]) -> None:
        self.exceeded = ""
        self._channel = channel
        self._pid = pid
        self._log = log
        self._limits = limits
        self._said = 0
        self._waits: dict[int, int] = {}  # how long each process has waited for a processor, in ns
        self._waited = 0.0  # seconds in which the command was ready to run and the machine was busy

    def finish(self) -> int:
        """Forward the output until the command ends. Return its exit status, negative for a signal."""
        began = time.monotonic()
        looked = began
        end = os.pidfd_open(self._pid)
        poll = select.poll()
        for fd, events in ((end, select.POLLIN), (self._log, select.POLLIN), (self._channel.fileno(), 0)):
            poll.register(fd, events)
        running = True
        while running:
            for fd, _ in poll.poll(100):
                if fd == self._channel.fileno():
                    os._exit(0)
                if fd == end:
                    running = False
                elif not self._forward():
                    poll.unregister(self._log)
            now = time.monotonic()
            if now - began > self._limits["seconds"] + min(self._waited, _PATIENCE * self._limits["seconds"]):
                self._exceed(f"it ran for more than {self._limits['seconds']} seconds")
            if now - looked > _INTERVAL:
                self._measure(now - looked)
                looked = now
        os.close(end)
        # When its process 1 has ended, all processes of the command have.
        status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        while self._forward():
            pass
        os.close(self._log)
        return status

    def _forward(self) -> bool:
        data = os.read(self._log, 1 << 16)
        room = self._limits["log"] - self._said
        if data and room > 0:
            send(self._channel, {"log": data[:room].decode("latin-1")})
        self._said += len(data)
        if self._said > self._limits["log"]:
            self._exceed(f"it wrote more than {self._limits['log']} bytes to its log")
        return bool(data)

    def _measure(self, seconds: float) -> None:
        """Count the processes of the run and their memory, which this process sees in its own /proc.

        seconds: since the last time. A command that waits for a processor meanwhile has more time.
        """
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
        if len(pids) > self._limits["processes"] + 2:
            self._exceed(f"it had more than {self._limits['processes']} processes")
        waited = 0
        waits: dict[int, int] = {}
        for pid in pids:
            try:
                with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
                    waits[pid] = int(file.read().split()[1])
                waited += waits[pid] - self._waits.get(pid, 0)
            except (OSError, ValueError, IndexError):
                continue
        self._waits = waits
        self._waited += min(waited / 1e9, seconds)
        limit = self._limits["memory"]
        # The System V objects of the command are in no process.
        outside = scratch.used() + ipc_memory()
        if outside + memory(pids, limit - outside) > limit:
            self._exceed(f"it used more than {limit} bytes of memory")

    def _exceed(self, words: str) -> None:
        if not self.exceeded:
            self.exceeded = words
            os.kill(self._pid, signal.SIGKILL)
