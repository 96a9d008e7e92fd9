"""Digests of files that a lock names without a SHA-256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from fpack.builders.kinds import digests
from fpack.builders.net.http import Http
from fpack.builders.protocol import BuildError
from support.task import FakeStore


def _build(tmp_path: Path, files: dict[str, str]) -> dict[str, str]:
    store = FakeStore(tmp_path / "root")
    builder = digests.DigestsBuilder(Http(), lambda url: [url])
    found: dict[str, str] = json.loads(store.disk(store.build(builder, "lock", {"files": files})).read_text())["files"]
    return found


def test_each_file_has_its_digest(tmp_path: Path) -> None:
    urls = {}
    for name in "abc":
        (tmp_path / name).write_text(name)
        urls[(tmp_path / name).as_uri()] = hashlib.sha1(name.encode()).hexdigest() if name != "c" else ""
    assert _build(tmp_path, urls) == {url: hashlib.sha256(url[-1].encode()).hexdigest() for url in urls}


@pytest.mark.parametrize("sha1", ["0" * 40, "x", "0" * 39])
def test_a_weak_digest_must_match(tmp_path: Path, sha1: str) -> None:
    (tmp_path / "a").write_text("a")
    with pytest.raises(BuildError, match="differs from the lock"):
        _build(tmp_path, {(tmp_path / "a").as_uri(): sha1})


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "MAX_FILES", 2)
    with pytest.raises(BuildError, match="too many files"):
        _build(tmp_path, {f"file:///{n}": "" for n in range(3)})
