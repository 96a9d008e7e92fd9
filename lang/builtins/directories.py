"""Define the builtins that read directories of the project: their entries, their sources, and sets of their files.

The docstrings are user documentation, as in lists.py.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from typing import Any

from fpack.lang.errors import Fault, did_you_mean, quote
from fpack.lang.runtime.argument_checks import list_of, record_of, text_of, wrong_type
from fpack.lang.runtime.values import Path, Value, describe, evaluated
from fpack.store.errors import FpackError
from fpack.store.path import check_name

_RULES = ("keep", "drop", "name")
_GLOB = re.compile(r"([*?\[\\])")
Layer = Callable[[Value, Path], Value]  # extends a record by the files of a directory


class DirectoryBuiltins:
    """The builtins for directories. layer: implements `package-set`."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._listed: set[str] = set()

    def through_links(self) -> bool:
        """Return True if a directory was reached through a symlink."""
        return any(os.path.realpath(path) != path for path in self._listed)

    def entries(self, directory: Path) -> list[tuple[str, int]]:
        """Return name and mode of each entry that a directory has as a source; raise Fault if it cannot be read."""
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
            raise Fault(what, why=f"{error.filename}: {error.strerror}", file=directory.path) from None
        return [(_text(entry, name), mode) for entry, mode in found]

    def functions(self) -> dict[str, Callable[..., Value]]:
        """Return the builtins by name."""

        def read_dir(directory: Value, /) -> Value:
            """read-dir(directory): Return the entries of a directory of the project, without those that its .gitignore
            excludes, as a record of names and kinds: "file", "directory", "symlink" or "other".

                read-dir(./services) |> names
                { ${name} = ./services + "/${name}" for name, kind in read-dir(./services) if kind == "directory" }
            """
            return {name: _kind(mode) for name, mode in self.entries(_path_of(directory))}

        def source(path: Value, rules: Value = None, /) -> Value:
            """source(directory, { keep, drop, name }): Return a directory as a source with some of its entries: those
            that match a pattern of `keep`, and not those that match a pattern of `drop`. Patterns are as in .gitignore,
            relative to the directory; a path, such as ./docs, is a pattern too. name: the name in the store.

                package { source = source(./., { keep = ["src/", "Makefile"], drop = ["*.md"] }) }
            """
            found = _path_of(path)
            given = record_of({} if rules is None else rules)
            for name in given:
                if name not in _RULES:
                    hint = did_you_mean(name, _RULES) or f"its fields are {', '.join(_RULES)}"
                    raise Fault(f"`source` has no field {quote(name)}", hint=hint)
            keep, drop = (_patterns(found, name, given.get(name)) for name in ("keep", "drop"))
            if keep is None and not drop:
                selection = found.selection
            elif found.selection is not None:
                raise Fault("`keep` and `drop` of this source are given already", hint="give both in one call")
            else:
                from fpack.store.files.source_selection import Selection

                selection = Selection(keep, drop or ())
            return Path(found.path, found.root, selection, _name(given.get("name")) or found.name)

        def package_set(directory: Value, base: Value = None, /) -> Value:
            """package-set(directory) or package-set(directory, base): Return the set of packages that the files of a
            directory define. NAME.fp defines the field NAME, as a function of the fields of the set that its pattern
            names, or as a value; a file is read when its field is selected. A subdirectory is a set in the set, or one
            field if it has a `default.fp`. The files extend the record `base`, such as another set.

                set = package-set(./pkgs) # with pkgs/curl.fp: curl({ ssl }) = make { name = "curl", libs = [ssl] }
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


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    return "directory" if stat.S_ISDIR(mode) else "symlink" if stat.S_ISLNK(mode) else "other"


def _name(value: Value) -> str:
    if evaluated(value) is None:
        return ""
    name = text_of(value)
    try:
        check_name(name)
    except FpackError as error:
        raise Fault(error.what, why=error.why, hint="use store-name(TEXT)") from None
    return name


def _patterns(top: Path, field: str, value: Value) -> tuple[str, ...] | None:
    """Return the patterns of a list of strings and paths; None for null."""
    value = evaluated(value)
    if value is None:
        return None
    if value.__class__ is not list:
        raise Fault(f"`{field}` is a list of patterns, and this is {describe(value)}", hint=f'write {field} = ["*.md"]')
    return tuple(_pattern(top, field, evaluated(item)) for item in list_of(value))


def _pattern(top: Path, field: str, item: Any) -> str:
    if item.__class__ is Path:
        relative = os.path.relpath(item.path, top.path)
        if relative.startswith(".."):
            raise Fault(f"{quote(os.path.basename(item.path))} in `{field}` is outside the source", why=top.path)
        return "/*" if relative == "." else "/" + _GLOB.sub(r"\\\1", relative)
    if item.__class__ is not str:
        raise Fault(f"`{field}` takes patterns, which are strings or paths, and this is {describe(item)}")
    if not item or "\n" in item or "\0" in item or ".." in item.split("/"):
        why = "a pattern is one line of a .gitignore, relative to the source"
        raise Fault(f"{quote(item)} in `{field}` is not a pattern", why=why)
    return "/" + item.removeprefix("./") if item.startswith("./") else item
