"""Where the packages of other ecosystems are had: what their own tools are configured for on this machine.

No address of a registry stands in this file: pip, npm and Go know theirs, and their users may have named others, by
files in their homes or by variables. What a project's own files say is not asked for: they may be a stranger's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from fpack.store import processes

from .origins import is_local

SECONDS = 30
_MENTIONED = re.compile(r"\$\{(\w+)\??\}")
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
    return tuple(os.path.abspath(place) for place in places if os.path.isdir(place))


@cache
def npm_registry() -> str | None:
    """The registry that npm asks, without a slash at the end; None where there is no npm."""
    found = _output("npm", ["config", "get", "registry"], sorted(_npm_variables())).strip()
    return found.rstrip("/") if re.match(r"https?://", found) else None


class GoProxies(NamedTuple):
    """Where a Go module is looked for, in this order. places: proxies without a slash at the end, and of each whether
    any failure leads to the next, not only that it has no such module. why: what was left out, where nothing is left.
    """

    places: tuple[tuple[str, bool], ...]
    why: str


def go_proxies(module: str, defaults: str) -> GoProxies:
    """The proxies of a module. defaults: the text of Go's own settings, go.env, for what this machine does not say."""
    own = _go_settings()
    settings = {**variables_of(defaults), **own}
    private = settings.get("GONOPROXY") or settings.get("GOPRIVATE") or ""
    if is_private(module, private):
        return GoProxies((), f"GONOPROXY or GOPRIVATE is {private}, so it comes from its own repository alone")
    found = proxies_of(settings.get("GOPROXY", ""))
    if "GOPROXY" in own:
        return found
    # A root's settings come from the project, which may not name files of this machine.
    return found._replace(places=tuple(place for place in found.places if not is_local(place[0])))


def proxies_of(setting: str) -> GoProxies:
    """The proxies that GOPROXY names up to `off`. `direct`, a module's own repository, is none."""
    found = []
    for word, separator in re.findall(r"\s*([^,|]+?)\s*([,|]|$)", setting):
        if word == "off":
            break
        if word != "direct":
            found.append((word.rstrip("/"), separator == "|"))
    why = f"GOPROXY is {setting}" if setting else "GOPROXY is not set, and Go, which knows its own, is not there"
    return GoProxies(tuple(found), why)


def is_private(module: str, patterns: str) -> bool:
    """Whether one of GOPRIVATE's patterns, separated by commas, fits a module's path or what it begins with."""
    parts = module.split("/")
    words = [pattern.strip().rstrip("/") for pattern in patterns.split(",") if pattern.strip()]
    heads = [(word, parts[: word.count("/") + 1]) for word in words]
    # No sign of a pattern stands for a slash, so each part is compared with its own.
    return any(
        len(head) == word.count("/") + 1 and all(map(fnmatchcase, head, word.split("/"))) for word, head in heads
    )


def variables_of(listing: str) -> dict[str, str]:
    """The variables of a file go.env or go/env, and of what `go env` prints."""
    lines = (line.strip().partition("=") for line in listing.splitlines() if not line.lstrip().startswith("#"))
    return {name: value.strip("'\"") for name, sign, value in lines if sign}


@cache
def _go_settings() -> dict[str, str]:
    """What this machine's Go is set to; without one, what it would read: the environment, and the user's file."""
    names = ("GOPROXY", "GONOPROXY", "GOPRIVATE")
    found = _output("go", ["env", *names]).splitlines()
    if len(found) == len(names):
        return {name: value for name, value in zip(names, found, strict=True) if value}
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    file = Path(os.environ.get("GOENV") or f"{config}/go/env")
    try:
        own = variables_of(file.read_text("utf-8", "replace"))
    except OSError:
        own = {}
    known = {name: os.environ.get(name) or own.get(name, "") for name in names}
    return {name: value for name, value in known.items() if value}


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
    return settings_of(_output("pip", ["config", "list"]))


def _pip_default() -> str:
    return default_of(_output("pip", ["download", "--help"]))


def _npm_variables() -> Iterator[str]:
    """The names of the variables that the user's own settings of npm mention, for npm to put in their place."""
    named = next((value for name, value in os.environ.items() if name.lower() == "npm_config_userconfig"), "")
    try:
        text = Path(named if named.startswith("/") else os.path.expanduser("~/.npmrc")).read_text("utf-8", "replace")
    except OSError:
        return
    yield from _MENTIONED.findall(text)


def _output(name: str, words: Sequence[str], more: Sequence[str] = ()) -> str:
    """What a tool says; "" where there is none, or where it fails."""
    try:
        done = processes.run(name, words, seconds=SECONDS, more=more)
    except OSError:
        return ""
    return done.output.decode("utf-8", "replace") if done.status == 0 else ""
