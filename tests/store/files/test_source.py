"""Sources are what git would keep, hashed the way they are copied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fpack.store.errors import BadTree
from fpack.store.files.pool import Pool
from fpack.store.files.source import SourceSelection, SourceTree
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


# ---- selections


def selected(source: Path, place: Path, **rules: tuple[str, ...]) -> list[str]:
    """Return the relative paths of a source with a selection. Check that hashing and copying agree."""
    selection = SourceSelection(**rules)
    (place / "pool").mkdir(exist_ok=True)
    writer = TreeWriter(Pool(place / "pool"), place / f"copy-{len(list(place.iterdir()))}")
    SourceTree().copy(source, writer, selection)
    assert writer.finish() == SourceTree().hash(source, selection)
    return sorted(str(path.relative_to(writer.disk)) for path in writer.disk.rglob("*"))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    source = tmp_path / "files"
    for name in (
        "main.c",
        "lib/a.c",
        "lib/a.h",
        "lib/deep/b.c",
        "docs/a.md",
        "docs/lib/x.md",
        "README.md",
        "#odd",
        "built.o",
    ):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (source / ".gitignore").write_text("*.o\n")
    return source


def test_dropped_entries_are_left_out_at_any_depth_unless_the_pattern_has_a_slash(files: Path, tmp_path: Path) -> None:
    assert selected(files, tmp_path, drop=("*.md", "/lib", "#odd", ".gitignore")) == ["docs", "docs/lib", "main.c"]
    assert "docs/a.md" in selected(files, tmp_path, drop=("*.md", "!a.md"))


def test_only_kept_entries_and_the_directories_that_hold_them_stay(files: Path, tmp_path: Path) -> None:
    assert selected(files, tmp_path, keep=("*.c",)) == ["lib", "lib/a.c", "lib/deep", "lib/deep/b.c", "main.c"]
    assert selected(files, tmp_path, keep=("lib/",), drop=("deep",)) == [
        "docs", "docs/lib", "docs/lib/x.md", "lib", "lib/a.c", "lib/a.h",
    ]  # fmt: skip
    assert selected(files, tmp_path, keep=("/lib/", "!*.h")) == ["lib", "lib/a.c", "lib/deep", "lib/deep/b.c"]
    assert selected(files, tmp_path, keep=("lib/**/b.c",)) == ["lib", "lib/deep", "lib/deep/b.c"]
    assert selected(files, tmp_path, keep=("none",)) == []


def test_git_ignores_what_a_selection_keeps(files: Path, tmp_path: Path) -> None:
    assert selected(files, tmp_path, keep=("*.o", "main.c")) == ["main.c"]


def test_a_selection_of_everything_is_the_source(files: Path) -> None:
    assert SourceTree().hash(files, SourceSelection()) == SourceTree().hash(files)
    assert SourceTree().hash(files, SourceSelection(keep=("*",))) == SourceTree().hash(files)
    before = SourceTree().hash(files, SourceSelection(drop=("docs",)))
    (files / "docs/a.md").write_text("changed")
    assert SourceTree().hash(files, SourceSelection(drop=("docs",))) == before


def test_what_git_ignores_can_be_part_of_a_source(files: Path) -> None:
    (files / ".gitignore").write_text("*\n")
    (files / ".git").mkdir(exist_ok=True)
    found = SourceTree().hash(files, SourceSelection(ignored=True))
    (files / ".gitignore").write_text("# nothing\n")
    assert SourceTree().hash(files, SourceSelection(ignored=True)) == SourceTree().hash(files) != found
