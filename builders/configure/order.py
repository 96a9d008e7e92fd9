"""Order packages for configuration: dependencies first, and the same order on every machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

# Other packages use the accounts, directories and shells of these without saying so.
FIRST = ("base-passwd", "base-files")


def order(depends: Mapping[str, Iterable[str]], essential: Collection[str] = ()) -> list[str]:
    """Return all packages: those of FIRST, then the essential ones, then the others, each after its dependencies.

    depends: the names that each package depends on; unknown names are ignored. Packages that depend on each other
    are in the order of a depth-first search by name.
    """
    done: dict[str, None] = {name: None for name in FIRST if name in depends}
    for name in [*sorted(name for name in essential if name in depends), *sorted(depends)]:
        _visit(name, depends, done)
    return list(done)


def _visit(name: str, depends: Mapping[str, Iterable[str]], done: dict[str, None]) -> None:
    """Add a package to `done` after its dependencies. A loop, since a chain of dependencies can be long."""
    if name in done:
        return
    entered = {name}
    stack = [(name, iter(sorted(depends[name])))]
    while stack:
        current, others = stack[-1]
        for other in others:
            if other in depends and other not in done and other not in entered:
                entered.add(other)
                stack.append((other, iter(sorted(depends[other]))))
                break
        else:
            done[current] = None
            stack.pop()
