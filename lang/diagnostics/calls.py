"""Find wrong calls, selections and imports: fields, arguments and files that do not exist.

The check covers callees and records whose definition is found in the source text or in a file that it imports. Computed
values are left to the evaluation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fpack.lang.abi import OUTER
from fpack.lang.errors import EvalError, did_you_mean, quote
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import MAX_FILE, Source, normal
from fpack.lang.syntax.tree import Node, mark_outer_calls
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
        self.names = NameTable(source, self.tree)

    def entry(self, name: str) -> Node | None:
        """Return the node of a field's value, or None."""
        entries = self.tree if isinstance(self.tree, list) else []
        return next((e[4] for e in entries if e[0] == "set" and e[3] == name), None)

    @property
    def fields(self) -> list[str] | None:
        """The names of the text's fields; None if some are computed."""
        return _fields(self.tree) if isinstance(self.tree, list) else None


class Library:
    """A cache of the files that texts import. directories: the directories of `fpack/NAME` files."""

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
    if node[0] == "call" and node[3][0] == "var" and node[3][3] == "import" and len(node[4]) == 1:
        arg = node[4][0]
        if arg[0] in ("str", "path") and names.scope_of(node).find("import") is None:
            return str(arg[3])
    return ""


def resolve(
    node: Node, scope: NameScope, text: ParsedText, library: Library, depth: int = 0
) -> Definition | ParsedText | None:
    """Find the definition of a node's value: the function or record that makes it, or the file that it imports.

    Return None if the value is computed.
    """
    if depth > _DEPTH:
        return None
    if node[0] == "paren":
        return resolve(node[3], scope, text, library, depth + 1)
    if node[0] == "var":
        binding = scope.find(node[3])
        if binding is not None:
            if binding.node is None or binding.kind not in ("field", "let"):
                return None
            return resolve(binding.node, _scope_of_value(binding.node, text, scope), text, library, depth + 1)
        prelude = library.prelude()
        entry = prelude.entry(node[3].removesuffix(OUTER)) if prelude is not None and prelude is not text else None
        if prelude is None or entry is None:
            return None
        return resolve(entry, prelude.names.top, prelude, library, depth + 1)
    if node[0] == "call":
        return library.imported(node, text)
    if node[0] == "sel" and node[4].__class__ is str and node[4] not in _METHODS:
        base = resolve(node[3], scope, text, library, depth + 1)
        if isinstance(base, ParsedText):
            entry = base.entry(node[4])
            return resolve(entry, base.names.top, base, library, depth + 1) if entry is not None else None
        if base is not None and base.node[0] == "rec" and _fields(base.node[3]) is not None:
            entry = next((e[4] for e in base.node[3] if e[0] == "set" and e[3] == node[4]), None)
            if entry is not None:
                inner = next(
                    (s for s in base.text.names.all if (s.start, s.end) == base.node[1:3]), base.text.names.top
                )
                return resolve(entry, inner, base.text, library, depth + 1)
        return None
    return Definition(node, text) if node[0] in ("fn", "rec") else None


def _scope_of_value(node: Node, text: ParsedText, scope: NameScope) -> NameScope:
    """Return the scope of a value that was found by name: the innermost scope around it."""
    around = [s for s in text.names.all if s.start <= node[1] and node[2] <= s.end and (s.start, s.end) != node[1:3]]
    return min(around, key=lambda s: s.end - s.start, default=scope)


def _fields(entries: list[Node]) -> list[str] | None:
    """Return the names of the fields of entries; None if a spread or a computed name may add others."""
    if any(e[0] not in ("set", "inherit", "claim") for e in entries):
        return None
    return [e[3] for e in entries if e[0] in ("set", "inherit")]


def wrong_calls(text: ParsedText, library: Library) -> Iterator[EvalError]:
    """Yield an error for each call with unknown or missing arguments or fields."""
    for call in text.names.calls:
        callee = resolve(call[3], text.names.scope_of(call), text, library)
        if isinstance(callee, Definition) and callee.node[0] == "fn":
            name = callee.node[3] or (call[3][4] if call[3][0] == "sel" else call[3][3])
            yield from _record_call(call, callee.node, name, text.source)
            yield from _arguments(call, callee.node, name, text.source)


def _record_call(call: Node, function: Node, name: object, source: Source) -> Iterator[EvalError]:
    record = call[4] if call[0] == "rcall" else call[4][0] if call[4] else None
    if record is None or record[0] != "rec" or not function[4] or function[4][0][0] != "pattern":
        return
    pattern = function[4][0]
    known = [p[3] for p in pattern[3]]
    if pattern[4] is None:
        for entry in record[3]:
            if entry[0] in ("set", "inherit") and entry[3] not in known:
                what = f"{quote(str(name))} has no field {quote(entry[3])}"
                hint = did_you_mean(entry[3], known)
                why = "" if hint else f"it has {', '.join(known)}"
                yield source.error(entry[1], entry[2], what, why=why, hint=hint)
    given = _fields(record[3])
    missing = [] if given is None else [p[3] for p in pattern[3] if p[5] is None and p[3] not in given]
    if missing:
        start = call[3][1] if call[0] == "rcall" else record[1]
        what = f"{quote(str(name))} needs the field {quote(missing[0])}"
        yield source.error(start, call[3][2] if call[0] == "rcall" else record[1] + 1, what)


def _arguments(call: Node, function: Node, name: object, source: Source) -> Iterator[EvalError]:
    if call[0] != "call" or any(a[0] == "spread" for a in call[4]):
        return
    params = function[4]
    plain = [a for a in call[4] if a[0] != "named"]
    if len(plain) > len(params):
        most = f"{len(params)} argument{'' if len(params) == 1 else 's'}"
        extra = plain[len(params)]
        yield source.error(extra[1], extra[2], f"{quote(str(name))} takes only {most}")
        return
    names = [p[3] if p[0] == "param" else "" for p in params]
    taken = set(names[: len(plain)])
    for arg in call[4]:
        if arg[0] != "named":
            continue
        if arg[3] not in names:
            what = f"{quote(str(name))} has no parameter {quote(arg[3])}"
            yield source.error(arg[1], arg[2], what, hint=did_you_mean(arg[3], [n for n in names if n]))
        elif arg[3] in taken:
            yield source.error(arg[1], arg[2], f"The argument {quote(arg[3])} is given twice")
        taken.add(arg[3])
    missing = [p[3] for p in params if p[0] == "param" and p[5] is None and p[3] not in taken]
    if len(plain) < len(params) and not missing and any(p[0] == "pattern" for p in params[len(plain) :]):
        missing = ["{ ... }"]
    if missing:
        yield source.error(call[3][1], call[3][2], f"{quote(str(name))} needs the argument {quote(missing[0])}")


def wrong_selections(text: ParsedText, library: Library) -> Iterator[EvalError]:
    """Yield an error for each selection of a field that a known record or imported file does not have."""
    for node in text.names.selections:
        key = node[4]
        if key.__class__ is not str or key in _METHODS or id(node) in text.names.defaults:
            continue
        base = resolve(node[3], text.names.scope_of(node), text, library)
        if isinstance(base, ParsedText):
            known = base.fields
        elif isinstance(base, Definition) and base.node[0] == "rec":
            known = _fields(base.node[3])
        else:
            continue
        if known is not None and key not in known:
            what = f"There is no field {quote(key)}"
            hint = did_you_mean(key, known)
            why = "" if hint or not known else f"the record has {', '.join(sorted(known)[:12])}"
            yield text.source.error(node[5], node[6], what, why=why, hint=hint)


def wrong_imports(text: ParsedText, library: Library) -> Iterator[EvalError]:
    """Yield an error for each import of a file that does not exist."""
    for call in text.names.calls:
        target = import_target(call, text.names)
        if not target:
            continue
        arg = call[4][0]
        if target.startswith("fpack/"):
            if not library.path_of(target, ""):
                names = [f"fpack/{p.stem}" for d in library.directories for p in sorted(Path(d).glob("*.fp"))]
                hint = did_you_mean(target, names)
                yield text.source.error(arg[1], arg[2], f"The library has no file {quote(target)}", hint=hint)
        elif not target.startswith(("./", "../")):
            hint = 'write "./FILE.fp", or "fpack/NAME" for the library'
            yield text.source.error(arg[1], arg[2], f"{quote(target)} cannot be imported", hint=hint)
        elif text.directory and not os.path.isfile(library.path_of(target, text.directory)):
            yield text.source.error(arg[1], arg[2], f"There is no file {quote(target)}")
