"""Parse relations between packages: `Depends: a (>= 1) | b, c:any [amd64] <!nocheck>` and `Provides: d (= 2)`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fpack.store.errors import FpackError

from .version import check_version, satisfies

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-]*\Z")
_RELATION = re.compile(
    # Possessive quantifiers (`*+`) prevent backtracking over runs of blanks between optional parts.
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9+.\-]*)"
    r"(?: ?:(?P<arch>[a-z0-9\-]+))?"
    r"\s*+(?:\(\s*+(?P<op><<|<=|=|>=|>>|<|>)\s*+(?P<version>[^\s()<>=]+)\s*+\))?"
    r"\s*+(?:\[(?P<archs>[^\]]*)\])?"
    r"\s*+(?P<profiles>(?:<[^<>]*>\s*+)*)\Z"
)
# Obsolete spellings of `<=` and `>=`.
_OPERATORS = {"<": "<=", ">": ">="}


class RelationError(FpackError):
    """A malformed relation."""

    exit_code = 4


class Relation(NamedTuple):
    """One alternative of a clause. arch: the qualifier after a colon. op, version: empty if any version is accepted."""

    name: str
    op: str = ""
    version: str = ""
    arch: str = ""

    def __str__(self) -> str:
        arch = f":{self.arch}" if self.arch else ""
        return f"{self.name}{arch} ({self.op} {self.version})" if self.op else f"{self.name}{arch}"

    def accepts(self, version: str) -> bool:
        """Return whether a package of this name with `version` satisfies the relation."""
        return not self.op or satisfies(version, self.op, self.version)


Clause = tuple[Relation, ...]  # alternatives, best first


class ProvidedName(NamedTuple):
    """A name that a package provides. version: the version of the provided name, or ""."""

    name: str
    version: str = ""


def check_package_name(name: str) -> str:
    """Return `name`. Raise RelationError if it is not a valid Debian package name."""
    if len(name) > 200 or not _NAME.match(name):
        raise RelationError(
            f"{name[:60]!r} is not a valid package name", why="names consist of letters, digits and + . -"
        )
    return name


@lru_cache(maxsize=16384)
def _relation(text: str, arch: str) -> Relation | None:
    match = _RELATION.match(text)
    if match is None:
        raise RelationError(f"{text[:80]!r} is not a relation between packages")
    if match["archs"] is not None and not _arch_applies(match["archs"].split(), arch):
        return None
    if match["profiles"] and not _profiles_apply(match["profiles"]):
        return None
    op = match["op"] or ""
    version = check_version(match["version"]) if op else ""
    return Relation(match["name"], _OPERATORS.get(op, op), version, match["arch"] or "")


def _arch_applies(names: list[str], arch: str) -> bool:
    """Return whether a list `[a b]` includes `arch`, or a list `[!a !b]` does not exclude it."""

    def matches(name: str) -> bool:
        return name in (arch, "any", "linux-any", f"any-{arch}")

    if any(name.startswith("!") for name in names):
        return not any(matches(name[1:]) for name in names if name.startswith("!"))
    return any(matches(name) for name in names)


def _profiles_apply(text: str) -> bool:
    """Evaluate `<a !b> <c>` without a profile: all terms of at least one list must be negated."""
    return any(all(term.startswith("!") for term in terms.split()) for terms in re.findall(r"<([^<>]*)>", text))


def parse_relations(text: str, arch: str) -> tuple[Clause, ...]:
    """Parse the clauses of a field like Depends, without alternatives for other architectures or build profiles."""
    clauses: list[Clause] = []
    for part in text.split(","):
        alternatives = []
        for alternative in part.split("|") if "|" in part else (part,):
            stripped = alternative.strip()
            if not stripped:
                if "|" in part:
                    raise RelationError(f"{part.strip()[:80]!r} has an empty alternative")
                continue  # a comma at the end
            relation = _relation(stripped, arch)
            if relation is not None:
                alternatives.append(relation)
        if alternatives:
            clauses.append(tuple(alternatives))
    return tuple(clauses)


def parse_provides(text: str, arch: str) -> tuple[ProvidedName, ...]:
    """Parse a Provides field. Versions may be given only with `=`."""
    provided = []
    for clause in parse_relations(text, arch):
        if len(clause) != 1 or clause[0].op not in ("", "="):
            raise RelationError(
                f"{' | '.join(map(str, clause))!r} cannot be provided", why="use `name` or `name (= version)`"
            )
        provided.append(ProvidedName(clause[0].name, clause[0].version))
    return tuple(provided)
