"""Trace the packages with which maintainer scripts ran to Debian's signature.

Most of them are not in the image: dpkg, its tools, and what the scripts need. If all of these are Debian's, then the
entries of the image that the scripts make again in a rebuild are Debian's, too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from fpack.builders.manifest.format import LockedPackage
from fpack.builders.payload import meta
from fpack.store.derivation import Derivation

from .derivations import Derivations, declared_digest, input_of, pin_differences
from .evidence.archive_signature import Archives
from .findings import TRACE, Report

CONFIGURE = "configure"
_KINDS = frozenset({CONFIGURE, "root", "slice", "deb", "fetch"})


class ScriptPackage(NamedTuple):
    """A package with which scripts ran. deb: the digest of its file. suite, signed: as in TracedPackage."""

    package: str
    version: str
    deb: str
    suite: str
    signed: bool


class TracedScripts(NamedTuple):
    """The packages with which scripts ran. problem: why what they made cannot be Debian's, or ""."""

    packages: list[ScriptPackage]
    problem: str


def fingerprint(path: bytes, kind: str, mode: int, uid: int, gid: int, sha256: bytes, target: bytes) -> bytes:
    """Return a digest of all that identifies an entry of an image."""
    fields = (path, kind.encode(), b"%o %d %d" % (mode, uid, gid), sha256.hex().encode(), target)
    return hashlib.sha256(b"\0".join(fields)).digest()


def made(output: Path) -> Iterator[bytes]:
    """Yield the fingerprints of what scripts made, from the output of `configure`.

    A container may give back the set-id bits that scripts gave to files.
    """
    entries, extra = meta.read(output)
    set_id = {path.strip("/"): mode for path, mode in extra["setuid"]}
    for entry in entries:
        path, target = os.fsencode(entry.path), os.fsencode(entry.target)
        for mode in {entry.mode, set_id.get(entry.path, entry.mode)}:
            yield fingerprint(path, entry.kind, mode, entry.uid, entry.gid, entry.sha256, target)


def names(derivations: Derivations) -> set[str]:
    """Return the names of the packages with which scripts ran."""
    made = (drv for drv in derivations.values() if drv.kind == CONFIGURE)
    rows = (row for drv in made if isinstance(drv.args.get("packages"), list) for row in drv.args["packages"])
    return {str(row.get("package")) for row in rows if isinstance(row, dict)}


def trace(
    digests: Collection[str],
    derivations: Derivations,
    locked: Mapping[str, LockedPackage],
    archives: Archives,
    report: Report,
) -> TracedScripts:
    """Trace all inputs of the derivations, of kind `configure`, with these digests."""
    found: list[ScriptPackage] = []
    problems: set[str] = set()
    fetched: set[str] = set()
    if any(digest not in derivations or derivations[digest].kind != CONFIGURE for digest in digests):
        return TracedScripts([], "the derivation that ran them is missing")
    graph = _graph(digests, derivations)
    for digest, drv in graph.items():
        if drv.kind not in _KINDS:
            problems.add(f"they ran on something built by the kind {drv.kind}")
        elif drv.kind == "slice" and (drv.args.get("keep") is not None or drv.args.get("drop")):
            problems.add("they ran on parts of packages")
        elif drv.kind == "deb":
            package = str(drv.args.get("package"))
            fetch = input_of(derivations, digest, "deb", "deb", "fetch")
            pin = locked.get(package)
            if fetch is None or pin is None:
                problems.add("they ran with packages that are not in the lock")
                continue
            fetched.add(fetch)
            file = derivations[fetch]
            for what, value, wanted in pin_differences(pin, pin.version, drv, file):
                report.add(TRACE, f"package {package}", f"its {what} is {value!r:.80}; the lock has {wanted!r}")
            suite, signed = archives.vouch(pin)
            if not signed:
                problems.add("they ran with packages that are in no signed index of the archive")
            found.append(ScriptPackage(package, pin.version, declared_digest(file), suite or "", signed))
    if any(drv.kind == "fetch" and digest not in fetched for digest, drv in graph.items()):
        problems.add("they ran with files that are no package's")
    return TracedScripts(sorted(found), "; ".join(sorted(problems)))


def _graph(digests: Collection[str], derivations: Derivations) -> dict[str, Derivation]:
    """Return the derivations and all their inputs, by digest."""
    found: dict[str, Derivation] = {}
    todo = list(digests)
    while todo:
        digest = todo.pop()
        drv = derivations.get(digest)
        if digest not in found and drv is not None:
            found[digest] = drv
            todo += [output.derivation.hex() for output in (*drv.inputs, *drv.candidates)]
    return found
