"""Encode the locked packages that an image may use as an argument of its `manifest` derivation, and decode them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fpack.light_typing import TYPE_CHECKING
from fpack.store.canonical import Value

if TYPE_CHECKING:
    from fpack.builders.debian.lock.records import Lock

    from .format import LockPart


def encode(lock: Lock, release: str, arch: str, names: Iterable[str]) -> dict[str, Value]:
    """Return the part of a lock for the packages `names` of one release and architecture."""
    suites = [pin for (r, _), pin in sorted(lock.suites.items()) if r == release]
    indexes = [(label, pin) for (r, label, a), pin in sorted(lock.indexes.items()) if (r, a) == (release, arch)]
    earlier = [(label, found) for (r, label, a, _), found in sorted(lock.earlier.items()) if (r, a) == (release, arch)]
    suites += dict.fromkeys(found.suite for _, found in earlier if found.suite not in suites)
    indexes += [(label, found.pin) for label, found in earlier]
    pins = [lock.packages.get((release, arch, name)) for name in sorted(names)]
    return {
        "release": release,
        "arch": arch,
        "suites": [[pin.suite, pin.archive, pin.date, pin.until, pin.sha256] for pin in suites],
        "indexes": [
            [
                *(label.partition("/")[0], pin.sha256, pin.size, pin.packed.sha256, pin.packed.size, pin.packed.path),
                *_strong(pin.sha512, pin.packed.sha512),
            ]
            for label, pin in indexes
        ],
        "packages": [[*pin[:-1], *_strong(pin.sha512)] for pin in pins if pin is not None],
    }


def _strong(*digests: str) -> list[Value]:
    """Return the last fields of a row: the SHA-512 digests, if there are any, so that other locks keep their form."""
    return list(digests) if any(digests) else []


def decode(value: Value, used: Collection[str]) -> LockPart:
    """Return the result of `encode`, or None, as a record with only the packages that the image uses."""
    from .format import LockedIndex, LockedPackage, LockedSuite, LockPart

    if value is None:
        return LockPart("", "", (), (), ())
    return LockPart(
        value["release"],
        value["arch"],
        tuple(LockedSuite(*row) for row in value["suites"]),
        tuple(LockedIndex(*row) for row in value["indexes"]),
        tuple(LockedPackage(*row) for row in value["packages"] if row[0] in used),
    )
