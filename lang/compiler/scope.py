"""Keep the names in scope during compilation, and the Python names that represent them."""

from __future__ import annotations


class Variable:
    """The binding of a name.

    python: the name in the generated code. value: the variable never holds a thunk. level: the nesting level of the
    generated function that assigns it. ready: the code generated so far has assigned it. strict: for a function whose
    definition is known, which positional arguments the function always evaluates.
    """

    __slots__ = ("python", "value", "level", "ready", "strict")

    def __init__(self, python: str, level: int, value: bool = False, ready: bool = True) -> None:
        self.python = python
        self.level = level
        self.value = value
        self.ready = ready
        self.strict: list[bool] | None = None


class Scope:
    """The names of one block, inside the scope of the enclosing block."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Scope | None) -> None:
        self.names: dict[str, Variable] = {}
        self.parent = parent

    def find(self, name: str) -> Variable | None:
        scope: Scope | None = self
        while scope is not None:
            found = scope.names.get(name)
            if found is not None:
                return found
            scope = scope.parent
        return None
