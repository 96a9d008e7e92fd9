"""Remember the addresses of caches and mirrors in projects that the user has confirmed.

A project may come from anybody. Whoever answers at an address that it names learns what is fetched, and from which
machine. So fpack contacts it only after the user has confirmed it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from collections.abc import Collection, Iterable
from pathlib import Path

from fpack.cli.paths import make_private_directory, state_directory
from fpack.cli.ui.render import note
from fpack.store.errors import printable

_MAX_FILE = 1 << 20  # bytes


class ConfirmedAddresses:
    """The confirmed addresses of a kind.

    what: `cache` or `mirror`. command: the command line that confirms an address.
    """

    def __init__(self, what: str, command: str) -> None:
        self._what = what
        self._command = command

    @property
    def _directory(self) -> Path:
        return Path(state_directory(), f"{self._what}s")

    @property
    def _file(self) -> Path:
        return self._directory / "confirmed.json"

    def known(self) -> list[str]:
        """Return the addresses that the user confirmed."""
        with contextlib.suppress(FileNotFoundError, ValueError), open(self._file, "rb") as file:
            value = json.loads(file.read(_MAX_FILE))
            return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
        return []

    def confirm(self, addresses: Iterable[str], confirmed: bool = True) -> None:
        """Remember that the user has confirmed addresses, or forget it if `confirmed` is false."""
        from fpack.store.files import replace

        make_private_directory(state_directory(), "XDG_STATE_HOME", f"your {self._what}s")
        os.makedirs(self._directory, 0o700, exist_ok=True)
        known = dict.fromkeys(self.known())
        for address in addresses:
            if confirmed:
                known[address] = None
            else:
                known.pop(address, None)
        replace.write(self._file, json.dumps(list(known)).encode(), mode=0o600)

    def among(self, named: Iterable[str], configured: Collection[str]) -> list[str]:
        """Return the addresses in `named` that the user has confirmed, and print a note about each other one.

        configured: the addresses of the user's own settings, which are left out.
        """
        wanted = [address for address in dict.fromkeys(named) if address not in configured]
        known = self.known() if wanted else []
        for address in wanted:
            if address not in known:
                shown = printable(address[:200])
                command = f"{self._command} {shlex.quote(shown)}"  # quoted, because users copy the command
                note(f"the project names the {self._what} {shown}, which you have not confirmed: {command}")
        return [address for address in wanted if address in known]


CACHES = ConfirmedAddresses("cache", "fpack cache trust")
MIRRORS = ConfirmedAddresses("mirror", "fpack mirror trust")
