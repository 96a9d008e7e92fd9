"""Golden cases: files of the language with the value, or the error, that they give.

A case is a directory with `main.fp`. In `ok`, `expected.json` holds the value of its field `result`; in `fail`,
`expected.txt` is what the user sees. Set FPACK_WRITE_EXPECTED=1 to write what is missing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fpack.lang.builtins import table
from fpack.lang.compiler import strictness
from fpack.lang.errors import EvalError, render
from fpack.lang.evaluator import Evaluator
from fpack.lang.syntax import lalr_tables, lexer, parser, tree
from fpack.lang.syntax.source import Source
from support.archives.packages import Files, Packages

CASES = Path(__file__).parent / "cases"
SETTINGS = {"arch": "amd64", "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}}


def names(kind: str) -> list[str]:
    return sorted(p.parent.name for p in (CASES / kind).glob("*/main.fp"))


def evaluate(case: Path, cache: Path) -> object:
    evaluator = Evaluator(
        root=case, cache=cache, packages=Packages(), sources=Files(), library=[], settings=SETTINGS
    )  # fmt: skip
    return evaluator.to_json(evaluator.select(evaluator.load(Path("main.fp")), ["result"]))


def expected(path: Path, text: str) -> str:
    if os.environ.get("FPACK_WRITE_EXPECTED") and not path.exists():
        path.write_text(text)
    return path.read_text()


@pytest.mark.parametrize("name", names("ok"))
def test_value(name: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES / "ok" / name
    monkeypatch.chdir(case)
    found = evaluate(case, cache)
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    assert found == json.loads(expected(case / "expected.json", text))
    # Once more, from the cache of compiled modules.
    assert evaluate(case, cache) == found


@pytest.mark.parametrize("name", names("fail"))
def test_error(name: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES / "fail" / name
    monkeypatch.chdir(case)
    with pytest.raises(EvalError) as caught:
        evaluate(case, cache)
    shown = render(caught.value).replace(str(case), "/project") + "\n"
    assert shown == expected(case / "expected.txt", shown)
    assert caught.value.exit_code in (3, 4)
    assert caught.value.line >= 1 and caught.value.column >= 1


def test_minimum_number_of_cases() -> None:
    assert len(names("ok")) >= 150 and len(names("fail")) >= 120


# ---- what the cases cover

# What has a value whatever it is given, as long as that has one itself.
NEVER_WRONG = table.HIDDEN


def texts(kind: str) -> list[Source]:
    return [Source(str(p), p.read_text()) for p in sorted((CASES / kind).glob("*/*.fp"))]


def called(kind: str) -> set[str]:
    """Return the builtins that the cases of a kind mention, and do not bind themselves."""
    found: set[str] = set()
    for source in texts(kind):
        try:
            entries = parser.parse(source, None)
        except EvalError:
            continue
        found |= strictness.FreeNames().entries(entries)
    return found & set(table.STRICT)


@pytest.mark.parametrize("kind", ["ok", "fail"])
def test_each_builtin_has_a_case(kind: str) -> None:
    assert set(table.STRICT) - NEVER_WRONG - called(kind) == set()


def reduced(source: Source, grammar: lalr_tables.Tables) -> set[int]:
    """Return the productions that a text is made of, by their indices, found by nothing but the tables."""
    tokens = [*(token[0] for token in lexer.tokenize(source)), lalr_tables.END]
    stack, found, at = [grammar.starts["file"]], set(), 0
    while True:
        action = grammar.states[stack[-1]].get(tokens[at])
        if action is None:
            assert stack[-1] == grammar.ends["file"], source.name
            return found
        if action >= 0:
            stack.append(action)
            at += 1
            continue
        found.add(-1 - action)
        rule = grammar.rules[-1 - action]
        if rule.length:
            del stack[-rule.length :]
        stack.append(grammar.states[stack[-1]][rule.origin])


def test_each_rule_of_the_grammar_has_a_case() -> None:
    grammar = lalr_tables.load(None)
    covered: set[int] = set()
    for source in texts("ok"):
        covered |= reduced(source, grammar)
    missing = {
        f"{r.origin} -> {r.action} ({r.length} symbols)" for i, r in enumerate(grammar.rules) if i not in covered
    }
    # Evaluation of an expression alone, as on the command line, is what other tests begin with.
    assert {m for m in missing if not m.startswith(("expression ->", "$root"))} == ALLOWED


# A file may be empty, or hold one thing and a comma; no case could show a value of it.
ALLOWED = {"file -> empty_entries (0 symbols)"}


def types_in(node: object) -> set[object]:
    """Return the types of all parameters in a syntax tree; of a list's elements too."""
    if not isinstance(node, (tuple, list)):
        return set()
    found = set().union(*map(types_in, node)) if node else set()
    if isinstance(node, tuple) and node and node[0] == "param" and node[4] is not None:
        todo = list(node[4])
        while todo:
            kind = todo.pop()
            found.add("[TYPE]" if isinstance(kind, tuple) else kind)
            todo += kind if isinstance(kind, tuple) else ()
    return found


def test_each_type_has_a_case() -> None:
    written: set[object] = set()
    for source in texts("ok"):
        written |= types_in(parser.parse(source, None))
    assert written == {*tree.TYPES, "[TYPE]"}
