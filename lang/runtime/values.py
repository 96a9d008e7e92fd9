"""Define the values and thunks that generated code works on.

null, bool, int, float, string and list are Python's None, bool, int, float, str and list; a record is a dict; a
function is a Python function. Elements of lists and fields of records may be thunks; an evaluated value never is.

A thunk is a value that is not computed yet. It is a cell (`types.CellType`), which takes a third of the time to create
that an instance of a class takes. A thunk holds a function without arguments until it is forced, and then a 1-tuple of
the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import CellType, FunctionType

from fpack.lang.errors import Fault
from fpack.light_typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fpack.store.files.source import SourceSelection

Value = Any
Thunk = CellType


class Missing:
    """The class of `MISSING`, which marks an argument or field that is not given."""

    __slots__ = ()


MISSING = Missing()

# The range of integers. A sum or difference may leave it, because a check would take as long as the addition; whatever
# reads or writes an integer, or computes with it in another way, checks it (`argument_checks.bounded`).
INT_MIN, INT_MAX = -(1 << 63), (1 << 63) - 1


class CycleError(Fault):
    """The error of a value that depends on itself. through_old: the cycle contains a field of `old`."""

    through_old = False


def _entered() -> Value:
    """Raise the error of a thunk that is forced while it is being evaluated. `force` puts this function into it."""
    raise CycleError("This value depends on itself")


def force(t: Thunk) -> Value:
    """Return the value of a thunk. The first call evaluates it; after an error, the next call tries again."""
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
    """A record that `.with` and `.extend` change by evaluating its definitions again.

    origin: how the record was made, see records/origins.py; None for plain data. fill: for a record whose fields are
    not computed yet, the function that returns them, or a pair of them and of the assertions to check then. The creator
    assigns both after the construction: an `__init__` would take longer than all other steps. nested: the fields that a
    literal gives as `a.b = VALUE`, if there are any; see nested_fields.py.
    """

    __slots__ = ("origin", "fill", "nested")
    origin: Any
    fill: Callable[[], Any]
    nested: tuple[str, ...]


class _Unfilled(Record):
    """The methods of records whose fields are not in the dict yet: each of them calls `_use` first."""

    __slots__ = ()

    def _use(self) -> dict[str, Value]:
        """Fill the dict, change the class to `Record`, and return the record itself."""
        raise NotImplementedError

    def __missing__(self, name: str) -> Value:
        filled = self._use()
        if name not in filled:
            from .field_errors import no_field

            raise no_field(filled, name)
        return filled[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._use())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._use())

    def __len__(self) -> int:
        return len(self._use())

    def __contains__(self, name: object) -> bool:
        return name in self._use()

    def __eq__(self, other: object) -> bool:
        return bool(self._use() == other)

    __hash__ = None  # type: ignore[assignment]

    def get(self, name: str, default: Value = None) -> Value:
        return self._use().get(name, default)

    def keys(self) -> Any:
        return self._use().keys()

    def values(self) -> Any:
        return self._use().values()

    def items(self) -> Any:
        return self._use().items()


class Pending(_Unfilled):
    """A record that computes its fields when it is first used, and then becomes a `Record`.

    So an assertion of a record that `.with` changes is checked only for the final fields, and the fields of many
    changes, one over the other, are computed in one pass.
    """

    __slots__ = ()

    def _use(self) -> dict[str, Value]:
        """Compute the fields and then check the assertions. After an error, the record is as before."""
        before = self.__class__
        self.__class__ = Filling  # type: ignore[assignment]
        try:
            made = self.fill()
            dict.clear(self)  # `OldRecord` may have some fields already, in the order of their use
            checks: tuple[Callable[[], object], ...] = ()
            if made.__class__ is tuple:
                made, checks = made
            dict.update(self, made)
            self.__class__ = Record  # type: ignore[assignment]
            for check in checks:
                check()
        except BaseException:
            dict.clear(self)
            self.__class__ = before
            raise
        del self.fill
        return self


class Filling(_Unfilled):
    """A `Pending` record while it computes its fields. If the computation uses the record, it depends on itself."""

    __slots__ = ()

    def _use(self) -> dict[str, Value]:
        raise CycleError("This record depends on itself")


class OldRecord(Pending):
    """The record `old` in a change: the definitions below the change, where names have the values of the final record.

    Each field is computed alone when it is selected, so that a change can use one field without evaluating the others.

    fill: a function as for `Pending`, with a method `find` that returns the definition of a name, or MISSING.
    """

    __slots__ = ()

    def __missing__(self, name: str) -> Value:
        found = self.get(name, MISSING)
        if found is MISSING:
            from .field_errors import no_field

            raise no_field(self, name)
        return found

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or self.get(name, MISSING) is not MISSING

    def get(self, name: Any, default: Value = None) -> Value:
        """Return a field, computed alone, and remember it."""
        if dict.__contains__(self, name):
            return dict.__getitem__(self, name)
        found = self.fill.find(name)  # type: ignore[attr-defined]
        if found is MISSING:
            return default
        try:
            value = evaluated(found)
        except CycleError as error:
            raise error.with_(through_old=True) from None
        dict.__setitem__(self, name, value)
        return value


class KnownFields(Protocol):
    """The known fields of a derivation that was not evaluated. names: the names of all its fields, known or not."""

    names: frozenset[str]

    def evaluated(self) -> Record:
        """Return the evaluated derivation."""


class RecalledDerivation(_Unfilled):
    """A derivation of which some fields are known from a former evaluation. Use of another field evaluates it.

    fill: the known fields, as `KnownFields`; their values are in the dict.
    """

    __slots__ = ()

    def _use(self) -> dict[str, Value]:
        """Evaluate the derivation, and keep the values of the known fields."""
        known = self.fill
        made: Record = known.evaluated()  # type: ignore[attr-defined]
        found = {name: dict.get(self, name, value) for name, value in made.items()}
        dict.clear(self)
        dict.update(self, found)
        self.__class__ = Record  # type: ignore[assignment]
        for slot in ("origin", "nested"):
            if (value := getattr(made, slot, MISSING)) is not MISSING:
                setattr(self, slot, value)
        return self

    def __contains__(self, name: object) -> bool:
        return name in self.fill.names  # type: ignore[attr-defined]

    def get(self, name: str, default: Value = None) -> Value:
        if dict.__contains__(self, name):
            return dict.__getitem__(self, name)
        return self._use().get(name, default) if name in self else default

    def __getattr__(self, name: str) -> Any:
        # The origin and the nested names are not assigned before the evaluation.
        if name in ("origin", "nested"):
            return getattr(self._use(), name)
        raise AttributeError(name)


def recalled(fields: dict[str, Value], known: KnownFields) -> RecalledDerivation:
    """Return a derivation of which `fields` are known."""
    record = RecalledDerivation(fields)
    record.fill = known  # type: ignore[assignment]
    return record


class Tentative(dict[str, Value]):
    """The argument of a call that is made only to learn the defaults of the function's parameters.

    Its fields are not evaluated for the types of parameters: they may depend on the result of this call.
    """

    __slots__ = ()


def unchecked(value: Value) -> Value:
    """Return the evaluated value. `parameter_types.check_field` recognises a thunk of this function, and leaves it."""
    return evaluated(value)


def tentative(record: dict[str, Value]) -> Tentative:
    """Return a tentative argument with the fields of a record."""
    return Tentative({n: Thunk(partial(unchecked, v)) if v.__class__ is Thunk else v for n, v in record.items()})


def pending(fill: Callable[[], Any], origin: Any, cls: type[Pending] = Pending) -> Record:
    """Return a record of this origin whose fields `fill` computes."""
    record = cls()
    record.origin = origin
    record.fill = fill
    return record


def record_with_origin(fields: dict[str, Value], origin: Any) -> Record:
    """Return a record with these fields and this origin."""
    record = Record(fields)
    record.origin = origin
    return record


class OnDemand(dict[str, Value]):
    """A record that computes a field when the field is selected, for records with very many fields.

    what: a description of the record for messages. make: returns the value of a field from its name, and raises an
    error for a field that does not exist. origin: the layers of the record, or None.
    """

    __slots__ = ("what", "make", "origin")

    def __init__(self, what: str, make: Callable[[str], Value], origin: Any = None) -> None:
        dict.__init__(self)
        self.what = what
        self.make = make
        self.origin = origin

    def __missing__(self, name: str) -> Value:
        value = self[name] = self.make(name)
        return value


class Path:
    """A file or directory of a project.

    path: its absolute path on this machine; root: the project directory. selection: the entries that the directory has
    as a source; None: all. name: its name in the store; "": the name of the file. reader: the real path of the source
    file that the path was written in, "" for the library and expressions.
    """

    __slots__ = ("path", "root", "selection", "name", "reader")

    def __init__(
        self, path: str, root: str, selection: SourceSelection | None = None, name: str = "", reader: str = ""
    ) -> None:
        self.path = path
        self.root = root
        self.selection = selection
        self.name = name
        self.reader = reader

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Path) and (other.path, other.selection, other.name) == (
            self.path, self.selection, self.name,
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash(self.path)


class Secret:
    """The name of a secret of the user's. An evaluation never knows the secret itself."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.name == self.name

    def __hash__(self) -> int:
        return hash((Secret, self.name))


_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "bool",
    int: "int",
    float: "float",
    str: "string",
    list: "list",
    dict: "record",
    Record: "record",
    Pending: "record",
    Filling: "record",
    OldRecord: "record",
    RecalledDerivation: "record",
    Tentative: "record",
    OnDemand: "record",
    FunctionType: "function",
    Path: "path",
    Secret: "secret",
}
PYTHON_NAMES = {cls.__name__: name for cls, name in _NAMES.items()}


def type_name(value: Value) -> str:
    """Return the language's name for the type of an evaluated value."""
    if value.__class__ is Pending:
        len(value)  # computes the fields: if that fails, the record has no value, and so no type
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
    """Return whether an evaluated value is a derivation."""
    return isinstance(value, Record) and value.get("type") == "derivation"


def evaluated(value: Value) -> Value:
    """Return the value, forced if it is a thunk."""
    return force(value) if value.__class__ is Thunk else value


def lookup(record: dict[str, Value], name: str) -> Value:
    """Return the evaluated field of a record, or MISSING. An on-demand record raises its own error instead."""
    # The evaluation of the field may itself raise KeyError, so the presence is tested first.
    if name not in record and record.__class__ is not OnDemand:
        return MISSING
    return evaluated(record[name])
