"""The grammar: no conflicts, and an action for every production."""

from __future__ import annotations

import pytest
from fpack.lang.syntax import lalr_tables, lexer, tree_builder
from fpack.lang.syntax.source import Source
from lark.exceptions import GrammarError

TEXT = lalr_tables.GRAMMAR.read_text()


def test_the_grammar_has_no_conflicts() -> None:
    made = lalr_tables.generate(TEXT)  # strict: a conflict is an error
    assert set(made.starts) == {"file", "expression"}
    assert len(made.states) > 100


def test_a_grammar_conflict_is_an_error() -> None:
    with pytest.raises(GrammarError):
        lalr_tables.generate(TEXT.replace("?unary: postfix", "?unary: postfix | unary OP unary -> twice"))


def test_terminals_do_not_collide() -> None:
    pytest.importorskip("interegular", reason="lark compares terminals with it")
    from lark import Lark

    Lark(TEXT, parser="lalr", start=["file", "expression"], lexer=_no_lexer(), strict=True)


def _no_lexer() -> type:
    from lark.lexer import Lexer

    class NoLexer(Lexer):
        def __init__(self, conf: object) -> None:
            pass

        def lex(self, lexer_state: object, parser_state: object) -> object:  # type: ignore[override]
            raise NotImplementedError

    return NoLexer


def test_every_production_has_an_action() -> None:
    for rule in lalr_tables.generate(TEXT).rules:
        assert not rule.action or callable(getattr(tree_builder.TreeBuilder, rule.action)), rule
        assert rule.action or len(rule.keep) == 1, rule


def test_the_lexer_and_the_grammar_have_the_same_terminals() -> None:
    text = """
        a = [1, 1.5, ./x, "s", "b${a}", true, false, null, { ${b} = c }, f(x), f { }, (a), a |> b - c, !x]
        y = x => r.y or z
        assert a, "m"
        x = let a = 1 in if a then b else [c for d in e], r = { ...s }, g(a: int | null) = assert a, b in c
    """
    known = {symbol for state in lalr_tables.generate(TEXT).states for symbol in state}
    made = {token[0] for token in lexer.tokenize(Source("t", text))}
    assert made <= known
    terminals = {s for s in known if not s.islower() or s in lexer.KEYWORDS}
    assert terminals - made == {"$END"}
