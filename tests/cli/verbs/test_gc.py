"""`fpack gc` and `fpack root`: what is deleted, why, and how roots are listed, added and removed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes.program import Fpack

PROJECT = 'base = text("base", "the base")\napp = text("app", "on ${base}")\nother = text("other", "x")\n'


class Project:
    """A project with two results, of which only the first one keeps its link."""

    def __init__(self, home: Path) -> None:
        self.fpack = Fpack(home)
        self.directory = home / "project"
        self.directory.mkdir()
        (self.directory / "fpack.fp").write_text(PROJECT)
        self.app = self.build("app")
        self.other = self.build("other", "-o", "other")
        (self.directory / "other").unlink()

    def build(self, *args: str) -> str:
        return self.run("build", *args).strip()

    def run(self, *args: str) -> str:
        return self.fpack(*args, cwd=self.directory).stdout

    def json(self, *args: str) -> Any:
        return json.loads(self.run(*args, "--json"))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    yield Project(tmp_path / "home")


def test_each_path_has_a_reason(project: Project) -> None:
    paths = project.json("gc", "--explain")["paths"]
    assert paths[project.app] == {"reason": f"is kept by the result {project.directory / 'result'}", "kept": True}
    assert (
        not paths[project.other]["kept"]
        and "is kept by nothing, and was last used on 20" in paths[project.other]["reason"]
    )
    base = next(path for path in paths if path.endswith("-base"))
    assert paths[base]["kept"]
    lines = project.run("gc", "--explain").splitlines()
    assert f"+ {project.app} is kept by the result {project.directory / 'result'}" in lines
    assert any(line.startswith(f"- {project.other} ") for line in lines) and lines[-1].startswith("1 path would be")
    assert project.json("gc")["deleted"] == [project.other]


def test_what_a_result_references_is_kept_whatever_is_to_go(project: Project) -> None:
    assert project.json("gc")["kept"] == 2
    assert project.json("gc", "--all")["deleted"] == []
    base = project.json("gc", "--explain")["paths"]
    assert [why["reason"] for path, why in base.items() if path.endswith("-base")] == [
        f"is referenced by {project.app}, kept by the result {project.directory / 'result'}"
    ]
    assert project.build("app") == project.app


def test_options_keep_paths(project: Project) -> None:
    assert project.json("gc", "--keep-recent", "1")["deleted"] == []
    assert project.json("gc", "--older-than", "1")["deleted"] == []
    assert project.json("gc", "--max-size", "1G")["deleted"] == []
    assert project.json("gc", "--keep-recent", "none")["deleted"] == []
    assert project.json("gc", "--max-size", "0")["deleted"] == [project.other]


def test_no_text_has_infinite_days(project: Project) -> None:
    lines = project.run("gc", "--explain", "--keep-recent", "none").splitlines()
    assert f"+ {project.other} is kept by keep-recent = none, which keeps all paths" in lines
    assert "inf" not in " ".join(line for line in lines if "other" in line).replace(project.other, "")


def test_a_goal_that_was_missed(project: Project) -> None:
    done = project.fpack("gc", "--max-size", "0", "--dry-run", cwd=project.directory).stderr
    assert "warning: the goal would be missed by" in done and "kept by results (" in done
    found = project.json("gc", "--max-size", "1")
    assert found["deleted"] == [project.other] and found["kept"] == 2
    sizes = {each["path"]: each["size"] for each in project.json("store", "list")["paths"]}
    assert found["kept_by"] == {"result": sum(sizes.values())} and found["excess"] > sum(sizes.values())
    project.run("root", "add", "app", "./result")
    (project.directory / "result").unlink()
    done = project.fpack("gc", "--max-size", "1", cwd=project.directory).stderr
    assert "the goal is missed by" in done and "kept by named roots (" in done and "fpack gc --explain" in done
    done = project.fpack("gc", "--max-size", "1", "--keep-recent", "3", cwd=project.directory).stderr
    assert "named roots" in done
    project.run("root", "remove", "app")
    done = project.fpack("gc", "--max-size", "1", "--older-than", "3", cwd=project.directory).stderr
    assert "their age (" in done
    done = project.fpack("gc", "--max-size", "1", cwd=project.directory).stderr
    assert "no path remains" in done
    assert "excess" not in project.json("gc", "--max-size", "1G") and "excess" not in project.json("gc")


def test_each_kind_of_root_has_a_description() -> None:
    from fpack.cli.verbs import gc
    from fpack.store.collection.selection import Root
    from fpack.store.collection.survey import describe_root

    assert all(describe_root(Root(kind, "x", b"")) for kind in gc._KEEPERS)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--max-size", "big"], "'big' is not a size"),
        (["--max-size", ""], "'' is not a size"),
        (["--max-size", "-1"], "is not a size"),
        (["--keep-recent", "long"], "a number of days"),
        (["--older-than", "nan"], "'nan' is not a number of days"),
        (["--older-than", "inf"], "'inf' is not a number of days"),
        (["--older-than", "-1"], "is not a number of days"),
        (["--older-than", "none"], "is not a number of days"),
    ],
)
def test_wrong_values_are_explained(tmp_path: Path, args: list[str], text: str) -> None:
    assert text in Fpack(tmp_path / "home").fails("gc", *args)


def test_roots_are_added_listed_and_removed(project: Project) -> None:
    project.run("root", "add", "kept", project.other)
    found = {(root["kind"], root["name"]): root["path"] for root in project.json("root", "list")["roots"]}
    assert found["root", "kept"] == project.other
    assert found["result", str(project.directory / "result")] == project.app
    assert f"{project.other}" in project.run("root", "list") and "the root kept" in project.run("root", "list")
    assert project.json("gc")["deleted"] == []
    project.run("root", "remove", "kept")
    project.run("root", "remove", "./result")
    assert not (project.directory / "result").is_symlink()
    assert project.json("gc")["kept"] == 0


def test_a_result_is_kept_by_its_link(project: Project) -> None:
    project.run("root", "add", "app", "./result")
    project.run("root", "add", "disk", os.readlink(project.directory / "result"))
    (project.directory / "result").unlink()
    assert project.app not in project.json("gc")["deleted"]


@pytest.fixture(scope="module")
def rooted(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with the root `taken`, and a file where a root would be a link."""
    project = Project(tmp_path_factory.mktemp("rooted") / "home")
    project.run("root", "add", "taken", project.other)
    project.run("root", "add", "taken", project.other)
    (project.fpack.home / "store" / "roots" / "named-file").write_text("no link")
    return project


@pytest.mark.parametrize(
    ("args", "text", "hint"),
    [
        (["add", "x", "/fpack/store/" + "0" * 32 + "-gone"], "no such path", "fpack store list"),
        (["add", "x", "./fpack.fp"], "is not a store path", "a link such as ./result"),
        (["add", "x", "/etc/hostname"], "is not a store path", "a link such as ./result"),
        (["add", "x", "./nowhere"], "it does not exist", "a link such as ./result"),
        (["add", "../x", "./result"], "cannot have the name '../x'", "the name comes before the path"),
        (["add", "./result", "x"], "cannot have the name './result'", "the name comes before the path"),
        (["add", "", "./result"], "cannot have the name ''", "the name comes before the path"),
        (["add", "x", "wrods"], "has no path 'wrods'", "fpack store list"),
        (["add", "taken", "./result"], "There is already a root taken", "--force"),
        (["add", "file", "./result"], "it is not a link", "delete it"),
        (["remove", "x"], "There is no root x", "fpack root list"),
        (["remove", "takne"], "There is no root takne", "did you mean `taken`?"),
        (["remove", "./elsewhere"], "This is no root", "fpack root list"),
    ],
)
def test_wrong_roots_are_explained(rooted: Project, args: list[str], text: str, hint: str) -> None:
    done = rooted.fpack("root", *args, cwd=rooted.directory, status=None)
    assert done.returncode not in (0, 70) and text in done.stderr and hint in done.stderr and "try:" in done.stderr
    assert (rooted.directory / "result").is_symlink()
    kept = {root["name"]: root["path"] for root in rooted.json("root", "list")["roots"]}
    assert kept == {"taken": rooted.other, str(rooted.directory / "result"): rooted.app}


def test_a_root_is_replaced_if_asked(project: Project) -> None:
    project.run("root", "add", "taken", project.other)
    project.run("root", "add", "taken", "./result", "--force")
    assert project.app in [r["path"] for r in project.json("root", "list")["roots"] if r["name"] == "taken"]


def test_uses_are_recorded_with_their_project(project: Project) -> None:
    import sqlite3

    db = sqlite3.connect(project.fpack.home / "store/db/fpack.sqlite")
    rows = db.execute("SELECT project, name FROM uses ORDER BY name").fetchall()
    db.close()
    assert rows == [(str(project.directory), "app"), (str(project.directory), "other")]
