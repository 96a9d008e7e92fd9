"""Complete a command line for the shells' completion scripts: `fpack __complete SHELL WORD...`.

The words are those after `fpack` up to the cursor; the last one may be empty. The first line of the answer tells the
shell what to do (`plain`; `nospace`: add no space; `files`, `dirs`: complete these itself). Each further line is a
candidate and, after a tab, its description. Nothing is fetched or built, and errors are never reported.

click.shell_completion is not used: it knows no candidates without a space after them, such as `debian.`, and its bash
script does not join the words that bash splits at `=` and `:`, as in `--compress=zstd:19`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from .candidates import COMPLETERS, Answer, Candidate, plain

if TYPE_CHECKING:
    import click

LONG = 70  # letters of a description
FILES, FOLDERS = Answer("files"), Answer("dirs")


def main(argv: Sequence[str], verbs: Mapping[str, str], command_of: Callable[[str], click.Command]) -> int:
    """Print the answer for a shell, or nothing if anything fails.

    verbs: the help line of each. command_of: imports the command of a verb.
    """
    if not argv:
        return 0
    shell, words = argv[0], list(argv[1:])
    if not words:
        words = [""]
    prefix = ""
    if shell == "bash":
        words, prefix = _joined(words)
    try:
        answer = complete(words, verbs, command_of)
    except Exception:  # an error must not disturb the line being typed
        return 0
    seen: dict[str, str] = {}
    for text, what in answer.candidates:
        if text.startswith(words[-1]) and text.startswith(prefix) and text.isprintable():
            seen.setdefault(text.removeprefix(prefix), _short("".join(c for c in what if c.isprintable())))
    lines = [f"{text}\t{what}" if what else text for text, what in seen.items()]
    sys.stdout.write("".join(f"{line}\n" for line in [answer.mode, *lines]))
    return 0


def _short(text: str) -> str:
    return text if len(text) <= LONG else text[: LONG - 3].rstrip() + "..."


def _joined(words: Sequence[str]) -> tuple[list[str], str]:
    """Join words that bash split at `=` and `:`. Return also the part of the last word that bash keeps."""
    whole: list[str] = []
    glue = False
    before = ""
    for word in words:
        breaks = word in ("=", ":", "==", "::")
        if whole and (breaks or glue):
            before = whole[-1] + (word if breaks else "")
            whole[-1] += word
        else:
            before = ""
            whole.append(word)
        glue = breaks
    return whole, before


def complete(words: Sequence[str], verbs: Mapping[str, str], command_of: Callable[[str], click.Command]) -> Answer:
    """Return the candidates that can replace the last word."""
    current = words[-1]
    verb = next((word for word in words[:-1] if not word.startswith("-")), None)
    if verb is None:
        top = [("--help", "show help"), ("--version", "show the version")]
        return plain([*verbs.items(), *top] if not current.startswith("-") else top)
    if verb not in verbs:
        return Answer()
    return _argument(command_of(verb), list(words[list(words).index(verb) + 1 :]))


def _argument(command: click.Command, words: Sequence[str]) -> Answer:
    """Return the candidates for the last word of a verb's words."""
    import click

    if isinstance(command, click.Group):
        return _subcommand(command, words)
    options = {name: p for p in command.params if isinstance(p, click.Option) for name in p.opts}
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    *before, current = words
    position, no_options = 0, False
    used: set[str | None] = set()
    waiting: click.Option | None = None
    for word in before:
        if waiting is not None:
            waiting = None
        elif no_options or not word.startswith("-") or word == "-":
            position += 1
        elif word == "--":
            no_options = True
        else:
            name, equals, _ = word.partition("=")
            option = options.get(name)
            if option is not None:
                used.add(option.name)
                waiting = option if not equals and not option.is_flag else None
    if waiting is not None:
        return _value(waiting, current)
    if current.startswith("-") and not no_options:
        name, equals, value = current.partition("=")
        if equals:
            answer = _value(options[name], value) if name in options else Answer()
            return Answer(answer.mode, [(f"{name}={text}", what) for text, what in answer.candidates])
        return plain(_options(command, used))
    if not arguments:
        return Answer()
    last = arguments[-1]
    if position >= len(arguments) and last.nargs != -1:
        return Answer()
    return _value(arguments[min(position, len(arguments) - 1)], current)


def _subcommand(group: click.Group, words: Sequence[str]) -> Answer:
    """Return the candidates for the last word of a group's words: its subcommands, or what one of them takes."""
    import click
    from fpack.cli.groups import LazyGroup

    context = click.Context(group)
    *before, current = words
    at = next((number for number, word in enumerate(before) if not word.startswith("-")), None)
    if at is not None:
        command = group.get_command(context, before[at])
        return _argument(command, words[at + 1 :]) if command is not None else Answer()
    if current.startswith("-"):
        return plain(_options(group, set()))
    if isinstance(group, LazyGroup):
        return plain((name, entry.help) for name, entry in group.subcommands.items())
    commands = ((name, group.get_command(context, name)) for name in group.list_commands(context))
    return plain((name, command.get_short_help_str() if command is not None else "") for name, command in commands)


def _options(command: click.Command, used: set[str | None]) -> Iterator[Candidate]:
    import click

    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden and (param.multiple or param.name not in used):
            long = next((name for name in param.opts if name.startswith("--")), param.opts[0])
            yield long, param.help or ""
    yield "--help", "show help"


def _value(param: click.Parameter, current: str) -> Answer:
    """Return the candidates for the value of an option or an argument."""
    import click

    kind = param.type
    if isinstance(kind, click.Choice):
        return plain((str(choice), "") for choice in kind.choices)
    if isinstance(kind, click.Path):
        return FILES if kind.file_okay else FOLDERS
    maker = COMPLETERS.get(param.name or "")
    return maker(current) if maker is not None else Answer()
