"""What there is to check packages by: .debs and payloads in this machine's store, cached indexes, signed releases, and
the archive for what is not here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fpack.store.derivation import Output
from fpack.store.path import StorePath
from fpack.store.store import Store

if TYPE_CHECKING:
    from .remote import Remote


class AtHand:
    """store: the machine's, None if it has none. cache: the folder of indexes. keyring: a file's name, or None.

    remote: the archive; None if it must not be asked.
    """

    def __init__(
        self, store: Store | None, cache: Path, keyring: str | None = None, remote: Remote | None = None
    ) -> None:
        self.store = store
        self.keyring = keyring
        self.remote = remote
        self._cache = cache

    def built(self, derivation: str) -> Path | None:
        """Where the output of a derivation lies, if it is in the store."""
        if self.store is None:
            return None
        path: StorePath | None = self.store.database.built(Output(bytes.fromhex(derivation)))
        if path is None:
            return None
        place = self.store.disk(path)
        return place if place.exists() else None

    def index(self, sha256: str) -> Path | None:
        """The text of the index with this digest, if it is cached."""
        return self._file(f"{sha256}.packages")

    def release(self, sha256: str) -> Path | None:
        """The signed release with this digest, if it is cached."""
        return self._file(f"{sha256}.InRelease")

    def _file(self, name: str) -> Path | None:
        place = self._cache / name
        return place if place.is_file() else None
