"""What to say about a token that the grammar does not allow where it stands."""

from __future__ import annotations

from fpack.lang.errors import EvalError

from .lexer import Token
from .source import Source

END = "$END"
_ENDS = frozenset(["NAME", "INT", "FLOAT", "PATH", "STRING", "STRING_END", "TRUE", "FALSE", "NULL", ")", "]", "}"])
_BEGINS = frozenset(
    ["NAME", "INT", "FLOAT", "PATH", "STRING", "STRING_START", "TRUE", "FALSE", "NULL", "LPAR", "[", "LBRACE"]
)
_QUOTES = 'a name that has other signs stands in quotes, as in debian."libstdc++6"'
_WORDS = {
    "and": "write `a && b`",
    "not": "write `!a`",
    "elif": "write `else if`",
    "where": "write `let NAME = VALUE in EXPRESSION`",
    "is": "compare with ==",
    "inherit": "write { NAME } to take a name from the enclosing scope",
    "rec": "every record is recursive: leave `rec` out",
    "fn": "functions are written x => EXPRESSION",
    "def": "functions are written name(a, b) = EXPRESSION",
    "function": "functions are written name(a, b) = EXPRESSION",
    "lambda": "functions are written x => EXPRESSION",
    "return": "a function's body is one expression: leave `return` out",
    "var": "leave `var` out: NAME = VALUE",
    "const": "leave `const` out: NAME = VALUE",
    "with": "write RECORD.with { FIELD = VALUE }",
}


def unexpected(source: Source, tokens: list[Token], at: int, expected: frozenset[str]) -> EvalError:
    """The error for the token with index `at`; expected: the symbols that the grammar allows there."""
    token = tokens[at]
    before = tokens[at - 1] if at else None
    kind, start, end = token[0], token[2], max(token[3], token[2] + 1)
    if kind == "NL":
        token = tokens[at + 1]
        start, end = token[2], max(token[3], token[2] + 1)
    shown = source.text[token[2] : token[3]].split("\n")[0]
    what = "The text ends too early" if token[0] == END else f"`{shown}` cannot stand here"
    if token[0] == END:
        start = end = len(source.text.rstrip())
    hint = _hint(tokens, at, expected)
    why = _why(before, kind, expected)
    return source.error(start, end, what, why=why, hint=hint)


def _hint(tokens: list[Token], at: int, expected: frozenset[str]) -> str:
    token, before = tokens[at], tokens[at - 1] if at else ("", "", 0, 0)
    kind = token[0]
    word = str(token[1]) if kind == "NAME" else ""
    earlier = str(before[1]) if before[0] == "NAME" else ""
    if word in _WORDS or earlier in _WORDS:
        return _WORDS[word] if word in _WORDS else _WORDS[earlier]
    if kind == "=>":
        return "parameters are written x => ..., (a, b) => ..., or ({ a, b }) => ... for a record's fields"
    if kind == "=" and before[0] in _ENDS:
        if "OP" in expected:
            return "compare with =="
        return "a field is written NAME = VALUE, and a name that has other characters in quotes"
    if kind == "." and "=" in expected:
        return "write a = { b = VALUE } for a.b = VALUE"
    if kind == ":" or before[0] == ":" or (before[0] == "[" and at > 1 and tokens[at - 2][0] == ":"):
        return "fields are written NAME = VALUE"
    if kind == "NL" and "=" in expected and before[0] == ")":
        return "a file and a record hold fields: NAME = VALUE"
    following = tokens[at + 1] if at + 1 < len(tokens) else token
    if before[0] == "." and kind in ("INT", "FLOAT"):
        if at > 1 and tokens[at - 2][0] in ("INT", "FLOAT"):
            return "a version is a text, and stands in quotes"
        return _QUOTES
    if (kind, token[1], before[1]) == ("OP", "+", "+") and at > 2 and tokens[at - 3][0] == ".":
        name = tokens[at - 2]
        if name[3] == before[2] and before[3] == token[2]:
            return _QUOTES
    if kind == "OP" and token[1] == "/" and "/" in (before[1], following[1]):
        return "comments begin with #"
    if kind == "OP" and before[0] == "OP":
        return f"`{before[1]}{token[1]}` is no operator"
    if kind == "[" and before[0] in _ENDS:
        return "write get(LIST, INDEX) for an element, or a comma between two elements"
    if "LBRACE" in (kind, kind == "NL" and following[0]) and before[0] in _ENDS | {"NL"}:
        return "the { of a record call stands on its callee's line"
    if kind == "then" or kind == "else":
        return "write if CONDITION then A else B"
    if (before[0] == "NL" and kind in ("LPAR", "[")) or (kind == "NL" and following[0] in ("LPAR", "[")):
        return "an expression that goes on does so on the same line, or after an operator"
    if kind in _BEGINS and before[0] in _ENDS and "," in expected:
        return "a comma is missing before it" if "NL" not in expected else "a comma or a new line is missing before it"
    if "then" in expected and kind != END:
        return "write if CONDITION then A else B"
    return ""


def _why(before: Token | None, kind: str, expected: frozenset[str]) -> str:
    names = {
        "then": "`then`",
        "else": "`else`",
        "in": "`in`",
        ")": "`)`",
        "]": "`]`",
        "}": "`}`",
        "=": "`=`",
    }
    if kind == END and before is not None and before[0] == "=":
        return "a value is missing after `=`"
    if len(expected & set(_BEGINS)) > 5:
        return "a value is expected here"
    wanted = [names[name] for name in names if name in expected]
    if "else" in expected:
        return "an `if` has an `else`"
    return f"{' or '.join(wanted)} is expected here" if 0 < len(wanted) <= 2 else ""
