"""List the builtins: the functions that every file can call, and the arguments that each certainly evaluates.

The first argument is the data, so that a builtin can be used with `|>`: `xs |> map(x => x + 1) |> join(", ")`. Builtins
never modify their arguments. Positions and indices count from 0. The docstring of a builtin's function, which stands in
the module of its subject, begins with its signature and documents the types; `fpack doc` prints it. The function itself
checks the types of its arguments (runtime/argument_checks.py). To add a builtin, write the function and list it in both
tables.
"""

from __future__ import annotations

from collections.abc import Callable

from fpack.lang.runtime.values import Value

from . import data_formats, distinct, lists, numbers, records, secrets, strings, topological_order

# For each builtin, one letter per argument: `s` if the builtin always evaluates it, `l` if it may not.
STRICT = {
    "map": "ss",
    "filter": "ss",
    "fold": "sls",
    "length": "s",
    "head": "s",
    "tail": "s",
    "get": "ssl",
    "range": "ss",
    "reverse": "s",
    "concat": "",
    "flatten": "s",
    "sort": "ss",
    "unique": "s",
    "unique-by": "ss",
    "closure": "sss",
    "zip": "ss",
    "any": "ss",
    "all": "ss",
    "contains": "sl",
    "names": "s",
    "values": "s",
    "has": "ss",
    "remove": "ss",
    "map-record": "ss",
    "to-record": "s",
    "merge": "",
    "on-demand": "ss",
    "split": "ss",
    "join": "ss",
    "replace": "sss",
    "replace-all": "sss",
    "substring": "sss",
    "starts-with": "ss",
    "ends-with": "ss",
    "trim": "s",
    "lower": "s",
    "upper": "s",
    "match": "ss",
    "find-all": "ss",
    "characters": "s",
    "to-string": "s",
    "to-int": "ss",
    "to-json": "s",
    "to-yaml": "s",
    "to-toml": "s",
    "to-ini": "s",
    "hash": "ss",
    "from-json": "s",
    "from-toml": "s",
    "from-yaml": "s",
    "store-name": "s",
    "min": "",
    "max": "",
    "abs": "s",
    "mod": "ss",
    "floor": "s",
    "ceil": "s",
    "round": "s",
    "to-float": "s",
    "optional": "sl",
    "toposort": "s",
    "trace": "sl",
    "warn": "sl",
    "type": "s",
    "evaluate": "ss",
    "error": "ss",
    "import": "s",
    "read-text": "s",
    "read-json": "s",
    "read-toml": "s",
    "read-yaml": "s",
    "read-dir": "s",
    "source": "sl",
    "package-set": "sl",
    "secret": "s",
    "secret-name": "s",
    "derivation": "s",
    "derivation-of": "s",
    "mentions": "s",
    "inputs": "s",
    "is-executable": "s",
    "debian-releases": "",
    "ubuntu-releases": "",
    "debian-package": "sss",
    "debian-closure": "sss",
    "settings": "",
    "list-without": "ss",
    "list-common": "ss",
    "list-groups": "ss",
    "packages-with": "ss",
}
# The builtins that only the library sees.
HIDDEN = frozenset(["settings", "list-without", "list-common", "list-groups", "packages-with", "secret-name"])


PURE: dict[str, Callable[..., Value]] = {
    "map": lists.map_,
    "filter": lists.filter_,
    "fold": lists.fold,
    "length": lists.length,
    "head": lists.head,
    "tail": lists.tail,
    "get": lists.get,
    "range": lists.range_,
    "reverse": lists.reverse,
    "concat": lists.concat,
    "flatten": lists.flatten,
    "sort": lists.sort,
    "unique": distinct.unique,
    "unique-by": distinct.unique_by,
    "closure": distinct.closure,
    "list-without": distinct.without,
    "list-common": distinct.common,
    "list-groups": distinct.groups,
    "zip": lists.zip_,
    "any": lists.any_,
    "all": lists.all_,
    "contains": lists.contains,
    "names": records.names,
    "values": records.values,
    "has": records.has,
    "remove": records.remove,
    "map-record": records.map_record,
    "to-record": records.to_record,
    "merge": records.merge,
    "on-demand": records.on_demand,
    "join": strings.join,
    "starts-with": strings.starts_with,
    "ends-with": strings.ends_with,
    "trim": strings.trim,
    "to-int": strings.to_int,
    "from-json": data_formats.from_json,
    "from-toml": data_formats.from_toml,
    "from-yaml": data_formats.from_yaml,
    "store-name": strings.store_name,
    "secret": secrets.secret,
    "secret-name": secrets.secret_name,
    "min": lists.min_,
    "max": lists.max_,
    "abs": numbers.abs_,
    "mod": numbers.mod,
    "floor": numbers.floor_,
    "ceil": numbers.ceil_,
    "round": numbers.round_,
    "to-float": numbers.to_float,
    "optional": lists.optional,
    "toposort": topological_order.toposort,
    "type": lists.type_,
    "evaluate": lists.evaluate,
    "error": lists.error,
}
for _name, _function in PURE.items():
    _function.__qualname__ = _function.__name__ = _name
lists.fold_loop.__qualname__ = lists.fold_loop.__name__ = "fold"
PURE[".fold"] = lists.fold_loop
lists.fold_growing.__qualname__ = lists.fold_growing.__name__ = "fold"
PURE[".grow"] = lists.fold_growing
PURE[".append"] = lists.append
PURE[".append-list"] = lists.append_list
lists.map_all.__qualname__ = lists.map_all.__name__ = "map"
PURE[".map-all"] = lists.map_all
lists.map_at_once.__qualname__ = lists.map_at_once.__name__ = "map"
PURE[".map"] = lists.map_at_once  # the compiler calls it for some calls of `map`
