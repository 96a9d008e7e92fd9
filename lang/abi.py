"""Names and markers that generated code shares with the runtime and the diagnostics."""

from __future__ import annotations

# A generated function that evaluates the parts of a record: the prefix of its name, and its parameter, the number of
# the part. The docstring of the function holds the names of the parts, one a line.
PARTS = ".parts"
PART = ".part"

# The docstring of a function that promises to evaluate parts of its record argument begins with PROMISE (see
# compiler/record_calls.py). FRESH follows if the result comes from a call with a record, so that nothing else holds it.
PROMISE = "\0"
FRESH = "="
# The suffix of a name whose value is evaluated with all that it contains. No name contains this character.
DEEP = "*"
# The suffix of a called name that means the name of the builtin or prelude, not the field of the same name (see
# `mark_outer_calls`). No name contains a dot.
OUTER = ".outer"
