"""An image as a Debian package (deb(5), deb-control(5)): a function of the image and the codec, to the byte."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from fpack.builders.streams.compressed import SUFFIXES, compress
from fpack.builders.streams.output_file import ExportError, errors, replacing, room, seekable, write
from fpack.builders.streams.tar_writer import DIRECTORY, FILE, MTIME, TarEntry, header, padding
from fpack.builders.streams.tar_writer import END as TAR_END
from fpack.store.canonical import Value

from . import launcher
from .flattened import FileSystem, Item, archive, archive_length
from .system_package import DESCRIPTION, MAINTAINER, SUMMARY, Package, own_name, package

_MAX = 9_999_999_999  # an ar member's size has ten digits
_WRONG = re.compile(r"[^A-Za-z0-9.+~-]+")


def version(tag: str) -> str:
    """A tag as a version, which begins with a digit."""
    text = _WRONG.sub(".", tag)
    return text if text[:1].isdigit() else f"0+{text}"


def file_name(name: str, tag: str, arch: str) -> str:
    """What the file of the image NAME:TAG is called: fpack-NAME_VERSION_ARCH.deb."""
    return f"fpack-{own_name(name)}_{version(tag)}_{arch}.deb"


def write_deb(image: Path, disk: Callable[[str], Path], codec: Mapping[str, Value], out: Path) -> None:
    """Write the image whose output lies at `image` as a Debian package to the file `out`."""
    with errors(out), replacing(out) as fd, FileSystem(image, disk, room(out), "md5") as files:
        seekable(fd, out, "A Debian package")
        made = package(files)
        suffix = SUFFIXES[str(codec["name"])]
        items = [Item(TarEntry(b"", DIRECTORY, 0o755)), *made.items]
        items = [item._replace(member=_dotted(item.member)) for item in items]
        control = _control_archive(files, made)
        write(fd, b"!<arch>\n" + _ar_header("debian-binary", 4) + b"2.0\n")
        _member(fd, f"control.tar{suffix}", lambda: compress(iter([control]), codec, len(control), fd))
        size = archive_length(items)
        _member(fd, f"data.tar{suffix}", lambda: compress(archive(files, items), codec, size, fd))


def _dotted(member: TarEntry) -> TarEntry:
    """dpkg's own archives have all paths below `./`."""
    return member._replace(path=b"./" + member.path if member.path else b"")


def _ar_header(name: str, size: int) -> bytes:
    return f"{name:<16}{MTIME:<12}{0:<6}{0:<6}{'100644':<8}{size:<10}`\n".encode()


def _member(fd: int, name: str, body: Callable[[], int]) -> None:
    """Write a member whose size is known at its end."""
    start = os.lseek(fd, 0, os.SEEK_CUR)
    write(fd, _ar_header(name, 0))
    size = body()
    if size > _MAX:
        raise ExportError("The image is too large for a Debian package", why=f"it has {size} bytes, of {_MAX}")
    os.pwrite(fd, _ar_header(name, size), start)
    if size % 2:
        write(fd, b"\n")


def _control_archive(files: FileSystem, made: Package) -> bytes:
    lines = {
        "Package": made.package_name,
        "Version": version(made.version),
        "Architecture": made.arch,
        "Maintainer": MAINTAINER,
        "Installed-Size": str(-(-made.size // 1024)),
        "Depends": launcher.TOOL,
        "Section": "misc",
        "Priority": "optional",
        "Description": SUMMARY.format(title=made.title) + "\n " + DESCRIPTION.format(name=made.name),
    }
    control = "".join(f"{key}: {value}\n" for key, value in lines.items()).encode()
    out = header(TarEntry(b"", DIRECTORY, 0o755))
    for name, data in ((b"./control", control), (b"./md5sums", _sums(files, made))):
        out += header(TarEntry(name, FILE, 0o644, size=len(data))) + data + padding(len(data))
    return out + TAR_END


def _sums(files: FileSystem, made: Package) -> bytes:
    import hashlib

    lines = []
    for item in made.items:
        if item.member.kind != FILE:
            continue
        if item.source is not None:
            digest = files.entries[item.source.path].digest.hex()
        else:
            digest = hashlib.md5(item.data, usedforsecurity=False).hexdigest()
        lines.append(digest.encode() + b"  " + item.member.path + b"\n")
    return b"".join(lines)
