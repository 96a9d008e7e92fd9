"""Open the caches that the user's settings and the project name.

A project may come from anybody. A cache that a project names is used only after its user confirmed the address, and
whom to believe is decided by the user's own keys alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fpack import light_hashes
from fpack.cli.errors import UsageError
from fpack.cli.paths import cache_directory, make_private_directory, state_directory, uploads_directory
from fpack.cli.ui.render import warn
from fpack.cli.workspace.caches.confirmed_addresses import CACHES as CONFIRMED
from fpack.light_typing import TYPE_CHECKING
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


def open_substituter(store: Store, named: Iterable[str] = ()) -> CacheSubstituter | None:
    """Return the configured caches, or None if there are none to use. named: by the project."""
    from fpack.builders.caches.substitution import CacheSubstituter
    from fpack.builders.kinds.table import generation

    push = CACHE_PUSH.find()
    addresses = [*CACHES.find(), *CONFIRMED.among(named, CACHES.find())]
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

    from fpack.builders.caches.cache import Cache, CacheFiles
    from fpack.builders.distribution.addresses import open_repository

    if OFFLINE.find() and not address.startswith("file:"):
        raise UsageError("The cache is not on this machine", where=address, hint="leave out --offline")
    # Without TLS only on this machine.
    repository = open_repository(address, plain_http=True, patient=False, uploads=uploads_directory())
    name = light_hashes.sha256(address.encode()).hexdigest()[:32]
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
    """Return the keys whose realisations are trusted: those of the setting."""
    from fpack.cli.keys import key_files

    return key_files.load_trusted(CACHE_KEYS.find())


def signing_key(name: str | None = None) -> PrivateKey | None:
    """Return the key that signs what is pushed, or None. name: of the option."""
    from fpack.cli.keys import key_files

    found = CACHE_SIGN_WITH.find(name)
    return key_files.load_private(found, key_files.passphrase(None)) if found else None
