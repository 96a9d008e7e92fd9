"""The files of an image's base, as a forged manifest lists them."""

from __future__ import annotations

import pytest
from fpack.builders.manifest.format import BaseRecord, ManifestEntry
from fpack.builders.verify.bases import files
from fpack.builders.verify.bases.files import BaseFiles
from fpack.builders.verify.findings import VerifyError

RECORD = BaseRecord("registry.example/base", "", 1)


def entry(path: bytes, part: int | None = 0) -> ManifestEntry:
    return ManifestEntry(path, "f", 0o644, 0, 0, 0, bytes(32), bytes(32), b"", part)


def test_directories_that_only_paths_name_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path of 200 bytes can name a hundred directories, each of which takes as much memory as an entry."""
    monkeypatch.setattr(files, "MAX_ENTRIES", 10)
    deep = [entry(b"%d/a/b/c/d/f" % number) for number in range(3)]
    base = BaseFiles(RECORD)
    base.add(0, deep[:2])
    base.add(0, [entry(b"0/a/b/c/d/g"), entry(b"1/a/h")])
    assert len(base.paths()) == 4
    with pytest.raises(VerifyError, match="lie in too many directories") as caught:
        base.add(0, deep[2:])
    assert caught.value.where and caught.value.why == "the limit is 10"
