"""Test that codec names become records, and that a record alone determines the compressed bytes."""

from __future__ import annotations

import hashlib
import os
import tomllib
from typing import Any

import pytest
import zstandard
from fpack.builders.streams.codecs import CodecError, codec, compressor, media_type, memory
from support.paths import REPOSITORY


def compress(record: dict[str, Any], data: bytes, piece: int = 1 << 20) -> bytes:
    made = compressor(record, len(data))
    out = [bytes(made.compress(bytearray(data[i : i + piece]))) for i in range(0, len(data), piece)]
    return b"".join(out) + made.flush()


DATA = os.urandom(300_000) + b"text " * 1_000_000


@pytest.mark.parametrize(
    ("text", "name", "level"),
    [("zstd", "zstd", 9), ("zstd:19", "zstd", 19), ("gzip", "gzip", 6), ("gzip:1", "gzip", 1), ("none", "none", 0)],
)
def test_a_text_names_a_codec(text: str, name: str, level: int) -> None:
    record = codec(text)
    assert (record["name"], record["level"]) == (name, level)
    assert record["threads"] >= 1
    assert codec() == codec("zstd")


@pytest.mark.parametrize(
    "text", ["", "xz", "zstd:", "zstd:0", "zstd:20", "zstd:-1", "gzip:10", "none:1", "ZSTD", "zstd:٣"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(CodecError):
        codec(text)


def test_the_recorded_library_is_the_pinned_one() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    (pinned,) = [d for d in project["project"]["dependencies"] if d.startswith("zstandard")]
    bundled = ".".join(map(str, zstandard.ZSTD_VERSION))
    assert codec("zstd")["library"] == f"{pinned.replace('==', ' ')} zstd {bundled}"


@pytest.mark.parametrize("text", ["zstd", "gzip"])
def test_another_version_is_refused(text: str) -> None:
    record = {**codec(text), "library": "zstandard 0.1 zstd 1.0"}
    with pytest.raises(CodecError, match="compressed by zstandard 0.1"):
        compressor(record, 10)


@pytest.mark.parametrize("change", [{"name": "xz"}, {"level": 99}, {"level": None}, {"threads": 0}, {"threads": None}])
def test_a_record_from_elsewhere_is_checked(change: dict[str, Any]) -> None:
    with pytest.raises(CodecError):
        compressor({**codec("zstd"), **change}, 10)


@pytest.mark.parametrize("text", ["zstd:3", "zstd", "gzip"])
def test_bytes_depend_on_the_record_alone(text: str) -> None:
    """The output depends neither on the sizes of the pieces nor, for zstd, on the number of threads."""
    record = codec(text)
    first = compress(record, DATA)
    assert compress(record, DATA) == first
    assert compress(record, DATA, 70_001) == first
    if record["name"] == "zstd":
        assert compress({**record, "threads": 1}, DATA) == first
        assert compress({**record, "threads": 4}, DATA) == first


def test_a_large_stream_is_cut_into_jobs_the_same_way(size: int = 40 << 20) -> None:
    """The output depends neither on the number of threads nor on the sizes of the pieces."""
    record = codec("zstd:1")
    data = bytes(size // 2) + hashlib.shake_256(b"noise").digest(size // 2)
    first = compress(record, data)
    assert zstandard.ZstdDecompressor().decompress(first) == data
    assert compress({**record, "threads": 1}, data, 700_001) == compress({**record, "threads": 4}, data) == first


def test_a_zstd_frame_says_its_size_and_has_a_checksum() -> None:
    frame = zstandard.get_frame_parameters(compress(codec("zstd"), DATA))
    assert (frame.content_size, frame.has_checksum) == (len(DATA), True)


def test_a_gzip_header_holds_no_time_and_no_name() -> None:
    assert compress(codec("gzip"), DATA)[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\x03"


def test_media_types() -> None:
    base = "application/vnd.oci.image.layer.v1.tar"
    assert [media_type(codec(t)) for t in ("zstd", "gzip", "none")] == [f"{base}+zstd", f"{base}+gzip", base]


@pytest.mark.parametrize("level", range(1, 20))
def test_no_level_takes_more_memory_than_a_process_may(level: int) -> None:
    needed = [memory(codec(f"zstd:{level}"), 1 << bits) for bits in range(10, 40)]
    assert needed[0] < 16 << 20 and max(needed) <= 220 << 20
    assert memory(codec("gzip"), 1 << 40) == memory(codec("none"), 1 << 40) == 1 << 20
