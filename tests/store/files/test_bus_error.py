"""Test that a mapped file which cannot be read any more ends the process with a message."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.time_limits import WAIT

READ = """
import mmap, os, sys, threading
from fpack.store.files import bus_error
if sys.argv[2] == "handled":
    bus_error.install()
    bus_error.install()
fd = os.open(sys.argv[1], os.O_RDWR)
mapped = mmap.mmap(fd, 8192)
os.ftruncate(fd, 0)
def read():
    print(mapped[5000])
if sys.argv[3] == "thread":
    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
else:
    read()
"""


@pytest.mark.parametrize("where", ["main", "thread"])
def test_a_bus_error_is_told(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_bytes(bytes(8192))
    words = [sys.executable, "-c", READ, str(tmp_path / "file")]
    done = subprocess.run([*words, "handled", where], capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: The disk has an error\n") and "Traceback" not in done.stderr
    (tmp_path / "file").write_bytes(bytes(8192))
    done = subprocess.run([*words, "not handled", where], capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == -signal.SIGBUS
