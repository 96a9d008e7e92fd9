"""Debian's alternatives in a root: one symlink for each name, straight to the best program that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fpack.builders.payload.globs import merged
from fpack.builders.protocol import BuildError

_SKIPPED = ("usr/share/man/", "usr/share/info/")


def choose(
    declared: Iterable[Sequence[Any]], exists: Callable[[str], bool], overrides: Mapping[str, str]
) -> dict[str, str]:
    """The symlinks: link (relative path) -> target (absolute path).

    declared: [link, name, target, priority, slaves] of all packages. exists(path) tells whether a target is there.
    The highest priority wins, then the first target in order; `overrides` (link -> target, absolute) come before.
    Slaves follow the choice, where their targets exist. Manual pages are left out.
    """
    groups: dict[str, list[tuple[int, str, Sequence[Any]]]] = {}
    for link, _, target, priority, slaves in declared:
        place = merged(link.strip("/"))
        if _wanted(place) and exists(target):
            groups.setdefault(place, []).append((-priority, _absolute(target), slaves))
    wanted = {merged(link.strip("/")): _absolute(target) for link, target in overrides.items()}
    for link, target in sorted(wanted.items()):
        if not exists(target):
            known = sorted(found for _, found, _ in groups.get(link, []))
            raise BuildError(
                f"The alternative /{link} cannot be {target}: no package in the root has it",
                where="/" + link,
                why=f"these are there: {', '.join(known)}" if known else "no package offers one",
            )
    chosen: dict[str, str] = {}
    for link in sorted(groups.keys() | wanted.keys()):
        offers = sorted(groups.get(link, []), key=lambda offer: offer[:2])
        override = wanted.get(link)
        offer = next((o for o in offers if override is None or o[1] == override), None)
        chosen[link] = override or (offer[1] if offer else "")
        for slave, _, target in offer[2] if offer else ():
            place = merged(slave.strip("/"))
            if _wanted(place) and exists(target):
                chosen.setdefault(place, _absolute(target))
    # A link that leads to itself (/usr/bin/x for the program /usr/bin/x) is what was there before.
    return {link: target for link, target in chosen.items() if target != "/" + link}


def _wanted(link: str) -> bool:
    return bool(link) and not link.startswith(_SKIPPED)


def _absolute(target: str) -> str:
    return "/" + merged(target.strip("/"))
