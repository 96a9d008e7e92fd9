"""Add to an error what the user wrote: the definition that a library's error is about, or an option."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fpack.cli.paths import PROJECT_FILE
from fpack.light_typing import TYPE_CHECKING
from fpack.store.errors import FpackError

from .target import Target

if TYPE_CHECKING:
    from fpack.lang.spans import Call

_LIBRARY = "fpack/"
# The options that change fields of a container, if only the built image can tell that a value is wrong.
_OPTIONS = {"command": "--command", "entrypoint": "--entrypoint", "user": "--user", "volumes": "--volume"}


@contextmanager
def naming_option(fields: Collection[str]) -> Iterator[None]:
    """Name the option in an error about a field of a container. fields: those that options changed."""
    try:
        yield
    except FpackError as error:
        cause = getattr(error, "failures", [("", error)])[0][1]
        field = getattr(cause, "field", "")
        if field in fields and field in _OPTIONS:
            raise cause.with_(where=_OPTIONS[field]) from None
        raise


@contextmanager
def naming_definition(target: Target) -> Iterator[None]:
    """Add the definition that the command named to an error in the library that no call of the user leads to."""
    try:
        yield
    except Exception as error:
        from fpack.lang.errors import EvalError

        if isinstance(error, EvalError) and error.span.file.startswith(_LIBRARY) and not error.calls:
            file = target.file or (target.project and target.project / PROJECT_FILE)
            calls: tuple[Call, ...] = ()
            with suppress(OSError, UnicodeDecodeError, EvalError):
                calls = _field(file, target.path[0]) if file and target.path else ()
            raise error.with_(calls=calls) from None
        raise


def _field(file: Path, name: str) -> tuple[Call, ...]:
    """Return the location at which a file defines a name."""
    from fpack.cli.ui.render import short
    from fpack.lang.spans import Call, at_span
    from fpack.lang.syntax.parser import parse
    from fpack.lang.syntax.source import MAX_FILE, Source, normal
    from fpack.store.files.regular_file import read_bytes

    text = normal(read_bytes(file, MAX_FILE).decode())
    for entry in parse(Source(short(file), text), None):
        if entry.kind == "set" and entry.name == name:
            return (Call(name, at_span(short(file), text, entry.start, entry.end)),)
    return ()
