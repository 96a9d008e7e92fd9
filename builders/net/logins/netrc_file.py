"""Find the user's login for a host in the netrc file, as curl does with --netrc.

The file is the one that NETRC names, or ~/.netrc. Its entry `default` is not used: it would give a login to any host. A
login goes to the host that the entry names, never to one that a redirect leads to, and by HTTPS alone, except to this
machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from fpack.builders.net.errors import HttpError

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class BadNetrc(HttpError):
    """A netrc file that cannot be read."""


class Netrc:
    """The logins of a netrc file, which is read at the first question. environ: the environment."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = environ
        self._hosts: Mapping[str, tuple[str, str]] | None = None

    def login(self, scheme: str, host: str) -> tuple[str, str] | None:
        """Return the user and the password for a host, or None."""
        if scheme != "https" and host not in LOOPBACK:
            return None
        if self._hosts is None:
            self._hosts = self._read()
        return self._hosts.get(host.lower())

    def _read(self) -> Mapping[str, tuple[str, str]]:
        environ = os.environ if self._environ is None else self._environ
        path = environ.get("NETRC") or os.path.join(environ.get("HOME", ""), ".netrc")
        if not os.path.isabs(path) or not os.path.isfile(path):
            return {}
        from netrc import NetrcParseError, netrc

        try:
            found = netrc(path)
        except (NetrcParseError, OSError, UnicodeDecodeError) as error:
            # The parser's own message may quote a password.
            line = getattr(error, "lineno", None)
            why = f"line {line} is invalid" if line else getattr(error, "strerror", None) or "it is not text"
            raise BadNetrc("The file of logins cannot be read", where=path, why=why) from None
        hosts = ((host.lower(), entry) for host, entry in found.hosts.items() if host != "default")
        return {host: (entry[0], entry[2] or "") for host, entry in hosts}
