"""Complete the text that is typed in an editor: fields, names, packages and files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fpack.lang.builtins.table import HIDDEN, STRICT
from fpack.lang.diagnostics.calls import Definition, ParsedText, resolve
from fpack.lang.diagnostics.names import NameScope
from fpack.lang.errors import EvalError
from fpack.lang.syntax.lexer import KEYWORDS
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source

from .queries import RELEASE_FILES, OpenDocument, parameter_length

_PATH = re.compile(r'((?:[A-Za-z_][\w-]*|"[^"\n]*")(?:\.(?:[A-Za-z_][\w-]*|"[^"\n]*"))*)\.("?)([\w.+-]*)\Z')
_MAX_LINE = 1000  # characters before an offset that are looked at: the patterns take time quadratic in their number
_EXPLICIT = re.compile(r"this|outer(?:\.outer)*")  # names that say which of two bindings is meant
_WORD = re.compile(r"[A-Za-z_][\w-]*\Z")
_CALLEE = re.compile(r'([A-Za-z_][\w-]*(?:\.(?:[A-Za-z_][\w-]*|"[^"\n]*"))*)[ \t]*(?:\([ \t]*)?\Z')
_IMPORT = re.compile(r'import\("([\w./-]*)\Z')
_NAME = re.compile(r"[A-Za-z_]\w*(?:-\w+)*\Z")
_SCAN = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*|[{}()\[\]]', re.DOTALL)


class Completion(NamedTuple):
    """A completion. kind: field, function, name, keyword, package or file. start: offset of the text to replace."""

    label: str
    insert: str
    kind: str
    detail: str
    start: int


class Completer:
    """The completions of one text."""

    def __init__(self, document: OpenDocument) -> None:
        self._document = document

    def completions(self, offset: int) -> Iterator[Completion]:
        """Yield the completions of the text before an offset."""
        before = self._document.source.text[:offset]
        line = before[before.rfind("\n") + 1 :][-_MAX_LINE:]
        imported = _IMPORT.search(line)
        if imported is not None:
            yield from self._files(offset - len(imported[1]))
            return
        path = _PATH.search(line)
        if path is not None:
            yield from self._members(path[1], path[2], path[3], offset)
            return
        if _in_string_or_comment(line):
            return
        word = _WORD.search(line)
        start = offset - len(word[0]) if word else offset
        if word is None and line.strip() and line.rstrip()[-1:] not in "([{,=>+-*/&|!:" and not line.endswith(" "):
            return
        fields = list(self._parameters(before[:start], self._document.source.text[offset:], start))
        yield from fields
        own = {field.label for field in fields} | (
            self._given(before[:start], self._document.source.text[offset:]) if fields else set()
        )
        yield from (entry for entry in self._names(offset, start) if entry.label not in own)

    def _files(self, start: int) -> Iterator[Completion]:
        seen = set()
        for directory in self._document.library.directories:
            for path in sorted(Path(directory).rglob("*.fp")):
                name = "fpack/" + path.relative_to(directory).with_suffix("").as_posix()
                if name not in seen and name != "fpack/prelude":
                    seen.add(name)
                    yield Completion(name, name, "file", "of the library", start)
        if self._document.path:
            folder = Path(self._document.path).parent
            for path in sorted(folder.glob("*.fp")):
                if str(path) != self._document.path:
                    yield Completion(f"./{path.name}", f"./{path.name}", "file", "", start)

    def _members(self, path: str, quote: str, prefix: str, offset: int) -> Iterator[Completion]:
        if self._document.parsed is None:
            return
        start = offset - len(prefix) - len(quote)
        try:
            node = parse(Source("path", path, start="expression"), self._document.library.cache)
        except EvalError:
            return
        scope = self._scope(offset)
        if not quote and _EXPLICIT.fullmatch(path) and scope.find(path.partition(".")[0]) is None:
            yield from _bound_names(path, scope, start)
            return
        release = self._document.release(node, scope, self._document.parsed)
        if release:
            from fpack.builders.debian.suites import distribution_title

            for name in _packages(release, prefix):
                insert = name if _NAME.match(name) else f'"{name}"'
                yield Completion(name, insert, "package", f"{distribution_title(release)} {release}", start)
            return
        base = resolve(node, scope, self._document.parsed, self._document.library)
        if isinstance(base, ParsedText) and base.source.name.endswith(RELEASE_FILES):
            from fpack.builders.debian.suites import OF_DISTRIBUTION, distribution_title

            for name in OF_DISTRIBUTION[Path(base.source.name).stem]:
                yield Completion(name, name, "field", f"a release of {distribution_title(name)}", start)
            return
        entries: Any = (
            base.tree if isinstance(base, ParsedText) else base.node.entries if base and base.node.kind == "rec" else ()
        )
        for entry in entries:
            if entry.kind in ("set", "inherit"):
                shown = entry.name if _NAME.match(entry.name) else f'"{entry.name}"'
                function = entry.kind == "set" and entry.value.kind == "fn"
                yield Completion(entry.name, shown, "function" if function else "field", "", start)

    def _scope(self, offset: int) -> NameScope:
        assert self._document.parsed is not None
        inside = [s for s in self._document.parsed.names.all if s.start <= offset <= s.end]
        return min(inside, key=lambda s: s.end - s.start, default=self._document.parsed.names.top)

    def _given(self, before: str, after: str) -> set[str]:
        """Return the fields that the record around an offset already has, before and after it."""
        opener = _innermost(before)
        inside = before[(opener or 0) + 1 :] + "\n" + after[: _closing(after)]
        return set(re.findall(r"(?:^|,)[ \t]*([A-Za-z_][\w-]*)[ \t]*=(?!=)", inside, re.MULTILINE))

    def _parameters(self, before: str, after: str, start: int) -> Iterator[Completion]:
        """Yield the fields that the record around an offset can have, if a known function is called with the record."""
        opener = _innermost(before)
        if self._document.parsed is None or opener is None or before[opener] != "{":
            return
        inside = before[opener + 1 :]
        if inside.strip() and not inside.rstrip(" \t").endswith(("\n", ",")):
            return
        callee = _CALLEE.search(before[max(0, opener - _MAX_LINE) : opener])
        if callee is None:
            return
        try:
            node = parse(Source("callee", callee[1], start="expression"), self._document.library.cache)
        except EvalError:
            return
        path = resolve(node, self._scope(opener), self._document.parsed, self._document.library)
        if not isinstance(path, Definition) or path.node.kind != "fn" or not path.node.params:
            return
        pattern = path.node.params[0]
        given = self._given(before, after)
        for p in pattern.params if pattern.kind == "pattern" else ():
            if p.name not in given:
                source = path.text.source.text
                detail = source[p.start : p.end + parameter_length(source[p.end :])].strip() if p.types else ""
                yield Completion(p.name, f"{p.name} = ", "field", detail, start)

    def _names(self, offset: int, start: int) -> Iterator[Completion]:
        if self._document.parsed is not None:
            for binding in self._document.parsed.names.visible(offset):
                kind = "function" if binding.node is not None and binding.node.kind == "fn" else "name"
                yield Completion(binding.name, binding.name, kind, "", start)
        prelude = self._document.library.prelude()
        for name in prelude.fields or [] if prelude is not None else []:
            yield Completion(name, name, "function", "of the library", start)
        for name in STRICT:
            if name not in HIDDEN or self._document.source.library:
                yield Completion(name, name, "function", "", start)
        for name in sorted(KEYWORDS | {"true", "false", "null"}):
            yield Completion(name, name, "keyword", "", start)


def _in_string_or_comment(line: str) -> bool:
    """Return whether a line's end is inside a string or a comment; inside `${` it is not."""
    rest = re.sub(r'\\.|"""', "", line)
    inside, depth, i = False, 0, 0
    while i < len(rest):
        if rest[i] == '"':
            inside = not inside
        elif inside and rest.startswith("${", i):
            inside, depth = False, depth + 1
        elif not inside and depth and rest[i] == "}":
            inside, depth = True, depth - 1
        elif not inside and rest[i] == "#":
            return True
        i += 1
    return inside


def _innermost(text: str) -> int | None:
    """Return the offset of the innermost bracket that is open at the end of a text, or None."""
    stack: list[int] = []
    for found in _SCAN.finditer(text):
        if found[0] in "([{":
            stack.append(found.start())
        elif found[0] in ")]}" and stack:
            stack.pop()
    return stack[-1] if stack else None


def _closing(text: str) -> int:
    """Return the offset at which the bracket around a text's beginning is closed, or the text's end."""
    depth = 0
    for found in _SCAN.finditer(text):
        depth += (found[0] in "([{") - (found[0] in ")]}")
        if depth < 0:
            return found.start()
    return len(text)


def _packages(release: str, prefix: str) -> list[str]:
    """Return the names of Debian packages with a prefix, from the indexes on this machine."""
    from fpack.builders.debian.suites import target_of
    from fpack.cli.completion.candidates import targets

    start = target_of(release)
    answer = targets(f"{start}{prefix}")
    if answer.mode != "plain":
        return []
    return [text.removeprefix(start) for text, _ in answer.candidates]


def _bound_names(path: str, scope: NameScope, start: int) -> Iterator[Completion]:
    """Yield the names that may follow `this` or `outer`: fields of enclosing records, or all names that are hidden."""
    skipped = 0 if path == "this" else path.count(".") + 1
    seen: set[str] = set()
    at: NameScope | None = scope
    while at is not None:
        for name, binding in at.names.items():
            if name in seen or (path == "this" and binding.kind != "field"):
                continue
            found = binding if path == "this" else scope.find(name, skipped)
            if found is not None:
                seen.add(name)
                yield Completion(name, name, "field", "", start)
        at = at.parent
