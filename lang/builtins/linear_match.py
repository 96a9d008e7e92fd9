"""Match a regular expression in time linear in the text, with the results of Python's `re`.

`re` tries one way to match after another, which can take exponential time. This module follows all ways at once, one
character after another, as Thompson and Pike describe: a thread is a position in the program and the spans of the
groups, threads are ordered by preference, and of two threads at one position the preferred one remains. It is written
in Python, and much slower than `re` where `re` is fast.

The program is made from the tree of `re`'s own parser. A repetition whose body matched nothing is not repeated again,
as in `re`: the body of a repetition is compiled for two states, in which text was or was not read since it began.
Back-references, conditions, atomic groups and possessive repetitions need backtracking and are not supported.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

try:
    from re import _parser as sre_parser
except ImportError:  # a later Python
    sre_parser = None

MAX_PROGRAM = 20_000  # instructions
Spans = tuple[tuple[int, int], ...]  # of the whole match and of each group; (-1, -1) of a group that took no part
Entries = tuple[int, int]  # where to go on if no text was read since the innermost repetition began, and if some was
Condition = Callable[[str, int], bool]  # takes the text and a position

_CHARACTER, _SPLIT, _SAVE, _CONDITION, _ACCEPT, _DEAD = range(6)
_FLAGS = re.IGNORECASE | re.ASCII | re.DOTALL
_CLASSES = {
    "CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W",
}  # fmt: skip


class Unsupported(Exception):
    """The error of a regular expression that this module cannot match."""


class LinearPattern:
    """A compiled regular expression."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        if sre_parser is None:
            raise Unsupported
        self.code: list[tuple[int, Any, Any]] = []
        self.groups = pattern.groups
        self._tests: dict[tuple[str, int], Callable[[str], bool]] = {}
        self._accepted: list[int] = []  # the spans of the latest match
        accept = self._emit(_ACCEPT)
        tree = sre_parser.parse(pattern.pattern)
        flags = pattern.flags
        self.start = self._sequence(tree, flags, (accept, accept))[0]

    # ---- the search

    def fullmatch(self, text: str) -> Spans | None:
        """Return the spans of a match of the whole text, or None."""
        return self._run(text, 0, search=False, whole=True, advance=False)

    def finditer(self, text: str) -> list[Spans]:
        """Return the spans of all matches, as `re.finditer` finds them."""
        found: list[Spans] = []
        at, advance = 0, False
        while at <= len(text):
            spans = self._run(text, at, search=True, whole=False, advance=advance)
            if spans is None:
                break
            found.append(spans)
            start, at = spans[0]
            advance = start == at
        return found

    def _run(self, text: str, start: int, *, search: bool, whole: bool, advance: bool) -> Spans | None:
        """Return the spans of the preferred match that begins first.

        search: the match may begin after `start`. whole: it ends at the end of the text. advance: a match that begins
        at `start` is not empty.
        """
        code, end = self.code, len(text)
        best: list[int] | None = None
        empty = [-1] * (2 * self.groups + 2)
        current: list[tuple[int, list[int]]] = []  # threads that wait for a character
        for at in range(start, end + 1):
            following: list[tuple[int, list[int]]] = []
            seen: set[int] = set()
            if at > start:
                character = text[at - 1]
                for pc, spans in current:
                    _, test, target = code[pc]
                    if test(character) and self._follow(target, spans, text, at, seen, following, whole):
                        best = self._accepted
                        break
            if best is None and (search or at == start):
                refused = at if advance and at == start else -1
                if self._follow(self.start, [at, *empty[1:]], text, at, seen, following, whole, refused):
                    best = self._accepted
            if not following and (best is not None or not search):
                break
            current = following
        if best is None:
            return None
        return tuple(zip(best[::2], best[1::2], strict=True))

    def _follow(
        self,
        pc: int,
        spans: list[int],
        text: str,
        at: int,
        seen: set[int],
        threads: list[tuple[int, list[int]]],
        whole: bool,
        refused: int = -1,
    ) -> bool:
        """Add the threads that a thread at `pc` becomes without reading. Return whether one of them is a match.

        Threads after a match are left out, because the match is preferred. refused: an offset at which no match ends.
        """
        code = self.code
        todo = [(pc, spans)]
        while todo:
            pc, spans = todo.pop()
            if pc in seen:
                continue
            seen.add(pc)
            kind, first, second = code[pc]
            if kind == _CHARACTER:
                threads.append((pc, spans))
            elif kind == _SPLIT:
                todo += [(target, spans) for target in reversed(first)]
            elif kind == _SAVE:
                spans = spans.copy()
                spans[first] = at
                todo.append((second, spans))
            elif kind == _CONDITION:
                if first(text, at):
                    todo.append((second, spans))
            elif kind == _ACCEPT and at != refused and (not whole or at == len(text)):
                self._accepted = [spans[0], at, *spans[2:]]
                return True
        return False

    def matches_at(self, start: int, text: str, at: int) -> bool:
        """Return whether the part of the program that begins at `start` matches at a position."""
        code = self.code
        pcs = [start]
        while pcs:
            threads: list[tuple[int, list[int]]] = []
            seen: set[int] = set()
            for pc in pcs:
                if self._follow(pc, [at, -1], text, at, seen, threads, whole=False):
                    return True
            if at >= len(text):
                return False
            character = text[at]
            pcs = [code[pc][2] for pc, _ in threads if code[pc][1](character)]
            at += 1
        return False

    # ---- the program

    def _emit(self, kind: int, first: Any = None, second: Any = None) -> int:
        if len(self.code) >= MAX_PROGRAM:
            raise Unsupported
        self.code.append((kind, first, second))
        return len(self.code) - 1

    def _sequence(self, tree: Any, flags: int, after: Entries) -> Entries:
        for op, argument in reversed(list(tree)):
            after = self._node(str(op), argument, flags, after)
        return after

    def _node(self, op: str, argument: Any, flags: int, after: Entries) -> Entries:
        """Compile a node of the tree; return where it begins in each of the two states."""
        if op in ("LITERAL", "NOT_LITERAL", "ANY", "IN", "CATEGORY", "RANGE"):
            at = self._emit(_CHARACTER, self._test(_class(op, argument), flags), after[1])
            return at, at
        if op == "SUBPATTERN":
            group, added, removed, inner = argument
            inner_flags = (flags | added) & ~removed
            if group is None:
                return self._sequence(inner, inner_flags, after)
            return self._save(2 * group, self._sequence(inner, inner_flags, self._save(2 * group + 1, after)))
        if op == "BRANCH":
            ways = [self._sequence(way, flags, after) for way in argument[1]]
            return self._both(lambda state: self._emit(_SPLIT, [way[state] for way in ways]), after)
        if op in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, body = argument
            return self._repeat(least, most, body, flags, after, greedy=op == "MAX_REPEAT")
        if op == "AT":
            return self._check(self._place(str(argument), flags), after)
        if op in ("ASSERT", "ASSERT_NOT"):
            return self._check(self._look(argument, flags, op == "ASSERT"), after)
        if op == "FAILURE":
            at = self._emit(_DEAD)
            return at, at
        raise Unsupported

    def _both(self, make: Callable[[int], int], after: Entries) -> Entries:
        first = make(0)
        return first, first if after[0] == after[1] else make(1)

    def _save(self, slot: int, after: Entries) -> Entries:
        return self._both(lambda state: self._emit(_SAVE, slot, after[state]), after)

    def _check(self, condition: Condition, after: Entries) -> Entries:
        return self._both(lambda state: self._emit(_CONDITION, condition, after[state]), after)

    def _repeat(self, least: int, most: Any, body: Any, flags: int, after: Entries, *, greedy: bool) -> Entries:
        """Compile `body{least,most}`, by copies of the body. after: the entries of what follows."""
        if len(body) == 0:
            return after

        def choice(once: int, done: int) -> int:
            return self._emit(_SPLIT, [once, done] if greedy else [done, once])

        def again(more: int) -> Entries:
            """Return the entries of an iteration that may be left out. more: where to go on if it has read text."""
            return self._both(
                lambda state: choice(self._sequence(body, flags, (after[state], more))[0], after[state]), after
            )

        if str(most) == "MAXREPEAT":
            loop = self._emit(_DEAD)  # replaced below: an iteration after one that has read text
            once = self._sequence(body, flags, (after[1], loop))[0]
            self.code[loop] = (_SPLIT, [once, after[1]] if greedy else [after[1], once], None)
            entries = again(loop) if after[0] != after[1] else (loop, loop)
        else:
            entries = after
            for _ in range(int(most) - least):
                entries = again(entries[1])
        for _ in range(least):
            entries = self._sequence(body, flags, entries)
        return entries

    # ---- characters and conditions

    def _test(self, written: str, flags: int) -> Callable[[str], bool]:
        """Return a function that tests a character. It asks `re` once for each character, and remembers the answer."""
        key = written, flags & _FLAGS
        test = self._tests.get(key)
        if test is None:
            matches = re.compile(written, flags & _FLAGS).match
            known: dict[str, bool] = {}

            def test(character: str) -> bool:
                found = known.get(character)
                if found is None:
                    found = known[character] = matches(character) is not None
                return found

            self._tests[key] = test
        return test

    def _place(self, code: str, flags: int) -> Condition:
        """Return the condition of an anchor or a word boundary. code: its name in Python's `re` parser."""
        lines = bool(flags & re.MULTILINE)
        if code == "AT_BEGINNING_STRING" or (code == "AT_BEGINNING" and not lines):
            return lambda text, at: at == 0
        if code == "AT_BEGINNING":
            return lambda text, at: at == 0 or text[at - 1] == "\n"
        if code == "AT_END_STRING":
            return lambda text, at: at == len(text)
        if code == "AT_END" and lines:
            return lambda text, at: at == len(text) or text[at] == "\n"
        if code == "AT_END":
            return lambda text, at: at == len(text) or (at == len(text) - 1 and text[at] == "\n")
        if code in ("AT_BOUNDARY", "AT_NON_BOUNDARY"):
            word, wanted = self._test(r"\w", flags & re.ASCII), code == "AT_BOUNDARY"

            def boundary(text: str, at: int) -> bool:
                if not text:
                    return False  # in an empty text, `re` matches neither \b nor \B
                return ((at > 0 and word(text[at - 1])) != (at < len(text) and word(text[at]))) == wanted

            return boundary
        raise Unsupported

    def _look(self, argument: tuple[int, Any], flags: int, wanted: bool) -> Condition:
        """Return the condition of a look-ahead or look-behind, whose answer is remembered for each offset."""
        direction, tree = argument
        if _has_group(tree):
            raise Unsupported
        accept = self._emit(_ACCEPT)
        start = self._sequence(tree, flags, (accept, accept))[0]
        width = tree.getwidth()[0] if direction < 0 else 0
        known: dict[int, bool] = {}
        known_text: str | None = None

        def look(text: str, at: int) -> bool:
            nonlocal known_text
            if known_text is not text:
                known_text = text
                known.clear()
            found = known.get(at)
            if found is None:
                found = known[at] = at >= width and self.matches_at(start, text, at - width)
            return found == wanted

        return look


def _class(op: str, argument: Any) -> str:
    """Write a node that matches one character as a regular expression."""
    if op == "ANY":
        return "."
    if op == "NOT_LITERAL":
        return f"[^{_escaped(argument)}]"
    if op == "IN":
        items = [(str(o), a) for o, a in argument]
        inverted = items[0][0] == "NEGATE"
        return f"[{'^' if inverted else ''}{''.join(_item(o, a) for o, a in items if o != 'NEGATE')}]"
    return f"[{_item(op, argument)}]"


def _item(op: str, argument: Any) -> str:
    """Return an item of a set of characters in the syntax of `re`."""
    if op == "LITERAL":
        return _escaped(argument)
    if op == "RANGE":
        return f"{_escaped(argument[0])}-{_escaped(argument[1])}"
    if op == "CATEGORY" and str(argument) in _CLASSES:
        return _CLASSES[str(argument)]
    raise Unsupported


def _escaped(code: int) -> str:
    return f"\\U{code:08x}"


def _has_group(tree: Any) -> bool:
    """Return whether a part of the tree contains a group whose span counts."""
    todo: list[Any] = [tree]
    while todo:
        at = todo.pop()
        if isinstance(at, tuple) and len(at) == 2 and str(at[0]) == "SUBPATTERN" and at[1][0] is not None:
            return True
        if isinstance(at, (tuple, list)):
            todo += at
        elif hasattr(at, "data"):
            todo += at.data
    return False
