"""Define the facts of a store path that a bill of materials tells, and their encoding.

They are an output of their own, so that an image costs nothing without a bill, and each path is read once.
"""

from __future__ import annotations

from typing import NamedTuple

from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.errors import NotCanonical, StoreError

from .fragments import FragmentPart
from .lock_files import LockedPart
from .model import CopyrightFacts, FileLicence, Hashes, Licence, LicenceText
from .parts.part import PartFacts

# 2: the whole copyright file, and more of os-release; 3: the name of a key; 4: the package's own bills of materials;
# 5: what packages of languages state
FORMAT = 5
EXECUTABLE, ARCHIVE, STRUCTURED = 1, 2, 4

# Magic numbers of archives and packed files, each with its offset, and of those that keep the names of their members.
_PACKED = ((0, b"\x1f\x8b"), (0, b"BZh"), (0, b"\xfd7zXZ\0"), (0, b"\x28\xb5\x2f\xfd"), (0, b"\x04\x22\x4d\x18"))
_STRUCTURED = (
    (0, b"PK\x03\x04"),
    (0, b"PK\x05\x06"),
    (0, b"!<arch>\n"),
    (0, b"7z\xbc\xaf\x27\x1c"),
    (0, b"\xed\xab\xee\xdb"),
    (0, b"070701"),
    (257, b"ustar"),
)
HEAD = 512  # bytes that `flags` reads of a file
_CODE = (b"\x7fELF", b"#!")


class FileFacts(NamedTuple):
    """The facts of a content. flags: of EXECUTABLE, ARCHIVE and STRUCTURED. The rest: see `payload.meta.LoadFacts`."""

    hashes: Hashes
    flags: int = 0
    needed: tuple[str, ...] = ()
    soname: str = ""
    interp: str = ""
    commands: tuple[str, ...] = ()


class PackageFacts(NamedTuple):
    """The facts of a package. file: the digests of the .deb, and its size. Relations: as in the control file.

    documentation: the package whose copyright file is this one's, if it has a link instead of a file.
    """

    name: str
    version: str
    arch: str
    source: str
    source_version: str
    maintainer: str
    homepage: str
    description: str
    section: str
    built_using: str
    static_built_using: str
    file: Hashes
    size: int
    documentation: str = ""


class OsRelease(NamedTuple):
    """The operating system that a file os-release names. home: its page. file: the path of os-release."""

    id: str
    version: str
    codename: str
    home: str = ""
    file: str = ""
    hashes: Hashes = Hashes()


class Facts(NamedTuple):
    """The facts of a store path. files: by SHA-256 of the content. references: the closure of the path.

    locked: the packages that the lock files of a source name. copyright_file: the content of `copyright`, whole.
    fragments: the parts that the bills of materials in the path list. unread: the paths of those that cannot be read.
    stated: what the packages of a language in the path state of themselves, and a source of itself.
    """

    files: dict[bytes, FileFacts]
    references: tuple[str, ...] = ()
    package: PackageFacts | None = None
    copyright: CopyrightFacts | None = None
    os_release: OsRelease | None = None
    locked: tuple[LockedPart, ...] = ()
    copyright_file: bytes = b""
    fragments: tuple[FragmentPart, ...] = ()
    unread: tuple[str, ...] = ()
    stated: tuple[PartFacts, ...] = ()


def flags(head: bytes) -> int:
    """Return the flags of a content. head: its first HEAD bytes, or all of a shorter one."""

    def has(magics: tuple[tuple[int, bytes], ...]) -> bool:
        return any(head.startswith(magic, offset) for offset, magic in magics)

    found = EXECUTABLE if head.startswith(_CODE) else 0
    if has(_STRUCTURED):
        return found | ARCHIVE | STRUCTURED
    return found | ARCHIVE if has(_PACKED) else found


def encode(facts: Facts) -> bytes:
    """Return the canonical encoding."""
    rows = [
        [sha256, bytes.fromhex(file.hashes.sha1), bytes.fromhex(file.hashes.sha512), *file[1:]]
        for sha256, file in sorted(facts.files.items())
    ]
    return canonical.encode(
        {
            "format": FORMAT,
            "files": rows,
            "references": list(facts.references),
            "package": facts.package and facts.package._asdict(),
            "copyright": facts.copyright and facts.copyright._asdict(),
            "os_release": facts.os_release and facts.os_release._asdict(),
            "locked": [list(part) for part in facts.locked],
            "copyright_file": facts.copyright_file,
            "fragments": [list(part) for part in facts.fragments],
            "unread": list(facts.unread),
            "stated": [part._asdict() for part in facts.stated],
        }
    )


def decode(data: bytes) -> Facts:
    """Decode the result of `encode`. Raise StoreError if it is invalid."""
    try:
        value = canonical.decode(data)
        if value["format"] != FORMAT:
            raise ValueError(f"its format is {value['format']!r}")
        return Facts(
            files={row[0]: _file(*row) for row in value["files"]},
            references=tuple(value["references"]),
            package=value["package"] and _package(value["package"]),
            copyright=value["copyright"] and _copyright(value["copyright"]),
            os_release=value["os_release"] and _os_release(value["os_release"]),
            locked=tuple(LockedPart(*part) for part in value["locked"]),
            copyright_file=bytes(value["copyright_file"]),
            fragments=tuple(FragmentPart(*part) for part in value["fragments"]),
            unread=tuple(value["unread"]),
            stated=tuple(map(_part, value["stated"])),
        )
    except (NotCanonical, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise StoreError("The facts of a store path are invalid", why=str(error), hint="run fpack gc") from None


def _file(
    sha256: bytes,
    sha1: bytes,
    sha512: bytes,
    flags: int,
    needed: list[str],
    soname: str,
    interp: str,
    commands: list[str],
) -> FileFacts:
    hashes = Hashes(sha256.hex(), sha512.hex(), sha1.hex())
    return FileFacts(hashes, flags, tuple(needed), soname, interp, tuple(commands))


def _package(value: dict[str, Value]) -> PackageFacts:
    return PackageFacts(**{**value, "file": Hashes(*value["file"])})


def _os_release(value: dict[str, Value]) -> OsRelease:
    return OsRelease(**{**value, "hashes": Hashes(*value["hashes"])})


def _part(value: dict[str, Value]) -> PartFacts:
    texts = tuple(LicenceText(*text) for text in value["texts"])
    return PartFacts(
        **{**value, "licence": Licence(*value["licence"]), "texts": texts, "hashes": Hashes(*value["hashes"])}
    )


def _copyright(value: dict[str, Value]) -> CopyrightFacts:
    stanzas = tuple(FileLicence(tuple(globs), *rest) for globs, *rest in value["stanzas"])
    texts = tuple(LicenceText(*text) for text in value["texts"])
    return CopyrightFacts(**{**value, "declared": Licence(*value["declared"]), "stanzas": stanzas, "texts": texts})
