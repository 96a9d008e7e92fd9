"""Find where cargo downloads crates from: the registry of Cargo.lock, or what replaces it in the user's cargo settings.

Settings are read from `config.toml` in CARGO_HOME (by default ~/.cargo) and from the variables
CARGO_REGISTRIES_NAME_INDEX. Those of a project are ignored, since it may not be trusted.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from fpack import strict_toml
from fpack.builders.net.errors import BadUrl, HttpError
from fpack.builders.net.origins import is_local

SCHEME = "cargo:"
INDEX_SCHEME = "cargo-index:"
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"
CRATES_IO_INDEX = "sparse+https://index.crates.io/"
MAX_CONFIG = 1 << 16  # bytes
_REPLACEMENTS = 10  # of one registry by another
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\Z")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,127}\Z")
_MARKERS = ("{crate}", "{version}", "{prefix}", "{lowerprefix}", "{sha256-checksum}")
_HINT = "cargo vendor puts the crates into vendor/, where they need no registry"


class CargoRegistry(NamedTuple):
    """A source of crates. sparse: `sparse+URL`, or "". directory: a local registry of .crate files, or "".

    trusted: the user's settings name it.
    """

    sparse: str
    directory: str
    trusted: bool


class Cargo:
    """The registries of cargo. get: downloads a small file from a URL."""

    def __init__(self, get: Callable[[str], bytes], settings: Callable[[], Mapping[str, Any]] | None = None) -> None:
        self._get = get
        self._settings = settings or user_settings
        self._templates: dict[str, str] = {}

    def urls(self, url: str) -> list[str]:
        """Return the URLs of a crate, given as `cargo:SOURCE/NAME/VERSION/SHA256/NAME-VERSION.crate`.

        SOURCE is a source of Cargo.lock.
        """
        try:
            source, name, version, sha256, _ = url.removeprefix(SCHEME).rsplit("/", 4)
        except ValueError:
            source = name = version = sha256 = ""
        if not (_NAME.match(name) and _VERSION.match(version)):
            raise BadUrl("The name or the version of a crate is invalid", where=url[:200])
        registry = registry_of(source, self._settings())
        if registry.directory:
            return [Path(registry.directory, f"{name}-{version}.crate").as_uri()]
        template = self._template(registry)
        return [download_url(template, name, version, sha256)]

    def index_urls(self, url: str) -> list[str]:
        """Return the URLs of a file of an index, given as `cargo-index:SOURCE//PATH`."""
        source, _, path = url.removeprefix(INDEX_SCHEME).rpartition("//")
        registry = registry_of(source, self._settings())
        if registry.directory:
            return [Path(registry.directory, "index", path).as_uri()]
        return [f"{_index(registry)}/{path}"]

    def _template(self, registry: CargoRegistry) -> str:
        """Return the download URL of a registry, from its config.json."""
        index = _index(registry)
        if index not in self._templates:
            where = f"{index}/config.json"
            try:
                data = json.loads(self._get(where))
            except (ValueError, RecursionError):
                data = None
            template = data.get("dl") if isinstance(data, dict) else None
            if not isinstance(template, str) or not re.match(r"(https?|file)://", template):
                raise HttpError("The registry of a crate has no download URL", where=where, hint=_HINT)
            if is_local(template) and not is_local(index):
                raise BadUrl(
                    "The download URL of a registry names files of this machine", where=where, why=template[:200]
                )
            self._templates[index] = template
        return self._templates[index]


def _index(registry: CargoRegistry) -> str:
    """Return the URL of the index of a registry, without a slash at its end."""
    index = registry.sparse.removeprefix("sparse+").rstrip("/")
    if not registry.trusted and is_local(index):
        raise BadUrl("A crate comes from files outside the project", where=index, hint=_HINT)
    return index


def registry_of(source: str, settings: Mapping[str, Any]) -> CargoRegistry:
    """Return the registry of a source of Cargo.lock, after the replacements in the user's settings.

    Raise BadUrl if it cannot be downloaded from.
    """
    sources, registries = _tables(settings, "source"), _tables(settings, "registries")
    address = source.removeprefix("registry+")
    named = [key for key, table in sources.items() if _same(str(table.get("registry", "")), address)]
    named += [key for key, table in registries.items() if _same(str(table.get("index", "")), address)]
    name = "crates-io" if source in (CRATES_IO, CRATES_IO_INDEX) else named[0] if named else ""
    index, trusted = address, False
    for _ in range(_REPLACEMENTS):
        table = sources.get(name, {}) if name else {}
        replaced = table.get("replace-with")
        if isinstance(replaced, str) and replaced != name:
            name, trusted = replaced, True
            index = str(sources.get(name, {}).get("registry") or registries.get(name, {}).get("index") or "")
            if not index and name == "crates-io":
                index = CRATES_IO_INDEX
            continue
        for key in ("local-registry", "directory"):
            if isinstance(table.get(key), str):
                if key == "directory":
                    raise BadUrl(
                        "The crates of a directory source have no archives",
                        where=f"[source.{name}] in cargo's settings",
                        hint=_HINT,
                    )
                return CargoRegistry("", os.path.expanduser(table[key]), True)
        break
    else:
        raise BadUrl("The sources in cargo's settings replace each other", where=f"[source.{name}]")
    if index == CRATES_IO.removeprefix("registry+"):
        index = CRATES_IO_INDEX
    if not index.startswith("sparse+"):
        raise BadUrl(
            "The index of a crate's registry is a git repository",
            where=index[:200],
            why="fpack downloads from registries with a sparse index",
            hint=f'replace it in ~/.cargo/config.toml with a registry = "sparse+https://...", or: {_HINT}',
        )
    return CargoRegistry(index, "", trusted)


def download_url(template: str, name: str, version: str, sha256: str) -> str:
    """Return the URL of a crate (https://doc.rust-lang.org/cargo/reference/registry-index.html#index-configuration)."""
    if not any(marker in template for marker in _MARKERS):
        template = template.rstrip("/") + "/{crate}/{version}/download"
    values = (name, quote(version, safe=""), prefix_of(name), prefix_of(name.lower()), sha256)
    for marker, value in zip(_MARKERS, values, strict=True):
        template = template.replace(marker, value)
    return template


def prefix_of(name: str) -> str:
    """Return the directory of a crate in an index."""
    if len(name) <= 2:
        return str(len(name))
    return f"3/{name[0]}" if len(name) == 3 else f"{name[:2]}/{name[2:4]}"


def user_settings() -> dict[str, Any]:
    """Return cargo's settings on this machine, or nothing if there are none."""
    home = os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo")
    settings: dict[str, Any] = {}
    for name in ("config", "config.toml"):
        try:
            settings = strict_toml.parse(Path(home, name).read_text("utf-8"))
            break
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise BadUrl("The settings of cargo cannot be read", where=f"{home}/{name}", why=str(error)) from None
    registries = dict(_tables(settings, "registries"))
    for key, value in os.environ.items():
        if found := re.fullmatch(r"CARGO_REGISTRIES_(\w+)_INDEX", key):
            name = next((n for n in registries if n.upper().replace("-", "_") == found[1]), found[1].lower())
            registries[name] = {**registries.get(name, {}), "index": value}
    return {**settings, "registries": registries}


def _same(one: str, other: str) -> bool:
    return bool(one) and one.removeprefix("registry+").rstrip("/") == other.rstrip("/")


def _tables(settings: Mapping[str, Any], name: str) -> dict[str, Mapping[str, Any]]:
    found = settings.get(name)
    return {k: v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}
