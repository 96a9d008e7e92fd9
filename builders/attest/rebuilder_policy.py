"""Read the file that names the rebuilders to trust, and which packages they must have reproduced.

    required = 2

    [[operator]]
    name = "example"
    servers = ["https://rebuilder.example.org"]
    keys = ["ed25519:..."]

    [[exception]]
    package = "libfoo1"
    reason = "its build records the kernel's version"

An operator is who runs servers, and has one vote. So no server and no key may belong to two operators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

from fpack import strict_toml
from fpack.store.errors import FpackError, malformation

from .in_toto_link import parse_key

MAX_SIZE = 1 << 20  # bytes
MAX_OPERATORS = 64
MAX_EACH = 32  # servers, and keys, of one operator
MAX_TEXT = 500


class PolicyError(FpackError):
    """A policy that cannot be read."""

    exit_code = 2


class Operator(NamedTuple):
    """An operator of rebuilders. servers: URLs without a slash at the end. keys: raw Ed25519 keys."""

    name: str
    servers: tuple[str, ...]
    keys: tuple[bytes, ...]


class PolicyException(NamedTuple):
    """A package that need not be reproduced. version: only in this one; "": in all."""

    package: str
    version: str
    reason: str


class RebuilderPolicy(NamedTuple):
    """Whom to ask, and how many operators must have reproduced each package."""

    operators: tuple[Operator, ...]
    required: int
    exceptions: tuple[PolicyException, ...] = ()

    def excuse(self, name: str, version: str) -> str:
        """Return the reason why a package need not be reproduced, or ""."""
        matching = (item for item in self.exceptions if item.package == name and item.version in ("", version))
        return next((item.reason for item in matching), "")


def read_policy(path: Path) -> RebuilderPolicy:
    """Read a policy file. Raise PolicyError if it is missing or invalid."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise PolicyError(
            "The rebuilders are not configured"
            if isinstance(error, FileNotFoundError)
            else "The file of rebuilders cannot be read",
            where=str(path),
            why=error.strerror or str(error),
            hint="write the file, or name another one with --policy; see docs/rebuilders.md",
        ) from None
    return parse_policy(data, str(path))


def parse_policy(data: bytes, where: str) -> RebuilderPolicy:
    """Parse a policy file. Raise PolicyError if it is invalid."""
    try:
        if len(data) > MAX_SIZE:
            raise ValueError(f"it has more than {MAX_SIZE} bytes")
        return _policy(strict_toml.parse(data.decode("utf-8")))
    except ValueError as error:
        _invalid(where, malformation(error)[:MAX_TEXT])


def _invalid(where: str, why: str) -> NoReturn:
    raise PolicyError("The file of rebuilders is invalid", where=where, why=why, hint="see docs/rebuilders.md")


def _policy(value: Mapping[str, Any]) -> RebuilderPolicy:
    _only(value, ("required", "operator", "exception"), "the file")
    operators = tuple(_operator(item) for item in _tables(value, "operator"))
    if not operators:
        raise ValueError("it names no operator")
    if len(operators) > MAX_OPERATORS:
        raise ValueError(f"it names {len(operators)} operators; the limit is {MAX_OPERATORS}")
    _distinct([operator.name for operator in operators], "the name {} is that of two operators")
    _distinct([server for o in operators for server in o.servers], "the server {} occurs twice")
    _distinct([f"ed25519:{key.hex()}" for o in operators for key in o.keys], "the key {} occurs twice")
    required = value.get("required", 1)
    if required.__class__ is not int or not 1 <= required <= len(operators):
        raise ValueError(f"`required` is not a number from 1 to {len(operators)}, the number of operators")
    exceptions = tuple(_exception(item) for item in _tables(value, "exception"))
    return RebuilderPolicy(operators, required, exceptions)


def _operator(value: Mapping[str, Any]) -> Operator:
    name = _text(value, "name", "an operator")
    _only(value, ("name", "servers", "keys"), f"the operator {name}")
    servers = tuple(_server(text) for text in _texts(value, "servers", name))
    keys = []
    for text in _texts(value, "keys", name):
        try:
            keys.append(parse_key(text))
        except ValueError as error:
            raise ValueError(f"a key of {name}: {error}") from None
    return Operator(name, servers, tuple(keys))


def parse_server(text: str) -> str:
    """Return the URL of a server without a slash at the end. Raise ValueError if it is no plain URL of a server."""
    return _server(text)


def _server(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError(f"{text[:100]!r} is not the URL of a server, with http or https")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"the URL of {parts.hostname} has a login, a query or a fragment")
    return text.rstrip("/")


def _exception(value: Mapping[str, Any]) -> PolicyException:
    package = _text(value, "package", "an exception")
    _only(value, ("package", "version", "reason"), f"the exception {package}")
    version = _text(value, "version", f"the exception {package}") if "version" in value else ""
    return PolicyException(package, version, _text(value, "reason", f"the exception {package}"))


def _tables(value: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError(f"`{name}` is not a list of tables: write [[{name}]]")
    return found


def _text(value: Mapping[str, Any], field: str, owner: str) -> str:
    found = value.get(field)
    if not isinstance(found, str) or not found.strip() or len(found) > MAX_TEXT or not found.isprintable():
        raise ValueError(f"the {field} of {owner} is not a line of text")
    return found.strip()


def _texts(value: Mapping[str, Any], field: str, owner: str) -> Sequence[str]:
    found = value.get(field)
    if not isinstance(found, list) or not 0 < len(found) <= MAX_EACH or not all(isinstance(x, str) for x in found):
        raise ValueError(f"the {field} of {owner} are not a list of 1 to {MAX_EACH} texts")
    return found


def _only(value: Mapping[str, Any], fields: Sequence[str], owner: str) -> None:
    unknown = sorted(value.keys() - set(fields))
    if unknown:
        raise ValueError(f"{owner} has the unknown field {unknown[0][:60]!r}")


def _distinct(texts: Sequence[str], words: str) -> None:
    for number, text in enumerate(texts):
        if text in texts[:number]:
            raise ValueError(words.format(text))
