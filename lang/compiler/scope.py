"""Names in scope while a file is compiled, and the Python names that stand for them."""

from __future__ import annotations

from collections.abc import Iterator


class Variable:
    """A name's binding.

    python: the name in the generated code. value: it never holds a thunk. level: the nesting of the generated function
    in which it is assigned, and ready: whether it has been by the code that is being generated. strict: for a function
    whose definition is known, which positional arguments it always evaluates.
    """

    __slots__ = ("python", "value", "level", "ready", "strict")

    def __init__(self, python: str, level: int, value: bool = False, ready: bool = True) -> None:
        self.python = python
        self.level = level
        self.value = value
        self.ready = ready
        self.strict: list[bool] | None = None


class Scope:
    """One block's names, inside another's."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Scope | None) -> None:
        self.names: dict[str, Variable] = {}
        self.parent = parent

    def find(self, name: str) -> Variable | None:
        """The innermost binding of `name`."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.names.get(name)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def all(self) -> Iterator[str]:
        """Every name in scope."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.parent
