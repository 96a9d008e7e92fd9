"""The layout of the sources: every directory is packaged, none is crowded, and a class name means one thing."""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from pathlib import Path

from support.paths import REPOSITORY

ROOMS = ("store", "lang", "builders", "cli", "pkgs")
MOST = 22  # modules in a directory; the verbs are one module each
DATA = {"pkgs", "lang/std"}  # files of the language


def directories() -> dict[str, list[Path]]:
    """The modules of each directory, by its path in the repository."""
    found = defaultdict(list)
    for room in ROOMS:
        for path in sorted((REPOSITORY / room).rglob("*.py")):
            found[path.parent.relative_to(REPOSITORY).as_posix()].append(path)
    return found


def test_every_directory_is_packaged() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    packages = {name.removeprefix("fpack.").replace(".", "/") for name in project["tool"]["setuptools"]["packages"]}
    mapped = {name.removeprefix("fpack."): path for name, path in project["tool"]["setuptools"]["package-dir"].items()}
    assert {mapped.get(name, name) for name in packages} == set(directories())


def test_no_directory_is_crowded() -> None:
    crowded = {name: len(paths) for name, paths in directories().items() if len(paths) > MOST}
    assert crowded.keys() <= {"cli/verbs"}, crowded


def test_a_class_name_stands_in_one_file() -> None:
    places = defaultdict(set)
    for paths in directories().values():
        for path in paths:
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].add(path.relative_to(REPOSITORY).as_posix())
    assert {name: sorted(found) for name, found in places.items() if len(found) > 1} == {}
