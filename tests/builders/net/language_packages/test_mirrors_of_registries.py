"""Mirrors of Maven's repositories and of sources of gems, as the user's settings name them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.net.errors import BadUrl
from fpack.builders.net.language_packages import maven, rubygems
from fpack.builders.net.language_packages.maven import CENTRAL, MavenMirror

SETTINGS = (
    '<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0"><mirrors><mirror><id>m</id>'
    "<mirrorOf>central, !x</mirrorOf><url>https://m.example.org/${{env.REPO}}</url></mirror>{}</mirrors></settings>"
)
OTHER = "https://r.example.org/x"


def _urls(repository: str, *mirrors: MavenMirror) -> list[str]:
    return maven.urls(f"maven:{repository}//a/b/c.jar", lambda: mirrors)


def test_a_mirror_of_a_repository() -> None:
    central, every = MavenMirror(["central"], "https://m/"), MavenMirror(["*", "!central"], "file:///srv")
    assert _urls(CENTRAL) == [f"{CENTRAL}/a/b/c.jar"]
    assert _urls(CENTRAL, every, central) == ["https://m/a/b/c.jar"]
    assert _urls(OTHER, central) == [f"{OTHER}/a/b/c.jar"]
    assert _urls(OTHER, central, every) == ["file:///srv/a/b/c.jar"]


def test_settings_of_maven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPO", "maven2")
    assert maven.parse(SETTINGS.format("")) == (MavenMirror(["central", "!x"], "https://m.example.org/maven2"),)
    for text in ("", "<settings", f"<!DOCTYPE x>{SETTINGS}"):
        with pytest.raises(ValueError):
            maven.parse(text)


@pytest.mark.parametrize("address", ["file:///etc//passwd", "https://x/a", "https://x//../a", "//a", ""])
def test_what_is_no_file_of_a_repository(address: str) -> None:
    with pytest.raises(BadUrl):
        maven.urls(f"maven:{address}", tuple)


def test_a_mirror_of_gems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text('---\nBUNDLE_MIRROR__HTTPS://RUBYGEMS__ORG/: "https://m.example.org"\nBUNDLE_JOBS: "4"\n')
    monkeypatch.setenv("BUNDLE_USER_CONFIG", str(config))
    rubygems.user_mirrors.cache_clear()
    try:
        mirrors = rubygems.user_mirrors()
    finally:
        rubygems.user_mirrors.cache_clear()
    assert rubygems.urls("gem:https://rubygems.org//a-1.gem", mirrors) == ["https://m.example.org/gems/a-1.gem"]
    assert rubygems.urls("gem:https://own.example.org//a-1.gem", mirrors) == ["https://own.example.org/gems/a-1.gem"]


@pytest.mark.parametrize("address", ["https://x//../a.gem", "https://x/a.gem", "file:///x//a.gem", "https://x//a.zip"])
def test_what_is_no_gem(address: str) -> None:
    with pytest.raises(BadUrl):
        rubygems.urls(f"gem:{address}", {})
