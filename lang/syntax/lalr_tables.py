"""The parser's tables: lark reads grammar.lark and makes LALR(1) tables, which are kept as plain data.

lark is imported, and the grammar read, only when the tables are not in the cache.
"""

from __future__ import annotations

import marshal
from pathlib import Path
from typing import Any, NamedTuple

from fpack.store.files import disk_cache

FORMAT = 1
END = "$END"
GRAMMAR = Path(__file__).with_name("grammar.lark")


class Rule(NamedTuple):
    """One production. action: the parser's action, or "" where the only symbol's value is handed on.

    keep: which of the symbols on the right have a value that the action takes.
    """

    origin: str
    length: int
    action: str
    keep: tuple[int, ...]


class Tables(NamedTuple):
    """states: for each state, symbol to action: n >= 0 is shift (or go) to state n, n < 0 is reduce by rule -1 - n."""

    states: list[dict[str, int]]
    rules: list[Rule]
    starts: dict[str, int]
    ends: dict[str, int]


_known: Tables | None = None


def load(cache: str | Path | None) -> Tables:
    """The tables of the grammar, from memory, from the cache directory, or made anew and put there."""
    global _known
    if _known is None:
        grammar = GRAMMAR.read_bytes()
        key = disk_cache.key(b"tables %d" % FORMAT, grammar)
        body: bytes | memoryview | None = disk_cache.read(cache, key)
        if body is None:
            made = generate(grammar.decode())
            body = marshal.dumps([made.states, [tuple(r) for r in made.rules], made.starts, made.ends])
            disk_cache.write(cache, key, body)
        states, rules, starts, ends = marshal.loads(body)
        _known = Tables(states, [Rule(*r) for r in rules], starts, ends)
    return _known


def generate(grammar: str) -> Tables:
    """Make the tables from the grammar's text; lark's GrammarError if the grammar has a conflict."""
    from lark import Lark
    from lark.lexer import Lexer

    class NoLexer(Lexer):  # ours makes the tokens; lark only looks at the rules
        def __init__(self, conf: object) -> None:
            pass

        def lex(self, lexer_state: object, parser_state: object) -> object:  # type: ignore[override]
            raise AssertionError("lark is given a grammar, and no text")

    lark = Lark(grammar, parser="lalr", start=["file", "expression"], lexer=NoLexer, strict=True)
    terminals: Any = lark.terminals
    text = {t.name: str(t.pattern.value) for t in terminals if t.pattern is not None}
    table = lark.parser.parser._parse_table
    rules: list[Rule] = []
    index: dict[object, int] = {}
    for rule in lark.rules:
        index[rule] = len(rules)
        keep = tuple(i for i, s in enumerate(rule.expansion) if not (s.is_term and getattr(s, "filter_out", False)))
        keep = tuple(i for i in keep if str(rule.expansion[i].name) not in _VALUELESS)
        rules.append(Rule(str(rule.origin.name), len(rule.expansion), rule.alias or "", keep))
    states: list[dict[str, int]] = [{} for _ in range(len(table.states))]
    for state, actions in table.states.items():
        for symbol, (action, to) in actions.items():
            name = text.get(str(symbol), str(symbol))
            states[state][name] = int(to) if str(action) == "Shift" else -1 - index[to]
    starts = {str(k): int(v) for k, v in table.start_states.items()}
    return Tables(states, rules, starts, {str(k): int(v) for k, v in table.end_states.items()})


# Terminals that %declare names but that carry nothing which an action wants.
_VALUELESS = frozenset(
    ["INTERP", "INTERP_END", "STRING_START", "STRING_END", "NL", "CALL_PAREN", "CALL_BRACE", "LBRACE", "LPAR", "BAR"]
)
