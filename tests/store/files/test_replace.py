"""Files are replaced whole, and never behind a link that leads out of a directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fpack.store.files import replace
from fpack.store.files.replace import OutsideError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("precious")
    (tmp_path / "in/sub").mkdir(parents=True)
    return tmp_path / "in"


def outside(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in (folder.parent / "outside").iterdir()}


def test_a_new_file_and_one_in_its_place(folder: Path) -> None:
    replace.write(folder / "a", b"1")
    assert (folder / "a").read_bytes() == b"1"
    (folder / "a").chmod(0o640)
    replace.write(folder / "a", b"2", durable=True)
    assert (folder / "a").read_bytes() == b"2" and (folder / "a").stat().st_mode & 0o777 == 0o640
    replace.write(folder / "a", b"3", mode=0o600)
    assert (folder / "a").stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(folder)) == ["a", "sub"]


@pytest.mark.parametrize("target", ["b", "sub/b", "./sub/../b", "{in}/b", "sub/link"])
def test_a_link_within_its_directory_is_followed(folder: Path, target: str) -> None:
    (folder / "sub/link").symlink_to("../b")
    (folder / "a").symlink_to(target.replace("{in}", str(folder)))
    replace.write(folder / "a", b"x")
    assert (folder / "a").is_symlink() and (folder / "a").read_bytes() == b"x"
    assert (folder / "b").exists() or (folder / "sub/b").exists()


@pytest.mark.parametrize(
    "target", ["../outside/file", "../outside/new", "{in}/../outside/file", "door/file", "..", "."]
)
def test_a_link_out_of_its_directory_is_not(folder: Path, target: str) -> None:
    (folder / "door").symlink_to("../outside")
    (folder / "a").symlink_to(target.replace("{in}", str(folder)))
    with pytest.raises(OutsideError, match="a link to another directory"):
        replace.write(folder / "a", b"x")
    assert outside(folder) == {"file": "precious"}


def test_a_directory_that_is_a_link_is_followed_within_what_is_given(folder: Path) -> None:
    (folder / "inner").symlink_to("sub")
    (folder / "door").symlink_to("../outside")
    replace.write(folder / "inner/a", b"x", within=folder)
    assert (folder / "sub/a").read_bytes() == b"x"
    for name in ("door/file", "door/new"):
        with pytest.raises(OutsideError):
            replace.write(folder / name, b"x", within=folder)
    assert outside(folder) == {"file": "precious"}


def test_a_directory_that_is_swapped_for_a_link_just_before_it_is_entered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a").symlink_to("sub/b")
    open_ = os.open

    def swapped(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == "sub":
            (folder / "sub").rmdir()
            (folder / "sub").symlink_to("../outside")
        return open_(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(OSError, match="directory"):
        replace.write(folder / "a", b"x")
    assert outside(folder) == {"file": "precious"}


def test_an_error_leaves_what_was_there(folder: Path) -> None:
    (folder / "a").write_text("before")
    with (
        pytest.raises(RuntimeError),
        replace.target(folder / "a") as (fd, name),
        replace.replacing_at(fd, name) as out,
    ):
        os.write(out, b"half")
        raise RuntimeError
    assert (folder / "a").read_text() == "before" and sorted(os.listdir(folder)) == ["a", "sub"]


def test_a_directory_is_not_replaced(folder: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        replace.write(folder / "sub", b"x")
    assert (folder / "sub").is_dir() and os.listdir(folder) == ["sub"]


def test_the_new_files_of_killed_writers_are_deleted(folder: Path) -> None:
    stale = [".a.0123456789ab", ".a.ba9876543210"]
    others = [".a.0123456789a", ".a.0123456789abc", ".b.0123456789ab", "a.0123456789ab"]
    for name in (*stale, *others):
        (folder / name).write_text("")
    (folder / ".a.00000000ffff").symlink_to("../outside/file")
    (folder / ".a.000000000000").mkdir()
    os.mkfifo(folder / ".a.0000000000ff")
    replace.write(folder / "a", b"1")
    kept = {*others, ".a.00000000ffff", ".a.000000000000", ".a.0000000000ff", "a", "sub"}
    assert set(os.listdir(folder)) == kept


def test_the_new_file_of_a_living_writer_is_kept(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with replace.replacing_at(directory, "a") as first:
        os.write(first, b"first")
        with replace.replacing_at(directory, "a") as second:
            os.write(second, b"second")
        assert (folder / "a").read_bytes() == b"second"
    assert (folder / "a").read_bytes() == b"first"
    assert sorted(os.listdir(folder)) == ["a", "sub"]
    os.close(directory)


def test_a_failed_writer_leaves_the_old_file_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace.write(folder / "a", b"old")

    def refuse(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        replace.write(folder / "a", b"new", durable=True)
    assert (folder / "a").read_bytes() == b"old" and sorted(os.listdir(folder)) == ["a", "sub"]
