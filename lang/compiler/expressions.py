"""Compile literals, names, strings, lists, selections and conditions."""

from __future__ import annotations

import _ast as a

from fpack.lang.runtime.values import INT_MAX, INT_MIN
from fpack.lang.syntax.tree import Node

from . import python_ast as py
from .emitter import Emitter
from .python_ast import Block, Expr, Position
from .scope import Scope


class Expressions:
    """The compiler of the expressions that neither bind names nor call functions."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter

    def literal(self, node: Node, scope: Scope, block: Block) -> Expr:
        return py.const(node.value, self.emitter.at(node))

    def path(self, node: Node, scope: Scope, block: Block) -> Expr:
        at = self.emitter.at(node)
        return py.call(".path", [py.const(node.value, at)], at)

    def parentheses(self, node: Node, scope: Scope, block: Block) -> Expr:
        return self.emitter.strict(node.inner, scope, block)

    def name(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile the use of a name whose value is needed."""
        emitter = self.emitter
        found = emitter.variable(node.name, scope, node)
        at = emitter.at(node)
        read = py.name(found.python, at)
        if found.value:
            return read
        return py.forced(read, at) if emitter.repeated else py.call(".E", [read], at)

    def interpolation(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile a string with interpolations to an f-string."""
        emitter = self.emitter
        at = emitter.at(node)
        parts: list[Expr] = []
        for part in node.parts:
            if isinstance(part, str):
                text = py.const(part, at)
                is_hole = not isinstance(text, a.Constant)
                parts.append(py.put(a.FormattedValue(text, -1, None), at) if is_hole else text)
            else:
                position = emitter.at(part)
                value = emitter.strict(part, scope, block)
                if isinstance(value, a.Constant) and value.value.__class__ is int and abs(value.value) < 1 << 62:
                    parts.append(py.const(repr(value.value), position))
                    continue
                text = _text(value, position) if emitter.repeated else py.call(".S", [value], position)
                parts.append(py.put(a.FormattedValue(text, -1, None), position))
        texts = [str(part.value) for part in parts if isinstance(part, a.Constant)]
        if len(texts) == len(parts):
            return py.const("".join(texts), at)
        return py.put(a.JoinedStr(parts), at)  # type: ignore[no-any-return]

    def list_literal(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile a list, whose elements are evaluated later and whose spreads are evaluated now."""
        emitter = self.emitter
        items: list[Expr] = []
        for item in node.items:
            if item.kind == "spread":
                at = emitter.at(item)
                items.append(py.starred(py.call(".items", [emitter.strict(item.inner, scope, block)], at), at))
            else:
                items.append(emitter.lazy(item, scope, block))
        return py.put(a.List(items, py.LOAD), emitter.at(node))  # type: ignore[no-any-return]

    def selection(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile `base.key`. `.with` and `.extend` are methods, not fields."""
        emitter, base, key = self.emitter, node.base, node.key
        at = emitter.position(node.key_start, node.key_end)
        if key in ("with", "extend"):
            return py.call(f".{key}", [emitter.strict(base, scope, block)], at)
        if not emitter.repeated and isinstance(key, str):
            # Code that runs once takes longer to load than to run, and a call is shorter.
            value = (emitter.lazy if base.kind == "var" else emitter.strict)(base, scope, block)
            return py.call(".field", [value, py.const(key, at)], at)
        value = py.walrus(".o", emitter.strict(base, scope, block), at)
        return py.forced(py.subscript(value, emitter.key(key, scope, block, at), at), at)

    def default(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile `base.a.b or fallback`, which selects all the fields at once."""
        emitter = self.emitter
        base, keys, at = node.selection, [], emitter.at(node.selection)
        while base.kind == "sel":
            keys.append(emitter.key(base.key, scope, block, emitter.position(base.key_start, base.key_end)))
            base = base.base
        path: Expr = py.put(a.Tuple(keys[::-1], py.LOAD), at)
        found = py.walrus(".w", py.call(".pick", [emitter.strict(base, scope, block), path], at), at)
        test = py.compare(found, a.IsNot(), py.name(".M", at), at)
        return py.choose(test, py.name(".w", at), emitter.strict(node.fallback, scope, block), at)

    def negation(self, node: Node, scope: Scope, block: Block) -> Expr:
        emitter = self.emitter
        return py.put(a.UnaryOp(a.Not(), emitter.condition(node.inner, scope, block)), emitter.at(node))  # type: ignore[no-any-return]

    def choice(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile an `if` to an expression."""
        emitter = self.emitter
        test = emitter.condition(node.condition, scope, block)
        then, otherwise = emitter.strict(node.then, scope, block), emitter.strict(node.otherwise, scope, block)
        return py.choose(test, then, otherwise, emitter.at(node))

    def tail_choice(self, node: Node, scope: Scope, block: Block) -> None:
        """Compile an `if` to a statement."""
        emitter = self.emitter
        then: Block = []
        otherwise: Block = []
        test = emitter.condition(node.condition, scope, block)
        emitter.tail(node.then, scope, then)
        emitter.tail(node.otherwise, scope, otherwise)
        block.append(py.when(test, then, otherwise, emitter.at(node)))

    def tail_assert(self, node: Node, scope: Scope, block: Block) -> None:
        self.emitter.assertion(node, scope, block, late=self.emitter.late_level == self.emitter.level)
        self.emitter.tail(node.body, scope, block)


def _text(value: Expr, at: Position) -> Expr:
    """Return code for a value's text in a string: direct for strings and small integers, else a runtime call."""
    read, tested = value, value
    if not isinstance(value, a.Name):
        read, tested = py.name(".w", at), py.walrus(".w", value, at)
    size = py.put(a.Compare(py.const(INT_MIN, at), [a.LtE(), a.LtE()], [read, py.const(INT_MAX, at)]), at)
    small_int = py.put(a.BoolOp(a.And(), [py.is_class(read, ".int", at), size]), at)
    plain = py.put(a.BoolOp(a.Or(), [py.is_class(tested, ".str", at), small_int]), at)
    return py.choose(plain, read, py.call(".S", [read], at), at)
