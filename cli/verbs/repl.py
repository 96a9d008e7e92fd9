"""`fpack repl`: evaluate expressions interactively."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.cli.interactive.repl_session import ReplSession

PROMPT, MORE = "> ", ". "
COMMANDS = {
    ":doc": "show the documentation of a name, as fpack doc does",
    ":type": "show the kind of an expression's value",
    ":load": "start over with the names of a file",
    ":names": "list the defined names",
    ":help": "show this help",
    ":quit": "exit, as Ctrl-D does",
}
_DELIMITERS = " \t\n()[]{},=+*/<>!&|$"
_HISTORY = 2000  # lines


class _Quit(Exception):
    pass


@click.command(
    "repl",
    epilog="""\b
Examples:
  fpack repl                            > 1 + 2
  fpack repl fpack.fp                   with the names of a file
  echo '1 + 2' | fpack repl             without prompts""",
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@shared.locking
def command(file: Path | None, **rest: Any) -> int:
    """Evaluate expressions interactively. NAME = VALUE defines a name. Tab completes; :help shows the commands."""
    from fpack.cli.interactive.repl_session import ReplSession

    session = ReplSession(shared.options(rest))
    if file is not None:
        session.load(file)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if terminal:
        print("fpack: :help for help, Ctrl-D to leave")
        with _readline(session):
            _loop(session, input)
    else:
        _loop(session, _plain)
    session.close()
    return 0


def _plain(prompt: str) -> str:
    """Read a line of standard input, without a prompt."""
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")


def _loop(session: ReplSession, read: Callable[[str], str]) -> None:
    from fpack.cli.interactive.repl_session import as_typed
    from fpack.cli.ui.render import note, show_error, show_fault
    from fpack.store.errors import FpackError

    while True:
        try:
            text = _text(session, read)
        except EOFError:
            if read is input:
                print()
            return
        except KeyboardInterrupt:
            print()  # discard the typed text
            continue
        try:
            if session.limits is not None:
                session.limits.restart()
            _do(session, text)
        except _Quit:
            return
        except FpackError as error:
            show_error(as_typed(error))
        except KeyboardInterrupt:
            note("Interrupted.")
        except (BrokenPipeError, click.ClickException):
            raise
        except Exception as error:  # keep the session alive after a bug
            show_fault(error)
        sys.stdout.flush()


def _text(session: ReplSession, read: Callable[[str], str]) -> str:
    """Read an expression of one or more lines. An empty line ends an incomplete expression."""
    text = read(PROMPT)
    if text.lstrip().startswith(":"):
        return text
    while text.strip() and session.unfinished(text):
        try:
            more = read(MORE)
        except EOFError:
            break
        if not more.strip() and not _in_block(text):
            break
        text += "\n" + more
    return text


def _in_block(text: str) -> bool:
    """Return whether a block string is open at the end of a text: an empty line is part of the string."""
    return text.count('"""') % 2 == 1


def _do(session: ReplSession, text: str) -> None:
    text = text.strip()
    if not text or text.startswith("#"):
        return
    if text.startswith(":"):
        _command(session, *text.partition(" ")[::2])
        return
    outcome = session.evaluate(text)
    if not outcome.bound:
        print(session.shown(outcome.value))


def _command(session: ReplSession, name: str, rest: str) -> None:
    from fpack.cli.errors import UsageError
    from fpack.cli.interactive.repl_session import unknown

    rest = rest.strip()
    near = [known for known in COMMANDS if len(name) > 1 and known.startswith(name)]
    name = near[0] if len(near) == 1 else name
    if name == ":quit":
        raise _Quit
    if name == ":help":
        width = max(map(len, COMMANDS)) + 2
        print("\n".join(f"{entry:<{width}}{what}" for entry, what in COMMANDS.items()))
        print("NAME = VALUE and NAME(PARAMETERS) = VALUE define names; `it` is the last value.")
    elif name == ":names":
        print("\n".join(sorted(session.names)))
    elif name not in COMMANDS:
        raise unknown(name, COMMANDS)
    elif not rest:
        raise UsageError(f"{name} needs a name or an expression", hint=f"{name} NAME")
    elif name == ":type":
        print(session.kind(rest))
    elif name == ":load":
        print("\n".join(session.load(Path(os.path.expanduser(rest)))))
    else:
        from .doc import command as doc

        doc.main(["--", rest], prog_name=":doc", standalone_mode=False)


@contextlib.contextmanager
def _readline(session: ReplSession) -> Any:
    """Provide editing, completion and the history of earlier sessions, if this Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    history = history_file()
    with contextlib.suppress(OSError):
        if history is not None:
            readline.read_history_file(history)
    readline.set_history_length(_HISTORY)
    readline.set_completer_delims(_DELIMITERS)
    readline.parse_and_bind("tab: complete")
    readline.parse_and_bind("set enable-bracketed-paste on")
    readline.set_completer(_completer(session, readline.get_line_buffer))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if history is not None:
                readline.write_history_file(history)


def history_file() -> Path | None:
    """Return the file with the lines of earlier sessions, or None if others could replace the file."""
    from fpack.cli.paths import make_private_directory, state_directory

    try:
        make_private_directory(state_directory(), "XDG_STATE_HOME", "the history")
    except FpackError:
        return None
    return Path(state_directory(), "history")


def _completer(session: ReplSession, line: Callable[[], str]) -> Callable[[str, int], str | None]:
    found: list[str] = []

    def complete(word: str, state: int) -> str | None:
        if state == 0:
            try:
                found[:] = completions(session, line(), word)
            except Exception:  # an error must not disturb the line being typed
                found.clear()
        return found[state] if state < len(found) else None

    return complete


def completions(session: ReplSession, line: str, word: str) -> list[str]:
    """Return the possible completions of a line's last word."""
    line = line.lstrip()
    if line.startswith(":") and " " not in line:
        return [f"{name} " for name in COMMANDS if name.startswith(line)]
    if line.startswith(":load "):
        from fpack.cli.completion.candidates import targets

        # A slash ends words, so the word begins after the last slash.
        path = line.removeprefix(":load ").lstrip()
        before = path[: len(path) - len(word)]
        paths = [text for text, _ in targets(path if "/" in path else f"./{path}").candidates]
        return [p.removeprefix("./" if "/" not in path else "").removeprefix(before) for p in paths]
    return list(session.candidates(word))
