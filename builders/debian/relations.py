"""Relations between packages: `Depends: a (>= 1) | b, c:any [amd64] <!nocheck>` and `Provides: d (= 2)`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fpack.store.errors import FpackError

from .version import check_version, satisfies

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-]*\Z")
_RELATION = re.compile(
    # Possessive (`*+`): a run of blanks between two optional parts is never divided in another way.
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9+.\-]*)"
    r"(?: ?:(?P<arch>[a-z0-9\-]+))?"
    r"\s*+(?:\(\s*+(?P<op><<|<=|=|>=|>>|<|>)\s*+(?P<version>[^\s()<>=]+)\s*+\))?"
    r"\s*+(?:\[(?P<archs>[^\]]*)\])?"
    r"\s*+(?P<profiles>(?:<[^<>]*>\s*+)*)\Z"
)
# The single signs are old spellings, and mean what they say with the equals sign.
_OPERATORS = {"<": "<=", ">": ">="}


class RelationError(FpackError):
    """A relation that cannot be read."""

    exit_code = 4


class Relation(NamedTuple):
    """One alternative. `arch` is the qualifier after a colon; `op` and `version` are empty when any version will do."""

    name: str
    op: str = ""
    version: str = ""
    arch: str = ""

    def __str__(self) -> str:
        arch = f":{self.arch}" if self.arch else ""
        return f"{self.name}{arch} ({self.op} {self.version})" if self.op else f"{self.name}{arch}"

    def accepts(self, version: str) -> bool:
        """Whether a package of this name with `version` meets the relation."""
        return not self.op or satisfies(version, self.op, self.version)


Clause = tuple[Relation, ...]  # alternatives, best first


class Provided(NamedTuple):
    """A name that a package provides, with the version it claims for it, or an empty one."""

    name: str
    version: str = ""


def check_package_name(name: str) -> str:
    """`name` itself if a Debian package can have it, else RelationError."""
    if len(name) > 200 or not _NAME.match(name):
        raise RelationError(
            f"{name[:60]!r} cannot be the name of a package", why="names have letters, digits and + . -"
        )
    return name


@lru_cache(maxsize=16384)
def _relation(text: str, arch: str, profiles: frozenset[str]) -> Relation | None:
    match = _RELATION.match(text)
    if match is None:
        raise RelationError(f"{text[:80]!r} is not a relation between packages")
    if match["archs"] is not None and not _arch_applies(match["archs"].split(), arch):
        return None
    if match["profiles"] and not _profiles_apply(match["profiles"], profiles):
        return None
    op = match["op"] or ""
    version = check_version(match["version"]) if op else ""
    return Relation(match["name"], _OPERATORS.get(op, op), version, match["arch"] or "")


def _arch_applies(names: list[str], arch: str) -> bool:
    """`[a b]` names the architectures it is for, `[!a !b]` those it is not for."""

    def matches(name: str) -> bool:
        return name in (arch, "any", "linux-any", f"any-{arch}")

    if any(name.startswith("!") for name in names):
        return not any(matches(name[1:]) for name in names if name.startswith("!"))
    return any(matches(name) for name in names)


def _profiles_apply(text: str, active: frozenset[str]) -> bool:
    """`<a !b> <c>`: one of the lists must hold, and a list holds when each of its terms does."""
    lists = [part.split() for part in re.findall(r"<([^<>]*)>", text)]
    return any(
        all((term[1:] not in active) if term.startswith("!") else (term in active) for term in terms) for terms in lists
    )


def parse_relations(text: str, arch: str, profiles: frozenset[str] = frozenset()) -> tuple[Clause, ...]:
    """The clauses of a Depends-like field, less the alternatives that are for other architectures or profiles."""
    clauses: list[Clause] = []
    for part in text.split(","):
        alternatives = []
        for alternative in part.split("|") if "|" in part else (part,):
            stripped = alternative.strip()
            if not stripped:
                if "|" in part:
                    raise RelationError(f"{part.strip()[:80]!r} has an empty alternative")
                continue  # a comma at the end
            relation = _relation(stripped, arch, profiles)
            if relation is not None:
                alternatives.append(relation)
        if alternatives:
            clauses.append(tuple(alternatives))
    return tuple(clauses)


def parse_provides(text: str, arch: str) -> tuple[Provided, ...]:
    """The names of a Provides field. Only `=` can state a version."""
    provided = []
    for clause in parse_relations(text, arch):
        if len(clause) != 1 or clause[0].op not in ("", "="):
            raise RelationError(
                f"{' | '.join(map(str, clause))!r} cannot be provided", why="only `name` or `name (= version)`"
            )
        provided.append(Provided(clause[0].name, clause[0].version))
    return tuple(provided)
