"""Read the packages of an image that another tool made from its package databases: dpkg's, apk's, and os-release.

The databases are what the image says of itself. They are hostile input: what cannot be read is named, and is no error,
since it changes no file of the image. Sources: deb-control(5), dpkg's lib/dpkg, Alpine's apk-package(5) and
apk-tools' doc/apk-v2.5.scd, os-release(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fpack.light_typing import Any, NamedTuple
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.errors import FpackError, StoreError, one_line
from fpack.store.files.checked_tree import CheckedTree

FILE = "packages"  # of the output of `oci`
DEB, APK = "deb", "apk"
KINDS = (DEB, APK)
MAX_PACKAGES = 50_000
MAX_TEXT = 64 << 20  # bytes of a database
MAX_TEXTS = 96 << 20  # bytes of the databases of one layer
_STATUS, _STATUS_DIRECTORY = b"var/lib/dpkg/status", b"var/lib/dpkg/status.d/"
_SUMS = b".md5sums"  # beside a record in status.d
_APK = (b"lib/apk/db/installed", b"usr/lib/apk/db/installed")
_OS_RELEASE = (b"usr/lib/os-release", b"etc/os-release")
_RPM = (b"var/lib/rpm/", b"usr/lib/sysimage/rpm/")
_OTHERS = {b"var/lib/pacman/local/": "pacman", b"var/db/pkg/": "portage"}
_TOP = b"fpack/store/"
_STORE_NAME = re.compile(rb"[0-9a-z]{20,64}-([A-Za-z0-9][A-Za-z0-9+._-]{0,199})\Z")
_SOURCE = re.compile(r"([A-Za-z0-9][A-Za-z0-9+._-]*)(?:\s+\(([^()\s]+)\))?\Z")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~:@-]{0,255}\Z")
_REBUILD = re.compile(r"\+b\d+\Z")
_FIELD = re.compile(r"([A-Z_]+)=(?:\"([^\"]*)\"|'([^']*)'|([^\s\"']*))\s*\Z")


class BasePackage(NamedTuple):
    """An installed package of a base. kind: one of KINDS. source_version: without the `+bN` of a rebuild."""

    kind: str
    name: str
    version: str
    arch: str
    source: str
    source_version: str


class BasePackages(NamedTuple):
    """The packages that the databases of a base list.

    os_release: ID, VERSION_ID and VERSION_CODENAME of os-release, or "". packages: sorted. builds: the
    names of fpack's builds in the base. unread: what cannot be read, one reason each.
    """

    os_release: tuple[str, str, str] = ("", "", "")
    packages: tuple[BasePackage, ...] = ()
    builds: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Return whether the base has a database, and nothing of its databases is unread."""
        return bool(self.packages) and not self.unread


def is_database(path: bytes) -> bool:
    """Return whether the content of a file is needed."""
    if path.startswith(_STATUS_DIRECTORY):
        return not path.endswith(_SUMS) and b"/" not in path[len(_STATUS_DIRECTORY) :]
    return path == _STATUS or path in _APK or path in _OS_RELEASE


def read(files: Iterable[bytes], texts: Mapping[bytes, bytes]) -> BasePackages:
    """Read the databases. files: the paths of all regular files that the image shows. texts: of databases, by path."""
    unread: list[str] = []
    packages: set[BasePackage] = set()
    builds: set[str] = set()
    others: set[str] = set()
    for path in files:
        if is_database(path) and path not in texts:
            unread.append(f"/{_text(path)} is too large")
        if path.startswith(_RPM):
            others.add("rpm")
        elif path.startswith(_TOP) and (match := _STORE_NAME.match(path[len(_TOP) :].partition(b"/")[0])):
            builds.add(_text(match[1]))
        else:
            others |= {name for prefix, name in _OTHERS.items() if path.startswith(prefix)}
    unread += [f"the database of {name} is not read" for name in sorted(others)]
    for path, data in sorted(texts.items()):
        try:
            if path == _STATUS or path.startswith(_STATUS_DIRECTORY):
                packages.update(_dpkg(data, f"/{_text(path)}"))
            elif path in _APK:
                packages.update(_apk(data))
        except (FpackError, ValueError) as error:
            why = error.why if isinstance(error, FpackError) else str(error)
            unread.append(f"/{_text(path)} is invalid: {why:.200}")
    if len(packages) > MAX_PACKAGES:
        unread.append(f"its databases have more than {MAX_PACKAGES} packages")
        packages.clear()
    return BasePackages(
        _system(texts), tuple(sorted(packages)), tuple(sorted(builds)), tuple(sorted(map(one_line, unread)))
    )


def _dpkg(data: bytes, where: str) -> Iterator[BasePackage]:
    """Yield the packages of a status file whose files are installed."""
    from fpack.builders.debian.control import parse_stanza

    for block in re.split(r"\n(?:[ \t]*\n)+", _text(data).replace("\r\n", "\n")):
        fields = parse_stanza(block.strip("\n"), where)
        words = fields.get("status", "").split()
        # The records of images without dpkg have no status: what has a record is there.
        if not fields or (words and words[-1] in ("not-installed", "config-files")):
            continue
        name, version = _word(fields.get("package", "")), _word(fields.get("version", ""))
        match = _SOURCE.match(fields.get("source", name))
        if match is None:
            raise ValueError(f"the source of {name} is malformed")
        source_version = _word(match[2]) if match[2] else _REBUILD.sub("", version)
        yield BasePackage(DEB, name, version, _word(fields.get("architecture", "")), match[1], source_version)


def _apk(data: bytes) -> Iterator[BasePackage]:
    """Yield the packages of apk's database: a block for each, with a letter and a value in each line."""
    for block in _text(data).split("\n\n"):
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            letter, colon, value = line.partition(":")
            if line and (not colon or len(letter) != 1):
                raise ValueError(f"not a field: {line[:60]!r}")
            fields.setdefault(letter, value)
        if fields.keys() - {""}:
            name, version = _word(fields.get("P", "")), _word(fields.get("V", ""))
            yield BasePackage(APK, name, version, _word(fields.get("A", "")), _word(fields.get("o") or name), version)


def _system(texts: Mapping[bytes, bytes]) -> tuple[str, str, str]:
    found: dict[str, str] = {}
    for path in _OS_RELEASE:
        if path in texts:
            for line in _text(texts[path]).split("\n"):
                if (match := _FIELD.match(line)) is not None:
                    found.setdefault(match[1], next(filter(None, match.groups()[1:]), ""))
            break
    names = ("ID", "VERSION_ID", "VERSION_CODENAME")
    one, two, three = (word if _WORD.match(word := found.get(name, "")) else "" for name in names)
    return one, two, three


def _word(text: str) -> str:
    """Return a name or version. Raise ValueError if it is neither: it stands in reports and in package URLs."""
    if not _WORD.match(text):
        raise ValueError(f"not a name or version: {text[:60]!r}")
    return text


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def to_value(found: BasePackages) -> dict[str, Value]:
    """Return the form in manifests."""
    return {
        "os_release": list(found.os_release),
        "packages": [list(package) for package in found.packages],
        "builds": list(found.builds),
        "unread": list(found.unread),
    }


def from_value(value: Any) -> BasePackages:
    """Read the form in manifests. Raise ValueError if it is another one."""
    if not isinstance(value, dict) or value.keys() != {*BasePackages._fields}:
        raise ValueError("it has missing or unknown fields")
    release, rows = _texts(value["os_release"]), value["packages"]
    if len(release) != 3 or not all(not word or _WORD.match(word) for word in release):
        raise ValueError("its os-release is malformed")
    if not isinstance(rows, list) or len(rows) > MAX_PACKAGES:
        raise ValueError("its packages are not a list, or too many")
    packages = [_package(row) for row in rows]
    if packages != sorted({*packages}):
        raise ValueError("its packages are not sorted")
    return BasePackages(tuple(release), tuple(packages), tuple(_texts(value["builds"])), tuple(_texts(value["unread"])))  # type: ignore[arg-type]


def _package(row: Any) -> BasePackage:
    fields = _texts(row)
    if len(fields) != len(BasePackage._fields) or fields[0] not in KINDS:
        raise ValueError("a package of it is malformed")
    return BasePackage(fields[0], *map(_word, fields[1:]))


def _texts(value: Any) -> Sequence[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text.isprintable() for text in value):
        raise ValueError("a list of it is malformed")
    return value


def encode(found: BasePackages) -> bytes:
    """Encode the file of the output of `oci`."""
    return canonical.encode(to_value(found))


def read_tree(tree: CheckedTree, where: str) -> BasePackages | None:
    """Read the file of an output of `oci`. Return None if an earlier fpack made the output, without this file."""
    if not (tree.disk / FILE).exists():
        return None
    try:
        return from_value(canonical.decode(tree.read(FILE)))
    except ValueError as error:
        raise StoreError("An output is not a base image", where=where, why=str(error)) from None
