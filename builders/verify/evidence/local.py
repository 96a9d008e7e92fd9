"""Provide the evidence for packages: .debs and payloads in the local store, cached indexes and signed Release files.

A remote archive can supply what is not on this machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fpack.builders.debian.suites import digest_key
from fpack.store.derivation import Output
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.path import StorePath
from fpack.store.store import Store

if TYPE_CHECKING:
    from .remote import Remote


class LocalEvidence:
    """The local evidence. store: the local store, or None. cache: the directory of indexes. keyring: a file, or None.

    remote: the archive, or None if it must not be used.
    """

    def __init__(
        self, store: Store | None, cache: Path, keyring: str | None = None, remote: Remote | None = None
    ) -> None:
        self.store = store
        self.keyring = keyring
        self.remote = remote
        self._cache = cache

    def built(self, derivation: str) -> CheckedTree | None:
        """Return the reader of a derivation's output if it is in the store."""
        if self.store is None:
            return None
        path: StorePath | None = self.store.database.built(Output(bytes.fromhex(derivation)))
        if path is None:
            return None
        return self.tree(path)

    def tree(self, path: StorePath) -> CheckedTree | None:
        """Return the reader of a store path if it is in the store."""
        return self.store.tree(path) if self.store is not None and self.store.is_there(path) else None

    def index(self, sha256: str, sha512: str = "") -> Path | None:
        """Return the path of the cached index text with these digests, or None."""
        return self._file(f"{digest_key(sha256, sha512)}.packages")

    def release(self, sha256: str) -> Path | None:
        """Return the path of the cached signed Release file with this digest, or None."""
        return self._file(f"{sha256}.InRelease")

    def _file(self, name: str) -> Path | None:
        path = self._cache / name
        return path if path.is_file() else None
