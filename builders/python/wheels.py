"""Choose the file of a Python package that suits a system, by the names of wheels (PEP 425, PEP 600).

packaging.tags lists the tags of the Python that runs it. The system here is that of the build, which may be another.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from fpack.builders.machines import kernel_name

_WHEEL = re.compile(
    r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-\d[^-]*)?-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl\Z"
)
SOURCES = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")
_OLD = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


class WheelTarget(NamedTuple):
    """The system that a wheel must suit: the minor version of Python 3, the version of glibc, the machine."""

    python: int
    libc: tuple[int, int]
    machine: str


class IndexFile(NamedTuple):
    """A file listed by an index.

    requires_python: the Python that it needs, as a specifier, or "". metadata: the SHA-256 of its metadata if the index
    has that beside it, "true" if it has it without a digest, or "". yanked: its authors took it back.
    """

    name: str
    url: str
    sha256: str
    requires_python: str = ""
    metadata: str = ""
    yanked: bool = False


def target(python: str, libc: str, arch: str) -> WheelTarget:
    """Return a target. python, libc: versions like "3.13.5" and "2.41". arch: Debian's name."""
    return WheelTarget(_pair(python)[1], _pair(libc), kernel_name(arch))


def choose(files: Iterable[IndexFile], allowed: Collection[str], target: WheelTarget) -> IndexFile | None:
    """Return the best match: wheels before sources, then the more specific wheel, then the newer system."""
    best: tuple[tuple[int, ...], str, IndexFile] | None = None
    for file in files:
        ranked = rank(file.name, target) if file.sha256 in allowed else None
        if ranked is not None and (best is None or (ranked, file.name) > best[:2]):
            best = (ranked, file.name, file)
    return best[2] if best else None


def rank(name: str, target: WheelTarget) -> tuple[int, ...] | None:
    """Return how well a file suits the target, more is better; None if it does not."""
    match = _WHEEL.match(name)
    if match is None:
        return (0,) if name.endswith(SOURCES[:4]) else None
    abi = max((a for p in match["python"].split(".") for a in _abis(p, match["abi"].split("."), target)), default=None)
    platform = max(
        (found for p in match["platform"].split(".") if (found := _platform(p, target)) is not None), default=None
    )
    return None if abi is None or platform is None else (1, *abi, *platform)


def version_of(name: str, project: str) -> str | None:
    """Return the version in the name of a file of a project (normalised), or None."""
    if name.endswith(".whl"):
        match = _WHEEL.match(name)
        return match["version"] if match else None
    for end in SOURCES:
        if name.endswith(end):
            stem = name.removesuffix(end)
            # The name may have any of the separators, and the version has none before its first digit.
            pattern = re.sub(r"-", r"[-_.]+", re.escape(project).replace(r"\-", "-"))
            found = re.match(rf"{pattern}-(?P<version>.+)\Z", stem, re.IGNORECASE)
            return found["version"] if found else None
    return None


def _abis(python: str, abis: Sequence[str], target: WheelTarget) -> list[tuple[int, int]]:
    """Return (specificity, version) of each ABI of a wheel that the target supports."""
    found = re.fullmatch(r"(cp|py)3(\d*)", python)
    if found is None:
        return []
    minor = int(found[2] or 0)
    ranks = []
    for abi in abis:
        if abi == f"cp3{target.python}" and found[1] == "cp" and minor == target.python:
            ranks.append((3, minor))
        elif abi == "abi3" and found[1] == "cp" and minor <= target.python:
            ranks.append((2, minor))
        elif abi == "none" and (minor <= target.python if found[1] == "py" else minor == target.python):
            ranks.append((1, minor))
    return ranks


def _platform(platform: str, target: WheelTarget) -> tuple[int, int] | None:
    """Return the glibc version that a platform tag requires, (0, 0) for none, or None for another system."""
    if platform == "any":
        return (0, 0)
    if not platform.endswith(f"_{target.machine}"):
        return None
    kind = platform.removesuffix(f"_{target.machine}")
    modern = re.fullmatch(r"manylinux_(\d+)_(\d+)", kind)
    needs = (int(modern[1]), int(modern[2])) if modern else _OLD.get(kind, (1, 0) if kind == "linux" else None)
    return needs if needs is not None and needs <= target.libc else None


def _pair(version: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
