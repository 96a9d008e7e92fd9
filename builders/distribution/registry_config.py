"""Read where repositories are: mirrors, other locations and blocked registries, as containers-registries.conf(5) says.

Short names are never searched, so `unqualified-search-registries` and aliases are not read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from fpack.light_typing import Any, NamedTuple
from fpack.store.errors import FpackError, malformation
from fpack.store.files.presence import is_present
from fpack.xdg import base_directory

from .reference import Reference

MAX_FILE = 1 << 20  # bytes
ALL, BY_DIGEST, BY_TAG = "all", "digest-only", "tag-only"


class BadRegistryConfig(FpackError):
    """A configuration of registries that cannot be read."""

    exit_code = 2


class RegistryPlace(NamedTuple):
    """A place of a repository. insecure: it may be asked without TLS. pull: ALL, BY_DIGEST or BY_TAG."""

    host: str
    repository: str
    insecure: bool = False
    pull: str = ALL


class Route(NamedTuple):
    """The places of a repository: `main`, which is written, and `mirrors` to ask first, in this order."""

    main: RegistryPlace
    mirrors: tuple[RegistryPlace, ...] = ()
    blocked: str = ""  # the prefix that the configuration blocks


def find(reference: Reference, environ: Mapping[str, str] = os.environ) -> Route:
    """Return the places of a repository. The longest prefix of the configuration that fits decides."""
    name = f"{reference.host}/{reference.repository}"
    found = {prefix: row for prefix, row in _registries(environ).items() if _match(prefix, name)}
    if not found:
        return Route(RegistryPlace(reference.host, reference.repository))
    # Of two prefixes of one length, one that names the host takes precedence over a wildcard.
    prefix = max(found, key=lambda text: (len(text), not text.startswith("*.")))
    row, rest = found[prefix], name[_match(prefix, name) :]
    location = str(row.get("location") or "")
    main = _place(f"{location}{rest}" if location and not prefix.startswith("*.") else name, row)
    mirrors = []
    for mirror in _rows(row.get("mirror")):
        if place := str(mirror.get("location") or ""):
            pull = str(mirror.get("pull-from-mirror") or ALL)
            if row.get("mirror-by-digest-only") is True:
                pull = BY_DIGEST
            mirrors.append(_place(f"{place}{rest}", mirror)._replace(pull=pull))
    return Route(main, tuple(mirrors), prefix if row.get("blocked") is True else "")


def _place(name: str, row: Mapping[str, Any]) -> RegistryPlace:
    host, _, repository = name.partition("/")
    return RegistryPlace(host, repository, row.get("insecure") is True)


def _match(prefix: str, name: str) -> int:
    """Return how many characters of a name a prefix covers, or 0 if it does not fit."""
    if prefix.startswith("*."):
        host = name.partition("/")[0]
        return len(host) if host.partition(":")[0].endswith(prefix[1:]) else 0
    return len(prefix) if name == prefix or name.startswith(f"{prefix}/") else 0


def _files(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths of the files. Later ones take precedence."""
    if given := environ.get("CONTAINERS_REGISTRIES_CONF"):
        yield given
        return
    own = f"{base_directory('CONFIG', environ)}/containers"
    system = "/etc/containers"
    yield f"{own}/registries.conf" if is_present(f"{own}/registries.conf") else f"{system}/registries.conf"
    for directory in (f"{system}/registries.conf.d", f"{own}/registries.conf.d"):
        try:
            names = sorted(name for name in os.listdir(directory) if name.endswith(".conf"))
        except OSError:
            continue
        yield from (f"{directory}/{name}" for name in names)


def _registries(environ: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for path in _files(environ):
        try:
            with open(path, "rb") as file:
                data = file.read(MAX_FILE + 1)
            if len(data) > MAX_FILE:
                raise ValueError(f"it is larger than {MAX_FILE} bytes")
            text = data.decode()
            if _has_no_registry(text):
                continue
            from fpack import strict_toml

            document = strict_toml.parse(text)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or malformation(error)
            raise BadRegistryConfig("The configuration of registries cannot be read", where=path, why=why) from None
        for row in _rows(document.get("registry")):
            prefix = str(row.get("prefix") or row.get("location") or "").rstrip("/")
            if prefix:
                found[prefix] = row
    return found


def _has_no_registry(text: str) -> bool:
    """Return whether a file has only comments and short names, as those of distributions have."""
    for line in map(str.strip, text.split("\n")):
        empty, *alias = line.split('"')
        is_alias = len(alias) == 4 and not empty and alias[1].strip() == "=" and not alias[3] and "\\" not in line
        if not (line.isprintable() and (not line or line[0] == "#" or line == "[aliases]" or is_alias)):
            return False
    return True


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
