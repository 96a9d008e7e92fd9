"""Find the package registries of pip, npm and Go by asking these tools for their configuration on this machine.

This file contains no registry addresses: the tools know their defaults, and users configure others in their home
directories or by environment variables. Configuration files of a project are ignored, since it may not be trusted.
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

from fpack.builders.net.origins import is_local
from fpack.store import processes
from fpack.xdg import base_directory

SECONDS = 30  # until the tool must have answered
_MENTIONED = re.compile(r"\$\{(\w+)\??\}")
_SETTING = re.compile(r"^(?P<name>[^=\s]+)='(?P<value>.*)'$")
_DEFAULT = re.compile(r"--index-url <url>.*?\(default\s+(\S+?)\)")


@cache
def pip_indexes() -> tuple[str, ...]:
    """Return the package indexes that pip uses, best first, without a trailing slash."""
    settings = _pip_settings()
    first = settings.get("index-url", "") or default_of(_output("pip", ["download", "--help"]))
    return tuple(
        dict.fromkeys(url.rstrip("/") for url in [*first.split(), *settings.get("extra-index-url", "").split()])
    )


@cache
def pip_directories() -> tuple[str, ...]:
    """Return the local directories in which pip looks for packages."""
    links = _pip_settings().get("find-links", "").split()
    paths = [unquote(urlsplit(link).path) if link.startswith("file:") else link for link in links]
    return tuple(os.path.abspath(path) for path in paths if os.path.isdir(path))


@cache
def pip_constraints() -> tuple[str, ...]:
    """Return the constraint files that pip uses, as absolute paths."""
    return tuple(os.path.abspath(path) for path in _pip_settings().get("constraint", "").split())


@cache
def npm_registry() -> str | None:
    """Return the registry that npm uses, without a trailing slash; None if npm is not installed."""
    found = _output("npm", ["config", "get", "registry"], sorted(_npm_variables())).strip()
    return found.rstrip("/") if re.match(r"https?://", found) else None


class GoProxies(NamedTuple):
    """The proxies to try for a Go module, in order.

    proxies: (URL without a trailing slash, fallthrough). fallthrough: try the next proxy after any failure, not only if
    the module was not found. why: the reason if there are no proxies.
    """

    proxies: tuple[tuple[str, bool], ...]
    why: str


def go_proxies(module: str, defaults: str) -> GoProxies:
    """Return the proxies for a module. defaults: the text of Go's go.env, for settings missing on this machine."""
    own = _go_settings()
    settings = {**variables_of(defaults), **own}
    private = settings.get("GONOPROXY") or settings.get("GOPRIVATE") or ""
    if is_private(module, private):
        return GoProxies((), f"GONOPROXY or GOPRIVATE is {private}, so the module comes only from its own repository")
    found = proxies_of(settings.get("GOPROXY", ""))
    if "GOPROXY" in own:
        return found
    # `defaults` comes from the project's root, and a project must not name files of this machine.
    return found._replace(proxies=tuple(proxy for proxy in found.proxies if not is_local(proxy[0])))


def proxies_of(setting: str) -> GoProxies:
    """Return the proxies listed by GOPROXY up to `off`. `direct`, the module's own repository, is skipped."""
    found = []
    for word, separator in re.findall(r"\s*([^,|]+?)\s*([,|]|$)", setting):
        if word == "off":
            break
        if word != "direct":
            found.append((word.rstrip("/"), separator == "|"))
    why = f"GOPROXY is {setting}" if setting else "GOPROXY is not set, and Go is not installed"
    return GoProxies(tuple(found), why)


def is_private(module: str, patterns: str) -> bool:
    """Return whether a comma-separated GOPRIVATE pattern matches a module path or a path prefix of it."""
    parts = module.split("/")
    words = [pattern.strip().rstrip("/") for pattern in patterns.split(",") if pattern.strip()]
    heads = [(word, parts[: word.count("/") + 1]) for word in words]
    # No wildcard matches a slash, so paths are compared component by component.
    return any(
        len(head) == word.count("/") + 1 and all(map(fnmatchcase, head, word.split("/"))) for word, head in heads
    )


def variables_of(listing: str) -> dict[str, str]:
    """Parse the variables of a go.env file or of the output of `go env`."""
    lines = (line.strip().partition("=") for line in listing.splitlines() if not line.lstrip().startswith("#"))
    return {name: value.strip("'\"") for name, sign, value in lines if sign}


@cache
def _go_settings() -> dict[str, str]:
    """Return this machine's Go settings: from `go env`, else from the environment and the user's go/env file."""
    names = ("GOPROXY", "GONOPROXY", "GOPRIVATE")
    found = _output("go", ["env", *names]).splitlines()
    if len(found) == len(names):
        return {name: value for name, value in zip(names, found, strict=True) if value}
    file = Path(os.environ.get("GOENV") or f"{base_directory('CONFIG')}/go/env")
    try:
        own = variables_of(file.read_text("utf-8", "replace"))
    except OSError:
        own = {}
    known = {name: os.environ.get(name) or own.get(name, "") for name in names}
    return {name: value for name, value in known.items() if value}


def settings_of(listing: str) -> dict[str, str]:
    """Parse the output of `pip config list` by name without section. Environment variables take precedence."""
    found: dict[str, str] = {}
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        match = _SETTING.match(line.strip())
        if match:
            found[match["name"].rpartition(".")[2]] = match["value"].replace("\\n", " ")
    return found


def default_of(text: str) -> str:
    """Return the default index named in pip's help text, or ""."""
    match = _DEFAULT.search(" ".join(text.split()))
    return match[1] if match else ""


@cache
def _pip_settings() -> dict[str, str]:
    return settings_of(_output("pip", ["config", "list"]))


def _npm_variables() -> Iterator[str]:
    """Yield the environment variables that the user's .npmrc refers to; npm needs them to expand the file."""
    named = next((value for name, value in os.environ.items() if name.lower() == "npm_config_userconfig"), "")
    try:
        text = Path(named if named.startswith("/") else os.path.expanduser("~/.npmrc")).read_text("utf-8", "replace")
    except OSError:
        return
    yield from _MENTIONED.findall(text)


def _output(name: str, words: Sequence[str], more: Sequence[str] = ()) -> str:
    """Return a tool's output; "" if the tool is missing or fails."""
    try:
        done = processes.run(name, words, seconds=SECONDS, more=more)
    except OSError:
        return ""
    return done.output.decode("utf-8", "replace") if done.status == 0 else ""
