"""Make the LALR(1) tables of the parser from grammar.lark, and cache them as plain data.

The module imports lark only if the tables are not in the cache.
"""

from __future__ import annotations

import marshal
from pathlib import Path
from typing import Any, NamedTuple

from fpack.store.files import disk_cache

FORMAT = 1
END = "$END"
GRAMMAR = Path(__file__).with_name("grammar.lark")


class Production(NamedTuple):
    """One production of the grammar.

    action: the name of the action, or "" if the value of the only symbol is passed on. keep: the indices of the symbols
    on the right-hand side whose values the action takes.
    """

    origin: str
    length: int
    action: str
    keep: tuple[int, ...]


class Tables(NamedTuple):
    """The tables of the parser.

    states: for each state, an action by symbol: n >= 0 is shift, or goto, state n; n < 0 is reduce by rule -1 - n.
    """

    states: list[dict[str, int]]
    rules: list[Production]
    starts: dict[str, int]
    ends: dict[str, int]


_known: Tables | None = None


def load(cache: str | Path | None) -> Tables:
    """Return the tables of the grammar from memory or from the cache directory; generate and cache them if missing."""
    global _known
    if _known is None:
        grammar = GRAMMAR.read_bytes()
        key = disk_cache.key(b"tables %d" % FORMAT, grammar)
        body: bytes | memoryview | None = disk_cache.read_installed(key) or disk_cache.read(cache, key)
        if body is None:
            made = generate(grammar.decode())
            body = marshal.dumps([made.states, [tuple(r) for r in made.rules], made.starts, made.ends])
            disk_cache.write(cache, key, body)
        states, rules, starts, ends = marshal.loads(body)
        _known = Tables(states, [Production(*r) for r in rules], starts, ends)
    return _known


def generate(grammar: str) -> Tables:
    """Generate the tables from the text of the grammar; raise lark's GrammarError if the grammar has a conflict."""
    from lark import Lark
    from lark.lexer import Lexer

    class NoLexer(Lexer):  # lark only analyses the rules; lexer.py makes the tokens
        def __init__(self, conf: object) -> None:
            pass

        def lex(self, lexer_state: object, parser_state: object) -> object:  # type: ignore[override]
            raise AssertionError("lark must not parse text")

    lark = Lark(grammar, parser="lalr", start=["file", "expression"], lexer=NoLexer, strict=True)
    terminals: Any = lark.terminals
    text = {t.name: str(t.pattern.value) for t in terminals if t.pattern is not None}
    table = lark.parser.parser._parse_table
    rules: list[Production] = []
    index: dict[object, int] = {}
    for rule in lark.rules:
        index[rule] = len(rules)
        keep = tuple(i for i, s in enumerate(rule.expansion) if not (s.is_term and getattr(s, "filter_out", False)))
        keep = tuple(i for i in keep if str(rule.expansion[i].name) not in _VALUELESS)
        rules.append(Production(str(rule.origin.name), len(rule.expansion), rule.alias or "", keep))
    states: list[dict[str, int]] = [{} for _ in range(len(table.states))]
    for state, actions in table.states.items():
        for symbol, (action, to) in actions.items():
            name = text.get(str(symbol), str(symbol))
            states[state][name] = int(to) if str(action) == "Shift" else -1 - index[to]
    starts = {str(k): int(v) for k, v in table.start_states.items()}
    return Tables(states, rules, starts, {str(k): int(v) for k, v in table.end_states.items()})


# Declared terminals whose values no action takes.
_VALUELESS = frozenset(
    ["INTERP", "INTERP_END", "STRING_START", "STRING_END", "NL", "CALL_PAREN", "CALL_BRACE", "LBRACE", "LPAR", "BAR"]
)
