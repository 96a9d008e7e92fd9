"""Follow the references between the store's paths, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from . import base32
from .database import Database, PathInfo, split_hashes
from .errors import StoreError
from .path import HASH_BYTES, StorePath

# Each level of references needs a query. After every _ROUNDS levels, the whole table is read instead if it has at most
# _SHARE times as many rows as paths were found, or at most _SMALL_TABLE rows.
_ROUNDS = 12
_SHARE = 20
_SMALL_TABLE = 20_000

_Row = tuple[bytes, str, bytes]  # hash, name, joined hashes of references


def closure(database: Database, hashes: Iterable[bytes]) -> list[StorePath]:
    """Return the paths and all that they reference, transitively, sorted. Raise StoreError if a path is not valid."""
    todo = set(hashes)
    found: dict[bytes, _Row] = {}
    rounds = 0
    while todo:
        rounds += 1
        if rounds % _ROUNDS == 0 and database.last_path() <= max(_SHARE * len(found), _SMALL_TABLE):
            _complete(found, todo, database.references())
            break
        rows = database.references(todo)
        if len(rows) < len(todo):
            raise _invalid(next(hash_ for hash_ in todo if hash_ not in rows))
        found.update(rows)
        todo = {ref for _, _, refs in rows.values() for ref in split_hashes(refs) if ref not in found}
    # The alphabet of hashes is sorted, so hashes sort in the same order as bytes and as text.
    order = sorted(found)
    return list(map(StorePath, base32.encode_all(order), [found[hash_][1] for hash_ in order]))


def _complete(found: dict[bytes, _Row], hashes: Iterable[bytes], rows: Mapping[bytes, _Row]) -> None:
    """Add `hashes`, and all that they reference, to `found`. rows: the rows of all valid paths."""
    todo = list(hashes)
    while todo:
        hash_ = todo.pop()
        if hash_ not in found:
            row = found[hash_] = rows.get(hash_) or _missing(hash_)
            refs = row[2]
            if len(refs) == HASH_BYTES:
                todo.append(refs)
            elif refs:
                todo += [refs[at : at + HASH_BYTES] for at in range(0, len(refs), HASH_BYTES)]


def _missing(hash_: bytes) -> _Row:
    raise _invalid(hash_)


def _invalid(hash_: bytes) -> StoreError:
    return StoreError(f"The store has no path with hash {base32.encode(hash_)}")


def live(references: Mapping[bytes, Sequence[bytes]], kept: Iterable[bytes]) -> set[bytes]:
    """Return the hashes of `kept` and of all that they reference, transitively, as far as they are valid.

    references: of each valid path, by hash.
    """
    seen: set[bytes] = set()
    todo = [hash_ for hash_ in kept if hash_ in references]
    while todo:
        hash_ = todo.pop()
        if hash_ not in seen:
            seen.add(hash_)
            todo += [reference for reference in references[hash_] if reference in references]
    return seen


def dependents(infos: Iterable[PathInfo], paths: Iterable[StorePath]) -> list[StorePath]:
    """Return the valid paths among `paths` and all paths that reference these, transitively, sorted."""
    by_hash: dict[bytes, StorePath] = {}
    users: dict[bytes, list[bytes]] = {}
    for info in infos:
        hash_ = base32.decode(info.path.hash)
        by_hash[hash_] = info.path
        for reference in info.references:
            users.setdefault(reference, []).append(hash_)
    seen: set[bytes] = set()
    todo = [base32.decode(path.hash) for path in paths]
    while todo:
        hash_ = todo.pop()
        if hash_ not in seen:
            seen.add(hash_)
            todo += users.get(hash_, ())
    return sorted(by_hash[hash_] for hash_ in seen if hash_ in by_hash)
