"""`fpack build` of what was built before: the same answer without evaluation, and never an old one."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.cli.builds.warm_start import BuildRequest, main, parse
from support.processes.program import Fpack

TEXT = 'app = text("greeting", "${read-text(./words)} and ${import("./more.fp").more}")\nother = text("other", "x")\n'


class Project:
    """A project of three files, whose source is its directory, and the program in it."""

    def __init__(self, home: Path) -> None:
        self.fpack = Fpack(home)
        self.place = home / "project"
        self.place.mkdir()
        self.write("fpack.fp", TEXT)
        self.write("words", "hello")
        self.write("more.fp", 'more = "more"\n')

    def write(self, name: str, text: str) -> None:
        (self.place / name).write_text(text)

    def build(self, *args: str) -> str:
        """Return the output of a build as text."""
        made = json.loads(self.fpack("build", *args, "--json", cwd=self.place).stdout)
        return Path(made["disk"]).read_text()

    def answers(self, *args: str) -> bool:
        """Return whether there is an answer without evaluation: the evaluator is not even imported."""
        done = self.fpack(
            "build",
            *args,
            cwd=self.place,
            status=None,
            env={"PYTHONPROFILEIMPORTTIME": "1"},
        )
        assert done.returncode == 0, done.stderr
        return "fpack.lang.evaluator" not in done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    yield Project(tmp_path / "home")


def settled(project: Project, *args: str) -> None:
    """Build until there is an answer."""
    for _ in range(3):
        project.build(*args)
    assert project.answers(*args)


def test_the_second_time_nothing_is_evaluated(project: Project) -> None:
    assert project.build("app") == "hello and more"
    assert project.answers("app")
    assert project.build("app") == "hello and more"
    assert not project.answers("other")
    assert not project.answers("fpack.fp#app")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("words", "bye", "bye and more"),
        ("more.fp", 'more = "less"\n', "hello and less"),
        ("fpack.fp", 'app = text("greeting", "short")\n', "short"),
    ],
)
def test_each_file_that_was_read_counts(project: Project, name: str, text: str, expected: str) -> None:
    settled(project, "app")
    project.write(name, text)
    assert not project.answers("app")
    assert project.build("app") == expected


def test_a_change_that_leaves_size_and_time_alone_counts(project: Project) -> None:
    settled(project, "app")
    before = (project.place / "words").stat()
    project.write("words", "HELLO")
    os.utime(project.place / "words", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert project.build("app") == "HELLO and more"


def test_a_change_while_it_is_evaluated_or_built_is_not_lost(project: Project) -> None:
    settled(project, "app")
    for text in map(str, range(8)):
        project.write("words", text)
        assert project.build("app") == f"{text} and more"


def test_a_file_that_touches_nothing_counts_for_nothing(project: Project) -> None:
    settled(project, "app")
    project.write("unrelated", "x")
    assert project.answers("app")


@pytest.mark.parametrize("change", ["add", "remove", "executable", "ignore", "link"])
def test_a_source_counts_with_all_that_is_in_it(project: Project, change: str) -> None:
    source = project.place / "src"
    source.mkdir()
    (source / "a").write_text("a")
    (source / "l").symlink_to("a")
    project.write("fpack.fp", 'app = text("where", "${./src}")\n')
    settled(project, "app")
    before = project.build("app")
    time.sleep(0.02)
    if change == "add":
        (source / "b").write_text("b")
    elif change == "remove":
        (source / "a").unlink()
    elif change == "executable":
        (source / "a").chmod(0o755)
    elif change == "ignore":
        (source / ".gitignore").write_text("a\n")
    else:
        (source / "l").unlink()
        (source / "l").symlink_to("b")
    assert not project.answers("app")
    assert project.build("app") != before


def test_what_is_reached_through_a_link_is_evaluated_each_time(project: Project) -> None:
    (project.place / "link.fp").symlink_to("more.fp")
    project.write("fpack.fp", 'app = text("greeting", import("./link.fp").more)\n')
    project.write("new.fp", 'more = "new"\n')
    for _ in range(3):
        assert project.build("app") == "more"
    (project.place / "link.fp").unlink()
    (project.place / "link.fp").symlink_to("new.fp")
    assert project.build("app") == "new"


def test_a_source_that_the_link_lies_in_has_an_answer_too(project: Project) -> None:
    project.write("fpack.fp", 'app = text("where", "${./.}")\n')
    settled(project, "app")
    assert (project.place / "result").is_symlink()


def test_what_was_collected_is_built_again(project: Project) -> None:
    settled(project, "app")
    (project.place / "result").unlink()
    project.fpack("gc", cwd=project.place)
    assert project.build("app", "--no-link") == "hello and more"


def test_the_link_is_made_and_keeps_the_answer(project: Project) -> None:
    settled(project, "app", "--no-link")
    assert not (project.place / "result").is_symlink()
    assert project.answers("app", "-o", "mine")
    project.fpack("gc", cwd=project.place)
    assert (project.place / "mine").read_text() == "hello and more"
    (project.place / "file").write_text("precious")
    done = project.fpack("build", "app", "-o", "file", cwd=project.place, status=2)
    assert "would replace" in done.stderr and (project.place / "file").read_text() == "precious"


def test_another_store_or_directory_has_no_answer(project: Project, tmp_path: Path) -> None:
    settled(project, "app")
    project.fpack.env["FPACK_ROOT"] = str(tmp_path / "elsewhere")
    assert not project.answers("app")
    below = project.place / "below"
    below.mkdir()
    (below / "fpack.fp").write_text('app = text("greeting", "below")\n')
    project.place = below
    assert project.build("app") == "below"


@pytest.mark.parametrize("damage", [b"", b"x", b"\0" * 100])
def test_a_damaged_answer_is_none(project: Project, damage: bytes) -> None:
    settled(project, "app")
    (kept,) = (project.fpack.home / ".cache/fpack/builds").iterdir()
    kept.write_bytes(damage)
    assert project.build("app") == "hello and more"
    assert project.answers("app")


def test_only_what_is_usual_is_read() -> None:
    assert parse([]) == BuildRequest()
    assert parse(["app", "-o", "x", "--json", "-j", "2", "-L"]) == BuildRequest("app", "x", True)
    assert parse(["app", "--link=x", "--lock=l", "--arch", "arm64"]) == BuildRequest("app", "x", lock="l", arch="arm64")
    assert parse(["--no-link", "app"]) == BuildRequest("app", "")
    for words in (["a", "b"], ["-ox"], ["-o"], ["-o=x"], ["--check"], ["--explain"], ["-j", "x"], ["--"], ["-Lv"]):
        assert parse(words) is None, words
        assert main(words) is None


def test_a_result_whose_tree_is_gone_is_built_again(project: Project) -> None:
    settled(project, "app")
    result = project.place / "result"
    disk = Path(os.readlink(result))
    disk.unlink()
    done = project.fpack("build", "app", cwd=project.place)
    assert result.read_text() == "hello and more" and os.readlink(result) == os.fspath(disk)
    assert "had disappeared from the store" in done.stderr
    assert project.answers("app")


def test_a_path_that_a_result_needs_is_built_again(project: Project) -> None:
    (project.place / "fpack.fp").write_text('inner = text("inner", "x")\napp = text("outer", "${inner} y")\n')
    settled(project, "app")
    inner = Path((project.place / "result").read_text().split()[0])
    disk = Path(os.readlink(project.place / "result")).parent / inner.name
    disk.unlink()
    project.fpack("build", "app", cwd=project.place)
    assert disk.read_text() == "x"


def test_a_directory_that_was_listed_counts(project: Project) -> None:
    (project.place / "pkgs").mkdir()
    project.write("pkgs/word.fp", "word({ other = 1 }) = other\n")
    project.write(
        "fpack.fp", 'app = text("greeting", "${package-set(./pkgs).word} ${names(read-dir(./pkgs)) |> length}")\n'
    )
    settled(project, "app")
    project.write("pkgs/other.fp", "other = 2\n")
    assert project.build("app") == "2 2"
    settled(project, "app")
    project.write("pkgs/.gitignore", "other.fp\n")
    assert project.build("app") == "1 2"


def test_a_selected_source_is_built_and_counts_without_what_it_drops(project: Project) -> None:
    (project.place / "data").mkdir()
    project.write("data/kept", "1")
    project.write("data/notes.md", "1")
    project.write("fpack.fp", 'app = files { files = { "/d" = source(./data, { drop = ["*.md"] }) } }\n')
    first = json.loads(project.fpack("build", "app", "--json", cwd=project.place).stdout)
    store = project.fpack.home / "store" / "store"
    (tree,) = [path for path in store.iterdir() if path.name.endswith("-data")]
    assert [path.name for path in tree.iterdir()] == ["kept"]
    project.write("data/notes.md", "2")
    assert json.loads(project.fpack("build", "app", "--json", cwd=project.place).stdout) == first
    project.write("data/kept", "2")
    assert json.loads(project.fpack("build", "app", "--json", cwd=project.place).stdout) != first
