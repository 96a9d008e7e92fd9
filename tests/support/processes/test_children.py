"""What is told about a process that does not end."""

from __future__ import annotations

import subprocess
import sys

from support.processes.children import describe

# A thread waits for a lock; the main thread and a child wait for their input.
PROGRAM = """
import subprocess, sys, threading
lock = threading.Lock()
lock.acquire()
threading.Thread(target=lock.acquire, daemon=True).start()
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdin.write(b"a")
child.stdin.flush()
child.stdout.read(1)
print("ready", flush=True)
sys.stdin.read()
"""


def test_threads_and_children_are_described() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"ready\n"
        told = describe(process.pid).splitlines()
        process.communicate(b"")
    assert len(told) == 3
    assert sum(line.startswith(f"{process.pid} ") for line in told) == 1
    assert sum(" cat: " in line for line in told) == 1
    assert describe(process.pid) == ""
