"""Names and markers that generated code shares with the runtime and the diagnostics."""

from __future__ import annotations

# A generated function that evaluates the values of a record literal: the prefix of its name, and its parameter, the
# index of the value. The docstring of the function lists the values' names, one per line.
PARTS = ".parts"
PART = ".part"

# The docstring of a function that promises to evaluate fields of its record argument begins with PROMISE (see
# compiler/record_calls.py). FRESH follows if the result comes from a call with a record, so that nothing else holds it.
PROMISE = "\0"
FRESH = "="
# The suffix of a name whose value is evaluated with all that it contains. No name contains this character.
DEEP = "*"
# The suffix of a called name that refers to the builtin or prelude, not to the field of the same name (see
# `mark_outer_calls` in syntax/tree.py). No name contains a dot.
OUTER = ".outer"
