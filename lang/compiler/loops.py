"""Compile comprehensions, and `map` and `fold` with a function literal, to loops."""

from __future__ import annotations

import _ast as a
from collections.abc import Callable

from fpack.lang.syntax.tree import LITERALS, ListLiteral, Node, children, unwrapped, walk

from . import python_ast as py
from .emitter import Emitter
from .functions import Functions
from .python_ast import Block, Expr, Position
from .scope import Scope, Variable
from .strictness import Names, bound

_ELEMENTS = ".elements"

Bind = Callable[[list[Node], Scope, Block, Callable[[Scope], Names]], Scope]


class Loops:
    """The compiler of comprehensions, and of calls of `map` and `fold` without a call for each element."""

    bind: Bind  # compiles the bindings of a `let`, and returns their scope

    def __init__(self, emitter: Emitter, functions: Functions) -> None:
        self.emitter = emitter
        self.functions = functions

    def record_comprehension(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile `{ ${key} = result for ... }` to a loop that puts fields into a dict."""
        emitter = self.emitter

        def put(out: str, inner: Scope, body: Block) -> Expr:
            at = emitter.at(node.key)
            key = emitter.key(node.key, inner, body, at)
            return py.call(".put", [py.name(out, at), key, emitter.lazy(node.result, inner, body)], at)

        return self._comprehension(node, py.put(a.Dict([], []), emitter.at(node)), put, scope, block)

    def list_comprehension(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile `[result for ...]` to a loop that appends to a list."""
        emitter = self.emitter

        def put(out: str, inner: Scope, body: Block) -> Expr:
            at = emitter.at(node.result)
            return _append(out, emitter.lazy(node.result, inner, body), at)

        return self._comprehension(node, py.put(a.List([], py.LOAD), emitter.at(node)), put, scope, block)

    def _comprehension(
        self, node: Node, empty: Expr, put: Callable[[str, Scope, Block], Expr], scope: Scope, block: Block
    ) -> Expr:
        """Return a call of a new function that fills `empty`.

        Each element is made by a call, so that its thunks capture variables of that element alone.
        """
        emitter, clauses = self.emitter, node.clauses
        at = emitter.at(node)
        out, maker = emitter.fresh(".out"), emitter.fresh(".comprehension")
        body: Block = [py.assign(out, empty, at)]
        emitter.level += 1

        def clause(i: int, inner: Scope, into: Block) -> None:
            if i == len(clauses):
                into.append(py.run(put(out, inner, into), at))
                return
            this = clauses[i]
            if this.kind == "if":
                then: Block = []
                test = emitter.condition(this.condition, inner, into)
                clause(i + 1, inner, then)
                into.append(py.when(test, then, [], emitter.at(this)))
                return
            own = Scope(inner)
            emitter.level += 1
            for name in this.names:
                own.names[name] = Variable(name, emitter.level)
            each: Block = []
            emitter.repeated += 1
            clause(i + 1, own, each)
            emitter.repeated -= 1
            emitter.level -= 1
            function = emitter.fresh(".each")
            into.append(py.define(function, [(name, False) for name in this.names], each, at))
            loop = ".loop" if len(this.names) == 1 else ".loop-pairs"
            position = emitter.at(this.sequence)
            args = [emitter.strict(this.sequence, inner, into), py.name(function, position)]
            into.append(py.run(py.call(loop, args, position), position))

        clause(0, scope, body)
        body.append(py.return_(py.name(out, at), at))
        emitter.level -= 1
        block.append(py.define(maker, [], body, at))
        return py.call(py.name(maker, at), [], at)

    # ---- calls of builtins

    def inlined(self, node: Node, scope: Scope, block: Block) -> Expr | None:
        """Return Python code for a call that can be compiled to a loop; None for any other call."""
        callee, args = node.callee, node.args
        if callee.kind != "var" or callee.name not in ("map", "fold") or scope.find(callee.name) is not None:
            return None
        if args[-1].kind != "fn" or any(p.kind != "param" for p in args[-1].params):
            return None
        if any(arg.kind in ("named", "spread") for arg in args):
            return None
        if callee.name == "map":
            return self._map(node, scope, block) if len(args) == 2 and _is_cheap(args[1]) else None
        if len(args) != 3 or len(args[2].params) != 2:
            return None
        return self._growing(node, scope, block) or self._fold(node, scope, block)

    def _map(self, node: Node, scope: Scope, block: Block) -> Expr | None:
        """Compile `map` with a function that only computes with its argument.

        The runtime runs the loop at once if the elements are numbers or short strings, and else makes thunks.
        """
        emitter, (xs, function) = self.emitter, node.args
        at = emitter.at(node)
        name, out = function.params[0].name, ".out"
        inner = Scope(scope)
        emitter.level += 1
        emitter.repeated += 1
        inner.names[name] = Variable(name, emitter.level, value=True)
        body: Block = []
        value = emitter.strict(function.body, inner, body)
        body.append(py.run(_append(out, value, at), at))
        emitter.level -= 1
        emitter.repeated -= 1
        if len(body) > 1:
            return None
        maker = emitter.fresh(".map")
        each = py.for_each(name, py.name(_ELEMENTS, at), body, at)
        start = py.assign(out, py.put(a.List([], py.LOAD), at), at)
        block.append(py.define(maker, [(_ELEMENTS, False)], [start, each, py.return_(py.name(out, at), at)], at))
        given = [emitter.strict(xs, scope, block), emitter.strict(function, scope, block), py.name(maker, at)]
        return py.call(".map", given, at)

    def _growing(self, node: Node, scope: Scope, block: Block) -> Expr | None:
        """Compile `fold` with a function that only appends to the list that it is given, as `[...xs, x]` does.

        One list grows, instead of a new one for each element. Nothing else refers to it: the function mentions the list
        in conditions, of which only a bool is left, and where it is returned or appended to.
        """
        emitter, (xs, start, function) = self.emitter, node.args
        at = emitter.at(node)
        so_far, element = (p.name for p in function.params)
        typed = any(p.default is not None or p.types is not None for p in function.params)
        if typed or so_far == element or not self._only_grows(function.body, so_far):
            return None
        maker, step = emitter.fresh(".fold"), emitter.fresh(function.name or ".f")
        inner = Scope(scope)
        emitter.level += 2
        emitter.repeated += 1
        inner.names[so_far] = Variable(so_far, emitter.level, value=True)
        inner.names[element] = Variable(element, emitter.level)
        body: Block = []
        self._grow(function.body, so_far, inner, body)
        emitter.level -= 2
        emitter.repeated -= 1
        made: Block = []
        if _defines(body):  # they would capture loop variables
            made.append(py.define(step, [(so_far, False), (element, False)], body, at))
            body = [py.run(py.call(step, [py.name(so_far, at), py.name(element, at)], at), at)]
        made += [py.for_each(element, py.name(_ELEMENTS, at), body, at), py.return_(py.name(so_far, at), at)]
        block.append(py.define(maker, [(_ELEMENTS, False), (so_far, False)], made, at))
        given = [emitter.strict(xs, scope, block), emitter.lazy(start, scope, block), py.name(maker, at)]
        return py.call(".grow", given, at)

    def _only_grows(self, node: Node, name: str) -> bool:
        """Return whether the value of a node is the list of that name, perhaps with elements appended to it."""
        kind, free = node.kind, self.emitter.free_names.of
        if kind == "paren":
            return self._only_grows(node.inner, name)
        if kind == "if":
            return self._only_grows(node.then, name) and self._only_grows(node.otherwise, name)
        if kind == "assert":
            return self._only_grows(node.body, name)
        if kind == "let":
            names = self.emitter.free_names.inside(node.entries) | bound(node.entries)
            return name not in names and self._only_grows(node.body, name)
        if kind == "list" and node.items and node.items[0].kind == "spread":
            first, *others = node.items
            return self._is_list(first.inner, name) and not any(name in free(item) for item in others)
        if kind == "bin" and node.operator == "+":
            right = unwrapped(node.right)
            return self._is_list(node.left, name) and right.kind == "list" and name not in free(right)
        return self._is_list(node, name)

    def _is_list(self, node: Node, name: str) -> bool:
        node = unwrapped(node)
        return bool(node.kind == "var" and node.name == name)

    def _grow(self, node: Node, name: str, scope: Scope, block: Block) -> None:
        """Add statements that append what the value of a node has more than the list of that name."""
        emitter, at = self.emitter, self.emitter.at(node)
        kind = node.kind
        if kind == "paren":
            self._grow(node.inner, name, scope, block)
        elif kind == "if":
            then: Block = []
            otherwise: Block = []
            test = emitter.condition(node.condition, scope, block)
            self._grow(node.then, name, scope, then)
            self._grow(node.otherwise, name, scope, otherwise)
            block.append(py.when(test, then, otherwise, at))
        elif kind == "assert":
            emitter.assertion(node, scope, block)
            self._grow(node.body, name, scope, block)
        elif kind == "let":
            body = unwrapped(node.body)
            first = body.condition if body.kind in ("if", "assert") else None
            inner = self.bind(
                node.entries, scope, block, lambda own: emitter.strictness(own).of(first) if first else frozenset()
            )
            self._grow(body, name, inner, block)
        elif kind == "list":
            rest = ListLiteral(("list", node.start, node.end, node.items[1:]))
            position = emitter.at(node.items[0])
            more = emitter.strict(rest, scope, block)
            block.append(py.run(py.call(".append", [py.name(name, position), more], position), position))
        elif kind == "bin":
            given = [py.name(name, at), emitter.strict(node.right, scope, block)]
            block.append(py.run(py.call(".append-list", given, at), at))
        else:
            block.append(py.run(py.name(name, at), at))

    def _fold(self, node: Node, scope: Scope, block: Block) -> Expr | None:
        """Compile `fold` with a function that makes no thunks or functions: they would capture loop variables."""
        emitter, (xs, start, function) = self.emitter, node.args
        at = emitter.at(node)
        so_far, element = (p.name for p in function.params)
        has_functions = any(node.kind in ("fn", "listcomp", "reccomp") for node in walk(function.body))
        if any(p.default is not None for p in function.params) or so_far == element or has_functions:
            return None
        made: Block = []
        maker = emitter.fresh(".fold")
        self.functions.define(maker, function, scope, made)
        step = made[-1]
        if len(made) > 1 or not isinstance(step, a.FunctionDef) or _defines(step.body):
            return None
        body = py.assigning(step.body, so_far)
        each = py.for_each(element, py.name(_ELEMENTS, at), body, at)
        params = [(_ELEMENTS, False), (so_far, False)]
        block.append(py.define(maker, params, [each, py.return_(py.name(so_far, at), at)], at))
        given = [emitter.strict(xs, scope, block), emitter.lazy(start, scope, block), py.name(maker, at)]
        return py.call(".fold", given, at)


def _append(out: str, value: Expr, at: Position) -> Expr:
    """Return code that appends a value to the list in a variable."""
    append: Expr = py.put(a.Attribute(py.name(out, at), "append", py.LOAD), at)
    return py.call(append, [value], at)


def _is_cheap(node: Node) -> bool:
    """Return whether a function of one argument only computes with it and literals: no calls, fields or thunks."""
    if len(node.params) != 1:
        return False
    param = node.params[0]
    if param.kind != "param" or param.types is not None or param.default is not None:
        return False
    todo = [node.body]
    while todo:
        this = todo.pop()
        if this.kind == "var":
            if this.name != param.name:
                return False
        elif this.kind in ("bin", "if", "not", "neg", "paren", "interp"):
            todo += children(this)
        elif this.kind not in LITERALS:
            return False
    return True


def _defines(block: Block) -> bool:
    """Return whether Python statements contain a function definition."""
    todo: list[object] = list(block)
    while todo:
        this = todo.pop()
        if isinstance(this, (a.FunctionDef, a.Lambda)):
            return True
        if isinstance(this, list):
            todo += this
        elif isinstance(this, a.AST):
            todo += vars(this).values()
    return False
