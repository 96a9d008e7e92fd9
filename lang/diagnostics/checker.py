"""What can be told of a text without evaluating it: names, fields, arguments and branches that cannot be right.

Errors are what the evaluation would complain about once it comes there; warnings are what it never would: names that
nothing uses, and branches that nothing takes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fpack.lang.abi import OUTER
from fpack.lang.builtins.table import STRICT
from fpack.lang.errors import EvalError
from fpack.lang.format.formatter import meaning
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node

from . import calls
from .calls import Library, Text
from .names import Names

HIDDEN = frozenset(["settings"])  # builtins that only the library sees


class Finding(NamedTuple):
    """rule: `syntax`, `undefined`, `unused`, `field`, `argument`, `import`, `duplicate`, `unreachable` or `invalid`."""

    rule: str
    error: EvalError
    is_error: bool = True

    def as_json(self) -> dict[str, object]:
        """As `--json` prints it. Lines and columns count from 1; the end is the one after the last character."""
        span = self.error.span
        return {
            "file": span.file,
            "line": span.line,
            "column": span.column,
            "end_line": span.end_line,
            "end_column": span.end_column,
            "severity": "error" if self.is_error else "warning",
            "rule": self.rule,
            "message": self.error.what,
            "why": self.error.why or None,
            "hint": self.error.hint or None,
        }


def check(source: Source, directory: str, library: Library) -> list[Finding]:
    """All findings in a text, in its order. directory: where its relative imports begin, "" if it has no place."""
    try:
        tree = parse(source, library.cache)
    except EvalError as error:
        return [Finding("syntax", error)]
    return check_tree(Text(source, tree, directory), library)


def check_tree(text: Text, library: Library) -> list[Finding]:
    """All findings in a parsed text."""
    found = [
        *_undefined(text, library),
        *(Finding("argument", e) for e in calls.wrong_calls(text, library)),
        *(Finding("field", e) for e in calls.wrong_selections(text, library)),
        *(Finding("import", e) for e in calls.wrong_imports(text, library)),
        *_duplicates(text),
        *_unused(text.names),
        *_branches(text.names),
    ]
    if not any(finding.is_error for finding in found):
        found += _refused(text)
    return sorted(set(found), key=lambda f: (f.error.line, f.error.column, f.rule))


def _undefined(text: Text, library: Library) -> Iterator[Finding]:
    from fpack.lang.compiler.unbound_names import unbound

    prelude = library.prelude()
    outer = [*STRICT, *(prelude.fields or [] if prelude is not None and not _within(text, prelude) else [])]
    hidden = frozenset() if text.source.library else HIDDEN
    for written, start, end in text.names.free:
        name = written.removesuffix(OUTER)
        if name not in outer or name in hidden:
            yield Finding("undefined", unbound(text.source, written, (start, end), outer, hidden, library.cache))


def _within(text: Text, prelude: Text) -> bool:
    """Whether a text is the prelude itself, which sees the builtins alone."""
    return text.source.name == prelude.source.name


def _duplicates(text: Text) -> Iterator[Finding]:
    for entries, kind in text.names.records:
        seen: dict[str, Node] = {}
        for entry in entries:
            if entry[0] == "inherit" and kind == "file":
                hint = "a field of a file is written NAME = VALUE"
                error = text.source.error(entry[1], entry[2], f"`{entry[3]}` has no value", hint=hint)
                yield Finding("invalid", error)
            if entry[0] not in ("set", "inherit"):
                continue
            first = seen.setdefault(entry[3], entry)
            if first is not entry:
                other = (first[1], first[2], "first given here")
                what = f"`{entry[3]}` is given twice"
                yield Finding("duplicate", text.source.error(entry[1], entry[2], what, other=other))


def _unused(names: Names) -> Iterator[Finding]:
    """Names of a `let` and of comprehensions, and parameters of functions with a name, that nothing mentions."""
    words = {"let": "name", "function": "parameter", "element": "name"}
    hints = {"let": "leave it out", "function": "begin it with _ if others rely on it", "element": "call it _"}
    for b in names.bindings:
        if b.kind in words and not b.uses and not b.name.startswith("_"):
            what = f"The {words[b.kind]} `{b.name}` is never used"
            yield Finding("unused", names.source.error(b.start, b.end, what, hint=hints[b.kind]), is_error=False)


def _branches(names: Names) -> Iterator[Finding]:
    """Conditions that are constants, and those that an `if` before has answered."""
    chained: set[int] = set()
    for node in names.branches:
        if node[0] == "if" and id(node) not in chained:
            yield from _chain(node, chained, names.source)
        elif node[0] == "bin" and _constant(node[4]) is not None:
            never = (node[3] == "&&") != _constant(node[4])
            if never:
                yield _unreachable(node[5], names.source, "This is never evaluated", node[4])


def _chain(node: Node, chained: set[int], source: Source) -> Iterator[Finding]:
    """One `if`, with those in its `else`: a condition is asked once."""
    asked: list[tuple[object, Node]] = []
    while True:
        chained.add(id(node))
        condition, then, otherwise = node[3], node[4], node[5]
        value, shape = _constant(condition), meaning(condition)
        if value is not None:
            yield _unreachable(otherwise if value else then, source, "This branch is never taken", condition)
        else:
            first = next((c for s, c in asked if s == shape), None)
            if first is not None:
                yield _unreachable(then, source, "This branch is never taken", condition, first)
        asked.append((shape, condition))
        if otherwise[0] != "if":
            return
        node = otherwise


def _constant(node: Node) -> bool | None:
    if node[0] == "const" and node[3] is not None:
        return bool(node[3])
    if node[0] == "not":
        inner = _constant(node[3])
        return None if inner is None else not inner
    return None


def _unreachable(node: Node, source: Source, what: str, condition: Node, first: Node | None = None) -> Finding:
    shown = source.text[condition[1] : condition[2]]
    if first is None:
        error = source.error(node[1], node[2], what, why=f"`{shown}` is always the same")
    else:
        other = (first[1], first[2], "asked here before")
        error = source.error(node[1], node[2], what, why=f"`{shown}` was false already", other=other)
    return Finding("unreachable", error, is_error=False)


def _refused(text: Text) -> Iterator[Finding]:
    """What the compiler itself refuses, such as a value that depends on itself."""
    from fpack.lang.compiler import compiler

    try:
        if isinstance(text.tree, list):
            compiler.compile_file(text.source, text.tree, STRICT)
        else:
            compiler.compile_expression(text.source, text.tree, STRICT)
    except EvalError as error:
        yield Finding("invalid", error)


def library_of(directories: list[Path], cache: str | Path | None) -> Library:
    """The files that texts may import, with the standard library among them."""
    from fpack.lang import std

    standard = Path(std.DIRECTORY)
    return Library([*directories, *([standard] if standard not in directories else [])], cache)


def directory_of(path: Path) -> str:
    """Where a file's relative imports begin."""
    return os.path.dirname(os.path.realpath(path))
