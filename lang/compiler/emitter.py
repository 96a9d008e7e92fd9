"""Hold the state of one compilation, and compile a node in one of three ways.

`strict` returns Python code for the evaluated value, `lazy` code for a value that may be a thunk (`.T`), and `tail`
adds statements that return the value. Function definitions are added to the current list of statements (`block`)
before the statement that uses them; a definition evaluates nothing, so the order of definitions has no effect.

The other classes of this package compile the kinds of nodes. compiler.py registers their methods as handlers.
"""

from __future__ import annotations

import _ast as a
from bisect import bisect_right
from collections.abc import Callable, Mapping

from fpack.lang.abi import FunctionInfo
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import LITERALS, MAX_DEPTH, Node

from . import python_ast as py
from . import shared_code
from .python_ast import Block, Expr, Position
from .scope import Scope, Variable
from .shared_code import CODE, STUB, Expansion, ShapedValue, keep_elements, with_holes
from .strictness import Cache, FreeNames, Strictness
from .wide_lets import Frames

Free = dict[str, tuple[int, int]]
StrictHandler = Callable[[Node, Scope, Block], Expr]
TailHandler = Callable[[Node, Scope, Block], None]

_ARITHMETIC = ("+", "-", "*", "/")  # the operators whose results are not bools


class Emitter:
    """The state of one compilation.

    free: the offsets of the first use of each free name. infos: facts about the generated functions. frames:
    where the names of wide `let`s are kept. level: the
    nesting level of the current generated function. repeated: the number of enclosing functions of the source; at 0,
    the code runs once. fields_given: the fields of the file may be given other values than its own. late_level: the
    level at which a failed assertion is the value of a function, see `assertion`. strict_handlers, tail_handlers: the
    compilers of a node, by its kind; a kind without a tail handler is compiled by its strict handler.
    """

    def __init__(self, source: Source, builtins: Mapping[str, str], fields_given: bool = False) -> None:
        self.source = source
        self.builtins = builtins
        self.free: Free = {}
        self.infos: dict[str, FunctionInfo] = {}
        self.frames: Frames = {}
        self.free_names = FreeNames()
        self.marked: list[Node] = []  # kept alive: caches know nodes by their id
        self.level = 0
        self.repeated = 0
        self.fields_given = fields_given
        self.late_level = -1
        self.strict_handlers: dict[str, StrictHandler] = {}
        self.tail_handlers: dict[str, TailHandler] = {}
        self.shaped: Mapping[int, ShapedValue] = {}  # values that share code with others, by the `id` of their nodes
        self.expansion: Expansion | None = None  # of these, one that is compiled by itself
        self._shared: dict[tuple[object, ...], tuple[int, list[str]]] = {}
        self._evaluated: Cache = {}
        self._counter = 0
        self._depth = 0
        self._lines = [0]  # the offset at which each line begins
        find = source.text.find
        end = find("\n")
        while end >= 0:
            self._lines.append(end + 1)
            end = find("\n", end + 1)
        self._lines.append(len(source.text) + 1)  # no offset is past the last line

    # ---- positions and names

    def at(self, node: Node) -> Position:
        """Return the position of a node, for the generated tree: lines count from 1, and columns from 0."""
        start, end, lines = node.start, node.end, self._lines
        line = end_line = bisect_right(lines, start)
        if end >= lines[line]:
            end_line = bisect_right(lines, end)
        return line, start - lines[line - 1], end_line, end - lines[end_line - 1]

    def position(self, start: int, end: int) -> Position:
        """Return the position between two offsets."""
        return self.at(Node(("", start, end)))

    def fresh(self, stem: str) -> str:
        """Return a unique Python name. Messages do not show the part after the last dot."""
        self._counter += 1
        return f"{stem}.{self._counter}"

    def variable(self, name: str, scope: Scope, node: Node) -> Variable:
        """Return the binding of a name; a name that nothing binds becomes a free global."""
        found = scope.find(name)
        if found is None and name[0] == ".":
            found = Variable(name, 0, value=True)  # a runtime function
        elif found is None:
            self.free.setdefault(name, (node.start, node.end))
            found = Variable(name, 0, value=name in self.builtins)
        return found

    def strict_arguments(self, name: str, scope: Scope) -> list[bool] | None:
        """Return whether a known function certainly evaluates each argument; None for other names."""
        found = scope.find(name)
        if found is not None:
            return found.strict
        letters = self.builtins.get(name)
        return None if letters is None else [letter == "s" for letter in letters]

    def strictness(self, scope: Scope) -> Strictness:
        """Return the strictness analysis for names as a scope sees them."""
        return Strictness(
            lambda name: self.strict_arguments(name, scope),
            lambda name: self._is_derivation(name, scope),
            self._evaluated,
        )

    def _is_derivation(self, name: str, scope: Scope) -> bool:
        return name == "derivation" and name in self.builtins and scope.find(name) is None

    def derives(self, callee: Node, scope: Scope) -> bool:
        """Return whether a callee is the builtin `derivation`."""
        return callee.kind == "var" and self._is_derivation(callee.name, scope)

    # ---- the three ways to compile

    def tail(self, node: Node, scope: Scope, block: Block) -> None:
        """Add statements to `block` that return the node's evaluated value."""
        self._enter(node)
        handler = self.tail_handlers.get(node.kind)
        if handler is not None:
            handler(node, scope, block)
        else:
            value = self.strict(node, scope, block)
            block.append(py.return_(value, self.at(node)))
        self._depth -= 1

    def strict(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Return Python code for the node's evaluated value."""
        self._enter(node)
        result = self.strict_handlers[node.kind](node, scope, block)
        self._depth -= 1
        return result

    def lazy(self, node: Node, scope: Scope, block: Block, name: str = "") -> Expr:
        """Return Python code for the node's value or a thunk of it; the code evaluates nothing. name: the value's."""
        kind = node.kind
        if kind in LITERALS or kind == "fn":
            return self.strict(node, scope, block)
        if kind == "var":
            found = self.variable(node.name, scope, node)
            if found.ready or found.level != self.level:
                return py.name(found.python, self.at(node))
        elif kind == "paren":
            return self.lazy(node.inner, scope, block, name)
        elif self.free_names.is_plain(node):
            return self.strict(node, scope, block)
        elif kind == "sel" and self.repeated and not name:
            peeked = self._peeked(node, scope, block)
            if peeked is not None:
                return peeked
        return self.thunk(node, scope, block, name)

    def _peeked(self, node: Node, scope: Scope, block: Block) -> Expr | None:
        """Return Python code for a selection from a variable that takes the field as it is, if the record is evaluated.

        None if the node is another one.
        """
        if node.base.kind != "var" or not isinstance(node.key, str) or node.key in ("with", "extend"):
            return None
        base = self.lazy(node.base, scope, block)
        if not isinstance(base, a.Name):
            return None
        at = self.position(node.key_start, node.key_end)
        found = py.walrus(".w", py.call(".peek", [base, py.const(node.key, at)], at), at)
        test = py.compare(found, a.IsNot(), py.name(".M", at), at)
        return py.choose(test, py.name(".w", at), self.thunk(node, scope, block), at)

    def thunk(self, node: Node, scope: Scope, block: Block, name: str = "") -> Expr:
        """Return Python code for a thunk of the node. name: names the thunk's function, for error messages."""
        shaped = self.shaped.get(id(node))
        if shaped is not None:
            return self._shared_thunk(shaped, scope, block, name)
        at = self.at(node)
        inner: Block = []
        self.level += 1
        if name or node.kind in self.tail_handlers:
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

    def _shared_thunk(self, value: ShapedValue, scope: Scope, block: Block, name: str) -> Expr:
        """Return Python code for a thunk of a value that shares its code with others of its shape."""
        at = self.at(value.node)
        key = (value.shape, scope, self.level, self.late_level == self.level + 1)
        known = self._shared.get(key)
        expanded = self.expansion is not None and self.expansion.start == value.node.start
        function = ""
        if known is not None and not expanded:
            number, names = known
            function = f"{STUB}{number}.{value.node.start}"
            block.append(shared_code.stub(function, value.elements, names, at))
            return py.call(".T", [py.name(function, at)], at)
        if known is None:
            number = self._counter = self._counter + 1
            function = f"{CODE}{number}"
            inner = self._shared_body(value, scope)
            self._shared[key] = number, shared_code.outer_names(inner)
            block.append(shared_code.define(function, value.elements, inner, at))
        if expanded and self.expansion is not None:
            function = self.expansion.name = self.fresh(name or ".k")
            block.append(shared_code.define(function, value.elements, self._shared_body(value, scope), at))
        return py.call(".T", [py.name(function, at)], at)

    def _shared_body(self, value: ShapedValue, scope: Scope) -> Block:
        """Return the statements that compute a value with constants of `.shared`."""
        node = with_holes(value)
        self.marked.append(node)
        inner: Block = []
        self.level += 1
        self.repeated += 1
        self.tail(node, scope, inner)
        self.repeated -= 1
        self.level -= 1
        keep_elements(inner)
        return inner

    def call_of_tail(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Return an expression for a node that needs statements: a call of a new function."""
        at = self.at(node)
        inner: Block = []
        self.level += 1
        self.tail(node, scope, inner)
        self.level -= 1
        function = self.fresh(".k")
        block.append(py.define(function, [], inner, at))
        return py.call(py.name(function, at), [], at)

    def condition(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Return Python code for a bool, with a check if the value could be something else."""
        kind = node.kind
        value = self.strict(node, scope, block)
        if (
            kind == "not"
            or (kind == "bin" and node.operator not in _ARITHMETIC)
            or (kind == "const" and node.value is not None)
        ):
            return value
        return py.guarded(value, ".bool", ".truth", self.at(node))

    def key(self, key: str | Node, scope: Scope, block: Block, at: Position) -> Expr:
        """Return Python code for a field name, constant or computed."""
        if isinstance(key, str):
            return py.const(key, at)
        return py.guarded(self.strict(key, scope, block), ".str", ".key", at)

    def assertion(self, node: Node, scope: Scope, block: Block, late: bool = False) -> None:
        """Add statements for an `assert`, of a record or an expression: (kind, start, end, condition, message, ...).

        late: the enclosing function returns a value that raises the error when it is used. `.with` can change the
        arguments before that.
        """
        at = self.at(node.condition)
        fails: Block = []
        test = py.put(a.UnaryOp(a.Not(), self.condition(node.condition, scope, block)), at)
        message = [self.strict(node.message, scope, fails)]
        fails.append(
            py.return_(py.call(".failed", message, at), at) if late else py.run(py.call(".fail", message, at), at)
        )
        block.append(py.when(test, fails, [], at))

    def _enter(self, node: Node) -> None:
        """Count the nesting; raise an error before Python's own compiler would fail."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            hint = "bind a part of it to a name"
            raise self.source.error(node.start, node.start + 1, "This expression is nested too deeply", hint=hint)
