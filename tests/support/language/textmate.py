"""Split texts into stretches with the names of their scopes, as a TextMate engine does by a grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Stretch = tuple[str, tuple[str, ...]]  # the text, and its scopes, the outermost first


class Grammar:
    """A grammar, from its JSON."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self._compiled: dict[str, re.Pattern[str]] = {}

    def tokens(self, text: str) -> Iterator[Stretch]:
        """Yield the text in stretches; each line is looked at by itself, as editors do."""
        stack: list[dict[str, Any]] = [self.data]
        for line in text.splitlines(keepends=True):
            yield from self._line(line, stack)

    def _line(self, line: str, stack: list[dict[str, Any]]) -> Iterator[Stretch]:
        at = begun = 0
        idle = 0
        while at <= len(line):
            rule, found, ends = self._next(line, at, stack)
            if found is None:
                break
            if found.start() > begun:
                yield line[begun : found.start()], self._scopes(stack)
            if ends:
                yield from self._matched(found, stack, rule.get("endCaptures", {}))
                stack.pop()
            elif "begin" in rule:
                stack.append(rule)
                yield from self._matched(found, stack, rule.get("beginCaptures", {}))
            else:
                yield from self._matched(found, [*stack, rule], rule.get("captures", {}))
            idle = idle + 1 if found.end() == at else 0
            assert idle < 20, f"the grammar does not go on at {line[at:]!r}"
            at = begun = found.end()
        if begun < len(line):
            yield line[begun:], self._scopes(stack)

    def _matched(
        self, found: re.Match[str], stack: list[dict[str, Any]], captures: dict[str, dict[str, str]]
    ) -> Iterator[Stretch]:
        scopes = self._scopes(stack)
        if "0" in captures:
            scopes = (*scopes, captures["0"]["name"])
        at = found.start()
        for number in sorted(int(n) for n in captures if n != "0"):
            start, end = found.span(number)
            if start > at:
                yield found.string[at:start], scopes
            yield found.string[start:end], (*scopes, captures[str(number)]["name"])
            at = end
        if found.end() > at:
            yield found.string[at : found.end()], scopes

    def _next(self, line: str, at: int, stack: list[dict[str, Any]]) -> tuple[Any, re.Match[str] | None, bool]:
        best: tuple[Any, re.Match[str] | None, bool] = (None, None, False)
        if "end" in stack[-1]:
            found = self._pattern(stack[-1]["end"]).search(line, at)
            if found is not None:
                best = (stack[-1], found, True)
        for rule in self._rules(stack[-1].get("patterns", [])):
            found = self._pattern(rule.get("begin") or rule["match"]).search(line, at)
            if found is not None and (best[1] is None or found.start() < best[1].start()):
                best = (rule, found, False)
        return best

    def _rules(self, patterns: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for rule in patterns:
            if "include" in rule:
                yield from self._rules([self.data["repository"][rule["include"].removeprefix("#")]])
            elif "match" in rule or "begin" in rule:
                yield rule
            else:
                yield from self._rules(rule["patterns"])

    def _scopes(self, stack: list[dict[str, Any]]) -> tuple[str, ...]:
        names = [rule["name"] for rule in stack if rule is not self.data and "name" in rule]
        return (self.data["scopeName"], *names)

    def _pattern(self, text: str) -> re.Pattern[str]:
        if text not in self._compiled:
            self._compiled[text] = re.compile(text)
        return self._compiled[text]
