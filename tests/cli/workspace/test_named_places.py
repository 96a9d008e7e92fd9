"""Test which caches and mirrors a project may name, since it may come from anybody."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from fpack.builders.mirrors.addresses import BadMirror
from fpack.cli.workspace.caches.confirmed_addresses import CACHES, MIRRORS
from fpack.cli.workspace.kept.places import kept_places, project_address


@pytest.mark.parametrize(
    "text", ["registry.example/kept", "oci://registry.example/kept", "https://mirror.example/kept"]
)
def test_a_project_names_registries_and_servers(tmp_path: Path, text: str) -> None:
    assert project_address(text, tmp_path) == text


@pytest.mark.parametrize(
    "text", ["s3://bucket/kept", "http://localhost:80/kept", "file:///etc", "./../etc", "/etc", "~/kept", "ftp://a.b/c"]
)
def test_a_project_names_no_files_outside_and_nothing_that_uses_logins_of_its_user(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadMirror):
        project_address(text, tmp_path)


def test_the_command_to_confirm_a_cache_runs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user copies it into a shell."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    address = "https://cache.example/$(touch evil);echo x"
    assert CACHES.among([address], []) == []
    command = capsys.readouterr().err.partition("not confirmed: ")[2]
    assert shlex.split(command) == ["fpack", "cache", "trust", address]


def test_a_mirror_of_a_project_is_asked_after_its_user_confirmed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would see the files and the address of whoever builds the project, and get the login for its registry."""
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "kept").mkdir()
    (tmp_path / "fpack.fp").write_text('mirrors = ["registry.example/kept", "./kept"]\n')

    def addresses(option: str | None = None) -> list[str]:
        places = kept_places(option, tmp_path)
        return [place.address for place in places.places] if places is not None else []

    own = (tmp_path / "kept").as_uri()
    assert addresses() == [own]
    assert "fpack mirror trust registry.example/kept" in capsys.readouterr().err
    assert addresses("kept=registry.example/kept") == ["registry.example/kept", own]
    MIRRORS.confirm(["registry.example/kept"])
    assert addresses() == ["registry.example/kept", own]
    MIRRORS.confirm(["registry.example/kept"], False)
    assert addresses() == [own]
