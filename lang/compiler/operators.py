"""Compile operators to Python's own where both operands are integers or strings, else to runtime calls."""

from __future__ import annotations

import _ast as a

from fpack.lang.runtime.values import INT_MAX, INT_MIN
from fpack.lang.syntax.tree import Node

from . import python_ast as py
from .emitter import Emitter
from .python_ast import Block, Expr, Position
from .scope import Scope

_COMPARISONS = {"<": a.Lt(), "<=": a.LtE(), ">": a.Gt(), ">=": a.GtE()}
_NATIVE = {"+": a.Add(), "-": a.Sub()}
# The runtime functions of the operators.
_SLOW = {"+": ".add", "-": ".sub", "*": ".mul", "/": ".div", "<": ".lt", "<=": ".le", ">": ".gt", ">=": ".ge"}
_OTHERS = (a.Constant, a.JoinedStr, a.List, a.Dict)  # expressions that are never integers
_SINGLE = (bool, type(None))


class Operators:
    """The compiler of arithmetic, comparisons, `&&` and `||`."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter

    def minus(self, node: Node, scope: Scope, block: Block) -> Expr:
        return py.call(".neg", [self.emitter.strict(node.inner, scope, block)], self.emitter.at(node))

    def operation(self, node: Node, scope: Scope, block: Block) -> Expr:
        """Compile a binary operation."""
        emitter, op = self.emitter, node.operator
        at = emitter.at(node)
        if op in ("&&", "||"):
            sides = [emitter.condition(node.left, scope, block), emitter.condition(node.right, scope, block)]
            return py.put(a.BoolOp(a.And() if op == "&&" else a.Or(), sides), at)  # type: ignore[no-any-return]
        left, right = emitter.strict(node.left, scope, block), emitter.strict(node.right, scope, block)
        if op in ("==", "!="):
            return self.equality(op == "==", left, right, at)
        if op in _NATIVE and _is_small(left) and _is_small(right):
            value = left.value + right.value if op == "+" else left.value - right.value  # type: ignore[attr-defined]
            return py.const(value, at)
        slow = _SLOW[op]
        test = self.both_ints(left, right, at) if emitter.repeated else None
        if test is None:
            return py.call(slow, [left, right], at)
        tests, left, right = test
        native: Expr
        if op in _COMPARISONS:
            native = py.compare(left, _COMPARISONS[op], right, at)
        elif op == "*":
            native = py.name(emitter.fresh(".product"), at)
            product = py.walrus(native.id, py.put(a.BinOp(left, a.Mult(), right), at), at)  # type: ignore[attr-defined]
            ends = [product, py.const(INT_MAX, at)]
            tests.append(py.put(a.Compare(py.const(INT_MIN, at), [a.LtE(), a.LtE()], ends), at))
        elif op == "/":
            native = py.put(a.BinOp(left, a.FloorDiv(), right), at)
            ends = [py.const(0, at), right]
            tests.append(py.put(a.Compare(left, [a.GtE(), a.Lt()], ends), at))
        else:
            native = py.put(a.BinOp(left, _NATIVE[op], right), at)
        condition = tests[0] if len(tests) == 1 else py.put(a.BoolOp(a.And(), tests), at)
        return py.choose(condition, native, py.call(slow, [left, right], at), at)

    def both_ints(self, left: Expr, right: Expr, at: Position) -> tuple[list[Expr], Expr, Expr] | None:
        """Return code that tests whether both operands are integers, and code that reads each one after the test.

        Return None if an operand is never an integer. Python's own operator is correct where the test holds.
        """
        sides: list[Expr] = []
        reads: list[Expr] = []
        for side in (left, right):
            if isinstance(side, a.Constant) and side.value.__class__ is int:
                reads.append(side)
            elif isinstance(side, a.Name):
                sides.append(py.class_of(side, at))
                reads.append(side)
            elif isinstance(side, _OTHERS):
                return None
            else:
                variable = self.emitter.fresh(".t")
                sides.append(py.class_of(py.walrus(variable, side, at), at))
                reads.append(py.name(variable, at))
        if not sides:
            return None
        classes = [*sides[1:], py.name(".int", at)]
        return [py.put(a.Compare(sides[0], [a.Is()] * len(classes), classes), at)], reads[0], reads[1]

    def equality(self, same: bool, left: Expr, right: Expr, at: Position) -> Expr:
        """Compile `==` or `!=`. Python's own is correct beside a string; elsewhere `true == 1` must be false."""
        op = a.Eq() if same else a.NotEq()
        for side, other in ((right, left), (left, right)):
            if isinstance(side, a.Constant) and side.value.__class__ in _SINGLE and not isinstance(other, a.Constant):
                return py.compare(other, a.Is() if same else a.IsNot(), side, at)
            if isinstance(side, a.JoinedStr) or (isinstance(side, a.Constant) and side.value.__class__ is str):
                return py.compare(left, op, right, at)
        if self.emitter.repeated and isinstance(right, a.Constant) and right.value.__class__ is int:
            variable = self.emitter.fresh(".t")
            is_int = py.is_class(py.walrus(variable, left, at), ".int", at)
            left = py.name(variable, at)
            slow = py.call(".eq", [left, right], at)
            slow = slow if same else py.put(a.UnaryOp(a.Not(), slow), at)
            return py.choose(is_int, py.compare(left, op, right, at), slow, at)
        slow = py.call(".eq", [left, right], at)
        return slow if same else py.put(a.UnaryOp(a.Not(), slow), at)


def _is_small(side: Expr) -> bool:
    """Return whether an expression is a literal integer small enough that a sum fits into 64 bits."""
    return isinstance(side, a.Constant) and side.value.__class__ is int and abs(side.value) < 1 << 62
