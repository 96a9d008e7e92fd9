"""Read the options that change fields of a container. They stand in cli/option_table.py."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from fpack.cli.errors import UsageError
from fpack.light_typing import Any

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*=(?!=)")


def expressions(values: dict[str, Any]) -> tuple[str, ...]:
    """Remove -e and --expression of `fpack pack` from a command's parameters, and return the targets of expressions.

    A value of -e is a variable if it is of the form NAME=VALUE, which no expression is: the language writes `=` only in
    a record or a `let`.
    """
    short = values.pop("short")
    values["env"] += tuple(text for text in short if _VARIABLE.match(text))
    found = (*values.pop("expressions"), *(text for text in short if not _VARIABLE.match(text)))
    return tuple(f"({text})" for text in found)


def fields(values: dict[str, Any]) -> Mapping[str, Any]:
    """Remove the options from a command's parameters, `values`, and return the fields that they give.

    Raise UsageError for a value that no image can have.
    """
    found = {
        "entrypoint": _words("--entrypoint", values.pop("entrypoint")),
        "command": _words("--command", values.pop("arguments")),
        "user": _checked("--user", values.pop("user")),
        "ports": [_checked("--port", port) for port in values.pop("ports")],
        "env": _variables(values.pop("env")),
        "volumes": [_checked("--volume", volume) for volume in values.pop("volumes")],
        "configure": False if values.pop("no_configure") else None,
    }
    return {name: value for name, value in found.items() if value not in (None, [], {})}


def _checked(option: str, text: str | None) -> str | None:
    """Return the value of an option if an image can have it."""
    if text is None:
        return None
    from fpack.builders.oci import config, user
    from fpack.builders.protocol import BuildError

    _utf8(option, text)
    try:
        if option == "--port":
            config.ports(text)
        elif option == "--volume":
            config.absolute(text, "The volume")
        else:
            user.check_user(text)
    except BuildError as error:
        raise UsageError(f"{option}: {error.what}", why=error.why, hint=error.hint) from None
    return text


def _utf8(option: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(text).decode("utf-8", "backslashreplace")
        raise UsageError(f"{option}: the value must be UTF-8", why=f"it is {shown}") from None


def _words(option: str, text: str | None) -> list[str] | None:
    if text is None:
        return None
    _utf8(option, text)
    import shlex

    try:
        if not (words := shlex.split(text)):
            raise UsageError(f"{option} has no words", hint="leave it out to keep those of the image")
        return words
    except ValueError as error:
        raise UsageError(
            f"The words of {option} cannot be read", why=str(error), hint="quote them as a shell"
        ) from None


def documented(git: bool, source_date: bool, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a container that name the commit of the project, and the time of SOURCE_DATE_EPOCH.

    Nobody gets them without asking: with each commit, or each second, the image would have another digest.
    """
    found: dict[str, Any] = {}
    if git:
        from pathlib import Path

        from fpack.cli.workspace.git import commit_annotations

        found["annotations"] = commit_annotations(Path.cwd())
    if source_date:
        import time

        text = environ.get("SOURCE_DATE_EPOCH", "")
        if not (text.isascii() and text.isdigit() and len(text) <= 11):
            why = f"it is {text!r}" if text else "it is not set"
            hint = "set it to a number of seconds since 1970, as in $(git log -1 --format=%ct)"
            raise UsageError("SOURCE_DATE_EPOCH has no time", why=why, hint=hint)
        found["created"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(text)))
    return found


def tagged(text: str | None) -> dict[str, str]:
    """Return the fields of a container that NAME, NAME:TAG or :TAG gives. Raise UsageError if no image has such."""
    if text is None:
        return {}
    from fpack.builders.oci import spec
    from fpack.builders.protocol import BuildError

    _utf8("--tag", text)
    if not text:
        raise UsageError("--tag: it has neither a name nor a tag", hint="as in --tag app:1.0")
    colon = text.find(":", text.rfind("/") + 1)
    name, tag = (text, None) if colon < 0 else (text[:colon], text[colon + 1 :])
    try:
        spec.check_name(name or "app", "latest" if tag is None else tag)
    except BuildError as error:
        hint = "as in --tag app:1.0, or --tag :1.0 to keep the name"
        raise UsageError(f"--tag: {error.what}", why=error.why, hint=error.hint or hint) from None
    return {**({"name": name} if name else {}), **({"tag": tag} if tag is not None else {})}


def command_lines(option: str, texts: tuple[str, ...]) -> list[list[str]]:
    """Return the words of each value of an option, as a shell reads them."""
    return [words for text in texts if (words := _words(option, text)) is not None]


def _variables(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in given:
        _utf8("--env", text)
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--env: {text!r} sets no variable", hint="as in --env NAME=VALUE")
        found[name] = value
    return found
