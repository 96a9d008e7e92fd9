"""Read the statements of Meson's language, and evaluate expressions as far as they are known on Linux."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .wanted import Truth, both, either, negated

_TOKEN = re.compile(
    r"'''(?P<long>.*?)'''|(?P<f>f?)'(?P<text>(?:[^'\\\n]|\\.)*)'|(?P<comment>#[^\n]*)|(?P<name>[A-Za-z_]\w*)|"
    r"(?P<number>\d+)|(?P<newline>\n)|(?P<op>==|!=|\+=|<=|>=|[()\[\]{}.,:=?+<>/*%-])",
    re.DOTALL,
)
_SYSTEMS = {
    "sys" + "tem": "linux",
    "kernel": "linux",
    "cpu_family": "x86_64",
    "endian": "little",
    "get_id": "gcc",
    "get_argument_syntax": "gcc",
}

Token = tuple[str, str, int]  # kind, text, offset
Value = bool | str | int | list[object] | None  # None: unknown


class MesonCall(NamedTuple):
    """A call. target: the variable that it is assigned to, or "". name: with its object, as `cc.find_library`."""

    target: str
    name: str
    args: list[list[Token]]
    named: Mapping[str, list[Token]]
    at: int


@dataclass
class MesonScope:
    """The state at a place. values: of variables; options: of the project."""

    values: dict[str, Value] = field(default_factory=dict)
    options: dict[str, Value] = field(default_factory=dict)


def _tokens(text: str) -> Iterator[Token]:
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        if kind in ("long", "text"):
            yield (
                "str",
                found["long"] if found["long"] is not None else found["text"].replace("\\'", "'"),
                found.start(),
            )
        elif kind == "newline":
            yield "newline", "\n", found.start()
        elif kind not in ("comment", "f"):
            yield kind, found[0], found.start()


def statements(text: str) -> Iterator[list[Token]]:
    """Yield the tokens of each statement: a line break ends one, except in brackets."""
    line: list[Token] = []
    depth = 0
    for token in _tokens(text):
        if token[0] == "op":
            depth += (token[1] in "([{") - (token[1] in ")]}")
        if token[0] != "newline":
            line.append(token)
        elif depth <= 0 and line:
            yield line
            line, depth = [], 0
    if line:
        yield line


def calls(line: list[Token], target: str) -> Iterator[MesonCall]:
    """Yield the calls of a statement, outer ones first."""
    for number, token in enumerate(line):
        if token[1] != "(" or number == 0 or line[number - 1][0] != "name":
            continue
        name = line[number - 1][1]
        if number > 2 and line[number - 2][1] == "." and line[number - 3][0] == "name":
            name = f"{line[number - 3][1]}.{name}"
        args: list[list[Token]] = []
        named: dict[str, list[Token]] = {}
        for part in parts(line, number + 1):
            if len(part) > 1 and part[0][0] == "name" and part[1][1] == ":":
                named[part[0][1]] = part[2:]
            elif part:
                args.append(part)
        yield MesonCall(target, name, args, named, token[2])


def parts(line: list[Token], start: int) -> list[list[Token]]:
    """Return the arguments after an opening bracket."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in line[start:]:
        if token[0] == "op" and token[1] in "([{":
            depth += 1
        elif token[0] == "op" and token[1] in ")]}":
            depth -= 1
            if depth < 0:
                break
        if token[1] == "," and token[0] == "op" and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


# Values.


def strings(scope: MesonScope, tokens: list[Token]) -> list[str]:
    """Return the strings in an expression, those of variables whose values are known included."""
    if any(token[1] == "(" for token in tokens):
        value = evaluate(scope, tokens)
        return [value] if isinstance(value, str) else []
    found: list[str] = []
    for kind, text, _ in tokens:
        if kind == "str":
            found.append(text)
        elif kind == "name" and text in scope.values:
            value = scope.values[text]
            found += (
                [value]
                if isinstance(value, str)
                else [v for v in value if isinstance(v, str)]
                if isinstance(value, list)
                else []
            )
    return found


def string(scope: MesonScope, tokens: list[Token]) -> str | None:
    value = evaluate(scope, tokens)
    return value if isinstance(value, str) else None


def evaluate(scope: MesonScope, tokens: list[Token]) -> Value:
    """Return the value of a simple expression, or None."""
    if not tokens or len(tokens) > 400:
        return None
    if len(tokens) == 1:
        kind, text, _ = tokens[0]
        if kind == "str":
            return text
        if kind == "number":
            return int(text[:18])
        return {"true": True, "false": False}.get(text, scope.values.get(text))
    texts = [text for _, text, _ in tokens]
    if texts[0] == "[" and texts[-1] == "]":
        single = [part[0] for part in parts(tokens, 1) if len(part) == 1]
        return list(strings(scope, single))
    if texts[0] == "get_option" and len(tokens) == 4:
        return scope.options.get(texts[2])
    if len(texts) > 4 and texts[0] == "get_option" and texts[4] == "." and len(texts) >= 8:
        option = scope.options.get(texts[2])
        asked = {"enabled": "enabled", "disabled": "disabled", "auto": "auto"}.get(texts[5])
        if asked and option is not None and len(texts) == 8:
            return option == asked
        if asked is None and texts[5] == "allowed" and len(texts) == 8:
            return False if option == "disabled" else None
        return (
            "disabled" if option == "disabled" else "enabled" if option == "enabled" and texts[5] == "require" else None
        )
    if len(tokens) == 5 and texts[1] == "." and texts[3] == "(":
        if texts[2] in _SYSTEMS:
            return _SYSTEMS[texts[2]]
        value = scope.values.get(texts[0])
        if texts[2] in ("enabled", "disabled", "auto") and isinstance(value, str):
            return value == texts[2]
        if texts[0] == "meson" and texts[2] in ("is_cross_build", "is_subproject"):
            return False
    if _has_operators(tokens):
        return truth(scope, tokens)
    return None


def truth(scope: MesonScope, tokens: list[Token], depth: int = 0) -> Truth:
    """Return whether a condition holds; None if that is not known."""
    if depth > 40:
        return None
    for word, join in (("or", either), ("and", both)):
        parts = _split(tokens, word)
        if len(parts) > 1:
            found = truth(scope, parts[0], depth + 1)
            for part in parts[1:]:
                found = join(found, truth(scope, part, depth + 1))
            return found
    if tokens and tokens[0][1] == "not" and tokens[0][0] == "name":
        if len(tokens) > 1 and tokens[1][1] == "in":
            return None
        return negated(truth(scope, tokens[1:], depth + 1))
    if tokens and tokens[0][1] == "(" and tokens[-1][1] == ")":
        return truth(scope, tokens[1:-1], depth + 1)
    for operator in ("==", "!="):
        sides = _split(tokens, operator)
        if len(sides) == 2:
            left, right = (evaluate(scope, side) for side in sides)
            if left is None or right is None:
                return None
            return (left == right) == (operator == "==")
    sides = _split(tokens, "in")
    if len(sides) == 2:
        is_not = bool(sides[0]) and sides[0][-1][1] == "not"
        item = evaluate(scope, sides[0][:-1] if is_not else sides[0])
        values = evaluate(scope, sides[1])
        if item is None or not isinstance(values, list):
            return None
        return (item in values) != is_not
    value = evaluate(scope, tokens) if len(tokens) < 400 and not _has_operators(tokens) else None
    return value if isinstance(value, bool) else None


def _has_operators(tokens: list[Token]) -> bool:
    return any(text in ("and", "or", "not", "==", "!=", "in") for kind, text, _ in tokens if kind != "str")


def _split(tokens: list[Token], word: str) -> list[list[Token]]:
    """Split an expression at an operator outside of brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token[0] == "op":
            depth += (token[1] in "([{") - (token[1] in ")]}")
        if token[0] != "str" and token[1] == word and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
