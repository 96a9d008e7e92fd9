"""Choose a consistent set of packages for a list of names.

Requirements with a single candidate are followed first; then each choice tries its options, best first. On a conflict
the resolver returns to the latest choice involved in it (conflict-directed backjumping), so unrelated choices are not
retried. The result depends only on the universe and the names. Recommends are ignored.

A library was not used: resolvelib and pubgrub model one version per name without alternatives, virtual packages or
Conflicts, and apt's solver depends on the machine's configuration.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from fpack.store.errors import FpackError

from .package import Package
from .relations import Clause, Relation

EFFORT = 20_000  # options tried before giving up
_ITSELF = "itself"  # in place of an architecture: only a real package of that name, no provider
SHOWN = 4  # conflicts listed in an error


class Universe(Protocol):
    """The available packages for one architecture."""

    arch: str

    def versions(self, name: str) -> Sequence[Package]:
        """Return the packages of a name, preferred one first."""

    def providers(self, name: str) -> Sequence[Package]:
        """Return the packages that provide a name, preferred one first."""


class Unsatisfiable(FpackError):
    """A request without a consistent set of packages."""

    exit_code = 4


class Resolution(NamedTuple):
    """The chosen packages by name, and for each package the names in the set that satisfy its dependencies; sorted."""

    packages: Mapping[str, Package]
    depends: Mapping[str, tuple[str, ...]]


class _Cause(NamedTuple):
    """The reason for choosing a package: the package that requires it, and the choices (by depth) that led to it."""

    parent: str
    choices: frozenset[int]


class _State:
    """A partial set of packages. Copies are cheap, since all values are immutable."""

    def __init__(self) -> None:
        self.chosen: dict[str, Package] = {}
        self.reasons: dict[str, _Cause] = {}
        self.provided: dict[str, tuple[Package, ...]] = {}  # by provided name
        self.conflicts: dict[str, tuple[tuple[Package, Relation], ...]] = {}  # by excluded name
        self.open: list[tuple[Package, Clause]] = []  # requirements with several options

    def copy(self) -> _State:
        new = _State()
        new.chosen = dict(self.chosen)
        new.reasons = dict(self.reasons)
        new.provided = dict(self.provided)
        new.conflicts = dict(self.conflicts)
        new.open = list(self.open)
        return new


class _Clash(Exception):
    """A conflict, and the choices involved in it."""

    def __init__(self, choices: frozenset[int], text: str) -> None:
        super().__init__(text)
        self.choices = choices
        self.text = text


class _Choice:
    """A requirement with several options.

    state: the state before the choice. options: those not tried yet. blamed: earlier choices involved in its conflicts.
    """

    def __init__(self, state: _State, parent: Package, options: Iterator[Package]) -> None:
        self.state = state
        self.parent = parent
        self.options = options
        self.blamed = set(state.reasons[parent.name].choices)


def resolve(universe: Universe, names: Sequence[str], effort: int = EFFORT) -> Resolution:
    """Return a consistent set of `names` and all their dependencies. Raise Unsatisfiable if none is found."""
    return _Resolver(universe, sorted(set(names)), effort).run()


class _Resolver:
    def __init__(self, universe: Universe, names: Sequence[str], effort: int) -> None:
        self.universe = universe
        self.names = names
        self.effort = effort
        self.clashes: list[str] = []
        self.cache: dict[Clause, tuple[Package, ...]] = {}

    def run(self) -> Resolution:
        """Search depth-first."""
        stack: list[_Choice] = []
        state = self._begin()
        while (found := self._next_open(state)) is not None:
            parent, clause = found
            stack.append(_Choice(state, parent, iter(self._options(clause))))
            state = self._advance(stack)
        return self._finish(state)

    def _begin(self) -> _State:
        """Return the state that contains the requested names."""
        state = _State()
        root = _root(self.names)
        try:
            self._add(state, root, _Cause("", frozenset()))
        except _Clash as clash:
            raise self._unsatisfiable(clash.text) from None
        return state

    def _next_open(self, state: _State) -> tuple[Package, Clause] | None:
        """Remove and return the oldest unsatisfied requirement; satisfied ones before it are dropped."""
        for at, (parent, clause) in enumerate(state.open):
            if not any(state.chosen.get(option.name) == option for option in self._options(clause)):
                del state.open[: at + 1]
                return parent, clause
        state.open.clear()
        return None

    def _advance(self, stack: list[_Choice]) -> _State:
        """Return the state after the next possible option, backjumping if a choice has no options left."""
        while True:
            choice, depth = stack[-1], len(stack)
            for option in choice.options:
                self.effort -= 1
                if self.effort < 0:
                    raise self._unsatisfiable("the search was stopped: too many combinations were tried")
                state = choice.state.copy()
                reason = _Cause(choice.parent.name, choice.state.reasons[choice.parent.name].choices | {depth})
                try:
                    self._add(state, option, reason)
                    return state
                except _Clash as clash:
                    self._note(clash.text)
                    choice.blamed |= clash.choices
            blamed = choice.blamed - {depth}
            del stack[max(blamed, default=0) :]
            if not stack:
                raise self._unsatisfiable()
            stack[-1].blamed |= blamed

    def _add(self, state: _State, package: Package, reason: _Cause) -> None:
        """Add a package and all requirements with a single option. Raise _Clash on a conflict."""
        queue = deque([(package, reason)])
        while queue:
            package, reason = queue.popleft()
            present = state.chosen.get(package.name)
            if present == package:
                continue
            if present is not None:
                raise _Clash(
                    reason.choices | state.reasons[package.name].choices,
                    f"{reason.parent or 'the request'} needs {package.name} {package.version}, and "
                    f"{self._chain(state, package.name)} chose {present.version}",
                )
            state.reasons[package.name] = reason
            self._check_conflicts(state, package, reason)
            state.chosen[package.name] = package
            for provided in package.provides:
                state.provided[provided.name] = (*state.provided.get(provided.name, ()), package)
            for relation in package.conflicts:
                state.conflicts[relation.name] = (*state.conflicts.get(relation.name, ()), (package, relation))
            self._require(state, package, queue)

    def _require(self, state: _State, package: Package, queue: deque[tuple[Package, _Cause]]) -> None:
        """Record the requirements of `package`: a single option goes to `queue`, several options stay open."""
        choices = state.reasons[package.name].choices
        for clause in package.depends:
            options = self._options(clause)
            if not options:
                raise _Clash(choices, self._missing(state, package, clause))
            if len(options) > 1:
                state.open.append((package, clause))
            else:
                queue.append((options[0], _Cause(package.name, choices)))

    def _options(self, clause: Clause) -> tuple[Package, ...]:
        """Return the packages that satisfy a clause, best first. Real packages come before providers."""
        found = self.cache.get(clause)
        if found is None:
            options: dict[tuple[str, str], Package] = {}
            for relation in clause:
                if relation.arch not in ("", "any", "native", self.universe.arch, _ITSELF):
                    continue
                for package in self.universe.versions(relation.name):
                    if relation.accepts(package.version):
                        options.setdefault((package.name, package.version), package)
                for package in () if relation.arch == _ITSELF else self.universe.providers(relation.name):
                    if package.name != relation.name and _provides(package, relation):
                        options.setdefault((package.name, package.version), package)
            found = self.cache[clause] = tuple(options.values())
        return found

    def _check_conflicts(self, state: _State, package: Package, reason: _Cause) -> None:
        for relation in package.conflicts:
            other = state.chosen.get(relation.name)
            if other is not None and relation.accepts(other.version):
                self._conflict(state, package, other, relation, reason)
            for other in state.provided.get(relation.name, ()):
                if other.name != package.name and _provides(other, relation):
                    self._conflict(state, package, other, relation, reason)
        for name in (package.name, *(provided.name for provided in package.provides)):
            for other, relation in state.conflicts.get(name, ()):
                own = relation.name == package.name and relation.accepts(package.version)
                if other.name != package.name and (own or _provides(package, relation)):
                    self._conflict(state, other, package, relation, reason)

    def _conflict(self, state: _State, one: Package, other: Package, relation: Relation, reason: _Cause) -> None:
        choices = reason.choices
        for package in (one, other):
            if package.name in state.chosen:
                choices |= state.reasons[package.name].choices
        raise _Clash(
            choices,
            f"{one.name} {one.version} conflicts with {relation}, which {other.name} {other.version} is or provides; "
            f"{self._chain(state, one.name)}; {self._chain(state, other.name)}",
        )

    # Messages.

    def _chain(self, state: _State, name: str) -> str:
        """Return the chain from the request to a package: `a -> b -> c`."""
        chain = [name]
        while (reason := state.reasons.get(chain[-1])) and reason.parent:
            chain.append(reason.parent)
        return " -> ".join(reversed(chain))

    def _missing(self, state: _State, package: Package, clause: Clause) -> str:
        there = []
        for relation in clause:
            versions = self.universe.versions(relation.name)
            if versions:
                there += [f"{p.name} is {p.version}" for p in versions]
            else:
                providers = self.universe.providers(relation.name)
                names = ", ".join(p.name for p in providers[:3])
                provide = "provides" if len(providers) == 1 else "provide"
                virtual = f"{relation.name} is a virtual package that {names} {provide}"
                there.append(virtual if names else f"there is no {relation.name}")
        if not package.version:
            return f"{clause[0].name} was requested, but {', '.join(there)}"
        wanted = " | ".join(map(str, clause))
        return f"{self._chain(state, package.name)} {package.version} depends on {wanted}, but {', '.join(there)}"

    def _note(self, text: str) -> None:
        if text not in self.clashes and len(self.clashes) < SHOWN:
            self.clashes.append(text)

    def _unsatisfiable(self, text: str = "") -> Unsatisfiable:
        tried = [f"tried: {clash}" for clash in self.clashes]
        return Unsatisfiable(
            f"There is no consistent set of packages for {', '.join(self.names)}",
            why="\n".join([*([text] if text else []), *tried]),
            hint="",
        )

    def _finish(self, state: _State) -> Resolution:
        depends = {}
        del state.chosen[""]
        for name, package in sorted(state.chosen.items()):
            edges = set()
            for clause in package.depends:
                edges.add(next(o.name for o in self._options(clause) if state.chosen.get(o.name) == o))
            depends[name] = tuple(sorted(edges - {name}))
        return Resolution({name: state.chosen[name] for name in depends}, depends)


def _provides(package: Package, relation: Relation) -> bool:
    """Return whether `package` provides the name of `relation`, with a matching version if `relation` has one."""
    return any(
        provided.name == relation.name
        and (not relation.op or (provided.version and relation.accepts(provided.version)))
        for provided in package.provides
    )


def _root(names: Sequence[str]) -> Package:
    """Return an unnamed package that depends on `names`."""
    depends = tuple((Relation(name, arch=_ITSELF),) for name in names)
    return Package("", "", "", "", "", "", "", "", 0, "", "", "", 0, depends, (), ())
