"""Parse the command lines of `fpack shell` and `fpack run` without click, for warm starts.

A command line that this parser does not understand is left to click.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from .model import USUAL, ShellOptions


class ShellRequest(NamedTuple):
    """A request for a shell.

    what: its file and attribute, or packages. lock, arch: inputs of the evaluation. building: the package whose build
    environment is requested. The first word of the command is empty if it stands for the package's own program.
    """

    verb: str
    what: tuple[str, ...] = ()
    options: ShellOptions = ShellOptions()
    building: str = ""
    lock: str = ""
    arch: str = ""
    services: bool = True
    print_env: str = ""


FORMATS = ("bash", "zsh", "fish", "json")
# Option: the field that it sets, and the value if the option is a flag.
_FLAGS: dict[str, tuple[str, bool]] = {
    "--pure": ("pure", True),
    "--container": ("container", True),
}
_VALUES = {"--expose": "expose", "--share": "share", "--keep": "keep"}


def split(args: Sequence[str]) -> tuple[list[str], tuple[str, ...] | None]:
    """Split a verb's words at the first `--`: the words before it, and the command after it, or None without `--`."""
    if "--" not in args:
        return list(args), None
    at = list(args).index("--")
    return list(args[:at]), tuple(args[at + 1 :])


def parse(argv: Sequence[str]) -> ShellRequest | None:
    """Parse a whole command line. Return None if it is not valid or has uncommon options."""
    verb, *rest = argv
    before, command = split(rest)
    if verb == "run" and command is None:
        # The first word that is not an option is the package; the rest belongs to the program.
        at = next((i for i, word in enumerate(before) if not word.startswith("-")), len(before))
        command = ("", *before[at + 1 :])
        before = before[: at + 1]
    if command == () or (verb == "run" and len(before) < 1):
        return None
    values: dict[str, bool | str] = {}
    lists: dict[str, list[str]] = {name: [] for name in _VALUES.values()}
    what: list[str] = []
    extra = {"lock": "", "arch": "", "building": "", "print_env": ""}
    services = True
    words = iter(before)
    for word in words:
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            what.append(word)
        elif word in _FLAGS:
            values[_FLAGS[word][0]] = _FLAGS[word][1]
        elif name == "--print-env":
            extra["print_env"] = value or "bash"
            if extra["print_env"] not in FORMATS:
                return None
        elif word == "--no-services":
            services = False
        elif name in _VALUES or name in ("--network", "--user", "--interpreter", "--lock", "--arch", "--for"):
            if not equals:
                value = next(words, "")
            if not value:
                return None
            if name in ("--expose", "--share"):
                lists[_VALUES[name]].append(os.path.abspath(os.path.expanduser(value)))
            elif name in _VALUES:
                lists[_VALUES[name]].append(value)
            elif name == "--network":
                if value not in ("on", "off"):
                    return None
                values["network"] = value == "on"
            elif name == "--interpreter":
                if value not in USUAL:
                    return None
                values["interpreter"] = value
            elif name == "--user":
                if not is_user(value):
                    return None
                values["user"] = value
            else:
                extra[{"--for": "building"}.get(name, name[2:])] = value
        else:
            return None
    if extra["building"] and what:
        return None
    from fpack.cli.shells.sandbox.plan import hides_root

    if any(not os.path.exists(place) or hides_root(place) for place in (*lists["expose"], *lists["share"])):
        return None
    options = ShellOptions(
        pure=bool(values.get("pure") or extra["building"]),
        container=bool(values.get("container")),
        network=bool(values.get("network", True)),
        expose=tuple(lists["expose"]),
        share=tuple(lists["share"]),
        keep=tuple(lists["keep"]),
        user=str(values.get("user", "")),
        interpreter=str(values.get("interpreter", "")),
        command=command or (),
    )
    return ShellRequest(verb, tuple(what), options, services=services, **extra)


def is_user(text: str) -> bool:
    """Return whether a text is NAME or NAME:UID."""
    name, colon, uid = text.partition(":")
    good = name.isascii() and name.replace("-", "").replace("_", "").isalnum() and name[:1].isalpha()
    return good and (not colon or (uid.isascii() and uid.isdigit() and int(uid) < 0xFFFFFFFE))
