"""Read the lists of projects of the corpus, such as projects.toml.

A list has tables `project`:

    kind              how the project is built, as a person would say it; four projects have each kind
    name, version     the project, as its registry names it
    registry          "pypi" (a source distribution), "npm" (a tarball) or "debian" (upstream's archive)
    file, sha256      the archive: its name, or its path in Debian's archive, and its digest
    args, expect      the arguments of the image's program, and a regular expression that its output matches
    status            the exit status; 0 if it is not given
    port, request     of a server: its port, and a path that it answers; `expect` is in the answer
    words, expect     of a library: a program in an image of the package, such as python3, and its arguments
    produces          of a library: patterns of files that the package has
    artifacts         Debian's packages of Java libraries that it needs, where these stand in for Maven's repository
    edits             [[old, new], ...]: changes to fpack.fp that a user has to make, tried after a failure without them
    fails             why it is known not to work
    ci                whether the quick run of the corpus has it
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

# The lists of docs/corpus.md, one for each of its sections.
SECTIONS = ("projects", "further", "drawn", "second_draw", "third_draw", "fourth_draw", "java", "rust")
REGISTRIES = ("pypi", "npm", "debian")
HERE = Path(__file__).resolve().parent


class CorpusProject(NamedTuple):
    """One project of a list."""

    kind: str
    name: str
    version: str
    registry: str
    file: str
    sha256: str
    args: tuple[str, ...] = ()
    expect: str = ""
    status: int = 0
    port: int = 0
    request: str = "/"
    words: tuple[str, ...] = ()
    produces: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    edits: tuple[tuple[str, str], ...] = ()
    fails: str = ""
    ci: bool = False

    @property
    def library(self) -> bool:
        """True if nothing of the project runs by itself."""
        return bool(self.words or self.produces)


def read(path: Path) -> list[CorpusProject]:
    """Read a list, and check its fields."""
    return [_project(table) for table in tomllib.loads(path.read_text())["project"]]


def _project(table: dict[str, Any]) -> CorpusProject:
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    if "edits" in lists:
        lists["edits"] = tuple((old, new) for old, new in lists["edits"])
    project = CorpusProject(**{**table, **lists})
    if project.registry not in REGISTRIES:
        raise ValueError(f"{project.name}: there is no registry {project.registry!r}")
    return project
