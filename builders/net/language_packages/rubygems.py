"""Find where Bundler downloads a gem from: the source of Gemfile.lock, or the mirror that the user's settings have."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from fpack.builders.net.errors import BadUrl

SCHEME = "gem:"
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.gem\Z")
_PREFIX = "BUNDLE_MIRROR__"
_SETTING = re.compile(r"(BUNDLE_MIRROR__\S+?):\s+[\"']?([^\"'\s]+)")


def urls(url: str, mirrors: Mapping[str, str]) -> list[str]:
    """Return the URLs of a gem, given as `gem:SOURCE//NAME-VERSION.gem`. SOURCE is an address of Gemfile.lock."""
    source, separator, file = url.removeprefix(SCHEME).rpartition("//")
    if not separator or not source.startswith(("https://", "http://")) or not _FILE.match(file):
        raise BadUrl("This is not the address of a gem", where=url[:200])
    name = _plain(source)
    base = mirrors.get(name) or mirrors.get("all") or source
    return [f"{base.rstrip('/')}/gems/{file}"]


@cache
def user_mirrors() -> dict[str, str]:
    """Return the mirrors in the settings of Bundler on this machine, by source without slashes at its end."""
    path = Path(os.environ.get("BUNDLE_USER_CONFIG") or os.path.expanduser("~/.bundle/config"))
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        text = ""
    found = [*_SETTING.findall(text), *((k, v) for k, v in os.environ.items() if k.startswith(_PREFIX))]
    return {_decoded(key): value for key, value in found}


def _decoded(key: str) -> str:
    """Return the source that a setting is for. Bundler writes `__` for a dot and `___` for a dash."""
    name = key.removeprefix(_PREFIX).replace("___", "-").replace("__", ".").lower()
    return _plain(name.removesuffix(".fallback_timeout"))


def _plain(source: str) -> str:
    return source.lower().rstrip("/")
