"""Define the records of a manifest.

A manifest is a sequence of canonical msgpack values: the head, the derivations, and the entries of each layer in order.
So it is written and read in bounded memory for any number of files. `docs/manifest.md` describes the format. This
module, `encoding`, `reader`, `json_form` and `base_packages` implement it, with the reasons in `payload/exclusions` and
the check in `payload/whiteouts`. The writer and the verifier of images share no other code.

fpack writes format 2. It also reads format 1, which has no origins, exclusions, executor or claims.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fpack.light_typing import TYPE_CHECKING, NamedTuple
from fpack.store.canonical import Value
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from .base_packages import BasePackages

FORMAT = 2
FORMATS = (1, 2)
# The artifact type of a manifest, by format.
ARTIFACTS = tuple(f"application/vnd.fpack.manifest.v{number}" for number in FORMATS)
ARTIFACT = ARTIFACTS[-1]
# The media type of the artifact's closure file, which holds the sources that the image does not, and its limits.
SOURCES = "application/vnd.fpack.closure.v1"
MAX_SOURCES = 1_000_000_000  # bytes of all files
MAX_SOURCE_ENTRIES = 200_000
MAX_SIZE = 64 << 20  # bytes of a manifest
# The mtime of every entry of every layer, in Unix seconds.
MTIME = 315619200

FILE, DIRECTORY, SYMLINK = "f", "d", "l"
# The key of an object that represents bytes in JSON, in hexadecimal.
BYTES = "$bytes"
# The kinds of sources with hashes from a project's own lock.
LOCKED = ("gomod", "npm", "pypi")
# The kind of a source that is an image of a registry, the base of another.
OCI = "oci"
GENERATED, CONFIGURED = "generated", "configured"
# The form of the name of a rule that generates entries, and of an executor.
RULE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{0,127}\Z")
# The names of the maintainer scripts that can configure a package.
SCRIPTS = ("config", "postinst", "preinst")


class ManifestError(FpackError):
    """An invalid manifest."""


class Blob(NamedTuple):
    """A blob of an image. digest: `sha256:` and 64 hexadecimal digits."""

    media_type: str
    digest: str
    size: int


class ManifestImage(NamedTuple):
    """The image. path: its store path. derivation: the digest of its derivation, in hexadecimal.

    configuration: the parsed JSON of the blob `config`. codec: the codec of the layers.
    """

    name: str
    tag: str
    arch: str
    path: str
    derivation: str
    manifest: Blob
    config: Blob
    configuration: Mapping[str, Value]
    codec: Mapping[str, Value]


class ExcludedPath(NamedTuple):
    """A path of a part that is not in the layer. reason, by: see `payload/exclusions`."""

    part: int
    path: bytes
    reason: str
    by: str


class ManifestLayer(NamedTuple):
    """A layer. tar: the size of the tar in the blob. parts: (store path, prefix) of each tree in it; prefix "" is `/`.

    entries: the number of the tar's members. excluded: the paths of the parts that are not in the layer.
    """

    blob: Blob
    diff_id: str
    tar: int
    path: str
    derivation: str
    parts: tuple[tuple[str, str], ...]
    entries: int
    excluded: tuple[ExcludedPath, ...] = ()


class BaseRecord(NamedTuple):
    """The image on whose layers this one stands. name: HOST/NAME[:TAG]@DIGEST. manifest: its digest for the platform.

    layers: the number of its layers, which come first. hidden: its paths that other layers replace, sorted. whiteouts:
    (layer, path) of each whiteout in its layers, sorted. A whiteout is no entry. documents: those that lead from the
    digest in the name to the image: an index, if the name's digest is that of one, and the image's manifest. packages:
    what its package databases say; None in earlier manifests. own: what its own exact manifest says, if it has one.
    """

    name: str
    manifest: str
    layers: int
    documents: tuple[bytes, ...] = ()
    hidden: tuple[bytes, ...] = ()
    whiteouts: tuple[tuple[int, bytes], ...] = ()
    packages: BasePackages | None = None
    own: BaseManifest | None = None


class BaseManifest(NamedTuple):
    """The exact manifest of a base that fpack made. blob: its canonical form, compressed. head: its first value.

    files: for each layer of the base, runs of its entries other than directories, sorted by path: their number, and the
    index in owners of the package or store path that they are of; "" is the base's own files.
    """

    blob: Blob
    head: Head
    owners: tuple[str, ...]
    files: tuple[tuple[tuple[int, int], ...], ...]


class PackageReason(NamedTuple):
    """The reason why a package is in the image. by: the package that brought it in, or "" if it was requested.

    kind: as in `linking/linker`. file, what: the file of `by` and what it needs, if the reason is about a file.
    """

    by: str
    kind: str
    file: str
    what: str


class PathOrigin(NamedTuple):
    """A store path in the image: the digest of its derivation (None if unknown), and its package or "".

    reason: why the package is in the image; None for other paths, and in manifests that do not say it. needs: the
    packages that its files load, or that it depends on if the image has all dependencies; sorted.
    """

    path: str
    derivation: str | None
    package: str
    version: str
    reason: PackageReason | None = None
    needs: tuple[str, ...] = ()


class PathMeta(NamedTuple):
    """A description that the image or a built package gives of itself, for bills of materials. path: its store path.

    licence: an SPDX expression. maintainers, originator: `Name` or `Name <address>`. Texts that are not stated are "".
    """

    path: str
    homepage: str = ""
    description: str = ""
    licence: str = ""
    maintainers: tuple[str, ...] = ()
    originator: str = ""
    cpe: str = ""
    purl: str = ""


class ManifestSource(NamedTuple):
    """An input from outside the store. Kind `fetch` has urls, sha256 and size; kind `source` has the digest of a tree.

    Kind `oci`, a base, has addresses of repositories as urls, and the SHA-256 of the image or index.

    A `fetch` of a declared SHA-512 has it in hashes, and sha256 is "" if it declares no SHA-256. The other kinds are
    packages from a project's own lock. They have urls, and hashes as in that lock.
    """

    derivation: str
    kind: str
    name: str
    urls: tuple[str, ...]
    sha256: str
    size: int | None
    tree: str
    hashes: tuple[str, ...] = ()


class LockedSuite(NamedTuple):
    """A suite of the lock: the SHA-256 of its signed Release file, and its dates in Unix seconds."""

    suite: str
    archive: str
    date: int
    until: int | None
    sha256: str


class LockedIndex(NamedTuple):
    """A suite's package index: digests and size of the text, and of the compressed file that the Release file lists.

    A digest that the Release file does not have is "". A suite has an index for each of its components.
    """

    suite: str
    sha256: str
    size: int
    packed_sha256: str
    packed_size: int
    file: str
    sha512: str = ""
    packed_sha512: str = ""


class LockedPackage(NamedTuple):
    """A package of the lock. A digest that the index does not have is ""."""

    name: str
    version: str
    arch: str
    source: str
    source_version: str
    archive: str
    date: int
    size: int
    sha256: str
    file: str
    sha512: str = ""


class LockPart(NamedTuple):
    """The part of the lock that the image uses. If it uses no packages, release is "" and the rest is empty."""

    release: str
    arch: str
    suites: tuple[LockedSuite, ...]
    indexes: tuple[LockedIndex, ...]
    packages: tuple[LockedPackage, ...]


class Claims(NamedTuple):
    """The number of entries of each origin, without directories, according to the manifest.

    package: shipped by a Debian package. built: store paths of builds and of project files. files: the container's own
    files. generated: by a rule of fpack. configured: by Debian's maintainer scripts. base: in the layers of the base.
    """

    package: int = 0
    built: int = 0
    files: int = 0
    generated: int = 0
    configured: int = 0
    base: int = 0


class Head(NamedTuple):
    """The first value: everything but derivations and entries. fpack: the version that built the image.

    derivations: their number. executor: the executor of builds from source, or "". claims: None in format 1.
    meta: of the image and of built packages that have it, sorted by path. annotations: of the image's manifest.
    """

    fpack: str
    image: ManifestImage
    layers: tuple[ManifestLayer, ...]
    paths: tuple[PathOrigin, ...]
    sources: tuple[ManifestSource, ...]
    lock: LockPart
    derivations: int
    executor: str = ""
    claims: Claims | None = None
    format: int = FORMAT
    meta: tuple[PathMeta, ...] = ()
    base: BaseRecord | None = None
    annotations: Mapping[str, str] = {}


class Origin(NamedTuple):
    """The origin of an entry that no package or source ships.

    Kind GENERATED has the rule. Kind CONFIGURED has the package, its maintainer script, and the SHA-256 of the script.
    """

    kind: str
    rule: str = ""
    package: str = ""
    script: str = ""
    sha256: bytes = b""


class ManifestEntry(NamedTuple):
    """A member of a layer's tar. path: relative, "" for the root directory. mode: the 12 permission bits.

    size, blake3, sha256: of a file's content. target: of a symlink. part: the number of the layer's part, None for a
    parent directory that no part lists. origin: None for an entry that the part's package or source ships.
    """

    path: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    blake3: bytes
    sha256: bytes
    target: bytes
    part: int | None
    origin: Origin | None = None


def media_types(artifact: str) -> tuple[str, str]:
    """Return the media types of an artifact's layers: the canonical form and the JSON form, both compressed."""
    return f"{artifact}+msgpack+zstd", f"{artifact}+json+zstd"
