"""Define the builtins that read directories of the project: their entries, their sources, and sets of their files.

The docstrings are user documentation, as in lists.py.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from fpack.lang.errors import Fault, did_you_mean, quote
from fpack.lang.runtime.argument_checks import ArgumentError, record_of, wrong_type
from fpack.lang.runtime.reads import ReadLog
from fpack.lang.runtime.values import Path, Value, describe, evaluated
from fpack.light_typing import Any
from fpack.store.errors import FpackError
from fpack.store.path import check_name

_RULES = ("keep", "drop", "ignored", "name")
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}
_GLOB = r"([*?\[\\])"  # compiled when it is used
Patterns = tuple[str, ...] | None
Layer = Callable[[Value, Path], Value]  # extends a record by the files of a directory


class DirectoryBuiltins:
    """The builtins for directories. layer: implements `package-set`. log: gets what they read."""

    def __init__(self, layer: Layer, log: ReadLog) -> None:
        self._layer = layer
        self._log = log
        self._listed: set[str] = set()

    def through_links(self) -> bool:
        """Return whether a directory was reached through a symlink."""
        return any(os.path.realpath(path) != path for path in self._listed)

    def entries(self, directory: Path) -> list[tuple[str, int]]:
        """Return name and file type of each entry that a directory has as a source; raise Fault if it is unreadable."""
        from pathlib import Path as HostPath

        from fpack.store.files.source import entries

        name = quote(os.path.basename(directory.path))
        self._listed.add(directory.path)
        try:
            found = entries(HostPath(directory.path))
        except NotADirectoryError:
            raise Fault(f"{name} is not a directory", why=directory.path, file=directory.path) from None
        except OSError as error:
            what = f"There is no directory {name}" if isinstance(error, FileNotFoundError) else f"{name} cannot be read"
            raise Fault(what, why=f"{os.fsdecode(error.filename)}: {error.strerror}", file=directory.path) from None
        listed = [(_text(entry, name), kind) for entry, kind in found]
        if directory.reader:
            self._log.note(directory.reader, ("directory", directory.path, tuple(listed)))
        return listed

    def functions(self) -> dict[str, Callable[..., Value]]:
        """Return the builtins by name."""

        def read_dir(directory: Value, /) -> Value:
            """read-dir(directory): Return the entries of a directory of the project, without those that its .gitignore
            excludes, as a record of names and kinds: "file", "directory", "symlink" or "other". The path of an entry is
            DIRECTORY + "/NAME", as in [./pages + "/${name}" for name in names(read-dir(./pages))].
            """
            return {name: _KINDS.get(kind, "other") for name, kind in self.entries(_path_of(directory))}

        def source(path: Value, rules: Value = None, /) -> Value:
            """source(directory, { keep, drop, ignored, name }): Return a directory as a source with some entries: those
            that match a pattern of `keep`, and not those that match a pattern of `drop`. Patterns are as in .gitignore,
            relative to the directory, as in source(./., { keep = ["src/", "Makefile"], drop = ["*.md"] }); a path, such
            as ./docs, is a pattern too. ignored = true: also with the files that its .gitignore lists, which a release
            may have. name: the name in the store.
            """
            found = _path_of(path)
            given = record_of({} if rules is None else rules)
            try:
                keep, drop, ignored, name = _checked(found, given)
            except Fault as error:
                raise ArgumentError(given, error.what, why=error.why, hint=error.hint) from None
            if keep is None and not drop and not ignored:
                selection = found.selection
            elif found.selection is not None:
                raise Fault("`keep` and `drop` of this source are given already", hint="give both in one call")
            else:
                from fpack.store.files.source import SourceSelection

                selection = SourceSelection(keep, drop or (), ignored)
            return Path(found.path, found.root, selection, name or found.name, found.reader)

        def package_set(directory: Value, base: Value = None, /) -> Value:
            """package-set(directory) or package-set(directory, base): Return the set of packages that the files of a
            directory define. NAME.fp defines the field NAME, as a function of the fields of the set that its pattern
            names, such as curl({ ssl }) = make { libs = [ssl], ... }, or as a value; a file is read when its field is
            selected. A subdirectory is a set in the set, or one field if it has a `default.fp`. The files extend the
            record `base`, such as another set.
            """
            return self._layer({} if base is None else evaluated(base), _path_of(directory))

        return {"read-dir": read_dir, "source": source, "package-set": package_set}


def _path_of(value: Value) -> Path:
    value = evaluated(value)
    if value.__class__ is not Path:
        raise wrong_type(value, "a path", "write a path without quotes: ./DIRECTORY" if value.__class__ is str else "")
    return value


def _text(name: bytes, directory: str) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise Fault(f"The name of a file in {directory} is not UTF-8", why=repr(name)[1:]) from None


def _checked(top: Path, given: dict[str, Value]) -> tuple[Patterns, Patterns, bool, str]:
    """Return the rules of a call of `source`, in the order of their names there.

    Raise Fault with a text to follow the builtin's name.
    """
    for field in given:
        if field not in _RULES:
            hint = did_you_mean(field, _RULES) or f"its fields are {', '.join(_RULES)}"
            raise Fault(f"has no field {quote(field)}", hint=hint)
    keep, drop = (_patterns(top, field, given.get(field)) for field in ("keep", "drop"))
    ignored = evaluated(given.get("ignored"))
    if ignored not in (None, True, False):
        raise Fault(f"takes true or false as `ignored`, and this is {describe(ignored)}")
    name = evaluated(given.get("name")) or ""
    if name.__class__ is not str:
        raise Fault(f"takes a string as `name`, and this is {describe(name)}")
    if name:
        try:
            check_name(name)
        except FpackError as error:
            why = ": ".join(part for part in (error.what, error.why) if part)
            raise Fault(f"cannot give the name {quote(name)}", why=why, hint="use store-name(TEXT)") from None
    return keep, drop, ignored is True, name


def _patterns(top: Path, field: str, value: Value) -> Patterns:
    """Return the patterns of a list of strings and paths; None for null."""
    value = evaluated(value)
    if value is None:
        return None
    if value.__class__ is not list:
        hint = f'write {field} = ["*.md"]'
        raise Fault(f"takes a list of patterns as `{field}`, and this is {describe(value)}", hint=hint)
    return tuple(_pattern(top, field, evaluated(item)) for item in value)


def _pattern(top: Path, field: str, item: Any) -> str:
    """Return an item of `keep` or `drop` as a line of a .gitignore. field: the name of the list, for messages."""
    if item.__class__ is Path:
        relative = os.path.relpath(item.path, top.path)
        if relative.startswith(".."):
            raise Fault(f"has {quote(os.path.basename(item.path))} outside the source in `{field}`", why=top.path)
        import re

        return "/*" if relative == "." else "/" + re.sub(_GLOB, r"\\\1", relative)
    if item.__class__ is not str:
        raise Fault(f"takes strings and paths in `{field}`, and this is {describe(item)}")
    if not item or "\n" in item or "\0" in item or ".." in item.split("/"):
        why = "a pattern is one line of a .gitignore, relative to the source"
        raise Fault(f"has {quote(item)} in `{field}`, which is not a pattern", why=why)
    return "/" + item.removeprefix("./") if item.startswith("./") else item
