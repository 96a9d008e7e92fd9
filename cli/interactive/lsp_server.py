"""Serve editors: translate messages of the Language Server Protocol to queries, and findings to diagnostics.

A text is checked at each change, which takes milliseconds. It is evaluated when it is opened or saved, in a separate
process that is killed after some seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

from fpack.cli.version import VERSION
from fpack.cli.workspace.lint_library import NamesByLock, library, locked_names
from fpack.lang.runtime import deep_stack
from fpack.lang.runtime.limits import Limits
from fpack.store import processes
from fpack.store.errors import FpackError
from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path
from pygls.workspace import TextDocument

from .completions import Completer
from .queries import OpenDocument, SymbolLocation

SECONDS = 10.0  # for an evaluation
NAME = "fpack"
_KINDS = {
    "field": lsp.CompletionItemKind.Field,
    "function": lsp.CompletionItemKind.Function,
    "name": lsp.CompletionItemKind.Variable,
    "keyword": lsp.CompletionItemKind.Keyword,
    "package": lsp.CompletionItemKind.Module,
    "file": lsp.CompletionItemKind.File,
}
T = TypeVar("T")


class Server(LanguageServer):
    """The server of one editor. It holds each open text, and the results of its file's last evaluation."""

    def __init__(self) -> None:
        super().__init__(NAME, VERSION)
        self.library = library()
        self.names: NamesByLock = {}
        self.known: dict[str, OpenDocument] = {}
        self.evaluated: dict[str, list[lsp.Diagnostic]] = {}
        self.running: dict[str, processes.AsyncProcess] = {}

    def read(self, uri: str) -> tuple[OpenDocument, TextDocument]:
        """Return an open text in its current state."""
        text = self.workspace.get_text_document(uri)
        known = self.known.get(uri)
        if known is None or known.text != text.source:
            path = to_fs_path(uri) or ""
            names = locked_names(os.path.dirname(path), self.names) if path else None
            known = _deeply(lambda: OpenDocument(text.source, path, self.library, self.known.get(uri), names))
            if known is None:
                known = OpenDocument("", path, self.library)
            self.known[uri] = known
        return known, text

    def show(self, uri: str) -> None:
        """Send the diagnostics of a text to the editor."""
        document, text = self.read(uri)
        found = _deeply(lambda: document.findings) or []
        shown = [
            lsp.Diagnostic(
                range=_range(text, _offset(document, f.error.span[1:3]), _offset(document, f.error.span[3:5])),
                message="\n".join(line for line in (f.error.what, f.error.why, f.error.hint) if line),
                severity=lsp.DiagnosticSeverity.Error if f.is_error else lsp.DiagnosticSeverity.Warning,
                source=NAME,
                code=f.rule,
                tags=[lsp.DiagnosticTag.Unnecessary] if f.rule in ("unused", "unreachable") else None,
            )
            for f in found
        ]
        if not any(f.is_error for f in found):
            shown += self.evaluated.get(uri, [])
        parameters = lsp.PublishDiagnosticsParams(uri=uri, diagnostics=shown, version=text.version)
        self.text_document_publish_diagnostics(parameters)

    async def evaluate(self, uri: str) -> None:
        """Evaluate a text's file and show the results. A newer evaluation of the file ends this one."""
        path = to_fs_path(uri)
        document, text = self.read(uri)
        if not path or not os.path.isfile(path) or any(f.is_error for f in _deeply(lambda: document.findings) or []):
            return
        before = self.running.pop(uri, None)
        if before is not None:
            with contextlib.suppress(ProcessLookupError):
                before.kill()
        process = await processes.start("evaluation", ["fpack.cli.interactive.evaluate_worker", os.path.abspath(path)])
        self.running[uri] = process
        try:
            output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
            return
        finally:
            if self.running.get(uri) is process:
                del self.running[uri]
        try:
            result = json.loads(output)
        except ValueError:
            return  # the process was killed
        document.values = result["values"]
        self.evaluated[uri] = [
            lsp.Diagnostic(
                range=_range(text, _offset(document, e["span"][0:2]), _offset(document, e["span"][2:4])),
                message="\n".join(line for line in (e["message"], e["why"], e["hint"]) if line),
                severity=lsp.DiagnosticSeverity.Error,
                source=NAME,
                code="evaluation",
            )
            for e in result["errors"]
        ]
        if uri in self.known:
            self.known[uri].values = result["values"]
            self.show(uri)


def _deeply(work: Callable[[], T]) -> T | None:
    """Run `work` on a stack for deeply nested texts. Return None if the text is too deep or exceeds the limits."""
    try:
        result: T = deep_stack.bounded(work, Limits.configured())
    except (RecursionError, FpackError):
        return None
    return result


def _offset(document: OpenDocument, path: Any) -> int:
    """Return the offset of a line and a column that count from 1."""
    line, column = path
    at = 0
    for _ in range(line - 1):
        at = document.source.text.find("\n", at) + 1
    return int(at + column - 1)


def _position(text: TextDocument, offset: int) -> lsp.Position:
    before = text.source[:offset]
    line = before[before.rfind("\n") + 1 :]
    return lsp.Position(before.count("\n"), text.position_codec.client_num_units(line))


def _range(text: TextDocument, start: int, end: int) -> lsp.Range:
    return lsp.Range(_position(text, min(start, end)), _position(text, end))


def _location(found: SymbolLocation, uri: str, own: TextDocument) -> lsp.Location:
    if not found.path:
        return lsp.Location(uri, _range(own, found.start, found.end))
    other = from_fs_path(found.path) or uri
    return lsp.Location(other, _range(TextDocument(other, source=found.text), found.start, found.end))


def serve() -> None:
    """Answer an editor over standard input and output until it exits."""
    server = Server()
    _follow_texts(server)
    _answer_positions(server)
    _answer_texts(server)
    server.start_io()


def _follow_texts(server: Server) -> None:
    """Check and evaluate the texts that the editor opens, changes and saves."""

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        server.show(params.text_document.uri)
        await server.evaluate(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        server.evaluated.pop(params.text_document.uri, None)
        server.show(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        server.library = library()  # library files may have changed, too
        server.known.pop(params.text_document.uri, None)
        server.show(params.text_document.uri)
        await server.evaluate(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.known.pop(uri, None)
        server.evaluated.pop(uri, None)
        server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=uri, diagnostics=[]))


def _answer_positions(server: Server) -> None:
    """Answer requests about a position in a text."""

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        document, text = server.read(params.text_document.uri)
        offset = text.offset_at_position(params.position)
        found = _deeply(lambda: document.hover(offset))
        if found is None:
            return None
        words, start, end = found
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, words), _range(text, start, end))

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def definition(params: lsp.DefinitionParams) -> lsp.Location | None:
        document, text = server.read(params.text_document.uri)
        offset = text.offset_at_position(params.position)
        found = _deeply(lambda: document.definition(offset))
        return _location(found, params.text_document.uri, text) if found is not None else None

    @server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=[".", '"', "/"]))
    def completion(params: lsp.CompletionParams) -> lsp.CompletionList:
        document, text = server.read(params.text_document.uri)
        offset = text.offset_at_position(params.position)
        candidates = _deeply(lambda: list(Completer(document).completions(offset))) or []
        items = [
            lsp.CompletionItem(
                label=entry.label,
                kind=_KINDS[entry.kind],
                detail=entry.detail or None,
                filter_text=entry.insert,
                sort_text=f"{i:05}",
                text_edit=lsp.TextEdit(_range(text, entry.start, offset), entry.insert),
            )
            for i, entry in enumerate(candidates)
        ]
        return lsp.CompletionList(
            is_incomplete=any(candidate.kind == "package" for candidate in candidates), items=items
        )


def _answer_texts(server: Server) -> None:
    """Answer requests about a whole text."""

    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        from fpack.cli.workspace import source_files
        from fpack.lang.format.formatter import format_source

        _, text = server.read(params.text_document.uri)
        source = source_files.source(text.source, "text")
        after = _deeply(lambda: format_source(source, server.library.cache))
        if after is None or after == text.source:
            return None
        return [lsp.TextEdit(_range(text, 0, len(text.source)), after)]

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def symbols(params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        document, text = server.read(params.text_document.uri)
        if document.parsed is None or document.error is not None:
            return []
        found = []
        for binding in document.parsed.names.top.names.values():
            function = binding.node is not None and binding.node.kind == "fn"
            kind = lsp.SymbolKind.Function if function else lsp.SymbolKind.Field
            end = binding.node.end if binding.node is not None else binding.end
            whole, name = _range(text, binding.start, max(end, binding.end)), _range(text, binding.start, binding.end)
            found.append(lsp.DocumentSymbol(binding.name, kind, whole, name))
        return found
