"""Test that remembered members of package sets never change a value, and save their evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fpack.lang.evaluator import Evaluator
from fpack.store.errors import FpackError
from support.archives.packages import Everything, Files
from support.language.evaluations import AllArchitectures
from support.language.random_sets import QUESTION, RandomProject

SETTINGS = {"arch": "amd64", "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}, "version": "test"}


class Project:
    """A directory whose evaluations share a cache of compiled files, and remember members."""

    def __init__(self, directory: Path, cache: Path) -> None:
        self.directory, self.cache = directory, cache
        self.depends: bytes | None = b"lock 1"
        self.evaluator = self.fresh()

    def fresh(self, remembers: bool = True, **more: Any) -> Evaluator:
        given: dict[str, Any] = {"packages": Everything(), "settings": SETTINGS, **more}
        self.evaluator = Evaluator(
            root=self.directory,
            cache=self.cache,
            sources=Files(),
            remembers=(lambda: self.depends) if remembers else None,
            **given,
        )
        return self.evaluator

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.directory / (name if "." in name or "/" in name else f"{name}.fp")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def ask(self, text: str, **more: Any) -> Any:
        """Return the value of an expression in a new evaluation, which remembers what it can."""
        evaluator = self.fresh(**more)
        value = evaluator.to_json(evaluator.expression(text))
        evaluator.remember()
        return value

    @property
    def evaluated(self) -> int:
        """The number of members that the last evaluation evaluated."""
        memory = self.evaluator._memory
        return 0 if memory is None else memory.evaluations


@pytest.fixture
def project(tmp_path: Path, cache: Path) -> Project:
    made = Project(tmp_path, cache)
    made.write(
        fpack="set = package-set(./pkgs)\n",
        helper='suffix = "h"\n',
        **{
            "pkgs/zlib.fp": 'zlib = make { name = "zlib" }\n',
            "pkgs/ssl.fp": 'ssl({ zlib, fips = false }) = let outputs = ["out", "dev"] in'
            ' make { name = "ssl", libs = [zlib], outputs }\n',
            "pkgs/curl.fp": 'curl({ ssl }) = make { name = "curl-${import("../helper.fp").suffix}", libs = [ssl] }\n',
            "pkgs/git.fp": 'git({ curl }) = make { name = "git", libs = [curl] }\n',
            "pkgs/ed.fp": 'ed({}) = make { name = "ed", env = { DATA = read-text(../data.txt), SRC = "${../src}" } }\n',
            "data.txt": "data",
            "src/file": "source",
        },
    )
    return made


EVERY = 'let s = import("./fpack.fp").set in { ${n} = "${get(s, n)}" for n in names(s) }'


def outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except FpackError as error:
        return str(error)


@pytest.mark.parametrize("seed", range(12))
def test_values_are_those_of_an_evaluation_that_remembers_nothing(seed: int, tmp_path: Path, cache: Path) -> None:
    made = RandomProject(tmp_path, seed)
    project = Project(tmp_path, cache)
    edits = ["first"]
    for _ in range(6):
        project.depends = f"lock {made.lock}".encode()
        packages = AllArchitectures({"dash": made.lock})
        known = outcome(lambda: project.ask(QUESTION, packages=packages))  # noqa: B023
        plain = outcome(lambda: project.ask(QUESTION, packages=packages, remembers=False))  # noqa: B023
        assert known == plain, edits
        edits.append(made.edit())


def test_nothing_is_evaluated_again(project: Project) -> None:
    first = project.ask(EVERY)
    assert project.evaluated == 5
    assert project.ask(EVERY) == first
    assert project.evaluated == 0


@pytest.mark.parametrize(
    ("name", "old", "new", "evaluated"),
    [
        ("pkgs/git.fp", '"git"', '"git-2"', 1),
        ("pkgs/curl.fp", "libs", 'version = "2", libs', 2),
        ("pkgs/ssl.fp", "fips = false", "fips = true", 3),
        ("pkgs/zlib.fp", '"zlib"', '"zlib-2"', 4),
        ("helper.fp", '"h"', '"i"', 2),
        ("data.txt", "data", "other", 1),
        ("src/file", "source", "other", 1),
        ("fpack.fp", "set", "# a comment\nset", 0),
    ],
)
def test_an_edit_evaluates_what_depends_on_it(name: str, old: str, new: str, evaluated: int, project: Project) -> None:
    project.ask(EVERY)
    file = project.directory / name
    file.write_text(file.read_text().replace(old, new, 1))
    found = project.ask(EVERY)
    assert project.evaluated == evaluated
    assert found == project.ask(EVERY, remembers=False)


def test_a_leaf_of_many_is_evaluated_alone(tmp_path: Path, cache: Path) -> None:
    project = Project(tmp_path, cache)
    project.write(fpack="set = package-set(./pkgs)\n")
    for i in range(60):
        libs = ", ".join(f"p{j}" for j in range(max(0, i - 3), i))
        project.write(**{f"pkgs/p{i}.fp": f'p{i}({{ {libs} }}) = make {{ name = "p{i}", libs = [{libs}] }}\n'})
    project.ask(EVERY)
    project.write(**{"pkgs/p59.fp": 'p59({ p58 }) = make { name = "p59", version = "2", libs = [p58] }\n'})
    project.ask(EVERY)
    assert project.evaluated == 1


def test_the_lock_and_the_settings_are_part_of_what_is_remembered(project: Project) -> None:
    project.ask(EVERY)
    project.depends = b"lock 2"
    project.ask(EVERY)
    assert project.evaluated == 5
    project.depends = b"lock 1"
    project.ask(EVERY)
    assert project.evaluated == 0
    project.depends = None
    project.ask(EVERY)
    assert project.evaluated == 0  # nobody counts
    assert project.evaluator.own_files


def test_what_changes_during_an_evaluation_is_not_remembered(project: Project) -> None:
    evaluator = project.fresh()
    evaluator.to_json(evaluator.expression(EVERY))
    project.depends = b"lock 2"
    evaluator.remember()
    project.ask(EVERY)
    assert project.evaluated == 5


def test_a_layer_is_seen_by_what_is_made_from_its_fields(project: Project) -> None:
    project.ask(EVERY)
    project.write(fpack='set = package-set(./pkgs).extend { ssl.version = "3" }\n')
    found = project.ask(EVERY)
    assert project.evaluated == 3  # ssl, of which the layer changes a field, curl and git
    assert found == project.ask(EVERY, remembers=False)


def test_a_set_over_another_one_remembers_the_changed_members(project: Project) -> None:
    project.write(
        fpack="set = package-set(./over, package-set(./pkgs))\n",
        **{"over/ssl.fp": 'ssl({ ssl }) = ssl.with { version = "9" }\n'},
    )
    first = project.ask(EVERY)
    assert project.ask(EVERY) == first
    assert project.evaluated == 0
    project.write(**{"pkgs/zlib.fp": 'zlib = make { name = "zlib", version = "2" }\n'})
    assert project.ask(EVERY) == project.ask(EVERY, remembers=False) != first


def test_a_message_prevents_remembering(project: Project) -> None:
    project.write(**{"pkgs/ed.fp": 'ed({}) = warn("old", make { name = "ed" })\n'})
    shown: list[str] = []
    for _ in range(2):
        project.ask(EVERY, messages=lambda kind, text: shown.append(text))
    assert len(shown) == 2


def test_a_file_that_is_read_without_a_record_is_not_remembered(project: Project) -> None:
    project.write(**{"pkgs/ed.fp": 'ed({}) = make { name = "ed", extra = ./data, env = { A = "a" } }\n'})
    evaluator = project.fresh()
    evaluator.to_json(evaluator.expression(EVERY))
    path = evaluator.expression('import("./fpack.fp").set.ed.extra')
    evaluator.reads_unseen(path)
    evaluator.remember()
    project.ask(EVERY)
    assert project.evaluated == 1


def test_the_derivation_of_a_remembered_member_can_be_had(project: Project) -> None:
    first = project.fresh()
    ssl = first.derivation_of(first.expression('import("./fpack.fp").set.git'))
    body = first.derivations[ssl[0]]
    first.remember()
    second = project.fresh()
    again = second.derivation_of(second.expression('import("./fpack.fp").set.git'))
    assert again == ssl
    assert project.evaluated == 0
    assert not dict.__contains__(second.derivations, ssl[0])
    second.complete([ssl[0]], lambda digest: None)
    assert dict.__contains__(second.derivations, ssl[0])
    assert second.derivations[ssl[0]] == body
    assert project.evaluated == 4  # git, curl, ssl and zlib, but not ed
    assert second.derivations.get(b"other") is None


def test_fields_that_are_not_remembered_are_evaluated(project: Project) -> None:
    first = project.ask(EVERY)
    found = project.ask(
        'let g = import("./fpack.fp").set.ssl in [g.fips or "none", g.strip, names(g) == names({ ...g }), "${g.dev}", '
        'g == g, g.with { version = "7" }.version, length(g.libs), head(g.libs).name, has(g, "nothing")]'
    )
    assert found[1:3] == [True, True]
    assert found[4:] == [True, "7", 1, "zlib", False]
    assert project.evaluated > 0
    assert project.ask(EVERY) == first


def test_members_that_name_each_other_are_evaluated(project: Project) -> None:
    project.write(
        **{
            "pkgs/one.fp": 'one({ two }) = make { name = "one", version = two.extra }\n',
            "pkgs/two.fp": 'two({ one }) = make { name = "two", extra = "2", env = { ONE = one.name } }\n',
        }
    )
    first = project.ask(EVERY)
    assert project.ask(EVERY) == first
    assert project.evaluated == 2


def test_files_that_were_not_run_are_files_of_the_project(project: Project) -> None:
    project.ask(EVERY)
    files = project.evaluator.own_files
    project.ask(EVERY)
    assert project.evaluator.own_files == files
