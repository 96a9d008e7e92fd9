"""Compile `map` and `fold` with a function literal to loops, without a call for each element."""

from __future__ import annotations

import _ast as a
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fpack.lang.syntax.tree import Node

from . import python_ast as py
from .python_ast import Block, Expr, Position
from .scope import Scope, Variable

_LITERALS = ("int", "float", "str", "const")
_ELEMENTS = ".elements"


class Loops:
    """A base class of `Compiler`, which defines the attributes and methods that are only declared here."""

    builtins: Mapping[str, str]
    level: int
    repeated: int

    if TYPE_CHECKING:

        def at(self, node: Node) -> Position: ...
        def fresh(self, stem: str) -> str: ...
        def strict(self, node: Node, scope: Scope, block: Block) -> Expr: ...
        def lazy(self, node: Node, scope: Scope, block: Block, name: str = "") -> Expr: ...
        def function(self, name: str, node: Node, scope: Scope, block: Block) -> None: ...

    def loop(self, node: Node, scope: Scope, block: Block) -> Expr | None:
        """Return Python code for a call that can be compiled to a loop; None for any other call."""
        callee, args = node.callee, node.args
        if callee.kind != "var" or callee.name not in ("map", "fold") or scope.find(callee.name) is not None:
            return None
        if args[-1].kind != "fn" or any(p.kind != "param" for p in args[-1].params):
            return None
        if any(arg.kind in ("named", "spread") for arg in args):
            return None
        if callee.name == "map":
            return self.map_loop(node, scope, block) if len(args) == 2 and is_cheap(args[1]) else None
        return self.fold_loop(node, scope, block) if len(args) == 3 and len(args[2].params) == 2 else None

    def map_loop(self, node: Node, scope: Scope, block: Block) -> Expr | None:
        """Compile `map` with a function that only computes with its argument.

        The runtime runs the loop at once if the elements are numbers or short strings, and else makes thunks.
        """
        at, (xs, function) = self.at(node), node.args
        name, out = function.params[0].name, ".out"
        inner = Scope(scope)
        self.level += 1
        self.repeated += 1
        inner.names[name] = Variable(name, self.level, value=True)
        body: Block = []
        value = self.strict(function.body, inner, body)
        append: Expr = py.put(a.Attribute(py.name(out, at), "append", py.LOAD), at)
        body.append(py.run(py.call(append, [value], at), at))
        self.level -= 1
        self.repeated -= 1
        if len(body) > 1:
            return None
        maker = self.fresh(".map")
        each = py.for_each(name, py.name(_ELEMENTS, at), body, at)
        start = py.assign(out, py.put(a.List([], py.LOAD), at), at)
        block.append(py.define(maker, [(_ELEMENTS, False)], [start, each, py.return_(py.name(out, at), at)], at))
        given = [self.strict(xs, scope, block), self.strict(function, scope, block), py.name(maker, at)]
        return py.call(".map", given, at)

    def fold_loop(self, node: Node, scope: Scope, block: Block) -> Expr | None:
        """Compile `fold` with a function that makes no thunks or functions: they would capture loop variables."""
        at, (xs, start, function) = self.at(node), node.args
        so_far, element = (p.name for p in function.params)
        if any(p.default is not None for p in function.params) or so_far == element or _has_functions(function.body):
            return None
        made: Block = []
        maker = self.fresh(".fold")
        self.function(maker, function, scope, made)
        step = made[-1]
        if len(made) > 1 or not isinstance(step, a.FunctionDef) or _defines(step.body):
            return None
        body = py.assigning(step.body, so_far)
        each = py.for_each(element, py.name(_ELEMENTS, at), body, at)
        params = [(_ELEMENTS, False), (so_far, False)]
        block.append(py.define(maker, params, [each, py.return_(py.name(so_far, at), at)], at))
        given = [self.strict(xs, scope, block), self.lazy(start, scope, block), py.name(maker, at)]
        return py.call(".fold", given, at)


def is_cheap(node: Node) -> bool:
    """Return True if a function of one argument only computes with it and literals: no calls, fields or thunks."""
    if len(node.params) != 1:
        return False
    param = node.params[0]
    if param.kind != "param" or param.types is not None or param.default is not None:
        return False
    todo = [node.body]
    while todo:
        this = todo.pop()
        kind = this.kind
        if kind == "bin":
            todo += (this.left, this.right)
        elif kind == "if":
            todo += (this.condition, this.then, this.otherwise)
        elif kind in ("not", "neg", "paren"):
            todo.append(this.inner)
        elif kind == "interp":
            todo += [part for part in this.parts if part.__class__ is not str]
        elif kind == "var":
            if this.name != param.name:
                return False
        elif kind not in _LITERALS:
            return False
    return True


def _has_functions(node: Node) -> bool:
    """Return True if a node contains a function or a comprehension."""
    todo: list[Any] = [node]
    while todo:
        this = todo.pop()
        if isinstance(this, Node) and this.kind in ("fn", "listcomp", "reccomp"):
            return True
        if isinstance(this, (tuple, list)):
            todo += this
    return False


def _defines(block: Block) -> bool:
    """Return True if Python statements contain a function definition."""
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
