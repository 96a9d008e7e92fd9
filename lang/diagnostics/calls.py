"""Find wrong calls, selections and imports: fields, arguments and files that do not exist.

The check covers callees and records whose definition is found in the source text or in a file that it imports. Computed
values are left to the evaluation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from fpack.lang.abi import OUTER
from fpack.lang.compiler.hidden_names import HiddenNames
from fpack.lang.errors import EvalError, did_you_mean, quote
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import MAX_FILE, Source, normal
from fpack.lang.syntax.tree import Node, mark_outer_calls, unwrapped
from fpack.store.errors import FpackError
from fpack.store.files.regular_file import read_bytes

from .names import NameScope, NameTable

_DEPTH = 12  # limit for chains of names that refer to other names
_METHODS = ("with", "extend")


class Definition(NamedTuple):
    """A node, and the text that contains it."""

    node: Node
    text: ParsedText


class ParsedText:
    """A parsed source text. directory: the directory of relative imports, or "" if the text is not a file."""

    def __init__(self, source: Source, tree: list[Node] | Node, directory: str) -> None:
        self.source = source
        self.tree = mark_outer_calls(tree) if isinstance(tree, list) else tree
        self.directory = directory
        self.hidden = HiddenNames(source, self.tree)
        self.names = NameTable(source, self.tree, self.hidden)

    def entry(self, name: str) -> Node | None:
        """Return the node of a field's value, or None."""
        entries = self.tree if isinstance(self.tree, list) else []
        return next((e.value for e in entries if e.kind == "set" and e.name == name), None)

    @property
    def fields(self) -> list[str] | None:
        """The names of the text's fields; None if some are computed."""
        return _fields(self.tree) if isinstance(self.tree, list) else None


class PackageNames(Protocol):
    """The packages of releases, as far as they are known."""

    def fault(self, release: str, name: str) -> FpackError | None:
        """Return the error for a package that a release does not have; None if it may have it."""


class Library:
    """A cache of the files that texts import.

    directories: the directories of `fpack/NAME` files.
    """

    def __init__(self, directories: list[Path], cache: str | Path | None) -> None:
        self.directories = [os.path.realpath(d) for d in directories]
        self.cache = cache
        self._texts: dict[str, ParsedText | None] = {}

    def file(self, path: str) -> ParsedText | None:
        """Return a parsed file; None if it cannot be read or parsed."""
        real = os.path.realpath(path)
        if real not in self._texts:
            self._texts[real] = None
            try:
                text = normal(read_bytes(real, MAX_FILE).decode())
                source = Source(real, text, library=any(real.startswith(d + "/") for d in self.directories))
                self._texts[real] = ParsedText(source, parse(source, self.cache), os.path.dirname(real))
            except (OSError, UnicodeDecodeError, FpackError):
                pass
        return self._texts[real]

    def path_of(self, target: str, directory: str) -> str:
        """Return the path that `import(target)` refers to in a directory, "" if it is unknown."""
        if target.startswith("fpack/"):
            found = (f"{d}/{target[len('fpack/') :]}.fp" for d in self.directories)
            return next((path for path in found if os.path.isfile(path)), "")
        if target.startswith(("./", "../")) and directory:
            return os.path.normpath(os.path.join(directory, target))
        return ""

    def imported(self, node: Node, text: ParsedText) -> ParsedText | None:
        """Return the file that a call of `import` reads, or None."""
        target = import_target(node, text.names)
        path = self.path_of(target, text.directory) if target else ""
        return self.file(path) if path and os.path.isfile(path) else None

    def prelude(self) -> ParsedText | None:
        """Return the prelude, whose names every text sees."""
        path = self.path_of("fpack/prelude", "")
        return self.file(path) if path else None


def import_target(node: Node, names: NameTable) -> str:
    """Return the argument of a call of the builtin `import`, "" for any other node."""
    if node.kind == "call" and node.callee.kind == "var" and node.callee.name == "import" and len(node.args) == 1:
        arg = node.args[0]
        if arg.kind in ("str", "path") and names.scope_of(node).find("import") is None:
            return str(arg.value)
    return ""


def resolve(
    node: Node, scope: NameScope, text: ParsedText, library: Library, depth: int = 0
) -> Definition | ParsedText | None:
    """Find the definition of a node's value: the function or record that makes it, or the file that it imports.

    Return None if the value is computed.
    """
    if depth > _DEPTH:
        return None
    if node.kind == "paren":
        return resolve(node.inner, scope, text, library, depth + 1)
    if node.kind == "var":
        binding = text.names.binding(node, scope)
        if binding is not None:
            if binding.node is None or binding.kind not in ("field", "let"):
                return None
            return resolve(binding.node, scope_of_value(binding.node, text, scope), text, library, depth + 1)
        prelude = library.prelude()
        entry = prelude.entry(node.name.removesuffix(OUTER)) if prelude is not None and prelude is not text else None
        if prelude is None or entry is None:
            return None
        return resolve(entry, prelude.names.top, prelude, library, depth + 1)
    if node.kind == "call":
        return library.imported(node, text)
    if node.kind == "sel" and node.key.__class__ is str and node.key not in _METHODS:
        base = resolve(node.base, scope, text, library, depth + 1)
        if isinstance(base, ParsedText):
            entry = base.entry(node.key)
            return resolve(entry, base.names.top, base, library, depth + 1) if entry is not None else None
        if base is not None and base.node.kind == "rec" and _fields(base.node.entries) is not None:
            entry = next((e.value for e in base.node.entries if e.kind == "set" and e.name == node.key), None)
            if entry is not None:
                inner = next(
                    (s for s in base.text.names.all if (s.start, s.end) == (base.node.start, base.node.end)),
                    base.text.names.top,
                )
                return resolve(entry, inner, base.text, library, depth + 1)
        return None
    return Definition(node, text) if node.kind in ("fn", "rec") else None


def scope_of_value(node: Node, text: ParsedText, scope: NameScope) -> NameScope:
    """Return the scope of a value that was found by name: the innermost scope around it."""
    around = [
        s
        for s in text.names.all
        if s.start <= node.start and node.end <= s.end and (s.start, s.end) != (node.start, node.end)
    ]
    return min(around, key=lambda s: s.end - s.start, default=scope)


def _fields(entries: list[Node]) -> list[str] | None:
    """Return the names of the fields of entries; None if a spread or a computed name may add others."""
    if any(e.kind not in ("set", "inherit", "assertion") for e in entries):
        return None
    return [e.name for e in entries if e.kind in ("set", "inherit")]


def wrong_calls(text: ParsedText, library: Library) -> Iterator[EvalError]:
    """Yield an error for each call with unknown or missing arguments or fields."""
    for call in text.names.calls:
        callee = resolve(call.callee, text.names.scope_of(call), text, library)
        if isinstance(callee, Definition) and callee.node.kind == "fn":
            name = callee.node.name or _written_name(call.callee)
            yield from _record_call(call, callee.node, name, text.source)
            yield from _arguments(call, callee.node, name, text.source)


def _written_name(callee: Node) -> object:
    """Return the name or the key of the field that a call writes for the function."""
    callee = unwrapped(callee)
    return callee.key if callee.kind == "sel" else callee.name


def _record_call(call: Node, function: Node, name: object, source: Source) -> Iterator[EvalError]:
    """Yield the errors of a call with a record literal: fields that the function does not have, and missing ones."""
    record = call.record if call.kind == "rcall" else call.args[0] if call.args else None
    if record is None or record.kind != "rec" or not function.params or function.params[0].kind != "pattern":
        return
    pattern = function.params[0]
    known = [p.name for p in pattern.params]
    if pattern.rest is None:
        for entry in record.entries:
            if entry.kind in ("set", "inherit") and entry.name not in known:
                what = f"{quote(str(name))} has no field {quote(entry.name)}"
                hint = did_you_mean(entry.name, known)
                why = "" if hint else f"it has {', '.join(known)}"
                yield source.error(entry.start, entry.end, what, why=why, hint=hint)
    given = _fields(record.entries)
    missing = [] if given is None else [p.name for p in pattern.params if p.default is None and p.name not in given]
    if missing:
        start = call.callee.start if call.kind == "rcall" else record.start
        what = f"{quote(str(name))} needs the field {quote(missing[0])}"
        yield source.error(start, call.callee.end if call.kind == "rcall" else record.start + 1, what)


def _arguments(call: Node, function: Node, name: object, source: Source) -> Iterator[EvalError]:
    """Yield the errors of the positional and named arguments of a call."""
    if call.kind != "call" or any(a.kind == "spread" for a in call.args):
        return
    params = function.params
    plain = [a for a in call.args if a.kind != "named"]
    if len(plain) > len(params):
        from .error_location import too_many

        extra = plain[len(params)]
        yield source.error(extra.start, extra.end, too_many(quote(str(name)), len(params), len(plain)))
        return
    names = [p.name if p.kind == "param" else "" for p in params]
    taken = set(names[: len(plain)])
    for arg in call.args:
        if arg.kind != "named":
            continue
        if arg.name not in names:
            what = f"{quote(str(name))} has no parameter {quote(arg.name)}"
            yield source.error(arg.start, arg.end, what, hint=did_you_mean(arg.name, [n for n in names if n]))
        elif arg.name in taken:
            yield source.error(arg.start, arg.end, f"The argument {quote(arg.name)} is given twice")
        taken.add(arg.name)
    missing = [p.name for p in params if p.kind == "param" and p.default is None and p.name not in taken]
    if len(plain) < len(params) and not missing and any(p.kind == "pattern" for p in params[len(plain) :]):
        missing = ["{ ... }"]
    if missing:
        yield source.error(
            call.callee.start, call.callee.end, f"{quote(str(name))} needs the argument {quote(missing[0])}"
        )


def wrong_selections(text: ParsedText, library: Library) -> Iterator[EvalError]:
    """Yield an error for each selection of a field that a known record or imported file does not have."""
    for node in text.names.selections:
        key = node.key
        if key.__class__ is not str or key in _METHODS or id(node) in text.names.defaults:
            continue
        base = resolve(node.base, text.names.scope_of(node), text, library)
        if isinstance(base, ParsedText):
            known = base.fields
        elif isinstance(base, Definition) and base.node.kind == "rec":
            known = _fields(base.node.entries)
        else:
            continue
        if known is not None and key not in known:
            what = f"There is no field {quote(key)}"
            hint = did_you_mean(key, known)
            why = "" if hint or not known else f"the record has {', '.join(sorted(known)[:12])}"
            yield text.source.error(node.key_start, node.key_end, what, why=why, hint=hint)


def wrong_imports(text: ParsedText, library: Library) -> Iterator[EvalError]:
    """Yield an error for each import of a file that does not exist."""
    for call in text.names.calls:
        target = import_target(call, text.names)
        if not target:
            continue
        arg = call.args[0]
        if target.startswith("fpack/"):
            if not library.path_of(target, ""):
                names = [f"fpack/{p.stem}" for d in library.directories for p in sorted(Path(d).glob("*.fp"))]
                hint = did_you_mean(target, names)
                yield text.source.error(arg.start, arg.end, f"The library has no file {quote(target)}", hint=hint)
        elif not target.startswith(("./", "../")):
            hint = 'write "./FILE.fp", or "fpack/NAME" for the library'
            yield text.source.error(arg.start, arg.end, f"{quote(target)} cannot be imported", hint=hint)
        elif text.directory and not os.path.isfile(library.path_of(target, text.directory)):
            yield text.source.error(arg.start, arg.end, f"There is no file {quote(target)}")
