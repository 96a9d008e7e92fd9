"""The program as a user runs it: the installed `fpack`, with a home, a store and an archive of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.archives.archive import Archive, file, link
from support.processes.fork_server import PROGRAM as PROGRAM
from support.processes.fork_server import can_run, server
from support.time_limits import WAIT

_MIRRORS = ("FPACK_MIRROR", "FPACK_KEYRING", "SSL_CERT_FILE", "http_proxy", "https_proxy")


class Fpack:
    """Runs commands in `home`, with packages from `archive` alone."""

    def __init__(self, home: Path, archive: Archive | None = None, prefix: tuple[str, ...] = ()) -> None:
        self.home = home
        self.prefix = prefix
        home.mkdir(exist_ok=True)
        self.archive = archive
        self.env = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "FPACK_ROOT": str(home / "store"),
            "NO_COLOR": "1",
            "FPACK_GC_AUTOMATIC": "0",
        }
        if archive is not None:
            self.env["FPACK_MIRROR"] = archive.mirror
            self.env[archive.keyring_variable] = str(archive.keyring)

    def use_mirrors_of_the_machine(self, store: Path | None = None) -> None:
        """Let commands reach the mirrors that the machine is configured for. store: instead of one of its own.

        Who shares a store shares the archives' indexes beside it, too: each user would read those of 70,000 packages.
        """
        if store is not None:
            self.env["FPACK_ROOT"] = str(store)
            indexes = store.with_name("shared-indexes")
            indexes.mkdir(parents=True, exist_ok=True)
            cache = self.home / ".cache/fpack"
            cache.mkdir(parents=True, exist_ok=True)
            (cache / "debian").symlink_to(indexes)
        self.env |= {name: value for name, value in os.environ.items() if name in _MIRRORS}

    def command(self, *args: str | Path) -> list[str]:
        """Return the words to execute."""
        return [*self.prefix, str(PROGRAM), *map(str, args)]

    def __call__(
        self,
        *args: str | Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        status: int | None = 0,
        timeout: float = WAIT,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; its exit status must be `status` (None: any), and no traceback may be seen."""
        cwd, env = cwd or self.home, {**self.env, **(env or {})}
        words = [str(arg) for arg in args]
        if can_run(self.prefix, env, words):
            done = server(self.prefix).run(words, cwd, env, timeout)
        else:
            done = subprocess.run(
                self.command(*args), capture_output=True, text=True, cwd=cwd, env=env, timeout=timeout
            )
        assert "Traceback" not in done.stderr, done.stderr
        assert status is None or done.returncode == status, f"{done.returncode}: {done.stdout}{done.stderr}"
        return done

    def pack(self, *args: str | Path, **options: Any) -> dict[str, Any]:
        """`pack --json` and what it printed."""
        result: dict[str, Any] = json.loads(self("pack", "--json", *args, **options).stdout)
        return result

    def fails(self, *args: str | Path, **options: Any) -> str:
        """Run a command that must fail with a message; the message."""
        done = self(*args, status=None, **options)
        assert done.returncode not in (0, 70), done.stdout + done.stderr
        assert "error:" in done.stderr, done.stderr
        return done.stderr


def world(folder: Path, kind: type[Archive] = Archive) -> Archive:
    """Return a small archive: base-files, a shell, a stand-in for the C library, an application and its closure."""
    archive = kind(folder)
    name = archive.origin
    archive.add(
        "base-files",
        files={
            "etc/debian_version": "13.1\n",
            "usr/lib/os-release": f'PRETTY_NAME="{name}"\nID={name.lower()}\nVERSION_ID="13"\n',
            "etc/os-release": link("../usr/lib/os-release"),
            "usr/share/base-files/motd": "hello\n",
        },
    )
    archive.add("dash", files={"usr/bin/dash": _executable(b"#!shell"), "usr/bin/sh": _executable(b"#!shell")})
    archive.add("libgreet1", "2:1.0~rc1-1", files={"usr/share/greet/words": "Good day\n"})
    archive.add(
        "hello",
        "2.10-3",
        depends="libgreet1 (>= 2:1.0~rc1), dash | shell",
        files={
            "usr/bin/hello": _executable(b"#!/bin/sh\ncat /usr/share/greet/words\n"),
            "usr/share/man/man1/hello.1": "a manual\n",
            "usr/share/doc/hello/copyright": "free\n",
        },
    )
    archive.add("libc-bin", files={"usr/lib/locale/C.utf8/LC_CTYPE": "UTF-8", "usr/bin/ldd": "#!/bin/bash"})
    for name in (
        "bash",
        "coreutils",
        "diffutils",
        "findutils",
        "grep",
        "gzip",
        "hostname",
        "mawk",
        "perl-base",
        "sed",
        "tar",
        "bsdutils",
        "debianutils",
        "ncurses-base",
        "ncurses-bin",
        "passwd",
        "util-linux",
    ):
        archive.add(name, files={f"usr/bin/{name.removesuffix('-base')}": _executable(b"a program of every system")})
    archive.publish()
    return archive


def _executable(data: bytes) -> Any:
    return file(data, 0o755)
