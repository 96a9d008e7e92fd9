"""The lists of the corpus keep their rule, and the table says what a run has shown."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from corpus import table
from corpus.projects import SECTIONS, CorpusProject, read
from corpus.trial import StepFailed, edit
from support.paths import REPOSITORY

HERE = Path(__file__).parent
PROJECTS = read(HERE / "projects.toml")
LISTS = ("further", "drawn", "second_draw", "third_draw", "fourth_draw")
JAVA = read(HERE / "java.toml")
FAILED = "exit status 1\nerror: x-1 failed in its phase build\n  why: its last lines:\n    x.c:1:10: fatal error: `y.h`"


def test_forty_projects_four_of_each_kind() -> None:
    assert len(PROJECTS) == 40 and set(Counter(p.kind for p in PROJECTS).values()) == {4}
    assert sum(p.registry == "debian" for p in PROJECTS) <= 15
    assert sum(p.ci for p in PROJECTS) == 10
    assert len({p.name for p in PROJECTS}) == 40


@pytest.mark.parametrize("project", [*PROJECTS, *JAVA], ids=lambda p: p.name)
def test_a_project_is_pinned_and_something_shows_that_it_works(project: CorpusProject) -> None:
    assert re.fullmatch("[0-9a-f]{64}", project.sha256) and project.version and project.file
    assert not project.file.startswith(("http:", "https:", "/"))
    re.compile(project.expect)
    assert project.expect or project.produces or project.port
    assert not (project.library and project.args)
    assert not (project.ci and (project.fails or project.edits)), "continuous integration tries what works unedited"


def test_a_further_list_has_other_projects() -> None:
    lists = {name: read(HERE / f"{name}.toml") for name in LISTS}
    names = [p.name for p in (*PROJECTS, *(p for listed in lists.values() for p in listed))]
    assert len(names) == len(set(names)) == 90
    one_of_each_kind = Counter({p.kind: 1 for p in PROJECTS})
    for name in ("drawn", "second_draw", "third_draw"):
        assert Counter(p.kind for p in lists[name]) == one_of_each_kind, name
    # The fourth draw's projects for the web are all libraries or in another list.
    assert Counter(p.kind for p in lists["fourth_draw"]) == one_of_each_kind - Counter(["Node web, static"]) + Counter(
        ["Node program"]
    )


def test_the_table() -> None:
    projects = [
        CorpusProject("make", name, "1", "npm", "f", "0" * 64, produces=("x",) if name == "lib" else ())
        for name in ("good", "edited", "bad", "lib", "fixed", "untried")
    ]
    common = {"seconds": 9, "init_seconds": 0.5}
    good = {**common, "works": True, "build_seconds": 2.0, "pack_seconds": 1.0, "run_seconds": 0.25, "size": 2_500_000}
    results = {
        "good": good,
        "edited": {**good, "edits": 2, "unedited": {"step": "build", "what": FAILED}},
        "bad": {**common, "works": False, "step": "build", "build_seconds": 1.0, "what": FAILED},
        "fixed": {**good, "fixed": "fix"},
        "lib": {**common, "works": True, "build_seconds": 2.0},
    }
    lines = table.render(projects, results).splitlines()
    assert "| make | good 1 | npm | 0.5 | 2.0 | 1.0 | 0.2 | 0 | 9 | 2.5 |" in lines
    assert "| make | bad 1 | npm | 0.5 | fails |  |  | 0 | 9 |  |" in lines
    assert "| make | lib 1 | npm | 0.5 | 2.0 | library |  | 0 | 9 |  |" in lines
    assert "| make | fixed 1 | npm | 0.5 | 2.0 | 1.0 | 0.2 | `fix` | 9 | 2.5 |" in lines
    assert "| make | untried 1 | npm | | | | | | | |" in lines
    assert "Of 5 projects, 3 work without an edit (1 of them after `fpack fix`), and 1 with edits." in lines
    assert lines[-2:] == [f"- {name}: build: `x.c:1:10: fatal error: 'y.h'`" for name in ("edited", "bad")]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (FAILED, "x.c:1:10: fatal error: 'y.h'"),
        (
            "error: y failed in its phase check\n  why: last lines:\n    1 test failed\n  try:   fpack log",
            "1 test failed",
        ),
        ("exit status 3: error: 'x' cannot be read\n --> fpack.fp:1:1", "exit status 3: error: 'x' cannot be read"),
        ("checking for foo... no\nconfigure: error: foo is needed\nSee config.log", "configure: error: foo is needed"),
        ("", ""),
    ],
)
def test_the_line_that_says_most(what: str, reason: str) -> None:
    assert table.reason(what) == reason


def test_a_list_that_was_not_tried_keeps_its_section() -> None:
    project = CorpusProject("make", "good", "1", "npm", "f", "0" * 64)
    good = {"good": {"works": True, "seconds": 9, "init_seconds": 0.5, "size": 2_500_000}}
    tried, untried = ([project], good), ([project], dict[str, object]())
    before = table.document([tried, untried, tried], "# One\n\nA.\n\n## Two\n\nB.\n\n## Three\n\nC.\nD.\n")
    assert (
        before.count("| make | good 1 | npm | 0.5 ") == 2 and "## Two\n\nB.\n\n## Three\n\nC.\nD.\n\n| kind |" in before
    )
    assert before.startswith("# One\n\nA.\n\n| kind |")
    after = table.document([untried, tried, untried], before)
    assert after.count("| make | good 1 | npm | 0.5 ") == 3
    assert table.document([tried] * 3, after) == after == table.document([untried] * 3, after)


def test_the_document_has_a_section_for_each_list() -> None:
    document = (REPOSITORY / "docs/corpus.md").read_text()
    assert table.document([([], {})] * len(SECTIONS), document) == document
    for name, section in zip(SECTIONS, document.split("\n## "), strict=True):
        for project in read(HERE / f"{name}.toml"):
            assert f"| {project.name} {project.version} |" in section, project.name


def test_edits_are_made_or_told(tmp_path: Path) -> None:
    file = tmp_path / "fpack.fp"
    file.write_text("a = 1\na = 1\n")
    edit(file, [("a = 1", "b = 2")])
    assert file.read_text() == "b = 2\na = 1\n"
    with pytest.raises(StepFailed, match="nothing to change"):
        edit(file, [("c", "d")])
