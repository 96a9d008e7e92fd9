"""Compile calls with positional and named arguments."""

from __future__ import annotations

import _ast as a

from fpack.lang.syntax.tree import Node, mark_outer

from . import python_ast as py
from .emitter import Emitter
from .loops import Loops
from .python_ast import Block, Expr
from .scope import Scope, Variable

_NEVER_CALLED = {
    "int": "a number",
    "float": "a number",
    "str": "a string",
    "interp": "a string",
    "const": "a constant",
    "list": "a list",
    "rec": "a record",
    "path": "a path",
}


class Calls:
    """The compiler of calls. outer_calls: a file's fields `NAME = NAME { ... }`; calls of NAME mean the outer NAME."""

    def __init__(self, emitter: Emitter, loops: Loops) -> None:
        self.emitter = emitter
        self.loops = loops
        self.outer_calls: dict[str, Variable] = {}

    def callee(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Return Python code for a callee. A literal is an error here; Python would print a warning for it."""
        kind = _NEVER_CALLED.get(node.kind)
        if kind is not None:
            hint = "put a comma or an operator between the two values"
            raise self.emitter.source.error(node.start, node.end, f"This is {kind}, not a function", hint=hint)
        if self.outer_calls and node.kind == "var" and scope.find(node.name) is self.outer_calls.get(node.name, scope):
            node = mark_outer(node)
        return self.emitter.strict(node, scope, block)

    def call(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile a call with positional, named and spread arguments."""
        loop = self.loops.inlined(node, scope, block)
        if loop is not None:
            return loop
        emitter, callee = self.emitter, node.callee
        function = self.callee(callee, scope, block)
        strict = emitter.strict_arguments(callee.name, scope) if callee.kind == "var" else None
        positional: list[Expr] = []
        keywords: list[a.keyword] = []
        for i, arg in enumerate(node.args):
            kind = arg.kind
            if kind == "spread":
                at, spread = emitter.at(arg), emitter.fresh(".spread")
                value = py.walrus(spread, emitter.strict(arg.inner, scope, block), at)
                positional.append(py.starred(py.call(".positional", [value], at), at))
                keywords.append(py.keyword(None, py.call(".named", [py.name(spread, at)], at), at))
                strict = None
            elif kind == "named":
                keywords.append(py.keyword(arg.name, emitter.lazy(arg.value, scope, block, arg.name), emitter.at(arg)))
            elif strict is not None and i < len(strict) and strict[i]:
                positional.append(emitter.strict(arg, scope, block))
            else:
                positional.append(emitter.lazy(arg, scope, block))
        return py.call(function, positional, emitter.at(node), keywords)
