"""Delete what no machine has used for some time from a cache.

A path was used when it was pushed, and when a machine took it. A path that is kept keeps what it references. The new
index is written before anything is deleted, and blobs that another manifest of the repository lists, such as an image's
layers, are never deleted. What interrupted pushes left in a directory or a bucket goes, too, once it is of age.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from fpack.builders.distribution import orphans
from fpack.builders.distribution.bucket import BucketRepository
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import Repository, RepositoryError
from fpack.store import DAY
from fpack.store.path import HASH_CHARS

from . import deletion_mark, uses
from .cache import Cache, now
from .claims import PREFIX as CLAIMS
from .claims import is_old
from .format import index as indexes
from .format.errors import BadIndex
from .format.index import Index
from .format.records import PathRecord
from .format.statements import SignedStatement, decode_claims

MAX_MANIFESTS = 200_000  # of images, with all tags, that are looked at


class CacheSurvey(NamedTuple):
    """A plan: the entries to keep and to drop. freed: bytes of the blobs to delete, by digest.

    orphans: those among them that no tag led to.
    """

    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    freed: dict[str, int]
    orphans: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        """The bytes of the blobs to delete."""
        return sum(self.freed.values())


def collect(cache: Cache, days: float, *, dry_run: bool = False) -> CacheSurvey:
    """Delete the paths of a cache that were not used for a number of days."""
    cache.refresh()
    old = cache.indexes
    used = [tag for tag in map(uses.parse_tag, cache.repository.tags(uses.PREFIX)) if tag is not None]
    survey = _survey(cache, used, days)
    lost = _orphans(cache.repository)
    survey = survey._replace(freed={**lost, **survey.freed}, orphans=frozenset(lost))
    if dry_run:
        return survey
    oldest = int(time.time() - days * DAY) // DAY
    if survey.dropped or len(old) > 1:
        _rewrite(cache, survey)
    if survey.freed:
        survey = _delete(cache, survey)
    recent = {use.digest for use in used if use.day >= oldest}
    for use in used:
        if use.day < oldest and use.digest not in recent:
            _delete_tag(cache.repository, str(use))
        elif use.day < oldest:
            # Equal lists of several days have one manifest, and with it the tags of all days would go.
            with contextlib.suppress(RepositoryError):
                cache.repository.delete(str(use))
    for tag in cache.repository.tags(CLAIMS):
        if not (deletion_mark.is_old(tag) if tag.startswith(deletion_mark.PREFIX) else is_old(tag)):
            continue
        with contextlib.suppress(RepositoryError):
            cache.repository.delete(tag)
    return survey


def _delete(cache: Cache, survey: CacheSurvey) -> CacheSurvey:
    """Delete blobs that no index names. Return the plan with those that were deleted."""
    with deletion_mark.marked(cache.repository) as mark:
        # Who pushed a path or an image meanwhile found its blob there, and did not write it again.
        cache.refresh()
        needed = _named(cache).union(_listed(cache.repository))
        if survey.orphans:
            needed |= survey.orphans - _orphans(cache.repository).keys()
        survey = survey._replace(freed={digest: size for digest, size in survey.freed.items() if digest not in needed})
        for digest in survey.freed:
            mark.check()
            with contextlib.suppress(RepositoryError):  # some registries delete blobs only by their own gc
                cache.repository.delete(digest)
    return survey


def _orphans(repository: Repository) -> dict[str, int]:
    """Return the blobs that nothing in a repository leads to. A registry deletes its own, and does not list them."""
    if isinstance(repository, (DirectoryRepository, BucketRepository)):
        return orphans.find(repository, time.time())
    return {}


def _named(cache: Cache) -> set[str]:
    """Return the blobs that indexes name."""
    found: set[str] = set()
    for _, index in cache.indexes:
        for base in index.paths:
            with contextlib.suppress(BadIndex):
                if (record := index.record(base)) is not None:
                    found.update(record.blobs)
    return found


def _survey(cache: Cache, used: Iterable[uses.UseTag], days: float) -> CacheSurvey:
    last: dict[str, float] = {}  # seconds since 1970 by base name
    records: dict[str, PathRecord] = {}
    for _, index in cache.indexes:
        for base in index.paths:
            if base not in records and (record := cache.record(base)) is not None:
                records[base] = record
                last[base] = (record.day + 1) * DAY
    by_hash = {base[:HASH_CHARS]: base for base in records}
    for use in used:
        for hash_ in uses.read(cache.repository, use):
            if (found := by_hash.get(hash_)) is not None:
                last[found] = max(last[found], (use.day + 1) * DAY)
    if isinstance(cache.repository, DirectoryRepository):
        times = {digest: at for digest, _, at in cache.repository.blobs()}
        for base, record in records.items():
            last[base] = max(last[base], *(times.get(digest, 0.0) for digest in record.blobs))
    oldest = time.time() - days * DAY
    kept: set[str] = set()
    todo = [base for base in records if last[base] >= oldest]
    while todo:
        base = todo.pop()
        if base not in kept and base in records:
            kept.add(base)
            todo += [path.base for path in records[base].references]
    dropped = set(records) - kept
    blobs = {digest: size for base in dropped for digest, size in records[base].blobs.items()}
    for base in kept:
        for digest in records[base].blobs:
            blobs.pop(digest, None)
    if blobs:
        for digest in _listed(cache.repository):
            blobs.pop(digest, None)
    return CacheSurvey(tuple(sorted(kept)), tuple(sorted(dropped)), blobs)


def _rewrite(cache: Cache, survey: CacheSurvey) -> None:
    """Replace all indexes by one of the kept paths, with the statements about these and the newest of each signer."""
    old = cache.indexes
    kept = set(survey.kept)
    merged = indexes.merged([index for _, index in old], now(), [str(tag) for tag, _ in old])
    paths = {base: data for base, data in merged.paths.items() if base in kept}
    statements = tuple(statement for statement in merged.statements if _is_needed(statement, kept, merged))
    made = {base: data for base, data in merged.derivations.items() if base in kept}
    cache.publish(Index(merged.time, paths, statements, merged.subsumes, made))
    cache.drop(tag for tag, _ in old)


def _is_needed(statement: SignedStatement, kept: set[str], merged: Index) -> bool:
    try:
        claims = decode_claims(statement)
        if any(row.base in kept for row in claims.realisations):
            return True
        others = [decode_claims(other).time for other in merged.statements if other.spki == statement.spki]
    except BadIndex:
        return False
    return claims.time >= max(others)  # readers refuse a cache whose newest statement of a signer is gone


def _listed(repository: Repository) -> Iterable[str]:
    """Yield the digests of blobs that manifests of other tags list."""
    others = (indexes.PREFIX, uses.PREFIX, CLAIMS)
    todo = [tag for tag in repository.tags() if not tag.startswith(others)]
    seen: set[str] = set()  # an index may name another one many times, which may name a third one many times
    while todo:
        reference = todo.pop()
        if reference in seen:
            continue
        found = repository.manifest(reference)
        if found is not None and found.digest in seen:
            continue
        seen.add(reference if found is None else found.digest)
        if len(seen) > MAX_MANIFESTS:
            raise RepositoryError(
                "The repository has too many manifests",
                where=repository.name,
                why=f"a gc looks at no more than {MAX_MANIFESTS}",
                hint="delete images that are not used, or keep the cache in a repository of its own",
            )
        if found is None:
            continue
        value = json.loads(found.data)  # an object: a repository refuses other documents
        yield from _digests([value.get("config"), *_listed_in(value, "layers")])
        todo += _digests(_listed_in(value, "manifests"))


def _digests(entries: Iterable[Any]) -> Iterable[str]:
    return (entry["digest"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("digest"), str))


def _listed_in(value: Any, name: str) -> list[Any]:
    found = value.get(name)
    return found if isinstance(found, list) else []


def _delete_tag(repository: Repository, tag: str) -> None:
    with contextlib.suppress(RepositoryError):
        entry = repository.resolve(tag)
        if entry is not None:
            repository.delete(entry.digest)
