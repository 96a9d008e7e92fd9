"""Remember, on this machine, the newest statement of each signer that a cache has shown, and which caches are down.

A cache that later shows only older statements of a signer was rolled back: someone hides what the signer has said
since. The files are the user's own, below the state directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from fpack import light_hashes
from fpack.light_typing import Any
from fpack.store import DAY
from fpack.store.files import replace
from fpack.store.locks import FileLock
from fpack.store.path import StorePath

from .format.errors import RolledBack

FIRST_PAUSE, LONGEST_PAUSE = 30, 600  # seconds for which a cache that did not answer is not asked
_MAX_FILE = 64 << 20  # bytes


class CacheMemory:
    """The memory that this machine has of one cache. directory: of all caches' files."""

    def __init__(self, directory: Path, address: str) -> None:
        self._directory = directory
        self._address = address
        name = light_hashes.sha256(address.encode()).hexdigest()[:32]
        self._file = directory / f"{name}.json"
        self._lock = directory / f"{name}.lock"

    def check(self, newest: Mapping[str, int]) -> None:
        """Remember the newest statement of each signer. Raise RolledBack if one is older than it was before.

        newest: times in milliseconds since 1970 by the trusted signers' public keys in hexadecimal; 0 for none.
        """
        with self._changing() as state:
            seen = state.setdefault("seen", {})
            for signer, before in seen.items():
                if newest.get(signer, before) < before:
                    raise RolledBack(
                        "The cache shows an older state than before",
                        where=self._address,
                        why=f"it no longer has a signer's statement of {_date(before)}, which this machine has seen",
                        hint=f"if that is intended, run fpack cache forget {self._address}",
                    )
            seen.update({signer: at for signer, at in newest.items() if at})

    def is_down(self) -> bool:
        """Return whether the cache failed so recently that it is not asked."""
        return self._state().get("until", 0) > time.time()

    def failed(self) -> None:
        """Remember that the cache did not answer. Each failure doubles the pause."""
        with contextlib.suppress(OSError), self._changing() as state:
            pause = min(max(FIRST_PAUSE, 2 * state.get("pause", 0)), LONGEST_PAUSE)
            state.update(pause=pause, until=int(time.time()) + pause)

    def answered(self) -> None:
        """Forget earlier failures."""
        if "until" in self._state():
            with contextlib.suppress(OSError), self._changing() as state:
                state.pop("pause", None)
                state.pop("until", None)

    def unrecorded(self, paths: Iterable[StorePath]) -> list[StorePath]:
        """Return the paths whose use was not recorded in the cache today."""
        state = self._read()
        known = set(state.get("used", ())) if state.get("day") == _today() else set()
        return sorted(path for path in paths if path.hash not in known)

    def recorded(self, paths: Iterable[StorePath]) -> None:
        """Remember that the use of paths was recorded in the cache today."""
        with self._changing() as state:
            known = state.get("used", []) if state.get("day") == _today() else []
            state.update(day=_today(), used=sorted({*known, *(path.hash for path in paths)}))

    def forget(self) -> bool:
        """Forget all about the cache. Return whether there was anything."""
        existed = self._file.exists()
        self._file.unlink(missing_ok=True)
        return existed

    def _state(self) -> dict[str, int]:
        return {key: value for key, value in self._read().items() if isinstance(value, int)}

    def _read(self) -> dict[str, Any]:
        try:
            with open(self._file, "rb") as file:
                value = json.loads(file.read(_MAX_FILE))
            return value if isinstance(value, dict) else {}
        except FileNotFoundError:
            return {}
        except ValueError:
            return {}

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """Yield the state to change, under a lock, and write it if it changed."""
        os.makedirs(self._directory, 0o700, exist_ok=True)
        with FileLock(self._lock, transient=False):
            state = self._read()
            before = json.dumps(state, sort_keys=True)
            yield state
            if (after := json.dumps(state, sort_keys=True)) != before:
                replace.write(self._file, after.encode(), mode=0o600)


def _today() -> int:
    return int(time.time()) // DAY


def _date(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(milliseconds / 1000))
