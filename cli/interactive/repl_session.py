"""Evaluate lines of an interactive session, with the names that earlier lines defined.

A line is an expression, or bindings as in a file. Later names see earlier ones. Redefining a name creates a new one;
values that use the old one keep it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fpack.cli.paths import cache_directory
from fpack.cli.shared_options import SharedOptions
from fpack.cli.ui import value_summary
from fpack.cli.workspace.workspace import Workspace
from fpack.lang.compiler.strictness import FreeNames
from fpack.lang.errors import EvalError, Fault, quote
from fpack.lang.runtime import deep_stack
from fpack.lang.runtime.limits import Limits
from fpack.lang.spans import Call, Span
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node, RecordLiteral
from fpack.store.errors import FpackError, did_you_mean

NAME = "<input>"
# File names of texts with 0, 1 or 2 lines inserted before the typed text.
_NAMES = (NAME, "<input+1>", "<input+2>")
LAST = "it"  # the name of the last value
# The errors of incomplete texts, which the next line may complete.
_UNFINISHED = ("Unexpected end of text", "This `let` has no `in`")


class LineResult(NamedTuple):
    """The result of a line: a value, or the names that it bound."""

    value: Any = None
    bound: tuple[str, ...] = ()


class ReplSession:
    """An interactive session, with the workspace that it evaluates in."""

    def __init__(self, options: SharedOptions) -> None:
        self.options = options
        self.cache = cache_directory() / "modules"
        self.names: dict[str, Any] = {}
        self.workspace = self._workspace()

    def _workspace(self) -> Workspace:
        from fpack.cli.workspace.target import find_project

        workspace = Workspace(self.options)
        workspace.use_project(find_project(Path.cwd()))
        return workspace

    @property
    def limits(self) -> Limits | None:
        """The limits of evaluating a line."""
        return self.workspace.evaluator.limits

    def close(self) -> None:
        """Write new entries to the lock."""
        self.workspace.finish()
        self.workspace.__exit__(None, None, None)

    # ---- reading

    def unfinished(self, text: str) -> bool:
        """Return whether the next line may complete a text."""
        error = self._error(text)
        if error is None:
            return False
        if error.what in _UNFINISHED:
            return True
        if error.what.endswith("is never closed"):
            return True
        return error.what == "This string is not closed" and text[_offset(text, error) :].startswith('"""')

    def _error(self, text: str) -> EvalError | None:
        try:
            self._parsed(text)
        except EvalError as error:
            return error
        return None

    def _parsed(self, text: str) -> tuple[str, Any]:
        """Return `expression` and the node of a text, or `file` and its entries."""

        def work() -> tuple[str, Any]:
            try:
                return "expression", parse(Source(NAME, text, start="expression"), self.cache)
            except EvalError as error:
                try:
                    entries = parse(Source(NAME, text), self.cache)
                except EvalError as other:
                    # Report the error of the attempt that got further.
                    further = (other.line, other.column) > (error.line, error.column)
                    raise (other if further else error) from None
                if not entries:
                    raise
                return "file", entries
            except RecursionError:
                raise Source(NAME, text).error(0, 0, "This text is nested too deeply") from None

        result: tuple[str, Any] = deep_stack.bounded(work, self.limits)
        return result

    # ---- evaluating

    def evaluate(self, text: str) -> LineResult:
        """Evaluate a line with the names of the session. Raise EvalError, or another FpackError.

        The limits apply to each line separately.
        """
        kind, tree = self._parsed(text)
        if kind == "expression":
            value = self.workspace.evaluator.force(self._value(text, tree))
            self.names[LAST] = value
            return LineResult(value)
        names = [entry.name for entry in tree if entry.kind == "set"]
        # The braces are on separate lines, so that columns stay the same.
        record = self.workspace.evaluator.force(
            self._value(f"{{\n{text}\n}}", RecordLiteral(("rec", 0, 0, tree)), lines=1)
        )
        bound = []
        for name in record if len(names) != len(tree) else names:
            self.names[name] = record[name]
            bound.append(str(name))
        return LineResult(bound=tuple(bound))

    def _value(self, text: str, tree: Node, lines: int = 0) -> Any:
        """Evaluate an expression. The names of the session are passed to it as parameters."""
        mentioned = sorted(
            name for name in deep_stack.bounded(lambda: FreeNames().of(tree), self.limits) if name in self.names
        )
        evaluator = self.workspace.evaluator
        if not mentioned:
            return evaluator.expression(text, _NAMES[lines])
        function = evaluator.expression(f"({', '.join(mentioned)}) =>\n{text}", _NAMES[lines + 1])
        return evaluator.call(function, *[self.names[name] for name in mentioned])

    def load(self, file: Path) -> list[str]:
        """Start over with the names of a file."""
        from fpack.cli.errors import UsageError

        self.close()
        self.names = {}
        self.workspace = self._workspace()
        found = self.workspace.target(str(file))
        if found.file is None:
            raise UsageError(":load needs the name of a file", hint=":load ./fpack.fp")
        record = self.workspace.evaluator.load(found.file)
        self.names = dict(record)
        return list(record)

    def shown(self, value: Any) -> str:
        """Return a summary of a value."""
        return value_summary.brief(self.workspace.evaluator, value)

    def kind(self, text: str) -> str:
        """Describe the kind of an expression's value."""
        kind, tree = self._parsed(text)
        if kind != "expression":
            raise Fault(":type needs an expression", hint=":type EXPRESSION")
        evaluator = self.workspace.evaluator
        value = evaluator.force(self._value(text, tree))
        what = value_summary.kind(evaluator, value)
        if what == "function":
            return f"function {value_summary.brief(evaluator, value)}"
        if what == "list":
            kinds = sorted({value_summary.kind(evaluator, item) for item in value[:1000]})
            return f"list of {' and '.join(kinds)}" if kinds else "list"
        if what == "record" and not evaluator.is_computed(value):
            return f"record {value_summary.brief(evaluator, value, 1)}"
        return what

    # ---- completion

    def candidates(self, word: str) -> Iterator[str]:
        """Yield the names, or dotted paths, that begin with a word."""
        base, dot, start = word.rpartition(".")
        if not dot:
            yield from sorted(name for name in self._all_names() if name.startswith(word))
            return
        try:
            kind, tree = self._parsed(base)
            if kind != "expression" or not _is_path(tree):
                return
            value = self.workspace.evaluator.force(self._value(base, tree))
            computed = self.workspace.evaluator.is_computed(value)
            names = self._computed(value, start) if computed else list(value) if isinstance(value, dict) else []
        except (FpackError, RecursionError):
            return  # completion reports no errors
        yield from (f"{base}.{_key(name)}" for name in sorted(names) if name.startswith(start.lstrip('"')))

    def _all_names(self) -> set[str]:
        from fpack.cli.workspace.lint_library import library
        from fpack.lang.builtins.table import HIDDEN, STRICT
        from fpack.lang.syntax.lexer import KEYWORDS

        prelude = library().prelude()
        known = {*self.names, *STRICT, *KEYWORDS, "true", "false", "null"} - HIDDEN
        return known | set(prelude.fields or [] if prelude is not None else [])

    def _computed(self, value: Any, start: str) -> list[str]:
        """Return the names of Debian packages if a value is a release."""
        from fpack.builders.debian.suites import target_of
        from fpack.cli.completion.candidates import targets

        what = str(self.workspace.evaluator.to_json(value)["on-demand"])
        if not what.startswith("the release "):
            return []
        prefix = target_of(what.removeprefix("the release "))
        answer = targets(prefix + start.lstrip('"'))
        return [text.removeprefix(prefix) for text, _ in answer.candidates] if answer.mode == "plain" else []


def _is_path(node: Node) -> bool:
    while node.kind == "sel" and node.key.__class__ is str:
        node = node.base
    return node.kind == "var"


def _key(name: str) -> str:
    import re

    return name if re.fullmatch(r"[A-Za-z_]\w*(?:-\w+)*", name) else f'"{name}"'


def as_typed(error: FpackError) -> FpackError:
    """Convert the locations of an error to those of the typed lines."""
    if not isinstance(error, EvalError):
        return error
    span = _typed(error.span)
    calls = tuple(Call(call.name, _typed(call.span)) for call in error.calls)
    others = tuple(other._replace(span=_typed(other.span)) for other in error.others)
    return error.with_(span=span, where=str(span), calls=calls, others=others)


def _typed(span: Span) -> Span:
    if span.file not in _NAMES[1:]:
        return span
    lines = _NAMES.index(span.file)
    return span._replace(file=NAME, line=max(1, span.line - lines), end_line=max(1, span.end_line - lines))


def _offset(text: str, error: EvalError) -> int:
    lines = text.split("\n")
    return sum(len(line) + 1 for line in lines[: error.line - 1]) + error.column - 1


def unknown(command: str, commands: dict[str, str]) -> Fault:
    return Fault(
        f"There is no command {quote(command)}", hint=did_you_mean(command, commands) or ":help lists all commands"
    )
