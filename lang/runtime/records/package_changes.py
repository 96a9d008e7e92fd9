"""Refuse a `.with` of a Debian package that changes nothing that the package is made from."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType

from fpack.lang.errors import Fault, quote
from fpack.light_typing import Any

from ..values import Pending, Record, Value, evaluated
from .origins import Spread, origin_of

# The fields that `.with` changes. `meta` and `extra` describe a package, and are no part of it.
FIELDS = ("deb", "payload", "version", "arch", "rule", "replace", "meta", "extra")


def is_debian_package(value: Value) -> bool:
    """Return True for a package that fpack/debian-package.fp made and that no layer has changed."""
    return value.__class__ is Record and dict.get(value, "type") == "package" and "payload" in value


def check_spread(parts: Iterable[Any]) -> None:
    """Raise Fault for a field that a record adds to a package that it spreads, if it changes nothing of the package."""
    package = next(filter(None, map(_spread_package, parts)), None)
    if package is not None:
        name = str(evaluated(package["name"]))
        for part in parts:
            if part.__class__ is dict:
                check_fields(name, part)


def _spread_package(part: Value) -> Any:
    """Return the Debian package that a part is, or that it spreads; None if it is none."""
    origin = origin_of(part)
    if part.__class__ is Pending and origin.__class__ is Spread:
        return next(filter(None, map(_spread_package, origin.parts)), None)
    return part if is_debian_package(part) else None


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
            raise unused_field(name, field)


def unused_field(name: str, field: str) -> Fault:
    """Return the error for a field that changes nothing of a package."""
    return Fault(
        f"{quote(field)} cannot change {name}, which Debian has built",
        why=f"the fields that can be changed are {', '.join(FIELDS)}",
        hint="to build its source in another way, use `package` or a function such as `make`",
        field=field,
    )
