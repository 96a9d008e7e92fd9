"""What a project may name: caches and mirrors. It may come from anybody."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from fpack.builders.mirrors.addresses import BadMirror
from fpack.cli.workspace.caches import opener
from fpack.cli.workspace.kept.places import project_address


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
    assert opener._confirmed([address]) == []
    command = capsys.readouterr().err.partition("not confirmed: ")[2]
    assert shlex.split(command) == ["fpack", "cache", "trust", address]
