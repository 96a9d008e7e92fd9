"""Text that shells of the host execute: the one place where variables of a project become commands.

All that `fpack hook` and `fpack shell --print-env` write, which direnv takes too, is made of words that are quoted here
and of names that are checked here. Variables that programs of the host would obey are left out here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fpack.store.errors import FpackError

from . import variables

FISH, JSON = "fish", "json"


def word(kind: str, text: str) -> str:
    """One word for a shell of `kind`, whatever is in `text`: bash, zsh, fish, or sh."""
    if "\0" in text:
        raise FpackError(f"{text!r} cannot be written for a shell", why="it holds a NUL character, which no word has")
    if kind == FISH:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "'" + text.replace("'", "'\\''") + "'"


def assignment(kind: str, name: str, value: str) -> str:
    """A command that sets a variable of the hook's own, which programs do not see."""
    _check(name)
    return f"set -g {name} {word(kind, value)}\n" if kind == FISH else f"{name}={word(kind, value)}\n"


def exports(kind: str, folder: str, env: Mapping[str, str]) -> str:
    """Commands that put `folder` first on PATH and set those of the variables that may be set there; or JSON."""
    kept = _kept(env)
    if kind == JSON:
        import json

        left_out = sorted(env.keys() - kept.keys())
        return json.dumps({"path": folder, "env": kept, "left_out": left_out}, indent=2) + "\n"
    lines = [line for name, value in kept.items() for line in _export(kind, name, value)]
    own = word(kind, folder)
    lines.append(f"set -gx PATH {own} $PATH" if kind == FISH else f'export PATH={own}:"$PATH"')
    return "".join(f"{line}\n" for line in lines)


def leaving(kind: str, folder: str, env: Mapping[str, str], before: Mapping[str, str]) -> str:
    """A function `_fpack_leave` that puts everything back to what it was. before: the environment until now."""
    own = word(kind, folder)
    if kind == FISH:
        lines = [f"set -gx PATH (string match -v -- {own} $PATH)"]
    else:
        lines = [f"local own=:{own}: rest=:$PATH:", 'rest=${rest/"$own"/:}; rest=${rest#:}; export PATH="${rest%:}"']
    for name in _kept(env):
        if name in before:
            lines += _export(kind, name, before[name])
        else:
            lines.append(f"set -e {name}" if kind == FISH else f"unset -v {name}")
    body = "".join(f"  {line}\n" for line in lines)
    return f"function _fpack_leave\n{body}end\n" if kind == FISH else f"_fpack_leave() {{\n{body}}}\n"


def _export(kind: str, name: str, value: str) -> Iterator[str]:
    if kind == FISH:
        yield f"set -gx {name} {word(kind, value)}"
    else:
        # A variable that was declared an integer would evaluate the value, and run commands that stand in it.
        yield f"unset -v {name}"
        yield f"export {name}={word(kind, value)}"


def _kept(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that may be set, in the order of their names."""
    for name in env:
        _check(name)
    return {name: env[name] for name in sorted(env) if variables.may_leave(name)}


def _check(name: str) -> None:
    """FpackError for what is no name of a variable, whoever let it come here."""
    if not variables.is_name(name):
        raise FpackError(
            f"{name!r} cannot be the name of a variable",
            why="a shell would take a part of it for a command",
            hint="write letters, digits and _ into the names of `env` and `exports`",
        )
