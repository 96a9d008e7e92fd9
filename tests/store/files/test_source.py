"""Sources are what git would keep, hashed the way they are copied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fpack.store.errors import BadTree
from fpack.store.files.pool import Pool
from fpack.store.files.source import SourceTree
from fpack.store.files.writer import TreeWriter


def copy(source: Path, tmp_path: Path, name: str = "out") -> TreeWriter:
    (tmp_path / "files").mkdir(exist_ok=True)
    writer = TreeWriter(Pool(tmp_path / "files"), tmp_path / name)
    SourceTree().copy(source, writer)
    return writer


@pytest.fixture
def project(tmp_path: Path) -> Path:
    top = tmp_path / "project"
    for name, text in {
        "main.c": "int main;",
        ".git/config": "x",
        ".gitignore": "*.o\n/build/\n!keep.o\n",
        "main.o": "x",
        "keep.o": "x",
        "build/out": "x",
        "sub/build/out": "x",
        "sub/.gitignore": "secret\n!deep.o\n",
        "sub/secret": "x",
        "sub/deep.o": "x",
        "sub/other.o": "x",
    }.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    (top / "link").symlink_to("main.c")
    return top


def test_ignored_files_are_left_out(project: Path, tmp_path: Path) -> None:
    writer = copy(project, tmp_path)
    found = sorted(str(p.relative_to(writer.disk)) for p in writer.disk.rglob("*") if not p.is_dir())
    assert found == [
        ".gitignore", "keep.o", "link", "main.c", "sub/.gitignore", "sub/build/out", "sub/deep.o",
    ]  # fmt: skip


def test_the_hash_is_that_of_the_copy(project: Path, tmp_path: Path) -> None:
    assert SourceTree().hash(project) == copy(project, tmp_path).finish()
    assert SourceTree().hash(project / "main.c") == copy(project / "main.c", tmp_path, "file").finish()
    assert SourceTree().hash(project / "link") == copy(project / "link", tmp_path, "link").finish()


def test_times_and_ignored_files_do_not_count(project: Path) -> None:
    before = SourceTree().hash(project)
    os.utime(project / "main.c", (5, 5))
    (project / "main.o").write_text("other")
    assert SourceTree().hash(project) == before
    (project / "main.c").chmod(0o755)
    assert SourceTree().hash(project) != before


def test_what_a_tree_cannot_hold_is_refused(project: Path, tmp_path: Path) -> None:
    os.mkfifo(project / "pipe")
    with pytest.raises(BadTree):
        SourceTree().hash(project)
    with pytest.raises(BadTree):
        copy(project, tmp_path)


@pytest.mark.parametrize("what", ["/dev/zero", "loop", "fifo", "outside"])
def test_patterns_are_read_from_a_file_of_the_project_alone(project: Path, what: str) -> None:
    (project / "sub/.gitignore").unlink()
    if what == "fifo":
        os.mkfifo(project / "sub/.gitignore")
        with pytest.raises(BadTree):
            SourceTree().hash(project)
        return
    (project.parent / "outside").write_text("*\n")
    target = {"loop": ".gitignore", "outside": "../../outside"}.get(what, what)
    (project / "sub/.gitignore").symlink_to(target)
    hashed = SourceTree().hash(project)
    (project / "sub/secret").write_text("other")
    assert SourceTree().hash(project) != hashed


def test_a_file_of_patterns_without_end(project: Path) -> None:
    (project / ".gitignore").write_bytes(b"a\n" * 600_000)
    with pytest.raises(BadTree, match="too large"):
        SourceTree().hash(project)


def test_what_says_how_a_project_is_built_is_no_part_of_it(project: Path) -> None:
    hashed = SourceTree().hash(project)
    (project / "fpack.fp").write_text("x = 1\n")
    (project / "fpack.lock").write_text("{}\n")
    (project / "result").symlink_to("/fpack/store/x")
    assert SourceTree().hash(project) == hashed
    (project / "sub/fpack.lock").write_text("{}\n")
    assert SourceTree().hash(project) != hashed
