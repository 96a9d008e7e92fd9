"""Find the login for a private archive in apt's files, as apt does: /etc/apt/auth.conf and /etc/apt/auth.conf.d.

An entry is for a host, perhaps with a port and the beginning of a path. Without a scheme, it is for HTTPS alone. A file
that this user cannot read has no logins for them.
"""

from __future__ import annotations

import glob
import os
from typing import NamedTuple
from urllib.parse import SplitResult

from .netrc_file import LOOPBACK

DIRECTORY = "/etc/apt"
MAX_FILE = 1 << 20  # bytes
PORTS = {"https": 443, "http": 80}


class AptLogin(NamedTuple):
    """An entry. scheme: "" if the entry has none. port: None for the scheme's own."""

    scheme: str
    host: str
    port: int | None
    path: str
    user: str
    password: str

    def is_for(self, url: SplitResult) -> bool:
        scheme = self.scheme or ("https" if self.host not in LOOPBACK else url.scheme)
        port = url.port or PORTS.get(url.scheme)
        return (
            url.scheme == scheme
            and (url.hostname or "").lower() == self.host
            and port == (self.port or PORTS.get(scheme))
            and url.path.startswith(self.path)
            and "/../" not in f"{url.path}/"
        )


class AptAuth:
    """The logins of apt's files, which are read at the first question. directory: of apt's configuration."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self._directory = directory
        self._entries: list[AptLogin] | None = None

    def login(self, url: SplitResult) -> tuple[str, str] | None:
        """Return the user and the password for a URL, or None."""
        if self._entries is None:
            self._entries = self._read()
        return next(((one.user, one.password) for one in self._entries if one.is_for(url)), None)

    def _read(self) -> list[AptLogin]:
        found: list[AptLogin] = []
        parts = sorted(glob.glob(os.path.join(glob.escape(self._directory), "auth.conf.d", "*.conf")))
        for path in (os.path.join(self._directory, "auth.conf"), *parts):
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                with os.fdopen(fd, "rb") as file:
                    data = file.read(MAX_FILE)
            except OSError:
                continue
            found += _entries(data.decode("utf-8", "replace"))
        return found


def _entries(text: str) -> list[AptLogin]:
    """Return the complete entries of a file: `machine NAME login USER password PASSWORD`, over any number of lines."""
    words = [word for line in text.splitlines() if not line.lstrip().startswith("#") for word in line.split()]
    found: list[AptLogin] = []
    fields: dict[str, str] = {}
    rest = iter(words)
    for key in rest:
        value = next(rest, "")  # every word is followed by its value, which may be any word
        if key == "machine":
            fields = {}
        if key in ("machine", "login", "password"):
            fields[key] = value
        if key != "machine" and len(fields) == 3 and (entry := _entry(fields)) is not None:
            found.append(entry)
            fields = {}
    return found


def _entry(fields: dict[str, str]) -> AptLogin | None:
    scheme, separator, rest = fields["machine"].rpartition("://")
    authority, slash, path = rest.partition("/")
    host, _, port = authority.partition(":")
    if (separator and scheme not in ("https", "http")) or not host or (port and not port.isdigit()):
        return None
    return AptLogin(
        scheme, host.lower(), int(port) if port else None, slash + path, fields["login"], fields["password"]
    )
