"""Write the shell script that precedes a server: steps, values of variables, and the wait for a server that forks.

The script gets the server's command line as its arguments, and `exec`s it. A server that leaves the foreground would
end the container; for such a server the script stays, hands on signals, and ends when the server has ended.
"""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from .unit import Command

SCRIPT = "usr/lib/fpack/start"
SHELL = "/bin/sh"
SLEEP = "/usr/bin/sleep"
# The programs that a script takes which gives up root for the user of a unit.
LEAVING_ROOT = ("/usr/bin/id", "/usr/bin/setpriv")
_PIDS = "/proc/[0-9]*"
_TRIES = " ".join(map(str, range(50)))
_SIGNALS = "HUP INT QUIT TERM USR1 USR2 WINCH"
_VARIABLE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*\Z|.*\$\{[A-Za-z_][A-Za-z0-9_]*\}", re.DOTALL)


class FirstStart(NamedTuple):
    """A step that runs if the path `creates` is absent when the container starts."""

    creates: str
    command: tuple[str, ...]


class ServerAccount(NamedTuple):
    """The account that a server runs as. group: a name. home: its directory."""

    user: str
    group: str
    home: str


class StartScript(NamedTuple):
    """The steps around a server. before: those of the unit. first: those of the first start, which run earlier.

    account: as which the unit's steps and the server run, if the first start needs root; None: as the container does.
    conditions: steps which say by their status whether the server starts. after: steps that run when it has started.
    words: those words of the command line that have variables. forks: the server leaves the foreground, and `pid_file`
    will have the number of its main process, or is "".
    """

    before: tuple[Command, ...] = ()
    first: tuple[FirstStart, ...] = ()
    words: tuple[str, ...] = ()
    forks: bool = False
    pid_file: str = ""
    conditions: tuple[Command, ...] = ()
    after: tuple[Command, ...] = ()
    account: ServerAccount | None = None

    def text(self) -> str:
        """Return the script; "" if nothing precedes the server."""
        if not (self.before or self.first or self.words or self.forks or self.conditions or self.after):
            return ""
        lines = ["#!/bin/sh", "# Steps that precede the server. fpack wrote this file."]
        # Debian's scripts then ask nothing.
        first = [
            f"[ -e {shlex.quote(step.creates)} ] || DEBIAN_FRONTEND=noninteractive {shlex.join(step.command)} || exit"
            for step in self.first
        ]
        lines += first if self.account is None else _as_account(first, self.account)
        lines += [line for command in self.conditions for line in _condition(command)]
        lines += [f"{_shell_line(command)} || {':' if command.optional else 'exit'}" for command in self.before]
        if self.words:
            lines += _expansion(self.words)
        if self.forks:
            lines += _wait(self.pid_file, self.after)
        else:
            lines += [*(_beside(self.after) if self.after else ()), 'exec "$@"']
        return "\n".join([*lines, ""])


def _as_account(first: list[str], account: ServerAccount) -> list[str]:
    """Return lines that take the steps of the first start as root, and go on as another user.

    The script runs itself again. A container that does not run as root keeps its user.
    """
    home, user, group = (shlex.quote(text) for text in (account.home, account.user, account.group))
    return [
        'if [ -z "${FPACK_FIRST_START-}" ]; then',
        *(f"  {line}" for line in first),
        '  if [ "$(id -u)" = 0 ]; then',
        f"    export FPACK_FIRST_START=done HOME={home} USER={user} LOGNAME={user}",
        f'    exec setpriv --reuid={user} --regid={group} --init-groups "$0" "$@"',
        "  fi",
        "fi",
        "unset FPACK_FIRST_START",
    ]


def has_variable(word: str) -> bool:
    """Return whether systemd replaces a variable in a word of a command line."""
    return _VARIABLE.match(word) is not None


def _shell_line(command: Command) -> str:
    """Return a command for the shell. A word `$NAME` becomes the words of its value, which a subshell keeps literal."""
    if command.literal:
        return shlex.join(command.words)
    words = [_shell_word(word) if has_variable(word) else shlex.quote(word) for word in command.words]
    lone = any(has_variable(word) and "{" not in word for word in command.words)
    return f"(set -f; exec {' '.join(words)})" if lone else " ".join(words)


def _condition(command: Command) -> list[str]:
    """Return lines that end the container without an error if a condition does not hold, as systemd skips a unit."""
    line = _shell_line(command)
    if command.optional:
        return [f"{line} || :"]
    text = shlex.quote(f"the condition {shlex.join(command.words)} does not hold, so the server does not start")
    return [f'{line} || {{ status=$?; [ "$status" -lt 126 ] || exit "$status"; echo {text} >&2; exit 0; }}']


def _steps_after(after: tuple[Command, ...]) -> str:
    """Return a command that runs steps in their order, until one fails."""
    return " && ".join(f"{{ {_shell_line(command)} || {':' if command.optional else 'false'}; }}" for command in after)


def _beside(after: tuple[Command, ...]) -> list[str]:
    """Return lines that run steps when the server has started, and end it if one fails.

    The server replaces this shell and keeps its number. It is not the parent of the steps, which process 1 is.
    """
    return [f'( (MAINPID=$$; export MAINPID; {_steps_after(after)} || kill -s TERM "$$") & )']


def _expansion(words: tuple[str, ...]) -> list[str]:
    """Return lines that replace `$NAME` by the words of its value, and `${NAME}` by its value, as systemd does."""
    lines = ["set -f", "for word do", '  case "$word" in']
    for word in dict.fromkeys(words):
        lines.append(f'  {shlex.quote(word)}) set -- "$@" {_shell_word(word)} ;;')
    return [*lines, '  *) set -- "$@" "$word" ;;', "  esac", "  shift", "done", "set +f"]


def _shell_word(word: str) -> str:
    if re.fullmatch(r"\$\w+", word):
        return f"${{{word[1:]}-}}"
    parts = re.split(r"(\$\{[A-Za-z_]\w*\})", word)
    # Each second part is a name in braces.
    shown = [f'"{part[:-1]}-}}"' if at % 2 else shlex.quote(part) for at, part in enumerate(parts) if part]
    return "".join(shown)


def _wait(pid_file: str, after: tuple[Command, ...] = ()) -> list[str]:
    """Return lines that run the server and wait until its main process has ended, or all processes have.

    after: the steps that run when it has put itself into the background.
    """
    file = shlex.quote(pid_file)
    wait = [f"for _ in {_TRIES}; do [ ! -s {file} ] || break; sleep 0.1; done"] if pid_file else []
    then = [
        *wait,
        'MAINPID=; ! running || [ "$pid" = -1 ] || MAINPID=$pid; export MAINPID',
        f'{_steps_after(after)} || {{ failed=1; ! running || kill -s TERM -- "$pid"; }}',
    ]
    known = [f"  [ ! -r {file} ] || read -r pid _ <{file}", '  if [ "$pid" ]; then [ -d "/proc/$pid" ]; return; fi']
    return [
        "# The server leaves the foreground. This process waits until the server has ended.",
        "running() {",
        "  pid=",
        *(known if pid_file else ()),
        "  pid=-1",
        f"  for entry in {_PIDS}; do",
        '    case ${entry#/proc/} in 1 | "$$" | "${!-}") ;; *) return ;; esac',
        "  done",
        "  return 1",
        "}",
        f'for name in {_SIGNALS}; do trap "running; kill -s $name -- \\"\\$pid\\"" "$name"; done',
        # In the background, so that signals are handed on also if it does not fork.
        '"$@" & first=$!',
        # A signal interrupts `wait`. 127: an earlier `wait` told the status.
        "status=127 ended=",
        "while :; do",
        '  wait "$first"; last=$?',
        '  [ "$last" = 127 ] || status=$last',
        '  if [ "$last" -le 128 ] || [ "$ended" ]; then break; fi',
        '  [ -d "/proc/$first" ] || ended=yes',
        "done",
        '[ "$status" = 0 ] || exit "$status"',
        "for _ in 1 2 3 4 5; do ! running || break; sleep 1; done",
        *(then if after else ()),
        'while running; do sleep 1 & wait "$!"; done',
        'exit "${failed-0}"' if after else "exit 0",
    ]
