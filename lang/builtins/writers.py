"""Define the builtins that write a value as JSON, YAML, TOML or INI. The formats are written by modules of their own.

The texts are deterministic, and the builtins that read these formats read the same value from them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType

from fpack.lang.errors import Fault
from fpack.lang.runtime.argument_checks import bounded
from fpack.lang.runtime.derivations import Deriver
from fpack.lang.runtime.operators import fields
from fpack.lang.runtime.values import Path, Record, Secret, Value, describe, evaluated
from fpack.light_typing import Any

MAX_DEPTH = {"JSON": 200, "YAML": 100, "TOML": 200, "INI": 3}  # YAML: as deep as from-yaml reads


def functions(deriver: Deriver) -> dict[str, Callable[..., Value]]:
    """Return the builtins by name."""

    def to_json(x: Value, /) -> Value:
        """to-json(x): Convert a value to JSON, with sorted fields. Paths and derivations become paths in the store.

        to-json([1, null]) == "[1,null]"
        """
        import json

        return json.dumps(plain(x, deriver), ensure_ascii=False, separators=(",", ":"))

    def to_yaml(x: Value, /) -> Value:
        """to-yaml(x): Convert a value to YAML, with sorted fields. Strings are quoted if any reader of YAML might take
        them for something else, such as `no`, `1.10` or a date. Paths and derivations become paths in the store.

            to-yaml({ port = 80, hosts = ["a", "no"] }) == "hosts:\\n  - a\\n  - \\"no\\"\\nport: 80\\n"
        """
        from .yaml_writer import encode

        return encode(plain(x, deriver, "YAML"))

    def to_toml(x: Value, /) -> Value:
        """to-toml(r): Convert a record to TOML, with sorted fields. TOML has no null. Paths and derivations become
        paths in the store.

            to-toml({ name = "app", server = { port = 80 } }) == "name = \\"app\\"\\n\\n[server]\\nport = 80\\n"
        """
        from .toml_writer import encode

        return encode(plain(x, deriver, "TOML"))

    def to_ini(x: Value, /) -> Value:
        """to-ini(r): Convert a record to an INI file. Records in it become sections, in which a list is written as one
        line for each element. INI has no quotes: a value with a line break or with white space at its ends is an error.

            to-ini({ Unit = { After = ["a", "b"] } }) == "[Unit]\\nAfter = a\\nAfter = b\\n"
        """
        from .ini_writer import encode

        return encode(plain(x, deriver, "INI"))

    return {"to-json": to_json, "to-yaml": to_yaml, "to-toml": to_toml, "to-ini": to_ini}


def plain(value: Value, deriver: Deriver, language: str = "JSON", depth: int = 0) -> Any:
    """Convert a value to the types of JSON, with derivations and paths as placeholders and fields sorted.

    language: what the value is written as.
    """
    value = evaluated(value)
    if depth > MAX_DEPTH[language]:
        raise Fault(f"The value is nested too deeply for {language}, or contains itself")
    if value.__class__ is list:
        return [plain(x, deriver, language, depth + 1) for x in value]
    if isinstance(value, Record) and value.get("type") == "derivation":
        return deriver.text(value)
    if isinstance(value, dict):
        return {name: plain(x, deriver, language, depth + 1) for name, x in sorted(fields(value).items())}
    if value.__class__ is Path:
        return deriver.text(value)
    if value.__class__ is FunctionType or value.__class__ is Secret:
        raise Fault(f"{describe(value).capitalize()} cannot be written as {language}")
    return bounded(value) if value.__class__ is int else value
