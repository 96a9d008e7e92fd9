"""Test the support for editors: a grammar that colours texts as the lexer reads them, and a complete extension."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.syntax.lexer import KEYWORDS, tokenize
from fpack.lang.syntax.source import Source
from support.language.textmate import Grammar, Stretch
from support.paths import REPOSITORY

EXTENSION = REPOSITORY / "docs" / "editors" / "vscode"
GRAMMAR = EXTENSION / "syntaxes" / "fpack.tmLanguage.json"
TEXTS = sorted(
    str(p.relative_to(REPOSITORY))
    for pattern in ("lang/std/**/*.fp", "pkgs/*.fp", "examples/**/*.fp", "tests/lang/cases/ok/*/*.fp")
    for p in REPOSITORY.glob(pattern)
)


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return Grammar(json.loads(GRAMMAR.read_text()))


def scopes_at(stretches: list[Stretch], offset: int) -> tuple[str, ...]:
    at = 0
    for text, scopes in stretches:
        if at <= offset < at + len(text):
            return scopes
        at += len(text)
    raise AssertionError(offset)


WANTED = {
    "STRING": "string.quoted", "CHUNK": "string.quoted", "STRING_START": "string.quoted", "STRING_END": "string.quoted",
    "INT": "constant.numeric", "FLOAT": "constant.numeric", "PATH": "string.unquoted.path", "TRUE": "constant.language",
    "FALSE": "constant.language", "NULL": ("constant.language", "storage.type"), "OP": "keyword.operator",
    "=>": "keyword.operator", "=": "keyword.operator", "...": "keyword.operator",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_every_token_has_a_colour_that_fits_it(name: str, grammar: Grammar) -> None:
    text = (REPOSITORY / name).read_text()
    stretches = list(grammar.tokens(text))
    assert "".join(part for part, _ in stretches) == text
    end = 0
    for kind, _, start, stop in tokenize(Source(name, text)):
        if "#" in text[end:start] and kind != "NL":
            comment = end + text[end:start].index("#")
            assert scopes_at(stretches, comment)[-1].startswith("comment"), text[comment : comment + 30]
        end = stop
        if kind == "NL":
            continue
        shown, scopes = text[start:stop], scopes_at(stretches, start)
        assert not any(scope.startswith(("comment", "invalid")) for scope in scopes), (shown, scopes)
        if kind in WANTED:
            assert any(scope.startswith(WANTED[kind]) for scope in scopes), (kind, shown, scopes)
        elif kind in KEYWORDS:
            assert scopes[-1].startswith("keyword"), (shown, scopes)
        elif kind == "NAME":
            assert scopes[-1].startswith(("variable", "entity", "storage", "keyword.other.import")), (shown, scopes)


def last_scopes(grammar: Grammar, text: str) -> dict[str, str]:
    return {part.strip(): scopes[-1].removesuffix(".fpack") for part, scopes in grammar.tokens(text) if part.strip()}


def test_names_are_told_apart(grammar: Grammar) -> None:
    found = last_scopes(grammar, 'port = f(x, if-then, { or = null }).name or import("y").z')
    assert found["port"] == "variable.other.property"
    assert found["f"] == "entity.name.function"
    assert found["if-then"] == "variable.other"
    assert found["name"] == "variable.other.member"
    assert found["import"] == "keyword.other.import"
    assert found["null"] == "constant.language"
    typed = last_scopes(grammar, "f(a: int | null = 1, b: [string]) = a")
    assert typed["int"] == typed["string"] == "storage.type" and typed["1"] == "constant.numeric"


def test_strings_end_where_they_end(grammar: Grammar) -> None:
    text = 'a = "x ${f({ b = "}" })} \\" \\q y"\nb = """\n "one" ${c}\n"""\nd = 1\n'
    found = list(grammar.tokens(text))
    assert ("1", ("source.fpack", "constant.numeric.fpack")) in found
    assert (
        "f",
        ("source.fpack", "string.quoted.double.fpack", "meta.interpolation.fpack", "entity.name.function.fpack"),
    ) in found
    assert any(part == "\\q" and "invalid.illegal.escape.fpack" in scopes for part, scopes in found)
    # A string that is not closed yet spoils its own line alone.
    broken = list(grammar.tokens('a = "x\nb = 1\n'))
    assert ("1", ("source.fpack", "constant.numeric.fpack")) in broken


def test_the_extension_names_files_that_are_there() -> None:
    package = json.loads((EXTENSION / "package.json").read_text())
    contributes = package["contributes"]
    named = [package["main"], contributes["languages"][0]["configuration"], contributes["grammars"][0]["path"]]
    assert all((EXTENSION / path).is_file() for path in named)
    assert contributes["languages"][0]["extensions"] == [".fp"]
    assert contributes["grammars"][0]["scopeName"] == json.loads(GRAMMAR.read_text())["scopeName"]
    json.loads((EXTENSION / "language-configuration.json").read_text())


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_the_extension_starts_the_server(tmp_path: Path) -> None:
    """With stand-ins for the editor and its client, as neither is here."""
    shutil.copy(EXTENSION / "extension.js", tmp_path)
    for name, code in {
        "vscode": """
            exports.commands = { registerCommand: (name, f) => { exports.restart = f; return {}; } };
            exports.workspace = { getConfiguration: () => ({ get: (key, other) => other }) };
            exports.window = { showErrorMessage: (text) => console.log("said", text) };""",
        "vscode-languageclient/node": """
            exports.TransportKind = { stdio: 0 };
            exports.LanguageClient = class {
              constructor(id, name, server) { this.server = server; }
              async start() {
                console.log("start", this.server.command, ...this.server.args);
                if (process.env.FAIL) throw new Error("ENOENT");
              }
              async stop() { console.log("stop"); }
            };""",
    }.items():
        place = tmp_path / "node_modules" / f"{name}.js"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(code)
    (tmp_path / "main.js").write_text("""
        const extension = require("./extension.js");
        extension.activate({ subscriptions: [] }).then(() => require("vscode").restart()).then(extension.deactivate);
    """)

    def run(**env: str) -> list[str]:
        done = subprocess.run(
            ["node", "main.js"], cwd=tmp_path, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", **env}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    assert run() == ["start fpack lsp", "stop", "start fpack lsp", "stop"]
    assert any("pip install 'fpack[lsp]'" in line for line in run(FAIL="1"))


@pytest.mark.network
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_the_editors_own_engine_agrees(tmp_path: Path, grammar: Grammar) -> None:
    """The engine that VS Code uses finds the same scopes as the one that the other tests use."""
    # A registry may leave a request without an answer, for which npm waits five minutes, or refuse it the first time.
    patience = [
        "--fetch-timeout=20000",
        "--fetch-retries=8",
        "--fetch-retry-mintimeout=500",
        "--fetch-retry-maxtimeout=5000",
    ]
    words = ["npm", "install", "--loglevel=error", *patience, "--prefix=.", "vscode-textmate@9", "vscode-oniguruma@2"]
    # npm brings its own list of authorities. A machine may reach the registry by one that only the machine trusts.
    env = {"NODE_EXTRA_CA_CERTS": "/etc/ssl/certs/ca-certificates.crt", **os.environ}
    installed = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300, env=env)
    assert installed.returncode == 0, installed.stderr
    (tmp_path / "main.js").write_text("""
        const fs = require("fs"), tm = require("vscode-textmate"), onig = require("vscode-oniguruma");
        const wasm = fs.readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer;
        const lib = onig.loadWASM(wasm).then(() => ({
          createOnigScanner: (p) => new onig.OnigScanner(p), createOnigString: (s) => new onig.OnigString(s),
        }));
        const [path, ...files] = process.argv.slice(2);
        const registry = new tm.Registry({
          onigLib: lib, loadGrammar: async () => tm.parseRawGrammar(fs.readFileSync(path, "utf8"), path),
        });
        registry.loadGrammar("source.fpack").then((grammar) => {
          for (const file of files) {
            let state = tm.INITIAL;
            const found = [];
            for (const line of fs.readFileSync(file, "utf8").replace(/\\n$/, "").split("\\n")) {
              const { tokens, ruleStack } = grammar.tokenizeLine(line, state);
              for (const t of tokens) {
                const text = line.slice(t.startIndex, t.endIndex).trim();
                if (text) found.push([text, t.scopes]);
              }
              state = ruleStack;
            }
            console.log(JSON.stringify(found));
          }
        });
    """)
    files = [str(REPOSITORY / name) for name in TEXTS]
    done = subprocess.run(
        ["node", "main.js", str(GRAMMAR), *files], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    for file, line in zip(files, done.stdout.splitlines(), strict=True):
        ours = [[part.strip(), list(scopes)] for part, scopes in grammar.tokens(Path(file).read_text()) if part.strip()]
        assert _joined(json.loads(line)) == _joined(ours), file


def _joined(stretches: list[list[object]]) -> list[list[object]]:
    """Neighbours of one scope as one: engines cut them differently."""
    made: list[list[object]] = []
    for text, scopes in stretches:
        if made and made[-1][1] == scopes:
            made[-1][0] = f"{made[-1][0]}{text}".replace(" ", "")
        else:
            made.append([str(text).replace(" ", ""), scopes])
    return made


def test_no_keyword_is_missing_in_the_grammar(grammar: Grammar) -> None:
    for word in KEYWORDS:
        assert last_scopes(grammar, f"a = {word} x")[word].startswith("keyword"), word
    with pytest.raises(EvalError):
        tokenize(Source("t", '"\\q"'))
