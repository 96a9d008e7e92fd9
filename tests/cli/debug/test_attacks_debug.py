"""Hostile containers: what their processes, files and settings could do to the caller, and cannot."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.time_limits import WAIT

from .conftest import Debugger
from .test_containers import Terminal, container, members, mounts, wait_for

pytestmark = [pytest.mark.podman, pytest.mark.network]

# It reads what it can of each process that it sees, without starting programs.
SPY = r"""
exec 2>/dev/null
while :; do
  for p in /proc/[0-9]*; do
    case $p in /proc/1|/proc/$$) continue;; esac
    while read -r line; do echo "$line"; done < "$p/maps"
    while read -r -d '' line; do echo "$line"; done < "$p/environ"
    for fd in 0 1 2 3 4 5 6 7 8 9 10 20; do
      [ -d "$p/fd/$fd" ] && echo "directory $p/fd/$fd" "$p"/fd/"$fd"/*
    done
    echo "root" "$p"/root/* "cwd" "$p"/cwd/*
  done
done > /tmp/log
"""


# fpack that imports a module which it has not imported yet, when it sees the container's files.
IMPORTS = """
import sys
from fpack.cli.debug import entrant
own = entrant._give_up
assert "colorsys" not in sys.modules

def give_up(session):
    try:
        import colorsys
    except ImportError:
        sys.stderr.write("it is not imported\\n")
        sys.stderr.flush()
    own(session)

entrant._give_up = give_up
from fpack.cli.main import run
sys.exit(run())
"""


# fpack that is killed before or after a call of a function.
KILLED = """
import os, signal, sys
from fpack.cli.debug import relay, session, survivors, tools_mount
where, name, moment = {0}, "{1}", "{2}"
own, this = getattr(where, name), os.getpid()

def killed(*arguments):
    if os.getpid() != this:
        return own(*arguments)
    if moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    own(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(where, name, killed)
from fpack.cli.main import run
sys.exit(run())
"""


def changed(debugger: Debugger, code: str, *words: str) -> list[str]:
    """Return the words that run `fpack debug WORDS` by a Python program."""
    command = debugger.command("debug", *words)
    cut = command.index("debug") - 1
    return [*command[:cut], sys.executable, "-c", code, *command[cut + 1 :]]


@pytest.fixture
def full(debugger: Debugger) -> Iterator[str]:
    """Yield a running container with a shell of its own, in which anything may have been done."""
    with container(debugger, image="full") as name:
        yield name


def inside(debugger: Debugger, name: str, script: str) -> str:
    return debugger.podman("exec", "-u", "0", name, "/usr/bin/bash", "-c", script).stdout


def tools(debugger: Debugger) -> dict[str, str]:
    """Return the digests of the tools on disk."""
    found = (debugger.podman.home / "fpack/store").glob("*-debug-tools/data/.fp/bin/*")
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found if path.is_file()}


def test_a_spy_sees_nothing_of_the_caller(debugger: Debugger) -> None:
    """With the capability to trace any process, as CVE-2019-5736 and its like use."""
    # The spy lists the directories of descriptors, and fpack's working directory has this.
    (debugger.podman.home / "project/of-the-caller").touch()
    with container(debugger, "--cap-add=SYS_PTRACE", image="full") as name:
        debugger.podman("exec", "-d", "-u", "0", name, "/usr/bin/bash", "-c", SPY)
        for _ in range(5):
            debugger("debug", name, "--", "sh", "-c", "sleep 0.2; ls /proc > /dev/null", text="x")
        # Not by podman, whose own runtime the spy would see.
        log = debugger("debug", name, "--", "cat", "/tmp/log").stdout
    assert "/.fp/bin/dash" in log or "/.fp/bin/sleep" in log or "bin/sh" in log
    for word in ("python", "of-the-caller", str(debugger.podman.home), sys.prefix):
        assert word not in log, word


def test_python_imports_nothing_of_the_container(debugger: Debugger) -> None:
    """Where this machine's Python is, the container has modules that leave a mark when they are imported."""
    folder = debugger.podman.home / f"poison-{os.getpid()}"
    library = Path(sysconfig.get_path("stdlib"))
    for path in [*library.glob("*.py"), *library.glob("encodings/*.py"), *library.glob("ctypes/*.py")]:
        copy = folder / path.relative_to(library)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text("open('/tmp/owned', 'w').close()\n")
    (folder / "colorsys.py").write_text("open('/tmp/owned', 'w').close()\n")
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    options = [word for place in (library, sysconfig.get_path("purelib")) for word in ("-v", f"{folder}:{place}:ro")]
    with container(debugger, *options, image="full") as name:
        assert debugger("debug", name, "--", "sh", "-c", "echo fine").stdout == "fine\n"
        debugger("debug", name, "--", "nosuch", status=127)
        done = subprocess.run(
            changed(debugger, IMPORTS, name, "--", "sh", "-c", "echo fine"), cwd=debugger.podman.home / "project",
            capture_output=True, text=True, timeout=WAIT, check=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.stdout == "fine\n" and "it is not imported" in done.stderr
        assert inside(debugger, name, "test -e /tmp/owned || echo absent") == "absent\n"


def test_the_program_of_a_session_cannot_be_overwritten(debugger: Debugger, full: str) -> None:
    """CVE-2019-5736: a script whose interpreter is /proc/self/exe, and a descriptor that outlives the process."""
    before = tools(debugger)
    assert before
    inside(debugger, full, "printf '#!/proc/self/exe\\n' > /usr/bin/evil; chmod 755 /usr/bin/evil")
    done = debugger("debug", full, "--user", "root", "--", "/usr/bin/evil", status=None)
    assert "python" not in (done.stdout + done.stderr).lower()
    script = """
      sleep 100 & pid=$!
      sleep 0.2
      exec 5< /proc/$pid/exe
      kill -9 $pid; wait $pid 2>/dev/null
      echo x > /proc/self/fd/5
      echo x > /.fp/bin/sleep
      rm -f /.fp/bin/sleep
    """
    told = debugger("debug", full, "--user", "root", "--privileged", "--", "bash", "-c", script, status=None).stderr
    assert told.count("Read-only file system") == 3
    assert tools(debugger) == before


@pytest.mark.parametrize("options", [(), ("--privileged",)])
def test_the_tools_cannot_be_made_writable(debugger: Debugger, options: tuple[str, ...]) -> None:
    """Also by one who may mount, and to whom the store's files belong if podman is rootless."""
    before = tools(debugger)
    script = """
      mount -o remount,bind,rw /.fp
      mkdir -p /tmp/copy; mount --bind /.fp /tmp/copy; mount -o remount,bind,rw /tmp/copy
      for tools in /.fp /tmp/copy; do chmod u+w $tools/bin/mawk; echo evil >> $tools/bin/mawk; done
    """
    with container(debugger, *options, image="full") as name:
        words = ("--tools", "mount", "--user", "root", "--privileged", "--", "bash", "-c", script)
        told = debugger("debug", name, *words, status=1).stderr
        assert told.count("permission denied") == 2 and told.count("Read-only file system") == 4
    after = tools(debugger)
    assert {path: after[path] for path in before} == before
    assert len({digest for path, digest in after.items() if path.endswith("/mawk")}) == 1


def test_a_working_directory_that_is_a_descriptor(debugger: Debugger, full: str) -> None:
    """CVE-2024-21626: the working directory of an image is /proc/self/fd/N, which leads to a directory of the host."""
    engine = debugger.podman.home / "bin/podman"
    real = engine.read_text()
    command = real.splitlines()[1].removeprefix("exec ")
    for number in (3, 5, 7, 9):
        for climb in ("", "/../.."):
            path = f"/proc/self/fd/{number}{climb}"
            edit = f's#"WorkingDir": "[^"]*"#"WorkingDir": "{path}"#'
            engine.write_text(f"#!/bin/sh\n{command} | sed '{edit}'\n")
            try:
                told = debugger("debug", full, "--", "sh", "-c", "pwd -P; ls -a | head -5; ls -a ../../..").stdout
            finally:
                engine.write_text(real)
            assert told.startswith("/\n") and ".fp" in told and str(debugger.podman.home.name) not in told


def test_odd_entries_of_the_root(debugger: Debugger, full: str) -> None:
    inside(
        debugger,
        full,
        "mkfifo /pipe; ln -s / /loop; ln -s loop2 /loop2; mkdir /.fp /$'a\\nb'; echo evil > /.fp/bash; "
        "ln -s /tmp /.fp-tty; echo x > /file; for i in {1..1500}; do echo > /z$i; done",
    )
    done = debugger(
        "debug", full, "--user", "root", "--", "sh", "-c", "cat /file; ls -d /.fp/bin /loop/usr; test -p /pipe"
    )
    assert done.stdout == "x\n/.fp/bin\n/loop/usr\n" and "leaves out 520" in done.stderr
    assert inside(debugger, full, "ls -A /.fp /tmp") == "/.fp:\nbash\n\n/tmp:\n"


def test_start_up_files_are_not_read(debugger: Debugger, full: str) -> None:
    inside(
        debugger,
        full,
        "for f in /root/.bashrc /root/.bash_profile /root/.profile /etc/bash.bashrc /etc/profile /.bashrc; do "
        "echo 'echo owned > /tmp/owned' > $f; done; echo /nonexistent.so > /etc/ld.so.preload; "
        'echo \'"a": "echo owned > /tmp/owned\\n"\' | tee /root/.inputrc > /etc/inputrc',
    )
    terminal = Terminal(debugger.command("debug", full, "--user", "root"), debugger.podman.home)
    terminal.until("# ")
    terminal.type("echo a''b; readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2; ls -1 /proc/self/fd; exit\n")
    terminal.until("ab")
    terminal.until("/.fp-tty/0\r\n/.fp-tty/0\r\n/.fp-tty/0\r\n0\r\n1\r\n2\r\n3\r\n")
    assert "preload" not in terminal.text
    terminal.end()
    assert inside(debugger, full, "ls /tmp; ls -A /root | grep history; true") == ""


@pytest.mark.parametrize(
    ("where", "name", "moment"),
    [
        ("tools_mount", "detached", "after"),
        ("session", "_attend", "before"),
        ("survivors", "watch", "after"),
        ("relay.Relay", "run", "before"),
        ("survivors", "kill_all", "before"),
    ],
)
def test_nothing_is_left_of_a_session_that_is_killed(
    debugger: Debugger, bare: str, where: str, name: str, moment: str
) -> None:
    pid = debugger.pid(bare)
    known = mounts(pid)
    words = ("--", "bash", "-c", "(setsid sleep 1000 &); sleep 0.5")
    done = subprocess.run(
        changed(debugger, KILLED.format(where, name, moment), bare, *words), cwd=debugger.podman.home / "project",
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=WAIT, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    wait_for(lambda: [program for program in members(pid) if program] == ["/usr/bin/sleep"])
    assert mounts(pid) == known


def test_a_container_cannot_hold_a_session_open(debugger: Debugger, full: str) -> None:
    """A process of the container that keeps the session's pipes does not keep fpack."""
    inside(debugger, full, "mkfifo /tmp/fifo")
    debugger.podman("exec", "-d", full, "/usr/bin/bash", "-c", "exec 9> /proc/$(< /tmp/fifo)/fd/1; sleep 1000")
    script = "echo $$ > /tmp/fifo; sleep 0.5; echo done"
    assert debugger("debug", full, "--user", "root", "--", "bash", "-c", script).stdout == "done\n"
