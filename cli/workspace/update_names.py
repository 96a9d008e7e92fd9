"""Check the names that `fpack update` and `fpack outdated` take: releases, packages and source packages of a lock."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders.debian.suites import RELEASES
from fpack.cli.errors import UsageError
from fpack.store.errors import did_you_mean

if TYPE_CHECKING:
    from fpack.builders.debian.lock.records import Lock


class UpdateNames(NamedTuple):
    """The names that restrict an update. packages: names of binary packages; None for all. releases: None for all."""

    releases: list[str] | None
    packages: set[str] | None


def read_names(names: Iterable[str], packages: Iterable[str], lock: Lock, path: str) -> UpdateNames:
    """Sort names into releases and packages. Raise UsageError for one that a lock does not have.

    names: releases, packages or source packages. packages: those of -p, which are no releases.
    """
    releases = set(lock.releases())
    pins = lock.packages.values()
    known = {name for pin in pins for name in (pin.name, pin.source)}
    wanted = [*packages, *(name for name in names if name not in releases)]
    for name in wanted:
        if name not in known:
            raise _unknown(name, known, releases, path)
    chosen = {pin.name for pin in pins if pin.name in wanted or pin.source in wanted}
    return UpdateNames([name for name in names if name in releases] or None, chosen or None)


def check_release(name: str, lock: Lock, path: str) -> None:
    """Raise UsageError if a lock does not have a release."""
    if name not in lock.releases():
        raise _unknown(name, (), lock.releases(), path)


def _unknown(name: str, known: Collection[str], releases: Collection[str], path: str) -> UsageError:
    """Return the error for a name that is not locked: otherwise nothing would happen, silently."""
    what = "package or release" if known else "release"
    alike = "" if name in RELEASES else did_you_mean(name, [*known, *releases], 3)
    hint = alike or (f"the lock has {', '.join(sorted(releases))}" if releases else "")
    return UsageError(f"No {what} {name!r} is locked", where=path, hint=hint)
