"""`fpack init` chooses a kind among several, `--kind` overrides it, and a failed build says what is left to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fpack.cli.init.detect import KINDS, guess
from fpack.cli.init.gitignore import ignored
from fpack.cli.init.project import Project, read_project
from fpack.cli.init.readme import mentioned
from fpack.cli.init.template import render
from fpack.cli.workspace.left_to_do import left_to_do
from fpack.lang.format.formatter import format_source
from fpack.lang.syntax.source import Source
from support.processes.program import Fpack

PYPROJECT = '[project]\nname = "thing"\n'
MATURIN = PYPROJECT + '[build-system]\nrequires = ["maturin"]\n'
MESON = "project('x', 'c')"
TOOLS = "[tool.black]\nline-length = 100\n"
CMAKE = "project(thing)\nadd_executable(thing x.c)\ninstall(TARGETS thing)\n"
NODE = '{"name": "thing", "bin": "x.js", "version": "1.0.0"}'
PRIVATE = '{"private": true, "scripts": {"build": "vite build"}, "devDependencies": {"vite": "1"}}'


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"pyproject.toml": TOOLS, "CMakeLists.txt": CMAKE}, "cmake"),
        ({"pyproject.toml": PYPROJECT, "CMakeLists.txt": CMAKE}, "python"),
        ({"setup.py": "", "CMakeLists.txt": CMAKE, "package.json": PRIVATE}, "python"),
        ({"setup.cfg": "[metadata]\nname = x\n", "setup.py": "", "Makefile": "all:\n"}, "python"),
        ({"requirements.txt": "sphinx\n", "CMakeLists.txt": CMAKE}, "cmake"),
        ({"requirements.txt": "flask\n", "app.py": "", "package.json": PRIVATE}, "python"),
        ({"package.json": PRIVATE, "go.mod": "module x\n", "main.go": ""}, "go"),
        ({"package.json": NODE, "Makefile": "all:\n"}, "node"),
        ({"package.json": '{"devDependencies": {"prettier": "3"}}', "configure.ac": "AC_INIT([x], [1])"}, "autotools"),
        ({"Gemfile": "gem 'jekyll'\n", "meson.build": MESON}, "meson"),
        ({"Gemfile": "", "config.ru": "", "package.json": PRIVATE}, "ruby"),
        ({"Makefile": "all:\n", "go.mod": "module x\n", "main.go": ""}, "go"),
        ({"Makefile": "all:\n", "package.json": '{"private": true}'}, "node"),
        ({"Cargo.toml": '[package]\nname = "x"\n', "pyproject.toml": MATURIN},
         "rust"),
        ({"Cargo.toml": '[package]\nname = "x"\n[dependencies]\npyo3 = "1"\n',
          "pyproject.toml": MATURIN}, "python"),
        # The README decides between several that install something.
        ({"pyproject.toml": PYPROJECT, "CMakeLists.txt": CMAKE,
          "README.md": "## Building\n\n```sh\ncmake -B build\n```\n"},
         "cmake"),
        ({"pyproject.toml": PYPROJECT, "CMakeLists.txt": CMAKE,
          "README.md": "# Thing\n\n## Installation\n`pip install thing`\n\n## Development\n\n    cmake .\n"}, "python"),
        ({"meson.build": MESON, "configure": "", "README": "INSTALL\n=======\n\n  $ ./configure && make\n"},
         "autotools"),
        # A text for all projects with configure, in one that has none, and does not say how it is made.
        ({"meson.build": MESON, "configure.ac": "", "INSTALL": "    ./configure\n    make\n"}, "meson"),
        ({"meson.build": MESON, "configure.ac": "", "INSTALL": "    ./bootstrap\n    ./configure\n"}, "autotools"),
        ({"meson.build": MESON, "configure": "", "README": "Hello.\n", "INSTALL": "    meson setup build\n"},
         "meson"),
        # Tools that the project needs are not its own installation.
        ({"meson.build": MESON, "pyproject.toml": PYPROJECT,
          "README.md": "## Install\n\n    pip install meson ninja\n    meson setup build\n"}, "meson"),
        ({"package.json": NODE, "CMakeLists.txt": CMAKE,
          "README.rst": "Install\n-------\n\n::\n\n  npm install -g thing\n"},
         "node"),
        ({"package.json": NODE, "CMakeLists.txt": CMAKE,
          "README.rst": "Install\n-------\n\n::\n\n  npm install -g cmake-js\n  cmake .\n"}, "cmake"),
    ],
)  # fmt: skip
def test_what_is_installed_decides_and_then_the_readme(files: dict[str, str], kind: str) -> None:
    project = Project("thing", files, frozenset())
    found = guess(project)
    assert found is not None and found.call == KINDS[kind](project).call  # type: ignore[union-attr]
    assert found.reasons[-1].startswith(f"{kind} of ")


def test_a_kind_is_asked_for_by_name() -> None:
    project = Project("thing", {"pyproject.toml": PYPROJECT, "CMakeLists.txt": CMAKE}, frozenset())
    found = guess(project, "cmake")
    assert found is not None and found.call == "cmake"
    assert guess(project, "go") is None


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", []),
        ("make it work with pip install thing\n", []),  # prose
        ("```\nsudo make install\npip3 install --user thing\n```\n", ["python", "make"]),
        ("- `python -m pip install .`\n", ["python"]),
        ("```\npip install things\n```\n", []),
        ("    pip install Thing\n", ["python"]),
        ("  CMake example <https://example.org/cmake>\n  cmake example\n  make sure that\n", []),
        ("    cmake -S . -B build\n    make -j4\n", ["cmake", "make"]),
        ("It uses `cmake` or ``meson``, see `cmake .`.", ["cmake"]),
        ("```\ncd thing && cargo build --release\n```\n", ["rust"]),
        ("```console\n$ CGO_ENABLED=0 go install example.org/x/thing@latest\n```", ["go"]),
        ("~~~\nnpm i thing\n", ["node"]),
        ("# Use\n\n    cmake .\n\n# Install\n\n    mvn package\n\n# More\n\n    go get .\n", ["java"]),
        ("```\n# Install\n```\n    ./gradlew build\n", ["java"]),
        ("Install\n=======\n\nTools\n-----\n\n    cmake .\n", ["cmake"]),
    ],
)
def test_commands_of_a_readme(text: str, kinds: list[str]) -> None:
    assert mentioned(text, "thing") == kinds


def test_a_hostile_readme_takes_no_time() -> None:
    long = ("    npm install" + " -x" * 90_000, "= " * 150_000, "    " + "A=_" * 20_000)
    for text in ("`" * 300_000, "# " * 150_000, "~~~\n" * 70_000, *long):
        mentioned(text, "thing")


def test_what_init_writes_is_formatted() -> None:
    for files in (
        {"pyproject.toml": PYPROJECT, "requirements.txt": "flask"},
        {"CMakeLists.txt": CMAKE},
        {"package.json": NODE},
    ):
        found = guess(Project("thing", files, frozenset()))
        assert found is not None
        text = render(found._replace(todo=["one\nthing", "another"]), "trixie")
        assert format_source(Source("fpack.fp", text), None) == text
        assert [line for _, line in left_to_do(text)] == ["one thing", "another"]


def test_what_the_author_wrote_is_no_leftover(tmp_path: Path) -> None:
    (tmp_path / "build/modules").mkdir(parents=True)
    (tmp_path / "build/modules/CheckLFS.cmake").write_text("")
    cmake = "project(say)\ninclude(build/modules/CheckLFS.cmake)\nadd_executable(say x.c)\n"
    (tmp_path / "CMakeLists.txt").write_text(cmake)
    project = read_project(tmp_path)
    found = guess(project)
    assert found is not None and "/build/" not in str(ignored(found, project)).split()
    (tmp_path / "build/CMakeCache.txt").write_text("")
    assert "/build/" in str(ignored(found, read_project(tmp_path))).split()


def test_a_script_that_is_installed_is_part_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("install:\n\tinstall say $(PREFIX)/bin\n")
    (tmp_path / "say").write_bytes(b"\x7fELF")
    for text, left_out in ((b"\x7fELF", True), (b"#!/bin/sh\n", False)):
        (tmp_path / "say").write_bytes(text)
        project = read_project(tmp_path)
        found = guess(project)
        assert found is not None and ("/say" in str(ignored(found, project)).split()) is left_out


@pytest.mark.parametrize(
    ("directory", "files", "name", "version"),
    [
        ("hello-2.12.1", {}, "hello", "2.12.1"),
        ("libfoo-2_1.4rc1", {}, "libfoo-2", "1.4rc1"),
        ("tool-v0.3", {}, "tool", "0.3"),
        ("tool-release-1.7.4", {}, "tool", "1.7.4"),  # of a tag
        ("tool-1.2.orig", {}, "tool", "1.2"),  # of Debian's sources
        ("tool.orig", {}, "tool", None),
        ("tool1.4.0", {}, "tool", "1.4.0"),
        ("python3.11", {}, "python3.11", None),
        ("python-3", {}, "python-3", None),
        ("2048-cli", {}, "2048-cli", None),
        ("say", {"VERSION": "1.6.0\n"}, "say", "1.6.0"),
        ("say", {"version.txt": "5.8.0\n2021.07.17\n"}, "say", "5.8.0"),
        ("say", {"VERSION": "see the file NEWS for 1.2\n"}, "say", None),
    ],
)
def test_a_release_is_named_by_its_directory(
    directory: str, files: dict[str, str], name: str, version: str | None, tmp_path: Path
) -> None:
    place = tmp_path / directory
    place.mkdir()
    for file, text in {"Makefile": "install:\n\ttrue\n", **files}.items():
        (place / file).write_text(text)
    found = guess(read_project(place))
    assert found is not None and (found.name, found.version) == (name, version)
    assert found.entrypoint == [f"@/bin/{name}"]


def test_the_command_takes_a_kind(tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home")
    place = tmp_path / "thing"
    place.mkdir()
    (place / "pyproject.toml").write_text(PYPROJECT)
    (place / "CMakeLists.txt").write_text(CMAKE)
    (place / "README.md").write_text("## Build\n\n    cmake .\n")
    assert read_project(place).text("README.md")
    assert json.loads(fpack("init", "--print", "--json", cwd=place).stdout)["text"].count("cmake {") == 1
    shown = fpack("init", "--print", "--json", "--kind", "python", cwd=place)
    assert "python {" in json.loads(shown.stdout)["text"] and json.loads(shown.stdout)["package"] == "thing"
    wrong = fpack.fails("init", "--kind", "scons", cwd=place)
    assert "no kind 'scons'" in wrong and "cmake" in wrong
    assert "no files of the kind go" in fpack.fails("init", "--kind", "go", cwd=place)


def test_a_failed_build_says_what_is_left_to_do(tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home")
    (tmp_path / "package.json").write_text('{"name": "thing", "main": "x.js"}')
    fpack("init", cwd=tmp_path)
    (tmp_path / "fpack.fp").write_text('# to do: lock the packages\nthing = error("no")\nother = 1\n')
    assert "to do in fpack.fp:1: lock the packages" in fpack.fails("build", "thing", cwd=tmp_path)
    assert "to do" not in fpack.fails("build", "nowhere", cwd=tmp_path)
