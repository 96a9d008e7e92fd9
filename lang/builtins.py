"""The functions that every file can call.

The data comes first, so that `|>` reads well: `xs |> map(x => x + 1) |> join(", ")`. Functions never change what they
are given. A position or an index counts from 0.

| lists | |
| --- | --- |
| map(xs, f), filter(xs, f) | f of each element; the elements for which f is true |
| fold(xs, start, f) | f(...f(f(start, x0), x1)..., xn) |
| length(x) | of a list, a record or a string (in characters) |
| head(xs), tail(xs) | the first element; all but the first |
| get(xs, i), get(xs, i, default) | an element (or a record's field) |
| range(n), range(a, b) | 0 to n - 1; a to b - 1 |
| reverse(xs), concat(xs, ys, ...), flatten(xss) | backwards; joined; one level of lists joined |
| sort(xs), sort(xs, key) | by value, or by key(x): numbers or strings, stable |
| unique(xs) | without what is equal to an earlier element |
| zip(xs, ys) | [[x0, y0], ...], as long as the shorter |
| any(xs, f), all(xs, f) | whether f is true of one, of each |
| contains(xs, x) | whether an element equals x, a string has the part x, a record has the field x |

| records | |
| --- | --- |
| names(r), values(r) | the fields' names, sorted; their values, in that order |
| has(r, name), get(r, name, default) | |
| remove(r, names) | without these fields (a name or a list) |
| map-record(r, f) | f(name, value) for each field |
| to-record(xs) | from [{ name, value }, ...] |
| merge(a, b, ...) | joined; where two have a record, those are merged |
| on-demand(what, f) | a record whose field NAME is f(NAME), computed when asked for; `what` names it in messages |

| strings | |
| --- | --- |
| split(s, by), join(xs, by) | |
| replace(s, old, new), substring(s, from, to) | |
| starts-with(s, t), ends-with(s, t), trim(s), lower(s), upper(s) | |
| replace-all(s, regex, new) | with what the regular expression finds replaced by `new` as it is |
| match(s, regex) | null, or the groups of a regular expression that covers s; without groups, [] |
| to-string(x), to-int(s), to-int(s, base), to-json(x), from-json(s) | |
| store-name(s) | s with the characters replaced that a name in the store cannot have |

| numbers | |
| --- | --- |
| min(a, b, ...), max(a, b, ...) | of numbers, or of one list of them |
| abs(n) | |

| others | |
| --- | --- |
| type(x) | "null" "bool" "int" "float" "string" "list" "record" "function" "path" |
| evaluate(x, result) | `result`, once x is evaluated: for checks that come first |
| error(message), error(message, field) | ends the evaluation; the field of the record given is to blame |
| import(file) | the record of "./other.fp", or of "fpack/NAME" of the library |
| read-text(file) | a file's content |
| derivation { kind, name, ... } | a build; all but kind, name, candidates and outputs are arguments, and `args` is |
| mentions(x) | the paths of derivations that stand in the strings of x |
| inputs(drv) | the paths of derivations that a derivation is made from |
| is-executable(file) | whether a path, or a derivation of one file, is a program |
| debian-releases(), debian-package(release, name), debian-closure(release, names) | what the package source knows |
"""

from __future__ import annotations

from collections.abc import Callable

from . import builtin_lists as lists
from . import builtin_texts as texts
from .values import Value

# For each builtin, one letter an argument: `s` if the builtin always evaluates it, `l` if it may not.
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
    "to-string": "s",
    "to-int": "ss",
    "to-json": "s",
    "from-json": "s",
    "store-name": "s",
    "min": "",
    "max": "",
    "abs": "s",
    "type": "s",
    "evaluate": "ss",
    "error": "ss",
    "import": "s",
    "read-text": "s",
    "derivation": "s",
    "mentions": "s",
    "inputs": "s",
    "is-executable": "s",
    "debian-releases": "",
    "debian-package": "ss",
    "debian-closure": "ss",
    "settings": "",
}


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
    "unique": lists.unique,
    "zip": lists.zip_,
    "any": lists.any_,
    "all": lists.all_,
    "contains": lists.contains,
    "names": lists.names,
    "values": lists.values,
    "has": lists.has,
    "remove": lists.remove,
    "map-record": lists.map_record,
    "to-record": lists.to_record,
    "merge": lists.merge,
    "on-demand": lists.on_demand,
    "join": texts.join,
    "starts-with": texts.starts_with,
    "ends-with": texts.ends_with,
    "trim": texts.trim,
    "to-int": texts.to_int,
    "from-json": texts.from_json,
    "store-name": texts.store_name,
    "min": lists.min_,
    "max": lists.max_,
    "abs": lists.abs_,
    "type": lists.type_,
    "evaluate": lists.evaluate,
    "error": lists.error,
}
for _name, _function in PURE.items():
    _function.__qualname__ = _function.__name__ = _name
