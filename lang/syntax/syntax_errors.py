"""Build the error for a token that the grammar does not allow at its position."""

from __future__ import annotations

from fpack.lang.errors import EvalError

from .lexer import Token
from .source import Source

END = "$END"
_ENDS = frozenset(["NAME", "INT", "FLOAT", "PATH", "STRING", "STRING_END", "TRUE", "FALSE", "NULL", ")", "]", "}"])
_BEGINS = frozenset(
    ["NAME", "INT", "FLOAT", "PATH", "STRING", "STRING_START", "TRUE", "FALSE", "NULL", "LPAR", "[", "LBRACE"]
)
_QUOTES = 'quote a name that contains other characters, as in debian."libstdc++6"'
_WORDS = {
    "and": "write `a && b`",
    "not": "write `!a`",
    "elif": "write `else if`",
    "where": "write `let NAME = VALUE in EXPRESSION`",
    "is": "compare with ==",
    "inherit": "write { NAME } to take a name from the enclosing scope",
    "rec": "every record is recursive: omit `rec`",
    "fn": "write x => EXPRESSION for a function",
    "def": "write name(a, b) = EXPRESSION for a function",
    "function": "write name(a, b) = EXPRESSION for a function",
    "lambda": "write x => EXPRESSION for a function",
    "return": "a function's body is one expression: omit `return`",
    "var": "omit `var`: NAME = VALUE",
    "const": "omit `const`: NAME = VALUE",
    "with": "write RECORD.with { FIELD = VALUE }",
}


def unexpected(source: Source, tokens: list[Token], at: int, expected: frozenset[str]) -> EvalError:
    """Return the error for the token with index `at`. expected: the symbols that the grammar allows there."""
    token = tokens[at]
    before = tokens[at - 1] if at else None
    kind, start, end = token[0], token[2], max(token[3], token[2] + 1)
    if kind == "NL":
        token = tokens[at + 1]
        start, end = token[2], max(token[3], token[2] + 1)
    shown = source.text[token[2] : token[3]].split("\n")[0]
    what = "Unexpected end of text" if token[0] == END else f"Unexpected `{shown}`"
    if token[0] == END:
        start = end = len(source.text.rstrip())
    hint = _hint(tokens, at, expected)
    why = _why(before, kind, expected)
    return source.error(start, end, what, why=why, hint=hint)


def _hint(tokens: list[Token], at: int, expected: frozenset[str]) -> str:
    """Return a hint for the unexpected token `at`, or "". expected: the symbols that could come there."""
    token, before = tokens[at], tokens[at - 1] if at else ("", "", 0, 0)
    kind = token[0]
    word = str(token[1]) if kind == "NAME" else ""
    earlier = str(before[1]) if before[0] == "NAME" else ""
    if word in _WORDS or earlier in _WORDS:
        return _WORDS[word] if word in _WORDS else _WORDS[earlier]
    if kind == "=>":
        return "write parameters as x => ..., (a, b) => ..., or ({ a, b }) => ... for the fields of a record"
    if kind == "=" and before[0] in _ENDS:
        if "OP" in expected:
            return "compare with =="
        return "write a field as NAME = VALUE; quote a name that contains other characters"
    if kind == ":" or before[0] == ":" or (before[0] == "[" and at > 1 and tokens[at - 2][0] == ":"):
        return "write fields as NAME = VALUE"
    if kind == "NL" and "=" in expected and before[0] == ")":
        return "files and records contain fields: NAME = VALUE"
    following = tokens[at + 1] if at + 1 < len(tokens) else token
    if before[0] == "." and kind in ("INT", "FLOAT"):
        if at > 1 and tokens[at - 2][0] in ("INT", "FLOAT"):
            return "a version is a string: write it in quotes"
        return _QUOTES
    if (kind, token[1], before[1]) == ("OP", "+", "+") and at > 2 and tokens[at - 3][0] == ".":
        name = tokens[at - 2]
        if name[3] == before[2] and before[3] == token[2]:
            return _QUOTES
    if kind == "OP" and token[1] == "/" and "/" in (before[1], following[1]):
        return "comments begin with #"
    if kind == "OP" and token[1] in ("/", ".") and before[0] in ("LBRACE", "NL", ",") and "}" in expected:
        return 'quote a name that contains other characters, as in "/etc/motd" = VALUE'
    if _is_after_colon(tokens, at):
        return "write fields as NAME = VALUE"
    if kind == "OP" and before[0] == "OP":
        return f"`{before[1]}{token[1]}` is not an operator"
    if kind == "[" and before[0] in _ENDS:
        return "write get(LIST, INDEX) for an element, or a comma between two elements"
    if "LBRACE" in (kind, kind == "NL" and following[0]) and before[0] in _ENDS | {"NL"}:
        return "put the { of a record call on the line of its callee"
    if kind == "then" or kind == "else":
        return "write if CONDITION then A else B"
    if (before[0] == "NL" and kind in ("LPAR", "[")) or (kind == "NL" and following[0] in ("LPAR", "[")):
        return "continue an expression on the same line, or after an operator"
    if kind in _BEGINS and before[0] in _ENDS and "," in expected:
        return "a comma may be missing" if "NL" not in expected else "a comma or a line break may be missing"
    if kind in _BEGINS and before[0] == "NAME" and "then" not in expected:
        function = earlier if len(earlier) <= 40 else "f"
        return f"write {function}(VALUE) or {function} {{ NAME = VALUE }} to call a function"
    if "then" in expected and kind != END:
        return "write if CONDITION then A else B"
    return ""


def _is_after_colon(tokens: list[Token], at: int) -> bool:
    """Return whether a token is in what follows `NAME:`, as in JSON: its field began in the same line, without `=`."""
    for index in range(at - 1, max(at - 9, 0), -1):
        kind = tokens[index][0]
        if kind in ("NL", "=", ",", "LPAR", "LBRACE"):
            return False
        if kind == ":":
            return tokens[index - 1][0] in ("NAME", "STRING")
    return False


def _why(before: Token | None, kind: str, expected: frozenset[str]) -> str:
    """Return what is expected in place of a token of this kind, or "". before: the token before it."""
    names = {"then": "`then`", "else": "`else`", "in": "`in`", ")": "`)`", "]": "`]`", "}": "`}`", "=": "`=`"}
    if kind == END and before is not None and before[0] == "=":
        return "a value is missing after `=`"
    if len(expected & set(_BEGINS)) > 5:
        return "a value is expected here"
    wanted = [names[name] for name in names if name in expected]
    if "else" in expected:
        return "every `if` needs an `else`"
    return f"{' or '.join(wanted)} is expected here" if 0 < len(wanted) <= 2 else ""
