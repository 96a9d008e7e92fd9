"""Build the `ocilayer` kind: list the entries of one layer of a base, the image of a registry on which a container
stands.

The layer is read once, from the blob if the store keeps it, else as it arrives from the registry, and not stored. The
list is enough to check the layers above it, to write the manifest, and to push, since the registry of the base has the
blob.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3
from fpack.builders import arguments
from fpack.builders.distribution.protocol import BlobEntry, Corrupt, Repository
from fpack.builders.manifest import base_packages
from fpack.builders.manifest.encoding import encode_entry
from fpack.builders.manifest.format import DIRECTORY, FILE, SYMLINK, ManifestEntry
from fpack.builders.payload.layer_stack import MAX_DEPTH, MAX_NAME, MAX_PATH
from fpack.builders.payload.whiteouts import is_whiteout
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Need, Steps, Task
from fpack.builders.streams import tar_reader
from fpack.builders.streams.codecs import LAYER_TYPES
from fpack.builders.streams.stream import ArchiveError, PieceReader, Section, Stream, blocks
from fpack.builders.streams.tar_reader import TarMember, TarReader
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation

from . import ociblob
from .layer import ENTRIES, LayerInfo

if TYPE_CHECKING:
    from .table import Services

# 2: the databases of packages
VERSION = 2

# A layer of a registry is hostile: unpacked, it may have at most LEAST bytes, and RATIO times the size of its blob
# more.
LEAST, RATIO = 1 << 30, 50
MAX_ENTRIES = 400_000  # with whiteouts, and the directories above entries
MAX_PATHS = 64 << 20  # bytes of all paths and targets
EXTRAS = "extras"  # the file of the output with the whiteouts, the texts, and the databases of packages
MAX_TEXT = 1 << 20  # bytes of a text that is kept
# Files whose content is kept, because files of the image are made of it.
TEXTS = (b"etc/passwd", b"etc/group", b"etc/shadow", b"etc/gshadow")
_PLAIN = (0o755, 0, 0)  # mode, uid and gid of a directory that no tar lists


class OcilayerArgs(NamedTuple):
    """The arguments.

    urls: addresses of repositories. sha256, size: of the blob. diff_id: the digest of the unpacked tar.
    """

    urls: tuple[str, ...]
    sha256: str
    size: int
    media_type: str
    diff_id: str


class OcilayerBuilder(BaseBuilder):
    """The builder of `ocilayer`. Its output has the files `layer` and `entries` of a layer, and `extras`, but no blob.

    repository: opens a repository by its address. keep: returns whether the blob itself will be needed on this machine,
    and so is requested as a derivation.
    """

    version = VERSION
    network = True

    def __init__(self, repository: ociblob.Open, keep: Callable[[], bool]) -> None:
        self._repository = repository
        self._keep = keep

    def key(self, drv: Derivation) -> Value:
        """Return what the layer is, and no repository."""
        args = arguments.read(OcilayerArgs, drv.args)
        return [f"ocilayer {VERSION}", args.sha256, args.size, args.media_type, args.diff_id]

    def build(self, task: Task) -> Steps:
        """Read the layer, and write its list."""
        args = arguments.read(OcilayerArgs, task.args)
        if args.media_type not in LAYER_TYPES:
            raise BuildError("A layer of a base image has an unknown media type", why=f"it is {args.media_type!r:.100}")
        listing = _LayerListing(args)
        if self._keep():
            (path,) = yield Need([ociblob.derivation(args.urls, f"sha256:{args.sha256}", args.size)])
            listing.read(task.tree(path).chunks(ociblob.FILE), task)
        else:
            entry = BlobEntry(args.media_type, f"sha256:{args.sha256}", args.size)

            def read(repository: Repository) -> None:
                nonlocal listing
                listing = _LayerListing(args)  # the attempt at another repository may have filled the former one
                listing.read(repository.read_blob(entry), task)

            ociblob.first_of(args.urls, self._repository, read)
        return listing.write(task)


class _LayerListing:
    """The entries of one layer, by path. The whiteouts are apart: they are no files of the image."""

    def __init__(self, args: OcilayerArgs) -> None:
        self._args = args
        self._where = f"sha256:{args.sha256}"
        self._entries: dict[bytes, ManifestEntry] = {}
        self._whiteouts: set[bytes] = set()
        self._texts: dict[bytes, bytes] = {}
        self._databases: dict[bytes, bytes] = {}
        self._left = base_packages.MAX_TEXTS  # bytes of databases
        self._tar = 0  # bytes of the unpacked tar
        self._count = self._paths = 0  # what the limits of entries and paths count

    def read(self, pieces: Iterator[bytes], task: Task) -> None:
        """Read the blob. Raise Corrupt if its digest is another one, BuildError if it is not a valid layer."""
        args = self._args
        outer, inner = hashlib.sha256(), hashlib.sha256()

        def counted() -> Iterator[bytes]:
            done = 0
            for piece in pieces:
                task.check()
                outer.update(piece)
                done += len(piece)
                task.progress(min(done, args.size), args.size)
                yield piece

        def unpacked(source: Iterator[bytes]) -> Iterator[bytes]:
            for block in source:
                inner.update(block)
                self._tar += len(block)
                yield block

        try:
            section = Section(PieceReader(counted()), args.size, "The layer")
            stream = Stream(unpacked(blocks(section, LAYER_TYPES[args.media_type])), LEAST + RATIO * args.size)
            archive = TarReader(stream, devices=True)
            for member in archive:
                task.check()
                self._member(member, archive)
            section.skip()
        except ArchiveError as error:
            why = ": ".join(text for text in (error.what, error.why) if text)
            where = " ".join(text for text in (self._where, error.where) if text)
            raise BuildError("A layer of the base image cannot be read", where=where, why=why) from None
        if outer.hexdigest() != args.sha256:
            why = f"its content has the digest sha256:{outer.hexdigest()}"
            raise Corrupt("A layer of the base image differs from its digest", where=self._where, why=why)
        if f"sha256:{inner.hexdigest()}" != args.diff_id:
            why = f"its tar has the digest sha256:{inner.hexdigest()}, and the configuration says {args.diff_id}"
            what = "A layer of the base image is not the one of its configuration"
            raise BuildError(what, where=self._where, why=why)

    def _member(self, member: TarMember, archive: TarReader) -> None:
        path = self._checked(member.name)
        if is_whiteout(path):
            self._weigh(path)
            self._whiteouts.add(path)
            return
        if member.kind in tar_reader.DEVICES:
            # Some tools write the usual devices, over which every engine mounts a /dev of its own.
            if not path.startswith(b"dev/"):
                raise self._refused(path, "it is a device")
            return
        if path in self._entries:
            raise self._refused(path, "it occurs twice in one layer")
        self._weigh(path, member.target)
        owner = (member.mode, member.uid, member.gid)
        if member.kind == tar_reader.DIRECTORY:
            self._add(ManifestEntry(path, DIRECTORY, *owner, 0, b"", b"", b"", 0))
        elif member.kind == tar_reader.SYMLINK:
            if not member.target:
                raise self._refused(path, "it is a symlink without a target")
            self._add(ManifestEntry(path, SYMLINK, 0o777, *owner[1:], 0, b"", b"", member.target, 0))
        elif member.kind == tar_reader.LINK:
            known = self._entries.get(self._checked(member.target))
            if known is None or known.kind == DIRECTORY:
                raise self._refused(path, "it is a hard link to what is not a file of the same layer")
            self._add(known._replace(path=path))
            if (text := self._databases.get(known.path)) is not None and base_packages.is_database(path):
                self._databases[path] = text
        else:
            self._file(path, owner, archive)

    def _file(self, path: bytes, owner: tuple[int, int, int], archive: TarReader) -> None:
        sha256, blake, size = hashlib.sha256(), blake3(), 0
        database = base_packages.is_database(path)
        limit = min(base_packages.MAX_TEXT, self._left) if database else MAX_TEXT
        text: list[bytes] | None = [] if database or path in TEXTS else None
        for piece in archive.content():
            sha256.update(piece)
            blake.update(piece)
            size += len(piece)
            if text is not None and size <= limit:
                text.append(piece)
        if text is not None and size <= limit:
            self._left -= size if database else 0
            (self._databases if database else self._texts)[path] = b"".join(text)
        self._add(ManifestEntry(path, FILE, *owner, size, blake.digest(), sha256.digest(), b"", 0))

    def _add(self, entry: ManifestEntry) -> None:
        self._entries[entry.path] = entry

    def _checked(self, name: bytes) -> bytes:
        """Return a member's name without "./" and the trailing slash. Raise BuildError if it leads elsewhere."""
        path = name.removeprefix(b"./").rstrip(b"/")
        if path == b".":
            path = b""
        parts = path.split(b"/")
        if name.startswith(b"/") or (path and {b"", b".", b".."} & {*parts}):
            raise self._refused(name, "its path is absolute, or not in its shortest form")
        if max(map(len, parts)) > MAX_NAME or len(path) > MAX_PATH or len(parts) > MAX_DEPTH:
            why = f"its path is too long: a path may have {MAX_PATH} bytes and {MAX_DEPTH} parts of {MAX_NAME} bytes"
            raise self._refused(name[:100], why)
        return path

    def _weigh(self, path: bytes, target: bytes = b"") -> None:
        """Count an entry. Raise BuildError if there are too many, or their paths are too long together."""
        self._count += 1
        self._paths += len(path) + len(target)
        if self._count > MAX_ENTRIES or self._paths > MAX_PATHS:
            what = "A layer of the base image has too many entries, or their paths are too long"
            why = f"the limits are {MAX_ENTRIES} entries and {MAX_PATHS} bytes of paths"
            raise BuildError(what, where=self._where, why=why)

    def _refused(self, path: bytes, why: str) -> BuildError:
        return BuildError(f"/{os.fsdecode(path)} of a layer of the base image is invalid", where=self._where, why=why)

    def write(self, task: Task) -> Built:
        """Write the files of the output."""
        for path in list(self._entries):
            above = path.rpartition(b"/")[0]
            if above and above not in self._entries:
                self._imply(above)
        rows = [self._entries[path] for path in sorted(self._entries)]
        files = [entry for entry in rows if entry.kind != DIRECTORY]
        args = self._args
        info = LayerInfo(
            media_type=args.media_type,
            digest=f"sha256:{args.sha256}",
            diff_id=args.diff_id,
            size=args.size,
            tar=self._tar,
            unpacked=sum(entry.size for entry in files),
            files=len(files),
            entries=len(rows),
            shipped=(len(files),),
            generated=0,
            configured=0,
        )
        writer = task.writer()
        writer.file("layer", [info.encode()])
        writer.file(ENTRIES, (encode_entry(entry) for entry in rows))
        texts = [[path, text] for path, text in sorted(self._texts.items())]
        databases = [[path, text] for path, text in sorted(self._databases.items())]
        extras: Value = {"whiteouts": sorted(self._whiteouts), "texts": texts, "databases": databases}
        writer.file(EXTRAS, [canonical.encode(extras)])
        return Built(writer)

    def _imply(self, path: bytes) -> None:
        """Add the directories above an entry that the tar does not list. Their attributes are the engine's."""
        while path and path not in self._entries:
            self._weigh(path)
            self._entries[path] = ManifestEntry(path, DIRECTORY, *_PLAIN, 0, b"", b"", b"", None)
            path = path.rpartition(b"/")[0]


def make(services: Services) -> OcilayerBuilder:
    return OcilayerBuilder(services.repository, lambda: services.keep_blobs)
