"""Find the user's secrets, which a project names and never holds, and send each only to the servers that it is for.

The file is the one that FPACK_SECRETS names, or `secrets.toml` beside the user's configuration. Each secret has a table
with the hosts that it may be sent to, and says where its value is. A project chooses the name and the URL, so without
the hosts it could have any secret sent to any server.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult

from fpack import strict_toml
from fpack.builders.net.errors import HttpError, shown
from fpack.store.settings import configuration_file

from .netrc_file import LOOPBACK

FILE = "FPACK_SECRETS"
MAX_FILE = 1 << 20  # bytes
MAX_VALUE = 16 << 10  # bytes
PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?\Z")
_FIELDS = {"hosts", "value", "env", "file"}


class NoSecret(HttpError):
    """A secret that is not there, or that is not for a server. No message has its value."""


class SecretFile:
    """The secrets of the user. They are read when one is first asked for. environ: the environment."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._tables: Mapping[str, Any] | None = None

    @property
    def path(self) -> str:
        own = os.path.join(os.path.dirname(configuration_file(self._environ)), "secrets.toml")
        return self._environ.get(FILE) or own

    def value(self, name: str, url: SplitResult) -> str:
        """Return a secret for a request to a URL. Raise NoSecret if there is none for its server.

        It is sent by HTTPS alone, except to this machine.
        """
        if self._tables is None:
            self._tables = self._read()
        table = self._tables.get(name)
        host = (url.hostname or "").lower()
        where = shown(url.geturl())
        if not isinstance(table, dict):
            raise NoSecret(
                f"There is no secret {name} on this machine", where=where,
                hint=f'write to {self.path}: [{name}], hosts = ["{host}"], and one of value, env and file',
            )  # fmt: skip
        if url.scheme != "https" and host not in LOOPBACK:
            raise NoSecret(f"The secret {name} is sent by HTTPS only", where=where)
        if (host, url.port or PORTS.get(url.scheme)) not in self._hosts(name, table):
            raise NoSecret(
                f"The secret {name} is not for this server", where=where,
                why=f"its `hosts` in {self.path} do not name the server",
                hint=f"add {url.netloc.rpartition('@')[2]} to them if the secret may be sent there",
            )  # fmt: skip
        return self._checked(name, self._found(name, table))

    def _hosts(self, name: str, table: Mapping[str, Any]) -> set[tuple[str, int]]:
        """Return the hosts of a secret with their ports."""
        hosts = table.get("hosts")
        if not isinstance(hosts, list) or table.keys() - _FIELDS:
            raise self._bad(
                name, "it needs `hosts`, a list, and one of `value`, `env` and `file`, and has no other field"
            )
        found = set()
        for text in hosts:
            match = _HOST.match(text.lower()) if isinstance(text, str) else None
            if match is None:
                raise self._bad(name, "`hosts` must have names such as files.example or files.example:8443")
            found.add((match[1].strip("[]"), int(match[2] or PORTS["https"])))
        return found

    def _found(self, name: str, table: Mapping[str, Any]) -> str:
        """Return the value of a secret, from where its table says."""
        sources = [field for field in ("value", "env", "file") if field in table]
        source = table[sources[0]] if len(sources) == 1 else None
        if not isinstance(source, str):
            raise self._bad(name, "it needs exactly one of `value`, `env` and `file`, as a string")
        if sources == ["value"]:
            return source
        if sources == ["env"]:
            found = self._environ.get(source)
            if found is None:
                raise NoSecret(
                    f"The secret {name} has no value", where=self.path, why=f"the variable {source} is not set"
                )
            return found
        path = os.path.expanduser(source)
        if not os.path.isabs(path):
            raise self._bad(name, "`file` must be an absolute path")
        return self._content(path, MAX_VALUE)

    def _checked(self, name: str, text: str) -> str:
        value = text.removesuffix("\n").removesuffix("\r")
        if not value or len(value) > MAX_VALUE or not value.isascii() or not value.isprintable():
            raise self._bad(name, "its value is empty, too long, or has characters that no header may have")
        return value

    def _bad(self, name: str, why: str) -> NoSecret:
        return NoSecret(f"The secret {name} is not usable", where=self.path, why=why)

    def _read(self) -> Mapping[str, Any]:
        if not os.path.isabs(self.path):
            raise NoSecret("The file of secrets is not an absolute path", where=f"{FILE}={self.path}")
        try:
            return strict_toml.parse(self._content(self.path, MAX_FILE, absent=""))
        except ValueError:
            # The parser's own message may quote a secret.
            raise NoSecret("The file of secrets is not valid TOML", where=self.path) from None

    def _content(self, path: str, limit: int, absent: str | None = None) -> str:
        """Return the text of a file that nobody else can read."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(fd, "rb") as file:
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode):
                    raise NoSecret("A file of secrets is not a regular file", where=path)
                if stat.S_IMODE(status.st_mode) & 0o077:
                    raise NoSecret("Other users can read a file of secrets", where=path, hint=f"chmod 600 {path}")
                data = file.read(limit + 1)
            if len(data) > limit:
                raise NoSecret("A file of secrets is too large", where=path)
            return data.decode()
        except FileNotFoundError as error:
            if absent is not None:
                return absent
            raise NoSecret("A file of secrets cannot be read", where=path, why=error.strerror or "") from None
        except UnicodeDecodeError:
            raise NoSecret("A file of secrets is not text", where=path) from None
        except OSError as error:
            raise NoSecret("A file of secrets cannot be read", where=path, why=error.strerror or "") from None
