"""Test invalid responses: each results in a download or an HttpError, never in another exception."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from fpack.builders.net.errors import HttpError, Refused
from fpack.builders.net.http import Http
from support.servers.hostile_answers import ANSWERS, answering


@pytest.mark.parametrize("what", list(ANSWERS))
def test_no_answer_is_a_fault(tmp_path: Path, what: str) -> None:
    http = Http(timeout=2, retries=1, backoff=0.01, environ={})
    wrong = hashlib.sha256(b"another").hexdigest()
    with answering(ANSWERS[what]) as url:
        try:
            assert len(http.get([url], limit=1000)[1]) <= 1000
        except HttpError as error:
            assert error.what and len(error.why) < 1000 and "\n" not in error.why
        for begun in (b"", b"ab"):
            (tmp_path / "part").write_bytes(begun)
            with pytest.raises(HttpError):
                http.download([url], tmp_path / "part", size=3, sha256=wrong)


def test_only_files_are_downloaded_from_this_machine(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(Refused):
            Http().get([place.as_uri()], limit=1000)
