"""Collect what evidence about an image follows from: its entries, and the whole contents of its packages.

The entries are those of the manifest. The whole content of a package is in the table of its payload, which the caller
passes if the store has it. What is not known stays unknown: no claim follows from it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from fpack.builders.debian.control import parse_stanza
from fpack.builders.manifest.format import FILE, Head
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.payload.globs import merged
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.sbom.provenance import Provenance
from fpack.store.derivation import Derivation

from .go_programs import GoProgram

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_USING = re.compile(r"(?<![a-z0-9+.-])([a-z0-9][a-z0-9+.-]++)\s*\(=\s*+([^()\s]++)\s*\)")
# The fields by which a package takes the files or the place of another.
_TAKES_OVER = ("replaces", "provides")
_NEEDS = ("pre-depends", "depends")


class ImageEntry(NamedTuple):
    """A file or symlink of the image. path: relative. sha256: of a file. owner: its mode, user and group.

    package: the one that ships it, or whose script made it, or "". rule: of fpack, that made it, or "". An entry with
    neither is of the container's own files or of a build.
    """

    path: str
    kind: str
    sha256: str
    target: str
    package: str
    owner: tuple[int, int, int] = (0, 0, 0)
    rule: str = ""


class PackageFile(NamedTuple):
    """A file, directory or symlink of a package, with its path in merged /usr."""

    path: str
    kind: str
    sha256: str
    target: str
    owner: tuple[int, int, int] = (0, 0, 0)


class Payload(NamedTuple):
    """A binary package: what it ships, and what its control file says.

    uses: names of the source packages of which it contains parts. takes_over: names of packages whose files or place it
    takes. needs: its dependencies, with its own version left out. scripts: a digest of its control files.
    """

    name: str
    version: str
    arch: str
    source: str
    source_version: str
    files: tuple[PackageFile, ...] = ()
    uses: tuple[str, ...] = ()
    takes_over: tuple[str, ...] = ()
    needs: str = ""
    scripts: str = ""


class ImageKnowledge(NamedTuple):
    """The known contents of an image.

    entries: its files and symlinks. packages: the source of each binary package in it, or "" if it is not known.
    excluded: paths of packages that another file of the image takes. tools: the binary packages with which the builds
    in the image, or its files, were made. payloads: whole packages, also of those that the image does not have. fixed:
    packages in the version that fixes a vulnerability, by source, source version and name. programs: the Go programs in
    the image. unread: programs that could not be read, and so may be Go's. binaries: the names of all binary
    packages of a source and its version, if they are known.
    """

    entries: tuple[ImageEntry, ...] = ()
    packages: Mapping[str, str] = {}
    excluded: Mapping[str, tuple[str, ...]] = {}
    tools: frozenset[str] = frozenset()
    payloads: Mapping[str, Payload] = {}
    fixed: Mapping[tuple[str, str, str], Payload] = {}
    programs: tuple[GoProgram, ...] = ()
    unread: tuple[str, ...] = ()
    binaries: Mapping[tuple[str, str], frozenset[str]] = {}


def payload(entries: Iterable[TreeEntry], extra: Mapping[str, Any], scripts: bytes = b"") -> Payload:
    """Return a package from the table of its payload. scripts: its control files, in any fixed order."""
    control = parse_stanza(str(extra["control"]))
    name, version = control.get("package", ""), control.get("version", "")
    source, _, rest = control.get("source", "").partition("(")
    source_version = rest.strip(" )") or version
    texts = [control.get(field, "") for field in ("built-using", "static-built-using")]
    taken = " ".join(re.sub(r"\([^)]*\)|\[[^]]*\]|<[^>]*>", "", control.get(field, "")) for field in _TAKES_OVER)
    needs = "; ".join(" ".join(control.get(field, "").split()) for field in _NEEDS)
    for own in (version, source_version):
        needs = needs.replace(own, "OWN") if own else needs
    return Payload(
        name=name,
        version=version,
        arch=control.get("architecture", ""),
        source=source.strip() or name,
        source_version=source_version,
        files=tuple(_file(entry) for entry in entries),
        uses=tuple(sorted({used for text in texts for used, _ in _USING.findall(text)})),
        takes_over=tuple(sorted({word for word in re.split(r"[\s,|:]+", taken) if _NAME.fullmatch(word)} - {name})),
        needs=needs,
        scripts=hashlib.sha256(scripts).hexdigest(),
    )


def _file(entry: TreeEntry) -> PackageFile:
    owner = (entry.mode, entry.uid, entry.gid)
    return PackageFile(merged(entry.path), entry.kind, entry.sha256.hex(), entry.target, owner)


def collect(
    reader: ManifestReader, payload_of: Callable[[str], Payload | None], fixed: Iterable[Payload] = ()
) -> ImageKnowledge:
    """Return the contents of an image, without its Go programs.

    payload_of: returns a package by the derivation of its payload, in hexadecimal, or None if it is not at hand.
    """
    head, derivations = reader.head, reader.derivations
    packages = {item.path: item.package for item in head.paths if item.package}
    payloads: dict[str, Payload] = {}
    inside = payload_derivations(reader)
    for name, digest in inside.items():
        found = payload_of(digest) if digest else None
        if found is not None and found.name == name:
            payloads[name] = found
    used = set(inside.values())
    tools = set[str]()
    for digest, drv in derivations.items():
        if drv.kind == "deb" and digest not in used:
            name = str(drv.args.get("package", ""))
            found = payload_of(digest)
            if found is not None and found.name == name and name not in inside:
                payloads.setdefault(name, found)
    provenance = Provenance(head, derivations)
    for digest in _builds(head, derivations):
        behind = (derivations[other] for other in provenance.behind(digest))
        tools.update(str(drv.args.get("package", "")) for drv in behind if drv.kind == "deb")
    pins = {package.name: package.source for package in head.lock.packages}
    entries = []
    for layer, rows in reader.entries():
        names = [packages.get(path, "") for path, _ in layer.parts]
        for row in rows:
            if row.kind == "d" or row.part is None:
                continue
            package = names[row.part] if row.origin is None else row.origin.package
            rule = row.origin.rule if row.origin is not None else ""
            sha256 = row.sha256.hex() if row.kind == FILE else ""
            owner = (row.mode, row.uid, row.gid)
            path, target = os.fsdecode(row.path), os.fsdecode(row.target)
            entries.append(ImageEntry(path, row.kind, sha256, target, package, owner, rule))
    excluded: dict[str, set[str]] = {}
    for layer in head.layers:
        for item in layer.excluded:
            name = packages.get(layer.parts[item.part][0], "")
            excluded.setdefault(name, set()).add(os.fsdecode(item.path))
    return ImageKnowledge(
        entries=tuple(sorted(entries)),
        packages={name: payloads[name].source if name in payloads else pins.get(name, "") for name in sorted(inside)},
        excluded={name: tuple(sorted(paths)) for name, paths in sorted(excluded.items())},
        tools=frozenset(tools),
        payloads=payloads,
        fixed={(item.source, item.source_version, item.name): item for item in fixed},
    )


def payload_derivations(reader: ManifestReader) -> dict[str, str]:
    """Return the derivation of each package's payload, "" if the manifest does not tell it."""
    head, derivations = reader.head, reader.derivations
    found = {}
    for item in head.paths:
        if item.package:
            drv = derivations.get(item.derivation or "")
            digests = [output.derivation.hex() for output in drv.inputs] if drv is not None else []
            debs = [digest for digest in digests if digest in derivations and derivations[digest].kind == "deb"]
            found[item.package] = debs[0] if len(debs) == 1 else ""
    return found


def _builds(head: Head, derivations: Mapping[str, Derivation]) -> list[str]:
    """Return the derivations of builds and own files in the image.

    What a root consists of is not a part of its generated files, nor of what maintainer scripts made.
    """
    digests = [item.derivation for item in head.paths if not item.package and item.derivation]
    return [d for d in digests if d in derivations and derivations[d].kind not in ("root", "configure")]
