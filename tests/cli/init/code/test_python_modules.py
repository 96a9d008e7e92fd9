"""Modules that Python or setuptools removed, and that code imports: the Python or the requirement that has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.cli.init.code.complete import complete_code
from fpack.cli.init.code.python_modules import LostModule, imported, with_modules
from fpack.cli.init.detect import guess
from fpack.cli.init.guess import Guess
from fpack.cli.init.project import read_project
from fpack.cli.init.template import render
from fpack.cli.options import SharedOptions

GUESS = Guess(
    "python", "app", "1", [("project", "./setup.py")], [], None, reasons=["setup.py"],
    pythons=["trixie", "bookworm", "noble", "jammy"],
)  # fmt: skip


def made(module: str, **changes: object) -> Guess:
    return with_modules(GUESS._replace(**changes), [LostModule(module, "app/cli.py")], "trixie")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import os, imp\nfrom pkg_resources import get_distribution\n", ["imp", "pkg_resources"]),
        ("try:\n    import cgi\nexcept ImportError:\n    cgi = None\n", []),
        ("def f():\n    import pipes\n", []),
        ("from .imp import x\nimport own.telnetlib\n", []),
        ("import distutils.util\n", ["distutils"]),
    ],
)
def test_what_code_certainly_imports(text: str, names: list[str]) -> None:
    assert [item.module for item in imported({"a.py": text}, ["a.py"])] == names


def test_a_module_of_the_project_is_its_own() -> None:
    assert not list(imported({"a.py": "import imp"}, ["a.py", "imp/__init__.py"]))
    assert not list(imported({"a.py": "import pipes"}, ["a.py", "pipes.py"]))


@pytest.mark.parametrize(
    ("module", "version", "release"), [("imp", "3.11", "bookworm"), ("telnetlib", "3.11", "bookworm")]
)
def test_a_module_that_python_removed_is_that_of_an_older_one(module: str, version: str, release: str) -> None:
    found = made(module)
    assert ("python", f'"{version}"') in found.fields and found.release == release
    assert found.reasons[-1].startswith(f"app/cli.py: it imports {module}, which Python 3.1")


def test_the_older_python_is_one_that_the_project_allows() -> None:
    assert made("imp", pythons=["trixie", "jammy"]).release == "jammy"
    found = made("imp", pythons=["trixie"])
    assert found.release is None and found.todo[0].startswith("replace the module imp: app/cli.py")


@pytest.mark.parametrize(
    "changes",
    [{"uses": {"zombie-imp"}}, {"fields": [("python", '"3.10"')], "release": "jammy"}, {"release": "bookworm"}],
)
def test_a_python_that_has_the_module_or_a_package_that_brings_it_stays(changes: dict[str, object]) -> None:
    assert made("imp", **changes) == GUESS._replace(**changes)  # type: ignore[arg-type]


def test_setuptools_is_added_for_what_it_brings() -> None:
    assert ("needs", '["setuptools<82"]') in made("pkg_resources").fields
    assert ("needs", '["setuptools"]') in made("distutils").fields
    assert ("needs", '["setuptools<82", "gunicorn"]') in made(
        "pkg_resources", fields=[("needs", '["gunicorn"]')]
    ).fields
    assert made("pkg_resources", uses={"setuptools"}) == GUESS._replace(uses={"setuptools"})
    assert made("distutils", release="bookworm") == GUESS._replace(release="bookworm")
    assert made("pkg_resources", fields=[("lock", "./uv.lock")]).todo[0].startswith("add setuptools<82 to the project")


def test_init_writes_the_python_and_the_requirement(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "setup.py").write_text("setup(name='app', version='1', python_requires='>=3.8', packages=['app'])\n")
    (tmp_path / "app/__init__.py").write_text("import pkg_resources\nimport imp\n")
    found = guess(read_project(tmp_path))
    assert found is not None
    text = render(complete_code(found, tmp_path, SharedOptions(), "trixie"), "trixie")
    assert 'debian = import("fpack/debian").bookworm' in text
    assert '  python = "3.11"\n' in text and '  needs = ["setuptools<82"]\n' in text
