"""Stores and caches that another user can change are refused: by root, and by a user without rights."""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fpack.lang.evaluator import Evaluator
from fpack.store.errors import FpackError, StoreError
from fpack.store.files import disk_cache, owners
from fpack.store.files.owners import SHARED_STORE, exposed, make_directories
from fpack.store.store import Store
from support.attacks.strangers import STRANGER, USERS, acting_as, as_root, give

FOLDERS = ("store", "files", "tmp", "locks", "logs", "roots", "trash", "partial", "db", "db/fpack.sqlite")
Attack = Callable[[Path], None]


@pytest.fixture(params=USERS)
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Yield a directory of the user that this process is."""
    with acting_as(request.param) as found:
        yield found


def strangers(path: Path) -> None:
    give(path)


def groups(path: Path) -> None:
    give(path, os.geteuid(), STRANGER)
    path.chmod(path.stat().st_mode | 0o020)


def everybodys(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o002)


ATTACKS = (strangers, groups, everybodys)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("part", ["", *FOLDERS])
def test_a_store_that_another_user_can_change_is_refused(place: Path, attack: Attack, part: str) -> None:
    root = place / "fpack"
    Store(root).close()
    attack(root / part)
    with pytest.raises(StoreError, match=r"(change the store|another user's)") as caught:
        Store(root)
    assert caught.value.where == str(root / part).rstrip("/") and SHARED_STORE in caught.value.hint


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_directory_above_the_store_in_which_another_user_can_move_it(place: Path, attack: Attack) -> None:
    root = place / "above" / "between" / "fpack"
    Store(root).close()
    attack(place / "above")
    with pytest.raises(StoreError, match="put another store in the place") as caught:
        Store(root)
    assert caught.value.where == str(place / "above")
    # The same for one that is not there yet. Nothing is made.
    with pytest.raises(StoreError, match="put another store in the place"):
        Store(place / "above" / "new")
    with as_root():
        assert not (place / "above" / "new").exists()


def test_a_sticky_directory_is_everybodys_and_yet_moves_nothing(place: Path) -> None:
    (place / "tmp").mkdir()
    (place / "tmp").chmod(0o1777)
    Store(place / "tmp" / "fpack").close()
    Store(place / "tmp" / "fpack").close()
    # But whoever it belongs to can.
    give(place / "tmp")
    with pytest.raises(StoreError, match="put another store in the place"):
        Store(place / "tmp" / "fpack")


def test_somebody_was_first_at_the_place_of_the_store(place: Path) -> None:
    (place / "tmp").mkdir()
    (place / "tmp").chmod(0o1777)
    (place / "tmp" / "fpack").mkdir()
    give(place / "tmp" / "fpack")
    with pytest.raises(StoreError, match="another user's"):
        Store(place / "tmp" / "fpack")
    with as_root():
        assert not os.listdir(place / "tmp" / "fpack")


def test_links_to_the_store_are_trusted_as_directories_are(place: Path) -> None:
    Store(place / "fpack").close()
    (place / "own").symlink_to("fpack")
    Store(place / "own").close()
    (place / "theirs").symlink_to(place / "fpack")
    give(place / "theirs")
    with pytest.raises(StoreError, match="put another store in the place") as caught:
        Store(place / "theirs")
    assert "a link that belongs to user" in caught.value.why
    # One's own link that leads through another's directory.
    (place / "open").mkdir()
    (place / "open" / "link").symlink_to("../fpack")
    (place / "way").symlink_to("open/link")
    Store(place / "way").close()
    give(place / "open")
    with pytest.raises(StoreError, match="put another store in the place"):
        Store(place / "way")
    # A part of the store that is a link to elsewhere.
    with as_root():
        os.rename(place / "fpack" / "logs", place / "open" / "logs")
    (place / "fpack" / "logs").symlink_to("../open/logs")
    with pytest.raises(StoreError, match="put another store in the place"):
        Store(place / "fpack")


def test_a_store_that_is_shared_on_purpose(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = place / "fpack"
    Store(root).close()
    groups(root)
    for other in ("1", str(place), str(place / "other"), ""):
        monkeypatch.setenv(SHARED_STORE, other)
        with pytest.raises(StoreError, match="A group can change the store"):
            Store(root)
    monkeypatch.setenv(SHARED_STORE, str(root))
    Store(root).close()


@pytest.mark.parametrize("umask", [0, 0o002, 0o022, 0o077])
def test_what_is_made_is_closed_whatever_the_umask(place: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        Store(place / "a" / "b" / "fpack").close()
        disk_cache.write(place / "c" / "d" / "cache", "entry", b"body")
        make_directories(str(place / "e" / "f"))
    finally:
        os.umask(before)
    Store(place / "a" / "b" / "fpack").close()
    assert disk_cache.read(place / "c" / "d" / "cache", "entry") == b"body"
    for folder in ("a", "a/b", "a/b/fpack", "c", "c/d", "c/d/cache", "e", "e/f"):
        assert (place / folder).stat().st_mode & 0o077 == 0, folder


def test_a_group_of_ones_own_may_write_above_the_store(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a umask of 002, as some distributions have it, each user has a group that nobody else is in."""
    import grp
    import pwd

    name, uid = "somebody", os.geteuid()
    member = pwd.struct_passwd((name, "x", uid, STRANGER, "", "/", ""))
    monkeypatch.setattr(pwd, "getpwuid", lambda number: member)
    monkeypatch.setattr(owners, "_is_private", owners._is_private.__wrapped__)
    for members, others, harmless in (
        ([], [], True),
        ([name], [], True),
        (["other"], [], False),
        ([], [pwd.struct_passwd(("other", "x", 999, STRANGER, "", "/", ""))], False),
    ):
        group = grp.struct_group((name, "x", STRANGER, members))
        monkeypatch.setattr(grp, "getgrgid", lambda number, group=group: group)
        monkeypatch.setattr(pwd, "getpwall", lambda others=others: [member, *others])
        above = place / f"above{len(os.listdir(place))}"
        Store(above / "fpack").close()
        groups(above)
        assert (exposed(str(above / "fpack")) is None) == harmless
        if harmless:
            groups(above / "fpack")  # the store itself is nobody else's at all
        with pytest.raises(StoreError):
            Store(above / "fpack")


# What is kept of evaluations is code.


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("part", ["above", "above/cache", "above/cache/entry"])
def test_a_cache_that_another_user_can_change_is_not_used(
    place: Path, attack: Attack, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = place / "above" / "cache"
    disk_cache.write(cache, "entry", b"body")
    assert disk_cache.read(cache, "entry") == b"body"
    attack(place / part)
    monkeypatch.setattr(disk_cache, "_is_safe", disk_cache._is_safe.__wrapped__)
    assert disk_cache.read(cache, "entry") is None
    if part != "above/cache/entry":
        disk_cache.write(cache, "new", b"body")
        with as_root():
            assert os.listdir(cache) == ["entry"]


def test_a_stranger_leads_the_cache_elsewhere(place: Path) -> None:
    """Paths at which root would make a file for somebody."""
    (place / "elsewhere").mkdir()
    (place / "home").mkdir()
    (place / "home" / "cache").symlink_to(place / "elsewhere")
    give(place / "home" / "cache")
    give(place / "home")
    disk_cache.write(place / "home" / "cache" / "modules", "entry", b"body")
    assert list((place / "elsewhere").iterdir()) == []


def test_code_that_a_stranger_planted_is_not_run(place: Path) -> None:
    planted = place / "planted"
    text, cache = place / "a.fp", place / "cache"
    text.write_text("x = 1")

    def evaluate() -> object:
        evaluator = Evaluator(cache=cache)
        return evaluator.select(evaluator.load(text), ["x"])

    evaluate()
    code = compile(f"open({str(planted)!r}, 'w')", "planted", "exec")
    entries = sorted(cache.iterdir())
    for entry in entries:
        body = marshal.dumps((code, []))
        disk_cache.write(cache, entry.name, body)
        give(entry)
    assert evaluate() == 1
    assert not planted.exists()


def test_one_entry_does_not_stand_in_for_another(tmp_path: Path) -> None:
    """Whoever can rename files in a cache makes no program of ours another."""
    cache = tmp_path / "cache"
    values = {}
    for name in ("one", "two"):
        (tmp_path / f"{name}.fp").write_text(f'x = "{name}"')
        before = set(cache.iterdir()) if cache.exists() else set()
        evaluator = Evaluator(cache=cache)
        evaluator.select(evaluator.load(tmp_path / f"{name}.fp"), ["x"])
        values[name] = max(set(cache.iterdir()) - before, key=lambda each: each.stat().st_mtime_ns)
    (one, two), beside = values.values(), tmp_path / "beside"
    os.rename(one, beside)
    os.rename(two, one)
    os.rename(beside, two)
    for name in values:
        evaluator = Evaluator(cache=cache)
        assert evaluator.select(evaluator.load(tmp_path / f"{name}.fp"), ["x"]) == name


# What is kept of shells is run, without the store being opened.


def test_a_kept_shell_in_a_store_that_became_a_strangers_is_not_entered(place: Path) -> None:
    from fpack.cli.shells import cache
    from fpack.cli.shells.model import Closure

    root = place / "fpack"
    Store(root).close()
    closure = Closure("s", str(root / "store" / "view"), (), "", {}, "")
    entry = cache.CachedShell(closure, "", str(root), "lease", str(place / "kept"), ())
    read = cache.EvaluationInputs((), (), 0)
    cache.save(str(place / "kept"), entry, read)
    assert cache.load(str(place / "kept")) == entry
    give(root)
    with pytest.raises(StoreError, match="another user's"):
        cache.load(str(place / "kept"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_directory_of_a_shell_is_not_used_if_another_user_can_change_it(place: Path, attack: Attack) -> None:
    from fpack.cli.paths import make_private_directory

    make_directories(str(place / "cache" / "shell"))
    make_private_directory(str(place / "cache" / "shell"))
    attack(place / "cache")
    with pytest.raises(FpackError, match="directory for the shell"):
        make_private_directory(str(place / "cache" / "shell"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_lists_of_packages_that_another_user_can_change_are_not_used(place: Path, attack: Attack) -> None:
    from fpack.builders.debian.indexes.cache import IndexCache, newest_seen
    from fpack.builders.debian.indexes.package_index import IndexUnusable

    cache = IndexCache(place / "cache" / "debian")
    text = b"\nCodename: trixie\nDate: Sat, 14 Jun 2025 10:00:00 UTC\n"
    release = cache.release(hashlib.sha256(text).hexdigest())
    cache.keep(release, text)
    assert newest_seen(cache, "trixie") == 1_749_895_200
    attack(release)
    assert newest_seen(cache, "trixie") == 0
    attack(cache.directory)
    with pytest.raises(IndexUnusable, match="Another user can change the cached package indexes"):
        cache.keep(cache.directory / "y.InRelease", b"")


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_lock_of_ones_own_that_another_user_can_change_is_refused(
    place: Path, attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fpack.cli.options import SharedOptions
    from fpack.cli.workspace.workspace import Workspace

    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    make_directories(str(place / "state" / "fpack"))
    assert Workspace(SharedOptions()).lock_file == place / "state" / "fpack" / "fpack.lock"
    attack(place / "state")
    with pytest.raises(FpackError, match="directory for your package lock"):
        _ = Workspace(SharedOptions()).lock_file
    assert Workspace(SharedOptions(lock=place / "mine")).lock_file == place / "mine"
