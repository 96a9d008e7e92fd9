"""Resolve requirements of Python packages to one file each, for one Python and one platform.

The search takes the newest versions first. If requirements conflict, it goes back to the last choice that took part in
the conflict and tries the next older version. The world enters through `Candidates` only, so a resolution is a function
of the requirements and of what the indexes have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from fpack.store.errors import FpackError

from .markers import Environment, holds
from .metadata import Metadata
from .requirements import Requirement, requirement
from .versions import Clause, allows_pre, parse, satisfies
from .wheels import IndexFile

MAX_STEPS = 20_000  # choices of a version
MAX_PACKAGES = 5000


class UnresolvableProject(FpackError):
    """Requirements that no versions satisfy together."""

    exit_code = 4


class Key(NamedTuple):
    """A choice: a package, or an extra of it."""

    name: str
    extra: str = ""


class Demand(NamedTuple):
    """A requirement with what it is from. parent: None for the user's own."""

    clauses: tuple[Clause, ...]
    parent: Key | None
    text: str


class Pin(NamedTuple):
    """A chosen version and its file. build: what its build requires; None of a wheel."""

    name: str
    version: str
    file: IndexFile
    build: tuple[str, ...] | None


class Candidates(Protocol):
    """The answers of the indexes for one platform."""

    def versions(self, name: str) -> Sequence[str]:
        """Return the versions of a package that have a file for the platform, newest first."""

    def file(self, name: str, version: str) -> IndexFile:
        """Return the best file of a version."""

    def metadata(self, name: str, version: str) -> Metadata:
        """Return the metadata of that file."""

    def expect(self, names: Iterable[str]) -> None:
        """Prepare for questions about these packages."""


class _Pins(NamedTuple):
    """pins: version by key, in the order of choice. demands: by key. banned: versions that failed, by key."""

    pins: dict[Key, str]
    demands: dict[Key, tuple[Demand, ...]]
    banned: dict[Key, frozenset[str]]

    def copy(self) -> _Pins:
        return _Pins(dict(self.pins), dict(self.demands), dict(self.banned))


class _Conflict(Exception):
    def __init__(self, key: Key, demands: Sequence[Demand]) -> None:
        super().__init__(key)
        self.key = key
        self.demands = demands


class Resolver:
    """One resolution.

    preferred: versions to try first, by package. constraints: requirements that only limit versions.
    """

    def __init__(
        self,
        candidates: Candidates,
        env: Environment,
        *,
        constraints: Iterable[str] = (),
        preferred: Mapping[str, str] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._candidates = candidates
        self._env = env
        self._check = check
        self._preferred = preferred or {}
        self._limits: dict[str, list[Demand]] = {}
        for text in constraints:
            parsed = requirement(text)
            if holds(parsed.marker, self._env):
                self._limits.setdefault(parsed.name, []).append(Demand(parsed.versions, None, f"{text} (a constraint)"))

    def resolve(self, requirements: Iterable[str]) -> list[Pin]:
        """Return the packages, sorted by name. Raise UnresolvableProject, with the requirements that conflict."""
        state = _Pins({}, {}, {})
        try:
            self._add(state, [(requirement(text), None) for text in requirements], self._env)
        except _Conflict as conflict:
            raise self._explained(conflict) from None
        stack: list[tuple[_Pins, Key]] = []
        for _ in range(MAX_STEPS):
            self._check()
            key = self._next(state)
            if key is None:
                return self._pins(state)
            if len(state.pins) > MAX_PACKAGES:
                raise UnresolvableProject("There are too many packages", why=f"the limit is {MAX_PACKAGES}")
            conflicts: list[_Conflict] = []
            made = self._choose(state, key, conflicts)
            if made is None:
                state = self._back(stack, key, state, conflicts)
            else:
                stack.append((state, key))
                state = made
        raise UnresolvableProject(
            "The requirements are too hard to resolve",
            why=f"{MAX_STEPS} choices of a version did not lead to a solution",
            hint="lock the project with another tool, and name its lock in `lock`",
        )

    # ---- inside

    def _next(self, state: _Pins) -> Key | None:
        """Return the next key to choose a version for: with an exact version first, then in order of appearance."""
        best: tuple[tuple[bool, bool, bool], Key] | None = None
        for key, demands in state.demands.items():
            pinned = state.pins.get(key)
            if pinned is not None and all(satisfies(pinned, demand.clauses) for demand in demands):
                continue
            exact = any(c.operator in ("==", "===") and "*" not in c.text for d in demands for c in d.clauses)
            bounded = any(d.clauses for d in demands)
            rank = (not key.extra, not exact, not bounded)
            if best is None or rank < best[0]:
                best = (rank, key)
        return best[1] if best else None

    def _choose(self, state: _Pins, key: Key, conflicts: list[_Conflict]) -> _Pins | None:
        for version in self._matching(state, key):
            made = state.copy()
            made.pins.pop(key, None)
            made.pins[key] = version
            # The requirements of an earlier version of the same key do not count.
            for other, demands in list(made.demands.items()):
                kept = tuple(demand for demand in demands if demand.parent != key)
                if len(kept) < len(demands):
                    if kept:
                        made.demands[other] = kept
                    else:
                        del made.demands[other]
                        made.pins.pop(other, None)
            try:
                self._add(made, self._needs(key, version), self._env)
            except _Conflict as conflict:
                conflicts.append(conflict)
                continue
            except ValueError as error:  # a version whose metadata cannot be read
                conflicts.append(_Conflict(key, [Demand((), None, f"{key.name} {version}: {error}")]))
                continue
            return made
        return None

    def _needs(self, key: Key, version: str) -> list[tuple[Requirement, Key]]:
        metadata = self._candidates.metadata(key.name, version)
        env = self._env._replace(extras=frozenset([key.extra] if key.extra else []))
        found: list[tuple[Requirement, Key]] = []
        if key.extra:
            found.append((Requirement(key.name, frozenset(), (Clause("===", version),), "", ""), key))
        plain = self._env._replace(extras=frozenset())
        for text in metadata.requires:
            parsed = requirement(text)
            if holds(parsed.marker, env) and not (key.extra and holds(parsed.marker, plain)):
                found.append((parsed, key))
        return found

    def _add(self, state: _Pins, requirements: Sequence[tuple[Requirement, Key | None]], env: Environment) -> None:
        self._candidates.expect(parsed.name for parsed, _ in requirements)
        for parsed, parent in requirements:
            if parent is None and not holds(parsed.marker, env):
                continue
            text = f"{parsed.name}{','.join(c.operator + c.text for c in parsed.versions)}"
            if parsed.url:
                raise UnresolvableProject(
                    f"{parsed.name} is required from a URL", where=parsed.url,
                    why="only packages of an index are resolved",
                    hint="lock it with uv or pip lock, and name the lock in `lock`",
                )  # fmt: skip
            for key in [Key(parsed.name), *(Key(parsed.name, extra) for extra in sorted(parsed.extras))]:
                known = state.demands.get(key) or tuple(self._limits.get(key.name, ()))
                state.demands[key] = (*known, Demand(parsed.versions, parent, text))
                pinned = state.pins.get(key)
                if (pinned is None or not satisfies(pinned, parsed.versions)) and not self._matching(state, key):
                    raise _Conflict(key, state.demands[key])

    def _matching(self, state: _Pins, key: Key) -> list[str]:
        """Return the versions that all demands of a key allow, in the order to try."""
        demands = state.demands[key]
        banned = state.banned.get(key, frozenset())
        fitting = [
            version
            for version in self._candidates.versions(key.name)
            if version not in banned and all(satisfies(version, demand.clauses) for demand in demands)
        ]
        if not any(allows_pre(demand.clauses) for demand in demands):
            final = [version for version in fitting if not parse(version).is_pre]
            fitting = final or fitting
        preferred = self._preferred.get(key.name)
        if preferred in fitting:
            fitting.remove(preferred)
            fitting.insert(0, preferred)
        return fitting

    def _back(self, stack: list[tuple[_Pins, Key]], key: Key, state: _Pins, conflicts: list[_Conflict]) -> _Pins:
        """Return the state before the last choice that took part in the conflicts, without that choice."""
        parents = {demand.parent for demand in state.demands[key] if demand.parent is not None}
        for conflict in conflicts:
            parents |= {d.parent for d in conflict.demands if d.parent is not None and d.parent != key}
            if conflict.key in state.pins:
                parents.add(conflict.key)
        # An extra is chosen with its package.
        parents |= {Key(parent.name) for parent in parents}
        while stack:
            before, chosen = stack.pop()
            if chosen in parents:
                version = state.pins.get(chosen)
                if version is not None:
                    retry = before.copy()
                    retry.banned[chosen] = retry.banned.get(chosen, frozenset()) | {version}
                    if self._matching(retry, chosen):
                        return retry
                    parents |= {d.parent for d in retry.demands[chosen] if d.parent is not None}
            state = before
        raise self._explained(conflicts[-1] if conflicts else _Conflict(key, state.demands.get(key, ())))

    def _pins(self, state: _Pins) -> list[Pin]:
        """Return the packages that the requirements lead to."""
        found = {}
        for key, version in state.pins.items():
            if not key.extra:
                metadata = self._candidates.metadata(key.name, version)
                found[key.name] = Pin(key.name, version, self._candidates.file(key.name, version), metadata.build)
        reached: set[Key] = set()
        todo = [key for key, demands in state.demands.items() if any(d.parent is None for d in demands)]
        while todo:
            key = todo.pop()
            if key not in reached:
                reached.add(key)
                todo += [other for other, demands in state.demands.items() if any(d.parent == key for d in demands)]
        names = {key.name for key in reached}
        return [found[name] for name in sorted(found) if name in names]

    def _explained(self, conflict: _Conflict) -> UnresolvableProject:
        name = conflict.key.name
        known = list(self._candidates.versions(name))
        wanted = list(
            dict.fromkeys(
                f"{demand.parent.name} requires {demand.text}" if demand.parent else f"{demand.text} is required"
                for demand in conflict.demands
            )
        )
        if not known:
            return UnresolvableProject(
                f"No index has a version of {name} for this Python and platform",
                where=name,
                why="; ".join(wanted[:8]),
                hint="pip config list shows the configured indexes",
            )
        return UnresolvableProject(
            f"No version of {name} satisfies all requirements",
            where=name,
            why=f"{'; '.join(wanted[:8])}; there are {', '.join(known[:5])}{' ...' if len(known) > 5 else ''}",
            hint="change a requirement, or lock the project with another tool, and name its lock in `lock`",
        )
