"""Rank packages by how likely they contain a given soname or path.

The rank decides only the order of the search. Debian Policy 8.1 derives a library package's name from its soname; a
short table of prefixes covers exceptions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from os.path import commonprefix

_PREFIXES = (
    ("ld-linux", "libc6"),
    ("ld64.so", "libc6"),
    ("libc.so", "libc6"),
    ("libm.so", "libc6"),
    ("libmvec.so", "libc6"),
    ("libpthread.so", "libc6"),
    ("libdl.so", "libc6"),
    ("librt.so", "libc6"),
    ("libresolv.so", "libc6"),
    ("libutil.so", "libc6"),
    ("libanl.so", "libc6"),
    ("libz.so", "zlib1g"),
    ("libcrypto.so", "libssl"),
    ("libicu", "libicu"),
    ("libssl3.so", "libnss3"),
    ("libsmime3.so", "libnss3"),
    ("libnssutil3.so", "libnss3"),
    ("libplc4.so", "libnspr4"),
    ("libplds4.so", "libnspr4"),
    ("libexslt.so", "libxslt"),
    ("libform", "libncurses"),
    ("libGL.so", "libgl1"),
)
_PROGRAMS = {
    "sh": ("dash",),
    "awk": ("mawk", "gawk", "original-awk"),
    "nawk": ("mawk", "gawk"),
    "perl": ("perl-base", "perl"),
    "node": ("nodejs",),
    "env": ("coreutils",),
    "php": ("php-cli",),
    "java": ("default-jre-headless",),
}
_T64 = re.compile(r"t64$")
LIKELY, RELATED, UNLIKELY = 0, 1, 2


def _normal(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _names(what: str) -> list[str]:
    """Return normalised package names suggested by a soname or a path's last component, best first."""
    base = what.rpartition("/")[2]
    if what.startswith("/") and ".so" not in base:
        known = [_normal(name) for name in _PROGRAMS.get(base, ())]
        return [*known, _normal(base), _normal(base) + "minimal", _normal(base) + "base"]
    stem, _, version = base.partition(".so")
    version = version.lstrip(".")
    major = version.partition(".")[0]
    return [_normal(stem + version), _normal(stem + major), _normal(stem)]


def rank(what: str, packages: Iterable[str]) -> list[tuple[int, str]]:
    """Return (likelihood, package), sorted from the most to the least likely to have `what`.

    what: a soname or an absolute path. The likelihood is LIKELY, RELATED or UNLIKELY.
    """
    names = _names(what)
    base = what.rpartition("/")[2]
    prefix = next((name for start, name in _PREFIXES if base.startswith(start)), None)
    components = set(what.split("/")[1:]) if what.startswith("/") else set()
    major = base.partition(".so.")[2].partition(".")[0]
    special = {_normal(prefix), _normal(prefix + major)} if prefix else set()
    ranked: list[tuple[int, int, int, str]] = []
    for package in packages:
        plain = _normal(_T64.sub("", package))
        if plain in names:
            ranked.append((LIKELY, names.index(plain), 0, package))
        elif plain in special:
            ranked.append((LIKELY, len(names), 0, package))
        elif (prefix and package.startswith(prefix)) or not components.isdisjoint(
            (package, package.removeprefix("node-"))
        ):
            ranked.append((RELATED, 0, 0, package))
        else:
            common = len(commonprefix([plain, names[0]]))
            close = common > len("lib?") and common * 2 > len(names[-1])
            ranked.append((RELATED if close else UNLIKELY, 1, -common, package))
    return [(likely, package) for likely, _, _, package in sorted(ranked)]
