"""Digests of files that a lock names without a SHA-256."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from fpack.builders.net import file_digests
from fpack.builders.net.http import Http


def _digests(files: dict[str, str]) -> dict[str, str]:
    return file_digests.file_digests(files, Http(), lambda url: [url])


def test_each_file_has_its_digest(tmp_path: Path) -> None:
    urls = {}
    for name in "abc":
        (tmp_path / name).write_text(name)
        urls[(tmp_path / name).as_uri()] = hashlib.sha1(name.encode()).hexdigest() if name != "c" else ""
    assert _digests(urls) == {url: hashlib.sha256(url[-1].encode()).hexdigest() for url in urls}


@pytest.mark.parametrize("sha1", ["0" * 40, "x", "0" * 39])
def test_a_weak_digest_must_match(tmp_path: Path, sha1: str) -> None:
    (tmp_path / "a").write_text("a")
    with pytest.raises(file_digests.DigestDiffers, match="differs from the lock"):
        _digests({(tmp_path / "a").as_uri(): sha1})


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_digests, "MAX_FILES", 2)
    with pytest.raises(file_digests.DigestDiffers, match="too many files"):
        _digests({f"file:///{n}": "" for n in range(3)})
