"""Users of fpack who are attacked: root, and a user without rights, each with a home that both can reach."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from fpack.store.files.remove import remove_tree
from support.archives.shells import world
from support.paths import TESTS
from support.processes import unprivileged
from support.processes.program import Fpack
from support.time_limits import WAIT

MODES = ("root", "user")
WITH_IDS = "user with ids"  # a user to whom root gives ids
# The parameters of a fixture: the quick tier has those tests of the others that name them.
CALLERS = ["user", *(pytest.param(mode, marks=pytest.mark.callers) for mode in ("root", WITH_IDS))]


class Person(Fpack):
    """fpack as a user runs it. uid: the user's number. place: a directory of the test's, which nobody else can write.

    stranger: the number of another user.
    """

    def __init__(self, mode: str, place: Path) -> None:
        is_root = os.geteuid() == 0
        if mode == "root" and not is_root:
            pytest.skip("only root can be attacked as root")
        self.mode, self.place = mode, place
        self.uid = unprivileged.UID if mode != "root" and is_root else os.geteuid()
        self.stranger = unprivileged.UID + 1
        archive = world(place / "archive")
        archive.publish()
        spec = find_spec("fpack.store")
        assert spec is not None and spec.origin is not None
        needed = [Path(sys.base_prefix), Path(sys.prefix), Path(spec.origin).parents[1], TESTS]
        prefix = unprivileged.prefix(needed) if mode != "root" else []
        if mode == WITH_IDS:
            if not prefix:
                pytest.skip("only root can give ids to a user")
            prefix = [*prefix[:2], "--ids", *prefix[2:]]
        super().__init__(place / "home", archive, tuple(prefix))
        self.own(self.home)
        self.env["USER"] = "root" if self.uid == 0 else "user"

    def own(self, top: Path) -> Path:
        """Give a tree to the user, as if they had unpacked or cloned it; the tree."""
        for each in (top, *top.rglob("*")):
            os.chown(each, self.uid, self.uid, follow_symlinks=False)
        return top

    def project(self, name: str, text: str) -> Path:
        """Return a new directory of the user's with an fpack.fp."""
        folder = self.place / name
        folder.mkdir()
        (folder / "fpack.fp").write_text(text)
        return self.own(folder)

    def run(
        self, *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run another program than fpack as the user. The first word is its path."""
        return subprocess.run(
            [*self.prefix, *words], capture_output=True, text=True, cwd=cwd or self.home,
            env={**self.env, **(env or {})}, timeout=WAIT, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def state(self) -> Path:
        """The directory of data that fpack must not lose."""
        return self.home / ".local/state/fpack"


@contextlib.contextmanager
def public_directory(name: str) -> Iterator[Path]:
    """Yield a directory that other users can reach, which is deleted afterwards.

    It is below FPACK_TESTS_PUBLIC, which tests/run sets to a directory in memory. Its path is short: sockets are there.
    """
    public = os.environ.get("FPACK_TESTS_PUBLIC")
    place = Path(tempfile.mkdtemp(prefix=f"{name}-" if public else f"fpack-{name}-", dir=public or "/var/tmp"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        remove_tree(place)


@contextlib.contextmanager
def person(mode: str) -> Iterator[Person]:
    """Yield a user, and a place that is gone afterwards."""
    with public_directory("person") as place:
        yield Person(mode, place)
