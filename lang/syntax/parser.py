"""Parse a source text to a syntax tree (tree.py).

The parser is driven by the tables of grammar.lark and calls one action of tree_builder.py for each production. It is an
LALR(1) parser: a state and the next token select an action, which shifts the token onto the stack or reduces the
symbols on top of the stack to the left-hand side of a production.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import lalr_tables
from .lexer import Token, tokenize
from .source import Source
from .syntax_errors import unexpected
from .tree_builder import TreeBuilder


def parse(source: Source, cache: str | Path | None) -> Any:
    """Return the list of entries of a `file`, or the node of an `expression`; raise EvalError for a syntax error."""
    start, t = source.start, lalr_tables.load(cache)
    tokens = tokenize(source)
    n = len(source.text)
    tokens.append((lalr_tables.END, "", n, n))  # a token is (symbol, text, start, end)
    actions = TreeBuilder(source)
    reduce = [(r.origin, r.length, getattr(actions, r.action) if r.action else None, r.keep) for r in t.rules]
    states, state, end_state = t.states, t.starts[start], t.ends[start]
    # The stack of states, and for each symbol on it the value, the start and the end; `ends` begins with that of
    # nothing.
    stack, values, starts, ends = [state], [], [], [0]
    at = 0
    token: Token = tokens[0]
    while True:
        action = states[state].get(token[0])
        if action is None:
            raise unexpected(source, tokens, at, _expected(t, stack))
        if action >= 0:  # shift, and go to this state
            values.append(token)
            starts.append(token[2])
            ends.append(token[3])
            state = action
            stack.append(state)
            at += 1
            token = tokens[at]
            continue
        # Reduce by a production: `length` symbols become one, `origin`.
        origin, length, act, keep = reduce[-1 - action]
        if length:
            begin = starts[-length]
            if act is not None:
                rhs = values[-length:]
                value = act(begin, ends[-1], *[rhs[i] for i in keep])
            else:
                value = values[keep[0] - length]  # the value of the only symbol that has one
            del stack[-length:], values[-length:], starts[-length:]
            end = ends[-1]
            del ends[-length:]
        else:  # an empty production lies before the next token
            begin, end = token[2], token[2]
            value = act(begin, end)  # type: ignore[misc]
        values.append(value)
        starts.append(begin)
        ends.append(end)
        state = states[stack[-1]][origin]
        stack.append(state)
        if state == end_state:
            if token[0] != lalr_tables.END:
                raise unexpected(source, tokens, at, frozenset([lalr_tables.END]))
            return value


def _expected(t: lalr_tables.Tables, stack: list[int]) -> frozenset[str]:
    """Return the symbols that can come next, for the message: those that the parser would shift after reductions.

    The action table alone has more: an LALR parser reduces before it notices some errors.
    """
    return frozenset(symbol for symbol in t.states[stack[-1]] if _shifts(t, list(stack), symbol))


def _shifts(t: lalr_tables.Tables, stack: list[int], symbol: str) -> bool:
    """Return whether the parser would shift the symbol, after reductions. The stack of states is modified."""
    while True:
        action = t.states[stack[-1]].get(symbol)
        if action is None:
            return symbol == lalr_tables.END and stack[-1] in t.ends.values()
        if action >= 0:
            return True
        rule = t.rules[-1 - action]
        if rule.length:
            del stack[-rule.length :]
        stack.append(t.states[stack[-1]][rule.origin])
