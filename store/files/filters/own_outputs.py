"""Recognise what fpack writes beside a project's own files: images, manifests, bills of materials, links to results.

They are no part of a source: an image that is packed into the project's directory would be a source of the next one. A
file is recognised by its name and by a mark at its beginning, so a tar or a document of the user's is never left out.
The files may be hostile: of each, a bounded number of bytes is read and decompressed.

A file that a command is told to write, as by `-o deploy.bin`, has no such name. `leave_out` makes it no part of the
sources of that process, so the command gives the same file as often as it runs.
"""

from __future__ import annotations

import os
import re
import stat
import zlib
from collections.abc import Callable

from fpack.store.files.presence import link_target

_CLOCK = 315619200  # the time of all entries that fpack writes, 1980-01-02
_HEAD = 1 << 16  # bytes that are read of a file
_BLOCK = 512  # of a tar: each entry begins with a header of one block, and its content follows
_OCTAL_CLOCK = b"%011o" % _CLOCK
# Patterns are compiled when they are used: each evaluation loads this.
_STORED = r"/store/[0-9a-z]{32}-[^/]+\Z"
# Two files of the OCI layouts that fpack writes. Other tools do not write the first one.
_REFERRERS, _LAYOUT = b"fpack-referrers.json", b"oci-layout"


def _is_image(head: bytes) -> bool:
    """Return whether a tar is an image that fpack wrote: its index comes first, at fpack's fixed time."""
    name = head[:100].rstrip(b"\0")
    return name == _REFERRERS or (name == b"index.json" and _is_own_tar(head))


def _is_legal(head: bytes) -> bool:
    """Return whether a tar has the licences of an image: the file that describes the others comes first."""
    described = head[_BLOCK:].startswith(b"Licences of the image ")
    return head[:100].rstrip(b"\0") == b"README.txt" and described and _is_own_tar(head)


def _is_root(head: bytes) -> bool:
    """Return whether a tar is a root that fpack wrote: its directory comes first."""
    return head[:100].rstrip(b"\0") == b"./" and _is_own_tar(head)


def _is_bundle(head: bytes) -> bool:
    """Return whether a tar is a bundle: an OCI layout whose index, which comes second, names a document of fpack."""
    return head[:100].rstrip(b"\0") == b"oci-layout" and b'"application/vnd.fpack.' in head


def _is_own_tar(head: bytes) -> bool:
    """Return whether the first entry of a tar has the time and the owner (0, root) of all entries that fpack writes."""
    # The fields of a ustar header: owner's id at 108, time at 136, both as octal digits; the format's name at 257.
    return head[257:262] == b"ustar" and head[136:147] == _OCTAL_CLOCK and not head[108:124].strip(b"0\0 ")


def _has(pattern: bytes) -> Callable[[bytes], bool]:
    return lambda head: re.search(pattern, head, re.DOTALL) is not None


# The mark of each kind of file, by the end of its name. If several ends fit, the first one counts. The documents are
# recognised by the words with which fpack names itself in them, and pages by the head that all of fpack's pages have.
_MARKS: tuple[tuple[bytes, Callable[[bytes], bool]], ...] = (
    (b".rootfs.tar", _is_root),
    (b".tar", lambda head: _is_image(head) or _is_legal(head)),
    (b".bundle", _is_bundle),
    (b".deb", lambda head: head.startswith(b"!<arch>\ndebian-binary   %d " % _CLOCK)),
    (b".rpm", lambda head: head.startswith(b"\xed\xab\xee\xdb") and head[10:16] == b"fpack-"),
    (b".squashfs", lambda head: head.startswith(b"hsqs") and head[8:12] == _CLOCK.to_bytes(4, "little")),
    (b".manifest.json", _has(rb'\A\{\s*"format":\s*\d+,\s*"fpack":\s*"')),
    (b".provenance.json", _has(rb'\A\{"_type":.*"buildType":"urn:fpack:')),
    (b".json", _has(rb'\A\{.*(?:"bom-ref":"fpack","name":"fpack"|"Tool: fpack-|/tool/fpack-[\w.+-]+"\])')),
    (b".html", _has(rb"\A<!DOCTYPE html>.*trusted-types 'none'\">\n<meta name=\"viewport\"")),
)
_COMPRESSED = (b".gz", b".zst")
# Documents and pages have a mark that is easily copied, so their names must also be of the forms that fpack gives.
_BILL = rb".*\.(?:cyclonedx|spdx|openvex)[\w.-]*\.json|.*\.(?:manifest|provenance)\.json"
_PAGE = rb".*\.(?:size|report|graph|audit|diff)\.html"
_ENDS = (b".tar", b".tar.gz", b".tar.zst", b".deb", b".rpm", b".squashfs", b".json", b".html", b".oci", b".bundle")

# Paths that this process writes, one an option, and the names of these. They are known before sources are read.
_written: set[bytes] = set()
_written_names: set[bytes] = set()


def leave_out(path: str | os.PathLike[str]) -> None:
    """Take a path that this process will write for no part of a source, unless it is a directory of other files.

    A symlink is written through, so that its target is left out, too. A directory that is empty, is an image, or has
    only files that fpack wrote is left out: so it is before the first command and before each later one.
    """
    given = os.path.abspath(os.fsencode(path))
    if os.path.isdir(given) and not _is_own_directory(given):
        return
    directory, name = os.path.split(given)
    for written in (given, os.path.join(os.path.realpath(directory), name), os.path.realpath(given)):
        _written.add(written)
        _written_names.add(os.path.basename(written))


def _is_own_directory(path: bytes) -> bool:
    """Return whether a directory is an OCI layout, or has no entries but files that fpack wrote."""
    if os.path.isfile(os.path.join(path, _LAYOUT)):
        return True
    try:
        with os.scandir(path) as found:
            return all(is_own_output(entry.path, entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)
    except OSError:
        return False


def may_be_own(name: bytes) -> bool:
    """Return whether fpack may have given this name to an entry: a quick test that few entries pass."""
    return name.endswith(_ENDS) or name in _written_names


def is_result(path: bytes, name: bytes) -> bool:
    """Return whether an entry is a link to a result, under any name that the user gave it. name: its last component."""
    target = link_target(os.fsdecode(path))
    return target is not None and (name == b"result" or re.search(_STORED, target) is not None)


def is_own_output(path: bytes, name: bytes, is_directory: bool) -> bool:
    """Return whether fpack wrote the file or directory at a path. name: its last component."""
    if not may_be_own(name):
        return False
    if path in _written:
        return True
    if is_directory:
        return name.endswith(b".oci") and all(os.path.isfile(path + b"/" + n) for n in (_REFERRERS, _LAYOUT))
    plain = name.removesuffix(b".gz").removesuffix(b".zst")
    if plain.endswith(b".json") and not re.fullmatch(_BILL, plain):
        return False
    if plain.endswith(b".html") and not re.fullmatch(_PAGE, plain):
        return False
    mark = next((mark for end, mark in _MARKS if plain.endswith(end)), None)
    return mark is not None and mark(_head(path, name))


def _head(path: bytes, name: bytes) -> bytes:
    """Return the beginning of a file, decompressed if the name says that it is compressed; b"" if it is unreadable."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return b""
        head = os.read(fd, _HEAD)
    except OSError:
        return b""
    finally:
        os.close(fd)
    return _decompressed(head, name) if name.endswith(_COMPRESSED) else head


def _decompressed(head: bytes, name: bytes) -> bytes:
    """Return at most one block of a compressed file whose beginning is `head`.

    Only roots are compressed, and their mark is in the first block. A few bytes may declare gigabytes, so the
    decompressor is asked for no more than that block.
    """
    if name.endswith(b".gz"):
        try:
            return zlib.decompressobj(wbits=31).decompress(head, _BLOCK)
        except zlib.error:
            return b""
    import zstandard

    try:
        return zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(head).read(_BLOCK)
    except zstandard.ZstdError:
        return b""
