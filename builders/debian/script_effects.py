"""Decide from the text of maintainer scripts whether running them could change an image.

Running scripts needs dpkg and the packages that every Debian system has, so an image in which no script matters is made
much faster without. A script is assumed to matter unless one of these holds:

- Its package is Essential, or listed here with the reason: it serves a Debian system and not the image's program.
- It has nothing but sections of debhelper that do not change an image, and branches without commands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .control import parse_stanza

# The members of a control archive that run when a package is configured.
CONFIGURING = ("config", "postinst", "preinst")
# Package or regular expression: the reason.
_WITHOUT_EFFECT = {
    "adduser": "it removes old versions of its configuration",
    "base-passwd": "every root has accounts",
    "ca-certificates": "every root has the generated bundle of certificates",
    "debconf": "it serves maintainer scripts",
    "git": "it upgrades an old version",
    "init-system-helpers": "it serves maintainer scripts",
    r"libc6(-.*)?": "it restarts services after an upgrade",
    "less": "every root has the links of alternatives",
    "libgcrypt20": "it upgrades an old version",
    "libgssapi-krb5-2": "it upgrades an old version",
    "libpam0g": "it restarts services after an upgrade",
    "libpam-modules": "its files are empty",
    "libselinux1": "it restarts services after an upgrade",
    r"libpython3\.\d+-(minimal|stdlib)": "compiled modules are a cache",
    r"libssl[0-9.]+(t64)?": "it restarts services after an upgrade",
    "login": "it serves users who log in",
    r"login\.defs": "it serves users who log in",
    "mawk": "every root has the links of alternatives",
    "netbase": "every root has hosts; names of networks serve administrators",
    "openssl": "its link is in the package",
    "passwd": "every root has accounts",
    "perl": "it upgrades an old version",
    r"python3(\.\d+)?(-minimal)?": "compiled modules are a cache",
    "tzdata": "the time zone of an image is UTC",
    "ucf": "it serves maintainer scripts",
}
_NAMES = re.compile("|".join(f"(?:{name})" for name in _WITHOUT_EFFECT))
# The sections of these delete old versions of files, compile modules for a cache, or update caches that roots generate.
_SECTION = re.compile(
    r"^# Automatically added by dh_(?:installalternatives|installdeb|installmenu|makeshlibs|python3|pypy)\b.*?"
    r"^# End automatically added section$",
    re.MULTILINE | re.DOTALL,
)
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
    found = [name for name in CONFIGURING if name in members]
    if not found or _NAMES.fullmatch(package) or parse_stanza(control).get("essential") == "yes":
        return []
    return [name for name in found if has_effect(members[name].decode("utf-8", "replace"))]


def has_effect(script: str) -> bool:
    """Return whether a script may change an image."""
    rest = _SECTION.sub("", script)
    return any(not _IDLE.fullmatch(line.strip()) for line in rest.splitlines() if line.strip())
