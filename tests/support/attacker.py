"""Builds in another process, which may be another user's: what a hostile build can do is tried as root and rootless.

Run as a program, it takes requests as lines of JSON and answers each with a line.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import termios
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Answer(NamedTuple):
    """How a build ended. out: its output's text, or None. error: the error's words. lines: of its log."""

    out: str | None
    error: str
    lines: list[str]
    paths: int  # in the store, afterwards
    left: list[str]  # what lies in the session's private directory afterwards


class Attacker:
    """A process that builds. uid: who it is."""

    def __init__(self, place: Path, uid: int) -> None:
        self.uid = uid
        self.place = place
        self.store = place / "store"
        self._prefix = (
            ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all"] if uid else []
        )
        self._env = {"PATH": os.environ["PATH"], "HOME": str(place), "SECRET": "of the caller"}
        self._python = _python(self._prefix)
        self._process = subprocess.Popen(
            self._command("serve", self.store),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._env,
            cwd="/",
        )
        self.pid = self._process.pid

    def build(self, script: str | Mapping[str, str], name: str = "it", **args: Any) -> Answer:
        """Run a script as a build."""
        assert self._process.stdin and self._process.stdout
        request = {"script": script, "name": name, "args": args}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Answer(*json.loads(self._process.stdout.readline()))

    def _command(self, function: str, *arguments: object) -> list[str]:
        tests = Path(__file__).resolve().parents[1]
        packages = sysconfig.get_path("purelib")
        program = (
            f"import site, sys; site.addsitedir({packages!r}); sys.path.insert(0, {str(tests)!r}); "
            f"from support.attacker import {function}; {function}(*sys.argv[1:])"
        )
        return [*self._prefix, self._python, "-c", program, *map(str, arguments)]

    def in_terminal(self, script: str, words: list[str]) -> str:
        """Run a script that fails, at a terminal; what is seen there while `words` are typed into the shell in it."""
        master, slave = os.openpty()
        process = subprocess.Popen(
            self._command("fail_and_look", self.place / "terminal", script),
            stdin=slave, stdout=slave, stderr=slave, env=self._env, cwd="/", start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        seen = b""
        todo = [word.encode() + b"\n" for word in words]
        with contextlib.suppress(OSError):  # what a terminal gives when its last writer has gone
            while data := os.read(master, 1 << 16):
                seen += data
                if todo and seen.rstrip(b" ").endswith(b"$"):
                    os.write(master, todo.pop(0))
        os.close(master)
        process.wait(30)
        return seen.decode("utf-8", "replace")

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


def _python(prefix: list[str]) -> str:
    """This Python, or the machine's own of the same version where another user cannot reach this one."""
    own = f"/usr/bin/python3.{sys.version_info.minor}"
    for place in (sys.executable, own):
        # By way of a shell: setpriv itself gives up root's rights only after it has opened the program.
        tried = subprocess.run([*prefix, "sh", "-c", f"{place} -c ''"], capture_output=True, cwd="/", check=False)
        if tried.returncode == 0:
            return place
    pytest.skip("another user cannot run this Python")


def serve(place: str) -> None:
    """Answer requests until there are no more."""
    from fpack.builders.exec import Options
    from fpack.builders.scheduler import BuildsFailed
    from support.builds import builds

    with builds(Path(place), options=Options(keep_failed=bool(os.environ.get("KEEP")))) as world:
        for line in sys.stdin:
            request = json.loads(line)
            options = request["args"].pop("options", None)
            world.options = Options(**options) if options else None
            out, error = None, ""
            try:
                path = world.build(request["script"], request["name"], **request["args"])
                if path.is_symlink():
                    out = os.readlink(path)
                elif path.is_dir():
                    out = "\n".join(sorted(os.listdir(path)))
                else:
                    out = path.read_text("utf-8", "replace")
            except BuildsFailed as failed:
                first = failed.failures[0][1]
                error = f"{first.what}: {first.why} [{first.hint}]"
            left = [str(each) for each in world.store.session.directory.iterdir()]
            paths = len(world.store.database.paths())
            print(json.dumps([out, error, world.recorder.lines, paths, left]), flush=True)


def fail_and_look(place: str, script: str) -> None:
    """Run a build that fails, and open the shell in its sandbox."""
    from fpack.builders.exec import Options, PhaseFailed, kept_shell
    from fpack.builders.scheduler import BuildsFailed
    from support.builds import builds

    with builds(Path(place), options=Options(keep_failed=True)) as world:
        try:
            world.build(script)
        except BuildsFailed as failed:
            error = failed.failures[0][1]
            assert isinstance(error, PhaseFailed) and error.kept is not None
            kept_shell(error.kept)


@contextlib.contextmanager
def attacker(mode: str) -> Iterator[Attacker]:
    """A process that builds as `root`, or `rootless` as a user that is not root; skips where that cannot be."""
    if mode == "root" and os.geteuid() != 0:
        pytest.skip("the tests are not run by root")
    uid = 0 if mode == "root" else os.geteuid()
    if mode == "rootless" and uid == 0:
        if not shutil.which("setpriv"):
            pytest.skip("setpriv is not installed")
        uid = pwd.getpwnam("nobody").pw_uid
    place = Path(tempfile.mkdtemp(prefix="fpack-attack-"))
    try:
        os.chown(place, uid, -1)
        made = Attacker(place, uid)
        try:
            yield made
        finally:
            made.close()
    finally:
        from fpack.store.remove import remove_tree

        remove_tree(place)
