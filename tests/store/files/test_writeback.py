"""Large files: copied by the kernel or not, they come out as they were, and what ends early leaves nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from blake3 import blake3
from fpack.store.files import writeback, writer
from fpack.store.files.pool import FileNode, Pool
from fpack.store.files.writeback import STEP, Writeback
from fpack.store.files.writer import TreeWriter

LARGE = os.urandom(1 << 20) * 17 + b"end"


@pytest.fixture
def tree(tmp_path: Path) -> TreeWriter:
    (tmp_path / "files").mkdir()
    return TreeWriter(Pool(tmp_path / "files"), tmp_path / "tree")


def copied(tree: TreeWriter, tmp_path: Path, content: bytes) -> FileNode:
    (tmp_path / "source").write_bytes(content)
    with open(tmp_path / "source", "rb", buffering=0) as source:
        return tree.copy("file", source.fileno(), True)


@pytest.mark.parametrize("content", [b"", b"small", LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("refused", [0, errno.EXDEV, errno.EOPNOTSUPP])
def test_a_copy_is_what_was_copied(
    tree: TreeWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, refused: int
) -> None:
    if refused:

        def refuse(*_: int) -> int:
            raise OSError(refused, os.strerror(refused))

        monkeypatch.setattr(os, "copy_file_range", refuse)
    node = copied(tree, tmp_path, content)
    assert node == FileNode(blake3(content).digest(), len(content), True)
    assert (tmp_path / "tree/file").read_bytes() == content
    assert (tmp_path / "tree/file").stat().st_mode & 0o777 == 0o555 and tree.size == len(content)


def test_a_file_system_that_refuses_midway(tree: TreeWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.copy_file_range, []

    def once(source: int, target: int, count: int) -> int:
        calls.append(count)
        if len(calls) > 1:
            raise OSError(errno.EINVAL, "no more")
        return real(source, target, count)

    monkeypatch.setattr(os, "copy_file_range", once)
    assert copied(tree, tmp_path, LARGE).digest == blake3(LARGE).digest() and len(calls) == 2


def test_a_full_disk_leaves_no_part(tree: TreeWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "copy_file_range", full)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        copied(tree, tmp_path, LARGE)
    assert not (tmp_path / "tree/file").exists()


def test_writing_begins_once_for_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int, int]] = []
    monkeypatch.setattr(Writeback, "_call", staticmethod(lambda *words: calls.append(words)))
    begun = Writeback(7, 100)
    for size in (200, 100 + STEP, 101 + STEP, 100 + 3 * STEP):
        begun.reached(size)
    assert calls == [(7, 100, STEP), (7, 100 + STEP, 2 * STEP)]


def test_the_call_is_the_kernels(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        file.write(b"text")
        file.flush()
        assert writeback._load()(file.fileno(), 0, 4) == 0
    assert writer.STEP == STEP
