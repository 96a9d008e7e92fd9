"""Test zip archives of others."""

from __future__ import annotations

import io
import zipfile

import pytest
from fpack.builders.streams import zip_reader


def zipped(method: int, count: int = 1) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for number in range(count):
            archive.writestr(f"a{number}", b"text")
    return file


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_whose_unpacking_has_no_limit_are_refused(method: int) -> None:
    with zip_reader.open_zip(zipped(method)) as archive:
        if method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            assert zip_reader.open_member(archive, archive.infolist()[0]).read(9) == b"text"
        else:
            with pytest.raises(zip_reader.DAMAGED, match="packed in an unknown way"):
                zip_reader.open_member(archive, archive.infolist()[0])


def test_a_large_directory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_reader, "MAX_DIRECTORY", 1000)
    with pytest.raises(zip_reader.DAMAGED, match="too many members"):
        zip_reader.open_zip(zipped(zipfile.ZIP_STORED, 30))
