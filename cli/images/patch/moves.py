"""Find the packages of an image that move: to the archive's newest versions, or to those of a lock."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders.debian.lock.records import Depends, Lock, PackagePin, SuitePin
from fpack.builders.debian.suites import IndexPin, SuiteFile
from fpack.builders.manifest.format import LockPart
from fpack.cli.shared_options import SharedOptions

from .errors import CannotPatch

if TYPE_CHECKING:
    from fpack.builders.manifest.reader import ManifestReader

MAIN = "main"


class FoundMoves(NamedTuple):
    """The packages that move, by name; what each package that moves depends on then; and the new lock."""

    pins: Mapping[str, PackagePin]
    depends: Mapping[str, tuple[str, ...]]
    lock: Lock


def find(reader: ManifestReader, where: str, options: SharedOptions, *, security: bool) -> FoundMoves:
    """Return the packages of an image that move: to the lock that `options` name, else to the archive's newest.

    Raise CannotPatch if the image would need other packages than those that it was made with. where: the image.
    security: only packages move of which a security suite has a newer version.
    """
    part = reader.head.lock
    release, arch = part.release, part.arch
    used = _requests(reader)
    wanted = tuple(sorted(used))
    if options.lock is not None:
        new, closure = _of_file(options.lock, part, wanted)
    else:
        new, closure = _of_archive(part, wanted, options._replace(arch=reader.head.image.arch), security)
    before = {package.name: package for package in part.packages}
    pins = {
        name: pin
        for name in before
        if (pin := new.packages.get((release, arch, name))) is not None and pin.version != before[name].version
    }
    gone = [name for name in before if (release, arch, name) not in new.packages]
    added = sorted(_added(closure, used))
    if gone or added:
        what = f"needs {', '.join(added)}" if added else f"no longer has {', '.join(gone)}"
        raise CannotPatch(
            "The image cannot be patched, as its packages depend on others now",
            where=where,
            why=f"the new set of its packages {what}",
            hint="build it again in its project: fpack update && fpack pack --push",
        )
    return FoundMoves(pins, {name: tuple(closure[name]) for name in pins if name in closure}, new)


def _of_archive(
    part: LockPart, wanted: tuple[str, ...], options: SharedOptions, security: bool
) -> tuple[Lock, Depends]:
    """Return the lock after an update of an image's packages, and what they depend on then."""
    from fpack.cli.workspace.workspace import Workspace

    lock = locked(part)
    lock.closures[part.release, part.arch, wanted] = {}
    with tempfile.TemporaryDirectory(prefix="fpack-patch-") as folder:
        # The lock stays in memory: a part of one is not a lock that another command could read.
        own = options._replace(lock=Path(folder, "fpack.lock"), frozen=False)
        with Workspace(own) as workspace:
            workspace.source.file.lock = lock
            workspace.source.update(security=security)
            new = workspace.source.lock.copy()
    return new, new.closures[part.release, part.arch, wanted]


def _of_file(path: Path, part: LockPart, wanted: tuple[str, ...]) -> tuple[Lock, Depends]:
    """Return a lock, and what an image's packages depend on in it. Raise CannotPatch if it lacks one of them."""
    from fpack.builders.debian.lock.file import LockFile

    new = LockFile(path).lock
    release, arch = part.release, part.arch
    lacking = [package.name for package in part.packages if (release, arch, package.name) not in new.packages]
    closure = None if lacking else new.part_of_closures((release, arch, wanted))
    if closure is None:
        raise CannotPatch(
            "The lock does not have all packages of the image", where=str(path),
            why=f"it has no {', '.join(lacking)} of {release} for {arch}" if lacking
            else f"it does not say what its packages of {release} for {arch} depend on",
            hint="name the lock of the image's project, or leave --lock out to take the archive's newest versions",
        )  # fmt: skip
    return new, closure


def _requests(reader: ManifestReader) -> dict[str, set[str]]:
    """Return what each package that roots of the image's derivations may have depended on when the image was made."""
    found: dict[str, set[str]] = {}
    for made in reader.derivations.values():
        for item in made.args["slices"] if made.kind == "root" else ():
            found.setdefault(str(item["package"]), set()).update(item["depends"])
    return found


def _added(closure: Depends, used: Mapping[str, set[str]]) -> set[str]:
    """Return the packages that those of an image need now and did not need before.

    An image does without some dependencies of its packages, such as those of data packages, which are for maintainer
    scripts: these are none that it lacks.
    """
    found: set[str] = set()
    waiting = [name for package, before in used.items() for name in set(closure.get(package, ())) - before]
    while waiting:
        name = waiting.pop()
        if name not in used and name not in found:
            found.add(name)
            waiting += closure.get(name, ())
    return found


def locked(part: LockPart) -> Lock:
    """Return a lock with the locked part of a manifest, without closures."""
    lock = Lock()
    release, arch = part.release, part.arch
    for suite in part.suites:
        lock.suites[release, suite.suite] = SuitePin(
            release, suite.suite, suite.archive, suite.date, suite.until, suite.sha256
        )
    for index in part.indexes:
        component = index.file.partition("/")[0]
        label = index.suite if component == MAIN else f"{index.suite}/{component}"
        packed = SuiteFile(index.file, index.packed_size, index.packed_sha256, index.packed_sha512)
        lock.indexes[release, label, arch] = IndexPin(index.sha256, index.size, packed, index.sha512)
    for package in part.packages:
        lock.packages[release, arch, package.name] = PackagePin(**package._asdict())
    return lock
