"""An archive whose packages can be entered: programs of this machine, as packages of their usual names."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.sandbox.usage import descendants
from support.archives.archive import Archive, Entry, file, link
from support.processes.program import Fpack
from support.stores.roots import host_programs
from support.time_limits import WAIT

COREUTILS = [
    "cat", "chmod", "cp", "date", "dirname", "echo", "env", "false", "head", "id", "ln", "ls", "mkdir", "mkfifo", "mv",
    "pwd", "readlink", "rm", "seq", "sleep", "sort", "stat", "stty", "tail", "tee", "test", "timeout", "touch", "true",
    "tty", "uname", "wc",
]  # fmt: skip
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nT25l\n-----END CERTIFICATE-----\n"
EMPTY = (
    "gawk",
    "patch",
    "xz-utils",
    "bash-completion",
    "diffutils",
    "findutils",
    "gzip",
    "less",
    "libstdc++6",
    "mawk",
    "netbase",
    "tar",
    "bsdutils",
    "debianutils",
    "passwd",
    "util-linux",
)


def packages_of(*programs: str) -> dict[str, Entry]:
    """Programs of this machine with what they load, as files of a package; the test is skipped without one."""
    for name in programs:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not on this machine")
    found = {}
    for path, content in host_programs(*programs).items():
        found[path] = link(content) if isinstance(content, str) else file(content, 0o755)
    return found


def machine(more: Mapping[str, Path], user: bool = False) -> tuple[str, ...]:
    """Return words before a command that have it run on this machine with further top directories, of which nothing
    stays.

    user: as one with another number than root's and no rights, wherever the program is installed.
    """
    words = ["bwrap"]
    if os.geteuid() == 0:
        words += ["--unshare-user", "--uid", "1000", "--gid", "1000"] if user else ["--cap-add", "ALL"]
    for entry in sorted(os.scandir("/"), key=lambda each: each.name):
        if entry.is_symlink():
            words += ["--symlink", os.readlink(entry.path), entry.path]
        elif entry.path not in more:
            words += ["--dev-bind-try", entry.path, entry.path]
    for path, place in more.items():
        words += ["--bind", str(place), path]
    return (*words, "--")


def kept_for(fpack: Fpack, project: Path) -> Path:
    """Return the directory that fpack keeps for a project."""
    places = (fpack.home / ".local/state/fpack/projects").iterdir()
    (found,) = (each for each in places if (each / "project").read_text() == os.path.realpath(project))
    return found


def world(folder: Path, sh: str = "bash") -> Archive:
    """Return two releases of a small distribution that has a shell and what shells call.

    sh: the package that has /bin/sh.
    """
    archive = Archive(folder, also=["bookworm"])
    # zstd: with xz, packing the real programs takes longer than most tests.
    bash, coreutils = packages_of("bash"), packages_of(*COREUTILS)
    for release, number in (("trixie", "13"), ("bookworm", "12")):
        archive.add(
            "base-files",
            number,
            suite=release,
            files={
                "etc/debian_version": f"{number}.0\n",
                "usr/lib/os-release": f'ID=debian\nVERSION_ID="{number}"\n',
                "etc/os-release": link("../usr/lib/os-release"),
            },
        )
        archive.add("bash", number, suite=release, files={**bash, **_sh(sh == "bash")}, packing="zst")
        archive.add("dash", number, suite=release, files=_sh(sh == "dash"), depends="bash" if sh == "dash" else "")
        archive.add("coreutils", number, suite=release, files=coreutils, packing="zst")
        archive.add("libc-bin", number, suite=release, files={"usr/lib/locale/C.utf8/LC_CTYPE": "UTF-8"})
        archive.add("ncurses-base", number, suite=release, files=_terminals())
        for name, programs in (("grep", "grep"), ("sed", "sed"), ("hostname", "hostname"), ("procps", "ps")):
            archive.add(name, number, suite=release, files=packages_of(programs), packing="zst")
        archive.add(
            "ca-certificates", number, suite=release, files={"usr/share/ca-certificates/mozilla/One.crt": CERTIFICATE}
        )
        for name in (*EMPTY, "ncurses-bin", "perl-base"):
            archive.add(name, number, suite=release)
        archive.add(
            "greet",
            number,
            suite=release,
            files={"usr/bin/greet": file(f'#!/bin/sh\necho "greet {number} $*"\n', 0o755)},
        )
    return archive


def _sh(has: bool) -> dict[str, Entry]:
    return {"usr/bin/sh": link("bash")} if has else {}


def _terminals() -> dict[str, Entry]:
    found = {}
    for name in ("xterm", "dumb"):
        for folder in ("/lib/terminfo", "/usr/share/terminfo", "/etc/terminfo"):
            place = Path(folder, name[0], name)
            if place.is_file():
                found[f"usr/share/terminfo/{name[0]}/{name}"] = file(place.read_bytes())
                break
    return found


_STYLES = re.compile(r"\x1b\[[0-9;?<=>]*[a-zA-Z]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[=>]|\x1b\([0-9A-Z]")


class Terminal:
    """A program on a real terminal: type, and wait for what it writes."""

    def __init__(
        self,
        fpack: Fpack,
        *args: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        columns: int = 100,
        program: Sequence[str] = (),
    ) -> None:
        """args: of fpack; or another program, by words."""
        self.text = ""
        self.status: int | None = None
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(cwd or fpack.home)
            words = list(program) or fpack.command(*args)
            os.execve(words[0], words, {**fpack.env, "TERM": "xterm", "PWD": str(cwd or fpack.home), **(env or {})})
        self.resize(24, columns)

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size, as a terminal does."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.master, text.encode())

    def wait(self, pattern: str, seconds: float = WAIT) -> re.Match[str]:
        """Wait until the program writes something; all that was written up to there is done with."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            left = end - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{pattern!r} did not come; there was: {self.text!r}")
        self.text = self.text[found.end() :]
        return found

    def line(self, command: str, pattern: str, seconds: float = WAIT) -> re.Match[str]:
        """Type a command and wait for what it says."""
        self.type(command + "\n")
        return self.wait(pattern, seconds)

    def begin(self, command: str, seconds: float = WAIT) -> None:
        """Type a command that goes on, and wait until its program runs: it gets the signals of keys, and no shell."""
        self.line(command, re.escape(command), seconds)
        end = time.monotonic() + seconds
        while command.split() not in map(_words, descendants(self.pid)):
            assert time.monotonic() < end, f"{command!r} does not run; there was: {self.text!r}"
            time.sleep(0.02)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:
            return False
        self.text += _STYLES.sub("", data.decode("utf-8", "replace")).replace("\r", "")
        return bool(data)

    def end(self, seconds: float = WAIT) -> int:
        """Wait for the program's end; its exit status."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._read(0.2):
            pass
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                raise AssertionError(f"it does not end; there was: {self.text!r}")
            time.sleep(0.05)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def close(self) -> None:
        """Hang up, and see the program end."""
        if self.status is None:
            os.close(self.master)
            end = time.monotonic() + 20
            while not os.waitpid(self.pid, os.WNOHANG)[0]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGHUP if time.monotonic() < end else signal.SIGKILL)
                time.sleep(0.1)
        else:
            os.close(self.master)


def _words(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace").split("\0")[:-1]
    return []


def out(fpack: Fpack, *args: str, **options: Any) -> str:
    """Run a command and return its output without surrounding white space."""
    return fpack(*args, **options).stdout.strip()
