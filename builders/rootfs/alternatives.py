"""Choose Debian's alternatives for a root: one symlink per link name, directly to the best available target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fpack.builders.payload.globs import merged
from fpack.builders.protocol import BuildError

_SKIPPED = ("usr/share/man/", "usr/share/info/")


def choose(
    declared: Iterable[Sequence[Any]], exists: Callable[[str], bool], overrides: Mapping[str, str]
) -> dict[str, str]:
    """Return the symlinks: link (relative path) -> target (absolute path).

    declared: [link, name, target, priority, slaves] of all packages. exists(path): whether a target exists. The highest
    priority wins, then the first target in alphabetical order; `overrides` (link -> target, absolute) take precedence.
    Slave links follow the choice if their targets exist. Links to manual pages are omitted.
    """
    groups: dict[str, list[tuple[int, str, Sequence[Any]]]] = {}
    for link, _, target, priority, slaves in declared:
        path = merged(link.strip("/"))
        if _wanted(path) and exists(target):
            groups.setdefault(path, []).append((-priority, _absolute(target), slaves))
    wanted = {merged(link.strip("/")): _absolute(target) for link, target in overrides.items()}
    for link, target in sorted(wanted.items()):
        if not exists(target):
            known = sorted(found for _, found, _ in groups.get(link, []))
            raise BuildError(
                f"The alternative /{link} cannot be {target}: no package in the root has it",
                where="/" + link,
                why=f"available targets: {', '.join(known)}" if known else "no package provides this alternative",
            )
    chosen: dict[str, str] = {}
    for link in sorted(groups.keys() | wanted.keys()):
        offers = sorted(groups.get(link, []), key=lambda offer: offer[:2])
        override = wanted.get(link)
        offer = next((o for o in offers if override is None or o[1] == override), None)
        chosen[link] = override or (offer[1] if offer else "")
        for slave, _, target in offer[2] if offer else ():
            path = merged(slave.strip("/"))
            if _wanted(path) and exists(target):
                chosen.setdefault(path, _absolute(target))
    # Omit a link to itself (/usr/bin/x for the program /usr/bin/x): the program is already there.
    return {link: target for link, target in chosen.items() if target != "/" + link}


def _wanted(link: str) -> bool:
    return bool(link) and not link.startswith(_SKIPPED)


def _absolute(target: str) -> str:
    return "/" + merged(target.strip("/"))
