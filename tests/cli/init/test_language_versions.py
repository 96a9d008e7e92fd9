"""Test which Python and Node `fpack init` chooses for a project, and that all of the file agrees on it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import fpack.lang.std
import pytest
from fpack.builders.debian.suites import ALL_RELEASES, UBUNTU_RELEASES
from fpack.cli.init.guess import Guess
from fpack.cli.init.language_versions import NODES, PYTHONS
from fpack.cli.init.node import node
from fpack.cli.init.project import Project, read_project
from fpack.cli.init.python import python
from fpack.cli.init.template import render


def _python(files: dict[str, str], release: str = "trixie") -> Guess:
    found = python(Project("thing", {"app.py": "", "requirements.txt": "flask\n", **files}, release=release))
    assert found is not None
    return found


def _node(data: dict[str, object], files: dict[str, str], release: str = "trixie") -> Guess:
    text = json.dumps({"private": True, "main": "server.js", **data})
    found = node(Project("thing", {"server.js": "", "package.json": text, **files}, release=release))
    assert found is not None
    return found


def _requires(text: str) -> dict[str, str]:
    return {"pyproject.toml": f'[project]\nname = "thing"\nrequires-python = "{text}"\n'}


@pytest.mark.parametrize(
    ("files", "version", "release"),
    [
        (_requires("<3.12"), "3.11", "bookworm"),
        (_requires("<3.13"), "3.11", "bookworm"),  # Debian's before Ubuntu's
        (_requires("==3.12.*"), "3.12", "noble"),
        (_requires("<3.11"), "3.10", "jammy"),
        (_requires(">=3.14"), "3.14", "forky"),
        ({".python-version": "3.11\n"}, "3.11", "bookworm"),
        ({".python-version": "# of pyenv\ncpython-3.11.4\n3.12\n"}, "3.11", "bookworm"),
        ({".python-version": "3.14\n", **_requires(">=3.9")}, "3.14", "forky"),
        ({".tool-versions": "nodejs 22.1.0\npython 3.11.4 3.12.0 # both\n"}, "3.11", "bookworm"),
        ({"mise.toml": '[tools]\npython = ["3.11", "3.12"]\n'}, "3.11", "bookworm"),
        ({"mise.toml": '[tools]\npython = { version = "3.11" }\n'}, "3.11", "bookworm"),
        ({"runtime.txt": "python-3.11.9\n"}, "3.11", "bookworm"),
        ({"Pipfile": '[requires]\npython_version = "3.11"\n'}, "3.11", "bookworm"),
        ({"uv.lock": 'version = 1\nrequires-python = "==3.11.*"\n'}, "3.11", "bookworm"),
        ({"poetry.lock": '[metadata]\npython-versions = "~3.11"\n'}, "3.11", "bookworm"),
    ],
)
def test_the_python_of_a_project_is_that_of_a_release_that_has_it(
    files: dict[str, str], version: str, release: str
) -> None:
    found = _python(files)
    assert dict(found.fields)["python"] == f'"{version}"' and found.release == release and not found.todo
    assert any(f"Python {version} is that of" in reason for reason in found.reasons)
    of = "ubuntu" if release in UBUNTU_RELEASES else "debian"
    written = render(found, "trixie")
    # The packages of the shell are those of the release that the build uses.
    assert written.startswith(f'{of} = import("fpack/{of}").{release}\n') and f"{of}.python3-venv]" in written
    assert "trixie" not in written and "  release = " not in written


@pytest.mark.parametrize(
    "files",
    [
        {},
        _requires(">=3.9"),
        _requires("of old"),
        {".python-version": "3.13.1\n"},
        {".python-version": "system\n"},
        {".python-version": "pypy3.9-7.3\n"},
        {".python-version": "\n#3.11\n"},
        {".python-version": "3.13\n", **_requires("<3.12")},  # the one version goes before the range
        {".tool-versions": "python\n"},
        {"mise.toml": "tools = 3\n"},
    ],
)
def test_the_python_of_the_release_serves(files: dict[str, str]) -> None:
    found = _python(files)
    assert "python" not in dict(found.fields) and found.release is None and not found.todo


@pytest.mark.parametrize(
    ("pin", "wanted", "version"),
    [("3.12", ">=3.9", None), ("3.8", ">=3.8", None), ("3.12", "<3.13", "3.11"), ("3.12", ">=3.12,<3.13", "3.12")],
)
def test_one_version_that_debian_lacks_gives_way_to_a_range(pin: str, wanted: str, version: str | None) -> None:
    found = _python({".python-version": f"{pin}\n", **_requires(wanted)})
    assert dict(found.fields).get("python") == (version and f'"{version}"') and not found.todo
    told = f".python-version: Python {pin}, which Debian does not have; requires-python allows {version or 3.13}"
    assert (told in found.reasons) == (version != pin)
    assert dict(_python({".python-version": f"{pin}\n"}).fields)["python"] == f'"{pin}"', "nothing else is asked for"


def test_the_release_that_is_asked_for_is_looked_at_first() -> None:
    found = _python(_requires("<3.12"), "bookworm")
    assert "python" not in dict(found.fields)
    assert '  release = "bookworm"\n' in render(found, "bookworm")
    found = _python(_requires(">=3.12"), "bookworm")
    assert dict(found.fields)["python"] == '"3.13"' and render(found, "bookworm").count("bookworm") == 0
    assert "python" not in dict(_python(_requires(">=3.14"), "sid").fields)


@pytest.mark.parametrize(
    ("files", "asked"),
    [(_requires(">=3.15"), ">=3.15"), (_requires("==3.8.*"), "==3.8.*"), ({".python-version": "3.8.2"}, "3.8")],
)
def test_a_python_that_no_release_has_stands_in_the_file_and_is_left_to_do(files: dict[str, str], asked: str) -> None:
    found = _python(files)
    assert dict(found.fields)["python"] == f'"{asked}"'
    (todo,) = found.todo
    assert f"asks for Python {asked}, and there are 3.9, 3.10, 3.11, 3.12, 3.13, 3.14" in todo


@pytest.mark.parametrize(
    ("data", "files", "version"),
    [
        ({"engines": {"node": ">=22"}}, {}, ">=22"),
        ({}, {".nvmrc": "22\n"}, "22"),
        ({"engines": {"node": ">=18"}}, {".nvmrc": "v22.3.0"}, "22.3.0"),
        ({}, {".nvmrc": "lts/jod\n"}, "22"),
        ({}, {".node-version": "24.1\n"}, "24.1"),
        ({}, {".tool-versions": "python 3.11\nnodejs 22.1.0\n"}, "22.1.0"),
        ({}, {".mise.toml": '[tools]\nnode = "24"\n'}, "24"),
        ({"volta": {"node": "18.20.1"}}, {}, "18.20.1"),
        ({"devEngines": {"runtime": {"name": "node", "version": "22"}}}, {}, "22"),
        ({}, {".nvmrc": "20.99.0\n"}, "20.99.0"),
    ],
)
def test_the_node_of_a_project_is_that_of_its_authors(
    data: dict[str, object], files: dict[str, str], version: str
) -> None:
    found = _node(data, files)
    assert dict(found.fields)["node"] == f'"{version}"' and found.entrypoint == ["@/bin/node", "@/app/server.js"]
    # npm of the release runs with the Node of the build's tools, which comes first in PATH.
    assert "packages = [...thing.tools, ...thing.libs, debian.npm]" in render(found, "trixie")


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ({}, {}),
        ({"engines": {"node": ">=18"}}, {}),
        ({"engines": {"node": ">=22"}}, {".nvmrc": "20"}),
        ({}, {".nvmrc": "v20.11.0"}),  # an older one of the release's line
        ({}, {".nvmrc": "lts/*"}),
        ({}, {".nvmrc": "node"}),
        ({"volta": 3, "devEngines": {"runtime": {"name": "bun", "version": "1"}}}, {".node-version": ""}),
    ],
)
def test_the_node_of_the_release_serves(data: dict[str, object], files: dict[str, str]) -> None:
    found = _node(data, files)
    assert "node" not in dict(found.fields) and found.entrypoint == ["/usr/bin/node", "@/app/server.js"]


def test_a_shell_has_npm_unless_the_build_has_it() -> None:
    assert list(_node({}, {}).packages) == ["npm"]
    assert not _node({}, {"package-lock.json": "{}"}).packages
    assert list(_node({"dependencies": {"next": "1"}}, {".nvmrc": "22"}).packages) == ["npm"]


def test_the_node_of_another_release() -> None:
    assert "node" not in dict(_node({"engines": {"node": ">=22"}}, {}, "forky").fields)
    assert dict(_node({}, {".nvmrc": "20"}, "bookworm").fields)["node"] == '"20"'


def test_the_files_of_version_managers_are_read(tmp_path: Path) -> None:
    names = (".python-version", ".tool-versions", "mise.toml", ".mise.toml", "runtime.txt", ".nvmrc", ".node-version")
    for name in names:
        (tmp_path / name).write_text(name)
    project = read_project(tmp_path)
    assert {name: project.text(name) for name in names} == {name: name for name in names}


def test_the_library_has_the_same_releases() -> None:
    text = (Path(fpack.lang.std.__file__).parent / "build/python-planned.fp").read_text()
    listed = dict(re.findall(r'^  "(3\.\d+)" = "(\w+)"$', text, re.MULTILINE))
    assert listed == {".".join(full.split(".")[:2]): release for release, full in PYTHONS.items()}
    assert set(PYTHONS) <= set(ALL_RELEASES) and set(NODES) <= set(ALL_RELEASES)
