"""Find everything that a lock pins, for keeping it: packages, signed indexes, and what projects fetch otherwise.

Each file is obtained through the store, as a build would: from the store, a place that keeps it, or an archive.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders import arguments
from fpack.builders.debian.lock.text import format_lock
from fpack.builders.debian.suites import labelled, show_date
from fpack.builders.mirrors.keeping import KeepItem, KeepRequest, ObtainedFile
from fpack.builders.mirrors.kept_lock import aliases_of, identity_of
from fpack.builders.protocol import Cancelled
from fpack.cli.workspace.package_derivations import of_package
from fpack.store import derivation
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import FpackError, StoreError
from fpack.store.path import clean_name

if TYPE_CHECKING:
    from fpack.builders.debian.lock.records import Lock, SuitePin
    from fpack.builders.debian.suites import IndexPin
    from fpack.cli.workspace.workspace import Workspace

_FETCHED = ("fetch", "npm", "pypi", "gomod")


class PinnedFetch(NamedTuple):
    """A derivation that obtains what an item needs. body: its encoding."""

    item: KeepItem
    output: Output
    body: bytes
    kind: str


class KeptContent:
    """The files that a lock pins. derivations: of an evaluation, by digest; those that fetch something are kept too.

    say: shows a warning.
    """

    def __init__(
        self, workspace: Workspace, lock: Lock, derivations: Mapping[bytes, bytes], say: Callable[[str], None]
    ) -> None:
        self._workspace = workspace
        self._lock = lock
        self._say = say
        self._text = format_lock(lock)
        fetched = {digest: body for digest, body in derivations.items() if derivation.kind_of(body) in _FETCHED}
        self.identity = identity_of(self._text, fetched)
        self._fetches: dict[KeepItem, PinnedFetch] = {}
        for package in lock.packages.values():
            made = of_package(package)
            self._add(made.deb, made.bodies[made.deb.derivation])
        for digest, body in fetched.items():
            self._add(Output(digest), body)
        self._releases = _releases(lock)
        self._indexes = {fetch.item: fetch for fetch in map(_index_fetch, _indexes(lock))}
        # The snapshot archive has old files, by the dates in the lock.
        workspace.mirrors.dated = lock.dated

    def request(self) -> KeepRequest:
        """Return what to keep."""
        return KeepRequest(self.identity, self._text, self._items, self.obtain)

    def item_of(self, digest: str) -> KeepItem | None:
        """Return the item with a file of a digest, `sha256:...`, or None."""
        return next((item for item in self._items if digest in item.keys), None)

    @property
    def _items(self) -> list[KeepItem]:
        releases = [KeepItem(f"{pin.suite} InRelease", (f"sha256:{pin.sha256}",)) for pin in self._releases]
        return [*self._fetches, *releases, *self._indexes]

    def _add(self, output: Output, body: bytes) -> None:
        fetch = pinned_fetch(output, body)
        if fetch is not None:
            self._fetches.setdefault(fetch.item, fetch)

    def obtain(self, items: Sequence[KeepItem]) -> list[list[ObtainedFile]]:
        """Fetch what is missing, the packages all at once. An index that is gone is a warning."""
        fetches = [self._fetches[item] for item in items if item in self._fetches]
        paths = dict(zip((fetch.item for fetch in fetches), self.realise(fetches), strict=True))
        releases = {f"sha256:{pin.sha256}": pin for pin in self._releases}
        found = []
        for item in items:
            if item in self._fetches:
                found.append(files_of(self._fetches[item], paths[item]))
            elif item in self._indexes:
                found.append(self._index(self._indexes[item]))
            else:
                found.append(self._release(releases[item.keys[0]]))
        return found

    def realise(self, fetches: Sequence[PinnedFetch]) -> list[Path]:
        """Build fetches. Return where their outputs are on disk."""
        if not fetches:
            return []
        workspace = self._workspace
        workspace.evaluator.derivations.update({fetch.output.derivation: fetch.body for fetch in fetches})
        made = workspace.realise([fetch.output for fetch in fetches])
        if not workspace.store.keep(made):
            raise StoreError("A file was deleted from the store while it was kept", hint="run the command again")
        return [workspace.store.disk(path) for path in made]

    def _index(self, fetch: PinnedFetch) -> list[ObtainedFile]:
        try:
            return files_of(fetch, self.realise([fetch])[0])
        except (StoreError, Cancelled):
            raise  # the archive may have it
        except FpackError as error:
            self._say(f"warning: {fetch.item.name} is not kept: {_reason(error)}")
            return []

    def _release(self, pin: SuitePin) -> list[ObtainedFile]:
        from fpack.builders.debian.indexes.cache import IndexCache
        from fpack.cli.paths import cache_directory
        from fpack.cli.workspace.package_lookup import archive

        name = f"{pin.suite} InRelease of {show_date(pin.date)}"
        try:
            archive(self._workspace).pinned(pin)  # its signature is verified
        except (StoreError, Cancelled):
            raise
        except FpackError as error:
            self._say(f"warning: {name} is not kept: {_reason(error)}")
            return []
        return [ObtainedFile(name, IndexCache(cache_directory() / "debian").release(pin.sha256))]


def _reason(error: FpackError) -> str:
    return ": ".join(filter(None, (error.what, error.why)))[:300]


def pinned_fetch(output: Output, body: bytes) -> PinnedFetch | None:
    """Return the item of a derivation that fetches files of known digests, or None if it has no digest."""
    from fpack.builders.kinds.fetch import FetchArgs, StrongDigest
    from fpack.builders.kinds.gomod import GomodArgs
    from fpack.builders.kinds.npm import NpmArgs, digest

    drv = derivation.decode(body)
    if drv.kind == "fetch":
        args, sha512 = arguments.read(FetchArgs, drv.args), arguments.read(StrongDigest, drv.args).sha512
        keys = (f"sha256:{args.sha256}",) if args.sha256 else aliases_of(sha512)
        if not keys:
            return None
        known = args.sha256 and args.size is not None
        at = (f"sha256:{args.sha256}", args.size) if known else ("", None)
        return PinnedFetch(KeepItem(drv.name, keys, *at, aliases_of(sha512)), output, body, drv.kind)
    if drv.kind == "npm":
        algorithm, wanted = digest(arguments.read(NpmArgs, drv.args).integrity, drv.name)
        alias = f"{algorithm}:{wanted.hex()}"
        return PinnedFetch(KeepItem(drv.name, (alias,), aliases=(alias,)), output, body, drv.kind)
    if drv.kind == "gomod":
        module = arguments.read(GomodArgs, drv.args)
        keys = tuple(filter(None, (module.mod, module.zip)))
        return PinnedFetch(KeepItem(f"{module.module}@{module.version}", keys), output, body, drv.kind)
    alias = f"drv:{output.derivation.hex()}"
    return PinnedFetch(KeepItem(drv.name, (alias,), aliases=(alias,)), output, body, drv.kind)


def files_of(fetch: PinnedFetch, path: Path) -> list[ObtainedFile]:
    """Return the files of the output of a fetch."""
    if fetch.kind in ("fetch", "npm"):
        return [ObtainedFile(fetch.item.name, path, fetch.item.aliases)]
    found = []
    for directory, _, names in sorted(os.walk(path)):
        for name in sorted(names):
            file = Path(directory, name)
            if fetch.kind == "pypi":
                found.append(ObtainedFile(name, file, fetch.item.aliases))
                continue
            args = derivation.decode(fetch.body).args
            hash_ = str(args["mod"] if name.endswith(".mod") else args["zip"])
            found.append(ObtainedFile(f"{fetch.item.name}{file.suffix}", file, (hash_,)))
    return found


def _releases(lock: Lock) -> list[SuitePin]:
    """Return the signed releases of a lock, each once."""
    pins = [*lock.suites.values(), *(earlier.suite for earlier in lock.earlier.values())]
    return list({pin.sha256: pin for pin in pins}.values())


def _indexes(lock: Lock) -> Iterable[tuple[str, str, str, IndexPin]]:
    """Yield archive, suite, architecture and pin of each index of a lock."""
    for (release, label, arch), index in lock.indexes.items():
        suite = lock.suites[release, label.partition("/")[0]]
        yield suite.archive, labelled(label, suite.archive).name, arch, index
    for (_, label, arch, _), earlier in lock.earlier.items():
        yield earlier.suite.archive, labelled(label, earlier.suite.archive).name, arch, earlier.pin


def _index_fetch(found: tuple[str, str, str, IndexPin]) -> PinnedFetch:
    """Return the fetch of a compressed index."""
    from fpack.builders.debian.indexes.download import index_paths
    from fpack.builders.kinds.fetch import FetchArgs, StrongDigest

    archive, suite, arch, index = found
    packed = index.packed
    urls = tuple(f"mirror://{archive}/{path}" for path in index_paths(index, suite))
    strong = arguments.write(StrongDigest(packed.sha512)) if packed.sha512 else {}
    name = clean_name(f"{suite}-{packed.path.replace('/', '-')}")
    drv = Derivation("fetch", name, {**arguments.write(FetchArgs(urls, packed.sha256, packed.size)), **strong})
    body = drv.encode()
    fetch = pinned_fetch(Output(derivation.digest(body)), body)
    assert fetch is not None  # a lock has a digest of each index
    return fetch._replace(item=fetch.item._replace(name=f"the index of {suite} for {arch}"))
