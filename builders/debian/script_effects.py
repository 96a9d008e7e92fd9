"""Decide from the text of maintainer scripts whether running them could change an image.

Running scripts needs dpkg and the packages that every Debian system has, so an image in which no script matters is made
much faster without running any. A script is assumed to matter unless one of these holds:

- Its package is Essential, or listed here: it serves upgrades or a Debian system, and not the image's program.
- It has nothing but sections of debhelper that do not change an image, and branches without commands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .control import parse_stanza

# The members of a control archive that run when a package is configured.
CONFIGURING = ("config", "postinst", "preinst")
# Packages whose scripts do nothing when a package is installed for the first time, as regular expressions.
_OF_UPGRADES = re.compile(
    r"""git | libc6(-.*)? | libgcrypt20 | libgssapi-krb5-2 | libpam0g | libselinux1 | libssl[0-9.]+(t64)? | openssl
    | perl""",
    re.VERBOSE,
)
# Package or regular expression: the reason why its scripts serve a Debian system, and other scripts, but no image.
_OF_SYSTEMS = {
    "adduser": "it removes old versions of its configuration",
    "base-passwd": "every root has accounts",
    "ca-certificates": "every root has the generated bundle of certificates",
    "debconf": "it serves maintainer scripts",
    "init-system-helpers": "it serves maintainer scripts",
    "less": "every root has the links of alternatives",
    "libpam-modules": "its files are empty",
    r"libpython3\.\d+-(minimal|stdlib)": "compiled modules are a cache",
    "login": "it serves users who log in",
    r"login\.defs": "it serves users who log in",
    "mawk": "every root has the links of alternatives",
    "netbase": "every root has hosts; names of networks serve administrators",
    "passwd": "every root has accounts",
    r"python3(\.\d+)?(-minimal)?": "compiled modules are a cache",
    "tzdata": "the time zone of an image is UTC",
    "ucf": "it serves maintainer scripts",
}
_NAMES = re.compile("|".join(f"(?:{name})" for name in _OF_SYSTEMS))
# The sections of these delete old versions of files, or compile modules for a cache.
_IDLE_SECTIONS = "dh_installdeb|dh_installmenu|dh_makeshlibs|dh_python3|dh_pypy"
# A root has the links of alternatives, from the text of the scripts. A tree in which scripts run lacks them.
_ROOTS_SECTIONS = f"{_IDLE_SECTIONS}|dh_installalternatives"
_MAX_LINE = 1000  # characters; a longer command has an effect: for some, _IDLE takes time cubic in the length
_WORD = r"""[\w"'$@{}.:/!=\[\] -]*"""
_IDLE = re.compile(
    rf"""(?:\#.*
    | set\s+-[eux]+ | exit\s+[01] | : | true | fi | esac | else | ;;
    | case\s+"?\$\{{?1\}}?"?\s+in | \(?[a-z*|\s-]+\)(?:\s*(?:;;|exit\s+0|:))*
    | if\s+\[\s+"?\$\{{?1\}}?"?\s+=\s+["']?[a-z-]+["']?\s+\]\s*;\s*then
    | echo\s+{_WORD}(?:\\?`{_WORD}')?{_WORD}(?:\s*>&2)
    | \.\s+/usr/share/debconf/confmodule | db_stop(?:\s*\|\|\s*true)?
    )\s*(?:;;)?""",
    re.VERBOSE,
)


def scripts_with_effect(package: str, control: str, members: Mapping[str, bytes]) -> list[str]:
    """Return the names of the scripts of a package that may change an image. control: the package's control file."""
    if _NAMES.fullmatch(package) or parse_stanza(control).get("essential") == "yes":
        return []
    return _with_effect(package, members, _ROOTS_SECTIONS)


def scripts_to_run(package: str, members: Mapping[str, bytes]) -> list[str]:
    """Return the names of the scripts of a package that may change the tree of a Debian system."""
    return _with_effect(package, members, _IDLE_SECTIONS)


def _with_effect(package: str, members: Mapping[str, bytes], sections: str) -> list[str]:
    if _OF_UPGRADES.fullmatch(package):
        return []
    return [
        name
        for name in CONFIGURING
        if name in members and has_effect(members[name].decode("utf-8", "replace"), sections)
    ]


def has_effect(script: str, sections: str = _ROOTS_SECTIONS) -> bool:
    """Return whether a script may change a tree. sections: a pattern of the tools whose sections have no effect."""
    added = "^# Automatically added by "
    section = rf"{added}(?:{sections})\b(?:(?!{added}).)*?^# End automatically added section$"
    rest = re.sub(section, "", script, flags=re.MULTILINE | re.DOTALL)
    lines = [line.strip() for line in rest.splitlines()]
    commands = [line for line in lines if line and not line.startswith("#")]
    return any(len(command) > _MAX_LINE or not _IDLE.fullmatch(command) for command in commands)
