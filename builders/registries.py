"""Where the packages of other ecosystems are had: what their own tools are configured for on this machine.

No address of a registry stands in this file: pip and npm know theirs, and their users may have named others.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from shutil import which
from urllib.parse import unquote, urlsplit

SECONDS = 30
_SETTING = re.compile(r"^(?P<name>[^=\s]+)='(?P<value>.*)'$")
_DEFAULT = re.compile(r"--index-url <url>.*?\(default\s+(\S+?)\)")


@cache
def pip_indexes() -> tuple[str, ...]:
    """The indexes of Python packages that pip asks, best first, without a slash at the end."""
    settings = _pip_settings()
    first = settings.get("index-url", "") or _pip_default()
    return tuple(
        dict.fromkeys(url.rstrip("/") for url in [*first.split(), *settings.get("extra-index-url", "").split()])
    )


@cache
def pip_folders() -> tuple[str, ...]:
    """The directories on this machine in which pip looks for files of packages."""
    found = _pip_settings().get("find-links", "").split()
    places = [unquote(urlsplit(each).path) if each.startswith("file:") else each for each in found]
    return tuple(place for place in places if os.path.isdir(place))


@cache
def npm_registry() -> str | None:
    """The registry that npm asks, without a slash at the end; None where there is no npm."""
    npm = which("npm")
    found = _output([npm, "config", "get", "registry"]).strip() if npm else ""
    return found.rstrip("/") if re.match(r"https?://", found) else None


def settings_of(listing: str) -> dict[str, str]:
    """What `pip config list` prints, by name without its section; variables of the environment decide."""
    found: dict[str, str] = {}
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        match = _SETTING.match(line.strip())
        if match:
            found[match["name"].rpartition(".")[2]] = match["value"].replace("\\n", " ")
    return found


def default_of(text: str) -> str:
    """The index that pip's help names as its own."""
    match = _DEFAULT.search(" ".join(text.split()))
    return match[1] if match else ""


@cache
def _pip_settings() -> dict[str, str]:
    return settings_of(_output([*_pip(), "config", "list"]))


def _pip_default() -> str:
    return default_of(_output([*_pip(), "download", "--help"]))


def _pip() -> list[str]:
    pip = which("pip") or which("pip3")
    return [pip] if pip else [sys.executable, "-m", "pip"]


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""
