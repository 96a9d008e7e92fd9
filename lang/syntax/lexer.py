"""Split a source text into tokens.

A token is a tuple (kind, value, start, end). `kind` is a terminal of grammar.lark; for punctuation and keywords, it is
the text of the token. Positions are offsets into the text. Strings are split into chunks and interpolations. A line
break is a token (NL) only if it separates two fields: inside braces, at the top level of a file and in `let`, after a
token that can end an expression and before a token that can begin a field. A `(` or `{` that continues the expression
before it on the same line is CALL_PAREN or CALL_BRACE.
"""

from __future__ import annotations

import re

from fpack.lang.errors import EvalError

from .source import Source

Token = tuple[str, object, int, int]

MAX_NESTING = 200
_INT_MAX = (1 << 63) - 1
KEYWORDS = frozenset(["let", "in", "if", "then", "else", "for", "assert", "or"])
_CONSTANTS = {"true": "TRUE", "false": "FALSE", "null": "NULL"}
_OPERATORS = frozenset(["+", "*", "/", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "|>"])
_ENDS = frozenset(
    ["NAME", "INT", "FLOAT", "PATH", "STRING", "STRING_END", "INTERP_END", "TRUE", "FALSE", "NULL", ")", "]", "}"]
)
_GOES_ON = (_OPERATORS | KEYWORDS | {"-", ".", ",", ")", "]", "}", "INTERP_END", "=", "=>", ":", "BAR"}) - {
    "let", "assert",
}  # fmt: skip
_PAIRS = {"(": ")", "[": "]", "{": "}", "${": "}"}

_TOKEN = re.compile(
    r"""(?P<blank>[ \t]+|\#[^\n]*)
      | (?P<line>\n)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*)
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
      | (?P<path>\.\.?/[A-Za-z0-9_./+@~-]*)
      | (?P<text>\"\"\"|")
      | (?P<mark>\.\.\.|\$\{|=>|==|!=|<=|>=|&&|\|\||\|>|[-+*/<>!=.,:|()\[\]{}])""",
    re.VERBOSE,
)
_PLAIN = re.compile(r'[^"\\$\n]+')
_PLAIN_BLOCK = re.compile(r'[^"\\$]+')
_ESCAPE = re.compile(r'\\(?:([ntr"\\$])|u\{([0-9A-Fa-f]{1,6})\})')
_MARK = "\0"  # replaces an interpolation while a block string is dedented; it cannot occur in a source text
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}
_FORBIDDEN = re.compile("[\0-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Names that are not valid in generated Python code, with a hint.
_RESERVED = {"None": "write null", "True": "write true", "False": "write false", "__debug__": "", "__builtins__": ""}
_KEYWORD_FIELD = re.compile(r"[ \t]*=(?![=>])")


def tokenize(source: Source) -> list[Token]:
    """Return the tokens of a text; raise EvalError for an invalid token, an open string or unbalanced brackets."""
    bad = _FORBIDDEN.search(source.text)
    if bad:
        code = f"U+{ord(bad[0]):04X}"
        raise source.error(bad.start(), bad.end(), f"A source text must not contain the invisible character {code}")
    lexer = _Lexer(source)
    lexer.run(0, len(source.text), 0)
    lexer.finish()
    return lexer.tokens


class _Lexer:
    """The state of the lexer: the tokens so far, and the unclosed brackets."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.tokens: list[Token] = []
        self.open: list[tuple[str, int]] = []  # unclosed brackets and lets, with their offsets
        self.line = False  # there is a line break after the last token

    def run(self, pos: int, end: int, depth: int) -> int:
        """Read tokens from `pos` to `end`, or until fewer than `depth` brackets are open; return the offset reached."""
        match, text = _TOKEN.match, self.text
        while pos < end:
            found = match(text, pos)
            if found is None:
                raise self._unknown(pos)
            kind, pos = found.lastgroup, found.end()
            if kind == "blank":
                continue
            if kind == "line":
                self.line = True
                continue
            start, value = found.start(), found[0]
            last = self.tokens[-1][0] if self.tokens else ""
            if kind == "name":
                self._name(value, start, pos, last)
            elif kind == "mark":
                self._mark(value, start, pos, last)
                if len(self.open) < depth:
                    return pos
            elif kind == "text":
                self._separate("STRING", start, last)
                pos = self._string(start, pos, value)
            elif kind == "number":
                self._number(value, start, pos, last)
            else:
                self._add("PATH", value, start, pos, last)
        return pos

    def finish(self) -> None:
        """Raise an error for the innermost bracket that is still open."""
        for bracket, start in reversed(self.open):
            if bracket == "let":
                raise self.source.error(
                    start, start + 3, "This `let` has no `in`", hint="let NAME = VALUE in EXPRESSION"
                )
            raise self.source.error(start, start + len(bracket), f"This `{bracket}` is never closed")

    # ---- the kinds of token

    def _separate(self, kind: str, start: int, last: str) -> None:
        if self.line:
            self.line = False
            if last in _ENDS and kind not in _GOES_ON and (not self.open or self.open[-1][0] in ("{", "let")):
                self.tokens.append(("NL", "\n", start, start))

    def _add(self, kind: str, value: object, start: int, end: int, last: str) -> None:
        self._separate(kind, start, last)
        self.tokens.append((kind, value, start, end))

    def _name(self, value: str, start: int, end: int, last: str) -> None:
        """Add a keyword, a constant or a name. last: the symbol of the token before it."""
        if last == "." or (value in KEYWORDS and _KEYWORD_FIELD.match(self.text, end)):
            kind = "NAME"  # the name of a field may be a keyword
        elif value in KEYWORDS:
            kind = value
            if value == "let":
                self._separate(value, start, last)
                self._push("let", start)
            elif value == "in" and self.open and self.open[-1][0] == "let":
                self.open.pop()
        else:
            kind = _CONSTANTS.get(value, "NAME")
            if value in _RESERVED:
                raise self.source.error(start, end, f"`{value}` cannot be a name", hint=_RESERVED[value])
        self._add(kind, value, start, end, last)

    def _number(self, value: str, start: int, end: int, last: str) -> None:
        """Add an integer or a float."""
        after = self.text[end : end + 1]
        if after.isalnum() or after == "_":
            raise self.source.error(start, end + 1, "A number cannot contain letters", hint="write strings in quotes")
        if value.isdigit():
            # The smallest integer is written with a sign, which is a token of its own.
            if len(value) > 19 or int(value) > _INT_MAX + (last == "-"):
                raise self.source.error(start, end, "This number is too large", why="integers have 64 bits")
            self._add("INT", int(value), start, end, last)
        else:
            if float(value) == float("inf"):
                raise self.source.error(start, end, "This number is too large", why="floats are below 1.8e308")
            self._add("FLOAT", float(value), start, end, last)

    def _mark(self, value: str, start: int, end: int, last: str) -> None:
        """Add an operator or a bracket."""
        if value in _PAIRS:
            # Inside parentheses and lists, line breaks separate nothing, but a call must begin on its callee's line.
            goes_on = last in _ENDS and not self.line
            self._separate(value, start, last)
            self._push(value, start)
            if value == "(":
                kind = "CALL_PAREN" if goes_on else "LPAR"
            elif value == "{":
                kind = "CALL_BRACE" if goes_on else "LBRACE"
            else:
                kind = "INTERP" if value == "${" else value
            self.tokens.append((kind, value, start, end))
            return
        kind = "BAR" if value == "|" else value
        if value in ")]}" and self._close(value, start, end) == "${":
            kind = "INTERP_END"
        self._separate(kind, start, last)
        self.tokens.append(("OP" if value in _OPERATORS else kind, value, start, end))

    def _push(self, bracket: str, start: int) -> None:
        if len(self.open) >= MAX_NESTING:
            raise self.source.error(start, start + 1, f"Brackets are nested more than {MAX_NESTING} levels deep")
        self.open.append((bracket, start))

    def _close(self, value: str, start: int, end: int) -> str:
        """Close the innermost bracket, and each `let` in it that has no `in`. Return the opening bracket."""
        while self.open and self.open[-1][0] == "let":
            self.open.pop()
        if not self.open:
            raise self.source.error(start, end, f"This `{value}` has no opening bracket")
        bracket, opened = self.open.pop()
        if _PAIRS[bracket] != value:
            other = (opened, opened + len(bracket), f"this needs a `{_PAIRS[bracket]}` first")
            raise self.source.error(start, end, f"This `{value}` does not match the opening bracket", other=other)
        return bracket

    def _unknown(self, pos: int) -> EvalError:
        """Make the error for a character that begins no token."""
        char = self.text[pos]
        hint = {
            "'": 'write strings in double quotes: "..."',
            ";": "separate fields by line breaks or commas",
            "`": 'write strings in double quotes: "..."',
            "&": "write && for `and`",
            "%": "write mod(a, b) for the remainder of a division",
            "?": "write `if CONDITION then A else B`, or `record.field or default`",
            "$": 'write "${NAME}" in a string',
            "\\": "a backslash is valid only in strings",
            "@": 'write strings in double quotes: "..."',
        }.get(char, "")
        if not char.isascii() and char.isalpha():
            hint = "names consist of ASCII letters; write other text in double quotes"
        return self.source.error(pos, pos + 1, f"Unexpected character `{char}`", hint=hint)

    # ---- strings

    def _string(self, start: int, pos: int, quotes: str) -> int:
        """Read a string whose opening quotes end at `pos`; return the offset after its closing quotes."""
        first = len(self.tokens)
        self.tokens.append(("STRING_START", quotes, start, pos))
        chunks: list[int] = []  # the indices of this string's own chunks, without those of nested strings
        plain, text, begun = _PLAIN_BLOCK if quotes == '"""' else _PLAIN, self.text, pos
        while True:
            found = plain.match(text, pos)
            pos = found.end() if found else pos
            closed, interpolated = text.startswith(quotes, pos), text.startswith("${", pos)
            char = text[pos : pos + 1]
            if closed or interpolated:
                chunks.append(len(self.tokens))
                self.tokens.append(("CHUNK", text[begun:pos], begun, pos))
            if closed:
                self._close_string(first, chunks, start, pos + len(quotes), quotes)
                return pos + len(quotes)
            elif interpolated:
                pos = begun = self._interpolation(pos)
            elif char in ("", "\n"):
                hint = 'write a string of several lines in """' if char else ""
                other = None
                if self.open and self.open[-1][0] == "${":
                    opened = self.open[-1][1]
                    hint, other = "", (opened, opened + 2, "the `}` of this may be missing")
                what = "This string is not closed"
                raise self.source.error(start, start + len(quotes), what, hint=hint, other=other)
            elif char == "\\":
                pos = self._check_escape(pos)
            else:
                pos += 1

    def _interpolation(self, pos: int) -> int:
        """Add the tokens of `${...}` in a string. Return the offset after it."""
        self.tokens.append(("INTERP", "${", pos, pos + 2))
        self._push("${", pos)
        line, self.line = self.line, False
        pos = self.run(pos + 2, len(self.text), len(self.open))
        if self.tokens[-1][0] != "INTERP_END":
            self.finish()
        self.line = line
        return pos

    def _check_escape(self, pos: int) -> int:
        """Raise EvalError for an escape that does not exist. Return the offset after it."""
        found = _ESCAPE.match(self.text, pos)
        if found is None:
            shown = self.text[pos : pos + 2].strip()
            hint = r"the escapes are \n \t \r \" \\ \$ \u{...}; write \\ for a backslash"
            raise self.source.error(pos, pos + len(shown), f"`{shown}` is not an escape", hint=hint)
        if found[2] and (int(found[2], 16) not in range(1, 0x110000) or 0xD800 <= int(found[2], 16) < 0xE000):
            raise self.source.error(pos, found.end(), f"`{found[0]}` is not a character")
        return found.end()

    def _close_string(self, first: int, chunks: list[int], start: int, end: int, quotes: str) -> None:
        """Replace the chunks by their final text; a string without interpolations becomes one token."""
        texts = [self.text[self.tokens[i][2] : self.tokens[i][3]] for i in chunks]
        if quotes == '"""':
            texts = dedent(texts)
        texts = [_ESCAPE.sub(_unescape, text) if "\\" in text else text for text in texts]
        if len(chunks) == 1:
            self.tokens[first:] = [("STRING", texts[0], start, end)]
            return
        for i, text in zip(chunks, texts, strict=True):
            self.tokens[i] = ("CHUNK", text, self.tokens[i][2], self.tokens[i][3])
        self.tokens[first:] = [t for t in self.tokens[first:] if t[0] != "CHUNK" or t[1]]
        self.tokens.append(("STRING_END", quotes, end - len(quotes), end))


def _unescape(found: re.Match[str]) -> str:
    return chr(int(found[2], 16)) if found[2] else _ESCAPES[found[1]]


def dedent(chunks: list[str]) -> list[str]:
    """Remove the common indentation of the lines of a block string, given and returned as chunks.

    An interpolation is between each two chunks. A blank first line is removed, and so is the indentation of the closing
    quotes. Other blank lines do not count for the common indentation and become empty.
    """
    lines = _MARK.join(chunks).split("\n")
    begun = bool(lines[0].strip(" \t"))  # there is text on the line of the opening quotes
    rest = lines[1:]
    margin: str | None = None
    for line in rest:
        body = line.lstrip(" \t")
        if body:
            indent = line[: len(line) - len(body)]
            margin = indent if margin is None else _common(margin, indent)
    width = len(margin or "")
    rest = [line[width:] if line.strip(" \t") else "" for line in rest]
    if begun or not rest:
        rest.insert(0, lines[0])
    return "\n".join(rest).split(_MARK)


def _common(a: str, b: str) -> str:
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return a[:i]
    return min(a, b, key=len)
