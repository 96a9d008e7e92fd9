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
    """The names of one block, inside the scope of the enclosing block.

    bindings: the number of names of `let`s that are Python variables, in this scope and around it. frame: the variable
    that holds the values of further names, and the nesting level of the generated function that assigns it.
    """

    __slots__ = ("names", "parent", "bindings", "frame", "lets")

    def __init__(self, parent: Scope | None) -> None:
        self.names: dict[str, Variable] = {}
        self.parent = parent
        self.bindings: int = parent.bindings if parent else 0
        self.frame: tuple[str, int] | None = parent.frame if parent else None
        self.lets = 0  # the number of scopes of `let`s, one inside the other, that end here

    def inside(self) -> Scope:
        """Return a scope for a `let` here. The names of each 16 `let`s around it are merged, for `find`."""
        around = self
        if self.lets and self.lets % 16 == 0:
            merged: dict[str, Variable] = {}
            outer: Scope | None = self
            while outer is not None and outer.lets:
                merged = outer.names | merged
                outer = outer.parent
            around = Scope(outer)
            around.names, around.bindings, around.frame = merged, self.bindings, self.frame
            around.lets = 1
        inner = Scope(around)
        inner.lets = self.lets + 1
        return inner

    def find(self, name: str) -> Variable | None:
        """Return the variable of a name in the innermost scope that has it, or None."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.names.get(name)
            if found is not None:
                return found
            scope = scope.parent
        return None
