"""Define the values and thunks that generated code works on.

null, bool, int, float, string and list are Python's None, bool, int, float, str and list; a record is a dict; a
function is a Python function. Elements of lists and fields of records may be thunks; an evaluated value never is.

A thunk is a cell (`types.CellType`), which takes a third of the time to create that an instance of a class takes. A
thunk holds a function without arguments until it is forced, and then a 1-tuple of the value.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any

from fpack.lang.errors import Fault

Value = Any
Thunk = CellType


class Missing:
    """The class of `MISSING`, which marks an argument or field that is not given."""

    __slots__ = ()


MISSING = Missing()


class Loop(Fault):
    """The error of a value that depends on itself."""


def _entered() -> Value:
    raise Loop("This value depends on itself")


def force(t: Thunk) -> Value:
    """Return the value of a thunk, evaluating it the first time."""
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
    """A record that `.with` rebuilds with changed fields.

    origin: a function from changes to the new record, or the function whose result this record is and its argument.
    The creator assigns it after the construction: an `__init__` would take longer than all other steps.
    """

    __slots__ = ("origin",)
    origin: Callable[[dict[str, Value]], Value] | tuple[Callable[[Value], Value], dict[str, Value]]


def record_with_origin(fields: dict[str, Value], origin: Callable[[dict[str, Value]], Value]) -> Record:
    """Return a record with these fields and this origin."""
    record = Record(fields)
    record.origin = origin
    return record


class OnDemand(dict[str, Value]):
    """A record that computes a field when the field is selected, for records with very many fields.

    what: a description of the record for messages. make: returns the value of a field from its name, and raises an
    error for a field that does not exist. origin: rebuilds the record from changes; None: the changes override fields.
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
    """A file or directory of a project. path: its absolute path on this machine; root: the project directory."""

    __slots__ = ("path", "root")

    def __init__(self, path: str, root: str) -> None:
        self.path = path
        self.root = root

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Path) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)


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
    """Return the language's name for the type of an evaluated value."""
    return _NAMES[value.__class__]


def describe(value: Value) -> str:
    """Return the type of an evaluated value with an article, for messages."""
    if isinstance(value, dict):
        kind = value.get("type")
        if kind.__class__ is str:
            return {"derivation": "a derivation", "package": "a package"}.get(kind, "a record")
        return "a record"
    return with_article(type_name(value))


def with_article(name: str) -> str:
    """Return a type's name with `a` or `an`; `null` has no article."""
    if name == "null":
        return name
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def is_derivation(value: Value) -> bool:
    """Return True if an evaluated value is a derivation."""
    return value.__class__ is Record and value.get("type") == "derivation"


def evaluated(value: Value) -> Value:
    """Return the value, forced if it is a thunk."""
    return force(value) if value.__class__ is Thunk else value


def lookup(record: dict[str, Value], name: str) -> Value:
    """Return the evaluated field of a record, or MISSING. An on-demand record raises its own error instead."""
    # The evaluation of the field may itself raise KeyError, so the presence is tested first.
    if name not in record and record.__class__ is not OnDemand:
        return MISSING
    return evaluated(record[name])
