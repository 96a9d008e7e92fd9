"""Read the versions of Python and Node that a project asks for, and choose among those that are available.

Files of version managers name one version, and go before the range in the project's metadata. All functions are pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fpack.builders.debian.suites import UBUNTU_RELEASES
from fpack.builders.node.semver import parse_range
from fpack.builders.node.semver import satisfies as node_satisfies
from fpack.builders.python.project import PythonProject, caret
from fpack.builders.python.versions import satisfies, specifier

from .guess import record, text
from .project import Project

# The Python of each release, best first; the library's `python-planned.fp` has the same. The patch number is that of
# the day on which the release got it, and only compared with ranges.
PYTHONS: Mapping[str, str] = {
    "trixie": "3.13.5", "bookworm": "3.11.2", "forky": "3.14.7", "noble": "3.12.3", "jammy": "3.10.12",
    "bullseye": "3.9.2",
}  # fmt: skip
# The Node of each of Debian's releases.
NODES: Mapping[str, str] = {
    "trixie": "20.19.2", "bookworm": "18.20.4", "bullseye": "12.22.12", "forky": "24.21.0", "sid": "24.22.2",
}  # fmt: skip
_LINES = {
    "argon": 4, "boron": 6, "carbon": 8, "dubnium": 10, "erbium": 12, "fermium": 14, "gallium": 16, "hydrogen": 18,
    "iron": 20, "jod": 22, "krypton": 24,
}  # fmt: skip
_MISE = ("mise.toml", ".mise.toml")


class Wish(NamedTuple):
    """A version, or a range of them, that a project asks for. where: the file that says it."""

    version: str
    where: str


class ChosenPython(NamedTuple):
    """The field `python`, "" for that of the release, and the release whose packages a build with it uses.

    reason, todo: sentences, "" for none.
    """

    version: str = ""
    release: str | None = None
    reason: str = ""
    todo: str = ""


def choose_python(project: Project, known: PythonProject) -> ChosenPython:
    """Return the Python for a project: that of the project's release if it satisfies, else that of the best one.

    The one version that a file names gives way if Debian does not have it, and the range of the metadata allows one
    that Debian has: tools write such files by themselves.
    """
    pin, wanted = next(_python_pins(project), None), _python_range(project, known)
    by_range = _choose(project, wanted, wanted.version, "the project requires") if wanted else ChosenPython()
    if pin is None:
        return by_range
    by_pin = _choose(project, pin, f"=={pin.version}.*", f"{pin.where}:")
    if wanted is None or _is_debians(by_pin) or not _is_debians(by_range):
        return by_pin
    found = by_range.version or _minor(_own(project))
    reason = f"{pin.where}: Python {pin.version}, which Debian does not have; {wanted.where} allows {found}"
    return by_range._replace(reason=reason)


def allowed_pythons(project: Project, known: PythonProject) -> list[str]:
    """Return the releases whose Python the project's metadata allows, best first."""
    wish = _python_range(project, known)
    try:
        wanted = specifier(wish.version) if wish else ()
    except ValueError:
        wanted = ()
    return [release for release, version in PYTHONS.items() if satisfies(version, wanted)]


def _choose(project: Project, wish: Wish, clauses: str, asked: str) -> ChosenPython:
    """Return the Python that a specifier allows. asked: begins the reason."""
    own = _own(project)
    try:
        wanted = specifier(clauses)
    except ValueError:
        return ChosenPython()
    if satisfies(own, wanted):
        return ChosenPython()
    asked = f"{asked} Python {wish.version}"
    found = next((release for release, full in PYTHONS.items() if satisfies(full, wanted)), None)
    if found is None:
        versions = ", ".join(sorted(map(_minor, PYTHONS.values()), key=lambda v: int(v.partition(".")[2])))
        todo = f"choose `python`: {wish.where} asks for Python {wish.version}, and there are {versions}"
        return ChosenPython(wish.version, None, asked, todo)
    version = _minor(PYTHONS[found])
    of = f"Ubuntu {found}, of which fpack needs a mirror" if found in UBUNTU_RELEASES else f"Debian {found}"
    return ChosenPython(version, found, f"{asked}; Python {version} is that of {of}")


def _own(project: Project) -> str:
    """Return the Python of the project's release; sid has that of testing."""
    return PYTHONS.get(project.release, PYTHONS["forky"])


def _is_debians(chosen: ChosenPython) -> bool:
    return not chosen.todo and chosen.release not in UBUNTU_RELEASES


def node_field(project: Project, data: Mapping[str, Any], reasons: list[str]) -> list[tuple[str, str]]:
    """Return the field `node` if the release's Node does not suit. data: package.json."""
    own = NODES.get(project.release, NODES["trixie"])
    pin = next(_node_pins(project, data), None)
    if pin is not None:
        if node_satisfies(own, pin.version) or node_satisfies(own, f"^{pin.version}"):
            return []
        reasons.append(f"{pin.where}: Node {pin.version}")
        return [("node", text(pin.version))]
    wanted = record(data.get("engines")).get("node")
    if not isinstance(wanted, str) or not parse_range(wanted) or node_satisfies(own, wanted):
        return []
    reasons.append(f"the project requires Node {wanted}")
    return [("node", text(wanted.strip()))]


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


# ---- Python


def _python_pins(project: Project) -> Iterator[Wish]:
    """Yield the minor versions of CPython that files of tools name."""
    for where, version in _python_names(project):
        found = re.fullmatch(r"(?:c?python-?)?(3\.\d{1,3})(?:\.[\w.+*-]*|-dev|rc\d+)?", version.strip())
        if found:
            yield Wish(found[1], where)


def _python_names(project: Project) -> Iterator[tuple[str, str]]:
    yield ".python-version", _first_line(project.text(".python-version"))
    yield from _managed(project, "python")
    yield "runtime.txt", _first_line(project.text("runtime.txt"))
    requires = record(project.toml("Pipfile").get("requires"))
    for key in ("python_version", "python_full_version"):
        yield "Pipfile", str(requires.get(key, ""))


def _python_range(project: Project, known: PythonProject) -> Wish | None:
    """Return the range of the project's metadata, else that of its lock."""
    if known.requires_python:
        return Wish(known.requires_python, "requires-python")
    for lock, section, key in (
        ("pylock.toml", "", "requires-python"), ("uv.lock", "", "requires-python"),
        ("poetry.lock", "metadata", "python-versions"), ("pdm.lock", "metadata", "requires_python"),
    ):  # fmt: skip
        data = project.toml(lock)
        found = (record(data.get(section)) if section else data).get(key)
        if isinstance(found, str) and found.strip():
            return Wish(caret(found) if lock == "poetry.lock" else found, lock)
    return None


# ---- Node


def _node_pins(project: Project, data: Mapping[str, Any]) -> Iterator[Wish]:
    """Yield the versions of Node that files of tools name: 22, 22.3 or 22.3.0."""
    for where, version in _node_names(project, data):
        name = version.strip().lower().removeprefix("node-").removeprefix("v")
        if name.removeprefix("lts/") in _LINES:
            yield Wish(str(_LINES[name.removeprefix("lts/")]), where)
        elif re.fullmatch(r"\d{1,4}(\.\d{1,4}){0,2}", name):
            yield Wish(name, where)


def _node_names(project: Project, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for file in (".nvmrc", ".node-version"):
        yield file, _first_line(project.text(file))
    yield from _managed(project, "nodejs", "node")
    yield "package.json", str(record(data.get("volta")).get("node", ""))
    runtime = record(record(data.get("devEngines")).get("runtime"))
    if runtime.get("name") == "node":
        yield "package.json", str(runtime.get("version", ""))


def _managed(project: Project, *names: str) -> Iterator[tuple[str, str]]:
    """Yield the versions of a language in the files of asdf and mise."""
    for line in project.text(".tool-versions").splitlines():
        words = line.partition("#")[0].split()
        if len(words) > 1 and words[0] in names:
            yield ".tool-versions", words[1]
    for file in _MISE:
        for name in names:
            value = record(project.toml(file).get("tools")).get(name)
            first = value[0] if isinstance(value, list) and value else value
            yield file, str(record(first).get("version", "") if isinstance(first, dict) else first or "")


def _first_line(content: str) -> str:
    lines = (line.partition("#")[0].strip() for line in content.splitlines())
    return next((line for line in lines if line), "")
