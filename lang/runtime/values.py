"""Values, and thunks: what the generated code works on.

null, bool, int, float, string and list are Python's None, bool, int, float, str and list; a record is a dict; a
function is a Python function. Elements of lists and fields of records may be thunks, evaluated values never are.

A thunk is a cell (`types.CellType`): made in a third of the time of any class's instance, which is what most of an
evaluation does. It holds a function of no arguments until it is forced, and then a tuple of the one value.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any

from fpack.lang.errors import Fault

Value = Any
Thunk = CellType


class Missing:
    """The class of `MISSING`, which stands for an argument or field that was not given."""

    __slots__ = ()


MISSING = Missing()


class Loop(Fault):
    """A value that is needed to find itself."""


def _entered() -> Value:
    raise Loop("This value needs itself")


def force(t: Thunk) -> Value:
    """The value of a thunk, found once."""
    found = t.cell_contents
    if found.__class__ is tuple:
        return found[0]
    t.cell_contents = _entered
    try:
        value = found()
    except BaseException:
        t.cell_contents = found
        raise
    t.cell_contents = (value,)
    return value


class Record(dict[str, Value]):
    """A record that can be made anew with changed fields.

    origin: what makes it from changes, or the function that was called with a record, and the record. It is set right
    after: a Record has no `__init__`, for that takes longer than all else.
    """

    __slots__ = ("origin",)
    origin: Callable[[dict[str, Value]], Value] | tuple[Callable[[Value], Value], dict[str, Value]]


def made(fields: dict[str, Value], origin: Callable[[dict[str, Value]], Value]) -> Record:
    """A record of these fields that `origin` makes anew from changes."""
    record = Record(fields)
    record.origin = origin
    return record


class OnDemand(dict[str, Value]):
    """A record whose fields are computed when they are asked for, of which there may be very many.

    what: what it holds, for messages. make: a field's value from its name; it raises what tells the user that there is
    no such field. origin: makes it anew from changes; None: they are laid over.
    """

    __slots__ = ("what", "make", "origin")

    def __init__(self, what: str, make: Callable[[str], Value], origin: Callable[[Any], Value] | None = None) -> None:
        dict.__init__(self)
        self.what = what
        self.make = make
        self.origin = origin

    def __missing__(self, name: str) -> Value:
        value = self[name] = self.make(name)
        return value


class Path:
    """A file or directory of a project. place: its absolute path on this machine; root: the project's directory."""

    __slots__ = ("place", "root")

    def __init__(self, place: str, root: str) -> None:
        self.place = place
        self.root = root

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Path) and other.place == self.place

    def __hash__(self) -> int:
        return hash(self.place)


_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "bool",
    int: "int",
    float: "float",
    str: "string",
    list: "list",
    dict: "record",
    Record: "record",
    OnDemand: "record",
    FunctionType: "function",
    Path: "path",
}
PYTHON_NAMES = {cls.__name__: name for cls, name in _NAMES.items()}


def type_name(value: Value) -> str:
    """The language's name of an evaluated value's type."""
    return _NAMES[value.__class__]


def describe(value: Value) -> str:
    """An evaluated value's type, with its article, for messages."""
    if isinstance(value, dict):
        kind = value.get("type")
        if kind.__class__ is str:
            return {"derivation": "a derivation", "package": "a package"}.get(kind, "a record")
        return "a record"
    return with_article(type_name(value))


def with_article(name: str) -> str:
    """A type's name with `a` or `an` where it takes one."""
    if name == "null":
        return name
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def is_record(value: Value) -> bool:
    """Whether an evaluated value is a record."""
    return isinstance(value, dict)


def is_derivation(value: Value) -> bool:
    """Whether an evaluated value is a derivation."""
    return value.__class__ is Record and value.get("type") == "derivation"


def evaluated(value: Value) -> Value:
    """The value, whether or not it is a thunk."""
    return force(value) if value.__class__ is Thunk else value


def lookup(record: dict[str, Value], name: str) -> Value:
    """The evaluated field of a record, or MISSING. What an on-demand record raises for a missing one is passed on."""
    # Not by catching KeyError, which the evaluation itself may raise.
    if name not in record and record.__class__ is not OnDemand:
        return MISSING
    return evaluated(record[name])
