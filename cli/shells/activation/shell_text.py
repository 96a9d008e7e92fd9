"""Generate code that shells of the host execute. Only this module turns variables of a project into commands.

Everything that `fpack hook` and `fpack shell --print-env` (and so direnv) print consists of words quoted here and names
checked here. Variables that programs of the host would obey are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fpack.store.errors import FpackError

from . import variables

FISH, JSON = "fish", "json"  # kinds of output that differ from sh, bash and zsh


def word(kind: str, text: str) -> str:
    """Quote one word for a shell of `kind` (bash, zsh, fish or sh), whatever `text` holds.

    shlex.quote is for sh alone: it leaves `=word` as it is, which zsh replaces by the path of a command.
    """
    if "\0" in text:
        raise FpackError(f"{text!r} cannot be written for a shell", why="it holds a NUL character")
    if kind == FISH:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "'" + text.replace("'", "'\\''") + "'"


def assignment(kind: str, name: str, value: str) -> str:
    """Return a command that sets a variable of the hook, which programs do not see."""
    _check(name)
    return f"set -g {name} {word(kind, value)}\n" if kind == FISH else f"{name}={word(kind, value)}\n"


def exports(kind: str, directory: str, env: Mapping[str, str]) -> str:
    """Return commands, or JSON, that put `directory` first on PATH and set the permitted variables of `env`."""
    kept = _kept(env)
    if kind == JSON:
        import json

        left_out = sorted(env.keys() - kept.keys())
        return json.dumps({"path": directory, "env": kept, "left_out": left_out}, indent=2) + "\n"
    lines = [line for name, value in kept.items() for line in _export(kind, name, value)]
    own = word(kind, directory)
    lines.append(f"set -gx PATH {own} $PATH" if kind == FISH else f'export PATH={own}:"$PATH"')
    return "".join(f"{line}\n" for line in lines)


def leaving(kind: str, directory: str, env: Mapping[str, str], before: Mapping[str, str]) -> str:
    """Return code that defines `_fpack_leave`, which undoes `exports`. before: the former environment."""
    own = word(kind, directory)
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
        # The user's shell may have declared the variable as an integer: then an assignment evaluates the value as
        # arithmetic, which can run commands in it. `unset` removes the declaration.
        yield f"unset -v {name}"
        yield f"export {name}={word(kind, value)}"


def _kept(env: Mapping[str, str]) -> dict[str, str]:
    """Return the permitted variables, sorted by name."""
    for name in env:
        _check(name)
    return {name: env[name] for name in sorted(env) if variables.may_leave(name)}


def _check(name: str) -> None:
    """Raise FpackError if `name` is not a variable name, whichever way it came here."""
    if not variables.is_name(name):
        raise FpackError(
            f"{name!r} is not a valid variable name",
            why="a shell would execute a part of it as a command",
            hint="use letters, digits and _ in the names of `env` and `exports`",
        )
