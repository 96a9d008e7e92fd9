"""Test parts of the scripts that build gems: the stand-in for git, and the variables of Bundler."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path

import pytest
from fpack.lang import std

FILES = ("Rakefile", "bin/wave", "bin/wave-two", "lib/wave.rb", "lib/wave/tide.rb", "spec/wave spec.rb", "vendor/x")


def stand_in(folder: Path) -> Path:
    """Write the program that ruby.fp has between the lines of its here-document."""
    text = Path(std.__path__[0], "build", "ruby.fp").read_text()
    found = re.search(r"<<'END'\n(.*?)^  END$", text, re.MULTILINE | re.DOTALL)
    assert found
    program = folder / "git"
    program.write_text(textwrap.dedent(found[1]).replace("\\\\", "\\").replace("\\${", "${"))
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("words", "files"),
    [
        ([], FILES[:-1]),
        (["--", "bin/*"], FILES[1:3]),
        (["--", "{test,spec}/*"], ()),
        (["lib", "./Rakefile"], (FILES[0], *FILES[3:5])),
        (["--", "lib/"], FILES[3:5]),
        (["*.rb", ":!spec/*"], FILES[3:5]),
        ([".", ":(exclude)lib", ":^bin"], (FILES[0], FILES[5])),
        (["-z", "--", "spec"], (FILES[5],)),
    ],
)
def test_the_files_that_patterns_name(words: list[str], files: tuple[str, ...], tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / "gem" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "gem" / name).touch()
    program = stand_in(tmp_path)
    made = subprocess.run(
        [program, "ls-files", *words], cwd=tmp_path / "gem", capture_output=True, text=True, check=True
    )
    end = "\0" if "-z" in words else "\n"
    assert sorted(made.stdout.removesuffix(end).split(end)) == sorted(files or [""])
    assert subprocess.run([program, "log"], capture_output=True, check=True).stdout == b""


@pytest.mark.parametrize(("own", "used"), [(None, "--enable-system-libraries"), ("--with-own", "--with-own")])
def test_the_users_own_flags_of_a_gem_stay(own: str | None, used: str, tmp_path: Path) -> None:
    text = Path(std.__path__[0], "build", "ruby.fp").read_text()
    found = re.search(r"^ *if pkg-config --exists sqlite3.*; fi$", text, re.MULTILINE)
    assert found
    (tmp_path / "pkg-config").write_text("#!/bin/sh\n")
    (tmp_path / "pkg-config").chmod(0o755)
    script = found[0].replace("\\${", "${") + '; printf %s "$BUNDLE_BUILD__SQLITE3"'
    variables = {"PATH": f"{tmp_path}:/usr/bin:/bin"} | ({"BUNDLE_BUILD__SQLITE3": own} if own else {})
    done = subprocess.run(["/bin/sh", "-c", script], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout == used
