"""Define the syntax tree that the parser returns.

A node is a tuple (kind, start, end, ...), with offsets into the text. The class of a node names the further elements;
`kind` tells apart the nodes of one class:

    Literal               int, float, str, path or const
    Interpolation         interp; parts: str or node
    Name                  var
    ListLiteral           list; items may be spreads
    Enclosing             spread, not, neg, or paren: a call or selection in parentheses, into which `|>` does not reach
    RecordLiteral         rec
    RecordComprehension   reccomp
    ListComprehension     listcomp
    Selection             sel; key: str or node; key_start, key_end: the offsets of the key
    FunctionCall          call; args may be spreads and named arguments
    RecordCall            rcall: `f { ... }`
    Function              fn; name: "" for a function without a name
    Let, If, Assert       let, if, assert
    Operation             bin
    Default               or

Entries of records, files and lets: Field and QuotedField (set; start and end are the name's), ComputedField (dyn),
NestedField (set, or deep after a spread: `a.b = 1` changes `a` of what is spread; value: a record of the fields below),
InheritedField (inherit), Enclosing (spread), AssertEntry (assertion), and TypedField (typed; token: the name's), which
only patterns can have. Clauses of comprehensions: ForClause (for) and IfClause (if). Arguments: NamedArgument (named).
Parameters: Param (param) and Pattern (pattern; rest: the name after `...`, or None).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fpack.lang.abi import KNOWN_FIELD, OLD, OUTER, SPREAD_FIELD

if TYPE_CHECKING:
    from .lexer import Token

Types = tuple[Any, ...]


# The descriptors that read an element of a tuple, by index: those of a NamedTuple, which are written in C. All classes
# share them.
_ELEMENTS = namedtuple("_ELEMENTS", "a b c d e f g")
_GETTERS = [getattr(_ELEMENTS, name) for name in "abcdefg"]


class Node(tuple[Any, ...]):
    """A node of the syntax tree.

    Make a node with `CLASS((kind, start, end, ...))`: the `__new__` of a NamedTuple takes twice as long.
    """

    __slots__ = ()
    quoted = False  # the name of a field is written in quotes, so that other fields cannot mention it
    nested = False  # the field is written `a.b = VALUE`
    if TYPE_CHECKING:  # the types of the fields in all classes that have them
        kind: str
        start: int
        end: int
        args: list[Node]
        base: Node
        body: Node
        callee: Node
        clauses: list[Node]
        condition: Node
        default: Node | None
        entries: list[Node]
        fallback: Node
        inner: Node
        items: list[Node]
        key: Any
        key_end: int
        key_start: int
        left: Node
        message: Node
        name: str
        names: list[str]
        operator: str
        otherwise: Node
        params: list[Node]
        parts: list[Any]
        record: Node
        rest: str | None
        result: Node
        right: Node
        selection: Node
        sequence: Node
        then: Node
        token: Token
        types: Types | None
        value: Any
    else:
        kind, start, end = _GETTERS[:3]

    def spanning(self, start: int, end: int) -> Node:
        """Return the same node with another span."""
        return self.__class__((self.kind, start, end, *self[3:]))


def _node(name: str, fields: str) -> type[Node]:
    """Make the class of nodes that have `fields` after the end."""
    getters = zip(fields.split(), _GETTERS[3:], strict=False)
    return type(name, (Node,), {"__slots__": (), "__module__": __name__, **dict(getters)})


Literal = _node("Literal", "value")
Interpolation = _node("Interpolation", "parts")
Name = _node("Name", "name")
ListLiteral = _node("ListLiteral", "items")
Enclosing = _node("Enclosing", "inner")
RecordLiteral = _node("RecordLiteral", "entries")
RecordComprehension = _node("RecordComprehension", "key result clauses")
ListComprehension = _node("ListComprehension", "result clauses")
Selection = _node("Selection", "base key key_start key_end")
FunctionCall = _node("FunctionCall", "callee args")
RecordCall = _node("RecordCall", "callee record")
Function = _node("Function", "name params body")
Let = _node("Let", "entries body")
If = _node("If", "condition then otherwise")
Assert = _node("Assert", "condition message body")
Operation = _node("Operation", "operator left right")
Default = _node("Default", "selection fallback")
Field = _node("Field", "name value")
QuotedField = _node("QuotedField", "name value quoted")
NestedField = _node("NestedField", "name value quoted nested")
ComputedField = _node("ComputedField", "key value")
InheritedField = _node("InheritedField", "name")
AssertEntry = _node("AssertEntry", "condition message")
TypedField = _node("TypedField", "token types default")
ForClause = _node("ForClause", "names sequence")
IfClause = _node("IfClause", "condition")
NamedArgument = _node("NamedArgument", "name value")
Param = _node("Param", "name types default")
Pattern = _node("Pattern", "params rest")

LITERALS = ("int", "float", "str", "const")  # the kinds of literals that contain no other node
MAX_DEPTH = 2500  # levels of nested nodes, below the depth at which Python's own compiler fails
# The precedence of operators; a higher number binds more tightly.
LEVELS = {
    "|>": 1,
    "or": 2,
    "||": 3,
    "&&": 4,
    "==": 5,
    "!=": 5,
    "<": 6,
    "<=": 6,
    ">": 6,
    ">=": 6,
    "+": 7,
    "-": 7,
    "*": 8,
    "/": 8,
}
# A type is one of these names, or a tuple of the types of a list's elements.
TYPES = (
    "null", "bool", "int", "float", "number", "string", "path", "list", "record", "function", "package", "derivation",
    "any",
)  # fmt: skip


def children(node: Node) -> list[Node]:
    """Return the nodes directly inside a node, in their order."""
    found: list[Node] = []
    for part in node[3:]:
        if part.__class__ is list:
            found += [item for item in part if isinstance(item, Node)]
        elif isinstance(part, Node):
            found.append(part)
    return found


def walk(tree: list[Node] | Node) -> Iterator[Node]:
    """Yield all nodes of a tree, each before the nodes inside it."""
    todo = tree[::-1] if isinstance(tree, list) else [tree]
    while todo:
        node = todo.pop()
        yield node
        todo += reversed(children(node))


def unwrapped(node: Node) -> Node:
    """Return a node without the parentheses around it."""
    while node.kind == "paren":
        node = node.inner
    return node


def flat_params(params: list[Node]) -> list[Node]:
    """Return the parameters of a function, with the fields of a pattern instead of the pattern."""
    return [q for p in params for q in (p.params if p.kind == "pattern" else [p])]


def param_names(function: Node) -> list[str]:
    """Return the names that the parameters of a function bind."""
    rests = [p.rest for p in function.params if p.kind == "pattern" and p.rest]
    return [p.name for p in flat_params(function.params)] + rests


def mark_outer_calls(entries: list[Node]) -> list[Node]:
    """Return a file's entries with the callee of each `NAME = NAME { ... }` marked with `OUTER`.

    The marked callee is the `NAME` of the builtins or the prelude, the names that every file has: a field cannot be
    computed by calling itself.
    """
    return [
        Field((*entry[:4], _mark_outer_call(entry.value, entry.name)))
        if entry.kind == "set" and not entry.quoted and not entry.nested
        else entry
        for entry in entries
    ]


def _mark_outer_call(node: Node, name: str) -> Node:
    """Return a node with its innermost callee marked, if the callee is called `name`."""
    kind = node.kind
    if kind not in ("call", "rcall", "sel"):
        return node
    inner = node.base if kind == "sel" else node.callee
    if kind != "sel" and inner.kind == "var" and inner.name == name:
        marked = mark_outer(inner)
    else:
        marked = _mark_outer_call(inner, name)
    return node if marked is inner else node.__class__((*node[:3], marked, *node[4:]))


def mark_outer(node: Node) -> Node:
    """Return the node of a name, marked with `OUTER`."""
    return Name((*node[:3], node.name + OUTER))


def entry_value(entry: Node) -> Node:
    """Return the node of a field's value; for `{ name }`, the node of the name."""
    return entry.value if entry.kind == "set" else Name(("var", entry.start, entry.end, entry.name))


def layer(record: Node, change: str) -> Node:
    """Return a record literal that changes another record, as a node of what the runtime lays over that record.

    This is the literal itself, or if it has nested fields, the function `old => { ... }`, in which `a.b = VALUE` is
    `a = CHANGE(old, "a", { b = VALUE })`. `old` is the record below: the changed one, without this change.

    change: the runtime function that changes a field: CHANGE_FIELD in `.with`, EXTEND_FIELD in `.extend`, which may add
    fields to what a call returns, and SPREAD_FIELD beside a spread, where the field itself may be new.
    """
    nested = [e for e in record.entries if e.nested]
    if not nested:
        return record
    entries = [_changed_field(e, change) if e.nested else e for e in record.entries]
    body: Node = RecordLiteral((*record[:3], entries))
    if change != SPREAD_FIELD:
        # Around the fields, so that a misspelt `a` of `a.b` is an error even if nothing reads the field.
        for entry in reversed(nested):
            at = entry[1:3]
            args = [Name(("var", *at, OLD)), Literal(("str", *at, entry.name)), body]
            body = FunctionCall(("call", *at, Name(("var", *at, KNOWN_FIELD)), args))
    return Function(("fn", record.start, record.end, "", [Param(("param", *record[1:3], OLD, None, None))], body))


def nested_layer(entry: Node) -> Node:
    """Return the function of the record below that a nested field after a spread stands for."""
    field = NestedField(("set", *entry[1:]))
    return layer(RecordLiteral(("rec", entry.start, entry.value.end, [field])), SPREAD_FIELD)


def _changed_field(entry: Node, change: str) -> Node:
    """Return the field `a = CHANGE(old, "a", { b = VALUE })` for the entry `a.b = VALUE`."""
    at = entry[1:3]
    args = [Name(("var", *at, OLD)), Literal(("str", *at, entry.name)), layer(entry.value, change)]
    return Field(("set", *at, entry.name, FunctionCall(("call", *at, Name(("var", *at, change)), args))))


def calls_outer(node: Node) -> bool:
    """Return whether `mark_outer_calls` has marked the callee in a field's value."""
    while node.kind in ("call", "rcall", "sel"):
        node = node.base if node.kind == "sel" else node.callee
    return node.kind == "var" and node.name.endswith(OUTER)
