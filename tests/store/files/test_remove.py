"""Deleting trees that may be hostile, or that somebody changes meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fpack.store.files import remove
from fpack.store.files.remove import remove_tree
from support.attacks.swaps import fill, spared, swap


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    with spared(tmp_path / "victim") as place:
        yield place


def test_no_symlink_is_followed_and_no_depth_is_too_much(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("x")
    top = tmp_path / "top"
    top.mkdir()
    (top / "link").symlink_to(victim)
    fd = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d" * 10, dir_fd=fd)
        below = os.open("d" * 10, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    (top / "readonly").mkdir()
    (top / "readonly" / "file").write_text("x")
    (top / "readonly").chmod(0o555)
    remove_tree(top)
    assert not top.exists()
    assert (victim / "precious").read_text() == "x"
    (tmp_path / "link").symlink_to(victim)
    remove_tree(tmp_path / "link")
    assert (victim / "precious").exists() and not (tmp_path / "link").is_symlink()
    remove_tree(tmp_path / "nothing")


def test_a_directory_that_is_swapped_just_before_it_is_entered(
    tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CVE-2025-46415."""
    top = tmp_path / "top"
    fill(top)
    swapped = []

    def late(name: str | bytes, parent: int | None) -> int:
        if name == "d":
            swap(top / "d", victim)
            swapped.append(name)
        return opened(name, parent)

    opened: Callable[[str | bytes, int | None], int] = remove.open_directory
    monkeypatch.setattr(remove, "open_directory", late)
    with pytest.raises(OSError):
        remove_tree(top)
    assert swapped and (tmp_path / "away-d/in").is_dir()
    monkeypatch.undo()
    remove_tree(top)
    assert not top.exists()
