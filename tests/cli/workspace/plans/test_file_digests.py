"""Digests of files that a project's lock names without a SHA-256: recorded once, and moved from older files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fpack.builders.debian.lock.records import Lock
from fpack.builders.debian.lock.text import format_lock, parse_lock
from fpack.cli.workspace.plans.file_digests import delete_moved, plan
from fpack.cli.workspace.plans.package_answers import PackageAnswers
from fpack.store.errors import FpackError

URL, SHA1 = "https://example.org/a.zip", "1" * 40
NEW, OLD = "a" * 64, "b" * 64


class Asker:
    """A project whose lock lacks digests. asked: the files that were downloaded."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.source = SimpleNamespace(lock=Lock(), frozen=False, file=SimpleNamespace(path=directory / "fpack.lock"))
        self.answers = PackageAnswers(lambda: self.source, lambda _: None)  # type: ignore[arg-type,return-value]
        self.asked: list[str] = []

    def fetch(self, files: Mapping[str, str]) -> dict[str, str]:
        self.asked += files
        return dict.fromkeys(files, NEW)

    def __call__(self, files: Mapping[str, str], older: str = "", of: str = "x", named: bool = False) -> dict[str, str]:
        given = {"files": files, "what": "gems", "of": of, "named": named, "root": str(self.directory)}
        path = str(self.directory / older) if older else ""
        return plan({**given, "older": path}, self.answers, self.fetch)

    def older(self, files: Mapping[str, str], **more: Any) -> str:
        (self.directory / "gems.lock").write_text(json.dumps({"files": files, "format": 1, "of": "x", **more}))
        return "gems.lock"


@pytest.fixture
def ask(tmp_path: Path) -> Asker:
    return Asker(tmp_path)


def test_a_digest_is_asked_once_and_kept_by_the_lock(ask: Asker) -> None:
    assert ask({URL: SHA1, "gem:https://a//b.gem": ""}) == {URL: NEW, "gem:https://a//b.gem": NEW}
    ask.source.lock = parse_lock(format_lock(ask.source.lock))
    assert ask({URL: SHA1}) == {URL: NEW} and ask.asked == [URL, "gem:https://a//b.gem"]
    # A file of another SHA-1 is another one.
    ask({URL: "2" * 40})
    assert ask.asked[2:] == [URL]


@pytest.mark.parametrize("url", ["https://me:pass@example.org/a.zip", "gem:https://me:pass@example.org//a.gem"])
def test_the_lock_has_no_password(ask: Asker, url: str) -> None:
    assert ask({url: ""}) == {url: NEW} and ask.asked == [url]
    assert "pass" not in format_lock(ask.source.lock) and "example.org" in format_lock(ask.source.lock)


def test_a_frozen_lock_asks_nothing(ask: Asker) -> None:
    ask.source.frozen = True
    with pytest.raises(FpackError, match="does not have the SHA-256 of 1 file .gems."):
        ask({URL: ""})
    assert ask({URL: ""}, ask.older({URL: OLD})) == {URL: OLD} and not ask.asked


def test_an_older_file_is_read(ask: Asker) -> None:
    assert ask({URL: SHA1}, ask.older({URL: OLD}, of="y")) == {URL: OLD}
    assert not ask.asked and not ask.source.lock.answers and not delete_moved(ask.answers)
    assert (ask.directory / "gems.lock").exists()


def test_an_older_file_moves(ask: Asker) -> None:
    ask.answers.moves = True
    assert ask({URL: SHA1}, ask.older({URL: OLD})) == {URL: OLD}
    assert delete_moved(ask.answers) == [ask.directory / "gems.lock"] and not (ask.directory / "gems.lock").exists()
    assert ask({URL: SHA1}) == {URL: OLD} and not ask.asked


def test_what_was_recorded_for_another_lock_is_asked_again_if_a_weak_digest_can_differ(ask: Asker) -> None:
    ask.answers.moves = True
    files = {URL: OLD, "https://b/b.gem": OLD}
    assert ask({URL: SHA1, "https://b/b.gem": ""}, ask.older(files, of="y")) == {URL: NEW, "https://b/b.gem": OLD}
    assert ask.asked == [URL]


def test_a_file_that_the_user_named_comes_first_and_stays(ask: Asker) -> None:
    ask({URL: SHA1})
    ask.answers.moves = True
    other = "https://example.org/b.zip"
    assert ask({URL: SHA1, other: SHA1}, ask.older({URL: OLD}), named=True) == {URL: OLD, other: NEW}
    assert not delete_moved(ask.answers) and (ask.directory / "gems.lock").exists()


def test_a_file_outside_of_the_project_stays(ask: Asker, tmp_path: Path) -> None:
    ask.answers.moves = True
    ask.source.file.path = tmp_path / "other" / "fpack.lock"
    assert ask({URL: ""}, ask.older({URL: OLD})) == {URL: OLD}
    assert not delete_moved(ask.answers) and not ask.source.lock.answers


def test_two_records_that_differ_are_an_error(ask: Asker) -> None:
    ask({URL: SHA1})
    with pytest.raises(FpackError, match="Two records of a file differ"):
        ask({URL: SHA1}, ask.older({URL: OLD}))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"files": []}', '{"files": {"u": "x"}}', "[" * 9999])
def test_a_damaged_older_file_is_an_error(ask: Asker, text: str) -> None:
    (ask.directory / "gems.lock").write_text(text)
    with pytest.raises(FpackError, match=r"gems.lock is damaged"):
        ask({URL: ""}, "gems.lock")


@pytest.mark.parametrize("item", ['{"sha256":"x"}', '{"sha256":7}', "{}"])
def test_a_damaged_answer_is_an_error(ask: Asker, item: str) -> None:
    ask({URL: ""})
    ask.source.lock.answers = dict.fromkeys(ask.source.lock.answers, (item,))
    with pytest.raises(FpackError, match="The lock has a damaged answer"):
        ask({URL: ""})
