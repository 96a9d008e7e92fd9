"""Give the packages of a set what the set replaces in them.

The library's sets of packages have a field `replace`, which is empty: `set.extend { replace = { zlib1g = zlib } }` is a
set whose packages have the same field. Containers of such a package replace the libraries of the package `zlib1g`.
"""

from __future__ import annotations

from fpack.lang.errors import Fault

from ..values import Record, Value, describe, evaluated

REPLACE = "replace"


def is_package(value: Value) -> bool:
    """Return whether a value is a package of Debian or Ubuntu, which has this field."""
    return isinstance(value, Record) and value.get("type") == "package" and REPLACE in value


def replaced_in(field: Value) -> dict[str, Value]:
    """Return the field of a set. Raise Fault if it is no record."""
    value = evaluated(field)
    if not isinstance(value, dict):
        what = f"`{REPLACE}` of a set of packages is a record, and this is {describe(value)}"
        raise Fault(what, hint=f"write {REPLACE} = {{ zlib1g = zlib }}", field=REPLACE)
    return value
