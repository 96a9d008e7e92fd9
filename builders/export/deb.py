"""Write an image as a Debian package (deb(5), deb-control(5)). The bytes depend only on the image and the codec."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from fpack.builders.streams.codecs import SUFFIXES
from fpack.builders.streams.compressed import compress
from fpack.builders.streams.output_file import ExportError, errors, replacing, room, seekable
from fpack.builders.streams.tar_writer import DIRECTORY, FILE, MTIME, TarEntry, header, padding
from fpack.builders.streams.tar_writer import END as TAR_END
from fpack.store.canonical import Value
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.writer import write_all

from . import launcher
from .flattened import ArchiveItem, FileSystem, Trees, archive, archive_length
from .system_package import DESCRIPTION, MAINTAINER, SUMMARY, SystemPackage, own_name, package

_MAX = 9_999_999_999  # an ar member's size has ten digits
_INVALID = re.compile(r"[^A-Za-z0-9.+~-]+")


def version(tag: str) -> str:
    """Convert a tag to a version, which must begin with a digit."""
    text = _INVALID.sub(".", tag)
    return text if text[:1].isdigit() else f"0+{text}"


def file_name(name: str, tag: str, arch: str) -> str:
    """Return the file name for the image NAME:TAG: fpack-NAME_VERSION_ARCH.deb."""
    return f"fpack-{own_name(name)}_{version(tag)}_{arch}.deb"


def write_deb(image: CheckedTree, trees: Trees, codec: Mapping[str, Value], out: Path) -> None:
    """Write the image output `image` as a Debian package to the file `out`."""
    with errors(out), replacing(out) as fd, FileSystem(image, trees, room(out), "md5") as files:
        seekable(fd, out, "A Debian package")
        pkg = package(files)
        suffix = SUFFIXES[str(codec["name"])]
        items = [ArchiveItem(TarEntry(b"", DIRECTORY, 0o755)), *pkg.items]
        items = [item._replace(member=_dotted(item.member)) for item in items]
        control = _control_archive(files, pkg)
        write_all(fd, b"!<arch>\n" + _ar_header("debian-binary", 4) + b"2.0\n")
        _member(fd, f"control.tar{suffix}", lambda: compress(iter([control]), codec, len(control), fd))
        size = archive_length(items)
        _member(fd, f"data.tar{suffix}", lambda: compress(archive(files, items), codec, size, fd))


def _dotted(member: TarEntry) -> TarEntry:
    """Prefix a path with `./`, as dpkg does."""
    return member._replace(path=b"./" + member.path if member.path else b"")


def _ar_header(name: str, size: int) -> bytes:
    return f"{name:<16}{MTIME:<12}{0:<6}{0:<6}{'100644':<8}{size:<10}`\n".encode()


def _member(fd: int, name: str, body: Callable[[], int]) -> None:
    """Write an ar member, and fill in its size after its body."""
    start = os.lseek(fd, 0, os.SEEK_CUR)
    write_all(fd, _ar_header(name, 0))
    size = body()
    if size > _MAX:
        raise ExportError(
            "The image is too large for a Debian package", why=f"it has {size} bytes; the limit is {_MAX}"
        )
    os.pwrite(fd, _ar_header(name, size), start)
    if size % 2:
        write_all(fd, b"\n")


def _control_archive(files: FileSystem, pkg: SystemPackage) -> bytes:
    lines = {
        "Package": pkg.package_name,
        "Version": version(pkg.version),
        "Architecture": pkg.arch,
        "Maintainer": MAINTAINER,
        "Installed-Size": str(-(-pkg.size // 1024)),
        "Depends": launcher.TOOL,
        "Section": "misc",
        "Priority": "optional",
        "Description": SUMMARY.format(title=pkg.title) + "\n " + DESCRIPTION.format(name=pkg.name),
    }
    control = "".join(f"{key}: {value}\n" for key, value in lines.items()).encode()
    out = header(TarEntry(b"", DIRECTORY, 0o755))
    for name, data in ((b"./control", control), (b"./md5sums", _sums(files, pkg))):
        out += header(TarEntry(name, FILE, 0o644, size=len(data))) + data + padding(len(data))
    return out + TAR_END


def _sums(files: FileSystem, pkg: SystemPackage) -> bytes:
    import hashlib

    lines = []
    for item in pkg.items:
        if item.member.kind != FILE:
            continue
        if item.source is not None:
            digest = files.entries[item.source.path].digest.hex()
        else:
            digest = hashlib.md5(item.data, usedforsecurity=False).hexdigest()
        lines.append(digest.encode() + b"  " + item.member.path + b"\n")
    return b"".join(lines)
