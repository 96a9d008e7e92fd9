"""Parse requirements of Python packages (PEP 508), and files of them as pip reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from .names import normal
from .versions import Clause, specifier

MAX_LINE = 100_000
MAX_FILES = 50
_REQUIREMENT = re.compile(
    r"\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^\]]*)\])?\s*"
    r"(?:@\s*(?P<url>\S+)|(?P<versions>[^;@]*))\s*(?:;(?P<marker>.*))?\Z",
    re.DOTALL,
)
_HASH = re.compile(r"\s--hash[=\s]\s*(\w+):([0-9a-fA-F]+)")


class Requirement(NamedTuple):
    """A requirement. name: normalised. versions: its clauses. url: of a file or repository, or ""."""

    name: str
    extras: frozenset[str]
    versions: tuple[Clause, ...]
    url: str
    marker: str


class RequirementsFile(NamedTuple):
    """The content of files of requirements.

    lines: requirements, without hashes. constraints: requirements that only limit versions. hashed: each requirement
    has a hash. ignored: lines that name files or repositories.
    """

    lines: tuple[str, ...]
    constraints: tuple[str, ...]
    hashed: bool
    ignored: tuple[str, ...] = ()


def requirement(text: str) -> Requirement:
    """Return a requirement; raise ValueError for a text that is none."""
    match = _REQUIREMENT.match(text) if len(text) < MAX_LINE else None
    if match is None:
        raise ValueError(f"{text.strip()[:120]!r} is not a valid requirement")
    extras = frozenset(normal(extra.strip()) for extra in (match["extras"] or "").split(",") if extra.strip())
    return Requirement(
        normal(match["name"]), extras, specifier(match["versions"] or ""), match["url"] or "",
        (match["marker"] or "").strip(),
    )  # fmt: skip


def is_requirement(text: str) -> bool:
    """Return whether a text is a requirement."""
    try:
        requirement(text)
    except ValueError:
        return False
    return True


def requirements_file(name: str, read: Callable[[str], str]) -> RequirementsFile:
    """Read a file of requirements, with those that it names. read: returns the text of a file by its relative path."""
    lines: list[str] = []
    constraints: list[str] = []
    ignored: list[str] = []
    seen: set[tuple[str, bool]] = set()
    hashes = []

    def load(file: str, limits: bool) -> None:
        if (file, limits) in seen:
            return
        seen.add((file, limits))
        if len(seen) > MAX_FILES:
            raise ValueError(f"it includes more than {MAX_FILES} files")
        folder = file.rpartition("/")[0]
        text = re.sub(r"\\\r?\n", " ", read(file))
        for line in text.splitlines():
            line = re.sub(r"(^|\s)#.*", "", line).strip()
            if not line:
                continue
            option = re.match(r"(-r|--requirement|-c|--constraint)[=\s]*(\S+)", line)
            if option:
                below = f"{folder}/{option[2]}" if folder else option[2]
                load(below, limits or option[1] in ("-c", "--constraint"))
            elif line.startswith("-"):
                if re.match(r"-e|--editable", line):
                    ignored.append(line)
            elif _is_file(line):
                ignored.append(line)
            else:
                plain = _HASH.sub("", f" {line}").strip()
                plain = re.split(r"\s--(?:global-option|config-settings|install-option)", plain)[0].strip()
                requirement(plain)
                if limits:
                    constraints.append(plain)
                else:
                    lines.append(plain)
                    hashes.append(bool(_HASH.search(f" {line}")))

    load(name, False)
    return RequirementsFile(tuple(lines), tuple(constraints), bool(hashes) and all(hashes), tuple(ignored))


def _is_file(line: str) -> bool:
    """Return whether a line names a file, a directory or a repository instead of a package."""
    first = line.split()[0]
    return first.startswith((".", "/", "git+", "hg+", "http:", "https:", "file:")) and " @ " not in line
