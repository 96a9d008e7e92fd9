"""Find the main program of a package by its name, its executables or its systemd units."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from fpack.builders.payload import meta
from fpack.builders.payload.slice_table import SliceTable

_DIRECTORIES = ("usr/bin", "usr/sbin", "usr/games")
MAX_LISTED = 64
# The main program of packages with several, none of which has the package's name.
_MAIN = {
    "bind9-dnsutils": "dig", "emacs-nox": "emacs", "ghostscript": "gs", "gnupg": "gpg", "graphviz": "dot",
    "imagemagick-7.q16": "magick", "inotify-tools": "inotifywait", "iproute2": "ip", "iputils-ping": "ping",
    "ldap-utils": "ldapsearch", "libreoffice-writer-nogui": "soffice", "mariadb-client": "mariadb", "mercurial": "hg",
    "netcat-openbsd": "nc", "openssh-client": "ssh", "p7zip-full": "7z", "poppler-utils": "pdftotext",
    "postgresql-client-17": "psql", "procps": "ps", "r-base-core": "R", "redis-tools": "redis-cli", "ripgrep": "rg",
    "silversearcher-ag": "ag", "subversion": "svn", "texlive-latex-base": "pdflatex",
}  # fmt: skip
# Tools beside a service, which are not what a package is for.
_SIDE = {"ucf", "zooinspector", "epmd", "debconf"}
_SUFFIX = re.compile(r"-(cli|bin|client|server|core|daemon|tools|utils|nox|nogui|headless|light|base|common|full)\Z")
_VERSION = re.compile(r"-?[0-9][0-9.]*\Z")
# Programs that units run as helper steps; they are not a package's main program.
_STEPS = {"sh", "dash", "bash", "env", "true", "test", "install", "mkdir", "rm", "touch", "chown", "chmod", "kill"}


def programs(
    table: SliceTable, resolve: Callable[[str], str | None], links: Mapping[str, str]
) -> dict[str, str | list[str] | None]:
    """Return {program: the main program's absolute path, or None; executables: at most MAX_LISTED, absolute}.

    resolve(path): resolves symlinks in the whole root; None if nothing is there. links: the root's alternatives. The
    main program is the first of: /usr/bin/NAME, /usr/sbin/NAME and /usr/games/NAME (of any package), the same for the
    name without a suffix such as -cli and without a version, the package's only executable, the first program that a
    unit starts.
    """
    found: list[str] = []
    for path, entry in sorted(table.entries.items()):
        if path.rpartition("/")[0] not in _DIRECTORIES:
            continue
        if (entry.kind == meta.FILE and entry.executable) or (entry.kind == meta.SYMLINK and resolve(path)):
            found.append(path)
    found += [
        link
        for link, target in links.items()
        if link.rpartition("/")[0] in _DIRECTORIES and target.strip("/") in table.entries and link not in found
    ]
    names = _names(table.package)
    named = [path for name in names for path in (f"{directory}/{name}" for directory in _DIRECTORIES) if resolve(path)]
    units = (unit.strip("/") for unit in table.extra.get("units", ()) if resolve(unit))
    started = [unit for unit in units if unit.rpartition("/")[2] not in _STEPS]
    alone = [path for path in found if path.rpartition("/")[2] not in _SIDE]
    candidates = named or (alone if len(alone) == 1 else started)
    return {
        "program": f"/{candidates[0]}" if candidates else None,
        "executables": [f"/{path}" for path in found[:MAX_LISTED]],
    }


def _names(package: str) -> list[str]:
    """Return the names that the main program of a package may have, best first: php8.4-cli has php8.4 or php."""
    names = [_MAIN[package]] if _MAIN.get(package) else []
    name = package
    while name:
        names.append(name)
        shorter = _SUFFIX.sub("", name)
        shorter = _VERSION.sub("", name) if shorter == name else shorter
        if shorter == name:
            break
        name = shorter
    return names
