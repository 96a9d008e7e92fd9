"""Answer an editor's queries about a text: the meaning and definition of names, and completions.

Answers depend only on the text and the files that it imports. Offsets count characters. The language server converts
the answers to its protocol.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from fpack.lang.builtins.table import STRICT
from fpack.lang.diagnostics.calls import Definition, Library, ParsedText, import_target, resolve
from fpack.lang.diagnostics.checker import HIDDEN, Diagnostic, check_tree
from fpack.lang.diagnostics.names import Binding, NameScope
from fpack.lang.errors import EvalError
from fpack.lang.syntax.lexer import KEYWORDS
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node

_PATH = re.compile(r'((?:[A-Za-z_][\w-]*|"[^"\n]*")(?:\.(?:[A-Za-z_][\w-]*|"[^"\n]*"))*)\.("?)([\w.+-]*)\Z')
_WORD = re.compile(r"[A-Za-z_][\w-]*\Z")
_CALLEE = re.compile(r'([A-Za-z_][\w-]*(?:\.(?:[A-Za-z_][\w-]*|"[^"\n]*"))*)[ \t]*(?:\([ \t]*)?\Z')
_IMPORT = re.compile(r'import\("([\w./-]*)\Z')
_NAME = re.compile(r"[A-Za-z_]\w*(?:-\w+)*\Z")
_SCAN = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*|[{}()\[\]]', re.DOTALL)


class SymbolLocation(NamedTuple):
    """The location of a definition: a file's path ("" for the text itself), its text, and offsets in the text."""

    path: str
    text: str
    start: int
    end: int


class Completion(NamedTuple):
    """A completion. kind: field, function, name, keyword, package or file. start: offset of the text to replace."""

    label: str
    insert: str
    kind: str
    detail: str
    start: int


class OpenDocument:
    """A text that is open in an editor.

    path: path of its file, or "". values: summaries of its fields' values, if known.
    """

    def __init__(self, text: str, path: str, library: Library, before: OpenDocument | None = None) -> None:
        self.text = text
        self.path = path
        self.library = library
        self.values: dict[str, str] = before.values if before is not None else {}
        plain = text.replace("\r\n", " \n")  # of the same length, so that offsets stay valid
        if plain.startswith("\ufeff"):
            plain = " " + plain[1:]
        self.source = Source(path or "text", plain, library=_within(path, library))
        self.error: EvalError | None = None
        # A text is often incomplete while it is edited: then use its last valid state.
        self.parsed: ParsedText | None = before.parsed if before is not None else None
        try:
            self.parsed = ParsedText(
                self.source, parse(self.source, library.cache), str(Path(path).parent) if path else ""
            )
        except EvalError as error:
            self.error = error

    @cached_property
    def findings(self) -> list[Diagnostic]:
        """The errors and warnings of the text."""
        if self.error is not None or self.parsed is None:
            return [Diagnostic("syntax", self.error)] if self.error is not None else []
        return check_tree(self.parsed, self.library)

    # ---- names at an offset

    def definition(self, offset: int) -> SymbolLocation | None:
        """Return the definition of the name at an offset."""
        if self.parsed is None:
            return None
        text = self.parsed
        for call in text.names.calls:
            target = import_target(call, text.names)
            if target and call.args[0].start <= offset <= call.args[0].end:
                file = self.library.imported(call, text)
                return SymbolLocation(file.source.name, file.source.text, 0, 0) if file is not None else None
        parameter = self._parameter(offset)
        if parameter is not None:
            return parameter[0]
        at = text.names.at(offset)
        if at is not None:
            binding, (start, end) = at
            if binding is not None:
                return SymbolLocation("", self.text, binding.start, binding.end)
            return self._outer(text.source.text[start:end])
        selection = self._selection(offset)
        return self._selected(selection) if selection is not None else None

    def _outer(self, name: str) -> SymbolLocation | None:
        """Return the real definition of a name of the prelude."""
        prelude = self.library.prelude()
        entry = prelude.entry(name) if prelude is not None else None
        if prelude is None or entry is None:
            return None
        if entry.kind == "sel":
            found = self._entry(entry, prelude.names.top, prelude)
            if found is not None:
                return found
        return None

    def _selected(self, node: Node) -> SymbolLocation | None:
        assert self.parsed is not None
        return self._entry(node, self.parsed.names.scope_of(node), self.parsed)

    def _entry(self, node: Node, scope: NameScope, text: ParsedText) -> SymbolLocation | None:
        """Return the definition of the field that a selection names."""
        base = resolve(node.base, scope, text, self.library)
        if isinstance(base, ParsedText):
            entries, source = base.tree, base.source
        elif isinstance(base, Definition) and base.node.kind == "rec":
            entries, source = base.node.entries, base.text.source
        else:
            return None
        for entry in entries:
            if entry.kind in ("set", "inherit") and entry.name == node.key:
                own = self.parsed is not None and source is self.parsed.source
                return SymbolLocation("" if own else source.name, source.text, entry.start, entry.end)
        return None

    def _selection(self, offset: int) -> Node | None:
        assert self.parsed is not None
        for node in self.parsed.names.selections:
            if node.key_start <= offset <= node.key_end:
                return node
        return None

    def _parameter(self, offset: int) -> tuple[SymbolLocation, str, Node] | None:
        """Return, for a field in the record argument of a known call, the parameter, the function's name and the
        node.
        """
        assert self.parsed is not None
        text = self.parsed
        for call in text.names.calls:
            record = call.record if call.kind == "rcall" else call.args[0] if call.args else None
            if record is None or record.kind != "rec" or not record.start <= offset <= record.end:
                continue
            for entry in record.entries:
                if entry.kind in ("set", "inherit") and entry.start <= offset <= entry.end:
                    path = resolve(call.callee, text.names.scope_of(call), text, self.library)
                    if isinstance(path, Definition) and path.node.kind == "fn" and path.node.params:
                        for p in path.node.params[0].params if path.node.params[0].kind == "pattern" else ():
                            if p.name == entry.name:
                                source = path.text.source
                                own = "" if source is text.source else source.name
                                return SymbolLocation(own, source.text, p.start, p.end), path.node.name, p
        return None

    def hover(self, offset: int) -> tuple[str, int, int] | None:
        """Return the Markdown text about the name at an offset, and the range of the name."""
        if self.parsed is None:
            return None
        text = self.parsed
        parameter = self._parameter(offset)
        if parameter is not None:
            found, function, _ = parameter
            end = found.end + _rest(found.text[found.end :])
            return f"```fpack\n{found.text[found.start : end].strip()}\n```\na field of `{function}`", offset, offset
        at = text.names.at(offset)
        if at is not None:
            binding, (start, end) = at
            name = text.source.text[start:end]
            shown = self._binding(binding) if binding is not None else self._documented(name)
            return (shown, start, end) if shown else None
        selection = self._selection(offset)
        if selection is not None:
            shown = self._package(selection) or self._field(self._selected(selection))
            return (shown, selection.key_start, selection.key_end) if shown else None
        return None

    def _binding(self, binding: Binding) -> str:
        """Return the definition of a name, the comment above it, and its value if it is known."""
        lines = [self._field(SymbolLocation("", self.source.text, binding.start, binding.end))]
        top = self.parsed is not None and self.parsed.names.top.names.get(binding.name) is binding
        if top and binding.name in self.values:
            lines.append(f"```fpack\n{self.values[binding.name]}\n```")
        return "\n\n".join(line for line in lines if line)

    def _field(self, found: SymbolLocation | None) -> str:
        if found is None:
            return ""
        line_start = found.text.rfind("\n", 0, found.start) + 1
        comments = []
        for line in reversed(found.text[:line_start].split("\n")[:-1]):
            if not line.strip().startswith("#"):
                break
            comments.append(line.strip().removeprefix("#").strip())
        line_end = found.text.find("\n", found.start)
        line = found.text[found.start : line_end if line_end >= 0 else len(found.text)].rstrip()
        shown = line if len(line) <= 160 else line[:157] + "..."
        return "\n\n".join([f"```fpack\n{shown}\n```", *(["\n".join(reversed(comments))] if comments else [])])

    def _documented(self, name: str) -> str:
        """Return the documentation of a builtin or a name of the prelude."""
        from fpack.lang import documentation as docs

        found = docs.find(name, [Path(d) for d in self.library.directories], self.library.cache)
        if not isinstance(found, docs.Doc):
            return ""
        calls = "\n".join(call if len(call) <= 300 else call[:297] + "..." for call in found.calls)
        return "\n\n".join([f"```fpack\n{calls}\n```", *([found.text] if found.text else [])])

    def _package(self, node: Node) -> str:
        """Describe a Debian package: the version that the lock has."""
        assert self.parsed is not None
        release = self._release(node.base, self.parsed.names.scope_of(node), self.parsed)
        if not release or node.key.__class__ is not str:
            return ""
        versions = sorted({str(p.version) for p in _locked(self.path, release, node.key)})
        locked = f"{', '.join(versions)} in the lock" if versions else "not in the lock yet"
        return f"**{node.key}**: a package of Debian {release}, {locked}"

    def _release(self, node: Node, scope: NameScope, text: ParsedText, depth: int = 0) -> str:
        """Return the Debian release that a node stands for, or ""."""
        if depth > 8:
            return ""
        if node.kind == "var":
            binding = scope.find(node.name)
            return self._release(binding.node, text.names.top, text, depth + 1) if binding and binding.node else ""
        if node.kind == "sel" and node.key.__class__ is str:
            base = resolve(node.base, scope, text, self.library)
            if isinstance(base, ParsedText) and base.source.name.endswith("/std/debian.fp"):
                return str(node.key)
        return ""

    # ---- completions

    def completions(self, offset: int) -> Iterator[Completion]:
        """Yield the completions of the text before an offset."""
        before = self.source.text[:offset]
        line = before[before.rfind("\n") + 1 :]
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
        fields = list(self._parameters(before[:start], self.source.text[offset:], start))
        yield from fields
        own = {field.label for field in fields} | (
            self._given(before[:start], self.source.text[offset:]) if fields else set()
        )
        yield from (entry for entry in self._names(offset, start) if entry.label not in own)

    def _files(self, start: int) -> Iterator[Completion]:
        seen = set()
        for directory in self.library.directories:
            for path in sorted(Path(directory).rglob("*.fp")):
                name = "fpack/" + path.relative_to(directory).with_suffix("").as_posix()
                if name not in seen and name != "fpack/prelude":
                    seen.add(name)
                    yield Completion(name, name, "file", "of the library", start)
        if self.path:
            folder = Path(self.path).parent
            for path in sorted(folder.glob("*.fp")):
                if str(path) != self.path:
                    yield Completion(f"./{path.name}", f"./{path.name}", "file", "", start)

    def _members(self, path: str, quote: str, prefix: str, offset: int) -> Iterator[Completion]:
        if self.parsed is None:
            return
        start = offset - len(prefix) - len(quote)
        try:
            node = parse(Source("path", path, start="expression"), self.library.cache)
        except EvalError:
            return
        scope = self._scope(offset)
        release = self._release(node, scope, self.parsed)
        if release:
            for name in _packages(self.path, release, prefix):
                insert = name if _NAME.match(name) else f'"{name}"'
                yield Completion(name, insert, "package", f"Debian {release}", start)
            return
        base = resolve(node, scope, self.parsed, self.library)
        if isinstance(base, ParsedText) and base.source.name.endswith("/std/debian.fp"):
            from fpack.builders.debian.suites import RELEASES

            for name in RELEASES:
                yield Completion(name, name, "field", "a release of Debian", start)
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
        assert self.parsed is not None
        inside = [s for s in self.parsed.names.all if s.start <= offset <= s.end]
        return min(inside, key=lambda s: s.end - s.start, default=self.parsed.names.top)

    def _given(self, before: str, after: str) -> set[str]:
        """Return the fields that the record around an offset already has, before and after it."""
        opener = _innermost(before)
        inside = before[(opener or 0) + 1 :] + "\n" + after[: _closing(after)]
        return set(re.findall(r"(?:^|,)[ \t]*([A-Za-z_][\w-]*)[ \t]*=(?!=)", inside, re.MULTILINE))

    def _parameters(self, before: str, after: str, start: int) -> Iterator[Completion]:
        """Yield the fields that the record around an offset can have, if a known function is called with the record."""
        opener = _innermost(before)
        if self.parsed is None or opener is None or before[opener] != "{":
            return
        inside = before[opener + 1 :]
        if inside.strip() and not inside.rstrip(" \t").endswith(("\n", ",")):
            return
        callee = _CALLEE.search(before[:opener])
        if callee is None:
            return
        try:
            node = parse(Source("callee", callee[1], start="expression"), self.library.cache)
        except EvalError:
            return
        path = resolve(node, self._scope(opener), self.parsed, self.library)
        if not isinstance(path, Definition) or path.node.kind != "fn" or not path.node.params:
            return
        pattern = path.node.params[0]
        given = self._given(before, after)
        for p in pattern.params if pattern.kind == "pattern" else ():
            if p.name not in given:
                source = path.text.source.text
                detail = source[p.start : p.end + _rest(source[p.end :])].strip() if p.types else ""
                yield Completion(p.name, f"{p.name} = ", "field", detail, start)

    def _names(self, offset: int, start: int) -> Iterator[Completion]:
        if self.parsed is not None:
            for binding in self.parsed.names.visible(offset):
                kind = "function" if binding.node is not None and binding.node.kind == "fn" else "name"
                yield Completion(binding.name, binding.name, kind, "", start)
        prelude = self.library.prelude()
        for name in prelude.fields or [] if prelude is not None else []:
            yield Completion(name, name, "function", "of the library", start)
        for name in STRICT:
            if name not in HIDDEN or self.source.library:
                yield Completion(name, name, "function", "", start)
        for name in sorted(KEYWORDS | {"true", "false", "null"}):
            yield Completion(name, name, "keyword", "", start)


def _within(path: str, library: Library) -> bool:
    return any(path.startswith(d + "/") for d in library.directories)


def _rest(text: str) -> int:
    """Return the length of the text that belongs to a parameter: up to the comma or the end of the line."""
    found = re.match(r"[^\n,]*", text)
    return found.end() if found else 0


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


def _locked(path: str, release: str, name: str) -> list[Any]:
    """Return the entries of a package in the lock of the project that a file belongs to."""
    from fpack.cli.options import SharedOptions
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.errors import FpackError

    workspace = Workspace(SharedOptions(frozen=True))
    workspace.use_project(find_project(Path(path).parent) if path else None)
    try:
        packages = workspace.read_lock().packages
    except (FpackError, OSError):
        return []
    return [found for key, found in packages.items() if key[0] == release and key[2] == name]


def _packages(path: str, release: str, prefix: str) -> list[str]:
    """Return the names of Debian packages with a prefix, from the indexes on this machine."""
    from fpack.cli.completion.candidates import targets

    start = f"debian.{release}."
    answer = targets(f"{start}{prefix}")
    if answer.mode != "plain":
        return []
    return [text.removeprefix(start) for text, _ in answer.candidates]
