"""Describe unpacked packages to dpkg: its status, lists of files, control files and triggers.

Sources: deb(5), deb-triggers(5), dpkg's doc/spec/triggers.txt, and the formats in dpkg's lib/dpkg.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from fpack.builders.debian.control import parse_stanza

ADMIN = "var/lib/dpkg"
SCRIPTS = ("config", "postinst", "postrm", "preinst", "prerm")
_INTEREST = re.compile(r"interest(?:-(await|noawait))?[ \t]+(\S+)\Z")
_STATUS = re.compile(r"^Status:.*\n", re.MULTILINE)


class UnpackedPackage(NamedTuple):
    """A package whose files are in the tree.

    stanza: its control file, with or without a status. files: the absolute paths of its files and directories.
    members: the content of its other control files. configured: dpkg is told that it is configured already.
    """

    name: str
    stanza: str
    files: tuple[str, ...]
    members: Mapping[str, bytes]
    configured: bool

    @property
    def stem(self) -> str:
        """The name of the package's files in dpkg's database."""
        fields = parse_stanza(self.stanza)
        return f"{self.name}:{fields['architecture']}" if fields.get("multi-arch") == "same" else self.name

    def environment(self, script: str) -> dict[str, str]:
        """Return the variables that dpkg sets for a script of the package."""
        return {
            "DPKG_ADMINDIR": f"/{ADMIN}",
            "DPKG_MAINTSCRIPT_ARCH": parse_stanza(self.stanza).get("architecture", ""),
            "DPKG_MAINTSCRIPT_NAME": script,
            "DPKG_MAINTSCRIPT_PACKAGE": self.name,
            "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT": "1",
            "DPKG_ROOT": "",
        }


class DatabaseFile(NamedTuple):
    """A file of dpkg's database. path: relative to the root; a directory if content is None."""

    path: str
    content: bytes | None
    executable: bool = False


def database(packages: Iterable[UnpackedPackage]) -> Iterator[DatabaseFile]:
    """Yield the files of a database in which the packages are unpacked or configured."""
    status: list[str] = []
    interests: dict[str, list[str]] = {}
    for package in packages:
        stem = package.stem
        state = "installed" if package.configured else "unpacked"
        first, _, rest = _STATUS.sub("", package.stanza).partition("\n")
        status.append(f"{first}\nStatus: install ok {state}\n{rest.rstrip(chr(10))}\n")
        listed = "\n".join(("/.", *package.files))
        yield DatabaseFile(f"{ADMIN}/info/{stem}.list", f"{listed}\n".encode("utf-8", "surrogateescape"))
        for member, content in sorted(package.members.items()):
            yield DatabaseFile(f"{ADMIN}/info/{stem}.{member}", content, member in SCRIPTS)
        for trigger, awaits in _interests(package.members.get("triggers", b"")):
            interests.setdefault(trigger, []).append(stem if awaits else f"{stem}/noawait")
    yield DatabaseFile(f"{ADMIN}/status", "\n".join(status).encode("utf-8", "surrogateescape"))
    yield DatabaseFile(f"{ADMIN}/info/format", b"1\n")
    for name in ("available", "diversions", "statoverride", "triggers/Lock", "triggers/Unincorp"):
        yield DatabaseFile(f"{ADMIN}/{name}", b"")
    for name in ("alternatives", "parts", "updates"):
        yield DatabaseFile(f"{ADMIN}/{name}", None)
    paths = [f"{trigger} {stem}\n" for trigger in sorted(interests) for stem in interests[trigger] if trigger[0] == "/"]
    yield DatabaseFile(f"{ADMIN}/triggers/File", "".join(paths).encode())
    for trigger in sorted(interests):
        if trigger[0] != "/":
            lines = "".join(f"{stem}\n" for stem in interests[trigger])
            yield DatabaseFile(f"{ADMIN}/triggers/{trigger}", lines.encode())


def _interests(text: bytes) -> Iterator[tuple[str, bool]]:
    """Yield the triggers that a package is interested in, and whether whoever activates one waits for the package."""
    for line in text.decode("utf-8", "replace").splitlines():
        match = _INTEREST.match(line.partition("#")[0].strip())
        # The name of a trigger without a slash names a file of the database.
        if match and (match[2].startswith("/") or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+._:-]*", match[2])):
            yield match[2], match[1] != "noawait"


def pending(status: bytes) -> list[str]:
    """Return the packages that wait for triggers to be processed, sorted. status: the content of dpkg's status."""
    found = set()
    for stanza in status.decode("utf-8", "replace").split("\n\n"):
        if "\nTriggers-Pending:" in stanza:
            match = re.match(r"\n*Package:[ \t]*(\S+)", stanza)
            if match:
                found.add(match[1])
    return sorted(found)
