"""Choose the variables and the shell of a session."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fpack.builders.rootfs.relocation import PATH, PREFIX
from fpack.cli.shells.activation.variables import is_name, may_leave

SHELL = (f"{PREFIX}/bin/bash", "--norc", "--noprofile")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TERMINAL = re.compile(r"[A-Za-z0-9.+-]{1,64}\Z")
# These keep the shell from reading and writing files of the container by itself: start-up files and histories.
_SETTINGS = {"HISTFILE": "", "LESSHISTFILE": "-", "INPUTRC": f"{PREFIX}/inputrc", "LANG": "C.UTF-8"}


def variables(name: str, given: Sequence[str], uid: int, caller: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a command.

    given: those of the image's configuration, as NAME=VALUE. Variables that make tools run or load other files are left
    out, because the image's author is not trusted. caller: the variables of a caller whose terminal is used.
    """
    own = {key: value for key, _, value in (item.partition("=") for item in given) if is_name(key)}
    found = {key: value for key, value in own.items() if may_leave(key)}
    home = own.get("HOME", "")
    found |= {
        **_SETTINGS,
        "PATH": f"{PATH}:{own.get('PATH') or _PATH}",
        "HOME": home if home.startswith("/") else "/root" if uid == 0 else "/",
        "PS1": f"[{name}] \\w \\$ ",
    }
    if _TERMINAL.match(term := caller.get("TERM", "")):
        found["TERM"] = term
    return found
