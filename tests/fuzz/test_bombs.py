"""Small inputs that claim or become something huge: each ends within seconds, in bounded memory, as an error or not."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from support import decoder_seeds
from support.archives import debs
from support.archives.archive import ar
from support.processes.forked_python import ForkedPython

HERE = Path(__file__).parent
MEMORY = 400 << 20  # bytes that a decoder may take beyond what its process starts with
CPU = 60  # seconds of processor time
PIECE = 64 << 20
TEN_GB = 10 << 30
NESTED = 10_000
MILLION = 1_000_000

PREAMBLE = """
import resource, sys
sys.path[:0] = [{here!r}, {tests!r}]
import decoders
decoders.SECONDS = 1e6
"""

SCRIPT = """
for seed in decoders.DECODERS[sys.argv[1]].seeds()[:1]:
    decoders.attempt(sys.argv[1], seed)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[5]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_DATA, (used + {memory}, used + {memory}))
resource.setrlimit(resource.RLIMIT_CPU, ({cpu}, {cpu}))
print(decoders.attempt(sys.argv[1], open(sys.argv[2], "rb").read()))
"""


def _repeated(pack: Callable[[bytes], bytes]) -> bytes:
    """Ten gigabytes of zeros, as many concatenated streams."""
    return pack(bytes(PIECE)) * (TEN_GB // PIECE)


def _deb(data: bytes, suffix: str) -> bytes:
    control = debs.tar([debs.file("./control", debs.control(version="1.0"))])
    return ar([("debian-binary", b"2.0\n"), ("control.tar", control), (f"data.tar.{suffix}", data)])


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(data)


def _xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


def _deb_of_files(count: int) -> bytes:
    one = debs.tar([debs.file("./f0000000")])[:512]
    members = []
    for number in range(count):
        head = bytearray(one)
        head[:10] = b"./f%07d" % number
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\0 " % sum(head)
        members.append(bytes(head))
    return _deb(_zstd(b"".join(members) + bytes(1024)), "zst")


def _layout(name: str, content: bytes) -> bytes:
    names = [p.name for p in sorted(p for p in decoder_seeds.layout_folder().rglob("*") if p.is_file())]
    return bytes([names.index(name)]) + content


def _package_lines(count: int) -> bytes:
    return b"".join(b"Package: p%d\nVersion: 1\n\n" % number for number in range(count))


def _provided(count: int) -> bytes:
    return b"Package: a\nProvides: " + b", ".join(b"%x" % number for number in range(count)) + b"\n"


def _osv(text: bytes, count: int) -> bytes:
    return b'{"id": "CVE-2026-1", "affected": [' + text * count + b"{}]}"


def _zip(count: int, piece: int) -> bytes:
    """Return a zip whose members, all with the same content, unpack to `count * piece` bytes."""
    content = bytes(piece)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    about = struct.pack("<HHHHHIIIH", 20, 0, 8, 0, 33, zlib.crc32(content), len(packed), piece, 6)
    body, directory = b"", []
    for number in range(count):
        if not number or piece > 1:
            at, body = len(body), body + b"PK\x03\x04" + about + bytes(2) + b"a.json" + packed
        else:
            at = 0  # the members overlap
        directory.append(
            b"PK\x01\x02" + struct.pack("<H", 20) + about + bytes(2 + 2 + 2 + 2 + 4) + struct.pack("<I", at) + b"a.json"
        )
    end = b"".join(directory)
    entries = min(count, 0xFFFF)
    return body + end + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, entries, entries, len(end), len(body), 0)


def _cache_index(head: bytes, item: bytes) -> bytes:
    """Return an index whose statements are a hundred million items, in a small frame that declares its size."""
    count = 100 * MILLION
    start = b"\x85\xa6format\x01\xa5paths\x80\xaastatements" + head + count.to_bytes(4, "big")
    packer = zstandard.ZstdCompressor(level=1).compressobj(size=len(start) + count)
    pieces = [packer.compress(start)]
    pieces += [packer.compress(item * MILLION) for _ in range(count // MILLION)]
    return b"".join(pieces) + packer.flush()


def _entities(encoding: str) -> bytes:
    """Return the billion laughs."""
    names = [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10)]
    text = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "lol">' + "".join(names) + "]><a><Key>&e9;</Key></a>"
    return text.encode(encoding)


def _tar_entry(name: str, kind: bytes, size: int = 0) -> bytes:
    head = bytearray(512)
    head[: len(name)] = name.encode()
    head[124:136] = b"\x80" + size.to_bytes(11, "big") if size else b"%011o\0" % 0
    head[156:157], head[257:263] = kind, b"ustar\0"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "zstd of ten gigabytes": ("zstd", lambda: _repeated(_zstd)),
    "xz of ten gigabytes": ("xz", lambda: _repeated(_xz)),
    "gzip of ten gigabytes": ("gzip", lambda: _repeated(lambda data: gzip.compress(data, 1))),
    "bzip2 of ten gigabytes": ("bzip2", lambda: _repeated(lambda data: bz2.compress(data, 1))),
    "deb with zstd of ten gigabytes": ("deb", lambda: _deb(_repeated(_zstd), "zst")),
    "deb with xz of ten gigabytes": ("deb", lambda: _deb(_repeated(_xz), "xz")),
    "evidence with zstd of ten gigabytes": ("deb-evidence", lambda: _deb(_repeated(_zstd), "zst")),
    "zstd with the largest window": ("zstd", lambda: b"\x28\xb5\x2f\xfd\x00\xf8" + bytes(64)),
    "deb with a million files": ("deb", lambda: _deb_of_files(MILLION)),
    "evidence with a million files": ("deb-evidence", lambda: _deb_of_files(MILLION)),
    "ar with a million members": ("ar", lambda: b"!<arch>\n" + ar([("a", b"")])[8:] * MILLION),
    "ar member of the largest size": ("ar", lambda: ar([("a", b"")])[:56] + b"9999999999`\n"),
    "tar with a million members": ("tar", lambda: debs.tar([debs.file("./f")])[:512] * (MILLION // 10)),
    "tar member of 2^64 bytes": ("tar", lambda: debs.tar([debs.file("./f", size=2**63 - 1)])),
    "msgpack array of 2^32": ("canonical", lambda: b"\xdd\xff\xff\xff\xff"),
    "msgpack map of 2^32": ("canonical", lambda: b"\xdf\xff\xff\xff\xff"),
    "msgpack bytes of 2^32": ("canonical", lambda: b"\xc6\xff\xff\xff\xff"),
    "msgpack text of 2^32": ("canonical", lambda: b"\xdb\xff\xff\xff\xff"),
    "msgpack extension of 2^32": ("canonical", lambda: b"\xc9\xff\xff\xff\xff\x01"),
    "msgpack nested": ("canonical", lambda: b"\x91" * NESTED + b"\xc0"),
    "msgpack maps nested": ("canonical", lambda: b"\x81\xa1a" * NESTED + b"\xc0"),
    "msgpack of a million lists": ("canonical", lambda: b"\xdd\x00\x0f\x42\x40" + b"\x90" * MILLION),
    "derivation nested": ("derivation", lambda: b"\x91" * NESTED + b"\xc0"),
    "table nested": ("meta", lambda: b"\x91" * NESTED + b"\xc0"),
    "manifest nested": ("manifest", lambda: b"\x91" * NESTED + b"\xc0"),
    "manifest of 2^32": ("manifest", lambda: b"\xdf\xff\xff\xff\xff"),
    "JSON manifest nested": ("json-manifest", lambda: b'{"a":' + b"[" * NESTED),
    "JSON manifest with a long number": ("json-manifest", lambda: b'{"a":' + b"9" * MILLION + b"}"),
    "index.json nested": ("layout", lambda: _layout("index.json", b"[" * NESTED)),
    "index.json with a million images": (
        "layout", lambda: _layout("index.json", json.dumps({"manifests": [{}] * MILLION}).encode())
    ),
    "oci-layout nested": ("layout", lambda: _layout("oci-layout", b"[" * NESTED)),
    "settings nested": ("settings", lambda: b"a = " + b"[" * NESTED),
    "settings with nested tables": ("settings", lambda: b"[" + b".".join([b"a"] * NESTED) + b"]"),
    "settings with a long number": ("settings", lambda: b"a = " + b"9" * MILLION),
    "vulnerability data nested": ("vulnerabilities", lambda: b'{"leaf":' + b"[" * MILLION),
    "vulnerability data with a long number": ("vulnerabilities", lambda: b'{"leaf":' + b"9" * (10 * MILLION)),
    "vulnerability data with an endless text": ("vulnerabilities", lambda: b'{"leaf":"' + b"x" * (70 * MILLION)),
    "vulnerability data of ten million": ("vulnerabilities", lambda: b'{"a":{' + b'"":{"":0},' * (10 * MILLION)),
    "OSV document with a million packages": ("vulnerabilities", lambda: _osv(b'{"":0},', MILLION)),
    "OSV documents of ten gigabytes": ("vulnerabilities", lambda: _zip(1250, 8 << 20)),
    "OSV zip with a million members": ("vulnerabilities", lambda: _zip(2 * MILLION, 1)),
    "accepted list nested": ("accepted", lambda: b"a = " + b"[" * NESTED),
    "index with a million packages": ("packages", lambda: _package_lines(MILLION)),
    "index with thirty million packages": ("packages", lambda: b"Package: a\n\n" + b"Package: b\n\n" * (30 * MILLION)),
    "index that provides a million names": ("packages", lambda: _provided(MILLION)),
    "index that provides five million names": ("packages", lambda: _provided(5 * MILLION)),
    "index with one endless line": ("packages", lambda: b"Package: a\nProvides: " + b"b, " * MILLION),
    "package with nested alternatives": ("stanza", lambda: b"Package: a\nDepends: " + b"b | " * MILLION),
    "release with a million files": ("release", lambda: b"SHA256:\n" + b" %064d 1 a\n" % 0 * MILLION),
    "release with a million lines": ("inrelease", lambda: b"-----BEGIN PGP SIGNED MESSAGE-----\n" * MILLION),
    "cache index of empty lists": ("cache-index", lambda: _cache_index(b"\xdd", b"\x90")),
    "cache index of numbers": ("cache-index", lambda: _cache_index(b"\xdd", b"\x00")),
    "cache index nested": ("cache-index-body", lambda: b"\x91" * NESTED + b"\xc0"),
    "cache index of ten gigabytes": ("cache-index", lambda: _repeated(_zstd)),
    "store record of ten gigabytes": ("store-record", lambda: _repeated(_zstd)),
    "store record of a hundred million lists": ("store-record", lambda: _cache_index(b"\xdd", b"\x90")),
    "list of tags with a million": ("registry-answer", lambda: b'\n{"tags":["a"' + b',"a"' * MILLION + b"]}"),
    "list of tags nested": ("registry-answer", lambda: b'\n{"tags":' + b"[" * MILLION),
    "list of tags that continues itself": (
        "registry-answer", lambda: b'</v2/team/app/tags/list?n=2>; rel="next"\n{"tags":["a"]}'
    ),
    "bucket list with entities": ("bucket-answer", lambda: _entities("utf-8")),
    "bucket list with entities in UTF-16": ("bucket-answer", lambda: _entities("utf-16")),
    "bucket list nested": ("bucket-answer", lambda: b"<a>" * MILLION + b"</a>" * MILLION),
    "image with a million layers": ("remote-image", lambda: b'\x00{"layers":[' + b"{}," * MILLION + b"{}]}"),
    "image nested": ("remote-image", lambda: b'\x00{"layers":' + b"[" * MILLION),
    "kept lock with a million of files": (
        "kept-config",
        lambda: b'{"format":1,"identity":"%s","lock":"","files":[' % (b"0" * 40) + b"{}," * MILLION + b"{}]}",
    ),
    "bundle of directories": ("bundle", lambda: _tar_entry("blobs", b"5") * (MILLION // 4)),
    "bundle with a size of 2^63": ("bundle", lambda: _tar_entry("index.json", b"0", 2**63)),
    "lock with a million lines": ("lock", lambda: b"fpack-lock 1\n" + b"closure trixie amd64 a\n" * MILLION),
    "lock with a closure of four million": ("lock", lambda: b"fpack-lock 1\nclosure t a" + b" a" * (4 * MILLION)),
    "lock with a member of a million": ("lock", lambda: b"fpack-lock 1\nclosure t a a\n  a:" + b" a" * MILLION),
}  # fmt: skip


HEAVY = ("of ten gigabytes", "million files", "million members", "million packages", "million names")  # slow


def _marked(name: str) -> Any:
    return pytest.param(name, marks=[pytest.mark.long] if name.endswith(HEAVY) else [])


@pytest.fixture(scope="module")
def python() -> Iterator[ForkedPython]:
    with ForkedPython(PREAMBLE.format(here=str(HERE), tests=str(HERE.parent))) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("name", [_marked(name) for name in BOMBS])
def test_a_bomb(name: str, python: ForkedPython, tmp_path: Path) -> None:
    decoder, make = BOMBS[name]
    (tmp_path / "input").write_bytes(make())
    script = SCRIPT.format(memory=MEMORY, cpu=CPU)
    done = python.run(script, decoder, str(tmp_path / "input"), cwd=tmp_path, timeout=20 * CPU)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout in ("True\n", "False\n")
