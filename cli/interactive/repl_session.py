"""What an interactive session knows: names that were given, and how a line is evaluated with them.

A line is an expression, or bindings as they stand in a file. Names given later see those given before; to give one
again makes a new one, and what used the old one keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fpack.cli.options import Options
from fpack.cli.paths import cache_directory
from fpack.cli.ui import value_summary
from fpack.cli.workspace.workspace import Workspace
from fpack.lang.compiler.strictness import FreeNames
from fpack.lang.errors import EvalError, Fault, quote
from fpack.lang.runtime import deep_stack
from fpack.lang.runtime.limits import Limits
from fpack.lang.spans import Call, Span
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node
from fpack.store.errors import FpackError

NAME = "<input>"
# A text with lines put before what was typed goes by another name, which tells their number.
_NAMES = (NAME, "<input+1>", "<input+2>")
LAST = "it"  # the name of the last value
# How errors of texts begin that are right so far, and only go on in the next line.
_UNFINISHED = ("Unexpected end of text", "This `let` has no `in`")


class Outcome(NamedTuple):
    """What a line gave: a value, or the names that it bound."""

    value: Any = None
    bound: tuple[str, ...] = ()


class Session:
    """One session, with the workspace that it evaluates in."""

    def __init__(self, options: Options) -> None:
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
        """What a line may take."""
        return self.workspace.evaluator.limits

    def close(self) -> None:
        """Write what was added to the lock."""
        self.workspace.finish()
        self.workspace.__exit__(None, None, None)

    # ---- reading

    def unfinished(self, text: str) -> bool:
        """Whether a text is the beginning of a line that goes on."""
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
        """`expression` and its node, or `file` and its entries."""

        def work() -> tuple[str, Any]:
            try:
                return "expression", parse(Source(NAME, text, start="expression"), self.cache)
            except EvalError as error:
                try:
                    entries = parse(Source(NAME, text), self.cache)
                except EvalError as other:
                    # The one that got further knows better what was meant.
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

    def evaluate(self, text: str) -> Outcome:
        """Evaluate a line, with the names of the session. EvalError and other errors of fpack for what is wrong.

        Each line has all of the limits for itself.
        """
        kind, tree = self._parsed(text)
        if kind == "expression":
            value = self.workspace.evaluator.force(self._value(text, tree))
            self.names[LAST] = value
            return Outcome(value)
        names = [entry[3] for entry in tree if entry[0] == "set"]
        # The braces stand on lines of their own, so that columns stay what they are.
        record = self.workspace.evaluator.force(self._value(f"{{\n{text}\n}}", ("rec", 0, 0, tree), lines=1))
        bound = []
        for name in record if len(names) != len(tree) else names:
            self.names[name] = record[name]
            bound.append(str(name))
        return Outcome(bound=tuple(bound))

    def _value(self, text: str, tree: Node, lines: int = 0) -> Any:
        """The value of an expression; its names of the session are given to it as parameters."""
        mentioned = sorted(
            name for name in deep_stack.bounded(lambda: FreeNames().of(tree), self.limits) if name in self.names
        )
        evaluator = self.workspace.evaluator
        if not mentioned:
            return evaluator.expression(text, _NAMES[lines])
        function = evaluator.expression(f"({', '.join(mentioned)}) =>\n{text}", _NAMES[lines + 1])
        return evaluator.call(function, *[self.names[name] for name in mentioned])

    def load(self, file: Path) -> list[str]:
        """Begin anew with the names of a file."""
        from fpack.cli.errors import UsageError

        self.close()
        self.names = {}
        self.workspace = self._workspace()
        found = self.workspace.target(str(file))
        if found.file is None:
            raise UsageError("A file is loaded by its name", hint=":load ./fpack.fp")
        record = self.workspace.evaluator.load(found.file)
        self.names = dict(record)
        return list(record)

    def shown(self, value: Any) -> str:
        """A value for people."""
        return value_summary.brief(self.workspace.evaluator, value)

    def kind(self, text: str) -> str:
        """What an expression's value is, in a few words."""
        kind, tree = self._parsed(text)
        if kind != "expression":
            raise Fault("A type is asked of an expression", hint=":type EXPRESSION")
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
        """The names, or dotted paths, that begin as a word does."""
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
            return  # nobody asked for a value
        yield from (f"{base}.{_key(name)}" for name in sorted(names) if name.startswith(start.lstrip('"')))

    def _all_names(self) -> set[str]:
        from fpack.cli.workspace.lint_library import library
        from fpack.lang.builtins.table import STRICT
        from fpack.lang.diagnostics.checker import HIDDEN
        from fpack.lang.syntax.lexer import KEYWORDS

        prelude = library().prelude()
        known = {*self.names, *STRICT, *KEYWORDS, "true", "false", "null"} - HIDDEN
        return known | set(prelude.fields or [] if prelude is not None else [])

    def _computed(self, value: Any, start: str) -> list[str]:
        """Names of Debian's packages, where a value is a release of them."""
        from fpack.cli.completion.candidates import targets

        what = str(self.workspace.evaluator.to_json(value)["on-demand"])
        if not what.startswith("the release "):
            return []
        prefix = f"debian.{what.removeprefix('the release ')}."
        answer = targets(prefix + start.lstrip('"'))
        return [text.removeprefix(prefix) for text, _ in answer.candidates] if answer.mode == "plain" else []


def _is_path(node: Node) -> bool:
    while node[0] == "sel" and node[4].__class__ is str:
        node = node[3]
    return bool(node[0] == "var")


def _key(name: str) -> str:
    import re

    return name if re.fullmatch(r"[A-Za-z_]\w*(?:-\w+)*", name) else f'"{name}"'


def placed(error: FpackError) -> FpackError:
    """An error whose places are those of the lines that were typed."""
    if isinstance(error, EvalError):
        error.span = _typed(error.span)
        error.where = str(error.span)
        error.calls = tuple(Call(call.name, _typed(call.span)) for call in error.calls)
        error.others = tuple(other._replace(span=_typed(other.span)) for other in error.others)
    return error


def _typed(span: Span) -> Span:
    if span.file not in _NAMES[1:]:
        return span
    lines = _NAMES.index(span.file)
    return span._replace(file=NAME, line=max(1, span.line - lines), end_line=max(1, span.end_line - lines))


def _offset(text: str, error: EvalError) -> int:
    lines = text.split("\n")
    return sum(len(line) + 1 for line in lines[: error.line - 1]) + error.column - 1


def unknown(command: str, commands: dict[str, str]) -> Fault:
    """The error for a command that there is not."""
    from difflib import get_close_matches

    near = get_close_matches(command, commands, 1)
    hint = f"did you mean {near[0]}?" if near else ":help shows all"
    return Fault(f"There is no command {quote(command)}", hint=hint)
