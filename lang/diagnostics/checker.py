"""Check a source text without evaluating it: names, fields, arguments, imports and branches.

An error is a fault that an evaluation of the expression reports. A warning is a fault that no evaluation reports: an
unused name, or a branch that is never taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fpack.lang.abi import OUTER
from fpack.lang.builtins.table import HIDDEN, STRICT
from fpack.lang.compiler.entry_errors import duplicates, inherited_in_file
from fpack.lang.errors import EvalError
from fpack.lang.format.formatter import meaning
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node

from . import calls
from .calls import Library, PackageNames, ParsedText
from .names import NameTable
from .package_names import wrong_packages


class Diagnostic(NamedTuple):
    """An error or warning of the checker.

    rule: `syntax`, `undefined`, `unused`, `field`, `argument`, `package`, `import`, `duplicate`, `hidden`,
    `unreachable` or `invalid`.
    """

    rule: str
    error: EvalError
    is_error: bool = True

    def as_json(self) -> dict[str, object]:
        """Return the record that `--json` prints. Lines and columns count from 1; the end column is exclusive."""
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


def check(source: Source, directory: str, library: Library, packages: PackageNames | None = None) -> list[Diagnostic]:
    """Return all findings in a text, in its order.

    directory: the directory of relative imports, "" if the text is not a file. packages: those of releases; None: their
    names are not checked.
    """
    try:
        tree = parse(source, library.cache)
    except EvalError as error:
        return [Diagnostic("syntax", error)]
    return check_tree(ParsedText(source, tree, directory), library, packages)


def check_tree(text: ParsedText, library: Library, packages: PackageNames | None = None) -> list[Diagnostic]:
    """Return all findings in a parsed text, in its order."""
    found = [
        *_undefined(text, library),
        *(Diagnostic("hidden", e) for e in text.hidden.errors),
        *(Diagnostic("argument", e) for e in calls.wrong_calls(text, library)),
        *(Diagnostic("field", e) for e in calls.wrong_selections(text, library)),
        *(Diagnostic("package", e) for e in wrong_packages(text, packages)),
        *(Diagnostic("import", e) for e in calls.wrong_imports(text, library)),
        *_duplicates(text),
        *_unused(text.names),
        *_branches(text.names),
    ]
    if not any(finding.is_error for finding in found):
        found += _refused(text)
    return sorted(set(found), key=lambda f: (f.error.line, f.error.column, f.rule))


def _undefined(text: ParsedText, library: Library) -> Iterator[Diagnostic]:
    """Yield a finding for each free name that is neither a builtin nor in the prelude."""
    from fpack.lang.compiler.unbound_names import unbound

    prelude = library.prelude()
    outer = [*STRICT, *(prelude.fields or [] if prelude is not None and not _within(text, prelude) else [])]
    hidden = frozenset() if text.source.library else HIDDEN
    for written, start, end in text.names.free:
        name = written.removesuffix(OUTER)
        if name not in outer or name in hidden:
            yield Diagnostic("undefined", unbound(text.source, written, (start, end), outer, hidden, library.cache))


def _within(text: ParsedText, prelude: ParsedText) -> bool:
    """Return whether a text is the prelude itself, which sees the builtins only."""
    return text.source.name == prelude.source.name


def _duplicates(text: ParsedText) -> Iterator[Diagnostic]:
    for entries, kind in text.names.records:
        if kind == "file":
            yield from (Diagnostic("invalid", error) for error in inherited_in_file(text.source, entries))
        yield from (Diagnostic("duplicate", error) for error in duplicates(text.source, entries))


def _unused(names: NameTable) -> Iterator[Diagnostic]:
    """Yield a warning for each unused name of a `let` or comprehension and unused parameter of a named function."""
    words = {"let": "name", "function": "parameter", "element": "name"}
    hints = {"let": "remove it", "function": "begin its name with _ if callers need it", "element": "name it _"}
    for b in names.bindings:
        if b.kind in words and not b.uses and not b.name.startswith("_"):
            what = f"The {words[b.kind]} `{b.name}` is not used"
            yield Diagnostic("unused", names.source.error(b.start, b.end, what, hint=hints[b.kind]), is_error=False)


def _branches(names: NameTable) -> Iterator[Diagnostic]:
    """Yield a warning for each constant condition, and each condition that an enclosing `if` has tested already."""
    chained: set[int] = set()
    for node in names.branches:
        if node.kind == "if" and id(node) not in chained:
            yield from _chain(node, chained, names.source)
        elif node.kind == "bin" and _constant(node.left) is not None:
            never = (node.operator == "&&") != _constant(node.left)
            if never:
                yield _unreachable(node.right, names.source, "This is never evaluated", node.left)


def _chain(node: Node, chained: set[int], source: Source) -> Iterator[Diagnostic]:
    """Yield the warnings for one `if` and the `if`s in its `else` branches."""
    tested: list[tuple[object, Node]] = []
    while True:
        chained.add(id(node))
        condition, then, otherwise = node.condition, node.then, node.otherwise
        value, shape = _constant(condition), meaning(condition)
        if value is not None:
            yield _unreachable(otherwise if value else then, source, "This branch is never taken", condition)
        else:
            first = next((c for s, c in tested if s == shape), None)
            if first is not None:
                yield _unreachable(then, source, "This branch is never taken", condition, first)
        tested.append((shape, condition))
        if otherwise.kind != "if":
            return
        node = otherwise


def _constant(node: Node) -> bool | None:
    """Return the value of a condition that is always the same, or None."""
    if node.kind == "const" and node.value is not None:
        return bool(node.value)
    if node.kind == "not":
        inner = _constant(node.inner)
        return None if inner is None else not inner
    return None


def _unreachable(node: Node, source: Source, what: str, condition: Node, first: Node | None = None) -> Diagnostic:
    """Make the finding for code that never runs. first: the earlier test of the same condition, if there is one."""
    shown = source.text[condition.start : condition.end]
    if first is None:
        error = source.error(node.start, node.end, what, why=f"`{shown}` always has the same value")
    else:
        other = (first.start, first.end, "first tested here")
        error = source.error(node.start, node.end, what, why=f"`{shown}` is false at this point", other=other)
    return Diagnostic("unreachable", error, is_error=False)


def _refused(text: ParsedText) -> Iterator[Diagnostic]:
    """Yield the error that the compiler raises, such as for a value that depends on itself."""
    from fpack.lang.compiler import compiler

    try:
        compiler.compile_tree(text.source, text.tree, STRICT)
    except EvalError as error:
        yield Diagnostic("invalid", error)


def library_of(directories: list[Path], cache: str | Path | None) -> Library:
    """Return a Library of the files in the directories and in the standard library, which texts may import."""
    from fpack.lang import std

    standard = Path(std.DIRECTORY)
    return Library([*directories, *([standard] if standard not in directories else [])], cache)


def directory_of(path: Path) -> str:
    """Return the directory of a file's relative imports."""
    return os.path.dirname(os.path.realpath(path))
