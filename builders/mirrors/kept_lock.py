"""Define kept locks: artifacts of a repository that hold everything that a lock pins.

The config of the artifact is JSON with the text of `fpack.lock` and a table of files; its layers are the files. Each
file is a blob by its SHA-256. The table maps other digests, such as the SHA-512 of an npm archive, to these blobs.
Nothing in it is trusted: whoever reads a file compares it with the digest in its own lock.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fpack.builders.distribution.layout_index import json_object
from fpack.builders.distribution.names import digest_of
from fpack.builders.distribution.protocol import BlobEntry, Corrupt, ManifestDocument, Repository, differs, too_long

FORMAT = 1
ARTIFACT = "application/vnd.fpack.kept-lock.v1"
CONFIG = "application/vnd.fpack.kept-lock.v1+json"
FILE = "application/vnd.fpack.kept-file.v1"
PAGED = "application/vnd.fpack.kept-lock.v2"  # an index of pages, see `pages.py`
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MAX_CONFIG = 128 << 20  # bytes
MAX_MANIFEST = 4 << 20  # of registries
MAX_FILES = 500_000
MAX_FILE = 64 << 30  # bytes
MAX_NAME = 1000
LOCK_TAG = "lock-"
USE_TAG = "kept-"
WEEK = 7 * 24 * 3600

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_ALIAS = re.compile(r"[a-z][a-z0-9-]{0,20}:[\x21-\x7e]{1,512}\Z")
_ID = re.compile(r"[0-9a-f]{40}\Z")
_USE = re.compile(rf"{USE_TAG}(\d{{8}})-([0-9a-f]{{40}})\Z")
_DAY = "%Y%m%d"


class KeptFile(NamedTuple):
    """A file of a kept lock. digest: of its blob, `sha256:...`. aliases: other digests of its content."""

    name: str
    digest: str
    size: int
    aliases: tuple[str, ...] = ()

    @property
    def blob(self) -> BlobEntry:
        """The descriptor of the file's blob."""
        return BlobEntry(FILE, self.digest, self.size)


class KeptLock(NamedTuple):
    """The content of a kept lock. identity: 40 hexadecimal digits, of what was asked to be kept.

    lock: the text of fpack.lock. missing: names of indexes that were no longer available.
    """

    identity: str
    lock: str
    files: tuple[KeptFile, ...]
    missing: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """The number of files with different content."""
        return len({file.digest for file in self.files})

    @property
    def size(self) -> int:
        """The bytes of all files; equal content counts once."""
        return sum({file.digest: file.size for file in self.files}.values())


class StoredLock(NamedTuple):
    """A kept lock in a repository, without its config. config: its descriptor. blobs: the sizes of the files.

    manifest: what its tag names. pages: the manifests that this names if it is an index.
    """

    identity: str
    manifest: ManifestDocument
    config: BlobEntry
    blobs: Mapping[str, int]
    pages: tuple[ManifestDocument, ...] = ()


def identity_of(lock: str, derivations: Iterable[bytes]) -> str:
    """Return the identity of what a project pins: its lock's text, and the digests of what it fetches otherwise."""
    content = ["kept lock 1", lock, sorted({digest.hex() for digest in derivations})]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()[:40]


def lock_tag(identity: str) -> str:
    return f"{LOCK_TAG}{identity}"


def use_tag(identity: str, now: float) -> str:
    """Return the tag that says that a lock was kept in the week of a time (Unix seconds)."""
    week = time.gmtime(now - now % WEEK)
    return f"{USE_TAG}{time.strftime(_DAY, week)}-{identity}"


def is_identity(text: str) -> bool:
    return _ID.match(text) is not None


def last_uses(tags: Iterable[str]) -> dict[str, float]:
    """Return when each lock was last kept, to the week, from the tags of a repository: by identity, in Unix seconds."""
    found: dict[str, float] = {}
    for tag in tags:
        match = _USE.match(tag)
        if match is not None and (when := _seconds(match[1])) is not None:
            found[match[2]] = max(found.get(match[2], 0.0), when)
    return found


def use_tags(tags: Iterable[str], identity: str) -> list[str]:
    """Return those of the tags that tell a use of a lock."""
    return [tag for tag in tags if (match := _USE.match(tag)) is not None and match[2] == identity]


def identities(tags: Iterable[str]) -> list[str]:
    """Return the identities of the kept locks that tags name, the last kept first."""
    tags = list(tags)
    uses = last_uses(tags)
    found = {tag.removeprefix(LOCK_TAG) for tag in tags if tag.startswith(LOCK_TAG)}
    return sorted((name for name in found if _ID.match(name)), key=lambda name: (-uses.get(name, 0.0), name))


def _seconds(day: str) -> float | None:
    import calendar

    try:
        return float(calendar.timegm(time.strptime(day, _DAY)))
    except ValueError:
        return None


# Writing


def encode_config(kept: KeptLock) -> bytes:
    files = [
        {"name": f.name, "digest": f.digest, "size": f.size, **({"aliases": list(f.aliases)} if f.aliases else {})}
        for f in sorted(set(kept.files))
    ]
    value = {"format": FORMAT, "identity": kept.identity, "lock": kept.lock, "files": files}
    if kept.missing:
        value["missing"] = sorted(kept.missing)
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


# Reading


def decode_manifest(
    document: ManifestDocument, where: str, identity: str = "", kind: str = ARTIFACT
) -> StoredLock | None:
    """Return the kept lock of a manifest, or None if it is not of this kind. Raise Corrupt if it is not valid."""
    value = parse(document.data, where, MAX_MANIFEST)
    if value.get("artifactType") != kind:
        return None
    config, layers = value.get("config"), value.get("layers")
    if not isinstance(config, dict) or not isinstance(layers, list) or len(layers) > MAX_FILES:
        raise Corrupt("The manifest of a kept lock is not valid", where=where)
    blobs = dict(_descriptor(layer, where) for layer in layers)
    digest, size = _descriptor(config, where)
    return StoredLock(identity, document, BlobEntry(CONFIG, digest, size), blobs)


def read_config(repository: Repository, stored: StoredLock) -> KeptLock:
    """Read the config of a kept lock. Raise Corrupt if it is not valid."""
    if stored.config.size > MAX_CONFIG:
        raise Corrupt(
            "The config of a kept lock is too large", where=repository.name, why=f"{stored.config.size} bytes"
        )
    data = read_all(repository, stored.config)
    value = parse(data, repository.name, MAX_CONFIG)
    if value.get("format") != FORMAT:
        raise Corrupt(
            "The format of a kept lock is unknown",
            where=repository.name,
            why=f"its format is {str(value.get('format'))[:40]!r}; a later version of fpack may have written it",
            hint="update fpack",
        )
    identity, lock, files = value.get("identity"), value.get("lock"), value.get("files")
    if not isinstance(identity, str) or not _ID.match(identity) or not isinstance(lock, str) or not _is_unicode(lock):
        raise Corrupt("The config of a kept lock is not valid", where=repository.name)
    if not isinstance(files, list):
        raise Corrupt("The config of a kept lock lists no files", where=repository.name)
    if len(files) > MAX_FILES:
        raise Corrupt("A kept lock has too many files", where=repository.name, why=f"the limit is {MAX_FILES}")
    missing = value.get("missing", [])
    names = tuple(text for text in missing if isinstance(text, str)) if isinstance(missing, list) else ()
    kept = tuple(_file(item, repository.name) for item in files)
    return KeptLock(identity, lock, kept, names)


def _is_unicode(text: str) -> bool:
    """Return whether a text can be written. JSON can have halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_all(repository: Repository, entry: BlobEntry) -> bytes:
    """Return a blob. Its size limits what is read."""
    data = bytearray()
    for chunk in repository.read_blob(entry):
        data += chunk
        if len(data) > entry.size:
            raise too_long(entry.digest, entry.size, repository.name)
    if (found := digest_of(data)) != entry.digest:
        raise differs(entry.digest, found, repository.name)
    return bytes(data)


def _file(item: Any, where: str) -> KeptFile:
    if isinstance(item, dict):
        name, aliases = item.get("name"), item.get("aliases", [])
        if isinstance(name, str) and len(name) <= MAX_NAME and name.isprintable() and isinstance(aliases, list):
            digest, size = _descriptor(item, where)
            if len(aliases) <= 16 and all(isinstance(text, str) and _ALIAS.match(text) for text in aliases):
                return KeptFile(name, digest, size, tuple(aliases))
    raise Corrupt("A kept lock names a file that is not valid", where=where, why=str(item)[:200])


def _descriptor(item: Any, where: str) -> tuple[str, int]:
    if isinstance(item, dict):
        digest, size = item.get("digest"), item.get("size")
        if isinstance(digest, str) and _DIGEST.match(digest) and size.__class__ is int and 0 <= size <= MAX_FILE:
            return digest, size
    raise Corrupt("A kept lock has a descriptor that is not valid", where=where, why=str(item)[:200])


def parse(data: bytes, where: str, limit: int) -> dict[str, Any]:
    """Return a JSON object. Raise Corrupt if the data is none, or too large."""
    if len(data) > limit:
        raise Corrupt("A document is too large", where=where, why=f"the limit is {limit} bytes")
    return json_object(data, where)


def aliases_of(sha512: str) -> tuple[str, ...]:
    """Return the aliases of a file. sha512: hexadecimal, "" if it is not known."""
    return (f"sha512:{sha512}",) if sha512 else ()
