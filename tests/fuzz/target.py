"""Parse, format, check and evaluate any text. Every fault in it must be an error with a message.

A text may be an error of the language, and its evaluation may be given up after a while; anything else that is raised
is a fault of ours.
"""

from __future__ import annotations

import atexit
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fpack.lang.diagnostics.calls import ParsedText
from fpack.lang.diagnostics.checker import check_tree, library_of
from fpack.lang.errors import EvalError, render
from fpack.lang.evaluator import Evaluator
from fpack.lang.format.formatter import format_source
from fpack.lang.runtime import deep_stack
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.store.errors import FpackError

SECONDS = 1.0  # for an evaluation, which need not end by itself
_FOLDER = Path(tempfile.mkdtemp(prefix="fpack-fuzz-"))
atexit.register(shutil.rmtree, _FOLDER)
_PROJECT = _FOLDER / "project"
_CACHE = _FOLDER / "cache"
_PROJECT.mkdir()
(_PROJECT / "other.fp").write_text("a = 1\nf(x) = x\n")
_LIBRARY = library_of([], _CACHE)


class GivenUp(BaseException):
    """An evaluation that took too long."""


def one_text(text: str, start: str, evaluate: bool = True) -> str | None:
    """Put a text through everything; its formatted form, or None if it is no text of the language."""
    source = Source("t", text, start=start)
    try:
        tree = deep_stack.run(lambda: parse(source, _CACHE))
    except EvalError as error:
        _told(error, text)
        return None
    except RecursionError:
        return None  # the callers say that it is too deep
    formatted: str = deep_stack.run(lambda: format_source(source, _CACHE))
    again = deep_stack.run(lambda: format_source(Source("t", formatted, start=start), _CACHE))
    assert again == formatted, "formatting twice is not formatting once"
    for finding in deep_stack.run(lambda: check_tree(ParsedText(source, tree, str(_PROJECT)), _LIBRARY)):
        _told(finding.error, text)
    if evaluate:
        before, after = result(text, start), result(formatted, start)
        if before is not None and after is not None:
            assert before == after, "the formatted text evaluates to something else"
    return formatted


def _told(error: EvalError, text: str) -> None:
    assert error.what and error.line >= 1 and error.column >= 1
    assert error.line <= text.count("\n") + 1
    assert error.what in render(error) or not error.what.isprintable()


def result(text: str, start: str) -> Any:
    """Return the value of a text as JSON's types, or the text of its error, or None if it was given up."""
    evaluator = Evaluator(root=_PROJECT, cache=_CACHE)

    def work() -> Any:
        if start == "expression":
            return [_attempt(lambda: evaluator.to_json(evaluator.expression(text, "t")))]
        place = _PROJECT / "main.fp"
        place.write_text(text, "utf-8", "surrogatepass")
        record = evaluator.load(place)
        return {name: _attempt(lambda name=name: evaluator.to_json(record[name])) for name in list(record)}

    try:
        return _limited(lambda: _attempt(work))
    except GivenUp:
        return None


def _attempt(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except FpackError as error:
        assert error.what
        return ["error", error.what]


def _limited(work: Callable[[], Any]) -> Any:
    """`work()` with a limit of time: like Ctrl-C, it must end what runs."""

    def expired(number: int, frame: object) -> None:
        raise GivenUp

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
