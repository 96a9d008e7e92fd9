"""The users of root's builds: one at a time on the whole machine, and no other user has a say in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.builders.sandbox import build_users
from fpack.builders.sandbox.build_users import build_user, lock_directories, lock_directory
from fpack.builders.sandbox.bwrap import SandboxError
from support.attacks.strangers import STRANGER
from support.processes import unprivileged

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root's builds have users of their own")


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a directory as /run is, in the place of it."""
    place = Path(tempfile.mkdtemp(prefix="fpack-run-"))
    place.chmod(0o755)
    monkeypatch.setattr(build_users, "lock_directories", lambda: [place / "users"])
    yield place
    shutil.rmtree(place)


def stores(folder: Path, count: int) -> list[Path]:
    made = [folder / f"store{number}" / "locks" for number in range(count)]
    for each in made:
        each.mkdir(parents=True)
    return made


@root_only
def test_two_stores_share_no_user(tmp_path: Path, shared: Path) -> None:
    one, other = stores(tmp_path, 2)
    with build_user(one) as a, build_user(other) as b, build_user(one) as c:
        assert len({a, b, c}) == 3
    with build_user(other) as again:
        assert again == a
    assert list((shared / "users").iterdir()) == [] and list(one.iterdir()) == []


@root_only
def test_a_process_that_crashed_gives_its_user_back(tmp_path: Path, shared: Path) -> None:
    (one,) = stores(tmp_path, 1)
    script = (
        "import os, sys; from pathlib import Path; from fpack.builders.sandbox import build_users as users\n"
        f"users.lock_directories = lambda: [Path({str(shared / 'users')!r})]\n"
        f"with users.build_user(Path({str(one)!r})) as uid:\n    print(uid, flush=True); os._exit(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    with build_user(one) as uid:
        assert str(uid) == done.stdout.strip()


@root_only
def test_one_store_shares_no_user_where_run_is_not_the_machines(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a shell, whose /run is its own."""
    (one,) = stores(tmp_path, 1)
    with build_user(one) as a:
        monkeypatch.setattr(build_users, "lock_directories", lambda: [shared / "others"])
        with build_user(one) as b:
            assert a != b


@root_only
def test_all_users_at_once_are_said(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_users, "COUNT", 2)
    one, other = stores(tmp_path, 2)
    with build_user(one), build_user(other), pytest.raises(SandboxError, match="Too many builds"), build_user(one):
        pass
    with build_user(one):
        pass


@root_only
def test_another_user_can_neither_hold_a_lock_nor_see_one(tmp_path: Path, shared: Path) -> None:
    (one,) = stores(tmp_path, 1)
    attempt = 'exec 2>&1; (cd "$1"); ls "$1"; flock -n "$1" true && echo held; mkdir "$1-2"; touch "$1/x"'
    with build_user(one) as uid:
        done = subprocess.run(
            [*unprivileged.prefix([]), "/bin/sh", "-c", attempt, "sh", str(shared / "users")],
            capture_output=True,
            text=True,
        )
        assert "held" not in done.stdout and done.stdout.count("ermission denied") >= 3
        assert {each.name for each in (shared / "users").iterdir()} == {str(uid)}


@root_only
@pytest.mark.parametrize("trick", ["directory", "open", "link", "file", "parent"])
def test_what_another_user_put_there_first_is_refused(shared: Path, trick: str) -> None:
    """Neither used, nor passed over for the next directory: then two processes could lock in two directories."""
    place = shared / "users"
    (shared / "elsewhere").mkdir()
    if trick == "directory":
        place.mkdir(0o700)
        os.chown(place, STRANGER, STRANGER)
    elif trick == "open":
        place.mkdir()
        place.chmod(0o777)
    elif trick == "link":
        place.symlink_to("elsewhere")
        os.chown(place, STRANGER, STRANGER, follow_symlinks=False)
    elif trick == "file":
        place.write_text("")
        os.chown(place, STRANGER, STRANGER)
    else:
        shared.chmod(0o777)
    with pytest.raises(SandboxError, match="cannot be locked") as caught:
        lock_directory([place, shared / "elsewhere"])
    assert str(shared) in caught.value.where and caught.value.why
    with pytest.raises(SandboxError), build_user(shared / "elsewhere"):
        pass


@root_only
def test_an_own_link_is_refused(shared: Path) -> None:
    (shared / "elsewhere").mkdir()
    (shared / "users").symlink_to("elsewhere")
    with pytest.raises(SandboxError, match="it is not a directory"):
        lock_directory([shared / "users"])


def test_the_next_place_is_for_those_who_cannot_write_to_the_first(tmp_path: Path) -> None:
    made = lock_directory([tmp_path / "absent" / "users", tmp_path / "users"])
    assert made == tmp_path / "users" and made.stat().st_mode & 0o777 == 0o700
    assert lock_directory([tmp_path / "absent" / "users", tmp_path / "users"]) == made
    with pytest.raises(SandboxError) as caught:
        lock_directory([tmp_path / "absent" / "users"])
    assert "/run" in caught.value.hint


def test_lock_directories_are_the_same_for_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lock_directories()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/elsewhere")
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert lock_directories() == found
    assert found[0] == Path("/run/fpack-users")


def test_builds_of_others_than_root_have_no_user_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_users, "_separate", lambda: False)
    with build_user(tmp_path) as uid:
        assert uid is None
    assert list(tmp_path.iterdir()) == []
