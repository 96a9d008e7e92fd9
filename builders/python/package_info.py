"""Read the text of PKG-INFO and METADATA, in which builds and source distributions say what they require."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")


class PackageInfo(NamedTuple):
    """The content of a PKG-INFO. complete: no build changes its requirements, so that none means none."""

    requires: tuple[str, ...] = ()
    requires_python: str = ""
    complete: bool = False
    name: str = ""

    @property
    def says(self) -> bool:
        """True if its requirements can be used."""
        return self.complete or bool(self.requires)


def parse_info(text: str) -> PackageInfo:
    """Return what the text says."""
    head = text.replace("\r\n", "\n").partition("\n\n")[0]
    requires, python, version, dynamic, named = [], "", (0, 0), False, ""
    for line in re.sub(r"\n[ \t]+", " ", head).split("\n"):
        name, _, value = (part.strip() for part in line.partition(":"))
        name = name.lower()
        if name == "name":
            named = value
        elif name == "requires-dist":
            requires.append(value)
        elif name == "requires-python":
            python = value
        elif name == "dynamic":
            dynamic = dynamic or value.lower() == "requires-dist"
        elif name == "metadata-version" and (found := re.match(r"(\d{1,4})\.(\d{1,4})", value)):
            version = (int(found[1]), int(found[2]))
    return PackageInfo(tuple(requires), python, version >= (2, 2) and not dynamic, named)


def split_extras(requires: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return the requirements without those of extras, and those of each extra."""
    extras: dict[str, tuple[str, ...]] = {}
    for line in requires:
        for extra in _EXTRA.findall(line.partition(";")[2]):
            extras[extra] = (*extras.get(extra, ()), line)
    return tuple(line for line in requires if not _EXTRA.search(line.partition(";")[2])), extras


def egg_requires(text: str) -> Iterator[str]:
    """Yield the requirements of setuptools' requires.txt, whose sections are extras and markers."""
    marker = ""
    for line in text.splitlines():
        line = line.strip()
        section = re.fullmatch(r"\[([^:\]]*)(?::(.*))?\]", line)
        if section:
            parts = [f'extra == "{section[1]}"'] if section[1] else []
            marker = " and ".join([*parts, *([f"({section[2]})"] if section[2] else [])])
        elif line:
            yield f"{line} ; {marker}" if marker else line
