"""`fpack run`: which program it is, of a package of an archive, of a file, and of a package built from source."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.needs import needs_bubblewrap
from support.processes.program import Fpack
from support.time_limits import WAIT

pytestmark = needs_bubblewrap

PROJECT = """
debian = import("fpack/debian").trixie
package = import("fpack/package").package
built(name, programs) = package {
  name, version = "1", source = ./program, unpack = null, check = null, fixup = null
  build = null
  install = "mkdir -p $out/bin; for each in ${programs}; do cp $source $out/bin/$each; chmod +x $out/bin/$each; done"
}
older = import("fpack/debian").bookworm.greet
newer = debian.greet
same = built("same", "other same")
sole = built("sole", "only")
many = built("many", "one two")
"""


@pytest.fixture(scope="module")
def fpack(fpack: Fpack) -> Fpack:
    (fpack.home / "fpack.fp").write_text(PROJECT)
    (fpack.home / "program").write_text('#!/bin/sh\necho "${0##*/}" "$@"; exit 4\n')
    return fpack


def test_an_attribute_of_a_file(fpack: Fpack, tmp_path: Path) -> None:
    file = f"{fpack.home}/fpack.fp"
    assert fpack("run", f"{file}#older", "a", cwd=tmp_path).stdout == "greet 12 a\n"
    assert fpack("run", "fpack.fp#newer", "--", "greet", "-b").stdout == "greet 13 -b\n"
    assert fpack("run", "#older").stdout == fpack("run", "older").stdout == "greet 12 \n"


@pytest.mark.parametrize(("name", "program"), [("same", "same"), ("sole", "only")])
def test_a_built_package_has_a_program(fpack: Fpack, name: str, program: str) -> None:
    for _ in range(2):
        assert fpack("run", name, "a b", "--", "-c", status=4).stdout == f"{program} a b -- -c\n"


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (("same", "--network", "off", "--jobs=2", "--", "other", "a"), "other a\n"),
        (("same", "--verbose", "b", "--", "other"), "same --verbose b -- other\n"),
        (("same", "-v", "--", "other"), "same -v -- other\n"),
        (("same", "--jobs", "--", "other"), "same --jobs -- other\n"),
        (("-e", 'import("./fpack.fp").same', "--network", "off", "--", "other"), "other\n"),
    ],
)
def test_long_options_between_a_package_and_the_dashes_are_those_of_fpack(
    fpack: Fpack, words: tuple[str, ...], output: str
) -> None:
    assert fpack("run", *words, status=4).stdout == output


def test_one_of_several_is_named(fpack: Fpack) -> None:
    text = fpack.fails("run", "many")
    assert "many has no program with its own name" in text and "it has one, two" in text
    assert "fpack run many -- one" in text
    assert fpack("run", "many", "--", "two", "x", status=4).stdout == "two x\n"
    text = fpack.fails("run", "debian.trixie.coreutils")
    assert "it has cat, chmod, cp, " in text and " and " in text
    assert "it has no programs" in fpack.fails("run", "debian.trixie.ncurses-base")


def test_a_package_that_an_interpreter_runs_leads_to_the_image(fpack: Fpack, tmp_path: Path) -> None:
    without = PROJECT + 'data = built("data", "").with { install = "mkdir -p $out/app" }\n'
    (tmp_path / "program").write_text("")
    (tmp_path / "fpack.fp").write_text(without)
    assert "fpack shell data enters" in fpack.fails("run", "data", cwd=tmp_path)
    (tmp_path / "fpack.fp").write_text(without + "image = container { packages = [data] }\n")
    assert "fpack try runs the program of the project's image" in fpack.fails("run", "data", cwd=tmp_path)


def test_where_one_is_and_where_shells_are_kept(fpack: Fpack, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    env = {"XDG_CACHE_HOME": str(tmp_path / "file")}
    fpack("run", "older")
    text = fpack.fails("run", "older", env=env)
    assert "The directory for the shell cannot be created" in text and "XDG_CACHE_HOME" in text
    gone = tmp_path / "gone"
    words = ["sh", "-c", f'mkdir {gone}; cd {gone}; rmdir {gone}; exec "$@"', "sh", *fpack.command("run", "older")]
    done = subprocess.run(words, capture_output=True, text=True, env=fpack.env, timeout=WAIT)
    assert done.returncode == 2 and "The working directory no longer exists" in done.stderr


def test_the_lock_of_a_project_stays_as_it_is(fpack: Fpack, tmp_path: Path) -> None:
    """A package that the project does not define comes from the user's lock; an attribute comes from the project's."""
    project = fpack.home / "elsewhere"
    project.mkdir()
    (project / "fpack.fp").write_text('greeting = import("fpack/debian").trixie.greet\n')
    for name in ("debian.trixie.greet", "greet"):
        for _ in range(2):
            assert fpack("run", name, "a", cwd=project).stdout == "greet 13 a\n"
        assert sorted(path.name for path in project.iterdir()) == ["fpack.fp"]
    assert fpack("run", "greeting", "a", cwd=project).stdout == "greet 13 a\n"
    lock = (project / "fpack.lock").read_text()
    assert "greet" in lock
    fpack("run", "debian.bookworm.greet", cwd=project)
    assert (project / "fpack.lock").read_text() == lock
    # The project's own attribute precedes a package of the same name, also if it is defined later.
    (project / "fpack.fp").write_text('greet = import("fpack/debian").bookworm.greet\n')
    assert fpack("run", "greet", "a", cwd=project).stdout == "greet 12 a\n"
