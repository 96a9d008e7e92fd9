"""Test that the user's configuration of pip and npm, in files and variables, applies in any directory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from fpack.builders.net.language_packages import tool_settings

OWN = "https://own.example.org/simple"
SYSTEM = "/usr/bin:/bin"
PIPS = {"of fpack's Python": "", "of the system": SYSTEM}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Set up a user without configuration, in a project with configuration files."""
    for name in list(os.environ):
        if name.upper().startswith(("PIP_", "NPM_", "XDG_")):
            monkeypatch.delenv(name)
    project, place = tmp_path / "project", tmp_path / "home"
    place.mkdir()
    project.mkdir()
    (project / ".npmrc").write_text("registry=https://project.example.org\n")
    (project / "pip.conf").write_text("[global]\nindex-url = https://project.example.org\n")
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.chdir(project)
    _forget()
    yield place
    _forget()


def _forget() -> None:
    for each in (
        tool_settings.pip_indexes,
        tool_settings.pip_directories,
        tool_settings.npm_registry,
        tool_settings._pip_settings,
    ):
        each.cache_clear()


@pytest.fixture(params=PIPS)
def pip(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    path = PIPS[request.param]
    if not (shutil.which("pip", path=path) if path else find_spec("pip")):
        pytest.skip("pip is not installed")
    monkeypatch.setenv("PATH", path)


@pytest.mark.parametrize("place", [".config/pip/pip.conf", ".pip/pip.conf"])
def test_a_users_file_of_pip(pip: None, home: Path, place: str) -> None:
    (home / place).parent.mkdir(parents=True)
    wheels = home / "wheels"
    wheels.mkdir()
    (home / place).write_text(
        f"[global]\nindex-url = {OWN}/\nextra-index-url = https://more.example.org\nfind-links = {wheels}\n"
    )
    assert tool_settings.pip_indexes() == (OWN, "https://more.example.org")
    assert str(wheels) in tool_settings.pip_directories()


@pytest.mark.parametrize("name", ["PIP_CONFIG_FILE", "XDG_CONFIG_HOME", "PIP_INDEX_URL"])
def test_variables_of_pip(pip: None, home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (home / "pip").mkdir()
    (home / "pip/pip.conf").write_text(f"[global]\nindex-url = {OWN}\n")
    values = {"PIP_CONFIG_FILE": str(home / "pip/pip.conf"), "XDG_CONFIG_HOME": str(home), "PIP_INDEX_URL": OWN}
    monkeypatch.setenv(name, values[name])
    assert tool_settings.pip_indexes()[0] == OWN


def test_a_relative_directory_is_the_users(pip: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable is set by the user; files in the directory are checked by their hashes."""
    Path("wheels").mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", "wheels")
    assert tool_settings.pip_directories() == (str(Path("wheels").absolute()),)


needs_npm = pytest.mark.skipif(shutil.which("npm", path=SYSTEM) is None, reason="npm is not installed")


@needs_npm
@pytest.mark.parametrize("text", ["registry=https://own.example.org/npm/", "registry=https://${TEAM}/npm"])
def test_a_users_file_of_npm(home: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TEAM", "own.example.org")
    (home / ".npmrc").write_text(f"//own.example.org/:_authToken=${{TOKEN}}\n{text}\n")
    assert tool_settings.npm_registry() == "https://own.example.org/npm"


@needs_npm
@pytest.mark.parametrize("name", ["NPM_CONFIG_REGISTRY", "npm_config_registry", "NPM_CONFIG_USERCONFIG"])
def test_variables_of_npm(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("TEAM", "own.example.org")
    (home / "other").write_text("registry=https://${TEAM}/npm\n")
    monkeypatch.setenv(name, str(home / "other") if "USER" in name else "https://own.example.org/npm")
    assert tool_settings.npm_registry() == "https://own.example.org/npm"


def test_without_npm_there_is_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert tool_settings.npm_registry() is None
