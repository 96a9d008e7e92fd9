"""Open the caches that the user's settings and the project name.

A project may come from anybody. A cache that a project names is used only after its user confirmed the address, and
whom to believe is decided by the user's own keys alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.cli.errors import UsageError
from fpack.cli.paths import cache_directory, make_private_directory, state_directory, uploads_directory
from fpack.cli.ui.render import note, warn
from fpack.store.errors import printable
from fpack.store.settings import (
    CACHE_KEYS,
    CACHE_MAX_AGE,
    CACHE_PUSH,
    CACHE_SIGN_WITH,
    CACHE_THRESHOLD,
    CACHES,
    OFFLINE,
)

if TYPE_CHECKING:
    from fpack.builders.attest.keys import PrivateKey, PublicKey
    from fpack.builders.caches.cache import Cache
    from fpack.builders.caches.substitution import CacheSubstituter
    from fpack.store.store import Store

_MAX_FILE = 1 << 20


def open_substituter(store: Store, named: Iterable[str] = ()) -> CacheSubstituter | None:
    """Return the configured caches, or None if there are none to use. named: by the project."""
    from fpack.builders.caches.substitution import CacheSubstituter
    from fpack.builders.kinds.table import generation

    push = CACHE_PUSH.find()
    addresses = [*CACHES.find(), *_confirmed(named)]
    if OFFLINE.find():
        addresses = [address for address in addresses if address.startswith("file:")]
        push = push if push.startswith("file:") else ""
    keys = trusted_keys()
    caches = [open_cache(address, keys) for address in dict.fromkeys([*addresses, *([push] if push else [])])]
    if not caches or not store.is_writable:
        return None
    signing = signing_key() if push else None
    return CacheSubstituter(
        store,
        caches,
        generation(),
        threshold=CACHE_THRESHOLD.find(),
        warn=lambda text: warn(printable(text)),
        push_to=next((cache for cache in caches if cache.address == push), None),
        key=signing,
    )


def open_cache(address: str, keys: Iterable[PublicKey] | None = None) -> Cache:
    """Open a cache. Nothing is read yet."""
    import hashlib

    from fpack.builders.caches.cache import Cache, CacheFiles
    from fpack.builders.distribution.addresses import open_repository

    if OFFLINE.find() and not address.startswith("file:"):
        raise UsageError("The cache is not on this machine", where=address, hint="leave out --offline")
    # Without TLS only on this machine.
    repository = open_repository(address, plain_http=True, patient=False, uploads=uploads_directory())
    name = hashlib.sha256(address.encode()).hexdigest()[:32]
    files = CacheFiles(cache_directory() / "caches" / name, memory_directory())
    return Cache(
        address,
        repository,
        tuple(trusted_keys() if keys is None else keys),
        files,
        max_age=CACHE_MAX_AGE.find(),
        warn=lambda text: warn(printable(text)),
    )


def memory_directory() -> Path:
    """Return the directory of what this machine remembers of caches."""
    make_private_directory(state_directory(), "XDG_STATE_HOME", "your caches")
    return Path(state_directory(), "caches")


def trusted_keys() -> tuple[PublicKey, ...]:
    """Return the keys whose realisations are believed: those of the setting."""
    from fpack.cli.keys import key_files

    return key_files.load_trusted(CACHE_KEYS.find())


def signing_key(name: str | None = None) -> PrivateKey | None:
    """Return the key that signs what is pushed, or None. name: of the option."""
    from fpack.cli.keys import key_files

    found = CACHE_SIGN_WITH.find(name)
    return key_files.load_private(found, key_files.passphrase(None)) if found else None


# The caches that a project names


def _confirmed(named: Iterable[str]) -> list[str]:
    """Return the caches of a project that the user configured or confirmed, and tell of the others."""
    wanted = [address for address in dict.fromkeys(named) if address not in CACHES.find()]
    if not wanted:
        return []
    known = confirmed_caches()
    for address in wanted:
        if address not in known:
            shown = printable(address[:200])
            command = f"fpack cache trust {shlex.quote(shown)}"  # who copies it runs nothing else
            note(f"the project names the cache {shown}, which you have not confirmed: {command}")
    return [address for address in wanted if address in known]


def confirmed_caches() -> list[str]:
    """Return the addresses that the user confirmed."""
    with contextlib.suppress(FileNotFoundError, ValueError), open(_confirmed_file(), "rb") as file:
        value = json.loads(file.read(_MAX_FILE))
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    return []


def confirm(addresses: Iterable[str], confirmed: bool = True) -> None:
    """Remember that the user confirmed addresses, or forget it."""
    from fpack.store.files import replace

    directory = memory_directory()
    os.makedirs(directory, 0o700, exist_ok=True)
    known = dict.fromkeys(confirmed_caches())
    for address in addresses:
        if confirmed:
            known[address] = None
        else:
            known.pop(address, None)
    replace.write(_confirmed_file(), json.dumps(list(known)).encode(), mode=0o600)


def _confirmed_file() -> Path:
    return Path(state_directory(), "caches", "confirmed.json")
