"""Test what the errors of a plan of Python packages name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fpack.builders.python.resolver import UnresolvableProject
from fpack.cli.workspace.plans.python_packages import plan

PROJECT = '[build-system]\nrequires = ["flit_coer >=3"]\nbuild-backend = "flit_core.buildapi"\n[project]\nname = "x"\n'


class Answers:
    """Answers that lack every package. name: the one that is told."""

    def __init__(self, name: str) -> None:
        self.name = name

    def answer(self, *_: Any) -> Any:
        raise UnresolvableProject("No index has a version", where=self.name, why="flit_coer >=3")


def _error(directory: Path, missing: str, needs: list[str] | None = None) -> UnresolvableProject:
    (directory / "pyproject.toml").write_text(PROJECT)
    given = {
        "root": str(directory), "project": str(directory / "pyproject.toml"), "python": "3.13", "libc": "glibc 2.41",
        "arch": "amd64", "extras": [], "groups": [], "needs": needs or [], "lock": None, "requirements": None,
    }  # fmt: skip
    with pytest.raises(UnresolvableProject) as caught:
        plan(given, Answers(missing))  # type: ignore[arg-type]
    return caught.value


def test_a_package_that_only_the_build_requires_is_told_with_the_file_that_says_so(tmp_path: Path) -> None:
    error = _error(tmp_path, "flit-coer")
    assert error.where == str(tmp_path / "pyproject.toml")
    assert error.why == "its build-system.requires needs it: flit_coer >=3"


def test_a_package_that_the_project_needs_is_told_by_its_name(tmp_path: Path) -> None:
    assert _error(tmp_path, "other").where == "other"
    assert _error(tmp_path, "flit-coer", ["flit-coer"]).where == "flit-coer"
