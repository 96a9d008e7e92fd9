"""Define the records of a bill of materials.

`gather` makes a Bill from a manifest and the facts of its packages; each format is a function of a Bill. The records
know no format. All tuples are sorted, and nothing in them depends on the machine or the time.
"""

from __future__ import annotations

from fpack.light_typing import NamedTuple

# The kinds of relations.
CONTAINS = "CONTAINS"
DEPENDS_ON = "DEPENDS_ON"
GENERATED_FROM = "GENERATED_FROM"
BUILT_USING = "BUILT_USING"
BUILD_TOOL_OF = "BUILD_TOOL_OF"

NO_NOTICE = "NONE"  # SPDX's word for the copyright of a package in which no file mentions one


class Licence(NamedTuple):
    """A licence. original: as the copyright file names it. expression: a valid SPDX expression, or ""."""

    original: str = ""
    expression: str = ""


class LicenceText(NamedTuple):
    """The full text of a licence that SPDX's list does not have. id: `LicenseRef-...`."""

    id: str
    name: str
    text: str


class FileLicence(NamedTuple):
    """A stanza of a copyright file about files. globs: its patterns. copyright: its copyright lines."""

    globs: tuple[str, ...]
    original: str
    expression: str
    copyright: str


class CopyrightFacts(NamedTuple):
    """The content of a copyright file."""

    machine_readable: bool
    declared: Licence
    stanzas: tuple[FileLicence, ...]
    texts: tuple[LicenceText, ...]
    copyright: str
    upstream_name: str
    upstream_contact: str
    source: str


class Hashes(NamedTuple):
    """Digests in hexadecimal, or "". SPDX 2.3 requires the SHA-1 of a file."""

    sha256: str = ""
    sha512: str = ""
    sha1: str = ""


class Component(NamedTuple):
    """A part of the image, or a source or tool of one.

    ref: unique in the bill: the purl, or `path:` and a store path's name. kind: "container", "operating-system", "deb",
    "deb-source", "apk", "build", "npm", "pypi", "golang", "cargo", "gem", "library" or "source". declared: the licence
    as the package declares it. effective: the licence that follows for the files in the image. file: the name of the
    downloaded file. build_only: a tool of a build, which is not in the image. copyright_file: the whole copyright file.
    unread_bills: the paths of the package's own bills of materials that cannot be read. base: the reference of the
    image's base, if the component is a package of the base.
    """

    ref: str
    kind: str
    name: str
    version: str = ""
    arch: str = ""
    purl: str = ""
    cpe: str = ""
    supplier: str = ""
    originator: str = ""
    homepage: str = ""
    description: str = ""
    declared: Licence = Licence()
    effective: Licence = Licence()
    copyright: str = ""
    texts: tuple[LicenceText, ...] = ()
    hashes: Hashes = Hashes()
    size: int = 0
    urls: tuple[str, ...] = ()
    file: str = ""
    build_only: bool = False
    copyright_file: bytes = b""
    unread_bills: tuple[str, ...] = ()
    base: str = ""


class BillFile(NamedTuple):
    """A file, directory or symlink of the image. path: relative; bytes that are not UTF-8 are surrogates.

    kind: as in a manifest. component: the ref of the component that it is of. layer: the diff_id of its layer.
    """

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    hashes: Hashes
    target: str
    component: str
    layer: str
    executable: bool
    archive: bool
    structured: bool
    licence: Licence
    copyright: str


class BillRelation(NamedTuple):
    """A relation between two refs. kind: one of this module's constants; GENERATED_FROM: a binary from its source."""

    start: str
    kind: str
    end: str


class Bill(NamedTuple):
    """A bill of materials of an image. tool: fpack's version. created: the Unix seconds of the newest pinned release.

    serial: a UUID that follows from the content. complete: every file of the image is known.
    """

    subject: Component
    components: tuple[Component, ...]
    files: tuple[BillFile, ...]
    relations: tuple[BillRelation, ...]
    tool: str
    created: int
    serial: str
    complete: bool
