"""Refuse a `.with` of a Debian package that changes nothing that the package is made from."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any

from fpack.lang.errors import Fault, quote

from ..values import Record, Value, evaluated

# The fields that `.with` changes. `meta` and `extra` describe a package, and are no part of it.
FIELDS = ("deb", "payload", "version", "arch", "rule", "meta", "extra")


def is_debian_package(value: Value) -> bool:
    """Return True for a package that fpack/debian-package.fp made and that no layer has changed."""
    return value.__class__ is Record and dict.get(value, "type") == "package" and "payload" in value


def check_layer(package: Value, change: Value) -> Any:
    """Raise Fault for a field that changes nothing. Of a function, return the check of the fields that it returns."""
    name = str(evaluated(package.get("name")))
    if change.__class__ is FunctionType:
        return lambda found: check_fields(name, found)
    check_fields(name, change)
    return None


def check_fields(name: str, changed: Iterable[str]) -> None:
    """Raise Fault for the first of the changed fields that is no part of the package."""
    for field in changed:
        if field not in FIELDS:
            raise Fault(
                f"{quote(field)} changes nothing of {name}, which Debian has built",
                why=f"its fields are {', '.join(FIELDS)}",
                hint="`package` and `make` build a source otherwise",
                field=field,
            )
