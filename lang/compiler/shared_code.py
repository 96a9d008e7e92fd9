"""Compile values of one shape once: let thunks that differ in constants alone share their code.

A large set of packages has thousands of fields such as `a = make { name = "a", libs = [self.b] }`. Loading and running
code for each of them takes most of the time. So the first value of a shape is compiled with its varying constants as
elements of a tuple, `.shared`, the default of a parameter. Each other value is a function of the same code with
another default. The tuple begins with the offset of the value in the text: `.shared` in a frame tells which value it
evaluates, and `find_original` compiles that one by itself for the positions in the text.

Python's compiler cannot give one code object to several functions. It gets a stub instead, a function with the same
free variables, and `join` replaces the code of stubs.
"""

from __future__ import annotations

import _ast as a
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

from fpack.lang.abi import SHARED
from fpack.lang.syntax.tree import Literal, Node, Selection, walk

from . import python_ast as py
from .python_ast import Block, Position

MIN_TEXT = 8000  # characters of a text in which shapes are looked for
MIN_VALUES = 16  # fields of a record, elements of a list, and values of a shape
MAX_SIZE = 1500  # nodes of a value
CODE = ".code."  # begins the name of a function whose code others share; a number follows
STUB = ".stub."  # begins the name of a function that gets the code of that number

_METHODS = ("with", "extend")


class Hole(str):
    """A varying string. element: its index in `.shared`."""

    element: int


class IntegerHole(int):
    """A varying integer. element: its index in `.shared`."""

    element: int


class ValueShape:
    """The shape of values. varying: the indexes of the constants that differ between them."""

    __slots__ = ("first", "varying", "count")

    def __init__(self, first: list[object]) -> None:
        self.first = first
        self.varying: set[int] = set()
        self.count = 0


class ShapedValue(NamedTuple):
    """A value: its node, its shape, and its constants."""

    node: Node
    shape: ValueShape
    constants: list[object]

    @property
    def elements(self) -> tuple[object, ...]:
        """The elements of `.shared`: the offset of the value, and its varying constants."""
        return (self.node.start, *[self.constants[i] for i in sorted(self.shape.varying)])


class Expansion:
    """A request to compile the value at an offset by itself. name: the name of its function, once it is compiled."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.name = ""


def shaped_values(tree: list[Node] | Node, size: int) -> dict[int, ShapedValue]:
    """Return the values of a text that share a shape with enough others, by the `id` of their nodes."""
    if size < MIN_TEXT:
        return {}
    shapes: dict[tuple[object, ...], ValueShape] = {}
    found: list[ShapedValue] = []
    for node in walk(tree):
        values = _values(node)
        if len(values) < MIN_VALUES:
            continue
        while values:
            value = values.pop()
            values += _values(value)  # a record may be made at once, with thunks for its fields
            words: list[object] = []
            constants: list[object] = []
            if value.kind not in ("var", "str", "int") and _describe(value, words, constants):
                shape = shapes.get(key := tuple(words))
                if shape is None:
                    shape = shapes[key] = ValueShape(constants)
                shape.count += 1
                shape.varying.update(
                    i for i, (one, other) in enumerate(zip(shape.first, constants, strict=True)) if one != other
                )
                found.append(ShapedValue(value, shape, constants))
    return {id(value.node): value for value in found if value.shape.count >= MIN_VALUES}


def _values(node: Node) -> list[Node]:
    """Return the values of the fields of a record, or the elements of a list, as a new list."""
    if node.kind == "rec":
        return [e.value for e in node.entries if e.kind == "set" and not e.nested]
    return list(node.items) if node.kind == "list" else []


def _describe(node: Node, words: list[object], constants: list[object]) -> bool:
    """Add what the shape of a node is made of, and its constants; return False if it cannot share code."""
    kind = node.kind
    words.append(kind)
    if kind in ("str", "int", "path"):
        constants.append(node.value)
        return True
    if kind in ("const", "float"):
        words.append(repr(node.value))
        return True
    if kind == "var":
        words.append(node.name)
        return True
    if len(words) > MAX_SIZE:
        return False
    if kind == "sel":
        if node.key.__class__ is not str:
            return False
        if node.key in _METHODS:
            words.append(node.key)
        else:
            constants.append(node.key)
        return _describe(node.base, words, constants)
    if kind == "rec":
        return _describe_record(node, words, constants)
    if kind == "interp":
        words.append(tuple(part.__class__ is str for part in node.parts))
        constants += [part for part in node.parts if part.__class__ is str]
        parts = [part for part in node.parts if part.__class__ is not str]
    elif kind in ("paren", "neg", "not"):
        parts = [node.inner]
    elif kind == "bin":
        words.append(node.operator)
        parts = [node.left, node.right]
    elif kind == "list":
        words.append(len(node.items))
        parts = node.items
    elif kind == "call":
        words.append(len(node.args))
        parts = [node.callee, *node.args]
    elif kind == "rcall":
        parts = [node.callee, node.record]
    elif kind == "if":
        parts = [node.condition, node.then, node.otherwise]
    else:
        return False
    return all(_describe(part, words, constants) for part in parts)


def _describe_record(node: Node, words: list[object], constants: list[object]) -> bool:
    """Add the entries of a record; return False if one cannot share code."""
    for entry in node.entries:
        if entry.kind == "set" and not entry.nested:
            words.append((entry.name, entry.quoted))
            inner = entry.value
        elif entry.kind == "inherit":
            words.append((entry.name,))
            continue
        elif entry.kind == "spread":
            words.append("...")
            inner = entry.inner
        else:
            return False
        if not _describe(inner, words, constants):
            return False
    words.append("}")
    return True


def with_holes(value: ShapedValue) -> Node:
    """Return the node of a value with holes in place of its varying constants."""
    holes: list[object] = []
    slots = {at: 1 + i for i, at in enumerate(sorted(value.shape.varying))}
    for i, constant in enumerate(value.constants):
        if i in slots:
            constant = Hole(constant) if constant.__class__ is str else IntegerHole(constant)  # type: ignore
            constant.element = slots[i]
        holes.append(constant)
    return _filled(value.node, iter(holes))


def _filled(node: Node, constants: Iterator[object]) -> Node:
    """Return a node with other constants, in the order of `_describe`."""
    kind = node.kind
    if kind in ("str", "int", "path"):
        return Literal((*node[:3], next(constants)))
    if kind == "sel":
        key = node.key if node.key in _METHODS else next(constants)
        return Selection((*node[:3], _filled(node.base, constants), key, *node[5:]))
    if kind == "rec":
        entries: list[Node] = []
        for entry in node.entries:
            if entry.kind == "set":
                entry = entry.__class__((*entry[:4], _filled(entry.value, constants), *entry[5:]))
            elif entry.kind == "spread":
                entry = entry.__class__((*entry[:3], _filled(entry.inner, constants)))
            entries.append(entry)
        return node.__class__((*node[:3], entries))
    if kind == "interp":
        texts = [next(constants) if part.__class__ is str else None for part in node.parts]
        pieces = [
            text if part.__class__ is str else _filled(part, constants)
            for text, part in zip(texts, node.parts, strict=True)
        ]
        return node.__class__((*node[:3], pieces))
    parts = [
        [_filled(item, constants) if isinstance(item, Node) else item for item in part]
        if part.__class__ is list
        else _filled(part, constants)
        if isinstance(part, Node)
        else part
        for part in node[3:]
    ]
    return node.__class__((*node[:3], *parts))


# ---- the generated tree


def define(name: str, elements: tuple[object, ...], body: Block, at: Position) -> py.Statement:
    """Build a function without arguments whose code others may share."""
    function = py.define(name, [(SHARED, False)], body, at)
    function.args.defaults = [py.plain_const(elements, at)]  # type: ignore[attr-defined]
    return function


def keep_elements(body: Block) -> None:
    """Let each function in a body refer to `.shared`, so that its frames tell which value they evaluate."""
    for node in (n for statement in body for n in _nodes(statement)):
        if not isinstance(node, (a.FunctionDef, a.Lambda)):
            continue
        if any(isinstance(inner, a.Name) and inner.id == SHARED for inner in _nodes(node)):
            continue
        at = (node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0)
        read = py.name(SHARED, at)
        if isinstance(node, a.Lambda):
            node.body = py.put(a.BoolOp(a.And(), [read, node.body]), at)  # the tuple is never empty
        else:
            node.body.insert(0, py.run(read, at))


def outer_names(body: Block) -> list[str]:
    """Return the names that a body reads and may not bind itself, sorted."""
    read: set[str] = set()
    bound = {SHARED}
    for node in (n for statement in body for n in _nodes(statement)):
        if isinstance(node, a.Name):
            (read if isinstance(node.ctx, a.Load) else bound).add(node.id)
        elif isinstance(node, a.FunctionDef):
            bound.add(node.name)
            bound.update(arg.arg for arg in node.args.args)
    return sorted(read - bound)


def stub(name: str, elements: tuple[object, ...], names: list[str], at: Position) -> py.Statement:
    """Build a function that has the free variables of shared code. names: what the code reads."""
    values: py.Expr = py.put(a.Tuple([py.name(n, at) for n in names], py.LOAD), at)
    return define(name, elements, [py.return_(values, at)], at)


def _nodes(node: a.AST) -> Iterator[a.AST]:
    """Yield a node and all nodes below it, without an order. `ast.walk` would import `ast`."""
    todo = [node]
    while todo:
        found = todo.pop()
        yield found
        for field in found._fields:
            value = getattr(found, field, None)
            if isinstance(value, list):
                todo += [v for v in value if isinstance(v, a.AST)]
            elif isinstance(value, a.AST):
                todo.append(value)


# ---- code objects


def nested(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and those in it, each once."""
    todo, seen = [code], {id(code)}
    while todo:
        found = todo.pop()
        yield found
        for const in found.co_consts:
            if const.__class__ is CodeType and id(const) not in seen:
                seen.add(id(const))
                todo.append(const)


def join(code: CodeType) -> CodeType:
    """Return the code of a module with the shared code in place of stubs."""
    shared = {c.co_name.removeprefix(CODE): c for c in nested(code) if c.co_name.startswith(CODE)}
    return _joined(code, shared) if shared else code


def _joined(code: CodeType, shared: dict[str, CodeType]) -> CodeType:
    """Return a code object in which the stubs of shared code are replaced by that code."""
    consts: list[object] = []
    for const in code.co_consts:
        if isinstance(const, CodeType):
            if const.co_name.startswith(STUB):
                const = shared[const.co_name.removeprefix(STUB).partition(".")[0]]
            elif not const.co_name.startswith(CODE):
                const = _joined(const, shared)
        consts.append(const)
    if all(one is other for one, other in zip(consts, code.co_consts, strict=True)):
        return code
    return code.replace(co_consts=tuple(consts))
