"""A program on a terminal of a given size: what it writes to it, as the terminal gets it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import termios
from pathlib import Path

from support.processes.program import Fpack

_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(
    fpack: Fpack, *args: str | Path, columns: int = 80, cwd: Path | None = None, color: bool = False
) -> str:
    """Return the output of a command on a terminal, as text without colours unless `color`."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {key: value for key, value in fpack.env.items() if key != "NO_COLOR" or not color} | {"TERM": "xterm"}
    process = subprocess.Popen(
        fpack.command(*args), stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, cwd=cwd or fpack.home, env=env
    )
    os.close(slave)
    parts = []
    with contextlib.suppress(OSError):  # what a terminal gives when its last writer has gone
        while data := os.read(master, 1 << 16):
            parts.append(data)
    os.close(master)
    process.wait(60)
    text = b"".join(parts).decode("utf-8", "replace").replace("\r\n", "\n")
    return text if color else plain(text)


def plain(text: str) -> str:
    """Text without colours."""
    return _STYLES.sub("", text)
