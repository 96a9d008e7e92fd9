"""The language server, over standard input and output, with a client as editors have one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient
from support.archives.archive import Archive
from support.processes.program import PROGRAM, Fpack, world

PROJECT = """debian = import("fpack/debian").trixie

# Where the server listens.
port = 8000 + 80

image = container {
  name = "first"
  packages = [debian.hello]
  ports = [port]
}
greeting(name: string) = "Hi ${name}"
lib = import("./lib.fp")
said = greeting("Ann") + lib.end
"""
LIB = '# What is said last.\nend = "!"\n'


class Editor(LanguageClient):
    """A client that keeps the diagnostics it is sent."""

    def __init__(self) -> None:
        super().__init__("test", "1")
        self.diagnostics: dict[str, list[lsp.Diagnostic]] = {}
        self.news = asyncio.Condition()

        @self.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        async def published(params: lsp.PublishDiagnosticsParams) -> None:
            async with self.news:
                self.diagnostics[params.uri] = list(params.diagnostics)
                self.news.notify_all()

    async def until(self, uri: str, wanted: Callable[[list[lsp.Diagnostic]], bool]) -> list[lsp.Diagnostic]:
        """The diagnostics, once they are as wanted."""
        async with asyncio.timeout(60), self.news:
            await self.news.wait_for(lambda: uri in self.diagnostics and wanted(self.diagnostics[uri]))
            return self.diagnostics[uri]

    def change(self, uri: str, text: str, version: int) -> None:
        """Type a whole new text."""
        document = lsp.VersionedTextDocumentIdentifier(version, uri)
        whole = lsp.TextDocumentContentChangeWholeDocument(text)
        self.text_document_did_change(lsp.DidChangeTextDocumentParams(document, [whole]))


@pytest.fixture(scope="module")
def fpack(tmp_path_factory: pytest.TempPathFactory) -> Fpack:
    archive: Archive = world(tmp_path_factory.mktemp("archive"))
    for name in ("python3-a", "python3-b", "g++"):
        archive.add(name)
    archive.publish()
    fpack = Fpack(tmp_path_factory.mktemp("lsp") / "home", archive)
    (fpack.home / "fpack.fp").write_text(PROJECT)
    (fpack.home / "lib.fp").write_text(LIB)
    fpack("search", "hello")
    fpack("lock")
    return fpack


@asynccontextmanager
async def editing(fpack: Fpack, text: str = PROJECT) -> AsyncIterator[tuple[Editor, str]]:
    editor, place = Editor(), fpack.home / "fpack.fp"
    place.write_text(text)
    env = {k: v for k, v in fpack.env.items() if k != "FPACK_MIRROR"}
    await editor.start_io(str(PROGRAM), "lsp", cwd=fpack.home, env=env)
    try:
        await editor.initialize_async(lsp.InitializeParams(capabilities=lsp.ClientCapabilities()))
        editor.initialized(lsp.InitializedParams())
        uri = place.as_uri()
        editor.text_document_did_open(lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(uri, "fpack", 1, text)))
        yield editor, uri
    finally:
        await editor.shutdown_async(None)
        editor.exit(None)
        await editor.stop()
        place.write_text(PROJECT)


def run(work: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(120):
            await work

    asyncio.run(bounded())


def position(text: str, after: str) -> lsp.Position:
    """Right behind the first `after`, in UTF-16 units as the protocol counts."""
    before = text[: text.index(after) + len(after)]
    line = before.rpartition("\n")[2]
    return lsp.Position(before.count("\n"), len(line.encode("utf-16-le")) // 2)


def test_a_package_that_the_locked_index_lacks(fpack: Fpack) -> None:
    async def work() -> None:
        async with editing(fpack) as (editor, uri):
            editor.change(uri, PROJECT.replace("debian.hello", "debian.helo"), 2)
            (wrong,) = await editor.until(uri, lambda found: any(d.code == "package" for d in found))
            assert "There is no package 'helo'" in wrong.message and "did you mean hello" in wrong.message

    run(work())


def test_diagnostics_of_the_text_and_of_its_evaluation(fpack: Fpack) -> None:
    async def work() -> None:
        async with editing(fpack) as (editor, uri):
            assert await editor.until(uri, lambda found: True) == []
            editor.change(uri, PROJECT + '"ü" = "📦${nosuch}"\n', 2)
            (found,) = await editor.until(uri, bool)
            line = PROJECT.count("\n")
            assert (found.code, found.severity) == ("undefined", lsp.DiagnosticSeverity.Error)
            # The box is two units wide.
            assert found.range == lsp.Range(lsp.Position(line, 11), lsp.Position(line, 17))
            editor.change(uri, PROJECT + "x = [1 2]\n", 3)
            (found,) = await editor.until(uri, lambda f: bool(f) and f[0].code == "syntax")
            assert "Unexpected `2`" in found.message
            editor.change(uri, PROJECT, 4)
            assert await editor.until(uri, lambda f: not f) == []

    run(work())


def test_what_only_the_evaluation_finds(fpack: Fpack) -> None:
    async def work() -> None:
        text = PROJECT + 'broken = 1 + "2"\nfine = 5\n'
        async with editing(fpack, text) as (editor, uri):
            (found,) = await editor.until(uri, bool)
            assert found.code == "evaluation" and found.range.start.line == PROJECT.count("\n")
            editor.change(uri, PROJECT, 2)
            (fpack.home / "fpack.fp").write_text(PROJECT)
            editor.text_document_did_save(lsp.DidSaveTextDocumentParams(lsp.TextDocumentIdentifier(uri)))
            assert await editor.until(uri, lambda f: not f) == []

    run(work())


def test_an_evaluation_without_end_is_ended(fpack: Fpack) -> None:
    async def work() -> None:
        text = "loop(n) = loop(n + 1)\nx = loop(0)\n"
        async with editing(fpack, text) as (editor, uri):
            assert await editor.until(uri, lambda found: True) == []
            editor.change(uri, text + "y = nosuch\n", 2)
            assert len(await editor.until(uri, bool)) == 1  # it answers meanwhile

    run(work())


async def hovered(editor: Editor, uri: str, text: str, after: str) -> str:
    params = lsp.HoverParams(lsp.TextDocumentIdentifier(uri), position(text, after))
    found = await editor.text_document_hover_async(params)
    assert found is not None and isinstance(found.contents, lsp.MarkupContent)
    return found.contents.value


def test_hover_tells_docs_and_values(fpack: Fpack) -> None:
    async def work() -> None:
        async with editing(fpack) as (editor, uri):
            async with asyncio.timeout(60):
                while "8080" not in await hovered(editor, uri, PROJECT, "ports = [po"):
                    await asyncio.sleep(0.1)
            said = await hovered(editor, uri, PROJECT, "ports = [po")
            assert "Where the server listens." in said and "port = 8000 + 80" in said
            assert "container(" in await hovered(editor, uri, PROJECT, "image = cont")
            assert "What is said last." in await hovered(editor, uri, PROJECT, "lib.en")
            assert "hello**: a package of Debian trixie, 2.10" in await hovered(editor, uri, PROJECT, "debian.hel")
            assert "list" in await hovered(editor, uri, PROJECT, "  port")
            assert "import(" in await hovered(editor, uri, PROJECT, "debian = imp")

    run(work())


async def defined(editor: Editor, uri: str, text: str, after: str) -> tuple[str, int]:
    params = lsp.DefinitionParams(lsp.TextDocumentIdentifier(uri), position(text, after))
    found = await editor.text_document_definition_async(params)
    assert isinstance(found, lsp.Location)
    return found.uri.rpartition("/")[2], found.range.start.line


def test_go_to_definition(fpack: Fpack) -> None:
    async def work() -> None:
        async with editing(fpack) as (editor, uri):
            lines = PROJECT.split("\n")
            assert await defined(editor, uri, PROJECT, "= [po") == ("fpack.fp", lines.index("port = 8000 + 80"))
            assert await defined(editor, uri, PROJECT, "said = gree") == ("fpack.fp", 10)
            assert await defined(editor, uri, PROJECT, 'Ann") + lib.e') == ("lib.fp", 1)
            assert await defined(editor, uri, PROJECT, 'import("./li') == ("lib.fp", 0)
            file, line = await defined(editor, uri, PROJECT, "image = conta")
            assert file == "container.fp" and line > 0
            assert (await defined(editor, uri, PROJECT, "  packa"))[0] == "container.fp"

    run(work())


async def offered(editor: Editor, uri: str, text: str, after: str, version: int) -> dict[str, lsp.CompletionItem]:
    editor.change(uri, text, version)
    params = lsp.CompletionParams(lsp.TextDocumentIdentifier(uri), position(text, after))
    found = await editor.text_document_completion_async(params)
    assert isinstance(found, lsp.CompletionList)
    return {item.label: item for item in found.items}


def test_completion(fpack: Fpack) -> None:
    async def work() -> None:
        async with editing(fpack) as (editor, uri):
            items = await offered(editor, uri, PROJECT + "x = debian.py", "x = debian.py", 2)
            assert set(items) == {"python3-a", "python3-b"}
            items = await offered(editor, uri, PROJECT + "x = debian.g", "x = debian.g", 3)
            edit = items["g++"].text_edit
            assert isinstance(edit, lsp.TextEdit) and edit.new_text == '"g++"'
            items = await offered(editor, uri, PROJECT + "x = container {\n  na", "x = container {\n  na", 4)
            assert {"name", "packages", "entrypoint"} <= set(items)
            assert "string" in (items["name"].detail or "")
            typed = PROJECT.replace("  ports = [port]\n", "  wo\n  ports = [port]\n")
            items = await offered(editor, uri, typed, "  wo", 5)
            assert "workdir" in items and "packages" not in items and "ports" not in items
            items = await offered(editor, uri, PROJECT + "x = lib.", "x = lib.", 6)
            assert set(items) == {"end"}
            items = await offered(editor, uri, PROJECT + "x = gre", "x = gre", 7)
            assert {"greeting", "port", "map", "container", "let"} <= set(items) and "settings" not in items
            items = await offered(editor, uri, PROJECT + 'x = import("', 'x = import("', 8)
            assert {"fpack/debian", "./lib.fp"} <= set(items)
            items = await offered(editor, uri, PROJECT + 'x = "some gre', '"some gre', 9)
            assert items == {}
            items = await offered(editor, uri, PROJECT + "f(first) = [x for x in fir", "in fir", 11)
            assert "greeting" in items
            hidden = PROJECT + 'x = label => { label = "w", tag = outer.la }'
            items = await offered(editor, uri, hidden, "outer.la", 12)
            assert set(items) == {"label"}
            items = await offered(editor, uri, hidden.replace("outer.la", "this.ta"), "this.ta", 13)
            assert {"label", "tag", "greeting"} <= set(items) and "map" not in items

    run(work())


def test_formatting(fpack: Fpack) -> None:
    async def work() -> None:
        async with editing(fpack) as (editor, uri):
            options = lsp.FormattingOptions(tab_size=2, insert_spaces=True)
            params = lsp.DocumentFormattingParams(lsp.TextDocumentIdentifier(uri), options)
            assert await editor.text_document_formatting_async(params) is None
            editor.change(uri, "a=1\nb = [ 1,2 ]", 2)
            (edit,) = await editor.text_document_formatting_async(params) or []
            assert edit.new_text == "a = 1\nb = [1, 2]\n"
            assert edit.range == lsp.Range(lsp.Position(0, 0), lsp.Position(1, 11))
            editor.change(uri, "a = {", 3)
            assert await editor.text_document_formatting_async(params) is None

    run(work())


def test_symbols(fpack: Fpack) -> None:
    async def work() -> None:
        async with editing(fpack) as (editor, uri):
            params = lsp.DocumentSymbolParams(lsp.TextDocumentIdentifier(uri))
            found = await editor.text_document_document_symbol_async(params) or []
            assert [s.name for s in found] == ["debian", "port", "image", "greeting", "lib", "said"]

    run(work())


def test_without_its_packages_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['pygls'] = None; from fpack.cli.main import main; sys.exit(main(['lsp']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "fpack[lsp]" in done.stderr and "Traceback" not in done.stderr
