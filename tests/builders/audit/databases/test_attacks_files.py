"""Hostile files of vulnerability data: bombs, lies about sizes, endless nesting, and versions that take long."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from pathlib import Path

import pytest
from fpack.builders.audit.audit import audit
from fpack.builders.audit.databases import files as data_files
from fpack.builders.audit.databases.compiled import DataError
from fpack.builders.audit.databases.files import compile_directory, compile_file, listing, open_compiled
from fpack.builders.streams import zip_reader
from support.reports.vulnerabilities import affected, document, entry, ids, opened, osv, product, state, tracker

GOOD = document("GHSA-1", affected("npm", "leaf", ("introduced", "0")))


def zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def test_a_zip_is_read_whatever_the_names_in_it_are() -> None:
    data = json.dumps(GOOD).encode()
    names = ["../../etc/passwd.json", "/etc/cron.d/x.json", "a/b.json", "\x1b[2J.json", "README.md"]
    found = opened(zipped(*((name, data) for name in names)), "all.zip")
    assert found.header.rows == {"npm": 4} and found.header.bad == 0


def test_a_member_is_never_read_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_files, "MAX_DOCUMENT", 1 << 20)
    bomb = b"[" + b" " * (64 << 20)
    found = opened(zipped(("bomb.json", bomb), ("good.json", json.dumps(GOOD).encode())), "all.zip")
    assert (found.header.rows, found.header.bad) == ({"npm": 1}, 1)
    assert "bomb.json: it has more than" in found.header.problems[0]


def test_a_member_that_lies_about_its_size_is_damaged() -> None:
    data = json.dumps(GOOD).encode()
    archive = bytearray(zipped(("lie.json", data + b" " * 10_000), ("good.json", data)))
    at = archive.index(b"PK\x01\x02")
    archive[at + 24 : at + 28] = struct.pack("<I", 10)
    found = opened(bytes(archive), "all.zip")
    assert found.header.bad == 1 and found.header.rows == {"npm": 1}


def test_many_small_bombs_are_limited_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_files, "MAX_UNPACKED", 10 << 20)
    data = zipped(*((f"{number}.json", b" " * (1 << 20)) for number in range(20)))
    with pytest.raises(DataError, match="too large"):
        opened(data, "all.zip")


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_ways_of_packing_are_refused(compression: int) -> None:
    with pytest.raises(DataError):
        opened(zipped(("a.json", json.dumps(GOOD).encode()), compression=compression), "all.zip")


def test_damaged_zips_are_refused() -> None:
    data = zipped(("a.json", json.dumps(GOOD).encode()))
    for cut in (2, 3, 30, len(data) // 2, len(data) - 10):
        with pytest.raises(DataError):
            opened(data[:cut], "all.zip")
    for at in range(0, len(data), 3):
        flipped = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        try:
            opened(flipped, "all.zip")
        except DataError:
            continue


def test_a_document_of_a_directory_is_no_link_and_no_pipe(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.json").write_text(json.dumps(GOOD))
    data = tmp_path / "data"
    (data / "deep" / "er").mkdir(parents=True)
    (data / "deep" / "er" / "good.json").write_text(json.dumps(GOOD))
    (data / "link.json").symlink_to(outside / "secret.json")
    (data / "folder").symlink_to(outside)
    (data / "loop").symlink_to(data)
    os.mkfifo(data / "pipe.json")
    (data / os.fsdecode(b"caf\xe9.json")).write_text("broken \x1b[2J")
    paths = [path for path, _ in listing(data)]
    unread = ["folder", "link.json", "loop", "pipe.json", os.fsdecode(b"caf\xe9.json")]
    assert sorted(paths) == sorted(["deep/er/good.json", *unread])
    found = open_compiled(compile_directory(data, paths))
    assert (found.header.rows, found.header.bad) == ({"npm": 1}, len(unread)), "the audit is not complete"
    assert all(text.isprintable() for text in found.header.problems)
    assert "secret" not in repr(found.header.problems)
    (data / "deep" / "er" / "good.json").unlink()
    with pytest.raises(DataError):
        compile_directory(data, paths)
    (data / "/".join("abcdefghij")).mkdir(parents=True)
    with pytest.raises(DataError, match="cannot be read"):
        listing(data)


@pytest.mark.parametrize("nested", [b"[" * 500_000, b'{"a":' * 500_000, b'{"source":' + b"[" * 500_000])
def test_nesting_ends_with_an_error(nested: bytes) -> None:
    with pytest.raises(DataError):
        opened(nested)


def test_a_member_without_end_is_not_read_into_memory_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpack.builders.audit.databases.json_stream.MAX_MEMBER", 4 << 20)

    class Endless(io.RawIOBase):
        """A text without an end: a string of 4 GB, of which only a part may be read."""

        def __init__(self) -> None:
            self.given = 0

        def seek(self, offset: int, whence: int = 0) -> int:
            return 4 << 30 if whence == os.SEEK_END else 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b'{"a": "'[:size].ljust(size, b"x") if self.given == size else b"x" * size

    file = Endless()
    with pytest.raises(DataError):
        compile_file(file, "endless.json")  # type: ignore[arg-type]
    assert file.given < 64 << 20


def test_versions_that_would_take_long_are_refused_at_once() -> None:
    long = ["1" * 10**6, "1." * 10**6, "a" * 10**6, "~" * 10**6, "1.0-" + "0a" * 10**6, "9" * 10**6 + "-1"]
    for version in long:
        data = tracker(
            {"leaf": {"CVE-2026-0001": entry(trixie=state(version)), "CVE-2026-0002": entry(trixie=state())}}
        )
        assert data.header.bad == 1
        assert ids(audit([product("leaf", "1-1")], [data]).findings) == ["CVE-2026-0002"]
        for kind in ("npm", "PyPI", "Go", "crates.io", "RubyGems"):
            events = affected(kind, "leaf", ("introduced", version))
            listed = affected(kind, "leaf", versions=[version])
            found = osv(
                document("GHSA-1", events), document("GHSA-2", listed), document("GHSA-3", affected(kind, "leaf"))
            )
            assert found.header.bad == 1
            assert "GHSA-1" not in ids(audit([product("leaf", version, kind)], [found]).findings)


def test_no_text_of_the_data_reaches_a_terminal_as_it_is() -> None:
    evil = "\x1b]0;x\x07\x1b[2J\r\n\u202e\x9b31m"
    about = entry(evil, trixie=state(urgency=evil, nodsa=evil, nodsa_reason=evil))
    data = tracker({"leaf": {"CVE-2026-0001": {**about, "scope": evil}}})
    (finding,) = audit([product("leaf", "1-1")], [data]).findings
    advisory = finding.advisory
    texts = [advisory.description, advisory.note, advisory.substate, advisory.severity, *advisory.urls]
    assert all(text.isprintable() for text in texts) and advisory.substate == "no-dsa"


@pytest.mark.parametrize("count", [1, 20])
def test_the_directory_of_a_zip_is_measured_before_it_is_read(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 10)  # a zip of more members has the larger records
    data = zipped(*((f"{number}.md", b"") for number in range(count)), ("1.json", json.dumps(GOOD).encode()))
    size = zip_reader.directory_size(io.BytesIO(data))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        ending = 22 if count < 10 else 22 + 76
        assert size == len(data) - archive.start_dir - ending
    assert opened(data, "all.zip").header.rows == {"npm": 1}
    monkeypatch.setattr(zip_reader, "MAX_DIRECTORY", size - 1)
    with pytest.raises(DataError, match="too large"):
        opened(data, "all.zip")
