"""The executor of this machine: what it hands over to a build's user, and takes back."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.rootfs.view import assemble
from fpack.builders.sandbox import local_executor
from fpack.builders.sandbox.build_users import build_user
from fpack.builders.sandbox.executor import Work
from fpack.builders.sandbox.spec import Spec
from support.attacks.swaps import fill, spared, swap
from support.stores.builds import Builds, builds

USER = 54321 if os.geteuid() == 0 else os.geteuid()


def test_a_link_in_the_place_of_a_directory_that_is_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CVE-2025-52993, Guix 47229: put there when it was known to be a directory, and not entered yet."""
    top = tmp_path / "top"
    fill(top)
    opened: Callable[[str, int | None], int] = local_executor.open_directory

    with spared(tmp_path / "victim") as victim:

        def late(name: str, parent: int | None) -> int:
            if name == "d":
                swap(top / "d", victim)
            return opened(name, parent)

        monkeypatch.setattr(local_executor, "open_directory", late)
        with pytest.raises(OSError):
            local_executor.give_tree(top, USER)
        assert (top / "d").is_symlink()


def test_a_link_in_the_place_of_a_file_that_is_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of a file, just before its owner is changed: it is the link's that is."""
    top = tmp_path / "top"
    fill(top)
    chown = os.chown
    swapped = []

    with spared(tmp_path / "victim") as victim:

        def late(name: str, *args: Any, **more: Any) -> None:
            if name == "7":
                for folder in "def":
                    if not (top / folder / "in/7").is_symlink():
                        swap(top / folder / "in/7", victim / "in/7")
                        swapped.append(folder)
            chown(name, *args, **more)

        monkeypatch.setattr(os, "chown", late)
        local_executor.give_tree(top, USER)
        assert swapped == ["d", "e", "f"]
        assert {(top / folder / "in/7").lstat().st_uid for folder in "def"} == {USER}


def work_of(world: Builds) -> Work:
    place, root = world.store.session.fresh(), world.store.root
    place.mkdir(mode=0o700)
    view = assemble(world.store, world.root)
    return Work(place, view, root / "store", root / "locks", lambda _: None, lambda _: None, lambda: None)


@pytest.mark.skipif(os.geteuid() != 0, reason="builds of others than root are the caller's own")
def test_a_link_that_a_run_left_in_the_place_of_a_directory_of_its_work(tmp_path: Path) -> None:
    """The sandbox is entered again with it, to strip."""
    with spared(tmp_path / "victim") as victim, builds(tmp_path / "store") as world:
        executor = local_executor.LocalExecutor()
        work = work_of(world)
        spec = Spec(str(world.root), ("/bin/bash", "-c", f"rm -r /build/home; ln -s {victim} /build/home"))
        assert executor.run(spec, work).status == 0
        again = spec._replace(command=("/bin/bash", "-c", "ls -l /build > /tmp/seen"))
        assert executor.run(again, work).status == 0
        assert "home -> " in (work.directory / "tmp/seen").read_text()
        executor.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="builds of others than root are the caller's own")
def test_a_run_of_a_work_can_change_the_files_of_a_run_before_it(tmp_path: Path) -> None:
    """Another build has the first run's user number meanwhile, so that the second run has another one."""
    with builds(tmp_path / "store") as world:
        executor, work = local_executor.LocalExecutor(), work_of(world)
        script = "mkdir -p /fpack/store/x/y; echo one > /fpack/store/x/y/z; chmod 0555 /fpack/store/x; ln -s /x /tmp/l"
        spec = Spec(str(world.root), ("/bin/bash", "-c", script))
        assert executor.run(spec, work).status == 0
        first = (work.directory / "out").stat().st_uid
        again = spec._replace(command=("/bin/bash", "-c", "cd /fpack/store/x/y && echo two > new && cp new z"))
        with ExitStack() as users:
            # Builds of other tests may have had lower numbers meanwhile, and have ended.
            while users.enter_context(build_user(work.locks)) != first:
                pass
            assert executor.run(again, work).status == 0
        file = work.directory / "out/x/y/z"
        assert file.read_text() == "two\n" and file.stat().st_uid != first
        assert (work.directory / "out/x").stat().st_mode & 0o777 == 0o555, "modes are as the first run left them"
        executor.close()
