"""Parse the description of a binary package in an index."""

from __future__ import annotations

import re
from typing import NamedTuple

from fpack.store.errors import FpackError

from .control import parse_stanza
from .mirrors import check_path
from .relations import Clause, ProvidedName, Relation, check_package_name, parse_provides, parse_relations
from .version import check_version

_SHA256 = re.compile(r"(?:[0-9a-f]{64})?\Z")
_SHA512 = re.compile(r"(?:[0-9a-f]{128})?\Z")
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?\Z")
_PRIORITIES = ("required", "important", "standard")


class PackageError(FpackError):
    """A stanza that is not a valid package description."""

    exit_code = 4


class Package(NamedTuple):
    """A package of one suite. sha256, sha512: of its file, "" if the index does not have it; one at least is there.

    depends: Pre-Depends, then Depends. conflicts: Conflicts and Breaks. rank: orders the providers of a name; packages
    of a high priority (required, important, standard) have a low rank and come first.
    """

    name: str
    version: str
    arch: str
    source: str
    source_version: str
    suite: str
    archive: str
    file: str
    size: int
    sha256: str
    section: str
    description: str
    rank: int
    depends: tuple[Clause, ...]
    conflicts: tuple[Relation, ...]
    provides: tuple[ProvidedName, ...]
    sha512: str = ""


def parse_package(text: str, *, arch: str, suite: str, archive: str) -> Package:
    """Parse a stanza of the index of `suite` for `arch`. Raise an FpackError if it is invalid."""
    fields = parse_stanza(text, suite)
    name = check_package_name(fields.get("package", ""))
    where = f"{name} in {suite}"
    size, sha256, sha512 = (fields.get(key, "") for key in ("size", "sha256", "sha512"))
    if not (size.isascii() and size.isdigit() and len(size) < 16):
        raise PackageError("The index has a package without a size", where=where)
    if not (sha256 or sha512) or not _SHA256.match(sha256) or not _SHA512.match(sha512):
        broken = not (sha256 or sha512) and ("md5sum" in fields or "sha1" in fields)
        why = "MD5 and SHA-1 digests do not count, since they can be forged" if broken else ""
        raise PackageError("The index has a package without a valid SHA-256 or SHA-512", where=where, why=why)
    own = fields.get("architecture", "")
    if own not in (arch, "all"):
        why = f"it is for {own[:60]!r}, expected {arch}"
        raise PackageError("The index has a package for another architecture", where=where, why=why)
    version = check_version(fields.get("version", ""))
    source = _SOURCE.match(fields.get("source", name))
    if source is None:
        raise PackageError("The index has a package with a malformed Source field", where=where)
    try:
        depends = [parse_relations(fields[key], arch) for key in ("pre-depends", "depends") if key in fields]
        conflicts = [parse_relations(fields[key], arch) for key in ("conflicts", "breaks") if key in fields]
        provides = parse_provides(fields["provides"], arch) if "provides" in fields else ()
    except FpackError as error:
        raise PackageError("The index has a malformed relation", where=where, why=str(error)) from None
    priority = fields.get("priority", "")
    return Package(
        name=name,
        version=version,
        arch=own,
        source=check_package_name(source[1]),
        source_version=check_version(source[2] or version),
        suite=suite,
        archive=archive,
        file=check_path(fields.get("filename", "").removeprefix("./")),
        size=int(size),
        sha256=sha256,
        section=fields.get("section", ""),
        description=fields.get("description", "").partition("\n")[0],
        rank=_PRIORITIES.index(priority) if priority in _PRIORITIES else len(_PRIORITIES),
        depends=tuple(clause for clauses in depends for clause in clauses),
        conflicts=tuple(
            relation
            for clauses in conflicts
            for clause in clauses
            for relation in clause
            if relation.arch in ("", "any", "native", arch)  # a root has packages of one architecture only
        ),
        provides=provides,
        sha512=sha512,
    )
