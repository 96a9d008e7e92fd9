"""Compile a syntax tree to a Python syntax tree, with thunks only where lazy evaluation needs them.

An expression is compiled according to its context: `strict` returns Python code for the evaluated value, `lazy` code
for a value that may be a thunk (`.T`), and `tail` adds statements that return the value. Function definitions are added
to the current list of statements (`block`) before the statement that uses them; a definition evaluates nothing, so the
order of definitions has no effect.
"""

from __future__ import annotations

import _ast as a
from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

from fpack.lang.abi import FunctionInfo
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import MAX_DEPTH, Node, mark_outer, mark_outer_calls

from . import python_ast as py
from .functions import Functions
from .inline_loops import Loops
from .operators import ARITHMETIC, Arithmetic
from .python_ast import Block, Expr, Position
from .record_calls import RecordCalls
from .scope import Scope, Variable
from .strictness import FreeNames, Strictness

Free = dict[str, tuple[int, int]]

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
_LITERALS = ("int", "float", "str", "const")
_LARGEST = (1 << 63) - 1  # larger integers are passed to the runtime, which checks them


class Compiled(NamedTuple):
    """A compiled module: the Python tree, and the free names, which the module expects as globals.

    free: the offsets of the first use of each free name. infos: facts about functions of the tree, by the name of the
    function or of its parameter. The names are unique in the tree.
    """

    tree: a.Module
    free: Free
    infos: dict[str, FunctionInfo]


def compile_file(source: Source, entries: list[Node], builtins: Mapping[str, str]) -> Compiled:
    """Compile a file to a module that sets `.value` to the record of the file's fields."""
    compiler = Compiler(source, builtins)
    block: Block = []
    compiler.file(mark_outer_calls(entries), block)
    return Compiled(a.Module(block, []), compiler.free, compiler.infos)


def compile_expression(source: Source, node: Node, builtins: Mapping[str, str]) -> Compiled:
    """Compile an expression to a module that sets `.value` to a function without arguments that returns the value."""
    compiler = Compiler(source, builtins)
    at = compiler.at(node)
    compiler.level = 1
    body: Block = []
    compiler.tail(node, Scope(None), body)
    return Compiled(a.Module([py.define(".value", [], body, at)], []), compiler.free, compiler.infos)


class Compiler(Arithmetic, Functions, RecordCalls, Loops):
    """The state of one compilation."""

    def __init__(self, source: Source, builtins: Mapping[str, str]) -> None:
        self.source = source
        self.builtins = builtins
        self.free: Free = {}
        self.infos: dict[str, FunctionInfo] = {}
        self.free_names = FreeNames()
        self.functions = set(builtins)
        self.outer_calls: dict[str, Variable] = {}  # a file's fields `NAME = NAME { ... }`: calls mean the outer NAME
        self.level = 0
        self.repeated = 0  # number of enclosing functions; at 0, the code runs once
        self.counter = 0
        self.depth = 0
        self._lines = [0]  # the offset at which each line begins
        find = source.text.find
        end = find("\n")
        while end >= 0:
            self._lines.append(end + 1)
            end = find("\n", end + 1)
        self._lines.append(len(source.text) + 1)  # no offset is past the last line

    # ---- positions and names

    def at(self, node: Node) -> Position:
        """Return the position of a node, for the generated tree."""
        return self.position(node.start, node.end)

    def position(self, start: int, end: int) -> Position:
        """Return the lines (from 1) and columns (from 0) of two offsets."""
        lines = self._lines
        line = end_line = bisect_right(lines, start)
        if end >= lines[line]:
            end_line = bisect_right(lines, end)
        return line, start - lines[line - 1], end_line, end - lines[end_line - 1]

    def fresh(self, stem: str) -> str:
        """Return a unique Python name. Messages do not show the part after the last dot."""
        self.counter += 1
        return f"{stem}.{self.counter}"

    def variable(self, name: str, scope: Scope, node: Node) -> Variable:
        """Return the binding of a name; a name that nothing binds becomes a free global."""
        found = scope.find(name)
        if found is None:
            self.free.setdefault(name, (node.start, node.end))
            found = Variable(name, 0, value=name in self.builtins)
        return found

    def flags(self, scope: Scope) -> Strictness:
        """Return the strictness analysis for names as a scope sees them."""

        def of(name: str) -> list[bool] | None:
            found = scope.find(name)
            if found is not None:
                return found.strict
            letters = self.builtins.get(name)
            return None if letters is None else [letter == "s" for letter in letters]

        return Strictness(of, lambda name: self.derives(name, scope), self.functions, scope.evaluated)

    def derives(self, name: str, scope: Scope) -> bool:
        """Return True if a name is the builtin `derivation`."""
        return name == "derivation" and name in self.builtins and scope.find(name) is None

    # ---- the three ways to compile

    def tail(self, node: Node, scope: Scope, block: Block) -> None:
        """Add statements to `block` that return the node's evaluated value."""
        kind = node.kind
        self.enter(node)
        if kind == "if":
            then: Block = []
            otherwise: Block = []
            test = self.condition(node.condition, scope, block)
            self.tail(node.then, scope, then)
            self.tail(node.otherwise, scope, otherwise)
            block.append(py.when(test, then, otherwise, self.at(node)))
        elif kind == "let":
            self.let(node, scope, block)
        elif kind == "rcall":
            self.record_call(node, scope, block)
        elif kind == "assert":
            self.claim(node, scope, block)
            self.tail(node.body, scope, block)
        else:
            value = self.strict(node, scope, block)
            block.append(py.return_(value, self.at(node)))
        self.depth -= 1

    def strict(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Return Python code for the node's evaluated value."""
        self.enter(node)
        result: Expr = getattr(self, "strict_" + node.kind)(node, scope, block)
        self.depth -= 1
        return result

    def lazy(self, node: Node, scope: Scope, block: Block, name: str = "") -> Expr:
        """Return Python code for the node's value or a thunk of it; the code evaluates nothing. name: the value's."""
        kind = node.kind
        if kind in _LITERALS or kind == "fn":
            return self.strict(node, scope, block)
        if kind == "var":
            found = self.variable(node.name, scope, node)
            if found.ready or found.level != self.level:
                return py.name(found.python, self.at(node))
        elif kind == "paren":
            return self.lazy(node.inner, scope, block, name)
        elif self.is_plain(node):
            return self.strict(node, scope, block)
        return self.thunk(node, scope, block, name)

    def is_plain(self, node: Node) -> bool:
        """Return True if a node is a list or record whose construction evaluates nothing and calls nothing."""
        if node.kind == "list":
            return all(item.kind != "spread" for item in node.items)
        return node.kind == "rec" and self.is_flat(node.entries)

    def thunk(self, node: Node, scope: Scope, block: Block, name: str = "") -> Expr:
        """Return Python code for a thunk of the node. name: names the thunk's function, for error messages."""
        at = self.at(node)
        inner: Block = []
        self.level += 1
        if name or node.kind in ("if", "let", "assert", "rcall"):
            self.tail(node, scope, inner)
        else:
            value = self.strict(node, scope, inner)
            if not inner:
                self.level -= 1
                return py.call(".T", [py.function(value, at)], at)
            inner.append(py.return_(value, at))
        self.level -= 1
        function = self.fresh(name or ".k")
        block.append(py.define(function, [], inner, at))
        return py.call(".T", [py.name(function, at)], at)

    def apart(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Return an expression for a node that needs statements: a call of a new function."""
        at = self.at(node)
        inner: Block = []
        self.level += 1
        self.tail(node, scope, inner)
        self.level -= 1
        function = self.fresh(".k")
        block.append(py.define(function, [], inner, at))
        return py.call(py.name(function, at), [], at)

    def enter(self, node: Node) -> None:
        """Count the nesting; raise an error before Python's own compiler would fail."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            hint = "bind a part of it to a name"
            raise self.source.error(node.start, node.start + 1, "This expression is nested too deeply", hint=hint)

    # ---- expressions, one method a kind of node

    def strict_int(self, node: Node, scope: Scope, block: Block) -> Expr:
        return py.const(node.value, self.at(node))

    strict_float = strict_str = strict_const = strict_int

    def strict_path(self, node: Node, scope: Scope, block: Block) -> Expr:
        at = self.at(node)
        return py.call(".path", [py.const(node.value, at)], at)

    def strict_paren(self, node: Node, scope: Scope, block: Block) -> Expr:
        return self.strict(node.inner, scope, block)

    def strict_var(self, node: Node, scope: Scope, block: Block) -> Expr:
        found = self.variable(node.name, scope, node)
        at = self.at(node)
        read = py.name(found.python, at)
        if found.value:
            return read
        return py.forced(read, at) if self.repeated else py.call(".E", [read], at)

    def strict_interp(self, node: Node, scope: Scope, block: Block) -> Expr:
        at = self.at(node)
        parts: list[Expr] = []
        for part in node.parts:
            if part.__class__ is str:
                parts.append(py.const(part, at))
            else:
                where = self.at(part)
                value = self.strict(part, scope, block)
                if isinstance(value, a.Constant) and value.value.__class__ is int and abs(value.value) < 1 << 62:
                    parts.append(py.const(repr(value.value), where))
                    continue
                text = self.text(value, where) if self.repeated else py.call(".S", [value], where)
                parts.append(py.put(a.FormattedValue(text, -1, None), where))
        texts = [str(part.value) for part in parts if isinstance(part, a.Constant)]
        if len(texts) == len(parts):
            return py.const("".join(texts), at)
        return py.put(a.JoinedStr(parts), at)  # type: ignore[no-any-return]

    def text(self, value: Expr, at: Position) -> Expr:
        """Return code for a value's text in a string: direct for strings and small integers, else a runtime call."""
        read, tested = value, value
        if not isinstance(value, a.Name):
            read, tested = py.name(".w", at), py.walrus(".w", value, at)
        size = py.put(a.Compare(py.const(-_LARGEST, at), [a.LtE(), a.LtE()], [read, py.const(_LARGEST, at)]), at)
        whole = py.put(a.BoolOp(a.And(), [py.is_class(read, ".int", at), size]), at)
        plain = py.put(a.BoolOp(a.Or(), [py.is_class(tested, ".str", at), whole]), at)
        return py.choose(plain, read, py.call(".S", [read], at), at)

    def strict_list(self, node: Node, scope: Scope, block: Block) -> Expr:
        items: list[Expr] = []
        for item in node.items:
            if item.kind == "spread":
                at = self.at(item)
                items.append(py.starred(py.call(".items", [self.strict(item.inner, scope, block)], at), at))
            else:
                items.append(self.lazy(item, scope, block))
        return py.put(a.List(items, py.LOAD), self.at(node))  # type: ignore[no-any-return]

    def strict_sel(self, node: Node, scope: Scope, block: Block) -> Expr:
        at = self.position(node.key_start, node.key_end)
        if node.key in ("with", "extend"):
            return py.call(f".{node.key}", [self.strict(node.base, scope, block)], at)
        if not self.repeated and node.key.__class__ is str:
            # Code that runs once takes longer to load than to run, and a call is shorter.
            base = (
                self.lazy(node.base, scope, block) if node.base.kind == "var" else self.strict(node.base, scope, block)
            )
            return py.call(".field", [base, py.const(node.key, at)], at)
        value = py.walrus(".o", self.strict(node.base, scope, block), at)
        return py.forced(py.subscript(value, self.key(node.key, scope, block, at), at), at)

    def key(self, key: str | Node, scope: Scope, block: Block, at: Position) -> Expr:
        """Return Python code for a field name, constant or computed."""
        if key.__class__ is str:
            return py.const(key, at)
        return py.guarded(self.strict(key, scope, block), ".str", ".key", at)  # type: ignore[arg-type]

    def strict_or(self, node: Node, scope: Scope, block: Block) -> Expr:
        base, keys, at = node.selection, [], self.at(node.selection)
        while base.kind == "sel":
            keys.append(self.key(base.key, scope, block, self.position(base.key_start, base.key_end)))
            base = base.base
        path: Expr = py.put(a.Tuple(keys[::-1], py.LOAD), at)
        found = py.walrus(".w", py.call(".pick", [self.strict(base, scope, block), path], at), at)
        test = py.compare(found, a.IsNot(), py.name(".M", at), at)
        return py.choose(test, py.name(".w", at), self.strict(node.fallback, scope, block), at)

    def strict_let(self, node: Node, scope: Scope, block: Block) -> Expr:
        return self.apart(node, scope, block)

    strict_assert = strict_let

    def strict_if(self, node: Node, scope: Scope, block: Block) -> Expr:
        test = self.condition(node.condition, scope, block)
        then, otherwise = self.strict(node.then, scope, block), self.strict(node.otherwise, scope, block)
        return py.choose(test, then, otherwise, self.at(node))

    def condition(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Return Python code for a bool, with a check if the value could be something else."""
        kind = node.kind
        value = self.strict(node, scope, block)
        if (
            kind == "not"
            or (kind == "bin" and node.operator not in ARITHMETIC)
            or (kind == "const" and node.value is not None)
        ):
            return value
        return py.guarded(value, ".bool", ".truth", self.at(node))

    def strict_not(self, node: Node, scope: Scope, block: Block) -> Expr:
        return py.put(a.UnaryOp(a.Not(), self.condition(node.inner, scope, block)), self.at(node))  # type: ignore[no-any-return]

    # ---- calls

    def callee(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Return Python code for a callee. A literal is an error here; Python would print a warning for it."""
        kind = _NEVER_CALLED.get(node.kind)
        if kind is not None:
            hint = "put a comma or an operator between the two values"
            raise self.source.error(node.start, node.end, f"This is {kind}, not a function", hint=hint)
        if self.outer_calls and node.kind == "var" and scope.find(node.name) is self.outer_calls.get(node.name, scope):
            node = mark_outer(node)
        return self.strict(node, scope, block)

    def strict_call(self, node: Node, scope: Scope, block: Block) -> Expr:
        at = self.at(node)
        callee, args = node.callee, node.args
        loop = self.loop(node, scope, block)
        if loop is not None:
            return loop
        function = self.callee(callee, scope, block)
        flags: list[bool] | None = None
        if callee.kind == "var":
            found = scope.find(callee.name)
            if found is not None:
                flags = found.strict
            elif callee.name in self.builtins:
                flags = [letter == "s" for letter in self.builtins[callee.name]]
        positional: list[Expr] = []
        keywords: list[a.keyword] = []
        for i, arg in enumerate(args):
            kind = arg.kind
            if kind == "spread":
                where, held = self.at(arg), self.fresh(".spread")
                value = py.walrus(held, self.strict(arg.inner, scope, block), where)
                positional.append(py.starred(py.call(".positional", [value], where), where))
                keywords.append(py.keyword(None, py.call(".named", [py.name(held, where)], where), where))
                flags = None
            elif kind == "named":
                keywords.append(py.keyword(arg.name, self.lazy(arg.value, scope, block, arg.name), self.at(arg)))
            elif flags is not None and i < len(flags) and flags[i]:
                positional.append(self.strict(arg, scope, block))
            else:
                positional.append(self.lazy(arg, scope, block))
        return py.call(function, positional, at, keywords)

    def strict_fn(self, node: Node, scope: Scope, block: Block) -> Expr:
        name = self.fresh(node.name or ".f")
        self.function(name, node, scope, block)
        return py.name(name, self.at(node))
