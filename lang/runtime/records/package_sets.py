"""Extend a record by the files of a directory: the fields of `package-set`.

Each file defines one field, a member of the set: as a value, or as a function of one record pattern, which is called
with the fields of the finished set that the pattern names. A directory in the directory is a nested set, or one member
if it has a file default.fp. The set is an extension of a record (update.py), so the laws of `.extend` hold for it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import FunctionType
from typing import NamedTuple, Protocol

from fpack.lang.errors import Fault, quote
from fpack.lang.protocols import is_absent
from fpack.store.errors import FpackError

from ..paths import PROJECT_FILE, within
from ..values import MISSING, OnDemand, Path, Thunk, Value, describe, evaluated
from .call_layers import remember_call
from .update import extend

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_RULE = "the name of a field consists of letters, digits and _, and after the first character also of . + and -"
_METHODS = ("with", "extend")  # fields of these names would hide the methods of the set
_SUFFIX = ".fp"
_DEFAULT = "default"


class Files(Protocol):
    """The project's files, as a package set reads them."""

    def entries(self, directory: Path) -> list[tuple[str, int]]:
        """Return name and file type of each entry of a directory, sorted by name."""

    def load(self, file: Path) -> dict[str, Value]:
        """Return the record of a file's fields."""

    @property
    def memory(self) -> Memory | None:
        """The memory of members of sets from former evaluations, or None."""

    def missing(
        self, function: FunctionType, name: str, known: list[str], absence: FpackError | None, own: bool
    ) -> FpackError:
        """Return the error for a field that a file's function names and the set lacks.

        known: the fields of the set. absence: the error of an on-demand set for the field. own: it is the file's own.
        """


class Memory(Protocol):
    """The memory of members of sets from former evaluations."""

    def member(self, file: Path, name: str, scope: Surroundings, evaluate: Callable[[], Value]) -> Value:
        """Return the value of a member that a file defines. evaluate: evaluates it."""

    def note_set(self, scope: Surroundings, members: Sequence[Member], own: dict[str, Thunk]) -> None:
        """Note the members that a set's directory defines. own: thunks of their values, by name."""

    def note_pattern(self, file: Path, names: tuple[str, ...] | None) -> None:
        """Note the fields that the function of a file names; None if its value is no such function."""


class Member(NamedTuple):
    """A field of a set. path: its file, or its directory. nested: it is a directory, of a set or with a default.fp."""

    name: str
    path: str
    nested: bool


class Surroundings(NamedTuple):
    """The sets whose fields a file can name: the set of its directory, and the sets around it.

    finished: thunks of these sets, the innermost first. before: the innermost one without the files of this directory.
    base: the record that the files of the directory extend. layer: the function that makes their fields.
    """

    finished: tuple[Value, ...]
    before: Value
    base: Value
    layer: Callable[[Value, Value], Value]


def package_set(files: Files, base: Value, directory: Path, around: tuple[Value, ...] = ()) -> Value:
    """Return a record extended by the files of a directory. around: thunks of the sets that contain the new set."""
    if not isinstance(base, dict):
        raise Fault(f"`package-set` extends a record, and this is {describe(base)}")
    members = list(_members(files, directory))

    def layer(old: Value, new: Value) -> Value:
        scope = Surroundings((new, *around), old, base, layer)
        own = {m.name: Thunk(partial(_value, files, directory, m, scope)) for m in members}
        if files.memory is not None:
            files.memory.note_set(scope, members, own)
        return own

    return extend(base)(layer)


# ---- the members of a directory


def _members(files: Files, directory: Path) -> Iterator[Member]:
    """Yield the members that a directory's entries define; raise Fault for entries that cannot be fields."""
    shown = os.path.basename(directory.path)
    seen: dict[str, str] = {}
    for entry, kind in files.entries(directory):
        name = entry.removesuffix(_SUFFIX)
        path = f"{directory.path}/{entry}"
        is_file = name != entry
        if entry.startswith(".") or entry == PROJECT_FILE:
            continue
        if not is_file and kind != stat.S_IFDIR and not (kind == stat.S_IFLNK and os.path.isdir(path)):
            continue
        where = f"{shown}/{entry}"
        if is_file and name == _DEFAULT:
            hint = f'import("./{shown}/{entry}") reads it; package-set takes the directory above'
            what = f"{quote(where)} does not define a field of this set"
            why = f"it makes {quote(shown)} a field of the set of the directory above"
            raise Fault(what, why=why, hint=hint)
        if not _NAME.fullmatch(name) or name in _METHODS:
            method = "it would hide the method of this name"
            why = method if name in _METHODS else _RULE
            hint = "rename it, begin its name with a dot, or list it in a .gitignore of the set's directory"
            raise Fault(f"The name of {quote(where)} cannot be that of a field", why=why, hint=hint)
        if name in seen:
            raise Fault(f"{quote(seen[name])} and {quote(where)} both define the field {quote(name)}")
        seen[name] = where
        yield Member(name, path, nested=not is_file)


def _value(files: Files, directory: Path, member: Member, scope: Surroundings) -> Value:
    """Return the value of a member. Raise Fault for a link to a directory that contains it: the set would not end."""
    path = within(directory.root, directory.path, os.path.basename(member.path), reader=directory.reader)
    if not member.nested:
        return _defined(files, path, member.name, scope)
    if f"{os.path.realpath(directory.path)}/".startswith(f"{os.path.realpath(path.path)}/"):
        raise Fault(f"{quote(member.name)} is a link to a directory that contains it", why=path.path)
    if file_of(member):
        return _defined(files, within(path.root, path.path, _DEFAULT + _SUFFIX, reader=path.reader), member.name, scope)
    return package_set(files, _inner_base(scope.before, member.name), path, scope.finished)


def file_of(member: Member) -> str:
    """Return the path of the file that defines a member; "" for a nested set."""
    if not member.nested:
        return member.path
    default = f"{member.path}/{_DEFAULT}{_SUFFIX}"
    return default if os.path.lexists(default) else ""


def _inner_base(before: Value, name: str) -> Value:
    """Return the set that a nested directory extends: the field of that name so far, if it is a plain record."""
    found = _selected(before, name)
    value = {} if found is MISSING else evaluated(found)
    return value if isinstance(value, dict) and "type" not in value else {}


def _defined(files: Files, path: Path, name: str, scope: Surroundings) -> Value:
    """Return the value that a file defines, evaluated now or known from a former evaluation."""
    if files.memory is None:
        return _evaluated(files, path, name, scope)
    return files.memory.member(path, name, scope, partial(_evaluated, files, path, name, scope))


def _evaluated(files: Files, path: Path, name: str, scope: Surroundings) -> Value:
    """Return the value that a file defines: its field `name`, called if it is a function of fields."""
    record = files.load(path)
    if name not in record:
        shown = os.path.relpath(path.path, path.root)
        fields = ", ".join(sorted(record)) or "none"
        hint = f"write {name}({{ FIELD, ... }}) = VALUE, or {name} = VALUE"
        raise Fault(f"{quote(shown)} does not define {quote(name)}", why=f"its fields: {fields}", hint=hint)
    value = evaluated(record[name])
    pattern = _pattern(value)
    if files.memory is not None:
        files.memory.note_pattern(path, None if pattern is None else tuple(pattern))
    if pattern is None:
        return value
    argument: dict[str, Value] = {}
    for field, required in pattern.items():
        found = _field(field, name, scope)
        if found is not MISSING:
            argument[field] = found
        elif required:
            raise files.missing(value, field, _known(scope), _absence(field, scope), field == name)
    return remember_call(value(argument), value, argument)


def _pattern(function: Value) -> dict[str, bool] | None:
    """Return the fields that a function of one closed pattern names, and whether each is required; else None.

    A function of the library, and one that takes further fields, is a value like any other.
    """
    if function.__class__ is not FunctionType:
        return None
    code, source = function.__code__, function.__globals__.get(".source")
    # The compiler names the parameter that a pattern takes apart `.given`, with a number.
    if code.co_argcount != 1 or not code.co_varnames[0].startswith(".given") or source is None or source.library:
        return None
    # The generated code passes the pattern to the runtime's function `take` as a constant: (function's name, names of
    # the fields, which of them are required, whether further fields are allowed).
    spec = next(c for c in code.co_consts if c.__class__ is tuple and len(c) == 4 and c[2].__class__ is tuple)
    _, names, required, rest = spec
    return None if rest else dict(zip(names, required, strict=True))


def _field(name: str, own: str, scope: Surroundings) -> Value:
    """Return the field that a file names, or MISSING. The own name of the file means the field before the file's."""
    sets = (scope.before, *scope.finished[1:]) if name == own else scope.finished
    return next((found for found in (_selected(s, name) for s in sets) if found is not MISSING), MISSING)


def _known(scope: Surroundings) -> list[str]:
    """Return the names of the fields that a file can name, sorted."""
    return sorted({name for s in scope.finished if evaluated(s).__class__ is not OnDemand for name in evaluated(s)})


def _absence(name: str, scope: Surroundings) -> FpackError | None:
    """Return the error of the first on-demand set for a field that it does not have."""
    for record in map(evaluated, scope.finished):
        if record.__class__ is OnDemand:
            try:
                record[name]
            except FpackError as error:
                return error
    return None


def _selected(value: Value, name: str) -> Value:
    """Return a field of a set, perhaps as a thunk, or MISSING."""
    record = evaluated(value)
    if record.__class__ is not OnDemand:
        return record.get(name, MISSING)
    try:
        return record[name]
    except FpackError as error:
        if is_absent(error):
            return MISSING
        raise
