"""Answer an editor's queries about a text: the meaning and definition of names.

Answers depend only on the text and the files that it imports. Offsets count characters. The language server converts
the answers to its protocol.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from fpack.lang.diagnostics.calls import Definition, Library, PackageNames, ParsedText, import_target, resolve
from fpack.lang.diagnostics.checker import Diagnostic, check_tree
from fpack.lang.diagnostics.names import Binding, NameScope
from fpack.lang.errors import EvalError
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node

RELEASE_FILES = ("/std/debian.fp", "/std/ubuntu.fp")  # the files of the library that have the releases


class SymbolLocation(NamedTuple):
    """The location of a definition: a file's path ("" for the text itself), its text, and offsets in the text."""

    path: str
    text: str
    start: int
    end: int


class OpenDocument:
    """A text that is open in an editor.

    path: path of its file, or "". values: summaries of its fields' values, if known. packages: names of packages.
    """

    def __init__(
        self,
        text: str,
        path: str,
        library: Library,
        before: OpenDocument | None = None,
        packages: PackageNames | None = None,
    ) -> None:
        self.text = text
        self.path = path
        self.library = library
        self.packages = packages
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
        return check_tree(self.parsed, self.library, self.packages)

    # ---- names at an offset

    def definition(self, offset: int) -> SymbolLocation | None:
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
            end = found.end + parameter_length(found.text[found.end :])
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
        """Describe a package of a release: the version that the lock has."""
        assert self.parsed is not None
        release = self.release(node.base, self.parsed.names.scope_of(node), self.parsed)
        if not release or node.key.__class__ is not str:
            return ""
        from fpack.builders.debian.suites import distribution_title

        versions = sorted({str(p.version) for p in _locked(self.path, release, node.key)})
        locked = f"{', '.join(versions)} in the lock" if versions else "not in the lock yet"
        return f"**{node.key}**: a package of {distribution_title(release)} {release}, {locked}"

    def release(self, node: Node, scope: NameScope, text: ParsedText, depth: int = 0) -> str:
        """Return the release that a node stands for, or ""."""
        if depth > 8:
            return ""
        if node.kind == "var":
            binding = scope.find(node.name)
            return self.release(binding.node, text.names.top, text, depth + 1) if binding and binding.node else ""
        if node.kind == "sel" and node.key.__class__ is str:
            base = resolve(node.base, scope, text, self.library)
            if isinstance(base, ParsedText) and base.source.name.endswith(RELEASE_FILES):
                return str(node.key)
        return ""


def _within(path: str, library: Library) -> bool:
    return any(path.startswith(d + "/") for d in library.directories)


def parameter_length(text: str) -> int:
    """Return the length of the text that belongs to a parameter: up to the comma or the end of the line."""
    found = re.match(r"[^\n,]*", text)
    return found.end() if found else 0


def _locked(path: str, release: str, name: str) -> list[Any]:
    """Return the entries of a package in the lock of the project that a file belongs to."""
    from fpack.cli.shared_options import SharedOptions
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
